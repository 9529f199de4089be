"""The verdict table of the contract, row by row, through a real pytest run."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("body", "verdict", "message", "code"),
    [
        ("assert host.run('true').rc == 0", "pass", "", 0),
        ("assert 1 == 2, 'one is not two'", "fail", "one is not two", 1),
        ("pytest.fail('said so')", "fail", "said so", 1),
        ("audit.cannot_assess('no tool')", "error", "no tool", 10),
        ("audit.not_applicable('no sshd')", "not_applicable", "no sshd", 0),
        ("pytest.skip('not here')", "not_applicable", "not here", 0),
        ("1 / 0", "error", "ZeroDivisionError", 10),
        ("pytest.xfail('known')", "waived", "known", 0),
        ("host.run('true')", "error", "without asserting", 10),
        ("for x in ():\n        assert x", "error", "no assert was reached", 10),
        ("for x in (1,):\n        assert x", "pass", "", 0),
        ("for x in (): assert x", "error", "a line of its own", 10),
        ("assert host.run('sleep 9', timeout=0.2).rc == 0", "error", "0.2", 10),
    ],
)
def test_what_a_check_does_gives_its_verdict(project, body, verdict, message, code):
    project.check(f"def test_x(host, audit):\n    {body}\n")
    result = project.run("--audit-target=alpha")
    row = project.row("alpha", "::test_x")
    assert row["verdict"] == verdict
    assert message in row["message"]
    assert result.ret == code


def test_a_fixture_that_fails_an_assertion_is_an_error_not_a_finding(project):
    project.check(
        """
        @pytest.fixture
        def broken(host):
            assert False, "set-up went wrong"

        def test_x(broken):
            assert True
        """
    )
    assert project.run("--audit-target=alpha").ret == 10
    row = project.row("alpha", "::test_x")
    assert row["verdict"] == "error"
    assert "set-up went wrong" in row["message"]


def test_a_tear_down_that_fails_spoils_a_pass(project):
    project.check(
        """
        @pytest.fixture
        def late(host):
            yield
            raise OSError("disk gone")

        def test_x(late):
            assert True
        """
    )
    project.run("--audit-target=alpha")
    row = project.row("alpha", "::test_x")
    assert (row["verdict"], row["message"]) == ("error", "OSError: disk gone")


def test_an_expected_failure_is_waived_and_an_error_never_is(project):
    project.check(
        """
        @pytest.mark.xfail(reason="accepted until spring")
        def test_fails(host):
            assert False

        @pytest.mark.xfail(reason="accepted until spring")
        def test_errs(host, audit):
            audit.cannot_assess("no answer")
        """
    )
    assert project.run("--audit-target=alpha").ret == 10
    assert project.verdicts() == {
        ("alpha", "test_errs"): "error",
        ("alpha", "test_fails"): "waived",
    }
    waiver = project.row("alpha", "::test_fails")["waiver"]
    assert waiver["reason"] == "accepted until spring"
    assert waiver["raw"] == "fail"


def test_a_manual_control_is_never_run(project):
    project.check(
        """
        @pytest.mark.control("paper.policy", manual=True)
        def test_policy(host):
            assert False
        """
    )
    assert project.run("--audit-target=alpha").ret == 0
    assert project.row("alpha", "::test_policy")["verdict"] == "manual"


def test_each_resource_is_a_row_and_the_worst_is_the_verdict_of_the_check(project):
    project.check(
        """
        def test_each(host, audit):
            for name in ("a", "b", "c"):
                with audit.resource(name):
                    if name == "c":
                        audit.cannot_assess("c is hidden")
                    assert audit.observe("name", name) != "b"
        """
    )
    result = project.run("--audit-target=alpha")
    assert result.ret == 1
    result.assert_outcomes(failed=1)
    assert project.verdicts() == {
        ("alpha", "test_each[a]"): "pass",
        ("alpha", "test_each[b]"): "fail",
        ("alpha", "test_each[c]"): "error",
    }
    assert {row["resource"]: row["observed"] for row in project.document["results"]} == {
        "a": {"name": "a"},
        "b": {"name": "b"},
        "c": None,
    }


def test_a_failure_outside_the_blocks_gets_a_row_of_its_own(project):
    project.check(
        """
        def test_each(host, audit):
            with audit.resource("a"):
                assert True
            raise RuntimeError("listing broke off")
        """
    )
    assert project.run("--audit-target=alpha").ret == 10
    assert project.verdicts() == {
        ("alpha", "test_each[a]"): "pass",
        ("alpha", "test_each"): "error",
    }


def test_a_listing_that_found_nothing_says_so(project):
    project.check(
        """
        def test_each(host, audit):
            for name in ():
                with audit.resource(name):
                    assert name
        """
    )
    assert project.run("--audit-target=alpha").ret == 0
    row = project.row("alpha", "::test_each")
    assert row["verdict"] == "not_applicable"
    assert "checked 0" in row["message"]


def test_a_dead_host_is_one_error_and_is_not_touched_again(project, refused_port):
    project.inventory(
        "version: 1\nhosts:\n"
        f"  gone: {{address: 127.0.0.1, port: {refused_port}}}\n"
        "  here: {connection: local}\n"
    )
    project.check(
        "\n".join(f"def test_{n}(host):\n    assert host.run('true').rc == 0" for n in range(5))
    )
    result = project.run()
    assert result.ret == 10
    rows = [row for row in project.document["results"] if row["target"] == "gone"]
    assert [row["verdict"] for row in rows] == ["error"] * 5
    reasons = [row["message"] for row in rows if not row["message"].startswith("not assessed: ")]
    assert len(reasons) == 1
    assert "refused" in reasons[0]
    assert all(reasons[0] in row["message"] for row in rows)
    assert [v for (t, _), v in project.verdicts().items() if t == "here"] == ["pass"] * 5
    (target,) = [t for t in project.document["targets"] if t["name"] == "gone"]
    assert target["reachable"] is False
    assert "refused" in target["reason"]
    during, _, after = result.stdout.str().partition("= audit =")
    assert during.count("refused") == after.count("refused") == 1, "told when found, and at the end"


def test_a_class_of_checks_and_user_parameters_have_places_of_their_own(project):
    project.check(
        """
        class TestFiles:
            @pytest.mark.parametrize("path", ["/etc/passwd", "/etc/group"])
            def test_there(self, host, path):
                assert host.file(path).exists
        """
    )
    assert project.run("--audit-target=alpha").ret == 0
    assert {row["check"] for row in project.document["results"]} == {
        "test_it.py::TestFiles::test_there"
    }
    assert [row["params"] for row in project.document["results"]] == [
        {"path": "/etc/group"},
        {"path": "/etc/passwd"},
    ]


def test_what_was_not_run_is_in_the_report(project):
    project.check(
        """
        def test_1(host):
            assert False

        def test_2(host):
            assert True
        """
    )
    assert project.run("-x").ret == 1
    verdicts = project.verdicts()
    assert len(verdicts) == 4
    assert verdicts["alpha", "test_1"] == "fail"
    assert verdicts["beta", "test_2"] == "error"
    assert "the run ended before" in project.row("beta", "::test_2")["message"]


def test_rows_that_pass_do_not_hide_a_tear_down_that_fails(project):
    project.check(
        """
        @pytest.fixture
        def late(host):
            yield
            raise OSError("disk gone")

        def test_x(late, audit):
            with audit.resource("a"):
                assert True
        """
    )
    assert project.run("--audit-target=alpha").ret == 10
    assert project.verdicts() == {("alpha", "test_x[a]"): "pass", ("alpha", "test_x"): "error"}


@pytest.mark.parametrize(
    ("second", "verdict", "code"),
    [
        ("assert True", "pass", 0),
        ("pytest.skip('not here')", "pass", 0),
        ("assert False", "fail", 1),
        ("1 / 0", "error", 10),
    ],
)
def test_subtests_count_towards_the_verdict(project, second, verdict, code):
    project.check(
        f"""
        def test_x(host, subtests):
            with subtests.test("one"):
                assert True
            with subtests.test("two"):
                {second}
        """
    )
    assert project.run("--audit-target=alpha").ret == code
    assert project.verdicts() == {("alpha", "test_x"): verdict}


def test_what_was_not_judged_is_an_error_though_pytest_says_failed(project):
    project.check(
        """
        import time

        @pytest.mark.timeout(0.5)
        def test_hangs(host):
            time.sleep(60)
            assert False, "never reached"

        async def test_async(host):
            assert True
        """
    )
    assert project.run("--audit-target=alpha").ret == 10
    assert project.verdicts() == {
        ("alpha", "test_hangs"): "error",
        ("alpha", "test_async"): "error",
    }
    assert project.row("alpha", "::test_hangs")["message"].startswith("Timeout (>0.5s)")


def test_a_check_that_is_not_run_was_not_seen_to_fail(project):
    project.check(
        """
        @pytest.mark.xfail(run=False, reason="it hangs")
        def test_x(host):
            assert True
        """
    )
    assert project.run("--audit-target=alpha").ret == 10
    row = project.row("alpha", "::test_x")
    assert (row["verdict"], row["waiver"]) == ("error", None)
    assert row["message"] == "not run (xfail): it hangs"
