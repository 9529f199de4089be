"""Whether the files that an inventory names are there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_sysaudit.errors import Problem
from pytest_sysaudit.inventory.yaml import Document

_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "hosts": (("ssh", "key_file"), ("ssh", "known_hosts"), ("ssh", "config_file")),
    "http": (("ca_file",), ("client_cert",), ("client_key",)),
    "networks": (("pcap",),),
}


def file_problems(document: Document, base: Path) -> Iterator[Problem]:
    """Yield a problem for each named file that cannot be read; paths start from *base*.

    A target with a stand-in is left out: the stand-in brings its own files.
    """
    faults: dict[str, str] = {}
    for section, keys in _KEYS.items():
        part = document.data.get(section)
        for name, entry in part.items() if isinstance(part, dict) else ():
            for key in keys:
                text = _get(entry, key)
                if not isinstance(text, str) or not text or entry.get("embedded") is True:
                    continue
                if _may_be_missing(entry, key, text):
                    continue
                if text not in faults:
                    faults[text] = _fault(text, base)
                if faults[text]:
                    yield document.problem((section, name, *key), faults[text])


def _get(entry: Any, key: tuple[str, ...]) -> Any:
    for step in key:
        entry = entry.get(step) if isinstance(entry, dict) else None
    return entry


def _may_be_missing(entry: dict[str, Any], key: tuple[str, ...], text: str) -> bool:
    """Whether *text* names no file, or one that the first login makes."""
    if key[-1] == "known_hosts":
        return bool(entry["ssh"].get("host_key_policy") == "accept-new")
    return key[-1] == "config_file" and text == "none"


def _fault(text: str, base: Path) -> str:
    """Return why the file *text* cannot be read, or ""."""
    try:
        path = base / Path(text).expanduser()
        mode = path.stat().st_mode
    except FileNotFoundError:
        return f"no such file: {path}"
    except (OSError, RuntimeError, ValueError) as error:
        return f"cannot be read: {error}"
    if stat.S_ISDIR(mode):
        return f"is a folder, expected a file: {path}"
    return "" if os.access(path, os.R_OK) else f"cannot be read: no permission: {path}"
