"""What botocore's descriptions of services tell without a session or a client of boto3."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.exceptions import DataNotFoundError
from botocore.loaders import ExtrasProcessor, create_loader

from pytest_sysaudit.aws.guard import Policy
from pytest_sysaudit.aws.operations import READ_WORDS
from pytest_sysaudit.errors import Unreachable
from pytest_sysaudit.inventory.model import Aws
from pytest_sysaudit.inventory.target import Target

_SERVICE, _PAGINATORS = "service-2", "paginators-1"


@functools.cache
def service_descriptions() -> Any:
    """Return botocore's reader of its data files, the same for all: each takes 20 MB to read EC2's.

    It only remembers what is in those files, so sessions cannot meet in it.
    """
    return create_loader(os.environ.get("AWS_DATA_PATH"))


@functools.cache
def paginators(service: str) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """Return how *service* is paginated: by the names of clients' methods, API name and settings.

    It is what clients go by. Their way to it looks through the folders of all services.

    Raises:
        botocore.exceptions.DataNotFoundError: there is no such service.
    """
    loader = service_descriptions()
    folder = Path(service) / loader.determine_latest_version(service, _SERVICE)
    try:
        described = loader.load_data(str(folder / _PAGINATORS))
    except DataNotFoundError:
        return {}
    for kind in loader.extras_types:
        with suppress(DataNotFoundError):
            more = loader.load_data(str(folder / f"{_PAGINATORS}.{kind}-extras"))
            ExtrasProcessor().process(described, [more])
    return {
        xform_name(name): (name, settings) for name, settings in described["pagination"].items()
    }


def policy_of(target: Target, entry: Aws) -> Policy:
    """Return which calls the inventory allows.

    Raises:
        Unreachable: allow_calls or deny_calls name no calls, or allow_calls more than reads.
    """
    for call in (*entry.allow_calls, *entry.deny_calls):
        if not _is_known(call):
            raise Unreachable(
                f"{target.name}: allow_calls or deny_calls: {call!r} is no call of boto3; it is "
                "written service:Operation, as s3:GetObject"
            )
    for call in entry.allow_calls:
        operation, star, _ = call.partition(":")[2].partition("*")
        if star and not READ_WORDS.match(operation):
            raise Unreachable(
                f"{target.name}: allow_calls: {call!r} is wider than reading; name the call, or "
                "begin with a word that reads, as s3:Get*"
            )
    return Policy(owner=target.name, allow=frozenset(entry.allow_calls), deny=entry.deny_calls)


def _is_known(call: str) -> bool:
    """Whether *call* names an operation, or is a pattern that matches one."""
    service, _, pattern = call.partition(":")
    loader = service_descriptions()
    if service not in loader.list_available_services(_SERVICE):
        return False
    names = loader.load_service_model(service, _SERVICE)["operations"]
    return any(fnmatchcase(name, pattern) for name in names)
