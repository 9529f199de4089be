"""A stand-in for an AWS account: moto's server on loopback, with a small account in it."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from pytest_sysaudit.embedded.process import ChildProcess
from pytest_sysaudit.errors import Unreachable
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.text import shorten

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
#: Seconds until the server must answer and the account must be there.
PATIENCE = 60.0


class EmbeddedMoto:
    """One AWS account that lives as long as the run.

    The session of an embedded target uses keys of its own, and none of the user's: neither
    environment nor ~/.aws is read for it.

    Args:
        target: an AWS target; its account_id and regions are taken over.
        folder: a private folder for the log.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        self._target = target
        self._folder = folder
        self._child: ChildProcess | None = None
        self._ready: dict[str, Any] = {}
        self._account = getattr(target.entry, "account_id", None) or DEFAULT_ACCOUNT
        self._regions = list(getattr(target.entry, "regions", ())) or [DEFAULT_REGION]

    def start(self) -> dict[str, Any]:
        """Start the server and fill the account.

        Returns:
            What it changes of the inventory's entry: endpoint_url, account_id, regions.

        Raises:
            Unreachable: moto is not installed, or its server did not start.
        """
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
            raise Unreachable(
                f"{self._target.name}: an embedded AWS account needs moto: "
                'pip install "pytest-sysaudit[embedded]"'
            )
        region = next((name for name in self._regions if name != "all"), DEFAULT_REGION)
        ready = self._folder / "ready.json"
        self._child = ChildProcess(
            [sys.executable, "-m", "pytest_sysaudit.embedded.moto_main", str(ready), region],
            self._folder / "moto.log",
            environment(self._account),
        )
        self._ready = self._wait(self._child, ready)
        return {
            "endpoint_url": self._ready["url"],
            "account_id": self._account,
            "regions": self._regions,
        }

    def describe(self) -> str:
        """Return one line on what was started."""
        return f"moto at {self._ready['url']}, account {self._account}"

    def stop(self) -> None:
        """End the server; the account is gone."""
        if self._child is not None:
            self._child.stop()

    def _wait(self, child: ChildProcess, ready: Path) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while not ready.exists():
            if child.exit_code is not None or time.monotonic() > deadline:
                child.stop()
                end = shorten(child.output()[-800:].strip()) or "no output"
                raise Unreachable(f"{self._target.name}: moto's server did not start: {end}")
            time.sleep(0.02)
        found: dict[str, Any] = json.loads(ready.read_text())
        return found


def environment(account: str) -> dict[str, str]:
    """Return the server's environment: ours without any AWS setting, and moto's settings.

    Two thousand stock images and snapshots a region, which moto has by default, are left out.
    """
    own = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MOTO_"))}
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [own.get("PYTHONPATH")])]
    settings = {"PYTHONPATH": os.pathsep.join(paths), "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
    if account != DEFAULT_ACCOUNT:
        settings["MOTO_ACCOUNT_ID"] = account  # moto then has this account and no other
    return {**own, **settings}
