"""The rules of nftables, as ``nft -j list ruleset`` prints them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_sysaudit.facts.firewall_walk import Base, Condition, Rule, Ruleset

_HOOKS = ("input", "prerouting")
#: What ends a rule, and our word for it.
_VERDICTS = {"accept": "accept", "drop": "drop", "reject": "drop", "return": "return"}
#: What lets only some packets through to the rest of the rule.
_NARROW = ("limit", "quota", "meter", "ct count", "synproxy")
_FLAGS = frozenset({"fin", "syn", "rst", "ack", "psh", "urg"})
_Sets = Mapping[tuple[str, str, str], Sequence[Any]]


def parse(text: str) -> tuple[Ruleset, ...]:
    """Return the rules of each table.

    Raises:
        ValueError: it is not such a document.
        LookupError: an object lacks what it must have.
        TypeError: one is of another shape.
    """
    items = json.loads(text)["nftables"]
    every = [(kind, item[kind]) for item in items for kind in item]
    sets: _Sets = {_place(i): i.get("elem", ()) for kind, i in every if kind in ("set", "map")}
    tables: dict[tuple[str, str], dict[str, list[Rule]]] = {}
    bases: dict[tuple[str, str], list[Base]] = {}
    for kind, item in every:
        if kind == "chain":
            table = item["family"], item["table"]
            tables.setdefault(table, {})[item["name"]] = []
            if item.get("hook") in _HOOKS and item["type"] == "filter":
                policy, early = item.get("policy", "accept"), item["hook"] != "input"
                base = Base(item["name"], item["family"], policy, early)
                bases.setdefault(table, []).append(base)
        elif kind == "rule":
            table = item["family"], item["table"]
            tables[table][item["chain"]] += _rules(item.get("expr", ()), table, sets)
    return tuple(
        Ruleset(
            f"{table[0]} {table[1]}",
            {name: tuple(rules) for name, rules in chains.items()},
            tuple(bases.get(table, ())),
        )
        for table, chains in tables.items()
    )


def _place(item: Mapping[str, Any]) -> tuple[str, str, str]:
    return item["family"], item["table"], item["name"]


def _rules(expressions: Sequence[Any], table: tuple[str, str], sets: _Sets) -> Iterator[Rule]:
    """Yield one rule, or one for each line of a verdict map."""
    conditions: list[Condition] = []
    for expression in expressions:
        ((kind, body),) = expression.items()
        if kind == "match":
            conditions += _conditions(body["left"], body["op"], body["right"], table, sets)
        elif kind in _VERDICTS:
            yield Rule(tuple(conditions), _VERDICTS[kind])
        elif kind in ("jump", "goto"):
            yield Rule(tuple(conditions), kind, body["target"])
        elif kind == "queue":
            yield Rule(tuple(conditions), "unknown")
        elif kind == "vmap":
            yield from _mapped(conditions, body, table, sets)
        elif kind == "xt":
            conditions.append(Condition("unknown"))
            if expression is expressions[-1]:
                yield Rule(tuple(conditions), "unknown")
        elif kind in _NARROW:
            up_to = kind == "limit" and not body.get("inv")
            conditions.append(Condition("limited" if up_to else "narrow"))


def _mapped(
    conditions: Sequence[Condition], body: Mapping[str, Any], table: tuple[str, str], sets: _Sets
) -> Iterator[Rule]:
    data = body["data"]
    rows = _elements(data, table, sets) if isinstance(data, str) else data["set"]
    for key, verdict in rows:
        kind, rest = _only(verdict)
        more = _conditions(body["key"], "==", key, table, sets)
        found = (*conditions, *more)
        if kind in ("jump", "goto"):
            yield Rule(found, kind, rest["target"])
        elif kind in _VERDICTS:
            yield Rule(found, _VERDICTS[kind])


def _only(expression: Any) -> tuple[str, Any]:
    """Return name and body of an expression; a word alone has no body."""
    if isinstance(expression, dict):
        ((name, body),) = expression.items()
        return name, body
    return str(expression), {}


def _elements(name: str, table: tuple[str, str], sets: _Sets) -> Sequence[Any]:
    return sets[*table, name.removeprefix("@")]


def _conditions(
    left: Any, operator: str, right: Any, table: tuple[str, str], sets: _Sets
) -> list[Condition]:
    """Return the conditions of one comparison."""
    negated = operator == "!="
    if operator in ("<", ">", "<=", ">="):
        return [Condition("narrow")]
    what, about = _only(left)
    if what == "&":
        return _flags(about, right, negated=negated)
    if what == "concat":
        return [Condition("narrow", negated=negated)]
    values = tuple(_values(right, table, sets))
    kind, before = _subject(what, about)
    if kind == "protocol" and "th" in before:
        before = ()
    if kind == "family":
        values = tuple(value.removeprefix("ipv") for value in values)
    more = [Condition("family" if word in ("4", "6") else "protocol", (word,)) for word in before]
    return [*more, Condition(kind, values, negated)]


def _subject(what: str, about: Any) -> tuple[str, tuple[str, ...]]:  # noqa: PLR0911 - a line a kind
    """Return the kind of condition, and which protocol or family it takes for granted."""
    if what == "meta":
        kinds = {"iifname": "device", "iif": "device", "l4proto": "protocol", "nfproto": "family"}
        return kinds.get(about["key"], "narrow"), ()
    if what == "ct" and about["key"] == "state":
        return "state", ()
    if what == "fib" and about.get("result") == "type" and "daddr" in about["flags"]:
        return "local", ()
    if what != "payload" or "field" not in about:
        return "narrow", ()
    protocol, name = about["protocol"], about["field"]
    if protocol in ("ip", "ip6"):
        family = ("4" if protocol == "ip" else "6",)
        kinds = {"protocol": "protocol", "nexthdr": "protocol"}
        kinds |= {"saddr": "source", "daddr": "destination"}
        return kinds.get(name, "narrow"), family
    known = (protocol,) if protocol != "th" else ()
    if (protocol, name) == ("tcp", "flags"):
        return "flags", known
    return "port" if name == "dport" else "narrow", known


def _flags(about: Sequence[Any], right: Any, *, negated: bool) -> list[Condition]:
    """Return the condition of flags under a mask: how the first packet of a connection looks."""
    left, mask = about
    if left != {"payload": {"protocol": "tcp", "field": "flags"}}:
        return [Condition("narrow", negated=negated)]
    seen = {"syn"} & set(_words(mask))
    expected = set(_words(right)) & _FLAGS
    fits = ("syn",) if seen == expected else ("other",)
    return [Condition("protocol", ("tcp",)), Condition("flags", fits, negated)]


def _words(value: Any) -> Iterator[str]:
    """Yield the words of flags: ``syn``, ``[...]``, ``{"|": [...]}``."""
    if isinstance(value, dict):
        value = [part for parts in value.values() for part in parts]
    for part in value if isinstance(value, list) else [value]:
        yield from _words(part) if isinstance(part, (dict, list)) else [str(part)]


def _values(value: Any, table: tuple[str, str], sets: _Sets) -> Iterator[str]:
    """Yield each value as text: of literals, lists, ranges, networks and sets."""
    if isinstance(value, str) and value.startswith("@"):
        value = list(_elements(value, table, sets))
    if isinstance(value, list):
        for part in value:
            yield from _values(part, table, sets)
    elif isinstance(value, dict):
        ((kind, body),) = value.items()
        if kind == "range":
            yield f"{body[0]}-{body[1]}"
        elif kind == "prefix":
            yield f"{body['addr']}/{body['len']}"
        else:
            yield from _values(body["val"] if kind == "elem" else body, table, sets)
    elif value is not None:
        yield str(value)
