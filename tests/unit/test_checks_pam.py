"""The checks of PAM: Debian's files and RHEL's, well, broken, and not to be known."""

from __future__ import annotations

import pytest
from lab.textfiles import told
from lab.wellhost import CUT, Case, answers, assert_verdict, rows, uncovered

from checks.linux import test_pam
from pytest_sysaudit.facts import pam

DEBIAN = {
    "/etc/pam.d/common-auth": """auth required pam_faillock.so preauth
auth [success=2 default=ignore] pam_unix.so
auth [default=die] pam_faillock.so authfail
auth requisite pam_deny.so
auth required pam_permit.so
""",
    "/etc/pam.d/common-account": """account [success=1 default=ignore] pam_unix.so
account requisite pam_deny.so
account required pam_permit.so
account required pam_faillock.so
""",
    "/etc/pam.d/common-password": """password requisite pam_pwquality.so retry=3
password required pam_pwhistory.so remember=24 use_authtok
password [success=1 default=ignore] pam_unix.so obscure use_authtok yescrypt
password requisite pam_deny.so
password required pam_permit.so
""",
    "/etc/pam.d/passwd": "@include common-password\n",
    "/etc/pam.d/sshd": "@include common-auth\n@include common-account\n@include common-password\n",
    "/etc/pam.d/sudo": "@include common-auth\n@include common-account\n",
    "/etc/pam.d/su": """auth sufficient pam_rootok.so
auth required pam_wheel.so use_uid group=sugroup
@include common-auth
@include common-account
""",
    "/etc/pam.d/common-auth.dpkg-old": "auth sufficient pam_unix.so nullok\n",
    "/etc/security/faillock.conf": "# deny = 9\ndeny = 5\nunlock_time = 900\n",
    "/etc/security/pwquality.conf.d/00.conf": "minlen = 6\n",
    "/etc/security/pwquality.conf": "minlen = 14\n",
}
RHEL = {
    "/etc/pam.d/system-auth": """auth required pam_env.so
auth required pam_faillock.so preauth silent
auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular
auth [default=1 ignore=ignore success=ok] pam_localuser.so
auth sufficient pam_unix.so
auth sufficient pam_sss.so forward_pass
auth required pam_faillock.so authfail
auth required pam_deny.so
account required pam_faillock.so
account required pam_unix.so
password requisite pam_pwquality.so local_users_only minlen=12 ucredit=-1 lcredit=-1 dcredit=-1
password [default=1 ignore=ignore success=ok] pam_localuser.so
password requisite pam_pwhistory.so use_authtok
password sufficient pam_unix.so sha512 shadow use_authtok
password required pam_deny.so
""",
    "/etc/pam.d/sshd": """auth substack system-auth
account include system-auth
password include system-auth
""",
    "/etc/pam.d/passwd": "password substack system-auth\n-password optional pam_gnome_keyring.so\n",
    "/etc/pam.d/su": """auth sufficient pam_rootok.so
auth required pam_wheel.so use_uid
auth substack system-auth
account include system-auth
""",
    "/etc/security/faillock.conf": "unlock_time = 0\n",
}
SU_PATHS = "ef\0ef\0" + "89ed 0 0 9 9 9 1 root:root\n" * 2 + "\0@end\n"
MORE = {
    "pam": ("@text", told(pam.EVERY, DEBIAN)),
    "su": ("/bin/su", SU_PATHS),
}


def files(path, *changes, of=DEBIAN):
    """The host has other words in *path*: *changes* are pairs of old and new ones."""
    text = of[path]
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    return answers("pam", told(pam.EVERY, {**of, path: text}))


def common(name, *changes):
    return files(f"/etc/pam.d/common-{name}", *changes)


def rhel(old, new, path="/etc/pam.d/system-auth"):
    return files(path, old, new, of=RHEL)


def added(line):
    """Every login of a Debian host begins with another line."""
    path = "/etc/pam.d/common-auth"
    return answers("pam", told(pam.EVERY, {**DEBIAN, path: f"{line}\n{DEBIAN[path]}"}))


