"""The checks of homes, root's PATH, banners and limits: well, broken, and not to be known."""

from __future__ import annotations

import pytest
from lab.textfiles import told
from lab.wellhost import (
    CUT,
    DENIED,
    SUDOERS,
    Case,
    answers,
    assert_verdict,
    breaks,
    rows,
    uncovered,
)

from checks.linux import test_banners, test_homes, test_limits, test_root_path
from pytest_sysaudit.facts import core_dumps, pam, root_path

HOMES = """none/usr/games
sh: cannot open /usr/games: No such file\0@stat
41c0 0 0 /root
41e8 1000 1000 /home/ann
8180 1000 1000 /home/ann/.netrc
8180 0 0 /root/.my.cnf
@end
"""
ANN, NETRC = "41e8 1000 1000 /home/ann\n", "8180 1000 1000 /home/ann/.netrc"
#: What keeps homes from being known.
NO_HOMES = (
    answers("homes", CUT),
    answers("homes", (1, "", "homes: no /proc/self/mounts or no /etc/passwd")),
    answers("homes", (127, HOMES, "stat: not found")),
    answers("homes", HOMES.replace("41e8 1000", "what")),
    answers("passwd", DENIED),
    breaks("homes", ANN, ""),
)


def instead(words):
    """Of ann's home, only *words* are known."""
    text = HOMES.replace(ANN, "").replace(f"{NETRC}\n", "")
    return answers("homes", text.replace("@stat", f"{words}\0@stat"))


SHUT = breaks("homes", "@stat", "shut/home/ann\0@stat")
AWAY = instead("away/home/ann")
CLOSED = instead("none/home/ann\nsh: cannot open /home/ann: Permission denied\n")
GONE = instead("none/home/ann\nsh: can't open /home/ann: no such file\n")
NO_PEOPLE = breaks("passwd", "/home/ann:/bin/bash", "/home/ann:/usr/sbin/nologin")

PROFILE = 'PATH="/usr/bin:/bin"\nexport PATH\n'
MANY = len(test_root_path.USUAL)
FOLDER = "43ed 0 0 9 9 9 2 root:root\n"
ROOT_FILES = {
    "/etc/profile": PROFILE,
    "/etc/profile.d/x.sh": "readonly TMOUT=900\nexport TMOUT\n",
    "/etc/profile.d/x.csh": "set path = (. $path)\nset -r TMOUT=0\nPATH=.\n",
    "/etc/environment": 'PATH="/usr/bin:/bin"\n',
    "/root/.bashrc": "# PATH=.\nalias ls='ls -F'\n",
}
LIMIT_FILES = {
    "/etc/security/limits.conf": "# * hard core 1\n*  hard  core 0 # none\n* soft nofile 9\n",
    "/etc/security/limits.d/a.conf": "root - core 0\n",
}
SESSION = "session required pam_limits.so\n"
PAM_FILES = {"/etc/pam.d/login": SESSION, "/etc/pam.d/sshd": SESSION}
PLAIN = "81a4 0 0 9 9 9 1 root:root\n"
MODES = "ef\0ef\0: no such file\n\0" + PLAIN * 2 + "\0@end\n"
BANNERS = {"/etc/motd": "", "/etc/issue": "Authorised use only.\n", "/etc/issue.net": "x\\d\n"}
OS_RELEASE = "ID=debian\nVERSION_ID=12\n"
MORE = {
    "homes": ("%f %u %g %n", HOMES),
    "root_path": ("/etc/environment", told(root_path.ROWS["texts"], ROOT_FILES)),
    "folders": ("for p in", "ed\0" * MANY + FOLDER * MANY + "\0@end\n"),
    "sudoers": ("cvtsudoers", SUDOERS),
    "login_defs": ("cat /etc/login.defs", "UID_MIN 1000\nENV_SUPATH PATH=/usr/bin:/bin\n"),
    "tmout": ("@text", told(test_limits.SHELL_FILES, ROOT_FILES)),
}
LIMITS = {
    "core": ("/etc/security/limits.conf", told(core_dumps.ROWS["texts"], LIMIT_FILES)),
    "pam": ("/etc/pam.d", told(pam.EVERY, PAM_FILES)),
}
SHOWN = {
    "banners": ("@text", told(test_banners.TEXTS, BANNERS)),
    "modes": ("stat -L", MODES),
    "os_release": ("cat /etc/os-release", OS_RELEASE),
}


