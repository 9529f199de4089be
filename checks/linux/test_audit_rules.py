"""What the audit of the kernel records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_sysaudit.facts.audit_rules import parse_rules, uncovered
from pytest_sysaudit.text import listed, plural

pytestmark = pytest.mark.platform("linux")

_USER = "-F auid>=1000 -F auid!=unset"
#: By subject. Rules on system calls are wanted for each word size of the machine, and rules on
#: files only where the file is there.
REQUIRED = {
    "time": [
        "-a always,exit -S adjtimex,settimeofday",
        "-a always,exit -S clock_settime -F a0=0",
        "-w /etc/localtime -p wa",
    ],
    "accounts": [
        "-w /etc/passwd -p wa",
        "-w /etc/shadow -p wa",
        "-w /etc/group -p wa",
        "-w /etc/gshadow -p wa",
        "-w /etc/security/opasswd -p wa",
    ],
    "network": ["-a always,exit -S sethostname,setdomainname", "-w /etc/hosts -p wa"],
    "access control": [
        "-w /etc/apparmor -p wa",
        "-w /etc/apparmor.d -p wa",
        "-w /etc/selinux -p wa",
    ],
    "logins": ["-w /var/log/lastlog -p wa", "-w /var/run/faillock -p wa"],
    "sessions": ["-w /var/run/utmp -p wa", "-w /var/log/wtmp -p wa", "-w /var/log/btmp -p wa"],
    "permissions": [
        f"-a always,exit -S chmod,fchmod,fchmodat {_USER}",
        f"-a always,exit -S chown,fchown,lchown,fchownat {_USER}",
        f"-a always,exit -S setxattr,lsetxattr,fsetxattr {_USER}",
        f"-a always,exit -S removexattr,lremovexattr,fremovexattr {_USER}",
    ],
    "denied access": [
        f"-a always,exit -S creat,open,openat,truncate,ftruncate -F exit=-EACCES {_USER}",
        f"-a always,exit -S creat,open,openat,truncate,ftruncate -F exit=-EPERM {_USER}",
    ],
    "privileged commands": [
        f"-a always,exit -F path=/usr/bin/sudo -F perm=x {_USER}",
        f"-a always,exit -F path=/usr/bin/su -F perm=x {_USER}",
    ],
    "mounts": [f"-a always,exit -S mount {_USER}"],
    "deletions": [f"-a always,exit -S unlink,unlinkat,rename,renameat {_USER}"],
    "sudo": [
        "-w /etc/sudoers -p wa",
        "-w /etc/sudoers.d -p wa",
        "-w /var/log/sudo.log -p wa",
    ],
    "modules": [f"-a always,exit -S init_module,finit_module,delete_module {_USER}"],
}


def _rules(texts):
    """Return each of *texts* with the rule that it is."""
    return [pair for text in texts for pair in parse_rules(text)]


#: Asked for ahead, whether or not the inventory wants others.
WATCHED = tuple(rule.watch for each in REQUIRED.values() for _, rule in _rules(each) if rule.watch)
#: What newer machines never had: they only know the forms with a folder.
_OLD_CALLS = frozenset({"chmod", "chown", "lchown", "creat", "open", "unlink", "rename"})
_NEW_MACHINES = ("aarch64", "riscv64", "loongarch64")
_WIDTHS = {"x86_64": ("b64", "b32"), "i386": ("b32",), "i686": ("b32",), "armv7l": ("b32",)}


@pytest.mark.control(
    "audit.rules",
    severity="medium",
    frameworks={
        "cis-debian12": ["6.2.3.1", "6.2.3.4", "6.2.3.8"],
        "cis-dil": [
            "4.1.5",
            "4.1.6",
            "4.1.7",
            "4.1.8",
            "4.1.9",
            "4.1.10",
            "4.1.11",
            "4.1.12",
            "4.1.13",
            "4.1.14",
            "4.1.15",
            "4.1.16",
            "4.1.17",
            "4.1.18",
        ],
        "nist-800-53": ["AC-2(4)", "AC-2(7)(b)", "AC-6(9)", "AU-12(c)", "AU-2(d)", "CM-6(a)"],
        "pci-dss-4": ["10.2", "10.2.1", "10.2.1.5", "10.6", "10.6.3"],
    },
    inputs={"required": REQUIRED},
)
def test_audit_rules_cover_what_matters(host, audit):
    """Changes of time, accounts, rights, modules and of the audit itself are recorded.

    Why: only what a rule names is recorded, and nothing of it can be had afterwards.

    Fix: add the rule to a file of /etc/audit/rules.d and run `augenrules --load`. Narrower rules do
    not count, wider ones do. The input `required` holds the rules by subject.
    """
    host.facts.boot.own_kernel()
    auditd = host.facts.auditd
    audit.observe("rules in force", len(auditd.rules))
    bad = [] if auditd.status["enabled"] != "0" else ["auditing is switched off"]
    if any({"never", "task"} <= rule.where for rule in auditd.rules):
        bad.append("a rule never,task: no system call is recorded")
    bad += _missing(host, audit.inputs.required)
    bad += [
        f"{place} is not in force"
        for place, rule in auditd.written.items()
        if "always" in rule.where and uncovered(rule, auditd.rules)
    ]
    assert not bad, f"{plural(len(bad), 'finding')}: {listed(bad)}"


def _missing(host, required):
    """Yield the required rules that those in force do not cover."""
    machine, rules = host.facts.uname.machine, host.facts.auditd.rules
    wanted = [(topic, *pair) for topic, texts in required.items() for pair in _rules(texts)]
    watched = {rule.watch for _, _, rule in wanted if rule.watch}
    host.facts.paths.ask([path for path in WATCHED if path in watched])
    host.facts.paths.ask(sorted(watched))
    for topic, text, rule in wanted:
        if rule.watch and not host.facts.paths[rule.watch].holds("e"):
            continue
        lacks = [arch for arch, each in _by_width(rule, machine) if uncovered(each, rules)]
        if lacks:
            yield f"{topic}: {text} {listed(filter(None, lacks))}".rstrip()


def _by_width(rule, machine):
    """Yield *rule* for each word size of the machine, without calls that it never had."""
    calls = rule.calls - _OLD_CALLS if machine in _NEW_MACHINES else rule.calls
    if rule.calls and not calls:
        return
    rule = replace(rule, calls=calls)
    if not calls or any(name == "arch" for name, _, _ in rule.fields):
        yield "", rule
        return
    for arch in _WIDTHS.get(machine, ("b64",)):
        yield arch, replace(rule, fields=rule.fields | {("arch", "=", arch)})
