"""The documentation is true: its examples run, its tables are current, nothing is left unnamed."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import pytest_sysaudit
from pytest_sysaudit import hookspecs
from pytest_sysaudit.facts import TABLES
from pytest_sysaudit.hooks import options
from pytest_sysaudit.hooks.early import OURS
from pytest_sysaudit.http.adapter import HttpResponse
from pytest_sysaudit.inventory import schema
from pytest_sysaudit.inventory.load import load
from pytest_sysaudit.record import Control, Result, Severity, Verdict
from pytest_sysaudit.reports import FILE_NAMES, FOLDER, WRITERS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import fill  # noqa: E402 - it lies in docs/

sys.path.remove(str(DOCS))

PAGES = fill.pages()
REFERENCE = {page.stem: page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md")}
SLOW = {"aws", "groups"}
_DONE = re.compile(r"^\S+ {2,}\S.* in [\d.]+ s$")
INVENTORIES = sorted(
    path
    for path in (DOCS / "examples").rglob("*.yaml")
    if path.parent.name == "inventories"
    or (path.name == "inventory.yaml" and path.parent.name != "broken")
)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    found = re.findall(rf"^```{language}\b[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block.rstrip() for block in found]


def every(language: str) -> list:
    """Return each block of the pages that is no copy of an example's file."""
    files = {
        path.read_text("utf-8").rstrip()
        for path in (DOCS / "examples").rglob("*.*")
        if path.suffix in (".py", ".yaml", ".yml", ".json")
    }
    return [
        pytest.param(block, id=f"{_name(page)}-{number}")
        for page in PAGES
        for number, block in enumerate(blocks(page.read_text("utf-8"), language))
        if block not in files
    ]


def assert_same(played: str, written: str) -> None:
    """Compare two transcripts.

    Blanks at the ends of lines do not count, nor does which of several targets was done first.
    """
    lines = [[line.rstrip() for line in text.rstrip().splitlines()] for text in (played, written)]
    steady = [_in_order([fill.steady(line) for line in found]) for found in lines]
    assert steady[0] == steady[1]


def _in_order(lines: list[str]) -> list[str]:
    """Sort the lines that tell of targets that are done."""
    found: list[str] = []
    for done, some in itertools.groupby(lines, key=lambda line: bool(_DONE.search(line))):
        together = list(some)
        found += sorted(together) if done else together
    return found


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_holds_what_the_code_and_the_examples_say(page):
    assert fill.filled(page) == page.read_text("utf-8"), "run: python docs/fill.py"


@pytest.mark.parametrize(
    "session",
    [
        pytest.param(p, id=p.parent.name, marks=[pytest.mark.slow] * (p.parent.name in SLOW))
        for p in fill.sessions()
    ],
)
def test_an_example_gives_what_its_page_shows(session):
    if session.parent.name == "groups":
        pytest.importorskip("xdist", reason="one of its commands is `pytest -n 2`")
    if session.parent.name == "aws":
        pytest.importorskip("flask", reason="the stand-in for AWS needs the extra `embedded`")
    if session.parent.name == "scap" and not shutil.which("oscap"):
        pytest.skip("its commands need oscap: install openscap-scanner")
    written = session.read_text("utf-8")
    assert_same(fill.play(session.parent, written), written)


def test_every_example_is_shown():
    text = "".join(page.read_text("utf-8") for page in PAGES)
    for path in (DOCS / "examples").rglob("*.*"):
        place = path.relative_to(DOCS / "examples")
        if path.suffix in (".py", ".yaml", ".yml") and "__pycache__" not in place.parts:
            shown = path.read_text("utf-8").rstrip()
            assert shown in text, f"{place} is on no page"


def test_the_check_of_the_readme_works_as_written(tmp_path):
    text = (ROOT / "README.md").read_text("utf-8")
    part = text[text.index("## Your first check") : text.index("## Verdicts")]
    files = re.findall(r'^```\w+ title="(.+?)"\n(.*?)^```$', part, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in files] == ["inventory.yaml", "checks/test_mine.py"]
    folder = tmp_path / "mine"
    for name, content in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (session,) = blocks(part, "console")
    assert_same(fill.play(folder, session), session)


@pytest.mark.parametrize("block", every("python"))
def test_python_on_a_page_compiles_and_asks_for_fixtures_that_exist(block):
    tree = ast.parse(block)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            assert {argument.arg for argument in node.args.args} <= OURS


@pytest.mark.parametrize("block", every("yaml"))
def test_yaml_on_a_page_is_a_valid_inventory(block, tmp_path):
    path = tmp_path / "inventory.yaml"
    path.write_text(block)
    assert load(path, check_files=False).targets


@pytest.mark.parametrize("path", INVENTORIES, ids=_name)
def test_an_inventory_is_valid_for_us_and_for_an_editor(path):
    jsonschema = pytest.importorskip("jsonschema")
    assert load(path, check_files=False).targets
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), schema.generate())


