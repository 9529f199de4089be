"""What a report says about observations: what was asked, what came, its hash, its beginning."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence.canonical import canonical, sha256
from pytest_sysaudit.evidence.records import part_size, short_of
from pytest_sysaudit.record import Plain, utc_text
from pytest_sysaudit.text import decode, printable, shorten

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.bundle import Bundle

#: Characters of an excerpt, and of what was asked.
EXCERPT, WHAT = 400, 300
#: The parts that say most, in this order.
_MAIN = ("stdout", "body", "value", "content", "packets", "stderr")


def describe(
    bundle: Bundle, ids: Iterable[str], excerpts: Collection[str] = ()
) -> dict[str, Plain]:
    """Return the document's part on the observations *ids*, and what they were made of.

    Args:
        bundle: the recording.
        ids: the observations; those that are not there are left out.
        excerpts: those of which the beginning is told.
    """
    found: dict[str, Plain] = {}
    waiting = sorted(ids, reverse=True)
    wanted = frozenset(excerpts)
    while waiting:
        id_ = waiting.pop()
        if id_ in found or id_ not in bundle.observations:
            continue
        value = bundle.value(id_)
        found[id_] = _described(bundle, id_, value, excerpt=id_ in wanted)
        waiting += value.get("made_of", ())
    return dict(sorted(found.items()))


def _described(
    bundle: Bundle, id_: str, value: Mapping[str, Any], *, excerpt: bool
) -> dict[str, Plain]:
    name, part = _main(value)
    hash_, size = _hash_and_size(value, part)
    return {
        "kind": value["kind"],
        "target": value["target"],
        "what": what(value["kind"], value["asked"]),
        "started": utc_text(value["started"]),
        "duration": value.get("duration", 0.0),
        "outcome": outcome(value),
        "sha256": hash_,
        "size": size,
        "redacted": value.get("redacted", False),
        "cut": bool(value.get("cut")),
        "made_of": list(value.get("made_of", ())),
        "excerpt": _excerpt(bundle, id_, value, name) if excerpt else "",
    }


def _main(value: Mapping[str, Any]) -> tuple[str, Mapping[str, Plain] | None]:
    """Return the part that says most, with its name; the first that is not empty."""
    parts: Mapping[str, Mapping[str, Plain]] = value.get("parts", {})
    names = sorted(parts, key=lambda name: (_MAIN.index(name) if name in _MAIN else 99, name))
    full = [name for name in names if part_size(parts[name])]
    name = next(iter([*full, *names]), "")
    return name, parts.get(name)


def _hash_and_size(value: Mapping[str, Any], part: Mapping[str, Plain] | None) -> tuple[str, int]:
    """Return those of the content; of the record where there is none."""
    if part is not None and "packed" in part:
        return str(part["sha256"]), int(part["size"])
    content = short_of(part) if part is not None else canonical({"observation": value})
    return sha256(content), len(content)


def what(kind: str, asked: Mapping[str, Any]) -> str:
    """Return what was asked, as a person writes it."""
    user = f" (as {asked['user']})" if asked.get("user") else ""
    if "command" in asked:
        command = asked["command"]
        text = command if isinstance(command, str) else shlex.join(map(str, command))
    elif "table" in asked:
        key = f"[{asked['key']}]" if asked.get("key") is not None else ""
        text = f"{asked['table']}{key}"
    elif "service" in asked and "operation" in asked:
        region = f" in {asked['region']}" if asked.get("region") else ""
        text = f"{asked['service']}:{asked['operation']}{region}"
    elif "method" in asked and "url" in asked:
        text = f"{asked['method']} {asked['url']}"
    elif "path" in asked:
        text = str(asked["path"])
    else:
        text = canonical(asked).decode() if asked else {"target": "opened"}.get(kind, kind)
    return printable(shorten(text + user, WHAT)).replace("\n", " ")


def outcome(value: Mapping[str, Any]) -> str:
    """Return what came of it in a few words."""
    error, answer = value.get("error"), value.get("answer")
    if error:
        return printable(shorten(f"{error.get('type')}: {error.get('message')}", WHAT))
    if isinstance(answer, dict) and isinstance(answer.get("exit_code"), int):
        return f"exit code {answer['exit_code']}"
    if isinstance(answer, dict) and isinstance(answer.get("status"), int):
        return f"HTTP {answer['status']}"
    return "answered"


def _excerpt(bundle: Bundle, id_: str, value: Mapping[str, Any], name: str) -> str:
    """Return the beginning of what was seen; of what is made of others, that of the first."""
    for other in value.get("made_of", ()):
        if other in bundle.observations:
            origin = bundle.value(other)
            text = _excerpt(bundle, other, origin, _main(origin)[0])
            if text:
                return text
    if not name:
        answer = value.get("answer")
        return _beginning(canonical(answer)) if answer else ""
    try:
        return _beginning(bundle.part(id_, name))
    except EvidenceError as error:
        return printable(shorten(str(error), EXCERPT))


def _beginning(content: bytes) -> str:
    text = printable(decode(content[: 4 * EXCERPT]))
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"
