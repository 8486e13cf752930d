# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The tree as a whole: heads with the licence, nothing left half done, no file that the build forgot."""

import re

from tap import TREE, Plan, files, text

HEADED = {".c", ".h", ".py", ".build", ".txt", ".service", ".socket", ".conf", ".list", ".policy", ".scd", ".preset", ".rules"}
# These hold data for tests byte by byte, or are texts for people.
HEADLESS = re.compile(r"test/(corpus|fuzz/corpus)/|test/.*/(y|n)_|\.md$|^(LICENSE|NEWS|\.gitignore)$")
LICENCE = "SPDX-License-Identifier: LGPL-2.1-or-later"
AUTHORS = "SPDX-FileCopyrightText: The Timeball authors"
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def is_program(name):
    with open(TREE / name, "rb") as opened:
        return opened.read(2) == b"#!"


def heads():
    for name in files():
        if HEADLESS.search(str(name)) or not (name.suffix in HEADED or is_program(name)):
            continue
        start = "\n".join(text(name).splitlines()[:6])
        if LICENCE not in start or AUTHORS not in start:
            yield f"{name}: no SPDX head"


def unfinished():
    for name in files(".c", ".h", ".py", ".scd", ".md", ".in"):
        for number, line in enumerate(text(name).splitlines(), 1):
            if UNFINISHED.search(line):
                yield f"{name}:{number}: {line.strip()}"


def meson_texts(name):
    """The meson.build of the file's folder and of those above."""
    for folder in (TREE / name).parents:
        path = folder / "meson.build"
        if path.exists():
            yield path.read_text()
        if folder == TREE:
            return


def forgotten():
    for name in [*files(".c", below="src"), *files(".c", below="test"), *files(".scd", below="man")]:
        stem = re.sub(r"^(test|fuzz|sim|bench)-", "", name.stem)
        mentioned = re.compile(rf"(?<![\w-])('?{re.escape(name.name)}'|'{re.escape(name.stem)}'|'{re.escape(stem)}'|"
                               rf"{re.escape(str(name.relative_to(name.parts[0])))}'|/{re.escape(name.name)}')")
        if not any(mentioned.search(text_) for text_ in meson_texts(name)):
            yield f"{name}: no meson.build builds it"


def main():
    plan = Plan()
    plan.result("every file has its head", list(heads()))
    plan.result("nothing is left for later", list(unfinished()))
    plan.result("every source is built", list(forgotten()))
    plan.done()


if __name__ == "__main__":
    main()
