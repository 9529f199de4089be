"""Which connections to ask sshd about: a few that each Match block fits."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sysaudit.facts.accounts import Accounts

#: How many accounts are tried of one block, and how many connections in all.
EACH, MOST = 5, 30
#: Nobody's, as documents use them.
_ELSEWHERE = {"user": "root", "host": "client.invalid", "addr": "198.51.100.7"}
_PLACES = {"host": "host", "address": "addr", "localaddress": "laddr", "localport": "lport"}
_TOKEN = re.compile(r'(\w+)\s*[\s=]\s*("[^"]*"|\S+)')
_SAFE = re.compile(r"[\w.:@+-]+")


def samples(blocks: Iterable[str], accounts: Accounts) -> Mapping[str, tuple[str, ...]]:
    """Return by the criteria of each block what ``sshd -T -C`` takes: ``user=ann,host=...``.

    Blocks are left out that hold for all, or that no connection can be made up for, as for a group
    without members.

    Args:
        blocks: criteria, as ``User ann,bob Address 192.0.2.0/24``.
        accounts: tell who is in a group.
    """
    found: dict[str, tuple[str, ...]] = {}
    left = MOST
    for criteria in blocks:
        every = tuple(dict.fromkeys(_connections(criteria, accounts)))[: min(EACH, left)]
        if every:
            found[criteria] = every
            left -= len(every)
    return found


def _connections(criteria: str, accounts: Accounts) -> Iterator[str]:
    place, users = dict(_ELSEWHERE), [_ELSEWHERE["user"]]
    tokens = _TOKEN.findall(criteria)
    if not tokens:
        return
    for key, value in tokens:
        name, words = key.lower(), value.strip('"').split(",")
        if name == "user":
            users = [word for word in map(_literal, words) if word]
        elif name == "group":
            users = [user for word in words for user in _members(word, accounts)]
        elif name in _PLACES and (word := next(filter(None, map(_place, words)), "")):
            place[_PLACES[name]] = word
        else:
            return  # a criterion that nobody can make up
    for user in users:
        spec = {**place, "user": user}
        if all(_SAFE.fullmatch(word) for word in spec.values()):
            yield ",".join(f"{key}={word}" for key, word in spec.items())


def _literal(pattern: str) -> str:
    """Return a name that *pattern* fits; "" for one that only takes away from others."""
    return "" if pattern.startswith("!") else pattern.replace("*", "x").replace("?", "x")


def _place(pattern: str) -> str:
    """Return an address or name that *pattern* fits."""
    word = _literal(pattern)
    try:
        network = ipaddress.ip_network(word, strict=False)
    except ValueError:
        dots = pattern.startswith("!") or not re.fullmatch(r"[\d.*?]+", pattern)
        return word if dots else pattern.replace("*", "1").replace("?", "1")
    return str(network[min(1, network.num_addresses - 1)])


def _members(group: str, accounts: Accounts) -> list[str]:
    found = []
    for each in accounts.groups:
        if each.name == group:
            found += [user.name for user in accounts.users if user.gid == each.gid]
            found += each.members
    return found


def questions(connections: Sequence[str]) -> str:
    """Return the shell lines that ask ``$sshd`` about each of *connections*."""
    asks = (f'echo @as\n"$sshd" -T $args -C {shlex.quote(spec)} || exit' for spec in connections)
    return "\n".join([*asks, "echo @end"])
