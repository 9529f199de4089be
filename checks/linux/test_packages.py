"""Installed software."""

from __future__ import annotations

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: Servers of protocols that send passwords in the clear or ask for none, by every name that
#: distributions give them.
LEGACY_SERVERS = [
    "telnetd",
    "inetutils-telnetd",
    "telnetd-ssl",
    "telnet-server",
    "rsh-server",
    "rsh-redone-server",
    "inetutils-ftpd",
    "ftpd",
    "ftpd-ssl",
    "vsftpd",
    "ftp-server",
    "proftpd",
    "proftpd-basic",
    "proftpd-core",
    "pure-ftpd",
    "heimdal-servers",
    "tftp-hpa",
    "tftpd",
    "tftpd-hpa",
    "atftpd",
    "tftp-server",
    "talkd",
    "inetutils-talkd",
    "talk-server",
    "nis",
    "ypserv",
    "inetd",
    "openbsd-inetd",
    "inetutils-inetd",
    "xinetd",
    "rlinetd",
    "inet-superserver",
]
#: Their clients, by the names of packages: what only stands for one, as openssh-client for
#: rsh-client, is none.
LEGACY_CLIENTS = [
    "telnet",
    "inetutils-telnet",
    "telnet-ssl",
    "krb5-clients-telnet",
    "rsh",
    "rsh-client",
    "rsh-redone-client",
    "inetutils-rsh",
    "talk",
    "inetutils-talk",
    "ytalk",
    "nis",
    "ypbind",
    "ypbind-mt",
    "yp-tools",
    "tftp",
    "tftp-hpa",
    "atftp",
]
#: Where dnf, yum and zypp keep the packages that they leave alone.
LOCKS = (
    "/etc/dnf/plugins/versionlock.list",
    "/etc/yum/pluginconf.d/versionlock.list",
    "/etc/dnf/versionlock.toml",
    "/etc/zypp/locks",
)


@pytest.mark.control(
    "package.legacy-servers",
    severity="critical",
    frameworks={
        "cis-debian12": ["2.1.16", "2.1.19", "2.1.6"],
        "cis-dil": ["2.1.6", "2.1.7", "2.1.8", "2.1.9", "2.1.10", "2.2.9", "2.2.17"],
        "nist-800-53": [
            "CM-6(a)",
            "CM-7",
            "CM-7(a)",
            "CM-7(b)",
            "CM-7.1(ii)",
            "IA-5(1)(c)",
            "IA-5(1).1(v)",
        ],
        "pci-dss-4": ["2.2", "2.2.4"],
        "dev-sec": ["package-01", "package-02", "package-03", "package-05", "package-06"],
    },
    inputs={"forbidden": LEGACY_SERVERS},
)
def test_no_legacy_server_is_installed(host, audit):
    """No server for telnet, rsh, ftp, tftp, talk or NIS is installed, and no inetd.

    Why: these protocols send passwords in the clear, or trust the name that a client gives.

    Fix: remove the packages, and use ssh and sftp instead.
    """
    packages = host.facts.packages
    found = {p.name for name in audit.inputs.forbidden for p in packages.present(name)}
    assert not audit.observe("found", sorted(found)), f"installed: {', '.join(sorted(found))}"


@pytest.mark.control(
    "package.consistent",
    severity="medium",
)
def test_no_package_is_half_installed(host, audit):
    """No package is stuck half way through its installation.

    Why: such a package runs old code with new files, and stops later security updates.

    Fix: `dpkg --configure -a`, then `apt-get -f install`.
    """
    if host.facts.packages.manager != "dpkg":
        audit.not_applicable(f"{host.facts.packages.manager} keeps no such state")
    states = [f"{p.name} {p.version}" for p in host.facts.packages if p.state == "broken"]
    assert not audit.observe("broken", states), f"half installed: {', '.join(states)}"


@pytest.mark.control(
    "package.legacy-clients",
    severity="low",
    frameworks={
        "cis-debian12": ["2.2.2", "2.2.3", "2.2.4"],
        "cis-dil": ["2.3.1", "2.3.2", "2.3.3", "2.3.4"],
        "pci-dss-4": ["2.2", "2.2.4"],
    },
    inputs={"forbidden": LEGACY_CLIENTS},
)
def test_no_legacy_client_is_installed(host, audit):
    """No client for telnet, rsh, talk, tftp or NIS is installed.

    Why: who has them at hand uses them, and sends passwords in the clear.

    Fix: remove the packages, and use ssh and sftp instead.
    """
    names = {p.name for p in host.facts.packages if p.state != "removed"}
    found = sorted(names & set(audit.inputs.forbidden))
    assert not audit.observe("found", found), f"installed: {listed(found)}"


@pytest.mark.control(
    "package.updates",
    severity="high",
    frameworks={
        "cis-dil": ["1.8"],
        "nist-800-53": ["CM-6(a)", "SI-2(5)", "SI-2(c)"],
        "pci-dss-4": ["6.3", "6.3.3"],
    },
    inputs={"days": 7.0, "allowed": []},
)
def test_no_security_update_is_pending(host, audit):
    """Every security update that the package lists know of is installed.

    Why: the hole is public from the day of the update on, and so are programs that use it.

    Fix: `apt-get upgrade` (`dnf upgrade`, `apk upgrade`), better by unattended-upgrades. Lists that
    are older than the input `days` say nothing, so the check is an error then: fetch them first.
    `allowed` names packages that may wait. With apt, what counts are archives that have "security"
    in their name, and without one the check is an error. dnf counts what its repositories call
    security, or every update if one of them does not say; apk counts every update.
    """
    updates = host.facts.updates
    pending = [each for each in updates.pending if each.name not in audit.inputs.allowed]
    audit.observe("pending", [str(each) for each in pending])
    assert not pending, f"pending: {listed(pending)}"
    if updates.days is None:
        audit.cannot_assess(f"{updates.manager} has no package lists here; fetch them")
    if not updates.complete:
        audit.cannot_assess(f"{updates.manager} has no list of a security archive")
    if audit.observe("days", round(updates.days, 1)) > audit.inputs.days:
        audit.cannot_assess(f"the package lists are {updates.days:.0f} days old")


