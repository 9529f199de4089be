"""Several targets at once in one process: what goes on together, what keeps the turn, what ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from lab.lanes import CONFTEST, INVENTORY


@pytest.fixture
def hosts(project):
    """A project with three hosts."""
    project.inventory(INVENTORY)
    (project.path / "conftest.py").write_text(textwrap.dedent(CONFTEST))
    return project


MEETING = """
    def test_meets(host):
        assert host.check_output("meet")
"""


def test_targets_run_at_once(hosts):
    hosts.check(MEETING)
    hosts.run("checks").assert_outcomes(passed=3)


def test_no_more_lanes_than_asked_for_run_at_once(hosts):
    hosts.check("""
        inside, most = [], []

        def test_counts(host, audit):
            inside.append(host)
            for _ in range(5):
                most.append(len(inside))
                host.run("sleep 0.02")
            inside.remove(host)
            audit.observe("most", max(most))
            assert host
    """)
    for lanes, most in (("0", 1), ("1", 1), ("2", 2)):
        hosts.run("checks", f"--audit-lanes={lanes}").assert_outcomes(passed=3)
        seen = [row["observed"]["most"] for row in hosts.document["results"]]
        assert max(seen) == most


def test_one_target_has_no_lanes(hosts):
    hosts.check("""
        from pytest_sysaudit.lanes.turn import current_turn

        def test_turn(host):
            assert current_turn() is None
    """)
    hosts.run("checks", "--audit-target=h1").assert_outcomes(passed=1)
    hosts.run("checks", "--audit-lanes=0").assert_outcomes(passed=3)
    hosts.run("checks").assert_outcomes(failed=3)


def test_the_setting_counts_as_the_option_does(hosts):
    (hosts.path / "pytest.ini").write_text("[pytest]\naudit_lanes = 0\n")
    hosts.check("""
        from pytest_sysaudit.lanes.turn import current_turn

        def test_turn(host):
            assert current_turn() is None
    """)
    hosts.run("checks").assert_outcomes(passed=3)
    (hosts.path / "pytest.ini").write_text("[pytest]\naudit_lanes = many\n")
    result = hosts.run("checks")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*audit_lanes: 'many' is neither 'auto' nor a number*"])
    assert hosts.run("checks", "--audit-lanes=-1").ret == 4


@pytest.mark.parametrize(
    "how",
    [
        "@pytest.mark.exclusive\ndef test_alone(host):",
        "def test_alone(host, monkeypatch):",
    ],
    ids=["marker", "monkeypatch"],
)
def test_an_exclusive_check_keeps_the_turn(hosts, how):
    body = f"""
inside = []

{how}
    inside.append(host)
    host.run("sleep 0.01")
    assert inside == [host]
    inside.clear()
