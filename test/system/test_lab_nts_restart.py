# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Keys and cookies of sources over a restart of the service, where nothing may be written down: systemd keeps them."""

import pytest

from harness import Authority, Chronyd, name_host, soon
from interop import need

pytestmark = pytest.mark.lab


def test_kept_by_systemd(boot, lab_network):
    need("chronyd")
    authority = Authority().intermediate()
    name_host("quay.example", "192.0.2.31")
    server = Chronyd("quay", "allow all", "local stratum 3", *Chronyd.nts_server(authority.issue("quay.example")),
                     netns=lab_network.host("quay", 31))
    lines = ["server quay.example nts iburst minpoll 0 maxpoll 2", "makestep 1 -1", "nosystemcert",
             "ntstrustedcerts /etc/timeball/trusted.pem"]
    files = {"/etc/hosts": "127.0.0.1 localhost\n192.0.2.31 quay.example\n",
             "/etc/timeball/trusted.pem": authority.trusted.read_text(), "/etc/timeball/timeball.conf": "\n".join(lines) + "\n"}
    machine = boot(files=files, enable=["timeball"], **lab_network.port(1))

    def said():
        return machine.said("journalctl -u timeball -b -o cat --no-pager -q "
                            "_SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID timeball)")

    try:
        machine.run("timectl waitsync 30 0 0 1")
        assert "Established keys (NTS)" in said()
        for _ in range(2):
            machine.run("systemctl restart timeball && timectl waitsync 30 0 0 1")
            assert "Restored keys (NTS)" in said() and "Established keys" not in said()
        assert server.counters()["NTS-KE connections accepted"] == 1
        # a crash must not bring back what has been spent
        machine.run("systemctl kill -s KILL timeball; sleep 1; systemctl is-active timeball || systemctl start timeball")
        machine.run("timectl waitsync 30 0 0 1")
        soon(lambda: "Established keys (NTS)" in said())
        assert "Restored keys" not in said()
    finally:
        server.stop()
