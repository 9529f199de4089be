import pytest


@pytest.mark.control("mine.bucket-names", severity="low")
def test_buckets_end_in_the_account_id(aws_session, audit):
    """The name of every bucket ends in the account's id."""
    for bucket in aws_session.call("s3", "list_buckets")["Buckets"]:
        with audit.resource(f"arn:{aws_session.partition}:s3:::{bucket['Name']}"):
            assert bucket["Name"].endswith(aws_session.account_id)


@pytest.mark.control("mine.volumes-encrypted", severity="medium")
def test_volumes_are_encrypted(aws_session, aws_region, audit):
    """No volume is unencrypted; runs once in each region."""
    for volume in aws_session.call("ec2", "describe_volumes", region=aws_region)["Volumes"]:
        arn = aws_session.make_arn("ec2", f"volume/{volume['VolumeId']}", region=aws_region)
        with audit.resource(arn):
            assert audit.observe("encrypted", volume["Encrypted"]) is True


@pytest.mark.control("mine.read-only")
def test_a_write_is_refused(aws_session):
    """A check cannot change the account."""
    assert aws_session.client("s3").delete_bucket(Bucket="site-123456789012")
