# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""What is on the wire, as Wireshark reads it: somebody who knows the protocol, and nothing of us."""

import datetime
import re
import time

import pytest

from harness import Chronyd, Process, program, soon
from harness.network import CLIENT, CLIENT6
from interop import KEYS, our_keys, their_keys

SERVER, SERVER6 = "192.0.2.21", "2001:db8::21"
OPTIONS = "iburst minpoll 0 maxpoll 0"
FIELDS = ["frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "udp.srcport", "udp.dstport", "udp.length",
          "ntp.flags.li", "ntp.flags.vn", "ntp.flags.mode", "ntp.stratum", "ntp.ppoll", "ntp.precision",
          "ntp.rootdelay", "ntp.rootdispersion", "ntp.refid", "ntp.reftime", "ntp.org", "ntp.rec", "ntp.xmt", "ntp.keyid",
          "ntp.mac", "ntp.ext.type", "ntp.ext.length", "_ws.expert", "_ws.malformed"]


class Capture:
    """Packets of NTP on our side of the network."""

    def __init__(self):
        self.process = Process("tshark", ["tshark", "-n", "-l", "-i", "client0", "-f", "udp", "-T", "fields", "-E", "separator=;",
                                          *(word for field in FIELDS for word in ("-e", field))])
        soon(lambda: "Capture started" in self.process.said(), 60, what="tshark captures")

    def frames(self, wanted):
        """Those for which wanted(frame) holds, each {field: text}."""
        self.process.expect_alive()
        rows = [line.split(";") for line in self.process.said().splitlines() if line.count(";") == len(FIELDS) - 1]
        return [frame for frame in (dict(zip(FIELDS, row)) for row in rows) if wanted(frame)]

    def stop(self):
        self.process.stop()


@pytest.fixture(scope="module", name="capture")
def on_the_wire(empty_network):
    if not program("tshark"):
        pytest.skip("no tshark: package tshark is not installed")
    empty_network.host("chrony", 21)
    made = Capture()
    yield made
    made.stop()


