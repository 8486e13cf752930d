# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Symmetric keys against Debian's chronyd as the server, with every type that both know; which answers count; what the
command and the bus say of it, beside chronyc."""

import os
import shutil

import pytest

from harness import Daemon, Process, Server, run, soon
from harness.world import STATE

TYPES = {"MD5": 16, "SHA1": 20, "SHA256": 20, "SHA384": 20, "SHA512": 32, "SHA3-224": 20, "SHA3-256": 20, "SHA3-384": 20,
         "SHA3-512": 20, "AES128": 16, "AES256": 32}
NUMBERS = {"MD5": 1, "SHA1": 2, "SHA256": 3, "SHA384": 4, "SHA512": 5, "SHA3-224": 6, "SHA3-256": 7, "SHA3-384": 8,
           "SHA3-512": 9, "AES128": 13, "AES256": 14}
# in version 4 digests longer than 160 bits are cut; left to itself the client then speaks version 3
CUT = {"SHA256", "SHA384", "SHA512", "SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512"}
WRONG, MISSING, WEAK = 100, 101, 102


def key_of(number, size):
    return bytes((number * 16 + i) % 256 for i in range(size)).hex().upper()


def write_keys(path, lines, user=None):
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o640)
    if user:
        shutil.chown(path, user, user)
    return path


def lines_of_keys():
    return [f"{number} {name} HEX:{key_of(number, TYPES[name])}" for name, number in NUMBERS.items()]


@pytest.fixture(scope="module", name="server")
def keyed_server(empty_network):
    path = write_keys(STATE / "server.keys", ["1 SHA1 HEX:00", *lines_of_keys(), f"{WRONG} SHA1 HEX:{key_of(1, 20)}",
                                              f"{MISSING} SHA1 HEX:{key_of(2, 20)}", f"{WEAK} SHA1 secret"])
    return empty_network.server(lines=[f"keyfile {path}", "bindaddress ::"])


@pytest.fixture(scope="module", name="keys")
def client_keys():
    return write_keys(STATE / "client.keys", [
        "# a comment", "rubbish", "1 SHA1 HEX:00", *lines_of_keys(), f"{WRONG} SHA1 HEX:{key_of(3, 20)}", f"{WEAK} SHA1 secret",
        "200 TIGER HEX:0011"], "timeball")


def record(report, index=0):
    return run("timectl", "-c", "-n", "-a", report).stdout.splitlines()[index].split(",")


def ntpdata():
    """The only source's, by label."""
    lines = [line.split(":", 1) for line in run("timectl", "-n", "ntpdata").stdout.splitlines() if ":" in line]
    return {label.strip(): value.strip() for label, value in lines}


@pytest.mark.parametrize("version", [[], ["version", "3"], ["version", "4"]], ids=["auto", "3", "4"])
@pytest.mark.parametrize("name", TYPES)
def test_type(bus, server, keys, start_daemon, name, version):
    """Their server believes our request, and we believe its answer."""
    daemon = start_daemon(f"keyfile {keys}",
                          " ".join([f"server {server.address} iburst minpoll 0 maxpoll 0 key {NUMBERS[name]}", *version]),
                          bus=bus)
    daemon.synchronized()
    said = ntpdata()
    assert said["Authenticated"] == "Yes" and said["NTP tests"] == "111 111 1111"
    assert said["Version"] == (version[1] if version else "3" if name in CUT else "4")
    assert record("selectdata")[2] == "Y"
    assert record("authdata")[1:5] == ["SK", str(NUMBERS[name]), str(NUMBERS[name]), str(8 * TYPES[name])]


@pytest.mark.parametrize("options", ["xleave", "extfield F323", "xleave extfield F323"])
@pytest.mark.parametrize("name", ["MD5", "SHA1", "SHA512", "AES128"])
def test_with_more(bus, server, keys, start_daemon, name, options):
    """With interleaving and an extension field between header and MAC, over IPv6."""
    address = "2001:db8::" + server.address.split(".")[-1]
    start_daemon(f"keyfile {keys}", f"server {address} iburst minpoll -2 maxpoll -2 key {NUMBERS[name]} {options}",
                 bus=bus).synchronized()
    soon(lambda: ntpdata()["Interleaved"] == ("Yes" if "xleave" in options else "No"), what="the mode")
    said = ntpdata()
    assert said["Authenticated"] == "Yes" and said["Version"] == "4"


