# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Pieces of the world for the system tests, each real: a system bus with polkitd, networks with Debian's
chronyd as servers, the daemon, whole machines. test_harness.py shows each in use."""

from . import keys, world
from .world import DAEMONS, ROOT, Failed, Process, name_host, nobody, program, run, soon
from .bus import Bus
from .network import Network, Server
from .daemon import Daemon
from .others import Chronyd, Ntpd
from .machine import Machine
from .pki import Authority, Certificate

__all__ = [
    "DAEMONS", "ROOT", "Failed", "Process", "keys", "world", "name_host", "nobody", "program", "run", "soon",
    "Bus", "Network", "Server", "Daemon", "Chronyd", "Ntpd", "Machine", "Authority", "Certificate",
]
