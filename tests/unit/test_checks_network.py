"""The checks of the packet filter, of interfaces and of what comes in: well, broken, unknown."""

from __future__ import annotations

import json

import pytest
from lab.wellhost import (
    CUT,
    NOT_ROOT,
    SS,
    SYSCTL,
    Case,
    answers,
    assert_verdict,
    breaks,
    rows,
    uncovered,
)

from checks.linux import test_firewall, test_network

FLAGS = """net docker0 0x1003 -
net eth0 0x1003 -
net eth1 0x1002 -
net lo 0x9 -
net veth7 0x1103 m
bluetooth hci0
of rfkill0 hci0
rfkill rfkill0 10
@end
"""
IPV6 = """./net/ipv4/conf/all/log_martians:0
./net/ipv4/conf/eth0/log_martians:1
./net/ipv4/conf/lo/log_martians:0
./net/ipv4/conf/all/route_localnet:0
./net/ipv4/conf/eth0/route_localnet:0
./net/ipv6/conf/all/accept_ra:0
./net/ipv6/conf/eth0/accept_ra:0
./net/ipv6/conf/eth1/accept_ra:1
./net/ipv6/conf/eth2/accept_ra:1
./net/ipv6/conf/lo/accept_ra:1
./net/ipv6/conf/all/disable_ipv6:0
./net/ipv6/conf/eth0/disable_ipv6:0
./net/ipv6/conf/eth1/disable_ipv6:1
./net/ipv6/conf/eth2/disable_ipv6:0
./net/ipv6/conf/eth0/forwarding:0
./net/ipv6/conf/eth1/forwarding:0
./net/ipv6/conf/eth2/forwarding:1
"""


def match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


def payload(protocol, field):
    return {"payload": {"protocol": protocol, "field": field}}


def prefix(address, length):
    return {"prefix": {"addr": address, "len": length}}


IIF = {"meta": {"key": "iifname"}}
LO = [match(IIF, "lo"), {"accept": None}]
FORGED = [
    [match(IIF, "lo", "!="), match(payload("ip", "saddr"), prefix("127.0.0.0", 8)), {"drop": None}],
    [match(IIF, "lo", "!="), match(payload("ip6", "saddr"), "::1"), {"drop": None}],
]
KNOWN = [match({"ct": {"key": "state"}}, ["established", "related"], "in"), {"accept": None}]
DOCKER = [match(IIF, "docker0"), {"accept": None}]
SSH = [match(payload("tcp", "dport"), 22), {"counter": {"packets": 0}}, {"accept": None}]
EVERYTHING = [{"accept": None}]
WELL = [LO, *FORGED, KNOWN, DOCKER, SSH]


def nft(rules, policy="drop", family="inet"):
    place = {"family": family, "table": "filter"}
    chain = {**place, "name": "input", "type": "filter", "hook": "input", "policy": policy}
    items = [{"table": {"family": family, "name": "filter"}}, {"chain": chain}]
    items += [{"rule": {**place, "chain": "input", "expr": rule}} for rule in rules]
    return json.dumps({"nftables": [{"metainfo": {}}, *items]})


def firewall(*documents, inet6=True):
    head = "inet6\n" if inet6 else ""
    lines = json.dumps({"nftables": [i for d in documents for i in json.loads(d)["nftables"]]})
    return f"{head}@nft\n{lines}\n@end\n"


def has(*documents, **kwargs):
    return answers("firewall", firewall(*documents, **kwargs))


