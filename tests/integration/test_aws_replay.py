"""A recorded account judged again: the same values, with nothing opened and nobody asked."""

from __future__ import annotations

import pytest
from lab.journal import MemoryJournal
from lab.judged import checks_of, judged
from lab.moto import ACCOUNT, Fault, secrets
from lab.offline import offline

from pytest_sysaudit.connections import Connections
from pytest_sysaudit.errors import CannotAssess, Denied, RefusedByPolicy, SecretError, Unreachable
from pytest_sysaudit.evidence.trail import collected

pytest_plugins = ("lab.moto_fixtures",)

REGION = "us-east-1"
CHECKS = checks_of("checks.aws.test_s3", "checks.aws.test_ec2", "checks.aws.test_iam")


class NoSecrets:
    """A replay asks for none."""

    def __getattr__(self, name):
        raise SecretError(f"a replay asked for a secret: {name}")


def live(moto, journal, **entry):
    target = moto.target(**entry)
    return Connections({target.name: target}, secrets(), journal=journal).aws(target)


def again(moto, journal, **entry):
    """The session of the same inventory, from the recording."""
    target = moto.target(**entry)
    player = journal.player()
    return Connections({target.name: target}, NoSecrets(), player=player).aws(target)


@pytest.fixture
def furnished(moto):
    """An account with something of everything that the checks look at."""
    s3, iam, ec2 = moto.admin("s3"), moto.admin("iam"), moto.admin("ec2")
    for name in ("ledger", "backup"):
        s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket="ledger", VersioningConfiguration={"Status": "Enabled"})
    for name in ("alice", "bob"):
        iam.create_user(UserName=name)
    iam.create_login_profile(UserName="alice", Password="Not-4-Secret!")
    iam.create_access_key(UserName="alice")
    document = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    )
    iam.put_user_policy(UserName="bob", PolicyName="all", PolicyDocument=document)
    ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
    return moto


def test_every_shipped_check_sees_the_same_again(furnished, monkeypatch):
    journal = MemoryJournal()
    session = live(furnished, journal)
    first = {
        name: judged(check, {"aws_session": session, "aws_region": REGION})
        for name, check in CHECKS.items()
    }
    assert {row["verdict"] for row in first.values()} >= {"pass", "fail"}
    assert all(row["evidence"] for row in first.values())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_DEFAULTS_MODE", "auto")  # would ask the metadata service for a region
    monkeypatch.setenv("AWS_PROFILE", "gone")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "no endpoint")
    asked = len(furnished.requests())
    with offline():
        session = again(furnished, journal)
        second = {
            name: judged(check, {"aws_session": session, "aws_region": REGION})
            for name, check in CHECKS.items()
        }
        for name, check in reversed(CHECKS.items()):  # in another order, each with its own session
            session = again(furnished, journal)
            assert judged(check, {"aws_session": session, "aws_region": REGION}) == first[name]
    assert second == first
    assert len(furnished.requests()) == asked


def test_who_gets_an_answer_from_memory_used_it_too(furnished):
    journal = MemoryJournal()
    session = live(furnished, journal)
    trails = []
    for _ in range(2):
        with collected() as trail:
            session.call("iam", "list_users")
        trails.append(list(trail.ids))
    assert trails[0] == trails[1]
    assert len(trails[0]) == 1
    with furnished.faults(Fault("ListRoles", "AccessDenied")):
        for _ in range(2):
            with collected() as trail, pytest.raises(Denied):
                session.call("iam", "list_roles")
            trails.append(list(trail.ids))
    assert trails[2] == trails[3] != []


