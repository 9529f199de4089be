"""Certificates and private keys that servers read from disk."""

from __future__ import annotations

import pytest

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.certificates import TREES
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")


def _files(host, audit):
    """Return the files with PEM blocks in all trees, and what says whether these are all."""
    trees = audit.inputs.trees
    if trees == list(TREES):
        host.facts.certificates.ask(TREES)
    host.facts.certificates.ask(trees)
    tables = [host.facts.certificates[tree] for tree in trees]
    return {file.path: file for table in tables for file in table}.values(), tables


def _certificates(files):
    """Return path and certificate of each block, and the first complaint about one."""
    found, unread = [], None
    for file in files:
        try:
            for certificate in file.certificates():
                found.append((file.path, certificate))  # noqa: PERF401 - those before a broken one
        except CannotAssess as error:
            unread = unread or error
    return found, unread


def _require(tables, unread):
    for table in tables:
        table.require_all()
    if unread is not None:
        raise unread


@pytest.mark.control(
    "tls.expiry",
    severity="high",
    inputs={"trees": list(TREES), "minimum_days": 14, "soon_days": 30},
)
def test_certificates_are_valid(host, audit):
    """No certificate on disk has expired, or will within days.

    Why: services stop when theirs runs out, or people learn to click warnings away.

    Fix: renew it and reload what uses it; delete files that nothing uses. The inputs are `trees`,
    the folders to look into, and `minimum_days`; those that expire within `soon_days` are in the
    report.
    """
    files, tables = _files(host, audit)
    found, unread = _certificates(files)
    days = [(path, one.subject, round(one.days_left(), 1)) for path, one in found]
    audit.observe("certificates", len(days))
    soon = [f"{path}: {name}: {left} days" for path, name, left in days]
    soon = [x for x, (_, _, left) in zip(soon, days, strict=True) if left < audit.inputs.soon_days]
    audit.observe("expire soon", soon[:20])
    bad = [
        f"{path}: {name} " + (f"in {left} days" if left >= 0 else f"{-left} days ago")
        for path, name, left in days
        if left < audit.inputs.minimum_days
    ]
    assert not bad, f"expires: {listed(bad)}"
    _require(tables, unread)
    if not found:
        audit.not_applicable("there is no certificate in these folders")


@pytest.mark.control(
    "tls.strength",
    severity="medium",
    inputs={
        "trees": list(TREES),
        "rsa_bits": 2048,
        "ec_bits": 256,
        "forbidden_hashes": ["md2", "md4", "md5", "sha1"],
    },
)
def test_certificates_are_strong(host, audit):
    """Certificates on disk have large keys and sound signatures.

    Why: a small key can be computed, and a signature over MD5 or SHA-1 can be forged.

    Fix: have a new one issued: RSA from 2048 bits on, or ECDSA, signed with SHA-256. What a root
    signs itself with does not matter.
    """
    files, tables = _files(host, audit)
    found, unread = _certificates(files)
    audit.observe("certificates", len(found))
    least = {"RSA": audit.inputs.rsa_bits, "EC": audit.inputs.ec_bits, "Ed25519": 0, "Ed448": 0}
    bad = []
    for path, one in found:
        if one.key_bits < least.get(one.key_type, 1 << 20):
            bad.append(f"{path}: {one.subject}: {one.key_type} key of {one.key_bits} bits")
        if one.signature_hash in audit.inputs.forbidden_hashes and one.issuer != one.subject:
            bad.append(f"{path}: {one.subject}: signed with {one.signature_hash}")
    assert not bad, f"weak: {listed(bad)}"
    _require(tables, unread)
    if not found:
        audit.not_applicable("there is no certificate in these folders")


@pytest.mark.control(
    "tls.key-mode",
    severity="high",
    inputs={"trees": list(TREES), "owners": ["root"], "groups": ["root", "ssl-cert"]},
)
def test_tls_keys_are_private(host, audit):
    """Private keys of servers can be read by root and their own group only.

    Why: who has the key reads the traffic, or pretends to be this server.

    Fix: `chown root:ssl-cert KEY; chmod 0640 KEY`, or `chmod 0600`. Name accounts of servers that
    read their key themselves in the inputs `owners` and `groups`.
    """
    files, tables = _files(host, audit)
    accounts = host.facts.accounts
    keys = audit.observe("keys", [file.path for file in files if file.has_key])
    bad = []
    for file in files:
        owner, group = accounts.user_name(file.uid), accounts.group_name(file.gid)
        allowed = 0o640 if group in audit.inputs.groups else 0o600
        if file.has_key and (file.mode & ~allowed or owner not in audit.inputs.owners):
            bad.append(f"{file.path}: {file.mode:04o} {owner}:{group}")
    assert not bad, f"expected: 0640 root:ssl-cert or stricter; found: {listed(bad)}"
    _require(tables, None)
    if not keys:
        audit.not_applicable("there is no private key in these folders")
