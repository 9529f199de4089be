"""A small assembler for capture filters, for machines without libpcap.

It knows ``host``, ``net``, ``port`` and ``portrange`` with ``src`` or ``dst``, the protocols
``ip ip6 arp tcp udp sctp icmp icmp6``, ``and or not`` and parentheses, with tcpdump's meaning.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_sysaudit.errors import CannotAssess

Instruction = tuple[int, int, int, int]
Program = tuple[Instruction, ...]

#: What a filter may ask: a link type, where its EtherType is, and where its IP header begins.
_LINKS = {1: (12, 14), 113: (14, 16), 276: (0, 20), 101: (None, 0), 12: (None, 0)}
_ETHERTYPES = {"ip": 0x0800, "ip6": 0x86DD, "arp": 0x0806}
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmp6": 58}
_PORTED = ("tcp", "udp", "sctp")

_LD_W, _LD_H, _LD_B, _LDI_H, _LDX_MSH = 0x20, 0x28, 0x30, 0x48, 0xB1
_JA, _JEQ, _JGE, _JGT, _JSET, _AND, _RET = 0x05, 0x15, 0x35, 0x25, 0x45, 0x54, 0x06


@dataclass(frozen=True, slots=True)
class _Test:
    """Loads, then one comparison of what they left in the accumulator."""

    loads: tuple[tuple[int, int], ...]
    jump: int
    value: int


@dataclass(frozen=True, slots=True)
class _Both:
    left: _Node
    right: _Node


@dataclass(frozen=True, slots=True)
class _Either:
    left: _Node
    right: _Node


@dataclass(frozen=True, slots=True)
class _Not:
    inner: _Node


_Node = _Test | _Both | _Either | _Not


def assemble(expression: str, link: int, snaplen: int) -> Program:
    """Return the cBPF program of *expression* for frames of type *link*.

    Raises:
        CannotAssess: it is no filter, or more than this assembler knows.
    """
    if link not in _LINKS:
        raise CannotAssess(
            f"a filter on link type {link} needs libpcap, which is not installed: "
            "install it (Debian: libpcap0.8), or capture without a filter"
        )
    node = _Parser(expression, link).parse()
    accept, reject = object(), object()
    coder = _Coder()
    coder.emit(node, accept, reject)
    return coder.finish(accept, reject, snaplen)


class _Coder:
    """Turns the tree into instructions, from the first to the last; jumps only go forward."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, object, object, int]] = []
        self.labels: dict[object, int] = {}

    def emit(self, node: _Node, yes: object, no: object) -> None:
        middle = object()
        match node:
            case _Not(inner):
                self.emit(inner, no, yes)
            case _Both(left, right):
                self.emit(left, middle, no)
                self.labels[middle] = len(self.lines)
                self.emit(right, yes, no)
            case _Either(left, right):
                self.emit(left, yes, middle)
                self.labels[middle] = len(self.lines)
                self.emit(right, yes, no)
            case _Test(loads, jump, value):
                self.lines += [(code, 0, 0, k) for code, k in loads]
                self.lines.append((jump, yes, no, value))

    def finish(self, accept: object, reject: object, snaplen: int) -> Program:
        self.labels |= {accept: len(self.lines), reject: len(self.lines) + 1}
        program = [
            (code, self._far(at, yes), self._far(at, no), k)
            for at, (code, yes, no, k) in enumerate(self.lines)
        ]
        return (*program, (_RET, 0, 0, snaplen), (_RET, 0, 0, 0))

    def _far(self, at: int, label: object) -> int:
        if label == 0:
            return 0
        far = self.labels[label] - at - 1
        if far > 255:  # noqa: PLR2004 - a jump is one byte
            raise CannotAssess(
                "the capture filter is too long for the built-in assembler: install libpcap "
                "(Debian: libpcap0.8) or shorten it"
            )
        return far


