"""The checks of accounts and their passwords: well, broken, and not to be known."""

from __future__ import annotations

import pytest
from lab.wellhost import DENIED, Case, answers, assert_verdict, breaks, rows, uncovered

from checks.linux import test_accounts, test_password_ages

#: All that keeps the accounts from being known.
NO_ACCOUNTS = (
    answers("passwd", DENIED),
    answers("passwd", (2, "", "sed: can't read /etc/passwd: No such file or directory")),
    answers("passwd", ""),
    answers("group", "root:x:0\n"),
)
NO_SHADOW = (
    answers("shadow", DENIED),
    answers("shadow", ""),
    answers("shadow", (2, "", "awk: cannot open /etc/shadow (No such file or directory)")),
)
ACCOUNTS = [
    Case(
        test_accounts.test_only_root_has_uid_0,
        fails=(
            breaks("passwd", "ann:x:1000", "ann:x:0"),
            breaks("passwd", "root:x:0:0", "root:x:5:0"),
            breaks("passwd", "ann:x:1000", "root:x:0"),
        ),
        errors=NO_ACCOUNTS,
    ),
    Case(
        test_accounts.test_no_account_has_an_empty_password,
        fails=(
            breaks("shadow", "$y$:73", ":0"),
            breaks("passwd", "ann:x:", "ann::"),
        ),
        errors=(*NO_SHADOW, *NO_ACCOUNTS),
        passes=(breaks("shadow", "$y$:73", "!:2"), breaks("shadow", "$y$:73", "*:4")),
    ),
    Case(
        test_accounts.test_passwords_are_shadowed,
        fails=(breaks("passwd", "ann:x:", "ann:(hidden):"), breaks("passwd", "ann:x:", "ann::")),
        errors=NO_ACCOUNTS,
    ),
    Case(
        test_accounts.test_password_hashes_are_strong,
        fails=(
            breaks("shadow", "$y$:73", "$1$:34"),
            breaks("shadow", "$y$:73", "a:13"),
            breaks("shadow", "$y$:73", "$0$:9"),
        ),
        errors=NO_SHADOW,
        passes=(breaks("shadow", "$y$:73", "!:34"), breaks("shadow", "$y$:73", "$6$:106")),
    ),
    Case(
        test_accounts.test_user_ids_are_unique,
        fails=(breaks("passwd", "ann:x:1000", "ann:x:1"),),
        errors=NO_ACCOUNTS,
    ),
    Case(
        test_accounts.test_group_ids_are_unique,
        fails=(breaks("group", "ann:x:1000", "ann:x:42"),),
        errors=NO_ACCOUNTS,
    ),
    Case(
        test_accounts.test_names_are_unique,
        fails=(breaks("passwd", "daemon:x:1", "ann:x:1"),),
        errors=NO_ACCOUNTS,
        params={"kind": "users"},
    ),
    Case(
        test_accounts.test_names_are_unique,
        fails=(breaks("group", "daemon:x:1", "ann:x:1"),),
        errors=NO_ACCOUNTS,
        params={"kind": "groups"},
    ),
    Case(
        test_accounts.test_primary_groups_exist,
        fails=(breaks("passwd", "ann:x:1000:1000", "ann:x:1000:1001"),),
        errors=NO_ACCOUNTS,
    ),
    Case(
        test_accounts.test_system_accounts_have_no_shell,
        fails=(
            breaks("passwd", "/usr/sbin/nologin", "/bin/sh"),
            breaks("passwd", "/usr/sbin/nologin", ""),
            breaks("passwd", "/usr/sbin/nologin", "/opt/nologin"),
            breaks("login_defs", "UID_MIN 1000", "UID_MIN 2000"),
        ),
        errors=(*NO_ACCOUNTS, answers("login_defs", DENIED), answers("login_defs", "UID_MIN x\n")),
        passes=(answers("login_defs", (1, "", "cat: /etc/login.defs: No such file or directory")),),
    ),
    Case(
        test_accounts.test_no_accounts_come_from_nis,
        fails=(
            breaks("passwd", "ann:x", "+::::::\nann:x"),
            breaks("group", "ann:x", "+:::\nann:x"),
            breaks("shadow", "ann:", "+::0:9\nann:"),
        ),
        errors=(*NO_ACCOUNTS, *NO_SHADOW),
    ),
    Case(
        test_accounts.test_group_shadow_is_empty,
        fails=(
            breaks("group", "shadow:x:42:", "shadow:x:42:ann"),
            breaks("passwd", "ann:x:1000:1000", "ann:x:1000:42"),
            breaks("group", "shadow:x:42:", "shadow:x:42:\nbackup:x:42:ann"),
        ),
        errors=NO_ACCOUNTS,
        absent=(breaks("group", "shadow:", "other:"),),
    ),
    Case(
        test_accounts.test_powerful_groups_have_the_members_that_are_known,
        fails=(
            breaks("group", "daemon:x:1:", "docker:x:1:ann"),
            breaks("group", "daemon:x:1:", "sudo:x:27:root,ann"),
            breaks("group", "daemon:x:1:", "disk:x:1000:"),
            breaks("group", "daemon:x:1:", "adm:x:4:\nadm:x:5:ann"),
            breaks("passwd", "ann:x:1000:1000", "ann:x:1000:0"),
        ),
        passes=(
            breaks("group", "daemon:x:1:", "adm:x:4:root,adm,daemon"),
            breaks("group", "daemon:x:1:", "dockers:x:1:ann"),
            breaks("group", "daemon:x:1:", "wheel:x:10:root"),
        ),
        errors=NO_ACCOUNTS,
    ),
]