def test_wrong_key(bus, server, keys, start_daemon):
    """The server does not answer a request that is signed with another key under the same number."""
    start_daemon(f"keyfile {keys}", f"server {server.address} iburst minpoll 0 maxpoll 0 key {WRONG}", bus=bus)
    soon(lambda: int(ntpdata()["Total TX"]) >= 4, what="requests")
    assert ntpdata()["Total valid RX"] == "0" and not bus.get("Clock", "Synchronized")


def test_missing_key(bus, server, keys, start_daemon):
    """Nothing is sent; it is said once, explained, and cured by rekey."""
    path = write_keys(STATE / "missing.keys", keys.read_text().splitlines(), "timeball")
    daemon = start_daemon(f"keyfile {path}", f"server {server.address} iburst minpoll 0 maxpoll 0 key {MISSING}", bus=bus)
    soon(lambda: f"Key {MISSING} is missing" in daemon.said(), what="a word on the missing key")
    assert f"its key {MISSING} is not in the key file" in run("timectl", "explain", server.address).stdout
    assert record("authdata")[1:5] == ["SK", str(MISSING), "0", "0"]
    assert ntpdata()["Total TX"] == "0"
    assert daemon.said().count("is missing") == 1

    write_keys(path, [f"{MISSING} SHA1 HEX:{key_of(2, 20)}"], "timeball")
    assert run("timectl", "rekey").stdout == "200 OK\n"
    daemon.synchronized()
    assert record("authdata")[1:5] == ["SK", str(MISSING), "2", "160"]
    # a file that cannot be read takes nothing away
    path.unlink()
    assert run("timectl", "rekey", check=False).stdout == "500 Failure\n"
    assert record("authdata")[3] == "2"


def test_reload(bus, server, start_daemon):
    """A reload reads the keys again, also of another file."""
    path = write_keys(STATE / "reload.keys", ["1 SHA1 HEX:00"], "timeball")
    line = f"server {server.address} iburst minpoll 0 maxpoll 0 key 2"
    daemon = start_daemon(f"keyfile {path}", line, bus=bus)
    soon(lambda: "Key 2 is missing" in daemon.said(), what="a word on the missing key")
    daemon.write(f"keyfile {write_keys(STATE / 'reloaded.keys', lines_of_keys(), 'timeball')}", line)
    assert run("timectl", "reload").stdout == "200 OK\n"
    daemon.synchronized()


def test_log(bus, server, keys, start_daemon):
    """Bad lines with their numbers, weak keys that are used; never a secret."""
    daemon = start_daemon(f"keyfile {keys}", f"server {server.address} iburst minpoll 0 maxpoll 0 key {WEAK}", bus=bus)
    daemon.synchronized()
    said = daemon.said()
    for expected in (f"{keys}:2: expected ID [TYPE] KEY", f"{keys}:4: key 1: the identifier was used before",
                     f"{keys}:17: key 200: the type of the key is not supported", f"Key {WEAK} is too short",
                     f"Read 13 keys from {keys}"):
        assert expected in said
    assert "should not be accessible" not in said
    assert key_of(1, 16) not in said and "secret" not in said


def test_permissions(bus, server, keys, start_daemon):
    os.chmod(keys, 0o644)
    try:
        daemon = start_daemon(f"keyfile {keys}", f"server {server.address} iburst key 1", bus=bus)
        assert "should not be accessible to everybody" in daemon.said()
    finally:
        os.chmod(keys, 0o640)


def test_unsigned_server(bus, empty_network, keys, start_daemon):
    """A server without keys is no source for who wants a key; it is one for who does not."""
    plain = empty_network.server()
    start_daemon(f"keyfile {keys}", f"server {plain.address} iburst minpoll 0 maxpoll 0 key 1", bus=bus)
    soon(lambda: int(ntpdata()["Total TX"]) >= 4, what="requests")
    assert ntpdata()["Total valid RX"] == "0" and not bus.get("Clock", "Synchronized")


@pytest.mark.parametrize("mode,options", [("require", ["-----", "N----"]), ("prefer", ["-----", "N----"]),
                                          ("mix", ["--TR-", "-----"]), ("ignore", ["-----", "-----"])])
def test_select_mode(bus, server, empty_network, keys, start_daemon, mode, options):
    """What authentication counts, as chronyc's letters say it."""
    other = empty_network.servers[-1] if len(empty_network.servers) > 1 else empty_network.server()
    start_daemon(f"keyfile {keys}", f"authselectmode {mode}", f"server {server.address} iburst minpoll 0 maxpoll 0 key 2",
                 f"server {other.address} iburst minpoll 0 maxpoll 0", bus=bus).synchronized()
    rows = [line.split(",") for line in run("timectl", "-c", "-n", "selectdata").stdout.splitlines()]
    assert ["".join(row[8:13]) for row in rows] == options
    assert [row[2] for row in rows] == ["Y", "N"]


