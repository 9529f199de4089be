"""What ssh_config(5) says about a host: the keywords that matter to us, and nothing is executed."""

from __future__ import annotations

import fnmatch
import functools
import logging
import os
import pwd
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_sysaudit.errors import Unreachable

log = logging.getLogger("pytest_sysaudit.ssh")

#: Keywords that may be given more than once; of all others the first value counts.
_LISTS = frozenset({"identityfile", "certificatefile"})
_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Block:
    """Settings that hold under a condition: ``("host", patterns)`` or ``("match", criteria)``."""

    kind: str
    criteria: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfig:
    """What the files say about one host; keywords are in lower case, lists stay in order."""

    values: Mapping[str, str] = field(default_factory=dict)
    identity_files: tuple[str, ...] = ()

    def get(self, keyword: str) -> str | None:
        """Return the value of *keyword*; None if it is not set."""
        return self.values.get(keyword.lower())

    def flag(self, keyword: str) -> bool:
        """Return whether *keyword* is set to yes."""
        return (self.get(keyword) or "").lower() in ("yes", "true")


def read_host(paths: Sequence[Path], host: str, user: str | None) -> HostConfig:
    """Return what the files at *paths*, the first one winning, say about *host*.

    Args:
        paths: files that exist.
        host: the name as one would type it after ``ssh``.
        user: the login name, where the inventory gives one.

    Raises:
        Unreachable: a file cannot be read or understood.
    """
    values: dict[str, str] = {}
    identities: list[str] = []
    for path in paths:
        for block in _blocks(path, host):
            seen = {**values, **({"user": user} if user else {})}
            if not _applies(block, host, seen):
                continue
            for keyword, value in block.settings:
                if keyword in _LISTS:
                    if keyword == "identityfile" and value not in identities:
                        identities.append(value)
                else:
                    values.setdefault(keyword, value)
    return HostConfig(values=values, identity_files=tuple(identities))


def _blocks(path: Path, host: str) -> list[Block]:
    """Return the blocks that may be about *host*, in the order of the file."""
    try:
        state = path.stat()
        plain, others = _parse_file(path, state.st_mtime_ns, state.st_size)
    except (OSError, UnicodeDecodeError) as error:
        raise Unreachable(f"the ssh configuration {path} cannot be read: {error}") from error
    numbered = sorted({**others, **plain.get(host.lower(), {})}.items())
    return [block for _, block in numbered]


_Numbered = dict[int, Block]


@functools.lru_cache(maxsize=32)  # one parse for all hosts of an inventory
def _parse_file(path: Path, _changed: int, _size: int) -> tuple[dict[str, _Numbered], _Numbered]:
    """Return the blocks of plain names by name, and those whose condition must be tried."""
    plain: dict[str, _Numbered] = {}
    others: _Numbered = {}
    for number, block in enumerate(_parse(path, depth=0)):
        if block.kind == "host" and not set("".join(block.criteria)) & set("*?!"):
            for name in block.criteria:
                plain.setdefault(name.lower(), {})[number] = block
        else:
            others[number] = block
    return plain, others


def _parse(path: Path, depth: int) -> list[Block]:
    blocks: list[Block] = []
    kind = "host"
    criteria: tuple[str, ...] = ("*",)
    settings: list[tuple[str, str]] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        words = _words(line, path, number)
        if not words:
            continue
        keyword, values = words[0].lower(), words[1:]
        if keyword == "include":
            blocks.append(Block(kind, criteria, tuple(settings)))
            settings = []
            for inner in _included(values, path, depth):
                blocks += [_narrowed(block, kind, criteria) for block in inner]
        elif keyword in ("host", "match"):
            blocks.append(Block(kind, criteria, tuple(settings)))
            kind, criteria, settings = keyword, tuple(values), []
        else:
            settings.append((keyword, " ".join(values)))
    return [*blocks, Block(kind, criteria, tuple(settings))]


def _words(line: str, path: Path, number: int) -> list[str]:
    text = line.strip()
    if not text or text.startswith("#"):
        return []
    head = text.replace("=", " ", 1) if "=" in text.split()[0] or " =" in text[:40] else text
    try:
        return shlex.split(head, comments=False)
    except ValueError as error:
        raise Unreachable(f"{path}:{number}: {error}: {text!r}") from error


def _included(patterns: Sequence[str], path: Path, depth: int) -> list[list[Block]]:
    if depth >= _DEPTH:
        raise Unreachable(f"{path}: more than {_DEPTH} files include each other")
    found: list[list[Block]] = []
    folder = Path("/etc/ssh") if path.is_relative_to("/etc/ssh") else Path.home() / ".ssh"
    for pattern in patterns:
        place = folder / Path(pattern).expanduser()
        names = sorted(Path(place.anchor).glob(str(place.relative_to(place.anchor))))
        found += [_parse(name, depth + 1) for name in names if name.is_file()]
    return found


def _narrowed(block: Block, kind: str, criteria: tuple[str, ...]) -> Block:
    """Return *block* of an included file, under the condition that the Include stands under."""
    if kind == "host" and criteria == ("*",):
        return block
    outer = criteria if kind == "match" else ("originalhost", ",".join(criteria))
    inner = block.criteria if block.kind == "match" else ("originalhost", ",".join(block.criteria))
    return Block("match", (*outer, *inner), block.settings)


def _applies(block: Block, host: str, values: Mapping[str, str]) -> bool:
    if block.kind == "host":
        return _fits(host, block.criteria)
    words = list(block.criteria)
    while words:
        word = words.pop(0).lower()
        negated, word = word.startswith("!"), word.lstrip("!")
        if word == "all":
            fits = True
        elif word in ("canonical", "final"):
            fits = False
        else:
            fits = _criterion(word, words.pop(0) if words else "", host, values)
        if fits is negated:
            return False
    return True


def _criterion(word: str, pattern: str, host: str, values: Mapping[str, str]) -> bool:
    """Return whether one criterion of a Match line holds."""
    local = pwd.getpwuid(os.getuid()).pw_name
    subject = {
        "host": values.get("hostname", host),
        "originalhost": host,
        "user": values.get("user", local),
        "localuser": local,
    }.get(word)
    if subject is None:
        log.warning(
            "ssh configuration: a 'Match %s' block is passed over: audits run no commands to "
            "find out how to log in. Put what it sets into the inventory.",
            word,
        )
        return False
    return _fits(subject, pattern.split(","))


def _fits(text: str, patterns: Sequence[str]) -> bool:
    fits = False
    for pattern in patterns:
        plain = pattern.lstrip("!").lower().replace("[", "[[]")  # only * and ? are special here
        if fnmatch.fnmatchcase(text.lower(), plain):
            if pattern.startswith("!"):
                return False
            fits = True
    return fits


def expand(text: str, tokens: Mapping[str, str]) -> str:
    """Return *text* with ``%h``-like tokens replaced; unknown ones stay as they are."""
    parts = text.split("%%")
    for token, value in tokens.items():
        parts = [part.replace(f"%{token}", value) for part in parts]
    return "%".join(parts)
