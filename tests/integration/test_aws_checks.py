"""Every AWS check: what passes, what fails, what cannot be assessed, and an empty account."""

from __future__ import annotations

import json
from importlib import import_module

import pytest
from lab.moto import ACCOUNT, Fault

from pytest_sysaudit.audit import Audit
from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.record import Verdict

pytest_plugins = ("lab.moto_fixtures",)

REGION = "us-east-1"
FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
PASS, FAIL, ERROR, NONE = Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.NOT_APPLICABLE
WORLD = "0.0.0.0/0"


def run(moto, path, faults=(), inputs=None):
    """Run one check as the plugin does; return its verdict, its message and its rows."""
    module, name = path.split("::")
    check = getattr(import_module(f"checks.aws.{module}"), name)
    marker = next(mark for mark in check.pytestmark if mark.name == "control")
    audit = Audit({**marker.kwargs.get("inputs", {}), **(inputs or {})})
    session = moto.open(max_attempts=1)
    names = check.__code__.co_varnames[: check.__code__.co_argcount]
    given = {"aws_session": session, "aws_region": REGION, "audit": audit}
    verdict, message = PASS, ""
    with moto.faults(*faults):
        try:
            check(**{argument: given[argument] for argument in names})
            audit.conclude()
        except AssertionError as error:
            verdict, message = FAIL, str(error)
        except NotApplicable as error:
            verdict, message = NONE, str(error)
        except CannotAssess as error:
            verdict, message = ERROR, str(error)
    return verdict, message, {row.resource: row.verdict for row in audit.rows}


def bucket(moto, name="ledger"):
    s3 = moto.admin("s3")
    s3.create_bucket(Bucket=name)
    return s3, {"Bucket": name}


def blocked_bucket(moto):
    s3, name = bucket(moto)
    flags = dict.fromkeys(FLAGS, True)
    s3.put_public_access_block(PublicAccessBlockConfiguration=flags, **name)


def bucket_blocked_in_halves(moto):
    """Two switches on the bucket, two on the account: together they are all."""
    s3, name = bucket(moto)
    half = dict.fromkeys(FLAGS[:2], True)
    s3.put_public_access_block(PublicAccessBlockConfiguration=half, **name)
    account_block(moto, FLAGS[2:])


def account_block(moto, flags):
    from pytest_sysaudit.aws.endpoints import without_account_host

    control = moto.admin("s3control")
    control.meta.events.register("before-call.s3-control", without_account_host)
    control.put_public_access_block(
        AccountId=ACCOUNT, PublicAccessBlockConfiguration=dict.fromkeys(flags, True)
    )


def half_blocked_bucket(moto):
    s3, name = bucket(moto)
    half = dict.fromkeys(FLAGS[:3], True)
    s3.put_public_access_block(PublicAccessBlockConfiguration=half, **name)


def tls_policy(moto, **changes):
    s3, name = bucket(moto)
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::ledger", "arn:aws:s3:::ledger/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    statement.update(changes)
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Policy=json.dumps(policy), **name)


def encrypted_bucket(moto):
    s3, name = bucket(moto)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(ServerSideEncryptionConfiguration={"Rules": [rule]}, **name)


def versions(moto, status):
    s3, name = bucket(moto)
    s3.put_bucket_versioning(VersioningConfiguration={"Status": status}, **name)


def group(moto, *rules):
    ec2 = moto.admin("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    if rules:
        ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=list(rules))
    return ec2, made


def rule(low, high, *sources, protocol="tcp"):
    ranges = {"IpProtocol": protocol}
    if protocol != "-1":
        ranges |= {"FromPort": low, "ToPort": high}
    ranges["IpRanges"] = [{"CidrIp": source} for source in sources if ":" not in source]
    ranges["Ipv6Ranges"] = [{"CidrIpv6": source} for source in sources if ":" in source]
    return ranges


def prefix_list(moto):
    ec2 = moto.admin("ec2")
    made = ec2.create_managed_prefix_list(
        PrefixListName="all", MaxEntries=2, AddressFamily="IPv4", Entries=[{"Cidr": WORLD}]
    )
    number = made["PrefixList"]["PrefixListId"]
    source = {"PrefixListIds": [{"PrefixListId": number}]}
    group(moto, {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **source})


