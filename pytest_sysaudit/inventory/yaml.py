"""Reading a YAML file so that nothing changes its value and everything has a place.

Other files of this package than the inventory may be read this way too: see `read`.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yaml import MappingNode, MarkedYAMLError, Node, ScalarNode, SequenceNode

from pytest_sysaudit.errors import InventoryError, Problem
from pytest_sysaudit.inventory.build import Builder, Loc
from pytest_sysaudit.inventory.compose import PlaceError, compose
from pytest_sysaudit.text import printable

LARGEST = 1 << 25
"""Bytes that a file may have."""

_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain data, with the places of all its parts.

    Attributes:
        shown: the file's path as messages show it.
        sha256: of the file's bytes, in hex.
        data: dicts with text keys, lists, str, int, float, bool, None; `BROKEN` where `problems`
            tells why there is no value.
        problems: what is wrong with the file so far.
    """

    shown: str
    sha256: str
    data: Any
    problems: tuple[Problem, ...] = ()
    root: Node | None = field(default=None, repr=False)

    def locate(self, loc: Loc, *, key: bool = False) -> tuple[int, int]:
        """Return line and column, from 1, of the value at *loc*, or of its key.

        What is not in the file has the place of the nearest thing around it.
        """
        if self.root is None:
            return (0, 0)
        name, node = self.root, self.root
        for step in loc:
            found = _child(node, step)
            if found is None:
                return _place(name)
            name, node = found
        return _place(name if key else node)

    def problem(self, loc: Loc, message: str, *, key: bool = False) -> Problem:
        """Return a problem with the value at *loc*, or with its key."""
        return Problem(self.shown, *self.locate(loc, key=key), prefixed(loc, message))

    def key_problem(self, loc: Loc, message: str) -> Problem:
        """Return a problem with there being a key at *loc*; it is named after what holds it."""
        return Problem(self.shown, *self.locate(loc, key=True), prefixed(loc[:-1], message))


def dotted(loc: Loc) -> str:
    """Return *loc* as people write it: ``hosts.web1.groups[0]``."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def prefixed(loc: Loc, message: str) -> str:
    """Return *message* with the name of its place before it."""
    return printable(f"{dotted(loc)}: {message}" if loc else message)


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return *path* relative to the working directory if it lies below it, else as given."""
    absolute, here = Path(path).absolute(), Path.cwd()
    below = absolute.is_relative_to(here) and ".." not in absolute.parts
    return str(absolute.relative_to(here)) if below else os.fspath(path)


def read(path: str | os.PathLike[str], *, texts: frozenset[str] = frozenset()) -> Document:
    """Return the YAML file at *path*.

    Args:
        path: a regular UTF-8 file of at most 32 MiB.
        texts: keys whose values are text whatever they look like (and never shown).

    Raises:
        InventoryError: it cannot be read, or is not YAML. What is wrong with single values is in
            the document's `problems` instead.
    """
    shown = shown_path(path)
    return parse(_bytes(Path(path), shown), shown, texts=texts)


def parse(content: bytes, shown: str, *, texts: frozenset[str] = frozenset()) -> Document:
    """Return the YAML text *content*; arguments and errors as in `read`."""
    text = _text(content, shown)
    try:
        root = compose(text)
    except PlaceError as error:
        raise InventoryError([Problem(shown, error.line, error.column, str(error))]) from None
    except MarkedYAMLError as error:
        raise InventoryError([_syntax_problem(error, shown)]) from None
    sha256 = hashlib.sha256(content).hexdigest()
    if root is None:
        return Document(shown, sha256, None)
    builder = Builder(texts)
    data = builder.build(root)
    problems = tuple(
        Problem(shown, *_place(node), prefixed(loc, text)) for node, loc, text in builder.findings
    )
    return Document(shown, sha256, data, problems, root)


def _bytes(path: Path, shown: str) -> bytes:
    def refuse(why: str) -> InventoryError:
        return InventoryError([Problem(shown, 0, 0, why)])

    try:
        # a named pipe would wait for its writer for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise refuse("is a folder, expected a YAML file")
            if not stat.S_ISREG(mode):
                raise refuse("is not a regular file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(LARGEST + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise refuse("no such file") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise refuse(f"cannot be read: {why}") from error
    if len(content) > LARGEST:
        raise refuse(f"is larger than {LARGEST >> 20} MiB")
    return content


def _text(content: bytes, shown: str) -> str:
    """Return *content* as text that the YAML reader takes as it is."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        why = f"is not UTF-8 text (byte 0x{content[error.start]:02x}); save it as UTF-8"
        raise InventoryError([Problem(shown, *_end(before), why)]) from None
    found = _CONTROL.search(text)
    if found:
        why = f"holds the control character U+{ord(found[0]):04X}; YAML is plain text"
        raise InventoryError([Problem(shown, *_end(text[: found.start()]), why)])
    return text


def _end(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def _syntax_problem(error: MarkedYAMLError, shown: str) -> Problem:
    """Return what PyYAML found; neither names nor values of the file are repeated."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    said = re.sub(r" '[^']{3,}'", "", error.problem or "it cannot be read")
    why = f"{said} ({error.context})" if error.context else said
    if "cannot start any token" in said:
        why = "a tab, or a character that cannot begin a value; indent with spaces, quote the value"
    elif "mapping values are not allowed" in said:
        why = "a second ': ' on one line; quote a value that holds one, or check the indentation"
    elif "tag handle" in said:
        why = "a value that begins with '!' must be quoted"
    return Problem(shown, line, column, f"not valid YAML: {why}")


def _place(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _child(node: Node, step: str | int) -> tuple[Node, Node] | None:
    """Return key node and value node of *step* in *node*; the key of a list's item is the item."""
    if isinstance(node, SequenceNode) and isinstance(step, int):
        item = node.value[step] if step < len(node.value) else None
        return None if item is None else (item, item)
    stack, seen = [node], set()
    while stack:  # through the mappings that << names; one may name itself
        part = stack.pop(0)
        if not isinstance(part, MappingNode) or id(part) in seen:
            continue
        seen.add(id(part))
        for key, value in part.value:
            if isinstance(key, ScalarNode) and key.value == step:
                return key, value
            if isinstance(key, ScalarNode) and key.value == "<<":
                stack += value.value if isinstance(value, SequenceNode) else [value]
    return None
