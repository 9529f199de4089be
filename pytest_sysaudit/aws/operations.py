"""Which API calls only read: data for the guard, named ``service:Operation`` as boto3 does."""

from __future__ import annotations

import re

#: Operations that begin with one of these words read, unless `NOT_READS` names them.
READ_WORDS = re.compile(
    r"(Describe|Get|List|Head|BatchGet|BatchDescribe|Lookup|Search)(?=[A-Z0-9]|$)"
)

#: Reads by another name: they compute an answer or start a report that auditors need.
ALSO_READS = frozenset(
    {
        "accessanalyzer:CheckAccessNotGranted",
        "accessanalyzer:CheckNoNewAccess",
        "accessanalyzer:CheckNoPublicAccess",
        "accessanalyzer:ValidatePolicy",
        "cloudformation:ValidateTemplate",
        "config:SelectAggregateResourceConfig",
        "config:SelectResourceConfig",
        "iam:GenerateCredentialReport",
        "iam:GenerateOrganizationsAccessReport",
        "iam:GenerateServiceLastAccessedDetails",
        "iam:SimulateCustomPolicy",
        "iam:SimulatePrincipalPolicy",
        "route53:TestDNSAnswer",
        "sts:DecodeAuthorizationMessage",
    }
)

#: What boto3 itself calls to turn a profile or a role into credentials. Checks may not call it.
CREDENTIAL_CALLS = frozenset(
    {
        "signin:CreateOAuth2Token",
        "sso-oidc:CreateToken",
        "sso:GetRoleCredentials",
        "sts:AssumeRole",
        "sts:AssumeRoleWithSAML",
        "sts:AssumeRoleWithWebIdentity",
    }
)

_MINTS_CREDENTIALS = """
account-access-runtime:GetRoleCredentials bedrock-agentcore:GetResourceApiKey
bedrock-agentcore:GetResourceOauth2Token bedrock-agentcore:GetResourcePaymentToken
bedrock-agentcore:GetWorkloadAccessToken bedrock-agentcore:GetWorkloadAccessTokenForJWT
bedrock-agentcore:GetWorkloadAccessTokenForUserId cloudwatchomni:GetSpaceCredentialsForOrganization
codeartifact:GetAuthorizationToken cognito-identity:GetCredentialsForIdentity
cognito-identity:GetOpenIdToken cognito-identity:GetOpenIdTokenForDeveloperIdentity
cognito-idp:GetTokensFromRefreshToken connect:GetFederationToken datazone:GetEnvironmentCredentials
datazone:GetIamPortalLoginUrl ecr-public:GetAuthorizationToken ecr:GetAuthorizationToken
emr-containers:GetManagedEndpointSessionCredentials emr:GetClusterSessionCredentials
emr:GetOnClusterAppUIPresignedURL emr:GetPersistentAppUIPresignedURL gamelift:GetComputeAuthToken
gamelift:GetInstanceAccess glue:GetDashboardUrl lakeformation:GetTemporaryDataLocationCredentials
lakeformation:GetTemporaryGlueFunctionCredentials lakeformation:GetTemporaryGluePartitionCredentials
lakeformation:GetTemporaryGlueTableCredentials license-manager:GetAccessToken
lightsail:GetInstanceAccessDetails lightsail:GetRelationalDatabaseMasterUserPassword
m2:GetSignedBluinsightsUrl quicksight:GetDashboardEmbedUrl quicksight:GetSessionEmbedUrl
redshift-serverless:GetCredentials redshift-serverless:GetIdentityCenterAuthToken
redshift:GetClusterCredentials redshift:GetClusterCredentialsWithIAM
redshift:GetIdentityCenterAuthToken route53globalresolver:GetAccessToken s3control:GetDataAccess
snowball:GetJobUnlockCode ssm:GetAccessToken sso:GetRoleCredentials sts:GetDelegatedAccessToken
sts:GetFederationToken sts:GetSessionToken sts:GetWebIdentityToken
"""

_HANDS_OUT_DATA = """
athena:GetQueryResults cloudtrail:GetQueryResults dynamodb:BatchGetItem dynamodb:GetItem
dynamodbstreams:GetRecords ebs:GetSnapshotBlock ec2:GetConsoleOutput ec2:GetConsoleScreenshot
ec2:GetPasswordData ecr:GetDownloadUrlForLayer glacier:GetJobOutput iot-data:GetThingShadow
ivs:BatchGetStreamKey ivs:GetStreamKey keyspacesstreams:GetRecords
kinesis-video-archived-media:GetClip kinesis-video-archived-media:GetMediaForFragmentList
kinesis-video-media:GetMedia kinesis:GetRecords kms:GetParametersForImport logs:GetLogEvents
logs:GetLogObject logs:GetLogRecord logs:GetQueryResults mediastore-data:GetObject
pca-connector-scep:GetChallengePassword s3:GetObject s3:GetObjectTorrent
secretsmanager:BatchGetSecretValue secretsmanager:GetSecretValue ssm:GetParameter
ssm:GetParameterHistory ssm:GetParameters ssm:GetParametersByPath wafv2:GetDecryptedAPIKey
workmailmessageflow:GetRawMessageContent
"""

_CHANGES_STATE = """
auditmanager:GetEvidenceFileUploadUrl cognito-identity:GetId devicefarm:GetUpload
iot:GetRegistrationCode mturk:GetFileUploadURL payment-cryptography:GetParametersForExport
payment-cryptography:GetParametersForImport security-ir:GetCaseAttachmentUploadUrl
support:GetAttachmentUploadLinks waf-regional:GetChangeToken waf:GetChangeToken
"""

#: Operations that are named like reads and are none, with what they do instead.
NOT_READS: dict[str, str] = {
    **dict.fromkeys(_CHANGES_STATE.split(), "it changes the account although its name says read"),
    **dict.fromkeys(_HANDS_OUT_DATA.split(), "it hands out the stored data itself"),
    **dict.fromkeys(CREDENTIAL_CALLS, "it gives out credentials"),
    **dict.fromkeys(_MINTS_CREDENTIALS.split(), "it gives out credentials"),
}

#: IAM actions that are not called like the operation they allow.
IAM_ACTIONS = {
    "apigateway:GetRestApis": "apigateway:GET",
    "s3:GetBucketCors": "s3:GetBucketCORS",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3control:GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
}

#: IAM prefixes of services that boto3 names otherwise.
_IAM_PREFIXES = {
    "accessanalyzer": "access-analyzer",
    "efs": "elasticfilesystem",
    "elb": "elasticloadbalancing",
    "elbv2": "elasticloadbalancing",
    "emr": "elasticmapreduce",
    "opensearch": "es",
    "resourcegroupstaggingapi": "tag",
    "s3control": "s3",
    "sesv2": "ses",
    "stepfunctions": "states",
}


def iam_action(service: str, operation: str) -> str:
    """Return the IAM action that allows *operation* of *service*, as far as it is known."""
    call = f"{service}:{operation}"
    return IAM_ACTIONS.get(call) or f"{_IAM_PREFIXES.get(service, service)}:{operation}"
