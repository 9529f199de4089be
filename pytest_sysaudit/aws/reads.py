"""What an `AwsSession` says without a client of boto3, recorded or not; boto3 is not imported."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from botocore import xform_name
from botocore.response import StreamingBody

from pytest_sysaudit.aws.calls import copied, key_of
from pytest_sysaudit.aws.outcomes import code_of, explain
from pytest_sysaudit.errors import SysauditError
from pytest_sysaudit.evidence.trail import Trail, collected, passed_on
from pytest_sysaudit.inventory.model import Aws
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.lanes import Once


class AwsSession:
    """The part of `pytest_sysaudit.AwsSession` that asks for answers and not for clients.

    It has the name of the whole, because messages of asserts show it.
    """

    account_id: str = ""
    arn: str = ""
    partition: str = ""
    target: Target
    region_name: str
    _entry: Aws
    _endpoints: Mapping[str, str]
    _memo: Once[str]

    @property
    def identity(self) -> Mapping[str, str]:
        """``account_id``, ``arn``, and by their settings the endpoints that are not AWS's own."""
        return {"account_id": self.account_id, "arn": self.arn, **self._endpoints}

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions to audit: the inventory's; for ``all`` those enabled for the account, sorted.

        Raises:
            CannotAssess: the account does not tell its regions.
        """
        if "all" not in self._entry.regions:
            return self._entry.regions or (str(self.region_name),)
        found = self.call("ec2", "describe_regions")["Regions"]
        enabled = [each for each in found if each.get("OptInStatus") != "not-opted-in"]
        return tuple(sorted(each["RegionName"] for each in enabled))

    def call(
        self,
        service: str,
        operation: str,
        region: str | None = None,
        ok: Collection[str] = (),
        **params: Any,
    ) -> Any:
        """Return what AWS answers, asked once in a run for the same arguments; pages are merged.

        Args:
            service: as in boto3: ``s3``.
            operation: ``get_bucket_policy`` or ``GetBucketPolicy``.
            region: None: the first region of the inventory, else the profile's.
            ok: error codes that are an answer here, as ``NoSuchBucketPolicy``.
            **params: the operation's own parameters.

        Returns:
            A dict as boto3 gives it, without ``ResponseMetadata``, bodies read; it is the
            caller's to change. None if AWS answered with a code of *ok*.

        Raises:
            Denied: we may not ask; the message names the permission.
            NotApplicable: the service or the region is switched off for the account.
            TimedOut, Incomplete, LoginRefused, CannotAssess: no answer, for another reason.
            RefusedByPolicy: the operation is not a read.
        """
        where = region or str(self.region_name)
        name = xform_name(operation)
        key = key_of(where, service, name, params)
        try:
            answer, seen = self._memo.get(key, lambda: self._told(service, name, where, params))
            passed_on(seen)
            return copied(answer)
        except Exception as error:
            passed_on(getattr(error, "audit_trail", Trail()))
            if isinstance(error, SysauditError):
                raise
            if code_of(error) in ([ok] if isinstance(ok, str) else ok):
                return None
            self._complete(error, service, where)
            if (reason := explain(error)) is None:
                raise
            raise reason from error

    def _told(self, *asked: Any) -> tuple[Any, Trail]:
        """Return the answer and what it was seen in: whoever gets it from memory used that, too."""
        with collected() as seen:
            try:
                return self._ask(*asked), seen
            except Exception as error:
                error.audit_trail = seen  # type: ignore[attr-defined]
                raise

    def _ask(self, service: str, name: str, region: str, params: dict[str, Any]) -> Any:
        """Return the answer to the operation *name*, as ``get_bucket_policy``, its pages merged."""
        raise NotImplementedError

    def _complete(self, error: Exception, service: str, region: str) -> None:
        """Make of *error*, which is raised, what a client of boto3 raises."""

    def make_arn(
        self, service: str, resource: str, *, region: str = "", account: bool = True
    ) -> str:
        """Return the ARN of something in this account, in its partition."""
        owner = self.account_id if account else ""
        return f"arn:{self.partition}:{service}:{region}:{owner}:{resource}"


def read_out(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return *answer* without ``ResponseMetadata``, its body read."""
    return {
        key: value.read() if isinstance(value, StreamingBody) else value
        for key, value in answer.items()
        if key != "ResponseMetadata"
    }
