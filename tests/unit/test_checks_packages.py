"""The checks of packages on canned hosts."""

from __future__ import annotations

import pytest
from lab.textfiles import NO_TEXTS, denied, texts
from lab.wellhost import (
    ABSENT,
    CUT,
    NOT_ROOT,
    Case,
    answers,
    assert_verdict,
    breaks,
    rows,
    uncovered,
)

from checks.linux import test_packages

NOW = 1_700_000_000  # 14 Nov 2023
UPDATES = f"""apt {NOW}
a-security_InRelease:Date: Mon, 13 Nov 2023 00:00:00 UTC
a-security_InRelease:Valid-Until: Mon, 20 Nov 2023 00:00:00 UTC
@lists
list a-security_Packages
offer bash 5 amd64
@end
"""
MORE = {
    "updates": ("apt-helper", UPDATES),
    "options": ("apt-config", "o1='0'\n@end\n"),
    "sources": ("/etc/apt/sources.list;", texts({"/etc/apt/sources.list": "deb http://a b c"})),
    "deb822": ("/etc/apt/sources.list.d/*.sources;", "@text\0@end\n"),
    "verify": ("dpkg --verify", "dpkg\n??5?????? c /etc/motd\n@end\n"),
    "versionlock": ("/etc/dnf/plugins/versionlock.list;", "@text\0@end\n"),
    "world": ("/etc/apk/world;", "@text\0@end\n"),
    "texts": NO_TEXTS,
}
NO_PACKAGES = (
    answers("packages", CUT),
    answers("packages", "dpkg-query\n@end\n"),
    answers("packages", (2, "dpkg-query\n", "dpkg-query: error")),
)
NO_UPDATES = (
    answers("updates", CUT),
    answers("updates", (1, "", "apt-get is not there")),
    answers("packages", CUT),
    breaks("updates", "offer bash 5 amd64", "@failed 100"),
)
RPM = answers("packages", "rpm\nbash\t5\tx86_64\tbash, \n@end\n")
APK = answers("packages", "apk\nP:bash\nV:5\n@end\n")
TELNETD = breaks("packages", "ii \tbash", "ii \ttelnetd")


def one_source(line):
    """The host's one source of packages."""
    return answers("sources", texts({"/etc/apt/sources.list": line}))