"""
    hosts.check(body)
    hosts.run("checks").assert_outcomes(passed=3)


def test_an_exclusive_check_waits_for_what_another_lane_computes(hosts):
    """It keeps the turn, but the lane that is to give it the result must go on."""
    hosts.check("""
        import threading

        from pytest_sysaudit import lanes

        once, mutex = lanes.Once(), lanes.Mutex()
        began, asked = threading.Event(), threading.Event()

        def compute():
            began.set()
            assert lanes.wait(asked.wait, 10)
            return 42

        @pytest.mark.targets("h1")
        def test_computes(host):
            with mutex:
                assert once.get("it", compute) == 42

        @pytest.mark.targets("h2")
        def test_before(host):
            assert lanes.wait(began.wait, 10)

        @pytest.mark.targets("h2")
        @pytest.mark.exclusive
        def test_is_given(host):
            asked.set()
            assert once.get("it", compute) == 42
            with mutex:
                assert host
    """)
    hosts.run("checks", "--audit-target=h1", "--audit-target=h2").assert_outcomes(passed=3)


def test_in_an_event_loop_the_turn_is_kept(hosts):
    hosts.check("""
        import asyncio

        def test_loop(host):
            async def ask():
                host.run("sleep 0.01")
                await asyncio.sleep(0.01)
                return host

            assert asyncio.run(ask()) is host
    """)
    hosts.run("checks").assert_outcomes(passed=3)


def test_levels_of_loggers_set_by_a_check_stay_its_own(hosts):
    hosts.check("""
        import logging

        def test_level(host, caplog):
            log = logging.getLogger("near")
            assert log.level == logging.NOTSET
            caplog.set_level("DEBUG", "near")
            host.run("sleep 0.01")
            log.debug("heard")
            assert caplog.messages == ["heard"]
    """)
    hosts.run("checks").assert_outcomes(passed=3)


def test_a_watched_assertion_is_seen_after_a_wait(hosts):
    """`hooks.vacuity` traces a check with asserts in a loop; trace functions are a thread's own."""
    hosts.check("""
        import sys

        def test_loop(host):
            for word in ("a", "b"):
                host.run("sleep 0.01")
                if word == "b":
                    assert host

        def test_vacuous(host):
            for word in ("a", "b"):
                host.run("sleep 0.01")
                if word == "c":
                    assert host

        def test_without_watching(host):
            assert host
            host.run("sleep 0.01")
            assert sys.gettrace() is None
    """)
    hosts.run("checks")
    for name in ("h1", "h2", "h3"):
        assert hosts.row(name, "test_loop")["verdict"] == "pass"
        assert "without asserting" in hosts.row(name, "test_vacuous")["message"]
        assert hosts.row(name, "test_without_watching")["verdict"] == "pass"


def test_a_plain_test_may_write_while_checks_wait(hosts, refused_port):
    """No check changes anything in AWS; a test that is no check may, in its own lane."""
    hosts.check(f"""
        import boto3

        from pytest_sysaudit import lanes

        def publish():
            keys = {{"aws_access_key_id": "a", "aws_secret_access_key": "b"}}
            client = boto3.client(
                "sns", "eu-west-1", endpoint_url="http://127.0.0.1:{refused_port}", **keys
            )
            try:
                client.create_topic(Name="x")
            except Exception as error:
                return type(error).__name__

        def test_check(host):
            for _ in range(3):
                host.run("sleep 0.05")
                assert publish() == "RefusedByPolicy"

        def test_plain():
            for _ in range(3):
                lanes.wait(lambda: None)
                assert publish() == "EndpointConnectionError"

        def test_plain_afterwards():
            assert publish() == "EndpointConnectionError"
    """)
    hosts.run("checks").assert_outcomes(passed=5)


def test_an_error_of_a_shared_fixture_is_told_by_the_last_check(hosts):
    conftest = hosts.path / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + textwrap.dedent("""
            @pytest.fixture(scope="session", autouse=True)
            def shared():
                yield
                raise RuntimeError("the end of all")
        """)
    )
    hosts.check("""
        def test_first(host):
            host.run("sleep 0.2" if host.target.name == "h1" else "sleep 0")
            assert host
    """)
    hosts.run("checks").assert_outcomes(passed=3, errors=1)
    assert "the end of all" in hosts.row("h3", "test_first")["message"]


@pytest.mark.parametrize("arguments", [("-x",), ("--maxfail=1",)], ids=" ".join)
def test_the_first_failure_ends_the_run_and_tears_down(hosts, arguments):
    hosts.check("""
        @pytest.fixture(scope="module")
        def torn(host):
            yield host
            print(f"TORN {host.target.name}")

        def test_fails(torn):
            torn.run("meet")
            assert torn.target.name != "h1"

        def test_more(torn):
            torn.run("sleep 0.2")
            assert torn
    """)
    result = hosts.run("checks", "-s", *arguments)
    text = result.stdout.str()
    assert all(f"TORN {name}" in text for name in ("h1", "h2", "h3"))
    result.stdout.fnmatch_lines(["*stopping after 1 failures*"])
    assert hosts.row("h1", "test_more")["verdict"] == "error"


