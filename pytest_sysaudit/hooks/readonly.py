"""While a check runs, no boto3 client of this process changes anything, whoever made it."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pytest_sysaudit.hooks.keys import check_key


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if check_key not in item.stash:
        return (yield)
    from pytest_sysaudit.aws.guard import guard_process

    with guard_process():
        return (yield)
