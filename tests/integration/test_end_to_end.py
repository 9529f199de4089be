"""Whole audits from the command line: many hosts, dead ones, faults, every kind of target."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from pathlib import Path

import psutil
import pytest
import yaml
from lab.faults import refused, unanswered
from lab.moto_fixtures import moto, moto_server
from lab.project import project
from lab.sshd import Sshd, make_key, needs_sshd, wait_until
from test_testinfra_same_verdicts import TESTS

__all__ = ["moto", "moto_server", "project"]

ROOT = Path(__file__).parents[2]
CHECKS = """
    def test_user(host):
        assert host.user().name

    def test_passwd(host):
        assert host.file("/etc/passwd").exists

    def test_health(host):
        assert host.health.memory.total > 0
"""


def write(project, **sections):
    project.inventory(yaml.safe_dump({"version": 1, **sections}))


@needs_sshd
@pytest.mark.parametrize("workers", [[], ["-n2"]])
def test_three_dead_hosts_of_ten_are_three_errors_and_the_rest_is_complete(
    project, sshd, tmp_path, workers
):
    stranger = make_key(tmp_path / "stranger")
    address, port = refused()
    with unanswered() as (mute, mute_port):
        hosts = {f"web{n}": sshd.entry() for n in range(7)}
        hosts["refused"] = {"address": address, "port": port}
        hosts["mute"] = {"address": mute, "port": mute_port}
        hosts["stranger"] = sshd.entry(ssh={"key_file": str(stranger), "agent": False})
        write(project, defaults={"connect_timeout": 2}, hosts=hosts)
        project.check(CHECKS)
        wait_until(lambda: sshd.logged("Connection from"))  # that of the lab itself
        before = sshd.logged("Connection from")
        result = project.run("--audit-report=html=r.html", *workers)
    assert result.ret == 10, result.stdout.str()
    rows = project.document["results"]
    assert len(rows) == 30
    for name, reason in (
        ("refused", "refused the connection"),
        ("mute", "did not answer within 2 s"),
        ("stranger", "publickey"),
    ):
        messages = [row["message"] for row in rows if row["target"] == name]
        first = [text for text in messages if not text.startswith("not assessed: ")]
        assert len(first) == 1
        assert reason in first[0]
        assert {row["verdict"] for row in rows if row["target"] == name} == {"error"}
        summary = result.outlines[
            next(n for n, line in enumerate(result.outlines) if "= audit =" in line) :
        ]
        assert sum(f"{name} " in line and reason in line for line in summary) == 1
    alive = [row["verdict"] for row in rows if row["target"].startswith("web")]
    assert alive == ["pass"] * 21
    assert sshd.logged("Connection from") - before == 8  # each target once, the stranger too


@needs_sshd
def test_many_names_of_one_server_do_not_drive_each_other_out(project, tmp_path):
    """sshd drops connections that are not logged in yet, if there are many: it is not dead."""
    with Sshd(tmp_path, config=["MaxStartups 3:50:6"]) as server:
        behind = {"ssh": {"proxy_jump": "bastion"}}
        hosts = {f"web{n}": server.entry(**(behind if n % 2 else {})) for n in range(24)}
        write(project, hosts={"bastion": server.entry(), **hosts})
        project.check("def test_x(host):\n    assert host.run('true').rc == 0\n")
        result = project.run()
    assert result.ret == 0, result.stdout.str()
    assert list(project.verdicts().values()) == ["pass"] * 25


@pytest.mark.parametrize("error", ["RuntimeError()", "KeyError('x')", "SystemExit(3)"])
def test_a_transport_that_breaks_is_one_dead_target(project, error):
    write(project, hosts={"web": {"address": "192.0.2.1"}})
    (project.path / "conftest.py").write_text(
        f"def opener(*_):\n    raise {error}\n"
        "def pytest_sysaudit_transports():\n    return {'ssh': opener}\n"
    )
    project.check(
        """
        def test_1(host): assert host
        def test_2(host): assert host
        """
    )
    assert project.run().ret == 10
    reason = f"web: its transport broke while opening: {error.partition('(')[0]}"
    assert project.row("web", "::test_1")["message"].startswith(reason)
    assert project.row("web", "::test_2")["message"].startswith(f"not assessed: {reason}")


@needs_sshd
def test_a_changed_host_key_is_refused(project, tmp_path):
    with Sshd(tmp_path) as server:
        write(project, hosts={"web": server.entry()})
        project.check("def test_x(host):\n    assert host.run('true').rc == 0\n")
        assert project.run().ret == 0
        old = server.fingerprint
        server.change_host_key()
        result = project.run()
        assert result.ret == 10
        message = project.row("web", "::test_x")["message"]
        assert old in message
        assert server.fingerprint in message


@needs_sshd
@pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="asks for Debian's packages")
def test_an_unmodified_testinfra_file_gives_the_same_verdicts_through_pytest(project, sshd):
    file = project.path / "checks" / "test_theirs.py"
    file.parent.mkdir()
    file.write_text(TESTS.replace("PORT", str(sshd.port)))
    write(project, hosts={"web": sshd.entry()})
    ours = project.run("-rA")
    theirs = project.pytester.runpytest_subprocess(
        "-p",
        "no:sysaudit",
        "-rA",
        "-p",
        "no:cacheprovider",
        f"--hosts=paramiko://{sshd.user}@{sshd.address}:{sshd.port}",
        f"--ssh-identity-file={sshd.key}",
    )

    def verdicts(result):
        found = {}
        for line in result.outlines:
            word, _, rest = line.partition(" ")
            if word in ("PASSED", "FAILED", "ERROR") and "::" in rest:
                name = rest.partition("::")[2].partition("[")[0]
                found[name] = "passed" if word == "PASSED" else "failed"
        return found

    assert verdicts(theirs) == verdicts(ours)
    assert len(verdicts(ours)) >= 25


def test_no_call_that_changes_an_account_leaves_the_process(project, moto):
    moto.admin("s3").create_bucket(Bucket="theirs")
    before = len(moto.requests())
    write(project, aws={"account": {"endpoint_url": moto.url, "regions": ["us-east-1"]}})
    project.check(
        """
        import io

        def test_policy(aws_session):
            aws_session.client("s3").put_bucket_policy(Bucket="theirs", Policy="{}")
            assert True

        def test_upload(aws_session):
            aws_session.client("s3").upload_fileobj(io.BytesIO(b"x"), "theirs", "key")
            assert True

        def test_resource(aws_session):
            aws_session.resource("s3").Bucket("theirs").delete()
            assert True

        def test_presigned(aws_session):
            url = aws_session.client("s3").generate_presigned_url(
                "put_object", Params={"Bucket": "theirs", "Key": "key"}
            )
            assert url == ""

        def test_by_the_back_door(aws_session):
            import boto3
            client = boto3.client("s3", endpoint_url=aws_session.client("s3").meta.endpoint_url)
            client.delete_bucket(Bucket="theirs")
            assert True
        """
    )
    result = project.run()
    assert result.ret == 10, result.stdout.str()
    for row in project.document["results"]:
        assert row["verdict"] == "error", row
        assert "s3:" in row["message"], row
    sent = moto.requests()[before:]
    assert [line for line in sent if "GetCallerIdentity" not in line] == []


@needs_sshd
def test_a_connection_that_dies_is_made_anew_once_and_then_the_target_is_dead(project, tmp_path):
    with Sshd(tmp_path) as server:
        write(project, hosts={"web": server.entry()})
        project.check(
            """
            def test_1(host):
                assert host.run("true").rc == 0

            def test_2(host):
                assert host.run("touch REACHED; sleep 60").rc != 0

            def test_3(host):
                assert host.file("/etc/hostname").exists
                assert host.run("true").rc == 0

            def test_4(host):
                assert host.run("touch REACHED; sleep 60").rc != 0

            def test_5(host):
                assert host.run("true").rc == 0
            """
        )
        reached = project.path / "reached"
        file = project.path / "checks" / "test_it.py"
        file.write_text(file.read_text().replace("REACHED", str(reached)))

        def cut() -> None:
            for _ in range(2):
                wait_until(reached.exists, 60)
                reached.unlink()
                server.kill_sessions()

        cutter = threading.Thread(target=cut)
        cutter.start()
        result = project.run()
        cutter.join()
    assert result.ret == 10
    assert project.verdicts() == {
        ("web", "test_1"): "pass",
        ("web", "test_2"): "error",
        ("web", "test_3"): "pass",
        ("web", "test_4"): "error",
        ("web", "test_5"): "error",
    }
    assert not project.row("web", "::test_4")["message"].startswith("not assessed: ")
    assert project.row("web", "::test_5")["message"].startswith("not assessed: ")


@needs_sshd
@pytest.mark.parametrize("where", ["here", "far"])
def test_ctrl_c_leaves_a_report_and_nothing_that_runs(project, where):
    before = set(Path(tempfile.gettempdir()).glob("sysaudit-*/far"))
    number = f"9{uuid.uuid4().int % 10**9}"
    write(project, hosts={"here": {"connection": "local"}, "far": {"embedded": True}})
    project.check(f"""
        def test_1(host):
            assert host.run("sleep {number}").rc == 0

        def test_2(ssh_host):
            assert ssh_host.run("true").rc == 0
    """)

    def left() -> list[psutil.Process]:
        argv = ["sleep", number]
        return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == argv]

    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--audit-report=json=out.json", "checks"]
        + ([] if where == "here" else ["--audit-target=far"]),
        cwd=project.path,
        stdout=subprocess.DEVNULL,
    )
    wait_until(left, 60)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 2
    wait_until(lambda: not left())
    assert set(project.verdicts().values()) == {"error"}
    assert set(Path(tempfile.gettempdir()).glob("sysaudit-*/far")) <= before


@pytest.mark.slow
def test_the_shipped_audit_runs_on_this_machine(tmp_path):
    """What `make audit` does, with every kind of target and every report."""
    pytest.importorskip("moto")
    for name in ("inventory.yaml", "checks", "conftest.py"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    reports = [f"--audit-report={name}" for name in ("json", "html", "junit")]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "checks", *reports],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode in (0, 1, 10), result.stdout + result.stderr
    import json

    from junitparser import JUnitXml

    document = json.loads((tmp_path / "audit-report" / "results.json").read_text())
    kinds = {target["kind"]: target["reachable"] for target in document["targets"]}
    assert kinds.keys() == {"local", "ssh", "aws", "http", "network"}
    assert [kind for kind, reachable in kinds.items() if reachable is False] == []
    captured = [row for row in document["results"] if row["target"] == "loopback"]
    if os.geteuid() == 0:
        assert {row["verdict"] for row in captured} <= {"pass", "not_applicable"}
    names = {suite.name for suite in JUnitXml.fromfile(str(tmp_path / "audit-report/junit.xml"))}
    assert names >= {"here", "sshd", "account", "shop", "loopback"}
    assert "started for sshd: " in result.stdout
    assert len(document["controls"]) >= 30


@pytest.fixture
def nobodys_home():
    """A folder that nobody can reach: pytest's own temporary folders are root's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        shutil.chown(name, "nobody")
        yield Path(name)


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="becoming nobody needs root")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_without_root_the_capture_checks_say_why_they_were_not_assessed(nobodys_home):
    home = nobodys_home
    shutil.copytree(ROOT / "checks" / "network", home / "checks" / "network")
    (home / "inventory.yaml").write_text("version: 1\nnetworks: {loopback: {interface: lo}}\n")
    (home / "pytest.ini").write_text("[pytest]\n")
    env = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [
            *("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"),
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "checks"),
        ],
        cwd=home,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 10, result.stdout + result.stderr
    lines = [line for line in result.stdout.splitlines() if "CAP_NET_RAW" in line]
    assert len(lines) == 1, result.stdout


