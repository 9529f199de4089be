"""Owners and modes of the files that accounts and jobs depend on."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.platform("linux")


@pytest.mark.control(
    "perm.passwd",
    severity="critical",
    frameworks={
        "cis-debian12": ["7.1.1"],
        "cis-dil": ["6.1.2"],
        "nist-800-53": ["AC-6(1)", "CM-6(a)"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["os-03"],
    },
)
def test_passwd_is_writable_by_root_only(host, audit):
    """Only root can change /etc/passwd.

    Why: who may write it makes himself root.

    Fix: `chown root:root /etc/passwd; chmod 0644 /etc/passwd`.
    """
    file = host.facts.file_stats["/etc/passwd"]
    found = audit.observe("/etc/passwd", file.describe(host.facts.accounts))
    ok = not file.laxer_than(0o644) and (file.uid, file.gid) == (0, 0)
    assert ok, f"/etc/passwd is {found}; expected: 0644 root:root"


@pytest.mark.control(
    "perm.group",
    severity="high",
    frameworks={
        "cis-debian12": ["7.1.3"],
        "cis-dil": ["6.1.4"],
        "nist-800-53": ["AC-6(1)", "CM-6(a)"],
        "pci-dss-4": ["2.2", "2.2.6"],
    },
)
def test_group_is_writable_by_root_only(host, audit):
    """Only root can change /etc/group.

    Why: who may write it joins any group.

    Fix: `chown root:root /etc/group; chmod 0644 /etc/group`.
    """
    file = host.facts.file_stats["/etc/group"]
    found = audit.observe("/etc/group", file.describe(host.facts.accounts))
    ok = not file.laxer_than(0o644) and (file.uid, file.gid) == (0, 0)
    assert ok, f"/etc/group is {found}; expected: 0644 root:root"


@pytest.mark.control(
    "perm.shadow",
    severity="critical",
    frameworks={
        "cis-debian12": ["7.1.5"],
        "cis-dil": ["6.1.3"],
        "nist-800-53": ["AC-6(1)", "CM-6(a)"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["os-02"],
    },
)
def test_shadow_is_private(host, audit):
    """Only root and the group shadow can read /etc/shadow.

    Why: the hashes in it can be guessed at leisure by whoever reads them.

    Fix: `chown root:shadow /etc/shadow; chmod 0640 /etc/shadow`.
    """
    file = host.facts.file_stats["/etc/shadow"]
    found = audit.observe("/etc/shadow", file.describe(host.facts.accounts))
    group = host.facts.accounts.group_name(file.gid)
    ok = not file.laxer_than(0o640) and file.uid == 0 and group in ("root", "shadow")
    assert ok, f"/etc/shadow is {found}; expected: 0640 root:shadow or stricter"


@pytest.mark.control(
    "perm.gshadow",
    severity="high",
    frameworks={
        "cis-debian12": ["7.1.7"],
        "cis-dil": ["6.1.5"],
        "nist-800-53": ["AC-6(1)", "CM-6(a)"],
    },
)
def test_gshadow_is_private(host, audit):
    """Only root and the group shadow can read /etc/gshadow.

    Why: it holds the hashes of group passwords.

    Fix: `chown root:shadow /etc/gshadow; chmod 0640 /etc/gshadow`.
    """
    file = host.facts.file_stats["/etc/gshadow"]
    found = audit.observe("/etc/gshadow", file.describe(host.facts.accounts))
    group = host.facts.accounts.group_name(file.gid)
    ok = not file.laxer_than(0o640) and file.uid == 0 and group in ("root", "shadow")
    assert ok, f"/etc/gshadow is {found}; expected: 0640 root:shadow or stricter"


@pytest.mark.control(
    "perm.backups",
    severity="medium",
    frameworks={
        "cis-debian12": ["7.1.2", "7.1.6"],
        "cis-dil": ["6.1.6", "6.1.7", "6.1.8", "6.1.9"],
        "nist-800-53": ["AC-6 (1)"],
        "pci-dss-4": ["2.2", "2.2.6"],
    },
)
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/etc/passwd-", 0o644),
        ("/etc/group-", 0o644),
        ("/etc/shadow-", 0o640),
        ("/etc/gshadow-", 0o640),
    ],
    ids=["passwd", "group", "shadow", "gshadow"],
)
def test_backups_of_account_files_are_no_laxer(host, audit, path, allowed):
    """The backups of the account files are as closed as the originals.

    Why: yesterday's hashes are nearly always today's.

    Fix: `chown root:root FILE-; chmod 0600 FILE-`.
    """
    file = host.facts.file_stats[path]
    found = audit.observe(path, file.describe(host.facts.accounts))
    closed = allowed & 0o004 or host.facts.accounts.group_name(file.gid) in ("root", "shadow")
    ok = not file.laxer_than(allowed) and file.uid == 0 and closed
    assert ok, f"{path} is {found}; expected: {allowed:04o} root:root or stricter"


#: Alpine's folders of jobs, below the first.
PERIODS = ["", "/15min", "/hourly", "/daily", "/weekly", "/monthly"]


@pytest.mark.control(
    "perm.cron",
    severity="high",
    frameworks={
        "cis-debian12": ["2.4.1.2", "2.4.1.4", "2.4.1.7"],
        "cis-dil": ["5.1.2", "5.1.3", "5.1.4", "5.1.5", "5.1.6", "5.1.7"],
        "nist-800-53": ["AC-6(1)", "CM-6(a)"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["os-13"],
    },
    inputs={"private": False},
)
@pytest.mark.parametrize(
    "path",
    [
        "/etc/crontab",
        "/etc/cron.d",
        "/etc/cron.hourly",
        "/etc/cron.daily",
        "/etc/cron.weekly",
        "/etc/cron.monthly",
        "/etc/cron.yearly",
        "/etc/anacrontab",
        "/etc/crontabs",
        "/etc/periodic",
    ],
)
def test_cron_tables_are_writable_by_root_only(host, audit, path):
    """Only root can change what cron runs as root.

    Why: a job is run as root; who may write it is root.

    Fix: `chown root:root PATH; chmod go-w PATH`. With the input `private`, others may not read
    the tables and folders either: `chmod go-rwx PATH`.
    """
    stats = host.facts.file_stats
    below = PERIODS if path == "/etc/periodic" else [""]
    tables = [] if path in ("/etc/crontab", "/etc/anacrontab") else [f"{path}{b}/*" for b in below]
    inside = [file for pattern in tables for file in stats.matching(pattern)]
    for file in (stats[path], *inside):
        with audit.resource(file.path):
            found = audit.observe("mode", file.describe(host.facts.accounts))
            private = audit.inputs.private and file not in inside
            ok = not file.laxer_than(0o700 if private else 0o755) and file.uid == 0
            others = "usable" if private else "writable"
            assert ok, f"{found}; expected: owned by root, {others} by nobody else"


@pytest.mark.control(
    "account.hosts-equiv",
    severity="high",
    frameworks={
        "cis-debian12": ["7.2.10"],
        "nist-800-53": ["CM-6(a)", "CM-7(a)", "CM-7(b)"],
        "dev-sec": ["os-01"],
    },
)
def test_no_host_is_trusted_by_name(host, audit):
    """There is no hosts.equiv and no shosts.equiv.

    Why: they let users of other hosts in without a password, by the name those hosts give.

    Fix: remove both files.
    """
    stats = host.facts.file_stats
    paths = ("/etc/hosts.equiv", "/etc/ssh/shosts.equiv")
    there = audit.observe("there", [path for path in paths if stats.exists(path)])
    assert not there, f"trusts hosts by name: {', '.join(there)}"
