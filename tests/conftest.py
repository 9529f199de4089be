"""What all tests need: Ctrl-C that reaches their processes, and no skips in CI."""

import os
import signal

import pytest

collect_ignore = ["data"]  # suites that tests run by themselves
CI = bool(os.environ.get("SYSAUDIT_CI"))


def pytest_configure():
    # A shell starts background jobs with Ctrl-C ignored, and every process below would inherit it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI everything is there, so a test that lacks something fails."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: nothing may be skipped in CI. {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """The same for a whole module, as `importorskip` at its top does it."""
    report = yield
    if CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid}: nothing may be skipped in CI. {report.longrepr}"
    return report
