"""`sysaudit doctor`: what is there, what is missing, and that no secret is shown."""

from __future__ import annotations

import json
import os

import pytest
from lab.command import Command
from lab.project import refused_port

from pytest_sysaudit.command import probes
from pytest_sysaudit.command.probes import ABSENT, MISSING, OK, Needs
from pytest_sysaudit.evidence.signing import new_key_pair
from pytest_sysaudit.inventory.load import load

__all__ = ["refused_port"]


@pytest.fixture
def command(capsys):
    return Command(capsys)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    for name in [*os.environ]:
        if name.startswith("AWS_") or name == "SSH_AUTH_SOCK":
            monkeypatch.delenv(name)
    return tmp_path


def inventory(folder, text):
    path = folder / "inventory.yaml"
    path.write_text(f"version: 1\n{text}\n")
    return path


def needs(folder, text):
    return Needs(load(inventory(folder, text), check_files=False))


def by_name(ended):
    return {one["name"]: one for one in json.loads(ended.out)}


def test_a_machine_without_an_inventory(command, project):
    ended = command("doctor", "--json")
    found = by_name(ended)
    assert ended.code == 0
    assert found["inventory"]["state"] == ABSENT
    assert "sysaudit init" in found["inventory"]["way_out"]
    assert found["python"]["state"] == OK
    assert "pytest-sysaudit " in found["libraries"]["words"]
    assert found["reports"]["state"] == OK
    assert {"root", "CAP_NET_RAW", "libpcap", "ssh agent", "ssh keys", "ssh program", "clock"} <= {
        *found
    }
    assert found["AWS credentials"]["state"] == ABSENT


def test_people_get_a_line_each(command, project):
    lines = command("doctor").out.splitlines()
    assert all(line.split()[0] in (OK, MISSING, ABSENT) for line in lines)
    assert len(lines) >= 12


def test_an_inventory_that_is_named_must_be_there(command, project):
    ended = command("doctor", "--inventory", "gone.yaml", "--json")
    assert ended.code == 1
    assert by_name(ended)["inventory"]["state"] == MISSING


def test_a_broken_inventory_is_missing_and_names_the_way_out(command, project):
    inventory(project, "hosts: {a: {adress: x}}")
    ended = command("doctor", "--json")
    assert ended.code == 1
    found = by_name(ended)["inventory"]
    assert "unknown key 'adress'" in found["words"]
    assert "sysaudit inventory check" in found["way_out"]


def test_secrets_are_tried_and_never_shown(command, project, monkeypatch):
    monkeypatch.setenv("GOOD", "hunter2hunter2")
    monkeypatch.delenv("BAD", raising=False)
    (project / "open").write_text("letmein-letmein")
    (project / "open").chmod(0o644)
    (project / "closed").write_text("opensesame-open")
    (project / "closed").chmod(0o600)
    inventory(
        project,
        """\
hosts:
  a: {address: 192.0.2.1, become: {password: env:GOOD}, ssh: {password: env:BAD}}
  b: {address: 192.0.2.2, become: {password: file:open}, ssh: {password: file:closed}}
  c: {address: 192.0.2.3, become: {password: prompt}, vars: {password: env:NOT_ASKED}}
http:
  d: {base_url: "https://d.example", headers: {X-Token: env:BAD}, auth: {bearer: env:GOOD}}""",
    )
    ended = command("doctor")
    assert ended.code == 1
    assert "3 secrets can be had" in ended.out
    assert "a: ssh.password: the environment variable BAD is not set; export BAD=..." in ended.out
    assert "d: headers.X-Token: the environment variable BAD is not set" in ended.out
    assert "chmod 600" in ended.out
    assert "c: become.password: prompt: standard input is no terminal" in ended.out
    assert "NOT_ASKED" not in ended.out
    for secret in ("hunter2", "letmein", "opensesame"):
        assert secret not in ended.out + ended.err


