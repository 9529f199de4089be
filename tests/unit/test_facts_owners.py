"""Whose package a program is of, with which capabilities it runs, and files of nobody."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.facts import capabilities, open_facts, owners
from pytest_sysaudit.facts.file_stats import FileFact
from pytest_sysaudit.facts.owners import Owner
from pytest_sysaudit.transport.base import CommandResult, Script

SUID = "/usr/bin/su"
TOOLS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHELLS = [("dash",), ("bash", "--posix"), ("mksh",), ("busybox", "sh")]


def result(out, code=0, err=""):
    return CommandResult(
        command="x", exit_code=code, stdout=out.encode(), stderr=err.encode(), started=0, duration=0
    )


def parsed(out, *paths, code=0, err=""):
    return owners.parse(result(out, code, err), paths or (SUID,))


DPKG = """link /bin
link /lib
dpkg
/var/lib/dpkg/info/util-linux.list:/bin/su
/var/lib/dpkg/info/libx:amd64.list:/usr/lib/x.list:/y
/var/lib/dpkg/diversions:/usr/bin/old.distrib
@end
"""


def test_the_lists_of_dpkg():
    paths = (SUID, "/usr/lib/x.list:/y", "/usr/bin/old.distrib", "/usr/bin/none")
    assert parsed(DPKG, *paths) == owners.Owners(
        "dpkg",
        {
            SUID: Owner("util-linux"),
            "/usr/lib/x.list:/y": Owner("libx:amd64"),
            "/usr/bin/old.distrib": Owner("a diversion"),
        },
    )


def test_the_other_path_counts_only_where_the_folder_is_a_link():
    assert SUID not in parsed(DPKG.replace("link /bin\n", "")).owners


RPM = """rpm
util-linux\t104755\t/usr/bin/su
util-linux\t102755\t/usr/bin/write
file /usr/bin/stray is not owned by any package
@rpm 1
@end
"""


def test_the_modes_of_rpm():
    found = parsed(RPM, SUID, "/usr/bin/write", "/usr/bin/stray", "/usr/bin/bash")
    assert found.owners == {
        SUID: Owner("util-linux", 0o4755),
        "/usr/bin/write": Owner("util-linux", 0o2755),
        "/usr/bin/bash": Owner("its package", 0),
    }
    gone = parsed(RPM, "/gone", err="error: file /gone: No such file or directory\n")
    assert gone.owners == {}


@pytest.mark.parametrize(
    ("out", "code", "err"),
    [
        ("dpkg\n", 0, ""),
        ("", 0, ""),
        ("dpkg\n@end\n", 2, "grep: /var/lib/dpkg/info/x.list: Permission denied"),
        ("dpkg\nwhat\n@end\n", 0, ""),
        ("apk\nwhat\n@end\n", 0, ""),
        ("rpm\n@end\n", 0, "sh: rpm: not found"),
        ("rpm\n@rpm 127\n@end\n", 0, ""),
        ("rpm\n@rpm 1\n@end\n", 0, "error: rpmdb open failed"),
        ("rpm\n@end\n", 0, ""),
        ("", 1, "no way to ask for the packages of /var/lib/pacman/local"),
    ],
)
def test_what_is_no_answer(out, code, err):
    transport = FakeTransport(
        results={
            "cat /proc/self/mounts": "x / ext4 rw 0 0\n",
            "cat /etc/passwd": "root:x:0:0::/root:/bin/sh\n",
            "cat /etc/group": "root:x:0:\n",
            lambda command: "-xdev" in command: f"0\nyes\nf 4755 0 0 {SUID}\0@end 0\n",
            lambda command: "dpkg/status" in command: (code, out, err),
        }
    )
    with pytest.raises(CannotAssess):
        open_facts(transport).owners  # noqa: B018 - reads the table


def test_objections():
    suid = FileFact("/usr/bin/su", 0o4755, 0, 0, "regular file")
    known = owners.Owners("dpkg", {SUID: Owner("util-linux")})
    assert known.objection(suid, ["su"]) == ""
    assert "no known program" in known.objection(suid, ["sudo"])
    assert owners.Owners("dpkg", {}).objection(suid, ["su"]) == "of no package"
    assert "no package manager" in owners.Owners("", {}).objection(suid, ["su"])
    with_mode = owners.Owners("rpm", {SUID: Owner("util-linux", 0o4755)})
    assert with_mode.objection(suid, []) == ""
    both = FileFact("/usr/bin/su", 0o6755, 0, 0, "regular file")
    assert with_mode.objection(both, ["su"]) == "not so in util-linux"


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def shell(request):
    program = shutil.which(request.param[0])
    if program is None:
        pytest.skip(f"there is no {request.param[0]}")
    return [program, *request.param[1:]]


def ask(shell, top, paths, tools=TOOLS):
    """Run the command on a host whose files lie below *top*."""
    script = owners.command(paths)
    for folder in ("/var/lib", "/lib/apk", "/usr/lib/apk", "/usr/lib/sysimage"):
        script = Script(script.replace(f" {folder}", f" {top}{folder}"))
    done = subprocess.run(
        [*shell, "-c", script],
        capture_output=True,
        env={"LC_ALL": "C", "PATH": tools},
        check=False,
    )
    out = done.stdout.decode().replace(str(top), "")
    return owners.parse(result(out, done.returncode, done.stderr.decode()), paths)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_dpkgs_files_are_read_by_every_shell(shell, tmp_path):
    write(tmp_path / "var/lib/dpkg/status", "Package: x\n")
    write(tmp_path / "var/lib/dpkg/info/x.list", "/opt/it's\n/opt/su\n/usr/bin/[a]\n")
    write(tmp_path / "var/lib/dpkg/diversions", "/opt/old\n/opt/old.distrib\nx\n")
    paths = ["/opt/it's", "/opt/s", "/usr/bin/[a]", "/usr/bin/a", "/opt/old.distrib", "-e"]
    found = ask(shell, tmp_path, paths)
    assert found.manager == "dpkg"
    assert set(found.owners) == {"/opt/it's", "/usr/bin/[a]", "/opt/old.distrib"}


APK = """C:Q1
P:busybox-suid
V:1.36
F:
M:0:0:755
F:bin
R:bbsuid
a:0:0:4111
Z:Q1
R:plain
Z:Q1