CLOSED_BIN = ": Permission denied\n\0"
CLOSED_BIN += "ed\0" * (MANY - 1) + FOLDER * (MANY - 1) + "\0@end\n"


def folders(*first):
    """The first ones of the usual folders are like that: /usr/bin, /usr, / and /bin."""
    rest = FOLDER * (MANY - len(first))
    return breaks("folders", FOLDER * MANY, "".join(first) + rest)


def shell(path, text):
    """Root's shell, and everybody's, reads this *text* in *path*."""
    files = {**ROOT_FILES, path: text}
    return answers("root_path", told(root_path.ROWS["texts"], files))


def tmout(text):
    files = {**ROOT_FILES, "/etc/profile.d/x.sh": text}
    return answers("tmout", told(test_limits.SHELL_FILES, files))


def limits(**files):
    """The host has these files of limits, or of systemd-coredump, instead."""
    texts = {f"/etc/{path.replace('__', '/')}.conf": text for path, text in files.items()}
    return answers("core", told(core_dumps.ROWS["texts"], {**LIMIT_FILES, **texts}))


def shown(path, text):
    return answers("banners", told(test_banners.TEXTS, {**BANNERS, path: text}))


def pattern(value):
    return breaks("sysctl", "core_pattern:core", f"core_pattern:{value}")


def denied(table, patterns, files, path):
    return answers(table, told(patterns, files, denied=[path]))


