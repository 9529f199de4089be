"""What changed since the baseline, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_sysaudit.record import Plain, Severity, Verdict
from pytest_sysaudit.reports.columns import cut, one_line, pad, width_of
from pytest_sysaudit.text import first_line, plural

Row = Mapping[str, Plain]
_SHOWN = 10
"""How many of each kind are shown unless all are asked for."""
_STYLES = {"new": "red", "fixed": "green", "changed": "yellow", "gone": ""}
_FINDINGS = (Verdict.FAIL.value, Verdict.ERROR.value)
_LEVELS = [severity.value for severity in reversed(Severity)]
_WIDEST_NAME = 20
_WIDEST_CONTROL = 28


def drift_lines(
    document: Mapping[str, Plain], width: int, *, verbose: bool
) -> Iterator[tuple[str, str]]:
    """Yield lines, each with its style; none if there is no baseline.

    Args:
        document: from `document.build`, perhaps without drift.
        width: columns of the terminal.
        verbose: whether all are shown, those that are gone too.
    """
    drift = document.get("drift")
    if not drift:
        return
    kinds = {state: _rows(document, state) for state in ("new", "fixed", "changed")}
    kinds["gone"] = list(drift["gone"]) if verbose else []
    baseline, counts = drift["baseline"], drift["counts"]
    told = [f"{counts['new']} new ({plural(len(kinds['new']), 'finding')})"]
    told += [f"{counts[name]} {name}" for name in ("fixed", "changed", "unchanged", "gone")]
    since = one_line(f"since {baseline['started'][:16].replace('T', ' ')} ({baseline['path']})")
    yield cut(f"{since}: {', '.join(told)}", width), "red" if kinds["new"] else ""
    table = _Table([row for rows in kinds.values() for row in rows], width)
    for state, rows in kinds.items():
        limit = len(rows) if verbose else _SHOWN
        for row in rows[:limit]:
            yield table.line(state, row), _STYLES[state]
        if len(rows) > limit:
            yield f"  and {len(rows) - limit} more {state} (-v shows all)", _STYLES[state]


def _rows(document: Mapping[str, Plain], state: str) -> list[Row]:
    """Return the results of *state*, worst first; of the new ones only findings."""
    levels = {control["id"]: control["severity"] for control in document["controls"]}

    def rank(row: Row) -> tuple[int, int]:
        level = levels.get(row["control"], Severity.MEDIUM.value)
        return row["verdict"] != Verdict.FAIL, _LEVELS.index(level)

    found = [row for row in document["results"] if row["drift"] == state]
    if state == "new":
        found = [row for row in found if row["verdict"] in _FINDINGS]
    return sorted(found, key=rank)


class _Table:
    def __init__(self, rows: Sequence[Row], width: int) -> None:
        self._width = width
        names = max((width_of(_name(row)) for row in rows), default=0)
        controls = max((width_of(one_line(row["control"])) for row in rows), default=0)
        self._names = min(names, _WIDEST_NAME)
        self._controls = min(controls, _WIDEST_CONTROL)

    def line(self, state: str, row: Row) -> str:
        """Return a line of the table."""
        where = f"{pad(_name(row), self._names)}  {pad(row['control'], self._controls)}"
        verdict = str(row["verdict"]).replace("_", " ")
        reason = one_line(first_line(str(row.get("message", ""))))
        parts = [f"  {state:<8} {where}  {verdict}", one_line(str(row["resource"])), reason]
        return cut(": ".join(filter(None, parts)).rstrip(), self._width)


def _name(row: Row) -> str:
    return one_line(str(row["target"])) or "run"
