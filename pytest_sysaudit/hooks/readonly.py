"""While a check runs, no boto3 client of this process changes anything, whoever made it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_sysaudit.hooks.keys import check_key
from pytest_sysaudit.lanes.turn import current_turn

if TYPE_CHECKING:
    from pytest_sysaudit.aws.guard import Policy


@dataclass(slots=True)
class Guard:
    """The guard of the process: up from the first of several checks at once to the last one."""

    checks: int = 0
    policy: Policy | None = None
    stack: ExitStack = field(default_factory=ExitStack)

    def raise_(self) -> None:
        """Begin to guard, unless a check in another lane has it so already."""
        from pytest_sysaudit.aws.guard import guard_process

        if not self.checks:
            self.policy = self.policy or _policy()
            self.stack.enter_context(guard_process(self.policy))
        self.checks += 1

    def lower(self) -> None:
        """End to guard, unless another check still runs."""
        self.checks -= 1
        if not self.checks:
            self.stack.close()


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
    if check_key not in item.stash:
        return (yield)
    guard = item.config.stash.setdefault(_guard_key, Guard())
    guard.raise_()
    try:
        return (yield)
    finally:
        guard.lower()
