"""Keys that let in, private keys, and the files by which users trust others."""

from __future__ import annotations

import stat
from fnmatch import fnmatchcase

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: Programs of distributions that hand out keys of a directory.
KEY_COMMANDS = [
    "/usr/bin/sss_ssh_authorizedkeys",
    "/usr/share/ec2-instance-connect/eic_run_authorized_keys",
    "/opt/aws/bin/eic_run_authorized_keys",
    "/usr/bin/google_authorized_keys",
]


def _fits(text, patterns):
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _require_all(audit, left_out):
    """End the check if homes were not looked at that nobody looks at elsewhere."""
    unseen = [home for home in left_out if not _fits(home, audit.inputs.elsewhere)]
    if unseen:
        audit.cannot_assess(
            f"these homes are on other hosts' file systems and were not looked at: {listed(unseen)}"
        )


def _home_of(homes, path):
    """Return the home around *path*; "" if it is in none."""
    return max((home for home in homes if path.startswith(f"{home}/")), key=len, default="")


def _of_keys(file, inputs):
    """Yield what is wrong with the keys in *file*."""
    for entry in file.entries:
        if entry.key is None:
            continue  # sshd passes over it
        key, where = entry.key, f"line {entry.line}"
        if _fits(key.kind, inputs.weak):
            yield f"{where}: {key.kind} is weak"
        if key.kind.startswith("ssh-rsa") and key.bits < inputs.rsa_bits:
            yield f"{where}: an RSA key of {key.bits} bits"
        if inputs.known and not any(_fits(x, inputs.known) for x in (key.comment, key.fingerprint)):
            yield f"{where}: {key.fingerprint} {key.comment!r} is not listed"


@pytest.mark.control(
    "account.authorized-keys",
    severity="high",
    inputs={
        "mode": "0600",
        "rsa_bits": 2048,
        "weak": ["ssh-dss*"],
        "known": [],
        "commands": KEY_COMMANDS,
        "elsewhere": [],
    },
)
def test_keys_that_let_in_are_strong_and_their_owners(host, audit):
    """Files of authorized keys belong to their users, and hold no weak or unknown key.

    Why: a line in such a file is a login, and whoever can write the file can add his own.

    Fix: `chmod 0600 FILE; chown USER FILE` and remove the line. Name known keys in the input
    `known` by comment or fingerprint (* stands for anything), programs that sshd may ask for keys
    in `commands`, homes that are audited on another host in `elsewhere`.
    """
    found = host.facts.authorized_keys
    allowed = int(audit.inputs.mode, 8)
    strange = [command for command in found.commands if command not in audit.inputs.commands]
    bad = [f"AuthorizedKeysCommand is {command}" for command in strange]
    audit.observe("files", {file.path: len(file.entries) for file in found.files})
    for file in found.files:
        if file.uid not in {0, *found.owners[file.path]}:
            bad.append(f"{file.path} belongs to {host.facts.accounts.user_name(file.uid)}")
        if file.mode & ~allowed:
            bad.append(f"{file.path} has mode {file.mode:04o}, expected {allowed:04o} or stricter")
        bad += [f"{file.path} {what}" for what in _of_keys(file, audit.inputs)]
    assert not bad, listed(bad)
    _require_all(audit, found.left_out)


def _too_open(key, homes, accounts):
    """Return why others than its user can read *key*; "" if none can."""
    owner = homes.get(_home_of(homes, key.path))
    allowed = 0o640 if accounts.group_name(key.gid) == "ssh_keys" else 0o600
    if key.uid not in (0, owner):
        return f"belongs to {accounts.user_name(key.uid)}"
    return f"has mode {key.mode:04o}" if key.mode & ~allowed & 0o077 else ""


def _is_of_a_service(home, accounts):
    """Whether *home* is that of accounts that nobody logs in to, as one of a web server."""
    users = [user for user in accounts.users if user.home.rstrip("/") == home]
    return bool(users) and not any(user.can_log_in for user in users)


