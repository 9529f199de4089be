"""IAM: the root user, users, keys, passwords, policies."""

from __future__ import annotations

import pytest

from pytest_sysaudit.aws.policies import allows_everything, inline_policies


@pytest.mark.control(
    "aws.iam-root-access-key",
    severity="critical",
    frameworks={"cis-aws-3.0": ["1.4"], "cis-aws-5.0": ["1.3"]},
)
def test_root_user_has_no_access_key(aws_session, audit):
    """The root user has no access key.

    Why: such a key can do everything in the account and nothing can limit it.

    Fix: sign in as root and delete its access keys; use roles in their place.
    """
    summary = aws_session.call("iam", "get_account_summary")["SummaryMap"]
    keys = audit.observe("root_access_keys", summary["AccountAccessKeysPresent"])
    assert keys == 0, "the root user has an access key"


@pytest.mark.control(
    "aws.iam-root-mfa",
    severity="critical",
    frameworks={"cis-aws-3.0": ["1.5"], "cis-aws-5.0": ["1.4"]},
)
def test_root_user_signs_in_with_mfa(aws_session, audit):
    """The root user signs in with a second factor.

    Why: a guessed or stolen password is then not enough to own the account.

    Fix: sign in as root and register an MFA device, best a hardware one.
    """
    summary = aws_session.call("iam", "get_account_summary")["SummaryMap"]
    assert audit.observe("root_mfa", summary["AccountMFAEnabled"]) == 1, "it has no MFA device"


@pytest.mark.control(
    "aws.iam-password-length",
    severity="medium",
    frameworks={"cis-aws-3.0": ["1.8"], "cis-aws-5.0": ["1.7"]},
    inputs={"minimum": 14},
)
def test_password_policy_asks_for_long_passwords(aws_session, audit):
    """The account's password policy asks for long passwords.

    Why: short passwords are found by trying.

    Fix: set the minimum length in the account's password policy.
    """
    policy = aws_session.call("iam", "get_account_password_policy", ok=["NoSuchEntity"])
    assert policy is not None, "the account has no password policy"
    length = audit.observe("length", policy["PasswordPolicy"].get("MinimumPasswordLength", 0))
    assert length >= audit.inputs.minimum, (
        f"{length} characters are enough; expected: {audit.inputs.minimum} or more"
    )


@pytest.mark.control(
    "aws.iam-password-reuse",
    severity="low",
    frameworks={"cis-aws-3.0": ["1.9"], "cis-aws-5.0": ["1.8"]},
    inputs={"minimum": 24},
)
def test_password_policy_prevents_reuse(aws_session, audit):
    """The account's password policy remembers earlier passwords.

    Why: a password that leaked once must not come back.

    Fix: set password reuse prevention in the account's password policy.
    """
    policy = aws_session.call("iam", "get_account_password_policy", ok=["NoSuchEntity"])
    assert policy is not None, "the account has no password policy"
    kept = audit.observe("remembered", policy["PasswordPolicy"].get("PasswordReusePrevention", 0))
    assert kept >= audit.inputs.minimum, (
        f"it remembers {kept} passwords; expected: {audit.inputs.minimum} or more"
    )


@pytest.mark.control(
    "aws.iam-console-mfa",
    severity="high",
    frameworks={"cis-aws-3.0": ["1.10"], "cis-aws-5.0": ["1.9"]},
)
def test_console_users_have_mfa(aws_session, audit):
    """Every user with a console password has a second factor.

    Why: a password alone is phished easily.

    Fix: let the user register an MFA device, or take the console password away.
    """
    for user in aws_session.call("iam", "list_users")["Users"]:
        with audit.resource(user["Arn"]):
            name = {"UserName": user["UserName"]}
            if aws_session.call("iam", "get_login_profile", ok=["NoSuchEntity"], **name) is None:
                audit.not_applicable("it has no console password")
            devices = aws_session.call("iam", "list_mfa_devices", **name)["MFADevices"]
            assert audit.observe("devices", len(devices)) >= 1, "a password and no MFA device"


