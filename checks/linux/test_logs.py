"""Logs: who writes them, where they go, and what stands in them."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: Names of processes that write what others log into files.
DAEMONS = ("rsyslogd", "syslog-ng", "syslogd", "metalog", "socklog")
#: Their units, where systemd runs the host: a process may call itself what it likes.
UNITS = [
    "rsyslog.service",
    "syslog-ng.service",
    "syslog.service",
    "busybox-syslogd.service",
    "inetutils-syslogd.service",
    "metalog.service",
]
#: ... and of those that carry logs to another host.
AGENTS = [
    "systemd-journal-upload",
    "filebeat",
    "journalbeat",
    "elastic-agent",
    "fluent-bit",
    "fluentd",
    "td-agent",
    "td-agent-bit",
    "vector",
    "promtail",
    "alloy",
    "grafana-agent",
    "otelcol",
    "otelcol-contrib",
    "splunkd",
    "nxlog",
    "logstash",
    "wazuh-agentd",
    "wazuh-logcollector",
    "google_cloud_ops_agent_engine",
    "amazon-cloudwatch-agent",
    "azuremonitoragent",
]
#: What takes logs of others, beside the daemons above.
TAKERS = ("systemd-journal-remote",)
#: The ports that are made for that; a higher one of UDP may be one that a daemon sends from.
LOG_PORTS = ["udp/514", "tcp/514", "tcp/601", "tcp/6514", "udp/6514", "tcp/19532", "tcp/2514"]
EPHEMERAL = 32768
#: First processes of hosts; the first one of a container is mostly the program itself.
INITS = ("systemd", "init", "openrc-init", "runit", "s6-svscan", "dinit")
#: What those who run containers leave in them.
CONTAINERS = ("/.dockerenv", "/run/.containerenv", "/run/host/container-manager")
DEFAULT = "24 security"
PATTERNS = {
    "failed logins": r"^sshd(?:-session|-auth)?: Failed \S+ for .* from (?P<of>[\w.:%-]+)"
    r"(?: port \d+.*)?$",
    "failed logins (dropbear)": r"^dropbear: (?:Bad|Login attempt).* from (?P<of>[\w.:]+):\d+$",
    "failures for root": r"authentication failure;.*\brhost=(?P<of>\S*).*\buser=root\b",
    "not in sudoers": r"^sudo: +(?P<of>\S+) : (?:user NOT in sudoers|command not allowed)",
    "out of memory": r"^kernel: .*[Oo]ut of memory: Kill(?:ed)? process \d+ \((?P<of>[^)]*)\)",
    "crashes": r"^kernel: .*?(?P<of>[^\s\[]+)\[\d+\]:? (?:segfault at|trap |general protection)",
    "disk errors": r"^kernel: .*(?:EXT4-fs error|XFS \(\S+\): (?:Corruption|metadata I/O error)"
    r"|BTRFS (?:error|critical)|Medium Error|I/O error(?!.*\bdev (?:fd|sr)\d))",
    "kernel faults": r"^kernel: .*(?:\bBUG: |kernel BUG at|\bOops: |Kernel panic"
    r"|blocked for more than \d+ seconds)",
}
MAXIMUM = {
    "failed logins": 50,
    "failed logins (dropbear)": 50,
    "failures for root": 10,
    "crashes": 5,
}


def _running(host, names):
    """Return those of *names* that processes have, whose kernel cuts names after 15 characters."""
    found = {process.name for process in host.facts.processes}
    for process in host.facts.processes:
        first = (process.arguments or ("",))[0].split(" ")[0]
        found.add(first.rpartition("/")[2])
    return [name for name in names if name in found]


def _daemons(host, audit):
    """Return the log daemons that run; not applicable where the host of a container logs."""
    daemons = audit.observe("daemons", _running(host, DAEMONS))
    first = next((each.name for each in host.facts.processes if each.pid == 1), "")
    if not daemons and first not in INITS:
        paths = host.facts.paths
        marks = [paths[path] for path in CONTAINERS]
        if any(mark.holds("e") for mark in marks):
            audit.not_applicable("a container without init: its host keeps its logs")
    return daemons


def _journald(host):
    """Return the journal; None if there is none."""
    try:
        return host.facts.journald
    except NotApplicable:
        return None


@pytest.mark.control(
    "log.active",
    severity="medium",
    frameworks={"cis-debian12": ["6.1.1.4"], "cis-dil": ["4.2.1.1", "4.2.1.2"]},
    inputs={"units": UNITS},
)
def test_a_log_service_runs(host, audit):
    """A service writes logs to disk.

    Why: without logs nobody finds out what happened.

    Fix: enable rsyslog or syslog-ng, or make the journal persistent. `units` are names of services
    that log.
    """
    daemons = _active(host, audit, _daemons(host, audit))
    journald = _journald(host)
    if not daemons and journald is not None and journald.denied and not journald.journals:
        audit.cannot_assess(f"only root may look into {listed(journald.denied)}")
    kept = audit.observe("journal on disk", journald is not None and journald.is_persistent)
    assert daemons or kept, f"none of {listed(DAEMONS)} runs, and no journal is written on disk"


def _active(host, audit, daemons):
    """Return the units that log and run; *daemons* where there is no systemd."""
    try:
        units = host.facts.units
    except NotApplicable:
        return daemons
    found = [units.get(name) for name in audit.inputs.units]
    active = [unit.name for unit in found if unit is not None and unit.active_state == "active"]
    return audit.observe("units", active)


@pytest.mark.control(
    "log.persistent",
    severity="medium",
    frameworks={"cis-debian12": ["6.1.2.4"], "cis-dil": ["4.2.2.3", "4.2.2.2"]},
)
def test_the_journal_is_kept(host, audit):
    """The journal is written on disk, compressed.

    Why: a journal in memory is gone after a restart, and with it what led to the restart.

    Fix: set Storage=persistent in a file of /etc/systemd/journald.conf.d, and restart
    systemd-journald. Leave Compress= on.
    """
    journald = host.facts.journald
    storage = audit.observe("Storage", journald.settings.get("Storage", "auto").lower())
    where = journald.places.get("Storage", "the default")
    assert storage not in ("volatile", "none"), f"Storage={storage} ({where})"
    kept = storage == "persistent" or journald.on_disk
    assert kept, f"Storage={storage} ({where}), and there is no folder /var/log/journal"
    compress = journald.settings.get("Compress", "yes")
    assert journald.on("Compress"), f"Compress={compress} ({journald.places.get('Compress')})"
    audit.observe("journals", journald.journals)
    if journald.denied and not journald.is_persistent:
        audit.cannot_assess(f"only root may look into {listed(journald.denied)}")
    assert journald.is_persistent, f"Storage={storage}, but no journal is written on disk"


@pytest.mark.control(
    "log.remote",
    severity="medium",
    frameworks={"cis-dil": ["4.2.1.5"], "nist-800-53": ["AU-4(1)", "AU-9(2)", "CM-6(a)"]},
    inputs={"agents": AGENTS},
)
def test_logs_leave_the_host(host, audit):
    """Logs are sent to another host.

    Why: an intruder who becomes root changes the logs of the host first.

    Fix: `*.* action(type="omfwd" target="loghost" ...)` in a file of /etc/rsyslog.d, or
    systemd-journal-upload, or an agent. `agents` are names of processes that send logs.
    """
    daemons = _daemons(host, audit)
    agents = audit.observe("agents", _running(host, audit.inputs.agents))
    settings = list(host.facts.syslog.of(daemons))
    targets = audit.observe("targets", [each for _, one in settings for each in one.targets])
    busybox = [
        process.arguments
        for process in host.facts.processes
        if process.name == "syslogd" and "-R" in (process.arguments or ())
    ]
    unread = [path for _, one in settings for path in one.unread]
    if not (agents or targets or busybox) and unread:
        audit.cannot_assess(f"{listed(daemons)} also takes in {listed(unread)}, which is not read")
    assert agents or targets or busybox, (
        "no logs go to a remote host: neither a log daemon nor an agent sends them"
    )


@pytest.mark.control(
    "log.no-listen",
    severity="medium",
    frameworks={
        "cis-debian12": ["6.1.3.7"],
        "cis-dil": ["4.2.1.6"],
        "nist-800-53": ["CM-6(a)", "CM-7(a)", "CM-7(b)"],
    },
    inputs={"log_host": False, "ports": LOG_PORTS},
)
def test_no_logs_of_others_are_taken(host, audit):
    """The host takes no logs of other hosts.

    Why: anybody could fill its disk, and put false lines into its logs.

    Fix: take imtcp, imudp and their like out of rsyslog's files, network sources out of
    syslog-ng's. For the host that collects logs set the input `log_host`.
    """
    if audit.inputs.log_host:
        audit.not_applicable("this host is meant to take logs (input log_host)")
    daemons = _running(host, (*DAEMONS, *TAKERS))
    exposed = host.facts.sockets.exposed()
    bad = [str(each) for each in exposed if _takes_logs(each, audit.inputs.ports)]
    assert not audit.observe("listening", bad), f"open for logs of others: {listed(bad)}"
    settings = host.facts.syslog.of(daemons)
    later = [f"{name}: {each}" for name, one in settings for each in one.inputs]
    assert not later, f"nobody listens yet, but will after a restart: {listed(later)}"
    unknown = [str(each) for each in exposed if not each.processes]
    if daemons and unknown and host.facts.uid != 0:
        audit.cannot_assess(
            f"only root is told whether {listed(daemons)} listens: {listed(unknown)}"
        )


def _takes_logs(listener, ports):
    """Whether *listener* is on a port for logs, or a log daemon's that it does not send from."""
    names = {name[:15] for name in (*DAEMONS, *TAKERS)}
    sends = listener.protocol == "udp" and listener.port >= EPHEMERAL
    return listener.fits(ports) or (bool(names & set(listener.processes)) and not sends)


