"""Limits of what a session leaves behind, and of how long it stays."""

from __future__ import annotations

import re

import pytest

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: Where core dumps go to be lost.
NOWHERE = ("/dev/null", "|/bin/false", "|/usr/bin/false", "|/bin/true", "|/usr/bin/true")
SHELL_FILES = ("/etc/profile", "/etc/profile.d/*", "/etc/bash.bashrc", "/etc/bashrc")
_SOURCED = re.compile(r"/etc/(?!profile\.d/)[^/]+$|\.sh$|/sh\.local$")
_TMOUT = re.compile(r"(?<![\w$])TMOUT:?=[\"']?([^\s;\"'}&|]*)|\bunset\s+(?:-v\s+)?TMOUT\b")


def _unlimited(host, services):
    """Yield what is missing where a limit is to keep processes from dumping core."""
    limits = host.facts.core_dumps
    rule = limits.hard()
    if rule is None:
        yield "no line `* hard core 0`"
    elif rule.value != "0":
        yield f"the limit `* hard core {rule.value}` in {rule.place}"
    for limit in limits.limits:
        if limit.domain != "*" and limit.value != "0":
            yield f"the limit `{limit.domain} hard core {limit.value}` in {limit.place}"
    try:
        pam = host.facts.pam
    except NotApplicable:
        yield "without PAM nothing applies the limits"
        return
    for name in services:
        if name in pam and not [r for r in pam.rules(name, "session") if r.module == "pam_limits"]:
            yield f"{name} does not apply them: it has no session line with pam_limits"


@pytest.mark.control(
    "coredump.limits",
    severity="low",
    frameworks={
        "cis-debian12": ["1.5.3"],
        "cis-dil": ["1.5.1"],
        "nist-800-53": ["CM-6", "SC-7(10)"],
        "pci-dss-4": ["3.3", "3.3.1", "3.3.1.1"],
        "dev-sec": ["sysctl-31a"],
    },
    inputs={"services": ["login", "sshd"], "handlers": []},
)
def test_processes_leave_no_core_dumps(host, audit):
    """No process writes its memory to a file when it crashes.

    Why: passwords and keys are in that memory, and the file stays.

    Fix: put `* hard core 0` into /etc/security/limits.conf, or, where the kernel hands dumps to
    systemd-coredump, `Storage=none` into /etc/systemd/coredump.conf. Without PAM:
    `kernel.core_pattern = |/bin/false`. Name programs that may get dumps in the input `handlers`.
    """
    pattern = audit.observe("kernel.core_pattern", host.facts.sysctl["kernel.core_pattern"])
    program = pattern[1:].split()[0] if pattern.startswith("|") and pattern[1:].split() else ""
    bad = []
    if pattern in NOWHERE or program in audit.inputs.handlers:
        audit.observe("kept", "nowhere, or by a program that may")
    elif program.endswith("/systemd-coredump"):
        kept = host.facts.core_dumps.handler.get("storage") or "external"
        bad = [f"systemd-coredump keeps dumps: Storage={kept}"] if kept != "none" else []
    elif program:
        bad = [f"the kernel hands dumps to {program}, which no limit stops"]
    else:
        bad = list(_unlimited(host, audit.inputs.services))
    assert not bad, listed(bad)


@pytest.mark.control(
    "account.tmout",
    severity="low",
    frameworks={
        "cis-debian12": ["5.4.3.2"],
        "cis-dil": ["5.4.5"],
        "nist-800-53": ["AC-12", "AC-2(5)", "CM-6(a)", "SC-10"],
        "pci-dss-4": ["8.6", "8.6.1"],
    },
    inputs={"maximum": 900},
)
def test_idle_shells_end(host, audit):
    """A shell that nobody uses ends by itself.

    Why: whoever passes an open terminal is its user.

    Fix: put `readonly TMOUT=900; export TMOUT` into a file /etc/profile.d/NAME.sh. Every line that
    sets it counts, for nobody can tell which one a shell comes to last.
    """
    found = {}
    host.facts.texts.ask(SHELL_FILES)
    for pattern in SHELL_FILES:
        for path, number, line in host.facts.texts[pattern].lines():
            for match in _TMOUT.finditer(line) if _SOURCED.search(path) else ():
                found[f"{path}:{number}"] = match[1] or "nothing"
    audit.observe("TMOUT", found)
    strange = [f"{v} in {p}" for p, v in found.items() if not v.isdigit() and v != "nothing"]
    bad = [
        f"{value} in {place}"
        for place, value in found.items()
        if value == "nothing" or (value.isdigit() and not 0 < int(value) <= audit.inputs.maximum)
    ]
    assert found, "no file of /etc/profile sets TMOUT"
    assert not bad, f"TMOUT is not between 1 and {audit.inputs.maximum}: {listed(bad)}"
    if strange:
        audit.cannot_assess(f"TMOUT is no number: {listed(strange)}")
