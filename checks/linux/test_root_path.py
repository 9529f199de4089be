"""Where root's programs come from."""

from __future__ import annotations

from stat import S_ISVTX

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: Where root's PATH leads nearly always, and what lies above: asked for with all else.
USUAL = (
    *("/usr/bin", "/usr", "/", "/bin", "/sbin", "/usr/sbin", "/usr/local", "/usr/local/bin"),
    *("/usr/local/sbin", "/usr/games", "/usr/local/games", "/snap", "/snap/bin"),
    *("/root", "/root/bin", "/root/.local", "/root/.local/bin"),
)


def _above(folder):
    """Return *folder* and all folders above it, / last."""
    parts = [part for part in folder.split("/") if part]
    return ["/" + "/".join(parts[:end]) for end in range(len(parts), -1, -1)]


def _open(host, folder):
    """Return why others than root can put programs into *folder*; "" if they cannot."""
    accounts, there = host.facts.accounts, True
    for path in _above(folder):
        fact = host.facts.paths[path]
        if not fact.holds("e"):
            there = False
            continue
        if fact.details is None:
            raise fact.error
        stat = fact.details
        groups = stat.permissions & 0o020 and stat.gid != 0
        others = bool(stat.permissions & 0o002 or groups)
        sticky = stat.permissions & S_ISVTX and there and path != folder
        if stat.uid != 0:
            return f"{path} belongs to {accounts.user_name(stat.uid)}"
        if others and not sticky:
            return f"{path} is {stat.permissions:04o} {stat.user}:{stat.group}"
        there = True
    return ""


@pytest.mark.control(
    "account.root-path",
    severity="high",
    frameworks={
        "cis-debian12": ["5.4.2.5"],
        "cis-dil": ["6.2.6"],
        "nist-800-53": ["CM-6(a)"],
        "dev-sec": ["os-04"],
    },
    inputs={"ignore": []},
)
def test_only_root_can_add_programs_to_roots_path(host, audit):
    """Root's PATH names no folder that depends on where one is, or that others can write to.

    Why: who puts a program called ls there has root run it.

    Fix: take `.`, empty and relative elements out of PATH in the named file; `chown root FOLDER;
    chmod go-w FOLDER` for the others. Looked at are the shell files of root and of all users,
    /etc/environment, ENV_SUPATH and sudo's secure_path. Folders that are meant so stand in the
    input `ignore`.
    """
    path = host.facts.root_path
    if not path.folders:
        audit.not_applicable("no file on this host sets PATH")
    folders = {f: p for f, p in path.by_path().items() if f not in audit.inputs.ignore}
    audit.observe("folders", folders)
    bad = [f"{f or 'an empty element'} in {p}" for f, p in folders.items() if f[:1] != "/"]
    absolute = [folder for folder in folders if folder.startswith("/")]
    host.facts.paths.ask(USUAL)
    host.facts.paths.ask(dict.fromkeys(each for folder in absolute for each in _above(folder)))
    bad += [f"{f} in {folders[f]} ({why})" for f in absolute if (why := _open(host, f))]
    assert not bad, f"not safe: {listed(bad)}"
    if path.unknown():
        audit.cannot_assess(f"only a shell can tell what PATH becomes in {listed(path.unknown())}")
