"""Files that give power to whoever runs or writes them, wherever they lie on the host."""

from __future__ import annotations

import pytest

from pytest_sysaudit.facts.file_search import ROOTLESS, but, within_containers
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: Programs that packages of Debian and Ubuntu bring along set-uid.
SET_UID = """
at bbsuid bwrap chfn chrome-sandbox chsh cockpit-session dbus-daemon-launch-helper dma-mbox-create
dmcrypt-get-device doas exim4 firejail fping fping6 fusermount fusermount-glusterfs fusermount3
gpasswd grub2-set-bootflag helper lxc-user-nic mount mount.cifs mount.davfs mount.ecryptfs_private
mount.nfs mtr-packet newgidmap newgrp newuidmap ntfs-3g nvidia-modprobe pam_timestamp_check passwd
physlock ping ping4 ping6 pkexec pmount polkit-agent-helper-1 pppd procmail pumount schroot slock
snap-confine ssh-keysign starter-suid su su-rs sudo sudo-rs sudoedit suexec suexec-custom
suexec-pristine telnetlogin traceroute6.iputils umount usernetctl uuidd VBoxHeadless VBoxNetAdpCtl
VBoxNetDHCP VBoxNetNAT VBoxSDL VBoxVolInfo VirtualBoxVM vmware-user-suid-wrapper xlock Xorg.wrap
""".split()  # noqa: SIM905 - a table of words
#: The same for set-gid: set-uid, some of these, as ssh-agent, would give a shell of root.
SET_GID = """
at bsd-write camel-lock-helper-1.2 chage cockpit-session crontab dma dma-mbox-create dotlockfile
expiry gnome-pty-helper locate mail-lock mail-touchlock mail-unlock mlocate pam_extrausers_chkpwd
plocate postdrop postlog postqueue procmail screen sendmail slock smtpctl ssh-agent unix_chkpwd
utempter uuidd wall write write.ul xlock
""".split()  # noqa: SIM905 - a table of words

#: What packages give to their programs, by the program's name.
CAPABLE = {
    "arping": ["cap_net_raw"],
    "clockdiff": ["cap_net_raw"],
    "dumpcap": ["cap_net_admin", "cap_net_raw"],
    "fping": ["cap_net_raw"],
    "gnome-keyring-daemon": ["cap_ipc_lock"],
    "gst-ptp-helper": ["cap_net_admin", "cap_net_bind_service", "cap_sys_nice"],
    "kwin_wayland": ["cap_sys_nice"],
    "mtr-packet": ["cap_net_raw"],
    "newgidmap": ["cap_setgid"],
    "newuidmap": ["cap_setuid"],
    "ping": ["cap_net_raw"],
    "suexec": ["cap_setgid", "cap_setuid"],
    "systemd-detect-virt": ["cap_dac_override", "cap_sys_ptrace"],
    "traceroute6.iputils": ["cap_net_raw"],
}


def _unexpected(host, audit, bit):
    """Return what is wrong with each file that has *bit* and is not allowed to."""
    files = host.facts.file_search.with_any(bit)
    audit.observe("files", [f"{file.mode:04o} {file.path}" for file in files[:200]])
    owners = host.facts.owners
    rest = [file for file in but(files, audit.inputs.allowed) if not within_containers(file)]
    found = ((file, owners.objection(file, audit.inputs.programs)) for file in rest)
    return [f"{file.path} ({why})" for file, why in found if why]


@pytest.mark.control(
    "files.suid",
    severity="critical",
    frameworks={"cis-dil": ["6.1.13"], "dev-sec": ["os-06"]},
    inputs={"allowed": [], "programs": SET_UID},
)
def test_set_uid_programs_come_from_packages(host, audit):
    """Every set-uid program comes as such from a package, or is listed.

    Why: it runs with its owner's rights, mostly root's, whoever starts it. One that nobody
    planned is the usual way to stay root on a host.

    Fix: `chmod u-s FILE`, or remove it. Name exceptions in the input `allowed`, as paths or
    patterns. dpkg does not know which programs come set-uid, so on Debian a packaged one must also
    be among those that the input `programs` names.
    """
    bad = _unexpected(host, audit, 0o4000)
    assert not bad, f"set-uid, but not expected: {listed(bad)}"
    host.facts.file_search.require_all()


