"""What an AwsSession refuses, and that nothing of it reaches the server."""

from __future__ import annotations

import boto3
import pytest
from lab.moto import REGION

from pytest_sysaudit.aws.guard import Policy, guard_process
from pytest_sysaudit.errors import RefusedByPolicy, Unreachable

pytest_plugins = ("lab.moto_fixtures",)

ROLE = "arn:aws:iam::123456789012:role/auditor"


def unregistered(session):
    """A client whose event handlers are all gone."""
    client = session.client("sns", use_ssl=False)
    emitter = client.meta.events._emitter
    for section in emitter._handlers.prefix_search("provide-client-params.sns.CreateTopic"):
        client.meta.events.unregister("provide-client-params", section)
    for section in emitter._handlers.prefix_search("before-sign.sns.CreateTopic"):
        client.meta.events.unregister("before-sign", section)
    return client


def raw_request(session):
    """A request made below the client, from a prepared dict."""
    client = session.client("sns")
    operation = client.meta.service_model.operation_model("CreateTopic")
    request = client._convert_to_request_dict(
        api_params={"Name": "x"},
        operation_model=operation,
        endpoint_url=client.meta.endpoint_url,
        context={"client_config": client.meta.config, "client_region": REGION},
    )
    return client._endpoint.make_request(operation, request)


WRITES = {
    "create": lambda s: s.client("s3").create_bucket(Bucket="evil"),
    "delete": lambda s: s.client("s3").delete_bucket(Bucket="ledger"),
    "put": lambda s: s.client("s3").put_bucket_acl(Bucket="ledger", ACL="public-read"),
    "invalid parameters": lambda s: s.client("s3").put_bucket_policy(Nonsense=1),
    "upload": lambda s: s.client("s3").upload_file(__file__, "ledger", "key"),
    "transfer of a resource": lambda s: (
        s.resource("s3").Bucket("ledger").upload_file(__file__, "k")
    ),
    "download": lambda s: s.client("s3").get_object(Bucket="ledger", Key="key"),
    "copy": lambda s: s.client("s3").copy_object(Bucket="b", Key="k", CopySource="b/c"),
    "resource create": lambda s: s.resource("s3").Bucket("evil").create(),
    "resource delete": lambda s: s.resource("s3").Bucket("ledger").delete(),
    "client of a resource": lambda s: s.resource("s3").meta.client.create_bucket(Bucket="evil"),
    "batch action": lambda s: s.resource("s3").Bucket("ledger").objects.delete(),
    "dry run": lambda s: s.client("ec2").terminate_instances(InstanceIds=["i-1"], DryRun=True),
    "presigned put": lambda s: s.client("s3").generate_presigned_url("put_object", PK),
    "presigned post": lambda s: s.client("s3").generate_presigned_post("b", "k"),
    "presigned list, to delete": lambda s: s.client("s3").generate_presigned_url(
        "list_objects", {"Bucket": "b"}, HttpMethod="DELETE"
    ),
    "presigned get of data": lambda s: s.client("s3").generate_presigned_url("get_object", PK),
    "database token": lambda s: s.client("rds").generate_db_auth_token("db", 1, "u"),
    "own config": lambda s: s.client("s3", config=CONFIG()).create_bucket(Bucket="evil"),
    "own keys": lambda s: s.client("s3", **KEYS).create_bucket(Bucket="evil"),
    "unsigned": lambda s: s.client("s3", config=UNSIGNED()).create_bucket(Bucket="evil"),
    "core session": lambda s: s._session.create_client("sns").create_topic(Name="x"),
    "handlers gone": lambda s: unregistered(s).create_topic(Name="x"),
    "below the client": raw_request,
    "call": lambda s: s.call("iam", "create_user", UserName="evil"),
    "credentials": lambda s: s.client("sts").get_session_token(),
    "another role": lambda s: s.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="xx"),
    "secret": lambda s: s.client("secretsmanager").get_secret_value(SecretId="s"),
    "parameter": lambda s: s.client("ssm").get_parameter(Name="p"),
    "key material": lambda s: s.client("ec2").get_password_data(InstanceId="i-1"),
}
PK = {"Bucket": "b", "Key": "k"}
KEYS = {"aws_access_key_id": "OTHER", "aws_secret_access_key": "x"}


def CONFIG():  # noqa: N802 - reads as a constant in the table
    from botocore.config import Config

    return Config(read_timeout=9)


def UNSIGNED():  # noqa: N802 - reads as a constant in the table
    import botocore
    from botocore.config import Config

    return Config(signature_version=botocore.UNSIGNED)


@pytest.fixture(scope="module")
def admin(moto_server):
    return moto_server.admin("s3")


@pytest.fixture
def ledger(moto, admin):
    """An account with one bucket and one object in it."""
    admin.create_bucket(Bucket="ledger")
    admin.put_object(Bucket="ledger", Key="key", Body=b"data")
    return moto


