# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""A machine whose network is run by systemd-networkd, beside a DHCP server (dnsmasq) that tells it of time servers: they
are sources as long as the network offers them. One machine for all of it; the tests follow one another."""

import pytest

from harness import Machine, Process, program, soon
from harness.machine import Unbootable

pytestmark = pytest.mark.lab

FILES = {
    "/etc/timeball/timeball.conf": "driftfile /var/lib/timeball/drift\nmakestep 1 3\nsourcedir /run/chrony-dhcp\n"
                                   "server 192.0.2.13 minpoll 0 maxpoll 2\n",
    "/etc/systemd/network/lab.network": "[Match]\nName=vec0\n[Network]\nDHCP=yes\nIPv6AcceptRA=yes\n[DHCPv6]\nWithoutRA=solicit\n",
}
# networkd is masked in the lab, and without udev it waits for nothing only when /sys cannot be written
START = """rm -f /etc/systemd/system/systemd-networkd.service
mount -o remount,ro /sys
systemctl daemon-reload
systemd-sysusers
systemctl start systemd-networkd timeball"""
OFFERED = ["192.0.2.11", "192.0.2.12"]


class Dhcp:
    """dnsmasq on the bridge; offer() starts it anew with other NTP servers."""

    def __init__(self, network):
        self.netns, self.process = network.netns, None

    def offer(self, *options):
        self.stop()
        self.process = Process("dnsmasq", [
            "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--leasefile-ro", "--port=0", "--no-ping",
            "--bind-interfaces", "--interface=bridge0", "--dhcp-authoritative", "--dhcp-range=192.0.2.150,192.0.2.160,2m",
            "--dhcp-range=2001:db8::150,2001:db8::160,64,2m", *options], netns=self.netns)
        soon(lambda: "DHCP, IP range" in self.process.said(), what="dnsmasq")

    def stop(self):
        if self.process:
            self.process.stop()
        self.process = None


@pytest.fixture(scope="module", name="dhcp")
def dhcp_server(lab_network):
    if not program("dnsmasq"):
        pytest.skip("no dnsmasq: test/system/fetch-daemons could not fetch it")
    for _ in range(3):
        lab_network.server()
    made = Dhcp(lab_network)
    made.offer("--dhcp-option=option:ntp-server," + ",".join(OFFERED))
    yield made
    made.stop()


@pytest.fixture(scope="module", name="machine")
def networkd_machine(lab_network, dhcp):
    """Up, with its lease."""
    del dhcp
    if not program("linux.uml"):
        pytest.skip("no linux.uml: package user-mode-linux is not installed")
    try:
        made = Machine(files=FILES, **{**lab_network.port(1), "address": None})
    except Unbootable as reason:
        pytest.skip(f"User-Mode Linux does not run here: {reason}")
    made.run(START)
    yield made
    made.stop()


def sources(machine):
    """{name: (origin, its name)} of all but the configured one."""
    rows = machine.said("timectl -n -a -N sources -v").split("Named by")[1].splitlines()[2:]
    found = {row.split()[0]: tuple(word.strip(",") for word in row.split()[1:]) for row in rows if row.strip()}
    assert found.pop("192.0.2.13") == ("configuration",)
    return found


def expect(machine, names, limit=60):
    wanted = {name: ("networkd", "vec0") for name in names}
    soon(lambda: sources(machine) == wanted, limit, 0.2, what=f"{names}, not {sources(machine)}")


def journal(machine, begin=0):
    return machine.said("journalctl -u timeball -o cat --no-pager")[begin:]


def selected(machine):
    rows = machine.said("timectl -c -n sources").splitlines()
    return any(row.split(",")[1] == "*" for row in rows)


def test_offered(machine):
    expect(machine, OFFERED)
    said = journal(machine)
    assert all(said.count(f"Added source {address}\n") == 1 for address in OFFERED), said
    soon(lambda: machine.said("timectl -c -n sources").count(",377,") or selected(machine), 60, 0.5, what="a source is followed")
    assert "says systemd-networkd" in machine.said("timectl explain 192.0.2.11")


def test_networkd_is_started_again(machine):
    """In whatever way it ends: nothing is lost, nothing is there twice."""
    expect(machine, OFFERED)
    begin = len(journal(machine)) + 1
    for command in ("systemctl kill -s KILL systemd-networkd", "systemctl restart systemd-networkd",
                    "systemctl stop systemd-networkd; sleep 2; systemctl start systemd-networkd"):
        before = machine.said("systemctl show -P InvocationID systemd-networkd")
        machine.run(command)
        soon(lambda before=before: machine.said("systemctl show -P InvocationID systemd-networkd") != before, 60, 0.2)
        soon(lambda: "NTP=192.0.2.11" in machine.run("cat /run/systemd/netif/links/2", check=False).said, 60, 0.2, what="its lease again")
        expect(machine, OFFERED)
    said = journal(machine, begin)
    assert "Added source" not in said and "Removed source" not in said, said


def test_link_goes_down(machine):
    """What it offered goes with it, and comes back with it."""
    expect(machine, OFFERED)
    machine.run("networkctl down vec0")
    expect(machine, [])
    machine.run("networkctl up vec0")
    expect(machine, OFFERED)


def online(machine):
    """The configured one."""
    return machine.said("busctl get-property org.timeball1 /org/timeball1/source/_3192_2e0_2e2_2e13 org.timeball1.Source Online") == "b true"


def test_online_follows(machine):
    """A link without a carrier, a route that somebody removes and makes again; networkd takes no part in the latter."""
    expect(machine, OFFERED)
    soon(lambda: online(machine))
    machine.run("networkctl down vec0")
    soon(lambda: not online(machine), what="offline without a link")
    machine.run("networkctl up vec0")
    soon(lambda: online(machine), 60, what="online with the link")
    expect(machine, OFFERED)
    route = machine.said("ip -4 route show 192.0.2.0/24 dev vec0").splitlines()[0].strip()
    machine.run("ip -4 route flush dev vec0")
    soon(lambda: not online(machine), what="offline without a route")
    machine.run(f"ip route add {route} dev vec0")
    soon(lambda: online(machine), what="online with the route")
    soon(lambda: selected(machine), 60, what="it is followed again")


def test_hostile_offers(machine, dhcp):
    """As many servers as the option can carry; by DHCPv6 a name that is none, one of 255 bytes, and one for a shell."""
    names = [b"\x04a;b$\x07example\x00", b"\x3f" + 63 * b"a" + b"\x3f" + 63 * b"b" + b"\x3f" + 63 * b"c" + b"\x3d" + 61 * b"d" + b"\x00",
             b"\x0b`reboot` #x\x00", b"\x03ntp\x07example\x00"]
    option = b"".join(b"\x00\x03" + len(name).to_bytes(2, "big") + name for name in names)
    begin = len(journal(machine)) + 1
    many = [f"198.51.100.{number}" for number in range(1, 61)]
    dhcp.offer("--dhcp-option=option:ntp-server," + ",".join(many), "--dhcp-option=option6:56," + ":".join(f"{byte:02x}" for byte in option))
    machine.run("networkctl reconfigure vec0")
    soon(lambda: set(many) & set(sources(machine)), 60, 0.2, what="servers of the other offer")
    soon(lambda: "NTP=198.51.100.1 " in machine.said("cat /run/systemd/netif/links/2"))
    text = machine.said("grep ^NTP= /run/systemd/netif/links/2")
    soon(lambda: "Refused" in journal(machine, begin), what="what was refused is said")
    assert len(sources(machine)) == 8
    assert set(sources(machine)) <= {*many, "ntp.example"}
    refused = [line for line in journal(machine, begin).splitlines() if "Refused" in line]
    assert len(refused) <= 2 and all("on vec0 (networkd)" in line for line in refused), refused
    # Told again at each renewal: no more words about it.
    machine.run("networkctl renew vec0; sleep 1; touch /run/systemd/netif/links/2")
    machine.run("sleep 2")
    assert len([line for line in journal(machine, begin).splitlines() if "Refused" in line]) <= 2, text
    dhcp.offer("--dhcp-option=option:ntp-server,192.0.2.11")
    machine.run("networkctl reconfigure vec0")
    expect(machine, ["192.0.2.11"])


def test_offers_nothing(machine, dhcp):
    dhcp.offer()
    machine.run("networkctl reconfigure vec0")
    expect(machine, [])
    assert machine.said("systemctl is-active timeball") == "active"
