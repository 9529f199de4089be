"""What a profile file comes to, and what is said about a bad one."""

# ruff: noqa: E501 - rows of tables, messages as they are printed

from __future__ import annotations

import hashlib
import pickle
import textwrap
from pathlib import Path

import pytest

from pytest_sysaudit.errors import InventoryError, ProfileError
from pytest_sysaudit.profiles.load import folder, load, shipped
from pytest_sysaudit.profiles.model import LeftOut
from pytest_sysaudit.record import Control, Severity


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def control(id_, severity="medium", **frameworks):
    numbers = {name.replace("_", "-"): (number,) for name, number in frameworks.items()}
    return Control(id=id_, title=id_, severity=Severity(severity), frameworks=numbers)


def write(name, text):
    Path(name).write_text(textwrap.dedent(text), "utf-8")


def judged(*asked, base, known):
    profile = load(asked, base)
    return {one.id for one in known if profile.judge(one) is True}


KNOWN = [
    control("ssh.banner", "low", cis_debian12="5.1.5"),
    control("ssh.root-login", "high", cis_debian12="5.1.20", dev_sec="sshd-06"),
    control("account.uid0", "critical", cis_debian12="5.4.2.1"),
    control("health.disk", "high"),
]
ALL = {one.id for one in KNOWN}


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ("", ALL),
        ("include: [ssh.banner]", {"ssh.banner"}),
        ("include: ['ssh.*', health.disk]", {"ssh.banner", "ssh.root-login", "health.disk"}),
        ("include: [{control: ssh.banner}]", {"ssh.banner"}),
        ("include: [{control: [ssh.banner, 'account.*']}]", {"ssh.banner", "account.uid0"}),
        ("include: [{at_least: high}]", ALL - {"ssh.banner"}),
        ("include: [{at_most: low}]", {"ssh.banner"}),
        ("include: [{at_least: high, at_most: high}]", {"ssh.root-login", "health.disk"}),
        ("include: [{framework: cis-debian12}]", ALL - {"health.disk"}),
        ("include: [{framework: 'cis-debian12:5.1.*'}]", {"ssh.banner", "ssh.root-login"}),
        (
            "include: [{framework: ['cis-debian12:5.4.*', dev-sec]}]",
            {"account.uid0", "ssh.root-login"},
        ),
        ("include: [{control: 'ssh.*', at_least: medium}]", {"ssh.root-login"}),
        ("include: [{framework: dev-sec, at_least: critical}]", set()),
        ("exclude: [{control: ssh.banner, reason: so it is}]", ALL - {"ssh.banner"}),
        ("exclude: [{at_most: high, reason: so it is}]", {"account.uid0"}),
        ("include: ['ssh.*']\nexclude: [{control: ssh.banner, reason: x}]", {"ssh.root-login"}),
    ],
)
def test_rules_choose_controls(here, body, ids):
    write("p.yaml", f"version: 1\n{body}\n")
    assert judged("p.yaml", base=here, known=KNOWN) == ids


def test_a_layer_stands_on_what_it_extends(here):
    write(
        "low.yaml",
        "version: 1\ninclude: ['ssh.*']\nexclude: [{control: ssh.banner, reason: low}]\n",
    )
    write("same.yaml", "version: 1\nextends: ./low.yaml\n")
    write("more.yaml", "version: 1\nextends: [low.yaml]\ninclude: [ssh.banner, health.disk]\n")
    write(
        "less.yaml",
        "version: 1\nextends: more.yaml\nexclude: [{control: '*', at_most: low, reason: less}]\n",
    )
    assert judged("low.yaml", base=here, known=KNOWN) == {"ssh.root-login"}
    assert judged("same.yaml", base=here, known=KNOWN) == {"ssh.root-login"}
    assert judged("more.yaml", base=here, known=KNOWN) == ALL - {"account.uid0"}
    assert judged("less.yaml", base=here, known=KNOWN) == {"ssh.root-login", "health.disk"}
    answers = [load(["less.yaml"], here).judge(one) for one in KNOWN]
    assert answers == [LeftOut("less", "less.yaml"), True, False, True]


