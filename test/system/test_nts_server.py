# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""timeballd hands out keys of Network Time Security and answers with them: to Debian's chronyd and ntpd, under load,
under attack, while keys rotate and certificates are replaced, and with every mistake that a configuration can have."""

import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys

import pytest

from harness import Authority, Chronyd, Ntpd, Process, keys, name_host, run, soon
from harness.network import CLIENT, CLIENT6
from harness.pki import date, now
from harness.world import STATE

NAME, NAME6 = "ball.example", "ball6.example"
KEYS = pathlib.Path(keys.__file__)
OPEN = ["allow", "local stratum 5"]
PROMPT = "nts iburst minpoll 0 maxpoll 0"


@pytest.fixture(scope="module", name="root")
def trusted_root():
    name_host(NAME, CLIENT)
    name_host(NAME6, CLIENT6)
    return Authority()


@pytest.fixture(scope="module", name="pier")
def intermediate(root):
    """Certificates of the server come from below the root."""
    return root.intermediate()


@pytest.fixture(scope="module", name="hosts")
def two_hosts(empty_network):
    """Namespaces of clients: an honest one at 192.0.2.41, and a crowd at 192.0.2.51 and on."""
    return empty_network.host("honest", 41), empty_network.host("crowd", 51, 52, 53, 54)


@pytest.fixture(name="serve")
def start_server(bus, pier, empty_network, start_daemon):
    """serve(lines...): our daemon with a certificate, as root, for the port; ready for clients."""
    del empty_network

    def start(*lines, certificate=None, state="listening", **options):
        certificate = certificate or pier.issue(NAME, NAME6)
        daemon = start_daemon(*OPEN, *Chronyd.nts_server(certificate), *lines, bus=bus, user=None, **options)
        soon(lambda: bus.get("Server", "NTSState") == state, what=state)
        daemon.certificate = certificate
        return daemon

    return start


def counters():
    """{name: number} as timectl prints them."""
    return {name.strip(): int(value) for name, value in (line.split(":") for line in run("timectl", "serverstats").stdout.splitlines())}


def ke(host, *words, **options):
    """Runs harness/keys.py in a namespace."""
    return run(sys.executable, KEYS, *words, prefix=["ip", "netns", "exec", host], **options)


def key_folder(name):
    folder = STATE / name
    folder.mkdir(mode=0o700)
    return folder


@pytest.mark.parametrize("name,address", [(NAME, CLIENT), (NAME6, CLIENT6)])
@pytest.mark.parametrize("threads", [0, 2])
def test_chronyd(serve, bus, root, hosts, name, address, threads):
    """Keys for chronyd over both families, and answers that it believes, whoever gives them; what timectl counts is what
    chronyd did."""
    serve(f"serverthreads {threads}")
    client = Chronyd(f"keyed-{name}", f"server {name} {PROMPT}", *Chronyd.nts_client(root), "port 0", netns=hosts[0])
    try:
        soon(lambda: client.source(address)["selected"] and client.source(address)["valid"] > 4, 60)
        assert client.source(address)["authenticated"]
        assert client.authentication(address) == {"mode": "NTS", "type": 15, "bits": 256, "attempts": 0, "naks": 0,
                                                  "cookies": 8, "cookie_length": 100}
        counted = counters()
        assert counted["NTS-KE connections accepted"] == 1 and counted["NTS-KE connections dropped"] == 0
        soon(lambda: counters()["Authenticated NTP packets"] >= 4) # threads tell now and then
        assert bus.get("Server", "NTSVerdicts")["given"] == 1
        row = run("timectl", "-c", "-n", "clients", "-k").stdout.splitlines()[0].split(",")
        assert row[0] in ("192.0.2.41", "2001:db8::41") and row[6:9] == ["1", "0", "127"]
        end = bus.get("Server", "NTSCertificateEndUSec") / 1e6
        assert 360 < (end - now().timestamp()) / 86400 < 370
    finally:
        client.stop()


def test_interleaved(serve, root, hosts):
    """Proven answers that tell when the one before really left."""
    serve("serverthreads 1")
    client = Chronyd("keyed-interleaved", f"server {NAME} {PROMPT} xleave", *Chronyd.nts_client(root), "port 0",
                     netns=hosts[0])
    try:
        soon(lambda: client.source(CLIENT)["interleaved"] and client.source(CLIENT)["valid"] > 6, 60)
        assert client.source(CLIENT)["authenticated"]
        soon(lambda: counters()["Interleaved NTP packets"] > 0)
    finally:
        client.stop()


def test_ntpd(serve, root, hosts):
    """The same for ntpd of NTPsec."""
    serve()
    client = Ntpd("keyed-ntpd", f"server {NAME} {PROMPT}", *Ntpd.nts_client(root), netns=hosts[0])
    try:
        soon(lambda: client.source(CLIENT)["authenticated"] and client.source(CLIENT)["reach"] > 3, 60)
        assert client.source(CLIENT)["stratum"] == 5
        assert counters()["Authenticated NTP packets"] >= 2
    finally:
        client.stop()


def test_our_own_client(serve, bus, root, pier, hosts, start_daemon):
    """Both ends are ours: the first measurement for a script, and what timectl shows of a client."""
    del serve
    name_host("mirror.example", "192.0.2.41", "2001:db8::41")
    certificate = pier.issue("mirror.example")
    path = STATE / "mirror.conf"
    path.write_text("\n".join([*OPEN, *Chronyd.nts_server(certificate), "driftfile /dev/null"]) + "\n")
    server = Process("mirror", ["timeballd", "-x", "-d", "-f", path], netns=hosts[0],
                     env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})
    try:
        trust = Chronyd.nts_client(root)
        done = soon(lambda: run("timeballd", "-Q", "-t", "10", *trust, "server mirror.example iburst nts maxsamples 1"))
        assert "System clock wrong by" in done.stdout + done.stderr
        for family, address in (("ipv4", "192.0.2.41"), ("ipv6", "2001:db8::41")):
            client = start_daemon(*trust, f"server mirror.example {family} nts iburst minpoll 0 maxpoll 0", bus=bus, user=None)
            client.synchronized()
            words = run("timectl", "-N", "authdata").stdout.splitlines()[2].split()
            assert words[:5] == ["mirror.example", "NTS", "1", "15", "256"] and words[8:] == ["8", "100"]
            assert run("timectl", "-c", "-n", "authdata").stdout.startswith(f"{address},NTS,1,15,256,")
            client.stop()
    finally:
        server.stop()


def test_rotation(serve, root, hosts):
    """Cookies that a client holds outlive two changes of the key: nobody is interrupted."""
    serve("ntsrotate 6")
    client = Chronyd("through-rotation", f"server {NAME} {PROMPT}", *Chronyd.nts_client(root), "port 0", netns=hosts[0])
    try:
        soon(lambda: client.source(CLIENT)["authenticated"], 60)
        soon(lambda: client.source(CLIENT)["valid"] >= 26, 90, what="four rotations")
        state = client.authentication(CLIENT)
        assert state["naks"] == 0 and state["cookies"] == 8 and state["attempts"] == 0
        assert counters()["NTS-KE connections accepted"] == 1
        assert client.source(CLIENT)["reach"] == 255
    finally:
        client.stop()


def test_restart(serve, bus, root, hosts):
    """The keys of cookies are kept, in chrony's file, which nobody else can read: clients go on with what they have."""
    folder = key_folder("kept")
    daemon = serve(f"ntsdumpdir {folder}")
    client = Chronyd("through-restart", f"server {NAME} {PROMPT}", *Chronyd.nts_client(root), "port 0", netns=hosts[0])
    try:
        soon(lambda: client.source(CLIENT)["authenticated"], 60)
        path = folder / "ntskeys"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        lines = path.read_text().splitlines()
        assert lines[0] == "NKS0" and len(lines) == 6
        daemon.restart()
        soon(lambda: bus.get("Server", "NTSState") == "listening")
        assert path.read_text().splitlines()[2:] == lines[2:]
        soon(lambda: bus.get("Server", "Authenticated") >= 3)
        assert client.authentication(CLIENT)["naks"] == 0
        assert bus.get("Server", "NTSConnections") == 0
    finally:
        client.stop()


