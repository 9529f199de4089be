"""Choosing targets by expression."""

from __future__ import annotations

import pytest
from lab.inventories import loaded

from pytest_sysaudit.inventory.select import SelectionError, Selector, matches, select

TEXT = """\
version: 1
groups: {prod: {children: [web]}, web: , db: , spare: }
hosts:
  here: {connection: local}
  web1: {groups: [web]}
  web2: {groups: [web, db]}
  db-1: {groups: [db]}
aws:
  payments: {groups: [prod]}
http:
  shop: {base_url: "http://x", groups: [prod]}
networks:
  dmz: {interface: eth0}
"""
ALL = "here web1 web2 db-1 payments shop dmz"


@pytest.fixture(scope="module")
def inventory(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("inventory"), TEXT)


CHOSEN = [
    ([], ALL),
    (["all"], ALL),
    (["*"], ALL),
    (["web1"], "web1"),
    (["web"], "web1 web2"),
    (["prod"], "web1 web2 payments shop"),
    (["web*"], "web1 web2"),
    (["web?"], "web1 web2"),
    (["web[2-9]"], "web2"),
    (["pro*"], "web1 web2 payments shop"),
    (["kind:local"], "here"),
    (["kind:ssh"], "web1 web2 db-1"),
    (["kind:host"], "here web1 web2 db-1"),
    (["kind:aws"], "payments"),
    (["kind:http"], "shop"),
    (["kind:network"], "dmz"),
    (["web:db"], "web1 web2 db-1"),
    (["db,web1"], "web1 web2 db-1"),
    (["dmz:here"], "here dmz"),
    (["web:&db"], "web2"),
    (["web:!web2"], "web1"),
    (["web:!db"], "web1"),
    (["!web2:web"], "web1"),
    (["&db:web"], "web2"),
    (["web:db:&prod:!web2"], "web1"),
    (["!web2:&prod:db:web"], "web1"),
    (["prod:&kind:host"], "web1 web2"),
    (["prod:!kind:ssh"], "payments shop"),
    (["kind:aws:kind:http"], "payments shop"),
    (["!kind:ssh"], "here payments shop dmz"),
    (["&db"], "web2 db-1"),
    (["all:!web*"], "here db-1 payments shop dmz"),
    (["web:!spare"], "web1 web2"),
    (["web:spare"], "web1 web2"),
    ([" web : ! web2 "], "web1"),
    (["dmz", "web1", "web"], "web1 web2 dmz"),
]


@pytest.mark.parametrize("expressions, names", CHOSEN)
def test_chosen(inventory, expressions, names):
    chosen = select(expressions, inventory.targets, inventory.groups)
    assert [target.name for target in chosen] == names.split()
    by_marker = {
        name
        for name, target in inventory.targets.items()
        if not expressions or any(matches(expression, target) for expression in expressions)
    }
    assert by_marker == set(names.split())


REFUSED = [
    (["wbe1"], "'wbe1': 'wbe1' matches no target and no group. Did you mean 'web1'?"),
    (["web:zzz"], "'web:zzz': 'zzz' matches no target and no group. There are: here, web1, web2,"),
    (["web:!wbe2"], "'web:!wbe2': '!wbe2' matches no target and no group. Did you mean 'web2'?"),
    (["web:&pord"], "'web:&pord': '&pord' matches no target and no group. Did you mean 'prod'?"),
    (["x*"], "'x*': 'x*' matches no target and no group. There are: here, web1,"),
    (["spare"], "'spare': 'spare' has no targets"),
    (["web1:&kind:aws"], "'web1:&kind:aws': '&kind:aws' leaves nothing of 1 target: web1"),
    (["web:!prod"], "'web:!prod': '!prod' leaves nothing of 2 targets: web1, web2"),
    (["web1", "dmz:!dmz"], "'dmz:!dmz': '!dmz' leaves nothing of 1 target: dmz"),
    (["kind:http2"], "'kind:http2': unknown kind 'http2'. Did you mean 'http'?"),
    (["kind:"], "'kind:': unknown kind ''. Kinds: local, ssh, aws, http, network, host"),
    ([""], "'': a part is empty; expected a name, a group, a glob, kind:KIND or all"),
    (["web::db"], "'web::db': a part is empty"),
    (["web:"], "'web:': a part is empty"),
    (["!"], "'!': a part is empty"),
]


@pytest.mark.parametrize("expressions, text", REFUSED)
def test_refused(inventory, expressions, text):
    with pytest.raises(SelectionError) as caught:
        select(expressions, inventory.targets, inventory.groups)
    assert str(caught.value).startswith(f"target expression {text}")


def test_a_kind_that_is_not_there(inventory):
    hosts = {"web1": inventory.targets["web1"]}
    with pytest.raises(SelectionError, match=r"'kind:aws' matches no target .* are: kind:ssh"):
        select(["kind:aws"], hosts, {})


def test_a_marker_may_name_what_is_not_there(inventory):
    assert not matches("nobody", inventory.targets["web1"])
    assert not matches("x*:&prod", inventory.targets["web1"])
    assert matches("!nobody", inventory.targets["web1"])


@pytest.mark.parametrize("expression", ["", "web::db", "kind:cloud"])
def test_a_marker_must_be_understood(inventory, expression):
    with pytest.raises(SelectionError):
        matches(expression, inventory.targets["web1"])


def test_a_selector_can_be_kept(inventory):
    selector = Selector.parse("web:!web2")
    assert [name for name, t in inventory.targets.items() if selector.matches(t)] == ["web1"]
    assert [str(part) for part in selector.parts] == ["web", "!web2"]
