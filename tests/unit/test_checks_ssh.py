"""Every ssh check on canned hosts: well, broken, and not to be known."""

from __future__ import annotations

import pytest
from lab.wellhost import (
    ABSENT,
    CUT,
    NOT_ROOT,
    SSHD,
    STAT,
    Case,
    answers,
    breaks,
    rows,
    uncovered,
)

from checks.ssh import test_algorithms, test_files, test_sshd

#: All that keeps the settings from being known.
NO_SSHD = (
    answers("sshd", NOT_ROOT),
    answers("sshd", CUT),
    answers("sshd", (255, "", "/etc/ssh/sshd_config line 3: Bad configuration option: Foo")),
    answers("sshd", "@end\n"),
)


def setting(check, /, *bad, good=(), **params):
    """A check of settings: each of *bad* is a line that fails in place of the well host's."""

    def instead(line):
        name = line.split()[0]
        old = next(old for old in SSHD.splitlines() if old.split()[0] == name)
        return breaks("sshd", f"{old}\n", f"{line}\n")

    first = bad[0].split()[0]
    line = next(line for line in SSHD.splitlines() if line.split()[0] == first)
    return Case(
        check,
        fails=tuple(map(instead, bad)),
        errors=(*NO_SSHD, breaks("sshd", f"{line}\n", "")),
        absent=(answers("sshd", ABSENT),),
        passes=tuple(map(instead, good)),
        params=params,
    )


def key(details, why="No such file"):
    """What the shell says of a host key that is not among the others."""
    if not details:
        return f": sh: 1: cannot open it: {why}\n\0\0@end\n"
    return f"ef\0{details}\n\0@end\n"


def included(mode, folder="41ed"):
    """What the shell says of a file that is included, and of the folders that it lies in."""
    lines = (f"{each} 0 0 9 0 8 1 root:root\n" for each in (mode, folder, "41ed"))
    return f"ef\0ed\0ed\0{''.join(lines)}\0@end\n"


