"""What `load` makes of an inventory, and what it says about a bad one."""

# ruff: noqa: E501, ISC004 - rows of tables, messages as they are printed

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import pytest
from lab.inventories import EXAMPLE, faults, loaded, write, write_example

from pytest_sysaudit.errors import InventoryError
from pytest_sysaudit.inventory.load import LoadedInventory, load
from pytest_sysaudit.inventory.target import Kind

SECRET = "a secret is never written in the inventory; use env:NAME, file:PATH or prompt"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Run in the folder of the inventory, which is the home folder too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_example_of_the_documentation(folder):
    inventory = load(write_example(folder))
    targets = inventory.targets
    assert [(name, target.kind) for name, target in targets.items()] == [
        ("here", Kind.LOCAL),
        ("web1", Kind.SSH),
        ("payments", Kind.AWS),
        ("shop", Kind.HTTP),
        ("dmz", Kind.NETWORK),
    ]
    web1 = targets["web1"]
    assert web1.groups == ("prod", "web")
    assert web1.vars == {"allowed_ports": [22, 443]}
    assert web1.inputs == {"ssh.max-auth-tries": {"maximum": 4}}
    assert web1.setting("connect_timeout") == 5
    assert web1.setting("command_timeout") == 30
    assert web1.entry.ssh.proxy_jump == "bastion"
    assert web1.path(web1.entry.ssh.key_file) == folder / ".ssh/audit"
    assert web1.path(web1.entry.ssh.known_hosts) == folder / "known_hosts"
    assert targets["payments"].entry.account_id == "123456789012"
    assert inventory.groups == {"web": ("web1",), "prod": ("web1",)}
    assert inventory.inputs == {"ssh.max-auth-tries": {"maximum": 4}}
    assert inventory.path == folder / "inventory.yaml"
    assert inventory.sha256 == hashlib.sha256(EXAMPLE.encode()).hexdigest()
    assert inventory.locate(("hosts", "web1", "port")) == (8, 37)
    assert inventory.locate(("hosts", "web1"), key=True) == (8, 3)


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_file(folder):
    text = """\
        version: 2
        groups:
          web: {children: [wbe]}
        hosts:
          web1:
            address: 192.0.2.10
            port: 22a
            groups: [web]
            vars:
              open: no
            ssh:
              password: hunter2
              key_file: gone
          web2:
            adress: 192.0.2.11
            port: 22
            port: 23
        """
    assert faults(folder, text) == [
        "inventory.yaml:1:10: version: expected 1, found 2",
        "inventory.yaml:3:20: groups.web.children[0]: unknown group 'wbe'. Did you mean 'web'? "
        "To declare it: 'groups: {wbe: {}}'",
        "inventory.yaml:7:11: hosts.web1.port: expected a whole number from 1 to 65535, "
        "found '22a'",
        "inventory.yaml:10:13: hosts.web1.vars.open: no is ambiguous in YAML; write false, "
        "or quote it: 'no'",
        f"inventory.yaml:12:17: hosts.web1.ssh.password: {SECRET}",
        f"inventory.yaml:13:17: hosts.web1.ssh.key_file: no such file: {folder / 'gone'}",
        "inventory.yaml:15:5: hosts.web2: unknown key 'adress'. Did you mean 'address'?",
        "inventory.yaml:17:5: hosts.web2: duplicate key 'port', first on line 16",
    ]


