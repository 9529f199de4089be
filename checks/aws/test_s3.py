"""S3 buckets."""

from __future__ import annotations

import pytest

from pytest_sysaudit.aws.buckets import buckets, open_flags
from pytest_sysaudit.aws.policies import denies_plain_http


@pytest.mark.control(
    "aws.s3-public-access-blocked",
    severity="high",
    frameworks={"cis-aws-3.0": ["2.1.4"], "cis-aws-5.0": ["2.1.4"]},
)
def test_buckets_block_public_access(aws_session, audit):
    """Every bucket blocks public access, by its own switches or by the account's.

    Why: one wrong ACL or bucket policy otherwise puts its content on the internet.

    Fix: turn on all four switches of the public access block, best for the whole account.
    """
    for name, arn in buckets(aws_session).items():
        with audit.resource(arn):
            off = audit.observe("off", open_flags(aws_session, name))
            assert off == [], f"neither bucket nor account turns on {', '.join(off)}"


@pytest.mark.control(
    "aws.s3-secure-transport",
    severity="medium",
    frameworks={"cis-aws-3.0": ["2.1.1"], "cis-aws-5.0": ["2.1.1"]},
)
def test_buckets_refuse_plain_http(aws_session, audit):
    """Every bucket policy refuses requests without TLS.

    Why: S3 answers plain HTTP too, and whoever is on the way can then read and change the content.

    Fix: deny s3:* to everyone on the bucket and its objects if aws:SecureTransport is false.
    """
    for name, arn in buckets(aws_session).items():
        with audit.resource(arn):
            found = aws_session.call(
                "s3", "get_bucket_policy", Bucket=name, ok=["NoSuchBucketPolicy"]
            )
            policy = audit.observe("policy", found and found["Policy"])
            assert policy is not None, "it has no bucket policy"
            assert denies_plain_http(policy, arn), "no statement denies requests without TLS"


@pytest.mark.control("aws.s3-default-encryption", severity="medium")
def test_buckets_encrypt_by_default(aws_session, audit):
    """Every bucket encrypts what is stored without saying how.

    Why: what leaves AWS's disks by another way than S3 cannot be read then.

    Fix: set default encryption of the bucket to SSE-S3 or to a KMS key.
    """
    missing = ["ServerSideEncryptionConfigurationNotFoundError"]
    for name, arn in buckets(aws_session).items():
        with audit.resource(arn):
            found = aws_session.call("s3", "get_bucket_encryption", Bucket=name, ok=missing)
            rules = found["ServerSideEncryptionConfiguration"]["Rules"] if found else []
            assert audit.observe("rules", rules), "it has no default encryption"


@pytest.mark.control("aws.s3-versioning", severity="low")
def test_buckets_keep_versions(aws_session, audit):
    """Every bucket keeps earlier versions of its objects.

    Why: what is overwritten or deleted, by mistake or by an attacker, can be had back.

    Fix: enable versioning of the bucket, with a lifecycle rule that ends old versions.
    """
    for name, arn in buckets(aws_session).items():
        with audit.resource(arn):
            found = aws_session.call("s3", "get_bucket_versioning", Bucket=name)
            status = audit.observe("versioning", found.get("Status", "never enabled"))
            assert status == "Enabled", f"versioning: {status}"
