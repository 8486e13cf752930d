# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Keys of Network Time Security under systemd, in a machine of its own: the port that it opens, the keys of cookies
that it keeps, the certificate that it passes."""

import pathlib

import pytest

from harness import Authority, keys, soon

pytestmark = pytest.mark.lab

CONFIGURATION = """local stratum 5
allow
driftfile /var/lib/timeball/drift
"""
CREDENTIALS = """[Service]
LoadCredential=timeball.nts-server-cert:/etc/ssl/time.pem
LoadCredential=timeball.nts-server-key:/etc/ssl/time.key
"""
# Prints how many cookies there were and the number of the key that sealed the first one.
ASK = """python3 -c '
import sys
sys.path.insert(0, "/opt")
import keys
found = keys.cookies(keys.establish("127.0.0.1", trusted="/etc/ssl/root.pem")[0])
print(len(found), found[0][:4].hex())
'"""


@pytest.fixture(name="harbour")
def machine_with_certificate(boot):
    """A machine whose certificate and key only root can read."""
    authority = Authority()
    certificate = authority.intermediate().issue("127.0.0.1")
    machine = boot(files={"/etc/timeball/timeball.conf": CONFIGURATION,
                          "/etc/systemd/system/timeball.service.d/credentials.conf": CREDENTIALS,
                          "/etc/ssl/time.pem": certificate.chain.read_text(),
                          "/etc/ssl/time.key": certificate.key.read_text(),
                          "/etc/ssl/root.pem": authority.trusted.read_text(),
                          "/opt/keys.py": pathlib.Path(keys.__file__).read_text()})
    machine.run("ip link set lo up; chown root:root /etc/ssl/time.key; chmod 600 /etc/ssl/time.key")
    return machine


def test_a_client_of_keys_starts_the_daemon(harbour):
    """And is itself served; the key comes as a credential, which nobody else can read."""
    harbour.run("systemctl start timeball-nts.socket")
    assert harbour.run("systemctl is-active timeball.service", check=False).said.strip() == "inactive"
    assert harbour.said(ASK).startswith("8 ")
    assert harbour.said("systemctl is-active timeball.service") == "active"
    assert harbour.said("ss -Htln 'sport = :4460'").split()[3] == "0.0.0.0:4460"
    for user in ("nobody", "daemon"):
        assert harbour.run(f"setpriv --reuid {user} --clear-groups cat /run/credentials/timeball.service/timeball.nts-server-key",
                           check=False).status != 0
    assert harbour.said("busctl get-property org.timeball1 /org/timeball1 org.timeball1.Server NTSState") == 's "listening"'


def test_keys_outlive_a_restart(harbour):
    """Without a folder for them: the service manager keeps them, but not for a daemon that was stopped."""
    harbour.run("systemctl start timeball")
    first = soon(lambda: harbour.said(ASK))
    for _ in range(2):
        harbour.run("systemctl restart timeball")
        assert soon(lambda: harbour.said(ASK)) == first
    harbour.run("systemctl kill --signal=SEGV timeball; systemctl is-active --wait timeball || systemctl start timeball", check=False)
    assert soon(lambda: harbour.said(ASK)) == first
    assert harbour.said("systemctl show -P NFileDescriptorStore timeball") == "1"
    harbour.run("systemctl stop timeball")
    harbour.run("systemctl start timeball")
    assert soon(lambda: harbour.said(ASK)) != first


def test_wrong_socket_is_refused(boot):
    machine = boot(files={"/etc/timeball/timeball.conf": CONFIGURATION,
                          "/etc/systemd/system/timeball-nts.socket.d/wrong.conf":
                              "[Socket]\nListenStream=\nListenStream=/run/nts\n"})
    machine.run("ip link set lo up; systemctl start timeball-nts.socket; systemctl start timeball.service", check=False)
    log = soon(lambda: machine.said("journalctl -b -u timeball --no-pager -o cat | grep 'is not used' || true"))
    assert "it is no TCP socket" in log
