"""Fixtures around `lab.moto`: ``pytest_plugins = ("lab.moto_fixtures",)``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab.moto import MotoLab


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoLab]:
    pytest.importorskip("moto")
    lab = MotoLab(tmp_path_factory.mktemp("moto"))
    yield lab
    lab.stop()


@pytest.fixture
def moto(moto_server: MotoLab, monkeypatch: pytest.MonkeyPatch) -> MotoLab:
    """An empty account, and an environment that holds keys for it and no other AWS setting."""
    import os

    for name in [
        name for name in os.environ if name.startswith("AWS_") and "CA_BUNDLE" not in name
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AUDITOR")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    moto_server.reset()
    return moto_server
