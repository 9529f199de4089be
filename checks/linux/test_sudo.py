"""What sudo allows."""

from __future__ import annotations

import posixpath
import re

import pytest

from pytest_sysaudit.facts.safe_paths import unsafe, with_parents
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

USUAL = "/etc/sudoers.d"
FILES = ("/etc/sudoers", "/etc/sudoers.d/*")
_INCLUDE = re.compile(r'[@#]include(dir)?\s+"?([^"]+?)"?')


def _included(host):
    """Return the files and folders that sudo's files take in, beside the usual one."""
    found = []
    host.facts.texts.ask(FILES)
    for pattern in FILES:
        for _, _, line in host.facts.texts[pattern].lines(comment=""):
            match = _INCLUDE.fullmatch(line)
            path = posixpath.join("/etc", match[2]).rstrip("/") if match else USUAL
            if path != USUAL and posixpath.dirname(path) != USUAL:
                found += [path, *(host.facts.texts[f"{path}/*"] if match[1] else ())]
    return list(dict.fromkeys(found))


@pytest.mark.control(
    "sudo.nopasswd",
    severity="high",
    frameworks={"nist-800-53": ["CM-6(a)", "IA-11"]},
    inputs={"allowed": ["root"], "directories": []},
)
def test_sudo_asks_for_a_password(host, audit):
    """Nobody becomes another user through sudo without a password, but those listed.

    Why: without one, whoever takes over a session of that user is root at once.

    Fix: remove NOPASSWD, !authenticate and exempt_group from the sudoers files. Name accounts of
    automation in the input `allowed`, groups as %group; sources of rules that are audited where
    they are, as sss, in `directories`.
    """
    users = audit.observe("without a password", host.facts.sudoers.without_password())
    extra = [user for user in users if user not in audit.inputs.allowed]
    assert not extra, f"sudo asks no password from {listed(extra)}"
    host.facts.sudoers.require_all(audit.inputs.directories)


@pytest.mark.control(
    "sudo.mode",
    severity="high",
)
def test_sudoers_files_are_private(host, audit):
    """Only root can change what sudo allows.

    Why: who may write a sudoers file makes himself root. sudo ignores a file that is too open, so
    a rule that one relies on may not be in force either.

    Fix: `chown root:root` and `chmod 0440` the files, `chmod 0755` the folder.
    """
    stats = host.facts.file_stats
    folder = [stats[path] for path in ("/etc/sudoers.d",) if stats.exists(path)]
    for file in (stats["/etc/sudoers"], *folder, *stats.matching("/etc/sudoers.d/*")):
        with audit.resource(file.path):
            found = audit.observe("mode", file.describe(host.facts.accounts))
            allowed = 0o755 if file in folder else 0o440
            ok = file.uid == 0 and not file.laxer_than(allowed)
            assert ok, f"{found}; expected: {allowed:04o} root or stricter"
    others = _included(host)
    host.facts.paths.ask(each for path in others for each in with_parents(path))
    for path in others:
        with audit.resource(path):
            wrong = [f"{name} ({mode})" for name, mode in unsafe(host.facts, [path]).items()]
            assert not wrong, f"others than root may change {listed(wrong)}"
