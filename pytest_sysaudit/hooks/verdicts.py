"""Judge: turn what happened to each check into verdicts, by the one table of the contract."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.audit import Audit, Row
from pytest_sysaudit.audit import judge as judge_plain
from pytest_sysaudit.errors import CannotAssess, ConnectionLost, NotApplicable, Unreachable
from pytest_sysaudit.hooks.applicability import require_platform, require_privilege
from pytest_sysaudit.hooks.check import Check
from pytest_sysaudit.hooks.keys import audit_key, check_key, state_of
from pytest_sysaudit.hooks.state import State
from pytest_sysaudit.hooks.vacuity import watch
from pytest_sysaudit.record import Plain, Result, Verdict, utc_text, worst
from pytest_sysaudit.text import printable, settled, shorten

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.target import Target

MESSAGE_LIMIT = 4000
"""Characters of a message that a report keeps."""


_NO_FINDING = re.compile(r"^async def functions are not|^Timeout .* from pytest-timeout\.")
"""What pytest and its plugins say through ``pytest.fail`` where no requirement was judged."""


@dataclass(slots=True)
class Course:
    """How a check went so far, phase by phase."""

    started: float = 0.0
    duration: float = 0.0
    verdicts: list[tuple[Verdict, str]] = field(default_factory=list)
    from_rows: bool = False
    waiver: dict[str, Plain] | None = None

    @property
    def verdict(self) -> tuple[Verdict, str]:
        """The worst verdict and its reason; the first of several equal ones."""
        gravest = worst([verdict for verdict, _ in self.verdicts] or [Verdict.PASS])
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
    if check.manual:
        pytest.skip("a person must judge this")
    connections = state_of(item.config).connections
    for target in check.targets:
        connections.refuse_dead(target.name)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    if check_key not in item.stash or not isinstance(item, pytest.Function):
        return (yield)
    require_platform(item)
    require_privilege(item)
    audit = item.stash.get(audit_key, None)
    _, source = state_of(item.config).texts(item.obj)
    with watch(inspect.unwrap(item.function), source) as witness:
        result = yield
    if audit is not None and audit.rows:
        if not witness.seen and any(row.verdict is Verdict.PASS for row in audit.rows):
            raise CannotAssess("its rows passed without asserting anything")
        item.stash[_course_key].from_rows = True
        audit.conclude()
    elif source.resources and not witness.seen:
        raise NotApplicable("checked 0: nothing of this kind was found")
    elif not witness.seen:
        raise CannotAssess(
            "it passed without asserting anything: "
            + ("no assert was reached" if source.asserts else "it holds no assert")
            + " (an assert needs a line of its own; an installed helper that asserts, a name"
            " assert_... or expect_...)"
        )
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.when == "setup" and check_key in item.stash:
        item.stash[_course_key] = Course(started=call.start)
    report = yield
    check = item.stash.get(check_key, None)
    if check is None:
        return report
    course = item.stash[_course_key]
    course.duration += call.duration if call.when != "teardown" else 0
    _judge_phase(check, course, report, call)
    _bury_dead(item, check, call)
    state = state_of(item.config)
    _show(report, course, state, call, follower=_is_follower(check, course))
    if call.when == "teardown":
        results = _results(check, course, item.stash.get(audit_key, None))
        report.sysaudit = {  # type: ignore[attr-defined]
            "place": check.place(),
            "control": state.redactor.plain(check.control.to_plain()),
            "results": [_clean(result.to_plain(), state) for result in results],
        }
    return report


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
        if isinstance(error, pytest.xfail.Exception):
            message = error.msg or "expected to fail"
        if verdict is Verdict.FAIL or isinstance(error, pytest.xfail.Exception):
            verdict, course.waiver = Verdict.WAIVED, _waiver(str(report.wasxfail))
        else:
            del report.wasxfail  # an error is not covered by an expected failure
            report.outcome = "failed"
    course.verdicts.append((verdict, message))
    if verdict in (Verdict.NOT_APPLICABLE, Verdict.MANUAL):
        report.outcome = "skipped"
        path, line, _ = report.location
        report.longrepr = (path, (line or 0) + 1, f"Skipped: {printable(message)}")


def _waiver(reason: str) -> dict[str, Plain]:
    raw = "not run" if reason.startswith("[NOTRUN]") else "fail"
    return {"by": "xfail marker", "reason": reason, "raw": raw}


def _bury_dead(item: pytest.Item, check: Check, call: pytest.CallInfo[None]) -> None:
    error = call.excinfo.value if call.excinfo else None
    if not isinstance(error, (Unreachable, ConnectionLost)):
        return
    connections = state_of(item.config).connections
    for target in check.targets:
        if _concerns(error, target, check):
            connections.bury(target.name, str(error), told=True)


def _concerns(error: CannotAssess, target: Target, check: Check) -> bool:
    """Whether *error* means that *target* is dead: it names it, or there is no other."""
    if isinstance(error, ConnectionLost) and not target.is_host:
        return False
    return len(check.targets) == 1 or str(error).startswith(f"{target.name}:")


def _is_follower(check: Check, course: Course) -> bool:
    """Whether this check was not tried because its target was found dead before."""
    verdict, message = course.verdict
    return verdict is Verdict.ERROR and message.startswith("not assessed: ")


def _show(
    report: pytest.TestReport,
    course: Course,
    state: State,
    call: pytest.CallInfo[None],
    *,
    follower: bool,
) -> None:
    """Give pytest's terminal a short text without secrets."""
    report.sysaudit_verdict = str(course.verdict[0])  # type: ignore[attr-defined]
    report.sysaudit_follower = follower  # type: ignore[attr-defined]
    redact = state.redactor.text
    report.sections = [(name, redact(printable(text))) for name, text in report.sections]
    report.user_properties = [(k, state.redactor.plain(v)) for k, v in report.user_properties]
    if hasattr(report, "wasxfail"):
        report.wasxfail = redact(report.wasxfail)
    if report.skipped and isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, redact(reason))
    if not report.failed or call.excinfo is None:
        return
    if state.config.getoption("tbstyle", "auto") == "auto":
        report.longrepr = short_repr(
            call.excinfo, redact(settled(printable(judge(call.excinfo.value)[1])))
        )
    elif (text := report.longreprtext) != (clean := redact(text)):
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


