# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Network Time Security with servers that others wrote, Debian's chronyd and NTPsec's ntpd: keys are established over
IPv4 and IPv6, kept from run to run, renewed when the server has lost its own; whoever is on the way cannot end that; and
each reason why there are no keys is told in words."""

import itertools
import pathlib
import shutil
import signal
import socket
import stat

import pytest

from harness import Authority, Chronyd, Ntpd, Process, name_host, run, soon
from harness.pki import DAY, date, now
from harness.world import STATE
from interop import addresses, need

OPTIONS = "nts iburst minpoll 0 maxpoll 0"
STORE = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
COUNT = itertools.count(41)


@pytest.fixture(scope="module", name="pier")
def pier_authority():
    """An authority below the one that is trusted."""
    return Authority().intermediate()


class Harbour:
    """Servers with NTS on hosts of their own, each at the next addresses."""

    def __init__(self, network, authority):
        self.network, self.authority, self.started = network, authority, []

    def place(self, name):
        number = next(COUNT)
        name_host(name, *addresses(number))
        return self.network.host(f"host{number}", number), addresses(number)

    def chronyd(self, name, *lines, certificate=None):
        """A chronyd of that name; .addresses has both of them."""
        host, found = self.place(name)
        server = Chronyd(name, "allow all", "local stratum 3", *lines,
                         *Chronyd.nts_server(certificate or self.authority.issue(name, *found)), netns=host)
        server.addresses = found
        self.started.append(server)
        return server

    def stop(self):
        for server in self.started:
            server.stop()


@pytest.fixture(name="harbour")
def harbour_of_servers(empty_network, pier):
    need("chronyd")
    made = Harbour(empty_network, pier)
    yield made
    made.stop()


@pytest.fixture(name="daemon")
def start_client(bus, pier, start_daemon):
    """daemon(lines...): a client that trusts the authority."""
    return lambda *lines, **options: start_daemon(*Chronyd.nts_client(pier), *lines, bus=bus, **options)


def authdata(*options):
    return [row.split(",") for row in run("timectl", "-c", "-n", *options, "authdata").stdout.splitlines()]


def property_of(bus, name, member, interface="Authentication"):
    """Of a source."""
    path = next(path for path in bus.objects() if "/source/" in path and bus.get("Source", "Name", path=path) == name)
    return bus.get(interface, member, path=path)


def established(server):
    return server.counters()["NTS-KE connections accepted"]


@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
def test_chronyd(harbour, daemon, bus, family):
    """By name, over either family, with a chain that has an intermediate certificate."""
    server = harbour.chronyd("quay.example")
    client = daemon(f"server quay.example {OPTIONS} ipv{'46'[family]}")
    client.synchronized()
    soon(lambda: authdata()[0][8] == "8")
    assert authdata()[0][:5] == [server.addresses[family], "NTS", "1", "15", "256"]
    assert authdata()[0][6:] == ["0", "0", "8", "100"]
    row = run("timectl", "-N", "authdata").stdout.splitlines()[-1].split()
    assert row[:5] == ["quay.example", "NTS", "1", "15", "256"] and row[8:] == ["8", "100"]
    assert "Authenticated   : Yes" in run("timectl", "ntpdata").stdout
    assert property_of(bus, "quay.example", "Mode") == "nts"
    assert property_of(bus, "quay.example", "AEAD") == 15
    assert property_of(bus, "quay.example", "KeyType") == "AES-SIV-CMAC-256"
    assert property_of(bus, "quay.example", "Cookies") == 8
    assert property_of(bus, "quay.example", "Failure") == ""
    assert established(server) == 1 and server.counters()["Authenticated NTP packets"] >= 3
    assert "Established keys (NTS) of source" in client.said()


def test_ntpsec(harbour, daemon, pier):
    """A server of another make, which has its time from chronyd."""
    need("ntpd")
    teacher = harbour.chronyd("teacher.example")
    name_host("teacher.example", teacher.addresses[0])
    host, found = harbour.place("mole.example")
    server = Ntpd("mole", f"server teacher.example {OPTIONS}", *Ntpd.nts_client(pier), *Ntpd.nts_server(pier.issue("mole.example")), netns=host)
    try:
        soon(lambda: server.source(teacher.addresses[0])["selected"], 60)
        client = daemon(f"server mole.example {OPTIONS} ipv4")
        client.synchronized()
        soon(lambda: authdata()[0][8] == "8")
        assert authdata()[0][:5] == [found[0], "NTS", "1", "15", "256"]
    finally:
        server.stop()


def test_shows_the_offset(harbour, pier):
    """What scripts use to look whether a server works."""
    harbour.chronyd("quay.example")
    done = run("timeballd", "-Q", "-t", "3", "server quay.example iburst nts maxsamples 1", *Chronyd.nts_client(pier))
    assert "System clock wrong by" in done.stderr
    distrust = run("timeballd", "-Q", "-t", "3", "server quay.example iburst nts maxsamples 1", "nosystemcert",
                   f"ntstrustedcerts {Authority('Other').trusted}", check=False)
    assert distrust.returncode != 0 and "System clock wrong by" not in distrust.stderr
    assert "nobody that is trusted has signed the certificate" in distrust.stderr


def test_certificate_sets(harbour, daemon):
    """Each source trusts its own set, and no other."""
    other = Authority("Other Authority")
    harbour.chronyd("quay.example")
    host, _ = harbour.place("mole.example")
    harbour.started.append(Chronyd("mole", "allow all", "local stratum 3", *Chronyd.nts_server(other.issue("mole.example")),
                                   netns=host))
    client = daemon(f"ntstrustedcerts 7 {other.trusted}", f"server quay.example {OPTIONS} certset 7",
                    f"server mole.example {OPTIONS} certset 7")
    client.synchronized()
    rows = {row[0]: row for row in authdata("-N")}
    assert rows["mole.example"][8] == "8"
    assert rows["quay.example"][8] == "0"


def test_store_of_the_system(harbour, bus, pier, start_daemon):
    """Set 0 has its certificates, unless nosystemcert says otherwise; what they take is given back when keys are there."""
    if not STORE.exists():
        pytest.skip("no certificates: package ca-certificates is not installed")
    larger = STATE / "store.pem"
    larger.write_text(STORE.read_text() + pier.trusted.read_text())
    harbour.chronyd("quay.example")
    source = f"server quay.example {OPTIONS} ipv4"
    run("mount", "--bind", larger, STORE)
    try:
        client = start_daemon(source, bus=bus)
        client.synchronized()
        # about 4 MB while they are loaded
        assert int(client.status()["RssAnon"].split()[0]) < 3500
        client.write(source, "nosystemcert")
        client.restart()
        soon(lambda: property_of(bus, "quay.example", "Failure") == "local")
        assert "certificates to trust; check ntstrustedcerts" in client.said()
    finally:
        run("umount", STORE)


def folder_of(daemon):
    """A folder for keys that the daemon may write."""
    path = STATE / f"keys-{next(COUNT)}"
    path.mkdir(mode=0o700)
    shutil.chown(path, daemon, daemon)
    return path


def test_restart(harbour, daemon):
    """Keys and cookies are kept while the daemon does not run, readable by nobody else, and no cookie is sent twice."""
    server = harbour.chronyd("quay.example")
    folder = folder_of("timeball")
    client = daemon(f"server quay.example {OPTIONS} ipv4", f"ntsdumpdir {folder}")
    client.synchronized()
    kept = folder / f"{server.addresses[0]}.nts"
    for _ in range(2):
        assert not kept.exists()
        client.process.stop()
        status = kept.stat()
        assert stat.S_IMODE(status.st_mode) == 0o600 and status.st_uid != 0
        client.start()
        client.synchronized()
        assert "Restored keys (NTS)" in client.said() and "Established keys" not in client.said()
        assert authdata()[0][2] == "1"
    assert established(server) == 1


def test_takes_over_from_chronyd(harbour, daemon, empty_network, pier):
    """Who moves from chrony keeps the keys, and can go back with them."""
    server = harbour.chronyd("quay.example")
    name_host("quay.example", server.addresses[0])
    folder = folder_of("root")
    lines = [f"server quay.example {OPTIONS}", f"ntsdumpdir {folder}", *Chronyd.nts_client(pier)]
    address = server.addresses[0]
    host = empty_network.host("mover", next(COUNT))

    def run_chronyd():
        chronyd = Chronyd("mover", *lines, netns=host)
        soon(lambda: chronyd.source(address)["selected"])
        chronyd.stop()

    run_chronyd()
    assert established(server) == 1 and (folder / f"{address}.nts").exists()
    client = daemon(*lines, user=None)
    client.synchronized()
    assert "Restored keys" in client.said()
    client.process.stop()
    assert established(server) == 1
    run_chronyd()
    assert established(server) == 1


def test_rotation(harbour, daemon):
    """The server comes back without the keys of its cookies: others are established, the source is not lost."""
    server = harbour.chronyd("quay.example")
    client = daemon(f"server quay.example {OPTIONS} ipv4")
    client.synchronized()
    server.stop()
    server.start()
    soon(lambda: authdata()[0][2] == "2" and authdata()[0][8] == "8", 60)
    soon(lambda: run("timectl", "sources").stdout.splitlines()[-1].startswith("^*"))
    assert client.said().count("Established keys") == 2


def test_pool(harbour, daemon, pier):
    """Each member has to have the name of the pool in its certificate."""
    both = [harbour.chronyd(name, certificate=pier.issue("pool.example")) for name in ("one.example", "two.example")]
    wrong = harbour.chronyd("wrong.example", certificate=pier.issue("wrong.example"))
    name_host("pool.example", *(server.addresses[0] for server in (*both, wrong)))
    client = daemon(f"pool pool.example {OPTIONS} maxsources 2")
    client.synchronized()
    soon(lambda: sum(row[8] == "8" for row in authdata()) == 2, 60)
    assert wrong.addresses[0] not in [row[0] for row in authdata() if row[8] != "0"]


def test_name_is_checked_at_each_renewal(harbour, daemon, bus, pier):
    """A certificate for another name, later on, is no better than at the start; the old keys go on."""
    own = pier.issue("quay.example")
    server = harbour.chronyd("quay.example", certificate=own)
    client = daemon(f"server quay.example {OPTIONS} ipv4", "ntsrefresh 3")
    client.synchronized()
    other = pier.issue("other.example")
    for file in ("chain", "key"):
        shutil.copyfile(getattr(other, file), getattr(own, file))
    server.stop()
    server.start()
    soon(lambda: property_of(bus, "quay.example", "Failure") == "certificate-name", 60)
    assert "the certificate is for other names" in client.said()


NAMES = {
    "a name": ("quay.example", ["quay.example"], True),
    "another case": ("QUAY.example", ["quay.example"], True),
    "a wildcard": ("quay.harbour.example", ["*.harbour.example"], True),
    "a wildcard of more": ("quay.harbour.example", ["*.quay.harbour.example"], False),
    "another name": ("quay.example", ["mole.example"], False),
    "a name for an address": (None, ["quay.example"], False),
}


@pytest.mark.parametrize("name, names, good", NAMES.values(), ids=NAMES)
def test_names(harbour, daemon, bus, pier, name, names, good):
    """What a certificate must say; an address is one that it must say, too."""
    server = harbour.chronyd((name or "quay.example").lower(), certificate=pier.issue(*names))
    name = name or server.addresses[0]
    daemon(f"server {name} {OPTIONS} ipv4")
    if good:
        soon(lambda: authdata()[0][8] == "8")
    else:
        soon(lambda: property_of(bus, name, "Failure") == "certificate-name")


def test_address_in_certificate(harbour, daemon):
    server = harbour.chronyd("quay.example")
    daemon(f"server {server.addresses[0]} {OPTIONS}")
    soon(lambda: authdata()[0][8] == "8")


def failure(bus, client, name, words, member="quay.example"):
    """The reason is on the bus under that name, and everywhere in these words."""
    soon(lambda: property_of(bus, member, "Failure") == name, 60)
    assert words in property_of(bus, member, "FailureText")
    assert words in client.said()
    assert words in run("timectl", "explain").stdout and name in run("timectl", "explain").stdout
    soon(lambda: bus.get("Clock", "State") == "no-keys")
    # once, however often it is tried
    assert client.said().count("Could not establish keys") == 1


EXPIRED = (date("2026-10-01"), date("2026-11-01"))


def test_expired(harbour, daemon, bus, pier):
    """Before this daemon was built: whatever the clock says, that is too old."""
    harbour.chronyd("quay.example", certificate=pier.issue("quay.example", valid=EXPIRED))
    client = daemon(f"server quay.example {OPTIONS} ipv4")
    failure(bus, client, "certificate-expired", "the certificate has expired")
    assert f"valid from {EXPIRED[0]:%Y-%m-%d} to {EXPIRED[1]:%Y-%m-%d}" in client.said()


def test_not_yet_valid(harbour, daemon, bus, pier):
    """By a clock that another source has confirmed."""
    valid = (now() + DAY, now() + 30 * DAY)
    harbour.chronyd("quay.example", certificate=pier.issue("quay.example", valid=valid))
    harbour.chronyd("mole.example")
    client = daemon(*(f"server {name}.example {OPTIONS} ipv4" for name in ("quay", "mole")))
    soon(lambda: property_of(bus, "quay.example", "Failure") == "certificate-not-yet-valid", 60)
    assert "not valid yet" in property_of(bus, "quay.example", "FailureText")
    assert f"valid from {valid[0]:%Y-%m-%d} to {valid[1]:%Y-%m-%d}" in client.said()
    assert bus.get("Clock", "Synchronized")


def test_dates_that_do_not_count(harbour, daemon, pier):
    """nocerttimecheck"""
    harbour.chronyd("quay.example", certificate=pier.issue("quay.example", valid=EXPIRED))
    daemon(f"server quay.example {OPTIONS} ipv4", "nocerttimecheck 1").synchronized()


def test_untrusted(harbour, daemon, bus):
    harbour.chronyd("quay.example", certificate=Authority("Other").issue("quay.example"))
    failure(bus, daemon(f"server quay.example {OPTIONS} ipv4"), "certificate-untrusted", "nobody that is trusted has signed")


def test_mended(harbour, daemon, bus, pier):
    """Who has put the right certificate where ours looks for it, and reloads, need not wait."""
    trusted = STATE / f"trusted-{next(COUNT)}.pem"
    shutil.copyfile(Authority("Other").trusted, trusted)
    harbour.chronyd("quay.example")
    client = daemon(f"server quay.example {OPTIONS} ipv4 certset 9", f"ntstrustedcerts 9 {trusted}")
    failure(bus, client, "certificate-untrusted", "nobody that is trusted has signed")
    shutil.copyfile(pier.trusted, trusted)
    client.process.signal(signal.SIGHUP)
    client.synchronized()


def test_port_is_closed(harbour, daemon, bus):
    harbour.place("quay.example")
    failure(bus, daemon(f"server quay.example {OPTIONS} ipv4"), "refused", "nobody listens at the key establishment port")


def test_nobody_there(harbour, daemon, bus):
    """An address of our own network that nobody has: the kernel knows a way, and finds nobody at its end."""
    del harbour
    name_host("quay.example", "192.0.2.250")
    failure(bus, daemon(f"server quay.example {OPTIONS}"), "unreachable", "no way to the key establishment server")


def test_no_route(daemon, bus):
    """Without a way nobody is asked for keys either."""
    name_host("quay.example", "198.51.100.1")
    client = daemon(f"server quay.example {OPTIONS}")
    soon(lambda: bus.get("Clock", "State") == "all-offline")
    assert "there is no route to 198.51.100.1 (Network is unreachable)" in run("timectl", "explain").stdout
    assert property_of(bus, "quay.example", "Failure") == ""
    assert "Could not establish keys" not in client.said()


def test_no_answer(harbour, daemon, bus):
    """A firewall drops it."""
    host, _ = harbour.place("quay.example")
    run("ip", "-n", host, "link", "set", "host0", "arp", "off", "down")
    run("ip", "neigh", "replace", addresses_of("quay.example")[0], "lladdr", "02:00:00:00:00:99", "dev", "client0")
    failure(bus, daemon(f"server quay.example {OPTIONS} ipv4"), "timeout", "a firewall may block TCP there")


def addresses_of(name):
    return [info[4][0] for info in socket.getaddrinfo(name, None, socket.AF_INET)]


SPEAKERS = {
    "closes": ("import socket\n"
               "s = socket.create_server(('', 4460))\n"
               "while True:\n    s.accept()[0].close()\n", "closed", "closed the connection"),
    "no TLS": ("import socket\n"
               "s = socket.create_server(('', 4460))\n"
               "while True:\n    c = s.accept()[0]\n    c.send(b'SSH-2.0-OpenSSH_9.2\\r\\n')\n    c.recv(9)\n", "no-tls", "does not speak TLS 1.3"),
}


@pytest.mark.parametrize("code, name, words", SPEAKERS.values(), ids=SPEAKERS)
def test_other_speakers(harbour, daemon, bus, code, name, words):
    """Something else listens at the port."""
    host, _ = harbour.place("quay.example")
    other = Process("speaker", ["python3", "-c", code], netns=host)
    try:
        soon(lambda: run("ss", "-ltn", prefix=["ip", "netns", "exec", host]).stdout.count(":4460"))
        failure(bus, daemon(f"server quay.example {OPTIONS} ipv4"), name, words)
    finally:
        other.stop()


@pytest.mark.parametrize("options, name, words", [
    (["-tls1_2", "-alpn", "ntske/1"], "no-tls", "does not speak TLS 1.3"),
    (["-tls1_3"], "no-alpn", "is no NTS server"),
], ids=["TLS 1.2", "no ALPN"])
def test_other_tls(harbour, daemon, bus, pier, options, name, words):
    host, _ = harbour.place("quay.example")
    certificate = pier.issue("quay.example")
    other = Process("tls", ["openssl", "s_server", "-accept", "4460", "-cert", certificate.chain, "-cert_chain", certificate.chain,
                            "-key", certificate.key, "-quiet", *options], netns=host)
    try:
        soon(lambda: run("ss", "-ltn", prefix=["ip", "netns", "exec", host]).stdout.count(":4460"))
        failure(bus, daemon(f"server quay.example {OPTIONS} ipv4"), name, words)
    finally:
        other.stop()


def test_no_cipher(harbour, daemon, bus):
    """ntsaeads is empty: nobody is asked."""
    server = harbour.chronyd("quay.example")
    failure(bus, daemon("ntsaeads", f"server quay.example {OPTIONS} ipv4"), "no-aead", "check ntsaeads")
    assert established(server) == 0


# Passes requests on from port 1123 to the server, and says before each answer that the cookie was no good.
FORGER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 1123))
t = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
t.connect(("%s", 123))
while True:
    request, client = s.recvfrom(2048)
    identifier = request[48:52 + 32]
    s.sendto(bytes([0xe4, 0]) + bytes(10) + b"NTSN" + bytes(8) + request[40:48] + bytes(16) + identifier, client)
    t.send(request)
    s.sendto(t.recv(2048), client)
"""


def test_forged_naks(harbour, daemon, bus):
    """Before each answer somebody on the way says that the cookie is no good: it is counted, and that is all."""
    server = harbour.chronyd("quay.example")
    forger = Process("forger", ["python3", "-c", FORGER % server.addresses[0]], netns=server.netns)
    try:
        client = daemon(f"server quay.example {OPTIONS} port 1123 ipv4")
        client.synchronized()
        soon(lambda: naks_seen(bus) >= 5, 60)
        assert authdata()[0][2] == "1" and established(server) == 1
        assert client.said().count("Established keys") == 1
        assert bus.get("Clock", "Synchronized") and authdata()[0][8] == "8"
    finally:
        forger.stop()


def naks_seen(bus):
    return dict(property_of(bus, "quay.example", "Verdicts", "NTP")).get("nts-nak", 0)
