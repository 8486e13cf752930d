# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The lab: throwaway machines with a kernel, a clock, systemd, a bus and polkit of their own. A machine is
User-Mode Linux over a copy-on-write view of this one, with the installed tree laid over it: there the daemon
may step and slew. A boot takes about six seconds."""

import dataclasses
import itertools
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile

from .world import Failed, soon

LAB = pathlib.Path(__file__).resolve().parents[1] / "lab"
DEFAULT_ROOT = pathlib.Path(__file__).resolve().parents[3] / "build/test/root"
COUNT = itertools.count(1)


def lab_sleep():
    """What a machine needs to be able to sleep, Machine(sleeps=...): see lab/sleep.c."""
    root = pathlib.Path(os.environ.get("TIMEBALL_ROOT") or DEFAULT_ROOT).resolve()
    folders = [root.parent / "gcc", LAB.parents[2] / "build"]
    return next(path for folder in folders if (path := folder / "test/system/lab-sleep.so").exists())


class Unbootable(Exception):
    """The kernel of User-Mode Linux does not start here; says why."""


@dataclasses.dataclass
class Done:
    """A finished command: its output, both streams together, and its exit status."""

    said: str
    status: int


class Machine:
    """A machine that runs until stop(). netns: where the tap device is; address: of vec0, with its prefix;
    files: {path: text} laid over its disk; enable: units that start at boot; sleeps: the file lab-sleep.so, for suspend()."""

    def __init__(self, root=None, clock=None, netns=None, tap=None, address=None, files=None, enable=(),
                 name="harbour", memory="384M", sleeps=None, limit=90):
        self.number = 0
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="timeball-lab-"))
        self.folder.chmod(0o755)
        (self.folder / "files").mkdir()
        for path, text in (files or {}).items():
            target = self.folder / "files" / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        shutil.copy(LAB / "serve", self.folder / "serve")
        root = pathlib.Path(root or os.environ.get("TIMEBALL_ROOT") or DEFAULT_ROOT).resolve()
        settings = {"tree": root, "clock": clock or "", "name": name, "address": address or "",
                    "enable": " ".join(enable)}
        (self.folder / "settings").write_text(
            "".join(f"{key}={shlex.quote(str(value))}\n" for key, value in settings.items()))
        words = ["linux.uml", f"mem={memory}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
                 f"init={LAB}/init", "con=null", "con0=null,fd:1", "quiet", f"lab.folder={self.folder}"]
        if tap:
            words.append(f"vec0:transport=tap,ifname={tap},depth=64,mac=02:00:00:00:00:{next(COUNT):02x}")
        if netns:
            words = ["ip", "netns", "exec", netns] + words
        with open(self.folder / "console", "wb") as console:
            self.popen = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                          start_new_session=True, env=self.environment(sleeps))
        try:
            soon(self.is_up, limit, 0.1, what="the boot of a lab machine")
        except BaseException:
            self.discard()
            raise

    def environment(self, sleeps):
        preloaded = {"LD_PRELOAD": str(sleeps), "LAB_SLEEP": str(self.folder / "sleep")} if sleeps else {}
        return {**os.environ, **preloaded}

    def suspend(self, seconds):
        """The machine sleeps for so many seconds, as systemctl suspend has it; returns when it has woken up."""
        slept = self.run(f"echo {seconds} >/lab/sleep; systemctl start systemd-logind && systemctl suspend", limit=60)
        soon(lambda: "PM: suspend exit" in self.said("dmesg"), seconds + 60, 0.5, what="the end of the sleep")
        return slept

    def is_up(self):
        if (self.folder / "up").exists():
            return True
        if self.popen.poll() is not None and not (self.folder / "born").exists():
            raise Unbootable(self.console()[-600:] or f"linux.uml: status {self.popen.returncode}")
        if self.popen.poll() is not None:
            raise RuntimeError("the machine fell while booting:\n" + self.console()[-2000:])
        return False

    def console(self):
        return (self.folder / "console").read_text(errors="replace")

    def start(self, script):
        """Starts a shell script in the machine and returns its number, for finish()."""
        self.number += 1
        new = self.folder / f"{self.number}.new"
        new.write_text(script + "\n")
        new.rename(self.folder / f"{self.number}.ask")
        return self.number

    def finish(self, number, check=True, limit=60):
        """Waits for that script to end. limit in seconds of this machine's clock."""
        status = self.folder / f"{number}.status"

        def ended():
            if not status.exists() and self.popen.poll() is not None:
                raise RuntimeError("the machine is off:\n" + self.console()[-2000:])
            return status.exists()

        script = (self.folder / f"{number}.ask").read_text().strip()
        soon(ended, limit, 0.05, what=f"the end of {script!r} in the lab")
        said = (self.folder / f"{number}.said").read_text(errors="replace")
        done = Done(said, int(status.read_text()))
        if check and done.status != 0:
            raise Failed(f"in the lab: {script}: status {done.status}\n{done.said}")
        return done

    def run(self, script, check=True, limit=60):
        """Runs a shell script in the machine."""
        return self.finish(self.start(script), check, limit)

    def said(self, script, limit=60):
        """Output of a script that must succeed."""
        return self.run(script, limit=limit).said.strip()

    def stop(self):
        try:
            if self.popen.poll() is None:
                (self.folder / "off").touch()
                self.popen.wait(20)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.discard()

    def discard(self):
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