#: hosts, with ^ before what is wrong, and what is said of it.
HOSTS = [
    ("{a: }", ""),
    ("{a: {}}", ""),
    ("{a: {port: null, ssh: , become: }}", ""),
    ("{a: {port: ^0}}", "hosts.a.port: expected a whole number from 1 to 65535, found 0"),
    ("{a: {port: ^true}}", "hosts.a.port: expected a whole number from 1 to 65535, found true"),
    ("{a: {port: ^1.5}}", "hosts.a.port: expected a whole number from 1 to 65535, found 1.5"),
    ("{a: {port: ^[1]}}", "hosts.a.port: expected a whole number from 1 to 65535, found a list"),
    ("{a: {max_output: ^0}}", "hosts.a.max_output: expected a whole number above 0, found 0"),
    ("{a: {connect_timeout: ^5s}}", "hosts.a.connect_timeout: expected seconds: a number above 0, up to 86400, found '5s'"),
    ("{a: {user: ^5}}", "hosts.a.user: expected a user name, found 5. Quote it: '5'"),
    ("{a: {user: ^-oProxyCommand=x}}", "hosts.a.user: expected a user name, found '-oProxyCommand=x'"),
    ("{a: {address: ^''}}", "hosts.a.address: expected a host name or an IP address, without user and port, found ''"),
    ("{a: {address: ^-x}}", "hosts.a.address: expected a host name or an IP address, without user and port, found '-x'"),
    ("{a: {address: ^a:22}}", "hosts.a.address: the port is written under 'port'"),
    ("{a: {address: '::1'}}", ""),
    ("{a: {groups: ^web}}", "hosts.a.groups: expected a list, found 'web'. Write [web]"),
    ("{a: {groups: [^web]}}", "hosts.a.groups[0]: unknown group 'web'. There are: none. To declare it: 'groups: {web: {}}'"),
    ("{a: {groups: [^a]}}", "hosts.a.groups[0]: 'a' is a host, expected a group"),
    ("{a: {ssh: {agent: ^1}}}", "hosts.a.ssh.agent: expected true or false, found 1"),
    ("{a: {ssh: {agent: ^'yes'}}}", "hosts.a.ssh.agent: expected true or false, found 'yes'"),
    ("{a: {ssh: {host_key_policy: ^acceptnew}}}", "hosts.a.ssh.host_key_policy: expected one of strict, accept-new, found 'acceptnew'. Did you mean 'accept-new'?"),
    ("{a: {ssh: {fingerprint: ^SHA256:abc}}}", "hosts.a.ssh.fingerprint: expected SHA256: and 43 characters, as ssh-keygen -lf prints, found 'SHA256:abc'"),
    ("{a: {become: ^root}}", "hosts.a.become: expected keys and values, found 'root'. Write {user: root}"),
    ("{a: {become: ^true}}", "hosts.a.become: expected keys and values, found true. Write {user: root}"),
    ("{a: {become: ^sudo}}", "hosts.a.become: expected keys and values, found 'sudo'. Write {user: root}"),
    ("{a: {port: ^'22'}}", "hosts.a.port: expected a whole number from 1 to 65535, found '22'. Write 22, without quotes"),
    ("{a: {^password: env:X}}", "hosts.a: unknown key 'password'. Did you mean 'become.password' or 'ssh.password'?"),
    ("{a: {^bastion: b}}", "hosts.a: unknown key 'bastion'. Did you mean 'ssh.proxy_jump'?"),
    ("{a: {ssh: {^key: x}}}", "hosts.a.ssh: unknown key 'key'. Did you mean 'key_file'?"),
    ("{a: {become: {method: ^su}}}", "hosts.a.become.method: expected sudo, found 'su'"),
    ("{a: {vars: ^[1]}}", "hosts.a.vars: expected keys and values, found a list"),
    ("{a: {inputs: {x: ^5}}}", "hosts.a.inputs.x: expected keys and values, found 5"),
    ("{a: ^192.0.2.1}", "hosts.a: expected keys and values, found '192.0.2.1'. Write {address: ...}"),
    ("^[a]", "hosts: expected keys and values, found a list. Write each as 'web1: {address: 192.0.2.10}'"),
    ("{^a b: }", "hosts: expected a name of letters, digits, '_', '-' and '.', found 'a b'"),
    ("{a: {groups: [^null]}}", "hosts.a.groups[0]: expected a name of letters, digits, '_', '-' and '.', found nothing"),
    ("{a: {inputs: {x: ^}}}", "hosts.a.inputs.x: expected keys and values, found nothing"),
    ("{a: {ssh: {key_file: ^'~nobody-here/key'}}}", "hosts.a.ssh.key_file: cannot be read: Could not determine home directory."),
    ("{^all: }", "hosts.all: the name 'all' means every target"),
    ("{a: {^hostname: x}}", "hosts.a: unknown key 'hostname'. Did you mean 'address'?"),
    ("{a: {^key_file: x}}", "hosts.a: unknown key 'key_file'. Did you mean 'ssh.key_file'?"),
    ("{a: {ssh: {^zzz: x}}}", "hosts.a.ssh: unknown key 'zzz'. Known keys: key_file, key_passphrase, password, agent, proxy_jump, known_hosts, fingerprint, host_key_policy, config_file"),
    ("{a: {connection: local, ^port: 22}}", "hosts.a: 'port' has no meaning with connection: local"),
    ("{a: {connection: local, ^ssh: {agent: false}}}", "hosts.a: 'ssh' has no meaning with connection: local"),
    ("{a: {connection: local, ^embedded: true}}", "hosts.a: 'embedded' has no meaning with connection: local"),
    ("{a: {connection: local, become: {password: prompt}}}", ""),
    ("{a: {connection: ^telnet}}", "hosts.a.connection: expected one of ssh, openssh, local, found 'telnet'"),
    ("{a: {connection: ^paramiko}}", "hosts.a.connection: expected one of ssh, openssh, local, found 'paramiko'. Did you mean 'ssh'?"),
    ("{a: {connection: ^opensshd}}", "hosts.a.connection: expected one of ssh, openssh, local, found 'opensshd'. Did you mean 'openssh'?"),
    ("{a: {connection: openssh, port: 2222, ssh: {key_file: /dev/null, proxy_jump: 'b:22'}}}", ""),
    ("{a: {connection: openssh, ssh: {^password: prompt}}}", "hosts.a.ssh: 'password' has no meaning with connection: openssh, whose ssh can be told no secret. Use a key of the ssh agent, or connection: ssh"),
    ("{a: {connection: openssh, ssh: {^key_passphrase: 'env:X'}}}", "hosts.a.ssh: 'key_passphrase' has no meaning with connection: openssh, whose ssh can be told no secret. Use a key of the ssh agent, or connection: ssh"),
    ("{a: {connection: openssh, become: {password: prompt}}}", ""),
    ("{a: {vars: {mode: ^640}}}", "hosts.a.vars.mode: expected a file mode in quotes, as '0640', found 640"),
    ("{a: {inputs: {x: {dir-modes: [^755]}}}}", "hosts.a.inputs.x.dir-modes[0]: expected a file mode in quotes, as '0640', found 755"),
    ("{a: {vars: {mode: '0640', model: 640, mode_count: 99, selinux_mode: 1}}}", ""),
    ("{a: {ssh: {known_hosts: new, host_key_policy: accept-new, config_file: none}}}", ""),
    ("{a: {ssh: {key_file: gone}, embedded: true}}", ""),
]  # fmt: skip


