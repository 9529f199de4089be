"""A pass needs an assertion that ran: in the check, or in what it calls."""

from __future__ import annotations

import pytest

HELPERS = """
import contextlib, functools, unittest
import pytest

def verify(x):
    assert x

def short(x): assert x

class Page:
    def check(self, x):
        assert x

@contextlib.contextmanager
def holding(x):
    yield
    assert x

def checked(function):
    @functools.wraps(function)
    def wrapper(host):
        assert function(host)
    return wrapper
"""

HONEST = """
def test_helper(host):
    verify(host)

def test_short_helper(host):
    short(host)

def test_method(host):
    Page().check(host)

def test_context_manager(host):
    with holding(host):
        pass

@checked
def test_decorator(host):
    return host

def test_nested(host):
    def inner():
        assert host
    inner()

def test_lambda(host):
    (lambda: verify(host))()

def test_comprehension(host):
    [verify(x) for x in (host,)]

def test_match(host):
    match host.backend.NAME:
        case "sysaudit":
            assert host

def test_try_else(host):
    try:
        found = host.backend
    except AttributeError:
        pass
    else:
        assert found

def test_while(host):
    while True:
        assert host
        break

def test_raises(host):
    with pytest.raises(ValueError):
        int("x")

def test_guard(host):
    if not host:
        pytest.fail("there is none")

def test_unittest(host):
    unittest.TestCase().assertTrue(host)

def test_testinfra(host):
    host.run_expect([0], "true")

def test_testinfra_output(host):
    host.check_output("true")

def test_testinfra_test(host):
    host.run_test("true")

def test_loop_over_several_lines(host):
    for a, b in [
        (host, 1),
    ]:
        assert (
            a
            and b
        )

def test_caught_and_asserted_after(host):
    found = []
    for x in (None, host):
        try:
            assert x
        except AssertionError:
            found.append(x)
    assert len(found) == 1

def test_one_of_two(host):
    try:
        assert not host
    except Exception:
        assert host

def test_any_that_holds(host):
    for x in (None, host):
        try:
            assert x
            return
        except AssertionError:
            continue
    pytest.fail("none")

def test_that_it_fails(host):
    try:
        with pytest.raises(AssertionError):
            verify(None)
    except Exception:
        raise

class TestCase(unittest.TestCase):
    @pytest.mark.usefixtures("local_host")
    def test_case(self):
        self.assertTrue(1)
"""

VACUOUS = """
def test_nothing(host):
    host.run("true")

def test_loop_over_nothing(host):
    for x in ():
        assert x

def test_branch(host):
    if not host:
        assert host

def test_return(host):
    for x in (1,):
        return
    assert host

def test_return_in_with(host):
    with contextlib.nullcontext():
        return
    assert host

def test_swallowed(host):
    with contextlib.suppress(ValueError):
        int("x")
        assert host

def test_helper_never_called(host):
    def inner(): assert host

def test_lambda_never_called(host):
    later = lambda: pytest.fail("never")

def test_generator_never_used(host):
    (verify(x) for x in (host,))

def test_command_that_worked(host):
    host.transport.run(["true"]).expect(0)

def test_value(host):
    return [host]

def test_caught(host):
    assert host
    try:
        assert not host
    except AssertionError:
        pass

def test_caught_of_a_helper(host):
    try:
        verify(None)
    except Exception:
        print("well")

def test_caught_with_all_else(host):
    try:
        pytest.fail("no")
    except:
        pass

def test_suppressed(host):
    with contextlib.suppress(AssertionError):
        assert not host

def test_pair(host):
    assert (not host, "a pair is true")

def test_text(host):
    assert "host is well"

def test_generator(host):
    assert (x for x in ())

def test_forgotten(host):
    try:
        assert not host
    finally:
        return

def test_row(host, audit):
    with audit.resource("a"):
        pass

class TestCase(unittest.TestCase):
    @pytest.mark.usefixtures("local_host")
    def test_case(self):
        pass
"""


def _names(text):
    return {line.split("(")[0].removeprefix("def ") for line in map(str.strip, text.splitlines())}


@pytest.mark.parametrize(("checks", "verdict"), [(HONEST, "pass"), (VACUOUS, "error")])
def test_a_pass_needs_an_assertion_that_ran(project, checks, verdict):
    project.check(HELPERS + checks)
    project.run("--audit-target=alpha")
    found = {name: row for (_, name), row in project.verdicts().items() if "[" not in name}
    assert set(found) == {name for name in _names(checks) if name.startswith("test_")}
    assert {name: row for name, row in found.items() if row != verdict} == {}


def test_helpers_beside_the_checks_and_in_conftest_count(project):
    (project.path / "checks").mkdir()
    (project.path / "checks" / "tools.py").write_text("def verify(x):\n    assert x\n")
    (project.path / "conftest.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef judge():\n    def judge(x):\n        assert x\n"
        "    return judge\n"
    )
    project.check(
        """
        import tools

        def test_module(host):
            tools.verify(host)

        def test_fixture(host, judge):
            judge(host)
        """
    )
    assert project.run("--audit-target=alpha").ret == 0
    assert set(project.verdicts().values()) == {"pass"}