LOGIN_DEFS = """UID_MIN 1000
PASS_MAX_DAYS 99999
PASS_MAX_DAYS 365
PASS_MIN_DAYS 1
PASS_WARN_AGE 7
UMASK 027
ENCRYPT_METHOD yescrypt
"""
#: The well host's login.defs says nothing of ages.
IS_SET = answers("login_defs", LOGIN_DEFS)


def ann(ages):
    """The ages of ann's password."""
    return breaks("shadow", "9:19000:1:365:7:30", f"9:{ages}")


def defs(old, new):
    assert old in LOGIN_DEFS
    return answers("login_defs", LOGIN_DEFS.replace(old, new))


AGES = Case(
    test_password_ages.test_passwords_age,
    fails=(
        ann("19000:1:366:7:30"),
        ann("19000:1::7:30"),
        ann("19000:0:365:7:30"),
        ann("19000:1:365:6:30"),
        ann("19000:1:365:7:"),
        ann("19000:1:365:7:31"),
        ann(":1:365:7:30"),
        ann("99999:1:365:7:30"),
        breaks("shadow", "root:!:1", "root:$6$:99"),
    ),
    passes=(
        ann("0:1:365:7:30"),
        ann("19000:7:60:14:0"),
        breaks("shadow", "ann:$y$:73:9:19000:1:365:7:30", "ann:!:74:9:19000:0:99999:7:"),
        breaks("shadow", "ann:$y$:73:9:19000:1:365:7:30", "ann::0:9:::::"),
    ),
    errors=(*NO_SHADOW, ann("x:1:365:7:30"), ann("19000:1:365")),
)
CASES = [*ACCOUNTS, AGES]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_has_rows():
    assert uncovered(CASES, test_accounts, test_password_ages) == {DEFS}


#: Its rows stand below: the well host's login.defs says less.
DEFS = "test_new_accounts_begin_with_safe_settings"


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (IS_SET, "pass"),
        (defs("UMASK 027", "UMASK 077"), "pass"),
        (defs("PASS_MAX_DAYS 365", "PASS_MAX_DAYS\t60 # days"), "pass"),
        (defs("yescrypt", "SHA512"), "pass"),
        (defs("PASS_MAX_DAYS 365", "# PASS_MAX_DAYS 365"), "fail"),
        (defs("PASS_MAX_DAYS 365", "PASS_MAX_DAYS -1"), "fail"),
        (defs("PASS_MIN_DAYS 1", "PASS_MIN_DAYS 0"), "fail"),
        (defs("PASS_WARN_AGE 7\n", ""), "fail"),
        (defs("UMASK 027", "UMASK 022"), "fail"),
        (defs("UMASK 027\n", ""), "fail"),
        (defs("yescrypt", "MD5"), "fail"),
        (defs("ENCRYPT_METHOD yescrypt\n", ""), "fail"),
        (defs("PASS_MIN_DAYS 1", "PASS_MIN_DAYS one"), "error"),
        (answers("login_defs", DENIED), "error"),
        (answers("login_defs", (1, "", "cat: /etc/login.defs: No such file")), "not_applicable"),
    ],
)
def test_settings_of_new_accounts(broken, expected):
    case = Case(test_password_ages.test_new_accounts_begin_with_safe_settings)
    verdict, reason = case.judge(broken)
    assert (case.check.__name__, verdict) == (DEFS, expected), reason


@pytest.mark.parametrize(
    ("check", "inputs", "broken"),
    [
        (
            test_accounts.test_system_accounts_have_no_shell,
            {"allowed": ["root", "daemon"]},
            breaks("passwd", "/usr/sbin/nologin", "/bin/sh"),
        ),
        (
            test_accounts.test_powerful_groups_have_the_members_that_are_known,
            {"members": {"docker": ["ann", "daemon"]}},
            breaks("group", "daemon:x:1:", "docker:x:1:ann"),
        ),
        (
            test_accounts.test_powerful_groups_have_the_members_that_are_known,
            {"groups": ["sudo"]},
            breaks("group", "daemon:x:1:", "docker:x:1:ann"),
        ),
        (test_password_ages.test_passwords_age, {"maximum": 0, "inactive": 0}, ann("9:1:::")),
        (test_password_ages.test_passwords_age, {"minimum": 0}, ann("9:0:365:7:30")),
        (test_password_ages.test_passwords_age, {"ignore": ["ann"]}, ann("9:0:365:7:30")),
        (
            test_password_ages.test_new_accounts_begin_with_safe_settings,
            {"PASS_MAX_DAYS": 0, "PASS_MIN_DAYS": 0, "PASS_WARN_AGE": 0},
            answers("login_defs", "UMASK 077\nENCRYPT_METHOD SHA512\n"),
        ),
    ],
)
def test_inputs_make_exceptions(check, inputs, broken):
    assert Case(check).judge(broken)[0] == "fail"
    assert Case(check, inputs=inputs).judge(broken)[0] == "pass"


def test_all_that_is_wrong_is_named():
    case = Case(test_password_ages.test_passwords_age)
    _, reason = case.judge(ann("19000:0:99999:7:"))
    told = "passwords that do not age: ann (maximum 99999; minimum 0; inactive None)"
    assert reason.splitlines()[0] == told
    case = Case(test_password_ages.test_new_accounts_begin_with_safe_settings)
    _, reason = case.judge(defs("UMASK 027", "UMASK 022"))
    assert reason.splitlines()[0] == "in /etc/login.defs UMASK is 022"
