# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""What man/org.timeball1.5.scd says about each member, in a form that a test can compare."""

import dataclasses
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2]
KINDS = {"Properties": "property", "Methods": "method", "Signals": "signal"}
NOTES = ("constant", "not signalled", "invalidated")


@dataclasses.dataclass
class Member:
    """kind: property, method, signal. emits: "" (with the value) or one of NOTES."""

    kind: str
    signature: str = ""
    emits: str = ""
    arguments: str = ""
    results: str = ""
    action: str = ""


def text():
    return SOURCE.joinpath("man/org.timeball1.5.scd").read_text(encoding="utf-8")


def member(kind, rest, description):
    """rest is what follows the name: "(d, not signalled)", "(s kind) -> (o source)"."""
    inner, _, results = rest.partition(" -> ")
    inner, results = inner.strip()[1:-1], results.strip()[1:-1]
    if kind == "property":
        signature, _, note = inner.partition(", ")
        assert note == "" or note in NOTES, note
        return Member(kind, signature, note)
    action = re.search(r"Action\s+_([\w.-]+)_\.", description)
    return Member(kind, "", "", inner, results, action[1] if action else "")


def interfaces():
    """{"Clock": {"MakeStep": Member}}"""
    found = {}
    for section in re.split(r"^# ", text(), flags=re.M)[1:]:
        title = section.split("\n", 1)[0]
        if not title.startswith("org.timeball1."):
            continue
        members = found.setdefault(title.removeprefix("org.timeball1."), {})
        for part in re.split(r"^## ", section, flags=re.M)[1:]:
            kind = KINDS[part.split("\n", 1)[0]]
            for name, rest, description in re.findall(r"^\*(\w+)\* ?(\(.*)\n((?:\t.*\n?)+)", part, re.M):
                assert name not in members, f"{title}.{name} stands there twice"
                members[name] = member(kind, rest, description)
    return found
