"""Every Linux check on canned hosts: well, broken, and not to be known."""

from __future__ import annotations

import pytest
from lab.wellhost import (
    ABSENT,
    CUT,
    NOT_ROOT,
    STAT,
    SYSCTL,
    Case,
    answers,
    assert_verdict,
    breaks,
    rows,
    uncovered,
)

from checks.linux import (
    test_file_modes,
    test_kernel,
    test_sudo,
)

NO_STATS = (answers("file_stats", CUT), answers("file_stats", "@stat\n@acl\n@end\n"))
NO_SYSCTL = (answers("sysctl", CUT), answers("sysctl", (1, "", "sh: cd: /proc/sys")))


def denied(path):
    """The file's facts are refused."""
    complaint = f"stat: cannot statx '{path}': Permission denied"
    return answers("file_stats", (0, "@stat\n755 0 0 /etc|directory\n@acl\n@end\n", complaint))


#: No file is there.
GONE = answers("file_stats", "@stat\n755 0 0 /etc|directory\n@acl\n@end\n")


def file_case(check, path, /, *bad, **params):
    """A check of one file: each of *bad* is the beginning of a stat line that fails."""
    line = next(line for line in STAT.splitlines() if f" {path}|" in line)
    return Case(
        check,
        fails=tuple(breaks("file_stats", line, f"{b} {path}|regular file") for b in bad),
        errors=(*NO_STATS, denied(path)),
        absent=(GONE,),
        params=params,
    )


def key_case(check, key, /, *bad, absent=True, **params):
    """A check of one kernel setting: each of *bad* is a value that fails."""
    path = key.replace(".", "/")
    line = next(line for line in SYSCTL.splitlines() if line.startswith(f"./{path}:"))
    without = SYSCTL.replace(f"{line}\n", "")
    return Case(
        check,
        fails=tuple(breaks("sysctl", line, f"./{path}:{value}") for value in bad),
        errors=(
            *NO_SYSCTL,
            breaks("sysctl", line, f"./{path}:what"),
            answers("sysctl", (0, without, f"grep: ./{path}: Permission denied\n")),
        ),
        absent=(answers("sysctl", without),) if absent else (),
        params=params,
    )


def elsewhere(mode, folder="41ed"):
    """What stat says of a folder of rules, and of what lies above it."""
    lines = (f"{each} 0 0 9 0 8 2 root:root\n" for each in (mode, folder, "41ed"))
    return f"ed\0ed\0ed\0{''.join(lines)}\0@end\n"


