"""Checks of folders that root's programs, libraries and services come from, and of logs."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

import pytest
from lab.fake import judge_check
from lab.wellhost import (
    CUT,
    DENIED,
    Break,
    Case,
    answers,
    assert_verdict,
    breaks,
    rows,
    uncovered,
    well_host,
)

from checks.linux import test_path_safety as checks
from pytest_sysaudit.errors import TimedOut
from pytest_sysaudit.facts import startup_files, unit_programs
from pytest_sysaudit.facts.safe_paths import with_parents
from pytest_sysaudit.transport.base import CommandResult, show

#: What is there besides folders of root's, and what is not.
DEFAULT = "41ed 0"
PATHS = {
    "/lib64": "",
    "/usr/local/lib64": "",
    "/etc/ld.so.preload": "",
    "/usr/sbin/app": "81ed 0",
    "/opt/app/bin/run": "81ed 1000",
    "/opt/app/bin": "41ed 1000",
}
STARTUP = "places /etc/systemd /etc/init.d\n@end 0\n"
PROGRAMS = """Id=app.service
User=
path=/usr/sbin/app
path=/usr/sbin/app

Id=own.service
User=ann
path=/opt/app/bin/run

Id=none.service
@end
"""
EMPTY = "@text\0@end\n"


def text(path, *lines):
    """The answer of the table of texts: one file."""
    return f"1:{path}\0@text\0" + "".join(f"1:{line}\n" for line in lines) + "1.\n@end\n"


MORE = {
    "startup": ("/etc/inittab", STARTUP),
    "programs": ("ExecStartPre", PROGRAMS),
    "environment": ("in /etc/environment; do", EMPTY),
    "musl": ("in /etc/ld-musl-*.path; do", EMPTY),
    "conf.d": ("in /etc/ld.so.conf.d/*.conf; do", text("/etc/ld.so.conf.d/x.conf", "/opt/lib")),
    "conf": (
        "in /etc/ld.so.conf; do",
        text("/etc/ld.so.conf", "# x", "include /etc/ld.so.conf.d/*.conf", "/usr/local/lib"),
    ),
    "other conf": ("in /etc/more/*.conf; do", text("/etc/more/x.conf", "more/lib")),
    "preload": ("in /etc/ld.so.preload; do", EMPTY),
    "grep": ("grep -q", (1, "", "")),
}
NO_TEXT = (DENIED, CUT, (127, "@text\0", "awk: not found"))


@dataclass(frozen=True)
class PathCase(Case):
    """A case on a host where the table of paths says what `PATHS` has, or what a row breaks."""

    def judge(self, *broken: Break) -> tuple[Any, str]:
        """Judge it; a break of "paths" gives mode and owner of one path, or an answer for all."""
        host = well_host(*(b for b in broken if b.table != "paths"), more=MORE)
        modes = {**PATHS, **{b.old: b.new for b in broken if b.table == "paths"}}
        known = host.transport.run

        def run(command, **options):
            if "%s %Y %i" not in show(command):
                return known(command, **options)
            if None in modes:
                raise modes[None]
            words = re.search(r"^for p in (.*); do f ", show(command), re.MULTILINE)[1]
            return _paths(command, {p: modes.get(p, DEFAULT) for p in shlex.split(words)})

        host.transport.run = run
        return judge_check(self.check, inputs=self.inputs, host=host, **self.params)


def _paths(command, modes):
    records = [
        ": sh: x: Permission denied" if m == "!" else "e" if m else "" for m in modes.values()
    ]
    lines = [
        "{} {} 0 1 1 1 1 u{}:g".format(*mode.split(), mode.split()[1])
        for mode in modes.values()
        if mode and mode != "!"
    ]
    out = "".join(f"{r or ': sh: x: No such file or directory'}\0" for r in records)
    body = "".join(f"{line}\n" for line in lines)
    return CommandResult(
        command=command,
        exit_code=0,
        stdout=f"{out}{body}\0@end\n".encode(),
        stderr=b"",
        started=0,
        duration=0,
    )


def is_(path, mode):
    """*path* has *mode*, in hexadecimal, and an owner; "" for none, ! for a closed folder."""
    return Break("paths", path, mode)


def log(mode, path):
    """A log file is open."""
    return answers("file_search", f"0\nyes\nf {mode} 0 4 /var/log/{path}\0@end 0\n")


def folder(line):
    """/var/log is so."""
    return breaks(
        "file_stats", "755 0 0 /etc/ssh|", f"{line} /var/log|directory\n755 0 0 /etc/ssh|"
    )


NO_PATHS = (
    Break("paths", None, TimedOut("too slow")),
    is_("/usr", "!"),
)
GRUB = "600 0 0 /boot/grub/grub.cfg|regular file\n"


def grub(line):
    """GRUB's file is so."""
    return breaks("file_stats", "@acl", f"{line} /boot/grub/grub.cfg|regular file\n@acl")


