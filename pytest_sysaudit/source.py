"""What the text of a check says: its asserts, its title, why and how to mend."""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import FunctionType
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
_NO_START = frozenset(" \t\n\f#)]}")
"""What a line at the margin begins with if no statement begins there."""
_ODD = ("\\\n", "\f", "\r", "\0")
"""What lets lines begin or end elsewhere than they seem to."""


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
    text, tree = read_tree(inspect.unwrap(function))
    if tree is None:
        return Source()
    nodes = _walked(tree)
    resources = any(_called(node) == "resource" for node in nodes)
    catches = not resources and any(map(_catches, nodes))
    return Source(
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        asserts=tuple(ast.unparse(n.test) for n in nodes if isinstance(n, ast.Assert)),
        lines=len(_lines(nodes).asserting),
        certain=not catches and _certain(tree.body),
        catches=catches,
        resources=resources,
    )


def read_tree(
    function: Callable[..., Any],
) -> tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | None]:
    """Return the text of *function*, decorators included, and its tree; "" and None: no source."""
    try:
        text, tree = _quick_block(function) or _block(function)
    except (OSError, TypeError, SyntaxError, IndexError):
        return "", None
    return (text, tree) if isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)) else ("", None)


def _block(function: Callable[..., Any]) -> tuple[str, ast.stmt]:
    lines, _ = inspect.getsourcelines(function)
    text = textwrap.dedent("".join(lines))
    return text, ast.parse(text).body[0]


def _quick_block(function: Callable[..., Any]) -> tuple[str, ast.stmt] | None:
    """Return what `_block` does, or None.

    `inspect` splits it into tokens, which takes as long as all the rest. A function at the margin
    ends before the next line there that holds more than a comment. Where that line belongs to a
    text or a bracket of the function, what was cut off is no Python.
    """
    if not isinstance(function, FunctionType):
        return None
    lines, start = inspect.findsource(function)
    end = start + 1
    signature = not lines[start].startswith("@")
    while end < len(lines) and (lines[end][0] in _NO_START or not signature):
        signature = signature or lines[end].startswith(("def ", "async "))
        end += 1
    text = "".join(lines[start:end])
    if not lines[start].startswith(("def ", "async ", "@")) or any(map(text.__contains__, _ODD)):
        return None
    text = textwrap.dedent(text)
    try:
        (tree,) = ast.parse(text).body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)) or not tree.end_lineno:
        return None
    kept = text.split("\n")
    last, first = tree.end_lineno, tree.body[0]
    indented = not kept[first.lineno - 1][: first.col_offset].strip()
    for number in range(last, len(kept)) if indented else ():
        line = kept[number].lstrip(" \t")
        if line.startswith("#") and len(kept[number]) - len(line) >= first.col_offset:
            last = number + 1
    return "\n".join([*kept[:last], ""]), tree


def _walked(tree: ast.AST) -> list[ast.AST]:
    """Return what `ast.walk` yields, in half of its time."""
    nodes = [tree]
    for node in nodes:  # it grows
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                nodes += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                nodes.append(value)
    return nodes


def read_lines(text: str | bytes) -> Lines:
    """Return the lines of *text*, a Python file, that matter; raises SyntaxError."""
    return _lines(_walked(ast.parse(text)))


def _lines(nodes: Iterable[ast.AST]) -> Lines:
    found, branches, guards, starts = set(), set(), set(), set()
    for node in nodes:
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
    if not isinstance(node, ast.Call):
        return False
    name = _called(node)
    if name == "expect" and isinstance(node.func, ast.Attribute):
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
