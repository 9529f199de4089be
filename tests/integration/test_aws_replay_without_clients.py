"""A recorded account answers by itself; boto3 is only there for who looks at more than answers."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, ParamValidationError
from lab.journal import MemoryJournal
from lab.offline import offline

from pytest_sysaudit import AwsSession
from pytest_sysaudit.aws import replay_clients
from pytest_sysaudit.aws.calls import Call
from pytest_sysaudit.aws.recording import CallRecorder
from pytest_sysaudit.aws.replay import replay_session
from pytest_sysaudit.aws.session import open_session
from pytest_sysaudit.connections import Connections
from pytest_sysaudit.errors import CannotAssess, Unreachable
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.evidence.trail import collected
from pytest_sysaudit.inventory.secrets import Secrets

pytest_plugins = ("lab.moto_fixtures",)

REGION = "us-east-1"
BUCKET, USER = {"Bucket": "ledger"}, {"UserName": "alice"}
#: Three pages; what tells their places looks like secrets.
PAGES = ("logs", "describe_log_groups", {"limit": 3})
#: What the shipped checks ask, and answers in all other forms.
ANSWERED = [
    ("s3", "list_buckets", {}),
    ("s3", "get_bucket_policy", {**BUCKET, "ok": "NoSuchBucketPolicy"}),
    ("s3", "GetBucketVersioning", BUCKET),
    (
        *("s3", "get_bucket_encryption"),
        {**BUCKET, "ok": ["ServerSideEncryptionConfigurationNotFoundError"]},
    ),
    (
        *("s3", "get_public_access_block"),
        {**BUCKET, "ok": ["NoSuchPublicAccessBlockConfiguration"]},
    ),
    (
        *("s3control", "get_public_access_block"),
        {"AccountId": "123456789012", "ok": ("NoSuchPublicAccessBlockConfiguration",)},
    ),
    ("s3", "get_object", {**BUCKET, "Key": "k"}),
    ("iam", "get_account_summary", {}),
    ("iam", "get_account_password_policy", {"ok": ["NoSuchEntity"]}),
    ("iam", "list_users", {}),
    ("iam", "list_users", {"MaxItems": 2}),
    ("iam", "get_login_profile", {**USER, "ok": ["NoSuchEntity"]}),
    ("iam", "list_mfa_devices", USER),
    ("iam", "ListAccessKeys", USER),
    ("iam", "get_account_authorization_details", {}),
    ("iam", "get_account_authorization_details", {"Filter": ["User"], "MaxItems": 1}),
    PAGES,
    ("dynamodb", "describe_table", {"TableName": "t"}),  # has a moment of this zone
    ("ec2", "describe_security_groups", {"region": "eu-west-1"}),
    ("ec2", "describe_instances", {}),
    ("ec2", "get_ebs_encryption_by_default", {}),
    ("ec2", "describe_flow_logs", {}),
    ("ec2", "describe_vpcs", {}),
    ("ec2", "describe_regions", {"AllRegions": True}),
]
#: What only a client knows the words or the class of.
ODD = [
    ("iam", "get_user", {"UserName": "nobody"}),
    ("iam", "list_mfa_devices", {"UserName": "nobody"}),
    ("s3", "get_bucket_policy", {"Bucket": "nowhere"}),
    ("ec2", "describe_vpcs", {"region": "eu-west-1"}),
    ("iam", "get_user", {"Nonsense": 1}),
    ("iam", "list_users", {"PaginationConfig": {"MaxItems": 2, "PageSize": 1}}),
    ("logs", "describe_log_groups", {"PaginationConfig": {"PageSize": "x"}}),
    ("sns", "get_sms_attributes", {}),
    ("iam", "listusers", {}),
    ("iam", "list__users", {}),
    ("iam", "get__user", {"UserName": "nobody"}),
    ("iam", "no_such_thing", {}),
    ("no-such-service", "list_users", {}),
    ("iam", "list_users", {"region": "no region"}),
    ("s3", "create_bucket", BUCKET),
]
#: What nobody asked when it was recorded.
UNASKED = [
    ("iam", "list_users", {"MaxItems": 99}),
    ("iam", "get_user", {}),
    ("sns", "get_sms_attributes", {"attributes": ["x"]}),
    ("iam", "no_such_thing_either", {}),
    ("no-other-service", "list_users", {}),
    ("s3", "delete_bucket", BUCKET),
    ("s3", "list_buckets", {"region": "eu-west-1"}),
]
ENTRY = {"allow_calls": ("s3:GetObject",), "max_attempts": 1}


def _title(asked):
    return " ".join(map(str, asked))


@pytest.fixture
def recorded(moto):
    """The session of an account with something in it, asked all of the above; its recording."""
    from lab.moto import Fault

    s3, iam = moto.admin("s3"), moto.admin("iam")
    s3.create_bucket(**BUCKET)
    s3.put_object(**BUCKET, Key="k", Body=b"\xff\0content")
    for name in ("alice", "bob", "carol", "dave", "eve"):
        iam.create_user(UserName=name)
    iam.create_access_key(**USER)
    for number in range(8):
        moto.admin("logs").create_log_group(logGroupName=f"g{number}")
    moto.admin("dynamodb").create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    journal = MemoryJournal()
    target = moto.target(**ENTRY)
    secrets = Secrets(Redactor())
    session = Connections({target.name: target}, secrets, journal=journal).aws(target)
    with moto.faults(Fault("eu-west-1 DescribeVpcs", "UnauthorizedOperation")):
        told = [said(session, *asked) for asked in (*ANSWERED, *ODD)]
    return told, target, journal


def said(session, service, operation, params):
    """All that a check sees of a call, and what it used."""
    with collected() as trail:
        try:
            found = session.call(service, operation, **params)
        except Exception as error:  # noqa: BLE001 - whatever it raises is compared
            cause = error.__cause__
            found = [(type(each), str(each)) for each in (error, cause)]
            found.append(getattr(cause, "response", None))
            found = str(found)
    return repr(found), list(trail.ids), trail.redacted


def refuse(*_):
    raise AssertionError("no client was needed")


def test_answers_need_no_client(recorded, monkeypatch):
    told, target, journal = recorded
    monkeypatch.setattr(replay_clients, "whole_session", refuse)
    with offline():
        session = replay_session(target, journal.player())
        again = [said(session, *asked) for asked in ANSWERED]
    assert again == told[: len(ANSWERED)]
    assert not [each for each in again if each[0].startswith("[(")]
    pages = {asked[1]: len(each[1]) for asked, each in zip(ANSWERED, again, strict=True)}
    assert pages["describe_log_groups"] == 3
    assert "g0" in again[ANSWERED.index(PAGES)][0]
    assert "g7" in again[ANSWERED.index(PAGES)][0]


def of_client(target, journal, asked):
    """What a client says, as the session was before anybody asked it."""
    return said(replay_session(target, journal.player())._whole(), *asked)


def test_a_client_would_have_said_the_same(recorded):
    told, target, journal = recorded
    every = [*ANSWERED, *ODD]
    with offline():
        again = {_title(each): said(replay_session(target, journal.player()), *each)
                 for each in every}  # fmt: skip
        clients = {_title(each): of_client(target, journal, each) for each in every}
    assert again == clients
    assert again == dict(zip(map(_title, every), told, strict=True))


def test_what_was_not_asked_then(recorded):
    _, target, journal = recorded
    with offline():
        for each in UNASKED:
            session = replay_session(target, journal.player())
            assert said(session, *each) == of_client(target, journal, each)


def test_a_page_that_is_missing_is_no_end(recorded):
    _, target, journal = recorded
    pages = journal.by_id(said(replay_session(target, journal.player()), *PAGES)[1])
    assert len(pages) == 3
    journal.kept.remove(pages[-1])
    first = said(replay_session(target, journal.player()), *PAGES)
    assert "is not in the recording" in first[0]
    assert len(first[1]) == 2
    assert of_client(target, journal, PAGES) == first


def test_a_client_that_was_given_a_page_size_by_mistake_does_not_hide_the_pages(recorded):
    _, target, journal = recorded
    asked = {"PaginationConfig": {"PageSize": 3}}
    live = Connections({target.name: target}, Secrets(Redactor()), journal=journal).aws(target)
    first = said(live, "iam", "list_users", asked)
    with pytest.raises(ParamValidationError):
        live.client("iam").list_users(**asked)
    with offline():
        session = replay_session(target, journal.player())
        assert said(session, "iam", "list_users", asked) == first
    assert "alice" in first[0]


def test_an_error_is_an_answer_only_for_who_expects_it(recorded):
    _, target, journal = recorded
    session = replay_session(target, journal.player())
    for _ in range(2):
        asked = {"UserName": "nobody"}
        assert session.call("iam", "get_user", ok=["NoSuchEntity"], **asked) is None
        with pytest.raises(CannotAssess) as caught:
            session.call("iam", "get_user", **asked)
        assert (
            type(caught.value.__cause__) is session.client("iam").exceptions.NoSuchEntityException
        )


def test_the_guard_is_asked_about_recorded_calls_too(moto):
    journal = MemoryJournal()
    target = moto.target(allow_calls=("s3:GetObject",))
    open_session(target, Secrets(Redactor()), journal=journal)
    call = Call(target="payments", service="s3", operation="GetObject", region=REGION)
    CallRecorder(journal, "payments").begin(call, {"Key": "k"})(None, {"Body": b"x"})
    found = replay_session(target, journal.player()).call("s3", "get_object", Key="k")
    assert found == {"Body": b"x"}
    strict = replay_session(moto.target(), journal.player())
    assert "RefusedByPolicy" in said(strict, "s3", "get_object", {"Key": "k"})[0]


def test_calls_that_there_are_not_are_refused_when_it_opens(moto):
    journal = MemoryJournal()
    open_session(moto.target(), Secrets(Redactor()), journal=journal)
    for wrong in ({"allow_calls": ("s3:Gibberish",)}, {"deny_calls": ("nothing:*",)}):
        with pytest.raises(Unreachable, match="is no call of boto3"):
            replay_session(moto.target(**wrong), journal.player())


@pytest.mark.parametrize("by_client", [False, True])
def test_an_endpoint_that_is_dead_ends_its_other_calls(moto, by_client):
    journal = MemoryJournal()
    open_session(moto.target(), Secrets(Redactor()), journal=journal)
    for asked in journal.kept:
        if asked.answer and "endpoint_url" in asked.answer:
            asked.answer["endpoint_url"] = None  # so that services have endpoints of their own
    gone = EndpointConnectionError(endpoint_url="https://x", error="refused")
    for service, params, told in (
        ("sqs", {}, (gone, None)),
        ("sqs", {"QueueNamePrefix": "a"}, (None, {"QueueUrls": ["u"]})),
        ("sns", {}, (None, {"Topics": []})),
    ):
        operation = "ListQueues" if service == "sqs" else "ListTopics"
        call = Call(target="payments", service=service, operation=operation, region=REGION)
        CallRecorder(journal, "payments").begin(call, params)(*told)
    session = replay_session(moto.target(), journal.player())
    assert session.call("sqs", "list_queues", QueueNamePrefix="a") == {"QueueUrls": ["u"]}
    session = replay_session(moto.target(), journal.player())
    if by_client:
        with pytest.raises(EndpointConnectionError):
            session.client("sqs").list_queues()
    else:
        with pytest.raises(CannotAssess, match="no connection"):
            session.call("sqs", "list_queues")
    with pytest.raises(CannotAssess, match=r"ListQueues .*no connection"):
        session.call("sqs", "list_queues", QueueNamePrefix="a")
    assert session.call("sns", "list_topics") == {"Topics": []}


def test_it_is_a_session_of_boto3(recorded):
    _, target, journal = recorded
    session = replay_session(target, journal.player())
    assert isinstance(session, boto3.Session)
    assert isinstance(session, AwsSession)
    assert not isinstance(session, str)
    whole = session._whole()
    assert repr(session) == repr(whole) == f"AwsSession(region_name={REGION!r})"
    assert repr(session.call) == repr(whole.call)
    assert repr(session.client) == repr(whole.client)
    assert dir(session) == dir(whole)
    names = ("account_id", "arn", "partition", "identity", "regions", "region_name", "target")
    names += ("profile_name", "get_available_regions", "resource", "identify")
    for name in names:
        assert repr(getattr(session, name)) == repr(getattr(whole, name))
    assert session.client("iam") is session.client("iam") is whole.client("iam")
    for name in ("nonsense", "__nonsense__"):
        words = []
        for each in (session, whole):
            with pytest.raises(AttributeError) as caught:
                getattr(each, name)
            words.append(str(caught.value))
        assert words[0] == words[1]
    session.identify()
    session.close()
    session.close()


def test_its_memory_is_one(moto):
    """Whoever asks the same again gets the next answer of the recording, but not by `call`."""
    journal = MemoryJournal()
    target = moto.target()
    live = open_session(target, Secrets(Redactor()), journal=journal)
    for name in ("alice", "bob"):
        moto.admin("iam").create_user(UserName=name)
        live.client("iam").list_users()
    session = replay_session(target, journal.player())
    first = session.call("iam", "list_users")
    assert session._whole().call("iam", "list_users") == first
    assert len(first["Users"]) == 1
    assert len(session.client("iam").list_users()["Users"]) == 2


LOOK = """
import json, pickle, sys
from lab.journal import MemoryPlayer
from pytest_sysaudit.connections import Connections

