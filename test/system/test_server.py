# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""timeballd gives time to others: Debian's chronyd synchronises to it, and timectl shows what it did as chronyc does."""

import json
import pathlib
import re

import pytest

from harness import Daemon, Process, nobody, run, soon
from harness.network import CLIENT, CLIENT6
from harness.world import STATE, Failed

SECOND = "192.0.2.2"
LINES = ["allow 192.0.2.0/24", "allow 2001:db8::/64", "deny 192.0.2.66", "local stratum 5"]

KEYS = {1: "MD5 ASCII:password", 2: "SHA1 HEX:" + 40 * "5", 3: "SHA256 HEX:" + 64 * "a", 4: "SHA512 HEX:" + 64 * "b",
        5: "AES128 HEX:" + 32 * "c", 6: "AES256 HEX:" + 64 * "d"}


def key_file():
    path = STATE / "server.keys"
    path.write_text("".join(f"{number} {key}\n" for number, key in KEYS.items()))
    path.chmod(0o600)
    return path


# Sends one packet from an address and prints what came back, and from where. Silence is "{}".
ASK = """
import json, socket, struct, sys
source, server, packet = sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3])
family = socket.AF_INET6 if ":" in server else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.bind((source, 0))
s.settimeout(1)
s.sendto(packet, (server, 123))
try:
    answer, sender = s.recvfrom(2048)
except socket.timeout:
    print("{}")
    sys.exit()
print(json.dumps({"leap": answer[0] >> 6, "version": answer[0] >> 3 & 7, "mode": answer[0] & 7, "stratum": answer[1],
                  "refid": answer[12:16].hex(), "origin": answer[24:32].hex(), "length": len(answer), "from": sender[0]}))
"""
REQUEST = "23" + 39 * "00" + "0123456789abcdef"


@pytest.fixture(scope="module", name="server")
def time_server(bus, empty_network):
    """Our daemon as a server at 192.0.2.1, 192.0.2.2 and 2001:db8::1; root, for the port."""
    run("ip", "addr", "add", f"{SECOND}/24", "dev", "client0")
    for number in (20, 66):
        empty_network.inside("ip", "addr", "add", f"192.0.2.{number}/24", "dev", "bridge0")
    empty_network.inside("ip", "-6", "addr", "add", "2001:db8::20/64", "dev", "bridge0", "nodad")
    daemon = Daemon(*LINES, f"keyfile {key_file()}", bus=bus, user=None)
    soon(lambda: bus.get("Server", "Listening"))
    yield daemon
    daemon.stop()


@pytest.fixture(name="ask")
def question(empty_network, server):
    """ask(server, packet, source): the answer, {} for silence."""
    del server

    def ask(address=CLIENT, packet=REQUEST, source=None):
        source = source or ("2001:db8::20" if ":" in address else "192.0.2.20")
        return json.loads(empty_network.inside("python3", "-c", ASK, source, address, packet).stdout)
    return ask


class Chronyd:
    """Debian's chronyd on the other side of the network."""

    def __init__(self, name, *lines):
        self.folder = STATE / name
        self.folder.mkdir(mode=0o700)
        self.socket = self.folder / "chronyd.sock"
        path = self.folder / "chrony.conf"
        path.write_text("\n".join([*lines, f"bindcmdaddress {self.socket}", "cmdport 0", f"pidfile {self.folder}/pid"]) + "\n")
        self.process = Process(name, ["chronyd", "-x", "-d", "-u", "root", "-f", path], netns="servers")
        soon(lambda: self.ask("activity"), what=name)

    def ask(self, *words):
        self.process.expect_alive()
        return run("chronyc", "-h", self.socket, *words).stdout.splitlines()

    def stop(self):
        self.process.stop()