@pytest.mark.parametrize("hosts, text", HOSTS)
def test_hosts(folder, hosts, text):
    column = len("hosts: ") + hosts.find("^") + 1
    expected = [f"inventory.yaml:2:{column}: {text}"] if text else []
    assert faults(folder, f"version: 1\nhosts: {hosts.replace('^', '')}\n") == expected


#: The host a, what its proxy_jump is, and what is said of it.
JUMPS = [
    ("jump", None),
    ("outside", None),
    ("none", None),
    ("user@outside:2222", None),
    ("'[2001:db8::1]:22'", None),
    ("'jump, user@outside'", None),
    ("web9.example.com", None),
    ("web9:22", None),
    ("web9", "unknown host 'web9'. Did you mean 'web1'? For a host outside of this inventory write 'web9:22'."),
    ("shop", "'shop' is an HTTP endpoint, expected a host"),
    ("here", "'here' is this machine, expected an ssh host"),
    ("outside:0", "expected a host of this inventory or [user@]host[:port], found 'outside:0'"),
    ("outside:99999", "expected a host of this inventory or [user@]host[:port], found 'outside:99999'"),
    ("-oProxyCommand=x", "expected a host of this inventory or [user@]host[:port], found '-oProxyCommand=x'"),
    ("web1", "circle: web1 -> web1"),
    ("back", "circle: web1 -> back -> web1"),
]  # fmt: skip


@pytest.mark.parametrize("jump, text", JUMPS)
def test_jump_hosts(folder, jump, text):
    lines = faults(
        folder,
        f"""\
        version: 1
        http: {{shop: {{base_url: "http://x"}}}}
        hosts:
          web1: {{ssh: {{proxy_jump: {jump}}}}}
          jump:
          back: {{ssh: {{proxy_jump: {"web1" if jump == "back" else "jump"}}}}}
          here: {{connection: local}}
          node:
        """,
    )
    line = 6 if jump == "back" else 4
    place = f"inventory.yaml:{line}:28: hosts.{'back' if jump == 'back' else 'web1'}.ssh.proxy_jump"
    assert lines == ([f"{place}: {text}"] if text else [])


