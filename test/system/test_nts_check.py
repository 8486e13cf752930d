# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""timectl nts-check: one server is tried, and what is shown is what there was, up to where it failed."""

import datetime
import json
import pathlib

import pytest

from harness import Authority, Chronyd, Daemon, Process, name_host, run, soon
from harness.pki import now
from harness.world import program

DAY = datetime.timedelta(days=1)
# last bytes of addresses
GOOD, EXPIRED, OTHER, STRANGER, PLAIN, AWAY, NOBODY = 61, 62, 63, 64, 65, 66, 69


def name(number):
    return f"quay-{number}.example"


@pytest.fixture(scope="module", name="authorities")
def two_authorities():
    return Authority(), Authority("Stranger")


@pytest.fixture(scope="module", name="quays")
def key_servers(empty_network, authorities):
    """chronyds: one as it should be, with an intermediate; one whose certificate has expired; one with a certificate for
    another name; one of an authority that is in another set; one without NTS; one that sends for the time to the last address, where
    nobody is."""
    if not program("openssl"):
        pytest.skip("no openssl")
    root, stranger = authorities
    certificates = {
        GOOD: root.intermediate().issue(name(GOOD), f"192.0.2.{GOOD}"),
        EXPIRED: root.issue(name(EXPIRED), valid=(now() - 30 * DAY, now() - 2 * DAY)),
        OTHER: root.issue("elsewhere.example"),
        STRANGER: stranger.issue(name(STRANGER)),
        AWAY: root.issue(name(AWAY)),
    }
    numbers = (GOOD, EXPIRED, OTHER, STRANGER, PLAIN, AWAY)
    host = empty_network.host("quays", *numbers)
    started = []
    for number in numbers:
        name_host(name(number), f"192.0.2.{number}")
        lines = Chronyd.nts_server(certificates[number]) if number in certificates else []
        if number == AWAY:
            lines.append(f"ntsntpserver 192.0.2.{NOBODY}")
        started.append(Chronyd(f"quay-{number}", "allow all", "local stratum 3", f"bindaddress 192.0.2.{number}", *lines,
                               netns=host))
    name_host(name(NOBODY), f"192.0.2.{NOBODY}")
    name_host(name(GOOD) + ".", f"192.0.2.{GOOD}")  # files know no root, as the DNS does
    yield
    for server in started:
        server.stop()


@pytest.fixture(scope="module", name="daemon")
def daemon_that_trusts(bus, authorities, quays):
    """It has no source. Of the two authorities one is in set 0, the other in set 5."""
    del quays
    root, stranger = authorities
    made = Daemon("nosystemcert", f"ntstrustedcerts {root.trusted}", f"ntstrustedcerts 5 {stranger.trusted}", bus=bus)
    yield made
    made.stop()


def descriptors(daemon):
    return len(list(pathlib.Path(f"/proc/{daemon.process.pid}/fd").iterdir()))


