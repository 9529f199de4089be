import pytest


@pytest.mark.targets("prod")
@pytest.mark.control("mine.tier")
def test_tier_is_known(target, audit):
    """Every production host has a service tier."""
    tier = audit.observe("tier", target.vars.get("tier"))
    assert tier in ("gold", "platinum")


@pytest.mark.targets("kind:host:&prod:!web*")
@pytest.mark.control("mine.owner")
def test_owner_is_known(target):
    """Every production host that is no web server has an owner."""
    assert target.vars.get("owner"), "set vars.owner in the inventory"


@pytest.mark.control("mine.tries", severity="high", inputs={"maximum": 6})
def test_few_tries_are_allowed(host, audit):
    """The limit of login tries is low."""
    assert audit.observe("maximum", audit.inputs.maximum) <= 3
