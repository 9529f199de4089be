"""The hardened host: every check is content with it, and traps that must not fire stand about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address

from lab import disguise, hardened_audit, nspawn
from lab.dockerlike import docker
from lab.nspawn import LabError, Machine
from lab.plant import FRESH_LISTS, PACKAGES, package, service, sshd, unit, write
from lab.timeserver import time_server
from lab.weak_kernel import _everywhere

_HASH = "$y$j9T$abcdefghijklmnop$YQh9yFkbbBQcTaWIrVTKlJJWcYfUOKFyJCmJb0Vyyt2"
_RULES = """table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    iif lo accept
    iif != lo ip saddr 127.0.0.0/8 drop
    iif != lo ip6 saddr ::1 drop
    ct state established,related accept
    meta l4proto { 1, 58 } accept
    tcp dport 22 accept
  }
  chain forward { type filter hook forward priority 0; policy drop; }
  chain output { type filter hook output priority 0; policy accept; }
}"""
_GRUB = """set superusers="admin"
password_pbkdf2 admin grub.pbkdf2.sha512.10000.AB12.CD34
menuentry 'Debian' --unrestricted {
  linux /vmlinuz root=/dev/vda1 ro quiet audit=1 apparmor=1 security=apparmor
}"""
CMDLINE = "BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 ro quiet audit=1 apparmor=1 security=apparmor"
KERNEL = {
    "kernel.randomize_va_space": "2",
    "kernel.kptr_restrict": "2",
    "kernel.dmesg_restrict": "1",
    "kernel.perf_event_paranoid": "3",
    "kernel.unprivileged_bpf_disabled": "2",
    "kernel.sysrq": "0",
    "kernel.yama.ptrace_scope": "1",
    "fs.suid_dumpable": "0",
    "fs.protected_hardlinks": "1",
    "fs.protected_symlinks": "1",
    "fs.protected_fifos": "1",
    "fs.protected_regular": "2",
}
NET = {
    "net.ipv4.ip_forward": "0",
    "net.ipv4.tcp_syncookies": "1",
    "net.ipv4.icmp_echo_ignore_broadcasts": "1",
    "net.ipv4.icmp_ignore_bogus_error_responses": "1",
    **_everywhere("0", "accept_redirects", "secure_redirects", "send_redirects"),
    **_everywhere("0", "accept_source_route"),
    **_everywhere("1", "rp_filter", "log_martians"),
    **_everywhere("0", "accept_redirects", "accept_source_route", "accept_ra", family="ipv6"),
}

_MODULES = (
    *("cramfs", "freevxfs", "hfs", "hfsplus", "jffs2", "udf", "dccp", "sctp", "rds", "tipc"),
    *("usb-storage", "firewire-core"),
)
_ACCOUNTS = [
    (
        "sed -i -e 's/^PASS_MAX_DAYS.*/PASS_MAX_DAYS 365/' "
        "-e 's/^PASS_MIN_DAYS.*/PASS_MIN_DAYS 1/' "
        "-e 's/^PASS_WARN_AGE.*/PASS_WARN_AGE 7/' -e 's/^UMASK.*/UMASK 027/' /etc/login.defs"
    ),
    "useradd -D -f 30",
    f"usermod -p '{_HASH}' root; chage -M 365 -m 1 -W 7 -I 30 root",
    "chmod 0750 /home/auditor; chmod 0700 /root",
    "sed -i 's/ nullok//' /etc/pam.d/common-auth /etc/pam.d/common-password",
    (
        "sed -i -e '/pam_unix.so/i auth required pam_faillock.so preauth deny=5 unlock_time=900' "
        "-e '/pam_deny.so/i auth [default=die] pam_faillock.so authfail deny=5 unlock_time=900' "
        "-e 's/success=1/success=2/' /etc/pam.d/common-auth"
    ),
    "echo 'account required pam_faillock.so' >>/etc/pam.d/common-account",
    (
        "sed -i '/pam_unix.so/i password required pam_pwhistory.so remember=24 use_authtok' "
        "/etc/pam.d/common-password"
    ),
    write("/etc/security/faillock.conf", "deny = 5", "unlock_time = 900"),
    write("/etc/security/pwquality.conf", "minlen = 14", "minclass = 4"),
    "groupadd sugroup; sed -i '1i auth required pam_wheel.so use_uid group=sugroup' /etc/pam.d/su",
    write("/etc/profile.d/tmout.sh", "TMOUT=900", "readonly TMOUT", "export TMOUT"),
    write("/etc/security/limits.d/core.conf", "* hard core 0"),
    write("/etc/systemd/coredump.conf", "[Coredump]", "Storage=none", "ProcessSizeMax=0"),
    "for f in motd issue issue.net; do echo 'Authorised use only.' >/etc/$f; done",
    "chmod 0644 /etc/motd /etc/issue /etc/issue.net",
]
_SSH = [
    # A later file cannot take back what an earlier one says.
    sshd(
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "MaxAuthTries 4",
        "LoginGraceTime 30",
        "X11Forwarding no",
        "LogLevel VERBOSE",
        "ClientAliveInterval 300",
        "ClientAliveCountMax 3",
        "DisableForwarding yes",
        "MaxSessions 10",
        "MaxStartups 10:30:60",
        "Banner /etc/issue.net",
        "AllowUsers root auditor",
        "MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
    ),
    "echo 'X11Forwarding yes' >/etc/ssh/sshd_config.d/20-late.conf",
    sshd("Match User auditor", "  MaxAuthTries 3", file="90-match.conf"),
    "chmod 0600 /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*",
    "awk '$5 >= 3071' /etc/ssh/moduli >/tmp/moduli; cat /tmp/moduli >/etc/ssh/moduli",
    "rm /tmp/moduli",
    write(
        "/etc/sudoers.d/hardened",
        "Defaults use_pty",
        'Defaults logfile="/var/log/sudo.log"',
        mode="0440",
    ),
    "chmod 0440 /etc/sudoers.d/README",
    "chmod 0600 /root/.ssh/authorized_keys /home/auditor/.ssh/authorized_keys",
]
_FILES = [
    "chmod 0600 /etc/crontab; chmod 0700 /etc/cron.d /etc/cron.hourly /etc/cron.daily",
    "chmod 0700 /etc/cron.weekly /etc/cron.monthly",
    "rm -f /etc/cron.deny /etc/at.deny; echo root >/etc/cron.allow; chmod 0640 /etc/cron.allow",
    "echo root >/etc/at.allow; chmod 0640 /etc/at.allow",
    write("/boot/grub/grub.cfg", _GRUB, mode="0600"),
    (
        "mkdir -p /etc/ssl/lab; openssl req -x509 -nodes -days 365 "
        "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=hardened.example.org "
        "-keyout /etc/ssl/private/lab.key -out /etc/ssl/lab/lab.pem 2>/dev/null\n"
        "chmod 0640 /etc/ssl/private/lab.key"
    ),
    write("/etc/modprobe.d/lab.conf", *(f"install {name} /bin/false" for name in _MODULES)),
    "find /var/log -type f -exec chmod o-rwx,g-w {} +",
]
_SERVICES = [
    write("/etc/nftables.conf", "#!/usr/sbin/nft -f", "flush ruleset", _RULES),
    "systemctl enable --quiet nftables",
    write("/etc/systemd/journald.conf.d/lab.conf", "[Journal]", "Storage=persistent"),
    "mkdir -p /var/log/journal",
    write(
        "/etc/rsyslog.d/remote.conf",
        'action(type="omfwd" target="192.0.2.1" port="6514" protocol="udp")',
    ),
    "sed -i 's/^.FileCreateMode.*/$FileCreateMode 0640/' /etc/rsyslog.conf",
    "echo x >/var/lib/aide/aide.db; systemctl enable --quiet dailyaidecheck.timer || true",
    # No container may have auditd: it only seems to run.
    "sed -i '/^pool/d' /etc/chrony/chrony.conf",
    write(
        "/etc/systemd/system/auditd.service.d/lab.conf",
        "[Unit]",
        "ConditionVirtualization=",
        "ConditionKernelCommandLine=",
        "ConditionSecurity=",
        "[Service]",
        "Type=simple",
        "PIDFile=",
        "ExecStart=",
        "ExecStart=/bin/sleep infinity",
        "ExecStartPost=",
    ),
    "systemctl enable --quiet auditd",
    docker(weak=False),
    write("/usr/sbin/proftpd", "#!/bin/sh", mode="0755"),
    write("/etc/proftpd/proftpd.conf", "# <Anonymous ~ftp>", "RequireValidShell on"),
    write("/usr/sbin/exportfs", "#!/bin/sh", mode="0755"),
    write("/etc/exports", "/srv/data 192.0.2.0/24(ro,root_squash)"),
]
_MOUNTS = """for place in /home /var /var/log /var/log/audit /var/tmp
do mkdir -p $place; mount --bind $place $place; mount -o remount,bind,nodev,nosuid $place; done
mount -o remount,bind,nodev,nosuid,noexec /var/tmp
mount -o remount,bind,nodev,nosuid,noexec /var/log
mount -o remount,bind,nodev,nosuid,noexec /var/log/audit
mount -o remount,nodev,nosuid,noexec /tmp
mount -o remount,nodev,nosuid,noexec /dev/shm"""
#: None of these is a finding.
TRAPS = [
    # locked shadow entries
    "usermod -p '*LK*' news; usermod -p '!!' mail; usermod -L games; usermod -p '*' lp",
    # packages that were removed, and kept their configuration
    package("vsftpd", "dpkg -i /tmp/vsftpd.deb && dpkg --remove vsftpd"),
    package(
        "inetutils-telnetd", "dpkg -i /tmp/inetutils-telnetd.deb && dpkg --remove inetutils-telnetd"
    ),
    # a start script of a removed package; a unit with the name of an unwanted service, at rest
    write("/etc/init.d/vsftpd", "#!/bin/sh", "exit 0", mode="0755"),
    unit("cups.service", "[Service]\nExecStart=/bin/sleep infinity"),
    # names that only begin like others
    package("telnetd-monitor"),
    service("rsyncd-metrics", "/bin/sleep infinity"),
    # a public folder with the sticky bit, a placeholder, a comment
    "mkdir -m 1777 /srv/drop; chmod 1777 /srv/drop",
    write(
        "/opt/app/example.env", "DB_PASSWORD=${DB_PASSWORD}", "API_TOKEN=<your token>", mode="0644"
    ),
    "echo '# auditor ALL=(ALL) NOPASSWD: ALL' >>/etc/sudoers.d/hardened",
    # the last assignment counts, and the last file
    write("/etc/sysctl.d/10-lab.conf", "kernel.randomize_va_space = 0", "fs.suid_dumpable = 1"),
    write(
        "/etc/sysctl.d/99-lab.conf",
        *(f"{key} = {value}" for key, value in {**KERNEL, **NET}.items() if ".host0." not in key),
    ),
    # of another directory, hidden by a file of the same name
    "mkdir -p /usr/local/lib/sysctl.d",
    write("/usr/local/lib/sysctl.d/99-lab.conf", "kernel.randomize_va_space = 0"),
]
#: Shell lines that say whether the traps are there.
SET = (
    r"grep -q '^news:\*LK\*:' /etc/shadow && grep -q '^mail:!!:' /etc/shadow",
    "dpkg-query -W -f '${db:Status-Abbrev}' vsftpd | grep -q ^rc",
    "dpkg-query -W -f '${db:Status-Abbrev}' inetutils-telnetd | grep -q ^rc",
    "systemctl is-enabled vsftpd 2>/dev/null; test -x /etc/init.d/vsftpd",
    "systemctl cat cups.service >/dev/null && ! systemctl -q is-active cups",
    "systemctl -q is-active rsyncd-metrics && dpkg -s telnetd-monitor >/dev/null",
    "test -k /srv/drop && grep -q DB_PASSWORD /opt/app/example.env",
    "grep -q '= 0' /etc/sysctl.d/10-lab.conf /usr/local/lib/sysctl.d/99-lab.conf",
    "grep -q 'X11Forwarding yes' /etc/ssh/sshd_config.d/20-late.conf",
    "ss -Hltn | grep -q :22",
)
HARDENED = [
    FRESH_LISTS,
    *_ACCOUNTS,
    *_SSH,
    *_FILES,
    *_SERVICES,
    *hardened_audit.SETUP,
    *TRAPS,
    *disguise.machine(
        cmdline=CMDLINE,
        kernel=KERNEL,
        mitigation="Mitigation: PTI",
        apparmor=True,
        audit=(2, hardened_audit.RULES),
        healthy=True,
    ),
    "mkdir -p /srv/data; echo 'data /srv/data tmpfs nodev,nosuid,noexec 0 0' >>/etc/fstab",
    unit(
        "lab-mounts.service",
        "[Unit]\nBefore=ssh.service\n"
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh /etc/lab/mounts",
        start=True,
    ),
    write("/etc/lab/mounts", _MOUNTS),
]


#: Controls that do not apply there, and why.
NOT_HERE: dict[str, str] = {}
#: What the inventory says of this host.
_INPUTS: dict[str, dict[str, object]] = {
    "package.expected": {"required": ["openssh-server"]},
    "service.required": {"services": ["ssh", "cron"]},
    "health.users": {"users": ["root", "auditor"]},
}
#: What takes seconds, and is only looked at where it is asked for.
DEAR: dict[str, dict[str, object]] = {
    "package.verify": {"enabled": True},
    "service.sandbox": {"enabled": True, "services": ["systemd-logind.service"]},
}
#: Seconds until the clock must follow the time server.
_SYNCED = 30


def settings(*, dear: bool) -> dict[str, object]:
    """Return what the inventory says of this host, with *dear* for what takes seconds too."""
    inputs = {**_INPUTS, **(DEAR if dear else {})}
    return {"vars": {"allowed_ports": [22]}, "inputs": inputs}


@contextmanager
def hardened_host(packages: Sequence[str] = PACKAGES) -> Iterator[Machine]:
    """Boot it with these packages, and let its clock follow a time server."""
    with nspawn.booted_host(
        "hardened", HARDENED, sysctls=NET, packages=packages, lists=True, overlay=False
    ) as machine:
        near = str(ip_address(machine.address) - 1)
        with time_server(near):
            source = f"server {near} iburst minpoll 0 maxpoll 2"
            done = machine.run(
                f"echo '{source}' >/etc/chrony/sources.d/lab.sources && chronyc reload sources\n"
                f"chronyc waitsync {_SYNCED} 0 0 1"
            )
            if done.returncode:
                raise LabError(f"hardened: no time: {done.stdout}{done.stderr}")
            yield machine
