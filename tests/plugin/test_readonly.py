"""What a check loads by itself cannot change anything either."""

from __future__ import annotations


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