def test_back_to_chronyd(serve, root, hosts):
    """Chronyd takes our place, with our file: its clients do not even notice."""
    folder = key_folder("back")
    daemon = serve(f"ntsdumpdir {folder}")
    client = Chronyd("through-change", f"server {NAME} {PROMPT}", *Chronyd.nts_client(root), "port 0", netns=hosts[0])
    successor = None
    try:
        soon(lambda: client.source(CLIENT)["authenticated"], 60)
        daemon.stop()
        before = client.source(CLIENT)["valid"]
        successor = Chronyd("successor", *OPEN, f"ntsdumpdir {folder}", *Chronyd.nts_server(daemon.certificate), netns=None)
        soon(lambda: client.source(CLIENT)["valid"] >= before + 3, 60)
        state = client.authentication(CLIENT)
        assert state["naks"] == 0 and state["attempts"] == 0
        assert successor.counters()["NTS-KE connections accepted"] == 0
    finally:
        client.stop()
        if successor:
            successor.stop()


@pytest.mark.parametrize("content", ["", "NKS1\n", "rubbish" * 1000, "NKS1\n12.0\n00000000 zz 15\n"], ids=range(4))
def test_bad_key_file(serve, bus, content):
    """A file that is none costs its content, and no more; neither does a link lead us elsewhere."""
    folder = key_folder(f"bad-{len(content)}")
    (folder / "ntskeys").write_text(content)
    daemon = serve(f"ntsdumpdir {folder}")
    assert f"{folder}/ntskeys is not used" in daemon.said()
    assert (folder / "ntskeys").read_text().startswith("NKS0\n")
    assert bus.get("Server", "NTSState") == "listening"