FIREWALL = firewall(nft(WELL))
NONE = answers("firewall", "@nft\n@missing\n@nft-ip\n@missing\n@nft-ip6\n@missing\n@end\n")
XT = nft([[{"xt": None}, {"accept": None}]])
MORE = {
    "firewall": ("nft -j list ruleset", FIREWALL),
    "save": ("${v}tables-nft-save", "@end\n"),
    "flags": ("/sys/class/net", FLAGS),
    "settings": ("cd /proc/sys", IPV6 + SYSCTL),
    "listeners": ("ss -Hlntup", SS),
}
NO_FIREWALL = (
    answers("firewall", NOT_ROOT),
    answers("firewall", CUT),
    answers("firewall", (0, "@nft\n@failed\n@end\n", "nft: Operation not permitted")),
    answers("firewall", "@nft\n{}\n@end\n"),
    answers("firewall", FIREWALL.replace("@end", "@legacy-ip\n@missing\n@end")),
)
NO_FLAGS = (answers("flags", CUT), answers("flags", "@end\n"), answers("flags", "net\n@end\n"))
NO_SETTINGS = (answers("settings", CUT),)
CASES = [
    Case(
        test_firewall.test_a_packet_filter_is_in_force,
        fails=(
            NONE,
            has(nft([], policy="accept")),
            has(nft(WELL, policy="accept")),
            has(nft([*WELL, EVERYTHING])),
            has(nft(WELL, family="ip")),
            has(nft([*WELL, [match(IIF, "eth0"), {"accept": None}]])),
            has(nft([*WELL, [match(payload("udp", "dport"), {"range": [1, 65535]}), *EVERYTHING]])),
        ),
        errors=(*NO_FIREWALL, *NO_FLAGS, has(XT)),
        passes=(
            has(nft(WELL, family="ip"), inet6=False),
            has(nft([*WELL, [{"reject": None}]], policy="accept")),
            has(nft(WELL, policy="accept"), nft([], family="ip"), nft([], family="ip6")),
            breaks("flags", "net eth0 0x1003 -\n", ""),
        ),
        more=MORE,
    ),
    Case(
        test_firewall.test_every_listener_has_a_rule,
        fails=(
            NONE,
            has(nft([LO, KNOWN])),
            has(nft([LO, EVERYTHING])),
            has(nft([EVERYTHING, SSH])),
            has(nft([[{"drop": None}], SSH])),
            breaks("listeners", "0.0.0.0:22", "*:23"),
            breaks("listeners", "tcp LISTEN", "udp UNCONN"),
            has(nft(WELL, family="ip6")),
        ),
        errors=(*NO_FIREWALL, *NO_FLAGS, answers("listeners", CUT)),
        passes=(
            breaks("listeners", "0.0.0.0:22", "*:22"),
            breaks("listeners", "0.0.0.0:22", "[::]:22"),
            breaks("listeners", "tcp LISTEN 0 128 0.0.0.0:22", "udp UNCONN 0 128 0.0.0.0:68"),
            has(nft([[match(payload("ip", "saddr"), prefix("10.0.0.0", 8)), *SSH]])),
        ),
        more=MORE,
    ),
    Case(
        test_firewall.test_forged_loopback_packets_are_dropped,
        fails=(
            NONE,
            has(nft([LO, KNOWN, SSH])),
            has(nft([LO, KNOWN, SSH, *FORGED])),
            has(nft([LO, FORGED[0], KNOWN, SSH])),
        ),
        errors=(*NO_FIREWALL, *NO_FLAGS, has(XT)),
        passes=(
            has(nft([LO, FORGED[0], KNOWN, SSH]), inet6=False),
            has(nft([LO, *FORGED, EVERYTHING], policy="accept")),
        ),
        more=MORE,
    ),
    Case(
        test_network.test_no_interface_listens_to_everything,
        fails=(breaks("flags", "eth0 0x1003", "eth0 0x1103"),),
        errors=NO_FLAGS,
        passes=(breaks("flags", "eth1 0x1002 -", "eth1 0x1102 m"),),
        more=MORE,
    ),
    Case(
        test_network.test_no_radio_is_on,
        fails=(
            breaks("flags", "rfkill rfkill0 10", "rfkill rfkill0 00"),
            breaks("flags", "eth1 0x1002 -", "wlan0 0x1002 w"),
        ),
        errors=NO_FLAGS,
        passes=(
            breaks("flags", "rfkill rfkill0 10", "rfkill rfkill0 01"),
            breaks("flags", "bluetooth hci0\n", ""),
            breaks("flags", "eth1 0x1002 -", "wlan0 0x1002 w\nof rfkill0 wlan0"),
        ),
        more=MORE,
    ),
    Case(
        test_network.test_mail_is_taken_from_this_host_only,
        fails=(
            breaks("listeners", "127.0.0.1:25", "0.0.0.0:25"),
            breaks("listeners", "127.0.0.1:25", "[::]:587"),
        ),
        errors=(answers("listeners", CUT),),
        passes=(breaks("listeners", "tcp LISTEN 0 128 127.0.0.1", "udp UNCONN 0 128 0.0.0.0"),),
        more=MORE,
    ),
    Case(
        test_network.test_impossible_senders_are_logged,
        fails=(breaks("settings", "eth0/log_martians:1", "eth0/log_martians:0"),),
        errors=(*NO_SETTINGS, breaks("settings", "eth0/log_martians:1", "eth0/log_martians:x")),
        absent=(answers("settings", SYSCTL),),
        passes=(
            breaks(
                "settings",
                "all/log_martians:0\n./net/ipv4/conf/eth0/log_martians:1",
                "all/log_martians:1\n./net/ipv4/conf/eth0/log_martians:0",
            ),
        ),
        more=MORE,
    ),
    Case(
        test_network.test_router_advertisements_are_ignored,
        fails=(
            breaks("settings", "eth0/accept_ra:0", "eth0/accept_ra:1"),
            breaks("settings", "all/accept_ra:0", "all/accept_ra:1"),
            breaks("settings", "eth2/accept_ra:1", "eth2/accept_ra:2"),
        ),
        errors=(*NO_SETTINGS, breaks("settings", "eth0/accept_ra:0", "eth0/accept_ra:x")),
        absent=(answers("settings", SYSCTL),),
        passes=(breaks("settings", "eth1/accept_ra:1", "eth1/accept_ra:2"),),
        more=MORE,
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts_of_the_network(case, broken, expected):
    assert_verdict(case, broken, expected)


def test_every_check_of_the_network_has_rows():
    assert not uncovered(CASES, test_firewall, test_network)


@pytest.mark.parametrize(
    ("check", "inputs", "broken", "verdict"),
    [
        (
            test_firewall.test_a_packet_filter_is_in_force,
            {"trusted": ["eth*"]},
            has(nft([*WELL, [match(IIF, "eth0"), {"accept": None}]])),
            "fail",  # nothing is left but docker0, where all may come in
        ),
        (
            test_firewall.test_a_packet_filter_is_in_force,
            {},
            has(nft([*WELL, [match(payload("ip", "daddr"), "192.0.2.7"), {"accept": None}]])),
            "error",  # that may be the host's own address
        ),
        (
            test_firewall.test_a_packet_filter_is_in_force,
            {},
            has(nft([*WELL, [{"limit": {"rate": 60, "per": "second"}}, {"accept": None}]])),
            "fail",  # all get in, if slowly
        ),
        (
            test_firewall.test_a_packet_filter_is_in_force,
            {},
            has(nft([[{"limit": {"rate": 9, "per": "minute"}}, {"drop": None}], EVERYTHING])),
            "fail",
        ),
        (
            test_firewall.test_a_packet_filter_is_in_force,
            {},
            has(nft([*WELL, [{"limit": {"rate": 60, "inv": True}}, {"drop": None}]])),
            "pass",
        ),
        (
            test_firewall.test_a_packet_filter_is_in_force,
            {},
            has(nft([*WELL, [match(payload("ip", "daddr"), "224.0.0.251"), {"accept": None}]])),
            "pass",
        ),
        (
            test_firewall.test_a_packet_filter_is_in_force,
            {},
            has(
                nft([[match(payload("ip", "daddr"), "192.0.2.7", "!="), {"drop": None}]], "accept"),
                inet6=False,
            ),
            "fail",
        ),
        (
            test_firewall.test_a_packet_filter_is_in_force,
            {"trusted": ["eth0", "docker0"]},
            has(nft([*WELL, [match(IIF, "docker0"), {"accept": None}]])),
            "pass",
        ),
        (
            test_firewall.test_every_listener_has_a_rule,
            {"allowed": ["tcp/22"]},
            has(nft([])),
            "pass",
        ),
        (
            test_firewall.test_forged_loopback_packets_are_dropped,
            {"kernel_suffices": True},
            has(nft([SSH])),
            "pass",
        ),
        (
            test_firewall.test_forged_loopback_packets_are_dropped,
            {"kernel_suffices": True},
            breaks("settings", "eth0/route_localnet:0", "eth0/route_localnet:1"),
            "fail",
        ),
        (
            test_network.test_no_interface_listens_to_everything,
            {"allowed": ["eth*"]},
            breaks("flags", "eth0 0x1003", "eth0 0x1103"),
            "pass",
        ),
        (
            test_network.test_no_radio_is_on,
            {"allowed": ["hci0"]},
            breaks("flags", "rfkill rfkill0 10", "rfkill rfkill0 00"),
            "pass",
        ),
        (
            test_network.test_mail_is_taken_from_this_host_only,
            {"mail_server": True},
            breaks("listeners", "127.0.0.1:25", "0.0.0.0:25"),
            "not_applicable",
        ),
        (
            test_network.test_router_advertisements_are_ignored,
            {"autoconfigured": True},
            breaks("settings", "eth0/accept_ra:0", "eth0/accept_ra:1"),
            "not_applicable",
        ),
    ],
)
def test_inputs_of_the_network(check, inputs, broken, verdict):
    assert Case(check, inputs=inputs, more=MORE).judge(broken)[0] == verdict


def test_both_families_of_a_listener_need_no_rule_each():
    """One that ss cannot tell from both is open over either."""
    case = Case(test_firewall.test_every_listener_has_a_rule, more=MORE)
    proc = "proc\ntcp6 0: 00000000000000000000000000000000:0016 0000:0000 0A 0\n@end\n"
    found = case.judge(answers("listeners", proc), has(nft(WELL, family="ip")))
    assert found == ("pass", "")


def test_the_message_says_through_what_a_packet_gets_in():
    case = Case(test_firewall.test_a_packet_filter_is_in_force, more=MORE)
    told = case.judge(has(nft(WELL, family="ip")))[1].splitlines()[0]
    assert told == "nothing keeps out IPv6 tcp on eth0, IPv6 udp on eth0"


@pytest.mark.parametrize(
    ("name", "expected"), [("br-lan", "fail"), ("br-ex", "fail"), ("br-0123456789ab", "pass")]
)
def test_an_uplink_is_no_bridge_of_docker(name, expected):
    case = Case(test_firewall.test_a_packet_filter_is_in_force, more=MORE)
    opened = has(nft([*WELL, [match(IIF, "br-*"), {"accept": None}]]))
    assert case.judge(opened, breaks("flags", "net docker0", f"net {name}"))[0] == expected