@pytest.mark.control(
    "files.sgid",
    severity="high",
    frameworks={"cis-dil": ["6.1.14"], "dev-sec": ["os-06"]},
    inputs={"allowed": [], "programs": SET_GID},
)
def test_set_gid_programs_come_from_packages(host, audit):
    """Every set-gid program comes as such from a package, or is listed.

    Why: it runs with its group's rights, whoever starts it, and groups as shadow or disk are not
    far from root.

    Fix: `chmod g-s FILE`, or remove it. Name exceptions in the input `allowed`, as paths or
    patterns. dpkg does not know which programs come set-gid, so on Debian a packaged one must also
    be among those that the input `programs` names.
    """
    bad = _unexpected(host, audit, 0o2000)
    assert not bad, f"set-gid, but not expected: {listed(bad)}"
    host.facts.file_search.require_all()


def _capable_as_expected(file, owners, inputs):
    if but([file], inputs.allowed):
        name = file.path.rpartition("/")[2]
        return file.path in owners and file.names <= set(inputs.programs.get(name, ()))
    return True


@pytest.mark.control(
    "files.capabilities",
    severity="high",
    inputs={"allowed": [], "programs": CAPABLE},
)
def test_programs_have_no_unexpected_capabilities(host, audit):
    """No program has capabilities but those that are listed.

    Why: capabilities are parts of root's power, and some of them, as cap_setuid, are all of it. A
    search for set-uid programs does not find them.

    Fix: `setcap -r FILE`. Name exceptions in the input `allowed`, as paths or patterns; the input
    `programs` says which capabilities a program of a package may have.
    """
    found = host.facts.capabilities
    audit.observe("files", [str(file) for file in found[:200]])
    owners = host.facts.owners.owners
    bad = [file for file in found if not _capable_as_expected(file, owners, audit.inputs)]
    assert not bad, f"with capabilities, but not expected: {listed(bad)}"
    host.facts.file_search.require_all()


@pytest.mark.control(
    "files.orphans",
    severity="medium",
    frameworks={
        "cis-debian12": ["7.1.12"],
        "cis-dil": ["6.1.11", "6.1.12"],
        "nist-800-53": ["AC-6(1)", "CM-6(a)"],
        "pci-dss-4": ["2.2", "2.2.6"],
    },
    inputs={"allowed": [ROOTLESS]},
)
def test_every_file_belongs_to_somebody(host, audit):
    """Every file has an owner and a group with a name.

    Why: the next account that is given the number owns what its predecessor left behind.

    Fix: `chown` the files to who needs them, or remove them. Name exceptions in the input
    `allowed`, as paths or patterns.
    """
    bad = but(host.facts.orphans, audit.inputs.allowed)
    names = [f"{file.path} ({file.uid}:{file.gid})" for file in bad]
    audit.observe("of nobody", names[:50])
    assert not names, f"owner or group has no name: {listed(names)}"
    host.facts.file_search.require_all()


@pytest.mark.control(
    "files.ww-files",
    severity="high",
    frameworks={
        "cis-debian12": ["7.1.11"],
        "cis-dil": ["6.1.10"],
        "nist-800-53": ["AC-6(1)", "CM-6(a)"],
        "pci-dss-4": ["2.2", "2.2.6"],
    },
    inputs={"allowed": [ROOTLESS]},
)
def test_no_file_is_writable_by_everybody(host, audit):
    """No regular file can be written by everybody.

    Why: any user, and any service that was broken into, can change what others read or run.

    Fix: `chmod o-w FILE`. Name exceptions in the input `allowed`, as paths or patterns.
    """
    found = host.facts.file_search
    bad = [file.path for file in but(found.with_any(0o002), audit.inputs.allowed)]
    audit.observe("writable", bad[:50])
    assert not bad, f"{len(bad)} writable by everybody: {listed(bad)}"
    found.require_all()


@pytest.mark.control(
    "files.ww-dirs",
    severity="high",
    frameworks={
        "cis-dil": ["1.1.21"],
        "nist-800-53": ["AC-6(1)", "CM-6(a)"],
        "pci-dss-4": ["2.2", "2.2.6"],
    },
    inputs={"allowed": [ROOTLESS]},
)
def test_open_folders_are_sticky(host, audit):
    """A folder that everybody may write to has the sticky bit.

    Why: without it everybody may delete or replace the files of others there.

    Fix: `chmod +t FOLDER`, or `chmod o-w FOLDER`. Name exceptions in the input `allowed`, as
    paths or patterns.
    """
    found = host.facts.file_search
    bad = [folder.path for folder in but(found.open_folders(), audit.inputs.allowed)]
    audit.observe("not sticky", bad[:50])
    assert not bad, f"{len(bad)} without the sticky bit: {listed(bad)}"
    found.require_all()
