from pathlib import Path

import pytest

SETTINGS = Path(__file__).parents[1] / "settings"


@pytest.mark.control("shop.backup", severity="high")
def test_backup(host):
    """The shop is backed up."""
    assert "backup=on" in SETTINGS.read_text()


@pytest.mark.control("shop.banner", severity="low")
def test_banner(host):
    """The shop greets nobody."""
    assert "banner=off" in SETTINGS.read_text()
