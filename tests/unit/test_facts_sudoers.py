"""What sudo allows: cvtsudoers' answer, the files themselves, and both scripts on real shells."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.facts import sudoers
from pytest_sysaudit.facts.sudoers import Default, Rule
from pytest_sysaudit.facts.sudoers_text import parse_text

FILES = r"""# comment
Defaults env_reset, !lecture
Defaults secure_path="/a:/b, c", passwd_tries=3 # three
Defaults:ann,bob !use_pty
Defaults@web1 syslog=local1
Defaults!/bin/ls,/bin/id !authenticate
Defaults>op umask=077
Defaults env_keep += "A B"
User_Alias ADMINS = bob, %ops, !eve : NIGHT = carl
Runas_Alias OP = root, operator
Cmnd_Alias SHELLS = /bin/sh, /bin/bash, \
    !/bin/zsh
Host_Alias HERE = web1
root ALL=(ALL:ALL) ALL
ADMINS HERE = (OP) NOPASSWD: SETENV: SHELLS, PASSWD: /bin/a\,b \
  -x
NIGHT , dan ALL = /bin/date "+%s : now"
!ADMINS ALL=(%wheel) TIMEOUT=3m CWD=/tmp /bin/true
#1000,%#20 ALL=(ALL) ALL
"domain users" ALL = sudoedit /etc/motd
%domain\ admins ALL = NOEXEC:ALL
"""


def test_the_files_themselves():
    rules, defaults = parse_text(FILES)
    assert rules == (
        Rule(("root",), ("ALL", "ALL"), ("ALL",)),
        Rule(
            ("bob", "%ops", "!eve"),
            ("root", "operator"),
            ("/bin/sh", "/bin/bash", "!/bin/zsh"),
            False,
        ),
        Rule(("bob", "%ops", "!eve"), ("root", "operator"), ("/bin/a,b -x",), True),
        Rule(("carl", "dan"), (), ("/bin/date +%s : now",)),
        Rule(("!bob", "!%ops", "eve"), ("%wheel",), ("/bin/true",)),
        Rule(("#1000", "%#20"), ("ALL",), ("ALL",)),
        Rule(("domain users",), (), ("sudoedit /etc/motd",)),
        Rule(("%domain admins",), (), ("ALL",)),
    )
    assert defaults == (
        Default("env_reset", value=True),
        Default("lecture", value=False),
        Default("secure_path", "/a:/b, c"),
        Default("passwd_tries", "3"),
        Default("use_pty", value=False, users=("ann", "bob")),
        Default("syslog", "local1", ("web1",)),
        Default("authenticate", value=False, users=("/bin/ls", "/bin/id")),
        Default("umask", "077", ("op",)),
        Default("env_keep", "A B"),
    )


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "root ALL",
        "ALL=ALL",
        "a b c = ALL",
        "ann ALL = ALL : web1 = ALL",
        "ann ALL = NEWTAG: ALL",
        "ann ALL = ",
        "Defaults a b",
    ],
)
def test_lines_that_are_none(line):
    with pytest.raises(ValueError, match="unknown"):
        parse_text(f"root ALL=(ALL) ALL\n{line}\n")


def test_an_alias_that_names_itself_ends():
    assert parse_text("User_Alias A = A, bob\nA ALL = ALL\n")[0]


def answer(files, tail="@version\nsudo-rs 0.2.8\n@end\n"):
    return f"@files\n{files}\n{tail}"


def test_files_with_what_stands_behind_them():
    found = sudoers.parse(
        answer("root ALL=(ALL) ALL", "@version\nSudo version 1.8.9p5\n@sources files sss\n@end\n")
    )
    assert found.rules == (Rule(("root",), ("ALL",), ("ALL",)),)
    assert (found.version, found.software) == ((1, 8, 9), "Sudo version 1.8.9p5")
    assert found.elsewhere == ("sss",)
    with pytest.raises(CannotAssess, match="sudo asks sss for rules too"):
        found.require_all()
    found.require_all(["sss"])


def test_files_that_hold_the_marks_are_read_to_the_end():
    files = "root ALL=(ALL) ALL\n#@version\n@end\nann ALL=ALL"
    with pytest.raises(ValueError, match="unknown line"):
        sudoers.parse(answer(files))


@pytest.mark.parametrize("cut", [0, 7, 20, 30, 40, 55])
def test_a_cut_answer_is_never_taken(cut):
    text = answer("root ALL=(ALL) ALL\nann ALL=(ALL) NOPASSWD: ALL")
    with pytest.raises((Incomplete, ValueError)):
        sudoers.parse(text[:cut])


def test_the_last_option_counts():
    found = sudoers.parse(answer("Defaults use_pty\nDefaults:ann !use_pty\nDefaults !use_pty"))
    assert found.option("use_pty") is False
    assert found.option("other") is None
    assert found.exceptions("use_pty", value=False) == ("ann",)
    assert found.exceptions("use_pty", value=True) == ()


@pytest.mark.parametrize(
    ("line", "full"),
    [
        ("ann ALL=(ALL) ALL", True),
        ("ann ALL=ALL", True),
        ("ann ALL=(root) ALL", True),
        ("ann ALL=(#0) ALL", True),
        ("ann ALL=(bob) ALL", False),
        ("ann ALL=(ALL) /bin/sh", False),
        ("ann ALL=(ALL) !ALL", False),
    ],
)
def test_which_rule_gives_everything(line, full):
    assert sudoers.parse(answer(line)).rules[0].is_full is full


def test_who_is_excepted_needs_a_password():
    found = sudoers.parse(answer("ann, !bob ALL = NOPASSWD: /bin/ls"))
    assert found.without_password() == ("ann",)


SHELLS = [
    argv for argv in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(argv[0])
]
real = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("cvtsudoers"),
    reason="needs root, unshare and sudo",
)


def run(shell, folder, *, converter):
    """Run the script with *folder* as /etc/sudoers.d and its file ``main`` as /etc/sudoers."""
    tools = ""
    if not converter:
        names = " ".join(shutil.which(name) for name in ("id", "sudo", "sed"))
        tools = f"mount -t tmpfs none /mnt && ln -s {names} /mnt && PATH=/mnt && export PATH &&"
    setup = (
        f"S=$(command -v {shell[0]}) && mount --bind {folder}/main /etc/sudoers && "
        f'mount --bind {folder}/d /etc/sudoers.d && {tools} exec "$S" "$@"'
    )
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", setup, "sh", *shell[1:], "-c", sudoers._SCRIPT],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )


@pytest.fixture
def folder(tmp_path):
    """Files that include each other."""
    (tmp_path / "d").mkdir()
    (tmp_path / "main").write_text(
        "Defaults use_pty\nroot ALL=(ALL:ALL) ALL\n"
        "@includedir /etc/sudoers.d\n#include /etc/sudoers.d/off.one\nlast ALL=(ALL) ALL"
    )
    (tmp_path / "d/ann").write_text("ann ALL=(ALL) \\\n  NOPASSWD: ALL\n")
    (tmp_path / "d/off.one").write_text("off ALL=(root) /bin/ls\n")
    (tmp_path / "d/backup~").write_text("nobody ALL=(ALL) ALL\n")
    for file in (tmp_path / "main", *(tmp_path / "d").iterdir()):
        file.chmod(0o440)
    return tmp_path


@real
@pytest.mark.root
@pytest.mark.parametrize("converter", [True, False], ids=["cvtsudoers", "text"])
@pytest.mark.parametrize("shell", SHELLS, ids=lambda argv: argv[0])
def test_both_ways_see_the_same(shell, converter, folder):
    done = run(shell, folder, converter=converter)
    found = sudoers.parse(done.stdout)
    assert [(r.users, r.commands, r.authenticate, r.is_full) for r in found.rules] == [
        (("root",), ("ALL",), None, True),
        (("ann",), ("ALL",), False, True),
        (("off",), ("/bin/ls",), None, False),
        (("last",), ("ALL",), None, True),
    ]
    assert found.option("use_pty") is True
    assert found.version >= (1, 8)
    assert ("cvtsudoers" in found.software) is converter


@real
@pytest.mark.root
@pytest.mark.parametrize("shell", SHELLS, ids=lambda argv: argv[0])
@pytest.mark.parametrize("line", ["@include /etc/sudoers", "@include /etc/none"])
def test_files_that_cannot_be_followed_are_no_answer(shell, line, folder):
    (folder / "main").write_text(f"root ALL=(ALL:ALL) ALL\n{line}\n")
    done = run(shell, folder, converter=False)
    assert done.returncode not in (0, 42, 43)
    assert "too deep, or no file" in done.stderr