def test_several_profiles_add_up_and_a_shared_one_counts_once(here):
    write("low.yaml", "version: 1\ninclude: [ssh.banner]\n")
    write("a.yaml", "version: 1\nextends: low.yaml\nexclude: [{control: ssh.banner, reason: a}]\n")
    write("b.yaml", "version: 1\nextends: low.yaml\ninclude: [health.disk]\n")
    profile = load(["a.yaml", "b.yaml"], here)
    assert profile.name == "a.yaml + b.yaml"
    assert [layer.name for layer in profile.layers] == ["low.yaml", "a.yaml", "b.yaml"]
    assert judged("a.yaml", "b.yaml", base=here, known=KNOWN) == {"health.disk"}


def test_the_topmost_value_and_severity_count(here):
    write(
        "low.yaml",
        """\
        version: 1
        inputs: {ssh.banner: {text: low, lines: [1]}}
        severities: {ssh.banner: info, health.disk: low}
        """,
    )
    write(
        "top.yaml",
        """\
        version: 1
        title: "  The top  "
        extends: low.yaml
        inputs: {ssh.banner: {text: top}}
        severities: {ssh.banner: critical}
        """,
    )
    profile = load(["top.yaml"], here)
    assert profile.inputs("ssh.banner") == {"text": "top", "lines": [1]}
    assert profile.inputs("other") == {}
    assert profile.severity("ssh.banner") == (Severity.CRITICAL, "top.yaml")
    assert profile.severity("health.disk") == (Severity.LOW, "low.yaml")
    assert profile.severity("other") is None
    assert profile.layers[-1].title == "The top"
    with pytest.raises(TypeError, match="cannot be changed"):
        profile.inputs("ssh.banner")["lines"].append(2)


def test_paths_start_where_they_are_written(here):
    (here / "deep").mkdir()
    write("deep/low.yaml", "version: 1\ninclude: [ssh.banner]\n")
    write("deep/top.yaml", "version: 1\nextends: low.yaml\n")
    profile = load(["deep/top.yaml"], here)
    assert [layer.name for layer in profile.layers] == ["deep/low.yaml", "deep/top.yaml"]
    digest = hashlib.sha256((here / "deep/top.yaml").read_bytes()).hexdigest()
    assert profile.layers[1].document.sha256 == digest


#: a profile with ^ before what is wrong, and what is said of it.
FAULTS = [
    ("^", "is empty; a profile begins with 'version: 1'"),
    ("^[a]", "expected keys and values; a profile begins with 'version: 1'"),
    ("^title: x", "missing key 'version'; a profile begins with 'version: 1'"),
    ("version: ^2", "version: expected 1, found 2"),
    ("version: ^true", "version: expected 1, found true"),
    ("version: 1\n^inlcude: [a]", "unknown key 'inlcude'. Did you mean 'include'?"),
    (
        "version: 1\n^zzz: 1",
        "unknown key 'zzz'. Known keys: version, title, extends, include, exclude, inputs, severities",
    ),
    ("version: 1\ntitle: ^[x]", "title: expected text, found a list"),
    (
        "version: 1\ninclude: ^ssh.banner",
        "include: expected a list, found 'ssh.banner'. Write [ssh.banner]",
    ),
    ("version: 1\ninclude: ^[]", "include: is empty; leave it out, or name a control"),
    ("version: 1\ninclude: [^5]", "include[0]: expected a control, or keys and values, found 5"),
    (
        "version: 1\ninclude: [^{}]",
        "include[0]: names no control; give one of control, framework, at_least, at_most",
    ),
    (
        "version: 1\ninclude: [{^severity: high, control: a}]",
        "include[0]: unknown key 'severity'. Did you mean 'at_least' or 'at_most'?",
    ),
    (
        "version: 1\ninclude: [{^reason: x, control: a}]",
        "include[0]: unknown key 'reason'. Known keys: control, framework, at_least, at_most",
    ),
    ("version: 1\ninclude: [{control: ^7}]", "include[0].control: expected text, found 7"),
    ("version: 1\ninclude: [{control: [a, ^7]}]", "include[0].control[1]: expected text, found 7"),
    (
        "version: 1\ninclude: [{control: [^null]}]",
        "include[0].control[0]: expected text, found nothing",
    ),
    (
        "version: 1\ninclude: [{at_least: ^hihg}]",
        "include[0].at_least: expected one of info, low, medium, high, critical, found 'hihg'. Did you mean 'high'?",
    ),
    (
        "version: 1\ninclude: [{at_least: high, at_most: ^low}]",
        "include[0].at_most: no severity is at least high and at most low",
    ),
    (
        "version: 1\nexclude: [^{control: a}]",
        "exclude[0]: missing key 'reason': say why it is left out",
    ),
    (
        "version: 1\nexclude: [{control: a, reason: ^''}]",
        "exclude[0].reason: expected text, found ''",
    ),
    (
        "version: 1\nexclude: [^a.b]",
        "exclude[0]: expected a control and a reason, found 'a.b'. Write {control: a.b, reason: ...}",
    ),
    (
        "version: 1\nexclude: [^{reason: so}]",
        "exclude[0]: names no control; give one of control, framework, at_least, at_most",
    ),
    ("version: 1\ninputs: ^[a]", "inputs: expected controls and their values, found a list"),
    ("version: 1\ninputs: {a: ^5}", "inputs.a: expected inputs and their values, found 5"),
    ("version: 1\ninputs: {^'a.*': {n: 1}}", "inputs: expected the id of one control, found 'a.*'"),
    (
        "version: 1\ninputs: {a: {n: ^no}}",
        "inputs.a.n: no is ambiguous in YAML; write false, or quote it: 'no'",
    ),
    (
        "version: 1\nseverities: {a: ^3}",
        "severities.a: expected one of info, low, medium, high, critical, found 3",
    ),
    (
        "version: 1\nextends: ^hardend",
        "extends: there is no profile 'hardend'. Did you mean 'hardened'?",
    ),
    (
        "version: 1\nextends: [^hardend]",
        "extends[0]: there is no profile 'hardend'. Did you mean 'hardened'?",
    ),
    ("version: 1\nextends: ^p.yaml", "extends: circle: p.yaml -> p.yaml"),
    (
        "version: 1\n^title: x: y",
        "not valid YAML: a second ': ' on one line; quote a value that holds one, or check the indentation",
    ),
]


