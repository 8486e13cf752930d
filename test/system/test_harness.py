# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The harness holds what it promises: each piece of it once."""

import pytest

from harness import Authority, Chronyd, Ntpd, name_host, nobody, run, soon
from harness.pki import DAY, now
from interop import need

# Sends one client packet and prints the server's transmit time, in Unix seconds.
ASK_SERVER = """
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.connect(("%s", 123))
s.send(b"\\x23" + bytes(39) + b"timeball")
print(struct.unpack("!I", s.recv(48)[40:44])[0] - 2208988800)
"""


def ask(server, seconds=5):
    return run("chronyd", "-Q", "-u", "root", "-t", seconds, "-f", "/dev/null",
               f"server {server.address} iburst maxsamples 1",
               check=False)


def test_private_namespaces():
    """Nothing of this machine's network, processes or /run is seen."""
    assert [line for line in run("ip", "-o", "link").stdout.splitlines() if " state UP " in line] == []
    assert run("findmnt", "-no", "FSTYPE", "/run").stdout.split()[-1] == "tmpfs"
    assert len(run("ps", "-e").stdout.splitlines()) < 20


def test_bus_and_polkit(bus):
    """polkitd answers: root may, nobody may not, unless a rule says so."""
    action = "org.freedesktop.policykit.exec"
    check = f"exec pkcheck --process $$ --action-id {action}"
    assert run("bash", "-c", check).returncode == 0
    assert nobody("bash", "-c", check, check=False).returncode != 0
    bus.rule(action)
    soon(lambda: nobody("bash", "-c", check, check=False).returncode == 0)
    bus.rule()
    soon(lambda: nobody("bash", "-c", check, check=False).returncode != 0)


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_server(empty_network, offset):
    """A server serves this machine's time, a liar another."""
    said = ask(empty_network.server(offset=offset))
    wrong = float(said.stderr.split("System clock wrong by ")[1].split()[0])
    assert abs(abs(wrong) - offset) < 0.1


def test_cut_network(empty_network):
    """No packet passes a network that was cut, and it passes again later."""
    server = empty_network.server()
    empty_network.cut()
    assert ask(server, 2).returncode != 0
    empty_network.mend()
    soon(lambda: ask(server).returncode == 0)


def verified(authority, certificate, name):
    """What openssl verify says about a server's certificate now."""
    return run("openssl", "verify", "-CAfile", authority.trusted, "-untrusted", certificate.chain, "-verify_hostname", name,
               certificate.chain, check=False).stderr


def test_certificates():
    """Of a chain that is right, each part can be made wrong alone."""
    root = Authority()
    pier = root.intermediate()
    for authority in (root, pier):
        assert verified(root, authority.issue("quay.example"), "quay.example") == ""
    assert "hostname mismatch" in verified(root, pier.issue("quay.example"), "pier.example")
    assert "unable to get local issuer" in verified(Authority("Other Authority"), pier.issue("quay.example"), "quay.example")
    expired = pier.issue("quay.example", valid=(now() - 2 * DAY, now() - DAY))
    assert "certificate has expired" in verified(root, expired, "quay.example")
    future = pier.issue("quay.example", valid=(now() + DAY, now() + 2 * DAY))
    assert "not yet valid" in verified(root, future, "quay.example")
    old = root.intermediate(valid=(now() - 2 * DAY, now() - DAY)).issue("quay.example")
    assert "certificate has expired" in verified(root, old, "quay.example")


def authenticated(client, address):
    found = client.source(address)
    return found["selected"] and found["authenticated"]


@pytest.fixture(name="quay")
def quay_server(empty_network):
    """chronyd, as a server of network time security under a name, and the authority that vouches for it."""
    need("chronyd", "ntpd")
    authority = Authority().intermediate()
    name_host("quay.example", "192.0.2.31")
    server = Chronyd("quay", "allow all", "local stratum 3", *Chronyd.nts_server(authority.issue("quay.example")),
                     netns=empty_network.host("quay", 31))
    yield authority
    server.stop()


def test_nts_others(empty_network, quay):
    """chronyd and ntpd get authenticated time from chronyd, and chronyd from ntpd; not from one whom nobody vouches for."""
    options = "nts iburst minpoll 0 maxpoll 0"
    started = []
    try:
        name_host("mole.example", "192.0.2.32")
        started.append(Ntpd("mole", f"server quay.example {options}", *Ntpd.nts_client(quay),
                            *Ntpd.nts_server(quay.issue("mole.example")), netns=empty_network.host("mole", 32)))
        follower = empty_network.host("follower", 33)
        for name, address, teacher in [("quay", "192.0.2.31", None), ("mole", "192.0.2.32", started[0])]:
            if teacher:
                soon(lambda: authenticated(started[0], "192.0.2.31"), 60)
            client = Chronyd(f"after-{name}", f"server {name}.example {options}", *Chronyd.nts_client(quay), netns=follower)
            started.append(client)
            soon(lambda: authenticated(client, address), 60)
            assert client.authentication(address)["cookies"] == 8 and client.authentication(address)["mode"] == "NTS"
            client.stop()
        started.append(Chronyd("doubter", f"server quay.example {options}", *Chronyd.nts_client(Authority("Other Authority")),
                               netns=follower))
        soon(lambda: "certificate issuer is unknown" in started[-1].process.said(), 60)
        assert started[-1].authentication("192.0.2.31")["cookies"] == 0
    finally:
        for program in started:
            program.stop()


@pytest.mark.lab
def test_machine(boot):
    """A machine boots with a clock of its own, a bus and polkit."""
    machine = boot(clock="2020-01-01 00:00 UTC")
    assert machine.said("date -u +%F") == "2020-01-01"
    assert "polkit" in machine.said("busctl status org.freedesktop.PolicyKit1")
    assert machine.run("exit 3", check=False).status == 3
    first = machine.start("while [ ! -e /run/second ]; do sleep 0.1; done; echo first")
    machine.run("touch /run/second")
    assert machine.finish(first).said == "first\n"


@pytest.mark.lab
def test_machine_network(boot, lab_network):
    """A machine reaches a server of the network."""
    server = lab_network.server()
    machine = boot(clock="2020-01-01 00:00 UTC", **lab_network.port(1))
    answer = machine.said(f"python3 -c '{ASK_SERVER % server.address}'")
    assert int(answer) > 1_700_000_000