def test_link_as_key_file(serve):
    folder = key_folder("linked")
    target = folder / "target"
    target.write_text("precious")
    (folder / "ntskeys").symlink_to(target)
    daemon = serve(f"ntsdumpdir {folder}")
    assert "it is a symbolic link" in daemon.said()
    assert target.read_text() == "precious"


def test_keys_of_another_server(serve, bus, root, pier, hosts, empty_network):
    """ntsrotate 0: chronyd hands out the keys and names us; we open its cookies with the file that it writes, and take
    the next one up by ourselves."""
    folder, ours = key_folder("theirs"), key_folder("ours")
    name_host("desk.example", "192.0.2.61")
    desk = Chronyd("desk", "allow all", "port 0", "ntsrotate 100000", f"ntsdumpdir {folder}", f"ntsntpserver {CLIENT}",
                   *Chronyd.nts_server(pier.issue("desk.example")), netns=empty_network.host("desk", 61))
    daemon = serve("ntsrotate 0", f"ntsdumpdir {ours}", state="no-keys")
    client = Chronyd("of-two", f"server desk.example {PROMPT}", *Chronyd.nts_client(root), "port 0", netns=hosts[0])
    try:
        assert "Could not read the keys of the NTS server" in daemon.said()
        desk.stop()
        shutil.copy(folder / "ntskeys", ours / "new")
        (ours / "new").rename(ours / "ntskeys")
        soon(lambda: bus.get("Server", "NTSState") == "listening")
        desk.start()
        soon(lambda: client.source(CLIENT)["authenticated"], 60)
        assert counters()["NTS-KE connections accepted"] == 0
        before = (ours / "ntskeys").read_bytes()
        daemon.stop()
        assert (ours / "ntskeys").read_bytes() == before
    finally:
        client.stop()
        desk.stop()


