"""While a check runs, no boto3 client of this process changes anything, whoever made it."""

from __future__ import annotations

import sys
from collections.abc import Generator

import pytest

from pytest_sysaudit.hooks.keys import check_key


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    check = item.stash.get(check_key, None)
    wanted = check is not None and any(target.kind == "aws" for target in check.targets)
    if check is None or not (wanted or "botocore" in sys.modules):
        return (yield)
    from pytest_sysaudit.aws.guard import guard_process

    with guard_process():
        return (yield)
