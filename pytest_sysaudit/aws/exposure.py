"""Which ports a security group opens to the whole internet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import collapse_addresses, ip_network
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pytest_sysaudit.aws.session import AwsSession

Version = Literal[4, 6]
_ALL = "-1"
#: What nobody on the internet has as an address (RFC 6890): rules may leave it out and be as open.
_NOBODY = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/3",
    "::/3",
    "4000::/2",
    "8000::/1",
)
_WITH_PORTS = frozenset({"tcp", "udp", "6", "17"})


def ports_open_to_world(
    session: AwsSession,
    region: str,
    group: Mapping[str, Any],
    ports: Iterable[int],
    *,
    version: Version,
) -> list[int]:
    """Return those of *ports* that every address of IP *version* may reach, over TCP or UDP.

    Port ranges, rules for all protocols, prefix lists, and several rules that make up the whole
    internet together (``0.0.0.0/1`` and ``128.0.0.0/1``, or ``2000::/3``) are seen through.

    Args:
        session: asks for the entries of prefix lists.
        region: the group's region.
        group: one of ``SecurityGroups`` of ec2:DescribeSecurityGroups.
        ports: port numbers.
        version: 4 or 6.

    Raises:
        CannotAssess: a prefix list cannot be read.
    """

    def sources(port: int) -> Iterator[str]:
        for rule in group["IpPermissions"]:
            if reaches(rule, port):
                yield from _sources(session, region, rule)

    return [port for port in ports if covers_world(sources(port), version)]


def reaches(rule: Mapping[str, Any], port: int) -> bool:
    """Whether a rule lets something through to *port*, whoever sends it."""
    protocol = str(rule["IpProtocol"]).lower()
    if protocol == _ALL:
        return True
    lowest, highest = rule.get("FromPort"), rule.get("ToPort")
    if protocol not in _WITH_PORTS:
        return False
    if lowest is None or highest is None or lowest == -1:
        return True
    return bool(lowest <= port <= highest)


def covers_world(sources: Iterable[str], version: Version) -> bool:
    """Whether *sources*, in CIDR notation, hold every address of IP *version* together.

    Addresses that nobody has on the internet do not count: 2000::/3 is the whole of IPv6.
    """
    networks: list[Any] = [ip_network(source, strict=False) for source in (*sources, *_NOBODY)]
    same: list[Any] = [network for network in networks if network.version == version]
    return any(network.prefixlen == 0 for network in collapse_addresses(same))


def _sources(session: AwsSession, region: str, rule: Mapping[str, Any]) -> Iterator[str]:
    for source in rule.get("IpRanges", ()):
        yield source["CidrIp"]
    for source in rule.get("Ipv6Ranges", ()):
        yield source["CidrIpv6"]
    for source in rule.get("PrefixListIds", ()):
        answer = session.call(
            "ec2",
            "get_managed_prefix_list_entries",
            region=region,
            PrefixListId=source["PrefixListId"],
        )
        for entry in answer["Entries"]:
            yield entry["Cidr"]