LINES = "1:@includedir /etc/sudoers.d\n1:#includedir /srv/rules\n1.\n"
TEXTS = {
    "main": ("for f in /etc/sudoers; do l", f"1:/etc/sudoers\0@text\0{LINES}@end\n"),
    "rules": ("for f in /srv/rules/*; do l", "@text\0@end\n"),
    "paths": ("for p in /srv/rules", elsewhere("41ed")),
}
SUDO = [
    Case(
        test_sudo.test_sudo_asks_for_a_password,
        fails=(
            answers(
                "sudoers",
                '{"User_Specs": [{"User_List": [{"username": "ann"}], "Cmnd_Specs": '
                '[{"Options": [{"authenticate": false}], "Commands": [{"command": "ALL"}]}]}]}',
            ),
            answers("sudoers", '{"Defaults": [{"Options": [{"authenticate": false}]}]}'),
            answers("sudoers", '{"Defaults": [{"Options": [{"exempt_group": "wheel"}]}]}'),
            answers(  # Defaults>root !authenticate
                "sudoers",
                '{"Defaults": [{"Binding": [{"username": "root"}], '
                '"Options": [{"authenticate": false}]}]}',
            ),
        ),
        errors=(
            answers("sudoers", NOT_ROOT),
            answers("sudoers", (1, "", "parse error")),
            answers("sudoers", '{"User_Specs"'),
        ),
        absent=(answers("sudoers", ABSENT),),
    ),
    Case(
        test_sudo.test_sudoers_files_are_private,
        fails=(
            breaks("file_stats", "440 0 0 /etc/sudoers|", "444 0 0 /etc/sudoers|"),
            breaks("file_stats", "440 0 0 /etc/sudoers.d/", "442 0 0 /etc/sudoers.d/"),
            breaks("file_stats", "440 0 0 /etc/sudoers.d/", "440 1000 0 /etc/sudoers.d/"),
            breaks("file_stats", "750 0 0 /etc/sudoers.d|", "770 0 0 /etc/sudoers.d|"),
            answers("paths", elsewhere("41fd")),
            answers("paths", elsewhere("41ed", "41ff")),
        ),
        errors=(
            *NO_STATS,
            answers("main", "1!/etc/sudoers: Permission denied\0@text\0@end\n"),
            answers("rules", CUT),
            answers("paths", CUT),
            denied("/etc/sudoers"),
            breaks("file_stats", "@stat", "/etc/sudoers.d\n@stat"),
        ),
        absent=(GONE,),
        more=TEXTS,
    ),
]
FILES = [
    file_case(
        test_file_modes.test_passwd_is_writable_by_root_only, "/etc/passwd", "646 0 0", "644 7 0"
    ),
    file_case(
        test_file_modes.test_group_is_writable_by_root_only, "/etc/group", "664 0 0", "644 0 7"
    ),
    file_case(
        test_file_modes.test_shadow_is_private, "/etc/shadow", "644 0 42", "640 0 1", "640 1 42"
    ),
    file_case(
        test_file_modes.test_gshadow_is_private, "/etc/gshadow", "644 0 42", "640 0 1", "640 1 42"
    ),
    *(
        file_case(
            test_file_modes.test_backups_of_account_files_are_no_laxer,
            path,
            "666 0 0",
            "600 7 0",
            path=path,
            allowed=allowed,
        )
        for path, allowed in (("/etc/passwd-", 0o644), ("/etc/shadow-", 0o640))
    ),
    file_case(
        test_file_modes.test_backups_of_account_files_are_no_laxer,
        "/etc/gshadow-",
        "640 0 1000",
        path="/etc/gshadow-",
        allowed=0o640,
    ),
    *(
        file_case(
            test_file_modes.test_cron_tables_are_writable_by_root_only,
            path,
            "775 0 0",
            "700 7 0",
            path=path,
        )
        for path in ("/etc/crontab", "/etc/cron.d", "/etc/cron.weekly")
    ),
    Case(
        test_file_modes.test_no_host_is_trusted_by_name,
        fails=(
            breaks("file_stats", "@acl", "600 0 0 /etc/hosts.equiv|regular file\n@acl"),
            breaks("file_stats", "@acl", "600 0 0 /etc/ssh/shosts.equiv|regular file\n@acl"),
        ),
        errors=(*NO_STATS, denied("/etc/hosts.equiv")),
    ),
]
KERNEL = [
    key_case(test_kernel.test_addresses_are_random, "kernel.randomize_va_space", "1", "0"),
    key_case(test_kernel.test_syn_cookies_are_on, "net.ipv4.tcp_syncookies", "0"),
    *(
        key_case(test_kernel.test_packets_are_not_forwarded, key, "1", key=key)
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
    ),
    key_case(
        test_kernel.test_redirects_are_off,
        "net.ipv4.conf.eth0.secure_redirects",
        "1",
        absent=False,
        family="ipv4",
        name="secure_redirects",
    ),
    key_case(
        test_kernel.test_redirects_are_off,
        "net.ipv6.conf.all.accept_redirects",
        "1",
        family="ipv6",
        name="accept_redirects",
    ),
    *(
        key_case(test_kernel.test_source_routes_are_refused, key, "1", key=key)
        for key in (
            "net.ipv4.conf.default.accept_source_route",
            "net.ipv6.conf.all.accept_source_route",
        )
    ),
    key_case(
        test_kernel.test_reverse_paths_are_filtered,
        "net.ipv4.conf.eth0.rp_filter",
        "0",
        absent=False,
    ),
    key_case(
        test_kernel.test_icmp_noise_is_ignored,
        "net.ipv4.icmp_echo_ignore_broadcasts",
        "0",
        key="net.ipv4.icmp_echo_ignore_broadcasts",
    ),
    *(
        key_case(
            test_kernel.test_links_of_strangers_are_not_followed,
            f"fs.protected_{name}",
            "0",
            name=name,
        )
        for name in ("hardlinks", "symlinks", "fifos", "regular")
    ),
    key_case(
        test_kernel.test_kernel_addresses_are_hidden,
        "kernel.perf_event_paranoid",
        "1",
        "-1",
        key="kernel.perf_event_paranoid",
        minimum=2,
    ),
    key_case(test_kernel.test_processes_cannot_read_each_other, "kernel.yama.ptrace_scope", "0"),
    key_case(test_kernel.test_privileged_programs_leave_no_core_dump, "fs.suid_dumpable", "1", "2"),
]
CASES = [*SUDO, *FILES, *KERNEL]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_has_rows():
    modules = (test_file_modes, test_kernel)
    assert not uncovered(CASES, *modules, test_sudo)


