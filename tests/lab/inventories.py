"""Writes inventories and tells what `load` finds wrong with them."""

# ruff: noqa: E501 - the example as it is documented

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from pytest_sysaudit.errors import InventoryError
from pytest_sysaudit.inventory.load import LoadedInventory, load

#: The example of the documentation; its files are made by `write_example`.
EXAMPLE = """\
version: 1
defaults: {connect_timeout: 5, command_timeout: 30}
groups:
  web: {vars: {allowed_ports: [22, 443]}}
  prod: {children: [web]}
hosts:
  here: {connection: local}
  web1: {address: 192.0.2.10, port: 22, user: audit, groups: [web], become: {method: sudo, user: root, password: env:WEB1_SUDO},
         ssh: {key_file: ~/.ssh/audit, proxy_jump: bastion, known_hosts: ./known_hosts}}
aws:
  payments: {account_id: "123456789012", profile: audit, role_arn: "arn:aws:iam::123456789012:role/auditor", regions: [eu-west-1], endpoint_url: null}
http:
  shop: {base_url: https://shop.example, ca_file: ./ca.pem, auth: {bearer: env:SHOP_TOKEN}, allow_methods: [GET, HEAD, OPTIONS]}
networks:
  dmz: {interface: eth1, via: web1, cidrs: [192.0.2.0/24], active_probes: false}
inputs:
  ssh.max-auth-tries: {maximum: 4}
"""


def write(folder: Path, text: str) -> Path:
    """Write *text* as the inventory of *folder*."""
    path = folder / "inventory.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def write_example(folder: Path) -> Path:
    """Write `EXAMPLE` and the files that it names; *folder* must be the home folder."""
    for name in (".ssh/audit", "known_hosts", "ca.pem"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return write(folder, EXAMPLE)


def loaded(folder: Path, text: str) -> LoadedInventory:
    """Return the inventory *text*."""
    return load(write(folder, text))


def faults(folder: Path, text: str) -> list[str]:
    """Return the lines that `load` says about *text*; none if it is good."""
    try:
        loaded(folder, text)
    except InventoryError as error:
        return str(error).splitlines()
    return []
