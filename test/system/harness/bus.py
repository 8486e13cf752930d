# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""A bus of type "system" at its stock address, with the real polkitd, our bus policy and our polkit actions."""

import json
import pathlib
import shutil

from .world import DAEMONS, ROOT, Process, mount_tmpfs, run, soon

SOCKET = pathlib.Path("/run/dbus/system_bus_socket")
ACTIONS = pathlib.Path("/usr/share/polkit-1/actions")
RULES = pathlib.Path("/etc/polkit-1/rules.d")

CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=%(socket)s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
    <allow own="org.freedesktop.NetworkManager"/>
    <allow send_destination="org.freedesktop.NetworkManager"/>
  </policy>
  <policy context="default">
    <allow send_destination="org.freedesktop.NetworkManager" send_interface="org.freedesktop.DBus.ObjectManager"/>
  </policy>
  <includedir>/usr/share/dbus-1/system.d</includedir>
  <includedir>%(daemons)s</includedir>
  <includedir>%(ours)s</includedir>
</busconfig>
"""

NAME, OBJECT = "org.timeball1", "/org/timeball1"


class Bus:
    """Properties and methods are reached with busctl: bus.get("Clock", "Synchronized")."""

    def __init__(self):
        self.daemon = self.polkit = None
        self.prepare_files()
        self.start()
        self.start_polkit()

    @staticmethod
    def prepare_files():
        if not run("mountpoint", "-q", RULES, check=False).returncode:
            return
        mount_tmpfs(RULES, "mode=700,uid=polkitd")
        copy = pathlib.Path("/run/test/actions")
        shutil.copytree(ACTIONS, copy)
        ours = ROOT / str(ACTIONS)[1:]
        if ours != ACTIONS and ours.exists():
            shutil.copytree(ours, copy, dirs_exist_ok=True)
        run("mount", "--bind", copy, ACTIONS)

    def start(self):
        """Starts the bus (again, after kill())."""
        SOCKET.parent.mkdir(exist_ok=True)
        SOCKET.unlink(missing_ok=True)
        configuration = pathlib.Path("/run/test/bus.conf")
        ours = ROOT / "usr/share/dbus-1/system.d"
        configuration.write_text(CONFIGURATION % {"socket": SOCKET, "ours": ours, "daemons": DAEMONS / "usr/share/dbus-1/system.d"})
        self.daemon = Process("bus", ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--nopidfile",
                                      "--nosyslog"])
        soon(lambda: self.has("org.freedesktop.DBus"), what="the bus")

    def start_polkit(self):
        self.polkit = Process("polkitd", ["/usr/lib/polkit-1/polkitd", "--no-debug"])
        soon(lambda: self.has("org.freedesktop.PolicyKit1"), what="polkitd")

    def restart(self):
        """Kills the bus, and polkitd with it, and starts both."""
        self.daemon.kill()
        self.polkit.kill()
        self.start()
        self.start_polkit()

    def stop(self):
        for process in (self.polkit, self.daemon):
            if process:
                process.stop()

    @staticmethod
    def has(name=NAME):
        """Whether somebody owns that name."""
        reply = run("busctl", "--json=short", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                    "org.freedesktop.DBus", "NameHasOwner", "s", name)
        return json.loads(reply.stdout)["data"][0]

    @staticmethod
    def get(interface, name, path=OBJECT, user=None):
        """A property of ours; interface without its prefix."""
        reply = run("busctl", "--json=short", "get-property", NAME, path, f"{NAME}.{interface}", name, user=user)
        return json.loads(reply.stdout)["data"]

    @staticmethod
    def call(interface, method, *arguments, path=OBJECT, user=None, check=True, limit=60):
        """Calls a method of ours: call("Sources", "SetOnline", "sb", "", "false"). The completed busctl."""
        return run("busctl", "--json=short", "call", NAME, path, f"{NAME}.{interface}", method, *arguments,
                   user=user, check=check, limit=limit)

    @staticmethod
    def objects():
        """{path: {interface: {property: value}}} of everything below our root object."""
        reply = run("busctl", "--json=short", "call", NAME, OBJECT, "org.freedesktop.DBus.ObjectManager",
                    "GetManagedObjects")
        found = json.loads(reply.stdout)["data"][0]
        return {path: {interface: {name: value["data"] for name, value in properties.items()}
                       for interface, properties in interfaces.items()}
                for path, interfaces in found.items()}

    @staticmethod
    def rule(action=None, result="YES", user="nobody"):
        """Makes polkit answer so (YES, NO, AUTH_ADMIN) for that user; action None removes the rule."""
        path = RULES / "10-test.rules"
        if action is None:
            path.unlink(missing_ok=True)
            return
        path.write_text("polkit.addRule(function(action, subject) {\n"
                        f"  if (action.id == '{action}' && subject.user == '{user}')\n"
                        f"    return polkit.Result.{result};\n"
                        "});\n")
        path.chmod(0o644)