CASES = [
    Case(
        test_packages.test_no_legacy_server_is_installed,
        fails=(
            breaks("packages", "rc \tvsftpd", "ii \tvsftpd"),
            breaks("packages", "ii \tbash\t5\tamd64\t", "ii \tx\t5\tamd64\ttelnet-server"),
            breaks("packages", "ii \tbash", "iU \ttftpd-hpa"),
            breaks(
                "packages", "ii \tbash\t5\tamd64\t", "ii \tpure-ftpd-ldap\t1\tamd64\tftp-server"
            ),
        ),
        passes=(breaks("packages", "ii \tbash", "ii \ttftp"),),
        errors=NO_PACKAGES,
        absent=(answers("packages", ABSENT),),
    ),
    Case(
        test_packages.test_no_package_is_half_installed,
        fails=(
            breaks("packages", "ii \tbash", "iU \tbash"),
            breaks("packages", "ii \tb", "iiR\tb"),
        ),
        errors=(answers("packages", CUT),),
        absent=(answers("packages", ABSENT), RPM),
        passes=(breaks("packages", "ii \tbash", "hi \tbash"),),
    ),
    Case(
        test_packages.test_no_legacy_client_is_installed,
        fails=(
            breaks("packages", "ii \tbash", "ii \ttelnet"),
            breaks("packages", "ii \tbash", "iF \trsh-redone-client"),
        ),
        passes=(
            breaks("packages", "rc \tvsftpd", "rc \ttelnet"),
            breaks(
                "packages", "ii \tbash\t5\tamd64\t", "ii \topenssh-client\t9\tamd64\trsh-client"
            ),
        ),
        errors=NO_PACKAGES,
        absent=(answers("packages", ABSENT),),
    ),
    Case(
        test_packages.test_no_security_update_is_pending,
        fails=(
            breaks("updates", "offer bash 5", "offer bash 5.1"),
            breaks("updates", "offer bash 5 amd64", "offer bash 1:0 all"),
            # a list that is too old still shows what it knows of
            answers("updates", UPDATES.replace("13 Nov", "1 Nov").replace("bash 5", "bash 6")),
        ),
        passes=(breaks("updates", "offer bash 5 amd64", "offer bash 4 amd64"),),
        errors=(
            *NO_UPDATES,
            breaks("updates", "Mon, 13 Nov", "Mon, 06 Nov"),
            breaks("updates", "list a-security_Packages\noffer bash 5 amd64\n", ""),
            answers("updates", f"apt {NOW}\n@lists\n@end\n"),
        ),
        absent=(answers("updates", ABSENT),),
        more=MORE,
    ),
    Case(
        test_packages.test_package_lists_are_fresh,
        fails=(
            breaks("updates", "Mon, 13 Nov", "Mon, 06 Nov"),
            breaks("updates", "Mon, 20 Nov", "Tue, 14 Nov"),
            answers("updates", f"apt {NOW}\n@lists\n@end\n"),
        ),
        passes=(breaks("updates", "Mon, 13 Nov", "Wed, 08 Nov"),),
        errors=NO_UPDATES,
        absent=(answers("updates", ABSENT),),
        more=MORE,
    ),
    Case(
        test_packages.test_packages_must_be_signed,
        fails=(
            breaks("options", "o1='0'", "o0='true'"),
            one_source("deb [trusted=yes] http://a b c"),
            answers(
                "deb822",
                texts({"/etc/apt/sources.list.d/a.sources": "URIs: http://a\nTrusted: yes\n"}),
            ),
        ),
        passes=(one_source("deb [trusted=no signed-by=/k] http://a b c"),),
        errors=(
            answers("options", CUT),
            answers("options", (1, "", "apt-config is not there")),
            answers("sources", denied("/etc/apt/sources.list")),
            answers("deb822", denied("/etc/apt/sources.list.d")),
            answers("sources", CUT),
            one_source("what is this"),
            *NO_PACKAGES,
        ),
        absent=(answers("packages", ABSENT), answers("options", ABSENT), one_source("# none"), APK),
        more=MORE,
    ),
    Case(
        test_packages.test_no_package_is_held_back,
        fails=(breaks("packages", "ii \tbash", "hi \tbash"),),
        passes=(RPM, APK),
        errors=NO_PACKAGES,
        absent=(answers("packages", ABSENT),),
        more=MORE,
    ),
    Case(
        test_packages.test_packaged_files_are_unchanged,
        fails=(breaks("verify", "??5?????? c /etc/motd", "??5??????   /bin/su"),),
        passes=(breaks("verify", "??5?????? c /etc/motd", "missing     /usr/share/doc/x"),),
        errors=(
            answers("verify", NOT_ROOT),
            answers("verify", CUT),
            answers("verify", (2, "", "dpkg: error: what")),
        ),
        absent=(answers("verify", ABSENT),),
        inputs={"enabled": True},
        more=MORE,
    ),
    Case(
        test_packages.test_packages_are_as_expected,
        fails=(
            breaks("packages", "ii \tbash", "ii \tprelink"),
            breaks("packages", "ii \tbash", "rc \tbash"),
            breaks("packages", "ii \tbash", "iU \tbash"),
        ),
        errors=NO_PACKAGES,
        absent=(answers("packages", ABSENT),),
        inputs={"required": ["bash"]},
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_has_rows():
    assert uncovered(CASES, test_packages) == set()


def test_what_differs_is_named():
    case = Case(test_packages.test_no_security_update_is_pending, more=MORE)
    told = case.judge(breaks("updates", "offer bash 5", "offer bash 5.1"))[1]
    assert told.startswith("pending: bash 5 -> 5.1")
    case = Case(test_packages.test_packages_must_be_signed, more=MORE)
    told = case.judge(one_source("deb [trusted=yes] http://ann:pw@a b c"))[1]
    assert "/etc/apt/sources.list:1: trusted=yes" in told
    assert "pw@" not in told


def test_all_files_are_only_read_where_that_is_asked_for():
    case = Case(test_packages.test_packaged_files_are_unchanged, more=MORE)
    assert case.judge(answers("verify", AssertionError("it was run")))[0] == "not_applicable"


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("bash-0:5.1.8-6.el9.*", "fail"),
        ("!bash-0:5.1.8-6.el9.*", "pass"),
        ("# bash", "pass"),
    ],
)
def test_locks_of_dnf(line, verdict):
    path = "/etc/dnf/plugins/versionlock.list"
    case = Case(test_packages.test_no_package_is_held_back, more=MORE)
    lock = answers("versionlock", texts({path: line}))
    assert case.judge(RPM, lock)[0] == verdict
    assert case.judge(RPM, answers("versionlock", denied(path)))[0] == "error"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('name = "bash"', "bash"),
        ('comment = "why"', ""),
        ("[[packages]]", ""),
        ("solvable_name: kernel*", "kernel*"),
        ("type: package", ""),
        ("0:bash-5", "0:bash-5"),
    ],
)
def test_lines_of_lock_files(line, name):
    assert test_packages._locked(line) == name


def test_locks_of_apk():
    case = Case(test_packages.test_no_package_is_held_back, more=MORE)
    for world, verdict in (("bash\nvim@edge", "pass"), ("bash<5.3", "fail"), ("a=1", "fail")):
        lock = answers("world", texts({"/etc/apk/world": world}))
        assert case.judge(APK, lock)[0] == verdict


@pytest.mark.parametrize(
    ("check", "inputs", "broken"),
    [
        (
            test_packages.test_no_security_update_is_pending,
            {"allowed": ["bash"]},
            breaks("updates", "offer bash 5", "offer bash 5.1"),
        ),
        (
            test_packages.test_package_lists_are_fresh,
            {"days": 30.0},
            breaks("updates", "Mon, 13 Nov", "Mon, 06 Nov"),
        ),
        (
            test_packages.test_packages_must_be_signed,
            {"allowed": ["sources.list:1:"]},
            one_source("deb [trusted=yes] http://a b c"),
        ),
        (
            test_packages.test_no_package_is_held_back,
            {"allowed": ["bash"]},
            breaks("packages", "ii \tbash", "hi \tbash"),
        ),
        (
            test_packages.test_no_legacy_client_is_installed,
            {"forbidden": ["talk"]},
            breaks("packages", "ii \tbash", "ii \ttelnet"),
        ),
        (
            test_packages.test_packages_are_as_expected,
            {"forbidden": ["talk"]},
            breaks("packages", "ii \tbash", "ii \tprelink"),
        ),
    ],
)
def test_inputs_make_exceptions(check, inputs, broken):
    assert Case(check, more=MORE).judge(broken)[0] == "fail"
    assert Case(check, inputs=inputs, more=MORE).judge(broken)[0] == "pass"


def test_nothing_is_expected_of_nobody():
    inputs = {"required": [], "forbidden": []}
    case = Case(test_packages.test_packages_are_as_expected, inputs=inputs)
    assert case.judge()[0] == "not_applicable"
