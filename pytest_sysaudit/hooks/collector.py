"""Spare Python's garbage collector what it would look through for nothing, during a long run."""

from __future__ import annotations

import atexit
import gc
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

THRESHOLDS = (50_000, 20, 20)
"""Python's own (700, 10, 10) is for programs that keep little. This one keeps all its items and
results, and would look through them all again and again."""


_spared_key = pytest.StashKey[tuple[int, int, int]]()
"""In the config: the collector's thresholds before it was spared."""


def restorer(config: pytest.Config) -> Callable[[], None]:
    """Return what makes all as it was before *config*.

    It is to be the first cleanup of the config, so the last that is carried out: after pytest has
    had all garbage collected, in search of errors that nobody was told.
    """

    def restore() -> None:
        usual = config.stash.get(_spared_key, None)
        if usual is not None:
            gc.unfreeze()
            gc.set_threshold(*usual)

    return restore


def spare(config: pytest.Config) -> None:
    """Have the collector look less often until *config* is done with."""
    usual = gc.get_threshold()
    if usual == THRESHOLDS or usual[0] == 0:  # a run within a run; somebody has switched it off
        return
    gc.set_threshold(*THRESHOLDS)
    config.stash[_spared_key] = usual
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)  # Python looks through all that is left before it ends, for nothing


def pass_over(config: pytest.Config) -> None:
    """Have the collector pass over all that there is now, until *config* is done with."""
    spare(config)
    if _spared_key in config.stash:
        gc.freeze()
