"""Which controls the checks in some folders judge, read from their text without running it.

A run may collect only some of the checks that a profile speaks of; so it is found out whether the
others exist.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_LEFT_OUT = frozenset({"node_modules", "__pycache__", "build", "dist", "site-packages"})
_MARKER = "mark.control"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is written about controls.

    Attributes:
        inputs: the names of the inputs of each control; None where the text does not tell.
        frameworks: the names of the frameworks that they map to.
    """

    inputs: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    frameworks: frozenset[str] = frozenset()


def read_catalogue(folders: Iterable[Path]) -> Catalogue:
    """Return the controls of all checks below *folders*."""
    inputs: dict[str, frozenset[str] | None] = {}
    frameworks: set[str] = set()
    for text in _texts(folders):
        for call in _markers(text):
            keywords = {keyword.arg: keyword.value for keyword in call.keywords}
            name = call.args[0] if call.args else keywords.get("id")
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                given = keywords.get("inputs")
                inputs[name.value] = frozenset() if given is None else _names(given)
            frameworks |= _names(keywords.get("frameworks")) or frozenset()
    return Catalogue(inputs, frozenset(frameworks))


def _texts(folders: Iterable[Path]) -> Iterator[str]:
    for top in dict.fromkeys(folder.resolve() for folder in folders):
        for folder, inner, names in os.walk(top):
            inner[:] = sorted(n for n in inner if n not in _LEFT_OUT and not n.startswith("."))
            if "pyvenv.cfg" in names:
                inner.clear()
                continue
            for name in names:
                if name.endswith(".py"):
                    try:
                        text = Path(folder, name).read_text("utf-8")
                    except (OSError, UnicodeDecodeError):
                        continue
                    if _MARKER in text:
                        yield text


def _markers(text: str) -> Iterator[ast.Call]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(_MARKER):
            yield node


def _names(node: ast.expr | None) -> frozenset[str] | None:
    """Return the keys of a written dict, None if they are not all written out."""
    if not isinstance(node, ast.Dict):
        return None
    keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
    return frozenset(map(str, keys)) if None not in keys else None
