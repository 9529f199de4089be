"""The server process of the embedded AWS account: ``moto_main READY_FILE REGION``."""

from __future__ import annotations

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

EVERYONE = "0.0.0.0/0"
IMAGE = "ami-12c6146b"


def make_server(wrap: Any = lambda application: application) -> Any:
    """Return moto's server on a free port of loopback, not serving yet.

    Args:
        wrap: is given the WSGI application and returns the one to serve.
    """
    from moto.moto_server import werkzeug_app as moto
    from werkzeug import serving

    application = wrap(moto.DomainDispatcherApplication(moto.create_backend_app))
    # moto has a handler of its own since 5.2.5
    handler = getattr(moto, "MotoRequestHandler", serving.WSGIRequestHandler)
    server = serving.make_server(
        "127.0.0.1", 0, application, threaded=True, request_handler=handler
    )
    os.environ["MOTO_PORT"] = str(server.port)
    return server


def fill(url: str, region: str) -> None:
    """Put a small account behind *url*: most checks find something good and something bad."""
    import boto3

    session = boto3.Session("AKIASYSAUDITSEEDING0", "not-a-secret", region_name=region)
    clients = {name: session.client(name, endpoint_url=url) for name in ("s3", "iam", "ec2")}
    clients["sts"] = session.client("sts", endpoint_url=url)
    account = clients["sts"].get_caller_identity()["Account"]
    with ThreadPoolExecutor() as pool:  # moto imports each service on its first request
        jobs = [
            pool.submit(_fill_s3, clients["s3"], account, region),
            pool.submit(_fill_iam, clients["iam"], account),
            pool.submit(_fill_ec2, clients["ec2"]),
        ]
    for job in jobs:
        job.result()


def _fill_s3(s3: Any, account: str, region: str) -> None:
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    for name in (f"ledger-{account}", f"site-{account}"):
        s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else elsewhere))
    good = f"ledger-{account}"
    flags = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
    s3.put_public_access_block(
        Bucket=good, PublicAccessBlockConfiguration=dict.fromkeys(flags, True)
    )
    s3.put_bucket_versioning(Bucket=good, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=good, ServerSideEncryptionConfiguration={"Rules": [rule]})
    arn = f"arn:aws:s3:::{good}"
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket=good, Policy=_policy(statement))


def _fill_iam(iam: Any, account: str) -> None:
    iam.update_account_password_policy(MinimumPasswordLength=8, PasswordReusePrevention=24)
    for user in ("alice", "bob", "deploy"):
        iam.create_user(UserName=user)
    for user in ("alice", "bob"):
        iam.create_login_profile(UserName=user, Password="Not-4-Secret!")  # noqa: S106 - a stand-in
    device = f"arn:aws:iam::{account}:mfa/alice"
    iam.create_virtual_mfa_device(VirtualMFADeviceName="alice")
    iam.enable_mfa_device(
        UserName="alice",
        SerialNumber=device,
        AuthenticationCode1="123456",
        AuthenticationCode2="654321",
    )
    iam.create_access_key(UserName="deploy")
    all_of_it = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    wide = iam.create_policy(PolicyName="do-anything", PolicyDocument=_policy(all_of_it))
    iam.attach_user_policy(UserName="deploy", PolicyArn=wide["Policy"]["Arn"])
    little = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    narrow = iam.create_policy(PolicyName="list-buckets", PolicyDocument=_policy(little))
    iam.create_group(GroupName="staff")
    iam.attach_group_policy(GroupName="staff", PolicyArn=narrow["Policy"]["Arn"])


def _fill_ec2(ec2: Any) -> None:
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    for name, port in (("bastion", 22), ("web", 443)):
        group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        world = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
        ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[{**world, "IpRanges": [{"CidrIp": EVERYONE}]}]
        )
    for tokens in ("optional", "required"):
        ec2.run_instances(
            ImageId=IMAGE, MinCount=1, MaxCount=1, MetadataOptions={"HttpTokens": tokens}
        )


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def announce(ready: Path, url: str) -> None:
    """Write the file that tells the parent where we are; it is whole as soon as it is there."""
    draft = ready.with_suffix(".new")
    draft.write_text(json.dumps({"url": url}))
    draft.replace(ready)


def main() -> None:
    """Serve until we are ended."""
    ready, region = Path(sys.argv[1]), sys.argv[2]
    server = make_server()
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    url = f"http://127.0.0.1:{server.port}"
    fill(url, region)
    announce(ready, url)
    serving.join()


if __name__ == "__main__":
    main()
