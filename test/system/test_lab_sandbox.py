# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""What the daemon may do as systemd starts it: what the kernel says of the process and of each of its threads, and what
becomes of a program in its place that tries what an intruder would."""

import json

import pytest

from harness import Authority, soon

pytestmark = pytest.mark.lab

# threads that serve, that hand out keys, and that wait for a name server which never answers
CONFIGURATION = """local stratum 5
allow
bindaddress 127.0.0.1
serverthreads 2
ntsprocesses 2
ntsservercert /etc/ssl/time.pem
ntsserverkey /etc/ssl/time.key
server silent.example
driftfile /var/lib/timeball/drift
"""
SILENT_RESOLVER = """import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.9", 53))
time.sleep(1000)
"""
NET_BIND_SERVICE, SYS_TIME = 1 << 10, 1 << 25
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

# Tries one thing after another and prints what became of each: "done", or the name of the error.
PROBE = r'''
import ctypes, errno, json, mmap, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)
def writes(path):
    open(path, "w").close()
def executable_memory():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
def memory_of(pid):
    open(f"/proc/{pid}/mem", "rb").close()
CLONE_NEWUSER, CLONE_NEWNS, ADDR_NO_RANDOMIZE = 0x10000000, 0x20000, 0x40000
ADD_KEY, BPF, INIT_MODULE = 248, 321, 175 # the lab is x86-64
tries = {
    "adjust the clock": lambda: call("adjtimex", ctypes.create_string_buffer(256)),
    "set the clock": lambda: call("clock_settime", 0, struct.pack("qq", *divmod(__import__("time").time_ns(), 10**9))),
    "bind port 124": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("127.0.0.1", 124)),
    "talk to netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(),
    "write its state": lambda: writes("/var/lib/timeball/probe"),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    "write /etc": lambda: writes("/etc/probe"),
    "write /usr": lambda: writes("/usr/probe"),
    "write /run": lambda: writes("/run/probe"),
    "read /root": lambda: os.listdir("/root"),
    "see others": lambda: memory_of(1),
    "sysctl": lambda: writes("/proc/sys/net/ipv4/ip_forward"),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "chroot": lambda: os.chroot("/tmp"),
    "name space of users": lambda: call("unshare", CLONE_NEWUSER),
    "name space of mounts": lambda: call("unshare", CLONE_NEWNS),
    "other user": lambda: os.setuid(0),
    "set-user-ID file": lambda: (writes("/var/lib/timeball/probe"), os.chmod("/var/lib/timeball/probe", 0o4755)),
    "node of a device": lambda: os.mknod("/var/lib/timeball/null", 0o20666, os.makedev(1, 3)),
    "memory of the machine": lambda: open("/dev/mem", "rb"),
    "ports of the machine": lambda: call("ioperm", 0x80, 1, 1),
    "writable code": executable_memory,
    "personality": lambda: call("personality", ADDR_NO_RANDOMIZE),
    "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "trace": lambda: call("ptrace", 0, 0, 0, 0),
    "keys of the kernel": lambda: call("syscall", ADD_KEY, b"user", b"probe", b"x", 1, -3),
    "programs for the kernel": lambda: call("syscall", BPF, 0, None, 0),
    "kernel module": lambda: call("syscall", INIT_MODULE, b"", 0, b""),
    "name of the machine": lambda: socket.sethostname("probe"),
    "reboot": lambda: call("reboot", 0),
    "swap": lambda: call("swapoff", b"/none"),
    "drop capabilities": lambda: call("capset", struct.pack("Ii", 0x20080522, 0), bytes(24)),
    "adjust the clock without them": lambda: call("adjtimex", ctypes.create_string_buffer(struct.pack("I", 2), 256)),
}
became = {}
for name, attempt in tries.items():
    try:
        attempt()
        became[name] = "done"
    except OSError as error:
        became[name] = errno.errorcode[error.errno]
print(json.dumps(became))
'''
# What it needs, and gets. Everything else is refused.
ALLOWED = {"adjust the clock", "set the clock", "bind port 124", "talk to netlink", "write its state", "drop capabilities"}
REFUSALS = {"EPERM", "EACCES", "EROFS", "EAFNOSUPPORT", "ENOENT", "ENOSYS"}


@pytest.fixture(scope="module", name="machine")
def machine_with_daemon(boot_once):
    authority = Authority()
    certificate = authority.issue("127.0.0.1")
    made = boot_once(files={"/etc/timeball/timeball.conf": CONFIGURATION,
                              "/etc/ssl/time.pem": certificate.chain.read_text(),
                              "/etc/ssl/time.key": certificate.key.read_text(),
                              "/etc/resolv.conf": "nameserver 127.0.0.9\noptions timeout:30\n",
                              "/opt/resolver.py": SILENT_RESOLVER, "/opt/probe.py": PROBE})
    made.run("chown timeball /etc/ssl/time.key; systemd-run -q python3 /opt/resolver.py")
    soon(lambda: "127.0.0.9:53" in made.said("ss -Huln"))
    return made


def statuses(machine):
    """{name of the thread: [{field: text} of each]}, the process itself first."""
    pid = machine.said("systemctl show -P MainPID timeball")
    found = {}
    for text in machine.said(f"for f in /proc/{pid}/task/*/status; do cat $f; echo ==; done").split("==\n"):
        fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        if fields:
            found.setdefault(fields["Name"], []).append(fields)
    return found


def test_the_process(machine):
    """The event loop holds two capabilities, the threads none, and nobody can get more."""
    machine.run("systemctl start timeball")
    threads = soon(lambda: (lambda found: found if len(found) == 4 else None)(statuses(machine)), what="threads of all kinds")
    assert {name: len(found) for name, found in threads.items()} == {
        "timeballd": 1, "timeball-server": 2, "timeball-keys": 2, "timeball-names": 1}
    for name, found in threads.items():
        for fields in found:
            held = {kind: int(fields[kind], 16) for kind in SETS}
            most = NET_BIND_SERVICE | SYS_TIME
            assert held["CapBnd"] == most, (name, held)
            assert held["CapEff"] == held["CapPrm"] == (most if name == "timeballd" else 0), (name, held)
            assert name == "timeballd" or held["CapAmb"] == 0, (name, held)
            assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2", (name, fields)
            assert "0" not in fields["Uid"].split() + fields["Gid"].split(), (name, fields)


def test_an_intruder(machine):
    """The clock, small ports and its own folder: that is all there is for a program in the daemon's place."""
    machine.run("systemctl stop timeball; mkdir -p /run/systemd/system/timeball.service.d\n"
                "cat >/run/systemd/system/timeball.service.d/probe.conf <<'END'\n"
                "[Service]\nType=oneshot\nExecStart=\nExecStart=/usr/bin/python3 /opt/probe.py\nWatchdogSec=0\nRestart=no\nEND\n"
                "systemctl daemon-reload; systemctl start timeball")
    became = json.loads(machine.said("journalctl -u timeball -o cat --no-pager | grep '^{'"))
    assert {name for name, end in became.items() if end == "done"} == ALLOWED, became
    assert {end for name, end in became.items() if name not in ALLOWED} <= REFUSALS, became
