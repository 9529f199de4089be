"""What the OSCAL report refers to: targets, objectives, people, the tool, evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.oscal_words import (
    identifier,
    line,
    nist_controls,
    plain_line,
    props,
    prose,
    token,
)
from pytest_sysaudit.reports.streams import Items
from pytest_sysaudit.reports.telling import Row, guidance, severity_of

_FACTS = ("kind", "outcome", "redacted", "cut", "size")


@dataclass(frozen=True, slots=True)
class Assets:
    """The targets, controls, people and evidence of a document, each with its UUID."""

    document: Mapping[str, Plain]

    @property
    def plan(self) -> str:
        """The UUID of the resource that stands for the assessment plan."""
        return identifier("plan", self.document["run"]["id"])

    @property
    def operator(self) -> str:
        """The UUID of who ran the audit."""
        return self.party(str(self.document["run"]["operator"]))

    @property
    def tool(self) -> str:
        """The UUID of this program."""
        return identifier("component", "pytest-sysaudit")

    def party(self, name: str) -> str:
        """Return the UUID of a person."""
        return identifier("party", plain_line(name))

    def parties(self) -> Iterator[dict[str, str]]:
        """Yield everybody that the document names, the operator first."""
        names = [str(self.document["run"]["operator"])]
        for row in self.document["results"]:
            for part, role in ((row["waiver"], "approver"), (row["attestation"], "by")):
                if part and part.get(role):
                    names.append(str(part[role]))
        names += [str(entry["by"]) for entry in self.document.get("attestations") or ()]
        for name in dict.fromkeys(map(plain_line, names)):
            yield {"uuid": self.party(name), "type": "person", "name": name}

    def actor(self, attestation: Row | None) -> dict[str, str]:
        """Return who saw something: this program, or who attested it."""
        if attestation and attestation.get("by"):
            return {"type": "party", "actor-uuid": self.party(str(attestation["by"]))}
        return {"type": "tool", "actor-uuid": self.tool}

    def subject(self, target: str) -> dict[str, str]:
        """Return what was looked at: a target, or this program for the run itself."""
        if not target:
            return {"subject-uuid": self.tool, "type": "component", "title": "The run"}
        item = identifier("inventory-item", target)
        return {"subject-uuid": item, "type": "inventory-item", "title": line(target)}

    def objectives(self) -> Iterator[dict[str, Plain]]:
        """Yield each control as an objective of its first NIST control, or of its own name."""
        for control in self.document["controls"]:
            name = token(str(control["id"]))
            part = {
                "id": name,
                "name": "assessment-objective",
                "title": line(control["title"], plain_line(control["id"])),
                "prose": prose(guidance(control) or control["title"]),
            }
            yield {
                "control-id": _requirements(control)[0],
                "description": prose(control["title"]),
                "parts": [part],
            }

    def activities(self) -> Iterator[dict[str, Plain]]:
        """Yield each control's check."""
        for control in self.document["controls"]:
            facts = {
                "severity": severity_of(control),
                "source": control["source"],
                "source-sha256": control["source_sha256"],
                **{f"framework-{name}": ", ".join(n) for name, n in control["frameworks"].items()},
            }
            activity = {
                "uuid": identifier("activity", str(control["id"])),
                "title": line(control["title"], plain_line(control["id"])),
                "description": prose(guidance(control) or control["title"]),
                "props": props({"control": control["id"], **facts}),
            }
            yield {**activity, "related-controls": _selection(_requirements(control))}

    def reviewed_controls(self) -> dict[str, Plain]:
        """Return the NIST controls that the run is about, and all objectives."""
        controls = self.document["controls"]
        if not controls:
            return {"control-selections": [{"include-all": {}}]}
        reviewed = _selection(sorted({name for c in controls for name in _requirements(c)}))
        chosen = [
            {"objective-id": name} for name in sorted({token(str(c["id"])) for c in controls})
        ]
        reviewed["control-objective-selections"] = [{"include-objectives": chosen}]
        return reviewed

    def local_definitions(self) -> Iterator[tuple[str, Plain]]:
        """Yield the targets and this program."""
        version = str(self.document["run"]["versions"].get("pytest-sysaudit", "unknown"))
        component = {
            "uuid": self.tool,
            "type": "software",
            "title": "pytest-sysaudit",
            "description": "The program that ran the checks.",
            "props": [{"name": "version", "value": plain_line(version)}],
            "status": {"state": "operational"},
        }
        yield "components", [component]
        yield "inventory-items", Items(self._items(), optional=True)
        platform = {
            "uuid": identifier("platform", self.document["run"]["id"]),
            "title": line(self.document["run"]["operator"]),
            "uses-components": [{"component-uuid": self.tool}],
        }
        yield "assessment-assets", {"assessment-platforms": [platform]}

    def attestations(self) -> Iterator[dict[str, Plain]]:
        """Yield what people stated about manual controls."""
        for entry in self.document.get("attestations") or ():
            said = {
                "name": "assessor-statement",
                "ns": "https://pytest-sysaudit.invalid/ns/oscal",
                "title": line(f"{entry['control']} on {entry['target']}: {entry['status']}"),
                "props": props({n: entry[n] for n in ("at", "valid_until", "state", "place")}),
                "prose": prose(entry["explanation"]),
            }
            who = {"role-id": "assessor", "party-uuids": [self.party(str(entry["by"]))]}
            yield {"responsible-parties": [who], "parts": [said]}

    def log(self) -> Iterator[dict[str, Plain]]:
        """Yield the run, and each target that could not be reached."""
        run = self.document["run"]
        command = run["command_line"]
        shown = command if isinstance(command, str) else " ".join(command)
        by = {"logged-by": [{"party-uuid": self.operator, "role-id": "assessor"}]}
        times = {"start": run["started"], "end": run["ended"]}
        log = identifier("log", run["id"])
        yield {"uuid": log, "title": "The run", "description": prose(shown), **times, **by}
        for target in self.document["targets"]:
            if target["reachable"] is False:
                yield {
                    "uuid": identifier("log", run["id"], str(target["name"])),
                    "title": line(f"{target['name']} was not reached"),
                    "description": prose(target["reason"]),
                    **times,
                    **by,
                }

    def evidence(self, row: Row, attestation: Row | None) -> Iterator[dict[str, Plain]]:
        """Yield the references of *row* to the back matter."""
        known = self.document.get("evidence") or {}
        for name in row["evidence"]:
            seen = known.get(name)
            if seen:
                link = {"href": f"#{identifier('evidence', name)}"}
                yield {**link, "description": prose(f"{seen['what']}: {seen['outcome']}", 500)}
            else:
                yield {"description": prose(f"observation {name}", 500)}
        if attestation and attestation.get("evidence_file"):
            link = {"href": f"#{_attested(attestation)}"}
            yield {**link, "description": prose(attestation["evidence_file"], 500)}

    def resources(self) -> Iterator[dict[str, Plain]]:
        """Yield the plan, and everything that observations refer to, with its hash."""
        run = self.document["run"]
        names = ("inventory_sha256", "selection")
        yield {
            "uuid": self.plan,
            "title": "Assessment plan",
            "description": "The targets of the inventory and the controls that were selected.",
            "props": props({name: run.get(name) for name in names}),
        }
        for name, seen in (self.document.get("evidence") or {}).items():
            facts = {"id": name, **{fact: seen[fact] for fact in _FACTS}}
            yield _resource(identifier("evidence", name), seen["what"], name, seen["sha256"], facts)
        files = (row["attestation"] for row in self.document["results"] if row["attestation"])
        by_id = {_attested(found): found for found in files if found.get("evidence_file")}
        for key, found in by_id.items():
            path, digest = str(found["evidence_file"]), str(found.get("evidence_sha256") or "")
            yield _resource(key, path, path, digest, {"by": found.get("by")})

    def _items(self) -> Iterator[dict[str, Plain]]:
        for target in self.document["targets"]:
            facts = {
                "name": target["name"],
                "kind": target["kind"],
                "groups": ", ".join(target["groups"]),
                "reachable": {True: "yes", False: "no"}.get(target["reachable"], "never tried"),
                "reason": target["reason"],
                **target["identity"],
            }
            yield {
                "uuid": identifier("inventory-item", str(target["name"])),
                "description": prose(f"{target['name']} ({target['kind']})"),
                "props": props(facts),
            }


def _requirements(control: Row) -> list[str]:
    """Return the ids of the NIST controls that *control* names; its own without any."""
    return list(dict.fromkeys(nist_controls(control))) or [token(str(control["id"]))]


def _selection(names: Sequence[str]) -> dict[str, Plain]:
    return {"control-selections": [{"include-controls": [{"control-id": n} for n in names]}]}


def _attested(attestation: Row) -> str:
    digest = str(attestation.get("evidence_sha256") or "")
    return identifier("attested", str(attestation["evidence_file"]), digest)


def _resource(
    key: str, title: Plain, name: str, digest: str, facts: Mapping[str, Plain]
) -> dict[str, Plain]:
    link: dict[str, Plain] = {"href": f"urn:sysaudit:evidence:{quote(name, errors='replace')}"}
    if digest:
        link["hashes"] = [{"algorithm": "SHA-256", "value": plain_line(digest)}]
    kind = {"name": "type", "value": "evidence"}
    title = line(title, "evidence")
    return {"uuid": key, "title": title, "props": [kind, *props(facts)], "rlinks": [link]}
