"""What is read of botocore's descriptions is what its clients go by."""

from __future__ import annotations

import pytest
from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader

from pytest_sysaudit.aws.descriptions import paginators


def test_paginators_are_those_of_clients():
    loader = Loader()
    found = {}
    for service in loader.list_available_services("service-2"):
        version = loader.determine_latest_version(service, "service-2")
        try:
            model = loader.load_service_model(service, "paginators-1", version)
        except DataNotFoundError:
            model = {"pagination": {}}
        found[service] = dict(model["pagination"])
    assert {service: dict(paginators(service).values()) for service in found} == found
    assert paginators("iam")["list_mfa_devices"][0] == "ListMFADevices"
    assert "get_user" not in paginators("iam")


def test_no_such_service():
    with pytest.raises(DataNotFoundError):
        paginators("no-such-service")