@needs_sshd
@pytest.mark.slow
@pytest.mark.parametrize("workers", [[], ["-n2"]])
def test_every_fixture_works_over_stand_ins(project, workers):
    pytest.importorskip("moto")
    write(
        project,
        hosts={"here": {"connection": "local"}, "far": {"embedded": True}},
        aws={"account": {"embedded": True, "regions": ["eu-west-1", "us-east-1"]}},
        http={"shop": {"embedded": True}},
        networks={"loopback": {"interface": "lo", "exercise": ["shop"]}},
    )
    project.check(
        """
        import os
        import psutil

        def test_host(host):
            assert host.health.boot_time.timestamp() == pytest.approx(psutil.boot_time(), abs=2)

        def test_ssh_host(ssh_host, target):
            assert (ssh_host.target.name, target.kind) == ("far", "ssh")
            assert ssh_host.sftp.read("/etc/hostname") == open("/etc/hostname", "rb").read()

        def test_account(aws_session):
            assert aws_session.account_id == "123456789012"

        def test_region(aws_session, aws_region):
            assert aws_session.client("ec2", aws_region).meta.region_name == aws_region

        def test_page(http_client, target):
            response = http_client.get("/health")
            assert response.status_code == 200
            assert response.tls.verified
            assert target.name == "shop"

        @pytest.mark.parametrize("n", [1, 2])
        def test_cookies_do_not_stay(http_client, n):
            assert not http_client.cookies
            http_client.cookies.set("left", "over")

        def test_both(host, http_client, target):
            assert http_client.get("/").status_code == 200
            assert target.name == host.target.name

        @pytest.mark.skipif(os.geteuid() != 0, reason="capturing needs root")
        def test_wire(sniffer):
            with sniffer(filter="tcp") as capture:
                sniffer.exercise()
            assert capture.complete
            assert [packet for packet in capture.packets if packet.haslayer("TCP")]
        """
    )
    result = project.run(*workers, timeout=200)
    found = project.verdicts()
    assert {name: verdict for name, verdict in found.items() if verdict != "pass"} == {}
    assert result.ret == 0
    expected = {
        ("here", "test_host"),
        ("far", "test_host"),
        ("far", "test_ssh_host"),
        ("account", "test_account"),
        ("account", "test_region[eu-west-1]"),
        ("account", "test_region[us-east-1]"),
        ("shop", "test_page"),
        ("shop", "test_cookies_do_not_stay[1]"),
        ("shop", "test_cookies_do_not_stay[2]"),
        ("here", "test_both[shop]"),
        ("far", "test_both[shop]"),
    }
    assert found.keys() - {("loopback", "test_wire")} == expected
    assert "sysaudit-" not in " ".join(p.name for p in Path("/tmp").glob("sysaudit-*/far"))


def test_a_stand_in_that_does_not_start_is_one_error(project):
    write(project, http={"shop": {"embedded": True}})
    (project.path / "conftest.py").write_text(
        "import pytest_sysaudit.embedded.web as web\n"
        "from pytest_sysaudit.errors import SysauditError\n"
        "def start(self): raise SysauditError('no port is free')\n"
        "web.EmbeddedWeb.start = start\n"
    )
    project.check(
        """
        def test_1(http_client): assert http_client
        def test_2(http_client): assert http_client
        """
    )
    result = project.run()
    assert result.ret == 10
    assert sum("no port is free" in line for line in result.outlines) == 2  # start, and summary
    assert set(project.verdicts().values()) == {"error"}