def seconds(text):
    """A time as tshark prints it, s since 1970."""
    found = re.fullmatch(r"(\w+ +\d+, \d+ \d\d:\d\d:\d\d)\.(\d{9}) UTC", text)
    whole = datetime.datetime.strptime(found[1], "%b %d, %Y %H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return whole.timestamp() + int(found[2]) / 1e9


def sender(frame):
    return frame["ip.src"] or frame["ipv6.src"]


def receiver(frame):
    return frame["ip.dst"] or frame["ipv6.dst"]


def expect(frame, **wanted):
    """These fields, and nothing that the dissector objects to."""
    seen = {name: frame[f"ntp.{name.replace('_', '.')}"] for name in wanted}
    assert seen == {name: str(value) for name, value in wanted.items()}, frame
    assert not frame["_ws.expert"] and not frame["_ws.malformed"], frame


def exchanges(capture, client, server, since):
    """(request, answer) that came after an instant, in their order."""
    frames = capture.frames(lambda frame: {sender(frame), receiver(frame)} == {client, server}
                            and float(frame["frame.time_epoch"]) >= since and frame["ntp.flags.vn"])
    requests = [frame for frame in frames if sender(frame) == client]
    answers = {frame["udp.dstport"]: frame for frame in frames if sender(frame) == server}
    return [(request, answers[request["udp.srcport"]]) for request in requests if request["udp.srcport"] in answers]


@pytest.mark.parametrize("group, source", [("192.0.2.255", CLIENT), ("ff05::101", CLIENT6)])
def test_broadcast(capture, bus, start_daemon, group, source):
    """Mode 5 of version 4, from port 123, each second, with our time and nobody else's."""
    start_daemon(f"broadcast 1 {group}", "local stratum 4", "allow", bus=bus, user=None)
    frames = soon(lambda: (seen := capture.frames(lambda frame: receiver(frame) == group))[2:] and seen, what="three broadcasts")
    for frame in frames:
        expect(frame, flags_li=0, flags_vn=4, flags_mode=5, stratum=4, ppoll=0, rootdelay=0, rootdispersion=0, refid="7f7f0101",
               org="NULL", rec="NULL", keyid="", mac="", ext_type="")
        assert sender(frame) == source and (frame["udp.srcport"], frame["udp.dstport"]) == ("123", "123")
        assert frame["udp.length"] == "56"
        assert -32 <= int(frame["ntp.precision"]) - 256 <= -10  # shown without its sign
        sent = seconds(frame["ntp.xmt"])
        assert abs(sent - float(frame["frame.time_epoch"])) < 0.25
        assert 0 <= sent - seconds(frame["ntp.reftime"]) < 3
    sent = [seconds(frame["ntp.xmt"]) for frame in frames]
    assert all(0.5 < later - earlier < 1.5 for earlier, later in zip(sent, sent[1:]))


def check_exchange(request, answer, version):
    """A request that tells nothing of us, and the answer to it."""
    expect(request, flags_vn=version, flags_mode=3, stratum=0, rootdelay=0,
           rootdispersion=0, refid="00000000", reftime="NULL", org="NULL", rec="NULL")
    expect(answer, flags_li=0, flags_vn=version, flags_mode=4, org=request["ntp.xmt"])
    assert receiver(request) == sender(answer) and request["udp.dstport"] == answer["udp.srcport"] == "123"
    assert int(answer["udp.length"]) <= int(request["udp.length"])
    received, sent = seconds(answer["ntp.rec"]), seconds(answer["ntp.xmt"])
    assert float(request["frame.time_epoch"]) - 0.25 < received <= sent < float(answer["frame.time_epoch"]) + 0.25


@pytest.mark.parametrize("server", [SERVER, SERVER6])
@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_client(capture, bus, start_daemon, version, server):
    """Our requests, which chronyd answers."""
    since = time.time()
    other = Chronyd("asked", "allow all", "local stratum 3", netns="chrony")
    try:
        start_daemon(f"server {server} {OPTIONS} version {version}", bus=bus).synchronized()
        client = CLIENT6 if ":" in server else CLIENT
        found = soon(lambda: (seen := exchanges(capture, client, server, since))[2:] and seen, what="exchanges")
    finally:
        other.stop()
    for request, answer in found:
        check_exchange(request, answer, version)
        assert request["udp.length"] == answer["udp.length"] == "56"
        assert int(request["udp.srcport"]) >= 1024
    assert len({request["ntp.xmt"] for request, _ in found}) == len(found)


@pytest.mark.parametrize("server", [CLIENT, CLIENT6])
@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_server(capture, bus, start_daemon, version, server):
    """Our answers to chronyd's requests."""
    since = time.time()
    start_daemon("allow", "local stratum 5", bus=bus, user=None)
    soon(lambda: bus.get("Server", "Listening"))
    other = Chronyd("asks", "port 0", f"server {server} {OPTIONS} version {version}", netns="chrony")
    try:
        client = SERVER6 if ":" in server else SERVER
        found = soon(lambda: (seen := exchanges(capture, client, server, since))[2:] and seen, what="exchanges")
    finally:
        other.stop()
    for request, answer in found:
        expect(answer, flags_li=0, flags_vn=version, flags_mode=4, stratum=5, refid="7f7f0101", org=request["ntp.xmt"], keyid="", mac="")
        assert answer["udp.length"] == "56"
        assert seconds(answer["ntp.rec"]) < seconds(answer["ntp.xmt"])
        assert abs(seconds(answer["ntp.xmt"]) - float(answer["frame.time_epoch"])) < 0.25


def test_macs(capture, bus, start_daemon):
    """Signed by both, with each type of key: its number, and a digest of the length that it has to have."""
    lengths = {}
    other = Chronyd("signs", "allow all", "local stratum 3", f"keyfile {their_keys('signs', 'ours')}", netns="chrony")
    try:
        for number, kind, _, _ in KEYS:
            began = time.time()
            daemon = start_daemon(f"server {SERVER} {OPTIONS} version 4 key {number}", f"keyfile {our_keys()}", bus=bus)
            request, answer = soon(lambda begin=began: exchanges(capture, CLIENT, SERVER, begin), what=kind)[0]
            check_exchange(request, answer, 4)
            for frame in (request, answer):
                assert frame["ntp.keyid"] == f"{number:08x}" and not frame["ntp.ext.type"]
                lengths.setdefault(kind, set()).add(len(frame["ntp.mac"]) // 2)
            daemon.stop()
    finally:
        other.stop()
    assert lengths == {kind: {16} if kind in ("MD5", "AES128", "AES256") else {20} for _, kind, _, _ in KEYS}


def test_field_before_mac(capture, bus, start_daemon):
    """An extension field and a MAC behind it, told apart."""
    since = time.time()
    other = Chronyd("fields", "allow all", "local stratum 3", f"keyfile {their_keys('fields', 'ours')}", netns="chrony")
    try:
        start_daemon(f"server {SERVER} {OPTIONS} key 2 extfield F323", f"keyfile {our_keys()}", bus=bus).synchronized()
        request, answer = soon(lambda: exchanges(capture, CLIENT, SERVER, since), what="an exchange")[0]
    finally:
        other.stop()
    check_exchange(request, answer, 4)
    for frame in (request, answer):
        expect(frame, ext_type="0xf323", ext_length=28, keyid="00000002")
        assert len(frame["ntp.mac"]) == 40
