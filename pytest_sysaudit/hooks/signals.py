"""SIGTERM ends an audit as Ctrl-C does: reports are written, nothing is left running."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from types import FrameType

import pytest


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    ours = (
        not hasattr(session.config, "workerinput")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if not ours:
        return (yield)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return (yield)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
