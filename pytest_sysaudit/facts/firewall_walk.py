"""What a packet filter does with one packet: chains, rules and conditions in neutral words."""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

#: How deep chains may call each other; the kernel allows 16.
_DEPTH = 16
_FAMILIES = {"ip": (4,), "ip6": (6,), "inet": (4, 6)}
#: Tried first as a port that no rule is about.
_PORTS: tuple[int, ...] = (54321, 801, 47)


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection to this host.

    Attributes:
        family: 4 or 6.
        protocol: ``tcp`` or ``udp``.
        port: where it goes.
        device: the interface that it comes in through.
        source: its sender; "" for anybody on the network.
    """

    family: int
    protocol: str
    port: int
    device: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a packet must be for a rule.

    Attributes:
        kind: ``device``, ``family``, ``protocol``, ``port``, ``state``, ``source``, ``local``,
            ``flags`` (of tcp), ``destination`` (which may be the host's own address), ``limited``
            (the first ones of a time), ``narrow`` (only some packets are so), ``unknown``.
        values: names, patterns of devices, networks, or ports as ``22`` and ``1000-2000``.
        negated: whether it must be none of them.
    """

    kind: str
    values: tuple[str, ...] = ()
    negated: bool = False

    def holds(self, packet: Packet) -> bool | None:
        """Whether it holds for *packet*; None if that cannot be known."""
        if self.kind == "unknown":
            return None
        if self.kind == "destination" and not all(map(_reaches_nobody, self.values)):
            return None
        return self._fits(packet) != self.negated

    def _fits(self, packet: Packet) -> bool:  # noqa: PLR0911 - one line a kind
        match self.kind:
            case "device":
                return any(fnmatch.fnmatchcase(packet.device, each) for each in self.values)
            case "family":
                return str(packet.family) in self.values
            case "protocol":
                return packet.protocol in self.values
            case "port":
                return any(_within(packet.port, each) for each in self.values)
            case "state":
                return "new" in self.values
            case "local":
                return "local" in self.values
            case "source":
                return any(_holds(each, packet) for each in self.values)
            case "flags":
                return packet.protocol == "tcp" and self.values == ("syn",)
        return False


def _reaches_nobody(network: str) -> bool:
    """Whether no connection to this host from outside goes to *network*: to many, or to lo."""
    try:
        known = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
    return known.is_multicast or known.is_loopback or network.startswith("255.255.255.255")


def _within(port: int, ports: str) -> bool:
    low, _, high = ports.partition("-")
    return int(low) <= port <= int(high or low)


