# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Time daemons that we did not write, in the namespace of the servers, as clients, servers or peers of ours. They
touch no clock: chronyd is told so (-x); ntpd of NTPsec has no such option, and is started only where it cannot have
the right (see tools/without-clock). It says so once and keeps its time in its head."""

import re

from .world import DAEMONS, STATE, Process, run, soon

CAP_SYS_TIME = 25


class Other:
    """What both have in common: a folder, a configuration, a process. lines: of its configuration."""

    def __init__(self, name, *lines, netns="servers"):
        self.name, self.netns = name, netns
        self.folder = STATE / name
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.path = self.folder / "conf"
        self.path.write_text("\n".join([*lines, *self.own_lines()]) + "\n")
        self.process = None
        self.start()

    def start(self):
        self.process = Process(self.name, self.command(), netns=self.netns)
        try:
            soon(self.talks, what=f"{self.name} answers its command")
        except BaseException:
            self.process.stop()
            raise

    def prefix(self):
        return ["ip", "netns", "exec", self.netns] if self.netns else []

    def stop(self):
        return self.process.stop()

    def own_lines(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def talks(self):
        raise NotImplementedError


class Chronyd(Other):
    """chronyd and its chronyc."""

    def __init__(self, name, *lines, netns="servers"):
        self.socket = STATE / name / "sock"
        super().__init__(name, *lines, netns=netns)

    @staticmethod
    def nts_server(certificate):
        """Lines for a server of network time security."""
        return [f"ntsservercert {certificate.chain}", f"ntsserverkey {certificate.key}"]

    @staticmethod
    def nts_client(authority):
        """Lines for a client of it, which trusts that authority alone; its servers get the option nts."""
        return ["nosystemcert", f"ntstrustedcerts {authority.trusted}"]

    def own_lines(self):
        return [f"bindcmdaddress {self.socket}", "cmdport 0", f"pidfile {self.folder}/pid"]

    def command(self):
        return ["chronyd", "-x", "-d", "-u", "root", "-f", self.path]

    def talks(self):
        return self.ask("activity")

    def ask(self, *words):
        """Lines that chronyc prints."""
        self.process.expect_alive()
        return run("chronyc", "-n", "-h", self.socket, *words).stdout.splitlines()

    def rows(self, report):
        return [line.split(",") for line in self.ask("-c", report)]

    def source(self, address):
        """How it sees a source: selected, tests passed, authenticated, interleaved, stratum, offset, packets sent and valid."""
        state = next(row for row in self.rows("sources") if row[2] == address)
        data = next(row for row in self.rows("ntpdata") if row[0] == address)
        return {"selected": state[1] == "*", "good": state[1] in "*+-", "stratum": int(state[3]), "offset": float(state[7]),
                "reach": int(state[5], 8), "tests": "".join(data[23:26]), "interleaved": data[26] == "Yes", "authenticated": data[27] == "Yes",
                "transmit": data[28], "receive": data[29], "sent": int(data[30]), "valid": int(data[-1] if len(data) <= 34 else data[33])}

    def authentication(self, address):
        """How it authenticates a source: mode, type, bits, attempts, naks, cookies, cookie_length."""
        row = next(row for row in self.rows("authdata") if row[0] == address)
        return {"mode": row[1], **dict(zip(("type", "bits", "attempts", "naks", "cookies", "cookie_length"),
                                           map(int, [row[3], row[4], *row[6:]]), strict=True))}

    def counters(self):
        """{name: number} of its server, under the names that chronyc prints."""
        return {name.strip(): int(value) for name, value in (line.split(":") for line in self.ask("serverstats"))}


class Ntpd(Other):
    """ntpd of NTPsec and its ntpq."""

    @staticmethod
    def nts_server(certificate):
        """Lines for a server of network time security."""
        return ["nts enable", f"nts cert {certificate.chain}", f"nts key {certificate.key}",
                f"nts cookie {certificate.key}.cookies"]

    @staticmethod
    def nts_client(authority):
        """Lines for a client of it, which trusts that authority; its servers get the option nts."""
        return [f"nts ca {authority.trusted}"]

    def own_lines(self):
        return ["tos maxdist 16", "restrict default nomodify", "restrict 127.0.0.1", "unrestrict default limited", f"driftfile {self.folder}/drift"]

    def command(self):
        if may_set_the_clock():
            raise RuntimeError("ntpd would set the clock of this machine")
        return ["ntpd", "-n", "-c", self.path]

    def talks(self):
        return "version" in self.ask("rv 0 version")

    def ask(self, *commands):
        """What ntpq prints, as one text."""
        self.process.expect_alive()
        words = [word for command in commands for word in ("-c", command)]
        return run("ntpq", "-n", *words, prefix=self.prefix(), env={
            "PYTHONPATH": str(DAEMONS / "usr/lib/python3/dist-packages"), "LD_LIBRARY_PATH": str(ntpsec_library())}).stdout

    def sources(self):
        """[{name: text}] of its sources in order, with what the table of associations says."""
        table = [line.split() for line in self.ask("as").splitlines() if re.match(r" *\d+ ", line)]
        said = self.ask(*(f"rv {row[1]}" for row in table)).split("associd=")[1:]
        return [{**variables(text), "auth": row[5], "condition": row[6]} for row, text in zip(table, said, strict=True)]

    def system(self):
        """{name: text} of the daemon."""
        return variables(self.ask("rv 0"))

    def source(self, address):
        """How it sees a source."""
        found = next(source for source in self.sources() if source["srcadr"] == address)
        return {"selected": found["condition"] == "sys.peer", "good": found["condition"] not in ("reject", "falsetick"),
                "reach": int(found["reach"], 8),
                "stratum": int(found["stratum"]), "offset": float(found["offset"]) / 1000,
                "authenticated": found["auth"] == "ok"}


def may_set_the_clock():
    """Whether a program that root starts here could."""
    with open("/proc/self/status", encoding="ascii") as status:
        bounding = next(int(line.split()[1], 16) for line in status if line.startswith("CapBnd:"))
    return bool(bounding >> CAP_SYS_TIME & 1)


def variables(text):
    return dict(re.findall(r"(\w+)=(\"[^\"]*\"|[^,\s]*)", text))


def ntpsec_library():
    """Folder of the library that ntpq needs; None when the package was not fetched."""
    return next(DAEMONS.glob("usr/lib/*/ntp"), None)
