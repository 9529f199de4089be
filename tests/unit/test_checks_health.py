"""Every health check on canned hosts: well, broken, and not to be known."""

from __future__ import annotations

import pytest
from lab.wellhost import CUT, WELL, Case, answers, breaks, rows, uncovered

from checks.health import test_listening, test_resources

LOST = (1, "", "cat: /proc: Input/output error")
NO_SOCKETS = (
    answers("sockets", CUT),
    answers("sockets", (255, "", "Cannot open netlink socket")),
    answers("sockets", "ss\nwhat is this\n@end\n"),
)

CASES = [
    Case(
        test_resources.test_disks_have_space,
        fails=(breaks("disks", "1000 500 500 50%", "1000 910 90 91%"),),
        errors=(answers("disks", (1, "", "df: /srv: Stale")), answers("disks", "what")),
        absent=(answers("disks", "24 1 0:1 / / rw - proc proc rw\n"),),
        passes=(breaks("disks", "1000 500 500 50%", "1000 900 100 90%"),),
    ),
    Case(
        test_resources.test_disks_have_inodes,
        fails=(breaks("disks", "1000 100 900 10%", "1000 950 50 95%"),),
        errors=(answers("disks", (1, "", "df: /srv: Stale")), answers("disks", "what")),
        absent=(breaks("disks", "1000 100 900 10%", "0 0 0 -"),),
    ),
    Case(
        test_resources.test_memory_is_available,
        fails=(breaks("memory", "MemAvailable: 500", "MemAvailable: 99"),),
        errors=(
            answers("memory", LOST),
            answers("memory", ""),
            breaks("memory", "MemAvailable: 500 kB\n", ""),
        ),
        passes=(breaks("memory", "MemAvailable: 500", "MemAvailable: 100"),),
    ),
    Case(
        test_resources.test_swap_is_not_in_use,
        fails=(breaks("memory", "SwapFree: 900", "SwapFree: 499"),),
        errors=(answers("memory", LOST), answers("memory", "")),
        absent=(
            breaks("memory", "SwapTotal: 1000 kB\nSwapFree: 900", "SwapTotal: 0 kB\nSwapFree: 0"),
        ),
    ),
    Case(
        test_resources.test_load_is_bearable,
        fails=(breaks("load", "0.3", "2.1"),),
        errors=(answers("load", LOST), answers("load", "a b c"), answers("stat", "")),
        passes=(breaks("load", "0.1", "9.9"),),
    ),
    Case(
        test_resources.test_no_process_is_a_zombie,
        fails=(breaks("processes", "7 (my )sh) S", "7 (my )sh) Z"),),
        errors=(answers("processes", "9\n9 (sh) R 1 9 9 0\n"), answers("processes", "9\n")),
    ),
    Case(
        test_resources.test_uptime_is_within_bounds,
        fails=(answers("uptime", f"{366 * 86400} 1\n"),),
        errors=(answers("uptime", LOST), answers("uptime", "")),
    ),
    Case(
        test_listening.test_only_allowed_ports_are_open,
        fails=(
            breaks("sockets", "127.0.0.1:25", "*:25"),
            breaks("sockets", "127.0.0.1:25", "[::]:25"),
            breaks("sockets", "127.0.0.1:25", "192.0.2.1:25"),
        ),
        errors=NO_SOCKETS,
        passes=(
            breaks("sockets", "127.0.0.1:25", "[::1]:25"),
            answers("sockets", "ss\n@end\n"),
        ),
        vars={"allowed_ports": [22]},
    ),
    Case(
        test_listening.test_allowed_ports_are_served,
        fails=(
            breaks("sockets", "0.0.0.0:22", "127.0.0.1:22"),
            answers("sockets", "ss\n@end\n"),
        ),
        errors=NO_SOCKETS,
        passes=(breaks("sockets", "0.0.0.0:22", "[::]:22"),),
        vars={"allowed_ports": [22]},
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    verdict, reason = case.judge(*broken)
    assert verdict is expected, reason


def test_every_check_has_rows():
    assert not uncovered(CASES, test_listening, test_resources)


@pytest.mark.parametrize(
    "check",
    [test_listening.test_only_allowed_ports_are_open, test_listening.test_allowed_ports_are_served],
)
def test_without_expected_ports_nothing_is_judged(check):
    verdict, reason = Case(check).judge()
    assert verdict == "not_applicable"
    assert "allowed_ports" in reason


@pytest.mark.parametrize(
    ("ports", "expected"),
    [([22], "pass"), (["tcp/22"], "pass"), (["udp/22"], "fail"), ([], "fail")],
)
def test_the_input_comes_before_the_variable(ports, expected):
    check = test_listening.test_only_allowed_ports_are_open
    case = Case(check, vars={"allowed_ports": [1]}, inputs={"ports": ports})
    assert case.judge()[0] == expected


@pytest.mark.parametrize(
    ("given", "usual", "expected"),
    [({}, [22], "pass"), ({}, [23], "fail"), ({"allowed_ports": [22]}, [23], "pass")],
)
def test_usual_ports_are_for_hosts_that_name_none(given, usual, expected):
    check = test_listening.test_only_allowed_ports_are_open
    assert Case(check, vars=given, inputs={"usual": usual}).judge()[0] == expected


def test_each_disk_is_a_row_of_its_own():
    second = breaks(
        "disks",
        "Filesystem 1024-blocks Used Available Capacity Mounted on\n",
        "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sdb1 9 9 0 100% /srv\n",
    )
    both = second.answer(WELL).replace(
        "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
        "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n25 1 8:2 / /srv rw - ext4 /dev/sdb1 rw\n",
    )
    both = both.replace("IUse% Mounted on\n", "IUse% Mounted on\n/dev/sdb1 9 1 8 10% /srv\n")
    verdict, reason = Case(test_resources.test_disks_have_space).judge(answers("disks", both))
    assert verdict == "fail"
    assert "1 of 2 resources fail" in reason
    assert "/srv: 100.0 %" in reason
