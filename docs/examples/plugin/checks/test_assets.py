import pytest


@pytest.mark.control("mine.hostname")
def test_host_has_a_name(host):
    """The host has a name."""
    assert host.facts.hostname


@pytest.mark.control("mine.owner")
def test_host_has_an_owner(target):
    """The asset database says who owns the host."""
    assert target.vars.get("owner"), "no owner in the asset database"
