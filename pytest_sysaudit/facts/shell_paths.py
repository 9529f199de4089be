"""What a shell file puts into PATH, as far as its text says so without being run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

#: A value of the shell: quoted parts and others, up to a blank or what ends a command.
_VALUE = r"""((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s;&|)#"'])*)"""
_ASSIGNMENT = re.compile(rf"(?<![\w$.{{\-])([A-Za-z_]\w*)(\+?)={_VALUE}")
_FUNCTION = re.compile(r"^(?:function\s+)?(\w+)\s*\(\)|^function\s+(\w+)")
_CALL = re.compile(rf"^(\w+)\s+{_VALUE}")
#: ``${PATH:+$PATH:}`` and its like: the old value, if there is one, with its colon.
_IF_SET = re.compile(r"\$\{PATH:?[+-][^{}]*(?:\$\{PATH\}[^{}]*)?\}")
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}")
_UNKNOWN = re.compile(r"\$\(.*\)|`.*`|\$\{[^}]*\}")
#: These stand for the old value of PATH: as it is, and with colons only if it is not empty.
_OLD, _IF_OLD = "\0", "\1"
#: Functions that distributions define to put their argument into PATH.
ADDERS = ("pathmunge", "append_path", "prepend_path")


@dataclass(frozen=True, slots=True)
class Folder:
    """One element of PATH, and where it is added: ``/etc/profile:4``; None: nobody can tell it."""

    place: str
    path: str | None


def parse(path: str, text: str, home: str) -> Iterator[Folder]:
    """Yield what the shell file at *path* adds to PATH when the user with *home* reads it.

    All branches count, and variables that the same file sets to plain words.
    """
    known = {"HOME": home, "PATH": _OLD}
    adders, inside = set(ADDERS), ""
    for number, raw in enumerate(text.split("\n"), start=1):
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        if found := _FUNCTION.match(line):
            inside = found[1] or found[2]
        elif raw.startswith("}"):
            inside = ""
        place = f"{path}:{number}"
        for name, more, value in _ASSIGNMENT.findall(line):
            if name != "PATH":
                known[name] = _unquoted(value)
            elif inside and re.search(r"\$\{?1\b", value):
                adders.add(inside)  # what its callers give is added
            else:
                yield from _elements(place, f"{_OLD if more else ''}{_unquoted(value)}", known)
        call = None if found else _CALL.match(line)
        if call and call[1] in adders:
            yield from _elements(place, _unquoted(call[2]), known)


def _unquoted(value: str) -> str:
    return re.sub(r"""["']|\\(?=.)""", "", value)


def _elements(place: str, value: str, known: Mapping[str, str]) -> Iterator[Folder]:
    value = _UNKNOWN.sub("$?", _expand(_IF_SET.sub(_IF_OLD, value), known))
    value = re.sub(f":*{_IF_OLD}:*", lambda match: _joined(match, value), value)
    for element in value.split(":"):
        if element == _OLD:
            continue
        tilde = element == "~" or element.startswith("~/")
        path = known["HOME"] + element[1:] if tilde else element
        yield Folder(place, None if any(mark in path for mark in (_OLD, "$", "`")) else path)


def _joined(match: re.Match[str], value: str) -> str:
    """Return the old value, with a colon on each side that something stands on."""
    before = ":" if match.start() else ""
    return f"{before}{_OLD}{':' if match.end() < len(value) else ''}"


def _expand(value: str, known: Mapping[str, str]) -> str:
    """Put in the variables that are known, and what they are made of in turn."""
    for _ in range(4):
        if "$" not in value:
            break
        value = _VARIABLE.sub(lambda match: known.get(match[1] or match[2], match[0]), value)
    return value
