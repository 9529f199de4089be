"""Endpoints that are not AWS's own: where they were configured, and what they need."""

from __future__ import annotations

import os
import re
from typing import Any

from pytest_sysaudit.inventory.model import Aws

_ACCOUNT_HOST = re.compile(r"^(https?://)\d{12}\.")


def configured_endpoints(entry: Aws, core: Any) -> dict[str, str]:
    """Return the endpoints that replace AWS's, by where they are configured; {} for none.

    Args:
        entry: the account; its ``endpoint_url`` wins over everything.
        core: a botocore session, whose profile and environment are looked at.
    """
    if entry.endpoint_url:
        return {"endpoint_url": entry.endpoint_url}
    if core.get_config_variable("ignore_configured_endpoint_urls"):
        return {}
    found = {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith("AWS_ENDPOINT_URL") and value
    }
    profile = core.get_scoped_config()
    if profile.get("endpoint_url"):
        found["profile endpoint_url"] = str(profile["endpoint_url"])
    if profile.get("services"):
        found["profile services"] = str(profile["services"])
    return found


def without_account_host(params: dict[str, Any], **_: Any) -> None:
    """Take the account id out of the host name of a request.

    S3 Control puts it in front of the host (``123456789012.localhost``). No name service knows that
    of a custom endpoint, and the id goes along in a header as well.
    """
    params["url"] = _ACCOUNT_HOST.sub(r"\1", params["url"])
