"""How old passwords may become, and what new accounts begin with."""

from __future__ import annotations

import pytest

from pytest_sysaudit.facts.login_defs import PATH, VENDOR, read_file
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")


def _late(ages, inputs, today):
    """Yield what is out of bounds in the ages of one password; a bound of 0 asks nothing."""
    if ages.changed is None or ages.changed > today:
        yield "changed in the future" if ages.changed else "the day of its change is not known"
    if inputs.maximum and (ages.maximum is None or ages.maximum > inputs.maximum):
        yield f"maximum {ages.maximum}"
    if (ages.minimum or 0) < inputs.minimum:
        yield f"minimum {ages.minimum}"
    if inputs.maximum and (ages.warning or 0) < inputs.warning:
        yield f"warning {ages.warning}"
    if inputs.inactive and (ages.inactive is None or ages.inactive > inputs.inactive):
        yield f"inactive {ages.inactive}"


@pytest.mark.control(
    "account.aging",
    severity="medium",
    frameworks={
        "cis-debian12": ["5.4.1.1", "5.4.1.5", "5.4.1.6"],
        "cis-dil": ["5.4.1.1", "5.4.1.2", "5.4.1.3", "5.4.1.4", "5.4.1.5"],
        "nist-800-53": ["AC-2(3)", "CM-6(a)", "IA-4(e)", "IA-5(1)(d)", "IA-5(f)"],
        "pci-dss-4": ["8.2", "8.2.6", "8.3", "8.3.5", "8.3.9"],
        "dev-sec": ["os-05"],
    },
    inputs={"maximum": 365, "minimum": 1, "warning": 7, "inactive": 30, "ignore": []},
)
def test_passwords_age(host, audit):
    """Passwords of accounts expire, and accounts that nobody uses are locked then.

    Why: an account whose owner left, or a password that leaked, is no use for ever; a change in the
    future switches all of this off.

    Fix: `chage -M 365 -m 1 -W 7 -I 30 NAME`. A bound of 0 asks nothing: NIST 800-63B advises
    against expiry without a reason, so whoever follows it sets `maximum` and `inactive` to 0.
    """
    tomorrow = int(audit.now.timestamp() // 86400) + 1  # it may be tomorrow where the host is
    bad, judged = [], []
    for entry in host.facts.shadow:
        if entry.state == "set" and entry.name not in audit.inputs.ignore:
            judged.append(entry.name)
            if late := "; ".join(_late(entry.ages, audit.inputs, tomorrow)):
                bad.append(f"{entry.name} ({late})")
    audit.observe("accounts with a password", judged)
    assert not bad, f"passwords that do not age: {listed(bad)}"


@pytest.mark.control(
    "account.login-defs",
    severity="medium",
    frameworks={
        "cis-debian12": ["5.4.1.1", "5.4.1.2", "5.4.1.4", "5.4.3.3"],
        "cis-dil": ["5.4.1.1", "5.4.1.2", "5.4.1.3", "5.4.4"],
        "nist-800-53": ["AC-6(1)", "CM-6(a)", "IA-5(1)(c)", "IA-5(1)(d)", "IA-5(c)", "IA-5(f)"],
        "pci-dss-4": ["8.3", "8.3.2", "8.3.9"],
        "dev-sec": ["os-05"],
    },
    inputs={
        "PASS_MAX_DAYS": 365,
        "PASS_MIN_DAYS": 1,
        "PASS_WARN_AGE": 7,
        "UMASK": "027",
        "ENCRYPT_METHOD": ["YESCRYPT", "SHA512"],
    },
)
def test_new_accounts_begin_with_safe_settings(host, audit):
    """/etc/login.defs gives new accounts ageing passwords, a strict umask and strong hashes.

    Why: accounts and files are made by these values for years before anybody looks at them.

    Fix: set them in /etc/login.defs; the last line of a name counts. The inputs have the names of
    the settings: the greatest PASS_MAX_DAYS, the least PASS_MIN_DAYS and PASS_WARN_AGE, the bits
    that UMASK must hold at least, and the methods allowed; 0 asks nothing.
    """
    asked = audit.inputs
    names = ("PASS_MAX_DAYS", "PASS_MIN_DAYS", "PASS_WARN_AGE", "UMASK", "ENCRYPT_METHOD")
    host.facts.small_files.ask((PATH, VENDOR))
    settings = read_file(host.facts)
    found = audit.observe("login.defs", {name: settings.get(name, "not set") for name in names})
    days = {name: int(settings.get(name, -1)) for name in names[:3]}
    most, umask = asked.PASS_MAX_DAYS, int(asked.UMASK, 8)
    good = {
        "PASS_MAX_DAYS": not most or 0 < days["PASS_MAX_DAYS"] <= most,
        "PASS_MIN_DAYS": days["PASS_MIN_DAYS"] >= asked.PASS_MIN_DAYS or not asked.PASS_MIN_DAYS,
        "PASS_WARN_AGE": days["PASS_WARN_AGE"] >= asked.PASS_WARN_AGE or not asked.PASS_WARN_AGE,
        "UMASK": umask & ~int(settings.get("UMASK", "0"), 8) == 0,
        "ENCRYPT_METHOD": found["ENCRYPT_METHOD"].upper() in asked.ENCRYPT_METHOD,
    }
    bad = [f"{name} is {found[name]}" for name in names if not good[name]]
    assert not bad, f"in /etc/login.defs {listed(bad)}"
