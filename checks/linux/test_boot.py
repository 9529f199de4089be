"""How the host starts: kernel and its arguments, boot loader, rescue mode; who sits there."""

from __future__ import annotations

import fnmatch
import re

import pytest

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.facts.releases import newer
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: Arguments of the kernel that switch a defence off, or give a shell to whoever starts the host.
FORBIDDEN = [
    "audit=0",
    "apparmor=0",
    "selinux=0",
    "enforcing=0",
    "security=none",
    "mitigations=off",
    "nopti",
    "pti=off",
    "nospectre_v1",
    "nospectre_v2",
    "spectre_v2=off",
    "mds=off",
    "l1tf=off",
    "tsx_async_abort=off",
    "spec_store_bypass_disable=off",
    "nokaslr",
    "nosmap",
    "nosmep",
    "noexec=off",
    "init=/bin/*",
    "init=/usr/bin/*",
    "rd.break*",
    "systemd.debug-shell",
    "systemd.debug-shell=[1yto]*",
    "systemd.debug_shell",
    "systemd.debug_shell=[1yto]*",
]
UNITS = ("rescue.service", "emergency.service")
_DEBIAN = re.compile(r" Debian (\S+)")


@pytest.mark.control(
    "kernel.cpu-mitigations",
    severity="medium",
    frameworks={"dev-sec": ["os-12"]},
    inputs={"accepted": [], "unknown_fails": False},
)
def test_processor_flaws_are_mitigated(host, audit):
    """The kernel reports no flaw of the processor that nothing is done about.

    Why: programs, and guests of a virtual machine, can read the memory of others through them.

    Fix: install the newest kernel and microcode, and take `mitigations=off` from the kernel's
    arguments. A guest cannot know all of it: where the kernel says "unknown", see its host.
    """
    host.facts.boot.own_kernel()
    texts = host.facts.texts["/sys/devices/system/cpu/vulnerabilities/*"]
    states = {path.rpartition("/")[2]: text.strip() for path, text in texts.items()}
    audit.observe("vulnerabilities", states)
    if not states:
        audit.cannot_assess("this kernel does not report flaws of the processor")
    words = r"(KVM: )?Vulnerable" + (r"|Unknown" if audit.inputs.unknown_fails else "")
    bad = [
        f"{name}: {state}"
        for name, state in states.items()
        if re.match(words, state) and name not in audit.inputs.accepted
    ]
    assert not bad, f"not mitigated: {listed(bad)}"


@pytest.mark.control(
    "kernel.reboot",
    severity="medium",
    frameworks={"cis-dil": ["1.8"]},
    inputs={"foreign_kernel": False},
)
def test_no_restart_is_pending(host, audit):
    """The newest installed kernel runs, and no update waits for a restart.

    Why: until then the flaws that the update closes are open.

    Fix: restart the host. Where the kernel comes from outside, as from the network or from the
    host of a virtual machine, set the input `foreign_kernel`.
    """
    boot = host.facts.boot
    audit.observe("running", boot.release)
    audit.observe("installed", boot.kernels)
    bad = [*boot.markers, *(f"{name} is newer than the last start" for name in boot.updated or ())]
    if boot.waits:
        bad.append(f"waiting: {listed(boot.waits)}")
    if not boot.container and not audit.inputs.foreign_kernel:
        bad += _kernels_ahead(host)
    installed = f" (installed: {listed(boot.kernels)})" if boot.kernels else ""
    assert not bad, f"a restart is pending: {listed(bad)}{installed}"
    if boot.container or audit.inputs.foreign_kernel:
        audit.not_applicable("nothing asks for a restart, and the kernel is not this host's own")
    boot.whole("/boot")
    if not boot.kernels:
        audit.not_applicable("nothing asks for a restart, and no kernel is installed here")


def _kernels_ahead(host):
    """Yield what says that another kernel than the running one would be started."""
    boot = host.facts.boot
    for release in newer(boot.release, boot.kernels)[-1:]:
        yield f"kernel {release} is installed, {boot.release} runs"
    if boot.kernels and boot.release not in boot.kernels:
        yield f"the running kernel {boot.release} is not installed any more"
    built = _DEBIAN.search(boot.version)
    if built:
        try:
            package = host.facts.packages.get(f"linux-image-{boot.release}")
        except NotApplicable:  # an image without a data base of packages
            return
        if package is not None and package.version != built[1]:
            yield f"{package.name} {package.version} is installed, {built[1]} runs"


@pytest.mark.control(
    "boot.password",
    severity="medium",
    frameworks={"cis-debian12": ["1.4.1"], "cis-dil": ["1.4.2"], "nist-800-53": ["CM-6(a)"]},
    inputs={"exempt": False},
)
def test_boot_menu_asks_for_a_password(host, audit):
    """Who wants to change what is started needs a password.

    Why: the boot menu can start any kernel with any argument, which gives a shell of root.

    Fix: name `superusers` and a `password_pbkdf2` in /etc/grub.d/40_custom (on RHEL:
    grub2-setpassword), then update-grub. Where nobody can reach the console set the input `exempt`.
    """
    boot = host.facts.boot
    boot.own_kernel()
    if audit.inputs.exempt:
        audit.not_applicable("nobody reaches the console of this host (input exempt)")
    menus = [file for file in boot.loader if file.is_grub and file.entries]
    audit.observe("menus", [file.path for file in menus])
    bad = [f"{file.path}: {why}" for file in menus for why in _unprotected(file, boot.loader)]
    assert not bad, f"the boot menu is open: {listed(bad)}"
    boot.whole()
    if not menus and (boot.loader or boot.kernels):
        others = listed(file.path for file in boot.loader) or "none"
        audit.cannot_assess(f"GRUB has no menu here; other boot loaders are not read: {others}")
    if not menus:
        audit.not_applicable("no boot loader is configured on this host")


