"""Whom sshd lets in, what it tells him before, and what exceptions it makes."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest

from pytest_sysaudit.facts.sshd import told
from pytest_sysaudit.facts.sshd_looser import loosened
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")


def _is_blank(path):
    if path.error is not None:
        raise path.error
    return not path.holds("f") or not path.details.size


@pytest.mark.control(
    "ssh.banner",
    severity="low",
    frameworks={
        "cis-debian12": ["5.1.5"],
        "cis-dil": ["5.2.19"],
        "nist-800-53": ["AC-17(a)", "AC-8(a)", "AC-8(c)", "CM-6(a)"],
    },
    inputs={"wanted": True},
)
def test_a_banner_is_shown_before_the_login(host, audit):
    """Whoever connects is told the rules before he logs in.

    Why: some laws and contracts ask that nobody can say that he was not warned.

    Fix: set Banner /etc/issue.net and write the text there. With the input `wanted: false` no
    banner may be set.
    """
    found = audit.observe("banner", host.facts.sshd.everywhere("banner"))
    is_set = {place: path for place, path in found.items() if path.lower() != "none"}
    if not audit.inputs.wanted:
        assert not is_set, f"Banner is {told(is_set)}; expected: none"
        return
    unset = {place: path for place, path in found.items() if place not in is_set}
    assert not unset, f"Banner is {told(unset)}; expected: a file"
    host.facts.paths.ask(["/etc/issue.net", "/etc/issue"])
    blank = {place: path for place, path in is_set.items() if _is_blank(host.facts.paths[path])}
    assert not blank, f"the file of Banner is missing or empty: {told(blank)}"


@pytest.mark.control(
    "ssh.access-list",
    severity="medium",
    frameworks={
        "cis-debian12": ["5.1.4"],
        "cis-dil": ["5.2.18"],
        "nist-800-53": ["AC-3", "CM-6(a)"],
        "pci-dss-4": ["2.2", "2.2.6"],
    },
)
def test_logins_are_limited_to_a_list(host, audit):
    """Only listed users or groups may log in.

    Why: without a list, every account that ever gets a password or a key is a way in.

    Fix: set AllowGroups to a group of those who administer the host.
    """
    names = ("allowusers", "allowgroups", "denyusers", "denygroups")
    sshd = host.facts.sshd
    lists = {name: list(sshd.every(name)) for name in names if name in sshd}
    audit.observe("lists", lists)
    # of a list with one of these, everybody is, or nobody
    limits = [n for n, ws in lists.items() if not any(re.fullmatch(r"[*?@]*", w) for w in ws)]
    assert limits, "neither AllowUsers, AllowGroups, DenyUsers nor DenyGroups is set"


@pytest.mark.control(
    "ssh.match-blocks",
    severity="medium",
    inputs={"allowed": []},
)
def test_match_blocks_loosen_nothing(host, audit):
    """No Match block allows what is forbidden otherwise.

    Why: an exception is easily forgotten, and `sshd -T` alone does not show it.

    Fix: take the line out of the block, or name it in the input `allowed`, as
    `Match User backup: maxsessions`; * and ? stand for what varies.
    """
    found = audit.observe("loosened", loosened(host.facts.sshd))
    rows = {f"{place}: {name}": how for place, each in found.items() for name, how in each.items()}
    bad = [
        f"{row}: {how}"
        for row, how in rows.items()
        if not any(fnmatchcase(row, pattern) for pattern in audit.inputs.allowed)
    ]
    assert not bad, f"looser than elsewhere: {listed(bad)}"
