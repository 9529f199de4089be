"""What a report says about observations: what was asked, what came, its hash, its beginning."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence.canonical import ID_DIGITS, canonical, sha256
from pytest_sysaudit.evidence.records import part_size, short_of
from pytest_sysaudit.record import Plain, Result, Verdict, utc_text
from pytest_sysaudit.text import decode, first_line, plural, printable, shorten

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.bundle import Bundle

#: Characters of an excerpt, and of what was asked.
EXCERPT, WHAT = 400, 300
#: The verdicts of which reports show the beginning of what was seen.
_BAD = frozenset({Verdict.FAIL, Verdict.ERROR, Verdict.WAIVED})
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


def named_by(results: Iterable[Result]) -> tuple[set[str], set[str]]:
    """Return the observations that *results* name, and those of them that are to be quoted."""
    rows = list(results)
    named = {id_ for result in rows for id_ in result.evidence}
    return named, {id_ for result in rows if result.verdict in _BAD for id_ in result.evidence}


def _described(
    bundle: Bundle, id_: str, value: Mapping[str, Any], *, excerpt: bool
) -> dict[str, Plain]:
    name, part = _main(value)
    hash_, size = _hash_and_size(value, part)
    return {
        "kind": value["kind"],
        "target": value["target"],
        "what": what(value["kind"], value["asked"], _script(bundle, id_, value)),
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


def _script(bundle: Bundle, id_: str, value: Mapping[str, Any]) -> str:
    """Return the text of a command that is too long to be asked for by it."""
    long = isinstance(value["asked"].get("command"), dict)
    if not long or "script" not in value.get("parts", ()):
        return ""
    try:
        return decode(bundle.part(id_, "script"))
    except EvidenceError:
        return ""


def _main(value: Mapping[str, Any]) -> tuple[str, Mapping[str, Plain] | None]:
    """Return the part that says most, with its name; the first that is not empty."""
    parts: Mapping[str, Mapping[str, Plain]] = value.get("parts", {})

    def rank(name: str) -> tuple[bool, int, str]:
        place = _MAIN.index(name) if name in _MAIN else len(_MAIN)
        return not part_size(parts[name]), place, name

    name = min(parts, key=rank, default="")
    return name, parts.get(name)


def _hash_and_size(value: Mapping[str, Any], part: Mapping[str, Plain] | None) -> tuple[str, int]:
    """Return those of the content; of the record where there is none."""
    if part is not None and "packed" in part:
        return str(part["sha256"]), int(part["size"])
    content = short_of(part) if part is not None else canonical({"observation": value})
    return sha256(content), len(content)


def what(kind: str, asked: Mapping[str, Any], script: str = "") -> str:
    """Return what was asked, as a person writes it; *script* is the text of a long command."""
    for names, words in _WORDS:
        if all(name in asked for name in names):
            text = words(asked, script)
            break
    else:
        text = canonical(asked).decode() if asked else {"target": "opened"}.get(kind, kind)
    user = f" (as {asked['user']})" if asked.get("user") else ""
    return " ".join(printable(shorten(text + user, WHAT)).split("\n"))


def _command(asked: Mapping[str, Any], script: str) -> str:
    command = asked["command"]
    if isinstance(command, dict):
        return f"script {str(command.get('sha256', ''))[:ID_DIGITS]}: {first_line(script, 100)}"
    return command if isinstance(command, str) else shlex.join(map(str, command))


def _call(asked: Mapping[str, Any], _: str) -> str:
    params: Mapping[str, Any] = asked.get("params") or {}
    given = ", ".join(f"{name}={value}" for name, value in params.items())
    region = f" in {asked['region']}" if asked.get("region") else ""
    return f"{asked['service']}:{asked['operation']}({given}){region}"


def _table(asked: Mapping[str, Any], _: str) -> str:
    return f"{asked['table']}[{asked['key']}]" if asked.get("key") else str(asked["table"])


def _capture(asked: Mapping[str, Any], _: str) -> str:
    where = f" on {asked['interface']}" if asked.get("interface") else ""
    which = f": {asked['filter']}" if asked.get("filter") else ""
    return f"{asked['how']}{where}{which}"


#: The keys that tell how something was asked, and how that is written.
_WORDS: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, Any], str], str]], ...] = (
    (("command",), _command),
    (("table",), _table),
    (("service", "operation"), _call),
    (("method", "url"), lambda asked, _: f"{asked['method']} {asked['url']}"),
    (("path", "what"), lambda asked, _: f"{asked['what']} {asked['path']}"),
    (("path",), lambda asked, _: str(asked["path"])),
    (("how", "filter"), _capture),
)


def outcome(value: Mapping[str, Any]) -> str:
    """Return what came of it in a few words."""
    error, answer = value.get("error"), value.get("answer")
    if error:
        return printable(shorten(f"{error.get('type')}: {error.get('message')}", WHAT))
    if isinstance(answer, dict) and isinstance(answer.get("exit_code"), int):
        return f"exit code {answer['exit_code']}"
    if isinstance(answer, dict) and isinstance(answer.get("status"), int):
        return printable(f"HTTP {answer['status']} {answer.get('code') or ''}".strip())
    if isinstance(answer, dict) and isinstance(answer.get("packets"), int):
        return plural(answer["packets"], "packet")
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