def test_every_key_of_an_inventory_stands_in_an_example_and_in_the_reference():
    data = load(DOCS / "examples/inventories/every-key.yaml", check_files=False).document.data
    parts = {
        name: list(data[name].values()) for name in ("groups", "hosts", "aws", "http", "networks")
    }
    given = {
        "Inventory": [data],
        "Defaults": [data["defaults"]],
        "Evidence": [data["evidence"]],
        "Group": parts["groups"],
        "Host": parts["hosts"],
        "Become": [host.get("become", {}) for host in parts["hosts"]],
        "Ssh": [host.get("ssh", {}) for host in parts["hosts"]],
        "Aws": parts["aws"],
        "Http": parts["http"],
        "HttpAuth": [one["auth"] for one in parts["http"]],
        "Basic": [one["auth"].get("basic", {}) for one in parts["http"]],
        "Network": parts["networks"],
    }
    document = schema.generate()
    assert {*document["$defs"], "Inventory"} == given.keys()
    for name, entries in given.items():
        known = document if name == "Inventory" else document["$defs"][name]
        keys = {key for entry in entries for key in entry}
        without_standin = {"embedded"} if name == "Network" else set()
        assert keys == known["properties"].keys() - without_standin, name
        assert f"<!-- fill: inventory {name} -->" in REFERENCE["inventory"]


def test_inputs_in_examples_are_those_of_shipped_controls():
    inputs = {
        mark.args[0]: mark.kwargs.get("inputs", {})
        for pairs in fill.tables.checks().values()
        for mark, _ in pairs
    }
    seen = 0
    for path in (DOCS / "examples" / "inventories").glob("*.yaml"):
        for target in load(path, check_files=False).targets.values():
            for control, values in target.inputs.items():
                seen += 1
                assert values.keys() <= inputs[control].keys(), f"{path.name}: {control}"
                for name, value in values.items():
                    assert type(value) is type(inputs[control][name])
    assert seen > 5


def test_the_table_of_what_flows_where_is_right():
    text = (DOCS / "how-to" / "inventory.md").read_text("utf-8")
    targets = load(DOCS / "examples" / "inventories" / "flow.yaml").targets
    assert len(targets) == 2
    for name, target in targets.items():
        maximum = target.inputs["health.disk"]["maximum"]
        row = f"| {name} | {target.vars['tier']} | {target.vars['owner']} | {maximum} |"
        assert row in text


def test_the_expressions_that_choose_targets_are_understood():
    from pytest_sysaudit.inventory.select import Selector

    text = (DOCS / "how-to" / "inventory.md").read_text("utf-8")
    part = text[text.index("## Choose targets") : text.index("## Secrets")]
    found = re.findall(r"^\| `(.+?)` \|", part, re.MULTILINE)
    assert len(found) >= 7
    for expression in found:
        assert Selector.parse(expression).parts


class Settings:
    """Notes the names of options and settings."""

    def __init__(self) -> None:
        self.options: set[str] = set()
        self.keys: set[str] = set()

    def getgroup(self, *_args):
        return SimpleNamespace(addoption=lambda name, **_: self.options.add(name))

    def addini(self, name, *_args, **_kwargs):
        self.keys.add(name)


@pytest.fixture(scope="module")
def settings():
    found = Settings()
    options.pytest_addoption(found)
    return found


def test_every_option_and_setting_is_in_the_reference(settings):
    for name in settings.options | settings.keys:
        assert f"`{name}" in REFERENCE["options"]
    for name in WRITERS:
        assert f"| `{name}` | `{FOLDER / FILE_NAMES[name]}` |" in REFERENCE["options"]


def test_every_marker_fixture_hook_and_public_name_is_in_the_reference():
    for text in options._MARKERS:
        assert f"## {re.match('[a-z]+', text)[0]}\n" in REFERENCE["markers"]
    for name in OURS:
        assert f"| `{name}` |" in REFERENCE["fixtures"]
    hooks = [name for name in vars(hookspecs) if name.startswith("pytest_sysaudit_")]
    assert len(hooks) >= 5
    plugin = (DOCS / "how-to" / "plugin.md").read_text("utf-8")
    for name in hooks:
        assert f"## {name}\n" in REFERENCE["hooks"]
        assert f"def {name}(" in plugin
    for name in pytest_sysaudit.__all__:
        assert f"| `{name}` |" in REFERENCE["api"]


def test_every_argument_of_the_control_marker_is_in_the_reference():
    (text,) = [text for text in options._MARKERS if text.startswith("control(")]
    for name in re.findall(r"(\w+)(?:=|,|\))", text.partition(":")[0]):
        if name not in ("medium", "False"):
            assert f"| `{name}` |" in REFERENCE["markers"]
    for severity in Severity:
        assert f"`{severity}`" in REFERENCE["markers"]


