"""Result files and recordings of others, read without trust in them."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.command.ending import Refused
from pytest_sysaudit.compliance.baseline import FILE_NAME
from pytest_sysaudit.compliance.gate import default_gate
from pytest_sysaudit.errors import SysauditError
from pytest_sysaudit.evidence.folder import is_recording
from pytest_sysaudit.record import SCHEMA, Control, Place, Plain, Result, Verdict
from pytest_sysaudit.text import plural

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.bundle import Bundle

_WAY_OUT = "--audit-report=json=PATH writes one"
_TOLD = 5
"""How many misfits of a file are told."""


def read_document(path: Path) -> dict[str, Plain]:
    """Return the document at *path*.

    Args:
        path: a json report, a folder that holds a ``results.json``, or a recording.

    Raises:
        Refused: it is none, of another version, or not whole.
    """
    if path.is_dir():
        if is_recording(path):
            return of_bundle(path)
        if not (path / FILE_NAME).exists():
            raise Refused(f"{path}: holds neither a recording nor a {FILE_NAME}")
        path /= FILE_NAME
    return _checked(path, _loaded(path, _bytes(path)))


def _bytes(path: Path) -> bytes:
    if not path.exists():
        raise Refused(f"{path}: there is no such file; {_WAY_OUT}")
    if not path.is_file():
        raise Refused(f"{path}: is no ordinary file; {_WAY_OUT}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}") from error


def _loaded(path: Path, content: bytes) -> Any:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(
            f"{path}: byte {error.start}: is no UTF-8 text, so no result file; {_WAY_OUT}"
        ) from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) and text.lstrip().startswith("{"):
            raise Refused(f"{path}: is cut: it ends in line {error.lineno}; {_WAY_OUT}") from None
        where = f"{path}:{error.lineno}:{error.colno}"
        why = "is cut, or no JSON" if "Unterminated" in error.msg else "is no JSON"
        raise Refused(f"{where}: {why}: {error.msg}; {_WAY_OUT}") from None
    except RecursionError:
        raise Refused(f"{path}: is no result file: too many things within things") from None


def _checked(path: Path, data: Any) -> dict[str, Plain]:
    from pytest_sysaudit.command.fitting import Misfits
    from pytest_sysaudit.reports.json_report import schema

    name, _, version = SCHEMA.partition("/")
    found = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(found, str) or not found.startswith(f"{name}/"):
        raise Refused(f"{path}: is no result file: it has no schema {SCHEMA}; {_WAY_OUT}")
    if found != SCHEMA:
        raise Refused(f"{path}: is of version {found}; this pytest-sysaudit reads {name}/{version}")
    misfits = list(itertools.islice(Misfits(schema()).of(data), _TOLD + 1))
    if misfits:
        more = "\n  and more" if len(misfits) > _TOLD else ""
        told = "\n".join(f"  {line}" for line in misfits[:_TOLD])
        raise Refused(f"{path}: is no whole result file:\n{told}{more}")
    return data


def of_bundle(folder: Path) -> dict[str, Plain]:
    """Return the document of the run that was recorded in *folder*.

    Of a run that was killed, it has the results that were finished, the targets that were chosen,
    and a gate that is broken for not being whole.

    Raises:
        SysauditError: there is no recording, or it is broken.
    """
    from pytest_sysaudit.evidence.bundle import open_bundle

    bundle = open_bundle(folder)
    with trusted(folder):
        return _of_bundle(folder, bundle)


@contextlib.contextmanager
def trusted(folder: Path) -> Iterator[None]:
    """Read records of the recording in *folder* as if they were whole; say so if they are not."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Refused(
            f"{folder}: a record is not whole ({type(error).__name__}: {error}); "
            f"what is wrong says: sysaudit evidence verify {folder}"
        ) from error


