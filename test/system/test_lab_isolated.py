# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""An isolated network after Red Hat's guide, its two files with nothing changed but names, addresses and paths: a
server and three clients, each with its own clock."""

import pytest

from harness import Process, run, soon
from harness.world import STATE

pytestmark = pytest.mark.lab

# seconds that the hosts of initstepslew have at most
LIMIT = 20
SERVER, SERVER_ID = "192.0.2.123", "C000027B"
OWN_CLOCK = "7F7F0101"
CLIENTS = {"client1": 101, "client3": 103, "client6": 106}
HOSTS = "127.0.0.1 localhost\n" + SERVER + " ntp1.example.net\n" + "".join(f"192.0.2.{number} {name}\n" for name, number in CLIENTS.items())
SERVER_FILE = """driftfile /var/lib/timeball/drift
commandkey 1
keyfile /etc/timeball/timeball.keys
initstepslew 10 client1 client3 client6
local stratum 8
manual
allow 192.0.2.0/24
"""
CLIENT_FILE = """server ntp1.example.net
driftfile /var/lib/timeball/drift
logdir /var/log/timeball
log measurements statistics tracking
keyfile /etc/timeball/timeball.keys
commandkey 24
local stratum 10
initstepslew 20 ntp1.example.net
allow 192.0.2.123
"""
# Prints by how much this machine's clock is behind the server's.
MEASURE = """
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(("ntp1.example.net", 123))
s.send(b"\\x23" + bytes(39) + b"timeball")
sent, packet, received = time.time(), s.recv(48), time.time()
seconds, fraction = struct.unpack("!II", packet[40:48])
print(seconds - 2208988800 + fraction / 2**32 - (sent + received) / 2)
"""


def journal(machine):
    return machine.said("journalctl -u timeball -o cat --no-pager")


def behind(machine):
    return float(machine.said(f"python3 - <<'SCRIPT_END'\n{MEASURE}\nSCRIPT_END"))


def clock(machine):
    return float(machine.said("date +%s.%N"))


def tracking(machine):
    """(reference ID, stratum)"""
    row = machine.said("timectl -n -c tracking").split(",")
    return row[0], int(row[2])


def follows(machine):
    """A client has its time from the server, and it is the server's time. Samples come a minute apart; people who do
    not want to wait that long ask for some at once."""
    machine.run("timectl burst 4/4 2>&1 || true")
    return soon(lambda: tracking(machine) == (SERVER_ID, 9) and abs(behind(machine)) < 0.05, 150, 1, what="the client follows")


def start(machine):
    """The start, which ends only when the hosts were asked. What the daemon and systemd said of it."""
    before = len(journal(machine))
    machine.run("systemctl start timeball", limit=5 * LIMIT)
    soon(lambda: "Started timeball.service" in journal(machine)[before:], what="the end of the start")
    said = journal(machine)[before:]
    ending = max(said.find("System's initial offset"), said.find("No suitable source for initstepslew"))
    assert 0 <= ending < said.index("Started timeball.service"), said
    return said


class Watcher:
    """client6: in a namespace on the same network, without a clock of its own to set (-x)."""

    def __init__(self, network):
        self.folder = STATE / "client6"
        self.folder.mkdir()
        text = CLIENT_FILE
        for path in ("/var/lib/timeball", "/var/log/timeball", "/etc/timeball"):
            text = text.replace(path, str(self.folder))
        (self.folder / "conf").write_text(text + "pidfile /\n")
        self.netns = network.host("client6", CLIENTS["client6"])
        self.process = Process("client6", ["timeballd", "-x", "-d", "-f", self.folder / "conf"], netns=self.netns)


@pytest.fixture(name="names")
def names_of_hosts():
    """For what runs outside of the machines."""
    path = STATE / "hosts"
    path.write_text(HOSTS)
    run("mount", "--bind", path, "/etc/hosts")
    yield
    run("umount", "/etc/hosts")


@pytest.mark.usefixtures("names")
def test_isolated_network(boot, lab_network):
    """The server starts first and finds nobody; the clients set their clocks by it and follow; it goes away and comes
    back with a wrong clock, and takes the time from the clients; somebody tells it the time."""
    def machine(number, text, when=None):
        return boot(clock=when, files={"/etc/timeball/timeball.conf": text, "/etc/hosts": HOSTS, "/etc/timeball/timeball.keys": ""},
                    **lab_network.port(number))
    server = machine(23, SERVER_FILE)
    said = start(server)
    assert "No suitable source for initstepslew" in said
    assert 'directive "commandkey" is no longer supported' in said
    assert tracking(server) == (OWN_CLOCK, 8)

    watcher = Watcher(lab_network)
    clients = [machine(1, CLIENT_FILE, "2020-01-01 00:00 UTC"), machine(3, CLIENT_FILE)]
    clients[1].run("date -s '-3 seconds'")
    for client, ending in zip(clients, ("slow of true (step)", "slow of true (slew)")):
        said = start(client)
        assert "System's initial offset : " in said and ending in said, said
        assert 'directive "commandkey" is no longer supported' in said
        assert said.count("System clock was stepped by") == ("step" in ending)
    for client in clients:
        follows(client)
        for name in ("measurements", "statistics", "tracking"):
            soon(lambda name=name, client=client: SERVER in client.said(f"cat /var/log/timeball/{name}.log"))

    server.run("systemctl stop timeball && date -s '2010-01-01 00:00 UTC'")
    clients[1].run("systemctl stop timeball")
    assert "No suitable source for initstepslew" in start(clients[1])
    assert tracking(clients[0]) == (SERVER_ID, 9) and tracking(clients[1]) == (OWN_CLOCK, 10)
    first, other, second = clock(clients[0]), clock(clients[1]), clock(clients[0])
    assert first - 0.5 < other < second + 0.5

    said = start(server)
    assert "slow of true (step)" in said and said.count("System clock was stepped by") == 1
    for client in clients:
        assert abs(behind(client)) < 0.5
        follows(client)
    assert tracking(server) == (OWN_CLOCK, 8)

    soon(lambda: "Selected source " + SERVER in watcher.process.said(), 300, 1, what="client6 follows")
    watcher.process.stop()

    # What is told to clients is the corrected time, long before a slew of the server's clock has come to its end.
    server.run("rm -f /var/lib/timeball/drift")
    assert "200 OK" in server.said("timectl settime @$(($(date +%s) + 100))")
    assert len(server.said("cat /var/lib/timeball/drift").split()) == 2
    assert all(95 < behind(client) < 101 for client in clients)