@pytest.mark.parametrize("address", [CLIENT, CLIENT6])
def test_chronyd_synchronises(server, address):
    """It follows us: stratum 6, and an offset of next to nothing, for it is the same clock."""
    del server
    client = Chronyd(f"follower-{address.replace(':', '-')}", f"server {address} iburst minpoll 0 maxpoll 0", "port 0")

    def follows():
        row = client.ask("-c", "-n", "tracking")[0].split(",")
        return row if row[1] == address and row[2] == "6" else None

    try:
        row = soon(follows, 30, what=f"chronyd follows {address}")
        assert row[13] == "Normal"
        assert abs(float(row[4])) < 0.01
        assert client.ask("-c", "-n", "sources")[0].startswith(f"^,*,{address},5,")
        data = client.ask("-c", "ntpdata")[0].split(",")
        assert data[26:30] == ["No", "No", "Kernel", "Kernel"]
        assert set("".join(data[23:26])) == {"1"}  # every test of the NTP specification and of chrony
    finally:
        client.stop()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("version", ["3", "4"])
def test_keys(server, bus, key, version):
    """chronyd that wants signed answers gets them, whatever the type of the key."""
    del server
    client = Chronyd(f"signed-{key}-{version}", f"keyfile {key_file()}", "port 0",
                     f"server {CLIENT} iburst minpoll 0 maxpoll 0 key {key} version {version}")
    before = bus.get("Server", "Authenticated")
    try:
        soon(lambda: client.ask("-c", "-n", "tracking")[0].split(",")[2] == "6", what="signed answers")
        assert client.ask("-c", "ntpdata")[0].split(",")[27] == "Yes"
        assert bus.get("Server", "Authenticated") > before
    finally:
        client.stop()


def test_wrong_key(server, empty_network):
    """Who signs with a key that we do not have gets silence."""
    del server, empty_network
    wrong = STATE / "wrong.keys"
    wrong.write_text("1 MD5 ASCII:anotherone\n77 MD5 ASCII:unknown\n")
    client = Chronyd("wrong-key", f"keyfile {wrong}", "port 0", *(f"server {address} iburst minpoll 0 maxpoll 0 key {key}"
                                                                  for address, key in ((CLIENT, 1), (SECOND, 77))))
    try:
        sent = lambda: [int(line.split(",")[30]) for line in client.ask("-c", "ntpdata")]
        soon(lambda: min(sent()) >= 4, what="four requests each")
        assert [line.split(",")[31] for line in client.ask("-c", "ntpdata")] == ["0", "0"]
    finally:
        client.stop()


def test_answer(ask):
    """Modes 3 and 1 of versions 1 to 4 and nothing else, as long as the request or shorter, with its timestamp."""
    for version in range(1, 5):
        for mode in (0, 1, 3) if version == 1 else (1, 3):
            answer = ask(packet=f"{version << 3 | mode:02x}" + REQUEST[2:])
            assert answer["mode"] == (2 if mode == 1 else 4)
            assert (answer["version"], answer["stratum"], answer["leap"], answer["refid"]) == (version, 5, 0, "7f7f0101")
            assert answer["origin"] == "0123456789abcdef"
            assert answer["length"] == 48


@pytest.mark.parametrize("packet", ["24" + REQUEST[2:], "26" + REQUEST[2:], "27" + REQUEST[2:], "2b" + REQUEST[2:],
                                    "03" + REQUEST[2:], REQUEST[:-2], REQUEST + "00000001" + 32 * "00"],
                         ids=["server", "control", "private", "version 5", "version 0", "short", "mac"])
def test_silence(bus, ask, packet):
    """No answer, and a verdict that is counted."""
    before = sum(bus.get("Server", "Verdicts").values())
    assert ask(packet=packet) == {}
    assert sum(bus.get("Server", "Verdicts").values()) == before + 1


@pytest.mark.parametrize("address", [CLIENT, SECOND, CLIENT6])
def test_answer_comes_from_where_it_was_asked(ask, address):
    """However many addresses we have."""
    assert ask(address)["from"] == address