def closed_default_groups(moto):
    ec2 = moto.admin("ec2")
    for each in ec2.describe_security_groups()["SecurityGroups"]:
        for permissions, revoke in (
            ("IpPermissions", ec2.revoke_security_group_ingress),
            ("IpPermissionsEgress", ec2.revoke_security_group_egress),
        ):
            if each[permissions]:
                revoke(GroupId=each["GroupId"], IpPermissions=each[permissions])


def instance(moto, end=False, **options):
    ec2 = moto.admin("ec2")
    made = ec2.run_instances(
        ImageId="ami-12c6146b", MinCount=1, MaxCount=1, MetadataOptions=options
    )["Instances"][0]["InstanceId"]
    if end:
        ec2.terminate_instances(InstanceIds=[made])


def flow_log(moto, traffic):
    ec2 = moto.admin("ec2")
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        _, name = bucket(moto, "flow-logs")
        ec2.create_flow_logs(
            ResourceIds=[vpc["VpcId"]],
            ResourceType="VPC",
            TrafficType=traffic,
            LogDestinationType="s3",
            LogDestination=f"arn:aws:s3:::{name['Bucket']}",
        )


def undelivered_flow_log(moto):
    """Logs that are on and arrive nowhere."""
    ec2 = moto.admin("ec2")
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        ec2.create_flow_logs(
            ResourceIds=[vpc["VpcId"]],
            ResourceType="VPC",
            TrafficType="ALL",
            LogGroupName="gone",
            DeliverLogsPermissionArn=f"arn:aws:iam::{ACCOUNT}:role/gone",
        )
    logs = ec2.describe_flow_logs()["FlowLogs"]
    assert {(log["FlowLogStatus"], log["DeliverLogsStatus"]) for log in logs} == {
        ("ACTIVE", "FAILED")
    }


def no_vpc(moto):
    ec2 = moto.admin("ec2")
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        ec2.delete_vpc(VpcId=vpc["VpcId"])


def user(moto, name="alice", *, console=False, mfa=False, keys=(), inline=False, attached=False):
    iam = moto.admin("iam")
    iam.create_user(UserName=name)
    if console:
        iam.create_login_profile(UserName=name, Password="Not-4-Secret!")
    if mfa:
        iam.create_virtual_mfa_device(VirtualMFADeviceName=name)
        iam.enable_mfa_device(
            UserName=name,
            SerialNumber=f"arn:aws:iam::{ACCOUNT}:mfa/{name}",
            AuthenticationCode1="123456",
            AuthenticationCode2="654321",
        )
    for status in keys:
        key = iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
        iam.update_access_key(UserName=name, AccessKeyId=key, Status=status)
    if inline:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document("s3:*"))
    if attached:
        policy(moto, "s3:*", name)


def document(action, resource="*"):
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def policy(moto, action, to=None, resource="*"):
    iam = moto.admin("iam")
    made = iam.create_policy(PolicyName="p", PolicyDocument=document(action, resource))
    if to:
        iam.attach_user_policy(UserName=to, PolicyArn=made["Policy"]["Arn"])
    return iam, made["Policy"]["Arn"]


def password_policy(moto, **settings):
    moto.admin("iam").update_account_password_policy(**settings)


def admin_policy(moto, action="*", resource="*", attached=True):
    user(moto)
    policy(moto, action, "alice" if attached else None, resource)


def inline_admin(moto, kind):
    """All rights in a policy inside a user, a group or a role."""
    iam = moto.admin("iam")
    name = {f"{kind.title()}Name": "boss"}
    more = {"AssumeRolePolicyDocument": document("sts:AssumeRole")} if kind == "role" else {}
    getattr(iam, f"create_{kind}")(**name, **more)
    put = getattr(iam, f"put_{kind}_policy")
    put(**name, PolicyName="own", PolicyDocument=document("*"))


