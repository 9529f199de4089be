"""Names are shared: fixtures, parameters and markers of users that are called as ours are."""

from __future__ import annotations

import pytest

NAMES = ["host", "ssh_host", "local_host", "aws_session", "http_client", "sniffer", "target"]
NAMES += ["audit", "aws_region"]


def _is_left_alone(pytester, **outcomes):
    result = pytester.runpytest_subprocess("--audit-report=json=out.json")
    result.assert_outcomes(**outcomes)
    result.stdout.no_fnmatch_line("*= audit =*")
    assert not (pytester.path / "out.json").exists()
    assert result.ret == (1 if "failed" in outcomes else 5)  # a report was asked for: there is none


@pytest.mark.parametrize("inventory", ["", "version: 1\nhosts: {here: {connection: local}}\n"])
def test_fixtures_and_parameters_of_the_user_are_left_alone(pytester, inventory):
    if inventory:
        (pytester.path / "inventory.yaml").write_text(inventory)
    pytester.makeconftest(
        "import pytest\n"
        + "".join(f"@pytest.fixture\ndef {name}(): return {name!r}\n" for name in NAMES[:-1])
        + "@pytest.fixture(params=['p1', 'p2'])\ndef aws_region(request): return request.param\n"
    )
    pytester.makepyfile(
        f"""
        import pytest

        def test_mine({", ".join(NAMES[:-1])}):
            pass

        def test_params_of_a_fixture(aws_region):
            assert aws_region in ("p1", "p2")

        @pytest.mark.parametrize("target", ["a", None])
        def test_parameter(target):
            pass

        @pytest.mark.parametrize(("host", "audit"), [(1, 2)])
        def test_that_fails(host, audit):
            assert host == audit
        """
    )
    _is_left_alone(pytester, passed=5, failed=1)


def test_parameters_of_generate_tests_are_left_alone(pytester):
    pytester.makepyfile(
        """
        def pytest_generate_tests(metafunc):
            for name in {"target", "host", "aws_region"} & set(metafunc.fixturenames):
                metafunc.parametrize(name, ["one", "two"])

        def test_target(target):
            assert target in ("one", "two")

        def test_host(host):
            assert host in ("one", "two")

        def test_region(aws_region):
            pass
        """
    )
    _is_left_alone(pytester, passed=6)


def test_a_control_marker_of_the_project_is_left_alone(pytester):
    pytester.makeini("[pytest]\nmarkers =\n    control: the control group\nstrict_markers = true\n")
    pytester.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.control("group", 1, weight=3)

        def test_1():
            pass

        def test_2():
            pass
        """
    )
    _is_left_alone(pytester, passed=2)


def test_an_unmarked_control_marker_means_nothing_without_an_inventory(pytester):
    pytester.makepyfile("import pytest\n@pytest.mark.control\ndef test_1():\n    pass\n")
    _is_left_alone(pytester, passed=1)


def test_every_fixture_can_be_wrapped_by_one_of_its_name(project):
    (project.path / "conftest.py").write_text(
        "import pytest\n"
        "@pytest.fixture\ndef host(host):\n    host.marked = True\n    return host\n"
        "@pytest.fixture\ndef target(target):\n    return target.name\n"
        "@pytest.fixture\ndef audit(audit):\n    audit.observe('wrapped', True)\n    return audit\n"
    )
    project.check(
        """
        @pytest.fixture
        def host(host):
            assert host.marked
            return host

        def test_x(host, target, audit):
            assert target == host.target.name
        """
    )
    assert project.run().ret == 0
    assert project.verdicts() == {("alpha", "test_x"): "pass", ("beta", "test_x"): "pass"}
    assert project.row("beta", "::test_x")["observed"] == {"wrapped": True}


def test_the_target_comes_first_in_the_id_whoever_parametrizes_the_rest(project):
    (project.path / "conftest.py").write_text(
        "import pytest\n"
        "def pytest_generate_tests(metafunc):\n"
        "    if 'n' in metafunc.fixturenames:\n"
        "        metafunc.parametrize('n', [1, 2])\n"
        "@pytest.fixture(params=['x'])\ndef letter(request):\n    return request.param\n"
    )
    project.check("def test_x(n, letter, host):\n    assert n and letter\n")
    result = project.run("--collect-only", "-q")
    shown = [line.partition("[")[2] for line in result.outlines if "::" in line]
    assert shown == [f"{t}-x-{n}]" for t in ("alpha", "beta") for n in (1, 2)]


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (
            """
            @pytest.mark.parametrize("host", ["alpha"], indirect=True)
            def test_x(host, local_host):
                assert True
            """,
            "'host' was given 'alpha' as its parameter",
        ),
        (
            """
            def test_x(audit, request):
                request.getfixturevalue("http_client")
            """,
            "'http_client' has no target here",
        ),
    ],
)
def test_a_fixture_without_a_target_says_why(project, check, message):
    project.check(check)
    assert project.run().ret == 10
    (row,) = project.document["results"]
    assert message in row["message"]
