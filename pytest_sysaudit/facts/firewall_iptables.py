"""The rules of iptables, as iptables-save and ip6tables-save print them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.firewall_walk import Base, Condition, Rule, Ruleset

_VERDICTS = {
    "ACCEPT": "accept",
    "DROP": "drop",
    "REJECT": "drop",
    "STEAL": "drop",
    "TARPIT": "drop",
    "RETURN": "return",
    "QUEUE": "unknown",
    "NFQUEUE": "unknown",
}
#: Options whose words are values of ours.
_KINDS = {
    "-i": "device",
    "-s": "source",
    "-d": "destination",
    "-p": "protocol",
    "--dport": "port",
    "--dports": "port",
    "--ports": "port",
    "--ctstate": "state",
    "--state": "state",
    "--dst-type": "local",
    "--limit": "limited",
    "--hashlimit-upto": "limited",
    "--connlimit-upto": "limited",
}
#: Options that only say more about another one, or match everything.
_MODIFIERS = (
    *("-m", "--comment", "--limit-burst", "--name", "--mask", "--rsource", "--rdest", "--set"),
    *("--hashlimit-burst", "--hashlimit-mode", "--hashlimit-name", "--hashlimit-srcmask"),
    *("--connlimit-mask", "--connlimit-saddr", "--seconds", "--hitcount", "--return-nomatch"),
)


def parse(text: str, family: str) -> Ruleset:
    """Return the rules of the table ``filter``.

    Args:
        text: the output; other tables are left out.
        family: ``ip`` or ``ip6``.

    Raises:
        CannotAssess: a line is not one of iptables-save.
    """
    chains: dict[str, list[Rule]] = {}
    bases: list[Base] = []
    table = ""

    def line(words: str) -> None:
        nonlocal table
        if words.startswith("*"):
            table = words[1:]
        elif words.startswith("#") or words == "COMMIT" or table != "filter":
            return
        elif words.startswith(":"):
            name, policy = words[1:].split()[:2]
            chains[name] = []
            if name == "INPUT":
                bases.append(Base(name, family, _VERDICTS[policy]))
        else:
            name, rule = _rule(words)
            chains[name].append(rule)

    parse_lines("iptables-save", text, line)
    known = {name: tuple(_linked(rule, chains) for rule in rules) for name, rules in chains.items()}
    return Ruleset(f"{family} filter", known, tuple(bases))


def _linked(rule: Rule, chains: dict[str, list[Rule]]) -> Rule:
    """Return *rule*; a target that is no chain is an extension, after which most packets go on."""
    if rule.target and rule.target not in chains:
        return Rule(rule.conditions)
    return rule


def _rule(line: str) -> tuple[str, Rule]:
    option, chain, *words = shlex.split(line)
    if option != "-A":
        raise ValueError("not a rule")
    conditions: list[Condition] = []
    for negated, name, values in _options(words):
        if name in ("-j", "-g"):
            target = values[0]
            if target in _VERDICTS:
                return chain, Rule(tuple(conditions), _VERDICTS[target])
            verdict = "jump" if name == "-j" else "goto"
            return chain, Rule(tuple(conditions), verdict, target)
        condition = _condition(name, values, negated=negated)
        if condition is not None:
            conditions.append(condition)
    return chain, Rule(tuple(conditions))


def _options(words: Sequence[str]) -> Iterator[tuple[bool, str, list[str]]]:
    """Yield each option with its values, and whether a ``!`` stands before it."""
    negated, name = False, ""
    values: list[str] = []
    for word in [*words, "-"]:
        if word == "!" or (word.startswith("-") and not word.lstrip("-").isdigit()):
            if name:
                yield negated, name, values
                negated, name, values = False, "", []
            if word == "!":
                negated = True
            else:
                name = word
        else:
            values.append(word)


def _condition(name: str, values: Sequence[str], *, negated: bool) -> Condition | None:
    if name in _MODIFIERS:
        return None
    if name == "--syn":
        return Condition("flags", ("syn",), negated)
    if name == "--tcp-flags":
        mask, expected = (set(value.lower().split(",")) for value in values)
        fits = {"syn"} & mask == expected
        return Condition("flags", ("syn",) if fits else ("other",), negated)
    kind = _KINDS.get(name, "narrow")
    parts = tuple(part for value in values for part in value.lower().split(","))
    if kind == "device":
        parts = tuple(f"{v[:-1]}*" if v.endswith("+") else v for v in values)
    elif kind == "port":
        parts = tuple(part.replace(":", "-") for part in parts)
    elif kind == "protocol" and "all" in parts:
        return None
    return Condition(kind, parts, negated)