def newer_version(moto):
    """The version in force is harmless, an older one was not."""
    user(moto)
    iam, arn = policy(moto, "*", "alice")
    iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=document("s3:ListAllMyBuckets"), SetAsDefault=True
    )


def nothing(moto):
    """An account as it comes."""


PAB = "test_s3::test_buckets_block_public_access"
TLS = "test_s3::test_buckets_refuse_plain_http"
SSE = "test_s3::test_buckets_encrypt_by_default"
VERSIONS = "test_s3::test_buckets_keep_versions"
V4 = "test_ec2::test_admin_ports_are_closed_to_the_ipv4_world"
V6 = "test_ec2::test_admin_ports_are_closed_to_the_ipv6_world"
DEFAULT = "test_ec2::test_default_security_groups_let_nothing_through"
IMDS = "test_ec2::test_instances_ask_for_metadata_tokens"
EBS = "test_ec2::test_volumes_are_encrypted_by_default"
FLOWS = "test_ec2::test_networks_log_their_flows"
ROOT_KEY = "test_iam::test_root_user_has_no_access_key"
ROOT_MFA = "test_iam::test_root_user_signs_in_with_mfa"
LENGTH = "test_iam::test_password_policy_asks_for_long_passwords"
REUSE = "test_iam::test_password_policy_prevents_reuse"
MFA = "test_iam::test_console_users_have_mfa"
AGE = "test_iam::test_access_keys_are_renewed"
ONE_KEY = "test_iam::test_users_have_one_active_access_key"
ADMIN = "test_iam::test_attached_policies_do_not_allow_everything"
GROUPS = "test_iam::test_users_get_their_rights_from_groups"

ROWS = [
    (PAB, blocked_bucket, PASS),
    (PAB, bucket_blocked_in_halves, PASS),
    (PAB, lambda m: (bucket(m), account_block(m, FLAGS)), PASS),
    (PAB, bucket, FAIL),
    (PAB, half_blocked_bucket, FAIL),
    (TLS, tls_policy, PASS),
    (TLS, bucket, FAIL),
    (TLS, lambda m: tls_policy(m, Effect="Allow"), FAIL),
    (SSE, encrypted_bucket, PASS),
    (SSE, bucket, FAIL),
    (VERSIONS, lambda m: versions(m, "Enabled"), PASS),
    (VERSIONS, lambda m: versions(m, "Suspended"), FAIL),
    (VERSIONS, bucket, FAIL),
    (V4, lambda m: group(m, rule(443, 443, WORLD)), PASS),
    (V4, lambda m: group(m, rule(22, 22, "10.0.0.0/8")), PASS),
    (V4, lambda m: group(m, rule(22, 22, "::/0")), PASS),
    (V4, lambda m: group(m, rule(22, 22, WORLD)), FAIL),
    (V4, lambda m: group(m, rule(3000, 4000, WORLD)), FAIL),
    (V4, lambda m: group(m, rule(0, 0, WORLD, protocol="-1")), FAIL),
    (V4, lambda m: group(m, rule(22, 22, "0.0.0.0/1", "128.0.0.0/1")), FAIL),
    (V4, prefix_list, FAIL),
    (V6, lambda m: group(m, rule(22, 22, WORLD)), PASS),
    (V6, lambda m: group(m, rule(22, 22, "::/0")), FAIL),
    (V6, lambda m: group(m, rule(0, 65535, "::/0")), FAIL),
    (DEFAULT, closed_default_groups, PASS),
    (DEFAULT, nothing, FAIL),
    (IMDS, lambda m: instance(m, HttpTokens="required"), PASS),
    (IMDS, lambda m: instance(m, HttpEndpoint="disabled"), PASS),
    (IMDS, lambda m: instance(m, HttpTokens="optional"), FAIL),
    (IMDS, lambda m: instance(m, HttpTokens="optional", end=True), NONE),
    (EBS, lambda m: m.admin("ec2").enable_ebs_encryption_by_default(), PASS),
    (EBS, nothing, FAIL),
    (FLOWS, lambda m: flow_log(m, "ALL"), PASS),
    (FLOWS, lambda m: flow_log(m, "REJECT"), PASS),
    (FLOWS, lambda m: flow_log(m, "ACCEPT"), FAIL),
    (FLOWS, undelivered_flow_log, FAIL),
    (FLOWS, nothing, FAIL),
    (ROOT_KEY, nothing, PASS),
    (ROOT_MFA, nothing, FAIL),
    (LENGTH, lambda m: password_policy(m, MinimumPasswordLength=14), PASS),
    (LENGTH, lambda m: password_policy(m, MinimumPasswordLength=13), FAIL),
    (LENGTH, nothing, FAIL),
    (REUSE, lambda m: password_policy(m, PasswordReusePrevention=24), PASS),
    (REUSE, lambda m: password_policy(m, PasswordReusePrevention=23), FAIL),
    (REUSE, lambda m: password_policy(m, MinimumPasswordLength=14), FAIL),
    (MFA, lambda m: user(m, console=True, mfa=True), PASS),
    (MFA, lambda m: user(m, console=True), FAIL),
    (MFA, user, NONE),
    (AGE, lambda m: user(m, keys=["Active"]), PASS),
    (ONE_KEY, lambda m: user(m, keys=["Active", "Inactive"]), PASS),
    (ONE_KEY, user, PASS),
    (ONE_KEY, lambda m: user(m, keys=["Active", "Active"]), FAIL),
    (ADMIN, lambda m: admin_policy(m, action="s3:*"), PASS),
    (ADMIN, lambda m: admin_policy(m, resource="arn:aws:s3:::ledger"), PASS),
    (ADMIN, newer_version, PASS),
    (ADMIN, admin_policy, FAIL),
    (ADMIN, lambda m: admin_policy(m, action=["s3:List*", "*:*"]), FAIL),
    (ADMIN, lambda m: inline_admin(m, "user"), FAIL),
    (ADMIN, lambda m: inline_admin(m, "group"), FAIL),
    (ADMIN, lambda m: inline_admin(m, "role"), FAIL),
    (GROUPS, user, PASS),
    (GROUPS, lambda m: user(m, inline=True), FAIL),
    (GROUPS, lambda m: user(m, attached=True), FAIL),
]


