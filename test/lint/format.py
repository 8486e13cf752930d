# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The layout is what clang-format 14 makes of it (.clang-format); other versions differ and are not asked."""

import shutil
import subprocess

from tap import TREE, Plan, files


def main():
    plan = Plan()
    program = shutil.which("clang-format-14")
    for folder in ("src", "test"):
        if not program:
            plan.skip(folder, "clang-format-14 is not installed")
            continue
        names = [str(name) for name in files(".c", ".h", below=folder)]
        done = subprocess.run([program, "--dry-run", "--Werror", *names], cwd=TREE, capture_output=True, text=True,
                              check=False)
        lines = [line for line in done.stderr.splitlines() if "error:" in line]
        plan.result(folder, lines or (["clang-format failed: " + done.stderr] if done.returncode else []))
    plan.done()


if __name__ == "__main__":
    main()
