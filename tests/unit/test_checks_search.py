"""Checks of what the search of the file systems finds: fine, broken, and not to be known."""

from __future__ import annotations

import pytest
from lab.wellhost import CUT, Case, answers, assert_verdict, breaks, rows, uncovered

from checks.health import test_temporary
from checks.linux import test_search

DPKG = """dpkg
/var/lib/dpkg/info/util-linux.list:/usr/bin/su
/var/lib/dpkg/info/openssh-client.list:/usr/bin/ssh-agent
@end
"""
MORE = {"owners": ("dpkg/diversions", DPKG), "getent": ("getent", (2, "", ""))}


def found(*records, getcap="yes", uid="0", err=""):
    """The search finds *records*."""
    text = "".join(f"{record}\0" for record in records)
    return answers("file_search", (0, f"{uid}\n{getcap}\n{text}@end 0\n", err))


#: All that keeps the search from being whole, with nothing found.
NO_SEARCH = (
    answers("file_search", "0\nyes\nf 666 0 0 /a"),
    answers("file_search", (127, "", "sh: head: not found")),
    answers("file_search", "0\nyes\n@end 127\n"),
    found(uid="1000"),
    found(err="find: '/srv': Permission denied\n"),
    found(err="find: '/srv': Input/output error\n"),
)
CAPABLE = "=/usr/bin/su cap_setuid=ep\n@0"
SU, STRAY = "f 4755 0 0 /usr/bin/su", "f 4755 0 0 /srv/two\nlines"
INSIDE = "/home/ann/.local/share/containers/storage/x/bin/su"
CASES = [
    Case(
        test_search.test_set_uid_programs_come_from_packages,
        fails=(
            found(STRAY),
            found(STRAY, uid="1000", err="find: '/srv': Permission denied\n"),
            found("f 4755 0 0 /usr/bin/ls"),
            found("f 4755 0 0 /usr/local/bin/su"),
            found("f 4755 0 0 /usr/bin/ssh-agent"),  # it comes set-gid
            found("f 6755 7 7 /opt/x"),
            found(f"f 4755 0 100000 {INSIDE}"),
        ),
        errors=NO_SEARCH,
        passes=(
            found(),
            found(SU),
            found("f 2755 0 0 /srv/x"),
            found("d 4755 0 0 /srv"),
            found(f"f 4755 100000 100000 {INSIDE}"),
        ),
        more=MORE,
    ),
    Case(
        test_search.test_set_gid_programs_come_from_packages,
        fails=(
            found("f 2755 0 42 /srv/x"),
            found("f 6755 0 42 /opt/x"),
            found("f 2755 0 0 /usr/bin/su"),
        ),
        errors=NO_SEARCH,
        passes=(found("f 2755 0 42 /usr/bin/ssh-agent"), found(STRAY), found("d 2775 0 0 /srv")),
        more=MORE,
    ),
    Case(
        test_search.test_programs_have_no_unexpected_capabilities,
        fails=(found(CAPABLE), found("=/srv/ping cap_net_raw=ep\n@0"), found("=/x =ep\n@0")),
        errors=(*NO_SEARCH, found(getcap="no"), found("=what\n@0"), found("=\n@126")),
        passes=(found("=\n@0"), found(SU)),
        more=MORE,
    ),
    Case(
        test_search.test_every_file_belongs_to_somebody,
        fails=(
            found("f 644 4242 0 /srv/x"),
            found("l 777 0 4242 /srv/link"),
            found("d 755 4242 4242 /srv", uid="7"),
        ),
        errors=(
            *NO_SEARCH,
            answers("passwd", ""),
            answers("group", "root:x:0\n"),
        ),
        passes=(found("f 4755 1000 1000 /home/ann/x"), found(f"f 644 100007 100007 {INSIDE}")),
        more=MORE,
    ),
    Case(
        test_search.test_no_file_is_writable_by_everybody,
        fails=(
            found("f 666 0 0 /etc/x"),
            found("f 2 0 0 /etc/odd\\xff", uid="1000", err="find: '/r': Permission denied"),
        ),
        errors=NO_SEARCH,
        passes=(found("d 777 0 0 /srv/x"), found("l 777 0 0 /x"), found("s 666 0 0 /run/x")),
    ),
    Case(
        test_search.test_open_folders_are_sticky,
        fails=(found("d 777 0 0 /srv/x"), found("d 2777 0 0 /srv/x", uid="7")),
        errors=NO_SEARCH,
        passes=(found("f 666 0 0 /etc/x"), found("d 1777 0 0 /srv/x")),
    ),
    Case(
        test_temporary.test_no_program_lies_in_folders_for_temporary_files,
        fails=(
            found("f 755 1000 0 /tmp/x"),
            found("f 644 0 0 /var/tmp/a", "f 4711 0 0 /dev/shm/.b", uid="7"),
        ),
        errors=(*NO_SEARCH, answers("file_search", CUT)),
        passes=(found("f 644 7 0 /tmp/x"), found("d 755 0 0 /tmp/x"), found("f 755 0 0 /opt/x")),
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_has_rows():
    assert not uncovered(CASES, test_search, test_temporary)


@pytest.mark.parametrize(
    "check",
    [
        test_search.test_set_uid_programs_come_from_packages,
        test_search.test_set_gid_programs_come_from_packages,
        test_search.test_programs_have_no_unexpected_capabilities,
    ],
)
@pytest.mark.parametrize(
    "answer", [CUT, "dpkg\n", (2, "dpkg\n", "grep: x: Permission denied"), (1, "", "no way to ask")]
)
def test_without_the_packages_nothing_is_expected_or_not(check, answer):
    broken = found("f 6755 0 0 /usr/bin/su", CAPABLE)
    assert Case(check, more=MORE).judge(broken, answers("owners", answer))[0] == "error"


def test_a_host_without_packages_has_only_what_is_listed():
    case = Case(test_search.test_set_uid_programs_come_from_packages, more=MORE)
    none = answers("owners", "none\n@end\n")
    verdict, reason = case.judge(found(SU), none)
    assert (verdict, "no package manager" in reason) == ("fail", True)
    listed = Case(case.check, more=MORE, inputs={"allowed": ["/usr/bin/su"]})
    assert listed.judge(found(SU), none)[0] == "pass"


@pytest.mark.parametrize(
    ("mode", "bits", "expected"),
    [
        ("104755", "4755", "pass"),
        ("100755", "4755", "fail"),
        ("102755", "4755", "fail"),
        ("104755", "4711", "pass"),
    ],
)
def test_what_rpm_says_of_a_mode_counts(mode, bits, expected):
    case = Case(test_search.test_set_uid_programs_come_from_packages, more=MORE)
    shell = found(f"f {bits} 0 0 /usr/bin/bash")
    rpm = answers("owners", f"rpm\nbash\t{mode}\t/usr/bin/bash\n@rpm 0\n@end\n")
    assert case.judge(shell, rpm)[0] == expected


def test_a_directory_that_does_not_answer_knows_nobody():
    case = Case(test_search.test_every_file_belongs_to_somebody, more=MORE)
    verdict, _ = case.judge(found("f 644 4242 0 /x"), answers("getent", (1, "", "getent: broken")))
    assert verdict == "error"


@pytest.mark.parametrize(
    ("check", "inputs", "broken"),
    [
        (
            test_search.test_set_uid_programs_come_from_packages,
            {"allowed": ["/opt/*/sandbox"]},
            found("f 4755 0 0 /opt/x/sandbox"),
        ),
        (
            test_search.test_set_uid_programs_come_from_packages,
            {"programs": ["tool"]},
            found("f 4755 0 0 /usr/bin/tool"),
        ),
        (
            test_search.test_set_gid_programs_come_from_packages,
            {"allowed": ["/srv/x"]},
            found("f 2755 0 0 /srv/x"),
        ),
        (
            test_search.test_programs_have_no_unexpected_capabilities,
            {"allowed": ["/usr/bin/*"]},
            found(CAPABLE),
        ),
        (
            test_search.test_programs_have_no_unexpected_capabilities,
            {"programs": {"su": ["cap_setuid", "cap_setgid"]}},
            found(CAPABLE),
        ),
        (
            test_search.test_every_file_belongs_to_somebody,
            {"allowed": ["/srv/*"]},
            found("f 644 4242 0 /srv/x"),
        ),
        (
            test_search.test_no_file_is_writable_by_everybody,
            {"allowed": ["/srv/x"]},
            found("f 666 0 0 /srv/x"),
        ),
        (
            test_search.test_open_folders_are_sticky,
            {"allowed": ["/srv/x"]},
            found("d 777 0 0 /srv/x"),
        ),
        (
            test_temporary.test_no_program_lies_in_folders_for_temporary_files,
            {"allowed": ["/tmp/build-*"]},
            found("f 755 0 0 /tmp/build-7/a.out"),
        ),
    ],
)
def test_inputs_make_exceptions(check, inputs, broken):
    tool = breaks("owners", "@end", "/var/lib/dpkg/info/x.list:/usr/bin/tool\n@end")
    assert Case(check, more=MORE).judge(broken, tool)[0] == "fail"
    assert Case(check, more=MORE, inputs=inputs).judge(broken, tool)[0] == "pass"


def test_a_program_of_a_package_may_have_fewer_capabilities_than_are_listed():
    case = Case(test_search.test_programs_have_no_unexpected_capabilities, more=MORE)
    package = breaks("owners", "@end", "/var/lib/dpkg/info/x.list:/usr/bin/dumpcap\n@end")
    fewer = found("=/usr/bin/dumpcap cap_net_raw=ep\n@0")
    assert case.judge(fewer, package)[0] == "pass"
    more = found("=/usr/bin/dumpcap cap_net_raw,cap_setuid=ep\n@0")
    assert case.judge(more, package)[0] == "fail"


def test_names_stay_on_one_line_and_long_lists_are_cut():
    case = Case(test_search.test_no_file_is_writable_by_everybody)
    many = found("f 666 0 0 /a\nb", *(f"f 666 0 0 /srv/{n}" for n in range(30)))
    reason = case.judge(many)[1]
    assert "/a\\nb" in reason
    assert "(31 in all)" in reason
