"""Jobs that cron runs, and who may give it some."""

from __future__ import annotations

import re

import pytest

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: A shell, with or without its folder.
_SHELL = r"(?:\S*/)?(?:ba|da|a|k|mk|z)?sh\b"


def _is_busybox(host, program):
    """Whether *program* is a name of busybox, which asks no list of users."""
    one, other = program.details, host.facts.paths["/bin/busybox"].details
    return bool(one and other and (one.inode, one.size) == (other.inode, other.size))


@pytest.mark.control(
    "cron.allow",
    severity="low",
    frameworks={"cis-debian12": ["2.4.1.2"], "cis-dil": ["5.1.8"]},
    inputs={"owners": ["root"], "groups": ["root", "crontab", "daemon"]},
)
@pytest.mark.parametrize(
    ("program", "allow", "deny"),
    [
        ("/usr/bin/crontab", "/etc/cron.allow", "/etc/cron.deny"),
        ("/usr/bin/at", "/etc/at.allow", "/etc/at.deny"),
    ],
    ids=["cron", "at"],
)
def test_few_users_may_have_jobs(host, audit, program, allow, deny):
    """A list that only root can change names the users who may have jobs of their own.

    Why: a job goes on after its user was locked out; a list of who may not is easily outdated.

    Fix: write the names of those who need it to the file (an empty one means root alone),
    `chown root:root` and `chmod 0640` it, and delete the file ending in `.deny`.
    """
    paths = host.facts.paths
    if not paths[program].holds("e") or _is_busybox(host, paths[program]):
        audit.not_applicable(f"{program} is not here, or knows no such list")
    file, denies = paths[allow], paths[deny].holds("e")
    assert file.holds("f"), f"{allow} is not there: " + (
        f"all but those in {deny} may have jobs" if denies else "it names nobody"
    )
    if file.details is None:
        raise file.error
    known = file.details
    text = audit.observe("mode", f"{known.permissions:04o} {known.user}:{known.group}")
    owned = known.user in audit.inputs.owners and known.group in audit.inputs.groups
    ok = owned and not known.permissions & ~0o640
    assert ok, f"{allow}: {text}; expected: 0640 root:root"
    assert not denies, f"{deny} is there too; it says nothing any more"


@pytest.mark.control(
    "cron.jobs-safe",
    severity="critical",
    inputs={"allowed": []},
)
def test_jobs_of_root_are_roots(host, audit):
    """Only root can change what root's jobs run.

    Why: who may write the script, or a folder above it, is root at the next full hour.

    Fix: `chown root:root` and `chmod go-w` the file and the folders it lies in, or run the job as
    the user it belongs to. The input `allowed` names paths that may be as they are.
    """
    cron = host.facts.cron
    if not cron.jobs and not cron.scripts:
        audit.not_applicable("there is no job here")
    bad, unknown, seen = {}, None, 0
    for path, place in cron.run_by_root():
        seen += 1
        try:
            unsafe = cron.unsafe(path)
        except Incomplete as error:
            unknown = unknown or Incomplete(f"{place}: {error}")
            continue
        for part in unsafe:
            if part.path not in audit.inputs.allowed:
                owner = host.facts.accounts.user_name(part.uid)
                bad.setdefault(part.path, f"{part.path} ({part.mode:04o} {owner}), for {place}")
    audit.observe("run by root", seen)
    assert not bad, f"others can change what root runs: {listed(bad.values())}"
    if unknown is not None:
        raise unknown


@pytest.mark.control(
    "cron.suspicious",
    severity="high",
    inputs={
        "patterns": {
            "runs what it downloads": (
                r"\b(?:curl|wget|fetch)\b[^|;]*\|\s*(?:(?:sudo|env|exec|nohup)\s+(?:-\S+\s+)*)*"
                rf"(?:{_SHELL}|(?:\S*/)?(?:python|perl|ruby|php)[\d.]*\b)"
                rf"|(?:{_SHELL}|\beval)[^|;]*[$<]\(\s*(?:curl|wget)\b"
            ),
            "hides what it runs": r"\bbase64\s+(?:-\w*[dD]\w*|--decode)\b[^|;]*\|",
            "talks to the network through the shell": r"/dev/(?:tcp|udp)/",
            "gives a shell away": r"\b(?:nc|ncat|netcat)\b[^|;]*\s(?:-\w*e|--exec|--sh-exec)\s",
            "runs a file from a folder for everybody": (
                r"(?:^|[;&|(`]\s*|\s(?:exec|nohup|source|sudo|nice|root|\.)\s+"
                rf"|(?:{_SHELL}|\b(?:python|perl|ruby|php)[\d.]*)\s+(?:-\w+\s+)*)"
                r"(?:/tmp|/var/tmp|/dev/shm)/[\w.]"
            ),
        },
        "allowed": [],
    },
)
def test_no_job_looks_like_an_intruders(host, audit):
    """No job downloads and runs something, hides what it does, or starts from a shared folder.

    Why: cron is where intruders leave what lets them in again.

    Fix: find out who wrote the job; install what it needs as a package. The input `patterns` are
    regular expressions by what they mean, `allowed` are crontabs and scripts that may hold them.
    """
    cron = host.facts.cron
    lines = [(job.place, job.path, job.command) for job in cron.jobs]
    for path, text in cron.scripts.items():
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                lines.append((f"{path} line {number}", path, line.strip()))
    if not audit.observe("lines", len(lines)):
        audit.not_applicable("there is no job here")
    patterns = {name: re.compile(text) for name, text in audit.inputs.patterns.items()}
    bad = [
        f"{place} {name}"
        for place, path, line in lines
        for name, pattern in patterns.items()
        if path not in audit.inputs.allowed and pattern.search(line)
    ]
    assert not bad, f"jobs as intruders leave them: {listed(bad)}"