class _Parser:
    """Recursive descent over tcpdump's grammar; ``and`` and ``or`` bind alike, left to right."""

    def __init__(self, expression: str, link: int) -> None:
        self.expression = expression
        self.words = re.findall(r"[()]|!|&&|\|\||[^\s()!]+", expression)
        self.at = 0
        self.ethertype, self.ip = _LINKS[link]

    def parse(self) -> _Node:
        node = self._expression()
        if self.at < len(self.words):
            raise self._wrong()
        return node

    def _peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def _next(self) -> str:
        word = self._peek()
        self.at += 1
        return word

    def _take(self, *words: str) -> str:
        return self._next() if self._peek() in words and self._peek() else ""

    def _wrong(self) -> CannotAssess:
        found = repr(self._peek()) if self._peek() else "its end"
        return CannotAssess(
            f"the capture filter {self.expression!r} is not understood at {found}; without libpcap "
            "(Debian: libpcap0.8) only host, net, port, portrange, protocols, src, dst, and, or, "
            "not are known"
        )

    def _expression(self) -> _Node:
        node = self._factor()
        while word := self._take("and", "&&", "or", "||"):
            kind = _Both if word in ("and", "&&") else _Either
            node = kind(node, self._factor())
        return node

    def _factor(self) -> _Node:
        if self._take("not", "!"):
            return _Not(self._factor())
        if self._take("("):
            node = self._expression()
            if not self._take(")"):
                raise self._wrong()
            return node
        return self._primitive()

    def _primitive(self) -> _Node:
        protocol = self._take(*_ETHERTYPES, *_PROTOCOLS)
        direction = self._take("src", "dst")
        kind = self._take("host", "net", "port", "portrange")
        if not kind and direction:
            kind = "host"
        if not kind:
            if not protocol:
                raise self._wrong()
            return self._protocol(protocol)
        value = self._peek()
        try:
            if kind in ("host", "net"):
                node = self._host(protocol, direction, ipaddress.ip_network(value))
            else:
                node = self._port(protocol, direction, *_range(value, kind))
        except ValueError:
            raise self._wrong() from None
        self.at += 1
        return node

    def _protocol(self, name: str) -> _Node:
        if name in _ETHERTYPES:
            return self._version(name)
        number = _PROTOCOLS[name]
        four = _Both(self._version("ip"), _Test(((_LD_B, self.ip + 9),), _JEQ, number))
        six = _Both(self._version("ip6"), _Test(((_LD_B, self.ip + 6),), _JEQ, number))
        return {"icmp": four, "icmp6": six}.get(name) or _Either(four, six)

    def _version(self, name: str) -> _Node:
        if self.ethertype is not None:
            return _Test(((_LD_H, self.ethertype),), _JEQ, _ETHERTYPES[name])
        if name == "arp":
            raise self._wrong()
        return _Test(((_LD_B, 0), (_AND, 0xF0)), _JEQ, {"ip": 0x40, "ip6": 0x60}[name])

    def _host(self, protocol: str, direction: str, net: _Network) -> _Node:
        version = "ip" if net.version == 4 else "ip6"  # noqa: PLR2004
        first, size = (12, 4) if net.version == 4 else (8, 16)  # noqa: PLR2004
        if protocol == "arp":
            if net.version != 4:  # noqa: PLR2004
                raise ValueError(protocol)
            version, places = "arp", {"src": self.ip + 14, "dst": self.ip + 24}
        else:
            places = {"src": self.ip + first, "dst": self.ip + first + size}
        sides = [_words(net, at) for name, at in places.items() if direction in ("", name)]
        node = _Both(self._version(version), _any(sides))
        if protocol in _PROTOCOLS:
            return _Both(self._protocol(protocol), node)
        if protocol in ("ip", "ip6") and protocol != version:
            raise ValueError(protocol)
        if protocol or version == "ip6" or self.ethertype is None:
            return node
        return _Either(node, self._host("arp", direction, net))  # a bare host is in ARP as well

    def _port(self, protocol: str, direction: str, low: int, high: int) -> _Node:
        if protocol and protocol not in (*_PORTED, "ip", "ip6"):
            raise ValueError(protocol)
        numbers = [_PROTOCOLS[name] for name in _PORTED if protocol in ("", "ip", "ip6", name)]
        offsets = [off for name, off in (("src", 0), ("dst", 2)) if direction in ("", name)]

        def ports(loads: Callable[[int], tuple[tuple[int, int], ...]]) -> _Node:
            return _any([_between(loads(offset), low, high) for offset in offsets])

        first = _Not(_Test(((_LD_H, self.ip + 6),), _JSET, 0x1FFF))
        four: _Node = _Both(
            _any([_Test(((_LD_B, self.ip + 9),), _JEQ, number) for number in numbers]),
            _Both(first, ports(lambda off: ((_LDX_MSH, self.ip), (_LDI_H, self.ip + off)))),
        )
        six: _Node = _Both(
            _any([_Test(((_LD_B, self.ip + 6),), _JEQ, number) for number in numbers]),
            ports(lambda off: ((_LD_H, self.ip + 40 + off),)),
        )
        four, six = _Both(self._version("ip"), four), _Both(self._version("ip6"), six)
        return {"ip": four, "ip6": six}.get(protocol) or _Either(six, four)


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _range(value: str, kind: str) -> tuple[int, int]:
    low, _, high = value.partition("-") if kind == "portrange" else (value, "", value)
    if not 0 <= int(low) <= int(high) <= 65535:  # noqa: PLR2004
        raise ValueError(value)
    return int(low), int(high)


def _between(loads: tuple[tuple[int, int], ...], low: int, high: int) -> _Node:
    if low == high:
        return _Test(loads, _JEQ, low)
    return _Both(_Test(loads, _JGE, low), _Not(_Test(loads, _JGT, high)))


def _words(net: _Network, at: int) -> _Node:
    """Return the test that the address at *at* is in *net*, four bytes at a time."""
    address, mask = net.network_address.packed, net.netmask.packed
    tests: list[_Node] = []
    for start in range(0, len(address), 4):
        want, bits = (int.from_bytes(part[start : start + 4]) for part in (address, mask))
        if bits or start == 0:
            tests.append(_Test(((_LD_W, at + start), (_AND, bits)), _JEQ, want))
    return functools.reduce(_Both, tests)


def _any(nodes: Sequence[_Node]) -> _Node:
    return functools.reduce(_Either, nodes)