def _holds(network: str, packet: Packet) -> bool:
    """Whether the sender is one of *network*; a stranger is only of that of all addresses."""
    try:
        known = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
    if known.version != packet.family:
        return False
    if not packet.source:
        return known.prefixlen == 0
    return ipaddress.ip_address(packet.source) in known


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        conditions: all must hold.
        verdict: ``accept``, ``drop``, ``jump``, ``goto``, ``return``, ``unknown``, or "" where
            the packet goes on.
        target: the chain of ``jump`` and ``goto``.
    """

    conditions: tuple[Condition, ...]
    verdict: str = ""
    target: str = ""

    def fits(self, packet: Packet) -> bool | None:
        """Whether it is for *packet*; None if that cannot be known."""
        each = [
            self._while_limited() if condition.kind == "limited" else condition.holds(packet)
            for condition in self.conditions
        ]
        if self.verdict == "drop" and any(c.kind == "destination" for c in self.conditions):
            return False  # it does not drop what goes to other addresses of this host
        return False if False in each else None if None in each else True

    def _while_limited(self) -> bool | None:
        """Whether a limit lets a packet through to the verdict: one that comes alone gets in."""
        return None if self.target else self.verdict == "accept"

    def may_fit(self, packet: Packet) -> bool:
        """Whether it is for packets like *packet*, from some sender or at some time."""
        loose = ("narrow", "limited", "source", "destination", "unknown")
        return all(c.kind in loose or c.holds(packet) for c in self.conditions)

    def names_port(self) -> bool:
        """Whether it is about a port."""
        return any(condition.kind == "port" for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Base:
    """A chain that the kernel calls for packets to this host.

    Attributes:
        chain: its name.
        family: ``ip``, ``ip6`` or ``inet``.
        policy: ``accept`` or ``drop``, for packets that no rule decides on.
        early: whether it is called before it is known for whom a packet is. What is not clear
            there is taken for harmless: such chains hold exceptions, and no default.
    """

    chain: str
    family: str
    policy: str
    early: bool = False


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The rules of one table: chains by name, and those that the kernel calls."""

    name: str
    chains: Mapping[str, tuple[Rule, ...]]
    bases: tuple[Base, ...] = field(default=())

    def verdicts(self, packet: Packet) -> Iterator[str]:
        """Yield what each base chain says: ``accept``, ``drop`` or ``unknown``."""
        for base in self._bases(packet):
            said = self._walk(base.chain, packet, 0, base.policy)
            yield "accept" if base.early and said == "unknown" else said

    def opens(self, packet: Packet) -> bool:
        """Whether a rule that names its port accepts *packet*, at least from some senders."""
        found = (self._opened(base.chain, packet, 0, named=False) for base in self._bases(packet))
        return any(found)

    def rules(self) -> Iterator[Rule]:
        """Yield every rule."""
        for rules in self.chains.values():
            yield from rules

    def _bases(self, packet: Packet) -> Iterator[Base]:
        for base in self.bases:
            if packet.family in _FAMILIES.get(base.family, ()):
                yield base

    def _walk(self, chain: str, packet: Packet, depth: int, policy: str = "") -> str:
        """Return the verdict of *chain*, or *policy* if it has none."""
        if depth > _DEPTH:
            return "unknown"
        doubts = set()
        outcome = policy
        for rule in self.chains.get(chain, ()):
            fits = rule.fits(packet)
            if fits is False or not rule.verdict:
                continue
            said = rule.verdict
            if rule.target:
                said = self._walk(rule.target, packet, depth + 1)
                said = "return" if rule.verdict == "goto" and not said else said
            if fits is None:
                doubts.add(said)
            elif said:
                outcome = policy if said == "return" else said
                break
        doubts = {policy if said == "return" else said for said in doubts - {""}}
        return "unknown" if doubts - {outcome} else outcome

    def _opened(self, chain: str, packet: Packet, depth: int, *, named: bool) -> bool | None:
        """Return whether *chain* opens the port; None if it stops the packet first."""
        for rule in self.chains.get(chain, ()) if depth <= _DEPTH else ():
            if not rule.may_fit(packet):
                continue
            here = named or rule.names_port()
            if rule.target:
                below = self._opened(rule.target, packet, depth + 1, named=here)
                if below or (below is None and rule.fits(packet)):
                    return below
            elif rule.verdict == "accept" and here:
                return True
            elif rule.verdict in ("drop", "accept", "return") and rule.fits(packet):
                return None if rule.verdict == "drop" else False
        return False


@dataclass(frozen=True, slots=True)
class Filter:
    """Every table of a host: a packet gets in only if none of them drops it."""

    rulesets: tuple[Ruleset, ...] = ()

    def verdict(self, packet: Packet) -> str:
        """Return ``accept``, ``drop``, or ``unknown``."""
        said = {v for ruleset in self.rulesets for v in ruleset.verdicts(packet)}
        return "drop" if "drop" in said else "unknown" if "unknown" in said else "accept"

    def opens(self, packet: Packet) -> bool:
        """Whether some rule opens the packet's port."""
        return any(ruleset.opens(packet) for ruleset in self.rulesets)

    def distinct(self, devices: Iterable[str]) -> tuple[str, ...]:
        """Return one of those *devices* that no rule tells apart, for each such group."""
        every = sorted(self._values("device"))
        groups: dict[tuple[bool, ...], str] = {}
        for name in devices:
            groups.setdefault(tuple(fnmatch.fnmatchcase(name, each) for each in every), name)
        return tuple(groups.values())

    def free_port(self) -> int:
        """Return a port that no rule is about, if there is one."""
        every = self.named_ports()
        ports: Iterable[int] = (*_PORTS, *range(1, 65536))
        free = (port for port in ports if not any(_within(port, each) for each in every))
        return next(free, _PORTS[0])

    def named_ports(self) -> tuple[str, ...]:
        """Return the ports that rules are about: ``22``, ``1000-2000``."""
        return tuple(sorted(self._values("port")))

    def _values(self, kind: str) -> set[str]:
        """Return all values of the conditions of *kind*."""
        rules = (rule for ruleset in self.rulesets for rule in ruleset.rules())
        each = (c.values for rule in rules for c in rule.conditions if c.kind == kind)
        return {value for values in each for value in values}
