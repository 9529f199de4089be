"""Judge: turn what happened to each check into verdicts, by the one table of the contract."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.audit import Audit, Row
from pytest_sysaudit.audit import judge as judge_plain
from pytest_sysaudit.errors import CannotAssess, ConnectionLost, NotApplicable, Unreachable
from pytest_sysaudit.hooks.applicability import require
from pytest_sysaudit.hooks.check import Check
from pytest_sysaudit.hooks.compliance import Compliance, compliance_of
from pytest_sysaudit.hooks.decide import decide
from pytest_sysaudit.hooks.keys import audit_key, check_key, state_of
from pytest_sysaudit.hooks.nothing import unfilled
from pytest_sysaudit.hooks.results import Keeper, Outcome
from pytest_sysaudit.hooks.state import State
from pytest_sysaudit.hooks.vacuity import watch
from pytest_sysaudit.record import Plain, Result, Verdict, worst
from pytest_sysaudit.source import Source
from pytest_sysaudit.text import listed, printable, settled

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.target import Target

_NO_FINDING = re.compile(r"^async def functions are not|^Timeout .* from pytest-timeout\.")
"""What pytest and its plugins say through ``pytest.fail`` where no requirement was judged."""
_NOT_RUN = "[NOTRUN]"
"""What the reason of ``xfail(run=False)`` begins with."""


@dataclass(slots=True)
class Course:
    """How a check went so far, phase by phase."""

    started: float = 0.0
    duration: float = 0.0
    verdicts: list[tuple[Verdict, str]] = field(default_factory=list)
    from_rows: bool = False
    waiver: dict[str, Plain] | None = None
    attestation: dict[str, Plain] | None = None
    told: str | None = None
    evidence: tuple[str, ...] = ()

    @property
    def verdict(self) -> tuple[Verdict, str]:
        """The worst verdict and its reason; the first of several equal ones."""
        if len(self.verdicts) < 2:  # noqa: PLR2004 - nothing to compare
            return self.verdicts[0] if self.verdicts else (Verdict.PASS, "")
        gravest = worst([verdict for verdict, _ in self.verdicts])
        return next((found for found in self.verdicts if found[0] is gravest), (Verdict.PASS, ""))


_course_key = pytest.StashKey[Course]()


def judge(error: BaseException) -> tuple[Verdict, str]:
    """Return the verdict that *error* stands for, those of pytest and of AWS included."""
    if isinstance(error, pytest.skip.Exception):
        return Verdict.NOT_APPLICABLE, error.msg or "skipped"
    if isinstance(error, pytest.fail.Exception):
        message = error.msg or "failed"
        return Verdict.ERROR if _NO_FINDING.search(message) else Verdict.FAIL, message
    if "botocore" in sys.modules:
        from pytest_sysaudit.aws.outcomes import explain

        error = explain(error) or error
    return judge_plain(error)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    check = item.stash.get(check_key, None)
    if check is None:
        return
    if names := unfilled(item):
        raise CannotAssess(f"its parametrization is empty: there is no value for {listed(names)}")
    if check.manual:
        pytest.skip("a person must judge this")
    connections = state_of(item.config).connections
    for target in check.targets:
        connections.refuse_dead(target.name, asker=check.targets[0].name)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    check = item.stash.get(check_key, None)
    if check is None or not isinstance(item, pytest.Function):
        return (yield)
    require(item)
    source = check.source
    if certain := source.certain or not source.sha256:
        result = yield
    else:
        with watch(inspect.unwrap(item.function), source) as witness:
            result = yield
        if witness.caught and not witness.seen:
            raise CannotAssess("an assertion failed and was caught, and none held after it")
    _refuse_nothing(item, source, seen=certain or witness.seen)
    return result


def _refuse_nothing(item: pytest.Item, source: Source, *, seen: bool) -> None:
    """Raise what a check stands for that ended well: it may have looked at nothing.

    Raises:
        AssertionError: one of its rows failed.
        CannotAssess: no assertion ran, or one of its rows could not be assessed.
        NotApplicable: there was nothing to look at.
    """
    audit = item.stash.get(audit_key, None)
    if audit is not None and audit.rows:
        if not seen and any(row.verdict is Verdict.PASS for row in audit.rows):
            raise CannotAssess("its rows passed without asserting anything")
        stand_by_rows(item, audit)
    elif source.resources and not seen:
        raise NotApplicable("checked 0: nothing of this kind was found")
    elif not seen:
        raise CannotAssess(
            "it passed without asserting anything: "
            + ("no assert was reached" if source.asserts else "it holds no assert")
            + " (an assert needs a line of its own; an installed helper that asserts, a name"
            " assert_... or expect_...)"
        )


def stand_by_rows(item: pytest.Item, audit: Audit) -> None:
    """Let the rows of a check be its results, and raise what the worst of them stands for."""
    item.stash[_course_key].from_rows = True
    audit.conclude()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    check = item.stash.get(check_key, None)
    if check is None:
        return (yield)
    if call.when == "setup":
        item.stash[_course_key] = Course(started=call.start)
    if call.excinfo is None:
        report = yield
    else:
        with _no_traceback(item):
            report = yield
    course = item.stash[_course_key]
    if call.when != "teardown":
        course.duration += call.duration
    _judge_phase(check, course, report, call)
    state = state_of(item.config)
    if call.excinfo is not None:
        audit = item.stash.get(audit_key, None)
        decide(check, course, report, compliance_of(item.config), audit)
        _bury_dead(state, check, call.excinfo.value)
    _show(report, course, state, call)
    if call.when == "teardown":
        outcome = _outcome(item, check, course, compliance_of(item.config))
        # only to cross a process it must be plain; in this one the recorder takes it off again
        far = hasattr(item.config, "workerinput")
        report.sysaudit = outcome.to_plain() if far else outcome  # type: ignore[attr-defined]
        del item.stash[_course_key]
        if audit_key in item.stash:
            del item.stash[audit_key]
    return report


def _outcome(item: pytest.Item, check: Check, course: Course, compliance: Compliance) -> Outcome:
    """Return what *check*, which ended, came to."""
    state = state_of(item.config)
    course.evidence = _evidence(item, check, state)
    audit = item.stash.get(audit_key, None)
    results = tuple(_results(check, course, audit, state.keeper, compliance))
    return Outcome(check.place, state.keeper.control(check.control), results)


def _evidence(item: pytest.Item, check: Check, state: State) -> tuple[str, ...]:
    """Return the ids of what the check looked at, who its targets are first."""
    if state.journal is None and state.replay is None:
        return ()
    from pytest_sysaudit.hooks.evidence import trail_of

    opened = state.connections.evidence
    first = (opened.get(target.name, "") for target in check.targets)
    return tuple(dict.fromkeys([*filter(None, first), *trail_of(item).ids]))


_UNTOLD = "not told yet"
"""Stands for the traceback of a check, until its place is taken by the short form."""


@contextmanager
def _no_traceback(item: pytest.Item) -> Iterator[None]:
    """Keep pytest from making a traceback, ten milliseconds each, that nobody will see."""
    if not _is_short(item.config):
        yield
        return
    names = ("repr_failure", "_repr_failure_py")
    for name in names:
        setattr(item, name, lambda *_args, **_kwargs: _UNTOLD)
    try:
        yield
    finally:
        for name in names:
            delattr(item, name)


def _is_short(config: pytest.Config) -> bool:
    """Whether a failure shows as its message alone: nobody asked for another form."""
    return bool(config.getoption("tbstyle", "auto") == "auto")


def _judge_phase(
    check: Check, course: Course, report: pytest.TestReport, call: pytest.CallInfo[None]
) -> None:
    error = call.excinfo.value if call.excinfo else None
    if error is None:
        if report.failed:  # XPASS(strict)
            course.verdicts.append((Verdict.FAIL, str(report.longrepr)))
        elif call.when == "call":
            course.verdicts.append((Verdict.PASS, ""))
        return
    verdict, message = judge(error)
    if check.manual and verdict is Verdict.NOT_APPLICABLE:
        verdict = Verdict.MANUAL
    if call.when != "call" and verdict is Verdict.FAIL:
        verdict, message = Verdict.ERROR, f"{call.when} failed: {message}"
    if hasattr(report, "wasxfail"):
        verdict, message = _expected(course, report, error, (verdict, message))
    course.verdicts.append((verdict, message))
    if verdict in (Verdict.NOT_APPLICABLE, Verdict.MANUAL):
        report.outcome = "skipped"
        path, line, _ = report.location
        report.longrepr = (path, (line or 0) + 1, f"Skipped: {printable(message)}")


def _expected(
    course: Course, report: pytest.TestReport, error: BaseException, found: tuple[Verdict, str]
) -> tuple[Verdict, str]:
    """Return what an ``xfail`` makes of what was *found*: it covers failures, and no errors."""
    verdict, message = found
    reason = str(report.wasxfail)
    called = isinstance(error, pytest.xfail.Exception)
    if called:
        message = getattr(error, "msg", None) or "expected to fail"
    if reason.startswith(_NOT_RUN):  # nobody saw it fail
        told = reason.removeprefix(_NOT_RUN).strip()
        verdict, message = Verdict.ERROR, "not run (xfail)" + (f": {told}" if told else "")
        course.told = message
    elif verdict is Verdict.FAIL or called:
        course.waiver = {"by": "xfail marker", "reason": reason, "raw": Verdict.FAIL.value}
        return Verdict.WAIVED, message
    del report.wasxfail
    report.outcome = "failed"
    return verdict, message


def _bury_dead(state: State, check: Check, error: BaseException) -> None:
    if not isinstance(error, (Unreachable, ConnectionLost)):
        return
    for target in check.targets:
        if _concerns(error, target, check):
            asker = check.targets[0].name
            state.connections.bury(target.name, str(error), told=True, asker=asker)


def _concerns(error: CannotAssess, target: Target, check: Check) -> bool:
    """Whether *error* means that *target* is dead: it names it, or there is no other."""
    if isinstance(error, ConnectionLost) and not (error.final and target.is_host):
        return False
    return len(check.targets) == 1 or str(error).startswith(f"{target.name}:")


def _is_follower(course: Course) -> bool:
    """Whether this check was not tried because its target was found dead before."""
    verdict, message = course.verdict
    return verdict is Verdict.ERROR and message.startswith("not assessed: ")


def _show(
    report: pytest.TestReport, course: Course, state: State, call: pytest.CallInfo[None]
) -> None:
    """Give pytest's terminal a short text without secrets."""
    report.sysaudit_verdict = course.verdict[0].value  # type: ignore[attr-defined]
    redact = state.redactor.text
    if report.sections:
        report.sections = [(name, redact(printable(text))) for name, text in report.sections]
    if report.user_properties:
        report.user_properties = [(k, state.redactor.plain(v)) for k, v in report.user_properties]
    if call.excinfo is None and report.passed and not hasattr(report, "wasxfail"):
        return
    if report.failed:
        report.sysaudit_follower = _is_follower(course)  # type: ignore[attr-defined]
    if hasattr(report, "wasxfail"):
        report.wasxfail = redact(report.wasxfail)
    if report.skipped and isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, redact(reason))
    if call.excinfo is None:
        return
    short = course.told is not None or _is_short(state.config)
    if report.longrepr is _UNTOLD or (report.failed and short):
        message = judge(call.excinfo.value)[1] if course.told is None else course.told
        report.longrepr = short_repr(call.excinfo, redact(settled(printable(message))))
    elif (report.failed or hasattr(report, "wasxfail")) and (  # --xfail-tb shows that one
        (text := report.longreprtext) != (clean := redact(text))
    ):
        report.longrepr = clean


