from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab.checking import verdict_of
from lab.web import client_of

from checks.http import test_cookies as cookies
from checks.http import test_errors as errors
from checks.http import test_exposure as exposure
from checks.http import test_headers as headers
from checks.tls import test_certificate as certificate
from checks.tls import test_protocol as protocol
from pytest_sysaudit.embedded.web import EmbeddedWeb
from pytest_sysaudit.errors import CannotAssess, Unreachable
from pytest_sysaudit.inventory.model import Http
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.record import Verdict

CHECKS = {
    mark.args[0]: function
    for module in (headers, cookies, errors, exposure, certificate, protocol)
    for name, function in vars(module).items()
    if name.startswith("test_")
    for mark in function.pytestmark
    if mark.name == "control"
}


def target() -> Target:
    return Target(name="shop", kind=Kind.HTTP, entry=Http(embedded=True, allow_hosts=["x.test"]))


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A stand-in that runs, with what it changes in its target's entry."""
    web = EmbeddedWeb(target(), tmp_path_factory.mktemp("web"))
    yield web, web.start()
    web.stop()


def test_overrides_lead_to_it(running):
    web, overrides = running
    client = client_of(**overrides)
    assert client.probe()["peer"].startswith("127.0.0.1:")
    assert client.get("/health").json() == {"status": "ok", "checks": {"database": "ok"}}
    assert client.head("").status_code == 200
    assert "x.test" in overrides["allow_hosts"]
    assert overrides["base_url"] in web.describe()


def test_checks_fail_as_described(running):
    web, overrides = running
    client = client_of(**overrides)
    found = {name: verdict_of(check, client)[0] for name, check in CHECKS.items()}
    assert found.pop("http.trace-method") is Verdict.ERROR  # nobody allowed to send one
    bad = {name for name, verdict in found.items() if verdict is not Verdict.PASS}
    assert bad == {"http.version-disclosure", "http.security-txt"}
    assert all(name in web.describe() for name in bad)


def test_silent_client_does_not_stop_it(running):

    _, overrides = running
    port = int(overrides["base_url"].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)):
        assert client_of(**overrides).get("").ok


def test_stop_leaves_nothing(tmp_path):
    web = EmbeddedWeb(target(), tmp_path)
    overrides = web.start()
    assert (tmp_path / "server.key").stat().st_mode & 0o777 == 0o600
    web.stop()
    web.stop()
    with pytest.raises(Unreachable):
        client_of(**overrides, retries=0).probe()


def test_what_keeps_it_from_starting_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(CannotAssess, match="did not start: it said nothing"):
        EmbeddedWeb(target(), tmp_path).start()


def test_it_dies_with_its_parent(tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from pytest_sysaudit.embedded.web import EmbeddedWeb\n"
        "from pytest_sysaudit.inventory.model import Http\n"
        "from pytest_sysaudit.inventory.target import Kind, Target\n"
        "target = Target(name='shop', kind=Kind.HTTP, entry=Http())\n"
        "web = EmbeddedWeb(target, Path(sys.argv[1])); web.start()\n"
        "print(web._child.pid, flush=True); time.sleep(60)\n"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
