"""Open connections and Unix sockets, as ss and the kernel list them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: ss gets all of them in few pieces; reading /proc/net/tcp may miss one while others come and go.
#: A kernel without IPv6 has no files for it; if_inet6 is empty where no interface may have one.
_SCRIPT = Script("""cd /proc/net || exit
if command -v ss >/dev/null && out=$(ss -Hntu state established); then
  printf 'ss\\n%s\\n' "$out"
else
  echo proc
  for name in tcp tcp6 udp udp6; do
    [ -e $name ] || continue
    sed -n "2,\\$s/^/$name /p" $name || exit
  done
fi
echo @unix
cat unix || exit
echo @inet6
[ ! -e if_inet6 ] || cat if_inet6 || exit
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_ESTABLISHED = "01"
#: Of include/linux/net.h and include/uapi/linux/net.h.
_LISTENS = 1 << 16
_CONNECTED = "03"
_STREAM, _PACKETS = "0001", "0005"


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection over IP; addresses as text, an IPv4 one is never mapped into IPv6."""

    protocol: str
    local: str
    port: int
    remote: str
    remote_port: int


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """One Unix socket that has a name, with @ before it if it is no path.

    ``listens`` waits for clients, otherwise it is one client's.
    """

    path: str
    listens: bool


@dataclass(frozen=True, slots=True)
class Connections:
    """What is open at the moment; ``has_inet6``: an interface has an IPv6 address."""

    connections: tuple[Connection, ...]
    unix: tuple[UnixSocket, ...]
    has_inet6: bool


def parse(text: str) -> Connections:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut, or a line is unknown.
    """
    lines = complete("/proc/net", text, "@end")
    unix, inet6 = lines.index("@unix"), lines.index("@inet6")
    if unix + 1 == inet6:
        raise CannotAssess("/proc/net/unix is empty")
    one = {"ss": _ss_line, "proc": _proc_line}[lines[0]]
    connections = parse_lines(f"connections ({lines[0]})", "\n".join(lines[1:unix]), one)
    sockets = parse_lines("/proc/net/unix", "\n".join(lines[unix + 2 : inet6]), _unix)
    return Connections(tuple(connections), tuple(sockets), inet6 + 1 < len(lines))


def _ss_line(line: str) -> Connection:
    protocol, _, _, local, remote, *_ = line.split()
    return Connection(protocol, *_split(local), *_split(remote))


def _split(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    plain = address.replace("[", "").replace("]", "").partition("%")[0]  # [fe80::1]%eth0
    return _unmapped(ipaddress.ip_address(plain)), int(port)


def _proc_line(line: str) -> Connection | None:
    name, _, local, remote, state, *_ = line.split()
    if state != _ESTABLISHED:
        return None
    return Connection(name[:3], *_endpoint(local), *_endpoint(remote))


def _endpoint(text: str) -> tuple[str, int]:
    """Return address and port; the kernel prints words of the machine, lowest byte first."""
    digits, _, port = text.partition(":")
    data = bytes.fromhex(digits)
    swapped = b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))
    return _unmapped(ipaddress.ip_address(swapped)), int(port, 16)


def _unmapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return str(getattr(address, "ipv4_mapped", None) or address)


def _unix(line: str) -> UnixSocket | None:
    _, _, _, flags, kind, state, _, *path = line.split(None, 7)
    if not path or kind not in (_STREAM, _PACKETS):
        return None
    listens = bool(int(flags, 16) & _LISTENS)
    return UnixSocket(path[0], listens) if listens or state == _CONNECTED else None


def read(facts: Facts) -> Connections:
    """Ask ss and /proc/net."""
    return parse(script(facts.run(_SCRIPT), "list of connections"))
