# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Calls of every method, with arguments of the right types and of others, with values that nobody expects: each has an answer,
the daemon goes on, and nothing stays behind."""

import pathlib
import random
import socket
from xml.etree import ElementTree

import pytest

from harness import run, soon
from rawbus import NAME, OBJECT, REPLY, RawBus, split

SEED = 20261122
BATCHES, CALLS = 16, 250
TEXTS = ["", " ", "server", "pool", "peer", "192.0.2.77", "::1", "0.0.0.0", "224.0.1.1", "a.example", "a" * 63 + ".example", "x" * 300, "offset",
         "minpoll", "maxpoll", "trust", "iburst minpoll 99", "key 1", "nts", "all", "192.0.2.0/33", "/24", "%s%n", "\n", "\u202e", "../..", "#", "-1",
         NAME, OBJECT, "1e999", "polltarget", "2026-13-45 99:99", "@99999999999999999999", "x" * 70000]
NUMBERS = {"y": [0, 1, 255], "q": [0, 1, 65535], "b": [0, 1], "i": [0, 1, -1, 2**31 - 1, -2**31], "u": [0, 1, 2**32 - 1],
           "t": [0, 1, 2**63, 2**64 - 1], "x": [0, 1, -1, 2**63 - 1, -2**63],
           "d": [0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, -1e300, float("nan"), float("inf"), -float("inf")]}
PATHS = [OBJECT, "/", "/org/timeball1/source", "/org/timeball1/source/nobody"]
BASIC = "ybqiuxtdsog"


def source_paths(bus):
    return [path for path in bus.objects() if path.startswith(OBJECT + "/source/")]


def methods(path):
    """[(interface, member, signature)] of everything that can be called there."""
    xml = ElementTree.fromstring(run("busctl", "introspect", "--xml-interface", NAME, path).stdout)
    return [(interface.get("name"), method.get("name"),
             "".join(argument.get("type") for argument in method.findall("arg") if argument.get("direction") != "out"))
            for interface in xml.findall("interface") for method in interface.findall("method")]


def any_signature(dice, depth=0):
    kind = dice.choice(BASIC + "va(" if depth < 3 else BASIC)
    if kind == "a":
        return "a" + dice.choice([any_signature(dice, depth + 1), f"{{{dice.choice(BASIC)}{any_signature(dice, depth + 1)}}}"])
    if kind == "(":
        return f"({''.join(any_signature(dice, depth + 1) for _ in range(dice.randint(1, 3)))})"
    return kind


def any_value(dice, kind):
    if kind in NUMBERS:
        return dice.choice(NUMBERS[kind])
    if kind == "s":
        return dice.choice(TEXTS)
    if kind == "o":
        return dice.choice(PATHS)
    if kind == "g":
        return dice.choice(["", "s", "a{sv}", "(ii)"])
    if kind == "v":
        inner = any_signature(dice, 2)
        return inner, any_value(dice, inner)
    if kind[0] == "a":
        return [any_value(dice, kind[1:]) for _ in range(dice.choice([0, 1, 2, 50]))]
    return tuple(any_value(dice, inner) for inner in split(kind[1:-1]))


def any_call(dice, known):
    path, interface, member, signature = dice.choice(known)
    if dice.random() < 0.3:
        signature = "".join(any_signature(dice) for _ in range(dice.randint(0, 3)))
    if dice.random() < 0.1:
        path = dice.choice(PATHS)
    return path, interface, member, signature, [any_value(dice, kind) for kind in split(signature)]


def batch(dice, known, user):
    """Sends so many calls at once. Returns how many had a reply and how many an error; all have one, but for those that
    wait for something to happen."""
    caller = RawBus(user)
    waiting, ended = {}, [0, 0]
    for _ in range(CALLS):
        path, interface, member, signature, values = any_call(dice, known)
        serial = caller.call(member, signature, *values, interface=interface, path=path)
        waiting[serial] = f"{interface}.{member} {signature} {values!r:.300}"
    patient = {serial for serial, what in waiting.items() if ".Wait" in what or ".Check" in what}
    try:
        while set(waiting) - patient:
            got = caller.receive()
            if waiting.pop(got.reply_to, None):
                ended[got.kind != REPLY] += 1
    except socket.timeout:
        pytest.fail(f"no answer to {[waiting[serial] for serial in set(waiting) - patient]}")
    caller.close()
    return ended


def held(daemon):
    """Memory of its own in KiB, and descriptors."""
    return int(daemon.status()["RssAnon"].split()[0]), len(list(pathlib.Path(f"/proc/{daemon.process.pid}/fd").iterdir()))


def test_any_call(bus, start_daemon):
    """As nobody, whom polkit refuses, and as root, for whom it is done."""
    daemon = start_daemon("server 192.0.2.99", "manual", "allow", "port 0", bus=bus)
    dice = random.Random(SEED)
    known = [(path, *method) for path in (OBJECT, *source_paths(bus)) for method in methods(path)]
    assert len(known) > 20
    replies = errors = memory = 0
    for number in range(BATCHES):
        good, bad = batch(dice, known, ("nobody", "root")[number % 2])
        replies, errors = replies + good, errors + bad
        daemon.process.expect_alive()
        if number < BATCHES // 2:
            memory = max(memory, held(daemon)[0])
        elif number == BATCHES // 2:
            descriptors = held(daemon)[1]
    assert replies > CALLS and errors > CALLS, (replies, errors)
    assert bus.get("Clock", "MaySetClock") is False
    soon(lambda: held(daemon)[1] <= descriptors + 2, what="descriptors given back")
    soon(lambda: held(daemon)[0] < memory + 2048, what=f"no more than {memory} KiB and a little")