def short_repr(excinfo: pytest.ExceptionInfo[BaseException], message: str) -> Any:
    """Return pytest's own representation of an error, with *message* for its text."""
    try:
        shown: Any = excinfo.getrepr(style="value")
    except Exception:  # noqa: BLE001 - the error's own __str__ fails
        shown = excinfo.getrepr(style="native")
    if shown.reprcrash is not None:
        shown.reprcrash.message = message
    for entry in shown.reprtraceback.reprentries:
        entry.lines = message.splitlines()
    return shown


def _results(
    check: Check, course: Course, audit: Audit | None, keeper: Keeper, compliance: Compliance
) -> Iterator[Result]:
    rows = audit.rows if audit else ()
    for row in rows:
        yield _row_result(check, row, course, keeper, compliance)
    own = course.verdicts[-1:] if course.from_rows and len(course.verdicts) > 1 else []
    if not rows or not course.from_rows or own:
        verdict, message = own[0] if own else course.verdict
        yield keeper.result(
            check,
            verdict,
            message,
            observed=audit.observations if audit else None,
            started=course.started,
            duration=course.duration,
            waiver=course.waiver if verdict is Verdict.WAIVED else None,
            attestation=course.attestation,
            evidence=course.evidence,
        )


def _row_result(
    check: Check, row: Row, course: Course, keeper: Keeper, compliance: Compliance
) -> Result:
    waiver = None
    if row.verdict is Verdict.FAIL:
        waiver = course.waiver or compliance.waiver(check, row.resource)
    return keeper.result(
        check,
        Verdict.WAIVED if waiver else row.verdict,
        row.message,
        resource=row.resource,
        observed=row.observed,
        started=row.started,
        duration=row.duration,
        waiver=waiver,
        evidence=row.evidence or course.evidence,
    )


_WORDS: Mapping[str, tuple[str, str, tuple[str, Mapping[str, bool]]]] = {
    "error": ("error", "E", ("ERROR", {"red": True})),
    "not_applicable": ("not applicable", "s", ("NOT APPLICABLE", {"yellow": True})),
    "manual": ("manual", "m", ("MANUAL", {"yellow": True})),
    "waived": ("waived", "w", ("WAIVED", {"yellow": True})),
}
"""Category, letter and word of a verdict that pytest has no word for."""
_ATTESTED = {"pass": ("passed", ".", "PASSED"), "fail": ("failed", "F", "FAILED")}


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    verdict = getattr(report, "sysaudit_verdict", None)
    if verdict is None or (report.passed and report.when != "call"):
        return None
    if report.failed and getattr(report, "sysaudit_follower", False):
        return "not assessed", "", ("NOT ASSESSED", {"red": True})
    if report.when == "setup":  # an attested control: a person has judged it, and nothing was run
        return _ATTESTED.get(verdict) or _WORDS.get(verdict)
    return _WORDS.get(verdict)
