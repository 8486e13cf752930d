# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""What the lint tests share: results as TAP, and the files of the tree."""

import pathlib
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]


class Plan:
    """Collects results; done() prints the plan and is the exit status."""

    def __init__(self):
        self.count = self.failures = 0

    def result(self, name, problems):
        """One subtest: problems is a list of lines, empty when all is well."""
        self.count += 1
        if problems:
            self.failures += 1
        print(f"{'not ok' if problems else 'ok'} {self.count} - {name}")
        for line in problems:
            print(f"# {line}")

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}")

    def done(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failures else 0)


def files(*suffixes, below="."):
    """Paths, relative to the tree, of its files with one of these suffixes (all without any)."""
    for path in sorted((TREE / below).rglob("*")):
        name = path.relative_to(TREE)
        hidden = any(part == ".git" or part == "__pycache__" or part.startswith("build") for part in name.parts[:1])
        if path.is_file() and not hidden and "__pycache__" not in name.parts:
            if not suffixes or path.suffix in suffixes:
                yield name


def text(name):
    return (TREE / name).read_text(encoding="utf-8")
