# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""timeball.conf(5) documents each directive and option of the table, with its arguments, range and default, and no other."""

import re
import subprocess
import sys

from tap import TREE, Plan

PAGE = "man/timeball.conf.5.scd"
# What is in force without the word is said in words there, not as the number that stands for it inside.
DEFAULT_IN_WORDS = {"acquisitionport", "asymmetry", "clockprecision", "initstepslew", "makestep", "maxchange", "maxdelayquant", "key", "version"}
SAMPLES_OF_SOURCE = {"minsamples", "maxsamples"}


def table():
    lines = subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.split("\t") for line in lines]


def sections():
    """Title -> lines."""
    found, title = {}, ""
    for line in (TREE / PAGE).read_text().splitlines():
        if line.startswith("# "):
            title = line[2:]
        found.setdefault(title, []).append(line)
    return found


def plain(marked):
    """Without the marks of bold and underlined words."""
    return re.sub(r"(?<!\w)_|_(?!\w)", "", marked.replace("*", "")).strip()


def entries(lines):
    """Name -> (arguments, description) of the paragraphs that begin with a bold word and go on indented."""
    found, name = {}, None
    for line, following in zip(lines, lines[1:] + [""]):
        heading = re.match(r"\*(\w+)\*(.*)$", line)
        if heading and following.startswith("\t"):
            name = heading[1]
            found[name] = (plain(heading[2]), "")
        elif name and line.startswith("\t"):
            found[name] = (found[name][0], found[name][1] + " " + line.strip())
        else:
            name = None
    return found


def number(text):
    """As people write it: 1e10, 1e-4."""
    return re.sub(r"e\+?(-?)0*(\d)", r"e\1\2", text)


def described(name, rows, entry, kind):
    arguments, description = entry
    for _, _, _, wanted, limits, default in rows:
        if arguments != wanted:
            yield f"{name}: arguments are {wanted!r}, the page says {arguments!r}"
        if limits and number(limits) not in description:
            yield f"{name}: range is {number(limits)}, which the page does not say"
        in_words = name in DEFAULT_IN_WORDS or (kind == "option" and name in SAMPLES_OF_SOURCE)
        if default and not in_words and not said_default(description, default):
            yield f"{name}: default is {number(default)}, which the page does not say"
        if limits and "Default:" not in description:
            yield f"{name}: no default"


def said_default(description, default):
    said = re.search(r"Default: (\S+?)[.,;]?(\s|$)", description)
    try:
        return said is not None and abs(float(said[1]) - float(default)) <= 1e-6 * abs(float(default))
    except ValueError:
        return False


def check(kind, rows, found):
    names = {row[1] for row in rows if row[0] == kind and row[2] == "supported"}
    for name in sorted(names - found.keys()):
        yield f"{name} is supported and not in the page"
    for name in sorted(found.keys() - names):
        yield f"{name} is in the page and not supported"
    for name in sorted(names & found.keys()):
        yield from described(name, [row for row in rows if row[:2] == [kind, name]], found[name], kind)


def listed(lines):
    return set(re.findall(r"\*(\w+)\*", " ".join(lines)))


def difference(what, wanted, found):
    for name in sorted(wanted ^ found):
        yield f"{name}: {'missing in' if name in wanted else 'does not belong into'} the list of what is {what}"


def main():
    plan, rows, page = Plan(), table(), sections()
    later = page.pop("NOT SUPPORTED BY THIS VERSION")
    obsolete = page.pop("OBSOLETE DIRECTIVES")
    options = page.pop("OPTIONS OF SOURCES")
    directives = {}
    for lines in page.values():
        directives |= entries(lines)

    plan.result("directives", list(check("directive", rows, directives)))
    plan.result("options", list(check("option", rows, entries(options))))
    border = next(i for i, line in enumerate(later) if "options" in line)
    of = lambda kind, *states: {row[1] for row in rows if row[0] == kind and row[2] in states}
    plan.result("later", list(difference("not supported", of("directive", "later"), listed(later[:border])))
                + list(difference("not supported", of("option", "later"), listed(later[border:]))))
    plan.result("obsolete", list(difference("obsolete", of("directive", "obsolete", "ignored"), listed(obsolete))))
    plan.done()


if __name__ == "__main__":
    main()
