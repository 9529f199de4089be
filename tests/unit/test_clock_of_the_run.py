"""Ages and expiry dates are judged by the time of the run, which a replay has again."""

from __future__ import annotations

from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from lab.judged import checks_of, judged

from pytest_sysaudit.clock import set_now
from pytest_sysaudit.http.certificate import Certificate
from pytest_sysaudit.http.pages import SecurityTxt

END = datetime(2001, 1, 11, tzinfo=UTC)
DAY = timedelta(days=1)


def at(moment, function):
    """What *function* gives in a run that began at *moment*."""

    def run():
        set_now(moment)
        return function()

    return copy_context().run(run)


def certificate():
    names = [name for name in Certificate.__slots__ if name not in ("not_before", "not_after")]
    return Certificate(**dict.fromkeys(names, ""), not_before=END - 90 * DAY, not_after=END)


@pytest.mark.parametrize("moment, left", [(END - 10 * DAY, 10), (END, 0), (END + DAY, -1)])
def test_certificates(moment, left):
    assert at(moment, lambda: certificate().days_left()) == left
    assert at(moment, lambda: certificate().days_left(END - 3 * DAY)) == 3


@pytest.mark.parametrize("moment, current", [(END - DAY, True), (END, False)])
def test_security_txt(moment, current):
    assert at(moment, lambda: SecurityTxt((), END).current()) is current
    assert SecurityTxt((), END).current(END - DAY)


@pytest.mark.parametrize("days, verdict", [(90, "pass"), (91, "fail")])
def test_access_keys(days, verdict):
    key = {"AccessKeyId": "AKIA", "Status": "Active", "CreateDate": END}
    answers = {
        "list_users": {"Users": [{"UserName": "a", "Arn": "arn:a"}]},
        "list_access_keys": {"AccessKeyMetadata": [key]},
    }
    session = SimpleNamespace(call=lambda _, name, **__: answers[name])
    check = checks_of("checks.aws.test_iam")["aws.iam-access-key-age"]
    found = at(END + days * DAY, lambda: judged(check, {"aws_session": session}))
    assert found["verdict"] == verdict, found


@pytest.mark.parametrize("days, verdict", [(0, "pass"), (-2, "fail")])
def test_passwords_of_the_future(days, verdict):
    ages = SimpleNamespace(changed=(END - datetime(1970, 1, 1, tzinfo=UTC)).days, maximum=365,
                           minimum=1, warning=7, inactive=30)  # fmt: skip
    entry = SimpleNamespace(name="root", state="set", ages=ages)
    host = SimpleNamespace(facts=SimpleNamespace(shadow=[entry]))
    name, check = next(
        (name, check)
        for name, check in checks_of("checks.linux.test_password_ages").items()
        if check.__name__ == "test_passwords_age"
    )
    found = at(END + days * DAY, lambda: judged(check, {"host": host}))
    assert found["verdict"] == verdict, (name, found)