@pytest.mark.control(
    "secret.ssh-keys",
    severity="critical",
    inputs={
        "passphrase": True,
        "plain": ["/etc/ssh/ssh_host_*_key", "/etc/dropbear/dropbear_*_host_key"],
        "elsewhere": [],
    },
)
def test_private_keys_are_private_and_encrypted(host, audit):
    """Private keys in homes are read by their users only, and have a passphrase.

    Why: a key without one opens other hosts to whoever reads the file: by a backup, a hole in a
    web server, a stolen disk.

    Fix: `chmod 0600 FILE; ssh-keygen -p -f FILE`; better, keep the key in an agent elsewhere. Name
    keys of automation in the input `plain`, or set `passphrase: false`. Services that nobody logs
    in to may have keys without one.
    """
    found, accounts = host.facts.ssh_keys, host.facts.accounts
    kinds = {True: "encrypted", False: "no passphrase", None: "not known"}
    told = {f"{key.path} line {key.line}": kinds[key.encrypted] for key in found.private}
    audit.observe("private keys", told)
    bad, unknown = [], []
    for key in found.private:
        if why := _too_open(key, found.homes, accounts):
            bad.append(f"{key.path} line {key.line} ({key.kind}) {why}")
        exempt = _is_of_a_service(_home_of(found.homes, key.path), accounts)
        if exempt or not audit.inputs.passphrase or _fits(key.path, audit.inputs.plain):
            continue
        if key.encrypted is False:
            bad.append(f"{key.path} line {key.line} ({key.kind}) has no passphrase")
        unknown += [key.path] if key.encrypted is None else []
    assert not bad, listed(bad)
    if unknown:
        audit.cannot_assess(f"nobody knows whether these are encrypted: {listed(unknown)}")
    _require_all(audit, found.left_out)


def _is_private_group(gid, users, accounts):
    """Whether *gid* is the users' own group, and nobody else is in it."""
    names = {user.name for user in users}
    members = {name for group in accounts.groups if group.gid == gid for name in group.members}
    members |= {user.name for user in accounts.users if user.gid == gid}
    return members <= names and gid in {user.gid for user in users}


def _others_can_write(file, users, accounts):
    """Return why somebody else than *users* and root can change *file*; "" if nobody can."""
    if users and file.uid not in {0, *(user.uid for user in users)}:
        return f"belongs to {accounts.user_name(file.uid)}"
    if file.mode & stat.S_IWOTH:
        return "can be written by everybody"
    if file.mode & stat.S_IWGRP and file.gid and not _is_private_group(file.gid, users, accounts):
        return f"can be written by the group {accounts.group_name(file.gid)}"
    return ""


@pytest.mark.control(
    "account.dotfiles",
    severity="medium",
    frameworks={
        "cis-debian12": ["7.2.10"],
        "cis-dil": ["6.2.10", "6.2.11", "6.2.12", "6.2.13", "6.2.14"],
        "nist-800-53": [
            "CM-6(a)",
            "CM-7(a)",
            "CM-7(b)",
            "IA-5(1)(c)",
            "IA-5(7)",
            "IA-5(h)",
        ],
        "dev-sec": ["os-09"],
    },
    inputs={
        "forbidden": [".rhosts", ".shosts", ".netrc", ".forward"],
        "allowed": [],
        "elsewhere": [],
    },
)
def test_dotfiles_are_written_by_their_users_only(host, audit):
    """Nobody else can change the dot files of users, and none of them trusts other hosts.

    Why: shells and ssh obey these files at the next login. .rhosts lets others in, .netrc holds
    passwords in clear text, .forward can run programs and carry mail away.

    Fix: `chmod go-w FILE; chown USER FILE`, or remove it. Name exceptions by their paths in the
    input `allowed`, homes that are audited on another host in `elsewhere`.
    """
    found, accounts = host.facts.dotfiles, host.facts.accounts
    known = {user.home.rstrip("/") for user in accounts.users}
    bad = []
    for file in found.files:
        home, _, name = file.path.rpartition("/")
        users = [user for user in accounts.users if user.home.rstrip("/") == home]
        if _fits(file.path, audit.inputs.allowed):
            continue
        if name in audit.inputs.forbidden:
            bad.append(f"{file.path} is there")
        elif home not in known or any(user.can_log_in for user in users):
            why = _others_can_write(file, users, accounts)
            bad += [f"{file.path} {why}"] if why else []
    audit.observe("homes", len(found.homes))
    audit.observe("files", len(found.files))
    assert not bad, listed(bad)
    _require_all(audit, found.left_out)
