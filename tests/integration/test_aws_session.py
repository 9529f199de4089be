"""Opening an account and reading from it, with everything that can go wrong on the way."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import botocore.exceptions
import pytest
from lab.moto import ACCOUNT, Fault, secrets

from pytest_sysaudit.aws.outcomes import explain
from pytest_sysaudit.aws.session import open_session
from pytest_sysaudit.errors import (
    CannotAssess,
    Denied,
    LoginRefused,
    NotApplicable,
    SecretError,
    TimedOut,
    Unreachable,
    WrongIdentity,
)
from pytest_sysaudit.evidence.redact import MASK, Redactor
from pytest_sysaudit.inventory.secrets import Secrets

pytest_plugins = ("lab.moto_fixtures",)

ROLE = "arn:aws:iam::123456789012:role/auditor"
OTHER_ROLE = "arn:aws:iam::999988887777:role/auditor"


def count(moto, what):
    return sum(what in request for request in moto.requests())


def test_it_is_a_boto3_session_that_knows_its_account(moto):
    session = moto.open()
    assert isinstance(session, boto3.Session)
    assert (session.account_id, session.partition) == (ACCOUNT, "aws")
    assert session.arn.startswith("arn:aws:")
    assert session.identity == {
        "account_id": ACCOUNT,
        "arn": session.arn,
        "endpoint_url": moto.url,
    }
    assert session.target.name == "payments"
    assert session.regions == ("us-east-1",)
    assert session.region_name == "us-east-1"
    assert session.client("iam").meta.config.user_agent_extra == "pytest-sysaudit"
    assert session.client("s3").meta.endpoint_url == moto.url


def test_the_keys_of_the_session_are_taken_out_of_all_texts(moto, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalr/hush+hush")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "IQoJ-hush-hush")
    redactor = Redactor()
    open_session(moto.target(), Secrets(redactor))
    assert redactor.text("wJalr/hush+hush, IQoJ-hush-hush") == f"{MASK}, {MASK}"


def test_arns_are_of_the_accounts_own_partition(moto):
    session = moto.open()
    session.partition = "aws-cn"
    assert session.make_arn("s3", "b", account=False) == "arn:aws-cn:s3:::b"
    arn = session.make_arn("ec2", "vpc/v", region="cn-north-1")
    assert arn == f"arn:aws-cn:ec2:cn-north-1:{ACCOUNT}:vpc/v"


def test_clients_are_shared_and_made_with_the_inventorys_settings(moto):
    session = moto.open(max_attempts=7, read_timeout=3, connect_timeout=2)
    client = session.client("ec2")
    assert client is session.client("ec2", region_name="us-east-1")
    assert client is not session.client("ec2", "eu-west-1")
    assert client is not session.client("ec2", verify=False)
    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 7}
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (2, 3)


# Who we are


def test_another_account_than_the_inventory_means_is_refused(moto):
    with pytest.raises(
        WrongIdentity, match=r"belong to account 123456789012 .* means 111111111111"
    ):
        moto.open(account_id="111111111111")


def test_no_account_id_in_the_inventory_takes_the_one_that_is_there(moto):
    assert moto.open(account_id=None).account_id == ACCOUNT


def test_no_credentials_at_all(moto, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(LoginRefused, match=r"payments: .*[Cc]redentials.*aws sso login"):
        moto.open()


def test_a_profile_that_is_not_there(moto):
    with pytest.raises(
        LoginRefused, match=r"^payments: The config profile \(nope\).*~/.aws/config"
    ):
        moto.open(profile="nope")


@pytest.mark.parametrize(
    "code", ["ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "AccessDenied"]
)
def test_credentials_that_aws_does_not_take(moto, code):
    with (
        moto.faults(Fault("sts .* GetCallerIdentity", code)),
        pytest.raises(LoginRefused, match=f"payments: sts:GetCallerIdentity .*{code}: made"),
    ):
        moto.open()
    assert count(moto, "GetCallerIdentity") == 1


@pytest.mark.parametrize(("code", "status"), [("InternalFailure", 500), ("Throttling", 400)])
def test_an_sts_that_does_not_answer_properly(moto, code, status):
    with moto.faults(Fault("sts", code, status)), pytest.raises(Unreachable, match=code) as error:
        moto.open(max_attempts=1)
    assert not isinstance(error.value, LoginRefused)


def test_an_endpoint_that_is_not_there_is_named(moto):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unreachable, match=url) as error:
            moto.open(endpoint_url=url, max_attempts=1)
    assert not isinstance(error.value, LoginRefused)


def test_an_endpoint_that_accepts_and_is_silent(moto):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match=url):
            moto.open(endpoint_url=url, max_attempts=1, read_timeout=0.3)


@pytest.mark.parametrize("url", ["http://nosuch.invalid", "http://[", "http://127.0.0.1:x"])
def test_an_endpoint_that_is_none(moto, url):
    with pytest.raises(Unreachable, match=r"^payments: "):
        moto.open(endpoint_url=url, max_attempts=1)


def test_a_ca_bundle_that_is_missing(moto, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nonexistent/ca.pem")
    with pytest.raises(Unreachable, match=r"payments: .*ca\.pem"):
        moto.open(endpoint_url=moto.url.replace("http:", "https:"), max_attempts=1)


def test_no_region_anywhere(moto):
    with pytest.raises(Unreachable, match="no region to ask; set regions in the inventory"):
        moto.open(regions=())


def test_the_region_of_the_environment(moto, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert moto.open(regions=()).regions == ("eu-central-1",)


def test_the_endpoint_of_the_environment_is_used_and_shown(moto, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
    session = moto.open(endpoint_url=None)
    assert session.identity["AWS_ENDPOINT_URL"] == moto.url
    moto.admin("s3").create_bucket(Bucket="shown")
    assert session.call("s3", "head_bucket", Bucket="shown") is not None  # path style


# Profiles and roles


@pytest.fixture
def profiles(moto, tmp_path, monkeypatch):
    def write(text):
        path = tmp_path / "config"
        path.write_text(text)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    return write


def test_a_profile_gives_keys_and_region(moto, profiles):
    profiles(
        "[profile audit]\nregion = eu-north-1\n"
        "aws_access_key_id = FROMPROFILE\naws_secret_access_key = x\n"
    )
    assert moto.open(profile="audit", regions=()).regions == ("eu-north-1",)
    assert count(moto, "FROMPROFILE sts eu-north-1 GetCallerIdentity") == 1


def test_a_profile_that_assumes_a_role_itself(moto, profiles):
    profiles(
        f"[profile audit]\nrole_arn = {ROLE}\nsource_profile = base\nregion = us-east-1\n"
        f"endpoint_url = {moto.url}\n"
        "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = x\n"
    )
    assert ":assumed-role/auditor/" in moto.open(profile="audit").arn


@pytest.mark.parametrize("expires", ["2020-01-01T00:00:00Z", None], ids=["expired", "missing"])
def test_an_sso_login_that_has_run_out(moto, profiles, tmp_path, monkeypatch, expires):
    profiles(
        "[profile audit]\nsso_session = corp\nsso_account_id = 123456789012\n"
        "sso_role_name = Audit\nregion = us-east-1\n"
        "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\n"
        "sso_region = us-east-1\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    if expires:
        import hashlib
        import json

        cache = tmp_path / ".aws/sso/cache"
        cache.mkdir(parents=True)
        name = hashlib.sha1(b"corp").hexdigest()
        token = {"accessToken": "t", "expiresAt": expires, "startUrl": "https://corp"}
        (cache / f"{name}.json").write_text(json.dumps(token))
    with pytest.raises(LoginRefused, match="aws sso login"):
        moto.open(profile="audit")


def test_a_role_is_assumed_and_cut_down_to_reading(moto, monkeypatch):
    monkeypatch.setenv("TRUST", "s3cr3t-external-id")
    session = moto.open(role_arn=OTHER_ROLE, account_id="999988887777", external_id="env:TRUST")
    assert session.account_id == "999988887777"
    assert ":assumed-role/auditor/pytest-sysaudit" in session.arn
    (asked,) = [one for one in moto.requests() if " AssumeRole " in one]
    assert asked.startswith("AUDITOR sts us-east-1 AssumeRole ")
    assert "arn:aws:iam::aws:policy/SecurityAudit" in asked
    assert "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess" in asked
    assert '"ExternalId": "s3cr3t-external-id"' in asked
    session.call("s3", "list_buckets")
    assert count(moto, " AssumeRole ") == 1


def test_a_role_that_may_not_be_assumed(moto):
    with (
        moto.faults(Fault("AssumeRole", "AccessDenied")),
        pytest.raises(LoginRefused, match="trust policy"),
    ):
        moto.open(role_arn=ROLE)


def test_a_role_of_another_account_than_the_inventory_means(moto):
    with pytest.raises(WrongIdentity, match="999988887777"):
        moto.open(role_arn=OTHER_ROLE)


def test_an_external_id_that_cannot_be_had(moto):
    with pytest.raises(SecretError):
        moto.open(role_arn=ROLE, external_id="env:NOT_THERE")


def test_keys_that_end_are_renewed_with_the_role(moto):
    session = moto.open(role_arn=ROLE)
    credentials = session.get_credentials()
    credentials._expiry_time = credentials._time_fetcher()
    credentials._refresh_using.__self__._cache.clear()
    session.client("s3").list_buckets()
    assert count(moto, " AssumeRole ") == 2


# Regions


def test_all_regions_are_those_that_the_account_has(moto):
    session = moto.open(regions=("eu-west-1", "all"))
    assert "eu-west-1" in session.regions
    assert len(session.regions) > 10
    assert list(session.regions) == sorted(session.regions)
    assert "ap-southeast-7" not in session.regions  # not enabled
    assert count(moto, "DescribeRegions") == 1


def test_all_regions_are_never_guessed(moto):
    session = moto.open(regions=("eu-west-1", "all"))
    with (
        moto.faults(Fault("DescribeRegions", "UnauthorizedOperation")),
        pytest.raises(Denied, match="needs the permission ec2:DescribeRegions"),
    ):
        _ = session.regions


# Reading


def test_a_call_is_made_once_whoever_asks(moto):
    session = moto.open()
    with moto.faults(Fault("DescribeVpcs", sleep=0.2)), ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda i: session.call("ec2", "DescribeVpcs", f"eu-west-{1 + i % 2}"), range(64)
            )
        )
    assert count(moto, "DescribeVpcs") == 2
    assert len({answer["Vpcs"][0]["VpcId"] for answer in answers}) == 2
    session.call("ec2", "describe_vpcs", region="eu-west-1")
    assert count(moto, "DescribeVpcs") == 2


def test_parameters_tell_calls_apart_and_their_order_does_not(moto):
    session = moto.open()
    one, two = {"Name": "state", "Values": ["b"]}, {"Values": ["b"], "Name": "state"}
    session.call("ec2", "describe_vpcs", Filters=[one])
    session.call("ec2", "describe_vpcs", Filters=[two])
    assert count(moto, "DescribeVpcs") == 1
    session.call("ec2", "describe_vpcs")
    assert count(moto, "DescribeVpcs") == 2


def test_pages_are_merged(moto):
    admin = moto.admin("iam")
    for number in range(7):
        admin.create_role(RoleName=f"role{number}", AssumeRolePolicyDocument="{}")
    answer = moto.open().call("iam", "list_roles", PaginationConfig={"PageSize": 2})
    assert sorted(role["RoleName"] for role in answer["Roles"]) == [f"role{n}" for n in range(7)]
    assert count(moto, "ListRoles") == 4


def test_a_page_that_fails_leaves_no_half_answer(moto):
    admin = moto.admin("iam")
    for number in range(4):
        admin.create_role(RoleName=f"role{number}", AssumeRolePolicyDocument="{}")
    session = moto.open(max_attempts=1)
    faults = Fault("ListRoles", times=1, sleep=0.01), Fault("ListRoles", "Throttling", 400)
    with moto.faults(*faults), pytest.raises(CannotAssess, match="throttled"):
        session.call("iam", "list_roles", PaginationConfig={"PageSize": 2})
    assert count(moto, "ListRoles") == 2


def test_what_a_check_does_to_an_answer_stays_with_it(moto):
    session = moto.open()
    first = session.call("ec2", "describe_vpcs")
    first["Vpcs"][0]["Tags"] = "mine"
    first["Vpcs"].clear()
    again = session.call("ec2", "describe_vpcs")["Vpcs"]
    assert len(again) == 1
    assert again[0].get("Tags") != "mine"


def test_an_answer_that_says_there_is_none(moto):
    moto.admin("s3").create_bucket(Bucket="ledger")
    session = moto.open()
    ok = ("NoSuchBucketPolicy",)
    assert session.call("s3", "get_bucket_policy", Bucket="ledger", ok=ok) is None
    assert session.call("s3", "get_bucket_policy", Bucket="ledger", ok=ok[0]) is None
    with pytest.raises(CannotAssess, match="payments: s3:GetBucketPolicy in us-east-1: NoSuchB"):
        session.call("s3", "get_bucket_policy", Bucket="ledger")
    assert count(moto, "GET /ledger?policy") == 1


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (Fault("ListUsers", "AccessDenied"), Denied, "needs the permission iam:ListUsers"),
        (Fault("ListUsers", "Weird", 403), Denied, "needs the permission iam:ListUsers"),
        (Fault("ListUsers", "Throttling", 400), CannotAssess, "throttled"),
        (Fault("ListUsers", "ServiceFailure", 503), CannotAssess, "the service failed"),
        (Fault("ListUsers", "OptInRequired", 403), NotApplicable, "OptInRequired"),
        (Fault("ListUsers", "ExpiredToken", 403), LoginRefused, "they have run out"),
        (Fault("ListUsers", "NoSuchThing", 404), CannotAssess, "NoSuchThing: made up"),
        (Fault("ListUsers", sleep=1), TimedOut, "Read timeout"),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_every_error_gets_its_meaning_at_one_border(moto, fault, kind, message):
    session = moto.open(max_attempts=1, read_timeout=0.3)
    with moto.faults(fault):
        with pytest.raises((CannotAssess, NotApplicable), match=message) as error:
            session.call("iam", "list_users")
        assert type(error.value) is kind
        assert str(error.value).startswith("payments: iam:ListUsers in us-east-1: ")
    # It is remembered: nothing is asked twice, not even when it would go well now.
    asked = len(moto.requests())
    with pytest.raises(kind, match=message):
        session.call("iam", "list_users")
    assert len(moto.requests()) == asked


def test_the_action_is_named_as_iam_spells_it(moto):
    with (
        moto.faults(Fault("s3 .* GET /$", "AccessDenied")),
        pytest.raises(Denied, match=r"s3:ListBuckets .* permission s3:ListAllMyBuckets"),
    ):
        moto.open().call("s3", "list_buckets")


def test_throttling_that_ends_is_waited_for(moto):
    with moto.faults(Fault("ListUsers", "Throttling", 400, times=2)):
        assert moto.open().call("iam", "list_users") == {"Users": []}
    assert count(moto, "ListUsers") == 3


def test_errors_of_plain_clients_are_boto3s_own_and_can_be_explained(moto):
    session = moto.open()
    with (
        moto.faults(Fault("ListUsers", "AccessDenied")),
        pytest.raises(botocore.exceptions.ClientError) as error,
    ):
        session.client("iam").list_users()
    explained = explain(error.value)
    assert type(explained) is Denied
    assert str(explained).startswith("payments: iam:ListUsers in us-east-1: AccessDenied: made up")
    with pytest.raises(session.client("s3").exceptions.NoSuchBucket):
        session.client("s3").list_objects_v2(Bucket="none")


# What is dead is not asked again


def test_credentials_that_end_in_the_middle_end_the_account(moto):
    session = moto.open()
    with (
        moto.faults(Fault("ListUsers", "ExpiredToken")),
        pytest.raises(LoginRefused, match="run out"),
    ):
        session.call("iam", "list_users")
    asked = len(moto.requests())
    for ask in (
        lambda: session.call("iam", "list_roles"),
        lambda: session.client("ec2", "eu-west-1").describe_vpcs(),
    ):
        with pytest.raises(LoginRefused, match=r"payments: iam:ListUsers .*run out"):
            ask()
    assert len(moto.requests()) == asked


def test_keys_that_are_deleted_in_the_middle_end_the_account(moto):
    session = moto.open()
    with moto.faults(Fault(".", "InvalidClientTokenId")):
        with pytest.raises(LoginRefused, match="check the keys"):
            session.call("iam", "list_users")
        asked = len(moto.requests())
        with pytest.raises(LoginRefused):
            session.call("iam", "list_roles")
        assert len(moto.requests()) == asked


def test_a_region_that_is_off_is_not_applicable(moto):
    session = moto.open()
    off = "ap-southeast-7"
    with (
        moto.faults(Fault(f"ec2 {off}", "AuthFailure")),
        pytest.raises(NotApplicable, match=f"region {off} is not enabled for the account"),
    ):
        session.call("ec2", "describe_vpcs", region=off)
    assert session.call("ec2", "describe_vpcs")["Vpcs"]


def test_a_region_that_is_on_and_refuses_is_an_error(moto):
    session = moto.open()
    with (
        moto.faults(Fault("ec2 eu-west-1", "AuthFailure")),
        pytest.raises(Denied, match="although AWS takes the credentials in us-east-1"),
    ):
        session.call("ec2", "describe_vpcs", region="eu-west-1")


def test_a_region_of_which_nothing_is_known_is_an_error(moto):
    session = moto.open()
    faults = Fault("ec2 eu-west-1", "AuthFailure"), Fault("DescribeRegions", "AccessDenied")
    with moto.faults(*faults), pytest.raises(CannotAssess, match="is unknown") as error:
        session.call("ec2", "describe_vpcs", region="eu-west-1")
    assert not isinstance(error.value, NotApplicable)


def test_an_endpoint_that_goes_away_is_tried_once(moto):
    session = moto.open(max_attempts=1)
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        client = session.client("iam", endpoint_url=f"http://127.0.0.1:{gone.getsockname()[1]}")
        with pytest.raises(botocore.exceptions.EndpointConnectionError):
            client.list_users()
        with pytest.raises(CannotAssess, match="no connection"):
            client.list_roles()
    assert session.call("iam", "list_users") == {"Users": []}


# What else is promised


def test_whoever_wants_to_know_is_told_of_every_call(moto):
    told = []
    session = moto.open(on_call=told.append)
    moto.admin("s3").create_bucket(Bucket="ledger")
    session.call("s3", "get_bucket_policy", Bucket="ledger", ok=["NoSuchBucketPolicy"])
    session.client("s3").list_buckets()
    plain = [exchange.to_plain() for exchange in told]
    assert [(one["call"], one["error"]) for one in plain] == [
        ("sts:GetCallerIdentity", ""),
        ("s3:GetBucketPolicy", "NoSuchBucketPolicy"),
        ("s3:ListBuckets", ""),
    ]
    assert plain[1]["params"] == {"Bucket": "ledger"}
    assert plain[2]["answer"]["Buckets"][0]["Name"] == "ledger"
    assert "AWS_SECRET" not in str(plain)


def test_the_control_plane_of_s3_works_on_a_custom_endpoint(moto):
    answer = moto.open().call(
        "s3control",
        "get_public_access_block",
        AccountId=ACCOUNT,
        ok=["NoSuchPublicAccessBlockConfiguration"],
    )
    assert answer is None


def test_closing_twice_is_fine(moto):
    session = moto.open()
    session.close()
    session.close()


def test_a_session_may_be_opened_from_many_threads(moto):
    sessions, barrier = [], threading.Barrier(4)

    def start():
        barrier.wait()
        sessions.append(moto.open().account_id)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sessions == [ACCOUNT] * 4


def test_only_aws_targets_are_opened():
    from pytest_sysaudit.inventory.model import Host
    from pytest_sysaudit.inventory.target import Kind, Target

    target = Target(name="web1", kind=Kind.SSH, entry=Host())
    with pytest.raises(TypeError, match="web1 is no AWS account"):
        open_session(target, secrets())
