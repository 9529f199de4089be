"""What policy documents of IAM and S3 say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

Document = str | Mapping[str, Any]
#: Who may do one of these to himself may do everything a moment later.
_MAKING_ADMINS = ("iam:attachuserpolicy", "iam:putuserpolicy", "iam:attachrolepolicy")
_ALL_ACTIONS = re.compile(r"[*?:]*\*[*?:]*")
_ALL_RESOURCES = re.compile(r"[*?:]*\*[*?:]*|arn:(aws[a-z-]*|[*?]+)(:[*?]*)+")
#: An object name that only a wildcard matches.
_ANY_KEY = "\N{SNOWMAN}/\N{SNOWMAN}"


def statements(document: Document) -> list[dict[str, Any]]:
    """Return the statements of a policy: JSON text, or what boto3 made of it."""
    policy = json.loads(document) if isinstance(document, str) else document
    return [dict(statement) for statement in _as_list(policy.get("Statement"))]


def allows_everything(document: Document) -> bool:
    """Whether one statement allows all actions on all resources, whatever its conditions.

    ``*`` may be written in other ways (``**``, ``arn:aws:*``). All actions but some (NotAction) are
    all if those that make administrators are not among the exceptions.
    """
    return any(
        statement.get("Effect") == "Allow"
        and (_all_actions(statement) or _all_but(statement))
        and any(_ALL_RESOURCES.fullmatch(str(r)) for r in _as_list(statement.get("Resource")))
        for statement in statements(document)
    )


def inline_policies(details: Mapping[str, Any]) -> Iterator[tuple[str, Document]]:
    """Yield name and document of every policy inside a user, a group or a role.

    Args:
        details: the answer of iam:GetAccountAuthorizationDetails. The name is the ARN of the
            holder, a blank, and the policy's own name.
    """
    lists = ("UserPolicyList", "GroupPolicyList", "RolePolicyList")
    for kind in ("UserDetailList", "GroupDetailList", "RoleDetailList"):
        for holder in details.get(kind, ()):
            for policy in (policy for name in lists for policy in holder.get(name, ())):
                yield f"{holder['Arn']} {policy['PolicyName']}", policy["PolicyDocument"]


def denies_plain_http(document: Document, bucket_arn: str) -> bool:
    """Whether one statement denies everyone everything in a bucket unless it comes over TLS."""
    return any(
        statement.get("Effect") == "Deny"
        and _is_everyone(statement.get("Principal"))
        and {"*", "s3:*"} & {str(a).lower() for a in _as_list(statement.get("Action"))}
        and _covers_bucket(_as_list(statement.get("Resource")), bucket_arn)
        and _is_plain_http(statement.get("Condition"))
        for statement in statements(document)
    )


def _all_actions(statement: Mapping[str, Any]) -> bool:
    return any(_ALL_ACTIONS.fullmatch(str(a)) for a in _as_list(statement.get("Action")))


def _all_but(statement: Mapping[str, Any]) -> bool:
    if "NotAction" not in statement:
        return False
    exceptions = [str(action).lower() for action in _as_list(statement["NotAction"])]
    return any(
        not any(fnmatchcase(action, exception) for exception in exceptions)
        for action in _MAKING_ADMINS
    )


def _is_everyone(principal: Any) -> bool:
    if isinstance(principal, Mapping):
        return "*" in _as_list(principal.get("AWS"))
    return bool(principal == "*")


def _covers_bucket(resources: list[Any], arn: str) -> bool:
    """Whether the bucket itself and every object in it are meant."""
    return all(
        any(fnmatchcase(wanted, str(pattern)) for pattern in resources)
        for wanted in (arn, f"{arn}/{_ANY_KEY}")
    )


def _is_plain_http(condition: Any) -> bool:
    """Whether a condition is met by every request without TLS: no second condition narrows it."""
    if not isinstance(condition, Mapping) or len(condition) != 1:
        return False
    ((operator, tests),) = condition.items()
    if operator not in ("Bool", "BoolIfExists") or len(tests) != 1:
        return False
    ((key, value),) = tests.items()
    values = [str(item).lower() for item in _as_list(value)]
    return str(key).lower() == "aws:securetransport" and values == ["false"]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
