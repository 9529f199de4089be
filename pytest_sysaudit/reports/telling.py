"""What a result says, in words that every format shares."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from pytest_sysaudit.record import Plain, Severity, Verdict
from pytest_sysaudit.reports.plain import as_text
from pytest_sysaudit.text import first_line

Row = Mapping[str, Plain]


def controls_of(document: Mapping[str, Plain]) -> dict[str, Row]:
    """Return the controls of *document* by id."""
    return {str(control["id"]): control for control in document["controls"]}


def severity_of(control: Row) -> str:
    """Return the severity of *control*; ``medium`` for one that the document does not know."""
    return str(control.get("severity") or Severity.MEDIUM.value)


def parameters(row: Row) -> str:
    """Return the parameters of *row* as ``name=value, ...``."""
    return ", ".join(f"{name}={value}" for name, value in sorted((row["params"] or {}).items()))


def place_of(row: Row) -> str:
    """Return where *row* was found: target, parameters and resource, as far as it has them."""
    return ", ".join(filter(None, [str(row["target"]), parameters(row), str(row["resource"])]))


def numbers(control: Row) -> Iterator[tuple[str, str]]:
    """Yield every framework and number of *control*."""
    for framework, found in (control.get("frameworks") or {}).items():
        yield from ((str(framework), str(number)) for number in found)


def justification(waiver: Row) -> str:
    """Return why a risk was accepted."""
    return str(waiver.get("justification") or waiver.get("reason") or "no reason given")


def reason(row: Row) -> str:
    """Return in one line why *row* has its verdict; what was waived says why and until when."""
    found = first_line(str(row["message"])) or str(row["verdict"]).replace("_", " ")
    waiver = row["waiver"]
    if row["verdict"] != Verdict.WAIVED.value or not waiver:
        return found
    until = f" until {waiver['expires']}" if waiver.get("expires") else ""
    return f"waived{until}: {first_line(justification(waiver))}; {found}"


def finding(row: Row) -> str:
    """Return what was found in full: the message, what was expected, what was seen."""
    parts = [str(row["message"])]
    parts += [f"Expected:\n{as_text(row['expected'])}"] if row["expected"] is not None else []
    parts += [f"Observed:\n{as_text(row['observed'])}"] if row["observed"] is not None else []
    return "\n\n".join(filter(None, parts))


def guidance(control: Row) -> str:
    """Return why *control* matters and how it is met."""
    parts = [f"Why: {control['rationale']}"] if control.get("rationale") else []
    parts += [f"Fix: {control['remediation']}"] if control.get("remediation") else []
    return "\n\n".join(parts)


def keyed(rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    """Yield *rows*, each with a SHA-256 of what it is about: the same in every run, never twice."""
    seen: Counter[str] = Counter()
    for row in rows:
        params = sorted((row["params"] or {}).items())
        about = (row["control"], row["target"], params, row["resource"])
        text = repr(about)
        seen[text] += 1
        if seen[text] > 1:  # the document allows two rows about the same thing
            text += f" {seen[text]}"
        yield hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest(), row


def moment_of(time: Plain) -> datetime | None:
    """Return a time of the document in UTC, which one without a zone is in; None: it is none."""
    try:
        found = datetime.fromisoformat(time)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def seconds_of(time: Plain) -> float:
    """Return seconds since the epoch of a time of the document; 0 for none."""
    found = moment_of(time)
    return found.timestamp() if found else 0.0
