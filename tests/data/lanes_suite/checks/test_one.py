# ruff: noqa: T201, B028, PT031, PTH109 - the suite does what users do
import contextlib
import io
import logging
import os
import sys
import warnings

import pytest

from pytest_sysaudit import CannotAssess, NotApplicable

log = logging.getLogger("near")
lonely = logging.getLogger("lonely")
lonely.propagate = False


def name(host):
    return host.target.name


def test_answers(host):
    assert host.check_output("hello").startswith(name(host))


def test_fixtures_are_the_targets_own(host, of_function, of_module, of_package, shared):
    assert of_function == of_module == name(host)
    assert (of_package, shared) == ("package", "shared")


def test_name_in_the_environment(host, request):
    for _ in range(3):
        host.run("x")
        assert os.environ["PYTEST_CURRENT_TEST"] == f"{request.node.nodeid} (call)"


def test_output(host):
    for n in range(3):
        print("out", name(host), n)
        print("err", name(host), n, file=sys.stderr)
        os.write(1, f"raw {name(host)}\n".encode())
        host.run("x")
    assert not name(host).endswith("1")


def test_capsys(host, capsys):
    for n in range(3):
        print(name(host), n)
        host.run("x")
    assert capsys.readouterr().out == "".join(f"{name(host)} {n}\n" for n in range(3))
    print("later", name(host))
    host.run("y")
    with capsys.disabled():
        host.run("z")
    assert not name(host).endswith("2")


def test_capfd(host, capfd):
    for n in range(3):
        os.write(1, f"{name(host)} {n}\n".encode())
        host.run("x")
    assert capfd.readouterr().out == "".join(f"{name(host)} {n}\n" for n in range(3))


def test_redirect(host):
    with contextlib.redirect_stdout(io.StringIO()) as text:
        for _ in range(3):
            print(name(host))
            host.run("x")
    assert text.getvalue() == f"{name(host)}\n" * 3


def test_caplog(host, caplog):
    caplog.set_level("INFO")
    for n in range(3):
        log.info("%s %d", name(host), n)
        host.run("x")
    assert caplog.messages == [f"{name(host)} {n}" for n in range(3)]


def test_log_of_a_thread(host, caplog):
    for n in range(3):
        lonely.warning("%s %d", name(host), n)
        host.run("loud")
    heard = [r.getMessage() for r in caplog.records if r.name == "far"]
    assert heard == [f"heard from {name(host)}"] * 3
    alone = [r.getMessage() for r in caplog.records if r.name == "lonely"]
    assert alone in ([], [f"{name(host)} {n}" for n in range(3)])


def test_log_in_the_report(host):
    log.warning("before %s", name(host))
    host.run("loud")
    log.warning("after %s", name(host))
    assert not name(host).endswith("3")


def test_recwarn(host, recwarn):
    for n in range(3):
        warnings.warn(f"{name(host)} {n}")
        host.run("x")
    assert [str(w.message) for w in recwarn] == [f"{name(host)} {n}" for n in range(3)]


def test_warns(host):
    with pytest.warns(UserWarning, match=name(host)):
        host.run("x")
        warnings.warn(name(host))
        host.run("y")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        host.run("x")
        with pytest.raises(UserWarning):
            warnings.warn("bad")
    assert host


@pytest.mark.filterwarnings("error")
def test_filter(host):
    host.run("x")
    with pytest.raises(UserWarning):
        warnings.warn("bad")
    assert host


def test_warning_of_the_summary(host):
    host.run("x")
    warnings.warn(f"visible {name(host)}")
    assert host


def test_tmp_path(host, tmp_path):
    (tmp_path / "x").write_text(name(host))
    host.run("x")
    assert (tmp_path / "x").read_text() == name(host)


def test_folder(host, tmp_path):
    before = os.getcwd()
    os.chdir(tmp_path)
    host.run("x")
    assert os.getcwd() == str(tmp_path)
    os.chdir(before)


def test_monkeypatch(host, monkeypatch):
    monkeypatch.setenv("MINE", name(host))
    for _ in range(3):
        host.run("x")
        assert os.environ["MINE"] == name(host)


def test_nobody_elses_patch(host):
    for _ in range(3):
        host.run("x")
        assert "MINE" not in os.environ


def test_comparison(host):
    expected = [1, 2, 3, name(host)]
    host.run("x")
    assert expected == [1, 2, 4, name(host)]


def test_skip(host):
    host.run("x")
    pytest.skip(f"not on {name(host)}")


@pytest.mark.xfail(reason="known")
def test_xfail(host):
    host.run("x")
    assert name(host) == "other"


@pytest.mark.xfail(strict=True)
def test_xpass(host):
    host.run("x")
    assert host


def test_subtests(host, subtests):
    for n in range(3):
        with subtests.test("part", n=n):
            print("part", name(host), n)
            host.run("x")
            log.warning("part %s %d", name(host), n)
            assert not (n == 1 and name(host) == "h4")


def test_record_property(host, record_property):
    host.run("x")
    record_property("host", name(host))
    assert host


def test_asks_for_a_fixture_late(host, request):
    host.run("x")
    assert request.getfixturevalue("of_function") == name(host)


@pytest.mark.parametrize("word", ["a", "b"])
def test_parameters(host, word):
    assert host.check_output(word).endswith(word)


def test_asserts_in_a_loop(host):
    for word in ("a", "b"):
        if host.check_output(word):
            assert name(host)


def test_asserts_nothing(host):
    for word in ():
        assert host.check_output(word)


@pytest.mark.control("suite.rows", severity="high", frameworks={"mine": ["1.1"]})
def test_rows(host, audit):
    """Each thing is good.

    Why: it should.
    Fix: mend it.
    """
    audit.observe("host", name(host))
    for thing in ("x", "y", "z"):
        with audit.resource(thing):
            answer = host.check_output(thing)
            audit.observe("answer", answer)
            assert thing != "y" or name(host) != "h2"


def test_not_applicable(host):
    host.run("x")
    raise NotApplicable(f"{name(host)} has none")


def test_cannot_assess(host):
    host.run("x")
    raise CannotAssess(f"{name(host)} did not say")


@pytest.mark.control("suite.manual", manual=True)
def test_manual(host):
    """Somebody looks at it."""


@pytest.mark.exclusive
def test_exclusive(host):
    host.run("x")
    assert host
