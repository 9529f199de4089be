"""What pytest works out again for every item, worked out once: a quarter of its time for an item.

Each is the same function with a memory of what it said, and what this pytest does not have is left
as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

import pytest
from _pytest import fixtures

_PAUSE = 0.1


@contextmanager
def shortcuts(session: pytest.Session) -> Iterator[None]:
    """Take them while the items of *session*, all collected, run; then all is as before."""
    with ExitStack() as stack:
        stack.enter_context(_known_proxies(session))
        stack.enter_context(_known_arguments())
        stack.enter_context(_gathered_output(session.config))
        _settle_locations(session.items)
        yield


@contextmanager
def _known_proxies(session: Any) -> Iterator[None]:
    """Ask once which conftest files a path has: none is loaded any more."""
    ask = getattr(session, "gethookproxy", None)
    if ask is None or "gethookproxy" in vars(session):
        yield
        return
    session.gethookproxy = lru_cache(maxsize=None)(ask)
    try:
        yield
    finally:
        del session.gethookproxy


@contextmanager
def _known_arguments() -> Iterator[None]:
    """Do not inspect the function that stands for ``request``, made anew for each who asks."""
    module: Any = fixtures
    inspect = getattr(module, "getfuncargnames", None)
    if inspect is None:
        yield
        return

    def names(function: Callable[..., object], *args: object, **options: object) -> Any:
        known = options.get("name") == "request" and function.__name__ == "<lambda>"
        return () if known else inspect(function, *args, **options)

    module.getfuncargnames = names
    try:
        yield
    finally:
        module.getfuncargnames = inspect


@contextmanager
def _gathered_output(config: pytest.Config) -> Iterator[None]:
    """Write to a log or a pipe ten times a second, and not a letter for each item.

    Somebody who sits before a terminal sees each letter at once. So does who has what tests print
    shown between the letters.
    """
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    writer: Any = getattr(reporter, "_tw", None)
    straight = getattr(reporter, "isatty", True) or config.getoption("capture", "no") == "no"
    if straight or config.get_verbosity() > 0 or not hasattr(writer, "_file"):
        yield
        return
    file = writer._file  # noqa: SLF001 - TerminalWriter lets no other one in
    writer._file = gathering = _Gathering(file)  # noqa: SLF001
    try:
        yield
    finally:
        writer._file = file  # noqa: SLF001
        gathering.let_go()


class _Gathering:
    """A text file that keeps what is written for `_PAUSE` seconds.

    Not in the buffer of *file*: that may be written while the output of a test is captured, and
    would go there.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._texts: list[str] = []
        self._last = time.monotonic()

    def write(self, text: str) -> None:
        """Keep *text*; what the file may be unable to write it is given at once, to say so."""
        if text.isascii():
            self._texts.append(text)
        else:
            self.let_go()
            self._file.write(text)

    def flush(self) -> None:
        """Write what was kept, if it was kept for long."""
        if time.monotonic() - self._last >= _PAUSE:
            self.let_go()

    def let_go(self) -> None:
        """Write all that was kept."""
        texts, self._texts = self._texts, []
        self._file.write("".join(texts))
        self._file.flush()
        self._last = time.monotonic()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _settle_locations(items: Sequence[pytest.Item]) -> None:
    """Look up once where a function stands, and not for each of its parameters."""
    known: dict[object, tuple[str, int | None]] = {}
    usual: object = pytest.Function.reportinfo
    for item in items:
        own: object = type(item).reportinfo
        if own is not usual or not isinstance(item, pytest.Function):
            continue
        place = known.get(item.function)
        if place is None:
            known[item.function] = item.location[:2]
        else:
            vars(item)["location"] = (*place, item.getmodpath())