def row_ids():
    """``buckets_keep_versions-fail-2``: the second row of that check that fails."""
    kinds = [f"{path.partition('::test_')[2]}-{verdict}" for path, _, verdict in ROWS]
    return [f"{kind}-{kinds[:number].count(kind) + 1}" for number, kind in enumerate(kinds)]


@pytest.mark.parametrize(("path", "prepare", "verdict"), ROWS, ids=row_ids())
def test_verdicts(moto, path, prepare, verdict):
    prepare(moto)
    found, message, rows = run(moto, path)
    assert found is verdict, (message, rows)


#: Where each check asks, and what it needs to be there so that it does.
QUESTIONS = [
    (PAB, bucket, "s3 .* GET /$"),
    (PAB, bucket, r"GET /ledger\?publicAccessBlock"),
    (PAB, blocked_bucket, "configuration/publicAccessBlock"),
    (TLS, bucket, "s3 .* GET /$"),
    (TLS, bucket, r"GET /ledger\?policy"),
    (SSE, bucket, r"GET /ledger\?encryption"),
    (VERSIONS, bucket, r"GET /ledger\?versioning"),
    (V4, nothing, "DescribeSecurityGroups"),
    (V4, prefix_list, "GetManagedPrefixListEntries"),
    (V6, nothing, "DescribeSecurityGroups"),
    (DEFAULT, nothing, "DescribeSecurityGroups"),
    (IMDS, nothing, "DescribeInstances"),
    (EBS, nothing, "GetEbsEncryptionByDefault"),
    (FLOWS, nothing, "DescribeFlowLogs"),
    (FLOWS, nothing, "DescribeVpcs"),
    (ROOT_KEY, nothing, "GetAccountSummary"),
    (ROOT_MFA, nothing, "GetAccountSummary"),
    (LENGTH, nothing, "GetAccountPasswordPolicy"),
    (REUSE, nothing, "GetAccountPasswordPolicy"),
    (MFA, user, "ListUsers"),
    (MFA, lambda m: user(m, console=True), "GetLoginProfile"),
    (MFA, lambda m: user(m, console=True), "ListMFADevices"),
    (AGE, user, "ListUsers"),
    (AGE, user, "ListAccessKeys"),
    (ONE_KEY, user, "ListAccessKeys"),
    (ADMIN, nothing, "GetAccountAuthorizationDetails"),
    (GROUPS, nothing, "GetAccountAuthorizationDetails"),
]