def test_bus(bus, server, keys, start_daemon):
    start_daemon(f"keyfile {keys}", f"server {server.address} iburst minpoll 0 maxpoll 0 key 14", bus=bus).synchronized()
    path = bus.get("Sources", "List")[0]
    said = run("busctl", "introspect", "org.timeball1", path, "org.timeball1.Authentication").stdout
    found = {line.split()[0]: line.split()[3] for line in said.splitlines() if "property" in line}
    expected = {".Mode": '"symmetric"', ".KeyID": "14", ".KeyAvailable": "true", ".KeyType": '"AES256"', ".KeyLength": "256"}
    assert expected.items() <= found.items()
    assert {found[name] for name in (".AEAD", ".Cookies", ".Attempts")} == {"0"}


def test_generated_key_works(bus, server, start_daemon):
    """What keygen prints is a line of a key file, for both."""
    line = run("timectl", "keygen", "300", "SHA512", "256").stdout
    ours = write_keys(STATE / "generated.keys", [line.strip()], "timeball")
    theirs = write_keys(STATE / "generated-server.keys", [line.strip()])
    other = Server("127.0.0.77", lines=[f"keyfile {theirs}"])
    try:
        start_daemon(f"keyfile {ours}", f"server {other.address} iburst minpoll 0 maxpoll 0 key 300", bus=bus).synchronized()
    finally:
        other.stop()
    assert server


# From here on the daemons of both_clients() have the bus to themselves.

@pytest.fixture(scope="module", name="both")
def both_clients(bus, server):
    """A function that runs a command with chronyc and timectl; their daemons have the same sources and keys."""
    folder = STATE / "keyed-client"
    folder.mkdir(mode=0o700)
    keys = write_keys(STATE / "both.keys", [*lines_of_keys(), "4000000000 SHA512 HEX:0011223344"], "timeball")
    lines = [f"keyfile {keys}", *(f"server 192.0.2.{50 + number} key {number}" for number in NUMBERS.values()),
             f"server 192.0.2.90 key {MISSING}", "server 192.0.2.91", "server 192.0.2.92 key 4000000000",
             f"server {server.address} key 2", "server nowhere.invalid key 1"]
    (folder / "chrony.conf").write_text("\n".join([*lines, f"bindcmdaddress {folder}/sock", "cmdport 0",
                                                   f"pidfile {folder}/pid"]) + "\n")
    chronyd = Process("chronyd-client", ["chronyd", "-x", "-d", "-u", "root", "-f", folder / "chrony.conf"])
    daemon = Daemon(*lines, bus=bus)
    soon(lambda: run("chronyc", "-h", folder / "sock", "-c", "authdata").stdout, what="chronyc")

    def ask(*words):
        return [run("chronyc", "-h", folder / "sock", *words, check=False), run("timectl", *words, check=False)]

    yield ask
    daemon.stop()
    chronyd.stop()


@pytest.mark.parametrize("words", [["-n", "authdata"], ["-n", "-c", "authdata"], ["-c", "authdata"]], ids=" ".join)
def test_authdata_beside_chronyc(both, words):
    """Byte for byte."""
    theirs, ours = both(*words)
    assert ours.stdout == theirs.stdout and len(theirs.stdout.splitlines()) >= 15


def test_authdata_unresolved(both):
    """The number behind ID# is each daemon's own."""
    theirs, ours = both("-n", "-c", "authdata", "-a")
    assert [line.split(",")[1:] for line in ours.stdout.splitlines()] == [
        line.split(",")[1:] for line in theirs.stdout.splitlines()]


@pytest.mark.parametrize("words", [["keygen"], ["keygen", "7"], ["keygen", "7", "MD5"], ["keygen", "7", "SHA3-512", "81"],
                                   ["keygen", "7", "AES128", "500"], ["keygen", "7", "AES256"], ["keygen", "7", "SHA1", "1"],
                                   ["keygen", "7", "SHA1", "9999"], ["keygen", "7", "nothing"], ["keygen", "x"],
                                   ["rekey"]], ids=" ".join)
def test_answer_beside_chronyc(both, words):
    theirs, ours = both(*words)
    form = lambda done: (done.returncode, done.stderr, [(w if "HEX:" not in w else len(w)) for w in done.stdout.split()])
    if words[0] != "keygen" or theirs.returncode == 0:
        assert form(ours) == form(theirs)
    else:
        assert ours.returncode == theirs.returncode == 1 and not ours.stdout
