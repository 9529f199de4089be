"""What is wrong with the kernel, the boot and the audit of the weak host."""

from __future__ import annotations

from lab.plant import Plant, write

_REDIRECTS = ("accept_redirects", "secure_redirects", "send_redirects")
_DEVICES = ("all", "default", "host0")


def _everywhere(value: str, *keys: str, family: str = "ipv4") -> dict[str, str]:
    return {f"net.{family}.conf.{device}.{key}": value for device in _DEVICES for key in keys}


PLANTS: dict[str, Plant] = {
    "kernel.ip-forward": Plant("ip_forward", net={"net.ipv4.ip_forward": "1"}),
    "kernel.redirects": Plant(
        "redirects",
        net=_everywhere("1", *_REDIRECTS) | _everywhere("1", "accept_redirects", family="ipv6"),
    ),
    "kernel.source-route": Plant(
        "accept_source_route",
        net=_everywhere("1", "accept_source_route")
        | _everywhere("1", "accept_source_route", family="ipv6"),
    ),
    "kernel.rp-filter": Plant("host0", net=_everywhere("0", "rp_filter")),
    "kernel.martians": Plant("log_martians", net=_everywhere("0", "log_martians")),
    "kernel.ipv6-ra": Plant("accept_ra", net=_everywhere("1", "accept_ra", family="ipv6")),
    "kernel.icmp": Plant(
        "icmp_echo_ignore_broadcasts",
        net={
            "net.ipv4.icmp_echo_ignore_broadcasts": "0",
            "net.ipv4.icmp_ignore_bogus_error_responses": "0",
        },
    ),
    "kernel.syncookies": Plant("tcp_syncookies", net={"net.ipv4.tcp_syncookies": "0"}),
    "kernel.aslr": Plant("randomize_va_space", kernel={"kernel.randomize_va_space": "1"}),
    "kernel.pointers": Plant(
        "kptr_restrict",
        kernel={
            "kernel.kptr_restrict": "0",
            "kernel.dmesg_restrict": "0",
            "kernel.perf_event_paranoid": "1",
            "kernel.unprivileged_bpf_disabled": "0",
        },
    ),
    "kernel.sysrq": Plant("kernel.sysrq", kernel={"kernel.sysrq": "1"}),
    "kernel.ptrace": Plant("ptrace_scope", kernel={"kernel.yama.ptrace_scope": "0"}),
    "kernel.links": Plant(
        "protected_symlinks",
        kernel={
            "fs.protected_hardlinks": "0",
            "fs.protected_symlinks": "0",
            "fs.protected_fifos": "0",
            "fs.protected_regular": "0",
        },
    ),
    "coredump.suid": Plant("suid_dumpable", kernel={"fs.suid_dumpable": "1"}),
    "kernel.persisted": Plant(
        "randomize_va_space",
        write("/etc/sysctl.d/99-lab.conf", "kernel.randomize_va_space = 0"),
    ),
    "kernel.cpu-mitigations": Plant("meltdown"),
    "kernel.reboot": Plant(
        "/run/reboot-required", ": >/boot/vmlinuz-99.0-1-amd64", ": >/run/reboot-required"
    ),
    "boot.password": Plant("password"),
    "boot.cmdline": Plant("mitigations=off"),
    "boot.single-user": Plant(
        "rescue.service",
        write(
            "/etc/systemd/system/rescue.service.d/lab.conf",
            "[Service]",
            "ExecStart=",
            "ExecStart=-/bin/sh",
        ),
    ),
    "mac.enforcing": Plant("neither AppArmor nor SELinux"),
    "audit.installed": Plant(
        "audit", running="rm /sbin/auditctl; dpkg --purge auditd >/dev/null 2>&1", later=True
    ),
    "audit.rules": Plant("time: -a always,exit -S adjtimex"),
    "audit.config": Plant(
        "max_log_file_action is rotate",
        "sed -i 's/^max_log_file_action.*/max_log_file_action = ROTATE/' /etc/audit/auditd.conf",
    ),
    "audit.immutable": Plant("enabled is 0"),
    "audit.boot": Plant("audit=1"),
}

#: The command line that the kernel is said to have been started with.
CMDLINE = "BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 ro quiet mitigations=off"