#: Sections, from line 2 of an inventory that has the host web1, and what is said of them.
SECTIONS = [
    ("aws: {a: }", []),
    ("aws: {a: {account_id: 123456789012}}", ["2:23: aws.a.account_id: expected 12 digits in quotes, found 123456789012. Quote it: '123456789012'"]),
    ("aws: {a: {account_id: 012345678901}}", ["2:23: aws.a.account_id: 012345678901 is ambiguous in YAML; write it without the leading zero, or quote it: '012345678901'"]),
    ("aws: {a: {account_id: '123456789012', role_arn: 'arn:aws:iam::210987654321:role/x'}}", ["2:49: aws.a.role_arn: the role is of account 210987654321, account_id is 123456789012"]),
    ("aws: {a: {regions: [eu_west_1]}}", ["2:21: aws.a.regions[0]: expected a region as eu-west-1, or all, found 'eu_west_1'"]),
    ("aws: {a: {allow_calls: [GetObject]}}", ["2:25: aws.a.allow_calls[0]: expected service:Operation, as s3:GetObject, found 'GetObject'"]),
    ("aws: {a: {max_attempts: 21}}", ["2:25: aws.a.max_attempts: expected a whole number from 1 to 20, found 21"]),
    ("aws: {a: {external_id: 12345}}", [f"2:24: aws.a.external_id: {SECRET}"]),
    ("aws: {web1: }", ["2:7: aws.web1: the name is taken by hosts.web1 on line 3"]),
    ("groups: {web1: }", ["3:9: hosts.web1: the name is taken by groups.web1 on line 2"]),
    ("http: {h: }", ["2:8: http.h: missing key 'base_url'"]),
    ("http: {h: {embedded: true}}", []),
    ("http: {h: {base_url: example.com}}", ["2:22: http.h.base_url: expected a URL as https://shop.example, without user and password, found 'example.com'"]),
    ("http: {h: {base_url: 'https://u:hunter2@x'}}", ["2:22: http.h.base_url: expected a URL as https://shop.example, without user and password, found 'https://u:[redacted]@x'"]),
    ("http: {h: {base_url: 'http://x', allow_methods: [get]}}", ["2:50: http.h.allow_methods[0]: expected one of GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE, TRACE, found 'get'. Did you mean 'GET'?"]),
    ("http: {h: {base_url: 'http://x', auth: {}}}", ["2:34: http.h.auth: expected either 'bearer' or 'basic'"]),
    ("http: {h: {base_url: 'http://x', auth: {basic: {user: u}}}}", ["2:41: http.h.auth.basic: missing key 'password'"]),
    ("http: {h: {base_url: 'http://x', auth: {bearer: abc}}}", [f"2:49: http.h.auth.bearer: {SECRET}"]),
    ("http: {h: {base_url: 'http://x', auth: {bearer: 0123}}}", [f"2:49: http.h.auth.bearer: {SECRET}"]),
    ("http: {h: {base_url: 'http://x', headers: {X-Api-Key: abc}}}", [f"2:55: http.h.headers.X-Api-Key: {SECRET}"]),
    ("http: {h: {base_url: 'http://x', headers: {Authorization: Basic abc}}}", [f"2:59: http.h.headers.Authorization: {SECRET}"]),
    ("http: {h: {base_url: 'http://x', headers: {X-Api-Key: env:KEY, Accept: text/html}}}", []),
    ("http: {h: {base_url: 'http://x', headers: {X-Token: 77}}}", ["2:53: http.h.headers.X-Token: expected text of one line, found another value"]),
    ("http: {h: {base_url: 'http://x', client_key: known_hosts}}", ["2:34: http.h.client_key: needs a 'client_cert'"]),
    ("http: {h: {base_url: 'http://x', ca_file: .}}", ["2:43: http.h.ca_file: is a folder, expected a file: {folder}"]),
    ("networks: {n: }", ["2:12: networks.n: missing key 'interface' (or 'pcap')"]),
    ("networks: {n: {embedded: true}}", ["2:16: networks.n.embedded: there is no stand-in for a network; 'interface: lo' is always there"]),
    ("networks: {n: {interface: eth0, pcap: known_hosts}}", ["2:33: networks.n.pcap: expected either 'interface' or 'pcap', found both"]),
    ("networks: {n: {pcap: gone.pcap}}", ["2:22: networks.n.pcap: no such file: {folder}/gone.pcap"]),
    ("networks: {n: {interface: '-w x'}}", ["2:27: networks.n.interface: expected the name of an interface, as `ip link` shows it, found '-w x'"]),
    ("networks: {n: {interface: eth0, via: wbe1}}", ["2:38: networks.n.via: unknown host 'wbe1'. Did you mean 'web1'?"]),
    ("networks: {net: {interface: eth0, via: net}}", ["2:40: networks.net.via: 'net' is a network, expected a host"]),
    ("networks: {n: {interface: eth0, exercise: [web1, h]}}", ["2:44: networks.n.exercise[0]: 'web1' is a host, expected an HTTP endpoint", "2:50: networks.n.exercise[1]: unknown HTTP endpoint 'h'. There are: none"]),
    ("networks: {n: {interface: eth0, cidrs: [192.0.2.1/24, x, 192.0.2.7, 2001:DB8::/32]}}", ["2:41: networks.n.cidrs[0]: expected a network as 192.0.2.0/24, found '192.0.2.1/24'. Did you mean '192.0.2.0/24'?", "2:55: networks.n.cidrs[1]: expected a network as 192.0.2.0/24, found 'x'"]),
    ("groups: {a: {children: [a]}}", ["2:25: groups.a.children[0]: circle: a -> a"]),
    ("groups: {a: {children: [b]}, b: {children: [c]}, c: {children: [a, b]}}", ["2:65: groups.c.children[0]: circle: a -> b -> c -> a", "2:68: groups.c.children[1]: circle: b -> c -> b"]),
    ("groups: {a: {children: [web1]}}", ["2:25: groups.a.children[0]: 'web1' is a host, expected a group. A target names its groups: 'web1: {groups: [a]}'"]),
    ("groups: {a: {hosts: [web1]}}", ["2:14: groups.a: unknown key 'hosts'. A target names its groups: 'web1: {groups: [a]}'"]),
    ("groups: {a: [web1]}", ["2:13: groups.a: expected keys and values, found a list. A target names its groups: 'web1: {groups: [a]}'"]),
    ("groups: [a]", ["2:9: groups: expected keys and values, found a list. Write each as 'web: {}'"]),
    ("aws: {a: {secret_key: x}}", ["2:11: aws.a: unknown key 'secret_key'. Did you mean 'profile'?"]),
    ("http: {h: 'https://x'}", ["2:11: http.h: expected keys and values, found 'https://x'. Write {base_url: ...}"]),
    ("inputs: {x: {mode: 640}}", ["2:20: inputs.x.mode: expected a file mode in quotes, as '0640', found 640"]),
    ("host: {}", ["2:1: unknown key 'host'. Did you mean 'hosts'?"]),
    ("defaults: {connect_timeout: 0}", ["2:29: defaults.connect_timeout: expected seconds: a number above 0, up to 86400, found 0"]),
    ("groups:", []),
]  # fmt: skip