def test_last_failed_and_keywords_choose_as_ever(hosts):
    hosts.check("""
        def test_one(host):
            host.run("sleep 0")
            assert host.target.name != "h2"

        def test_two(host):
            assert host
    """)
    hosts.pytester.runpytest_subprocess("checks").assert_outcomes(passed=5, failed=1)
    hosts.pytester.runpytest_subprocess("checks", "--lf").assert_outcomes(failed=1)
    hosts.run("checks", "-k", "two").assert_outcomes(passed=3, deselected=3)


def test_setup_show_tells_each_lanes_own_fixtures(hosts):
    hosts.check(MEETING)
    result = hosts.run("checks", "--setup-show")
    result.assert_outcomes(passed=3)
    text = result.stdout.str()
    for name in ("h1", "h2", "h3"):
        assert text.count(f"SETUP    M host[Target(name='{name}'") == 1
        assert text.count(f"TEARDOWN M host[Target(name='{name}'") == 1


def test_trace_and_pdb_run_one_target_after_the_other(hosts):
    hosts.check("""
        from pytest_sysaudit.lanes.turn import current_turn

        def test_turn(host):
            assert current_turn() is None
    """)
    hosts.run("checks", "--pdb").assert_outcomes(passed=3)


def test_a_missing_internal_is_told_and_the_run_is_serial(hosts):
    conftest = hosts.path / "conftest.py"
    conftest.write_text(
        conftest.read_text() + "\nfrom _pytest.assertion import util\ndel util._config\n"
    )
    hosts.check("""
        from pytest_sysaudit.lanes.turn import current_turn

        def test_turn(host):
            assert current_turn() is None
    """)
    result = hosts.run("checks")
    result.assert_outcomes(passed=3)
    lines = [line for line in result.outlines if line.startswith("audit: one target")]
    assert lines == ["audit: one target after the other: lanes do not find assertion.util._config"]


def test_a_time_limit_hits_the_check_that_is_slow(hosts):
    hosts.check("""
        def test_slow(host):
            host.run("sleep 60" if host.target.name == "h2" else "sleep 0.1")
            assert host

        def test_next(host):
            assert host
    """)
    result = hosts.run("checks", "--timeout=2", "--timeout-method=signal")
    assert result.ret == 10
    assert hosts.row("h2", "test_slow")["verdict"] == "error"
    assert "Timeout" in hosts.row("h2", "test_slow")["message"]
    others = [row["verdict"] for row in hosts.document["results"]]
    assert others.count("pass") == 5


def test_a_time_limit_in_a_thread_ends_the_run(hosts):
    hosts.check("""
        def test_slow(host):
            host.run("sleep 60")
            assert host
    """)
    result = hosts.run("checks", "--timeout=1", "--timeout-method=thread")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*Timeout*", "*Stack of*"])


INTERRUPTED = """
    import pathlib

    from pytest_sysaudit import lanes

    @pytest.fixture
    def torn(host):
        yield host
        lanes.wait(print)
        host.run("sleep 60" if pathlib.Path("slow-end").exists() else "sleep 0.1")
        with open("torn", "a") as file:
            file.write(host.target.name)

    def test_done(host):
        assert host

    def test_waits(torn):
        torn.run("meet")
        with open("met", "a") as file:
            file.write(torn.target.name)
        torn.run("sleep 60")
        assert torn
"""


