"""How a recording names what a host was asked: the same for who writes it and who looks it up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pytest_sysaudit.evidence import trail
from pytest_sysaudit.evidence.observation import Player, Stored
from pytest_sysaudit.record import Plain
from pytest_sysaudit.transport.base import Command

#: Who asks, where that is no check. A check that asks the same as a fact table gets what itself was
#: told: in a replay the table is there already, and asks nothing.
FACTS = "facts"
#: Longer commands are scripts, which repeat on every host: they are named by their hash.
LONG = 200


def asked_command(
    command: Command, user: str | None, stdin: bytes = b"", by: str = ""
) -> dict[str, Plain]:
    """Return what tells *command* from others; see `script` for long ones.

    Returns:
        ``command``, a text, a list of texts, or ``{"sha256": hex}``; ``user``; ``stdin_sha256``,
        "" without standard input; ``by``, who asks.
    """
    plain: Plain = safe(command) if isinstance(command, str) else [safe(word) for word in command]
    if script(command):
        digest = hashlib.sha256(json.dumps(plain).encode()).hexdigest()
        plain = {"sha256": digest}
    given = hashlib.sha256(stdin).hexdigest() if stdin else ""
    return {"command": plain, "user": user, "stdin_sha256": given, "by": by}


def script(command: Command) -> bytes:
    """Return the text of a long *command*, which is content of its own; b"" for a short one."""
    text = command if isinstance(command, str) else "\n".join(command)
    return safe(text).encode() if len(text) > LONG else b""


def asked_file(path: str, what: str, by: str = "") -> dict[str, Plain]:
    """Return what tells a question about a file: *what* is read, stat or listdir."""
    return {"path": safe(path), "what": what, "by": by}


def safe(text: str) -> str:
    """Return *text* as UTF-8 can hold it; odd bytes in file names are escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def look_up(player: Player, kind: str, target: str, asked: Mapping[str, Plain]) -> Stored | None:
    """Return what was recorded, or None; whoever runs used it.

    What is not whole counts as redacted: it is not what the check saw.
    """
    found = player.find(kind, target, asked)
    if found is not None and found.cut:
        trail.used(found.id, redacted=True, target=target)
    return found
