"""What is wrong with the accounts of the weak host, and with how people log in."""

from __future__ import annotations

from lab.plant import Plant, write

#: Hashes that no report may hold.
HASHES = ("irWbblnpmw", "Ab3xyzABCDEFG", "wIdEhAsH")

_HASH = "$6$abcdefgh$wIdEhAsH"

PLANTS: dict[str, Plant] = {
    "account.uid0": Plant("root, toor", "useradd -o -u 0 -g 0 -M -s /bin/sh toor"),
    "account.unique-uid": Plant(
        "twin (1000)",
        "echo 'twin:x:1000:1000::/:/usr/sbin/nologin' >>/etc/passwd\n"
        "echo 'twin:!::0:99999:7:::' >>/etc/shadow",
    ),
    "account.unique-name": Plant(
        "users listed several times: bin", "echo 'bin:x:77:77::/:/usr/sbin/nologin' >>/etc/passwd"
    ),
    "account.primary-group": Plant("bin (77)"),
    "account.nis": Plant("/etc/passwd: +", "echo '+::::::' >>/etc/passwd"),
    "account.unique-gid": Plant("second", "groupadd -o -g 42 second"),
    "account.system-shell": Plant("games", "usermod -s /bin/sh games"),
    "account.empty-password": Plant(
        "no password asked: news", "sed -i 's/^news:[^:]*:/news::/' /etc/shadow"
    ),
    "account.shadowed": Plant(
        "password in /etc/passwd: lp", "sed -i 's/^lp:x:/lp:Ab3xyzABCDEFG:/' /etc/passwd"
    ),
    "account.hash-strength": Plant(
        "mail (md5crypt)",
        "sed -i 's/^mail:[^:]*:/mail:$1$abcdefgh$irWbblnpmw.5z7wgBnprh0:/' /etc/shadow",
    ),
    "account.shadow-group": Plant("auditor", "gpasswd -a auditor shadow >/dev/null"),
    "account.home-exists": Plant("homeless", "useradd -M -d /home/nowhere -s /bin/bash homeless"),
    "account.home-mode": Plant("/home/wide", "chmod 0777 /home/wide"),
    "account.dotfiles": Plant(
        "/home/wide/.bashrc", "touch /home/wide/.bashrc; chmod 0666 /home/wide/.bashrc"
    ),
    "account.privileged-groups": Plant("wide in disk", "usermod -aG disk,adm wide"),
    "account.aging": Plant(
        "wide (maximum 99999", f"usermod -p '{_HASH}' wide; chage -M 99999 -m 0 wide"
    ),
    "account.login-defs": Plant(
        "PASS_MAX_DAYS", "sed -i 's/^PASS_MAX_DAYS.*/PASS_MAX_DAYS 99999/' /etc/login.defs"
    ),
    "account.nullok": Plant("nullok", "grep -q nullok /etc/pam.d/common-auth"),
    "account.pwquality": Plant("quality"),
    "account.faillock": Plant("faillock"),
    "account.history": Plant("remember"),
    "account.su": Plant("pam_wheel"),
    "account.tmout": Plant("TMOUT"),
    "account.root-path": Plant("/srv/drop", "echo 'PATH=/srv/drop:.:$PATH' >>/root/.profile"),
    "account.hosts-equiv": Plant("/etc/hosts.equiv", "echo trusted.example.org >/etc/hosts.equiv"),
    "coredump.limits": Plant(
        "limits.d/9.conf", "echo '* hard core unlimited' >/etc/security/limits.d/9.conf"
    ),
    "perm.passwd": Plant("/etc/passwd", "chmod 0646 /etc/passwd"),
    "perm.group": Plant("/etc/group", "chmod 0664 /etc/group"),
    "perm.shadow": Plant("/etc/shadow", "chmod 0644 /etc/shadow"),
    "perm.gshadow": Plant("/etc/gshadow", "chmod 0644 /etc/gshadow"),
    "perm.backups": Plant("/etc/shadow-", "cp /etc/shadow /etc/shadow-; chmod 0666 /etc/shadow-"),
    "perm.banners": Plant("/etc/issue", "chmod 0666 /etc/issue"),
    "banner.text": Plant("/etc/issue", r"echo 'Debian \r on \m' >>/etc/issue"),
    "secret.netrc": Plant(
        "/home/wide/.netrc",
        write("/home/wide/.netrc", "machine a.example.org login wide password Tr0ub4dor-3"),
    ),
}