@pytest.fixture(scope="module", params=[None, ROLE], ids=["keys", "role"])
def audited(request, moto_server):
    """One session for all probes: loading models for each of them would take a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AUDITOR")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        return moto_server.open(role_arn=request.param)


READS = {
    "list": lambda s: s.client("s3").list_buckets()["Buckets"][0]["Name"] == "ledger",
    "head": lambda s: s.client("s3").head_bucket(Bucket="ledger"),
    "paginator": lambda s: list(s.client("ec2").get_paginator("describe_vpcs").paginate()),
    "waiter": lambda s: s.client("s3").get_waiter("bucket_exists").wait(Bucket="ledger") is None,
    "resource": lambda s: [b.name for b in s.resource("s3").buckets.all()] == ["ledger"],
    "presigned list": lambda s: s.client("s3").generate_presigned_url("list_buckets"),
    "report": lambda s: s.client("iam").generate_credential_report()["State"],
    "identity": lambda s: s.client("sts").get_caller_identity()["Account"] == s.account_id,
}


@pytest.mark.parametrize("write", WRITES)
def test_nothing_leaves_that_is_not_a_read(ledger, audited, write):
    before = ledger.requests()
    # Listing what to delete is a read; only the deletion itself must not be sent.
    allowed = 1 if write == "batch action" else 0
    with pytest.raises(RefusedByPolicy, match=r"^payments: .*refused, nothing was sent"):
        WRITES[write](audited)
    assert len(ledger.requests()) - len(before) == allowed


@pytest.mark.parametrize("read", READS)
def test_reads_go_through(ledger, audited, read):
    assert READS[read](audited)


def test_the_event_handler_alone_is_enough(moto):
    session = moto.open()
    emitter = session.events._emitter
    for handler in emitter._handlers.prefix_search("creating-client-class.sns"):
        session.events.unregister("creating-client-class", handler)
    client = session.client("sns")
    before = len(moto.requests())
    with pytest.raises(RefusedByPolicy):
        client.create_topic(Name="x")
    assert len(moto.requests()) == before


def test_the_session_that_fetches_credentials_can_do_nothing_else(moto):
    fetcher = moto.open(role_arn=ROLE).get_credentials()._refresh_using.__self__
    with pytest.raises(RefusedByPolicy, match="only calls that fetch credentials"):
        fetcher._client_creator("s3").list_buckets()


def test_a_session_made_from_it_is_guarded_too(moto):
    derived = boto3.Session(botocore_session=moto.open()._session)
    with pytest.raises(RefusedByPolicy):
        derived.client("sns").create_topic(Name="x")


def test_the_message_names_the_call_and_the_way_out(moto):
    with pytest.raises(RefusedByPolicy) as refused:
        moto.open().client("s3").delete_bucket(Bucket="b")
    assert str(refused.value) == (
        "payments: s3:DeleteBucket refused, nothing was sent: it is not a read; if this audit "
        "needs it, add 's3:DeleteBucket' to allow_calls of aws.payments"
    )


def test_the_inventory_allows_further_calls(ledger):
    session = ledger.open(allow_calls=("s3:GetObject",))
    assert session.client("s3").get_object(Bucket="ledger", Key="key")["Body"].read() == b"data"
    assert session.call("s3", "get_object", Bucket="ledger", Key="key")["Body"] == b"data"
    with pytest.raises(RefusedByPolicy):
        session.client("s3").delete_object(Bucket="ledger", Key="key")


@pytest.mark.parametrize("pattern", ["s3:ListBuckets", "s3:*", "s3:List*"])
def test_the_inventory_refuses_further_calls(ledger, pattern):
    session = ledger.open(deny_calls=(pattern,), allow_calls=("s3:ListBuckets",))
    with pytest.raises(RefusedByPolicy, match="deny_calls"):
        session.client("s3").list_buckets()


def test_a_pattern_allows_reads_and_never_writes(ledger):
    session = ledger.open(allow_calls=("s3:GetObj*",))
    assert session.client("s3").get_object(Bucket="ledger", Key="key")
    with pytest.raises(RefusedByPolicy):
        session.client("s3").put_object(Bucket="ledger", Key="key")


@pytest.mark.parametrize(
    ("key", "call", "why"),
    [
        ("allow_calls", "s3:GetObjct", "no call of boto3"),
        ("allow_calls", "s3:getObject", "no call of boto3"),
        ("allow_calls", "nosuch:GetObject", "no call of boto3"),
        ("deny_calls", "s3:ListBucketz", "no call of boto3"),
        ("deny_calls", "s3:Liszt*", "no call of boto3"),
        ("allow_calls", "s3:*", "wider than reading"),
        ("allow_calls", "s3:*Object", "wider than reading"),
    ],
)
def test_a_call_that_cannot_be_meant_is_not_silently_taken(moto, key, call, why):
    with pytest.raises(Unreachable, match=why):
        moto.open(**{key: (call,)})


def test_a_whole_process_can_be_guarded(ledger):
    collected = ledger.admin("s3")  # a client of a check module, made before the audit began
    session = ledger.open(allow_calls=("s3:GetObject",))
    with guard_process():
        before = len(ledger.requests())
        for client in (collected, ledger.admin("s3"), boto3.client("s3", endpoint_url=ledger.url)):
            with pytest.raises(RefusedByPolicy, match=r"^s3:CreateBucket refused"):
                client.create_bucket(Bucket="evil")
        assert len(ledger.requests()) == before
        assert collected.list_buckets()["Buckets"]
        # What its own inventory entry allows, an AwsSession may still do.
        assert session.call("s3", "get_object", Bucket="ledger", Key="key")["Body"] == b"data"
        with guard_process(Policy(reads=False)), pytest.raises(RefusedByPolicy):
            collected.list_buckets()
        assert collected.list_buckets()["Buckets"]
    collected.create_bucket(Bucket="allowed-again")


def test_the_guard_of_the_process_goes_when_the_block_fails(moto):
    with pytest.raises(ZeroDivisionError), guard_process():
        raise ZeroDivisionError
    moto.admin("s3").create_bucket(Bucket="fine")
