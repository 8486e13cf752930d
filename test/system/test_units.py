# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""What systemd makes of our units, users and folders."""

import shutil

import pytest

from harness import ROOT, run

UNITS = ROOT / "usr/lib/systemd/system"


@pytest.mark.parametrize("unit, worst", [("timeball.service", 2.2), ("timeball-wait-sync.service", 1.0)])
def test_exposure(unit, worst):
    """The sandbox holds the budget of the design."""
    said = run("systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={worst * 10:.0f}",
               UNITS / unit)
    exposure = float(said.stdout.split("Overall exposure level for")[1].split(":")[1].split()[0])
    assert exposure <= worst


def test_user_and_folders(tmp_path):
    """sysusers makes the user, tmpfiles the folders that belong to it."""
    (tmp_path / "etc").mkdir()
    for kind in ("sysusers.d", "tmpfiles.d"):
        (tmp_path / "usr/lib" / kind).mkdir(parents=True)
        shutil.copy(ROOT / "usr/lib" / kind / "timeball.conf", tmp_path / "usr/lib" / kind)
    (tmp_path / "usr/share/timeball").mkdir(parents=True)
    shutil.copy(ROOT / "usr/share/timeball/timeball.keys", tmp_path / "usr/share/timeball")
    run("systemd-sysusers", f"--root={tmp_path}", "timeball.conf")
    entry = [line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("timeball:")]
    assert len(entry) == 1 and entry[0].endswith("/usr/sbin/nologin")
    run("systemd-tmpfiles", f"--root={tmp_path}", "--create", "timeball.conf")
    user = int(entry[0].split(":")[2])
    for folder in ("var/lib/timeball", "var/log/timeball"):
        state = (tmp_path / folder).stat()
        assert (state.st_uid, state.st_mode & 0o777) == (user, 0o750)
    keys = tmp_path / "etc/timeball/timeball.keys"
    group = int((tmp_path / "etc/group").read_text().split("timeball:x:")[1].split(":")[0])
    state = keys.stat()
    assert (state.st_uid, state.st_gid, state.st_mode & 0o777) == (0, group, 0o640)
    assert keys.read_text() and all(line.startswith("#") for line in keys.read_text().splitlines())
    keys.write_text("1 AES256 HEX:00\n")
    run("systemd-tmpfiles", f"--root={tmp_path}", "--create", "timeball.conf")
    assert keys.read_text() == "1 AES256 HEX:00\n"


def test_names_without_dnssec():
    """Signatures of names cannot be checked while the clock is wrong, and the clock cannot be set without names."""
    text = (UNITS / "timeball.service").read_text()
    assert "Environment=SYSTEMD_NSS_RESOLVE_VALIDATE=0" in text.splitlines()


def test_timedated_list():
    """timedated takes each line that is no comment for the name of a unit."""
    text = (ROOT / "usr/lib/systemd/ntp-units.d/40-timeball.list").read_text()
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == ["timeball.service"]


@pytest.mark.lab
def test_verify(boot):
    """systemd finds nothing to complain about, documentation included, and the targets come in order."""
    machine = boot()
    units = "timeball.service timeball-wait-sync.service timeball-ntp.socket timeball-nts.socket"
    said = machine.said(f"cd /usr/lib/systemd/system && systemd-analyze verify {units}").splitlines()
    # the kernel of the lab has none
    assert [line for line in said if "kernel does not support IPv6" not in line] == []
    after = machine.said("systemctl show -P Before timeball-wait-sync.service").split()
    assert "time-sync.target" in after
    assert "time-sync.target" not in machine.said("systemctl show -P Before timeball.service").split()
