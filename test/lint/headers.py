# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""headers.py BUILD COMPILER...: each header of src compiles alone, and guards itself with #pragma once."""

import concurrent.futures
import os
import subprocess
import sys

from tap import TREE, Plan, files, text


def check(compiler, build, name):
    inside = str(name.relative_to("src"))
    command = [*compiler, "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
               "-Wno-unused-const-variable", "-I", str(TREE / "src"), "-I", build, "-fsyntax-only", "-x", "c", "-"]
    done = subprocess.run(command, input=f'#include "{inside}"\n', capture_output=True, text=True, check=False)
    problems = done.stderr.splitlines()
    if done.returncode and not problems:
        problems = [f"the compiler ended with status {done.returncode}"]
    if "#pragma once" not in text(name):
        problems.append("#pragma once is missing")
    return problems if done.returncode or "#pragma once" not in text(name) else []


def main(build, *compiler):
    plan = Plan()
    names = list(files(".h", below="src"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, problems in zip(names, pool.map(lambda name: check(compiler, build, name), names)):
            plan.result(str(name), problems)
    plan.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
