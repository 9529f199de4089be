"""Settings of the kernel as they are in force."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.platform("linux")


@pytest.mark.control(
    "kernel.aslr",
    severity="high",
    frameworks={
        "cis-debian12": ["1.5.1"],
        "cis-dil": ["1.5.3"],
        "nist-800-53": ["CM-6(a)", "SC-30", "SC-30(2)"],
        "pci-dss-4": ["3.3", "3.3.1", "3.3.1.1"],
        "dev-sec": ["sysctl-32"],
    },
)
def test_addresses_are_random(host, audit):
    """The kernel places programs at random addresses.

    Why: an attack that has to guess addresses mostly crashes the program instead of taking it.

    Fix: set kernel.randomize_va_space = 2 in a file of /etc/sysctl.d.
    """
    value = audit.observe("value", host.facts.sysctl.number("kernel.randomize_va_space"))
    assert value == 2, f"kernel.randomize_va_space is {value}; expected: 2"


@pytest.mark.control(
    "kernel.syncookies",
    severity="medium",
    frameworks={
        "cis-debian12": ["3.3.10"],
        "cis-dil": ["3.2.8"],
        "nist-800-53": ["CM-6(a)", "CM-7(a)", "CM-7(b)", "SC-5(1)", "SC-5(2)", "SC-5(3)(a)"],
        "pci-dss-4": ["1.4", "1.4.3"],
        "dev-sec": ["sysctl-11"],
    },
)
def test_syn_cookies_are_on(host, audit):
    """The kernel answers floods of connection requests with SYN cookies.

    Why: without them a few packets per second fill the table of half-open connections.

    Fix: set net.ipv4.tcp_syncookies = 1 in a file of /etc/sysctl.d.
    """
    value = audit.observe("value", host.facts.sysctl.number("net.ipv4.tcp_syncookies"))
    assert value >= 1, f"net.ipv4.tcp_syncookies is {value}; expected: 1"


@pytest.mark.control(
    "kernel.ip-forward",
    severity="medium",
    frameworks={
        "cis-debian12": ["3.3.1"],
        "cis-dil": ["3.1.1"],
        "nist-800-53": [
            "CM-6(a)",
            "CM-6(b)",
            "CM-6.1(iv)",
            "CM-7(a)",
            "CM-7(b)",
            "SC-5",
            "SC-7(a)",
        ],
        "pci-dss-4": ["1.4", "1.4.3"],
        "dev-sec": ["sysctl-01", "sysctl-19"],
    },
    inputs={"router": False},
)
@pytest.mark.parametrize("key", ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"])
def test_packets_are_not_forwarded(host, audit, key):
    """The host does not pass on packets of others.

    Why: a host that forwards connects networks past the firewall between them.

    Fix: set the key, and conf.*.forwarding of the named interfaces, to 0 in a file of
    /etc/sysctl.d. For routers and hosts of containers set the input `router`.
    """
    if audit.inputs.router:
        audit.not_applicable("this host is meant to forward (input router)")
    value = audit.observe(key, host.facts.sysctl.number(key))
    assert value == 0, f"{key} is {value}; expected: 0"
    each = audit.observe("interfaces", host.facts.sysctl.forwarding(key.split(".")[1]))
    on = sorted(device for device, value in each.items() if value)
    assert not on, f"{key} is 0, but these interfaces forward: {', '.join(on)}"


@pytest.mark.control(
    "kernel.redirects",
    severity="medium",
    frameworks={
        "cis-debian12": ["3.3.2", "3.3.5", "3.3.6"],
        "cis-dil": ["3.1.2", "3.2.2", "3.2.3"],
        "nist-800-53": ["CM-6(a)", "CM-7(a)", "CM-7(b)", "SC-5", "SC-7(a)"],
        "pci-dss-4": ["1.4", "1.4.3", "1.4.5"],
        "dev-sec": ["sysctl-14", "sysctl-15", "sysctl-16", "sysctl-20"],
    },
)
@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("ipv4", "accept_redirects"),
        ("ipv4", "secure_redirects"),
        ("ipv4", "send_redirects"),
        ("ipv6", "accept_redirects"),
    ],
)
def test_redirects_are_off(host, audit, family, name):
    """ICMP redirects are neither followed nor sent, on no interface.

    Why: a neighbour can forge them to draw our traffic through itself. The kernel obeys one that
    only the interface, and not `all`, allows.

    Fix: set the key to 0 for all, default and every interface.
    """
    values = audit.observe(name, dict(host.facts.sysctl.per_interface(family, name)))
    on = sorted(device for device, value in values.items() if value and device != "lo")
    assert not on, f"net.{family}.conf.*.{name} is on for {', '.join(on)}"


@pytest.mark.control(
    "kernel.source-route",
    severity="high",
    frameworks={
        "cis-debian12": ["3.3.8"],
        "cis-dil": ["3.2.1"],
        "nist-800-53": ["CM-6(a)", "CM-7(a)", "CM-7(b)", "SC-5", "SC-7(a)"],
        "dev-sec": ["sysctl-13"],
    },
)
@pytest.mark.parametrize(
    "key",
    [
        "net.ipv4.conf.all.accept_source_route",
        "net.ipv4.conf.default.accept_source_route",
        "net.ipv6.conf.all.accept_source_route",
        "net.ipv6.conf.default.accept_source_route",
    ],
)
def test_source_routes_are_refused(host, audit, key):
    """Packets that name their own route are dropped.

    Why: the sender could reach networks, and fake addresses, that no route leads to.

    Fix: set the key to 0 in a file of /etc/sysctl.d.
    """
    value = audit.observe(key, host.facts.sysctl.number(key))
    assert value <= 0, f"{key} is {value}; expected: 0"


@pytest.mark.control(
    "kernel.rp-filter",
    severity="medium",
    frameworks={
        "cis-debian12": ["3.3.7"],
        "cis-dil": ["3.2.7"],
        "nist-800-53": ["CM-6(a)", "CM-7(a)", "CM-7(b)", "SC-7(a)"],
        "pci-dss-4": ["1.4", "1.4.3"],
        "dev-sec": ["sysctl-02"],
    },
)
def test_reverse_paths_are_filtered(host, audit):
    """Packets whose sender could not be answered through that interface are dropped.

    Why: otherwise anybody can send with the addresses of an inner network.

    Fix: set net.ipv4.conf.all.rp_filter = 1, or 2 where routes are asymmetric.
    """
    values = audit.observe("rp_filter", dict(host.facts.sysctl.reverse_path_filter()))
    off = sorted(device for device, value in values.items() if not value and device != "lo")
    assert not off, f"no reverse path filter on {', '.join(off)}"


@pytest.mark.control(
    "kernel.icmp",
    severity="low",
    frameworks={
        "cis-debian12": ["3.3.3", "3.3.4"],
        "cis-dil": ["3.2.5", "3.2.6"],
        "nist-800-53": ["CM-7(a)", "CM-7(b)", "SC-5"],
        "pci-dss-4": ["1.4", "1.4.2"],
        "dev-sec": ["sysctl-03", "sysctl-04"],
    },
)
@pytest.mark.parametrize(
    "key",
    ["net.ipv4.icmp_echo_ignore_broadcasts", "net.ipv4.icmp_ignore_bogus_error_responses"],
)
def test_icmp_noise_is_ignored(host, audit, key):
    """Pings to everybody and broken ICMP errors are ignored.

    Why: the first make the host an amplifier of floods, the second fill its log.

    Fix: set the key to 1 in a file of /etc/sysctl.d.
    """
    value = audit.observe(key, host.facts.sysctl.number(key))
    assert value == 1, f"{key} is {value}; expected: 1"


@pytest.mark.control(
    "kernel.links",
    severity="medium",
    frameworks={"nist-800-53": ["AC-6(1)", "CM-6(a)"], "dev-sec": ["sysctl-34"]},
)
@pytest.mark.parametrize("name", ["hardlinks", "symlinks", "fifos", "regular"])
def test_links_of_strangers_are_not_followed(host, audit, name):
    """Links, pipes and files that strangers leave in open folders are not used.

    Why: a program of root that writes to a name in /tmp could be led to any file.

    Fix: set fs.protected_hardlinks and fs.protected_symlinks to 1, fs.protected_fifos and
    fs.protected_regular to 2.
    """
    value = audit.observe(name, host.facts.sysctl.number(f"fs.protected_{name}"))
    assert value >= 1, f"fs.protected_{name} is {value}; expected: 1 or more"


@pytest.mark.control(
    "kernel.pointers",
    severity="medium",
    frameworks={
        "nist-800-53": [
            "AC-6",
            "CM-6(a)",
            "SC-30",
            "SC-30(2)",
            "SC-30(5)",
            "SC-7(10)",
            "SI-11(a)",
            "SI-11(b)",
        ]
    },
)
@pytest.mark.parametrize(
    ("key", "minimum"),
    [
        ("kernel.kptr_restrict", 1),
        ("kernel.dmesg_restrict", 1),
        ("kernel.perf_event_paranoid", 2),
        ("kernel.unprivileged_bpf_disabled", 1),
    ],
)
def test_kernel_addresses_are_hidden(host, audit, key, minimum):
    """Ordinary users learn nothing about the inside of the kernel.

    Why: attacks on the kernel need its addresses, and begin with what its tools give away.

    Fix: set the key to the expected value in a file of /etc/sysctl.d.
    """
    value = audit.observe(key, host.facts.sysctl.number(key))
    assert value >= minimum, f"{key} is {value}; expected: {minimum} or more"


@pytest.mark.control(
    "kernel.ptrace",
    severity="medium",
    frameworks={"cis-debian12": ["1.5.2"], "nist-800-53": ["SC-7(10)"], "dev-sec": ["sysctl-35"]},
)
def test_processes_cannot_read_each_other(host, audit):
    """A process can only trace its own children.

    Why: otherwise one broken program reads the keys of all others of the same user.

    Fix: set kernel.yama.ptrace_scope = 1 in a file of /etc/sysctl.d.
    """
    value = audit.observe("value", host.facts.sysctl.number("kernel.yama.ptrace_scope"))
    assert value >= 1, f"kernel.yama.ptrace_scope is {value}; expected: 1 or more"


@pytest.mark.control(
    "coredump.suid",
    severity="medium",
    frameworks={
        "cis-debian12": ["1.5.3"],
        "cis-dil": ["1.5.1"],
        "nist-800-53": ["SI-11(a)", "SI-11(b)"],
        "pci-dss-4": ["3.3", "3.3.1", "3.3.1.1"],
        "dev-sec": ["sysctl-31a", "sysctl-31b"],
    },
)
def test_privileged_programs_leave_no_core_dump(host, audit):
    """Programs that run with more rights than their user leave no readable core dump.

    Why: their memory holds what the user may not see, as password hashes.

    Fix: set fs.suid_dumpable = 0 in a file of /etc/sysctl.d.
    """
    sysctl = host.facts.sysctl
    value = audit.observe("fs.suid_dumpable", sysctl.number("fs.suid_dumpable"))
    pattern = audit.observe("kernel.core_pattern", sysctl["kernel.core_pattern"])
    ok = value == 0 or (value == 2 and pattern.startswith(("/", "|/")))
    assert ok, f"fs.suid_dumpable is {value} with core_pattern {pattern!r}; expected: 0"
