"""What Match blocks of sshd loosen, against what holds for everybody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.sshd import DEFAULT

if TYPE_CHECKING:
    from pytest_sysaudit.facts.sshd import SshdConfig

_OFF_ON = ("no", "yes")
_FORWARDING = ("no", "local", "remote", "yes")
#: Two words for one thing.
_ALIKE = {"without-password": "prohibit-password", "all": "yes"}
#: The values of a setting, the strictest first.
_LADDERS: Mapping[str, tuple[str, ...]] = {
    "permitrootlogin": ("no", "forced-commands-only", "prohibit-password", "yes"),
    "passwordauthentication": _OFF_ON,
    "kbdinteractiveauthentication": _OFF_ON,
    "permitemptypasswords": _OFF_ON,
    "hostbasedauthentication": _OFF_ON,
    "gssapiauthentication": _OFF_ON,
    "kerberosauthentication": _OFF_ON,
    "x11forwarding": _OFF_ON,
    "allowagentforwarding": _OFF_ON,
    "permituserrc": _OFF_ON,
    "gatewayports": ("no", "clientspecified", "yes"),
    "allowtcpforwarding": _FORWARDING,
    "allowstreamlocalforwarding": _FORWARDING,
    "permittunnel": ("no", "ethernet", "point-to-point", "yes"),
    "disableforwarding": ("yes", "no"),
    "ignorerhosts": ("yes", "shosts-only", "no"),
}
#: More is looser.
_COUNTS = frozenset({"maxauthtries", "maxsessions"})
#: What restricts a login unless it is none.
_BOUNDS = frozenset({"forcecommand", "chrootdirectory"})


def loosened(config: SshdConfig) -> Mapping[str, Mapping[str, str]]:
    """Return by Match block what it loosens: ``{"passwordauthentication": "no becomes yes"}``.

    Blocks that loosen nothing are left out. A value that is on no ladder counts as loosened: nobody
    knows what it allows.
    """
    found = {}
    for place, view in config.views().items():
        if place != DEFAULT and (changes := dict(_changes(config, view))):
            found[place] = changes
    return found


def _changes(before: SshdConfig, after: SshdConfig) -> Iterator[tuple[str, str]]:
    for name in (*_LADDERS, *_COUNTS, *_BOUNDS, "authenticationmethods"):
        if name in before and name in after and before[name] != after[name]:
            old, new = _looseness(name, before[name]), _looseness(name, after[name])
            if new > old:
                yield name, f"{before[name]} becomes {after[name]}"


def _looseness(name: str, value: str) -> float:
    if name in _COUNTS:
        return float(value) if value.isdigit() else float("inf")
    if name in _BOUNDS:
        return float(value.lower() == "none")
    if name == "authenticationmethods":  # how many proofs the easiest way in takes
        return -min((len(way.split(",")) for way in value.split() if way != "any"), default=0)
    ladder = _LADDERS[name]
    word = _ALIKE.get(value, value)
    return float(ladder.index(word)) if word in ladder else float("inf")
