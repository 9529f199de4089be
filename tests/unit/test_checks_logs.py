"""The checks of logs on canned hosts."""

from __future__ import annotations

import re

import pytest
from lab.textfiles import NO_TEXTS, denied, texts
from lab.wellhost import (
    ABSENT,
    CUT,
    DENIED,
    NOT_ROOT,
    Case,
    answers,
    assert_verdict,
    breaks,
    rows,
    uncovered,
)

from checks.linux import test_logs

NOW = 1_700_000_000
RSYSLOGD = "\nId=rsyslog.service\nLoadState=loaded\nActiveState=active\nSubState=running\n@files\n"
TIMER = "\nId=logrotate.timer\nLoadState=loaded\nActiveState=active\nSubState=waiting\n@files\n"
PROCESSES = """1/status:Name:\tsystemd
1/status:State:\tS (sleeping)
1/status:PPid:\t0
1/status:Uid:\t0\t0\t0\t0
9/status:Name:\trsyslogd
9/status:State:\tS (sleeping)
9/status:PPid:\t1
9/status:Uid:\t0\t0\t0\t0
10/status:Name:\tcron
10/status:State:\tS (sleeping)
10/status:PPid:\t1
10/status:Uid:\t0\t0\t0\t0
@arguments
1/cmdline:/sbin/init\0
9/cmdline:/usr/sbin/rsyslogd\0-n\0
10/cmdline:/usr/sbin/cron\0-f\0
self/cmdline:grep\0-a\0

@end
"""
RSYSLOG = """$FileCreateMode 0640
$IncludeConfig /etc/rsyslog.d/*.conf
"""
FORWARD = '*.* action(type="omfwd" target="loghost")'
SS = """ss
tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=33,fd=3))
udp UNCONN 0 0 0.0.0.0:45000 0.0.0.0:* users:(("rsyslogd",pid=9,fd=3))
@end
"""
LOG = f"""@now {NOW} +0000
l {NOW - 9}.0 h sshd[7]: Failed password for root from 203.0.113.9 port 4 ssh2
l {NOW - 8}.0 h kernel: [1.0] EXT4-fs (sda1): mounted filesystem. Opts: errors=remount-ro
l {NOW - 7}.0 h kernel: I/O error, dev sr0, sector 0
@code 0
@lines 3
@end
"""
JOURNAL = "folder /var/log/journal\njournal /var/log/journal/1/system.journal\n@end\n"
MORE = {
    "journald": ("/run/systemd/journal ]", JOURNAL),
    "log": ("@now", LOG),
    "journald.conf": ("/etc/systemd/journald.conf;", NO_TEXTS[1]),
    "drop-in": (
        "/etc/systemd/journald.conf.d/*.conf;",
        texts({"/etc/systemd/journald.conf.d/a.conf": "[Journal]\nStorage=persistent\n"}),
    ),
    "rsyslog.d": (
        "/etc/rsyslog.d/*.conf;",
        texts({"/etc/rsyslog.d/a.conf": FORWARD}),
    ),
    "rsyslog": ("/etc/rsyslog.conf;", texts({"/etc/rsyslog.conf": RSYSLOG})),
    "syslog-ng": ("/etc/syslog-ng/syslog-ng.conf;", NO_TEXTS[1]),
    "all processes": ("self/cmdline", PROCESSES),
    "sockets": ("ss -Hlntup", SS),
    "uid": ("id -u", "0\n"),
    "logrotate": ("for c in logrotate", "/usr/sbin/logrotate\0@end\n"),
    "logrotate.conf": ("/etc/logrotate.conf;", texts({"/etc/logrotate.conf": "weekly\n"})),
    "crontab": (
        "/etc/cron.daily/*;",
        texts(
            {"/etc/cron.daily/logrotate": "#!/bin/sh\n/usr/sbin/logrotate /etc/logrotate.conf\n"}
        ),
    ),
    "root's crontab": ("/var/spool/cron/crontabs/root;", NO_TEXTS[1]),
    "systemd": ("/run/systemd/system; do f", "\0\0@end\n"),
    "container": ("/.dockerenv; do f", "\0\0@end\n"),
    "podman": ("/run/.containerenv; do f", "\0\0@end\n"),
    "manager": ("/run/host/container-manager; do f", "\0\0@end\n"),
    "texts": NO_TEXTS,
}
NO_PROCESSES = (
    answers("all processes", CUT),
    breaks("all processes", "1/status:Name:\tsystemd", ""),
)
NOBODY = answers("all processes", PROCESSES.replace("rsyslogd", "cups"))
NO_JOURNALD = answers("journald", ABSENT)
VOLATILE = answers(
    "journald", "folder /run/log/journal\njournal /run/log/journal/1/system.journal\n@end\n"
)


