# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""doc/threats.md: every row names tests, and every test that it names is there and is run."""

import re

from tap import TREE, Plan, text

PAGE = "doc/threats.md"


def rows():
    """(identifier, last column) of the rows of its tables."""
    for line in text(PAGE).splitlines():
        found = re.match(r"\| ([A-Z]\d+) \|.*\| ([^|]*) \|$", line)
        if found:
            yield found[1], found[2]


def in_c(folder, file, function):
    path = TREE / folder / f"test-{file}.c"
    if not path.exists():
        return False
    source = path.read_text(encoding="utf-8")
    return (re.search(rf"^static void test_{function}\(", source, re.M) is not None
            and re.search(rf"cmocka_unit_test\w*\(\s*test_{function}\b", source) is not None)


def in_python(file, function):
    path = TREE / f"test/system/test_{file}.py"
    return path.exists() and re.search(rf"^def test_{function}\(", path.read_text(encoding="utf-8"), re.M) is not None


def exists(name):
    fuzzer = re.fullmatch(r"fuzz/([\w-]+)", name)
    if fuzzer:
        return (TREE / f"test/fuzz/fuzz-{fuzzer[1]}.c").exists()
    found = re.fullmatch(r"(test-|sim/|system/)([\w-]+)::(\w+)", name)
    if not found:
        return False
    kind, file, function = found.groups()
    if kind == "system/":
        return in_python(file, function)
    return in_c("test/sim" if kind == "sim/" else "test/unit", file, function)


def main():
    plan = Plan()
    table = list(rows())
    plan.result("every threat has a test",
                [f"{PAGE}: {name} names no test" for name, tests in table if "`" not in tests]
                + ([] if len(table) >= 30 else [f"{PAGE}: only {len(table)} rows were found"]))
    plan.result("every test that is named exists",
                [f"{PAGE}: {name}: {test}: no such test" for name, tests in table
                 for test in re.findall(r"`([^`]*)`", tests) if not exists(test)])
    plan.done()


if __name__ == "__main__":
    main()