def test_a_core_dump_through_an_absolute_pattern_is_fine():
    case = Case(test_kernel.test_privileged_programs_leave_no_core_dump)
    piped = answers(
        "sysctl",
        "./kernel/ostype:Linux\n./fs/suid_dumpable:2\n./kernel/core_pattern:|/usr/x\n@end 0\n",
    )
    assert case.judge(piped)[0] == "pass"


def test_what_cron_runs_belongs_to_root():
    check = test_file_modes.test_cron_tables_are_writable_by_root_only
    case = Case(check, params={"path": "/etc/cron.d"})
    job = "644 0 0 /etc/cron.d/backup"
    for bad in ("664 0 0 /etc/cron.d/backup", "644 7 0 /etc/cron.d/backup"):
        verdict, reason = case.judge(breaks("file_stats", job, bad))
        assert (verdict, "/etc/cron.d/backup: " in reason) == ("fail", True)


def test_the_tables_of_cron_may_have_to_be_private():
    for path, well in (("/etc/crontab", "644"), ("/etc/cron.d", "755")):
        case = Case(
            test_file_modes.test_cron_tables_are_writable_by_root_only,
            inputs={"private": True},
            params={"path": path},
        )
        assert case.judge()[0] == "fail"
        assert (
            case.judge(breaks("file_stats", f"{well} 0 0 {path}|", f"700 0 0 {path}|"))[0] == "pass"
        )


def test_jobs_of_alpine_belong_to_root():
    case = Case(
        test_file_modes.test_cron_tables_are_writable_by_root_only,
        params={"path": "/etc/periodic"},
    )
    folders = "755 0 0 /etc/periodic|directory\n755 0 0 /etc/periodic/daily|directory\n"
    for job, expected in (("755 0 0", "pass"), ("757 0 0", "fail")):
        lines = f"{folders}{job} /etc/periodic/daily/x|regular file\n@acl"
        assert case.judge(breaks("file_stats", "@acl", lines))[0] == expected


def test_an_access_list_is_laxer_than_any_mode():
    case = Case(test_file_modes.test_shadow_is_private)
    line = "-rw-r-----+ 1 root shadow 900 Jan  1 12:00 /etc/shadow"
    verdict, reason = case.judge(breaks("file_stats", "@acl", f"@acl\n{line}"))
    assert (verdict, "with an access list" in reason) == ("fail", True)


def test_one_interface_may_forward_alone():
    case = Case(test_kernel.test_packets_are_not_forwarded, params={"key": "net.ipv4.ip_forward"})
    on = breaks("sysctl", "eth0/forwarding:0", "eth0/forwarding:1")
    told = case.judge(on)[1].splitlines()[0]
    assert told == "net.ipv4.ip_forward is 0, but these interfaces forward: eth0"
    case = Case(
        test_kernel.test_packets_are_not_forwarded, params={"key": "net.ipv6.conf.all.forwarding"}
    )
    on = breaks("sysctl", "@end", "./net/ipv6/conf/eth0/force_forwarding:1\n@end")
    assert case.judge(on)[0] == "fail"


def test_a_setting_in_a_folder_that_may_not_be_listed_is_not_absent():
    case = Case(test_kernel.test_processes_cannot_read_each_other)
    without = SYSCTL.replace("./kernel/yama/ptrace_scope:1\n", "")
    assert case.judge(answers("sysctl", without))[0] == "not_applicable"
    for quote in ("'", "\u2018"):
        complaint = f"find: {quote}./kernel/yama{quote}: Permission denied\n"
        assert case.judge(answers("sysctl", (0, without, complaint)))[0] == "error"


def test_a_router_may_forward():
    case = Case(
        test_kernel.test_packets_are_not_forwarded,
        inputs={"router": True},
        params={"key": "net.ipv4.ip_forward"},
    )
    assert case.judge()[0] == "not_applicable"