@pytest.mark.control(
    "log.filemode",
    severity="low",
    frameworks={"cis-debian12": ["6.1.3.4"], "cis-dil": ["4.2.1.4"]},
    inputs={"mode": "0640"},
)
def test_new_log_files_are_private(host, audit):
    """The log daemon makes files that not everybody may read.

    Why: logs hold what users typed at the wrong prompt, and addresses of all who came.

    Fix: `$FileCreateMode 0640` in /etc/rsyslog.conf before all rules; perm(0640) in syslog-ng's
    options. The input `mode` is the laxest one, in octal digits.
    """
    daemons = _daemons(host, audit)
    settings = list(host.facts.syslog.of(daemons))
    if not settings:
        audit.not_applicable("neither rsyslog nor syslog-ng runs here")
    most = int(audit.inputs.mode, 8)
    modes = [
        (f"{name} ({path})", mode & ~one.umask)
        for name, one in settings
        for path, mode in one.modes
    ]
    # without a word in its files, rsyslog makes 0644, syslog-ng 0600
    modes += [
        ("rsyslogd (default)", 0o644 & ~one.umask)
        for name, one in settings
        if name == "rsyslogd" and not one.modes
    ]
    audit.observe("modes", [f"{place}: {mode:04o}" for place, mode in modes])
    bad = [f"{place}: {mode:04o}" for place, mode in modes if mode & ~most]
    assert not bad, f"laxer than {audit.inputs.mode}: {listed(bad)}"


