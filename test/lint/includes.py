# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The include matrix: which folder of src may know which. Arrows point down and never back."""

import re

from tap import Plan, files, text

CORE = ["base", "core/api", "core/config", "core/stats", "core/select", "core/clock", "core/ntp", "core/ref", "core/engine"]

# A folder, and those that it may include besides itself. "." is src itself: main, daemon and the like.
MATRIX = {
    "base": [],
    "core/api": ["base"],
    "core/config": ["base", "core/api"],
    "core/stats": ["base", "core/api"],
    "core/select": ["base", "core/api", "core/config", "core/stats"],
    "core/clock": ["base", "core/api", "core/config", "core/stats"],
    "core/ntp": ["base", "core/api", "core/config", "core/stats", "core/select", "core/clock"],
    "core/ref": ["base", "core/api", "core/config", "core/stats", "core/select", "core/clock"],
    "core/engine": CORE,
    "net": CORE,
    "nts": CORE,
    "hw": ["base", "core/api"],
    "bus": ["base", "core/api"],
    "ctl": ["base", "core/api"],
    ".": [*CORE, "net", "nts", "hw", "bus"],
}

# Headers of the system that have no business in base and core: they bring the world in.
WORLDLY = re.compile(r"systemd/|sys/(socket|timex|epoll|stat|ioctl|random|time)\.h|netinet/|arpa/|linux/|"
                     r"(unistd|fcntl|poll|netdb|signal|pthread|syslog|threads)\.h")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def folder_of(name):
    """Longest folder of the matrix that holds a path below src."""
    parent = name.rsplit("/", 1)[0] if "/" in name else "."
    return parent if parent in MATRIX else None


def problems_of(name):
    inside = str(name.relative_to("src"))
    folder = folder_of(inside)
    if folder is None:
        return [f"{name}: its folder is not in the matrix"]
    problems = []
    for kind, header in INCLUDE.findall(text(name)):
        if kind == "<":
            if folder.startswith("core") and WORLDLY.match(header):
                problems.append(f"{name}: core may not include <{header}>")
        elif header != "build-config.h":
            target = folder_of(header)
            if target != folder and target not in MATRIX[folder]:
                problems.append(f'{name}: {folder} may not include "{header}"')
    if folder.startswith("core") and '"build-config.h"' in text(name):
        problems.append(f"{name}: core knows no installation paths")
    return problems


def main():
    plan = Plan()
    problems = {folder: [] for folder in MATRIX}
    for name in files(".c", ".h", below="src"):
        found = folder_of(str(name.relative_to("src")))
        problems.setdefault(found, []).extend(problems_of(name))
    for folder, lines in problems.items():
        plan.result(f"src/{folder}", lines)
    plan.done()


if __name__ == "__main__":
    main()
