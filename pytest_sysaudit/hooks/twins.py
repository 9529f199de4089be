"""Checks of which one would take the place of another, so that its results were lost."""

from __future__ import annotations

import ast
import linecache
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_sysaudit.errors import SysauditError
from pytest_sysaudit.hooks.keys import check_key
from pytest_sysaudit.record import Place

_DEFINITION = re.compile(r"^[ \t]*(?:async +)?(?:def|class) +(\w+)", re.MULTILINE)
Lines = tuple[int, int]


class TwinError(SysauditError):
    """Two checks cannot be told apart."""


class Twins:
    """Knows the checks that were read so far."""

    def __init__(self) -> None:
        self._nodes: set[str] = set()
        self._paths: dict[str, Path] = {}
        self._again: dict[Path, dict[str, Lines]] = {}

    def refuse(self, item: pytest.Item, where: str) -> None:
        """Note the check of *item*, which is written at *where*.

        Raises:
            TwinError: it was there before, or stands in the place of another one.
        """
        if item.nodeid in self._nodes:
            why = "is to be carried out twice; leave out --keep-duplicates"
            raise TwinError(f"{item.nodeid} {why}")
        self._nodes.add(item.nodeid)
        known = self._paths.setdefault(where, item.path)
        if known != item.path:
            why = "one of them needs another name, or a run of its own"
            raise TwinError(f"two checks are called {where}: in {known} and in {item.path}; {why}")
        if item.path not in self._again:
            self._again[item.path] = redefined("".join(linecache.getlines(str(item.path))))
        for name in where.split("::")[1:]:
            if name in self._again[item.path]:
                first, second = self._again[item.path][name]
                why = f"the one on line {first} would never run. Rename one of them"
                raise TwinError(f"{item.path}:{second}: {name} is defined again; {why}")


def redefined(text: str) -> dict[str, Lines]:
    """Return what *text*, a Python file, defines twice in one place, with the two lines.

    Only at its top, and directly in classes there: what stands in branches may be alternatives.
    """
    if not any(count > 1 for count in Counter(_DEFINITION.findall(text)).values()):
        return {}
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    classes = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    return {name: lines for body in (tree.body, *classes) for name, lines in _twice(body)}


def _twice(body: Sequence[ast.stmt]) -> Iterator[tuple[str, Lines]]:
    seen: dict[str, int] = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name in seen:
                yield node.name, (seen[node.name], node.lineno)
            seen[node.name] = node.lineno


def tell_apart(items: Sequence[pytest.Item]) -> None:
    """Name the parameters of checks by pytest's id too, where their texts are the same.

    A 1 and a "1" look alike; the result of one would take the place of the other's.
    """
    alike: dict[Place, list[pytest.Item]] = {}
    for item in items:
        check = item.stash.get(check_key, None)
        if check is not None and check.params:
            alike.setdefault(check.place, []).append(item)
    for same in alike.values():
        for item in same if len(same) > 1 else ():
            check, callspec = item.stash[check_key], getattr(item, "callspec", None)
            if callspec is not None:
                params = {**check.params, "id": callspec.id}
                item.stash[check_key] = replace(check, params=params)
