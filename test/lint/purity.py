# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""purity.py LIBRARY...: what the static libraries of core want from outside themselves and libbase is memory,
strings and mathematics: no clock, socket, file, random source or printf."""

import re
import subprocess
import sys

from tap import Plan

# Everything that core may take from libc. A new name is added here only if it touches nothing but its arguments.
ALLOWED = set("""
    memcpy memmove memset explicit_bzero memcmp memchr memmem mempcpy
    strerrordesc_np
    strlen strnlen strcmp strncmp strcasecmp strncasecmp strchr strrchr strchrnul strstr strspn strcspn strpbrk
    strcpy stpcpy strncpy strdup strndup
    strtol strtoul strtoll strtoull strtod
    malloc calloc realloc reallocarray free
    qsort bsearch abort __assert_fail __stack_chk_fail __errno_location
    __memcpy_chk __memmove_chk __memset_chk __strcpy_chk __stpcpy_chk __strncpy_chk
    __ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc tolower toupper
    isalnum isalpha isdigit isspace isxdigit isprint
    htonl htons ntohl ntohs
    _GLOBAL_OFFSET_TABLE_
""".split())

MATHEMATICS = re.compile(
    r"(__)?(fabs|floor|ceil|trunc|round|lround|llround|rint|nearbyint|lrint|llrint|fmod|remainder|modf|frexp|ldexp|"
    r"scalbn|sqrt|cbrt|hypot|exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|"
    r"tanh|erf|erfc|lgamma|tgamma|fmin|fmax|fdim|fma|copysign|nextafter|isnan|isinf|finite)(f|l)?(_finite)?$")
# what instrumented builds call
INSTRUMENT = re.compile(r"__(asan|ubsan|sanitizer|sancov|gcov|llvm)|llvm_gcov")


def symbols(library, *options):
    """Names that nm lists, with the object file that has each."""
    member, found = "", []
    for line in subprocess.run(["nm", *options, library], capture_output=True, text=True, check=True).stdout.splitlines():
        if line.endswith(":"):
            member = line[:-1]
        elif line.strip():
            found.append((member, line.split()[-1]))
    return found


def main(base, *libraries):
    plan = Plan()
    defined = {name for library in (base, *libraries) for _, name in symbols(library, "--defined-only", "-g")}
    for library in libraries:
        wanted = symbols(library, "-u")
        foreign = [f"{member} calls {name}" for member, name in wanted
                   if name not in defined | ALLOWED and not MATHEMATICS.match(name) and not INSTRUMENT.match(name)]
        plan.result(library.rsplit("/", 1)[-1], sorted(set(foreign)))
    plan.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