def forwards(text):
    """The host's further file of rsyslog."""
    return answers("rsyslog.d", texts({"/etc/rsyslog.d/a.conf": text}))


def stored(text):
    """The host's further file of the journal."""
    path = "/etc/systemd/journald.conf.d/a.conf"
    return answers("drop-in", texts({path: f"[Journal]\n{text}\n"}))


CASES = [
    Case(
        test_logs.test_a_log_service_runs,
        fails=(NO_JOURNALD, VOLATILE),
        errors=(
            *NO_PROCESSES,
            answers("journald", CUT),
            answers("journald", "folder /var/log/journal\ndenied /var/log/journal\n@end\n"),
            answers("units", CUT),
        ),
        passes=(NOBODY,),
        more=MORE,
    ),
    Case(
        test_logs.test_the_journal_is_kept,
        fails=(
            stored("Storage=volatile"),
            stored("Storage=none"),
            stored("Storage=auto\nCompress=no"),
            answers("journald", JOURNAL.replace("journal /var", "journal /run")),
            VOLATILE,
        ),
        passes=(stored("Storage=auto"), stored("Storage="), stored("Compress=yes")),
        errors=(
            answers("journald", CUT),
            answers("drop-in", denied("/etc/systemd/journald.conf.d")),
            answers("journald", "folder /var/log/journal\ndenied /var/log/journal\n@end\n"),
        ),
        absent=(NO_JOURNALD,),
        more=MORE,
    ),
    Case(
        test_logs.test_logs_leave_the_host,
        fails=(
            NOBODY,
            forwards("*.* @127.0.0.1"),
            forwards(f"# {FORWARD}"),
            breaks("rsyslog", "$IncludeConfig", "# $IncludeConfig"),
        ),
        passes=(
            answers("all processes", PROCESSES.replace("rsyslogd", "fluent-bit")),
            answers(
                "all processes",
                PROCESSES.replace("rsyslogd\0-n", "syslogd\0-R\0h").replace("rsyslogd", "syslogd"),
            ),
            answers(
                "all processes",
                PROCESSES.replace("/usr/sbin/rsyslogd", "/lib/systemd/systemd-journal-upload"),
            ),
        ),
        errors=(
            *NO_PROCESSES,
            answers("rsyslog", denied("/etc/rsyslog.conf")),
            answers("rsyslog.d", CUT),
            answers("rsyslog", texts({"/etc/rsyslog.conf": "$IncludeConfig /opt/*.conf"})),
        ),
        more=MORE,
    ),
    Case(
        test_logs.test_no_logs_of_others_are_taken,
        fails=(
            breaks("sockets", "0.0.0.0:45000", "0.0.0.0:514"),
            breaks("sockets", "udp UNCONN 0 0 0.0.0.0:45000", "tcp LISTEN 0 0 [::]:45000"),
            breaks("sockets", '"sshd"', '"systemd-journal"'),
            breaks("sockets", '0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=33,fd=3))', "*:6514 *:*"),
            forwards('input(type="imtcp" port="10514")'),
        ),
        passes=(
            breaks("sockets", "0.0.0.0:45000", "127.0.0.1:514"),
            breaks("sockets", ' users:(("sshd",pid=33,fd=3))', ""),
        ),
        errors=(
            *NO_PROCESSES,
            answers("sockets", CUT),
            answers("rsyslog", denied("/etc/rsyslog.conf")),
        ),
        more=MORE,
    ),
    Case(
        test_logs.test_new_log_files_are_private,
        fails=(
            breaks("rsyslog", "0640", "0644"),
            breaks("rsyslog", "$File", "#$File"),
            forwards('action(type="omfile" file="/x" FileCreateMode="0666")'),
        ),
        passes=(
            breaks("rsyslog", "0640", "0600"),
            breaks("rsyslog", "$FileCreateMode 0640", "$FileCreateMode 0644\n1:$Umask 0027"),
        ),
        errors=(*NO_PROCESSES, answers("rsyslog", denied("/etc/rsyslog.conf"))),
        absent=(NOBODY,),
        more=MORE,
    ),
    Case(
        test_logs.test_logs_are_rotated,
        fails=(
            answers("logrotate", "\0@end\n"),
            answers("logrotate.conf", NO_TEXTS[1]),
            answers("crontab", NO_TEXTS[1]),
            answers("all processes", PROCESSES.replace("cron", "cups")),
        ),
        passes=(answers("units", ABSENT),),
        errors=(
            *NO_PROCESSES,
            answers("crontab", denied("/etc/cron.daily")),
            answers("logrotate", CUT),
            answers("logrotate.conf", CUT),
            answers("units", CUT),
        ),
        more=MORE,
    ),
    Case(
        test_logs.test_the_logs_hold_nothing_alarming,
        fails=(
            breaks("log", "[1.0] EXT4-fs (sda1): mounted", "[1.0] EXT4-fs error (device sda1)"),
            breaks("log", "dev sr0", "dev sda"),
            breaks("log", "I/O error, dev sr0", "Oops: 0002"),
            breaks("log", "sshd[7]: Failed", "sshd[7]: message repeated 51 times: [ Failed"),
            breaks(
                "log", "@lines 3", f"l {NOW}.0 h sudo[7]:  x : user NOT in sudoers\n@lines 20000"
            ),
        ),
        errors=(
            answers("log", CUT),
            answers("log", NOT_ROOT),
            answers("log", DENIED),
            answers("log", (1, "", "journalctl is not there")),
            breaks("log", "@code 0", "@code 1"),
            breaks("log", "@lines 3", "@lines 20000"),
        ),
        absent=(answers("log", ABSENT),),
        more=MORE,
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_has_rows():
    assert uncovered(CASES, test_logs) == set()


def test_a_process_that_calls_itself_rsyslogd_is_no_log_service():
    case = Case(test_logs.test_a_log_service_runs, more=MORE)
    assert case.judge(VOLATILE)[0] == "fail"
    running = breaks("units", "@files\n", RSYSLOGD)
    assert case.judge(VOLATILE, running)[0] == "pass"
    assert case.judge(VOLATILE, answers("units", ABSENT))[0] == "pass"
    assert case.judge(VOLATILE, answers("units", ABSENT), NOBODY)[0] == "fail"


@pytest.mark.parametrize("mark", ["container", "podman", "manager"])
def test_a_container_without_init_logs_to_its_host(mark):
    case = Case(test_logs.test_a_log_service_runs, more=MORE)
    alone = answers("all processes", PROCESSES.replace("rsyslogd", "x").replace("systemd", "app"))
    there = answers(mark, "ef\x0081a4 0 0 9 1 2 1 root:root\n\0@end\n")
    assert case.judge(alone, there, VOLATILE)[0] == "not_applicable"
    assert case.judge(alone, VOLATILE)[0] == "fail"
    assert case.judge(NOBODY, there, VOLATILE)[0] == "fail"


def test_the_rotating_timer():
    case = Case(test_logs.test_logs_are_rotated, more=MORE)
    none = answers("crontab", NO_TEXTS[1])
    assert case.judge(none, breaks("units", "@files\n", TIMER))[0] == "pass"
    hidden = answers("root's crontab", denied("/var/spool/cron/crontabs"))
    assert case.judge(none, hidden)[0] == "error"
    assert case.judge(NOBODY, answers("logrotate", "\0@end\n"))[0] == "not_applicable"


def test_who_is_not_root_does_not_know_who_listens():
    case = Case(test_logs.test_no_logs_of_others_are_taken, more=MORE)
    unknown = breaks("sockets", ' users:(("sshd",pid=33,fd=3))', "")
    assert case.judge(unknown, answers("uid", "1000\n"))[0] == "error"
    assert case.judge(unknown, answers("uid", "1000\n"), NOBODY)[0] == "pass"
    inputs = {"log_host": True}
    assert Case(case.check, inputs=inputs, more=MORE).judge()[0] == "not_applicable"


LINES = {
    "failed logins": [
        "sshd: Failed password for invalid user a from b from 192.0.2.7 port 22 ssh2",
        "sshd-session: Failed publickey for ann from 2001:db8::1 port 9 ssh2: RSA SHA256:x",
        "sshd: Failed password for ann from host-1.example",
    ],
    "failed logins (dropbear)": [
        "dropbear: Bad password attempt for 'root' from 192.0.2.7:4022",
        "dropbear: Login attempt for nonexistent user from 192.0.2.7:4022",
    ],
    "failures for root": [
        "sshd: pam_unix(sshd:auth): authentication failure; rhost=192.0.2.7  user=root"
    ],
    "not in sudoers": ["sudo:      ann : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root"],
    "out of memory": [
        "kernel: [1.2] Memory cgroup out of memory: Killed process 7 (php) total-vm:1",
        "kernel: [1.2] Out of memory: Killed process 7 (php) total-vm:1kB, anon-rss:1kB",
    ],
    "crashes": [
        "kernel: [1.2] nginx[7]: segfault at 0 ip 0 sp 0 error 4 in x[1+2]",
        "kernel: traps: nginx[7] general protection fault ip:0",
    ],
    "disk errors": [
        "kernel: EXT4-fs error (device sda1): ext4_find_entry:1",
        "kernel: blk_update_request: I/O error, dev sdb, sector 9",
        "kernel: Buffer I/O error on dev sda1, logical block 1",
        "kernel: XFS (sda1): Corruption detected. Unmount and run xfs_repair",
        "kernel: BTRFS error (device sda1): bdev",
    ],
    "kernel faults": [
        "kernel: [1.2] BUG: unable to handle page fault",
        "kernel: Oops: 0000 [#1] SMP",
        "kernel: INFO: task cp:7 blocked for more than 120 seconds.",
    ],
}
HARMLESS = [
    "sshd: Accepted publickey for ann from 192.0.2.7 port 22 ssh2",
    "kernel: EXT4-fs (sda1): mounted filesystem with ordered data mode. Opts: errors=remount-ro",
    "kernel: Buffer I/O error on dev sr0, logical block 1",
    "kernel: I/O error, dev fd0, sector 0 op 0x0:(READ)",
    "app: BUG: kernel: Oops: Out of memory: Killed process 7 (x)",
    "sudo: ann : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/echo user NOT in sudoers",
    "sshd: pam_unix(sshd:auth): authentication failure; rhost=192.0.2.7  user=rooter",
    "kernel: DEBUG: no fault",
]


def test_every_pattern_fits_its_lines():
    assert LINES.keys() == test_logs.PATTERNS.keys()
    assert test_logs.MAXIMUM.keys() < test_logs.PATTERNS.keys()
    for line in [*HARMLESS, *(line for lines in LINES.values() for line in lines)]:
        wanted = [name for name, lines in LINES.items() if line in lines]
        found = [name for name, text in test_logs.PATTERNS.items() if re.search(text, line)]
        assert found == wanted, line


def test_what_is_counted_for_itself():
    case = Case(test_logs.test_the_logs_hold_nothing_alarming, more=MORE)
    line = "h sshd[7]: Failed password for invalid user hunter2 from {} port 4 ssh2\n"
    many = "".join(f"l {NOW}.0 {line.format('192.0.2.1')}" for _ in range(51))
    few = "".join(f"l {NOW}.0 {line.format(f'192.0.2.{n}')}" for n in range(2, 99))
    told = case.judge(breaks("log", "@code 0", f"{many}{few}@code 0"))
    assert told[0] == "fail"
    assert told[1].splitlines()[0] == "in 24 hours failed logins of 192.0.2.1: 51"
    assert "hunter2" not in told[1]


def test_inputs_of_log_patterns():
    inputs = {"hours": 2, "scope": "all", "patterns": {"it": "mounted"}, "maximum": {}}
    check = test_logs.test_the_logs_hold_nothing_alarming
    told = Case(check, inputs=inputs, more=MORE).judge()
    assert told[1].startswith("in 2 hours it: 1")
    inputs["maximum"] = {"it": 1}
    assert Case(check, inputs=inputs, more=MORE).judge()[0] == "pass"
    verdict, reason = Case(check, inputs={"patterns": {"it": "("}}, more=MORE).judge()
    assert (verdict, "pattern 'it' is no regular expression" in reason) == ("error", True)
