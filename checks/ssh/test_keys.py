"""What proves who the host is, and what keeps the connection secret."""

from __future__ import annotations

import pytest

from pytest_sysaudit.facts.moduli import PATH as MODULI
from pytest_sysaudit.facts.public_keys import parse_key
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

USUAL = [f"/etc/ssh/ssh_host_{kind}_key" for kind in ("rsa", "ecdsa", "ed25519", "dsa")]


def _public_text(host, path):
    """Return the text of the public key file at *path*; "" if there is none."""
    usual = host.facts.texts["/etc/ssh/ssh_host_*_key.pub"]
    return usual[path] if path in usual else host.facts.texts[path].get(path, "")


def _host_keys(host, audit):
    """Return the host keys that sshd uses, by path; it names some that are not there."""
    found = {}
    host.facts.paths.ask(USUAL)
    for path in map(str, host.facts.sshd.every("hostkey")):
        if not host.facts.paths[path].holds("e"):
            continue
        public = f"{path.removesuffix('.pub')}.pub"
        text = _public_text(host, public)
        if not text:
            audit.cannot_assess(f"{path}: there is no {public} that tells its size")
        found[path] = parse_key(text)
    return found


@pytest.mark.control(
    "ssh.hostkey-size",
    severity="high",
    frameworks={"dev-sec": ["sshd-50"]},
    inputs={"bits": 3072},
)
def test_host_keys_are_long(host, audit):
    """RSA and DSA host keys are long enough.

    Why: who can compute the private key from a short public one can pretend to be this host.

    Fix: remove the key, `ssh-keygen -t rsa -b 3072 -N '' -f /etc/ssh/ssh_host_rsa_key`, and tell
    the users the new fingerprint; or use Ed25519 alone.
    """
    keys = _host_keys(host, audit)
    if not keys:
        audit.not_applicable("sshd has no host key in a file")
    audit.observe("keys", keys)
    short = [
        f"{path} ({key.kind}, {key.bits} bits)"
        for path, key in keys.items()
        if key.kind.startswith(("ssh-rsa", "ssh-dss")) and key.bits < audit.inputs.bits
    ]
    assert not short, f"shorter than {audit.inputs.bits} bits: {listed(short)}"


@pytest.mark.control(
    "ssh.moduli",
    severity="low",
    frameworks={"dev-sec": ["sshd-48"]},
    inputs={"bits": 3072},
)
def test_groups_for_diffie_hellman_are_large(host, audit):
    """The groups that sshd offers for key exchange are large enough.

    Why: a group is shared by all connections, so it pays to break one: then what was recorded can
    be read years later.

    Fix: `awk '$5 >= 3071' /etc/ssh/moduli >/etc/ssh/moduli.new` and put it in its place.
    """
    sshd = host.facts.sshd
    used = [name for name in sshd.words("kexalgorithms") if "group-exchange" in name]
    if not used:
        audit.not_applicable("sshd offers no key exchange with groups of its choice")
    if "modulifile" in sshd and sshd["modulifile"] != MODULI:
        audit.cannot_assess(f"sshd takes its groups from {sshd['modulifile']}, not from {MODULI}")
    groups = audit.observe("groups by bits", host.facts.moduli)
    small = [
        f"{count} of {bits} bits" for bits, count in groups.items() if bits < audit.inputs.bits
    ]
    assert not small, f"{MODULI}: {listed(small)}; expected: {audit.inputs.bits} bits or more"
