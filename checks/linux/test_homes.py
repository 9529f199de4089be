"""The homes of users, and the passwords that lie in them."""

from __future__ import annotations

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")


def _people(host, *, root=False):
    """Return the accounts of people, and root's if *root*."""
    first = int(host.facts.login_defs["UID_MIN"])
    users = [user for user in host.facts.accounts.users if user.can_log_in]
    return [user for user in users if user.uid >= first or (root and user.uid == 0)]


@pytest.mark.control(
    "account.home-exists",
    severity="low",
    frameworks={"cis-debian12": ["7.2.9"], "cis-dil": ["6.2.7", "6.2.9"]},
    inputs={"without": []},
)
def test_homes_exist_and_belong_to_their_users(host, audit):
    """The home of every user who logs in is there and is the user's own.

    Why: without a home one lands in /, and whoever can create it later owns it; a home that is
    somebody else's lets that one change what the user runs at login.

    Fix: `mkhomedir_helper NAME`, or `chown NAME HOME`. Name accounts that need no home in the input
    `without`.
    """
    bad, homes = [], host.facts.home_files
    users = [user for user in _people(host) if user.name not in audit.inputs.without]
    audit.observe("users", [user.name for user in users])
    if not users:
        audit.not_applicable("nobody but root and services can log in")
    seen = [user for user in users if user.home not in homes.unknown]
    for user in seen:
        home = homes.home(user.home)
        if home is None or not home.is_folder:
            bad.append(f"{user.name} has no home {user.home}")
        elif home.uid != user.uid:
            owner = host.facts.accounts.user_name(home.uid)
            bad.append(f"{user.home} of {user.name} belongs to {owner}")
    assert not bad, listed(bad)
    for user in users:
        homes.home(user.home)


@pytest.mark.control(
    "account.home-mode",
    severity="high",
    frameworks={"cis-debian12": ["7.2.9"], "cis-dil": ["6.2.8"]},
    inputs={"mode": "0750", "ignore": []},
)
def test_homes_are_private(host, audit):
    """Only its user can write to a home, and strangers cannot look into it.

    Why: who may write to a home changes what its user runs at login; who may read it finds keys,
    histories and tokens.

    Fix: `chmod 0750 HOME`. The input `mode` is the laxest one allowed; name users whose homes are
    open on purpose in `ignore`.
    """
    allowed, homes = int(audit.inputs.mode, 8), host.facts.home_files
    users = [u for u in _people(host, root=True) if u.name not in audit.inputs.ignore]
    paths = dict.fromkeys(user.home for user in users)
    there = [homes.home(path) for path in paths if path not in homes.unknown]
    modes = {home.path: f"{home.permissions:04o}" for home in there if home and home.is_folder}
    audit.observe("modes", modes)
    if not modes and not [path for path in paths if path in homes.unknown]:
        audit.not_applicable("no account that can log in has a home")
    bad = [f"{path} ({mode})" for path, mode in modes.items() if int(mode, 8) & ~allowed]
    assert not bad, f"laxer than {audit.inputs.mode}: {listed(bad)}"
    for path in paths:
        homes.home(path)


@pytest.mark.control(
    "secret.netrc",
    severity="high",
    frameworks={
        "cis-debian12": ["7.2.10"],
        "cis-dil": ["6.2.12", "6.2.13"],
        "nist-800-53": ["CM-6(a)", "IA-5(1)(c)", "IA-5(7)", "IA-5(h)"],
        "dev-sec": ["os-09"],
    },
    inputs={"mode": "0600", "ignore": []},
)
def test_files_with_passwords_are_private(host, audit):
    """Files in homes that hold passwords and tokens can be read by their user only.

    Why: .netrc, .pgpass, .my.cnf, .aws/credentials and their like hold passwords in clear text.

    Fix: `chmod 0600 FILE; chown NAME FILE`, or delete it. The input `ignore` names files, by path
    or by their last part, that hold no secret here.
    """
    bad, allowed, homes = [], int(audit.inputs.mode, 8), host.facts.home_files
    owners = {}
    for user in host.facts.accounts.users:
        owners.setdefault(user.home, {0}).add(user.uid)
    files = [(file, owners[home]) for home in owners for file in homes.secrets(home)]
    audit.observe("files", [file.path for file, _ in files])
    for file, uids in files:
        if {file.path, file.path.rpartition("/")[2]} & set(audit.inputs.ignore):
            continue
        if file.permissions & ~allowed or file.uid not in uids:
            owner = host.facts.accounts.user_name(file.uid)
            bad.append(f"{file.path} ({file.permissions:04o} {owner})")
    assert not bad, f"others can read passwords: {listed(bad)}"
    for error in homes.unseen(owners):
        raise error
