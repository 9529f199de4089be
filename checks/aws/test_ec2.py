"""EC2: security groups, instances, volumes, networks. Each check runs once a region."""

from __future__ import annotations

import pytest

from pytest_sysaudit.aws.exposure import ports_open_to_world


@pytest.mark.control(
    "aws.ec2-admin-ports-ipv4",
    severity="high",
    frameworks={"cis-aws-3.0": ["5.2"], "cis-aws-5.0": ["5.3"]},
    inputs={"ports": [22, 3389]},
)
def test_admin_ports_are_closed_to_the_ipv4_world(aws_session, aws_region, audit):
    """No security group opens ssh or remote desktop to every IPv4 address.

    Why: every such port is found within minutes and tried with stolen passwords from then on.

    Fix: name the addresses that may connect, or use Session Manager in place of open ports.
    """
    groups = aws_session.call("ec2", "describe_security_groups", region=aws_region)
    for group in groups["SecurityGroups"]:
        arn = aws_session.make_arn("ec2", f"security-group/{group['GroupId']}", region=aws_region)
        with audit.resource(arn):
            ports = audit.inputs.ports
            found = ports_open_to_world(aws_session, aws_region, group, ports, version=4)
            assert audit.observe("open", found) == [], f"{group['GroupName']} opens {found} to all"


@pytest.mark.control(
    "aws.ec2-admin-ports-ipv6",
    severity="high",
    frameworks={"cis-aws-3.0": ["5.3"], "cis-aws-5.0": ["5.4"]},
    inputs={"ports": [22, 3389]},
)
def test_admin_ports_are_closed_to_the_ipv6_world(aws_session, aws_region, audit):
    """No security group opens ssh or remote desktop to every IPv6 address.

    Why: a rule for ::/0 is as open as one for 0.0.0.0/0, and more easily overlooked.

    Fix: name the addresses that may connect, or use Session Manager in place of open ports.
    """
    groups = aws_session.call("ec2", "describe_security_groups", region=aws_region)
    for group in groups["SecurityGroups"]:
        arn = aws_session.make_arn("ec2", f"security-group/{group['GroupId']}", region=aws_region)
        with audit.resource(arn):
            ports = audit.inputs.ports
            found = ports_open_to_world(aws_session, aws_region, group, ports, version=6)
            assert audit.observe("open", found) == [], f"{group['GroupName']} opens {found} to all"


@pytest.mark.control(
    "aws.ec2-default-group-closed",
    severity="medium",
    frameworks={"cis-aws-3.0": ["5.4"], "cis-aws-5.0": ["5.5"]},
)
def test_default_security_groups_let_nothing_through(aws_session, aws_region, audit):
    """The default security group of every VPC has no rules.

    Why: what is started without naming a group gets this one, and with it all it allows.

    Fix: move everything out of the default groups and delete their rules, in and out.
    """
    default = [{"Name": "group-name", "Values": ["default"]}]
    groups = aws_session.call("ec2", "describe_security_groups", region=aws_region, Filters=default)
    for group in groups["SecurityGroups"]:
        arn = aws_session.make_arn("ec2", f"security-group/{group['GroupId']}", region=aws_region)
        with audit.resource(arn):
            assert audit.observe("inbound", group["IpPermissions"]) == [], "it lets something in"
            outbound = audit.observe("outbound", group["IpPermissionsEgress"])
            assert outbound == [], "it lets something out"


@pytest.mark.control(
    "aws.ec2-imdsv2",
    severity="high",
    frameworks={"cis-aws-3.0": ["5.6"], "cis-aws-5.0": ["5.7"]},
)
def test_instances_ask_for_metadata_tokens(aws_session, aws_region, audit):
    """Every instance answers metadata requests only with a session token (IMDSv2).

    Why: else one forged request through a web application hands out the instance's credentials.

    Fix: set HttpTokens of the instance's metadata options to required.
    """
    found = aws_session.call("ec2", "describe_instances", region=aws_region)["Reservations"]
    for instance in (item for each in found for item in each["Instances"]):
        arn = aws_session.make_arn("ec2", f"instance/{instance['InstanceId']}", region=aws_region)
        with audit.resource(arn):
            if instance["State"]["Name"] in ("shutting-down", "terminated"):
                audit.not_applicable("it is terminated")
            options = audit.observe("metadata", instance["MetadataOptions"])
            safe = options["HttpTokens"] == "required" or options["HttpEndpoint"] == "disabled"
            assert safe, "it answers metadata requests without a token"


@pytest.mark.control(
    "aws.ebs-default-encryption",
    severity="medium",
    frameworks={"cis-aws-3.0": ["2.2.1"], "cis-aws-5.0": ["5.1.1"]},
)
def test_volumes_are_encrypted_by_default(aws_session, aws_region, audit):
    """New EBS volumes of the region are encrypted without being asked.

    Why: snapshots and disks that leave the account by mistake cannot be read then.

    Fix: turn on encryption by default in the EBS settings of the region.
    """
    answer = aws_session.call("ec2", "get_ebs_encryption_by_default", region=aws_region)
    encrypted = audit.observe("encrypted_by_default", answer["EbsEncryptionByDefault"])
    assert encrypted, f"encryption by default is off in {aws_region}"


@pytest.mark.control(
    "aws.vpc-flow-logs",
    severity="medium",
    frameworks={"cis-aws-3.0": ["3.7"], "cis-aws-5.0": ["3.7"]},
)
def test_networks_log_their_flows(aws_session, aws_region, audit):
    """Every VPC has a working flow log that sees rejected traffic.

    Why: without it nobody can tell afterwards who tried to connect to what.

    Fix: create a flow log of the VPC for rejected or all traffic; where its logs cannot be
    delivered, repair its role or its destination.
    """
    logs = aws_session.call("ec2", "describe_flow_logs", region=aws_region)["FlowLogs"]
    for vpc in aws_session.call("ec2", "describe_vpcs", region=aws_region)["Vpcs"]:
        with audit.resource(aws_session.make_arn("ec2", f"vpc/{vpc['VpcId']}", region=aws_region)):
            own = [log for log in logs if log["ResourceId"] == vpc["VpcId"]]
            own = [log for log in own if log.get("DeliverLogsStatus") != "FAILED"]
            active = [log["TrafficType"] for log in own if log["FlowLogStatus"] == "ACTIVE"]
            seen = {"REJECT", "ALL"} & set(audit.observe("logged", active))
            assert seen, "no flow log that works sees rejected traffic"
