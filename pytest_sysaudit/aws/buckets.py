"""The S3 buckets of an account, and what shuts them to the public."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sysaudit.aws.session import AwsSession

#: The four switches of S3's public access block.
FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_NONE = ("NoSuchPublicAccessBlockConfiguration",)


def buckets(session: AwsSession) -> dict[str, str]:
    """Return the account's buckets: name to ARN.

    Raises:
        CannotAssess: they cannot be listed.
    """
    found = session.call("s3", "list_buckets")["Buckets"]
    return {
        bucket["Name"]: session.make_arn("s3", bucket["Name"], account=False) for bucket in found
    }


def open_flags(session: AwsSession, bucket: str) -> list[str]:
    """Return the switches that neither *bucket* nor the account has on; [] is what one wants.

    Raises:
        CannotAssess: one of the two cannot be read.
    """
    account = session.call(
        "s3control", "get_public_access_block", AccountId=session.account_id, ok=_NONE
    )
    own = session.call("s3", "get_public_access_block", Bucket=bucket, ok=_NONE)
    blocks = [answer["PublicAccessBlockConfiguration"] for answer in (account, own) if answer]
    return [flag for flag in FLAGS if not any(block.get(flag) for block in blocks)]
