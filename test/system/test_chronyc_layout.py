# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""timectl prints what chronyc prints: Debian's chronyd and timeballd are clients of the same servers, and both
commands show them. Numbers differ from daemon to daemon; columns, widths, units, signs and fields do not."""

import re

import pytest

from harness import Process, run, soon
from harness.world import STATE

SOCKET = STATE / "client" / "chronyd.sock"


@pytest.fixture(scope="module", name="lines")
def configuration_lines(empty_network):
    """Three good servers, one liar by a second, one that is never selected, and silence in three forms."""
    good = [empty_network.server() for _ in range(3)]
    liar, never = empty_network.server(offset=1.0), empty_network.server()
    return [
        f"server {good[0].address} iburst minpoll 0 maxpoll 0",
        f"server {good[1].address} iburst minpoll 0 maxpoll 0",
        f"server {good[2].address} iburst minpoll 0 maxpoll 0 prefer",
        f"server {liar.address} iburst minpoll 0 maxpoll 0",
        f"server {never.address} iburst minpoll 0 maxpoll 0 noselect",
        "server 192.0.2.99 iburst",
        "server 2001:db8::77 offline",
        "server nowhere.invalid iburst",
    ]


@pytest.fixture(scope="module", name="both")
def both_clients(bus, lines):
    """A function that runs a command with both programs and returns both outputs, as lists of lines."""
    chronyd = start_chronyd(lines)
    daemon = start_timeballd(bus, lines)

    def ask(*words):
        return [chronyc(*words).stdout.splitlines(), run("timectl", *words).stdout.splitlines()]

    soon(lambda: all(is_settled(output) for output in ask("-c", "sourcestats")), 60, what="samples in both daemons")
    yield ask
    daemon.stop()
    chronyd.stop()


def start_chronyd(lines):
    SOCKET.parent.mkdir(exist_ok=True, mode=0o700)
    path = SOCKET.parent / "chrony.conf"
    path.write_text("\n".join([*lines, f"bindcmdaddress {SOCKET}", "cmdport 0", f"pidfile {SOCKET.parent}/pid"]) + "\n")
    return Process("chronyd-client", ["chronyd", "-x", "-d", "-u", "root", "-f", path])


def start_timeballd(bus, lines):
    from harness import Daemon
    return Daemon(*lines, bus=bus)


def chronyc(*words, check=True):
    return run("chronyc", "-h", SOCKET, *words, check=check)


def is_settled(output):
    """The first five have eight samples and more: their intervals are narrow, nobody waits any more."""
    return [int(line.split(",")[1]) >= 8 for line in output].count(True) == 5


AGE = (4, r" {0,3}\d{1,4}| {0,2}\d{1,3}[mhdy]|   -")
OFFSET = (7, r" *[+-]\d+(\.\d)?([num]?s|[mhdy])")
ERROR = (6, r" *\d+(\.\d)?([num]?s|[mhdy])")
OPTIONS = (5, r"[N-][P-][T-][R-]-")
# separators as text, cells as (width, pattern)
ROWS = {
    "sources": [(1, r"[\^=#]"), (1, r"[*+x~?-]"), " ", (27, r"\S+ *"), "  ", (2, r" ?\d+"), "  ", (2, r" ?-?\d+"), "   ",
                (3, r" {0,2}[0-7]+"), "  ", AGE, "  ", OFFSET, "[", OFFSET, "] +/- ", ERROR],
    "sourcestats": [(25, r"\S+ *"), "  ", (2, r" ?\d+"), "  ", (2, r" ?\d+"), "  ", AGE, " ", (10, r" *[+-]\d+\.\d{3}"),
                    " ", (10, r" *\d+\.\d{3}"), "  ", OFFSET, "  ", ERROR],
    "selectdata": [(1, r"[NsMrd~wSOTxWPUD+*]"), " ", (25, r"\S+ *"), " ", (1, r"[YN]"), " ", OPTIONS, " ", OPTIONS, " ",
                   AGE, " ", (5, r" *-?\d+\.\d"), " ", OFFSET, " ", OFFSET, "  ", (1, r"[N+?-]")],
}
NAMES = {"sources": (3, 30), "sourcestats": (0, 25), "selectdata": (2, 27)}


def cells(row, line):
    """Cuts a line of a table; fails where it is not built like that."""
    at, found = 0, []
    for item in ROWS[row]:
        if isinstance(item, str):
            assert line[at:at + len(item)] == item, f"{line!r}: {item!r} expected at {at}"
            at += len(item)
        else:
            width, pattern = item
            cell = line[at:at + width]
            assert len(cell) == width and re.fullmatch(pattern, cell), f"{line!r}: {cell!r} at {at} is no {pattern}"
            found.append(cell.strip())
            at += width
    assert at == len(line), f"{line!r}: longer than {at}"
    return found


@pytest.mark.parametrize("report", ROWS)
@pytest.mark.parametrize("options,more", [([], []), (["-n"], []), (["-n"], ["-a"]), (["-N"], ["-a"])])
def test_table(both, report, options, more):
    """The header to the letter; rows of the same sources in the same order, each cell where it belongs."""
    theirs, ours = both(*options, report, *more)
    assert ours[:2] == theirs[:2]
    assert len(ours) == len(theirs) == 2 + 7 + len(more)
    start, end = NAMES[report]
    for their, our in zip(theirs[2:], ours[2:]):
        if "ID#" in their:
            assert re.match(r"ID#\d{10} ", our[start:end])
        else:
            assert our[start:end] == their[start:end]
        assert len(cells(report, our)) == len(cells(report, their))


@pytest.mark.parametrize("report", ROWS)
def test_legend(both, report):
    """-v explains the columns in as many lines, above the same header."""
    theirs, ours = both("-n", report, "-v")
    header = both("-n", report)[1][0]
    assert theirs.index(header) in (8, 9) and abs(ours.index(header) - theirs.index(header)) <= 1
    assert max(map(len, ours[:ours.index(header)])) <= 79


def kind(field):
    """What a field of -c is: the digits behind the point count, the value does not."""
    for name, pattern in (("id", r"[0-9A-F]{8}"), ("integer", r"-?\d+"), ("address", r"[\da-f:.]*[:.][\da-f:.]*[:.][\da-f:.]*"),
                          ("mark", r"[^\w\d]"), ("letter", r"[A-Za-z]")):
        if re.fullmatch(pattern, field):
            return "mark" if name == "letter" else name
    number = re.fullmatch(r"-?\d+\.(\d+)", field)
    return f"{len(number[1])} digits" if number else "words"


CSV_FIELDS = {"tracking": 14, "sources": 10, "sourcestats": 8, "selectdata": 18, "ntpdata": 38, "activity": 5}


@pytest.mark.parametrize("report", CSV_FIELDS)
def test_csv(both, report):
    """As many records; fields of the same kind, as many as chrony 4.8 has (4.3 ends ntpdata earlier)."""
    theirs, ours = both("-c", report)
    assert len(ours) == len(theirs)
    for their, our in zip(theirs, ours):
        their, our = their.split(","), our.split(",")
        assert len(our) == CSV_FIELDS[report]
        assert len(their) == min(CSV_FIELDS[report], 34)
        assert [kind(field) for field in our[:len(their)]] == [kind(field) for field in their]


def shape(line):
    """A line of label and value, with numbers, dates and IDs reduced to their form."""
    line = re.sub(r": \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$", ": DATE", line)
    line = re.sub(r": [0-9A-F]{8} \(.*\)$", ": ID (NAME)", line)
    line = re.sub(r": [\d.:a-f]+ \([0-9A-F]{8}\)$", ": ADDRESS (ID)", line)
    line = re.sub(r"[+-](?=\d+\.)", "+", line)
    line = re.sub(r"\d+\.(\d+)", lambda number: "0." + "0" * len(number[1]), line)
    line = re.sub(r"(?<=: )[01]{3} [01]{3} [01]{4}", "TESTS", line)
    line = re.sub(r"(?<![.\d])-?\d+(?![.\d])", "0", line)
    return line.replace("slow", "fast")


def test_tracking(both):
    theirs, ours = both("-n", "tracking")
    assert [shape(line) for line in ours] == [shape(line) for line in theirs]


def test_ntpdata(both):
    """Blocks for the same sources, line by line; ours go on where 4.3 ends, as those of 4.8 do."""
    theirs, ours = ("\n".join(output).split("\n\n") for output in both("-n", "ntpdata"))
    assert len(ours) == len(theirs) == 7
    for number, (their, our) in enumerate(zip(theirs, ours)):
        their, our = their.strip("\n").split("\n"), our.strip("\n").split("\n")
        assert our[0] == their[0]
        more = [line.split(":")[0].strip() for line in our[len(their):]]
        assert more == ["Total kernel TX", "Total kernel RX", "Total HW TX", "Total HW RX"]
        words = (lambda line: shape(line)) if number < 5 else (lambda line: line.split(":")[0])
        assert [words(line) for line in our[:len(their)]] == [words(line) for line in their]


def test_ntpdata_of_one(both):
    """Without the blank line."""
    theirs, ours = both("-n", "ntpdata", "192.0.2.11")
    assert ours[0] == theirs[0] and len(ours) == len(theirs) + 4


def test_activity(both):
    theirs, ours = both("activity")
    assert [shape(line) for line in ours] == [shape(line) for line in theirs]
    assert ours[0] == "200 OK"


# field of the liar's record, and what it must be near: its time is 1 s ahead, so ours is 1 s behind
SIGNS = [("sources", 2, 7, -1), ("sources", 2, 8, -1), ("sourcestats", 0, 6, -1), ("selectdata", 1, 15, -1),
         ("selectdata", 1, 16, -1), ("ntpdata", 0, 18, 1)]


@pytest.mark.parametrize("report,name,field,expected", SIGNS)
def test_sign(both, report, name, field, expected):
    """Each report has its own idea of which way an offset points."""
    for output in both("-c", report):
        values = [float(line.split(",")[field]) for line in output if line.split(",")[name] == "192.0.2.14"]
        assert values == [pytest.approx(expected, abs=0.2)]


def test_limits_of_the_interval(both):
    """The lower one first, although the bus has them the other way round."""
    for output in both("-c", "selectdata"):
        low, high = next(map(float, line.split(",")[15:17]) for line in output if ",192.0.2.14," in line)
        assert low < high


def test_marks(both):
    """Both daemons see the liar and the one that is never selected, and follow the one that is preferred."""
    for output in both("-c", "sources"):
        marks = {line.split(",")[2]: line.split(",")[1] for line in output}
        assert marks["192.0.2.14"] == "x" and marks["192.0.2.15"] == "?" and marks["192.0.2.13"] == "*"


ANSWERS = [
    ["minpoll", "192.0.2.77", "3"],
    ["maxpoll", "192.0.2.11", "4"],
    ["maxdelay", "192.0.2.11", "0.5"],
    ["maxdelayratio", "192.0.2.11", "3"],
    ["maxdelaydevratio", "192.0.2.11", "9"],
    ["polltarget", "192.0.2.11", "12"],
    ["minstratum", "192.0.2.11", "1"],
    ["add", "server", "192.0.2.11"],
    ["delete", "192.0.2.77"],
    ["offline", "192.0.2.99"],
    ["online", "192.0.2.99"],
    ["online", "198.51.100.0/24"],
    ["offline", "255.255.255.255/192.0.2.99"],
    ["burst", "1/1", "192.0.2.99"],
    ["sourcename", "192.0.2.11"],
    ["sourcename", "192.0.2.77"],
    ["ntpdata", "192.0.2.77"],
    ["reselectdist", "0.0001"],
    ["maxupdateskew", "1000"],
    ["makestep", "1", "3"],
    ["makestep"],
    ["refresh"],
    ["reselect"],
    ["dump"],
    ["reload", "sources"],
    ["no-such-command"],
    ["reset", "sources"],
]


@pytest.mark.parametrize("words", ANSWERS, ids=" ".join)
def test_answer(both, words):
    """The reply line and the exit status of commands; makestep fails with -x."""
    assert both
    theirs, ours = chronyc(*words, check=False), run("timectl", *words, check=False)
    assert (ours.stdout, ours.returncode) == (theirs.stdout, theirs.returncode), theirs.stderr + ours.stderr
