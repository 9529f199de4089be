"""Secrets that stand where others can read them. They are told by place and hash, never shown."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from pytest_sysaudit.facts.secrets import TREES
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: Kinds that are told by their form alone; of others, only the value shows whether it is one.
_CERTAIN = ("private-key", "aws-key", "github", "gitlab", "slack", "google", "stripe", "npm")


def _left(findings, allowed):
    """Return the findings that *allowed* does not name, by a pattern of paths or by hash."""
    return [
        finding
        for finding in findings
        if finding.hash not in allowed
        and not any(fnmatchcase(finding.path, pattern) for pattern in allowed)
    ]


def _listed(findings, more):
    return listed(findings) + (f", and {more} more on the host" if more else "")


@pytest.mark.control(
    "secret.files",
    severity="high",
    inputs={"trees": list(TREES), "entropy": 2.8, "allowed": []},
)
def test_no_secret_is_readable_by_all(host, audit):
    """No password, token or private key stands in a file that everybody can read.

    Why: whoever gets any account here, a web server's is enough, takes them along.

    Fix: take the rights of others from the file (`chmod o-rwx FILE`), and replace the secret: it
    was seen. Inputs: `trees` are the folders to look into, `entropy` the bits in each character
    that make a password of a word, `allowed` patterns of paths, and hashes as shown here.
    """
    trees = audit.inputs.trees
    if trees == list(TREES):
        host.facts.secrets.ask(TREES)
    host.facts.secrets.ask(trees)
    tables = [host.facts.secrets[tree] for tree in trees]
    found = {finding for table in tables for finding in table}
    sure = [one for one in found if one.kind in _CERTAIN or one.bits >= audit.inputs.entropy]
    bad = _left(sorted(sure), audit.inputs.allowed)
    more = max((table.more for table in tables), default=0)
    audit.observe("found", len(bad))
    assert not bad, f"everybody can read secrets in {_listed(bad, more)}"
    for table in tables:
        table.require_all()
    if more:
        audit.cannot_assess(f"there are {more} more places than can be looked at")


@pytest.mark.control(
    "secret.history",
    severity="medium",
    inputs={"allowed": []},
)
def test_histories_hold_no_password(host, audit):
    """No password stands in the history of a shell or of a data base client.

    Why: who gets into the account finds the keys to the next one.

    Fix: delete the line, replace the password, and give it by a prompt or a file instead. The
    input `allowed` has patterns of paths, and hashes as shown here.
    """
    table = host.facts.history_secrets
    audit.observe("histories", table.files)
    bad = _left(table, audit.inputs.allowed)
    assert not bad, f"histories hold passwords: {_listed(bad, table.more)}"
    table.require_all()
    if table.more:
        audit.cannot_assess(f"there are {table.more} more places than can be looked at")


@pytest.mark.control(
    "secret.cmdline",
    severity="medium",
    inputs={"allowed": []},
)
def test_command_lines_hold_no_password(host, audit):
    """No process was given a password on its command line.

    Why: every user of the host can see the arguments of all processes.

    Fix: give it in a file, in the environment or on standard input, and replace it. The input
    `allowed` has patterns as `process * (NAME)`, and hashes as shown here.
    """
    table = host.facts.cmdline_secrets
    audit.observe("processes", table.processes)
    bad = _left(table, audit.inputs.allowed)
    assert not bad, f"passwords among arguments: {_listed(bad, table.more)}"
    if table.more:
        audit.cannot_assess(f"there are {table.more} more places than can be looked at")
