"""What ssh tells, read: logs as it writes them, and the arguments that it is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab.sshd import ssh_target

from pytest_sysaudit.errors import HostKeyError, LoginRefused, Unreachable
from pytest_sysaudit.transport.openssh import route as routes
from pytest_sysaudit.transport.openssh.failures import TurnedAway, failure
from pytest_sysaudit.transport.openssh.route import Route, Router, Step
from pytest_sysaudit.transport.openssh.story import Story

UP = "debug1: Connecting to shop [192.0.2.1] port 22.\ndebug1: Connection established.\n"
BANNER = (
    UP
    + "debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2\n"
    + "debug1: Authenticating to shop:22 as 'audit'\n"
)
KEYS = (
    BANNER
    + "debug1: Server host key: ssh-ed25519 SHA256:abc+/1\n"
    + "debug1: SSH2_MSG_NEWKEYS received\n"
)

FAILURES = [
    ("", Unreachable, "web1: ssh ended without a login: it said nothing"),
    (
        "ssh: connect to host shop port 22: No route to host\n",
        Unreachable,
        "web1: shop:22 cannot be reached: no route (No route to host)",
    ),
    (
        "ssh: connect to host shop port 22: Network is unreachable\n",
        Unreachable,
        "web1: shop:22 cannot be reached: no route (Network is unreachable)",
    ),
    (
        "ssh: connect to host 2001:db8::1 port 22: Connection timed out\n",
        Unreachable,
        "web1: [2001:db8::1]:22 did not answer within 5 s (connect_timeout)",
    ),
    (
        "ssh: connect to host shop port 22: Permission denied\n",
        Unreachable,
        "web1: shop:22: Permission denied",
    ),
    (
        "ssh: Could not resolve hostname shop: Name or service not known\n",
        Unreachable,
        "web1: the name 'shop' cannot be resolved: Name or service not known; check address",
    ),
    (
        UP + "kex_exchange_identification: read: Connection reset by peer\n",
        TurnedAway,
        "web1: shop:22 closed the connection before its SSH banner",
    ),
    (
        BANNER + "Unable to negotiate with 192.0.2.1 port 22: no matching host key type found. "
        "Their offer: ssh-dss,ssh-rsa\n",
        Unreachable,
        "no algorithm in common: its host key algorithms are ssh-dss, ssh-rsa",
    ),
    (
        BANNER + "Connection closed by 192.0.2.1 port 22\n",
        Unreachable,
        "web1: shop:22 broke off the key exchange: Connection closed by 192.0.2.1 port 22",
    ),
    (
        KEYS + "Connection closed by 192.0.2.1 port 22\n",
        Unreachable,
        "web1: shop:22 broke off the login: Connection closed by 192.0.2.1 port 22",
    ),
    (
        KEYS + "Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures\n",
        LoginRefused,
        "web1: shop:22 refused the login as 'audit': there was nothing to try",
    ),
    (
        BANNER + "debug1: Server host key: ssh-rsa SHA256:abc\n"
        "No RSA host key is known for shop and you have requested strict checking.\n"
        "Host key verification failed.\n",
        HostKeyError,
        "web1: the host key of shop:22 is not known; it shows RSA SHA256:abc. Compare",
    ),
    (
        "command-line: line 0: Bad configuration option: knownhostscommand\n",
        Unreachable,
        "the ssh program does not take its settings: command-line: line 0: Bad configuration",
    ),
]


@pytest.mark.parametrize("text, kind, words", FAILURES)
def test_failures(tmp_path, text, kind, words):
    error = failure(way(tmp_path, text), timed_out=False)
    assert type(error) is kind
    assert words in str(error)


def way(tmp_path: Path, text: str) -> Route:
    log = tmp_path / "log"
    log.write_text(text)
    step = Step(
        name="web1", host="shop", argv=("ssh",), log=log, fingerprint=None, known_hosts=None
    )
    return Route(
        target=step, hops=(), user=None, connect_timeout=5, auth_timeout=15, open_timeout=10
    )


SLOW = [
    ("", "web1: shop did not answer within 5 s"),
    (UP, "web1: shop:22 accepted the connection but sent no SSH banner within 5 s"),
    (BANNER, "web1: shop:22 did not finish the key exchange within 5 s"),
    (KEYS, "web1: shop:22 did not finish the login within 15 s (auth_timeout)"),
]


@pytest.mark.parametrize("text, words", SLOW)
def test_how_far_it_got_in_time(tmp_path, text, words):
    assert words in str(failure(way(tmp_path, text), timed_out=True))


def test_a_log_that_cannot_be_decoded_is_read_all_the_same(tmp_path):
    route = way(tmp_path, "")
    route.target.log.write_bytes(b"ssh: connect to host shop port 22: \xff\x1b[31m\n")
    assert "\x1b" not in str(failure(route, timed_out=False))


def test_a_certificate_of_a_host_is_a_key_too():
    story = Story(
        "debug1: Server host certificate: ssh-ed25519-cert-v01@openssh.com SHA256:abc, serial 0 "
        'ID "web1" CA ssh-ed25519 SHA256:def valid forever\n'
    )
    assert story.key == ("ssh-ed25519-cert-v01@openssh.com", "SHA256:abc")
    assert story.key_text == "ED25519 SHA256:abc"


def router(tmp_path: Path, **targets) -> Router:
    return Router({name: ssh_target(name, **entry) for name, entry in targets.items()}, tmp_path)


def options(step: Step) -> list[str]:
    return [step.argv[n + 1] for n, word in enumerate(step.argv) if word == "-o"]


def test_arguments(tmp_path):
    key = tmp_path / 'a "key" 100%'
    key.touch()
    target = ssh_target(
        address="shop",
        port=2222,
        user="audit",
        connect_timeout=2.5,
        ssh={"key_file": str(key), "known_hosts": "/known hosts", "config_file": "none"},
    )
    step = router(tmp_path).route(target).target
    given = options(step)
    quoted = str(key).replace("%", "%%").replace('"', '\\"')
    assert {"BatchMode=yes", "ControlMaster=no", "User=audit", "Port=2222"} <= set(given)
    assert {"ConnectTimeout=3", "IdentitiesOnly=yes", f'IdentityFile="{quoted}"'} <= set(given)
    assert 'UserKnownHostsFile="/known hosts"' in given
    assert "GlobalKnownHostsFile=/dev/null" in given
    assert step.host == "shop"


@pytest.mark.parametrize(
    "ssh, present, absent",
    [
        ({}, "StrictHostKeyChecking=yes", "IdentityAgent=none"),
        ({"host_key_policy": "accept-new"}, "StrictHostKeyChecking=accept-new", "x"),
        ({"agent": False}, "IdentityAgent=none", "x"),
        ({"proxy_jump": "none"}, "ProxyCommand=none", "x"),
        ({"key_file": "/dev/null/../null", "agent": True}, "", "x"),
    ],
)
def test_arguments_by_setting(tmp_path, ssh, present, absent):
    if "key_file" in ssh:
        (tmp_path / "key").touch()
        ssh = {**ssh, "key_file": str(tmp_path / "key")}
        present = "IdentitiesOnly=no"
    given = options(router(tmp_path).route(ssh_target(ssh=ssh)).target)
    assert present in given
    assert absent not in given


def test_the_users_configuration_comes_before_what_we_prefer(tmp_path):
    (tmp_path / "mine").touch()
    target = ssh_target(ssh={"config_file": str(tmp_path / "mine")})
    step = router(tmp_path).route(target).target
    text = Path(step.argv[step.argv.index("-F") + 1]).read_text()
    assert text == f'Include "{tmp_path}/mine"\nHost *\nKexAlgorithms ^curve25519-sha256\n'


def test_an_old_ssh_program(tmp_path, monkeypatch):
    monkeypatch.setattr(routes, "version", lambda _: (8, 0))
    target = ssh_target(ssh={"config_file": "none"})
    step = router(tmp_path).route(target).target
    assert Path(step.argv[step.argv.index("-F") + 1]).read_text() == ""
    pinned = ssh_target(ssh={"fingerprint": "SHA256:" + "A" * 43})
    with pytest.raises(Unreachable, match=r"older than OpenSSH 8\.5 and cannot pin a host key"):
        router(tmp_path).route(pinned)


def test_the_version_of_what_is_no_ssh(tmp_path):
    assert routes.version("/bin/true") == (0, 0)
    assert routes.version(str(tmp_path / "none")) == (0, 0)


def test_a_jump_host_keeps_its_own_settings(tmp_path):
    bastion = {"address": "gate", "port": 2200, "user": "ops"}
    target = ssh_target(user="audit", ssh={"proxy_jump": "bastion"})
    route = router(tmp_path, bastion=bastion).route(target)
    (hop,) = route.hops
    assert hop.name == "web1: jump host bastion"
    assert {"Port=2200", "User=ops"} <= set(options(hop))
    assert "User=audit" in options(route.target)
    (proxy,) = [word for word in options(route.target) if word.startswith("ProxyCommand=")]
    assert proxy.endswith("-W '[%h]:%p' -- gate")
    assert "Port=2200" in proxy