@pytest.mark.control(
    "package.lists-fresh",
    severity="medium",
    frameworks={"cis-dil": ["1.8"]},
    inputs={"days": 7.0},
)
def test_package_lists_are_fresh(host, audit):
    """The package lists are not older than a week.

    Why: a host that does not fetch them never learns that there are updates.

    Fix: repair the sources of `apt-get update`, and let a timer run it (apt-daily.timer,
    dnf-makecache.timer). The input `days` is the bound. What counts is the date in the lists of the
    security archive: it stands still, too, when a release gets no updates any more.
    """
    updates = host.facts.updates
    assert updates.days is not None, f"{updates.manager} has no package lists here"
    days = audit.observe("days", round(updates.days, 1))
    assert days <= audit.inputs.days, f"the package lists are {days} days old"
    expired = audit.observe("expired", updates.expired)
    assert not expired, f"past their last day of validity: {listed(expired)}"


@pytest.mark.control(
    "package.signed",
    severity="high",
    frameworks={"cis-dil": ["1.2.1", "1.2.2"]},
    inputs={"allowed": []},
)
def test_packages_must_be_signed(host, audit):
    """No repository and no setting lets in packages without a good signature.

    Why: whoever sits between host and repository, or in it, could install anything as root.

    Fix: take out trusted=yes, allow-insecure and their like, set gpgcheck=1, and install the key
    of the repository (`signed-by`). `allowed` holds parts of findings that are wanted.
    """
    repositories = host.facts.repositories
    audit.observe("sources", repositories.sources)
    wanted = audit.inputs.allowed
    bad = [each for each in repositories.unsigned if not any(part in each for part in wanted)]
    assert not audit.observe("unsigned", bad), f"unsigned packages get in: {listed(bad)}"


@pytest.mark.control(
    "package.held",
    severity="low",
    inputs={"allowed": []},
)
def test_no_package_is_held_back(host, audit):
    """No package is kept from being updated, but those of a list.

    Why: such a package gets no security updates, and nobody is told.

    Fix: `apt-mark unhold NAME`, `dnf versionlock delete NAME`. Name exceptions in `allowed`.
    """
    packages = host.facts.packages
    held = {package.name for package in packages if package.held}
    if packages.manager == "rpm":
        texts = [host.facts.texts[path] for path in LOCKS]
        held |= {lock for each in texts for _, _, line in each.lines() if (lock := _locked(line))}
    elif packages.manager == "apk":
        world = host.facts.texts["/etc/apk/world"]
        held |= {line for _, _, line in world.lines() if set("=<>~") & set(line)}
    bad = [name for name in sorted(held) if name not in audit.inputs.allowed]
    assert not audit.observe("held", bad), f"held back: {listed(bad)}"


def _locked(line):
    """Return the package of a line of a lock file of dnf, yum or zypp; "" if it names none."""
    key, sign, value = (part.strip().strip("\"'") for part in line.partition("="))
    if sign:  # versionlock.toml
        return value if key == "name" else ""
    if line.startswith(("[", "!")):  # a section; a single version that is left out
        return ""
    key, colon, value = line.partition(": ")
    if colon:  # zypp: "solvable_name: bash"
        return value.strip() if key == "solvable_name" else ""
    return line


@pytest.mark.control(
    "package.verify",
    severity="high",
    frameworks={"cis-dil": ["6.1.1"]},
    inputs={"enabled": False, "allowed": []},
)
def test_packaged_files_are_unchanged(host, audit):
    """The files of packages are as they were packaged, configuration left out.

    Why: an intruder replaces programs that hide him, and the next update repairs only some.

    Fix: find out who changed the file; `apt-get install --reinstall PACKAGE`. It reads every file
    of every package, which takes seconds to minutes: set the input `enabled` for hosts and times
    where that may be. `allowed` names paths.
    """
    if not audit.inputs.enabled:
        audit.not_applicable("not asked for: it reads every packaged file (input enabled)")
    found = host.facts.verified_files
    audit.observe("missing", len(found.missing))
    bad = [path for path in found.changed if path not in audit.inputs.allowed]
    assert not audit.observe("changed", bad), f"changed since they were packaged: {listed(bad)}"


@pytest.mark.control(
    "package.expected",
    severity="medium",
    frameworks={"cis-dil": ["1.5.4"], "dev-sec": ["package-08", "package-09"]},
    inputs={"required": [], "forbidden": ["prelink"]},
)
def test_packages_are_as_expected(host, audit):
    """The packages that the inventory requires are installed, and none that it forbids.

    Why: hosts of one kind drift apart, and the one that differs is the one that nobody protects.

    Fix: install or remove the packages, or change the inputs `required` and `forbidden`. Names that
    packages stand for count, too.
    """
    if not audit.inputs.required and not audit.inputs.forbidden:
        audit.not_applicable("the inventory neither requires nor forbids packages")
    packages = host.facts.packages
    there = [name for name in audit.inputs.forbidden if packages.present(name)]
    lacking = [
        name
        for name in audit.inputs.required
        if not any(package.state == "installed" for package in packages.present(name))
    ]
    bad = [*(f"{name} is missing" for name in lacking), *(f"{name} is there" for name in there)]
    assert not audit.observe("unexpected", bad), listed(bad)