def test_replaced_under_load(serve, root, pier, hosts):
    """Certificate and key are replaced again and again while clients come: none of them fails, and the new one is shown."""
    daemon = serve("ntsprocesses 2")
    words = [sys.executable, KEYS, CLIENT, "4460", root.trusted, "8"]
    load = [subprocess.Popen(["ip", "netns", "exec", hosts[0], *words], stdout=subprocess.PIPE) for _ in range(2)]
    shown = set()
    for _ in range(3):
        new = pier.issue(NAME)
        # one after the other, as certbot does: for a moment they do not fit
        for path, source in ((daemon.certificate.chain, new.chain), (daemon.certificate.key, new.key)):
            shutil.copy(source, f"{path}.new")
            os.rename(f"{path}.new", path)
        wanted = ssl.PEM_cert_to_DER_cert(new.chain.read_text().split("-----END")[0] + "-----END CERTIFICATE-----\n")
        soon(lambda: keys.establish(CLIENT, trusted=root.trusted)[1] == wanted, what="the new certificate")
        shown.add(wanted)
    assert len(shown) == 3
    for process in load:
        good, failures = json.loads(process.communicate(timeout=60)[0])
        assert failures == [] and good > 10


def test_a_reload_disturbs_nobody(serve, root, hosts):
    """Reloads of the same configuration while clients come."""
    daemon = serve()
    load = subprocess.Popen(["ip", "netns", "exec", hosts[0], sys.executable, KEYS, CLIENT, "4460", root.trusted, "3"],
                            stdout=subprocess.PIPE)
    for count in range(1, 6):
        run("timectl", "reload")
        assert daemon.said().count("Configuration reloaded") == count
    good, failures = json.loads(load.communicate(timeout=60)[0])
    assert failures == [] and good > 10


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_slow_connections(serve, root, hosts, threads):
    """Thousands of connections that say half a word take no place from a client that says what it wants."""
    count = 10000 if threads == 1 else 2000
    daemon = serve(f"ntsprocesses {threads}", "maxntsconnections 100")
    with open(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/status", encoding="ascii") as status:
        assert "Name:\ttimeballd" in status.read()
    names = [pathlib.Path(path, "comm").read_text() for path in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir()]
    assert names.count("timeball-keys\n") == threads
    crowd = subprocess.Popen(["ip", "netns", "exec", hosts[1], sys.executable, KEYS, CLIENT, "4460", "lie", str(count)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert json.loads(crowd.stdout.readline())["held"] > 0
        good, failures = json.loads(ke(hosts[0], CLIENT, 4460, root.trusted, 5).stdout)
        assert failures == [] and good >= 3
    finally:
        opened = json.loads(crowd.communicate(b"\n", timeout=60)[0])["opened"]
    assert opened >= count
    soon(lambda: counters()["NTS-KE connections accepted"] >= count)


def test_places(serve, bus, hosts, root):
    """Ten thousand at once, if the configuration wants it and the system lets it; they are not forgotten."""
    daemon = serve("maxntsconnections 10000")
    crowd = subprocess.Popen(["ip", "netns", "exec", hosts[1], sys.executable, KEYS, CLIENT, "4460", "lie", "9000"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        descriptors = pathlib.Path(f"/proc/{daemon.process.pid}/fd")
        soon(lambda: len(list(descriptors.iterdir())) > 5000, 60)
        assert json.loads(ke(hosts[0], CLIENT, 4460, root.trusted, 2).stdout)[1] == []
    finally:
        crowd.communicate(b"\n", timeout=60)
    soon(lambda: len(list(descriptors.iterdir())) < 100, 60)
    verdicts = bus.get("Server", "NTSVerdicts")
    assert verdicts["late"] + verdicts["hung-up"] > 5000


def test_rate_limit(serve, hosts):
    """So many connections, and no more; the address of somebody else is another matter."""
    serve("ntsratelimit interval 12 burst 3 leak 4")
    script = ("import sys; sys.path.insert(0, sys.argv[1]); import keys\n"
              "good = 0\n"
              "for _ in range(40):\n"
              "    try:\n"
              "        good += len(keys.cookies(keys.establish(sys.argv[2])[0])) == 8\n"
              "    except OSError:\n"
              "        pass\n"
              "print(good)\n")
    answered = int(run(sys.executable, "-c", script, KEYS.parent, CLIENT, prefix=["ip", "netns", "exec", hosts[0]]).stdout)
    # three of right, and of the other 37 each with a chance of 1 in 16
    assert 3 <= answered < 20
    counted = counters()
    assert counted["NTS-KE connections accepted"] == 40
    assert counted["NTS-KE connections dropped"] == 40 - answered
    assert len(keys.cookies(keys.establish(CLIENT)[0])) == 8
    rows = [line.split(",") for line in run("timectl", "-c", "-n", "clients", "-k").stdout.splitlines()]
    assert ["192.0.2.41", "40", str(40 - answered)] in [[row[0], *row[6:8]] for row in rows]
    run("timectl", "clients", "-r")
    assert ["192.0.2.41", "0", "0"] in [[row[0], *row[6:8]] for row in
                                        (line.split(",") for line in run("timectl", "-c", "-n", "clients", "-k").stdout.splitlines())]


def test_access(serve, bus, hosts):
    """Who may not ask for the time gets no keys, at once and whenever that changes."""
    serve("deny 192.0.2.41")
    script = f"import sys; sys.path.insert(0, {str(KEYS.parent)!r}); import keys; print(len(keys.cookies(keys.establish('{CLIENT}')[0])))"

    def answer():
        return run(sys.executable, "-c", script, prefix=["ip", "netns", "exec", hosts[0]], check=False).stdout.strip()
    assert answer() == ""
    assert bus.get("Server", "NTSVerdicts")["denied"] >= 1
    run("timectl", "allow", "192.0.2.41")
    assert answer() == "8"
    run("timectl", "deny", "all")
    soon(lambda: bus.get("Server", "NTSState") == "off")
    with pytest.raises(ConnectionRefusedError):
        keys.establish(CLIENT)


def test_server_and_port_in_the_answer(serve):
    """Clients are sent to whom ntsntpserver names, and to the port of the server."""
    serve("ntsntpserver time.example.net", "port 1123", "ntsport 4461")
    found = keys.establish(CLIENT, 4461)[0]
    assert (keys.SERVER, b"time.example.net") in found
    assert (keys.PORT, (1123).to_bytes(2, "big")) in found
    assert len(keys.cookies(found)) == 8


@pytest.mark.parametrize("make,verdict", [
    (lambda: keys.context(alpn=None), "no-tls"), (lambda: keys.context(alpn="http/1.1"), "no-tls"), ("1.2", "no-tls")])
def test_others_who_connect(serve, bus, make, verdict):
    """Whoever does not speak `ntske/1` inside TLS 1.3 is told so by TLS, and counted."""
    serve()
    made = keys.context() if make == "1.2" else make()
    if make == "1.2":
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError):
        keys.establish(CLIENT, made=made)
        pytest.fail("it was served")
    soon(lambda: bus.get("Server", "NTSVerdicts")[verdict] >= 1)


def test_bad_requests(serve, bus):
    """Answered with the errors of RFC 8915, and counted."""
    serve()
    good = keys.REQUEST
    for request, code in [(good[:6] + keys.record(keys.CRITICAL | 99) + good[6:], 0), (keys.record(keys.CRITICAL | keys.END), 1)]:
        assert keys.establish(CLIENT, request=request)[0][0] == (keys.ERROR, code.to_bytes(2, "big"))
    assert bus.get("Server", "NTSVerdicts")["refused"] == 2


MISTAKES = [
    ("missing chain", lambda c: c.chain.unlink(), "the certificate cannot be read: No such file or directory"),
    ("missing key", lambda c: c.key.unlink(), "the private key cannot be read: No such file or directory"),
    ("empty chain", lambda c: c.chain.write_text(""), "the certificate is not in PEM format"),
    ("rubbish as key", lambda c: c.key.write_text("rubbish"), "the private key is not in PEM format"),
]


@pytest.mark.parametrize("name,spoil,said", MISTAKES, ids=[row[0] for row in MISTAKES])
def test_mistakes(serve, bus, pier, name, spoil, said):
    """What cannot be used costs NTS and no more: the time is served, and as soon as the files are right, so are keys."""
    del name
    certificate = pier.issue(NAME)
    kept = {path: path.read_bytes() for path in (certificate.chain, certificate.key)}
    spoil(certificate)
    daemon = serve(certificate=certificate, state="no-certificate")
    assert said in daemon.said() and "no keys are handed out (NTS) until that is mended" in daemon.said()
    assert bus.get("Server", "Listening")
    with pytest.raises(ConnectionRefusedError):
        keys.establish(CLIENT)
    for path, content in kept.items():
        path.write_bytes(content)
    soon(lambda: bus.get("Server", "NTSState") == "listening")
    assert len(keys.cookies(keys.establish(CLIENT)[0])) == 8


def test_wrong_pair(serve, pier, bus):
    """A key of another certificate is named; a good pair that is spoilt stays in use."""
    one, other = pier.issue(NAME), pier.issue(NAME)
    daemon = serve(certificate=one)
    shutil.copy(other.key, one.key)
    soon(lambda: f"{one.key}: the private key does not belong to the certificate in {one.chain}" in daemon.said())
    assert "those that were read before stay in use" in daemon.said()
    done = run("timectl", "rekey", check=False)
    assert done.returncode == 1 and "the private key does not belong to the certificate" in done.stdout + done.stderr
    assert len(keys.cookies(keys.establish(CLIENT)[0])) == 8
    assert bus.get("Server", "NTSState") == "listening"


def test_unequal_numbers(start_daemon, pier):
    """A certificate without a key is a mistake in the configuration, as each other is."""
    done = run("timeballd", "-p", f"ntsservercert {pier.issue(NAME).chain}", check=False)
    assert done.returncode == 1
    assert "each ntsservercert needs its ntsserverkey" in done.stdout + done.stderr
    del start_daemon


def test_expired(serve, pier):
    """It is served nevertheless, for the clock may be what is wrong, and the log says what clients will say."""
    daemon = serve(certificate=pier.issue(NAME, valid=(date("2020-01-01"), date("2021-01-01"))))
    assert "expired at 2021-01-01 00:00:00 UTC: clients will refuse it" in daemon.said()


def test_exposed_key(serve, pier):
    certificate = pier.issue(NAME)
    certificate.key.chmod(0o644)
    assert "can be read by everybody" in serve(certificate=certificate).said()


def test_port_in_use(serve, bus):
    """Somebody else has the port: said once; the time is served."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("0.0.0.0", 4460))
        other.listen()
        daemon = serve(f"bindaddress {CLIENT}", state="no-socket", options=["-4"])
        assert f"Could not listen on {CLIENT}:4460 (NTS): Address already in use" in daemon.said()
        assert bus.get("Server", "Listening")


def test_descriptors(serve, root):
    """More connections than descriptors: as many as there are, and a word."""
    daemon = serve("maxntsconnections 1000000")
    assert re.search(r"maxntsconnections 1000000 is too much for the limit of descriptors .*: \d+ are taken at once", daemon.said())
    assert len(keys.cookies(keys.establish(CLIENT, trusted=root.trusted)[0])) == 8


def test_several_certificates(serve, root, pier):
    """Each client is shown the one for the name that it asks for."""
    name_host("other.example", CLIENT)
    other = pier.issue("other.example")
    serve(*Chronyd.nts_server(other))
    shown = set()
    for name in (NAME, "other.example"):
        made = keys.context(root.trusted)
        made.check_hostname = True
        with keys.connect(CLIENT) as plain, made.wrap_socket(plain, server_hostname=name) as secure:
            shown.add(secure.getpeercert(True))
    assert len(shown) == 2


def test_credentials(bus, pier, root, empty_network, start_daemon):
    """Certificate and key from the service manager, without a word in the configuration."""
    del empty_network
    certificate = pier.issue(NAME)
    folder = key_folder("credentials")
    shutil.copy(certificate.chain, folder / "timeball.nts-server-cert")
    shutil.copy(certificate.key, folder / "timeball.nts-server-key")
    (folder / "timeball.keys").write_text("1 MD5 ASCII:password\n")
    daemon = start_daemon(*OPEN, bus=bus, user=None, env={"CREDENTIALS_DIRECTORY": str(folder)})
    soon(lambda: bus.get("Server", "NTSState") == "listening")
    assert len(keys.cookies(keys.establish(CLIENT, trusted=root.trusted)[0])) == 8
    assert f"Read 1 keys from {folder}/timeball.keys" in daemon.said()
