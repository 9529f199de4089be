"""`sysaudit evidence`: is a recording whole, what is in it, and keys that sign one."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pytest_sysaudit.command import output, words
from pytest_sysaudit.command.ending import Refused, no, remark
from pytest_sysaudit.command.group import examples
from pytest_sysaudit.evidence.observation import KINDS
from pytest_sysaudit.record import utc_text
from pytest_sysaudit.text import plural

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.bundle import Bundle
    from pytest_sysaudit.evidence.verify import Verification
    from pytest_sysaudit.record import Plain

_FOLDER = click.Path(path_type=Path)


@click.group(
    short_help="Verify and show recordings, make keys.",
    epilog=examples(
        [
            "sysaudit evidence verify evidence --public-key evidence-key.pub",
            "sysaudit evidence show evidence --control ssh.root-login",
            "sysaudit evidence key .",
        ]
    ),
)
def evidence() -> None:
    """Verify and show what --audit-evidence recorded, or make keys that sign it."""


@evidence.command(
    short_help="Check every link of a recording.",
    epilog=examples(
        [
            "sysaudit evidence verify evidence",
            "sysaudit evidence verify evidence --public-key evidence-key.pub",
        ]
    ),
)
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option(
    "--public-key",
    metavar="FILE",
    type=_FOLDER,
    help="the key that must have signed it; without it, anybody may have",
)
@click.option("--json", "as_json", is_flag=True, help="JSON data instead of text")
def verify(folder: Path, public_key: Path | None, *, as_json: bool) -> None:
    """Check every link of the recording in DIR, and name the first that is broken.

    Exit code 0 if all that is there is as it was written, 1 if not. A run that was killed verifies
    up to its last whole record, and that is said.
    """
    from pytest_sysaudit.evidence.signing import read_public_key
    from pytest_sysaudit.evidence.verify import verify as check

    key = read_public_key(_text(public_key)) if public_key is not None else None
    found = check(folder, key)
    if as_json:
        output.data(asdict(found))
    else:
        for text, style in _verified(found):
            output.say(text, style)
    if not found.ok:
        no()


@evidence.command(
    short_help="List what was seen, or show one observation.",
    epilog=examples(
        [
            "sysaudit evidence show evidence",
            "sysaudit evidence show evidence --target web1 --kind command",
            "sysaudit evidence show evidence --control ssh.root-login",
            "sysaudit evidence show evidence --id 0123456789abcdef",
        ]
    ),
)
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--target", metavar="NAME", help="only what was seen of this target")
@click.option(
    "--control",
    metavar="ID",
    shell_complete=words.controls,
    help="only what the results of this control name",
)
@click.option("--kind", type=click.Choice(KINDS), help="only observations of this kind")
@click.option("--id", "id_", metavar="ID", help="one observation in full; its first digits do")
@click.option("--results", is_flag=True, help="the results instead of the observations")
@click.option("--json", "as_json", is_flag=True, help="JSON data instead of text")
def show(  # noqa: PLR0913 - click calls it by name
    folder: Path,
    target: str | None,
    control: str | None,
    kind: str | None,
    id_: str | None,
    *,
    results: bool,
    as_json: bool,
) -> None:
    """List what was seen: who asked what, when, and what came; or one observation in full.

    It is shown as it is stored; `sysaudit evidence verify` says whether that is as it was written.
    """
    from pytest_sysaudit.command.documents import trusted
    from pytest_sysaudit.evidence.bundle import open_bundle

    bundle = open_bundle(folder)
    with trusted(folder):
        if id_ is not None:
            _one(bundle, id_, as_json=as_json)
        elif results:
            _results(bundle, target, control, as_json=as_json)
        else:
            _list(bundle, target, control, kind, as_json=as_json)


@evidence.command(
    short_help="Make a pair of keys that signs recordings.",
    epilog=examples(["sysaudit evidence key ~/.config/sysaudit"]),
)
@click.argument("folder", metavar="DIR", type=_FOLDER)
def key(folder: Path) -> None:
    """Write a new pair of ed25519 keys into DIR: the private one signs, the public one verifies.

    DIR is made if it is not there. A key that is there is never written over.
    """
    from pytest_sysaudit.command.files import repository
    from pytest_sysaudit.evidence.signing import new_key_pair

    private, public = new_key_pair(folder)
    if top := repository(folder):
        remark(f"{private} lies in the repository {top}: never commit it; .gitignore can name it")
    output.say(f"wrote {private} (keep it secret) and {public}", "green")
    output.say(f"next:  evidence: {{signing_key: file:{private}}} in inventory.yaml")


def _verified(found: Verification) -> Iterator[tuple[str, str]]:
    """Yield the lines, with their styles, that say what came of verifying."""
    counts = [plural(found.records, "record"), plural(found.observations, "observation")]
    counts += [plural(found.results, "result"), plural(found.contents, "content")]
    yield f"{', '.join(counts)}, {found.size} bytes", ""
    if found.until:
        yield f"until {found.until}", ""
    if found.signed:
        who = "the key that you named" if found.trusted else "nobody checked whose this is"
        yield f"signed with {found.signed} ({who})", ""
    for text in found.remarks:
        yield text, "yellow"
    if not found.ok:
        yield f"broken: {found.broken}", "red bold"
    elif found.complete:
        yield "verified: all of it is as it was written", "green"
    else:
        yield "verified up to its last whole record; the run did not end", "yellow"


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise Refused(f"{path}: there is no such file") from None
    except UnicodeDecodeError:
        raise Refused(f"{path}: is no text; expected a public key as PEM") from None
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}") from error


def _head(bundle: Bundle) -> None:
    """Say on standard error whose recording it is, and whether it is whole."""
    begin = bundle.begin
    click.echo(
        f"run {begin.get('run', '')}, {begin.get('started', '')}, by {begin.get('operator', '')}",
        err=True,
    )
    if bundle.ended is None:
        remark("the run was killed: this is what it saw until then")
    for note in bundle.notes:
        remark(f"note: {note.get('text', '')}")


def _list(
    bundle: Bundle, target: str | None, control: str | None, kind: str | None, *, as_json: bool
) -> None:
    named = _named_by(bundle, control) if control is not None else None
    found = [
        one
        for one in _described(bundle)
        if (target is None or one["target"] == target)
        and (kind is None or one["kind"] == kind)
        and (named is None or one["id"] in named)
    ]
    if not found and (target or control or kind):
        raise Refused(
            f"{bundle.folder}: no observation is like that; without options all are shown"
        )
    if as_json:
        output.data(found)
        return
    _head(bundle)
    output.table(
        (one["id"], one["started"], one["target"], one["kind"], f"{one['what']}: {one['outcome']}")
        for one in found
    )
    click.echo(plural(len(found), "observation"), err=True)


def _described(bundle: Bundle) -> Iterator[dict[str, Plain]]:
    told_ = bundle.describe(bundle.observations)
    for id_, one in sorted(told_.items(), key=lambda pair: pair[1]["started"]):
        yield {"id": id_, **{name: value for name, value in one.items() if name != "excerpt"}}


def _named_by(bundle: Bundle, control: str) -> set[str]:
    """Return what the results of *control* name, and what that was made of."""
    rows = [row for row in bundle.results if row["control"] == control]
    if not rows:
        from pytest_sysaudit.inventory.suggest import did_you_mean

        known = {str(row["control"]) for row in bundle.results}
        hint = did_you_mean(control, sorted(known), otherwise="There are")
        raise Refused(f"{bundle.folder}: no result of the control {control!r}.{hint}")
    return set(bundle.describe({id_ for row in rows for id_ in row["evidence"]}))


def _results(bundle: Bundle, target: str | None, control: str | None, *, as_json: bool) -> None:
    rows = [
        row
        for row in bundle.results
        if (target is None or row["target"] == target)
        and (control is None or row["control"] == control)
    ]
    if as_json:
        output.data(rows)
        return
    _head(bundle)
    output.table(
        (
            row["verdict"],
            row["target"],
            row["control"],
            " ".join(row["evidence"]) or "-",
            f"{row['resource']} {row['message']}".strip(),
        )
        for row in rows
    )
    click.echo(plural(len(rows), "result"), err=True)


def _one(bundle: Bundle, start: str, *, as_json: bool) -> None:
    ids = [id_ for id_ in bundle.observations if id_.startswith(start)]
    if len(ids) != 1:
        why = f"{len(ids)} observations begin like that" if ids else "there is no such observation"
        raise Refused(f"{bundle.folder}: {start}: {why}")
    value = bundle.value(ids[0])
    users = [row for row in bundle.results if ids[0] in row["evidence"]]
    contents = {name: bundle.part(ids[0], name) for name in value.get("parts") or {}}
    if as_json:
        encoded = {name: _encoded(content) for name, content in contents.items()}
        output.data({"id": ids[0], **value, "parts": encoded, "used_by": _users(users)})
        return
    _head(bundle)
    for text, style in _full(bundle, ids[0], value, users):
        output.say(text, style)
    for name, content in contents.items():
        output.say()
        output.say(f"--- {name}: {plural(len(content), 'byte')} ---", "bold")
        output.say(content.decode("utf-8", "backslashreplace"))


def _encoded(content: bytes) -> dict[str, str]:
    try:
        return {"text": content.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode("ascii")}


def _users(rows: list[Mapping[str, Plain]]) -> list[dict[str, Plain]]:
    names = ("control", "check", "target", "resource", "verdict")
    return [{name: row[name] for name in names} for row in rows]


def _full(
    bundle: Bundle, id_: str, value: Mapping[str, Any], users: list[Mapping[str, Plain]]
) -> Iterator[tuple[str, str]]:
    from pytest_sysaudit.evidence.describe import outcome, what

    yield id_, "bold"
    facts = {
        "kind": value["kind"],
        "target": value["target"],
        "asked": what(value["kind"], value["asked"]),
        "came": outcome(value),
        "when": f"{utc_text(value['started'])}, {value.get('duration', 0.0):.3f} s",
        "redacted": "a secret was taken out" if value.get("redacted") else "",
        "cut": ", ".join(value.get("cut") or ()),
        "made of": " ".join(value.get("made_of") or ()),
        "process": bundle.observations[id_].process,
    }
    for name, text in facts.items():
        if text:
            yield f"{name + ':':<10} {text}", ""
    for row in _users(users):
        where = f"{row['control']} on {row['target']}"
        yield f"{'used by:':<10} {where}: {row['verdict']}", ""
