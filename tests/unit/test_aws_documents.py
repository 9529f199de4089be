"""Policies and security groups: what their documents mean, row by row."""

from __future__ import annotations

import json

import pytest

from pytest_sysaudit.aws.exposure import covers_world, reaches
from pytest_sysaudit.aws.policies import allows_everything, denies_plain_http, statements

ARN = "arn:aws:s3:::ledger"
TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": [ARN, f"{ARN}/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def policy(*found):
    return {"Version": "2012-10-17", "Statement": list(found)}


@pytest.mark.parametrize(
    ("changes", "denies"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ["*"]}}, True),
        ({"Action": ["S3:*"]}, True),
        ({"Action": "*"}, True),
        ({"Resource": f"{ARN}*"}, True),
        ({"Resource": "*"}, True),
        ({"Condition": {"Bool": {"aws:securetransport": ["false"]}}}, True),
        ({"Condition": {"BoolIfExists": {"aws:SecureTransport": False}}}, True),
        ({"Effect": "Allow"}, False),
        ({"Principal": {"AWS": "arn:aws:iam::1:root"}}, False),
        ({"Principal": {"Service": "*"}}, False),
        ({"Action": "s3:GetObject"}, False),
        ({"Resource": ARN}, False),
        ({"Resource": f"{ARN}/*"}, False),
        ({"Resource": [ARN, f"{ARN}/public/*"]}, False),
        ({"Resource": ["arn:aws:s3:::other", "arn:aws:s3:::other/*"]}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
        ({"Condition": {}}, False),
        ({"Condition": None}, False),
        (
            {
                "Condition": {
                    "Bool": {"aws:SecureTransport": "false"},
                    "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
                }
            },
            False,
        ),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false", "aws:x": "true"}}}, False),
        ({"Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}}, False),
    ],
)
def test_refusing_plain_http(changes, denies):
    assert denies_plain_http(policy({**TLS, **changes}), ARN) is denies


def test_one_good_statement_of_several_is_enough():
    both = policy({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}, TLS)
    assert denies_plain_http(json.dumps(both), ARN)


@pytest.mark.parametrize(
    ("statement", "everything"),
    [
        ({"Effect": "Allow", "Action": "*", "Resource": "*"}, True),
        ({"Effect": "Allow", "Action": ["iam:Get*", "*"], "Resource": ["a", "*"]}, True),
        ({"Effect": "Allow", "Action": "*:*", "Resource": "*"}, True),
        ({"Effect": "Allow", "Action": "**", "Resource": "*"}, True),
        ({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:*"}, True),
        ({"Effect": "Allow", "Action": "*", "Resource": "arn:*:*:*:*:*"}, True),
        ({"Effect": "Allow", "NotAction": "aws-portal:*", "Resource": "*"}, True),
        ({"Effect": "Allow", "NotAction": "iam:Create*", "Resource": "*"}, True),
        ({"Effect": "Allow", "NotAction": ["IAM:*", "organizations:*"], "Resource": "*"}, False),
        ({"Effect": "Allow", "NotAction": "s3:*", "Resource": "arn:aws:s3:::b"}, False),
        ({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:*"}, False),
        ({"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}, False),
        ({"Effect": "Deny", "Action": "*", "Resource": "*"}, False),
        ({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}, False),
        ({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b"}, False),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, False),
    ],
)
def test_allowing_everything(statement, everything):
    assert allows_everything(policy(statement)) is everything
    assert allows_everything({"Statement": statement}) is everything


def test_a_policy_without_statements():
    assert statements("{}") == []


@pytest.mark.parametrize(
    ("rule", "port", "through"),
    [
        ({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}, 22, True),
        ({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}, 23, False),
        ({"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535}, 22, True),
        ({"IpProtocol": "tcp", "FromPort": 23, "ToPort": 65535}, 22, False),
        ({"IpProtocol": "6", "FromPort": 20, "ToPort": 22}, 22, True),
        ({"IpProtocol": "udp", "FromPort": 3389, "ToPort": 3389}, 3389, True),
        ({"IpProtocol": "-1"}, 22, True),
        ({"IpProtocol": "-1", "FromPort": -1, "ToPort": -1}, 22, True),
        ({"IpProtocol": "tcp"}, 22, True),
        ({"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1}, 22, False),
        ({"IpProtocol": "icmp", "FromPort": 8, "ToPort": 255}, 22, False),
        ({"IpProtocol": "50"}, 22, False),
    ],
)
def test_what_a_rule_lets_through(rule, port, through):
    assert reaches(rule, port) is through


@pytest.mark.parametrize(
    ("sources", "version", "world"),
    [
        (["0.0.0.0/0"], 4, True),
        (["192.0.2.1/0"], 4, True),
        (["10.0.0.0/8"], 4, False),
        (["0.0.0.0/1", "128.0.0.0/1"], 4, True),
        (["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/2"], 4, True),
        (["0.0.0.0/1", "128.0.0.0/2"], 4, False),
        (["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3"], 4, True),
        (["1.0.0.0/8", "2.0.0.0/7"], 4, False),
        (["2000::/3"], 6, True),
        (["2000::/4"], 6, False),
        (["::/0"], 4, False),
        (["::/0"], 6, True),
        (["::/1", "8000::/1"], 6, True),
        (["2001:db8::/32", "0.0.0.0/0"], 6, False),
        ([], 4, False),
    ],
)
def test_what_is_the_whole_world(sources, version, world):
    assert covers_world(sources, version) is world
