"""Rules of the audit in one form, and what auditctl and auditd's files say."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from lab.fake import FakeTransport
from lab.textfiles import told

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts import audit_rules, auditd, open_facts

SHELLS = [
    argv for argv in (["dash"], ["bash"], ["busybox", "sh"], ["mksh"]) if shutil.which(argv[0])
]


def rule(text):
    ((_, found),) = audit_rules.parse_rules(text)
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("-a always,exit -S open,creat", "-a exit,always -S creat -S open -k files"),
        ("-a always,exit -S all -F path=/x -F perm=wa -F key=y", "-w /x -p aw -k z"),
        ("-w /etc/audit/ -p wa", "-a always,exit -F dir=/etc/audit -F perm=wa"),
        ("-w /x", "-w /x -p rwxa"),
        ("-w /var/run/utmp -p wa", "-w //run/utmp -p wa"),
        ("-a always,exit -S x -F auid!=4294967295", "-a always,exit -S x -F auid!=unset"),
        ("-a always,exit -S x -F auid!=-1", "-a always,exit -S x -F auid!=unset"),
        ("-a always,exit -S x -F euid=root", "-a always,exit -S x -F euid=0"),
        ("-a always,exit -S x -F a0=0x10", "-a always,exit -F a0=16 -S x"),
        ("-a always,exit -S x -F exit=-13", "-a always,exit -S x -F exit=-EACCES"),
        ("-a always,exit -S x -C uid!=euid", "-a always,exit -S x -C euid!=uid -F key='a b'"),
        ("-A always,exit -S x", "-a always,exit -S x"),
    ],
)
def test_one_rule_in_two_ways(one, other):
    assert rule(one) == rule(other)
    assert rule(one).covers(rule(other))


USER = "-F auid>=1000 -F auid!=unset"


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("-a always,exit -S a,b", "-a always,exit -S a"),
        ("-a always,exit -S a", f"-a always,exit -S a {USER}"),
        ("-a always,exit -S all", "-a always,exit -S a"),
        ("-a always,exit -S a -F auid>=500", "-a always,exit -S a -F auid>=1000"),
        ("-w /etc -p wa", "-w /etc/passwd -p w"),
        ("-w /x", "-w /x -p wa"),
        ("-a always,exit -S a", "-a always,exit -F arch=b64 -S a"),
    ],
)
def test_a_wider_rule_covers(wide, narrow):
    assert rule(wide).covers(rule(narrow))
    assert not rule(narrow).covers(rule(wide))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("-w /etc/passwd -p wa", "-w /etc/passwd2 -p wa"),
        ("-a never,exit -S a", "-a always,exit -S a"),
        ("-a always,exit -S a", "-a always,exit -F arch=b32 -S a"),
        ("-a always,exit -F arch=b64 -S a", "-a always,exit -F arch=b32 -S a"),
        ("-a always,exit -S a", "-w /etc/passwd -p wa"),
        ("-w /etc/passwd -p wa", "-a always,exit -S a"),
        ("-a always,exit -S a -F uid=0", "-a always,exit -S a -F uid=1"),
        ("-a always,exit -S a -F auid>=x", "-a always,exit -S a -F auid>=1000"),
    ],
)
def test_rules_that_do_not_cover(one, other):
    assert not rule(one).covers(rule(other))
    assert audit_rules.uncovered(rule(other), [rule(one)])


def test_several_rules_cover_together():
    wanted = rule("-a always,exit -S a,b")
    parts = [rule("-a always,exit -S a"), rule("-a always,exit -S b,c")]
    assert not audit_rules.uncovered(wanted, parts)
    assert audit_rules.uncovered(wanted, parts[:1])
    assert not audit_rules.uncovered(rule("-w /x -p wa"), [rule("-w /x -p w"), rule("-w /x -p a")])
    assert audit_rules.uncovered(rule("-a always,exit"), [])


def test_other_options_are_no_rules():
    text = "No rules\n# x\n\n-D\n-b 8192\n-f 1\n-e 2\n--backlog_wait_time 60000\n-i\n"
    assert audit_rules.parse_rules(f"{text}--loginuid-immutable") == []


@pytest.mark.parametrize(
    "text",
    [
        "what",
        "-a always,exit -S x -Z y",
        "-a always,exit -F what",
        "-w '/x",
        "-a always,exit -S x -F",
    ],
)
def test_lines_that_are_no_rules(text):
    with pytest.raises(ValueError):
        audit_rules.parse_rules(text)


STATUS = "enabled 1\nfailure 1\npid 605\nrate_limit 0\nloginuid_immutable 0 unlocked\n"
RULES = "-w /etc/passwd -p wa -k identity\n"
FILES = {
    "/etc/audit/auditd.conf": "# x\nlog_format = ENRICHED\nmax_log_file=8\nmax_log_file = 9\n",
    "/etc/audit/rules.d/10.rules": "-D\n-w /etc/passwd -p wa\n",
    "/etc/audit/rules.d/99.rules": "# lock\n-e 2\n",
}


def table(answer, files=FILES, denied=()):
    results = {
        lambda command: "auditctl -s" in command: answer,
        lambda command: "d 1 /etc/audit" in command: told(auditd.ROWS["texts"], files, denied),
    }
    return open_facts(FakeTransport(results=results)).auditd


def test_what_the_audit_is_told():
    found = table(f"{STATUS}@rules\n{RULES}@end\n")
    assert (found.daemon_runs, found.is_locked) == (True, False)
    assert found.rules == (rule(RULES),)
    assert found.written == {"/etc/audit/rules.d/10.rules:2": rule(RULES)}
    assert found.locks == ("/etc/audit/rules.d/99.rules:2",)
    assert found.config == {"log_format": "enriched", "max_log_file": "9"}


def test_old_and_idle_audits():
    found = table("AUDIT_STATUS: enabled=2 flag=1 pid=0\n@rules\nNo rules\n@end\n", files={})
    assert (found.daemon_runs, found.is_locked, found.rules) == (False, True, ())
    assert (found.config, found.written) == ({}, {})


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (f"{STATUS}@rules\n{RULES}", Incomplete),
        (f"{STATUS}{RULES}@end\n", CannotAssess),
        (f"{STATUS}@rules\nError\n@end\n", CannotAssess),
        ("@rules\n@end\n", CannotAssess),
        ("enabled what\n@rules\n@end\n", CannotAssess),
        ((4, "", "You must be root to run this program."), CannotAssess),
        ((43, "", ""), Denied),
        ((42, "", ""), NotApplicable),
    ],
)
def test_an_audit_that_was_not_read_is_no_table(answer, error):
    with pytest.raises(error):
        table(answer)


def test_files_that_may_not_be_read():
    with pytest.raises(Denied):
        table(f"{STATUS}@rules\n@end\n", denied=["/etc/audit/auditd.conf"])


@pytest.mark.parametrize("argv", SHELLS, ids=lambda argv: argv[0])
def test_the_script_of_the_audit(argv, tmp_path):
    def run(path):
        script = auditd._SCRIPT.replace("/etc/audit", str(tmp_path / "etc"))
        return subprocess.run(
            [*argv, "-c", script],
            capture_output=True,
            check=False,
            env={"PATH": path, "LC_ALL": "C"},
            executable=shutil.which(argv[0]),
        )

    assert run(str(tmp_path)).returncode == 42
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/auditd.conf").touch()
    assert run(str(tmp_path)).returncode == 1
    tool = tmp_path / "auditctl"
    tool.write_text("#!/bin/sh\n[ $1 != -l ] || echo No rules\n[ $1 != -s ] || echo enabled 1\n")
    tool.chmod(0o755)
    done = run(f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert done.stdout == b"enabled 1\n@rules\nNo rules\n@end\n"
    tool.write_text("#!/bin/sh\necho Error >&2\nexit 1\n")
    done = run(f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert (done.returncode, done.stdout) == (1, b"")
