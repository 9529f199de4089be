"""Which calls count as reading: tables of calls, and the tables' own soundness."""

from __future__ import annotations

import pytest

from pytest_sysaudit.aws import operations
from pytest_sysaudit.aws.guard import CREDENTIALS_ONLY, READ_ONLY, Policy
from pytest_sysaudit.aws.operations import iam_action
from pytest_sysaudit.errors import RefusedByPolicy

READS = [
    "ec2:DescribeInstances",
    "iam:GetUser",
    "iam:GetAccountAuthorizationDetails",
    "s3:ListBuckets",
    "s3:HeadBucket",
    "s3:GetObjectAcl",
    "s3:GetBucketPolicy",
    "s3:ListObjectsV2",
    "sts:GetCallerIdentity",
    "cloudtrail:LookupEvents",
    "config:BatchGetResourceConfig",
    "iam:GenerateCredentialReport",
    "iam:SimulatePrincipalPolicy",
    "cloudtrail:GetEventSelectors",
    "resource-explorer-2:Search",
    "securityhub:GetFindings",
]
OTHERS = [
    "ec2:RunInstances",
    "ec2:CreateTags",
    "iam:CreateUser",
    "iam:PassRole",
    "s3:PutObject",
    "s3:DeleteBucket",
    "s3:GetObject",
    "s3:SelectObjectContent",
    "sts:GetSessionToken",
    "sts:AssumeRole",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "ssm:SendCommand",
    "ecr:GetAuthorizationToken",
    "logs:GetLogEvents",
    "dynamodb:GetItem",
    "dynamodb:Scan",
    "lambda:InvokeFunction",
    "kms:Decrypt",
    "sqs:ReceiveMessage",
    "cognito-identity:GetId",
    "ec2:GetPasswordData",
    "ec2:GetConsoleScreenshot",
    "s3:RestoreObject",
    "x:Getaway",
    "x:Listen",
    "x:Headless",
    "rds:connect",
    "dsql:DbConnectAdmin",
]


@pytest.mark.parametrize("call", READS)
def test_reads_are_allowed(call):
    service, operation = call.split(":")
    assert Policy().refusal(service, operation) == ""
    Policy().check(service, operation)


@pytest.mark.parametrize("call", OTHERS)
def test_everything_else_is_refused(call):
    service, operation = call.split(":")
    with pytest.raises(RefusedByPolicy, match=f"^payments: {call} refused, nothing was sent: "):
        Policy(owner="payments").check(service, operation)


@pytest.mark.parametrize(
    ("allow", "deny", "call", "allowed"),
    [
        (["s3:GetObject"], [], "s3:GetObject", True),
        (["s3:GetObject"], [], "s3:GetObjectTorrent", False),
        (["s3:GetObj*"], [], "s3:GetObjectTorrent", True),
        (["s3:PutObject"], [], "s3:PutObject", True),
        (["s3:*"], [], "s3:PutObject", False),
        (["s3:*"], [], "s3:GetObject", True),
        ([], ["s3:ListBuckets"], "s3:ListBuckets", False),
        ([], ["s3:*"], "s3:ListBuckets", False),
        ([], ["s3:*"], "s3control:ListJobs", True),
        (["s3:GetObject"], ["s3:*"], "s3:GetObject", False),
    ],
)
def test_the_inventory_changes_what_is_allowed(allow, deny, call, allowed):
    policy = Policy(allow=frozenset(allow), deny=deny)
    assert (policy.refusal(*call.split(":")) == "") is allowed


def test_credentials_are_fetched_by_a_session_that_can_do_nothing_else():
    assert CREDENTIALS_ONLY.refusal("sts", "AssumeRole") == ""
    assert CREDENTIALS_ONLY.refusal("s3", "ListBuckets") != ""
    assert READ_ONLY.refusal("sts", "AssumeRole") == ""
    assert READ_ONLY.refusal("s3", "ListBuckets") == ""
    assert READ_ONLY.refusal("s3", "PutObject") != ""


def test_every_name_in_the_tables_is_an_operation_of_boto3():
    import botocore.session

    session = botocore.session.Session()
    named = {
        *operations.ALSO_READS,
        *operations.CREDENTIAL_CALLS,
        *operations.NOT_READS,
        *operations.IAM_ACTIONS,
    }
    known = {
        f"{service}:{operation}"
        for service in {call.partition(":")[0] for call in named}
        if service in session.get_available_services()
        for operation in session.get_service_model(service).operation_names
    }
    # Older releases of boto3 lack the newest calls; those of the core services must be there.
    new = {"sts:GetDelegatedAccessToken", "sts:GetWebIdentityToken"}
    core = {call for call in named if call.split(":")[0] in ("s3", "sts", "iam", "ec2")}
    assert core - new <= known
    assert len(named - known) < len(named) / 5


def test_each_refused_read_would_be_allowed_by_its_name():
    exceptions = set(operations.NOT_READS) - operations.CREDENTIAL_CALLS
    assert [c for c in exceptions if not operations.READ_WORDS.match(c.split(":")[1])] == []
    assert not exceptions & operations.ALSO_READS


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("ec2", "DescribeVpcs", "ec2:DescribeVpcs"),
        ("s3", "ListBuckets", "s3:ListAllMyBuckets"),
        ("s3control", "GetPublicAccessBlock", "s3:GetAccountPublicAccessBlock"),
        ("elbv2", "DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers"),
    ],
)
def test_actions_are_named_as_iam_names_them(service, operation, action):
    assert iam_action(service, operation) == action
