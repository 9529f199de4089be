"""What must hold between the parts of an inventory.

The rules look at the data as it was written, so that they also find what is wrong in a file that
the model refuses; what has a wrong type is left to the model.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from pytest_sysaudit.errors import Problem
from pytest_sysaudit.inventory import hints
from pytest_sysaudit.inventory.build import Loc, quoted
from pytest_sysaudit.inventory.model import SECRET_PATTERN, SECRET_RULE
from pytest_sysaudit.inventory.suggest import did_you_mean
from pytest_sysaudit.inventory.yaml import Document, dotted

SECTIONS = ("hosts", "aws", "http", "networks")
"""The parts of an inventory that hold targets, in the order of the audit."""
_NOUNS = {
    "groups": "a group",
    "hosts": "a host",
    "aws": "an AWS account",
    "http": "an HTTP endpoint",
    "networks": "a network",
}
_JUMP = re.compile(
    r"(?:[^\s@,:-][^\s@,]*@)?(?:\[[0-9A-Fa-f:.]+\]|[^\s@,:\[\]-][^\s@,:\[\]]*)(?::(\d+))?"
)
_SECRET_HEADER = re.compile(
    r"authori[sz]ation|cookie|token|secret|password|api-?key", re.IGNORECASE
)
_MODE = re.compile(r"(^|_)(mode|umask)s?$")

Entry = dict[str, Any]
Circle = tuple[Loc, list[str]]


def rule_problems(document: Document) -> Iterator[Problem]:
    """Yield what is wrong between the parts of *document*."""
    rules = _Rules(document)
    yield from rules.names()
    yield from rules.groups()
    for name, entry in rules.entries("hosts"):
        yield from rules.host(("hosts", name), entry)
    for loc, path in circles(rules.jumps()):
        yield document.problem(loc, f"circle: {' -> '.join(path)}")
    for name, entry in rules.entries("aws"):
        yield from rules.aws(("aws", name), entry)
    for name, entry in rules.entries("http"):
        yield from rules.http(("http", name), entry)
    for name, entry in rules.entries("networks"):
        yield from rules.network(("networks", name), entry)
    yield from rules.modes()


class _Rules:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._problem = document.problem
        self._data: Entry = document.data
        self._meant: dict[tuple[str, str], str] = {}

    def _section(self, section: str) -> dict[str, Any]:
        part = self._data.get(section)
        return part if isinstance(part, dict) else {}

    def entries(self, section: str) -> Iterator[tuple[str, Entry]]:
        """Yield the entries of *section* that are keys and values, or empty."""
        for name, entry in self._section(section).items():
            if entry is None or isinstance(entry, dict):
                yield name, entry or {}

    @cached_property
    def _names(self) -> dict[str, Loc]:
        """Where each name of the inventory is first given."""
        names: dict[str, Loc] = {}
        for section in ("groups", *SECTIONS):
            for name in self._section(section):
                names.setdefault(name, (section, name))
        return names

    def names(self) -> Iterator[Problem]:
        for section in SECTIONS:
            for name in self._section(section):
                loc, first = (section, name), self._names[name]
                if name == "all":
                    yield self._problem(loc, "the name 'all' means every target", key=True)
                elif first != loc:
                    line, _ = self._document.locate(first, key=True)
                    text = f"the name is taken by {dotted(first)} on line {line}"
                    yield self._problem(loc, text, key=True)

    def _reference(self, loc: Loc, name: Any, section: str) -> Iterator[Problem]:
        """Yield a problem unless *name* is an entry of *section*."""
        if not isinstance(name, str) or name in self._section(section):
            return
        first = self._names.get(name)
        noun = _NOUNS[section]
        if first is not None:
            text = f"{quoted(name)} is {_NOUNS[str(first[0])]}, expected {noun}"
            if loc[0] == section == "groups":
                text += f". {hints.MEMBERS % loc[1]}"
            yield self._problem(loc, text)
            return
        text = f"unknown {noun.partition(' ')[2]} {quoted(name)}." + self._close(name, section)
        if section == "groups" and (way_out := hints.declare_group(name)):
            text += f"{'' if text.endswith('?') else '.'} {way_out}"
        yield self._problem(loc, text)

    def _close(self, name: str, section: str) -> str:
        """Return which name of *section* was meant; looked up once for each name."""
        if (section, name) not in self._meant:
            known = [known for known, loc in self._names.items() if loc[0] == section]
            self._meant[section, name] = did_you_mean(name, known, otherwise="There are")
        return self._meant[section, name]

    def groups(self) -> Iterator[Problem]:
        """Check who is in which group."""
        graph: dict[str, list[tuple[str, Loc]]] = {}
        for name, entry in self.entries("groups"):
            children = [(child, loc) for loc, child in _items(entry, ("groups", name), "children")]
            graph[name] = [pair for pair in children if isinstance(pair[0], str)]
            for child, loc in children:
                yield from self._reference(loc, child, "groups")
        for loc, path in circles(graph):
            yield self._problem(loc, f"circle: {' -> '.join(path)}")
        for section in SECTIONS:
            for name, entry in self.entries(section):
                for loc, group in _items(entry, (section, name), "groups"):
                    if group != "all":
                        yield from self._reference(loc, group, "groups")

    def host(self, loc: Loc, entry: Entry) -> Iterator[Problem]:
        address = entry.get("address")
        if isinstance(address, str) and re.fullmatch(r"[^:]+:\d+", address):
            yield self._problem((*loc, "address"), "the port is written under 'port'")
        if entry.get("connection") == "local":
            for key in ("address", "port", "user", "ssh", "embedded"):
                if entry.get(key) not in (None, False):
                    text = f"'{key}' has no meaning with connection: local"
                    yield self._document.key_problem((*loc, key), text)
        yield from self._openssh(loc, entry)
        for jump in _jump_hosts(entry):
            yield from self._jump((*loc, "ssh", "proxy_jump"), jump)

    def _openssh(self, loc: Loc, entry: Entry) -> Iterator[Problem]:
        """Yield the secrets that nobody can type into the ssh program."""
        ssh = entry.get("ssh")
        if entry.get("connection") != "openssh" or not isinstance(ssh, dict):
            return
        for key in _given(ssh, "password", "key_passphrase"):
            text = (
                f"'{key}' has no meaning with connection: openssh, whose ssh can be told no secret."
                " Use a key of the ssh agent, or connection: ssh"
            )
            yield self._document.key_problem((*loc, "ssh", key), text)

    def _jump(self, loc: Loc, jump: str) -> Iterator[Problem]:
        match = _JUMP.fullmatch(jump)
        if not match or (match[1] and not 1 <= int(match[1]) <= 65535):  # noqa: PLR2004 - ports
            text = f"expected a host of this inventory or [user@]host[:port], found {quoted(jump)}"
            yield self._problem(loc, text)
        elif jump in self._names:
            yield from self._reference(loc, jump, "hosts")
            host = self._section("hosts").get(jump)
            if isinstance(host, dict) and host.get("connection") == "local":
                yield self._problem(loc, f"{quoted(jump)} is this machine, expected an ssh host")
        elif re.fullmatch(r"[^.@:\[]+", jump) and "mean" in (close := self._close(jump, "hosts")):
            way_out = f"For a host outside of this inventory write '{jump}:22'."
            yield self._problem(loc, f"unknown host {quoted(jump)}.{close} {way_out}")

    def jumps(self) -> dict[str, list[tuple[str, Loc]]]:
        """Return through which hosts of the inventory each host is reached."""
        graph: dict[str, list[tuple[str, Loc]]] = {}
        for name, entry in self.entries("hosts"):
            loc: Loc = ("hosts", name, "ssh", "proxy_jump")
            if jumps := _jump_hosts(entry):
                graph[name] = [(jump, loc) for jump in jumps]
        return graph

    def aws(self, loc: Loc, entry: Entry) -> Iterator[Problem]:
        account, role = entry.get("account_id"), entry.get("role_arn")
        if isinstance(account, str) and isinstance(role, str):
            match = re.search(r":iam::([0-9]{12}):", role)
            if match and re.fullmatch("[0-9]{12}", account) and match[1] != account:
                text = f"the role is of account {match[1]}, account_id is {account}"
                yield self._problem((*loc, "role_arn"), text)

    def http(self, loc: Loc, entry: Entry) -> Iterator[Problem]:
        if entry.get("base_url") is None and entry.get("embedded") is not True:
            yield self._problem(loc, "missing key 'base_url'", key=True)
        auth = entry.get("auth")
        if isinstance(auth, dict) and len(_given(auth, "bearer", "basic")) != 1:
            yield self._problem((*loc, "auth"), "expected either 'bearer' or 'basic'", key=True)
        if _given(entry, "client_key") and not _given(entry, "client_cert"):
            yield self._problem((*loc, "client_key"), "needs a 'client_cert'", key=True)
        headers = entry.get("headers")
        for name, value in headers.items() if isinstance(headers, dict) else ():
            secret = _SECRET_HEADER.search(name) and isinstance(value, str)
            if secret and not re.match(SECRET_PATTERN, value):
                yield self._problem((*loc, "headers", name), SECRET_RULE)

    def network(self, loc: Loc, entry: Entry) -> Iterator[Problem]:
        sources = _given(entry, "interface", "pcap")
        if entry.get("embedded") is True:
            text = "there is no stand-in for a network; 'interface: lo' is always there"
            yield self._problem((*loc, "embedded"), text, key=True)
        elif not sources:
            yield self._problem(loc, "missing key 'interface' (or 'pcap')", key=True)
        if len(sources) > 1:
            text = "expected either 'interface' or 'pcap', found both"
            yield self._problem((*loc, "pcap"), text, key=True)
        if entry.get("via") is not None:
            yield from self._reference((*loc, "via"), entry["via"], "hosts")
        for place, name in _items(entry, loc, "exercise"):
            yield from self._reference(place, name, "http")
        for place, cidr in _items(entry, loc, "cidrs"):
            if isinstance(cidr, str) and (why := _cidr_fault(cidr)):
                yield self._problem(place, f"expected a network as 192.0.2.0/24, found {why}")

    def modes(self) -> Iterator[Problem]:
        """Find file modes that are numbers: 640 and 0640 are not the same to everyone."""
        holders: list[tuple[Loc, Entry]] = [((), self._data)]
        for section in ("groups", *SECTIONS):
            holders += [((section, name), entry) for name, entry in self.entries(section)]
        for loc, entry in holders:
            for key in ("vars", "inputs") if loc else ("inputs",):
                yield from self._number_modes((*loc, key), entry.get(key), named=False)

    def _number_modes(self, loc: Loc, value: Any, *, named: bool) -> Iterator[Problem]:
        if isinstance(value, dict):
            for key, item in value.items():
                mode = bool(_MODE.search(key.replace("-", "_").lower()))
                yield from self._number_modes((*loc, key), item, named=mode)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._number_modes((*loc, index), item, named=named)
        elif named and type(value) is int and value > 7:  # noqa: PLR2004 - one octal digit
            yield self._problem(loc, f"expected a file mode in quotes, as '0640', found {value}")


def circles(graph: dict[str, list[tuple[str, Loc]]]) -> Iterator[Circle]:
    """Yield the circles of *graph*, each with the place of the edge that closes it.

    Args:
        graph: what each node leads to, and where that is written.
    """
    done: set[str] = set()
    for start, edges in graph.items():
        path: list[str] = [start]
        open_edges = [iter(edges)] if start not in done else []
        while open_edges:
            child, loc = next(open_edges[-1], (None, ()))
            if child is None:
                done.add(path.pop())
                open_edges.pop()
            elif child in path:
                yield loc, [*path[path.index(child) :], child]
            elif child in graph and child not in done:
                path.append(child)
                open_edges.append(iter(graph[child]))


def _items(entry: Entry, loc: Loc, key: str) -> Iterator[tuple[Loc, Any]]:
    value = entry.get(key)
    for index, item in enumerate(value if isinstance(value, list) else ()):
        yield (*loc, key, index), item


def _given(entry: Entry, *keys: str) -> list[str]:
    return [key for key in keys if entry.get(key) is not None]


def _jump_hosts(entry: Entry) -> list[str]:
    ssh = entry.get("ssh")
    jump = ssh.get("proxy_jump") if isinstance(ssh, dict) else None
    if not isinstance(jump, str) or jump.lower() in ("", "none"):  # none: go directly, as for ssh
        return []
    return [part.strip() for part in jump.split(",")]


def _cidr_fault(text: str) -> str:
    """Return what is wrong with the network *text*, or ""."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return quoted(text)
    if "/" in text and str(network.network_address) != text.partition("/")[0].lower():
        exploded = ipaddress.ip_address(text.partition("/")[0])
        if exploded != network.network_address:
            return f"{quoted(text)}. Did you mean '{network}'?"
    return ""
