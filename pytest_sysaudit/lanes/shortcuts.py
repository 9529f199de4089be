"""What pytest works out again for every item, worked out once: a quarter of its time for an item.

Each is the same function with a memory of what it said, and what this pytest does not have is left
as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

import pytest
from _pytest import fixtures


@contextmanager
def shortcuts(session: pytest.Session) -> Iterator[None]:
    """Take them while the items of *session*, all collected, run; then all is as before."""
    with ExitStack() as stack:
        stack.enter_context(_known_proxies(session))
        stack.enter_context(_known_arguments())
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
