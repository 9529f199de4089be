"""Local users and groups."""

from __future__ import annotations

from collections import Counter

import pytest

from pytest_sysaudit.facts.shadow import STRONG
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")


def _twice(values):
    return sorted(value for value, count in Counter(values).items() if count > 1)


@pytest.mark.control(
    "account.uid0",
    severity="critical",
    frameworks={
        "cis-debian12": ["5.4.2.1"],
        "cis-dil": ["6.2.5"],
        "nist-800-53": ["AC-6(5)", "IA-2", "IA-4(b)"],
        "pci-dss-4": ["8.2", "8.2.1"],
    },
)
def test_only_root_has_uid_0(host, audit):
    """Only root has the user id 0.

    Why: the kernel knows users by their number. A second name with 0 is a second root, with a
    password and a shell of its own that nobody watches.

    Fix: give the account another uid with `usermod -u`, or remove it.
    """
    names = audit.observe("uid 0", [u.name for u in host.facts.accounts.users if u.uid == 0])
    assert names == ["root"], (
        f"uid 0 belongs to {', '.join(names) or 'nobody'}; expected: root only"
    )


@pytest.mark.control(
    "account.empty-password",
    severity="critical",
    frameworks={
        "cis-debian12": ["7.2.2"],
        "cis-dil": ["6.2.1"],
        "nist-800-53": ["CM-6(b)", "CM-6.1(iv)"],
        "pci-dss-4": ["2.2", "2.2.2"],
    },
)
def test_no_account_has_an_empty_password(host, audit):
    """No account can be entered without a password.

    Why: an empty password field lets anybody in who knows the name.

    Fix: lock the account with `passwd -l NAME`, or set a password.
    """
    empty = {entry.name for entry in host.facts.shadow if entry.state == "empty"}
    empty |= {user.name for user in host.facts.accounts.users if not user.password}
    assert not audit.observe("empty", sorted(empty)), (
        f"no password asked: {', '.join(sorted(empty))}"
    )


@pytest.mark.control(
    "account.shadowed",
    severity="high",
    frameworks={
        "cis-debian12": ["7.2.1"],
        "nist-800-53": ["CM-6(a)", "IA-5(h)"],
        "pci-dss-4": ["8.3", "8.3.2"],
        "dev-sec": ["os-03b"],
    },
)
def test_passwords_are_shadowed(host, audit):
    """Password hashes stand in /etc/shadow and not in /etc/passwd.

    Why: everybody may read /etc/passwd, and take its hashes home to guess them.

    Fix: run `pwconv`.
    """
    bare = [user.name for user in host.facts.accounts.users if not user.is_shadowed]
    assert not audit.observe("not shadowed", bare), f"password in /etc/passwd: {', '.join(bare)}"


@pytest.mark.control(
    "account.hash-strength",
    severity="high",
    frameworks={
        "cis-debian12": ["5.3.3.4.3"],
        "cis-dil": ["5.3.4"],
        "nist-800-53": ["CM-6(a)", "IA-5(1)(c)", "IA-5(c)"],
        "pci-dss-4": ["8.3", "8.3.2"],
    },
)
def test_password_hashes_are_strong(host, audit):
    """Passwords are hashed with a slow, salted method.

    Why: DES and MD5 hashes are guessed by the billion per second on one graphics card.

    Fix: set ENCRYPT_METHOD YESCRYPT (or SHA512) in /etc/login.defs and the same in the pam_unix
    line, then let the accounts set new passwords.
    """
    schemes = {e.name: e.scheme for e in host.facts.shadow if e.state == "set"}
    weak = {n: s for n, s in audit.observe("schemes", schemes).items() if s not in STRONG}
    assert not weak, f"weakly hashed: {', '.join(f'{n} ({s})' for n, s in weak.items())}"


@pytest.mark.control(
    "account.unique-uid",
    severity="high",
    frameworks={
        "cis-debian12": ["7.2.5"],
        "cis-dil": ["6.2.16"],
        "pci-dss-4": ["8.2", "8.2.1"],
        "dev-sec": ["os-07"],
    },
)
def test_user_ids_are_unique(host, audit):
    """Every user has a number of its own.

    Why: users with the same number own the same files, and logs cannot tell them apart.

    Fix: give one of them another uid, and its files too.
    """
    users = host.facts.accounts.users
    twice = _twice(user.uid for user in users)
    shared = [f"{user.name} ({user.uid})" for user in users if user.uid in twice]
    assert not audit.observe("shared", shared), f"they share a uid: {', '.join(shared)}"


@pytest.mark.control(
    "account.unique-gid",
    severity="medium",
    frameworks={
        "cis-debian12": ["7.2.6"],
        "cis-dil": ["6.2.17"],
        "pci-dss-4": ["8.2", "8.2.1"],
        "dev-sec": ["os-07"],
    },
)
def test_group_ids_are_unique(host, audit):
    """Every group has a number of its own.

    Why: groups with the same number share their files.

    Fix: give one of them another gid with `groupmod -g`.
    """
    groups = host.facts.accounts.groups
    twice = _twice(group.gid for group in groups)
    shared = [f"{group.name} ({group.gid})" for group in groups if group.gid in twice]
    assert not audit.observe("shared", shared), f"they share a gid: {', '.join(shared)}"