def test_the_session_itself_is_the_same(moto, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    journal = MemoryJournal()
    first = live(moto, journal, regions=["all"])
    facts = [(s.account_id, s.arn, s.partition, s.region_name, s.regions, s.identity)
             for s in (first,)]  # fmt: skip
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with offline():
        second = again(moto, journal, regions=["all"])
        assert [(second.account_id, second.arn, second.partition, second.region_name,
                 second.regions, second.identity)] == facts  # fmt: skip
    assert first.account_id == ACCOUNT
    assert len(first.regions) > 1


def seen(function):
    """What a call gives or raises, to be compared."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001 - whatever it raises, the replay raises the same
        response = getattr(error, "response", None)
        return [type(error).__name__, str(error), response, type(error).__mro__[1].__name__]


def values(session):
    """Every way to read: clients, pages, waiters, resources, bodies, and errors of all kinds."""
    s3, iam = session.client("s3"), session.client("iam")
    pages = iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 2})
    yield [user["UserName"] for page in pages for user in page["Users"]]
    body = s3.get_object(Bucket="ledger", Key="k")["Body"]
    yield body.read(2), body.read()
    yield list(session.call("s3", "get_object", Bucket="ledger", Key="k").items())
    s3.get_waiter("bucket_exists").wait(Bucket="ledger")
    yield sorted(bucket.name for bucket in session.resource("s3").buckets.all())
    yield session.client("dynamodb").describe_table(TableName="t")["Table"]["CreationDateTime"]
    yield seen(lambda: s3.get_bucket_policy(Bucket="ledger"))
    yield seen(lambda: s3.head_bucket(Bucket="nowhere-at-all"))
    yield seen(lambda: iam.get_user(UserName="nobody"))
    yield seen(lambda: iam.exceptions.NoSuchEntityException)
    yield seen(lambda: iam.get_user(Nonsense=1))
    yield seen(lambda: session.call("iam", "get_user", UserName="nobody"))
    yield session.call("s3", "get_bucket_policy", Bucket="ledger", ok=["NoSuchBucketPolicy"])
    yield seen(lambda: session.call("ec2", "describe_vpcs", region="eu-west-1"))
    yield seen(lambda: session.call("ec2", "describe_vpcs", region="eu-west-1"))


def test_every_way_to_read_gives_the_same(furnished):
    furnished.admin("s3").put_object(Bucket="ledger", Key="k", Body=b"\xff\0content")
    furnished.admin("dynamodb").create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for name in ("carol", "dave", "eve"):
        furnished.admin("iam").create_user(UserName=name)
    entry = {"allow_calls": ("s3:GetObject",), "max_attempts": 1}
    journal = MemoryJournal()
    with furnished.faults(Fault("eu-west-1 DescribeVpcs", "UnauthorizedOperation")):
        first = list(map(repr, values(live(furnished, journal, **entry))))
    with offline():
        second = list(map(repr, values(again(furnished, journal, **entry))))
    assert second == first
    assert "alice" in first[0]
    assert "eve" in first[0]
    assert "UnauthorizedOperation" in first[-1]


def test_what_is_learned_from_a_failure_is_learned_again_in_the_same_order(moto):
    """Credentials that a region refuses: STS and the list of regions are asked why."""
    journal = MemoryJournal()
    trails, words = [], []

    def look(session):
        for _ in range(2):
            with collected() as trail:
                words.append(seen(lambda: session.call("ec2", "describe_vpcs", region="eu-west-1")))
            trails.append(list(trail.ids))

    with moto.faults(Fault("eu-west-1 DescribeVpcs", "AuthFailure")):
        look(live(moto, journal))
    with offline():
        look(again(moto, journal))
    assert len(trails[0]) == 3
    assert trails == [trails[0]] * 4
    assert words == [words[0]] * 4
    assert "although AWS takes the credentials" in words[0][1]


def test_places_in_lists_are_told_apart_without_being_kept(furnished):
    """Tokens of pages look like secrets; with the same mask for all, boto3 would see a circle."""
    logs = furnished.admin("logs")
    for number in range(12):
        logs.create_log_group(logGroupName=f"g{number:02}")
    journal = MemoryJournal()

    def names(session):
        pages = session.client("logs").get_paginator("describe_log_groups")
        found = pages.paginate(PaginationConfig={"PageSize": 5})
        return [[group["logGroupName"] for group in page["logGroups"]] for page in found]

    first = names(live(furnished, journal))
    assert [len(page) for page in first] == [5, 5, 2]
    with offline():
        assert names(again(furnished, journal)) == first
    tokens = [one.asked.get("params", {}).get("nextToken") for one in journal.of("api")]
    assert [set(token) for token in tokens if token] == [{"$page"}, {"$page"}]


def test_what_was_not_asked_then_cannot_be_assessed(moto):
    journal = MemoryJournal()
    live(moto, journal)
    session = again(moto, journal)
    words = (
        r"payments: ec2:DescribeVpcs in us-east-1 \(VpcIds=\['vpc-1'\]\) is not in the recording"
    )
    with offline(), pytest.raises(CannotAssess, match=words):
        session.call("ec2", "describe_vpcs", VpcIds=["vpc-1"])
    with offline(), pytest.raises(CannotAssess, match="is not in the recording"):
        session.client("ec2").describe_vpcs(VpcIds=["vpc-1"])


def test_the_guard_stays(moto):
    journal = MemoryJournal()
    live(moto, journal)
    with offline(), pytest.raises(RefusedByPolicy):
        again(moto, journal).client("s3").create_bucket(Bucket="b")
    assert not [one for one in journal.of("api") if one.asked.get("operation") == "CreateBucket"]


def test_an_account_that_did_not_open_does_not_open_again(moto):
    journal = MemoryJournal()
    words = []
    for opened in (live, again):
        with pytest.raises(Unreachable) as caught:
            opened(moto, journal, account_id="210987654321")
        words.append(str(caught.value))
    assert words[0] == words[1]
    assert "210987654321" in words[0]


def test_an_endpoint_that_is_dead_is_dead_again(moto):
    journal = MemoryJournal()
    first = live(moto, journal, max_attempts=1)
    first.client("sqs", endpoint_url="http://127.0.0.1:9")
    asked = lambda s: s.client("sqs", endpoint_url="http://127.0.0.1:9").list_queues()  # noqa: E731
    told = [seen(lambda: asked(first)) for _ in range(2)]
    second = again(moto, journal, max_attempts=1)
    with offline():
        assert [seen(lambda: asked(second)) for _ in range(2)] == told
    assert told[0][0] == "EndpointConnectionError"
    assert told[1][0] == "CannotAssess"


def test_a_secret_in_an_answer_is_not_kept_and_its_reader_is_known(furnished):
    furnished.admin("iam").create_role(
        RoleName="r",
        AssumeRolePolicyDocument="{}",
        Description="password=Planted-Secret-77",
    )
    journal = MemoryJournal()
    session = live(furnished, journal)
    with collected() as trail:
        assert "Planted-Secret-77" in str(session.call("iam", "list_roles"))
    assert trail.redacted
    assert "Planted-Secret-77" not in repr(journal.kept)
    with collected() as trail:
        session.call("iam", "list_users")
    assert not trail.redacted


def test_without_a_journal_nothing_is_prepared(moto, monkeypatch):
    from pytest_sysaudit.aws import recording

    def refuse(*_: object) -> None:
        raise AssertionError("nothing is kept")

    for name in ("asked_of", "to_plain", "whole"):
        monkeypatch.setattr(recording, name, refuse)
    session = moto.open()
    assert session.call("iam", "list_users") == {"Users": []}