def test_access(server, ask):
    """The smallest network decides; what is said at run time holds at once."""
    del server
    assert ask(source="192.0.2.66") == {}
    assert run("timectl", "accheck", "192.0.2.66").stdout == "209 Access denied\n"
    assert run("timectl", "accheck", "192.0.2.20").stdout == "208 Access allowed\n"
    assert run("timectl", "accheck", "198.51.100.1").stdout == "209 Access denied\n"
    assert run("timectl", "allow", "192.0.2.66").stdout == "200 OK\n"
    assert ask(source="192.0.2.66")["stratum"] == 5
    assert run("timectl", "deny", "all", "192.0.2").stdout == "200 OK\n"
    assert ask(source="192.0.2.66") == {} and ask() == {}
    assert ask(CLIENT6)["stratum"] == 5
    assert run("timectl", "allow", "all", "192.0.2.0/24").stdout == "200 OK\n"
    assert run("timectl", "deny", "192.0.2.66").stdout == "200 OK\n"
    assert ask(source="192.0.2.66") == {} and ask()["stratum"] == 5


@pytest.mark.parametrize("words,said", [(["allow", "10/33"], "507 Bad subnet\n"), (["deny", "nowhere"], "Could not read address\n"),
                                        (["allow", "all", "10", "11"], "Invalid syntax"), (["accheck", "10"], "Could not read address\n"),
                                        (["local", "stratum"], "Invalid syntax"), (["local", "stratum", "16"], "Invalid syntax"),
                                        (["clients", "-p"], "Invalid syntax"), (["clients", "-x"], "")])
def test_bad_words(server, words, said):
    """What cannot be meant is refused, in chronyc's words where it has them."""
    del server
    done = run("timectl", *words, check=False)
    assert done.returncode == 1
    assert said in done.stdout + done.stderr


def test_local(bus, ask):
    """Without the local reference a server without sources is not synchronised, and says so."""
    tracking = run("timectl", "-c", "tracking").stdout.split(",")
    assert tracking[:3] == ["7F7F0101", "", "5"] and tracking[13] == "Normal\n"
    assert not bus.get("Clock", "Synchronized")
    assert run("timectl", "local", "off").stdout == "200 OK\n"
    assert bus.get("LocalReference", "Enabled") is False
    answer = ask()
    assert (answer["leap"], answer["stratum"], answer["refid"]) == (3, 0, "00000000")
    assert run("timectl", "local", "stratum", "7", "distance", "0.5").stdout == "200 OK\n"
    assert bus.get("LocalReference", "Active") is True
    assert bus.get("LocalReference", "Distance") == 0.5
    assert ask()["stratum"] == 7
    assert run("timectl", "local", "stratum", "5").stdout == "200 OK\n"


def test_serverstats(server, ask):
    """chronyc's lines; Debian's prints the first eleven of them."""
    del server
    other = Chronyd("statistics", "allow", "local stratum 8", "bindaddress 192.0.2.20")
    try:
        theirs, ours = other.ask("serverstats"), run("timectl", "serverstats").stdout.splitlines()
        labels = [line.split(":")[0] for line in ours]
        assert labels[:len(theirs)] == [line.split(":")[0] for line in theirs]
        assert labels[11:] == [f"{f'NTP {where} {way} timestamps':27}" for where in ("daemon", "kernel", "hardware")
                               for way in ("RX", "TX")]
        assert all(re.fullmatch(r".{27}: \d+", line) for line in ours)
        values = [int(value) for value in run("timectl", "-c", "serverstats").stdout.split(",")]
        assert len(values) == 17 and len(other.ask("-c", "serverstats")[0].split(",")) in (11, 17)
    finally:
        other.stop()
    ask()
    more = [int(value) for value in run("timectl", "-c", "serverstats").stdout.split(",")]
    assert more[0] == values[0] + 1
    assert more[11] + more[13] == values[11] + values[13] + 1  # by the daemon or by the kernel
    assert more[12] == values[12] + 1


