"""The results as columns of numbers beside one table of texts: what the page's script reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_sysaudit.record import Plain, Severity, Verdict
from pytest_sysaudit.reports.html_coverage import STATES, coverage
from pytest_sysaudit.reports.plain import as_text, clean, clean_text
from pytest_sysaudit.reports.telling import moment_of
from pytest_sysaudit.text import shorten

Row = Mapping[str, Plain]

#: Every verdict's word, worst first. The page gives each a symbol, too.
WORDS: Mapping[str, str] = {
    Verdict.FAIL.value: "Failed",
    Verdict.ERROR.value: "Not assessed",
    Verdict.MANUAL.value: "Manual",
    Verdict.WAIVED.value: "Waived",
    Verdict.PASS.value: "Passed",
    Verdict.NOT_APPLICABLE.value: "Not applicable",
}
SEVERITIES = [severity.value for severity in reversed(Severity)]
#: What a page leaves out that would be too large: each step leaves out what those before it do.
CUTS: Sequence[str] = (
    "",
    "details of the evidence of results that passed or do not apply",
    "excerpts of evidence beyond their first 300 characters",
    "the evidence of results that passed or do not apply",
    "excerpts of evidence",
    "what was expected and observed where a result passed or does not apply",
)
_DETAILS_OF_QUIET, _LONG_EXCERPTS, _IDS_OF_QUIET, _EXCERPTS, _VALUES_OF_QUIET = range(1, len(CUTS))
#: Verdicts that ask nothing of the reader.
QUIET = (Verdict.PASS.value, Verdict.NOT_APPLICABLE.value)
_LONGEST = 4000
_SHORT = 300
_REDACTED, _CUT, _KNOWN = 1, 2, 4


class Texts:
    """Every text once, each with a number; the empty one is 0."""

    def __init__(self, known: Sequence[str] = ("",)) -> None:
        self._numbers = {text: number for number, text in enumerate(known)}

    def add(self, text: str) -> int:
        """Return the number of *text*."""
        return self._numbers.setdefault(clean_text(text), len(self._numbers))

    def values(self) -> list[str]:
        """Return all texts in the order of their numbers."""
        return list(self._numbers)


class Names:
    """Records by name: those of the document, and one for each name that only results know."""

    def __init__(self, names: Iterable[str]) -> None:
        self._numbers: dict[str, int] = {}
        for name in names:
            self.add(name)

    def add(self, name: str) -> int:
        """Return the number of *name*."""
        return self._numbers.setdefault(name, len(self._numbers))

    def all(self) -> list[str]:
        """Return all names in the order of their numbers."""
        return list(self._numbers)


def family(control: str) -> str:
    """Return what stands before the first dot of a control's id."""
    return control.partition(".")[0]


def worst_first(document: Mapping[str, Plain]) -> list[Row]:
    """Return the results by verdict and severity, the worst first; then by control and target."""
    order = {verdict: number for number, verdict in enumerate(WORDS)}
    weights = {severity: number for number, severity in enumerate(SEVERITIES)}
    severities = {control["id"]: control["severity"] for control in document["controls"]}
    usual = Severity.MEDIUM.value

    def place(row: Row) -> tuple[int, int, str, str]:
        severity = severities.get(row["control"], usual)
        return order[row["verdict"]], weights[severity], row["control"], row["target"]

    return sorted(document["results"], key=place)


def packs(document: Mapping[str, Plain]) -> Iterator[dict[str, Plain]]:
    """Yield what the page's script needs of *document*; each time one more of `CUTS` is left out.

    Args:
        document: as `results.schema.json` says; ``waivers``, ``attestations``, ``drift`` and
            ``evidence`` may be missing.
    """
    rows = worst_first(document)
    texts, results = Texts(), dict[str, Plain]()
    controls = Names(control["id"] for control in document["controls"])
    targets = Names(target["name"] for target in document["targets"])
    places = {
        "control": [controls.add(row["control"]) for row in rows],
        "target": [targets.add(row["target"]) for row in rows],
    }
    known = _known(document)
    known["controls"] = _with_strangers(document["controls"], "id", controls)
    known["targets"] = _with_strangers(map(_target, document["targets"]), "name", targets)
    for cut in range(len(CUTS)):
        if cut in (0, _VALUES_OF_QUIET):
            texts = Texts()
            results = _columns(rows, texts, _start(document), cut)
        evidence = _Evidence(document, Texts(texts.values()), cut)
        named = [evidence.numbers(row) for row in rows]
        yield {
            **known,
            "results": {**places, **results, "evidence": named},
            "evidence": evidence.columns(),
            "cuts": list(CUTS[1 : cut + 1]),
            "texts": evidence.texts.values(),
        }


def _known(document: Mapping[str, Plain]) -> dict[str, Plain]:
    return {
        "verdicts": list(WORDS),
        "words": list(WORDS.values()),
        "severities": SEVERITIES,
        "states": list(STATES),
        "begin": _start(document),
        "waivers": clean(document.get("waivers")),
        "attestations": clean(document.get("attestations")),
        "drift": clean(document.get("drift")),
        "coverage": _coverage(document),
    }


