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
    "/etc/systemd/network/lab.network": "[Match]\nName=vec0\n[Network]\nDHCP=ipv4\n",
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
            *options], netns=self.netns)
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
    said = journal(machine).splitlines()
    assert all(said.count(f"Added source {address}") == 1 for address in OFFERED), said
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


HOSTILE = ["$(reboot)", "a;b", "`id`.example", ".".join(["a" * 63] * 4), "_ntp._udp.example", "127.0.0.1", "ntp.example"]


def test_hostile_offers(machine, dhcp):
    """As many servers as the option can carry; words for a shell, a name of 255 bytes, a service, the machine itself, which
    networkd takes from its own file (a lease can bring such names only by DHCPv6, and the lab has no IPv6)."""
    begin = len(journal(machine)) + 1
    many = [f"198.51.100.{number}" for number in range(1, 61)]
    dhcp.offer("--dhcp-option=option:ntp-server," + ",".join(many))
    machine.run("networkctl reconfigure vec0")
    expect(machine, many[:8])
    soon(lambda: "Refused" in journal(machine, begin), what="what was refused is said")

    machine.run("mkdir /etc/systemd/network/lab.network.d; cat >/etc/systemd/network/lab.network.d/ntp.conf <<'E'\n[Network]\n"
                + "".join(f"NTP={name}\n" for name in HOSTILE) + "E\nnetworkctl reload")
    soon(lambda: "ntp.example" in sources(machine), 60, 0.2, what="the good name")
    told = machine.said("grep ^NTP= /run/systemd/netif/links/2")
    assert "$(reboot)" in told and "a;b" in told, told
    expect(machine, ["ntp.example", *many[:7]])
    refused = [line for line in journal(machine, begin).splitlines() if "Refused" in line]
    # The names come first, then, with the lease, all: two offers more.
    assert len(refused) <= 3 and all("on vec0 (networkd)" in line for line in refused), refused
    assert '"$(reboot)" and others: It is neither a name nor an address' in refused[-1]

    # Told again, as at a renewal: no more words about it.
    for _ in range(2):
        machine.run("networkctl renew vec0; cd /run/systemd/netif; cp links/2 .2 && mv .2 links/2; sleep 1")
    assert [line for line in journal(machine, begin).splitlines() if "Refused" in line] == refused
    machine.run("rm -r /etc/systemd/network/lab.network.d; networkctl reload")
    dhcp.offer("--dhcp-option=option:ntp-server,192.0.2.11")
    machine.run("networkctl reconfigure vec0")
    expect(machine, ["192.0.2.11"])


def test_offers_nothing(machine, dhcp):
    dhcp.offer()
    machine.run("networkctl reconfigure vec0")
    expect(machine, [])
    assert machine.said("systemctl is-active timeball") == "active"
