"""In CI everything is there, so a test that skips is a test that was lost."""

from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

TESTS = """
import pytest

def test_runs():
    pass

def test_skips():
    pytest.skip("no such tool")

@pytest.mark.skipif(True, reason="no such right")
def test_is_skipped():
    pass

@pytest.mark.xfail
def test_is_known_to_fail():
    assert False
"""


@pytest.fixture
def tests(pytester):
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyfile(test_some=TESTS, test_none="import pytest\npytest.importorskip('no_such')")


def test_skips_are_fine_elsewhere(pytester, tests, monkeypatch):
    monkeypatch.delenv("SYSAUDIT_CI", raising=False)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, skipped=3, xfailed=1)


def test_skips_fail_in_ci(pytester, tests, monkeypatch):
    monkeypatch.setenv("SYSAUDIT_CI", "1")
    result = pytester.runpytest_subprocess("--continue-on-collection-errors")
    result.assert_outcomes(passed=1, failed=1, errors=2, xfailed=1)
    result.stdout.fnmatch_lines(
        [
            "*test_none.py*nothing may be skipped in CI*no_such*",
            "*test_is_skipped*nothing may be skipped in CI*no such right*",
            "*test_skips*nothing may be skipped in CI*no such tool*",
        ]
    )
