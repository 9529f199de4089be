"""Runs that record what they see, and runs that judge it again."""

from __future__ import annotations

import json
import shutil
import textwrap

import pytest

CHECKS = """
    @pytest.mark.control("files.passwd", severity="high")
    def test_passwd(host):
        "passwd is root's."
        assert host.file("/etc/passwd").user == "root"

    @pytest.mark.control("files.none")
    def test_none(host):
        "It is there."
        assert host.file("/nowhere").exists

    @pytest.mark.control("run.echo")
    @pytest.mark.parametrize("word", ["a", "b"])
    def test_echo(host, word, audit):
        "It echoes."
        audit.observe("said", host.check_output("echo %s", word))
        assert host.check_output("echo %s", word) == "a"

    @pytest.mark.control("rows.users")
    def test_rows(host, audit):
        "Users have shells."
        for user in ("root", "daemon", "bin"):
            with audit.resource(user):
                assert host.user(user).shell == "/bin/bash"

    @pytest.mark.control("never.known")
    def test_never(host):
        "Nobody knows."
        host.run("exit 3").rc
        raise RuntimeError("lost")
"""


def same(project):
    """Return what both documents say, their run blocks aside."""
    documents = [
        json.loads((project.path / name).read_text()) for name in ("out.json", "again.json")
    ]
    for document in documents:
        del document["run"]
    assert documents[0] == documents[1]
    return documents[0]


def again(project, *args):
    return project.pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "--audit-replay", "ev", "--audit-report=json=again.json"), *args
    )


@pytest.mark.parametrize(
    "how", [(), ("--audit-lanes=0",), ("-n2",)], ids=["lanes", "serial", "xdist"]
)
def test_a_replay_equals_the_run(project, how):
    project.check(CHECKS)
    ran = project.run("--audit-evidence", "ev", *how)
    assert ran.ret == 1
    ran.stdout.fnmatch_lines(["evidence: ev (not signed)"])
    # the project looks otherwise now; what was recorded is judged
    project.inventory("version: 1\nhosts: {gamma: {connection: local}}\n")
    result = again(project)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["replay of run * of *Z: no target was touched"])
    document = same(project)
    assert len(document["results"]) == 2 * 8
    evidence = document["evidence"]
    for row in document["results"]:
        assert row["evidence"], row
        assert set(row["evidence"]) <= set(evidence)
    (row,) = [
        r for r in document["results"] if r["params"] == {"word": "b"} and r["target"] == "alpha"
    ]
    (command,) = [evidence[i] for i in row["evidence"] if evidence[i]["kind"] == "command"][:1]
    assert "echo b" in command["what"]
    assert command["outcome"] == "exit code 0"
    assert command["excerpt"] == "b\n"


def test_checks_can_change(project):
    project.check(CHECKS)
    project.run("--audit-evidence", "ev")
    project.check(
        """
        @pytest.mark.control("files.passwd")
        def test_passwd(host):
            "passwd is postgres's."
            assert host.file("/etc/passwd").user == "postgres"

        @pytest.mark.control("new.group")
        def test_new(host):
            "A user is there."
            assert any(user.name == "root" for user in host.facts.passwd)

        @pytest.mark.control("new.unknown")
        def test_unknown(host):
            "Nobody asked."
            assert host.run("uptime").rc == 0

        @pytest.mark.control("new.file")
        def test_file(host):
            "Nobody looked."
            assert host.file("/etc/shells").exists
        """
    )
    assert again(project, "--audit-target=alpha").ret == 1
    document = json.loads((project.path / "again.json").read_text())
    found = {row["control"]: (row["verdict"], row["message"]) for row in document["results"]}
    assert found["files.passwd"][0] == "fail"
    assert found["new.group"] == ("pass", "")
    assert found["new.unknown"][0] == "error"
    assert "not in the recording" in found["new.unknown"][1]
    assert "uptime" in found["new.unknown"][1]
    assert found["new.file"][0] == "error"
    assert "not in the recording" in found["new.file"][1]


SECRET = """
    import pytest

    @pytest.mark.control("no.password")
    def test_no_password(host, audit):
        "The file holds no password."
        text = audit.observe("text", host.check_output("cat %s", "{name}"))
        assert "hunter2" not in text
"""


