# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Machines whose clocks are years away, with sources of Network Time Security only: certificates do not fit the
clock, the clock comes right all the same, and nobody alone can send it elsewhere (doc/nts.md)."""

import time

import pytest

from harness import DAEMONS, Authority, Chronyd, Failed, name_host, soon
from harness.pki import DAY, now
from interop import need

pytestmark = pytest.mark.lab

CLOCKS = {"2015": "2015-06-01 12:00 UTC", "2040": "2040-06-01 12:00 UTC"}
OPTIONS = "nts iburst minpoll 0 maxpoll 2"
HONEST = {f"{name}.example": f"192.0.2.{number}" for number, name in enumerate(("aft", "bow", "keel"), 31)}
# the attacker's machine has another time than ours, and two addresses: one name alone can have an address
MOLE, STOLEN = "192.0.2.109", "192.0.2.110"
MOLES_CLOCK = now() + 10 * DAY
# what is wrong with a certificate, and what it is called
BAD = {"untrusted.example": "certificate-untrusted", "renamed.example": "certificate-name", "expired.example": "certificate-expired",
       "outlived.example": "certificate-expired", "early.example": "certificate-not-yet-valid"}
NAMES = {**HONEST, "mole.example": MOLE, "stolen.example": STOLEN, "gone.example": "192.0.2.77", "far.example": "192.0.2.78",
         **{name: f"192.0.2.{number}" for number, name in enumerate(BAD, 51)}}
HOSTS = "127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in NAMES.items())
FOLDER = "/var/lib/timeball"


@pytest.fixture(scope="module", name="authority")
def honest_servers(lab_network):
    """Three servers that are right, and who vouches for them."""
    need("chronyd")
    authority = Authority().intermediate()
    started = []
    for name, address in HONEST.items():
        name_host(name, address)
        place = lab_network.host(name.split(".")[0], int(address.split(".")[-1]))
        started.append(Chronyd(place, "allow all", "local stratum 3", *Chronyd.nts_server(authority.issue(name)), netns=place))
    yield authority
    for server in started:
        server.stop()


@pytest.fixture(scope="module", name="bad_servers")
def servers_with_bad_certificates(lab_network, authority):
    """Servers that are right, each with something else that is wrong with its certificate."""
    before, later = (now() - 60 * DAY, now() - DAY), (now() + DAY, now() + 60 * DAY)
    certificates = {
        "untrusted.example": Authority("Nobody's Authority").issue("untrusted.example"),
        "renamed.example": authority.issue("aft.example", "192.0.2.31"),
        "expired.example": authority.issue("expired.example", valid=before),
        "outlived.example": authority.intermediate("Old Authority", valid=before).issue("outlived.example"),
        "early.example": authority.issue("early.example", valid=later),
    }
    started = []
    for name, certificate in certificates.items():
        place = lab_network.host(name.split(".")[0], int(NAMES[name].split(".")[-1]))
        started.append(Chronyd(place, "allow all", "local stratum 3", *Chronyd.nts_server(certificate), netns=place))
    yield
    for server in started:
        server.stop()


def start_mole(boot, lab_network, authority):
    """A machine with a time of its own, the certificate of one source, and one that has expired."""
    certificates = {"valid": authority.issue("mole.example", valid=(now() - 60 * DAY, now() + 60 * DAY)),
                    "stolen": authority.issue("stolen.example", valid=(now() - 60 * DAY, now() - DAY))}
    files, lines = {}, ["allow all", "local stratum 3", "cmdport 0", "bindcmdaddress /run/mole.sock", "pidfile /run/mole.pid"]
    for name, certificate in certificates.items():
        files[f"/etc/mole/{name}.pem"] = certificate.chain.read_text()
        files[f"/etc/mole/{name}.key"] = certificate.key.read_text()
        lines += [f"ntsservercert /etc/mole/{name}.pem", f"ntsserverkey /etc/mole/{name}.key"]
    files["/etc/mole/conf"] = "\n".join(lines) + "\n"
    machine = boot(clock=MOLES_CLOCK.strftime("%F %T UTC"), files=files, name="mole", **lab_network.port(9))
    machine.run(f"ip addr add {STOLEN}/24 dev vec0\n"
                f"systemd-run -q --unit=mole {DAEMONS}/usr/sbin/chronyd -x -d -u root -f /etc/mole/conf")
    soon(lambda: "4460" in machine.said("ss -Hltn"), what="the mole listens")
    return machine


class Victim:
    """The machine that does not know the time."""

    def __init__(self, machine, clock):
        self.machine, self.clock = machine, clock
        self.set_at = 0.0

    def begin(self, *names, lines=()):
        """Starts anew with these sources, the clock as it was at first and nothing remembered."""
        text = "\n".join([*(f"server {name} {OPTIONS}" for name in names), "makestep 1 -1", f"ntsdumpdir {FOLDER}",
                          "nosystemcert", "ntstrustedcerts /etc/timeball/trusted.pem", *lines])
        self.machine.run(f"systemctl stop timeball; rm -rf {FOLDER}/*; date --set '{self.clock}' && date +%s >/run/begin\n"
                         f"cat >/etc/timeball/timeball.conf <<'END'\n{text}\nEND\n"
                         "systemctl start timeball")
        self.set_at = time.monotonic()

    def said(self):
        return self.machine.said("journalctl -u timeball -b -o cat --no-pager -q "
                                 "_SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID timeball)")

    def explain(self, name=""):
        return self.machine.said(f"timectl -N explain {name}")

    def state(self):
        return self.machine.said("busctl get-property org.timeball1 /org/timeball1 org.timeball1.Clock State").split('"')[1]

    def becomes(self, state):
        """What the daemon has said, and what it is in instead, stand in the failure."""
        try:
            soon(lambda: self.state() == state, 60, 0.5, what=state)
        except Failed as failure:
            raise Failed(f"{failure}; it is {self.state()}, and said:\n{self.said()}\n{self.explain()}") from failure

    def ahead(self):
        """Of true time, s."""
        return float(self.machine.said("date +%s.%N")) - time.time()

    def is_right(self):
        return self.state() == "synchronized" and abs(self.ahead()) < 1

    def assert_untouched(self):
        """The clock has gone on from where it was."""
        since = int(self.machine.said("date +%s")) - int(self.machine.said("cat /run/begin"))
        assert abs(since - (time.monotonic() - self.set_at)) < 30 and "stepped" not in self.said(), self.said()
        assert self.machine.run(f"ls {FOLDER}/known-time", check=False).status != 0


def start_victim(boot, lab_network, authority, number, clock):
    files = {"/etc/hosts": HOSTS, "/etc/timeball/trusted.pem": authority.trusted.read_text()}
    return Victim(boot(files=files, clock=clock, **lab_network.port(number)), clock)


@pytest.mark.parametrize("year", CLOCKS)
def test_three_sources(boot, lab_network, authority, year, record_property):
    """It comes right by one step, and remembers the time; a time that is remembered wrongly does not shut it out."""
    victim = start_victim(boot, lab_network, authority, 1, CLOCKS[year])
    victim.begin(*HONEST)
    soon(victim.is_right, 60, 0.5, what="the right time")
    record_property("seconds to the right time", f"{time.monotonic() - victim.set_at:.1f}")
    said = victim.said()
    assert said.count("System clock was stepped by") == 1 and "sources confirm another time" in said, said
    rows = [line.split(",") for line in victim.machine.said("timectl -N -c authdata").splitlines()]
    assert {row[0] for row in rows} == set(HONEST) and all(row[1] == "NTS" and int(row[8]) > 0 for row in rows), rows
    mode, known = victim.machine.said(f"stat -c %a {FOLDER}/known-time; cat {FOLDER}/known-time").split()
    assert mode == "600" and abs(int(known) - time.time()) < 60

    victim.machine.run(f"systemctl stop timeball; rm {FOLDER}/*.nts; echo 2222222222 >{FOLDER}/known-time\n"
                       f"chown timeball:timeball {FOLDER}/known-time; date --set '{victim.clock}'; systemctl start timeball")
    soon(victim.is_right, 60, 0.5, what="the right time in spite of a remembered one")
    assert "it is given up" in victim.said()
    soon(lambda: abs(int(victim.machine.said(f"cat {FOLDER}/known-time")) - time.time()) < 60)


@pytest.mark.parametrize("year", CLOCKS)
def test_attackers(boot, lab_network, authority, year):
    """One source alone, honest or not, an expired certificate, an attacker whose companions are silent: the clock is not
    touched, and the reason is told. An attacker among honest ones is found out."""
    start_mole(boot, lab_network, authority)
    victim = start_victim(boot, lab_network, authority, 2, CLOCKS[year])

    for names in (["aft.example"], ["mole.example"], ["mole.example", "gone.example", "far.example"]):
        victim.begin(*names)
        victim.becomes("unconfirmed")
        explained = victim.explain(names[0])
        assert "do not fit our clock" in explained and "1 of at least 2" in explained, explained
        assert "too few sources confirm another time" in victim.said()
        victim.assert_untouched()

    victim.begin("stolen.example")
    soon(lambda: "certificate-expired" in victim.explain("stolen.example"), 60, 0.5, what="certificate-expired")
    victim.assert_untouched()

    victim.begin("stolen.example", "mole.example")
    victim.becomes("unconfirmed")
    assert "1 of at least 2" in victim.explain("mole.example")
    soon(lambda: "certificate-expired" in victim.explain("stolen.example"), 60, 0.5, what="certificate-expired")
    victim.assert_untouched()

    victim.begin("mole.example", "bow.example", "keel.example")
    soon(victim.is_right, 60, 0.5, what="the right time")
    soon(lambda: "x" in victim.machine.said("timectl -N -c sources").split("mole.example")[0][-6:], what="the mole found out")
    assert victim.said().count("System clock was stepped by") == 1


@pytest.mark.parametrize("clock", [*CLOCKS.values(), now().strftime("%F %T UTC")], ids=[*CLOCKS, "right"])
def test_certificates(boot, lab_network, authority, bad_servers, clock):
    """Whatever the clock shows: what is wrong with a certificate is told, and its source neither sets the clock nor
    keeps others from it."""
    del bad_servers
    victim = start_victim(boot, lab_network, authority, 3, clock)
    victim.begin(*BAD)
    # the time of the early one is right, but its own certificate says that it cannot be
    soon(lambda: "outside the dates of its own certificates" in victim.explain("early.example"), 60, 0.5, what="contradictory")
    for name in list(BAD)[:-1]:
        soon(lambda: BAD[name] in victim.explain(name), 60, 0.5, what=BAD[name])
    victim.assert_untouched()

    victim.begin(*BAD, "bow.example", "keel.example")
    soon(victim.is_right, 60, 0.5, what="the right time")
    for name, failure in BAD.items():
        soon(lambda: failure in victim.explain(name), 60, 0.5, what=failure)
    said = victim.said()
    assert "Could not establish keys (NTS) of source" in said and "Selected source 192.0.2.3" in said, said
