"""The checks of the kernel's audit: well, broken, and not to be known."""

from __future__ import annotations

import pytest
from lab.textfiles import told
from lab.wellhost import (
    ABSENT,
    CUT,
    NOT_ROOT,
    UNITS,
    Case,
    answers,
    assert_verdict,
    breaks,
    rows,
    uncovered,
)

from checks.linux import test_audit_rules, test_auditd
from pytest_sysaudit.facts.auditd import ROWS

BOOT = """release 6.1.0-18-amd64
version #1 SMP
arguments root=/dev/sda1 audit=0 audit=1
container
kernel /boot/vmlinuz-6.1.0-18-amd64
@files
file /boot/grub/grub.cfg
entry
kernel /vmlinuz root=/dev/sda1 ro quiet audit=1
kernel /vmlinuz root=/dev/sda1 ro single
kernel /memtest86+.bin
@end
"""
CONF = {
    "max_log_file": "8",
    "max_log_file_action": "keep_logs",
    "space_left_action": "SYSLOG",
    "admin_space_left_action": "Halt",
    "action_mail_acct": "root",
}
#: What auditctl -l prints of rules that cover all that is required.
RULES = """-a always,exit -F arch=b64 -S adjtimex,settimeofday -F key=time-change
-a always,exit -F arch=b32 -S adjtimex,settimeofday,stime -F key=time-change
-w /etc/passwd -p wa -k identity
"""
AUDIT = f"""enabled 2
failure 1
pid 605
backlog_limit 8192
@rules
{RULES}@end
"""
REQUIRED = {
    "time": ["-a exit,always -S settimeofday -S adjtimex"],
    "accounts": ["-w /etc/passwd -p aw -k x", "-w /etc/no-such-file -p wa"],
}
WRITTEN = """## rules
-D
-b 8192
-a always,exit -F arch=b64 -S settimeofday,adjtimex -k t
-w /etc/passwd/ -p wa -k identity
-e 2
"""
#: What is said of a path that is there, and of one that is not.
THERE = "ef\0" + "81a4 0 0 9 9 9 1 root:root\n" + "\0@end\n"
NOWHERE = ": no such file\n\0\0@end\n"


def files(conf=CONF, written=WRITTEN, denied=()):
    there = {
        "/etc/audit/auditd.conf": "".join(f"{k} = {v}\n" for k, v in conf.items()),
        "/etc/audit/rules.d/audit.rules": written,
    }
    return told(ROWS["texts"], {path: text for path, text in there.items() if text}, denied)


MORE = {
    "boot": ("printf 'release", BOOT),
    "built": ("dpkg-query", "dpkg-query\nii \tauditd\t3\tamd64\t\n@end\n"),
    "services": ("systemctl show", UNITS.replace("ssh", "auditd")),
    "audit": ("auditctl -s", AUDIT),
    "files": ("d 1 /etc/audit", files()),
    "machine": ("uname", "Linux 6.1 x86_64\n"),
    "path": ("in /etc/passwd; do", THERE),
    "other": ("in /etc/no-such-file; do", NOWHERE),
}
CONTAINER = breaks("boot", "container\n", "container lxc\n")
NO_BOOT = (answers("boot", CUT),)
NO_AUDIT = (
    *NO_BOOT,
    answers("audit", NOT_ROOT),
    answers("audit", CUT),
    answers("audit", (4, "", "You must be root to run this program.")),
    answers("audit", (1, "", "auditctl is not installed")),
    answers("audit", "failure 1\n@rules\n@end\n"),
    answers("files", files(denied=["/etc/audit/rules.d/audit.rules"])),
)
NOT_HERE = (CONTAINER, answers("audit", ABSENT))


def conf(**changes):
    return answers("files", files({k: v for k, v in {**CONF, **changes}.items() if v}))