@pytest.mark.parametrize("section, lines", SECTIONS)
def test_the_other_sections(folder, section, lines):
    (folder / "known_hosts").touch()
    expected = [f"inventory.yaml:{line.replace('{folder}', str(folder))}" for line in lines]
    assert faults(folder, f"version: 1\n{section}\nhosts: {{web1: }}\n") == expected


WHOLES = [
    ("", "inventory.yaml: is empty; an inventory begins with 'version: 1'"),
    ("# nothing\n", "inventory.yaml: is empty; an inventory begins with 'version: 1'"),
    ("---\n...\n", "inventory.yaml: is empty; an inventory begins with 'version: 1'"),
    ("[]", "inventory.yaml:1:1: expected keys and values; an inventory begins with 'version: 1'"),
    ("web1", "inventory.yaml:1:1: expected keys and values; an inventory begins with 'version: 1'"),
    ("0640", "inventory.yaml:1:1: 0640 is ambiguous in YAML; write it without the leading zero, or quote it: '0640'"),
    ("version: 1", "inventory.yaml:1:1: no targets; add hosts, aws, http, networks"),
    ("hosts: {a: }", "inventory.yaml:1:1: missing key 'version'; an inventory begins with 'version: 1'"),
    ("version:\nhosts: {a: }", "inventory.yaml:1:1: missing key 'version'; an inventory begins with 'version: 1'"),
    ("version: '1'\nhosts: {a: }", "inventory.yaml:1:10: version: expected 1, found '1'. Write 1, without quotes"),
    ("version: true\nhosts: {a: }", "inventory.yaml:1:10: version: expected 1, found true"),
    ("version: 1.0\nhosts: {a: }", "inventory.yaml:1:10: version: expected 1, found 1.0"),
]  # fmt: skip


