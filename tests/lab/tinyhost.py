"""What the library says of a host of busybox and dropbear, and why."""

from __future__ import annotations

from fnmatch import fnmatchcase

#: What cannot be found out there.
ERRORS = {
    "files.capabilities": "busybox has no getcap",
    "service.unwanted": "there may be services, under an init that nobody can ask",
}
#: What is wrong with such a host: nobody has hardened it, and its kernel is the machine's.
FAILURES = (
    *(
        "account.authorized-keys",
        "account.home-mode",
        "account.tmout",
        "integrity.installed",
        "coredump.limits",
    ),
    *("mount.shm", "mount.tmp", "net.firewall", "net.firewall-loopback"),
    *("net.firewall-open-ports", "ssh.wire"),
    *("kernel.ipv6-ra", "kernel.martians", "kernel.redirects", "kernel.rp-filter"),
    "kernel.source-route",
)
#: Settings of the machine that the host runs on: good or bad, they are judged.
THE_MACHINES = ("kernel.aslr", "kernel.cpu-mitigations", "kernel.links", "kernel.pointers")
#: What is not there.
ABSENT = {
    "account.faillock": "PAM",
    "account.history": "PAM",
    "account.nullok": "PAM",
    "account.pwquality": "PAM",
    "account.su": "PAM",
    "account.login-defs": "/etc/login.defs",
    "account.root-path": "start files",
    "account.shadow-group": "the group shadow",
    "audit.*": "a kernel of its own, auditd",
    "banner.text": "/etc/issue",
    "boot.*": "a boot loader",
    "container.*": "a container engine",
    "cron.*": "cron",
    "health.raid": "arrays",
    "health.sensors": "sensors",
    "health.swap": "swap",
    "health.users": "expected users in the inventory",
    "kernel.modules": "a kernel of its own",
    "kernel.ptrace": "Yama",
    "kernel.reboot": "a kernel of its own",
    "kernel.sysrq": "the key",
    "log.*": "systemd, syslog",
    "mac.enforcing": "a kernel of its own",
    "mount.fstab-drift": "/etc/fstab",
    "mount.separate": "a disk of its own",
    "mount.var-tmp": "/var/tmp",
    "net.listening": "allowed ports in the inventory",
    "net.missing-listener": "allowed ports in the inventory",
    "package.*": "a data base of packages",
    "perm.backups": "backups of the account files",
    "perm.banners": "/etc/issue",
    "perm.bootloader": "a boot loader",
    "perm.cron": "cron",
    "perm.gshadow": "/etc/gshadow",
    "perm.units": "systemd",
    "service.*": "systemd",
    "ssh.*": "OpenSSH",
    "sudo.*": "sudo",
    "time.*": "a clock of its own",
    "tls.*": "certificates",
    "integrity.scheduled": "a tool for file integrity",
}
#: What does apply, although its names say otherwise.
PASSES = ("log.no-listen", "time.skew")


def expected(control: str) -> str:
    """Return the verdict that *control* must have there; "" if it depends on the machine."""
    if control in ERRORS:
        return "error"
    if control in FAILURES:
        return "fail"
    if control in THE_MACHINES:
        return ""
    absent = any(fnmatchcase(control, pattern) for pattern in ABSENT) and control not in PASSES
    return "not_applicable" if absent else "pass"