def _results(check: Check, course: Course, audit: Audit | None) -> list[Result]:
    rows = audit.rows if audit else []
    results = [_row_result(check, row, course) for row in rows]
    own = course.verdicts[-1:] if course.from_rows and len(course.verdicts) > 1 else []
    if not rows or not course.from_rows or own:
        verdict, message = own[0] if own else course.verdict
        results.append(
            Result(
                **check.place(),
                verdict=verdict,
                message=message,
                expected=check.expected,
                observed=dict(audit.observations) if audit and audit.observations else None,
                started=utc_text(course.started),
                duration=round(course.duration, 6),
                waiver=course.waiver,
            )
        )
    return results


def _row_result(check: Check, row: Row, course: Course) -> Result:
    waived = course.waiver is not None and row.verdict is Verdict.FAIL
    return Result(
        **check.place(),
        resource=row.resource,
        verdict=Verdict.WAIVED if waived else row.verdict,
        message=row.message,
        expected=check.expected,
        observed=dict(row.observed) or None,
        started=utc_text(row.started),
        duration=round(row.duration, 6),
        waiver=course.waiver if waived else None,
    )


def _clean(plain: dict[str, Plain], state: State) -> dict[str, Plain]:
    clean = state.redactor.plain(plain)
    clean["message"] = shorten(settled(printable(clean["message"])), MESSAGE_LIMIT)
    return _valid(clean)  # type: ignore[no-any-return]


def _valid(value: Plain) -> Plain:
    """Make every text valid UTF-8: execnet and JSON refuse lone surrogates."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): _valid(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_valid(item) for item in value]
    if isinstance(value, float) and (value != value or abs(value) > sys.float_info.max):  # noqa: PLR0124 - NaN
        return str(value)
    return value


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    verdict = getattr(report, "sysaudit_verdict", None)
    if verdict is None or (report.passed and report.when != "call"):
        return None
    if report.failed and getattr(report, "sysaudit_follower", False):
        return "not assessed", "", ("NOT ASSESSED", {"red": True})
    words: dict[str, tuple[str, str, Any]] = {
        "error": ("error", "E", ("ERROR", {"red": True})),
        "not_applicable": ("not applicable", "s", ("NOT APPLICABLE", {"yellow": True})),
        "manual": ("manual", "m", ("MANUAL", {"yellow": True})),
        "waived": ("waived", "w", ("WAIVED", {"yellow": True})),
    }
    return words.get(verdict)
