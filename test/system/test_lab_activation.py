# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""timeball-ntp.socket in a machine of its own: a request starts the daemon, which serves on what systemd opened."""

import pytest

from harness import soon

pytestmark = pytest.mark.lab

# The kernel of the lab has no IPv6.
ASK = """python3 - <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
try:
    s.sendto(bytes([0x23]) + bytes(39) + b"12345678", ("127.0.0.1", 123))
    answer = s.recv(100)
    print(answer[1], answer[24:32].decode())
except OSError:
    print("silence")
END"""
CONFIGURATION = """local stratum 5
allow
serverthreads 2
bindaddress 127.0.0.1
driftfile /var/lib/timeball/drift
"""


def test_a_request_starts_the_daemon(boot):
    machine = boot(files={"/etc/timeball/timeball.conf": CONFIGURATION})
    machine.run("ip link set lo up; systemctl start timeball-ntp.socket")
    assert machine.run("systemctl is-active timeball.service", check=False).said.strip() == "inactive"
    # The first one wakes the daemon; what waited for it is not answered late.
    machine.run(ASK)
    soon(lambda: machine.run("systemctl is-active timeball.service", check=False).said.strip() == "active")
    assert machine.said(ASK) == "5 12345678"

    log = machine.said("journalctl -b -u timeball --no-pager -o cat")
    assert "serverthreads 2 is refused" in log
    assert "instead of bindaddress" in log
    assert machine.said("ss -Huln 'sport = :123'").split()[3] == "0.0.0.0:123"

    # A configuration that lets nobody ask, and back: the sockets stay.
    machine.run("sed -i s/^allow/deny/ /etc/timeball/timeball.conf; systemctl reload timeball")
    soon(lambda: machine.said(ASK) == "silence")
    machine.run("sed -i s/^deny/allow/ /etc/timeball/timeball.conf; systemctl reload timeball")
    soon(lambda: machine.said(ASK) == "5 12345678")

    # Whoever stops the service does not want it back with the next request.
    machine.run("systemctl stop timeball.service")
    assert machine.run("systemctl is-active timeball-ntp.socket", check=False).said.strip() == "inactive"
    assert machine.said(ASK) == "silence"


def test_wrong_sockets_are_refused(boot):
    machine = boot(files={"/etc/timeball/timeball.conf": CONFIGURATION,
                          "/etc/systemd/system/timeball-ntp.socket.d/wrong.conf":
                              "[Socket]\nListenDatagram=\nListenStream=127.0.0.1:1123\n"})
    machine.run("ip link set lo up; systemctl start timeball-ntp.socket; systemctl start timeball.service", check=False)
    log = soon(lambda: machine.said("journalctl -b -u timeball --no-pager -o cat | grep 'is not used' || true"))
    assert "it is no datagram socket" in log
    # Without one that can be used, the configuration decides.
    assert machine.said("ss -Huln4 'sport = :123'").split()[3] == "127.0.0.1:123"
