"""Who is logged in: from utmp, or from systemd-logind where there is no utmp."""

from __future__ import annotations

import struct

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.record import Plain
from pytest_sysaudit.text import decode, first_line
from pytest_sysaudit.transport.base import CommandResult, Script

#: Prints what logind knows of each session, a block of ``Key=value`` lines each.
SESSIONS = """command -v loginctl >/dev/null || { echo 'neither utmp nor loginctl' >&2; exit 127; }
ids=$(loginctl list-sessions --no-legend --no-pager) || exit
set -f
for id in $(printf '%s\\n' "$ids" | sed 's/^ *\\([^ ]*\\).*/\\1/'); do
  loginctl show-session "$id" -p Name -p TTY -p RemoteHost -p Class
  echo
done"""
#: Prints the utmp file, or else what `SESSIONS` prints; the first line says which.
SCRIPT = Script(f"""for file in /run/utmp /var/run/utmp; do
  if [ -f "$file" ]; then echo "utmp $(uname -m)"; cat "$file"; exit; fi
done
echo sessions
{SESSIONS}""")

#: utmp(5) of glibc up to the host: type, pid, line, id, user, host. The times after it are as wide
#: as the machine likes, so records are longer on the 64-bit machines that never had 32-bit ones.
_RECORD = "h2xi32s4s32s256s"
_SIZE, _WIDE_SIZE = 384, 400
_WIDE = ("aarch64", "riscv64", "loongarch64")
_USER_PROCESS = 7


def parse(result: CommandResult) -> Plain:
    """Parse what `SCRIPT` printed.

    Raises:
        CannotAssess: nothing on the host keeps track of logins, or in an unknown format.
    """
    head, _, data = result.stdout.partition(b"\n")
    kind, _, machine = head.decode("ascii").partition(" ")
    if kind == "utmp":
        result.expect()
        return parse_utmp(data, machine)
    return parse_sessions(result, data)


def parse_utmp(data: bytes, machine: str) -> Plain:
    """Parse the bytes of a utmp file that was written on a *machine* (as ``uname -m`` says)."""
    size = _WIDE_SIZE if machine in _WIDE else _SIZE
    order = ">" if machine in ("s390x", "ppc64", "ppc") else "<"
    if len(data) % size:
        raise CannotAssess(f"utmp: {len(data)} bytes are no whole records of {size}")
    users = []
    for start in range(0, len(data), size):
        kind, _, line, _, name, host = struct.unpack_from(order + _RECORD, data, start)
        if kind == _USER_PROCESS:
            users.append({"name": _text(name), "terminal": _text(line), "host": _text(host)})
    return users


def parse_sessions(result: CommandResult, data: bytes | None = None) -> Plain:
    """Parse the blocks that `SESSIONS` printed; *data* is its output if not all of *result*'s."""
    if not result.ok:
        why = first_line(result.err) or f"exit code {result.exit_code}"
        raise CannotAssess(f"users: nobody keeps track of logins here: {why}")
    users = []
    for block in decode(result.stdout if data is None else data).split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if line)
        if values.get("Class") == "user":
            host = values.get("RemoteHost", "")
            users.append({"name": values["Name"], "terminal": values["TTY"], "host": host})
    return users


def _text(field: bytes) -> str:
    return decode(field.partition(b"\0")[0])
