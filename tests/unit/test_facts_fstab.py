"""What fstab says, and on which mount a path lies."""

from __future__ import annotations

import pytest

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts import fstab, mounts


def entry(options):
    (found,) = fstab.parse(f"a /a ext4 {options} 0 0\n").entries
    return found


def test_lines_that_mount_something():
    found = fstab.parse(
        "# device path\n\nUUID=1 / ext4 defaults 0 1\nb none swap sw 0 0\nc swap swap sw\n"
        "LABEL=x /srv/a\\040b/ xfs noatime\nd /d tmpfs\nd /d ext4 ro 0 0\n"
    )
    assert [(e.path, e.type, e.options) for e in found.latest()] == [
        ("/", "ext4", ("defaults",)),
        ("/srv/a b", "xfs", ("noatime",)),
        ("/d", "ext4", ("ro",)),
    ]
    assert len(found.entries) == 4


@pytest.mark.parametrize("text", ["a /a\n", "what\n", "a /a ext4 rw\nb\n"])
def test_short_lines_are_no_table(text):
    with pytest.raises(CannotAssess, match="/etc/fstab: unknown format"):
        fstab.parse(text)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("defaults", {"defaults", "rw", "suid", "dev", "exec"}),
        ("nosuid,defaults", {"defaults", "rw", "suid", "dev", "exec"}),
        ("defaults,nosuid", {"defaults", "rw", "nosuid", "dev", "exec"}),
        ("user,exec", {"user", "nosuid", "nodev", "exec"}),
        ("noexec,exec,noexec", {"noexec"}),
        ("ro,size=1m", {"ro", "size=1m"}),
    ],
)
def test_options_in_force(options, expected):
    assert entry(options).effective == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [("rw", True), ("noauto", False), ("nofail,rw", False), ("x-systemd.automount", False)],
)
def test_what_is_mounted_when_a_host_is_up(options, expected):
    assert entry(options).at_boot is expected


def test_the_mount_that_a_path_lies_on():
    table = mounts.parse("r / ext4 rw 0 0\nv /var ext4 rw 0 0\nt /var/tmp tmpfs rw 0 0\n")
    found = {
        path: table.over(path).path for path in ("/", "/va", "/var", "/var/tmp", "/var/tmpx/y")
    }
    assert found == {
        "/": "/",
        "/va": "/",
        "/var": "/var",
        "/var/tmp": "/var/tmp",
        "/var/tmpx/y": "/var",
    }
    with pytest.raises(CannotAssess):
        mounts.Mounts(()).over("/var")