CASES = [
    Case(
        test_auditd.test_audit_daemon_runs,
        fails=(
            breaks("built", "ii \tauditd", "rc \tauditd"),
            breaks("services", "ActiveState=active", "ActiveState=inactive"),
            breaks("services", "auditd.service enabled", "auditd.service disabled"),
            answers("services", UNITS),
        ),
        errors=(*NO_BOOT, answers("built", CUT), answers("services", CUT)),
        absent=(CONTAINER,),
        passes=(breaks("built", "auditd", "audit"), answers("services", ABSENT)),
        more=MORE,
    ),
    Case(
        test_audit_rules.test_audit_rules_cover_what_matters,
        fails=(
            breaks("audit", "enabled 2", "enabled 0"),
            breaks("audit", "-w /etc/passwd -p wa -k identity\n", ""),
            breaks("audit", "-w /etc/passwd -p wa", "-w /etc/passwd -p w"),
            breaks("audit", "arch=b32 -S adjtimex,settimeofday", "arch=b32 -S adjtimex"),
            breaks("audit", "-F arch=b64", "-F uid=0 -F arch=b64"),
            breaks("audit", "@rules\n", "@rules\n-a never,task\n"),
            answers("audit", AUDIT.replace(RULES, "No rules\n")),
            answers("files", files(written="-w /etc/other -p wa\n")),
        ),
        errors=(
            *NO_AUDIT,
            breaks("audit", "-w /etc", "what /etc"),
            answers("machine", (127, "", "uname: not found")),
            answers("path", CUT),
            answers("other", ": Permission denied\n\0\0@end\n"),
        ),
        absent=NOT_HERE,
        passes=(
            breaks("audit", "-w /etc/passwd -p wa", "-a always,exit -F dir=/etc -F perm=rwxa"),
            answers("files", files(written="")),
            answers("files", files(written="-a never,exit -F dir=/x\n")),
        ),
        inputs={"required": REQUIRED},
        more=MORE,
    ),
    Case(
        test_auditd.test_audit_log_is_kept,
        fails=(
            conf(max_log_file="5"),
            conf(max_log_file=""),
            conf(max_log_file_action="rotate"),
            conf(space_left_action="ignore"),
            conf(space_left_action=""),
            conf(admin_space_left_action="suspend"),
            answers("files", files({**CONF, "space_left_action": "email", "action_mail_acct": ""})),
        ),
        errors=(*NO_AUDIT, answers("files", files(conf={}))),
        absent=NOT_HERE,
        passes=(conf(max_log_file="20"), conf(space_left_action="exec /usr/bin/tell")),
        more=MORE,
    ),
    Case(
        test_auditd.test_audit_rules_are_locked,
        fails=(breaks("audit", "enabled 2", "enabled 1"),),
        errors=(*NO_AUDIT, breaks("audit", "enabled 2", "enabled yes")),
        absent=NOT_HERE,
        passes=(answers("audit", "AUDIT_STATUS: enabled=2 flag=1 pid=605\n@rules\n@end\n"),),
        more=MORE,
    ),
    Case(
        test_auditd.test_audit_begins_with_the_kernel,
        fails=(
            breaks("boot", "audit=0 audit=1", "audit=1 audit=0"),
            breaks("boot", "audit=0 audit=1", "quiet"),
            breaks("boot", "ro quiet audit=1", "ro quiet"),
        ),
        errors=(*NO_BOOT, breaks("boot", "@files", "@files\nrefused /boot/grub/custom.cfg")),
        absent=(CONTAINER,),
        more=MORE,
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts_of_the_audit(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_of_the_audit_has_rows():
    assert not uncovered(CASES, test_auditd, test_audit_rules)


@pytest.mark.parametrize(
    ("broken", "verdict"),
    [
        ((answers("built", ABSENT),), "pass"),
        ((answers("built", ABSENT), answers("services", UNITS)), "fail"),
        ((answers("services", ABSENT), breaks("audit", "pid 605", "pid 0")), "fail"),
        ((answers("services", ABSENT), answers("audit", ABSENT)), "fail"),
        ((answers("services", ABSENT), answers("audit", NOT_ROOT)), "error"),
        ((answers("services", ABSENT), breaks("built", "auditd", "other")), "fail"),
        ((answers("built", ABSENT), answers("services", ABSENT)), "pass"),
    ],
)
def test_a_daemon_without_systemd_or_packages(broken, verdict):
    case = Case(test_auditd.test_audit_daemon_runs, more=MORE)
    assert case.judge(*broken)[0] == verdict


def test_the_message_names_subject_rule_and_width():
    case = Case(
        test_audit_rules.test_audit_rules_cover_what_matters,
        inputs={"required": REQUIRED},
        more=MORE,
    )
    told_ = case.judge(breaks("audit", "arch=b32 -S adjtimex,", "arch=b32 -S "))[1]
    assert told_.splitlines()[0] == (
        "1 finding: time: -a exit,always -S settimeofday -S adjtimex b32"
    )


def test_a_file_that_is_not_in_force_is_named():
    case = Case(test_auditd.test_audit_rules_are_locked, more=MORE)
    told_ = case.judge(breaks("audit", "enabled 2", "enabled 1"))[1]
    assert "/etc/audit/rules.d/audit.rules:6 says so, but it is not in force" in told_


@pytest.mark.parametrize(
    ("machine", "rules", "verdict"),
    [
        ("aarch64", "-a always,exit -F arch=b64 -S fchmodat\n", "pass"),
        ("x86_64", "-a always,exit -F arch=b64 -S fchmodat\n", "fail"),
        ("i686", "-a always,exit -F arch=b32 -S chmod,fchmodat\n", "pass"),
        ("i686", "-a always,exit -F arch=b64 -S chmod,fchmodat\n", "fail"),
        ("s390x", "-a always,exit -S chmod,fchmodat\n", "pass"),
        ("x86_64", "-a always,exit -S chmod,fchmodat\n", "fail"),
    ],
)
def test_what_a_machine_can_call(machine, rules, verdict):
    case = Case(
        test_audit_rules.test_audit_rules_cover_what_matters,
        inputs={"required": {"permissions": ["-a always,exit -S chmod,fchmodat"]}},
        more=MORE,
    )
    found = case.judge(
        answers("machine", f"Linux 6.1 {machine}\n"),
        answers("audit", AUDIT.replace(RULES, rules)),
        answers("files", files(written="")),
    )
    assert found[0] == verdict


def test_calls_that_a_machine_never_had_are_not_wanted():
    case = Case(
        test_audit_rules.test_audit_rules_cover_what_matters,
        inputs={"required": {"permissions": ["-a always,exit -S chmod"]}},
        more=MORE,
    )
    found = case.judge(
        answers("machine", "Linux 6.1 riscv64\n"), answers("files", files(written=""))
    )
    assert found[0] == "pass"


def test_the_default_rules_are_rules():
    texts = [text for texts in test_audit_rules.REQUIRED.values() for text in texts]
    found = test_audit_rules._rules(texts)
    assert len(found) == len(texts)
    assert all(rule.watch or rule.calls for _, rule in found)
