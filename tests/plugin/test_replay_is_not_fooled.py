"""Replays of checks that come to what they judge in roundabout ways."""

from __future__ import annotations

import json

import pytest

CHECKS = """
    import functools
    import itertools
    from concurrent.futures import ThreadPoolExecutor

    SECRET = "cat '{conf}'"
    COUNT = "echo x >> '{count}'; wc -l < '{count}'"

    @pytest.fixture(scope="module")
    def conf(local_host):
        return local_host.check_output(SECRET)

    @pytest.fixture
    def late(request):
        return request.getfixturevalue("conf")

    @functools.cache
    def remembered(host):
        return host.check_output(SECRET)

    @pytest.mark.control("fixture.one")
    def test_one(conf, local_host):
        "The fixture is set up for this one."
        assert "hunter2" not in conf

    @pytest.mark.control("fixture.two")
    def test_two(conf, local_host):
        "It is there already."
        assert "hunter2" not in conf

    @pytest.mark.control("fixture.late")
    def test_late(late, local_host):
        "It is asked for while the check runs."
        assert "hunter2" not in late

    @pytest.mark.control("thread")
    def test_thread(host):
        "A thread asks."
        with ThreadPoolExecutor(1) as pool:
            assert "hunter2" not in pool.submit(host.check_output, SECRET).result()

    @pytest.mark.control("kept.one")
    def test_kept_one(host):
        "It is kept."
        assert "hunter2" not in remembered(host)

    @pytest.mark.control("kept.two")
    def test_kept_two(host):
        "It was kept."
        assert "hunter2" not in remembered(host)

    @pytest.fixture
    def weak(host, audit):
        text = host.check_output(SECRET)
        if "hunter2" not in text:
            audit.not_applicable("it has another password")
        return text

    @pytest.mark.control("setup.weak")
    def test_weak(weak):
        "A fixture finds out whether it matters."
        assert "hunter2" not in weak

    @pytest.mark.control("setup.strong")
    def test_strong(weak):
        "A fixture finds what is good."
        assert "hunter2" in weak

    @pytest.mark.control("count.one")
    def test_count_one(host, audit):
        "It counts."
        assert audit.observe("count", int(host.check_output(COUNT))) % 2

    @pytest.mark.control("count.two")
    def test_count_two(host, audit):
        "It counts on."
        assert audit.observe("count", int(host.check_output(COUNT))) % 2

    @pytest.mark.control("limit", inputs={"most": 9})
    def test_limit(host, audit):
        "It is not more than its input."
        assert len(host.check_output(SECRET)) < audit.inputs["most"] * 10
"""
OWN_HOSTS = """
    testinfra_hosts = ["local://"]

    @pytest.mark.control("own.module")
    def test_module(host):
        "testinfra's own host."
        assert host.run("echo x >> '{count}'").rc == 0

    @pytest.mark.control("own.asked")
    def test_asked(local_host):
        "testinfra's own host, asked for in the check."
        assert local_host.get_host("local://").run("echo x >> '{count}'").rc == 0
"""


@pytest.fixture
def recorded(project):
    """A project under audit, run and recorded once."""
    (project.path / "app.conf").write_text("password = hunter2hunter2\n")
    names = {name: str(project.path / name) for name in ("count", "app.conf")}
    text = CHECKS.replace("{conf}", names["app.conf"]).replace("{count}", names["count"])
    project.inventory("version: 1\nhosts: {alpha: {connection: local}}\n")
    project.check(text)
    project.check(OWN_HOSTS.replace("{count}", names["count"]), "test_own.py")
    assert project.run("--audit-evidence", "ev").ret == 1
    return project


def replayed(project, *args):
    """Return verdict, message, what was observed and used of each control, run and replay."""
    documents = [project.document]
    project.run("--audit-replay", "ev", *args)
    documents.append(json.loads((project.path / "out.json").read_text()))
    names = ("verdict", "message", "observed", "evidence")
    return [
        {row["control"]: [row[name] for name in names] for row in document["results"]}
        for document in documents
    ]


