"""Services, as systemd sees them."""

from __future__ import annotations

import pytest

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.facts.exports import ETAB
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: What a server only runs if that is its task.
UNWANTED = [
    "autofs",
    "avahi-daemon",
    "cups",
    "cups-browsed",
    "dhcpd",
    "dhcpd6",
    "isc-dhcp-server",
    "isc-dhcp-server6",
    "slapd",
    "nfs-server",
    "rpcbind",
    "named",
    "bind9",
    "vsftpd",
    "proftpd",
    "pure-ftpd",
    "dovecot",
    "smbd",
    "smb",
    "nmbd",
    "nmb",
    "squid",
    "snmpd",
    "rsync",
    "rsyncd",
    "nis",
    "ypserv",
    "xinetd",
    "inetd",
    "openbsd-inetd",
    "inetutils-inetd",
    "telnet",
    "tftp",
    "atftpd",
    "tftpd-hpa",
]
#: States of a unit that starts without anybody's doing, or that others start when they need it.
STARTS = ("enabled", "enabled-runtime", "static", "indirect", "alias", "generated", "linked")


@pytest.mark.control(
    "service.failed",
    severity="medium",
    inputs={"allowed": []},
)
def test_no_unit_has_failed(host, audit):
    """No unit of systemd has failed.

    Why: a service that one relies on, as logging or a firewall, may not be there.

    Fix: read `systemctl status UNIT`; repair it, or disable it. Name exceptions in `allowed`.
    """
    failed = audit.observe("failed", [unit.name for unit in host.facts.units.failed()])
    bad = [name for name in failed if name not in audit.inputs.allowed]
    assert not bad, f"failed: {', '.join(bad)}"


@pytest.mark.control(
    "service.unwanted",
    severity="high",
    frameworks={
        "cis-debian12": ["2.1.12", "2.1.19", "2.1.2", "2.1.6"],
        "cis-dil": [
            "1.1.22",
            "2.1.10",
            "2.2.3",
            "2.2.4",
            "2.2.5",
            "2.2.6",
            "2.2.7",
            "2.2.8",
            "2.2.9",
            "2.2.11",
            "2.2.12",
            "2.2.13",
            "2.2.14",
            "2.2.16",
            "2.2.17",
        ],
        "nist-800-53": ["CM-6(a)", "CM-7(a)", "CM-7(b)"],
        "pci-dss-4": ["2.2", "2.2.4"],
    },
    inputs={"unwanted": UNWANTED},
)
def test_no_unwanted_service_runs(host, audit):
    """No service runs or is enabled that this host does not need.

    Why: what does not run cannot be broken into.

    Fix: `systemctl disable --now NAME`. Take the services of the host's own task out of the input
    `unwanted`.
    """
    try:
        units = host.facts.units
    except NotApplicable:  # services may well run under another init system
        openrc = _openrc(host, audit)
        on = openrc.started | openrc.enabled
        found = [name for name in audit.inputs.unwanted if name in on]
    else:
        names = [f"{n}.{kind}" for n in audit.inputs.unwanted for kind in ("service", "socket")]
        found = [name for name in names if units.is_on(name)]
    assert not audit.observe("found", found), f"enabled or active: {', '.join(found)}"


def _openrc(host, audit):
    try:
        return host.facts.openrc
    except NotApplicable:
        audit.cannot_assess("neither systemd nor OpenRC runs here; other services are not read")


@pytest.mark.control(
    "service.required",
    severity="high",
    frameworks={"cis-debian12": ["2.4.1.1"], "nist-800-53": ["CM-6(a)"]},
    inputs={"services": []},
)
def test_required_services_run(host, audit):
    """The services that the inventory requires run, and will after the next start.

    Why: what was started by hand is gone when the host is started anew.

    Fix: `systemctl enable --now NAME`; with OpenRC `rc-update add NAME`, `rc-service NAME start`.
    The input `services` holds names as `cron` or `backup.timer`.
    """
    if not audit.inputs.services:
        audit.not_applicable("the inventory requires no service (input services)")
    bad = [why for name in audit.inputs.services for why in _lacking(host, audit, name)]
    assert not audit.observe("lacking", bad), listed(bad)