def test_what_was_redacted_stands_as_it_was_recorded(project):
    (project.path / "app.conf").write_text("password = hunter2hunter2\n")
    text = SECRET.replace("{name}", str(project.path / "app.conf"))
    project.check(text)
    assert project.run("--audit-evidence", "ev").ret == 1
    assert "hunter2hunter2" not in (project.path / "out.json").read_text()
    result = again(project)
    assert result.ret == 1  # the mask holds no "hunter2", and would have passed
    result.stdout.fnmatch_lines(["2 checks stood as recorded: *redacted"])
    document = same(project)
    assert {row["verdict"] for row in document["results"]} == {"fail"}
    project.check(text.replace("hunter2", "hunter3"))
    assert again(project).ret == 10
    (row, _) = json.loads((project.path / "again.json").read_text())["results"]
    assert row["verdict"] == "error"
    assert "redacted" in row["message"]


def test_dead_targets_stay_dead(project, refused_port):
    project.inventory(
        f"version: 1\nhosts:\n  dead: {{address: 127.0.0.1, port: {refused_port}, user: x}}\n"
        "  here: {connection: local}\n"
    )
    project.check(CHECKS)
    assert project.run("--audit-evidence", "ev").ret == 1
    assert again(project).ret == 1
    document = same(project)
    dead = [row for row in document["results"] if row["target"] == "dead"]
    assert {row["verdict"] for row in dead} == {"error"}
    kinds = {document["evidence"][i]["kind"] for row in dead for i in row["evidence"]}
    assert kinds == {"target"}


@pytest.mark.parametrize(
    "args, message",
    [
        (["--audit-evidence", "full"], "*full*empty*"),
        (["--audit-evidence", "file"], "*file*folder*"),
        (["--audit-evidence", "no/such"], "*no*"),
        (["--audit-replay", "none"], "*none*o such file*"),
        (["--audit-replay", "full"], "*full*recording*"),
        (["--audit-evidence", "x", "--audit-replay", "full"], "*"),
        (["--audit-evidence", "x", "-o", "audit_evidence_part=much"], "*much*16M*"),
    ],
)
def test_folders_that_cannot_be_used(project, args, message):
    project.check(CHECKS)
    (project.path / "full").mkdir()
    (project.path / "full/a").write_text("a")
    (project.path / "file").write_text("a")
    result = project.run(*args)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: {message}"])
    assert not (project.path / "out.json").exists()


def test_a_wrong_option_leaves_no_folder(project):
    project.check(CHECKS)
    (project.path / "waivers.yaml").write_text("version: 1\nwaivers: [{control: x}]\n")
    result = project.run("--audit-evidence", "ev", "--audit-waivers", "waivers.yaml")
    assert result.ret == 4
    assert not (project.path / "ev").exists()


def test_looking_records_nothing(project):
    project.check(CHECKS)
    project.run("--audit-evidence", "ev", "--collect-only")
    assert not (project.path / "ev").exists()


def test_a_recording_is_test_data_for_checks(project):
    project.check(CHECKS)
    project.run("--audit-evidence", "ev")
    (project.path / "tests").mkdir()
    (project.path / "tests/data").mkdir()
    shutil.move(project.path / "ev", project.path / "tests/data/ev")
    (project.path / "tests/test_checks.py").write_text(
        textwrap.dedent(
            """
            import sys, pytest
            sys.path.insert(0, "checks")
            from test_it import test_passwd as passwd, test_none as none

            def test_passwd(audit_recording):
                passwd(audit_recording("data/ev").host("alpha"))

            def test_none(audit_recording):
                with pytest.raises(AssertionError):
                    none(audit_recording("data/ev").host("beta"))

            def test_time(audit_recording):
                from pytest_sysaudit.clock import now
                assert audit_recording("data/ev").now == now()

            def test_other(audit_recording):
                with pytest.raises(Exception, match="alpha, beta"):
                    audit_recording("data/ev").host("gamma")
            """
        )
    )
    result = project.pytester.runpytest_subprocess("tests", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=4)


def test_a_journal_that_cannot_go_on_is_told(project):
    project.check(
        CHECKS
        + """
    @pytest.mark.control("a.limit")
    def test_limit(host):
        "It is written."
        import resource
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, most))
        assert host.run("head -c 60000 /dev/urandom | base64").rc == 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    """
    )
    result = project.run("--audit-evidence", "ev", "-k", "passwd or limit", "--audit-target=alpha")
    result.stdout.fnmatch_lines(["evidence is not complete: *"])
    assert result.ret == 3