def test_the_key_that_signs_recordings_is_tried(command, project):
    (project / "key.pem").write_text("-----BEGIN nothing-----")
    (project / "key.pem").chmod(0o600)
    inventory(project, "hosts: {here: {connection: local}}\nevidence: {signing_key: file:key.pem}")
    ended = command("doctor", "--json")
    assert (ended.code, by_name(ended)["signing key"]["state"]) == (1, MISSING)
    (project / "key.pem").unlink()
    private, _ = new_key_pair(project)
    private.rename(project / "key.pem")
    ended = command("doctor", "--json")
    assert (ended.code, by_name(ended)["signing key"]["state"]) == (0, OK)
    assert "PRIVATE" not in ended.out


def test_what_the_inventory_needs_is_missing_what_it_does_not_is_absent(project, monkeypatch):
    monkeypatch.setattr(probes.shutil, "which", lambda _: None)
    monkeypatch.setattr(probes.os, "geteuid", lambda: 1000)
    monkeypatch.setattr("pytest_sysaudit.network.local.may_capture", lambda: False)
    monkeypatch.setattr("pytest_sysaudit.network.bpf.libpcap", lambda: None)
    nothing = Needs(None)
    everything = needs(
        project,
        """\
hosts:
  here: {connection: local}
  a: {address: 192.0.2.1, connection: openssh}
networks:
  dmz: {interface: eth0}
aws:
  payments: {account_id: "123456789012"}""",
    )
    for probe in (probes.root, probes.capture, probes.ssh_program, probes.keys):
        assert probe(nothing).state == ABSENT, probe
        found = probe(everything)
        assert found.state == MISSING, probe
        assert found.way_out
    assert "dmz" in probes.capture(everything).words
    assert "(for a)" in probes.ssh_program(everything).words
    assert probes.pcap_library().state == ABSENT
    (found,) = probes.aws(everything)
    assert (found.state, "payments" in found.words) == (MISSING, True)


def test_networks_that_others_watch_need_nothing_here(project, monkeypatch):
    monkeypatch.setattr("pytest_sysaudit.network.local.may_capture", lambda: False)
    found = needs(
        project,
        "hosts: {w: {address: 192.0.2.1}}\n"
        "networks: {n: {interface: eth0, via: w}, m: {pcap: x.pcap}}",
    )
    assert probes.capture(found).state == ABSENT


def test_aws_credentials_are_found_and_not_shown(command, project, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    ended = command("doctor")
    assert "found by env" in ended.out
    assert "AKIA" not in ended.out
    assert "wJalr" not in ended.out


def test_a_profile_that_nobody_configured_is_missing(project):
    found = needs(project, 'aws: {a: {profile: nobody, account_id: "123456789012"}}')
    one, other = probes.aws(found)
    assert one.state == ABSENT
    assert (other.name, other.state) == ("AWS profile nobody", MISSING)


def test_an_agent_that_does_not_answer(project, monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", str(project / "gone"))
    assert "is not there" in probes.agent(Needs(None)).words


def test_a_folder_that_cannot_be_written(project, monkeypatch):
    from pathlib import Path

    monkeypatch.setattr("pytest_sysaudit.reports.FOLDER", Path("/proc/1"))
    found = probes.reports()
    assert found.state == MISSING
    assert "--audit-report" in found.way_out


def test_connecting_says_what_happens(command, project, refused_port):
    inventory(
        project,
        f"""\
hosts:
  here: {{connection: local}}
  dead: {{address: 127.0.0.1, port: {refused_port}, ssh: {{config_file: none}}}}
  later: {{embedded: true}}
http:
  shop: {{base_url: "http://127.0.0.1:{refused_port}"}}""",
    )
    ended = command("doctor", "--connect", "--json")
    assert ended.code == 1
    found = by_name(ended)
    assert found["target here"]["state"] == OK
    assert "machine_id" in found["target here"]["words"]
    assert found["target dead"]["state"] == found["target shop"]["state"] == MISSING
    assert "not reached" in found["target dead"]["words"]
    assert found["target later"]["state"] == ABSENT
    chosen = by_name(command("doctor", "--connect", "--target", "here", "--json"))
    assert [name for name in chosen if name.startswith("target ")] == ["target here"]
    assert command("doctor", "--connect", "--target", "nobody").code == 4
