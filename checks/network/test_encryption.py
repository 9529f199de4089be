"""How well what is encrypted is encrypted, as servers chose it on the wire."""

from __future__ import annotations

import pytest


@pytest.mark.control(
    "network.tls-version",
    severity="high",
    frameworks={"nist-800-53": ["SC-8(1)", "SC-13"], "pci-dss-4": ["4.2.1"]},
    inputs={"seconds": 2.0, "minimum": "TLSv1.2"},
)
def test_tls_connections_are_new_enough(sniffer, audit):
    """TLS connections use version 1.2 or newer.

    Why: the versions before have known weaknesses, and no browser of today accepts them.

    Fix: allow only TLS 1.2 and 1.3 on the named servers.
    """
    seen = sniffer.sample(audit.inputs.seconds).tls()
    if not audit.observe("tls", seen.to_plain()) and not seen:
        audit.not_applicable("no TLS connection was seen")
    old = seen.where(lambda one: one.number > 0 and one.version < audit.inputs.minimum)
    assert not old, f"older than {audit.inputs.minimum}: {old}"
    versions = {one.version for one in seen}  # of one that began before the capture, it is unknown
    assert min(versions) >= audit.inputs.minimum, f"older: {min(versions)}"
