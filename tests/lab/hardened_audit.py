"""The audit rules of the hardened host, and how its log is kept."""

from __future__ import annotations

from lab.plant import write

_USER = "-F auid>=1000 -F auid!=unset"
_ACCESS = "creat,open,openat,truncate,ftruncate"
#: Conditions of rules on system calls; each is written for both word sizes.
_CALLS = (
    "-S adjtimex,settimeofday -F key=time",
    "-S clock_settime -F a0=0x0 -F key=time",
    "-S sethostname,setdomainname -F key=network",
    f"-S chmod,fchmod,fchmodat {_USER} -F key=permissions",
    f"-S chown,fchown,lchown,fchownat {_USER} -F key=permissions",
    f"-S setxattr,lsetxattr,fsetxattr {_USER} -F key=permissions",
    f"-S removexattr,lremovexattr,fremovexattr {_USER} -F key=permissions",
    f"-S {_ACCESS} -F exit=-EACCES {_USER} -F key=access",
    f"-S {_ACCESS} -F exit=-EPERM {_USER} -F key=access",
    f"-S mount {_USER} -F key=mounts",
    f"-S unlink,unlinkat,rename,renameat {_USER} -F key=delete",
    f"-S init_module,finit_module,delete_module {_USER} -F key=modules",
)
_WATCHED = (
    "/etc/localtime",
    *(f"/etc/{name}" for name in ("passwd", "shadow", "group", "gshadow", "security/opasswd")),
    *("/etc/hosts", "/etc/apparmor", "/etc/apparmor.d", "/etc/selinux"),
    *("/var/log/lastlog", "/var/run/faillock", "/var/run/utmp", "/var/log/wtmp", "/var/log/btmp"),
    *("/etc/sudoers", "/etc/sudoers.d", "/var/log/sudo.log"),
)
#: As they are in force, in the words of auditctl.
RULES = "\n".join(
    [
        *(f"-a always,exit -F arch={arch} {call}" for call in _CALLS for arch in ("b64", "b32")),
        *(f"-w {path} -p wa -k files" for path in _WATCHED),
        *(
            f"-a always,exit -S all -F path=/usr/bin/{name} -F perm=x {_USER} -F key=root"
            for name in ("su", "sudo")
        ),
    ]
)
#: Shell lines for the files that they come from; a later start would load them in another order.
SETUP = [
    write("/etc/audit/rules.d/50-lab.rules", *reversed(RULES.splitlines()), mode="0640"),
    write("/etc/audit/rules.d/99-lock.rules", "-e 2", mode="0640"),
    (
        "sed -i -e 's/^max_log_file_action.*/max_log_file_action = keep_logs/' "
        "-e 's/^space_left_action.*/space_left_action = email/' "
        "-e 's/^admin_space_left_action.*/admin_space_left_action = single/' /etc/audit/auditd.conf"
    ),
]
