# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""What tools/run shows: servers, bus and daemon in private namespaces, then a prompt among them."""

import os
import subprocess
import sys
import time

from harness import DAEMONS, ROOT, Bus, Daemon, Failed, Network, program, soon, world

LIMIT = 60

PROMPT = r"""
PS1='\[\e[1m\](timeball)\[\e[0m\] \w # '
nobody() { setpriv --reuid nobody --regid nogroup --clear-groups "$@"; }
"""

HINTS = """
This prompt is root among these daemons and sees no other network. The daemon watches the clock and does not
touch it (-x), because the clock is this machine's. Things to try:

    timectl                                   timectl sources -v
    timectl sourcestats                       timectl explain 192.0.2.12
    busctl introspect org.timeball1 /org/timeball1
    nobody timectl offline                    polkit says no, or asks
    ip link set client0 down                  and see what becomes of the sources
    exit                                      ends it all
"""


def say(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def timectl(*words):
    """What timectl prints, coloured as on a terminal if this is one."""
    print(f"$ timectl {' '.join(words)}".rstrip(), flush=True)
    return subprocess.run([program("timectl"), "--no-pager", *words], check=False).returncode


def watch(bus):
    """Shows the sources once a second until the daemon says that the clock is right."""
    begin, shown = time.monotonic(), 0.0

    def synchronized():
        nonlocal shown
        right = bus.get("Clock", "Synchronized")
        if not right and time.monotonic() - shown > 1:
            shown = time.monotonic()
            timectl("sources")
        return right

    soon(synchronized, LIMIT, 0.2, what="a synchronised clock")
    say(f"Synchronised after {time.monotonic() - begin:.1f} s")


def stay():
    """A shell among the daemons."""
    path = world.STATE / "prompt"
    path.write_text(PROMPT)
    print(HINTS, flush=True)
    subprocess.run(["/bin/bash", "--rcfile", path, "-i"], check=False)


def main():
    world.prepare()
    folders = [base / folder for base in (ROOT, DAEMONS) for folder in ("usr/bin", "usr/sbin")]
    os.environ["PATH"] = ":".join(map(str, folders)) + ":" + os.environ["PATH"]
    os.environ["MANPATH"] = f"{ROOT}/usr/share/man:"
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/run/dbus/system_bus_socket"
    say("A system bus with polkit, and three time servers")
    bus, network = Bus(), Network()
    servers = [network.server(stratum) for stratum in (1, 2, 2)]
    for server in servers:
        print(f"    chronyd at {server.address}")
    say("timeballd as their client, watching the clock of this machine (-x)")
    daemon = Daemon(*(f"server {server.address} iburst minpoll 2 maxpoll 6" for server in servers), bus=bus)
    try:
        watch(bus)
    except Failed as problem:
        sys.exit(f"{problem}\n--- what the daemon said:\n{daemon.said()}")
    failed = [words for words in ([], ["sources"], ["tracking"]) if timectl(*words) != 0]
    if sys.argv[1:] == ["--once"]:
        return 1 if failed else 0
    stay()
    return 0


if __name__ == "__main__":
    sys.exit(main())