KEY_ELSEWHERE = {
    "sshd": ('"$sshd" -T', SSHD.replace("port 22", "hostkey /srv/key\nport 22")),
    "paths": ("for p in /srv/key;", key("8180 0 0 9 0 8 1 root:root")),
}
FILE_ELSEWHERE = {
    "sshd": ('"$sshd" -T', SSHD.replace("@files", "@files\n@file sshd_config\n@file /srv/x")),
    "paths": ("for p in /srv/x", included("81a4")),
}
CASES = [
    setting(
        test_sshd.test_root_cannot_log_in_with_a_password,
        "permitrootlogin yes",
        good=("permitrootlogin no", "permitrootlogin prohibit-password"),
    ),
    setting(test_sshd.test_empty_passwords_are_refused, "permitemptypasswords yes"),
    *(
        setting(test_sshd.test_only_keys_log_in, f"{name} yes", name=name)
        for name in ("passwordauthentication", "kbdinteractiveauthentication")
    ),
    setting(
        test_sshd.test_max_auth_tries_is_low,
        "maxauthtries 6",
        "maxauthtries 5",
        good=("maxauthtries 2",),
    ),
    setting(
        test_sshd.test_login_grace_is_short,
        "logingracetime 120",
        "logingracetime 0",
        good=("logingracetime 30",),
    ),
    setting(test_sshd.test_x11_is_not_forwarded, "x11forwarding yes"),
    setting(test_sshd.test_hosts_do_not_vouch_for_users, "hostbasedauthentication yes"),
    setting(test_sshd.test_rhosts_files_are_ignored, "ignorerhosts no", "ignorerhosts shosts-only"),
    setting(
        test_sshd.test_users_cannot_set_the_environment,
        "permituserenvironment yes",
        "permituserenvironment LANG",
    ),
    setting(
        test_sshd.test_logins_are_logged,
        "loglevel SILENT",
        "loglevel DEBUG3",
        good=("loglevel INFO",),
    ),
    setting(test_sshd.test_open_key_files_are_refused, "strictmodes no"),
    Case(
        test_sshd.test_logins_go_through_pam,
        fails=(breaks("sshd", "usepam yes", "usepam no"),),
        errors=NO_SSHD,
        absent=(breaks("sshd", "usepam yes\n", ""), answers("sshd", ABSENT)),
    ),
    setting(
        test_sshd.test_dead_sessions_end,
        "clientaliveinterval 0",
        "clientaliveinterval 301",
        "clientalivecountmax 0",
        good=("clientaliveinterval 15",),
    ),
    Case(
        test_sshd.test_nothing_is_forwarded,
        fails=(
            breaks("sshd", "allowtcpforwarding no", "allowtcpforwarding local"),
            breaks("sshd", "permittunnel no", "permittunnel point-to-point"),
            breaks("sshd", "gatewayports no", "gatewayports clientspecified"),
        ),
        errors=(*NO_SSHD, breaks("sshd", "permittunnel no\n", "")),
        absent=(answers("sshd", ABSENT),),
        passes=(
            breaks(
                "sshd",
                "allowtcpforwarding no\nallowagentforwarding no\ndisableforwarding no",
                "allowtcpforwarding yes\nallowagentforwarding yes\ndisableforwarding yes",
            ),
        ),
    ),
    setting(
        test_sshd.test_sessions_are_limited,
        "maxsessions 11",
        "maxstartups 10:30:100",
        "maxstartups 100:30:60",
        good=("maxstartups 4:30:10",),
    ),
    setting(
        test_algorithms.test_ciphers_are_strong,
        "ciphers aes256-ctr,aes128-cbc",
        "ciphers 3des-cbc",
        "ciphers rijndael-cbc@lysator.liu.se,aes256-ctr",
        "ciphers arcfour256",
        good=("ciphers some-new-cipher@openssh.com",),
    ),
    setting(
        test_algorithms.test_macs_are_strong,
        "macs hmac-sha1",
        "macs hmac-sha1-etm@openssh.com",
        "macs umac-64@openssh.com,hmac-sha2-512",
        "macs hmac-md5-96",
        good=("macs hmac-sha2-512",),
    ),
    setting(
        test_algorithms.test_key_exchanges_are_strong,
        "kexalgorithms diffie-hellman-group1-sha1",
        "kexalgorithms curve25519-sha256,diffie-hellman-group14-sha1",
        "kexalgorithms diffie-hellman-group-exchange-sha1",
        good=("kexalgorithms mlkem768x25519-sha256",),
    ),
    setting(
        test_algorithms.test_host_keys_sign_without_sha1,
        "hostkeyalgorithms ssh-ed25519,ssh-rsa",
        "hostkeyalgorithms ssh-dss-cert-v01@openssh.com",
        good=("hostkeyalgorithms rsa-sha2-512",),
    ),
    Case(
        test_files.test_private_host_keys_are_private,
        fails=(
            breaks("file_stats", "600 0 0 /etc/ssh/ssh_host", "640 0 0 /etc/ssh/ssh_host"),
            breaks("file_stats", "600 0 0 /etc/ssh/ssh_host", "600 1000 0 /etc/ssh/ssh_host"),
        ),
        errors=(
            answers("file_stats", CUT),
            answers("file_stats", "/etc/ssh\n@stat\n@acl\n@end\n"),
            answers("passwd", ""),
        ),
        absent=(breaks("file_stats", "600 0 0 /etc/ssh/ssh_host_rsa_key|regular file\n", ""),),
    ),
    Case(
        test_files.test_configuration_is_writable_by_root_only,
        fails=(
            breaks("file_stats", "644 0 0 /etc/ssh/sshd_config|", "664 0 0 /etc/ssh/sshd_config|"),
            breaks("file_stats", "644 0 0 /etc/ssh/sshd_config|", "644 7 0 /etc/ssh/sshd_config|"),
            breaks("file_stats", "644 0 0 /etc/ssh/sshd_config.", "646 0 0 /etc/ssh/sshd_config."),
            breaks("file_stats", "755 0 0 /etc/ssh|", "775 0 0 /etc/ssh|"),
            breaks(
                "file_stats", "755 0 0 /etc/ssh/sshd_config.d|", "755 7 0 /etc/ssh/sshd_config.d|"
            ),
        ),
        errors=(
            answers("file_stats", CUT),
            breaks("file_stats", "@stat", "/etc/ssh/sshd_config.d\n@stat"),
        ),
        absent=(breaks("file_stats", "644 0 0 /etc/ssh/sshd_config|regular file\n", ""),),
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    verdict, reason = case.judge(*broken)
    assert verdict is expected, reason


#: Of keys and files in other places than the usual ones, and of words in quotes.
ELSEWHERE = [
    Case(  # sshd takes keywords in quotes
        test_sshd.test_empty_passwords_are_refused,
        fails=(
            breaks("sshd", "\n@end", '\nMatch User bob\n"PermitEmptyPasswords" yes\n@end'),
            breaks("sshd", "\n@end", '\n"Match" User bob\nPermitEmptyPasswords yes\n@end'),
        ),
        errors=NO_SSHD,
    ),
    Case(
        test_files.test_private_host_keys_are_private,
        fails=(
            answers("paths", key("81a4 0 0 9 0 8 1 root:root")),
            answers("paths", key("8180 7 0 9 0 8 1 bob:root")),
        ),
        errors=(
            *NO_SSHD,
            answers("paths", CUT),
            answers("paths", key("", why="Permission denied")),
        ),
        passes=(
            answers("paths", key("")),
            answers("paths", key("81a0 0 9 9 0 8 1 root:ssh_keys")),
            answers("sshd", ABSENT),
        ),
        more=KEY_ELSEWHERE,
    ),
    Case(
        test_files.test_configuration_is_writable_by_root_only,
        fails=(answers("paths", included("81b4")), answers("paths", included("81a4", "41ff"))),
        errors=(*NO_SSHD, answers("paths", CUT)),
        more=FILE_ELSEWHERE,
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(ELSEWHERE))
def test_what_lies_elsewhere_counts(case, broken, expected):
    verdict, reason = case.judge(*broken)
    assert verdict is expected, reason


def test_every_check_has_rows():
    assert not uncovered(CASES, test_algorithms, test_files, test_sshd)


@pytest.mark.parametrize(
    ("check", "line", "params"),
    [
        (test_sshd.test_root_cannot_log_in_with_a_password, "PermitRootLogin yes", {}),
        (test_sshd.test_empty_passwords_are_refused, "PermitEmptyPasswords=yes", {}),
        (
            test_sshd.test_only_keys_log_in,
            "passwordauthentication Yes # for now",
            {"name": "passwordauthentication"},
        ),
        (
            test_sshd.test_only_keys_log_in,
            "ChallengeResponseAuthentication true",
            {"name": "kbdinteractiveauthentication"},
        ),
        (test_sshd.test_max_auth_tries_is_low, "MaxAuthTries 9", {}),
        (test_sshd.test_x11_is_not_forwarded, 'X11Forwarding "yes"', {}),
        (test_sshd.test_hosts_do_not_vouch_for_users, "HostbasedAuthentication yes", {}),
        (test_sshd.test_rhosts_files_are_ignored, "IgnoreRhosts no", {}),
        (test_sshd.test_users_cannot_set_the_environment, "PermitUserEnvironment yes", {}),
        (test_sshd.test_logins_are_logged, "LogLevel QUIET", {}),
        (test_sshd.test_dead_sessions_end, "ClientAliveInterval 10m", {}),
        (test_sshd.test_dead_sessions_end, "ClientAliveCountMax 0", {}),
        (test_sshd.test_nothing_is_forwarded, "AllowTcpForwarding yes", {}),
        (test_sshd.test_sessions_are_limited, "MaxSessions 99", {}),
    ],
)
def test_what_a_match_block_allows_is_allowed(check, line, params):
    case = Case(check, params=params)
    verdict, reason = case.judge(breaks("sshd", "@end", f"Match User ann\n{line}\n@end"))
    assert (verdict, "(Match User ann)" in reason) == ("fail", True), reason
    verdict, reason = case.judge(breaks("sshd", "@end", f"{line}\nMatch User ann\n@end"))
    assert verdict == "pass", reason  # before the first block: sshd -T has said what counts


def test_a_match_block_may_be_stricter():
    case = Case(test_sshd.test_dead_sessions_end)
    assert (
        case.judge(breaks("sshd", "@end", "Match User a\nClientAliveInterval 1m\n@end"))[0]
        == "pass"
    )


def test_a_broken_configuration_is_told_with_its_line():
    case = Case(test_sshd.test_max_auth_tries_is_low)
    assert "line 3: Bad configuration option" in case.judge(NO_SSHD[2])[1]


def test_bounds_are_inputs():
    case = Case(test_sshd.test_max_auth_tries_is_low, inputs={"maximum": 3})
    assert case.judge()[0] == "fail"


def test_host_keys_of_a_red_hat_host_belong_to_their_group():
    case = Case(test_files.test_private_host_keys_are_private)
    old = "600 0 0 /etc/ssh/ssh_host_rsa_key"
    assert old in STAT
    key = breaks("file_stats", old, "640 0 42 /etc/ssh/ssh_host_rsa_key")
    assert case.judge(key)[0] == "fail"
    assert case.judge(key, breaks("group", "shadow:x:42", "ssh_keys:x:42"))[0] == "pass"