def test_a_replay_is_not_fooled(recorded):
    ran, again = replayed(recorded)
    own = {"own.module", "own.asked"}
    assert {name: row for name, row in again.items() if name not in own} == {
        name: row for name, row in ran.items() if name not in own
    }
    failed = {name for name, row in again.items() if row[0] == "fail"}
    assert failed == {
        *("fixture.one", "fixture.two", "fixture.late", "thread", "kept.one", "kept.two"),
        *("setup.weak", "count.two"),
    }
    assert again["fixture.two"][3] == again["fixture.one"][3] != []
    assert len(again["thread"][3]) == 2  # the target, and what it said to the thread
    for name in own:
        assert again[name][0] == "error"
        assert "not in the recording" in again[name][1]
    assert (recorded.path / "count").read_text() == "x\n" * 4  # only the run asked this machine


def test_parts_and_changes_of_what_was_run(recorded):
    path = recorded.path / "checks/test_it.py"
    path.write_text(
        path.read_text().replace('"thread"', '"thread.new"').replace('"setup.weak"', '"setup.new"')
    )
    (recorded.path / "other.yaml").write_text(
        "version: 1\nhosts: {alpha: {connection: local}}\ninputs: {limit: {most: 1}}\n"
    )
    ran, again = replayed(
        recorded,
        "--audit-inventory=other.yaml",
        "-k",
        "count_two or test_two or limit or thread or weak",
    )
    for name in ("count.two", "fixture.two"):  # who asked first then does not ask now
        assert again.pop(name) == ran[name]
    assert ran["limit"][0] == "pass"
    for name in ("limit", "thread.new", "setup.new"):  # other inputs; it was not there
        assert again[name][0] == "error"
        assert "inputs" in again.pop(name)[1]
    assert not again
    chain = recorded.path / "ev/main.chain"
    chain.write_bytes(chain.read_bytes().replace(b'"exit_code":0', b'"exit_code":1', 1))
    result = recorded.run("--audit-replay", "ev")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: *ev: is not what was recorded: main.chain: line *"])


def test_workers_judge_by_nothing_that_was_changed_after_it_was_checked(recorded):
    (recorded.path / "conftest.py").write_text(
        "import pathlib\n"
        "import pytest\n"
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_configure_node(node):\n"
        "    chain = pathlib.Path('ev/main.chain')\n"
        "    text = chain.read_bytes()\n"
        "    chain.write_bytes(text.replace(b'\"exit_code\":0', b'\"exit_code\":1', 1))\n"
    )
    (recorded.path / "out.json").unlink()
    result = recorded.run("--audit-replay", "ev", "-n1")
    assert result.ret not in (0, 1)
    result.stdout.fnmatch_lines(["*UsageError: *ev: is not what was recorded: main.chain: line *"])
    assert not (recorded.path / "out.json").exists()


MADE = """\
version: 1
hosts: {made: {connection: local}}
http: {shop: {base_url: https://shop.example, auth: {bearer: env:SHOP_TOKEN}}}
"""


@pytest.mark.parametrize("how", ["found.path.unlink()", "found = replace(found, path=None)"])
def test_an_inventory_without_a_file_is_recorded_too(project, how, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "hush-7766")
    (project.path / "note").write_text("it is hush-7766")
    project.check(
        """
        @pytest.mark.control("who")
        def test_who(host):
            "It is quiet."
            assert "hush" in host.check_output("cat note")
        """
    )
    (project.path / "conftest.py").write_text(
        "import pathlib\n"
        "from dataclasses import replace\n"
        "from pytest_sysaudit.inventory.load import load\n"
        "def pytest_sysaudit_inventory(config):\n"
        "    path = pathlib.Path('made.yaml').absolute()\n"
        f"    path.write_text({MADE!r})\n"
        "    found = load(path)\n"
        f"    {how}\n"
        "    return found\n"
    )
    assert project.run("--audit-evidence", "ev").ret == 0
    ran = project.document["results"]
    assert b"hush-7766" not in (project.path / "ev/main.chain").read_bytes()
    (project.path / "conftest.py").unlink()
    assert project.run("--audit-replay", "ev").ret == 0
    assert project.document["results"] == ran
    assert {row["target"] for row in ran} == {"made"}
