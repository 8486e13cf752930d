# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The log files of measurements: Debian's chronyd and timeballd are clients of the same servers and write the
same files. Numbers differ; names, banners, columns, widths and signs do not."""

import re

import pytest

from harness import Process, run, soon
from harness.world import STATE

FILES = ["measurements", "statistics", "selection", "tracking"]


@pytest.fixture(scope="module", name="lines")
def configuration_lines(empty_network):
    """Servers that are right; one whose time is wrong; one that is silent."""
    good = [empty_network.server() for _ in range(2)]
    ahead = empty_network.server()
    return [*(f"server {server.address} iburst minpoll 0 maxpoll 0" for server in good),
            f"server {ahead.address} iburst minpoll 0 maxpoll 0 offset 0.2",
            "server 192.0.2.99 iburst minpoll 0 maxpoll 0",
            "log " + " ".join(FILES), "logbanner 10"]


@pytest.fixture(scope="module", name="logs")
def both_logs(bus, lines):
    """{file: (lines of chronyd, lines of timeballd)}, each with some rows."""
    theirs = STATE / "chrony-logs"
    theirs.mkdir()
    configuration = STATE / "chrony.conf"
    configuration.write_text("\n".join([*lines, f"logdir {theirs}", "cmdport 0", "bindcmdaddress /",
                                        f"pidfile {theirs}/pid"]) + "\n")
    chronyd = Process("chronyd", ["chronyd", "-x", "-d", "-u", "root", "-f", configuration])
    ours = STATE / "timeball-logs"
    daemon = timeballd(bus, lines, ours)

    def read():
        found = {file: [(folder / f"{file}.log").read_text().splitlines() for folder in (theirs, ours)]
                 for file in FILES}
        assert all(sum(line.startswith("20") for line in written) >= 12
                   for both in found.values() for written in both)
        return found
    found = soon(read, 90, 0.5, what="rows in all files")
    yield found
    daemon.stop()
    chronyd.stop()


def timeballd(bus, lines, folder):
    # pylint: disable=import-outside-toplevel
    from harness import Daemon
    folder.mkdir()
    run("chown", "timeball:timeball", folder)
    return Daemon(*lines, f"logdir {folder}", bus=bus)


def shape(row):
    """Digits become 9, the optional sign of a number and its leading blank are alike."""
    return re.sub(r"[ -]9", "#9", re.sub(r"[0-9]", "9", row))


def columns(row):
    """Where the words of a row end, but for its source, which is left-aligned."""
    return [found.end() for number, found in enumerate(re.finditer(r"\S+", row)) if number != 2]


@pytest.mark.parametrize("file", FILES)
def test_banner(logs, file):
    theirs, ours = logs[file]
    assert ours[:3] == theirs[:3]
    assert ours[13:16] == ours[:3] == theirs[13:16]  # after ten rows again


def rows(written):
    return [row for row in written if row.startswith("20")]


@pytest.mark.parametrize("file", FILES)
def test_columns(logs, file):
    theirs, ours = (rows(written) for written in logs[file])
    known = [columns(row) for row in theirs]
    for row in ours:
        assert columns(row) in known, row


@pytest.mark.parametrize("file, field, signs", [("measurements", 11, "+"), ("statistics", 4, "-"),
                                                ("selection", 8, "-"), ("selection", 9, "-")])
def test_signs(logs, file, field, signs):
    """Of the source that is 0.2 s ahead of us."""
    for written in logs[file]:
        values = [row.split()[field] for row in rows(written) if row.split()[2] == "192.0.2.13"]
        values = [float(value) for value in values if abs(float(value)) > 0.1]
        assert values and all((value > 0) == (signs == "+") for value in values)


def test_first_row_of_tracking_is_not_synchronised(logs):
    for written in logs["tracking"]:
        row = rows(written)[0].split()
        assert row[2:4] == ["0.0.0.0", "0"] and row[7] == "?"


def test_cyclelogs(bus, lines, logs):
    """After a rotation the rows go to a new file, which begins with a banner."""
    del logs
    folder = STATE / "timeball-logs"
    old, new = folder / "tracking.log.1", folder / "tracking.log"
    new.rename(old)
    assert run("timectl", "cyclelogs").stdout == "200 OK\n"
    soon(lambda: len(new.read_text().splitlines()) > 4, what="rows in the new file")
    assert new.read_text().startswith("====")
    assert new.stat().st_mode & 0o777 == 0o644
    denied = bus.call("Manager", "CycleLogs", user="nobody", check=False)
    assert denied.returncode != 0
