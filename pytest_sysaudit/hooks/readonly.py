"""While a check runs, no boto3 client of this process changes anything, whoever made it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_sysaudit.hooks.keys import check_key
from pytest_sysaudit.lanes.turn import current_turn

if TYPE_CHECKING:
    from pytest_sysaudit.aws.guard import Policy


@dataclass(slots=True)
class Guard:
    """The guard of the process: up from the first check until something else runs."""

    policy: Policy | None = None
    stack: ExitStack | None = None

    def raise_(self) -> None:
        """Guard, if it is not done so already."""
        if self.stack is None:
            from pytest_sysaudit.aws.guard import guard_process

            self.policy = self.policy or _policy()
            self.stack = ExitStack()
            self.stack.enter_context(guard_process(self.policy))

    def lower(self) -> None:
        """Guard no more."""
        if self.stack is not None:
            stack, self.stack = self.stack, None
            stack.close()


def _policy() -> Policy:
    from pytest_sysaudit.aws.guard import READ_ONLY, Policy

    class OfChecks(Policy):
        """Lets pass what a test does that is no check, and runs while other lanes' checks wait."""

        def check(self, service: str, operation: str) -> None:
            item = getattr(current_turn(), "item", None)
            if item is None or check_key in item.stash:
                super().check(service, operation)

    return OfChecks(allow=READ_ONLY.allow)


_guard_key: pytest.StashKey[Guard] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    guard = item.config.stash.setdefault(_guard_key, Guard())
    if check_key in item.stash:
        guard.raise_()
    elif current_turn() is None:  # in lanes the policy tells checks from tests
        guard.lower()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        session.config.stash.setdefault(_guard_key, Guard()).lower()
