"""What is asked of STS when a role is assumed."""

from __future__ import annotations

import json

import pytest

from pytest_sysaudit.aws.credentials import role_request
from pytest_sysaudit.inventory.model import Aws


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_the_session_is_cut_down_to_reading_in_the_roles_partition(partition):
    entry = Aws(role_arn=f"arn:{partition}:iam::123456789012:role/auditor")
    request = role_request(entry, None)
    assert request["PolicyArns"] == [
        {"arn": f"arn:{partition}:iam::aws:policy/SecurityAudit"},
        {"arn": f"arn:{partition}:iam::aws:policy/job-function/ViewOnlyAccess"},
    ]
    assert "Policy" not in request
    assert "ExternalId" not in request


def test_what_the_inventory_allows_further_is_let_through():
    entry = Aws(
        role_arn="arn:aws:iam::123456789012:role/auditor",
        allow_calls=("s3:GetObject", "s3:ListObjectsV2", "ssm:GetParameter*"),
    )
    request = role_request(entry, "the-secret")
    (statement,) = json.loads(request["Policy"])["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:ListBucket", "ssm:GetParameter*"],
        "Resource": "*",
    }
    assert request["ExternalId"] == "the-secret"
