# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""timectl's help is its table of verbs; timectl(1) and the completions know the same verbs, arguments and options."""

import re
import subprocess
import sys

from tap import TREE, Plan, text

PAGE, BASH, ZSH = "man/timectl.1.scd", "data/completions/timectl.bash", "data/completions/_timectl"


def help_text():
    return subprocess.run([sys.argv[1], "--no-pager", "--help"], check=True, capture_output=True, text=True).stdout


def in_help():
    """{verb: arguments}, {option, short and long}."""
    said = help_text()
    commands, options = said.split("\nOptions:\n")
    rows = re.findall(r"^  ([\w-]+)((?: \S+)*)  +\S.*$", commands, re.M)
    words = re.findall(r"^  (-\w)? +?(?: +)?(--[\w-]+)", options, re.M)
    return {verb: arguments.strip() for verb, arguments in rows}, {word for pair in words for word in pair if word}


def in_page():
    """Headings: a bold word first in its line, its text indented below."""
    verbs, options = {}, set()
    lines = text(PAGE).splitlines()
    for line, following in zip(lines, lines[1:]):
        if not following.startswith("\t"):
            continue
        if line.startswith("*-"):
            options |= set(re.findall(r"\*(--?[\w-]+)\*", line))
        elif heading := re.match(r"\*([a-z][\w-]*)\*(.*)$", line):
            verbs[heading[1]] = re.sub(r"[*_]", "", heading[2]).strip()
    return {verb: arguments for verb, arguments in verbs.items() if verb.islower()}, options


def in_bash():
    said = text(BASH)
    verbs = re.search(r"verbs='([^']*)'", said)[1].split()
    options = re.search(r"options='([^']*)'", said)[1].split()
    return set(verbs), {option.rstrip("=") for option in options}


def in_zsh():
    said = text(ZSH)
    verbs = re.search(r"verbs=\((.*?)\n    \)", said, re.S)[1]
    options = said[said.index("_arguments -S"):]
    return set(re.findall(r"^\s+'([\w-]+):", verbs, re.M)), set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", options)) - {"-S"}


def difference(wanted, found):
    for name in sorted(wanted - found):
        yield f"missing: {name}"
    for name in sorted(found - wanted):
        yield f"unknown: {name}"


def arguments_differ(wanted, found):
    """The page sets alternatives in its own type; the words are the same."""
    for verb in sorted(wanted.keys() & found.keys()):
        words = [re.findall(r"[A-Za-z0-9]+", arguments) for arguments in (wanted[verb], found[verb])]
        if words[0] != words[1] and set(words[0]) != set(words[1]):
            yield f"{verb}: {wanted[verb]!r} in the help, {found[verb]!r} in the page"


def completed(*words):
    """What bash offers for the last of these words."""
    script = (f". {TREE / BASH}; COMP_WORDS=({' '.join(words)}); [[ $1 ]] || COMP_WORDS+=(''); "
              "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _timectl; echo \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "-c", script, "bash", words[-1]], capture_output=True, text=True, check=True)
    return done.stdout.split() + done.stderr.splitlines()


COMPLETIONS = [
    (["timectl", "trac"], ["tracking"]),
    (["timectl", "-c", "maxdelayd"], ["maxdelaydevratio"]),
    (["timectl", "--no-p"], ["--no-pager"]),
    (["timectl", "--json", "p"], ["pretty"]),
    (["timectl", "add", "po"], ["pool"]),
    (["timectl", "reset", "s"], ["sources"]),
    (["timectl", "selectopts", "ntp.example.net", "-t"], ["-trust"]),
]


def wrongly_completed():
    for words, expected in COMPLETIONS:
        found = completed(*words)
        if found != expected:
            yield f"{' '.join(words)}: {found}"


def main():
    plan = Plan()
    verbs, options = in_help()
    page_verbs, page_options = in_page()
    plan.result("help has verbs and options", [] if len(verbs) > 20 and len(options) > 15 else [help_text()])
    plan.result("verbs of timectl(1)", list(difference(verbs.keys(), page_verbs.keys())))
    plan.result("arguments in timectl(1)", list(arguments_differ(verbs, page_verbs)))
    plan.result("options of timectl(1)", list(difference(options, page_options)))
    for name, (found_verbs, found_options) in (("bash", in_bash()), ("zsh", in_zsh())):
        plan.result(f"verbs in {name}", list(difference(verbs.keys(), found_verbs)))
        plan.result(f"options in {name}", list(difference(options, found_options)))
    plan.result("bash completes", list(wrongly_completed()))
    plan.done()


if __name__ == "__main__":
    main()
