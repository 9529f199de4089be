"""Hosts that exist only here: each command takes a moment, in which other lanes run."""
# ruff: noqa: ARG002, PTH123 - a transport has its arguments, used or not

import logging
import os
import time

import pytest

from pytest_sysaudit import CommandResult, NotApplicable, Unreachable, lanes

MOMENT = float(os.environ.get("MOMENT", "0.002"))
DIARY = os.environ.get("DIARY")


def note(text):
    if DIARY:
        with open(DIARY, "a") as file:
            file.write(text + "\n")


class Imagined:
    def __init__(self, target):
        self.name = target.name
        self.identity = {"address": target.entry.address}
        self.commands = 0

    def run(self, command, *, stdin=b"", timeout=None, user=None):
        self.commands += 1
        lanes.wait(self._moment, str(command))
        out = f"{self.name} {command}\n".encode()
        return CommandResult(
            command=command, exit_code=0, stdout=out, stderr=b"", started=0, duration=0
        )

    def _moment(self, command):
        time.sleep(MOMENT)
        if "loud" in command:
            logging.getLogger("far").warning("heard from %s", self.name)

    def read(self, path, *, limit=1 << 24):
        raise NotApplicable(f"{path}: no such file")

    stat = listdir = read

    def close(self):
        pass


def open_imagined(target, secrets, targets):
    time.sleep(MOMENT)
    if target.vars.get("dead"):
        raise Unreachable(f"{target.name}: nobody is there")
    return Imagined(target)


@pytest.hookimpl
def pytest_sysaudit_transports():
    return {"ssh": open_imagined}


@pytest.fixture(scope="session")
def shared():
    note("set up shared")
    yield "shared"
    note("tear down shared")


@pytest.fixture(scope="session", autouse=True)
def around(shared):
    note("set up around")
    yield
    note("tear down around")


@pytest.fixture(scope="module")
def of_module(host, shared):
    host.run("module")
    note(f"set up of_module {host.target.name}")
    yield host.target.name
    host.run("module")
    note(f"tear down of_module {host.target.name}")


@pytest.fixture(scope="package")
def of_package(shared):
    return "package"


@pytest.fixture
def of_function(host, of_module):
    host.run("function")
    yield host.target.name
    host.run("function")
    note(f"tear down of_function {host.target.name}")


@pytest.fixture(autouse=True)
def named(request):
    yield
    assert os.environ["PYTEST_CURRENT_TEST"] == f"{request.node.nodeid} (teardown)"