def _lacking(host, audit, name):
    """Yield what the service *name* lacks."""
    try:
        units = host.facts.units
    except NotApplicable:
        yield from _lacking_openrc(host, audit, name)
        return
    full = name if "." in name else f"{name}.service"
    unit = units.get(full)
    if unit is None or unit.load_state != "loaded":
        yield f"{full} is not {'running' if full in units.files else 'there'}"
        return
    if unit.active_state != "active":
        yield f"{full} is {unit.active_state}"
    states = {unit.file_state, *(units.files.get(each, "") for each in (full, *unit.names))}
    if not states & set(STARTS):
        yield f"{full} is {unit.file_state or 'not enabled'}"


def _lacking_openrc(host, audit, name):
    openrc = _openrc(host, audit)
    if name not in openrc.started:
        yield f"{name} is not started"
    if name not in openrc.enabled:
        yield f"{name} is in no runlevel"


@pytest.mark.control(
    "service.ftp-anon",
    severity="high",
    frameworks={"cis-dil": ["2.2.9"]},
)
def test_ftp_wants_a_login(host, audit):
    """No ftp server lets in anybody without a name.

    Why: such servers serve what was never meant for all, and store what others put there.

    Fix: vsftpd: anonymous_enable=NO; proftpd: take out <Anonymous>; pure-ftpd: NoAnonymous yes.
    """
    ftp = host.facts.ftp
    audit.observe("servers", ftp.servers)
    assert not audit.observe("anonymous", ftp.anonymous), (
        f"anybody gets in: {listed(ftp.anonymous)}"
    )


@pytest.mark.control(
    "service.exports",
    severity="high",
    frameworks={"cis-dil": ["2.2.7"]},
    inputs={"allowed": []},
)
def test_nfs_exports_are_limited(host, audit):
    """No NFS export can be written to by everybody, and none trusts root of its clients.

    Why: NFS believes what a client says of its users; root of a client would be root of the files.

    Fix: name clients, use root_squash, and ro or sec=krb5 where all may read. Mind the space: in
    `host (rw)` everybody may write. Run `exportfs -ra`. `allowed` names folders.
    """
    exports = host.facts.exports
    served = [export for export in exports if export.place.startswith(f"{ETAB}:")]
    if not host.facts.commands["exportfs"] and not served:
        audit.not_applicable("there is no NFS server on this host")
    if not audit.observe("exports", [str(export) for export in exports]):
        audit.not_applicable("nothing is exported")
    judged = [export for export in exports if export.path not in audit.inputs.allowed]
    bad = [f"{e}: rw for everybody" for e in judged if e.is_public and e.has("rw", "ro")]
    bad += [f"{e}: {e.root}" for e in judged if e.root]
    assert not bad, listed(bad)


@pytest.mark.control(
    "service.sandbox",
    severity="low",
    inputs={"enabled": False, "maximum": 9.0, "services": [], "allowed": []},
)
def test_services_are_sandboxed(host, audit):
    """No service has more rights than systemd's own points allow.

    Why: a sandbox keeps an intruder inside the one service that he got into.

    Fix: add ProtectSystem=, NoNewPrivileges=, PrivateTmp= and others to a drop-in of the unit; see
    `systemd-analyze security UNIT`. That takes seconds, so it is only asked where the input
    `enabled` is set. `services` are those to judge (without any: all), `maximum` their points.
    """
    if not audit.inputs.enabled:
        audit.not_applicable("not asked for: systemd-analyze takes seconds (input enabled)")
    points = host.facts.exposure
    names = audit.inputs.services or sorted(points)
    missing = [name for name in names if name not in points]
    if missing:
        audit.cannot_assess(f"systemd-analyze does not know {listed(missing)}")
    judged = {name: points[name] for name in names if name not in audit.inputs.allowed}
    bad = [f"{name} {p}" for name, p in judged.items() if p > audit.inputs.maximum]
    assert not audit.observe("exposed", bad), f"more than {audit.inputs.maximum}: {listed(bad)}"
