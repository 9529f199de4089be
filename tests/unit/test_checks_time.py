"""The checks of the clock on canned hosts."""

from __future__ import annotations

import pytest
from lab.fake import FakeTransport, fake_host, judge_check
from lab.wellhost import CUT, Case, answers, assert_verdict, breaks, rows, uncovered

from checks.linux import test_time

TOLD = """seen
daemon chronyd
may 000001ffffffffff
@chrony
C0000201,192.0.2.1,3,1700000000.1,0.000010,-0.000020,0.0,0.0,0.0,0.0,0.0,0.0,64.2,Normal
@sources
^,*,ntp1.example,2,6,377,9,0.1,0.1,0.1
^,+,ntp2.example,2,6,377,9,0.1,0.1,0.1
@
@end
"""
MORE = {"timesync": ("timesyn", TOLD), "date": ("date +%s.%N", "0.100000000\n")}
SILENT = answers("timesync", "seen\ndaemon ntpd\nmissing ntpq\n@end\n")
UNKNOWN = (
    answers("timesync", CUT),
    answers("timesync", (2, "", "sh: cd: /proc")),
    breaks("timesync", "seen\n", ""),
)
CONTAINER = (
    breaks("timesync", "may 000001ffffffffff", "may 00000000a80425fb"),
    answers("timesync", "seen\ncontainer\n@end\n"),
)
NOBODY = answers("timesync", "seen\n@end\n")

CASES = [
    Case(
        test_time.test_one_program_keeps_the_time,
        fails=(NOBODY, breaks("timesync", "daemon chronyd", "daemon chronyd\ndaemon ntpd")),
        passes=(
            breaks("timesync", "daemon chronyd", "daemon systemd-timesyn"),
            breaks("timesync", "daemon chronyd", "daemon ptp4l\ndaemon phc2sys\ndaemon chronyd"),
            SILENT,
        ),
        errors=UNKNOWN,
        absent=CONTAINER,
        more=MORE,
    ),
    Case(
        test_time.test_the_clock_follows_a_server,
        fails=(
            NOBODY,
            breaks("timesync", "C0000201", "7F7F0101"),
            breaks("timesync", "Normal", "Not synchronised"),
            breaks("timesync", "-0.000020", "-0.2"),
            answers("timesync", "seen\ndaemon systemd-timesyn\ntimesync \n@end\n"),
        ),
        passes=(answers("timesync", "seen\ndaemon systemd-timesyn\ntimesync yes\n@end\n"),),
        errors=(*UNKNOWN, SILENT, breaks("timesync", "C0000201,", "506 Cannot talk ")),
        absent=CONTAINER,
        more=MORE,
    ),
    Case(
        test_time.test_the_clock_is_right,
        fails=(answers("date", "9.0\n"), answers("date", "19\n")),
        passes=(answers("date", "5\n"),),
        errors=(answers("date", ""), answers("date", (127, "", "sh: date: not found"))),
        more=MORE,
    ),
    Case(
        test_time.test_only_known_time_servers_are_asked,
        fails=(
            NOBODY,
            breaks("timesync", "ntp2.example", "pool.ntp.org"),
            breaks("timesync", "^,+,ntp2.example", "#,+,ntp2.example"),
        ),
        errors=(*UNKNOWN, SILENT, breaks("timesync", "^,*", "506 Cannot talk to daemon")),
        absent=CONTAINER,
        inputs={"allowed": ["ntp?.example", "192.0.2.1"], "minimum": 2},
        more=MORE,
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_has_rows():
    assert uncovered(CASES, test_time) == set()


def test_the_missing_tool_is_named():
    case = Case(test_time.test_the_clock_follows_a_server, more=MORE)
    assert "ntpq is not there" in case.judge(SILENT)[1]


def test_without_a_list_any_server_will_do():
    case = Case(test_time.test_only_known_time_servers_are_asked, more=MORE)
    assert case.judge()[0] == "pass"
    none = breaks("timesync", TOLD[TOLD.index("^,*") : TOLD.index("@\n@end")], "")
    assert case.judge(none)[0] == "fail"


def test_a_clock_that_is_behind():
    host = fake_host(FakeTransport(results={bool: "0\n"}))
    told = judge_check(test_time.test_the_clock_is_right, host=host, inputs={"maximum": 0.0})
    assert told == ("pass", "")  # half a second, and that much is unknown