def test_clients(server, ask):
    """The header to the letter, and the columns where chronyc has them."""
    del server
    other = Chronyd("clients", "allow", "local stratum 8", "bindaddress 192.0.2.20")
    try:
        run("chronyd", "-Q", "-u", "root", "-t", "3", "-f", "/dev/null", "server 192.0.2.20 iburst maxsamples 1", check=False)
        ask()
        ask(CLIENT6)
        for words in (["clients"], ["clients", "-k"]):
            theirs, ours = other.ask("-n", *words), run("timectl", "-n", *words).stdout.splitlines()
            assert ours[:2] == theirs[:2]
            row = re.compile(r"\S{3,24} +(?<=^.{25})  [ \d]{5}\d  [ \d]{4}\d  [- \d][-\d]  [- \d][-\d]  [ \d]{3}\d  "
                             r"[ \d]{5}\d  [ \d]{4}\d  [- \d][-\d]  ( {3}-|[ \d]{3}\d)")
            for line in (*theirs[2:], *ours[2:]):
                assert row.fullmatch(line), line
        assert {line.split()[0] for line in ours[2:]} >= {"192.0.2.20", "2001:db8::20"}
        fields = other.ask("-c", "clients")[0].split(",")
        assert all(len(line.split(",")) == len(fields) == 10 for line in run("timectl", "-c", "clients").stdout.splitlines())
    finally:
        other.stop()
    assert run("timectl", "-c", "clients", "-p", "1000000").stdout == ""
    listed = json.loads(run("timectl", "--json=short", "clients").stdout)
    assert all(client["Received"] > 0 for client in listed)
    run("timectl", "clients", "-r")
    assert {line.split(",")[1] for line in run("timectl", "-c", "clients").stdout.splitlines()} == {"0"}


def test_clients_are_not_everybodys_business(bus, server):
    """Only who may: the rest of the server is open to all."""
    del server
    done = nobody("timectl", "--no-ask-password", "clients", check=False)
    assert (done.returncode, done.stdout) == (1, "501 Not authorised\n")
    assert nobody("timectl", "serverstats").stdout
    assert nobody("timectl", "accheck", "192.0.2.20").stdout
    for words in (["allow"], ["local"], ["clients", "-r"]):
        assert nobody("timectl", "--no-ask-password", *words, check=False).stdout == "501 Not authorised\n"
    bus.rule("org.timeball1.view-clients")
    try:
        soon(lambda: nobody("timectl", "-n", "clients").stdout.startswith("Hostname"))
        assert nobody("timectl", "--no-ask-password", "clients", "-r", check=False).stdout.endswith("501 Not authorised\n")
    finally:
        bus.rule()


def test_reload(server, ask, bus):
    """Ports, addresses and rules follow the configuration; without anybody to serve the port is closed."""
    def listening():
        return sorted(line.split()[3] for line in run("ss", "-Hulpn").stdout.splitlines() if "timeballd" in line)

    def reload_with(*lines):
        server.write(*lines)
        run("timectl", "reload")

    wide = ["0.0.0.0:123", "[::]:123"]
    assert listening() == wide
    try:
        reload_with(*LINES, f"bindaddress {CLIENT}", f"bindaddress {SECOND}")
        assert listening() == sorted([f"{CLIENT}:123", f"{SECOND}:123", "[::]:123"])
        assert ask(SECOND)["from"] == SECOND
        reload_with(*LINES, "port 0")
        assert listening() == [] and bus.get("Server", "Listening") is False
        reload_with("allow 2001:db8::/64")
        # who was allowed by a command still is
        assert wide[1] in listening()
        with pytest.raises(Failed):
            reload_with("allow nonsense/8", "port 123")
    finally:
        reload_with(*LINES, f"keyfile {key_file()}")
    assert listening() == wide and ask()["stratum"] == 5


