"""One fault of a host, and what a report must say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab import nspawn

#: What both hosts have: the hardened one needs it, the weak one has it set up badly.
PACKAGES = (
    *nspawn.PACKAGES,
    *(
        "aide",
        "aide-common",
        "auditd",
        "chrony",
        "cron",
        "libcap2-bin",
        "libpam-pwquality",
        "logrotate",
    ),
    *("nftables", "openssl", "rsyslog"),
)
#: The tree may be kept for long; apt's lists are made to be of today.
FRESH_LISTS = (
    'sed -i -e "s/^Date: .*/Date: $(date -Ru)/" -e "/^Valid-Until: /d" /var/lib/apt/lists/*Release'
)
#: A package of that name in dpkg's data base, with nothing in it but one configuration file.
_PACKAGE = r"""d=$(mktemp -d); chmod 755 $d; mkdir -p $d/DEBIAN $d/etc
echo x >$d/etc/{name}.conf; echo /etc/{name}.conf >$d/DEBIAN/conffiles
printf 'Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: lab <lab@example.org>\n{more}' \
  >$d/DEBIAN/control
printf 'Description: lab\n' >>$d/DEBIAN/control
dpkg-deb --build -Znone $d /tmp/{name}.deb >/dev/null; rm -r $d; """


@dataclass(frozen=True, slots=True)
class Plant:
    """A fault.

    Attributes:
        names: what the message of its failure must hold.
        setup: shell lines that plant it in the tree, before the host boots.
        running: shell lines that plant it once the host is up.
        net: settings of the host's network.
        kernel: settings of the kernel, as the host sees it.
        inputs: of the control, for this host: a bound that no host keeps.
        later: it contradicts another fault, so it comes after that one has been looked at.
    """

    names: str
    setup: str = ""
    running: str = ""
    net: Mapping[str, str] = field(default_factory=dict)
    kernel: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, object] = field(default_factory=dict)
    later: bool = False


def package(name: str, install: str = "", more: str = "") -> str:
    """Return lines that make a package of that name, and do *install* with it."""
    made = _PACKAGE.replace("{name}", name).replace("{more}", more)
    return f"({made} {install or f'dpkg -i /tmp/{name}.deb'}) >/dev/null 2>&1"


def write(path: str, *lines: str, mode: str = "") -> str:
    """Return lines that write a file, and its folder where there is none."""
    text = "\n".join(lines)
    made = f"mkdir -p {path.rpartition('/')[0]}; cat >{path} <<'END'\n{text}\nEND"
    return f"{made}\nchmod {mode} {path}" if mode else made


def unit(name: str, text: str, *, start: bool = False) -> str:
    """Return lines that make a unit, and start it with the host.

    It starts as ``systemctl enable`` would have it, if it had an Install section.
    """
    wants = "/etc/systemd/system/multi-user.target.wants"
    made = write(f"/etc/systemd/system/{name}", text)
    return f"{made}\nmkdir -p {wants}; ln -sf ../{name} {wants}/" if start else made


def service(name: str, command: str, *more: str) -> str:
    """Return lines that make a service and start it with the host."""
    return unit(
        f"{name}.service", "\n".join(["[Service]", f"ExecStart={command}", *more]), start=True
    )


def port(number: int, address: str = "0.0.0.0", kind: str = "Stream") -> str:
    """Return lines that make systemd listen there, for a service that does nothing."""
    name = f"lab-{kind.lower()}-{number}"
    text = f"[Socket]\nListen{kind}={address}:{number}"
    served = "[Service]\nExecStart=/bin/cat\nStandardInput=socket"
    if kind == "Stream":
        served_by, text = f"{name}@.service", f"{text}\nAccept=yes"
    else:
        served_by = f"{name}.service"
    return "\n".join([unit(f"{name}.socket", text, start=True), unit(served_by, served)])


def sshd(*lines: str, file: str = "10-lab.conf") -> str:
    """Return lines that add to sshd's configuration."""
    text = "\n".join(lines)
    return f"cat >>/etc/ssh/sshd_config.d/{file} <<'END'\n{text}\nEND"