def _columns(rows: Sequence[Row], texts: Texts, begin: int | None, cut: int) -> dict[str, Plain]:
    def text_of(name: str) -> list[int]:
        spare = cut >= _VALUES_OF_QUIET and name in ("expected", "observed")
        return [
            0 if spare and row["verdict"] in QUIET else texts.add(_brief(as_text(row[name])))
            for row in rows
        ]

    def json_of(name: str) -> list[int]:
        return [texts.add(_json(row[name])) if row[name] else 0 for row in rows]

    letters = {verdict: str(number) for number, verdict in enumerate(WORDS)}
    names = ("check", "resource", "message", "expected", "observed", "drift")
    return {
        "verdict": "".join(letters[row["verdict"]] for row in rows),
        **{name: text_of(name) for name in names},
        **{name: json_of(name) for name in ("params", "waiver", "attestation")},
        "started": [_offset(row["started"], begin) for row in rows],
        "took": [round(row["duration"] * 1000) for row in rows],
    }


class _Evidence:
    """The observations that results name, and those that these were made of, each once."""

    def __init__(self, document: Mapping[str, Plain], texts: Texts, cut: int) -> None:
        self._known: Mapping[str, Row] = document.get("evidence") or {}
        self._begin = _start(document)
        self.texts = texts
        self._cut = cut
        self._numbers = Names(())
        self._shown: set[str] = set()

    def numbers(self, row: Row) -> list[int]:
        """Return the numbers of what *row* names."""
        quiet = row["verdict"] in QUIET
        if quiet and self._cut >= _IDS_OF_QUIET:
            return []
        if not quiet or self._cut < _DETAILS_OF_QUIET:
            self._show(row["evidence"])
        return [self._numbers.add(name) for name in row["evidence"]]

    def _show(self, names: Sequence[str]) -> None:
        """Show these, and what they were made of, which may be in the page already."""
        waiting = [name for name in names if name not in self._shown and name in self._known]
        while waiting:
            name = waiting.pop()
            self._shown.add(name)
            self._numbers.add(name)
            parts = self._known[name]["made_of"]
            for part in parts:
                self._numbers.add(part)
            waiting += [part for part in parts if part in self._known and part not in self._shown]

    def columns(self) -> dict[str, Plain]:
        """Return the observations by column; those without details have flags 0."""
        names = self._numbers.all()
        add = self.texts.add
        rows = [self._known[name] if name in self._shown else _NOTHING for name in names]
        return {
            "id": [clean_text(name) for name in names],
            **{
                name: [add(row[name]) for row in rows]
                for name in ("kind", "target", "what", "outcome")
            },
            "excerpt": [add(self._excerpt(row["excerpt"])) for row in rows],
            "sha256": [row["sha256"] for row in rows],
            "size": [row["size"] for row in rows],
            "started": [_offset(row["started"], self._begin) for row in rows],
            "took": [round(row["duration"] * 1000) for row in rows],
            "made_of": [[self._numbers.add(part) for part in row["made_of"]] for row in rows],
            "flags": [
                0 if row is _NOTHING else _KNOWN + _REDACTED * row["redacted"] + _CUT * row["cut"]
                for row in rows
            ],
        }

    def _excerpt(self, text: str) -> str:
        if self._cut >= _EXCERPTS:
            return ""
        return shorten(text, _SHORT if self._cut >= _LONG_EXCERPTS else _LONGEST)


_NOTHING: Row = {
    **dict.fromkeys(("kind", "target", "what", "outcome", "excerpt", "sha256", "started"), ""),
    "size": 0,
    "duration": 0,
    "made_of": (),
    "redacted": False,
    "cut": False,
}


def _with_strangers(known: Iterable[Row], key: str, names: Names) -> list[Plain]:
    """Return the records, and a bare one for each name that only results know."""
    records = [clean(record) for record in known]
    strangers = names.all()[len(records) :]
    return [*records, *({key: clean_text(name), "stranger": True} for name in strangers)]


def _target(target: Row) -> Row:
    told = {name: _brief(as_text(value)) for name, value in target["identity"].items() if value}
    return {**target, "identity": told}


def _coverage(document: Mapping[str, Plain]) -> dict[str, Plain]:
    """Return for each framework number, place in `STATES` and controls of its numbers."""
    return {
        clean_text(name): [
            [clean_text(n.number), STATES.index(n.state), clean(n.controls)] for n in numbers
        ]
        for name, numbers in coverage(document).items()
    }


def _brief(text: str) -> str:
    return shorten(text, _LONGEST)


def _json(value: Plain) -> str:
    return json.dumps(clean(value), ensure_ascii=False, separators=(",", ":"))


def _start(document: Mapping[str, Plain]) -> int | None:
    return milliseconds(str(document["run"].get("started", "")))


def _offset(time: str, begin: int | None) -> int | None:
    moment = milliseconds(time)
    return None if moment is None else moment - (begin or 0)


def milliseconds(time: str) -> int | None:
    """Return the milliseconds since the epoch of a time of the document; None: it is none."""
    found = moment_of(time)
    return round(found.timestamp() * 1000) if found else None
