# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""In a lab machine with systemd, its bus and its polkit: an unprivileged user steps the real clock by a rule, and
the daemon is started by the bus while it is enabled, and not while it is disabled."""

import time

import pytest

from harness import soon

pytestmark = pytest.mark.lab

# slewed only, so that a step stays to be made by hand
LINES = ["driftfile /var/lib/timeball/drift", "maxslewrate 1"]
CLOCK = "org.timeball1 /org/timeball1 org.timeball1.Clock"
NOBODY = "setpriv --reuid nobody --regid nogroup --clear-groups"
RULE = """polkit.addRule(function(action, subject) {
  if (action.id == "org.timeball1.set-time" && subject.user == "nobody") return polkit.Result.YES;
});
"""


@pytest.fixture
def machine(boot, lab_network):
    servers = [lab_network.server() for _ in range(3)]
    text = "\n".join([*(f"server {server.address} iburst minpoll 0 maxpoll 2" for server in servers), *LINES]) + "\n"
    return boot(clock="2020-01-01 00:00 UTC", files={"/etc/timeball/timeball.conf": text}, **lab_network.port(1))


def error(machine):
    """By how much the machine's clock differs from this one's, to a second or so."""
    return abs(float(machine.said("date +%s.%N")) - time.time())


def test_make_step(machine):
    """MakeStep: refused to nobody, done at once when a rule says so, and told by a signal."""
    machine.run("systemctl start timeball")
    soon(lambda: machine.said(f"busctl get-property {CLOCK} Synchronized") == "b true")
    assert error(machine) > 86400
    done = machine.run(f"{NOBODY} busctl call {CLOCK} MakeStep", check=False)
    assert done.status != 0 and "Access denied" in done.said, done.said
    assert error(machine) > 86400
    machine.run("busctl monitor --json=short org.timeball1 >/root/monitor 2>&1 & echo $! >/root/pid")
    soon(lambda: "Monitoring" in machine.said("cat /root/monitor"))
    machine.run(f"cat >/etc/polkit-1/rules.d/10-test.rules <<'E'\n{RULE}E\n")
    soon(lambda: machine.run(f"{NOBODY} busctl call {CLOCK} MakeStep", check=False).status == 0)
    soon(lambda: error(machine) < 5)
    assert machine.said(f"busctl get-property {CLOCK} StepCount") == "u 1"
    soon(lambda: '"member":"Stepped"' in machine.said("cat /root/monitor"))
    machine.run("kill $(cat /root/pid)")


def test_activation(machine):
    """The bus starts the daemon when it is enabled; set-ntp false means that nobody does."""
    ask = f"busctl get-property {CLOCK} MaySetClock"
    machine.run("systemctl disable --now timeball")
    assert machine.run(ask, check=False).status != 0
    assert machine.run("systemctl is-active timeball", check=False).said.strip() == "inactive"
    machine.run("systemctl enable timeball")
    assert machine.said(ask) == "b true"
    assert machine.said("systemctl is-active timeball") == "active"
    machine.run("timedatectl set-ntp false")
    soon(lambda: machine.run("systemctl is-active timeball", check=False).said.strip() == "inactive")
    assert machine.run(ask, check=False).status != 0
