"""Tell whether a check that passed has asserted anything: a pass without an assertion is none."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from pytest_sysaudit.source import Lines, Source, read_lines

_PACKAGE = Path(__file__).parents[1]
_PATHS = sysconfig.get_paths()
_LIBRARIES = tuple(_PATHS[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


class Witness:
    """Whether an assertion ran, and was not one that failed and was caught."""

    def __init__(self) -> None:
        self.seen = False
        self.caught = False


@contextmanager
def watch(function: Callable[..., Any], source: Source) -> Iterator[Witness]:
    """Watch for assertions while *function* runs.

    Only where reading its text leaves a doubt (an assert in a loop over nothing, or in a helper, or
    one that may fail and be caught) is it traced. The trace function of a debugger or of coverage
    is left alone; then an assertion that stands in the text counts as one that ran.
    """
    witness = Witness()
    if source.certain or not source.sha256:
        witness.seen = True
    elif sys.gettrace() is not None:
        witness.seen = source.lines > 0
    if witness.seen or sys.gettrace() is not None:
        yield witness
        return
    folder = str(Path(function.__code__.co_filename).parent)
    sys.settrace(_tracer(folder, witness, function.__code__ if source.catches else None))
    try:
        yield witness
    finally:
        sys.settrace(None)


def _tracer(
    folder: str, witness: Witness, catching: CodeType | None
) -> Callable[[FrameType, str, object], Any]:
    """Return a trace function that looks at code in *folder* and outside of libraries.

    Args:
        folder: where the checks are.
        witness: what to tell.
        catching: what may catch its own assertions: the one before does not count then.
    """
    wanted: dict[str, Lines] = {}

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        line, code = frame.f_lineno, frame.f_code
        asserting, defining = wanted[code.co_filename]
        if event == "line" and line in asserting:
            witness.seen |= line not in defining or code.co_firstlineno == line
        elif event == "exception" and code is catching and _is_failure(argument[0]):
            witness.seen, witness.caught = False, True
        return None if witness.seen and code is not catching else local

    def enter(frame: FrameType, _event: str, _argument: object) -> Any:
        if witness.seen:
            return None
        name = frame.f_code.co_filename
        if name not in wanted:
            wanted[name] = _lines(name) if is_of_a_check(name, folder) else Lines()
        return local if wanted[name].asserting else None

    return enter


def _is_failure(error: type[BaseException]) -> bool:
    return issubclass(error, (AssertionError, pytest.fail.Exception))


@lru_cache(maxsize=4096)  # the same few, again for each check that is traced
def is_of_a_check(filename: str, folder: str) -> bool:
    """Whether a file stands with the checks in *folder*, or at least not with installed code."""
    if filename.startswith(folder):
        return True
    path = Path(filename)
    ours = path.is_relative_to(_PACKAGE) and not path.is_relative_to(_PACKAGE / "checks")
    return not ours and not filename.startswith((*_LIBRARIES, "<"))


@cache
def _lines(filename: str) -> Lines:
    try:
        return read_lines(Path(filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return Lines()
