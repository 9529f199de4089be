"""Who a host is: the first command that is run there, and what it says."""

from __future__ import annotations

from pytest_sysaudit.transport.base import Script

WHO = Script("""
s= r=
{ read -r s </proc/sys/kernel/ostype && read -r r </proc/sys/kernel/osrelease; } 2>/dev/null
if [ -n "$r" ]; then echo "kernel=$s $r"; else echo "kernel=$(uname -sr)"; fi
for file in /etc/machine-id /var/lib/dbus/machine-id; do
  if [ -r "$file" ]; then read -r id <"$file"; echo "machine_id=$id"; break; fi
done
for file in /etc/os-release /usr/lib/os-release; do
  if [ -r "$file" ]; then
    while read -r line; do case $line in PRETTY_NAME=*) echo "os=${line#*=}" ;; esac; done <"$file"
    break
  fi
done
""")


def told(output: bytes) -> dict[str, str]:
    """Return ``machine_id``, ``os`` and ``kernel``, as far as `WHO` told them in *output*."""
    lines = output.decode("utf-8", "backslashreplace").splitlines()
    said = dict(line.split("=", 1) for line in lines if "=" in line)
    names = ("machine_id", "os", "kernel")
    return {name: said[name].strip("\"'") for name in names if said.get(name)}
