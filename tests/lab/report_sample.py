"""A realistic audit result to write reports of: all verdicts, dead targets, hostile strings."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from pytest_sysaudit.record import Control, Result, Severity, Verdict, utc_text
from pytest_sysaudit.reports import document

START = 1_795_420_800.0  # 2026-11-23T08:00:00Z
#: What must never be more than text, in any report.
HOSTILE = "</script><img src=x onerror=alert(1)><script>alert(2)</script>"
#: What XML, terminals and UTF-8 cannot hold, and what turns text around.
NASTY = (
    "\x00\x1b[31mred\x1b[0m\x1b]0;title\x07 ]]> &amp; \udce9\ud83d \ufffe"
    "\u202eevil\u202c 漢字 e\u0301 \r\n\x9b2J"
)

RUN: dict[str, Any] = {
    "id": "20261123T080000Z-7f3a",
    "started": utc_text(START),
    "ended": utc_text(START + 96.4),
    "operator": "auditor@bastion",
    "command_line": ["pytest", "checks", "--audit-target", "prod", "--audit-report", "html"],
    "versions": {"python": "3.11.7", "pytest": "9.2.0", "pytest-sysaudit": "0.1.0"},
    "inventory_sha256": "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab",
    "selection": {"targets": ["prod"], "controls": [], "severity": "", "intrusive": False},
}

#: id, severity, title, observed name, expected bound, rationale, remediation
_SUBJECTS = """\
ssh.root-login|high|Root cannot log in over ssh|permitrootlogin|no
ssh.max-auth-tries|medium|sshd gives few tries per connection|maxauthtries|4
ssh.ciphers|high|sshd offers strong ciphers only|ciphers|aes256-gcm@openssh.com
ssh.empty-passwords|critical|Accounts without a password cannot log in|permitemptypasswords|no
ssh.banner|info|sshd shows a banner before login|banner|/etc/issue.net
ssh.idle-timeout|low|Idle ssh sessions end|clientaliveinterval|300
linux.shadow-mode|critical|Only root reads the password hashes|mode of /etc/shadow|0640
linux.world-writable|high|No file under /etc can be written by everyone|world-writable files|0
linux.empty-password|critical|Every account has a password|accounts without one|0
linux.ip-forward|medium|The host does not forward packets|net.ipv4.ip_forward|0
linux.aslr|high|Address space layout is randomised|kernel.randomize_va_space|2
linux.core-dumps|low|Set-uid programs dump no core|fs.suid_dumpable|0
linux.cron-mode|low|Only root reads the system crontab|mode of /etc/crontab|0600
linux.tmp-noexec|medium|Programs in /tmp cannot be run|options of /tmp|noexec
linux.auditd|medium|The audit daemon runs|auditd.service|active
linux.updates|high|No security update is missing|pending security updates|0
linux.firewall|high|A packet filter is in force|default policy of input|drop
linux.ntp|low|The clock is synchronised|clock offset in seconds|0.5
health.disk-space|medium|Every file system has room|use of / in percent|85
health.load|low|The load stays below the number of cores|load over 5 minutes|4
health.failed-units|medium|No systemd unit has failed|failed units|0
health.memory|low|Memory is available|available memory in percent|10
aws.root-mfa|critical|The root user has a second factor|AccountMFAEnabled|1
aws.s3-public|high|No bucket is open to everyone|BlockPublicAcls|true
aws.cloudtrail|high|Every region is logged|IsMultiRegionTrail|true
aws.sg-ssh|high|No security group opens ssh to the world|0.0.0.0/0 on port 22|closed
aws.key-age|medium|Access keys are younger than 90 days|age of the oldest key in days|90
aws.password-policy|medium|Passwords of users are long|MinimumPasswordLength|14
http.hsts|medium|Browsers are told to use https only|max-age|31536000
http.csp|medium|A content security policy is sent|content-security-policy|default-src 'self'
http.cookies|medium|Cookies are Secure and HttpOnly|cookies without Secure|0
http.server-header|info|The server does not name its version|server|nginx
tls.protocol|high|Only TLS 1.2 and newer are spoken|lowest version|TLSv1.2
tls.expiry|high|The certificate is valid for 14 days at least|days left|14
tls.key-size|medium|The key of the certificate is long enough|RSA bits|2048
network.cleartext|high|No password crosses the network in clear|cleartext logins|0
network.telnet|high|Nobody speaks telnet|telnet connections|0
network.arp|medium|No address is claimed twice|duplicate ARP answers|0
manual.access-review|medium|Access rights were reviewed this quarter|review|on file
manual.restore-test|high|A restore was tested this year|restore test|on file"""

_LINES = _SUBJECTS.splitlines()
WAIVER = {
    "justification": "replaced next month",
    "approver": "m.weber",
    "ticket": "SEC-114",
    "expires": "2027-01-31",
}
_FAMILIES = {
    "ssh": ("local", "ssh"),
    "linux": ("local", "ssh"),
    "health": ("local", "ssh"),
    "aws": ("aws",),
    "http": ("http",),
    "tls": ("http",),
    "network": ("network",),
    "manual": ("local", "ssh", "aws", "http", "network"),
}


def targets() -> list[dict[str, Any]]:
    """Ten targets of all kinds, two of which are out of reach."""

    def row(
        name: str, kind: str, groups: list[str], reason: str = "", **identity: str
    ) -> dict[str, Any]:
        return {
            "name": name,
            "kind": kind,
            "groups": groups,
            "identity": identity,
            "reachable": not reason,
            "reason": reason,
        }

    key = "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"
    debian = "Debian GNU/Linux 12 (bookworm)"
    return [
        row("web1", "ssh", ["prod", "web"], address="192.0.2.10", host_key=key, os=debian),
        row("web2", "ssh", ["prod", "web"], address="192.0.2.11", host_key=key, os=debian),
        row(
            "web3",
            "ssh",
            ["prod", "web"],
            "192.0.2.12:22 refused the connection",
            address="192.0.2.12",
        ),
        row(
            "db1",
            "ssh",
            ["db", "prod"],
            address="192.0.2.20",
            host_key=key,
            os="Ubuntu 24.04.1 LTS",
        ),
        row("bastion", "local", ["prod"], machine_id="5f0c2bd3a1", os=debian),
        row(
            "payments",
            "aws",
            ["prod"],
            account_id="123456789012",
            arn="arn:aws:iam::123456789012:role/auditor",
        ),
        row("sandbox", "aws", ["test"], "the credentials have run out", account_id="210987654321"),
        row("shop", "http", ["prod"], url="https://shop.example", peer="198.51.100.7"),
        row("api", "http", ["prod"], url="https://api.example", peer="198.51.100.8"),
        row("dmz", "network", ["prod"], interface="eth1", via="web1"),
    ]


def controls() -> list[Control]:
    """Forty controls of all severities."""
    return [_control(number, line) for number, line in enumerate(_LINES)]


def _control(number: int, line: str) -> Control:
    name, severity, title, seen, bound = line.split("|")
    family, _, subject = name.replace("-", "_").partition(".")
    return Control(
        id=name,
        title=title,
        severity=Severity(severity),
        frameworks={
            "cis-debian12": (f"{1 + number % 6}.1.{number}",),
            "nist-800-53": ("AC-6(2)", "CM-7"),
        },
        rationale=f"Whoever gets at {seen} gets further than they should, and most people do.",
        remediation=f"Set {seen} to {bound}, reload the service and run this check again.",
        source=f"{family}/test_{subject}.py::test_{subject}",
        source_sha256=f"{number:02d}" * 32,
    )


def results(
    on: Sequence[dict[str, Any]] | None = None, of: Sequence[Control] | None = None
) -> list[Result]:
    """Every control on every target of its family."""
    pairs = product(targets() if on is None else on, controls() if of is None else of)
    return [row for target, control in pairs for row in _rows(target, control)]


def _rows(target: dict[str, Any], control: Control) -> Iterator[Result]:
    family = control.id.partition(".")[0]
    if target["kind"] not in _FAMILIES[family]:
        return
    if not target["reachable"]:
        yield _result(target, control, Verdict.ERROR, f"not assessed: {target['reason']}")
    elif family == "manual":
        yield _result(target, control, Verdict.MANUAL, "nobody has attested this control")
    elif control.id == "aws.s3-public":
        for number, verdict in enumerate([Verdict.PASS, Verdict.FAIL, Verdict.FAIL]):
            message = "" if verdict is Verdict.PASS else "BlockPublicAcls is false"
            bucket = f"arn:aws:s3:::shop-data-{number}"
            yield _result(target, control, verdict, message, resource=bucket)
    elif control.id == "ssh.root-login" and target["kind"] == "ssh":
        yield _result(target, control, Verdict.FAIL, "permitrootlogin is yes, expected no")
    else:
        yield _result(target, control, *_by_chance(target["name"] + control.id))


def _by_chance(text: str) -> tuple[Verdict, str]:
    """Verdict and message, the same ones for the same text."""
    drawn = {
        0: (Verdict.FAIL, f"the value is {HOSTILE}"),
        1: (Verdict.FAIL, "the value is changed"),
        2: (Verdict.FAIL, "the value is changed"),
        3: (Verdict.ERROR, "sudo: a password is required"),
        4: (Verdict.NOT_APPLICABLE, "there is no such service here"),
        5: (Verdict.WAIVED, "the value is changed"),
    }
    return drawn.get(sum(map(ord, text)) % 17, (Verdict.PASS, ""))


def _result(
    target: dict[str, Any],
    control: Control,
    verdict: Verdict,
    message: str = "",
    *,
    resource: str = "",
) -> Result:
    *_, seen, bound = next(line for line in _LINES if line.startswith(control.id + "|")).split("|")
    judged = verdict in (Verdict.PASS, Verdict.FAIL, Verdict.WAIVED)
    value = bound if verdict is Verdict.PASS else message.removeprefix("the value is ")
    return Result(
        control=control.id,
        check=control.source,
        target=target["name"],
        resource=resource,
        params={"region": "eu-west-1"} if target["kind"] == "aws" else {},
        verdict=verdict,
        message=message,
        expected={seen: bound} if judged else None,
        observed={seen: value} if judged else None,
        started=utc_text(START + len(target["name"])),
        duration=0.012,
        evidence=("e000142",) if judged else (),
        waiver=WAIVER if verdict is Verdict.WAIVED else None,
    )


def sample() -> dict[str, Any]:
    """The whole document."""
    return document.build(RUN, targets(), controls(), results())


def large(count: int) -> dict[str, Any]:
    """A document of *count* results at least, on as many hosts as that takes."""
    web = targets()[0]
    host_controls = [control for control in controls() if control.id.startswith(("ssh", "linux"))]
    needed = -(-count // len(host_controls))
    hosts = [{**web, "name": f"host{number:04d}"} for number in range(needed)]
    return document.build(RUN, hosts, controls(), results(hosts, host_controls))


def nasty() -> dict[str, Any]:
    """A small document with every kind of bad text in every place that holds text."""
    text = HOSTILE + NASTY
    control = Control(
        id=f"bad.{text}",
        title=text,
        frameworks={text: (text,)},
        rationale=text,
        remediation=text,
        source=f"bad/test_bad.py::test_{text}",
        source_sha256="0" * 64,
    )
    target = {
        "name": text,
        "kind": "ssh",
        "groups": [text],
        "identity": {text: text, "address": text},
        "reachable": False,
        "reason": text,
    }
    rows = [
        Result(
            control=control.id,
            check=control.source,
            target=where,
            resource=text,
            params={text: text},
            verdict=verdict,
            message=text,
            expected={text: [text, float("nan")]},
            observed=[{text: text}],
            started=utc_text(START),
            evidence=(text,),
            waiver={"justification": text, text: text},
            attestation={text: text},
            drift=text,
        )
        for where in ("", text)
        for verdict in Verdict
    ]
    run = {**RUN, "operator": text, "command_line": [text], "versions": {text: text}, text: text}
    return document.build(run, [target], [control], rows)


#: What a spreadsheet would run, and what a merge request would show as markup.
FORMULA = "=cmd|' /C calc'!A0"
MARKUP = (
    "| a | `b` ``` **c** [d](javascript:alert(1)) ![e](http://evil.example/x.png) <b>f</b> @all #1"
)
#: What a rich document adds to single results, by target and control.
_ACCEPTED = {
    "by": "waivers.yaml",
    "reason": f"replaced next month {HOSTILE}",
    "raw": "fail",
    "approver": "m.weber",
    "ticket": "SEC-114",
    "expires": "2026-12-01T00:00:00Z",
    "place": "waivers.yaml:12",
    "target": "prod",
    "resource": "",
}
_ATTESTED = {
    "status": "pass",
    "by": "c.ortiz",
    "at": "2026-10-02T09:00:00Z",
    "valid_until": "2027-01-02T09:00:00Z",
    "explanation": "went through all accounts with HR",
    "evidence_file": "reviews/2026-q4.pdf",
    "evidence_sha256": hashlib.sha256(b"review").hexdigest(),
    "place": "attestations.yaml:3",
    "expired": False,
}
_GATE = {
    "broken": True,
    "rule": "fail: critical: 0 (found 2)",
    "source": "gate.yaml",
    "rules": [
        {"rule": "fail: critical: 0", "limit": 0, "found": 2, "holds": False},
        {"rule": "error: 100", "limit": 100, "found": 12, "holds": True},
    ],
}


def html_columns(page: bytes) -> dict[str, Any]:
    """The data that a page of `reports.html` holds for its script."""
    packed = re.search(rb'<script id="data"[^>]*>([^<]*)</script>', page)
    assert packed is not None
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    return data


def rich() -> dict[str, Any]:
    """The sample with all that later parts add: rows, waivers, attestations, drift, evidence.

    Every verdict is there, every drift, an expired attestation, a result about the run itself,
    one twice (for the same target and control) with other parameters, and hostile text.
    """
    rows = [_enriched(row) for row in results()]
    base = next(row for row in rows if row.target == "web1" and row.control == "linux.cron-mode")
    rows += [
        replace(base, resource=name, verdict=Verdict.FAIL, message=name, drift="new")
        for name in (HOSTILE, FORMULA, MARKUP, NASTY)
    ]
    rows.append(replace(base, params={"port": "22"}, verdict=Verdict.FAIL, drift="changed"))
    rows.append(replace(base, target="", verdict=Verdict.ERROR, message="nothing was chosen"))
    run = {**RUN, "profile": _profile()}
    return document.build(run, targets(), controls(), rows, _GATE, parts=_parts(rows))


def _enriched(row: Result) -> Result:
    key = sum(map(ord, row.target + row.control + row.resource))
    drift = "new" if row.verdict in (Verdict.FAIL, Verdict.ERROR) and key % 3 == 0 else "unchanged"
    if row.verdict is Verdict.PASS and key % 5 == 0:
        drift = "fixed"
    elif row.verdict is not Verdict.PASS and key % 3 == 1:
        drift = "changed"
    seen = () if row.verdict is Verdict.MANUAL else (_id(row.target), _id(row.target, row.control))
    more: dict[str, Any] = {"drift": drift, "evidence": seen}
    if row.verdict is Verdict.WAIVED:
        more["waiver"] = _ACCEPTED
    if row.control == "manual.access-review" and row.target == "web1":
        more |= {"attestation": _ATTESTED, "verdict": Verdict.PASS}
    if row.control == "manual.access-review" and row.target == "web2":
        more |= {"attestation": {**_ATTESTED, "status": "fail"}, "verdict": Verdict.FAIL}
    if row.control == "manual.restore-test" and row.target == "web1":
        more["attestation"] = {**_ATTESTED, "expired": True, "valid_until": "2026-11-01T00:00:00Z"}
    return replace(row, **more)


def _id(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _parts(rows: Sequence[Result]) -> dict[str, Any]:
    return {
        "waivers": list(_waivers(rows)),
        "attestations": list(_attestations(rows)),
        "drift": _drift(rows),
        "evidence": dict(_evidence(rows)),
    }


def _waivers(rows: Sequence[Result]) -> Iterator[dict[str, Any]]:
    common = {
        "target": "prod",
        "resource": "",
        "justification": _ACCEPTED["reason"],
        "approver": "m.weber",
        "ticket": "SEC-114",
    }
    waived = sorted({row.control for row in rows if row.verdict is Verdict.WAIVED})
    states = [(name, "used", 8) for name in waived]
    states += [("ssh.banner", "not needed", 200), ("ssh.ciphers", "unused", 20)]
    states += [("linux.auditd", "expired", -3), ("no.such", "unknown control", 90)]
    for number, (name, state, days) in enumerate(states):
        yield {
            "control": name,
            **common,
            "expires": utc_text(START + 86400 * days + 57600),
            "place": f"waivers.yaml:{3 + 7 * number}",
            "state": state,
            "expires_in_days": days,
            "expiring": 0 <= days <= 30,
            "results": sum(row.control == name for row in rows) if state == "used" else 0,
        }


def _attestations(rows: Sequence[Result]) -> Iterator[dict[str, Any]]:
    for number, (name, target, state, days) in enumerate(
        [
            ("manual.access-review", "web1", "used", 40),
            ("manual.access-review", "web2", "used", 40),
            ("manual.restore-test", "web1", "expired", -22),
        ]
    ):
        known = {key: value for key, value in _ATTESTED.items() if key != "expired"}
        yield {
            "control": name,
            "target": target,
            **known,
            "status": "fail" if target == "web2" else "pass",
            "place": f"attestations.yaml:{3 + 9 * number}",
            "state": state,
            "expires_in_days": days,
            "expiring": False,
            "results": 1,
        }


def _drift(rows: Sequence[Result]) -> dict[str, Any]:
    gone = [
        {
            "control": "ssh.banner",
            "check": "ssh/test_banner.py::test_banner",
            "target": target,
            "resource": resource,
            "params": {},
            "verdict": verdict,
        }
        for target, resource, verdict in [
            ("retired1", "", "fail"),
            ("web1", f"/etc/{HOSTILE}", "pass"),
        ]
    ]
    names = ("new", "fixed", "unchanged", "changed")
    counts = {name: sum(row.drift == name for row in rows) for name in names}
    earlier = {
        "path": "results-last-week.json",
        "run": "20261116T080000Z-11aa",
        "started": utc_text(START - 7 * 86400),
        "sha256": hashlib.sha256(b"baseline").hexdigest(),
    }
    return {"baseline": earlier, "counts": {**counts, "gone": len(gone)}, "gone": gone}


def _evidence(rows: Sequence[Result]) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in rows:
        if row.target and row.evidence:
            tell = row.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.WAIVED)
            yield _id(row.target), _seen("target", row, f"ssh://{row.target}", "")
            yield (
                _id(row.target, row.control),
                _seen("command", row, f"sshd -T -C user={row.target}", MARKUP if tell else ""),
            )


def _seen(kind: str, row: Result, what: str, excerpt: str) -> dict[str, Any]:
    content = f"{row.target} {row.control} {kind}".encode()
    return {
        "kind": kind,
        "target": row.target,
        "what": what,
        "started": row.started,
        "duration": 0.034,
        "outcome": "exit code 0" if kind == "command" else "connected",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "redacted": row.target == "web2",
        "cut": row.target == "db1",
        "made_of": [_id(row.target)] if kind == "command" else [],
        "excerpt": excerpt,
    }


def _profile() -> dict[str, Any]:
    return {
        "name": "cis-server-1",
        "files": [{"name": "cis-server-1", "title": "CIS, servers, level 1", "sha256": "ab" * 32}],
        "excluded": [
            {"control": "ssh.idle-timeout", "reason": "sessions are cut", "profile": "cis-server-1"}
        ],
        "severities": [],
    }


def big_document(hosts: int = 500) -> dict[str, Any]:
    """A rich document of *hosts* x 40 results, as an estate of one kind of host gives."""
    of = [replace(c, id=f"ssh.c{n:02d}-{c.id}") for n, c in enumerate(controls())]
    first = targets()[0]
    machines = [{**first, "name": f"host{number:04d}"} for number in range(hosts)]
    rows = [
        _enriched(_drawn(machine["name"], control)) for machine, control in product(machines, of)
    ]
    return document.build(RUN, machines, of, rows, _GATE, parts=_parts(rows))


def _drawn(target: str, control: Control) -> Result:
    verdict, message = _by_chance(target + control.id)
    if sum(map(ord, target + control.id)) % 97 == 0:
        verdict, message = Verdict.MANUAL, "nobody has attested this control"
    judged = verdict in (Verdict.PASS, Verdict.FAIL, Verdict.WAIVED)
    return Result(
        control=control.id,
        check=control.source,
        target=target,
        verdict=verdict,
        message=f"{message}\n+  where {message} = audit.observe('value')" if message else "",
        expected={"value": 0} if judged else None,
        observed={"value": len(message)} if judged else None,
        started=utc_text(START),
        duration=0.012,
    )
