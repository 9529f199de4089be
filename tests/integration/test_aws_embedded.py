"""The embedded AWS account: it starts, holds something to find, and goes with its parent."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab.moto import secrets

from pytest_sysaudit.aws.session import open_session
from pytest_sysaudit.embedded.moto import EmbeddedMoto
from pytest_sysaudit.errors import Unreachable
from pytest_sysaudit.inventory.model import Aws
from pytest_sysaudit.inventory.target import Kind, Target

ROOT = Path(__file__).parents[2]


def embedded(**entry):
    return Target(name="demo", kind=Kind.AWS, entry=Aws(embedded=True, **entry))


def gone(pid, patience=15):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        state = Path(f"/proc/{pid}/stat")
        try:
            if state.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def users_settings(monkeypatch):
    """AWS settings of a user that must not be touched by an embedded account."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "REAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://nowhere.invalid")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nonexistent")


def test_an_account_as_the_inventory_names_it(tmp_path, users_settings):
    standin = EmbeddedMoto(embedded(account_id="111122223333", regions=("eu-west-1",)), tmp_path)
    overrides = standin.start()
    try:
        assert overrides["account_id"] == "111122223333"
        assert overrides["regions"] == ["eu-west-1"]
        assert standin.describe() == f"moto at {overrides['endpoint_url']}, account 111122223333"
        session = open_session(embedded(**overrides, role_arn=ROLE, profile="nope"), secrets())
        assert session.account_id == "111122223333"
        names = [bucket["Name"] for bucket in session.call("s3", "list_buckets")["Buckets"]]
        assert names == ["ledger-111122223333", "site-111122223333"]
        groups = session.call("ec2", "describe_security_groups")["SecurityGroups"]
        assert {group["GroupName"] for group in groups} == {"bastion", "web", "default"}
        found = session.call("ec2", "describe_instances")["Reservations"]
        tokens = [i["MetadataOptions"]["HttpTokens"] for r in found for i in r["Instances"]]
        assert sorted(tokens) == ["optional", "required"]
        users = session.call("iam", "list_users")["Users"]
        assert [user["UserName"] for user in users] == ["alice", "bob", "deploy"]
    finally:
        standin.stop()
    with pytest.raises(Unreachable, match="http://127"):
        open_session(embedded(**overrides, max_attempts=1), secrets())


ROLE = "arn:aws:iam::444455556666:role/auditor"


def test_an_account_of_which_nothing_is_said(tmp_path):
    standin = EmbeddedMoto(embedded(), tmp_path)
    overrides = standin.start()
    try:
        assert (overrides["account_id"], overrides["regions"]) == ("123456789012", ["us-east-1"])
        assert open_session(embedded(**overrides), secrets()).account_id == "123456789012"
    finally:
        standin.stop()
        standin.stop()


def test_without_moto_the_message_says_what_to_install(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "moto" else found(name)
    )
    with pytest.raises(Unreachable, match=r'pip install "pytest-sysaudit\[embedded\]"'):
        EmbeddedMoto(embedded(), tmp_path).start()


def test_a_server_that_does_not_start_is_told_with_its_own_words(tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    (broken / "moto").mkdir(parents=True)
    (broken / "moto" / "__init__.py").write_text("raise RuntimeError('moto is broken')")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    standin = EmbeddedMoto(embedded(), tmp_path)
    with pytest.raises(Unreachable, match=r"(?s)^demo: .* did not start: .*moto is broken"):
        standin.start()


def test_it_ends_when_its_parent_is_killed(tmp_path):
    program = (
        "import sys, time; from pathlib import Path\n"
        "from pytest_sysaudit.embedded.moto import EmbeddedMoto\n"
        "from pytest_sysaudit.inventory.model import Aws\n"
        "from pytest_sysaudit.inventory.target import Kind, Target\n"
        "target = Target(name='demo', kind=Kind.AWS, entry=Aws(embedded=True))\n"
        f"standin = EmbeddedMoto(target, Path({str(tmp_path)!r})); standin.start()\n"
        "print(standin._child.pid, flush=True); time.sleep(60)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=env
    ) as parent:
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert gone(child)
