"""What the kernel's audit is told to record: its state, the rules in force, the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.audit_rules import AuditRule, parse_rules
from pytest_sysaudit.facts.reading import ABSENT, ROOT_ONLY, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Only root is told; without its tool, nobody is.
_SCRIPT = Script(f"""if ! command -v auditctl >/dev/null; then
[ ! -e /etc/audit/auditd.conf ] || {{ echo 'auditctl is not installed' >&2; exit 1; }}
exit {ABSENT}
fi
[ -r /etc/audit/auditd.conf ] || [ "$(id -u)" = 0 ] || exit {ROOT_ONLY}
auditctl -s || exit
echo @rules
auditctl -l || exit
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
ROWS: Mapping[str, tuple[str, ...]] = {
    "texts": ("/etc/audit/auditd.conf", "/etc/audit/rules.d/*.rules")
}
#: Keys of auditctl -s that are there in every version.
_LOCKED = "2"


@dataclass(frozen=True, slots=True)
class Auditd:
    """The audit of the kernel, and the files of its daemon.

    Attributes:
        status: what ``auditctl -s`` says, by name.
        rules: those in force.
        written: those of /etc/audit/rules.d, with the place of each.
        locks: where these files say ``-e 2``.
        config: /etc/audit/auditd.conf, names and values in lower case.
    """

    status: Mapping[str, str]
    rules: tuple[AuditRule, ...]
    written: Mapping[str, AuditRule]
    locks: tuple[str, ...]
    config: Mapping[str, str]

    @property
    def daemon_runs(self) -> bool:
        """Whether a daemon takes the records."""
        return self.status.get("pid", "0") != "0"

    @property
    def is_locked(self) -> bool:
        """Whether nobody can change the rules before the next start."""
        return self.status["enabled"] == _LOCKED


def parse_status(lines: list[str]) -> Mapping[str, str]:
    """Return what ``auditctl -s`` says; old versions put all on one line.

    Raises:
        LookupError: it does not say whether audit is enabled.
    """
    words = " ".join(lines).replace("AUDIT_STATUS:", "").split()
    if "=" in "".join(words):
        found = dict(word.split("=", 1) for word in words if "=" in word)
    else:
        found = {line.split()[0]: line.split()[1] for line in lines if len(line.split()) > 1}
    if not found["enabled"].isdigit():
        raise ValueError("not a state")
    return found


def parse_config(text: str) -> Mapping[str, str]:
    """Return the settings of auditd.conf; the last of a name counts."""
    found = {}
    for line in text.split("\n"):
        key, equals, value = line.partition("=")
        if equals and not key.strip().startswith("#"):
            found[key.strip().lower()] = value.strip().lower()
    return found


def read(facts: Facts) -> Auditd:
    """Ask auditctl, and read the files.

    Raises:
        NotApplicable: auditd is not installed.
        Denied: we are not root.
    """
    facts.texts.ask(ROWS["texts"])
    lines = complete("audit", script(facts.run(_SCRIPT), "auditd"), "@end")
    middle = lines.index("@rules")
    rules = parse_rules("\n".join(lines[middle + 1 :]))
    written: dict[str, AuditRule] = {}
    locks = []
    for path, number, line in facts.texts["/etc/audit/rules.d/*.rules"].lines():
        place = f"{path}:{number}"
        if line.split() == ["-e", _LOCKED]:
            locks.append(place)
        for _, rule in parse_rules(line):
            written[place] = rule
    config = "\n".join(facts.texts["/etc/audit/auditd.conf"].values())
    return Auditd(
        parse_status(lines[:middle]),
        tuple(rule for _, rule in rules),
        written,
        tuple(locks),
        parse_config(config),
    )
