"""What a shell that ends makes of its requests: none of them is ever run twice."""

from __future__ import annotations

import pytest

from pytest_sysaudit.transport.shell.request import Again, ShellEnded, request
from pytest_sysaudit.transport.shell.shell import Shell


class ScriptedPipe:
    """A pipe over which the test says what comes; it takes all that is written."""

    def __init__(self, hearer, refused: str) -> None:
        self.refused = refused
        self.hearer = hearer
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        pass


def ended(*heard: str, exit_code: int | None, refused: str = "", opened: bool = True) -> list[type]:
    """Return what three requests were told when a shell ended after it had *heard* its streams."""
    shell = Shell(limit=1 << 20)
    requests = [request(["true"], timeout=9) for _ in range(3)]
    shell.submit(requests)
    if opened:
        shell.open(lambda hearer: ScriptedPipe(hearer, refused))
        mark = shell._mark.encode()
        for stream in heard:
            if stream == "out":
                shell.on_out(mark + b"R77\n")
            else:
                shell.on_err(mark + b"\n")
    shell.on_end(exit_code)
    return [type(item.future.exception(0)) for item in requests]


@pytest.mark.parametrize(
    ("case", "head"),
    [
        ({"heard": ("out", "err"), "exit_code": 137}, ShellEnded),
        ({"heard": ("out",), "exit_code": 137}, ShellEnded),
        ({"heard": ("out",), "exit_code": None}, ShellEnded),
        ({"heard": (), "exit_code": None}, ShellEnded),
        ({"heard": (), "exit_code": 1}, Again),
        ({"heard": ("err",), "exit_code": 1}, Again),
        ({"heard": (), "exit_code": None, "refused": "no room"}, Again),
        ({"heard": (), "exit_code": None, "opened": False}, Again),
    ],
    ids=[
        "ready",
        "one stream heard",
        "one stream heard, then cut off",
        "cut off before anything was heard",
        "never ran",
        "said something else and never ran",
        "refused",
        "never started",
    ],
)
def test_only_what_surely_did_not_run_may_be_run_again(case, head):
    assert ended(*case.pop("heard", ()), **case) == [head, Again, Again]


def test_a_head_that_may_have_run_is_lost_when_the_shell_is_abandoned():
    shell = Shell(limit=1 << 20)
    requests = [request(["true"], timeout=9) for _ in range(2)]
    shell.open(lambda hearer: ScriptedPipe(hearer, ""))
    shell.submit(requests)
    shell.abandon()
    assert [type(item.future.exception(0)) for item in requests] == [ShellEnded, Again]