@pytest.mark.parametrize(
    ("path", "prepare", "where"),
    QUESTIONS,
    ids=[f"{path.partition('::test_')[2]}-{where}" for path, _, where in QUESTIONS],
)
def test_what_may_not_be_asked_is_an_error(moto, path, prepare, where):
    prepare(moto)
    verdict, message, _ = run(moto, path, [Fault(where, "AccessDenied")])
    assert verdict is ERROR, message
    assert "needs the permission" in message


def test_every_check_has_its_rows():
    import ast
    from pathlib import Path

    checks = {
        f"{file.stem}::{node.name}"
        for file in Path(import_module("checks.aws").__file__).parent.glob("test_*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    by_verdict = {kind: {path for path, _, verdict in ROWS if verdict is kind} for kind in Verdict}
    # moto cannot make these: a root user with keys or with MFA, a key of last year.
    stubbed = {ROOT_KEY, ROOT_MFA, AGE}
    assert by_verdict[PASS] | stubbed == checks
    assert by_verdict[FAIL] | stubbed == checks
    assert {path for path, _, _ in QUESTIONS} == checks


def test_keys_are_as_old_as_the_account_says(moto):
    user(moto, keys=["Active"])
    verdict, message, _ = run(moto, AGE, inputs={"maximum_days": -2})  # the run began before it
    assert verdict is FAIL, message


@pytest.mark.parametrize(
    ("path", "key", "verdict"),
    [(ROOT_KEY, "AccountAccessKeysPresent", FAIL), (ROOT_MFA, "AccountMFAEnabled", PASS)],
)
def test_the_root_user(moto, monkeypatch, path, key, verdict):
    from pytest_sysaudit.aws.session import AwsSession

    def call(_session, *what):
        assert what == ("iam", "get_account_summary")
        return {"SummaryMap": {key: 1}}

    monkeypatch.setattr(AwsSession, "call", call)  # moto's account has no root user to prepare
    assert run(moto, path)[0] is verdict


def test_each_resource_has_a_row_of_its_own(moto):
    blocked_bucket(moto)
    bucket(moto, "site")
    verdict, message, rows = run(moto, PAB)
    assert rows == {"arn:aws:s3:::ledger": PASS, "arn:aws:s3:::site": FAIL}
    assert verdict is FAIL
    assert "1 of 2 resources fail" in message


def test_one_bucket_that_may_not_be_read_does_not_hide_the_others(moto):
    blocked_bucket(moto)
    bucket(moto, "secret-one")
    fault = Fault(r"GET /secret-one\?publicAccessBlock", "AccessDenied")
    verdict, message, rows = run(moto, PAB, [fault])
    assert rows == {"arn:aws:s3:::ledger": PASS, "arn:aws:s3:::secret-one": ERROR}
    assert verdict is ERROR
    assert "s3:GetBucketPublicAccessBlock" in message


@pytest.mark.parametrize("path", [PAB, TLS, SSE, VERSIONS, IMDS, MFA, AGE, ONE_KEY, ADMIN, GROUPS])
def test_an_empty_account_has_no_rows_and_no_errors(moto, path):
    verdict, _, rows = run(moto, path)
    assert (verdict, rows) == (PASS, {})  # the plugin says "checked 0"


@pytest.mark.parametrize("path", [DEFAULT, FLOWS])
def test_a_region_without_networks_has_no_rows(moto, path):
    no_vpc(moto)
    verdict, _, rows = run(moto, path)
    assert rows == {}
    assert verdict is PASS
