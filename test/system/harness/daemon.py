# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""timeballd, watching the clock without touching it (-x): these tests share the clock of this machine."""

import itertools
import shutil

from .world import STATE, Process, soon

COUNT = itertools.count(1)


class Daemon:
    """timeballd -x -d with these lines of configuration, run as the user timeball."""

    def __init__(self, *lines, options=(), user="timeball", bus=None, env=None):
        self.folder = STATE / f"daemon-{next(COUNT)}"
        self.folder.mkdir()
        self.configuration = self.folder / "timeball.conf"
        self.user, self.options, self.bus, self.env = user, options, bus, env or {}
        self.process = None
        self.write(*lines)
        if user:
            shutil.chown(self.folder, user, user)
        self.start()

    def write(self, *lines):
        self.configuration.write_text("\n".join([f"driftfile {self.folder}/drift", *lines]) + "\n")

    def start(self):
        # the log folders and pid files of the defaults belong to an installed system
        self.process = Process("timeballd", ["timeballd", "-x", "-d", "-f", self.configuration, *self.options],
                               user=self.user, env=self.env)
        if self.bus:
            soon(self.on_bus, what="org.timeball1 on the bus")

    def on_bus(self):
        self.process.expect_alive()
        return self.bus.has()

    def synchronized(self, limit=60):
        """Waits until it says on the bus that the clock is right."""
        soon(lambda: self.bus.get("Clock", "Synchronized"), limit, what="Synchronized")

    def restart(self):
        self.process.stop()
        self.start()

    def said(self):
        return self.process.said()

    def stop(self):
        return self.process.stop()

    def status(self):
        """{field: text} of /proc/PID/status."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return dict(line.rstrip("\n").split(":\t", 1) for line in status)
