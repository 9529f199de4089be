"""The public names, the layers and the packing list."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

import pytest_sysaudit

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "pytest_sysaudit").rglob("*.py"))
#: Low to high: a module may import from its own layer and from those before it.
LAYERS = [
    {"errors", "text", "record", "source", "possible", "lanes", "clock"},
    {"audit", "evidence", "inventory", "profiles", "transport.base"},
    {"transport", "embedded"},
    {"facts", "aws", "http", "network"},
    {"resources", "foresight"},
    {"queries", "query_modules", "backend", "host"},
    {"connections", "openings", "dialing", "recording"},
    {"compliance"},
    {"reports"},
    {"hookspecs", "hooks", "fixtures"},
    {"plugin"},
    {"command"},
]
MAY_IMPORT_PYTEST = ("lanes", "hooks", "fixtures", "hookspecs", "plugin", "command")


def test_every_public_name_can_be_had():
    assert pytest_sysaudit.__all__ == sorted(pytest_sysaudit.__all__)
    for name in pytest_sysaudit.__all__:
        assert getattr(pytest_sysaudit, name) is not None
    assert set(pytest_sysaudit.__all__) == set(pytest_sysaudit._PLACES) | {"__version__"}


def test_the_version_is_the_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert pytest_sysaudit.__version__ == project["version"]


def test_the_packing_list_names_every_folder():
    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    found = set()
    for top, name in (("pytest_sysaudit", "pytest_sysaudit"), ("checks", "pytest_sysaudit.checks")):
        for init in (ROOT / top).rglob("__init__.py"):
            found.add(".".join([name, *init.parent.relative_to(ROOT / top).parts]))
    assert listed == found


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT / "pytest_sysaudit").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _layer(name: str) -> int:
    for number, members in enumerate(LAYERS):
        if name in members:
            return number
    return next((n for n, members in enumerate(LAYERS) if name.partition(".")[0] in members), -1)


def _imports(path: Path):
    """Return the modules that *path* imports when it runs, type checking left out."""
    tree = ast.parse(path.read_text())
    checking = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in checking:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_arrows_only_point_down(path):
    own = _layer(_name(path))
    assert own >= 0 or _name(path) == "", f"{path.name}: name its layer in LAYERS"
    for module in _imports(path):
        if module.startswith("pytest_sysaudit.") and _name(path):
            other = module.removeprefix("pytest_sysaudit.")
            assert _layer(other) <= own, f"{_name(path)} imports {other} from a higher layer"
        if module.partition(".")[0] in ("pytest", "_pytest"):
            assert _name(path).startswith(MAY_IMPORT_PYTEST), f"{_name(path)} imports pytest"