@pytest.mark.parametrize(("text", "message"), FAULTS, ids=[row[1][:60] for row in FAULTS])
def test_a_fault_is_told_with_its_place(here, text, message):
    before = text[: text.index("^")]
    write("p.yaml", text.replace("^", ""))
    with pytest.raises(ProfileError) as caught:
        load(["p.yaml"], here)
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    if "not valid YAML" in message:
        column = len("title: x:")
    place = "p.yaml" if message.startswith("is empty") else f"p.yaml:{line}:{column}"
    assert str(caught.value) == f"{place}: {message}"


def test_all_faults_of_all_files_are_told_at_once(here):
    write("low.yaml", "version: 3\nextends: gone.yaml\n")
    write("top.yaml", "version: 1\nextends: low.yaml\nexclude: [a]\ninputs: 5\n")
    with pytest.raises(ProfileError) as caught:
        load(["top.yaml", "baselin"], here)
    assert [str(problem) for problem in caught.value.problems] == [
        "--audit-profile=baselin: there is no profile 'baselin'. Did you mean 'baseline'?",
        "gone.yaml: no such file",
        "low.yaml:1:10: version: expected 1, found 3",
        "top.yaml:3:11: exclude[0]: expected a control and a reason, found 'a'. Write {control: a, reason: ...}",
        "top.yaml:4:9: inputs: expected controls and their values, found 5",
    ]
    assert not isinstance(caught.value, InventoryError)
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


def test_a_longer_circle_is_shown(here):
    write("a.yaml", "version: 1\nextends: b.yaml\n")
    write("b.yaml", "version: 1\nextends: a.yaml\n")
    with pytest.raises(ProfileError) as caught:
        load(["a.yaml"], here)
    assert str(caught.value) == "b.yaml:2:10: extends: circle: a.yaml -> b.yaml -> a.yaml"


def test_a_file_that_is_named_as_a_profile_is_pointed_to(here):
    write("mine", "version: 1\n")
    with pytest.raises(
        ProfileError, match=r"no profile 'mine'\..* A file is named with its path: \./mine"
    ):
        load(["mine"], here)
    assert load(["./mine"], here).layers[0].name == "mine"


def test_the_shipped_ones_are_found_by_name(here):
    assert list(shipped()) == [
        "baseline",
        "cis-debian12-level1",
        "dev-sec",
        "hardened",
        "web-server",
    ]
    for name, path in shipped().items():
        profile = load([name], here)
        assert profile.name == name
        assert profile.layers[-1].shipped
        assert profile.layers[-1].title
        assert path == folder() / f"{name}.yaml"
