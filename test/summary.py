#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Sum up the results in a folder: *.json (meson's test log, each TAP subtest counts), *.xml (pytest's JUnit
report) and *.tap. Prints what failed and what was skipped and why, then one line "N passed, N failed, N
skipped". The status is 0 if something passed and nothing failed."""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree

TAP = re.compile(r"^\s*(not ok|ok)\b\s*\d*\s*-?\s*([^#]*)(?:#\s*(skip|todo)\S*\s*(.*))?", re.IGNORECASE)


def tap(text):
    """Yields (verdict, name, reason) for each result line."""
    for line in text.splitlines():
        found = TAP.match(line)
        if not found:
            continue
        result, name, directive, reason = found.groups()
        if directive and directive.lower() == "skip":
            yield "skipped", name.strip(), reason
        else:
            yield ("passed" if result.lower() == "ok" else "failed"), name.strip(), ""


def meson(path):
    for line in path.read_text().splitlines():
        test = json.loads(line)
        name, result = test["name"], test["result"]
        subtests = list(tap(test.get("stdout") or ""))
        for verdict, subtest, reason in subtests:
            yield verdict, f"{name}: {subtest}", reason
        verdicts = [verdict for verdict, _, _ in subtests]
        if result in ("OK", "EXPECTEDFAIL"):
            if not subtests:
                yield "passed", name, ""
        elif result == "SKIP":
            if not subtests:
                yield "skipped", name, (test.get("stdout") or "").strip()
        elif "failed" not in verdicts:
            # died, timed out or printed nothing that counts: that is a failure too
            yield "failed", name, f"{result}, exit status {test.get('returncode')}"


def junit(path):
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}: {case.get('name')}"
        bad = [element for kind in ("failure", "error") for element in case.findall(kind)]
        skip = case.find("skipped")
        if bad:
            yield "failed", name, bad[0].get("message", "").split("\n")[0]
        elif skip is not None:
            yield "skipped", name, skip.get("message", "")
        else:
            yield "passed", name, ""


def main(folder):
    readers = {".json": meson, ".xml": junit, ".tap": lambda path: tap(path.read_text())}
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sorted(pathlib.Path(folder).iterdir()):
        for verdict, name, reason in readers.get(path.suffix, lambda _: ())(path):
            count[verdict] += 1
            if verdict != "passed":
                print(f"{verdict}: {name}" + (f" ({reason})" if reason else ""))
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**count))
    return 0 if count["passed"] and not count["failed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
