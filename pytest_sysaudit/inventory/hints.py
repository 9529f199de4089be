"""The way out of a mistake: what to write instead."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any

from pytest_sysaudit.inventory.build import Loc
from pytest_sysaudit.inventory.model import NAME_PATTERN
from pytest_sysaudit.inventory.suggest import did_you_mean

BEGIN = "an inventory begins with 'version: 1'"
MEMBERS = "A target names its groups: 'web1: {groups: [%s]}'"
"""How a target gets into a group; the group does not list it."""

#: What other tools call our keys.
_ALSO_KNOWN_AS = {
    "ansible_host": "address",
    "ansible_port": "port",
    "ansible_user": "user",
    "ansible_ssh_private_key_file": "ssh.key_file",
    "host": "address",
    "hostname": "address",
    "ip": "address",
    "username": "user",
    "sudo": "become",
    "key": "ssh.key_file",
    "private_key": "ssh.key_file",
    "ssh_key": "ssh.key_file",
    "identity_file": "ssh.key_file",
    "identityfile": "ssh.key_file",
    "jump": "ssh.proxy_jump",
    "jump_host": "ssh.proxy_jump",
    "bastion": "ssh.proxy_jump",
    "proxyjump": "ssh.proxy_jump",
    "url": "base_url",
    "account": "account_id",
    "region": "regions",
    "access_key": "profile",
    "secret_key": "profile",
    "aws_access_key_id": "profile",
    "aws_secret_access_key": "profile",
}
#: What other tools call our values.
_VALUES_KNOWN_AS = {"paramiko": "ssh"}
#: An entry of each section, and of what looks like one word.
_ENTRIES = {
    "groups": "web: {}",
    "hosts": "web1: {address: 192.0.2.10}",
    "aws": 'payments: {account_id: "123456789012"}',
    "http": "shop: {base_url: https://shop.example}",
    "networks": "dmz: {interface: eth1}",
}
_ONE_WORD = {
    "hosts": "address",
    "aws": "profile",
    "http": "base_url",
    "networks": "interface",
}


def declare_group(name: str) -> str:
    """Return how to declare the group *name*; "" if it can be no name."""
    return f"To declare it: 'groups: {{{name}: {{}}}}'" if re.match(NAME_PATTERN, name) else ""


def missing(loc: Loc) -> str:
    """Return what follows the news that the key at *loc* is missing."""
    return f"; {BEGIN}" if loc == ("version",) else ""


def key(word: str, known: Mapping[str, Container[str]], parent: Loc) -> str:
    """Return which key was meant by *word*, else which there are.

    Args:
        word: the unknown key.
        known: the keys that there are, each with those below it.
        parent: where *word* stands.
    """
    if parent[:1] == ("groups",) and word in ("hosts", "members", "targets"):
        return " " + MEMBERS % parent[1]
    if nested := [f"{name}.{word}" for name, below in known.items() if word in below]:
        return f" Did you mean {' or '.join(map(repr, nested))}?"
    also = _ALSO_KNOWN_AS.get(word.lower(), "")
    for name in (also, also.rpartition(".")[2]):
        if name and name.split(".")[0] in known:
            return f" Did you mean '{name}'?"
    return did_you_mean(word, known, otherwise="Known keys")


def value(schema: Mapping[str, Any], found: Any, loc: Loc) -> str:
    """Return what to write instead of *found*, where that is plain."""
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind  # the other one is null
    if kind == "object":
        return _keys_and_values(found, loc)
    if "enum" in schema and isinstance(found, str):
        found = _VALUES_KNOWN_AS.get(found.lower(), found)
        return "." * bool(meant := did_you_mean(found, schema["enum"])) + meant
    number = isinstance(found, (int, float)) and not isinstance(found, bool)
    if kind == "string" and number:
        return f". Quote it: '{found}'"
    if kind in ("integer", "number") and isinstance(found, str) and found.isdecimal():
        return f". Write {found}, without quotes"
    if kind == "array" and isinstance(found, str) and len(found) < 80:  # noqa: PLR2004 - one line
        return f". Write [{found}]"
    return ""


def _keys_and_values(found: Any, loc: Loc) -> str:
    """Return how *found* is written as keys and values."""
    section, *rest = loc
    if not rest and isinstance(found, (list, str)) and section in _ENTRIES:
        return f". Write each as '{_ENTRIES[str(section)]}'"
    if len(rest) == 1 and section == "groups" and isinstance(found, (list, str)):
        return f". {MEMBERS % rest[0]}"
    if len(rest) == 1 and section in _ONE_WORD and isinstance(found, str):
        return f". Write {{{_ONE_WORD[str(section)]}: ...}}"
    if rest and rest[-1] == "become" and (found is True or isinstance(found, str)):
        user = found if isinstance(found, str) and found != "sudo" else "root"
        return f". Write {{user: {user}}}"
    return ""