def begin(hosts, *arguments):
    """Start pytest and return it when all three lanes wait."""
    command = [sys.executable, "-m", "pytest", "checks", "-p", "no:cacheprovider", *arguments]
    process = subprocess.Popen(
        [*command, "--audit-report=json=out.json"],
        cwd=hosts.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until(lambda: len(read(hosts, "met")) == 6, process)
    time.sleep(0.3)  # the last one has yet to begin its wait
    return process


def read(hosts, name):
    path = hosts.path / name
    return path.read_text() if path.exists() else ""


def wait_until(holds, process):
    deadline = time.monotonic() + 30
    while not holds():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it did not come so far"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interruption_tears_down_and_reports(hosts, number):
    hosts.check(INTERRUPTED)
    process = begin(hosts)
    process.send_signal(number)
    output = process.communicate(timeout=20)[0]
    assert process.returncode == 2, output
    assert sorted(read(hosts, "torn")[n : n + 2] for n in (0, 2, 4)) == ["h1", "h2", "h3"]
    verdicts = hosts.verdicts()
    assert [verdicts[name, "test_done"] for name in ("h1", "h2", "h3")] == ["pass"] * 3
    assert [verdicts[name, "test_waits"] for name in ("h1", "h2", "h3")] == ["error"] * 3
    assert "KeyboardInterrupt" in output
    assert "INTERNALERROR" not in output


def test_the_second_interruption_ends_at_once(hosts):
    (hosts.path / "slow-end").touch()
    hosts.check(INTERRUPTED)
    process = begin(hosts)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=20)[0]  # a tear-down alone would take a minute
    assert process.returncode == 2, output
    assert read(hosts, "torn") == ""
    assert hosts.verdicts()["h1", "test_done"] == "pass"
    assert "INTERNALERROR" not in output


def test_lanes_that_all_wait_for_nothing_can_be_interrupted(hosts):
    hosts.check("""
        from concurrent.futures import Future

        from pytest_sysaudit import lanes

        def test_waits(host):
            host.run("meet")
            with open("met", "a") as file:
                file.write(host.target.name)
            lanes.wait_for(Future())
            assert host
    """)
    process = begin(hosts)
    os.kill(process.pid, signal.SIGINT)
    output = process.communicate(timeout=20)[0]
    assert process.returncode == 2, output


def test_workers_of_xdist_have_lanes_too(hosts):
    hosts.check(MEETING)
    hosts.run("checks", "-n", "1").assert_outcomes(passed=3)


@pytest.mark.slow
def test_a_crash_among_lanes_is_traced_to_its_check(hosts):
    hosts.check("""
        import os

        def test_one(host):
            host.run("sleep 0.2")
            if host.target.name == "h2":
                os._exit(3)
            assert host

        def test_two(host):
            host.run("sleep 0.1")
            assert host
    """)
    hosts.run("checks", "-n", "1")
    assert "crashed while running" in hosts.row("h2", "test_one")["message"]
    verdicts = hosts.verdicts()
    del verdicts["h2", "test_one"]
    assert set(verdicts.values()) == {"pass"}
    assert len(verdicts) == 5


def test_a_child_of_the_process_waits_for_itself(project):
    project.inventory("version: 1\nhosts:\n  a: {connection: local}\n  b: {connection: local}\n")
    project.check(
        """
        import os

        def test_child(host):
            host.run("true")
            read_end, write_end = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.write(write_end, host.run("echo of the child").stdout.encode())
                finally:
                    os._exit(0)
            os.close(write_end)
            with os.fdopen(read_end) as pipe:
                assert pipe.read() == "of the child\\n"
            os.waitpid(child, 0)
        """
    )
    result = project.run()
    assert result.ret == 0, result.stdout.str()


def test_what_is_no_check_keeps_the_turn(project):
    project.inventory("version: 1\nhosts:\n  a: {connection: local}\n  b: {connection: local}\n")
    project.check(
        """
        import time
        import pytest
        from pytest_sysaudit.lanes import wait

        inside = []

        @pytest.mark.parametrize("n", range(5))
        def test_check(host, n):
            assert inside == []
            host.run("true")

        def test_plain():
            inside.append(1)
            wait(time.sleep, 0.3)
            inside.clear()
        """
    )
    result = project.run()
    assert result.ret == 0, result.stdout.str()