@pytest.mark.control(
    "aws.iam-access-key-age",
    severity="medium",
    frameworks={"cis-aws-3.0": ["1.14"], "cis-aws-5.0": ["1.13"]},
    inputs={"maximum_days": 90},
)
def test_access_keys_are_renewed(aws_session, audit):
    """No active access key is older than the allowed number of days.

    Why: the longer a key lives, the more places know it.

    Fix: create a new key, let its users change over, delete the old one; better, use roles.
    """
    for user in aws_session.call("iam", "list_users")["Users"]:
        listed = aws_session.call("iam", "list_access_keys", UserName=user["UserName"])
        for key in (key for key in listed["AccessKeyMetadata"] if key["Status"] == "Active"):
            with audit.resource(f"{user['Arn']} {key['AccessKeyId']}"):
                age = audit.observe("days", (audit.now - key["CreateDate"]).days)
                assert age <= audit.inputs.maximum_days, (
                    f"it is {age} days old; expected: {audit.inputs.maximum_days} or less"
                )


@pytest.mark.control(
    "aws.iam-single-access-key",
    severity="low",
    frameworks={"cis-aws-3.0": ["1.13"], "cis-aws-5.0": ["1.12"]},
)
def test_users_have_one_active_access_key(aws_session, audit):
    """No user has more than one active access key.

    Why: a second key is a second thing to lose, and one of the two is usually forgotten.

    Fix: find out which key is not used any more, deactivate it, then delete it.
    """
    for user in aws_session.call("iam", "list_users")["Users"]:
        with audit.resource(user["Arn"]):
            listed = aws_session.call("iam", "list_access_keys", UserName=user["UserName"])
            states = [key["Status"] for key in listed["AccessKeyMetadata"]]
            assert audit.observe("keys", states).count("Active") <= 1, "two active access keys"


@pytest.mark.control(
    "aws.iam-no-admin-policy",
    severity="high",
    frameworks={"cis-aws-3.0": ["1.16"], "cis-aws-5.0": ["1.15"]},
)
def test_attached_policies_do_not_allow_everything(aws_session, audit):
    """No policy in use allows all actions on all resources.

    Why: whoever gets hold of one of its users or roles owns the account.

    Fix: list the actions that are needed, or detach the policy; delete it if it stands inside a
    user, group or role.
    """
    answer = aws_session.call("iam", "get_account_authorization_details")
    attached = [policy for policy in answer["Policies"] if policy["AttachmentCount"]]
    versions = [(policy["Arn"], v) for policy in attached for v in policy["PolicyVersionList"]]
    documents = [(arn, v["Document"]) for arn, v in versions if v["IsDefaultVersion"]]
    for name, document in (*documents, *inline_policies(answer)):
        with audit.resource(name):
            wide = allows_everything(audit.observe("document", document))
            assert not wide, "it allows all actions on all resources"


@pytest.mark.control(
    "aws.iam-policies-through-groups",
    severity="low",
    frameworks={"cis-aws-3.0": ["1.15"], "cis-aws-5.0": ["1.14"]},
)
def test_users_get_their_rights_from_groups(aws_session, audit):
    """No user has policies of its own.

    Why: rights that hang on single users are forgotten when people change their work.

    Fix: attach the policy to a group or a role and put the user there.
    """
    answer = aws_session.call("iam", "get_account_authorization_details", Filter=["User"])
    for user in answer["UserDetailList"]:
        with audit.resource(user["Arn"]):
            inline = [policy["PolicyName"] for policy in user.get("UserPolicyList", [])]
            attached = [policy["PolicyName"] for policy in user["AttachedManagedPolicies"]]
            own = audit.observe("own_policies", inline + attached)
            assert own == [], f"it has policies of its own: {', '.join(own)}"