def _of_bundle(folder: Path, bundle: Bundle) -> dict[str, Plain]:
    from pytest_sysaudit.reports.document import build, summarize

    results = [Result.from_plain(row) for row in bundle.results]
    results += _unfinished(bundle, {result.place for result in results})
    used = {result.control for result in results}
    controls = {str(c["id"]): Control.from_plain(c) for c in bundle.controls}
    controls |= {id_: Control(id=id_, title="") for id_ in used - controls.keys()}
    targets = list(_targets(folder, bundle, {result.target for result in results}))
    document = build(
        _run(bundle),
        targets,
        [controls[id_] for id_ in sorted(used)],
        results,
        parts={"evidence": bundle.describe_used(results)},
    )
    gate = _gate(bundle, document, [one["name"] for one in targets])
    document["summary"] = summarize(document, gate)
    return document


def _unfinished(bundle: Bundle, done: set[Place]) -> Iterator[Result]:
    """Yield a result for each check that was to be carried out and has none."""
    for place in bundle.plan:
        if place not in done:
            yield Result(
                **place.to_plain(),
                verdict=Verdict.ERROR,
                message="not assessed: the run was killed before this check ended",
                started=str(bundle.begin.get("started", "")),
            )


def _gate(bundle: Bundle, document: Mapping[str, Plain], names: list[str]) -> Mapping[str, Plain]:
    why = ""
    if bundle.ended is None:
        done = {row["target"] for row in bundle.results}
        left = [name for name in names if name not in done]
        rest = f"; nothing was finished on {', '.join(left)}" if left else ""
        why = (
            f"the run was killed: {plural(len(tuple(bundle.results)), 'result')} "
            f"of {plural(len(done), 'target')} were finished{rest}"
        )
    return default_gate().judge(document, beyond=why).to_plain()


def _run(bundle: Bundle) -> dict[str, Plain]:
    """Return the run block; what the recording does not say of a killed run is not made up."""
    begin, ended = bundle.begin, bundle.ended
    inventory = begin.get("inventory") or {}
    last = max([str(row.get("started", "")) for row in bundle.results], default="")
    return {
        "id": str(begin.get("run", "")) or "unknown",
        "started": str(begin.get("started", "")),
        "ended": str(ended["ended"]) if ended else last or str(begin.get("started", "")),
        "operator": str(begin.get("operator", "")),
        "command_line": begin.get("command_line", ""),
        "versions": {k: v for k, v in (begin.get("versions") or {}).items() if v is not None},
        "inventory": str(inventory.get("path", "")),
        "inventory_sha256": inventory.get("sha256") or None,
        "selection": begin.get("selection") or {},
        "evidence": {"folder": str(bundle.folder), "whole": ended is not None},
    }


def _targets(folder: Path, bundle: Bundle, judged: set[str]) -> Iterator[dict[str, Plain]]:
    """Yield the targets that were chosen, and those that have results."""
    from pytest_sysaudit.inventory.select import select
    from pytest_sysaudit.recording import Recording

    chosen: dict[str, Any] = {}
    try:
        inventory = Recording(folder).inventory
        expressions = (bundle.begin.get("selection") or {}).get("targets") or []
        found = select(expressions, inventory.targets, inventory.groups)
        chosen = {target.name: target for target in found}
        chosen |= {n: inventory.targets[n] for n in judged if n in inventory.targets}
    except (SysauditError, KeyError, TypeError, OSError):
        pass  # then the results alone say which targets there were
    seen = dict(_opened(bundle))
    for name in sorted((chosen.keys() | judged) - {""}):
        target = chosen.get(name)
        state = seen.get(name, {"identity": {}, "reachable": None, "reason": ""})
        kind = target.kind if target else "local" if name == "localhost" else "testinfra"
        groups = [*target.groups] if target else []
        yield {"name": name, "kind": str(kind), "groups": groups, **state}


def _opened(bundle: Bundle) -> Iterator[tuple[str, dict[str, Plain]]]:
    """Yield what came of opening each target."""
    for id_ in bundle.observations:
        value = bundle.value(id_)
        if value["kind"] == "target" and not (value.get("asked") or {}).get("standin"):
            error = value.get("error") or {}
            answer = value.get("answer")
            identity = answer if isinstance(answer, dict) else {}
            reason = str(error.get("message", ""))
            yield (
                value["target"],
                {"identity": identity, "reachable": not error, "reason": reason},
            )
