# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""What the tests with other programs share: types of keys under the names that each program has for them."""

import shutil

import pytest

from harness import program
from harness.world import STATE

# number in the key file, our name and chrony's, NTPsec's name, bytes
KEYS = [
    (1, "MD5", "MD5", 16),
    (2, "SHA1", "SHA1", 20),
    (3, "SHA256", "SHA256", 32),
    (4, "SHA384", "SHA384", 32),
    (5, "SHA512", "SHA512", 32),
    (6, "SHA3-224", "SHA3-224", 28),
    (7, "SHA3-256", "SHA3-256", 32),
    (8, "SHA3-384", "SHA3-384", 32),
    (9, "SHA3-512", "SHA3-512", 32),
    (10, "AES128", "AES-128", 16),
    (11, "AES256", "AES-256", 32),
]
NUMBERS = [key[0] for key in KEYS]
NAMES = {key[0]: key[1] for key in KEYS}
# under this number each side has another secret
WRONG = 50


def secret(number, size):
    return bytes((37 * number + 11 * i + 1) % 255 + 1 for i in range(size)).hex()


def rows(names):
    """(number, type, hexadecimal) for names "ours" (and chrony's) or "ntpsec"."""
    column = {"ours": 1, "ntpsec": 2}[names]
    return [(key[0], key[column], secret(key[0], key[3])) for key in KEYS]


def our_keys(name="interop.keys", user="timeball"):
    """Our file of keys: readable for the daemon and for nobody else."""
    path = STATE / name
    lines = [f"{number} {kind} HEX:{key}" for number, kind, key in [*rows("ours"), (WRONG, "SHA1", secret(99, 20))]]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    shutil.chown(path, user, user)
    return path


def their_keys(program, names):
    """The same for another program, but for the key WRONG."""
    path = STATE / f"{program}.keys"
    form = {"ours": "{} {} HEX:{}\n", "ntpsec": "{} {} {}\n"}[names]
    lines = [form.format(*row) for row in [*rows(names), (WRONG, "SHA1", secret(98, 20))]]
    path.write_text("".join(lines))
    path.chmod(0o600)
    return path


def addresses(number):
    return f"192.0.2.{number}", f"2001:db8::{number}"


def need(*names):
    """Skips what cannot be tested without these programs."""
    missing = [name for name in names if not program(name)]
    if missing:
        pytest.skip(f"no {' '.join(missing)}: test/system/fetch-daemons could not fetch it")
