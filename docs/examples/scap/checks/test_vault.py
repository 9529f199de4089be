from pathlib import Path

import pytest

SETTINGS = Path(__file__).parents[1] / "settings"


@pytest.mark.control("vault.seal", severity="high", frameworks={"nist-800-53": ["SC-28"]})
def test_seal(host):
    """The vault is sealed at night

    Why: what is open when nobody looks is read by who should not.

    Fix: put seal=night into settings.
    """
    assert "seal=night" in SETTINGS.read_text()


@pytest.mark.control("vault.keys", severity="low", frameworks={"nist-800-53": ["AC-6(2)"]})
def test_keys(host):
    """Two people have a key"""
    assert "keys=2" in SETTINGS.read_text()