with open(sys.argv[1], "rb") as file:
    target, kept, asked = pickle.load(file)
connections = Connections({target.name: target}, None, player=MemoryPlayer(kept))
session = connections.aws(target)
found = [repr(session.call(service, name, **params)) for service, name, params in asked]
found.append([session.regions, session.identity, repr(session), session.make_arn("s3", "b")])
isinstance(session, dict)
connections.states()
connections.part(target.name)
connections.close()
modules = [name for name in sys.modules if name.startswith(("boto3", "botocore."))]
from botocore.client import BaseClient
import boto3
assert isinstance(session, boto3.Session)
assert isinstance(session.client("iam"), BaseClient)
print(json.dumps([found, modules]))
"""


def test_boto3_is_not_loaded_for_answers(recorded, tmp_path):
    told, target, journal = recorded
    live = Connections({target.name: target}, None, player=journal.player()).aws(target)
    path = tmp_path / "recorded.pickle"
    path.write_bytes(pickle.dumps((target, journal.kept, ANSWERED)))
    ran = subprocess.run(
        [sys.executable, "-c", LOOK, str(path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    found, modules = json.loads(ran.stdout)
    *answers, about = found
    assert answers == [answer for answer, _, _ in told[: len(ANSWERED)]]
    assert about == [[REGION], dict(live.identity), repr(live), live.make_arn("s3", "b")]
    assert "botocore.paginate" in modules
    heavy = {
        "boto3",
        "boto3.session",
        "botocore.client",
        "botocore.session",
        "botocore.credentials",
    }
    assert not heavy & set(modules)
