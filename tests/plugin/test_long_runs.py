"""What a long run keeps, and what it lets go of."""

from __future__ import annotations

import gc

import pytest

SLIM = """
import gc
import pytest

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    passed = reporter.stats["passed"]
    silent, keywords = reporter.stats.get("", []), {id(report.keywords) for report in passed}
    print()
    print("KEPT", len(passed), len(silent), len(keywords))
    print("KEYWORDS", sorted(k for k in passed[0].keywords if k in ("mine", "test_it[alpha]")))
    print("GC", gc.get_threshold()[0] > 700, gc.get_freeze_count() > 0)
"""
CHECK = """
@pytest.mark.mine
def test_it(host):
    assert host.target.name
"""


@pytest.fixture
def slim(project):
    (project.path / "conftest.py").write_text(SLIM)
    (project.path / "pytest.ini").write_text("[pytest]\nmarkers = mine\n")
    project.check(CHECK)
    return project


def test_reports_that_nobody_shows_are_let_go(slim):
    slim.run("-s").stdout.fnmatch_lines(["KEPT 2 0 1", "KEYWORDS [[]'mine']", "GC True True"])


def test_what_somebody_asks_for_is_kept(slim):
    result = slim.run("-s", "--durations=0", "-vv", "-rA")
    result.stdout.fnmatch_lines(["*KEPT 2 4 1", "*s setup *", "*s teardown *", "PASSED *alpha]*"])


def test_what_a_tear_down_printed_is_shown_with_a_failure(project):
    project.check("""
        @pytest.fixture
        def noisy():
            yield
            print("said while tearing down")

        def test_it(host, noisy):
            assert host.target.name == "alpha"
    """)
    project.run("--tb=short").stdout.fnmatch_lines(["*Captured stdout teardown*", "said while*"])


def test_the_garbage_collector_is_as_before_after_a_run(pytester):
    usual, frozen = gc.get_threshold(), gc.get_freeze_count()  # Python freezes some of its own
    pytester.makepyfile("def test_it(local_host): assert local_host.target.name")
    pytester.runpytest_inprocess("-p", "no:cacheprovider")
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() <= frozen


PARTING = """
import pytest
from pytest_sysaudit.transport.local import open_local

class Way:
    def __init__(self, name, way):
        self.name, self.identity, self._way = name, {"machine_id": name}, way
    def __getattr__(self, name):
        return getattr(self._way, name)
    def close(self):
        print(f"CLOSED {self.name}", flush=True)

def pytest_sysaudit_transports():
    def open_it(target, secrets, targets):
        print(f"OPENED {target.name}", flush=True)
        return Way(target.name, open_local(target, secrets, targets))
    return {"ssh": open_it}
"""
HOSTS = """\
version: 1
hosts:
  jump: {address: 192.0.2.1}
  one: {address: 192.0.2.2}
  two: {address: 192.0.2.3, ssh: {proxy_jump: jump}}
"""


def test_a_host_is_closed_after_its_last_check_but_not_one_that_others_go_through(project):
    project.inventory(HOSTS)
    (project.path / "conftest.py").write_text(PARTING)
    project.check("""
        import time

        def test_it(host):
            assert host.file("/").exists

        def test_once_more(host):
            time.sleep(0.3)
            assert host.file("/").exists
            print(f"ENDED {host.target.name}", flush=True)
    """)
    shown = project.run("-s", "--audit-lanes=0").stdout.str()
    order = [shown.index(word) for word in ("ENDED one", "CLOSED one", "ENDED two")]
    assert order == sorted(order)
    assert shown.index("CLOSED jump") > shown.index("ENDED two")
    assert shown.count("OPENED") == 3, "none is opened again"
    identities = {t["name"]: t["identity"] for t in project.document["targets"]}
    assert identities["one"] == {"machine_id": "one"}, "who it was stays known"
    assert set(project.verdicts().values()) == {"pass"}


END = """
import atexit
import gc
import os
import pytest

def told(what):
    os.write(1, f"{what} {gc.get_freeze_count() > 10_000}\\n".encode())

atexit.register(told, "AT THE END")

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    config.add_cleanup(lambda: told("CLEANUP OF PYTEST"))

def pytest_unconfigure(config):
    told("UNCONFIGURE")
"""


def test_the_end_of_a_run_does_not_look_through_what_was_collected(project):
    (project.path / "conftest.py").write_text(END)
    project.check("def test_it(host): assert host.target.name")
    shown = project.run("-s").stdout.str().splitlines()
    told = [line for line in shown if line.endswith((" True", " False"))]
    assert told == ["UNCONFIGURE True", "CLEANUP OF PYTEST True", "AT THE END True"]