@pytest.mark.control(
    "log.rotate",
    severity="low",
    frameworks={"cis-dil": ["4.3"], "nist-800-53": ["CM-6(a)"]},
    inputs={"timers": ["logrotate.timer"]},
)
def test_logs_are_rotated(host, audit):
    """Log files are rotated regularly.

    Why: they fill the disk, and then nothing is logged any more.

    Fix: install logrotate, and `systemctl enable --now logrotate.timer` or keep its script in
    /etc/cron.daily.
    """
    daemons = [name for name in _daemons(host, audit) if name in ("rsyslogd", "syslog-ng")]
    there = audit.observe("logrotate", host.facts.commands["logrotate"])
    if not daemons and not there:
        audit.not_applicable(
            "no daemon writes log files that need it: the journal has its own limit"
        )
    assert there, f"{listed(daemons)} writes files, but there is no logrotate"
    assert host.facts.texts["/etc/logrotate.conf"], "there is no /etc/logrotate.conf"
    timers = _timers(host, audit)
    jobs = host.facts.jobs
    places = audit.observe("cron", jobs.mentions("logrotate"))
    if not timers and not places and jobs.hidden:
        audit.cannot_assess(jobs.hidden)
    assert timers or places, "neither a timer nor cron runs logrotate"
    cron = _running(host, ("cron", "crond", "fcron", "cronie", "anacron"))
    assert timers or cron, f"{listed(places)}: but no cron daemon runs"


def _timers(host, audit):
    """Return the timers that are on; none without systemd."""
    try:
        units = host.facts.units
    except NotApplicable:
        return []
    return audit.observe("timers", [name for name in audit.inputs.timers if units.is_on(name)])


@pytest.mark.control(
    "log.patterns",
    severity="medium",
    inputs={"hours": 24, "scope": "security", "patterns": PATTERNS, "maximum": MAXIMUM},
)
def test_the_logs_hold_nothing_alarming(host, audit):
    """The logs of the last day hold no sign of an attack or of a broken machine.

    Why: failing disks, killed programs and guessed passwords are logged long before anybody asks.

    Fix: look at the lines with `journalctl --since=-1d`. `patterns` are regular expressions for
    lines as `sshd: Failed password for ...`; what the group `of` finds is counted for itself.
    `maximum` holds how many of each may be (0 where nothing is said), `hours` how far to look back
    (up to 9999). `scope` is `security` (kernel and logins) or `all`.
    """
    key = f"{audit.inputs.hours} {audit.inputs.scope}"
    log = host.facts.log_lines[DEFAULT] if key == DEFAULT else host.facts.log_lines[key]
    audit.observe("sources", log.sources)
    audit.observe("lines", len(log.lines))
    counts = _counts(log.lines, _compiled(audit))
    most = audit.inputs.maximum
    bad = [(what, of, n) for (what, of), n in sorted(counts.items()) if n > most.get(what, 0)]
    audit.observe(
        "found", [f"{what} {of}: {n}".replace(" :", ":") for (what, of), n in counts.items()]
    )
    told = [f"{what}{f' of {of}' if of else ''}: {n}" for what, of, n in bad]
    assert not bad, f"in {audit.inputs.hours} hours {listed(told)}"
    if log.cut:
        audit.cannot_assess(f"too much was logged to read all of it: {listed(log.cut)}")


def _compiled(audit):
    """Return the input's expressions by their names."""
    found = {}
    for name, text in audit.inputs.patterns.items():
        try:
            found[name] = re.compile(text)
        except re.error as error:
            audit.cannot_assess(f"pattern {name!r} is no regular expression: {error}")
    return found


def _counts(lines, patterns):
    """Return how often each pattern was found, for each thing that its group `of` names."""
    counts = Counter()
    for line in lines:
        for name, pattern in patterns.items():
            match = pattern.search(line.text)
            if match is not None:
                counts[name, match.groupdict().get("of") or ""] += line.count
    return counts
