"""A moto server with faults on demand, in a process of its own, and sessions for it."""

from __future__ import annotations

import io
import json
import re
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from pytest_sysaudit.embedded.moto import environment
from pytest_sysaudit.embedded.moto_main import announce, make_server
from pytest_sysaudit.embedded.process import ChildProcess
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.inventory.model import Aws
from pytest_sysaudit.inventory.target import Kind, Target

ACCOUNT = "123456789012"
REGION = "us-east-1"
_SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/")


@dataclass(frozen=True)
class Fault:
    """What to answer in place of moto.

    ``where`` is a regular expression on ``service region operation``; the operation is
    ``DescribeVpcs``, or ``GET /bucket?policy`` where it is not sent by name. ``times`` < 0 means
    always. Without a code the answer only comes ``sleep`` seconds later.
    """

    where: str
    code: str = ""
    status: int = 403
    times: int = -1
    sleep: float = 0.0
    message: str = ""


class MotoLab:
    """A server that is started once and emptied between tests."""

    def __init__(self, folder: Path) -> None:
        ready = folder / "ready.json"
        env = environment(ACCOUNT)
        env["PYTHONPATH"] = f"{Path(__file__).parents[1]}:{env['PYTHONPATH']}"
        program = "from lab.moto import serve; serve()"
        self.child = ChildProcess(
            [sys.executable, "-c", program, str(ready)], folder / "moto.log", env
        )
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert self.child.exit_code is None, self.child.output()
            assert time.monotonic() < deadline, self.child.output()
            time.sleep(0.02)
        self._admins: dict[tuple[str, str], Any] = {}
        self.url = json.loads(ready.read_text())["url"]

    def reset(self) -> None:
        self._post("/moto-api/reset", None)
        self._post("/lab/faults", [])

    def stop(self) -> None:
        self.child.stop()

    @contextmanager
    def faults(self, *faults: Fault) -> Iterator[None]:
        self._post("/lab/faults", [asdict(fault) for fault in faults])
        try:
            yield
        finally:
            self._post("/lab/faults", [])

    def requests(self) -> list[str]:
        """What was asked since the last reset: ``key-id service region operation``."""
        with urllib.request.urlopen(f"{self.url}/lab/requests") as answer:
            found: list[str] = json.load(answer)
        return found

    def admin(self, service: str, region: str = REGION) -> Any:
        """A plain client that may write."""
        import boto3

        if (service, region) not in self._admins:
            self._admins[service, region] = boto3.Session("ADMIN", "x", region_name=region).client(
                service, endpoint_url=self.url
            )
        return self._admins[service, region]

    def target(self, **entry: Any) -> Target:
        known = {"account_id": ACCOUNT, "endpoint_url": self.url, "regions": (REGION,)}
        return Target(name="payments", kind=Kind.AWS, entry=Aws(**{**known, **entry}))

    def open(self, **entry: Any) -> Any:
        from pytest_sysaudit.aws.session import open_session

        options = {k: entry.pop(k) for k in ("on_call",) if k in entry}
        return open_session(self.target(**entry), secrets(), **options)

    def _post(self, path: str, data: Any) -> None:
        request = urllib.request.Request(
            self.url + path, json.dumps(data).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request).close()


def secrets() -> Any:
    from pytest_sysaudit.inventory.secrets import Secrets

    return Secrets(Redactor())


class FaultyMoto:
    """The WSGI application around moto's: it keeps a list of requests and makes the faults."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._faults: list[dict[str, Any]] = []
        self._requests: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path.startswith("/lab/"):
            return self._control(path, environ, start_response)
        if path.startswith("/moto-api/"):
            with self._lock:
                self._requests.clear()
            return self._inner(environ, start_response)
        key, region, service = _scope(environ)
        asked = f"{service} {region} {_operation(environ)}"
        with self._lock:
            self._requests.append(f"{key} {asked}")
            fault = self._next_fault(asked)
        if fault is not None and fault["sleep"]:
            time.sleep(fault["sleep"])
        if fault is None or not fault["code"]:
            return self._inner(environ, start_response)
        kind, body = _error(service, environ, fault["code"], fault["message"] or "made up")
        start_response(f"{fault['status']} Fault", [("Content-Type", kind)])
        return [body]

    def _next_fault(self, asked: str) -> dict[str, Any] | None:
        for fault in self._faults:
            if fault["times"] and re.search(fault["where"], asked):
                fault["times"] -= 1
                return fault
        return None

    def _control(self, path: str, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with self._lock:
            if path == "/lab/faults":
                self._faults = json.loads(_body(environ))
            answer = json.dumps(self._requests if path == "/lab/requests" else None)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [answer.encode()]


def _scope(environ: dict[str, Any]) -> tuple[str, str, str]:
    found = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    return (found[1], found[2], found[3]) if found else ("-", "-", "-")


def _body(environ: dict[str, Any]) -> bytes:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return bytes(body)


def _operation(environ: dict[str, Any]) -> str:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    if "urlencoded" in environ.get("CONTENT_TYPE", ""):
        form = {name: values[0] for name, values in parse_qs(_body(environ).decode()).items()}
        action = form.get("Action", "?")
        return f"{action} {json.dumps(form)}" if action == "AssumeRole" else action
    query = environ.get("QUERY_STRING", "")
    return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}" + (f"?{query}" if query else "")


def _error(service: str, environ: dict[str, Any], code: str, message: str) -> tuple[str, bytes]:
    if "HTTP_X_AMZ_TARGET" in environ:
        body = json.dumps({"__type": code, "message": message})
        return "application/x-amz-json-1.1", body.encode()
    inner = f"<Code>{code}</Code><Message>{message}</Message>"
    if service == "ec2":
        text = f"<Response><Errors><Error>{inner}</Error></Errors></Response>"
    elif service == "s3":
        text = f"<Error>{inner}</Error>"
    else:
        text = f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>"
    return "text/xml", text.encode()


def serve() -> None:
    """The server process."""
    server = make_server(FaultyMoto)
    announce(Path(sys.argv[1]), f"http://127.0.0.1:{server.port}")
    server.serve_forever()
