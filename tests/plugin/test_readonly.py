"""What a check loads by itself cannot change anything either."""

from __future__ import annotations

import pytest


def test_boto3_that_a_check_loads_itself_can_only_read(project, refused_port):
    project.check(f"""
        @pytest.mark.control("own.client")
        def test_own_client(local_host):
            import boto3

            keys = {{"aws_access_key_id": "a", "aws_secret_access_key": "b"}}
            client = boto3.client(
                "sns", "eu-west-1", endpoint_url="http://127.0.0.1:{refused_port}", **keys
            )
            assert client.create_topic(Name="x")
    """)
    project.run("checks", "--audit-target=alpha", "-p", "no:cacheprovider").assert_outcomes(
        errors=1
    )
    (row,) = project.document["results"]
    assert "sns:CreateTopic refused, nothing was sent" in row["message"]


CHANGES = """
import boto3
import pytest

KEYS = {{"aws_access_key_id": "a", "aws_secret_access_key": "b"}}
MADE = boto3.client("sns", "eu-west-1", endpoint_url="http://127.0.0.1:{port}", **KEYS)


def told():
    try:
        MADE.create_topic(Name="x")
    except Exception as error:
        return str(error)


@pytest.mark.control("own.first")
def test_first(local_host):
    assert "refused, nothing was sent" in told()


def test_that_is_no_check():
    assert "Could not connect" in told()


@pytest.mark.control("own.second")
def test_second(host):
    assert "refused, nothing was sent" in told()


def test_that_is_no_check_either():
    assert "Could not connect" in told()
"""
AFTER = """
import pytest

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish():
    import test_it
    print("AFTER", test_it.told())
"""


@pytest.mark.parametrize("lanes", ["0", "auto"])
def test_the_guard_is_for_checks_alone(project, refused_port, lanes):
    project.check(CHANGES.format(port=refused_port))
    (project.path / "conftest.py").write_text(AFTER)
    result = project.run("checks", "-s", "--audit-lanes", lanes, "-p", "no:cacheprovider")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*AFTER Could not connect*"])