def check(*words, status=1, options=()):
    """{title: text} of what timectl prints; lines without a title belong to the one before."""
    done = run("timectl", *options, "nts-check", *words, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    if options:
        return json.loads(done.stdout)
    fields, title = {}, None
    for line in done.stdout.splitlines():
        if ": " in line[:20]:
            title = line[:16].strip()
            fields.setdefault(title, []).append(line[18:])
        else:
            fields[title].append(line.strip())
    return {title: "\n".join(lines) for title, lines in fields.items()}


@pytest.mark.parametrize("who", [name(GOOD), name(GOOD) + ".", f"192.0.2.{GOOD}"])
def test_good(daemon, who):
    """Keys, cookies and an authenticated answer; nothing stays of it."""
    del daemon
    said = check(who, status=0)
    assert said["Key server"] == f"192.0.2.{GOOD}:4460"
    assert "TLS1.3" in said["Protocol"]
    assert said["Certificate"].startswith("CN=server") and "valid from" in said["Certificate"]
    assert "CN=Pier Authority" in said["signed by"] and "CN=Harbour Authority" in said["signed by"]
    assert said["AEAD"] == "15 (256 bits)" and said["Cookies"] == "8 of 100 bytes"
    assert said["Time server"] == f"192.0.2.{GOOD}:123" and said["Stratum"] == "3"
    assert float(said["Offset"].split()[0]) < 0.1 and float(said["Delay"].split()[0]) < 1
    assert said["Result"].startswith("works")
    assert run("timectl", "-c", "-a", "sources").stdout == ""


@pytest.mark.parametrize("words,key_server,reason", [
    ([name(EXPIRED)], f"192.0.2.{EXPIRED}:4460", "has expired"),
    ([name(OTHER)], f"192.0.2.{OTHER}:4460", "for other names"),
    ([f"192.0.2.{EXPIRED}"], f"192.0.2.{EXPIRED}:4460", "for other names"),
    ([name(STRANGER)], f"192.0.2.{STRANGER}:4460", "nobody that is trusted"),
    ([name(STRANGER), "4460", "7"], f"192.0.2.{STRANGER}:4460", "certificates to trust"),
    ([name(PLAIN)], f"192.0.2.{PLAIN}:4460", "nobody listens"),
    ([name(GOOD), "4461"], f"192.0.2.{GOOD}:4461", "nobody listens"),
    ([name(NOBODY)], f"192.0.2.{NOBODY}:4460", "check routes and address"),
    (["missing.example"], "the name has no address", "check routes and address"),
])
def test_failures(daemon, words, key_server, reason):
    """Each tells where it failed, and what can be done."""
    del daemon
    said = check(*words)
    assert said["Key server"] == key_server
    assert said["Result"].startswith("failed, ") and reason in said["Result"]
    assert "Cookies" not in said and "Time server" not in said
    assert ("Certificate" in said) == (words[0] in [name(EXPIRED), name(OTHER), name(STRANGER), f"192.0.2.{EXPIRED}"]
                                       and "7" not in words)


def test_other_set(daemon):
    """The set of trusted certificates is that of the option certset."""
    del daemon
    assert check(name(STRANGER), "0", "5", status=0)["Result"].startswith("works")
    assert "nobody that is trusted" in check(name(GOOD), "0", "5")["Result"]


def test_json(daemon):
    """The report as it is on the bus."""
    del daemon
    said = check(name(GOOD), status=0, options=["--json=short"])
    assert said["Failure"] == "" and said["Cookies"] == 8 and said["AEAD"] == 15 and said["Verdict"] == "good"
    assert [len(certificate) for certificate in said["Certificates"]] == [4, 4]
    assert said["Certificates"][0][1] == "CN=Pier Authority"
    said = check(name(EXPIRED), status=1, options=["--json=short"])
    assert said["Failure"] == "certificate-expired" and said["Verdict"] == "" and said["Cookies"] == 0
    assert said["Certificates"][0][3] < now().timestamp() * 1e6


@pytest.mark.parametrize("words,wrong", [
    ([], ""), (["a b"], ""), ([name(GOOD), "70000"], "syntax"), ([name(GOOD), "-1"], "syntax"), ([name(GOOD), "1", "x"], "syntax"),
    (["-x.example"], ""), (["192.0.2.256"], ""),
])
def test_bad_arguments(daemon, words, wrong):
    """What is no name and no number is refused before anything is asked."""
    del daemon
    done = run("timectl", "nts-check", "--", *words, check=False)
    assert done.returncode == 1 and wrong in done.stdout + done.stderr
    assert "Key server" not in done.stdout


def test_no_time(daemon):
    """Keys come, but nobody answers requests for the time at the place that was named."""
    del daemon
    said = check(name(AWAY))
    assert said["Cookies"] == "8 of 100 bytes" and said["Time server"] == f"192.0.2.{NOBODY}:123"
    assert "no answer from the time server" in said["Result"]


def test_caller_leaves(daemon):
    """Who does not wait for the end ends it, and nothing is left. The daemon goes on, and has room for others."""
    idle = descriptors(daemon)
    for _ in range(20):
        impatient = Process("impatient", ["timectl", "nts-check", name(NOBODY)])
        soon(lambda: descriptors(daemon) > idle or not impatient.alive(), what="a connection under way")
        impatient.stop()
    soon(lambda: descriptors(daemon) == idle, what="nothing is left of them")
    daemon.process.expect_alive()
    assert check(name(GOOD), status=0)["Result"].startswith("works")
