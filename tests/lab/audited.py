"""A weak and a hardened host to audit: what is wrong with the one is right with the other."""

from __future__ import annotations

from lab.nspawn import kernel_settings

#: A package of that name in dpkg's data base, with nothing in it but one configuration file.
_PACKAGE = r"""d=$(mktemp -d); chmod 755 $d; mkdir -p $d/DEBIAN $d/etc
echo x >$d/etc/{name}.conf; echo /etc/{name}.conf >$d/DEBIAN/conffiles
printf 'Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: lab <lab@example.org>\n{more}' \
  >$d/DEBIAN/control
printf 'Description: lab\n' >>$d/DEBIAN/control
dpkg-deb --build -Znone $d /tmp/{name}.deb >/dev/null; rm -r $d; """


def _package(name: str, install: str, more: str = "") -> str:
    made = _PACKAGE.replace("{name}", name).replace("{more}", more)
    return f"({made} {install}) >/dev/null 2>&1"


def _unit(name: str, text: str) -> str:
    return f"cat >/etc/systemd/system/{name} <<'END'\n{text}\nEND"


def _start(*units: str) -> str:
    """Start *units* with the host, as ``systemctl enable`` would if they had an Install section."""
    wants = "/etc/systemd/system/multi-user.target.wants"
    return "\n".join([f"mkdir -p {wants}", *(f"ln -s ../{unit} {wants}/" for unit in units)])


def _sshd(*lines: str) -> str:
    return "cat >/etc/ssh/sshd_config.d/10-lab.conf <<'END'\n" + "\n".join(lines) + "\nEND"


_KERNEL_KEYS = [
    "kernel.randomize_va_space",
    "kernel.kptr_restrict",
    "kernel.dmesg_restrict",
    "kernel.perf_event_paranoid",
    "kernel.unprivileged_bpf_disabled",
    "fs.suid_dumpable",
    "fs.protected_hardlinks",
    "fs.protected_symlinks",
    "fs.protected_fifos",
    "fs.protected_regular",
]


def _kernel(*values: int) -> list[str]:
    pairs = zip(_KERNEL_KEYS, map(str, values), strict=True)
    return kernel_settings(dict(pairs))


def _net(redirects: str, source_route: str, rp_filter: str, **others: str) -> dict[str, str]:
    found = {f"net.ipv4.{key}": value for key, value in others.items()}
    for device in ("all", "default", "host0"):
        for key in ("accept_redirects", "secure_redirects", "send_redirects"):
            found[f"net.ipv4.conf.{device}.{key}"] = redirects
        found[f"net.ipv4.conf.{device}.accept_source_route"] = source_route
        found[f"net.ipv4.conf.{device}.rp_filter"] = rp_filter
        found[f"net.ipv6.conf.{device}.accept_redirects"] = redirects
        found[f"net.ipv6.conf.{device}.accept_source_route"] = source_route
    return found