OPEN_UNIT = "f 666 0 0 /etc/systemd/system/x.service\0"
CASES = [
    PathCase(
        checks.test_logs_are_private,
        fails=(
            log("666", "x.log"),
            log("644", "secret.log"),
            log("664", "dpkg.log"),
            log("666", "wtmp"),
            log("641", "private.log"),
            folder("777 0 0"),
            folder("755 7 0"),
            folder("775 0 1000"),
        ),
        errors=(
            answers("file_search", "0\nyes\n"),
            answers("file_search", "7\nyes\n@end 0\n"),
            answers("file_stats", CUT),
        ),
        passes=(
            log("644", "dpkg.log.1"),
            log("644", "apt/history.log"),
            log("644", "tuned/tuned.log"),
            log("664", "wtmp"),
            log("660", "btmp.1"),
            folder("775 0 0"),
        ),
        absent=(breaks("file_stats", "755 0 0 /var/log|directory\n", ""),),
    ),
    PathCase(
        checks.test_what_starts_services_is_writable_by_root_only,
        fails=(
            breaks("startup", "@end", f"{OPEN_UNIT}@end"),
            breaks("startup", "@end 0", f"{OPEN_UNIT}@end 1"),
            is_("/usr/sbin/app", "81fd 0"),
            is_("/usr/sbin/app", "81ed 1000"),
            is_("/usr/sbin", "41ff 0"),
            is_("/etc", "41fd 0"),
            is_("/opt/app/bin/run", "81ed 4"),
            is_("/opt", "41ed 4"),
        ),
        errors=(
            *NO_PATHS,
            answers("startup", CUT),
            answers("startup", "places /etc/systemd\n@end 127\n"),
            answers("startup", (0, STARTUP, "find: '/etc/systemd/x': Permission denied\n")),
            answers("programs", "Id=a.service\n"),
            answers("programs", "@failed 1\n@end\n"),
            answers("programs", "@end\n"),
            answers("passwd", ""),
        ),
        absent=(answers("startup", "places\n@end 0\n"),),
        passes=(
            answers("programs", (42, "", "")),
            is_("/usr/sbin/app", ""),
            is_("/opt/app/bin/run", "81ed 0"),
        ),
    ),
    PathCase(
        checks.test_the_search_path_is_writable_by_root_only,
        fails=(
            is_("/usr/local/bin", "41ff 0"),
            is_("/usr/bin", "41fd 0"),
            is_("/usr/local", "41ed 7"),
            breaks("login_defs", "UID_MIN", "ENV_PATH PATH=/usr/bin:.\nUID_MIN"),
            breaks("login_defs", "UID_MIN", "ENV_SUPATH PATH=/usr/bin:\nUID_MIN"),
            answers("environment", text("/etc/environment", 'PATH="/usr/bin:bin"')),
        ),
        errors=(*NO_PATHS, *(answers("environment", a) for a in NO_TEXT)),
        passes=(
            is_("/usr/local/bin", ""),
            answers("environment", text("/etc/environment", "LANG=C", "PATH=/opt/bin:/usr/bin")),
        ),
    ),
    PathCase(
        checks.test_libraries_are_writable_by_root_only,
        fails=(
            is_("/opt/lib", "41ff 0"),
            is_("/usr/lib", "41fd 0"),
            is_("/etc/ld.so.conf", "81ed 7"),
            is_("/etc/ld.so.preload", "81ff 0"),
            answers("preload", text("/etc/ld.so.preload", "/usr/lib/hide.so")),
            answers("musl", text("/etc/ld-musl-x86_64.path", "/lib:tmp")),
            breaks("conf", "/usr/local/lib", "include more/*.conf"),
            breaks("file_stats", "@acl", "664 0 0 /etc/ld.so.conf.d/x.conf|regular file\n@acl"),
        ),
        errors=(
            *NO_PATHS,
            *(answers("conf", a) for a in NO_TEXT),
            *(answers("conf.d", a) for a in NO_TEXT),
            *(answers("preload", a) for a in NO_TEXT),
            answers("file_stats", CUT),
        ),
        passes=(
            is_("/opt/lib", ""),
            answers("preload", text("/etc/ld.so.preload", "# none")),
            breaks("conf", "/usr/local/lib", "hwcap 1 nosegneg"),
        ),
    ),
    PathCase(
        checks.test_the_boot_loaders_files_are_private,
        fails=(grub("644 0 0"), grub("600 7 0"), grub("620 0 0")),
        errors=(
            answers("file_stats", CUT),
            answers(
                "file_stats",
                (
                    0,
                    "@stat\n755 0 0 /etc|directory\n@acl\n@end\n",
                    "stat: cannot statx '/boot/grub/grub.cfg': Permission denied",
                ),
            ),
        ),
        passes=(grub("400 0 0"), grub("700 0 0")),
        absent=(breaks("file_stats", GRUB, ""),),
    ),
]


