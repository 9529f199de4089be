"""Collect the results of the whole run, write the reports, hold the gate."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.errors import ReportError
from pytest_sysaudit.hooks.compliance import compliance_of
from pytest_sysaudit.hooks.early import left_out
from pytest_sysaudit.hooks.evidence import described, story
from pytest_sysaudit.hooks.keys import check_key, judges, state_of, uncollected_key
from pytest_sysaudit.hooks.options import report_writers
from pytest_sysaudit.hooks.origin import operator, selection_of, versions
from pytest_sysaudit.hooks.results import Outcome
from pytest_sysaudit.record import Control, Place, Plain, Result, Verdict, utc_text

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.writer import BundleJournal
    from pytest_sysaudit.hooks.state import State

NOT_ASSESSED = 10
"""Exit code: nothing failed, but something could not be assessed."""
UNWRITTEN = pytest.ExitCode.INTERNAL_ERROR
"""Exit code: the gate holds, but a report that was asked for could not be written."""
recorder_key = pytest.StashKey["Recorder"]()


class Recorder:
    """Lives only where reports are written: in the controller, not in pytest-xdist's workers."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.state: State = state_of(config)
        self.results: dict[Place, tuple[Result, ...]] = {}
        self.controls: dict[str, Control] = {}
        self.expected: dict[Place, None] = {}
        self.target_states: dict[str, dict[str, Plain]] = {}
        self.other_failures = 0
        self._places: dict[str, Place] = {}
        self._crashes: dict[str, str] = {}
        self._kept: set[str] = set()
        self.uncollected = config.stash.get(uncollected_key, [])
        self.document: dict[str, Any] | None = None
        self.written: list[tuple[str, Path]] = []
        self.unwritten: list[str] = []

    def add_expected(self, found: Iterable[tuple[str, dict[str, Plain]]]) -> None:
        """Note what a worker is to carry out: node id and place of each check."""
        places = {nodeid: Place.from_plain(plain) for nodeid, plain in found}
        self._places.update(places)
        if self.state.journal is not None:
            self.state.journal.plan(p for p in places.values() if p not in self.expected)
        self.expected.update(dict.fromkeys(places.values()))

    def add_targets(self, states: Mapping[str, dict[str, Plain]]) -> None:
        """Note what is known of targets; a dead one stays dead."""
        for name, found in states.items():
            if self.target_states.get(name, {}).get("reachable") is not False:
                self.target_states[name] = found

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = report.__dict__.pop("sysaudit", None)
        if (known := getattr(report, "sysaudit_run", None)) is not None:
            self.add_expected(known["expected"])
            for id_, control in known["controls"].items():
                self.controls.setdefault(id_, Control.from_plain(control))
            self.state.profile = known.get("profile")
        if told is not None:
            self._add(told if isinstance(told, Outcome) else Outcome.from_plain(told))
        elif str(report.when) == "???":  # pytest-xdist's word on a worker that died
            self._crashes[report.nodeid] = str(report.longrepr)
        elif report.failed:
            self.other_failures += not hasattr(report, "sysaudit_verdict")

    def _add(self, outcome: Outcome) -> None:
        self.controls[outcome.control.id] = outcome.control
        self.results[outcome.place] = outcome.results
        if self.state.journal is not None:
            self._keep(self.state.journal, outcome.control, outcome.results)
        for result in outcome.results:
            self.config.hook.pytest_sysaudit_result(result=result)

    def _keep(self, journal: BundleJournal, control: Control, results: Iterable[Result]) -> None:
        """Record what came of a check at once: a run that is killed loses nothing that ended."""
        if control.id not in self._kept:
            self._kept.add(control.id)
            journal.control(self.state.keeper.control(control).to_plain())
        for result in results:
            journal.result(result.to_plain())

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        # from a worker; those of this process were kept before we were there
        if told := left_out(report, self.config):
            self.uncollected.append(told)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.state.failure is not None:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            return
        self.expected.update((check.place, None) for _, check in self.state.expected)
        self.controls = {**self.state.controls, **self.controls}
        if not judges(self.config) or not self.expected:
            return
        self.add_targets(self.state.target_states())
        self._fill_gaps(session)
        self.document = self._build(session)
        session.exitstatus = self._hold_gate(session, self.document)
        self.document["run"]["exit_code"] = int(session.exitstatus)
        self._write()
        if self.unwritten and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = UNWRITTEN

    def _fill_gaps(self, session: pytest.Session) -> None:
        """Give every check that was not carried out its result: it is never just missing."""
        why = "not assessed: the run ended before this check"
        if isinstance(session.shouldfail, str):
            why += f" ({session.shouldfail})"
        crashes = {self._places.get(nodeid): text for nodeid, text in self._crashes.items()}
        self.other_failures += None in crashes
        for place in self.expected.keys() - self.results.keys():
            message = f"not assessed: {crashes[place]}" if place in crashes else why
            result = Result(
                **place.to_plain(),
                verdict=Verdict.ERROR,
                message=message,
                started=utc_text(time.time()),
            )
            clean = Result.from_plain(self.state.redactor.plain(result.to_plain()))
            self.results[place] = self._filled(place, clean)

    def _filled(self, place: Place, result: Result) -> tuple[Result, ...]:
        """Return *result*, which fills a gap, as it is to be kept."""
        if self.state.replay is not None:
            started, duration = self.state.replay.times(result.place, result.resource)
            return (replace(result, started=started, duration=duration),)
        if self.state.journal is not None:
            control = self.controls.get(place.control)
            self._keep(self.state.journal, control or Control(id=place.control, title=""), [result])
        return (result,)

    def _hold_gate(self, session: pytest.Session, document: dict[str, Any]) -> int:
        """Complete *document* with what the run judges its findings by; return the exit code."""
        compliance = compliance_of(self.config)
        judgement = compliance.settle(document, self.state, self.controls, self._beyond())
        ended = int(session.exitstatus)
        if ended not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return ended
        if judgement.is_broken:
            return NOT_ASSESSED if judgement.only_unassessed else pytest.ExitCode.TESTS_FAILED
        verdicts = document["summary"]["verdicts"]
        allowed = verdicts[Verdict.FAIL.value] or verdicts[Verdict.ERROR.value]
        return int(pytest.ExitCode.OK) if allowed else ended  # 1 may be another plugin's word

    def _beyond(self) -> str:
        """Return what breaks any gate besides the results: nobody knows what is in there."""
        if self.uncollected:
            return f"could not be collected: {', '.join(sorted(set(self.uncollected)))}"
        if self.other_failures:
            return f"tests that are no checks: {self.other_failures} failed"
        return ""

    def _build(self, session: pytest.Session) -> dict[str, Any]:
        from pytest_sysaudit.reports.document import build

        results = [result for found in self.results.values() for result in found]
        self.results.clear()  # the document has them now
        used = {result.control for result in results}
        return build(
            run=self.state.redactor.plain(self._run_block(session)),
            targets=self.state.redactor.plain(self._targets()),
            controls=[
                self.state.keeper.control(control)
                for id_, control in self.controls.items()
                if id_ in used
            ],
            results=results,
            parts=self._parts(results),
        )

    def _parts(self, results: Sequence[Result]) -> dict[str, Plain]:
        """Return the parts of the document that not every run has."""
        parts: dict[str, Plain] = {}
        if (evidence := described(self.state, results)) is not None:
            parts["evidence"] = evidence
        return parts

    def _run_block(self, session: pytest.Session) -> dict[str, Plain]:
        inventory = self.state.inventory
        block = {
            "id": self.state.run_id,
            "started": utc_text(self.state.started),
            "ended": utc_text(time.time()),
            "operator": operator(),
            "command_line": shlex.join(["pytest", *self.config.invocation_params.args]),
            "versions": versions(),
            "inventory": str(inventory.path or ""),
            "inventory_sha256": inventory.sha256,
            "selection": selection_of(self.config),
            "exit_code": int(session.exitstatus),
            "files": self._files(),
            "standins": list(self.state.notes),
            "profile": self.state.profile,
        }
        if self.state.journal is not None:
            block["evidence"] = story(self.state.journal)
        if self.state.replay is not None:
            block["replay"] = self.state.replay.story()
        return block

    def _files(self) -> dict[str, str]:
        """Return where the checks' files lie below pytest's root folder; others are left out."""
        checks = [(nodeid, check.id) for nodeid, check in self.state.expected]
        checks += [(nodeid, place.check) for nodeid, place in self._places.items()]
        found = {(of.partition("::")[0], nodeid.partition("::")[0]) for nodeid, of in checks}
        return {of: path for of, path in sorted(found) if not path.startswith(("..", "/"))}

    def _targets(self) -> list[dict[str, Plain]]:
        judged = {place.target for place in self.expected} - {""}
        known = {target.name: target for target in self.state.selected}
        untouched: dict[str, Plain] = {"identity": {}, "reachable": None, "reason": ""}
        listed = []
        for name in sorted(judged | known.keys()):
            target = known.get(name) or self.state.targets.get(name)
            kind = target.kind if target else "local" if name == "localhost" else "testinfra"
            groups = list(target.groups) if target else []
            found = self.target_states.get(name, untouched)
            listed.append({"name": name, "kind": str(kind), "groups": groups, **found})
        return listed

    def _write(self) -> None:
        from pytest_sysaudit.reports import parse_specs, write

        texts = self.config.getoption("audit_report") or self.config.getini("audit_report")
        writers = report_writers(self.config)
        for spec in parse_specs(texts, writers):
            path = self.config.invocation_params.dir / spec.path
            try:
                write(spec.format, self.document or {}, path, writers)
            except ReportError as error:
                self.unwritten.append(str(error))
            else:
                self.written.append((spec.format, path))
        if self.unwritten:
            self._rescue()

    def _rescue(self) -> None:
        """Keep what was found somewhere, so that no run is lost to a full disk."""
        import tempfile

        from pytest_sysaudit.reports import write

        for folder in (tempfile.gettempdir(), "/dev/shm", str(Path.home())):  # noqa: S108
            path = Path(folder) / f"sysaudit-results-{time.time_ns()}.json"
            mask = os.umask(0o077)  # others can look into these folders
            try:
                write("json", self.document or {}, path)
            except ReportError:
                continue
            finally:
                os.umask(mask)
            self.unwritten.append(f"the results are kept in {path}")
            return


def pytest_collection_finish(session: pytest.Session) -> None:
    state = state_of(session.config)
    for item in session.items:
        if (check := item.stash.get(check_key, None)) is not None:
            state.expected.append((item.nodeid, check))


def record(config: pytest.Config) -> None:
    """Begin to record, where reports are written: not in the workers of pytest-xdist."""
    if not hasattr(config, "workerinput"):
        config.stash[recorder_key] = recorder = Recorder(config)
        config.pluginmanager.register(recorder, "sysaudit-recorder")