WEAK = [
    # accounts
    "useradd -o -u 0 -g 0 -M -s /bin/sh toor",
    "echo 'twin:x:1000:1000::/:/usr/sbin/nologin' >>/etc/passwd",
    "echo 'twin:!::0:99999:7:::' >>/etc/shadow",
    "echo 'bin:x:77:77::/:/usr/sbin/nologin' >>/etc/passwd",
    "echo '+::::::' >>/etc/passwd",
    "groupadd -o -g 42 second",
    "usermod -s /bin/sh games",
    "sed -i 's/^news:[^:]*:/news::/' /etc/shadow",
    "sed -i 's/^lp:x:/lp:Ab3xyzABCDEFG:/' /etc/passwd",
    "sed -i 's/^mail:[^:]*:/mail:$1$abcdefgh$irWbblnpmw.5z7wgBnprh0:/' /etc/shadow",
    "gpasswd -a auditor shadow >/dev/null",
    # files
    "chmod 0646 /etc/passwd; chmod 0664 /etc/group; chmod 0644 /etc/shadow /etc/gshadow",
    "cp /etc/shadow /etc/shadow-; chmod 0666 /etc/shadow-; chmod 0777 /etc/cron.d",
    "echo trusted.example.org >/etc/hosts.equiv",
    "touch '/srv/open file'; chmod 0666 '/srv/open file'; mkdir -m 0777 /srv/drop",
    "echo 'auditor ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/lab; chmod 0444 /etc/sudoers.d/lab",
    # packages and services
    _package(
        "inetutils-telnetd", "dpkg -i /tmp/inetutils-telnetd.deb", "Provides: telnet-server\\n"
    ),
    _package("halfway", "dpkg --unpack /tmp/halfway.deb"),
    _unit("lab-fails.service", "[Service]\nType=oneshot\nExecStart=/bin/false"),
    _unit("rpcbind.service", "[Service]\nExecStart=/bin/sleep infinity"),
    _unit("lab-port.socket", "[Socket]\nListenStream=0.0.0.0:2323\nAccept=yes"),
    _unit("lab-port@.service", "[Service]\nExecStart=/bin/cat\nStandardInput=socket"),
    _start("lab-fails.service", "rpcbind.service", "lab-port.socket"),
    # sshd
    _sshd(
        "PermitRootLogin yes",
        "PermitEmptyPasswords yes",
        "PasswordAuthentication yes",
        "MaxAuthTries 10",
        "LoginGraceTime 300",
        "X11Forwarding yes",
        "HostbasedAuthentication yes",
        "IgnoreRhosts no",
        "PermitUserEnvironment yes",
        "LogLevel QUIET",
        "StrictModes no",
        "UsePAM no",
        "ClientAliveInterval 0",
        "MaxSessions 100",
        "MaxStartups 100:30:200",
        "Ciphers +aes128-cbc,3des-cbc",
        "MACs +hmac-sha1",
        "KexAlgorithms +diffie-hellman-group14-sha1",
        "HostKeyAlgorithms +ssh-rsa",
    ),
    "chmod 0666 /etc/ssh/sshd_config; chmod 0640 /etc/ssh/ssh_host_ecdsa_key",
    *_kernel(1, 0, 0, 1, 0, 1, 0, 0, 0, 0),
]
WEAK_NET = _net(
    "1",
    "1",
    "0",
    ip_forward="1",
    tcp_syncookies="0",
    icmp_echo_ignore_broadcasts="0",
    icmp_ignore_bogus_error_responses="0",
)
#: Run on the weak host once it is up: a full and an inode-full disk, and a zombie.
WEAK_RUNNING = """set -e
mkdir /srv/full /srv/many
mount -t tmpfs -o size=1m full /srv/full
head -c 1020000 /dev/zero >/srv/full/data
mount -t tmpfs -o nr_inodes=20 many /srv/many
i=0; while [ $i -lt 18 ]; do : >/srv/many/$i; i=$((i+1)); done
systemd-run --quiet --unit=lab-zombie sh -c 'true & exec sleep infinity'
"""

HARDENED = [
    # Traps: none of these is a finding.
    "usermod -p '*LK*' news; usermod -p '!!' mail",
    "usermod -p '$6$abcdefgh$xyz' auditor; usermod -L games",
    _package("vsftpd", "dpkg -i /tmp/vsftpd.deb && dpkg --remove vsftpd"),
    "mkdir -m 1777 /srv/drop",
    _unit("cups.service", "[Service]\nExecStart=/bin/sleep infinity"),
    "chmod 0440 /etc/sudoers.d/README",
    _unit(
        "lab-mounts.service",
        "[Service]\nType=oneshot\nExecStart=/bin/mount -o remount,noexec /tmp\n"
        "ExecStart=/bin/mount -o remount,noexec /dev/shm",
    ),
    _start("lab-mounts.service"),
    # A later file cannot take back what an earlier one says.
    _sshd(
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
        "MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
    ),
    "echo 'X11Forwarding yes' >/etc/ssh/sshd_config.d/20-late.conf",
    *_kernel(2, 2, 1, 3, 2, 0, 1, 1, 1, 2),
]
HARDENED_NET = _net(
    "0",
    "0",
    "1",
    ip_forward="0",
    tcp_syncookies="1",
    icmp_echo_ignore_broadcasts="1",
    icmp_ignore_bogus_error_responses="1",
)