def test_threads(server, ask, bus):
    """With threads all is as without: answers, rules, reports; only the log of clients begins anew."""
    def threads():
        names = [task.joinpath("comm").read_text().strip()
                 for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir()]
        return names.count("timeball-server")

    def reload_with(*lines):
        server.write(*LINES, *lines)
        run("timectl", "reload")

    def answered():
        return bus.get("Server", "Verdicts")["answered"]

    assert threads() == 0
    before = answered()
    try:
        reload_with("serverthreads 3")
        assert threads() == 3
        assert run("timectl", "-c", "-n", "clients").stdout == ""
        for address in (CLIENT, SECOND, CLIENT6):
            assert ask(address)["from"] == address
        soon(lambda: answered() == before + 3)
        assert ask(source="192.0.2.66") == {}
        assert run("timectl", "allow", "192.0.2.66").stdout == "200 OK\n"
        assert ask(source="192.0.2.66")["stratum"] == 5
        assert run("timectl", "deny", "192.0.2.66").stdout == "200 OK\n"
        assert ask(source="192.0.2.66") == {}
        clients = [line.split(",")[:2] for line in run("timectl", "-c", "-n", "clients").stdout.splitlines()]
        assert sorted(clients) == [["192.0.2.20", "2"], ["192.0.2.66", "1"], ["2001:db8::20", "1"]]
        # what our time is reaches the threads
        assert run("timectl", "local", "stratum", "9").stdout == "200 OK\n"
        soon(lambda: ask()["stratum"] == 9)
        run("timectl", "local", "stratum", "5")
        reload_with("serverthreads 1")
        assert threads() == 1 and ask()["stratum"] == 5
    finally:
        reload_with()
    assert threads() == 0 and ask()["stratum"] == 5
    assert answered() > before + 4


def test_rate_limit(empty_network):
    """A burst, then one in sixteen, and kisses for half of the others."""
    del empty_network
    ask_many = ASK.replace("s.sendto(packet, (server, 123))", "[s.sendto(packet, (server, 123)) for _ in range(60)]").split("try:")[0] + """
import time
time.sleep(0.5)
s.setblocking(False)
answers = []
try:
    while True:
        answers.append(s.recv(2048)[12:16])
except BlockingIOError:
    pass
print(json.dumps([len(answers), answers.count(b"RATE")]))
"""
    daemon = Daemon("port 1123", "allow", "local", "ratelimit interval 6 burst 8 leak 4 kod 1", user=None)
    try:
        soon(lambda: "1123" in run("ss", "-Huln").stdout)
        done = run("python3", "-c", ask_many.replace("123))", "1123))"), "127.0.0.1", "127.0.0.1", REQUEST)
        answers, kisses = json.loads(done.stdout)
        assert 10 <= kisses <= 45
        assert 8 <= answers - kisses <= 20
    finally:
        daemon.stop()


# Prints from which port each request came, and answers nothing.
LISTEN = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("192.0.2.20", 123))
while True:
    print(s.recvfrom(2048)[1][1], flush=True)
"""


@pytest.mark.parametrize("threads", [0, 2])
def test_requests_leave_from_the_port_of_the_server(bus, empty_network, server, ask, threads):
    """acquisitionport 123: sources answer us, our clients are answered meanwhile, by whomever they are served."""
    source = empty_network.server()
    silent = Process("silent", ["python3", "-c", LISTEN], netns="servers")
    lines = [*LINES, f"keyfile {key_file()}"]
    server.write(*lines, "acquisitionport 123", f"serverthreads {threads}", "server 192.0.2.20 minpoll -2 maxpoll -2",
                 f"server {source.address} iburst minpoll -2 maxpoll -2")
    server.restart()
    server.synchronized()
    assert all(ask()["stratum"] == 3 for _ in range(20))
    # a request to the silent one is open nearly always: its host is a client like any other, from another port
    assert all(ask(source=address)["mode"] == 4 for address in ("192.0.2.20", source.address) for _ in range(5))
    soon(lambda: len(silent.said().split()) > 3)
    assert set(silent.said().split()) == {"123"}
    silent.stop()
    server.write(*lines)
    server.restart()