def test_every_verdict_and_exit_code_is_in_the_reference():
    from pytest_sysaudit.hooks.recorder import NOT_ASSESSED

    for verdict in Verdict:
        assert f"| `{verdict}` |" in REFERENCE["verdicts"]
    for code in (*(int(code) for code in pytest.ExitCode), NOT_ASSESSED):
        if code <= pytest.ExitCode.NO_TESTS_COLLECTED or code == NOT_ASSESSED:
            assert f"| {code} | " in REFERENCE["verdicts"]
    from pytest_sysaudit import errors

    raised = [
        name
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, (errors.CannotAssess, errors.NotApplicable))
    ]
    assert len(raised) >= 10
    for name in raised:
        assert f"`{name}`" in REFERENCE["verdicts"]


def test_every_key_of_the_result_file_is_in_the_reference(tmp_path):
    folder = tmp_path / "resources"
    shutil.copytree(DOCS / "examples" / "resources", folder)
    run_pytest(folder, "checks", "--audit-report=json=out.json")
    document = json.loads((folder / "out.json").read_text("utf-8"))
    named = set(re.findall(r"`(\w+)`", REFERENCE["result"]))
    keys = {*document, *document["run"], *document["targets"][0], *document["summary"]}
    keys |= {*document["run"]["selection"], *document["summary"]["gate"]}
    keys |= {name for kind in (Control, Result) for name in kind.__slots__}
    assert keys - named == set()


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_no_page_names_an_option_that_does_not_exist(settings):
    texts = [page.read_text("utf-8") for page in PAGES]
    texts += [path.read_text("utf-8") for path in (DOCS / "examples").rglob("*.yml")]
    found = {name for text in texts for name in re.findall(r"--audit-[a-z][a-z-]*", text)}
    assert found == settings.options


def test_no_page_names_an_attribute_that_does_not_exist():
    kinds = {
        "host": pytest_sysaudit.Host,
        "target": pytest_sysaudit.Target,
        "audit": pytest_sysaudit.Audit(),
        "aws_session": pytest_sysaudit.AwsSession,
        "http_client": pytest_sysaudit.HttpClient,
        "response": HttpResponse(),
        "sniffer": pytest_sysaudit.Sniffer,
        "capture": pytest_sysaudit.Capture,
        "facts": pytest_sysaudit.Facts,
    }
    import testinfra.modules

    known = {
        name: {*dir(kind), *getattr(kind, "__annotations__", {})} for name, kind in kinds.items()
    }
    known["host"] |= {*testinfra.modules.modules}
    known["sniffer"] |= {"target"}
    known["aws_session"] |= {"target"}
    known["http_client"] |= {"base_url", "history"}
    known["facts"] |= {*TABLES}
    ids = [mark.args[0] for pairs in fill.tables.checks().values() for mark, _ in pairs]
    known["audit"] |= {id_.removeprefix("audit.") for id_ in ids if id_.startswith("audit.")}
    seen = 0
    for page in PAGES:
        for name, attribute in re.findall(
            rf"(?<![\w./'\"])({'|'.join(kinds)})\.([a-z_][a-z_0-9]*)", page.read_text("utf-8")
        ):
            seen += 1
            assert attribute in known[name], f"{_name(page)}: {name}.{attribute}"
    assert seen > 50


def test_ci_snippets_run_what_they_publish(tmp_path):
    for number, path in enumerate(sorted((DOCS / "examples" / "ci").glob("*.yml"))):
        text = path.read_text("utf-8")
        assert yaml.safe_load(text)
        (line,) = re.findall(r"^\s*(?:- )?pytest (.+?)(?: \|\| .*)?$", text, re.MULTILINE)
        folder = tmp_path / str(number)
        shutil.copytree(DOCS / "examples" / "first", folder)
        ended = run_pytest(folder, *shlex.split(line))
        assert ended.returncode == 1, ended.stdout
        wanted = {FILE_NAMES[name] for name in re.findall(r"--audit-report=([\w-]+)", line)}
        assert {path.name for path in (folder / "audit-report").iterdir()} == wanted
        for name in re.findall(r"audit-report/([\w.-]+)", text):
            assert name in wanted
        assert "audit-report" in text


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text("utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).is_file()] == []
    pages = {page.relative_to(ROOT).as_posix() for page in PAGES} - {"README.md", "docs/index.md"}
    assert pages <= set(links)


def test_the_excerpt_of_the_readme_names_shipped_controls():
    text = (ROOT / "README.md").read_text("utf-8")
    excerpt, *_ = blocks(text, "console")
    shipped = {mark.args[0] for pairs in fill.tables.checks().values() for mark, _ in pairs}
    named = set(re.findall(r"^  [FE] \w+ +(\S+)", excerpt, re.MULTILINE))
    assert named
    assert named <= shipped


def test_the_picture_is_small():
    assert (DOCS / "img" / "report.png").stat().st_size < 300_000


def test_the_site_builds_and_asks_nothing_of_the_network(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    site = tmp_path / "site"
    ended = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        check=False,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    pages = list(site.rglob("*.html"))
    assert len(pages) >= len(PAGES) - 1
    for page in pages:
        loaded = re.findall(
            r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"?(\S+)", page.read_text()
        )
        outside = [url for url in loaded if url.startswith(("http:", "https:", "//"))]
        assert outside == []
    assert not list(site.rglob("*.py"))
