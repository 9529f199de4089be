"""Settings of the kernel as the files have them, for the next start."""

from __future__ import annotations

import fnmatch

import pytest

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.sysctl_files import plain_value
from pytest_sysaudit.facts.sysctl_keys import path_of
from pytest_sysaudit.text import listed, plural

pytestmark = pytest.mark.platform("linux")

#: What the files may say, by key or pattern: values with | between them, or a bound.
POLICY = {
    "kernel.randomize_va_space": "2",
    "kernel.kptr_restrict": ">=1",
    "kernel.dmesg_restrict": ">=1",
    "kernel.perf_event_paranoid": ">=2",
    "kernel.unprivileged_bpf_disabled": ">=1",
    "kernel.yama.ptrace_scope": ">=1",
    "kernel.sysrq": "0|4|16|176|438",
    "fs.suid_dumpable": "0|2",
    "fs.protected_*": ">=1",
    "net.ipv4.tcp_syncookies": ">=1",
    "net.ipv4.icmp_echo_ignore_broadcasts": "1",
    "net.ipv4.icmp_ignore_bogus_error_responses": "1",
    "net.ipv4.conf.*.accept_redirects": "0",
    "net.ipv4.conf.*.secure_redirects": "0",
    "net.ipv4.conf.*.send_redirects": "0",
    "net.ipv4.conf.*.accept_source_route": "0",
    "net.ipv6.conf.*.accept_redirects": "0",
    "net.ipv6.conf.*.accept_source_route": "<=0",
    "net.ipv6.conf.*.accept_ra": "0",
}
FORWARDING = {
    "net.ipv4.ip_forward": "0",
    "net.ipv4.conf.*.forwarding": "0",
    "net.ipv6.conf.*.forwarding": "0",
}
#: The greater of an interface's own value and that of `all` counts.
EITHER = ("rp_filter", "log_martians")
_BOUNDS = {">=": lambda value, bound: value >= bound, "<=": lambda value, bound: value <= bound}


@pytest.mark.control(
    "kernel.persisted",
    severity="high",
    frameworks={"cis-dil": ["1.5.3"]},
    inputs={
        "policy": POLICY,
        "router": False,
        "required": [],
        "may_differ": ["net.ipv?.conf.veth*.*"],
    },
)
def test_files_keep_the_settings(host, audit):
    """The files that set up the kernel are as strict as policy, and say what is in force.

    Why: what was only set by hand is gone after a start, and what a file weakens comes back.

    Fix: correct the named line; `sysctl --system` then sets what all files together say. For
    routers set the input `router`; keys that a service sets itself belong into `may_differ`.
    """
    sysctl, files = host.facts.sysctl, host.facts.sysctl_files
    merged = files.merged(sysctl)
    shown = {_key(path): _shown(path, merged[path].value) for path in sorted(merged)}
    audit.observe("settings", shown)
    policy = {**audit.inputs.policy, **({} if audit.inputs.router else FORWARDING)}
    bad = [*_weak(merged, policy), *_weak_pairs(merged)]
    bad += [
        f"{key} is set by no file" for key in audit.inputs.required if path_of(key) not in merged
    ]
    bad += [
        f"{_key(item.path)} = {_shown(item.path, item.value)} ({item.place})"
        " is not read at the start"
        for item in files.unread
        if item.value is not None and _differs(merged, item)
    ]
    drifted, unknown = _drift(host, merged, audit.inputs.may_differ)
    audit.observe("drift", drifted)
    assert not bad + drifted, f"{plural(len(bad + drifted), 'setting')}: {listed(bad + drifted)}"
    for error in unknown:
        raise error


def _shown(path, value):
    """Return *value*, or that it is not shown: from some, addresses and cookies can be told."""
    return "(hidden)" if path.endswith(("/stable_secret", "/tcp_fastopen_key")) else value


def _key(path):
    """Return a path below /proc/sys as sysctl prints it."""
    return path.translate(str.maketrans("./", "/."))


def _meets(value, rule):
    """Return whether *value* is what *rule* of the policy allows."""
    plain = plain_value(value)
    for each in rule.split("|"):
        bound = _BOUNDS.get(each[:2])
        if bound is None and plain == each:
            return True
        if bound is not None and plain.lstrip("-").isdigit() and bound(int(plain), int(each[2:])):
            return True
    return False


def _weak(merged, policy):
    """Yield the settings that *policy* does not allow."""
    for key, rule in policy.items():
        for path, item in merged.items():
            fits = fnmatch.fnmatchcase(path, path_of(key)) and "/conf/lo/" not in path
            if fits and not _meets(item.value, rule):
                yield f"{_key(path)} = {item.value} ({item.place}); expected: {rule}"


def _weak_pairs(merged):
    """Yield what is off for an interface by its own value and by that of `all`."""
    for name in EITHER:
        found = {
            path.split("/")[3]: item
            for path, item in merged.items()
            if fnmatch.fnmatchcase(path, f"net/ipv4/conf/*/{name}") and "/conf/lo/" not in path
        }
        everywhere = found.get("all")
        if everywhere is not None and _meets(everywhere.value, ">=1"):
            continue
        each = {device: item for device, item in found.items() if device != "all"} or found
        for device, item in each.items():
            if not _meets(item.value, ">=1"):
                yield f"net.ipv4.conf.{device}.{name} = {item.value} ({item.place}); expected: 1"


def _differs(merged, item):
    other = merged.get(item.path)
    return other is None or plain_value(other.value) != plain_value(item.value)


def _drift(host, merged, may_differ):
    """Return what is not in force as the files have it, and why some of it is not known."""
    sysctl, patterns = host.facts.sysctl, [path_of(each) for each in may_differ]
    drifted, unknown = [], []
    for path, item in sorted(merged.items()):
        # a container cannot set what is the machine's
        theirs = host.facts.boot.container and not path.startswith("net/")
        exempt = any(fnmatch.fnmatchcase(path, each) for each in patterns)
        if theirs or exempt or path not in sysctl:
            continue
        try:
            running = sysctl[path]
        except CannotAssess as error:
            unknown.append(error)
            continue
        if plain_value(running) != plain_value(item.value):
            what, said = _shown(path, running), _shown(path, item.value)
            drifted.append(f"{_key(path)} is {what}, but {item.place} says {said}")
    return drifted, unknown
