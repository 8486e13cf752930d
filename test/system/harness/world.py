# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""What the tests run in: private namespaces (made by test/system/run), the installed tree, processes, waiting."""

import os
import pathlib
import shutil
import subprocess
import time
import uuid

ROOT = pathlib.Path(os.environ.get("TIMEBALL_ROOT", "/")).resolve()
DAEMONS = pathlib.Path(__file__).resolve().parents[3] / "build/daemons"
STATE = pathlib.Path("/run/test")


# of the daemon, and of those that are unpacked only
USERS = ("timeball:x:64123:64123::/:/usr/sbin/nologin", "systemd-resolve:x:64124:64124::/:/usr/sbin/nologin")
GROUPS = ("timeball:x:64123:", "systemd-resolve:x:64124:")


class Failed(AssertionError):
    """A condition that never came, or a command that ended badly."""


def soon(condition, limit=30, every=0.05, what=None):
    """Calls condition() until what it returns is true, and returns that. Fails after limit seconds; an
    exception of the condition counts as "not yet" and is shown then."""
    end = time.monotonic() + limit
    while True:
        problem = value = None
        try:
            value = condition()
            if value:
                return value
        except (AssertionError, KeyError, ValueError, IndexError, StopIteration, OSError, subprocess.SubprocessError) as error:
            problem = error
        if time.monotonic() > end:
            name = what or getattr(condition, "__name__", "condition")
            raise Failed(f"not within {limit} s: {name} (last: {problem or value!r})")
        time.sleep(every)


def program(name):
    """Path of a program: of the installed tree, of the unpacked daemons, or of this machine."""
    for base in (ROOT, DAEMONS):
        for folder in ("usr/sbin", "usr/bin"):
            path = base / folder / name
            if path.exists():
                return str(path)
    return shutil.which(name)


def resolve(command):
    path = program(str(command[0]))
    if not path:
        raise FileNotFoundError(f"{command[0]} is neither installed nor below {ROOT} or {DAEMONS}")
    return [path] + [str(word) for word in command[1:]]


def run(*command, check=True, user=None, limit=60, env=None, stdin=None, prefix=()):
    """Runs a command (as that user) and returns its CompletedProcess, with text in stdout and stderr."""
    done = subprocess.run([*prefix, *as_user(user), *resolve(command)], capture_output=True, text=True, timeout=limit,
                          env={**os.environ, **(env or {})}, input=stdin, check=False)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def as_user(user):
    if user is None:
        return []
    group = "nogroup" if user == "nobody" else user
    return ["setpriv", "--reuid", user, "--regid", group, "--clear-groups"]


def nobody(*command, **options):
    """Runs a command without any privilege."""
    return run(*command, user="nobody", **options)


class Gone(RuntimeError):
    """A process that should run has ended: waiting is of no use."""


class Process:
    """A process that runs beside the test, with what it says in a file."""

    def __init__(self, name, command, user=None, netns=None, env=None):
        STATE.mkdir(exist_ok=True)
        self.name = name
        self.log = STATE / f"{name}-{time.monotonic_ns()}.log"
        words = as_user(user) + resolve(command)
        if netns:
            words = ["ip", "netns", "exec", netns] + words
        with open(self.log, "wb") as log:
            self.popen = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                          env={**os.environ, **(env or {})}, start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def expect_alive(self):
        """Shows what it said if it has ended."""
        if not self.alive():
            raise Gone(f"{self.name} ended with status {self.popen.returncode}:\n{self.said()}")

    def said(self):
        return self.log.read_text(errors="replace")

    def signal(self, number):
        self.popen.send_signal(number)

    def stop(self, limit=20):
        """Asks it to end, kills it if it does not, and returns its exit status."""
        if self.alive():
            self.popen.terminate()
            try:
                self.popen.wait(limit)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        return self.popen.wait(limit)

    def kill(self):
        self.popen.kill()
        return self.popen.wait(10)


def mount_tmpfs(where, options="mode=755"):
    run("mount", "-t", "tmpfs", "-o", options, "tmpfs", where)


def prepare():
    """Once per run: a /run of our own, the user of the daemon, the identity that a machine gets when it first
    boots (an image has none), names of hosts that name_host() adds to, and an interface lo that is up."""
    if os.environ.get("TIMEBALL_INSIDE") != "1":
        raise RuntimeError("start the system tests with test/system/run")
    mount_tmpfs("/run")
    STATE.mkdir()
    STATE.chmod(0o755)
    run("ip", "link", "set", "lo", "up")
    for name, lines in (("passwd", USERS), ("group", GROUPS)):
        text = pathlib.Path("/etc", name).read_text()
        missing = [line for line in lines if f"\n{line.split(':')[0]}:" not in text]
        if missing:
            copy = STATE / name
            copy.write_text(text + "\n".join(missing) + "\n")
            run("mount", "--bind", copy, f"/etc/{name}")
    hosts = STATE / "hosts"
    shutil.copyfile("/etc/hosts", hosts)
    run("mount", "--bind", hosts, "/etc/hosts")
    identity = pathlib.Path("/etc/machine-id")
    if not identity.exists() or not identity.read_text().strip():
        identity.touch()
        copy = STATE / "machine-id"
        copy.write_text(uuid.uuid4().hex + "\n")
        run("mount", "--bind", copy, identity)


def name_host(name, *addresses):
    """Gives a name to these addresses, and to no others, for programs of all namespaces. One that runs may have to ask
    again."""
    # written in place: it is the file itself that was mounted over /etc/hosts, here and where ip netns exec looks
    hosts = STATE / "hosts"
    others = [line for line in hosts.read_text().splitlines() if name not in line.split()[1:]]
    hosts.write_text("\n".join([*others, *(f"{address} {name}" for address in addresses)]) + "\n")
