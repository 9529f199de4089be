"""What the text of a check says: its asserts, its title, why and how to mend."""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

#: A call of this name asserts by itself: ``expect_mode(...)``, ``host.run_expect(...)``. A method
#: that is just called ``expect`` does not: ours says that nothing could be found out.
_ASSERTING_CALL = re.compile(
    r"^(assert|expect|run_expect$|run_test$|check_output$|raises$|warns$|deprecated_call$|fail$)"
)
_SECTION = re.compile(r"^(why|fix):\s*", re.IGNORECASE)
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.Match, ast.TryStar)
_LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.GeneratorExp)
"""What stands inside does not run where it is written."""
_LEAVING = (ast.Return, ast.Break, ast.Continue)
"""What, at the end of a ``try``, makes an exception forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doc:
    """A check's docstring, taken apart."""

    title: str = ""
    why: str = ""
    fix: str = ""


class Lines(NamedTuple):
    """Numbers of lines of a file.

    ``asserting`` ones hold an ``assert``, a call that asserts, or the ``if`` before a ``raise
    AssertionError`` or ``pytest.fail``. An assertion that shares its line with the loop or branch
    around it is not among them: nobody could tell whether it ran. ``defining`` ones hold the start
    of a function or lambda, whose own assertions do not run there.
    """

    asserting: frozenset[int] = frozenset()
    defining: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a check's source says.

    Attributes:
        sha256: of the function's text, decorators included; "" if there is no source to read.
        asserts: the asserted expressions, in order.
        lines: how many of its lines are assertions; see `Lines`.
        certain: whether at least one assertion runs whenever the function returns.
        catches: whether it may go on after an assertion of its own that failed.
        resources: whether it uses ``audit.resource``.
    """

    sha256: str = ""
    asserts: tuple[str, ...] = ()
    lines: int = 0
    certain: bool = True
    catches: bool = False
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
        lines, _ = inspect.getsourcelines(function)
        text = textwrap.dedent("".join(lines))
        tree = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return Source()
    if not isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return Source()
    resources = any(_called(node) == "resource" for node in ast.walk(tree))
    catches = not resources and any(map(_catches, ast.walk(tree)))
    return Source(
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        asserts=tuple(ast.unparse(n.test) for n in ast.walk(tree) if isinstance(n, ast.Assert)),
        lines=len(_lines(tree).asserting),
        certain=not catches and _certain(tree.body),
        catches=catches,
        resources=resources,
    )


def read_lines(text: str | bytes) -> Lines:
    """Return the lines of *text*, a Python file, that matter; raises SyntaxError."""
    return _lines(ast.parse(text))


def _lines(tree: ast.AST) -> Lines:
    found, branches, guards, starts = set(), set(), set(), set()
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if _asserts(node):
            found.add(line)
        elif isinstance(node, ast.If) and any(map(_fails, node.body)):
            guards.add(line)
        elif isinstance(node, _BRANCHES):
            branches.add(line)
        elif isinstance(node, _LATER):
            starts.add(line)
    return Lines(frozenset((found - branches) | guards), frozenset(starts))


def _fails(statement: ast.stmt) -> bool:
    """Whether *statement* says outright that a requirement is not met."""
    if isinstance(statement, ast.Raise):
        raised = statement.exc
        return "AssertionError" in {_called(raised), getattr(raised, "id", "")} if raised else False
    return isinstance(statement, ast.Expr) and _called(statement.value) == "fail"


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return not _always_holds(node.test)
    name = _called(node)
    if name == "expect" and isinstance(getattr(node, "func", None), ast.Attribute):
        return False
    return bool(_ASSERTING_CALL.match(name))


def _catches(node: ast.AST) -> bool:
    """Whether *node* may end well though an assertion inside of it failed."""
    if isinstance(node, (ast.Try, ast.TryStar)):
        types = [handler.type for handler in node.handlers]
        leaves = any(isinstance(part, _LEAVING) for end in node.finalbody for part in ast.walk(end))
        caught = leaves or None in types or any(map(_names_failure, filter(None, types)))
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        calls = [item.context_expr for item in node.items]
        caught = any(_called(call) == "suppress" and _names_failure(call) for call in calls)
    else:
        return False
    inside = (part for statement in node.body for part in ast.walk(statement))
    return caught and any(isinstance(part, (ast.Assert, ast.Call)) for part in inside)


def _names_failure(node: ast.AST) -> bool:
    """Whether *node* names a class of exceptions that a failed assertion belongs to."""
    names = {getattr(part, "id", getattr(part, "attr", "")) for part in ast.walk(node)}
    return not names.isdisjoint({"AssertionError", "Exception", "BaseException"})


def _always_holds(test: ast.expr) -> bool:
    """Whether *test* is true whatever there is: ``assert (found == 1, "why")`` asserts nothing."""
    if isinstance(test, ast.Tuple):
        return bool(test.elts)
    text = isinstance(test, ast.Constant) and isinstance(test.value, (str, bytes))
    return text or isinstance(test, (ast.JoinedStr, ast.Lambda, ast.GeneratorExp))


def _certain(body: list[ast.stmt]) -> bool:
    """Whether *body* cannot be left normally without an assertion."""
    for statement in body:
        if isinstance(statement, (*_BRANCHES, ast.With, ast.AsyncWith)):
            items = [node for item in getattr(statement, "items", ()) for node in _now(item)]
            if any(map(_asserts, items)):
                return True
            if any(isinstance(node, ast.Return) for node in ast.walk(statement)):
                return False
        elif isinstance(statement, ast.Return) and statement.value is None:
            return False
        elif any(map(_asserts, _now(statement))):
            return True
    return False


def _now(node: ast.AST) -> Iterator[ast.AST]:
    """Walk through what runs whenever *node* runs."""
    if isinstance(node, _LATER):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _now(child)
