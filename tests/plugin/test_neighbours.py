"""Other people's tests, testinfra's and pytest-xdist's, beside ours."""

from __future__ import annotations

import sys

import pytest

HEAVY = ("boto3", "botocore", "scapy", "paramiko", "pydantic", "yaml", "psutil", "jinja2")


def test_plain_tests_are_left_alone(pytester):
    pytester.makepyfile(
        """
        def test_good(): pass
        def test_bad(): assert 1 == 2
        """
    )
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*= FAILURES =*", "E*assert 1 == 2", "FAILED *test_bad*"])
    result.stdout.no_fnmatch_line("*audit*report*")


def test_plain_tests_beside_an_inventory_of_somebody_else(pytester):
    (pytester.path / "inventory.yaml").write_text("all:\n  hosts:\n    web1:\n")
    pytester.makepyfile("def test_good(): assert True")
    for arguments in ([], ["-n2"]):
        result = pytester.runpytest_subprocess(*arguments)
        assert result.ret == 0
        result.assert_outcomes(passed=1)


def test_a_run_without_checks_imports_nothing_heavy(pytester):
    pytester.makepyfile(
        f"""
        import sys

        def test_none():
            assert [name for name in {HEAVY!r} if name in sys.modules] == []
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_collecting_the_checks_imports_no_client_library(project):
    code = (
        "import sys, pytest\n"
        "class Look:\n"
        "    def pytest_unconfigure(self):\n"
        "        found = [n for n in ('boto3', 'scapy', 'paramiko') if n in sys.modules]\n"
        "        print('IMPORTED', found)\n"
        "sys.exit(pytest.main(['--collect-only', '-q', '--pyargs', 'pytest_sysaudit.checks'],\n"
        "                     plugins=[Look()]))\n"
    )
    project.inventory(
        "version: 1\n"
        "hosts: {here: {connection: local}, far: {address: 192.0.2.1}}\n"
        "aws: {account: {embedded: true, regions: [all]}}\n"
        "http: {shop: {base_url: 'https://shop.example'}}\n"
        "networks: {lan: {interface: lo}}\n"
    )
    result = project.pytester.run(sys.executable, "-c", code)
    result.stdout.fnmatch_lines(["*far*", "IMPORTED []*"])
    assert result.ret == 0


def test_testinfra_keeps_its_host_without_an_inventory(pytester):
    pytester.makepyfile(
        """
        def test_x(host):
            assert host.backend.NAME == "local"
            assert host.file("/etc/passwd").exists
        """
    )
    result = pytester.runpytest_subprocess("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_x?local?*"])


def test_hosts_option_keeps_its_meaning_beside_an_inventory(project):
    project.check("def test_x(host):\n    assert host.backend.NAME == 'local'\n")
    result = project.run("--hosts=local://", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_x?local?*"])


def test_a_module_that_names_its_hosts_keeps_them(project):
    project.check(
        """
        testinfra_hosts = ["local://", "sysaudit://web"]

        def test_x(host):
            assert host.file("/etc/passwd").exists
        """
    )
    result = project.run("-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines_random(["*test_x?local?*", "*test_x?sysaudit://alpha?*"])
    assert ("alpha", "test_x") in project.verdicts()


def test_a_conftest_can_wrap_our_host(project):
    (project.path / "conftest.py").write_text(
        "import pytest\n@pytest.fixture\ndef host(host):\n    host.marked = True\n    return host\n"
    )
    project.check("def test_x(host):\n    assert host.marked\n")
    assert project.run("--audit-target=alpha").ret == 0
    assert project.verdicts() == {("alpha", "test_x"): "pass"}


def test_testinfra_plugin_can_be_blocked(project):
    project.check("def test_x(host):\n    assert host.run('true').rc == 0\n")
    assert project.run("-p", "no:pytest11.testinfra").ret == 0


MIXED = """
    @pytest.mark.parametrize("n", range(6))
    def test_many(host, n):
        assert n != 3

    def test_rows(host, audit):
        for name in ("a", "b"):
            with audit.resource(name):
                assert audit.observe("name", name) == "a"

    def test_errs(host):
        raise OSError("\\udcff is no text")
"""


def test_reports_do_not_depend_on_the_number_of_workers(project):
    from pytest_sysaudit.reports.document import dumps, equal_parts

    project.check(MIXED)
    found = []
    for workers in ("0", "2"):
        result = project.run("-n", workers)
        assert result.ret == 1
        found.append(dumps(equal_parts(project.document)))
    assert found[0] == found[1]
    assert len(project.verdicts()) == 2 * (6 + 2 + 1)


def test_a_target_stays_on_one_worker(project):
    project.check(
        """
        import os

        @pytest.mark.parametrize("n", range(6))
        def test_x(host, audit, n):
            assert audit.observe("pid", os.getpid())
        """
    )
    assert project.run("-n2").ret == 0
    pids = {}
    for row in project.document["results"]:
        pids.setdefault(row["target"], set()).add(row["observed"]["pid"])
    assert [len(found) for found in pids.values()] == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "finished"),
    [(["-n2"], 5), (["-n1", "--max-worker-restart=0", "--audit-lanes=0"], 4)],
    ids=["restarted", "alone"],
)
def test_a_worker_that_dies_leaves_no_gap(project, arguments, finished):
    project.check(
        """
        import os

        def test_1(host):
            assert True

        def test_2(host):
            if host.target.name == "beta":
                os._exit(1)
            assert True

        def test_3(host):
            assert True
        """
    )
    result = project.run(*arguments)
    verdicts = project.verdicts()
    assert len(verdicts) == 6
    assert verdicts["beta", "test_2"] == "error"
    assert "crashed while running" in project.row("beta", "::test_2")["message"]
    assert list(verdicts.values()).count("pass") == finished
    assert result.ret == 10


def test_two_workers_that_die_at_once_end_no_run(project):
    project.check(
        """
        import os

        def test_1(host):
            os._exit(1)

        def test_2(host):
            assert True
        """
    )
    result = project.run("-n2")
    assert result.ret == 10
    assert sorted(project.verdicts().values()) == ["error", "error", "pass", "pass"]


@pytest.mark.parametrize("mode", ["load", "worksteal", "loadgroup"])
def test_targets_whose_names_begin_alike_are_told_apart(project, mode):
    names = ["web", "web-1", "web-1-shop", "web.1"]
    hosts = "".join(f"  {name}: {{connection: local}}\n" for name in names)
    project.inventory(f"version: 1\nhosts:\n{hosts}")
    project.check(
        """
        import os

        @pytest.mark.parametrize("part", ["1", "shop", "1-shop"])
        def test_part(host, audit, part):
            assert audit.observe("pid", os.getpid())

        def test_whole(host, audit):
            assert audit.observe("pid", os.getpid())
        """
    )
    assert project.run("-n2", f"--dist={mode}").ret == 0
    pids = {name: set() for name in names}
    for row in project.document["results"]:
        assert row["verdict"] == "pass"
        pids[row["target"]].add(row["observed"]["pid"])
    assert len(project.document["results"]) == 4 * len(names)
    assert [len(found) for found in pids.values()] == [1] * len(names)


def test_works_without_xdist(project):
    project.check("def test_x(host):\n    assert True\n")
    assert project.run("-p", "no:xdist").ret == 0


def test_junitxml_of_pytest_stays_valid(project):
    from pathlib import Path

    from lxml import etree

    project.check(MIXED)
    project.run("--junitxml=plain.xml", "-n0")
    schema = Path(__file__).parents[1] / "data" / "junit-10.xsd"
    tree = etree.parse(str(project.path / "plain.xml"))
    etree.XMLSchema(etree.parse(str(schema))).assertValid(tree)
    suite = tree.getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("16", "6")


@pytest.mark.parametrize("mode", ["--import-mode=prepend", "--import-mode=importlib"])
def test_import_modes(project, mode):
    project.check("def test_x(host):\n    assert True\n")
    assert project.run(mode).ret == 0