@pytest.mark.control(
    "account.unique-name",
    severity="medium",
    frameworks={
        "cis-debian12": ["7.2.7", "7.2.8"],
        "cis-dil": ["6.2.18", "6.2.19"],
        "pci-dss-4": ["8.2", "8.2.1"],
    },
)
@pytest.mark.parametrize("kind", ["users", "groups"])
def test_names_are_unique(host, audit, kind):
    """No user name and no group name stands twice.

    Why: only the first line of a name counts for most programs, so the second one hides.

    Fix: remove the line that is too many with `vipw` or `vigr`.
    """
    names = audit.observe("twice", _twice(e.name for e in getattr(host.facts.accounts, kind)))
    assert not names, f"{kind} listed several times: {', '.join(names)}"


@pytest.mark.control(
    "account.primary-group",
    severity="medium",
    frameworks={
        "cis-debian12": ["7.2.3"],
        "cis-dil": ["6.2.15"],
        "nist-800-53": ["CM-6(a)", "IA-2"],
        "pci-dss-4": ["8.2", "8.2.2"],
    },
)
def test_primary_groups_exist(host, audit):
    """The primary group of every user exists.

    Why: whoever makes a group with that number later inherits the files of the user.

    Fix: create the group, or give the user another one with `usermod -g`.
    """
    accounts = host.facts.accounts
    known = {group.gid for group in accounts.groups}
    lost = [f"{user.name} ({user.gid})" for user in accounts.users if user.gid not in known]
    assert not audit.observe("lost", lost), f"primary group is missing: {', '.join(lost)}"


@pytest.mark.control(
    "account.system-shell",
    severity="medium",
    frameworks={
        "cis-debian12": ["5.4.2.7"],
        "cis-dil": ["5.4.2"],
        "nist-800-53": ["AC-6", "CM-6(a)", "CM-6(b)", "CM-6.1(iv)"],
        "pci-dss-4": ["8.2", "8.2.2"],
    },
    inputs={"allowed": ["root"]},
)
def test_system_accounts_have_no_shell(host, audit):
    """Accounts of services cannot be logged in to.

    Why: a service account is never used by a person; a shell only helps who breaks in.

    Fix: `usermod -s /usr/sbin/nologin NAME`. Name exceptions in the input `allowed`.
    """
    first = int(host.facts.login_defs["UID_MIN"])
    system = [u for u in host.facts.accounts.users if u.uid < first and u.can_log_in]
    bad = [f"{u.name} ({u.shell})" for u in system if u.name not in audit.inputs.allowed]
    assert not audit.observe("with a shell", bad), f"system accounts with a shell: {', '.join(bad)}"


@pytest.mark.control(
    "account.nis",
    severity="medium",
    frameworks={"cis-dil": ["6.2.2", "6.2.3", "6.2.4"]},
)
def test_no_accounts_come_from_nis(host, audit):
    """The account files pull nothing in from NIS.

    Why: a line that begins with + lets whoever answers first on the network add accounts.

    Fix: remove these lines from /etc/passwd, /etc/group and /etc/shadow.
    """
    lines = audit.observe("lines", list(host.facts.accounts.nis))
    assert not lines, f"NIS lines: {', '.join(lines)}"
    lines = [f"/etc/shadow: {e.name}" for e in host.facts.shadow if e.state == "nis"]
    audit.observe("lines", lines)
    assert not lines, f"NIS lines: {', '.join(lines)}"


@pytest.mark.control(
    "account.shadow-group",
    severity="high",
    frameworks={"cis-debian12": ["7.2.4"], "cis-dil": ["6.2.20"], "pci-dss-4": ["8.3", "8.3.2"]},
)
def test_group_shadow_is_empty(host, audit):
    """Nobody is in the group shadow.

    Why: its members can read all password hashes.

    Fix: take them out with `gpasswd -d NAME shadow`, or change their primary group.
    """
    accounts = host.facts.accounts
    gids = {group.gid for group in accounts.groups if group.name == "shadow"}
    if not gids:
        audit.not_applicable("this host has no group shadow")
    members = {name for group in accounts.groups if group.gid in gids for name in group.members}
    members |= {user.name for user in accounts.users if user.gid in gids}
    assert not audit.observe("members", sorted(members)), f"in shadow: {', '.join(sorted(members))}"


@pytest.mark.control(
    "account.privileged-groups",
    severity="medium",
    inputs={
        "groups": [
            *("root", "wheel", "sudo", "admin", "adm", "disk", "kmem"),
            *("docker", "lxd", "incus-admin", "libvirt", "systemd-journal"),
        ],
        "members": {
            "root": ["halt", "operator", "shutdown", "sync"],
            "adm": ["adm", "daemon", "syslog"],
            "disk": ["adm"],
        },
    },
)
def test_powerful_groups_have_the_members_that_are_known(host, audit):
    """Groups whose members can become root have only the members that are listed.

    Why: docker, lxd and disk are root by another name, sudo and wheel by design; a member too many
    is an administrator whom nobody appointed.

    Fix: `gpasswd -d NAME GROUP`; who belongs there stands in the input `members`, by group, and
    which groups count in `groups`.
    """
    accounts, found = host.facts.accounts, {}
    known = {group: {"root", *names} for group, names in audit.inputs.members.items()}
    for group in accounts.groups:
        if group.name in audit.inputs.groups:
            names = {*group.members, *(u.name for u in accounts.users if u.gid == group.gid)}
            found.setdefault(group.name, set()).update(names)
    audit.observe("members", found)
    extra = {group: names - known.get(group, {"root"}) for group, names in found.items()}
    bad = [f"{name} in {group}" for group, names in extra.items() for name in sorted(names)]
    assert not bad, f"not expected: {listed(bad)}"