@pytest.fixture(autouse=True)
def _files(monkeypatch):
    """The well host has /var/log and a configuration of GRUB."""
    from lab import wellhost

    mark, stat = wellhost.WELL["file_stats"]
    lines = f"755 0 0 /var/log|directory\n{GRUB}"
    well = {**wellhost.WELL, "file_stats": (mark, stat.replace("@stat\n", f"@stat\n{lines}"))}
    monkeypatch.setattr(wellhost, "WELL", well)


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_has_rows():
    assert not uncovered(CASES, checks)


@pytest.mark.parametrize(
    ("check", "inputs", "broken"),
    [
        (checks.test_logs_are_private, {"readable": ["/var/log/s*"]}, log("644", "secret.log")),
        (checks.test_logs_are_private, {"shared": ["/var/log/s*"]}, log("660", "secret.log")),
        (checks.test_logs_are_private, {"groups": ["ann"]}, folder("775 0 1000")),
        (
            checks.test_what_starts_services_is_writable_by_root_only,
            {"allowed": ["/etc/systemd/*"]},
            breaks("startup", "@end", f"{OPEN_UNIT}@end"),
        ),
        (
            checks.test_the_search_path_is_writable_by_root_only,
            {"allowed": ["/usr/local/bin"]},
            is_("/usr/local/bin", "41ff 0"),
        ),
        (
            checks.test_the_search_path_is_writable_by_root_only,
            {"folders": ["/usr/bin"]},
            is_("/usr/local/bin", "41ff 0"),
        ),
        (
            checks.test_libraries_are_writable_by_root_only,
            {"allowed": ["/opt/lib"]},
            is_("/opt/lib", "41ff 0"),
        ),
        (
            checks.test_libraries_are_writable_by_root_only,
            {"preloaded": ["/usr/lib/a.so"]},
            answers("preload", text("/etc/ld.so.preload", "/usr/lib/a.so")),
        ),
        (
            checks.test_the_boot_loaders_files_are_private,
            {"only_with_password": True},
            grub("644 0 0"),
        ),
    ],
)
def test_inputs_make_exceptions(check, inputs, broken):
    assert PathCase(check).judge(broken)[0] == "fail"
    assert PathCase(check, inputs=inputs).judge(broken)[0] == "pass"


def test_a_password_makes_the_boot_loaders_file_private():
    case = PathCase(
        checks.test_the_boot_loaders_files_are_private, inputs={"only_with_password": True}
    )
    readable = grub("644 0 0")
    assert case.judge(readable, answers("grep", (0, "", "")))[0] == "fail"
    assert case.judge(readable, answers("grep", (2, "", "grep: Permission denied")))[0] == "error"
    assert case.judge(grub("646 0 0"))[0] == "fail"


def test_what_a_service_is_given_stays_on_the_host():
    assert "s3cret" not in str(unit_programs.parse("Id=a.service\npath=/a b\n@end\n"))
    found = unit_programs.parse(PROGRAMS)
    assert [(p.unit, p.user, p.path) for p in found] == [
        ("app.service", "", "/usr/sbin/app"),
        ("own.service", "ann", "/opt/app/bin/run"),
    ]


def test_the_folders_above():
    assert with_parents("/a/b") == ["/a/b", "/a", "/"]
    assert with_parents("/") == ["/"]
    assert with_parents("/a/") == ["/a", "/"]


def test_names_of_units_may_hold_anything():
    out = "places /etc/systemd\nf 666 0 0 /etc/a\nb\0x 81b6 0 0 /etc/c\0@end 1\n"
    result = CommandResult(
        command="x", exit_code=0, stdout=out.encode(), stderr=b"", started=0, duration=0
    )
    found = startup_files.parse(result)
    assert [(f.path, f.mode) for f in found.open] == [("/etc/a\nb", 0o666), ("/etc/c", 0o666)]
