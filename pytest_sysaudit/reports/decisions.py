"""Waivers and attestations in the terminal: how many hold, and those that somebody must look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.columns import cut, one_line
from pytest_sysaudit.text import plural

Entry = Mapping[str, Plain]
_PARTS = ("waivers", "attestations")
_SHOWN = 10
"""How many are shown unless all are asked for."""
_QUIET = ("used", "not needed")
"""The states that nobody has to do anything about."""
_WORDS: Mapping[str, str] = {
    "used": "in use",
    "not needed": "not needed: what it covers does not fail",
    "unused": "unused: it covers nothing that was judged",
    "unknown control": "no check judges this control",
    "unknown target": "there is no such target",
    "evidence changed": "its evidence file is not what was looked at",
    "not manual": "this control is no manual one: a check judges it",
}


def decision_lines(
    document: Mapping[str, Plain], width: int, *, verbose: bool
) -> Iterator[tuple[str, str]]:
    """Yield lines, each with its style.

    Args:
        document: from `document.build`, perhaps without waivers and attestations.
        width: columns of the terminal.
        verbose: whether all are shown; else those that somebody must look at.
    """
    for part in _PARTS:
        entries: Sequence[Entry] = document.get(part, ())
        if not entries:
            continue
        shown = [entry for entry in entries if verbose or _needs_a_look(entry)]
        yield cut(f"{part}: {_counts(entries)}", width), "yellow" if shown else ""
        limit = len(shown) if verbose else _SHOWN
        for entry in shown[:limit]:
            style = "yellow" if _needs_a_look(entry) else ""
            yield cut(f"  {_told(entry)}", width), style
        if len(shown) > limit:
            yield f"  and {len(shown) - limit} more (-v shows all)", "yellow"


def _needs_a_look(entry: Entry) -> bool:
    return bool(entry["expiring"]) or entry["state"] not in _QUIET


def _counts(entries: Sequence[Entry]) -> str:
    found = Counter(entry["state"] for entry in entries)
    order = [*_WORDS, *sorted(found.keys() - _WORDS.keys())]
    words = [f"{found[state]} {state}" for state in order if found[state]]
    expiring = sum(bool(entry["expiring"]) for entry in entries)
    return ", ".join(words) + (f"; {expiring} will expire soon" if expiring else "")


def _told(entry: Entry) -> str:
    what = f"{entry['control']} on {entry['target']}"
    if entry.get("resource"):
        what += f" ({entry['resource']})"
    return one_line(f"{entry['place']}: {what}: {_state(entry)}")


def _state(entry: Entry) -> str:
    day = str(entry.get("expires") or entry.get("valid_until"))[:10]
    if entry["state"] == "expired":
        return f"expired on {day}"
    words = _WORDS.get(str(entry["state"]), str(entry["state"]))
    soon = f"{words}; expires on {day}, in {plural(int(entry['expires_in_days']), 'day')}"
    return soon if entry["expiring"] else words
