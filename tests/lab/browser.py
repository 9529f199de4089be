"""A real Chromium, driven over its DevTools pipe: no driver, no network port, no dependency."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--metrics-recording-only",
    "--mute-audio",
    "--remote-debugging-pipe",
)
_PATIENCE = 60.0
_KEYS = {
    "Tab": 9,
    "Enter": 13,
    "Escape": 27,
    " ": 32,
    "PageUp": 33,
    "PageDown": 34,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}
_CONTROL = 2  # of the modifiers of a key


class BrowserError(Exception):
    """The browser refused a command, died or did not answer."""


class Browser:
    """One page of one Chromium.

    Attributes:
        events: everything that the page reported: requests, console lines, exceptions, dialogs.
    """

    def __init__(self, folder: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._patience = _PATIENCE
        self._session = ""
        self._early: list[str] = []
        self._start(folder)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def _start(self, folder: Path) -> None:
        assert PROGRAM is not None
        theirs_in, self._write = os.pipe()
        self._read, theirs_out = os.pipe()
        # Chromium reads descriptor 3 and writes 4; move ours out of the way of those first.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (theirs_in, theirs_out)]

        def place() -> None:
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            [PROGRAM, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(folder)},
            preexec_fn=place,  # noqa: PLW1509 - it only duplicates two descriptors
            close_fds=False,
            start_new_session=True,
        )
        for descriptor in (theirs_in, theirs_out, *high):
            os.close(descriptor)

    def open(self, url: str) -> None:
        """Go to *url* and wait until it is loaded."""
        self.events.clear()
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=url)
        self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    def eval(self, expression: str) -> Any:
        """Return the JSON value of a JavaScript expression."""
        answer = self._call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise BrowserError(json.dumps(answer["exceptionDetails"])[:1000])
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until a JavaScript expression is true."""
        wait_for(lambda: self.eval(expression), expression)

    def click(self, selector: str) -> None:
        """Click in the middle of the first element of *selector*, as a mouse does."""
        box = self.eval(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            pressed = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self._call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], **pressed)

    def type(self, text: str) -> None:
        """Type *text* into whatever has the focus."""
        self._call("Input.insertText", text=text)

    def press(self, key: str, *, control: bool = False) -> None:
        """Press one key."""
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        code = {"key": key, "windowsVirtualKeyCode": _KEYS.get(key, ord(key[0]))}
        if control:
            text, code = {}, {**code, "modifiers": _CONTROL}
        self._call("Input.dispatchKeyEvent", type="keyDown", **code, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", **code)

    def emulate(
        self, *, width: int = 1280, height: int = 900, dark: bool = False, paper: bool = False
    ) -> None:
        """Set the size of the window, the colour scheme, and whether it is paper."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        media = "print" if paper else ""
        self._call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def before_scripts(self, code: str | None) -> None:
        """Run *code* before the scripts of the pages opened from now on; None: no more."""
        for name in self._early:
            self._call("Page.removeScriptToEvaluateOnNewDocument", identifier=name)
        self._early.clear()
        if code is not None:
            answer = self._call("Page.addScriptToEvaluateOnNewDocument", source=code)
            self._early.append(answer["identifier"])

    def disable_script(self) -> None:
        """Run no script of the pages opened from now on."""
        self._call("Emulation.setScriptExecutionDisabled", value=True)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a PNG of the window, or of the whole page."""
        answer = self._call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def pdf(self, path: Path) -> None:
        """Print the page to *path*."""
        answer = self._call("Page.printToPDF", printBackground=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def requests(self) -> list[str]:
        """Return the URLs that were asked for since `open`."""
        self._call("Runtime.evaluate", expression="0")
        sent = [e["params"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in sent]

    def complaints(self) -> list[str]:
        """Return console lines, log entries, exceptions and dialogs since `open`."""
        self._call("Runtime.evaluate", expression="0")
        loud = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        heard = [e for e in self.events if e["method"] in (*loud, "Page.javascriptDialogOpening")]
        return [json.dumps(event)[:500] for event in heard]

    def close(self) -> None:
        """End the browser and all its processes."""
        with suppress(BrowserError, OSError):
            self._patience = 5
            self._call("Browser.close")
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def _call(self, method: str, /, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        for answer in self._messages(time.monotonic() + self._patience):
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                return dict(answer["result"])
        raise BrowserError(f"{method}: the browser has gone")

    def _messages(self, deadline: float) -> Iterator[dict[str, Any]]:
        while True:
            while b"\0" in self._buffer:
                line, _, self._buffer = self._buffer.partition(b"\0")
                message = json.loads(line)
                if "method" in message:
                    self._note(message)
                yield message
            if not select.select([self._read], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise BrowserError("no answer in time")
            data = os.read(self._read, 1 << 20)
            if not data:
                return
            self._buffer += data

    def _note(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        if event["method"] == "Page.javascriptDialogOpening":
            answer = {"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
            message = json.dumps({**answer, "sessionId": self._session})
            os.write(self._write, message.encode() + b"\0")


def wait_for(question: Callable[[], Any], what: str) -> None:
    """Ask until the answer is true."""
    deadline = time.monotonic() + _PATIENCE
    while not question():
        if time.monotonic() > deadline:
            raise BrowserError(f"still not so: {what}")
        time.sleep(0.02)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a Chromium with a fresh profile, and leave nothing of it."""
    folder = Path(tempfile.mkdtemp(prefix="browser-"))
    try:
        browser = Browser(folder)
        try:
            yield browser
        finally:
            browser.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