@pytest.mark.parametrize("text, line", WHOLES)
def test_the_file_as_a_whole(folder, text, line):
    assert faults(folder, text) == [line]


@pytest.mark.parametrize(
    "field",
    [
        "ssh: {password: %s}",
        "ssh: {key_passphrase: %s}",
        "become: {password: %s}",
        "ssh: {password: [%s]}",
        "ssh: {password: {a: %s}}",
        "passwort: %s",
        "ssh: {secret: %s, secret: %s}",
        "vars: {db_password: 0x%s}",
    ],
)
@pytest.mark.parametrize("secret", ["5555", "0555", "a5555", "5_555", "env:5555"])
def test_a_secret_that_somebody_wrote_is_not_repeated(folder, field, secret):
    text = f"version: 1\nhosts: {{a: {{{field.replace('%s', secret)}}}}}\n"
    said = "\n".join(faults(folder, text))
    assert "555" not in said
    assert said or field.startswith("vars")


def test_a_file_that_may_not_be_read(folder):
    path = write(folder, "version: 1\n")
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # who may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(InventoryError) as caught:
            load(path)
    finally:
        os.seteuid(user)
    assert str(caught.value) == "inventory.yaml: cannot be read: Permission denied"


def test_a_run_without_targets_needs_no_files(folder):
    path = write(folder, "version: 1\nhosts: {a: {ssh: {key_file: gone}}}\n")
    with pytest.raises(InventoryError):
        load(path)
    assert list(load(path, check_files=False).targets) == ["a"]


def test_relative_paths_start_from_the_inventory_wherever_it_is_read_from(folder, monkeypatch):
    (folder / "key").touch()
    path = write(folder, "version: 1\nhosts: {a: {ssh: {key_file: key}}}\n")
    (folder / "other").mkdir()
    monkeypatch.chdir(folder / "other")
    target = load(Path("..") / path.name).targets["a"]
    monkeypatch.chdir("/")
    assert target.path("key").samefile(folder / "key")


def test_the_name_is_the_address_of_a_host_that_has_none(folder):
    text = "version: 1\nhosts: {web1: , web2: {address: x}, e: {embedded: true}, l: {connection: local}}"
    targets = loaded(folder, text).targets
    addresses = {name: target.entry.address for name, target in targets.items()}
    assert addresses == {"web1": "web1", "web2": "x", "e": None, "l": None}


def test_anchors_and_merged_keys_save_typing(folder):
    text = """\
        version: 1
        hosts:
          web1: &web {port: 2222, user: audit, ssh: {agent: false}}
          web2: {<<: *web, user: other}
        """
    entry = loaded(folder, text).targets["web2"].entry
    assert (entry.port, entry.user, entry.ssh.agent) == (2222, "other", False)


def test_without_a_file_this_machine_is_the_only_target():
    inventory = LoadedInventory.implicit()
    ((name, target),) = inventory.targets.items()
    assert (name, target.kind, target.base) == ("localhost", Kind.LOCAL, Path.cwd())
    assert (inventory.path, inventory.sha256, inventory.groups) == (None, "", {})
    assert inventory.locate(("hosts", "localhost")) == (0, 0)
    assert str(inventory.problem((), "why")) == "inventory: why"


def test_problems_of_others_are_worded_alike(folder):
    inventory = loaded(folder, "version: 1\nhosts: {a: {inputs: {x: {maximum: four}}}}\n")
    problem = inventory.problem(("hosts", "a", "inputs", "x", "maximum"), "expected a number")
    assert str(problem) == "inventory.yaml:2:35: hosts.a.inputs.x.maximum: expected a number"


def test_an_error_keeps_its_problems_across_processes(folder):
    with pytest.raises(InventoryError) as caught:
        loaded(folder, "version: 2\nhots: \n")
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.problems == caught.value.problems
    assert len(again.problems) == 2


def test_two_thousand_hosts_and_as_many_faults(folder):
    """No bound on time, but what is quadratic would not end before the suite's patience does."""
    hosts = "".join(
        f"  web{i}: {{adress: 192.0.2.1, ssh: {{proxy_jump: web{i + 1}}}}}\n" for i in range(2000)
    )
    lines = faults(folder, f"version: 1\nhosts:\n{hosts}")
    assert len(lines) == 2001
    assert lines[0].startswith("inventory.yaml:3:10: hosts.web0: unknown key 'adress'.")
    assert "unknown host 'web2000'. Did you mean 'web" in lines[-1]
