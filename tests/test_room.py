"""Room on a disk is what a user may write: a quota that leaves less than is free counts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ttstudy.data import room

QUOTA = """Disk quotas for user joe (uid 1000):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
      /dev/sda1     400       0       0             12       0       0
   server:/home  600*     500    1000   6days       9       0       0
"""
LUSTRE = """      /scratch  300  1000  0 - 12 0 0 -
"""


@pytest.mark.parametrize(
    ("said", "name", "left"),
    [
        (QUOTA, "server:/home", 400 * 1024),
        (QUOTA, "/dev/sda1", None),
        (QUOTA, "/dev/sdb1", None),
        (LUSTRE, "/scratch", 700 * 1024),
        (LUSTRE.replace("300 ", "1300*"), "/scratch", 0),
        ("", "/scratch", None),
    ],
)
def test_what_a_quota_leaves(said, name, left):
    assert room.left(said, {name}) == left


def test_the_mount_is_the_deepest_that_holds_the_folder(tmp_path):
    table = tmp_path / "mounts"
    rows = "/dev/root / ext4 rw 0 0", "server:/home /home nfs4 rw 0 0", "mds:/l /home/my\\040space lustre rw 0 0"
    table.write_text("\n".join(rows))
    assert room.mounted(tmp_path, table).kind == "ext4"
    assert room.mounted(Path("/home/joe"), table) == ("server:/home", "/home", "nfs4")
    assert room.mounted(Path("/home/my space/x"), table).kind == "lustre"
    assert room.mounted(tmp_path, tmp_path / "none") is None


def test_of_several_mounts_at_one_place_the_last_is_on_top_and_odd_bytes_are_no_error(tmp_path):
    table = tmp_path / "mounts"
    rows = b"systemd-1 /home autofs rw 0 0\nsrv:/home /home nfs4 rw 0 0\n/dev/sdb /media/caf\xe9 ext4 rw 0 0\nodd\n"
    table.write_bytes(rows)
    assert room.mounted(Path("/home/joe"), table) == ("srv:/home", "/home", "nfs4")
    assert room.left(f" /scratch {'9' * 5000} 1 1 -\n", {"/scratch"}) is None


def test_without_a_quota_it_is_what_is_free(tmp_path):
    assert abs(room.free(tmp_path) - shutil.disk_usage(tmp_path).free) < 2**32
