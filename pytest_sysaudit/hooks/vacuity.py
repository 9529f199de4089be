"""Tell whether a check that passed has asserted anything: a pass without an assertion is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from pytest_sysaudit.source import Source


class Witness:
    """Whether one of the watched lines ran."""

    def __init__(self) -> None:
        self.seen = False


@contextmanager
def watch(function: Callable[..., Any], source: Source) -> Iterator[Witness]:
    """Watch the assertions of *function* while it runs.

    Only where reading its text leaves a doubt (an assert in a loop over nothing) is it traced, by
    ``sys.monitoring`` or, before Python 3.12, by a trace function. A debugger's or coverage's own
    trace function is left alone; then an assert that stands in the text counts as one that ran.
    """
    witness = Witness()
    if source.certain or not source.sha256:
        witness.seen = True
    if witness.seen or not source.lines:
        yield witness
        return
    code = getattr(function, "__code__", None)
    tracing = _monitor if sys.version_info >= (3, 12) else _trace
    if code is None or sys.gettrace() is not None:
        witness.seen = True
        yield witness
        return
    with tracing(code, source.lines, witness):
        yield witness


@contextmanager
def _trace(code: CodeType, lines: frozenset[int], witness: Witness) -> Iterator[None]:
    codes = {code, *_nested(code)}

    def local(frame: FrameType, event: str, _argument: object) -> Any:
        if event == "line" and frame.f_lineno in lines:
            witness.seen = True
            return None
        return local

    def enter(frame: FrameType, _event: str, _argument: object) -> Any:
        return local if frame.f_code in codes and not witness.seen else None

    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(None)


@contextmanager
def _monitor(code: CodeType, lines: frozenset[int], witness: Witness) -> Iterator[None]:
    monitoring: Any = getattr(sys, "monitoring")  # noqa: B009 - new in 3.12
    tool = next((n for n in range(5, -1, -1) if monitoring.get_tool(n) is None), None)
    if tool is None:
        witness.seen = True
        yield
        return

    def reached(_code: CodeType, line: int) -> Any:
        witness.seen = witness.seen or line in lines
        return monitoring.DISABLE

    monitoring.use_tool_id(tool, "pytest-sysaudit")
    try:
        monitoring.register_callback(tool, monitoring.events.LINE, reached)
        for each in (code, *_nested(code)):
            monitoring.set_local_events(tool, each, monitoring.events.LINE)
        yield
    finally:
        for each in (code, *_nested(code)):
            monitoring.set_local_events(tool, each, 0)
        monitoring.restart_events()
        monitoring.free_tool_id(tool)


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)