def _unprotected(menu, files):
    """Yield why the GRUB menu of *menu* can be changed by anybody."""
    beside = [file for file in files if file.is_grub and file.folder == menu.folder]
    kinds = {kind for file in beside for kind in file.passwords}
    if "variable" in kinds and any(file.gives_hash for file in beside):
        kinds.add("hash")
    if not any(file.superusers for file in beside):
        yield "no superusers"
    if "plain" in kinds:
        yield "a password in plain text"
    elif "hash" not in kinds:
        yield "no password"


@pytest.mark.control(
    "boot.cmdline",
    severity="medium",
    frameworks={"cis-debian12": ["1.3.1.2"], "cis-dil": ["1.6.2.1", "1.6.3.1"]},
    inputs={"forbidden": FORBIDDEN},
)
def test_no_argument_weakens_the_kernel(host, audit):
    """The kernel runs, and would be started, without arguments that weaken it.

    Why: one word there switches off what all other settings rely on.

    Fix: take it from GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub (RHEL: grubby) and
    restart.
    """
    boot = host.facts.boot
    boot.own_kernel()
    # their values may be passwords
    audit.observe("arguments", [word.partition("=")[0] for word in boot.arguments])
    started = [("/proc/cmdline", boot.arguments)]
    started += [(file.path, words) for file in boot.loader for words in file.kernels]
    bad = dict.fromkeys(
        f"{word} in {path}"
        for path, words in started
        for word in words
        if any(fnmatch.fnmatchcase(word, each) for each in audit.inputs.forbidden)
    )
    assert not bad, f"the kernel is weakened: {listed(bad)}"
    boot.whole()


@pytest.mark.control(
    "boot.single-user",
    severity="low",
    frameworks={"cis-dil": ["1.4.3"]},
    inputs={"locked": True},
)
def test_rescue_mode_asks_for_a_password(host, audit):
    """Rescue and emergency mode ask for the password of root.

    Why: otherwise a start that fails, or one that is made to, ends in a shell of root.

    Fix: remove what changes ExecStart of rescue.service and emergency.service, and give root a
    password. With the input `locked`, a locked root, who cannot log in at all, is fine too.
    """
    boot = host.facts.boot
    boot.own_kernel()
    bad = ["SYSTEMD_SULOGIN_FORCE is on"] if "SYSTEMD_SULOGIN_FORCE=1" in boot.arguments else []
    try:
        for name in UNITS:
            bad += _without_password(audit, name, host.facts.unit_properties[name])
    except NotApplicable as error:
        bad += _of_inittab(audit, host, error)
    states = [entry.state for entry in host.facts.shadow if entry.name == "root"]
    audit.observe("root", states)
    if not states:
        audit.cannot_assess("/etc/shadow: no line for root")
    allowed = ("set", "locked") if audit.inputs.locked else ("set",)
    bad += [f"the password of root is {state}" for state in states if state not in allowed]
    assert not bad, listed(bad)


def _without_password(audit, name, unit):
    """Yield why the unit gives a shell without a password."""
    if unit.get("LoadState") in ("masked", "not-found"):
        return
    command = audit.observe(name, unit["ExecStart"])
    if "sulogin" not in command:
        yield f"{name} does not start sulogin"
    forced = re.search(r"sulogin\S* (?:-e|--force)\b", command)
    if forced or "SYSTEMD_SULOGIN_FORCE=1" in unit.get("Environment", ""):
        yield f"{name} gives a shell where root has no password"


def _of_inittab(audit, host, error):
    """Yield what init starts in single-user mode without sulogin."""
    lines = [line for _, _, line in host.facts.texts["/etc/inittab"].lines()]
    found = [line for line in lines if re.match(r"[^:]*:[Ss]:|~~?:", line)]
    if not found:
        audit.cannot_assess(f"{error}, and /etc/inittab says nothing of single-user mode")
    audit.observe("inittab", found)
    if not any("sulogin" in line for line in found):
        yield "/etc/inittab starts no sulogin in single-user mode"


@pytest.mark.control(
    "kernel.sysrq",
    severity="low",
    frameworks={"dev-sec": ["sysctl-30"]},
    inputs={"allowed": [0, 4, 16, 176, 438]},
)
def test_magic_keys_are_limited(host, audit):
    """The keyboard cannot order the kernel about.

    Why: who sits at the console, or at its serial line, could kill programs or read memory.

    Fix: set kernel.sysrq = 0, or 16 (only write back the disks), in a file of /etc/sysctl.d.
    """
    value = audit.observe("value", host.facts.sysctl.number("kernel.sysrq"))
    assert value in audit.inputs.allowed, (
        f"kernel.sysrq is {value}; expected: one of {listed(audit.inputs.allowed)}"
    )