CASES = [
    Case(
        test_homes.test_homes_exist_and_belong_to_their_users,
        fails=(
            breaks("homes", "41e8 1000", "41e8 0"),
            breaks("homes", "41e8 1000 1000", "81e8 1000 1000"),
            GONE,
        ),
        errors=(*NO_HOMES, AWAY, CLOSED, answers("login_defs", "UID_MIN x\n")),
        passes=(SHUT,),
        absent=(NO_PEOPLE,),
        more=MORE,
    ),
    Case(
        test_homes.test_homes_are_private,
        fails=(
            breaks("homes", "41e8 1000", "41f8 1000"),
            breaks("homes", "41e8 1000", "41ed 1000"),
            breaks("homes", "41c0 0 0 /root", "41ed 0 0 /root"),
        ),
        errors=(*NO_HOMES, AWAY, CLOSED),
        passes=(SHUT, GONE, NO_PEOPLE),
        more=MORE,
    ),
    Case(
        test_homes.test_files_with_passwords_are_private,
        fails=(
            breaks("homes", NETRC, NETRC.replace("8180", "81a0")),
            breaks(
                "homes", NETRC, NETRC.replace("8180", "81a4").replace("netrc", "aws/credentials")
            ),
            breaks("homes", NETRC, NETRC.replace("8180 1000", "8180 33")),
            breaks("homes", "8180 0 0 /root", "8180 1000 0 /root"),
        ),
        errors=(
            *NO_HOMES[:-1],
            AWAY,
            CLOSED,
            SHUT,
            breaks("homes", "@stat", "shut/home/ann/.aws\0@stat"),
        ),
        passes=(
            breaks("homes", f"{NETRC}\n", ""),
            breaks("homes", NETRC, NETRC.replace("8180 1000", "8100 0")),
            GONE,
        ),
        more=MORE,
    ),
    Case(
        test_root_path.test_only_root_can_add_programs_to_roots_path,
        fails=(
            shell("/root/.bashrc", "PATH=.:$PATH\n"),
            shell("/etc/profile", "PATH=/usr/bin:/bin:\n"),
            shell("/etc/environment", "PATH=/usr/bin::/bin\n"),
            shell("/etc/profile.d/x.sh", "export PATH=$PATH:bin\n"),
            answers("login_defs", "UID_MIN 1000\nENV_SUPATH PATH=/usr/bin:.\n"),
            answers("sudoers", '{"Defaults": [{"Options": [{"secure_path": "/bin:."}]}]}'),
            folders(FOLDER, FOLDER, FOLDER, "41fd 0 7 9 9 9 2 root:ann\n"),
            folders(FOLDER.replace("43ed", "41ff")),
            folders(FOLDER.replace("43ed 0", "43ed 5")),
        ),
        errors=(
            answers("root_path", CUT),
            denied("root_path", root_path.ROWS["texts"], ROOT_FILES, "/root/.bashrc"),
            answers("sudoers", (43, "", "")),
            answers("passwd", DENIED),
            answers("folders", CUT),
            answers(
                "folders",
                ": Permission denied\n\0" + "ed\0" * (MANY - 1) + FOLDER * (MANY - 1) + "\0@end\n",
            ),
            shell("/root/.bashrc", "PATH=$PATH:$(go env GOPATH)/bin\n"),
        ),
        passes=(
            answers("sudoers", (42, "", "")),
            shell("/root/.bashrc", 'MANPATH=.\nX="$PATH:."\nPATH=/bin:$PATH\n'),
            # the sticky bit, or the group root, keeps others out
            folders(FOLDER, FOLDER.replace("43ed", "43ff")),
            folders(FOLDER.replace("43ed", "43fd")),
        ),
        more=MORE,
    ),
    Case(
        test_banners.test_banners_are_writable_by_root_only,
        fails=(
            breaks("modes", PLAIN * 2, PLAIN + PLAIN.replace("81a4", "81b4")),
            breaks("modes", PLAIN * 2, PLAIN.replace("81a4 0", "81a4 7") + PLAIN),
        ),
        errors=(
            answers("modes", CUT),
            breaks("modes", ": no such file", ": Permission denied"),
            answers("modes", (1, "ef\0ef\0: no such file\n\0\0@end\n", "stat: I/O error")),
        ),
        absent=(answers("modes", ": no such file\n\0" * 3 + "\0@end\n"),),
        more=SHOWN,
    ),
    Case(
        test_banners.test_banners_tell_nothing_about_the_system,
        fails=(
            shown("/etc/motd", "Welcome to Debian!\n"),
            shown("/etc/issue", "Kernel \\r on \\m\n"),
            shown("/etc/issue.net", "\\S\n"),
            shown("/etc/issue.d/x.issue", "\\v\n"),
        ),
        errors=(
            answers("banners", CUT),
            denied("banners", test_banners.TEXTS, BANNERS, "/etc/issue"),
            answers("os_release", DENIED),
        ),
        passes=(shown("/etc/motd", "debianists \\n \\l\n"),),
        absent=(answers("banners", told(test_banners.TEXTS, {})),),
        more=SHOWN,
    ),
    Case(
        test_limits.test_processes_leave_no_core_dumps,
        fails=(
            limits(security__limits="* soft core 0\n"),
            limits(security__limits="* hard core 0\n* hard core unlimited\n"),
            limits(**{"security__limits.d__z": "* - core 100\n"}),
            limits(**{"security__limits.d__z": "@dev hard core unlimited\n"}),
            pattern("|/usr/share/apport/apport -p%p"),
            pattern("|/usr/lib/systemd/systemd-coredump %P"),
            answers("pam", told(pam.EVERY, {**PAM_FILES, "/etc/pam.d/sshd": ""})),
            answers("pam", told(pam.EVERY, {})),
        ),
        errors=(
            answers("core", CUT),
            denied("core", core_dumps.ROWS["texts"], LIMIT_FILES, "/etc/security/limits.conf"),
            denied("pam", pam.EVERY, PAM_FILES, "/etc/pam.d/sshd"),
            answers("sysctl", CUT),
        ),
        passes=(
            pattern("|/bin/false"),
            limits(security__limits="* hard core unlimited\n* - core 0\n"),
        ),
        absent=(breaks("sysctl", "./kernel/core_pattern:core\n", ""),),
        more=LIMITS,
    ),
    Case(
        test_limits.test_idle_shells_end,
        fails=(
            tmout(""),
            tmout("# TMOUT=900\n"),
            tmout("TMOUT=901\n"),
            tmout("TMOUT=0\n"),
            tmout("TMOUT=900\nunset TMOUT\n"),
            tmout("declare -xr TMOUT=900; TMOUT=\n"),
            tmout('[ -z "$TMOUT" ] && echo no\n'),
        ),
        errors=(
            answers("tmout", CUT),
            denied("tmout", test_limits.SHELL_FILES, ROOT_FILES, "/etc/profile"),
            tmout("TMOUT=$X\n"),
        ),
        passes=(
            tmout("typeset -xr TMOUT=60\n"),
            tmout(': "${TMOUT:=600}"\n'),
            tmout("export TMOUT='900' # quarter of an hour\n"),
        ),
        more={"tmout": MORE["tmout"]},
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_has_rows():
    assert not uncovered(CASES, test_banners, test_homes, test_limits, test_root_path)


def test_systemd_keeps_no_dumps():
    case = Case(test_limits.test_processes_leave_no_core_dumps, more=LIMITS)
    systemd = pattern("|/usr/lib/systemd/systemd-coredump %P")
    none = limits(systemd__coredump="[Coredump]\n#Storage=external\nStorage=none\n")
    assert case.judge(systemd, none)[0] == "pass"
    both = {"systemd__coredump": "Storage=none", "systemd__coredump.conf.d__9": "Storage=journal"}
    verdict, reason = case.judge(systemd, limits(**both))
    told_first = reason.splitlines()[0]
    assert (verdict, told_first) == ("fail", "systemd-coredump keeps dumps: Storage=journal")


def test_what_is_in_the_path_is_told():
    case = Case(test_root_path.test_only_root_can_add_programs_to_roots_path, more=MORE)
    _, reason = case.judge(shell("/root/.bashrc", "\nPATH=.:$PATH:\n"))
    told_first = reason.splitlines()[0]
    assert told_first == "not safe: . in /root/.bashrc:2, an empty element in /root/.bashrc:2"
    _, reason = case.judge(folders(FOLDER.replace("43ed 0", "43ed 1000")))
    told_first = reason.splitlines()[0]
    assert told_first == "not safe: /usr/bin in /etc/environment:1 (/usr/bin belongs to ann)"


def test_a_folder_that_anybody_could_create_is_not_safe():
    case = Case(test_root_path.test_only_root_can_add_programs_to_roots_path)
    names = told(root_path.ROWS["texts"], {"/etc/profile": "PATH=/srv/x/bin\n"})
    more = {"srv": ("for p in /srv", ""), **MORE, "root_path": (MORE["root_path"][0], names)}
    case = Case(case.check, more=more)
    sticky = ": no such file\n\0" * 2 + "ed\0" + FOLDER.replace("43ed", "43ff")
    verdict, reason = case.judge(answers("srv", f"{sticky}\0@end\n"))
    assert (verdict, "(/srv is 1777 root:root)" in reason) == ("fail", True)
    closed = sticky.replace("43ff", "43ed")
    assert case.judge(answers("srv", f"{closed}\0@end\n"))[0] == "pass"


@pytest.mark.parametrize(
    ("check", "inputs", "broken", "more"),
    [
        (
            test_homes.test_homes_exist_and_belong_to_their_users,
            {"without": ["ann"]},
            GONE,
            MORE,
        ),
        (
            test_homes.test_homes_are_private,
            {"mode": "0755"},
            breaks("homes", "41e8 1000", "41ed 1000"),
            MORE,
        ),
        (
            test_homes.test_homes_are_private,
            {"ignore": ["ann"]},
            breaks("homes", "41e8 1000", "41ed 1000"),
            MORE,
        ),
        (
            test_homes.test_files_with_passwords_are_private,
            {"ignore": [".netrc"]},
            breaks("homes", NETRC, NETRC.replace("8180", "81a0")),
            MORE,
        ),
        (
            test_root_path.test_only_root_can_add_programs_to_roots_path,
            {"ignore": ["."]},
            shell("/root/.bashrc", "PATH=.:$PATH\n"),
            MORE,
        ),
        (
            test_limits.test_processes_leave_no_core_dumps,
            {"handlers": ["/usr/share/apport/apport"]},
            pattern("|/usr/share/apport/apport -p%p"),
            LIMITS,
        ),
        (test_limits.test_idle_shells_end, {"maximum": 1000}, tmout("TMOUT=901\n"), MORE),
    ],
)
def test_inputs_make_exceptions(check, inputs, broken, more):
    assert Case(check, more=more).judge(broken)[0] == "fail"
    assert Case(check, inputs=inputs, more=more).judge(broken)[0] in ("pass", "not_applicable")


def test_words_that_no_banner_may_hold():
    case = Case(test_banners.test_banners_tell_nothing_about_the_system, more=SHOWN)
    said = shown("/etc/motd", "This is the ACME gateway.\n")
    assert case.judge(said)[0] == "pass"
    case = Case(case.check, inputs={"words": ["acme"]}, more=SHOWN)
    assert case.judge(said)[0] == "fail"
    unnamed = answers("os_release", (1, "", "cat: /etc/os-release: No such file or directory"))
    assert case.judge(said, unnamed)[0] == "fail"