P:other
F:usr/bin
R:su
"""


def test_apks_data_base_is_read_by_every_shell(shell, tmp_path):
    write(tmp_path / "lib/apk/db/installed", APK)
    paths = ["/bin/bbsuid", "/bin/plain", "/usr/bin/su", "/bin/su"]
    found = ask(shell, tmp_path, paths)
    assert found.manager == "apk"
    expected = {
        "/bin/bbsuid": Owner("busybox-suid", 0o4111),
        "/bin/plain": Owner("busybox-suid", 0),
        "/usr/bin/su": Owner("other", 0),
    }
    assert found.owners == expected


#: What rpm 4.18 prints: all files of the package of each path.
FAKE_RPM = """#!/bin/sh
printf 'lab\\t100755\\t/x/plain\\nlab\\t0104755\\t/x/suid\\nlab\\t0104755\\t/x/suid\\n'
echo 'file /x/stray is not owned by any package'
echo 'error: file /x/none: No such file or directory' >&2
exit 2
"""


def test_rpm_is_asked_by_every_shell(shell, tmp_path):
    write(tmp_path / "var/lib/rpm/rpmdb.sqlite", "x")
    write(tmp_path / "bin/rpm", FAKE_RPM)
    (tmp_path / "bin/rpm").chmod(0o755)
    paths = ["/x/suid", "/x/plain", "/x/stray", "/x/none"]
    found = ask(shell, tmp_path, paths, f"{tmp_path}/bin:{TOOLS}")
    assert found.owners == {"/x/suid": Owner("lab", 0o4755), "/x/plain": Owner("its package", 0)}


def test_without_rpm_its_data_base_says_nothing(shell, tmp_path):
    write(tmp_path / "var/lib/rpm/Packages", "x")
    if shutil.which("rpm"):
        pytest.skip("rpm is here")
    with pytest.raises(CannotAssess, match="rpm"):
        ask(shell, tmp_path, ["/x/suid"])


def test_other_managers_are_an_error_and_none_is_none(shell, tmp_path):
    assert ask(shell, tmp_path, ["/x"]) == owners.Owners("", {})
    (tmp_path / "var/lib/pacman/local").mkdir(parents=True)
    with pytest.raises(CannotAssess, match="pacman"):
        ask(shell, tmp_path, ["/x"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("/usr/bin/ping cap_net_raw=ep\n", [("/usr/bin/ping", {"cap_net_raw"})]),
        ("/usr/bin/ping = cap_net_raw+ep\n", [("/usr/bin/ping", {"cap_net_raw"})]),
        ("/a b =ep\n", [("/a b", {"all"})]),
        ("/a all=ep\n", [("/a", {"all"})]),
        ("/a cap_chown,cap_kill=eip\n/b cap_bpf=p\n", None),
        ("/a cap_chown=p cap_kill+ep [rootid=7]\n", [("/a", {"cap_chown", "cap_kill"})]),
        ("/a\nb cap_kill=ep\n", [("/a\nb", {"cap_kill"})]),
    ],
)
def test_lines_of_getcap(text, expected):
    if expected is None:
        expected = [("/a", {"cap_chown", "cap_kill"}), ("/b", {"cap_bpf"})]
    assert [(c.path, c.names) for c in capabilities.parse(text)] == expected


@pytest.mark.parametrize(
    "text", ["usage: getcap\n", "/a\n", "/a cap_kill=ep\nwhat\n", "x /a =ep\n"]
)
def test_what_is_no_line_of_getcap(text):
    with pytest.raises(ValueError):
        capabilities.parse(text)


def test_the_attribute_of_a_file():
    second = struct.pack("<5I", 0x2000001, 1 << 13, 0, 1 << 7, 0)
    assert capabilities.parse_attribute(second) == {"cap_net_raw", "cap_bpf"}
    first = struct.pack("<3I", 0x1000001, 1 << 7, 1 << 6)
    assert capabilities.parse_attribute(first) == {"cap_setuid", "cap_setgid"}
    assert capabilities.parse_attribute(struct.pack("<5I", 0x2000000, 0, 0, 1 << 31, 0)) == {
        "cap_63"
    }
    with pytest.raises(ValueError):
        capabilities.parse_attribute(b"short")


def searched(out, getcap="yes", **fields):
    answers = {
        "cat /proc/self/mounts": "x / ext4 rw 0 0\n",
        "cat /etc/passwd": "root:x:0:0::/root:/bin/sh\nann:x:7:7::/:/bin/sh\n",
        "cat /etc/group": "root:x:0:\nann:x:7:\n",
        lambda command: "id -u" in command and "-xdev" in command: f"0\n{getcap}\n{out}@end 0\n",
        **fields,
    }
    return FakeTransport(results=answers)


def test_without_getcap_its_package_is_named():
    with pytest.raises(CannotAssess, match="libcap2-bin"):
        open_facts(searched("", "no")).capabilities  # noqa: B018 - reads the table


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives capabilities")
def test_this_machine_needs_no_getcap(tmp_path):
    program, plain = tmp_path / b"odd\xff".decode("utf-8", "surrogateescape"), tmp_path / "plain"
    for path in (program, plain):
        path.touch()
    os.setxattr(program, "security.capability", struct.pack("<5I", 0x2000001, 1 << 13, 0, 0, 0))
    transport = searched("", "no")
    listing = b"\0".join(map(os.fsencode, (program, plain, tmp_path / "gone"))) + b"\0"
    transport.results[lambda command: "-print0" in command] = listing
    transport.measure = lambda _name, how: how()
    found = open_facts(transport).capabilities
    assert [str(c) for c in found] == [f"{tmp_path}/odd\\xff (cap_net_raw)"]


def test_a_directory_may_know_a_number():
    out = "f 644 4242 0 /a\0f 644 0 0 /b\0f 644 9 7 /c\0f 644 7 4343 /d\0"
    transport = searched(out)
    transport.results[lambda command: "passwd 9\n" in command] = "ldap:x:9:7::/:/bin/sh\n"
    transport.results[lambda command: "getent" in command] = (2, "", "")
    found = open_facts(transport).orphans
    assert [f.path for f in found] == ["/a", "/d"]


def test_a_directory_that_does_not_answer_is_no_answer():
    transport = searched("f 644 4242 0 /a\0")
    transport.results[lambda command: "getent" in command] = (1, "", "getent: unknown")
    with pytest.raises(CannotAssess):
        open_facts(transport).orphans  # noqa: B018 - reads the table


def test_without_the_accounts_nobody_is_known():
    transport = searched("f 644 4242 0 /a\0f 4755 0 0 /s\0")
    transport.results["cat /etc/passwd"] = (1, "", "Permission denied")
    facts = open_facts(transport)
    assert len(facts.file_search.files) == 2
    with pytest.raises(CannotAssess):
        facts.orphans  # noqa: B018 - reads the table


def test_what_was_cut_has_no_owners():
    with pytest.raises(Incomplete):
        parsed("dpkg\n/var/lib/dpkg/info/x.list:/usr/bin/su\n")
