"""`sysaudit inventory`: every mistake at once, and targets as they will be used."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest
from lab.command import Command
from lab.mortal import mortal

GOOD = """\
version: 1
defaults: {connect_timeout: 7}
groups: {web: {vars: {tier: 1}}, prod: {children: [web]}, empty: {}}
hosts:
  here: {connection: local}
  web1: {address: 192.0.2.1, groups: [web], become: {password: env:WEB1_SUDO}}
  web2: {address: 192.0.2.1, groups: [web], ssh: {host_key_policy: accept-new}}
http:
  shop: {base_url: "https://shop.example", verify: false, headers: {X-Token: env:SHOP}}
inputs: {ssh.max-auth-tries: {maximum: 4}}
"""

ACCEPTS = "web2: host_key_policy: accept-new believes the first key that it sees"


@pytest.fixture
def command(capsys):
    return Command(capsys)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory.yaml").write_text(GOOD)
    return tmp_path


def test_a_good_inventory_is_told_with_its_warnings(command, project):
    ended = command("inventory", "check")
    assert ended.code == 0
    assert ended.out == "inventory.yaml: good: 4 targets (1 local, 2 ssh, 1 http), 4 warnings\n"
    assert ended.err.splitlines() == [
        "inventory.yaml: warning: group 'empty' has no targets",
        "inventory.yaml: warning: web1, web2 have the same address, port and user",
        f"inventory.yaml: warning: {ACCEPTS}",
        "inventory.yaml: warning: shop: verify: false accepts every certificate",
    ]


def test_what_is_doubtful_of_many_targets_is_told_once(command, project):
    ssh = "ssh: {host_key_policy: accept-new}"
    hosts = "".join(f"  h{i:03}: {{address: 192.0.2.{i % 2}, {ssh}}}\n" for i in range(500))
    (project / "inventory.yaml").write_text(f"version: 1\nhosts:\n{hosts}")
    ended = command("inventory", "check")
    assert ended.out.endswith("500 targets (500 ssh), 3 warnings\n")
    lines = ended.err.splitlines()
    assert "h001, h003, h005, h007, h009 and 245 more (250 in all) have the same" in lines[1]
    assert lines[2].endswith("(500 in all): " + ACCEPTS.removeprefix("web2: "))


def test_a_target_in_place_of_the_file_is_told_the_option(command, project):
    assert "or a target: --target web1" in command("inventory", "show", "web1").err
    assert "--target" not in command("inventory", "show", "web1.yaml").err


def test_all_mistakes_are_told_at_once_with_their_lines(command, project):
    (project / "bad.yaml").write_text(
        dedent("""\
        version: 1
        hosts:
          a: {adress: 192.0.2.1}
          b: {port: eleven}
        """)
    )
    ended = command("inventory", "check", "bad.yaml")
    assert ended.code == 4
    lines = ended.err.splitlines()
    assert lines[0].startswith("bad.yaml:3:7: hosts.a: unknown key 'adress'")
    assert lines[1].startswith("bad.yaml:4:")
    assert lines[-1] == "bad.yaml: 2 problems"


@pytest.mark.parametrize("which", ["check", "show"])
@pytest.mark.parametrize(
    "make, words",
    [
        (str, "there is no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(bytes(range(256))), "control characters"),
        (lambda path: path.write_bytes(b"\xff\xfe\xd0"), "UTF"),
        (lambda path: path.write_text(""), "is empty"),
        (lambda path: path.write_text("{a: "), "5"),
    ],
    ids=["missing", "folder", "binary", "encoding", "empty", "half"],
)
def test_what_is_no_inventory_is_exit_code_4(command, project, which, make, words):
    path = project / "other.yaml"
    make(path)
    ended = command("inventory", which, path)
    assert ended.code == 4
    if which == "show" or words != "5":
        assert words in ended.err or path.name in ended.err
    assert "Traceback" not in ended.err


def test_a_file_that_may_not_be_read(project):
    (project / "inventory.yaml").chmod(0)
    ended = mortal(project, "pytest_sysaudit.command", "inventory", "check")
    assert ended.returncode == 4
    assert "inventory.yaml' is not readable" in ended.stderr


def test_without_an_inventory_the_way_out_is_named(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command("inventory", "check")
    assert ended.code == 4
    assert "sysaudit init" in ended.err


def test_targets_are_shown_as_they_will_be_used(command, project, monkeypatch):
    monkeypatch.setenv("WEB1_SUDO", "the-real-password")
    ended = command("inventory", "show", "--target", "web1")
    assert ended.code == 0
    assert ended.out.splitlines()[:2] == ["web1  (ssh)", "  groups: prod, web"]
    assert "      password: env:WEB1_SUDO" in ended.out
    assert "    connect_timeout: 7.0" in ended.out
    assert "    tier: 1" in ended.out
    assert "ssh.max-auth-tries:" in ended.out
    assert "the-real-password" not in ended.out


def test_a_secret_in_the_vars_is_not_shown(command, project):
    text = GOOD.replace("{tier: 1}", "{tier: 1, db_password: hunter2hunter2}")
    (project / "inventory.yaml").write_text(text)
    for options in ([], ["--json"]):
        ended = command("inventory", "show", *options)
        assert ended.code == 0
        assert "hunter2" not in ended.out
        assert "env:SHOP" in ended.out
        assert "tier" in ended.out


def test_targets_as_data(command, project):
    found = json.loads(command("inventory", "show", "--json", "--target", "kind:http").out)
    (shop,) = found
    assert shop["name"] == "shop"
    assert shop["kind"] == "http"
    assert shop["inputs"] == {"ssh.max-auth-tries": {"maximum": 4}}
    assert shop["way"]["headers"] == {"X-Token": "env:SHOP"}
    assert shop["way"]["verify"] is False


def test_an_expression_that_matches_nothing_names_what_is_like_it(command, project):
    ended = command("inventory", "show", "--target", "wbe1")
    assert ended.code == 4
    assert "Did you mean 'web1'?" in ended.err
