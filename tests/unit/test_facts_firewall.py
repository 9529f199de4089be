"""Packet filters: what nft and iptables print, and what becomes of a packet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts import firewall, firewall_iptables, firewall_nft, open_facts
from pytest_sysaudit.facts.firewall_walk import Base, Condition, Filter, Packet, Rule, Ruleset
from pytest_sysaudit.transport.base import CommandResult

SHELLS = [
    argv for argv in (["dash"], ["bash"], ["busybox", "sh"], ["mksh"]) if shutil.which(argv[0])
]
#: As nft 1.0.6 reads it, and below as it prints it.
RULES = """table inet filter {
  set ports { type inet_service; flags interval; elements = { 80, 8000-8080 } }
  chain input {
    type filter hook input priority 0; policy drop;
    iif lo accept
    iif != lo ip saddr 127.0.0.0/8 drop
    ct state vmap { established : accept, invalid : drop, new : jump fresh }
  }
  chain fresh {
    meta l4proto { icmp, ipv6-icmp } accept
    tcp flags & (fin | syn | rst | ack) != syn drop
    ip saddr 10.0.0.0/8 tcp dport 22 accept
    tcp dport @ports limit rate 5/second accept
    meta nfproto ipv6 udp dport 53 accept
    iifname "wg*" accept
    fib daddr type != local drop
    meta l4proto udp th dport 443 accept
  }
}
"""
PLACE = {"family": "inet", "table": "filter"}


def match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


def payload(protocol, field):
    return {"payload": {"protocol": protocol, "field": field}}


FLAGS = {"|": [{"|": [{"|": ["fin", "syn"]}, "rst"]}, "ack"]}
STATES = [
    ["established", {"accept": None}],
    ["invalid", {"drop": None}],
    ["new", {"jump": {"target": "fresh"}}],
]
PRINTED = {
    "input": [
        [match({"meta": {"key": "iif"}}, "lo"), {"accept": None}],
        [
            match({"meta": {"key": "iif"}}, "lo", "!="),
            match(payload("ip", "saddr"), {"prefix": {"addr": "127.0.0.0", "len": 8}}),
            {"drop": None},
        ],
        [{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": STATES}}}],
    ],
    "fresh": [
        [match({"meta": {"key": "l4proto"}}, {"set": ["icmp", "ipv6-icmp"]}), {"accept": None}],
        [match({"&": [payload("tcp", "flags"), FLAGS]}, "syn", "!="), {"drop": None}],
        [
            match(payload("ip", "saddr"), {"prefix": {"addr": "10.0.0.0", "len": 8}}),
            match(payload("tcp", "dport"), 22),
            {"accept": None},
        ],
        [
            match(payload("tcp", "dport"), "@ports"),
            {"limit": {"rate": 5, "burst": 5, "per": "second"}},
            {"accept": None},
        ],
        [
            match({"meta": {"key": "nfproto"}}, "ipv6"),
            match(payload("udp", "dport"), 53),
            {"accept": None},
        ],
        [match({"meta": {"key": "iifname"}}, "wg*"), {"accept": None}],
        [match({"fib": {"result": "type", "flags": ["daddr"]}}, "local", "!="), {"drop": None}],
        [
            match({"meta": {"key": "l4proto"}}, "udp"),
            match(payload("th", "dport"), 443),
            {"accept": None},
        ],
    ],
}


def document(chains, policy="drop", **base):
    hook = {"type": "filter", "hook": "input", "prio": 0, "policy": policy, **base}
    ports = {"name": "ports", "type": "inet_service", "elem": [80, {"range": [8000, 8080]}]}
    items = [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "inet", "name": "filter"}}]
    items.append({"set": {**PLACE, **ports}})
    hooks = {"input": hook}
    items += [{"chain": {**PLACE, "name": name, **hooks.get(name, {})}} for name in chains]
    for name, rules in chains.items():
        items += [{"rule": {**PLACE, "chain": name, "expr": rule}} for rule in rules]
    return json.dumps({"nftables": items})


def rules(chains, **base):
    return Filter(firewall_nft.parse(document(chains, **base)))


#: Packet, what becomes of it, and whether a rule opens its port.
PACKETS = [
    (Packet(4, "tcp", 54321, "eth0"), "drop", False),
    (Packet(4, "tcp", 54321, "lo"), "accept", False),
    (Packet(4, "tcp", 54321, "wg0"), "accept", False),
    (Packet(4, "tcp", 22, "eth0"), "drop", True),
    (Packet(4, "tcp", 22, "eth0", "10.1.2.3"), "accept", True),
    (Packet(6, "tcp", 22, "eth0"), "drop", False),
    (Packet(4, "tcp", 8042, "eth0"), "accept", True),
    (Packet(4, "udp", 8042, "eth0"), "drop", False),
    (Packet(4, "udp", 53, "eth0"), "drop", False),
    (Packet(6, "udp", 53, "eth0"), "accept", True),
    (Packet(4, "udp", 443, "eth0"), "accept", True),
    (Packet(4, "udp", 443, "eth0", "127.0.0.1"), "drop", False),
    (Packet(4, "tcp", 443, "eth0"), "drop", False),
]


@pytest.mark.parametrize(("packet", "verdict", "opened"), PACKETS)
def test_what_nft_says_of_a_packet(packet, verdict, opened):
    found = rules(PRINTED)
    assert (found.verdict(packet), found.opens(packet)) == (verdict, opened)
    assert found.named_ports() == ("22", "443", "53", "80", "8000-8080")
    assert found.free_port() == 54321


SAVED = """# Generated by iptables-save v1.8.9 (nf_tables) on Mon Nov 23 15:39:44 2026
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -j DNAT --to-destination 10.0.0.1
COMMIT
*filter
:INPUT ACCEPT [12:34]
:FORWARD ACCEPT [0:0]
:own - [0:0]
:not-local - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -s 127.0.0.0/8 ! -i lo -j DROP
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP
-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j ACCEPT
-A INPUT -m recent --set --name x --mask 255.255.255.255 --rsource
-A INPUT -m limit --limit 3/min -j LOG --log-prefix "[a \\"b\\"] "
-A INPUT -g not-local
-A INPUT -j ACCEPT
-A own -s 10.0.0.0/8 -p tcp -m tcp --dport 22 -m comment --comment "a -j ACCEPT" -j ACCEPT
-A own -p tcp -m multiport --dports 80,8000:8080 -j ACCEPT
-A own -i wg+ -j ACCEPT
-A own -p udp -m udp --dport 443 -m state --state NEW -j ACCEPT
-A own -m set ! --match-set good src -p udp -m udp --dport 5000 -j ACCEPT
-A not-local -m addrtype --dst-type LOCAL -j own
-A not-local -m addrtype --dst-type MULTICAST -j RETURN
-A not-local -j REJECT --reject-with icmp-port-unreachable
COMMIT
"""


@pytest.mark.parametrize(
    ("packet", "verdict", "opened"),
    [
        *((p, v, o) for p, v, o in PACKETS if p.family == 4 and p.port != 8042),
        (Packet(4, "tcp", 8042, "eth0"), "accept", True),
        (Packet(4, "udp", 5000, "eth0"), "accept", True),
        (Packet(6, "tcp", 22, "eth0"), "accept", False),
    ],
)
def test_what_iptables_says_of_a_packet(packet, verdict, opened):
    found = Filter((firewall_iptables.parse(SAVED, "ip"),))
    assert (found.verdict(packet), found.opens(packet)) == (verdict, opened)


@pytest.mark.parametrize(
    "text",
    [
        SAVED.replace("-A INPUT -i", "-X INPUT -i"),
        SAVED.replace(":own - [0:0]\n", ""),
        SAVED.replace('"[a', "[a"),
        SAVED.replace(":INPUT ACCEPT", ":INPUT MAYBE"),
        SAVED.replace("*filter", "*filter\nwhat"),
    ],
)
def test_lines_that_iptables_does_not_print(text):
    with pytest.raises(CannotAssess):
        firewall_iptables.parse(text, "ip")


NEW = Packet(4, "tcp", 54321, "eth0")
ANY = Packet(4, "tcp", 22, "eth0")
ACCEPT, DROP = [{"accept": None}], [{"drop": None}]


def jump(target, kind="jump"):
    return [{kind: {"target": target}}]


@pytest.mark.parametrize(
    ("chains", "verdict"),
    [
        ({"input": []}, "drop"),
        ({"input": [ACCEPT, DROP]}, "accept"),
        ({"input": [jump("x"), ACCEPT], "x": [[{"return": None}], DROP]}, "accept"),
        ({"input": [jump("x"), DROP], "x": []}, "drop"),
        ({"input": [jump("x", "goto"), ACCEPT], "x": []}, "drop"),
        ({"input": [jump("x"), ACCEPT], "x": [jump("y", "goto"), DROP], "y": []}, "accept"),
        ({"input": [[{"return": None}], ACCEPT]}, "drop"),
        ({"input": [jump("input"), ACCEPT]}, "unknown"),
        ({"input": [[{"queue": {"num": 0}}]]}, "unknown"),
        ({"input": [[{"xt": None}, *ACCEPT]]}, "unknown"),
        ({"input": [[{"xt": None}, *DROP]]}, "drop"),
        ({"input": [[{"xt": {"type": "target", "name": "X"}}]]}, "unknown"),
        ({"input": [[{"counter": None}, {"log": {"prefix": "x"}}], ACCEPT]}, "accept"),
        ({"input": [[match({"meta": {"key": "mark"}}, 7), *ACCEPT]]}, "drop"),
        ({"input": [[match({"meta": {"key": "mark"}}, 7, "!="), *ACCEPT]]}, "accept"),
        ({"input": [[match(payload("tcp", "dport"), 1023, ">"), *ACCEPT]]}, "drop"),
        ({"input": [[match(payload("tcp", "flags"), "syn"), *ACCEPT]]}, "accept"),
        ({"input": [[match(payload("ip", "saddr"), "0.0.0.0/0"), *ACCEPT]]}, "accept"),
        (
            {
                "input": [
                    [match(payload("ip", "saddr"), {"range": ["1.1.1.1", "2.2.2.2"]}), *ACCEPT]
                ]
            },
            "drop",
        ),
        ({"input": [[match({"concat": [payload("ip", "saddr")]}, "@ports"), *ACCEPT]]}, "drop"),
        (
            {
                "input": [
                    [
                        {
                            "vmap": {
                                "key": {"meta": {"key": "iifname"}},
                                "data": {"set": [["eth0", {"goto": {"target": "x"}}]]},
                            }
                        }
                    ],
                    ACCEPT,
                ],
                "x": [DROP],
            },
            "drop",
        ),
    ],
)
def test_how_chains_are_walked(chains, verdict):
    assert rules(chains).verdict(NEW) == verdict


def test_a_chain_is_walked_only_where_the_kernel_calls_it():
    assert rules({"input": [DROP]}, policy="accept", type="nat").verdict(NEW) == "accept"
    assert rules({"input": [DROP]}, policy="accept", hook="output").verdict(NEW) == "accept"
    assert rules({"input": [DROP]}, policy="accept", hook="prerouting").verdict(NEW) == "drop"
    unclear = [[{"xt": None}, *DROP]]
    assert rules({"input": unclear}, policy="accept", hook="prerouting").verdict(NEW) == "accept"


def test_one_table_that_drops_is_enough():
    both = Filter(
        (
            Ruleset("a", {"x": (Rule((), "accept"),)}, (Base("x", "inet", "drop"),)),
            Ruleset("b", {"x": ()}, (Base("x", "ip", "drop"),)),
        )
    )
    assert both.verdict(NEW) == "drop"
    assert both.verdict(Packet(6, "tcp", 9, "eth0")) == "accept"
    assert Filter().verdict(NEW) == "accept"


def test_a_port_that_is_closed_before_it_is_opened_is_not_open():
    opened = [match(payload("tcp", "dport"), 22), *ACCEPT]
    assert rules({"input": [opened]}).opens(ANY)
    assert rules({"input": [jump("x"), DROP], "x": [opened]}).opens(ANY)
    assert rules({"input": [[opened[0], *jump("x")]], "x": [ACCEPT]}).opens(ANY)
    for chains in (
        {"input": [DROP, opened]},
        {"input": [jump("x"), opened], "x": [DROP]},
        {"input": [ACCEPT, opened]},
        {"input": [jump("input")]},
    ):
        assert not rules(chains).opens(ANY)


def test_interfaces_that_no_rule_tells_apart():
    names = ["eth0", "wg0", "eth1", "wg1", "lo"]
    assert rules(PRINTED).distinct(names) == ("eth0", "wg0", "lo")
    assert rules({"input": []}).distinct(names) == ("eth0",)


def test_where_every_port_has_a_rule_none_is_free():
    wide = Rule((Condition("port", ("1-65535",)),), "accept")
    assert Filter((Ruleset("a", {"x": (wide,)}),)).free_port() == 54321
    most = Rule((Condition("port", ("54321", "48-65535", "1-46")),), "accept")
    assert Filter((Ruleset("a", {"x": (most,)}),)).free_port() == 47


def table(out, code=0, err="", save=(0, "@end\n", "")):
    results = {
        lambda command: "list ruleset" in command: (code, out, err),
        lambda command: "tables-nft-save -t" in command: save,
    }
    return open_facts(FakeTransport(results=results)).firewall


WELL = f"inet6\n@nft\n{document(PRINTED)}\n@end\n"


def test_rules_of_all_tools_together():
    text = WELL.replace("@end", f"@legacy-ip\ntool iptables-save\n{SAVED}\n@end")
    found = table(text)
    assert found.tools == ("nft", "iptables-save")
    assert [each.name for each in found.filter.rulesets] == ["inet filter", "legacy ip filter"]
    assert found.families == (4, 6)
    assert table(WELL.removeprefix("inet6\n")).families == (4,)


def test_without_nft_iptables_knows_its_own():
    text = f"@nft\n@missing\n@nft-ip\ntool iptables-nft-save\n{SAVED}\n@nft-ip6\n@missing\n@end\n"
    found = table(text)
    assert found.tools == ("iptables-nft-save",)
    assert [each.name for each in found.filter.rulesets] == ["ip filter"]


def test_a_host_without_any_tool_has_none():
    assert table("@nft\n@missing\n@nft-ip\n@missing\n@nft-ip6\n@missing\n@end\n").tools == ()


def test_a_kernel_without_nftables_has_no_rules_of_it():
    text = f"@nft\n@failed\n@legacy-ip\ntool iptables-save\n{SAVED}\n@end\n"
    found = table(text, err="netlink: Error: cache initialization failed: Protocol not supported")
    assert [each.name for each in found.filter.rulesets] == ["legacy ip filter"]


def test_conditions_that_nft_does_not_tell_are_asked_of_iptables():
    place = {"family": "ip", "table": "filter"}
    base = {"name": "INPUT", "type": "filter", "hook": "input", "policy": "drop"}
    items = [
        {"chain": {**place, **base}},
        {"rule": {**place, "chain": "INPUT", "expr": [{"xt": None}, {"accept": None}]}},
    ]
    text = f"@nft\n{json.dumps({'nftables': items})}\n@end\n"
    assert table(text).filter.verdict(NEW) == "unknown"
    found = table(text, save=(0, f"@ip\n{SAVED}@ip6\n@end\n", ""))
    assert found.filter.verdict(NEW) == "drop"
    assert [each.name for each in found.filter.rulesets] == ["ip filter", "ip6 filter"]
    with pytest.raises(CannotAssess):
        table(text, save=(1, "@ip\n", "why"))
    elsewhere = text.replace("filter", "nat")  # it has no say in who gets in
    assert table(elsewhere, save=(1, "", "why")).filter.verdict(NEW) == "accept"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"out": WELL.removesuffix("@end\n")}, Incomplete),
        ({"out": ""}, Incomplete),
        ({"out": "", "code": 43}, Denied),
        ({"out": WELL.replace('"nftables"', '"other"')}, CannotAssess),
        ({"out": WELL.replace('"rule"', '"rule", 7: ')}, CannotAssess),
        ({"out": "@nft\n@failed\n@end\n", "err": "nft: Operation not permitted"}, CannotAssess),
        ({"out": "@nft\n@failed\n@end\n"}, CannotAssess),
        ({"out": WELL.replace("@end", "@legacy-ip\n@missing\n@end")}, CannotAssess),
        ({"out": WELL.replace("@end", "@legacy-ip\ntool x\n@failed\n@end")}, CannotAssess),
        ({"out": WELL.replace('"@ports"', '"@none"')}, CannotAssess),
    ],
)
def test_rules_that_were_not_all_read_are_no_table(answer, error):
    with pytest.raises(error):
        table(**answer)


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def shell(request):
    return request.param


def answered(argv, script):
    done = subprocess.run([*argv, "-c", script], capture_output=True, check=False)
    return CommandResult(
        command=script,
        exit_code=done.returncode,
        stdout=done.stdout,
        stderr=done.stderr,
        started=0,
        duration=0,
    )


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root is told the rules")
def test_the_script_runs_in_every_shell(shell):
    found = firewall.parse(answered(["unshare", "-n", *shell], firewall._SCRIPT))
    assert not found.has_inet6
    assert found.filter.verdict(NEW) == "accept"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root sets rules in a namespace of its own")
@pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed")
def test_the_rules_of_a_kernel(shell):
    script = f"nft -f - <<'X' || exit\n{RULES}X\n{firewall._SCRIPT}"
    found = firewall.parse(answered(["unshare", "-n", *shell], script)).filter
    for packet, verdict, opened in PACKETS:
        assert (found.verdict(packet), found.opens(packet)) == (verdict, opened), packet


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="another user is taken from root")
def test_others_are_told_nothing(shell):
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *shell]
    with pytest.raises(Denied):
        firewall.parse(answered(argv, firewall._SCRIPT))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("-m conntrack --ctstate NEW -m limit --limit 60/sec --limit-burst 20 -j ACCEPT", "accept"),
        ("-m hashlimit --hashlimit-upto 9/sec --hashlimit-name x -j ACCEPT", "accept"),
        ("-m limit --limit 60/sec -j DROP", "drop"),
        ("-d 192.0.2.7/32 -j ACCEPT", "unknown"),
        ("-d 224.0.0.251/32 -j ACCEPT", "drop"),
        ("-d 127.0.0.0/8 -j ACCEPT", "drop"),
        ("-d 192.0.2.7/32 -p tcp -m tcp --dport 22 -j ACCEPT", "drop"),
        ("! -d 192.0.2.7/32 -j DROP", "drop"),
    ],
)
def test_rules_of_iptables_that_only_some_packets_meet(rule, expected):
    text = f"*filter\n:INPUT DROP [0:0]\n-A INPUT {rule}\nCOMMIT\n"
    found = Filter((firewall_iptables.parse(text, "ip"),))
    assert found.verdict(Packet(4, "tcp", 54321, "eth0")) == expected


@pytest.mark.parametrize("rule", ["-m limit --limit 9/sec -j DROP", "! -d 192.0.2.7/32 -j DROP"])
def test_a_rule_that_drops_some_packets_keeps_nobody_out(rule):
    text = f"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT {rule}\nCOMMIT\n"
    found = Filter((firewall_iptables.parse(text, "ip"),))
    assert found.verdict(Packet(4, "tcp", 54321, "eth0")) == "accept"
