"""What the text of a check says: its asserts, its title, why and how to mend."""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: A call of this name asserts by itself: ``expect_mode(...)``, ``host.run_expect(...)``.
_ASSERTING_CALL = re.compile(r"^(assert|expect|run_expect|check_output|raises$|fail$|none$)")
_SECTION = re.compile(r"^(why|fix):\s*", re.IGNORECASE)
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.Match, ast.TryStar)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doc:
    """A check's docstring, taken apart."""

    title: str = ""
    why: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a check's source says.

    Attributes:
        sha256: of the function's text, decorators included; "" if there is no source to read.
        asserts: the asserted expressions, in order.
        lines: the line numbers, in the file, of its assertions. One that shares its line with
            the loop or branch around it is not among them: nobody could tell whether it ran.
        certain: whether at least one assertion runs whenever the function returns.
        resources: whether it uses ``audit.resource``.
    """

    sha256: str = ""
    asserts: tuple[str, ...] = ()
    lines: frozenset[int] = frozenset()
    certain: bool = True
    resources: bool = False


def read_doc(function: Callable[..., Any]) -> Doc:
    """Take the docstring of *function* apart: first line, ``Why:`` and ``Fix:`` paragraphs."""
    parts: dict[str, list[str]] = {"title": [], "why": [], "fix": [], "": []}
    section = "title"
    for paragraph in re.split(r"\n\s*\n", inspect.getdoc(function) or ""):
        text = " ".join(paragraph.split())
        if found := _SECTION.match(text):
            section = found[1].lower()
            text = text[found.end() :]
        parts[section].append(text)
        section = "" if section == "title" else section
    joined = {name: " ".join(texts) for name, texts in parts.items()}
    return Doc(title=joined["title"], why=joined["why"], fix=joined["fix"])


def read_source(function: Callable[..., Any]) -> Source:
    """Return what the source of *function* says."""
    function = inspect.unwrap(function)
    try:
        lines, first = inspect.getsourcelines(function)
        text = textwrap.dedent("".join(lines))
        tree = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return Source()
    if not isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return Source()
    found = [node for node in ast.walk(tree) if _asserts(node)]
    return Source(
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        asserts=tuple(ast.unparse(n.test) for n in found if isinstance(n, ast.Assert)),
        lines=frozenset(first - 1 + getattr(node, "lineno", 0) for node in found)
        - {first - 1 + node.lineno for node in ast.walk(tree) if isinstance(node, _BRANCHES)},
        certain=_certain(tree.body),
        resources=any(_called(node) == "resource" for node in ast.walk(tree)),
    )


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _asserts(node: ast.AST) -> bool:
    return isinstance(node, ast.Assert) or bool(_ASSERTING_CALL.match(_called(node)))


def _certain(body: list[ast.stmt]) -> bool:
    """Whether *body* cannot be left normally without an assertion."""
    for statement in body:
        if isinstance(statement, _BRANCHES):
            if any(isinstance(node, ast.Return) for node in ast.walk(statement)):
                return False
            continue
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if isinstance(statement, (ast.With, ast.AsyncWith)):
            items = [node for item in statement.items for node in ast.walk(item)]
            if any(map(_asserts, items)) or _certain(statement.body):
                return True
            continue
        if isinstance(statement, ast.Return) and statement.value is None:
            return False
        if any(map(_asserts, ast.walk(statement))):
            return True
    return False
