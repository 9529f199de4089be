import pytest


@pytest.mark.control("shop.no-telnet", severity="high")
def test_telnet_is_gone(host):
    """Nobody logs in without encryption."""
    assert not host.target.name.startswith("web"), "telnetd is there"


@pytest.mark.control("shop.cameras", manual=True)
def test_cameras(host):
    """The room of this system is watched."""
