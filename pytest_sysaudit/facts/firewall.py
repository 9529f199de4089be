"""The packet filter of a host: all rules that the kernel asks, whichever tool wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts import firewall_iptables, firewall_nft
from pytest_sysaudit.facts.firewall_walk import Filter, Ruleset
from pytest_sysaudit.facts.reading import ROOT_ONLY, complete, script
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import Command, CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: ufw, firewalld and iptables itself write rules of nftables today, and nft lists them all. Those
#: of the old iptables are known by the names of its tables; only then its tool is asked, for it
#: would load modules. Without nft, iptables-nft still knows its own.
_SCRIPT = Script(rf"""[ "$(id -u)" = 0 ] || exit {ROOT_ONLY}
save() {{
echo "@$1"
if command -v $2 >/dev/null; then echo "tool $2"; $2 -t filter || echo "@failed"
elif command -v $3 >/dev/null; then echo "tool $3"; $3 -t filter || echo "@failed"
else echo "@missing"; fi
}}
has=
[ ! -e /proc/net/if_inet6 ] || while read -r a b c d e f; do
[ "$f" = lo ] || has=1
done </proc/net/if_inet6
[ -z "$has" ] || echo inet6
echo @nft
if command -v nft >/dev/null; then nft -j list ruleset || echo "@failed"; echo
else echo "@missing"; fi
if ! command -v nft >/dev/null; then
save nft-ip iptables-nft-save iptables-save
save nft-ip6 ip6tables-nft-save ip6tables-save
fi
for v in ip ip6; do
[ -r /proc/net/${{v}}_tables_names ] || continue
while read -r a; do
[ "$a" != filter ] || save legacy-$v ${{v}}tables-legacy-save ${{v}}tables-save
done </proc/net/${{v}}_tables_names
done
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
#: nft 1.0 tells no conditions of iptables' own: then iptables-nft is asked.
_SAVE = Script("""for v in ip ip6; do
command -v ${v}tables-nft-save >/dev/null || continue
echo @$v
${v}tables-nft-save -t filter || exit
done
echo @end""")
_NO_NFT = re.compile("not supported|protocol not available", re.IGNORECASE)
_SECTION = re.compile(r"^@((?:nft|legacy)(?:-ip6?)?)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Firewall:
    """What is in force.

    Attributes:
        filter: the rules.
        tools: the programs that listed them; empty if this host has none that could.
        has_inet6: whether an interface beside lo has an IPv6 address.
    """

    filter: Filter
    tools: tuple[str, ...]
    has_inet6: bool

    @property
    def families(self) -> tuple[int, ...]:
        """The families of addresses that are in use."""
        return (4, 6) if self.has_inet6 else (4,)


def parse(result: CommandResult) -> Firewall:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut, a tool failed, or rules are there that no tool here can list.
    """
    lines = complete("firewall", script(result, "firewall"), "@end")
    before, *rest = _SECTION.split("\n".join(lines))
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    rulesets: list[Ruleset] = []
    tools: list[str] = []
    for name, text in sections.items():
        if text.strip() == "@missing":
            if name.startswith("legacy"):
                raise CannotAssess("firewall: iptables rules are loaded, but there is no iptables")
            continue
        _raise_failure(name, text, result.err)
        tools.append(_tool(text))
        rulesets += _rulesets(name, text)
    return Firewall(Filter(tuple(rulesets)), tuple(dict.fromkeys(tools)), "inet6" in before)


def _raise_failure(name: str, text: str, err: str) -> None:
    if not text.rstrip().endswith("@failed"):
        return
    if name.startswith("nft") and _NO_NFT.search(err):
        return  # a kernel without nftables has no rules of it
    raise CannotAssess(f"firewall: {name}: {first_line(err) or 'no message'}")


def _tool(text: str) -> str:
    match = re.match(r"\s*tool (\S+)\n", text)
    return match[1] if match else "nft"


def _rulesets(name: str, text: str) -> tuple[Ruleset, ...]:
    if text.rstrip().endswith("@failed"):
        return ()
    if name == "nft":
        return firewall_nft.parse(text)
    rules = re.sub(r"\A\s*tool .*\n", "", text)
    source, _, family = name.partition("-")
    ruleset = firewall_iptables.parse(rules, family)
    return (replace(ruleset, name=f"legacy {ruleset.name}") if source == "legacy" else ruleset,)


def with_iptables(firewall: Firewall, text: str) -> Firewall:
    """Return *firewall* with the tables of iptables as iptables-nft-save prints them in *text*."""
    lines = complete("iptables-nft-save", text, "@end")
    _, *rest = re.split(r"^@(ip6?)$", "\n".join(lines), flags=re.MULTILINE)
    told = zip(rest[::2], rest[1::2], strict=True)
    found: Mapping[str, Ruleset] = {
        f"{name} filter": firewall_iptables.parse(rules, name) for name, rules in told
    }
    kept = [each for each in firewall.filter.rulesets if each.name not in found]
    return Firewall(Filter((*kept, *found.values())), firewall.tools, firewall.has_inet6)


def _is_unclear(firewall: Firewall) -> bool:
    asked = (ruleset for ruleset in firewall.filter.rulesets if ruleset.bases)
    every = (rule for ruleset in asked for rule in ruleset.rules())
    return any(condition.kind == "unknown" for rule in every for condition in rule.conditions)


def read(facts: Facts) -> Firewall:
    """List the rules.

    Raises:
        Denied: we are not root.
        CannotAssess: a tool failed.
    """
    firewall = parse(facts.run(_SCRIPT))
    if _is_unclear(firewall):
        return with_iptables(firewall, script(facts.run(_SAVE), "iptables-nft-save"))
    return firewall
