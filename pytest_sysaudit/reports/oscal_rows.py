"""The observations, risks and findings of the OSCAL report: at most one of each a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.oscal_assets import Assets
from pytest_sysaudit.reports.oscal_words import identifier, line, props, prose, token
from pytest_sysaudit.reports.status import STATUSES
from pytest_sysaudit.reports.telling import (
    Row,
    controls_of,
    finding,
    justification,
    keyed,
    parameters,
    place_of,
    reason,
    severity_of,
)

_ASKED = ("INTERVIEW", "EXAMINE")


@dataclass(frozen=True, slots=True)
class Rows:
    """The results of a document."""

    document: Mapping[str, Plain]
    assets: Assets
    keyed: Sequence[tuple[str, Row]]

    @classmethod
    def of(cls, document: Mapping[str, Plain], assets: Assets) -> Self:
        """Return the results of *document*, each with its key."""
        return cls(document, assets, list(keyed(document["results"])))

    def observations(self) -> Iterator[dict[str, Plain]]:
        """Yield what was seen."""
        severities = {name: severity_of(c) for name, c in controls_of(self.document).items()}
        for key, row in self.keyed:
            yield self._observation(key, row, severities.get(row["control"], severity_of({})))

    def risks(self) -> Iterator[dict[str, Plain]]:
        """Yield the risks that somebody accepted."""
        for key, row in self.keyed:
            if STATUSES[row["verdict"]].oscal_risk:
                yield self._risk(key, row, row["waiver"] or {})

    def findings(self) -> Iterator[dict[str, Plain]]:
        """Yield what that means for each objective."""
        titles = {name: line(c["title"]) for name, c in controls_of(self.document).items()}
        for key, row in self.keyed:
            if STATUSES[row["verdict"]].oscal_state:
                yield self._finding(key, row, titles.get(row["control"]) or line(row["control"]))

    def _observation(self, key: str, row: Row, severity: str) -> dict[str, Plain]:
        attested = row["attestation"] if _holds(row["attestation"]) else None
        shown = {
            "verdict": row["verdict"],
            "severity": severity,
            "control": row["control"],
            "parameters": parameters(row),
            "resource": row["resource"],
            "drift": row["drift"],
        }
        seen: dict[str, Plain] = {
            "uuid": self._observed(key),
            "title": line(f"{row['control']} on {place_of(row) or 'the run'}"),
            "description": prose(finding(row) or reason(row)),
            "props": props(shown),
            "methods": list(_ASKED if attested else STATUSES[row["verdict"]].oscal_methods),
            "types": ["control-objective"],
            "origins": [{"actors": [self.assets.actor(attested)]}],
            "subjects": [self.assets.subject(str(row["target"]))],
            "collected": row["started"] or self.document["run"]["started"],
        }
        evidence = list(self.assets.evidence(row, attested))
        if evidence:
            seen["relevant-evidence"] = evidence
        if attested and attested.get("valid_until"):
            seen["expires"] = attested["valid_until"]
        return seen

    def _finding(self, key: str, row: Row, title: str) -> dict[str, Plain]:
        status = STATUSES[row["verdict"]]
        found: dict[str, Plain] = {
            "uuid": identifier("finding", key),
            "title": title,
            "description": prose(f"{place_of(row) or 'the run'}: {reason(row)}"),
            "props": props({"verdict": row["verdict"]}),
            "target": {
                "type": "objective-id",
                "target-id": token(str(row["control"])),
                "status": {"state": status.oscal_state, "reason": status.oscal_reason},
            },
            "related-observations": [{"observation-uuid": self._observed(key)}],
        }
        if status.oscal_risk:
            found["related-risks"] = [{"risk-uuid": identifier("risk", key)}]
        return found

    def _risk(self, key: str, row: Row, waiver: Row) -> dict[str, Plain]:
        names = ("approver", "ticket", "place", "target", "resource", "by", "raw")
        why = justification(waiver)
        entry = {
            "uuid": identifier("risk-log", self.document["run"]["id"], key),
            "title": "Deviation approved",
            "description": prose(why),
            "start": self.document["run"]["started"],
            "status-change": "deviation-approved",
        }
        if waiver.get("approver"):
            party = self.assets.party(str(waiver["approver"]))
            entry["logged-by"] = [{"party-uuid": party, "role-id": "risk-approver"}]
        risk = {
            "uuid": identifier("risk", key),
            "title": line(f"{row['control']} on {place_of(row) or 'the run'} is accepted"),
            "description": prose(finding(row) or reason(row)),
            "statement": prose(why),
            "props": props({"control": row["control"], **{n: waiver.get(n) for n in names}}),
            "status": "deviation-approved",
            "risk-log": {"entries": [entry]},
            "related-observations": [{"observation-uuid": self._observed(key)}],
        }
        if "T" in str(waiver.get("expires", "")):
            risk["deadline"] = waiver["expires"]
        return risk

    def _observed(self, key: str) -> str:
        return identifier("observation", self.document["run"]["id"], key)


def _holds(attestation: Row | None) -> bool:
    return bool(attestation and attestation.get("status") and not attestation.get("expired"))