IS_RHEL = answers("pam", told(pam.EVERY, RHEL))
#: All that keeps PAM from being known.
UNKNOWN = (
    answers("pam", CUT),
    answers("pam", (1, "", "awk: not found")),
    answers("pam", told(pam.EVERY, DEBIAN, denied=["/etc/pam.d/common-auth"])),
    answers("pam", told(pam.EVERY, {"/etc/pam.conf": "login auth required pam_unix.so\n"})),
)
BROKEN = (
    *UNKNOWN,
    common("auth", "auth required pam_faillock.so preauth", "auth what pam_faillock.so"),
    common("password", "password requisite pam_pwquality.so", "password pam_pwquality.so"),
    files("/etc/pam.d/sshd", "@include common-auth", "@include nothing"),
)
NO_PAM = (answers("pam", told(pam.EVERY, {})),)
QUALITY = "password requisite pam_pwquality.so retry=3\n"


def setting(name, text):
    """The host has this text in a file of settings."""
    return answers("pam", told(pam.EVERY, {**DEBIAN, f"/etc/security/{name}.conf": text}))


PAM = [
    Case(
        test_pam.test_pam_refuses_empty_passwords,
        fails=(
            common("auth", "pam_unix.so", "pam_unix.so nullok"),
            common("auth", "pam_unix.so", "/lib/security/pam_unix.so try_first_pass nullok_secure"),
            common("password", "pam_unix.so", "pam_unix.so nullok"),
            rhel("sufficient pam_unix.so", "sufficient pam_unix.so nullok"),
            added("auth sufficient pam_permit.so"),
            added("auth [success=done default=ignore] pam_permit.so"),
            added("auth sufficient pam_wheel.so trust use_uid"),
        ),
        passes=(
            IS_RHEL,
            common("auth", "pam_unix.so", "pam_unix.so # nullok"),
            added("auth required pam_permit.so"),
            added("account sufficient pam_permit.so"),
            answers("pam", told(pam.EVERY, {**DEBIAN, "/etc/pam.d/x~": "auth what\n"})),
        ),
        errors=BROKEN,
        absent=NO_PAM,
        more=MORE,
    ),
    Case(
        test_pam.test_new_passwords_are_good_ones,
        fails=(
            common("password", QUALITY, ""),
            common("password", "requisite pam_pwquality.so", "optional pam_pwquality.so"),
            common("password", QUALITY, f"-{QUALITY}"),
            common("password", "pam_pwquality.so retry=3", "pam_pwquality.so minlen=13"),
            common("password", "pam_pwquality.so retry=3", "pam_pwquality.so enforcing=0"),
            common("password", "pam_pwquality.so retry=3", "pam_cracklib.so minlen=14"),
            common("password", "pam_pwquality.so retry=3", "pam_passwdqc.so"),
            common("password", "pam_pwquality.so retry=3", "pam_passwdqc.so min=1,1,1,1,1"),
            common(
                "password",
                "pam_pwquality.so retry=3",
                "pam_passwdqc.so min=disabled,24,14,12,12 enforce=none",
            ),
            setting("pwquality", "minlen = 12\nminclass = 2\n"),
            setting("pwquality", "minlen = 16\ndcredit = 3\n"),
            setting("pwquality", "minlen = 14\nminlen = 12 # now\n"),
            setting("pwquality", ""),
            # it stands behind pam_unix, or is jumped over
            answers(
                "pam",
                told(
                    pam.EVERY,
                    {
                        **DEBIAN,
                        "/etc/pam.d/common-password": "password required pam_unix.so\n" + QUALITY,
                    },
                ),
            ),
            common("password", QUALITY, f"password [default=1] pam_permit.so\n{QUALITY}"),
            rhel("dcredit=-1", "dcredit=0"),
        ),
        passes=(
            IS_RHEL,
            setting("pwquality", "minlen = 12\nminclass = 3\n"),
            common("password", "pam_pwquality.so retry=3", "pam_cracklib.so minlen=18"),
            common(
                "password", "pam_pwquality.so retry=3", "pam_passwdqc.so min=disabled,24,14,12,12"
            ),
        ),
        errors=(
            *UNKNOWN,
            setting("pwquality", "minlen = long\n"),
            common("password", "pam_pwquality.so retry=3", "pam_passwdqc.so config=/etc/x"),
            common("password", "pam_pwquality.so retry=3", "pam_passwdqc.so min=1,2"),
            common("password", "password requisite pam_pwquality", "password [default=die] pam_x"),
            common("password", QUALITY, f"@include common-password\n{QUALITY}"),
        ),
        absent=(*NO_PAM, common("password", "pam_unix.so", "pam_ldap.so")),
        more=MORE,
    ),
    Case(
        test_pam.test_old_passwords_are_not_taken_again,
        fails=(
            common("password", "remember=24", "remember=4"),
            common("password", "required pam_pwhistory", "optional pam_pwhistory"),
            rhel("password requisite pam_pwhistory.so use_authtok\n", ""),
        ),
        passes=(
            IS_RHEL,
            common("password", " remember=24", ""),
            common("password", "pam_unix.so", "pam_unix.so remember=5"),
            files(
                "/etc/pam.d/common-password",
                "password required pam_pwhistory.so remember=24 use_authtok\n"
                "password [success=1 default=ignore] pam_unix.so",
                "password [success=1 default=ignore] pam_unix.so remember=5",
            ),
        ),
        errors=(*UNKNOWN, common("password", "remember=24", "remember=many")),
        absent=NO_PAM,
        more=MORE,
    ),
    Case(
        test_pam.test_wrong_passwords_lock_the_account,
        fails=(
            common("auth", "auth required pam_faillock.so preauth\n", ""),
            common("auth", "required pam_faillock.so preauth", "optional pam_faillock.so preauth"),
            common("auth", "auth [default=die] pam_faillock.so authfail\n", ""),
            common("auth", "preauth", "preauth deny=0"),
            common("auth", "preauth", "preauth deny=6"),
            common("auth", "authfail", "authfail unlock_time=60"),
            common("account", "account required pam_faillock.so\n", ""),
            # the account line is jumped over when the password is right
            common(
                "account",
                "account required pam_faillock.so\n",
                "",
                "account requisite pam_deny.so\n",
                "account required pam_faillock.so\naccount requisite pam_deny.so\n",
                "success=1",
                "success=2",
            ),
            setting("faillock", "deny = 10\nunlock_time = 900\n"),
            setting("faillock", "deny = 5\n"),
            rhel("auth required pam_faillock.so authfail\n", ""),
            rhel("auth sufficient pam_unix.so", "auth requisite pam_unix.so"),
        ),
        passes=(
            IS_RHEL,
            setting("faillock", "unlock_time = never\n"),
            # instead of preauth and account
            common(
                "auth",
                "auth required pam_faillock.so preauth\n",
                "",
                "success=2",
                "success=1",
                "auth requisite pam_deny.so\n",
                "auth sufficient pam_faillock.so authsucc\nauth requisite pam_deny.so\n",
            ),
            common(
                "auth",
                "auth required pam_faillock.so preauth\n",
                "auth required pam_tally2.so deny=5 onerr=fail unlock_time=900\n",
                "auth [default=die] pam_faillock.so authfail\n",
                "",
                "success=2",
                "success=1",
            ),
        ),
        errors=(
            *UNKNOWN,
            setting("faillock", "deny = few\n"),
            common("auth", "preauth", "preauth conf=/etc/other.conf"),
        ),
        absent=(
            *NO_PAM,
            common("auth", "pam_unix.so", "pam_ldap.so"),
            answers("pam", told(pam.EVERY, {"/etc/pam.d/cron": "auth required pam_unix.so\n"})),
        ),
        more=MORE,
    ),
    Case(
        test_pam.test_only_a_group_may_use_su,
        fails=(
            files("/etc/pam.d/su", "auth required pam_wheel", "#auth required pam_wheel"),
            files("/etc/pam.d/su", "required pam_wheel.so", "sufficient pam_wheel.so trust"),
            files("/etc/pam.d/su", "pam_wheel.so use_uid", "pam_wheel.so deny"),
            files("/etc/pam.d/su", "required pam_wheel", "optional pam_wheel"),
            # it is never come to
            files(
                "/etc/pam.d/su",
                "auth required pam_wheel.so use_uid group=sugroup\n@include common-auth",
                "auth sufficient pam_unix.so\nauth required pam_wheel.so",
            ),
            rhel("auth required pam_wheel.so use_uid\n", "", "/etc/pam.d/su"),
        ),
        passes=(
            IS_RHEL,
            answers("su", SU_PATHS.replace("89ed 0 0 9", "89e8 0 9 9")),
        ),
        errors=(
            *UNKNOWN,
            answers("su", CUT),
            answers("su", (127, "", "sh: stat: not found")),
            answers("su", ": Permission denied\n\0: Permission denied\n\0\0@end\n"),
        ),
        absent=(*NO_PAM, answers("su", ": no such file\n\0: no such file\n\0\0@end\n")),
        more=MORE,
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(PAM))
def test_verdicts(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_has_rows():
    assert not uncovered(PAM, test_pam)
