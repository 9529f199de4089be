"""The whole library on a weak, a hardened and a tiny host: what it finds, misses and costs."""

from __future__ import annotations

import json
from contextlib import ExitStack
from xml.etree import ElementTree as ET

import pytest
from lab import hardened, library, nspawn, tinyhost, weak
from lab.footprint import footprint
from lab.report_sample import html_columns
from lab.tiny import tiny_host

from pytest_sysaudit.record import Verdict

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(bool(nspawn.why_not()), reason=nspawn.why_not() or "never"),
]

SETTINGS = {"weak": weak.settings(), "hardened": hardened.settings(dear=True)}
QUIET = {Verdict.PASS, Verdict.NOT_APPLICABLE, Verdict.MANUAL}


@pytest.fixture(scope="module")
def machines():
    with ExitStack() as stack:
        yield {
            "weak": stack.enter_context(weak.weak_host()),
            "hardened": stack.enter_context(hardened.hardened_host()),
        }


@pytest.fixture(scope="module")
def run(machines, tmp_path_factory):
    """The weak host and the hardened one."""
    hosts = {name: machines[name].entry() | SETTINGS[name] for name in machines}
    folder = tmp_path_factory.mktemp("library")
    reports = [
        f"--audit-report=junit={folder / 'junit.xml'}",
        f"--audit-report=html={folder / 'report.html'}",
    ]
    return library.audit(folder, hosts, *reports, inputs=library.IDLE)


@pytest.fixture(scope="module")
def ordinary(machines, tmp_path_factory):
    """Both as a user sees them who may not become root."""
    hosts = {
        f"{name}-ordinary": machines[name].entry("auditor") | SETTINGS[name] for name in machines
    }
    return library.audit(tmp_path_factory.mktemp("ordinary"), hosts, inputs=library.IDLE)


def test_the_list_of_faults_is_complete():
    assert library.declared() == set(weak.PLANTS) | set(weak.NOT_PLANTED)
    assert not set(weak.PLANTS) & set(weak.NOT_PLANTED)
    assert {control for control, plant in weak.PLANTS.items() if len(plant.names) < 4} == set()


FIRST = [control for control, plant in weak.PLANTS.items() if not plant.later]


@pytest.mark.parametrize("control", FIRST)
def test_a_planted_fault_is_found_and_named(run, control):
    said = run.messages("weak", control)
    assert run.verdicts("weak").get(control) is Verdict.FAIL, run.rows["weak"].get(control)
    assert weak.PLANTS[control].names.lower() in said.lower()


def test_no_error_hides_behind_a_failure(run):
    rows = [row for rows in run.rows["weak"].values() for row in rows]
    assert [row for row in rows if row["verdict"] == "error"] == []


def test_the_hardened_host_is_clean_and_no_trap_fires(run):
    judged = run.verdicts("hardened")
    assert {c: run.rows["hardened"][c] for c, v in judged.items() if v not in QUIET} == {}
    absent = {control for control, v in judged.items() if v is Verdict.NOT_APPLICABLE}
    assert absent == set(hardened.NOT_HERE)
    assert set(judged) == library.declared()


@pytest.mark.parametrize("line", hardened.SET)
def test_the_traps_are_set(machines, line):
    assert machines["hardened"].run(line).returncode == 0


def test_odd_names_come_through_in_every_report(run):
    """A line break and a byte that is no UTF-8, both in names of files."""
    said = run.messages("weak", "files.ww-files")
    assert "two\\nlines" in said
    assert "odd\\xffbyte" in said
    junit = ET.parse(run.folder / "junit.xml").getroot()
    told = [node.get("message", "") + (node.text or "") for node in junit.iter("failure")]
    page = "\n".join(html_columns((run.folder / "report.html").read_bytes())["texts"])
    for name in ("odd\\xffbyte", "lines"):
        assert any(name in text for text in told)
        assert name in page


@pytest.mark.parametrize("host", ["weak-ordinary", "hardened-ordinary"])
def test_an_ordinary_user_gets_no_pass_for_what_only_root_sees(ordinary, host):
    judged = ordinary.verdicts(host)
    assert {c for c, v in judged.items() if v is Verdict.PASS and library.needs_root(c)} == set()
    blind = {control for control, verdict in judged.items() if verdict is Verdict.ERROR}
    assert {c for c in blind if not library.needs_root(c)} <= set(library.PARTLY)
    said = {control: ordinary.messages(host, control, "error").lower() for control in blind}
    assert {
        c: text for c, text in said.items() if "root" not in text and "denied" not in text
    } == {}


def test_an_ordinary_user_is_not_told_of_faults_that_are_not_there(ordinary):
    judged = ordinary.verdicts("hardened-ordinary")
    assert {control for control, v in judged.items() if v is Verdict.FAIL} == set()


def test_no_secret_is_in_any_report(run):
    assert [text for text in weak.SECRETS if text in run.said] == []


def test_a_tiny_host_is_assessed_as_far_as_it_goes(tmp_path):
    """Busybox and dropbear: what is missing does not apply, and nothing is a guess."""
    with tiny_host() as machine:
        done = library.audit(tmp_path / "root", {"tiny": machine.entry()}, inputs=library.IDLE)
        user = {"tiny": machine.entry("auditor")}
        ordinary = library.audit(tmp_path / "user", user, inputs=library.IDLE)
    found = {control: verdict.value for control, verdict in done.verdicts("tiny").items()}
    assert set(found) == library.declared()
    wrong = {c: v for c, v in found.items() if tinyhost.expected(c) not in ("", v)}
    assert wrong == {}, {control: done.rows["tiny"][control] for control in wrong}
    guessed = {
        control
        for control, verdict in ordinary.verdicts("tiny").items()
        if verdict is Verdict.PASS and library.needs_root(control)
    }
    assert guessed <= {"secret.history", "secret.netrc"}  # homes are open to everybody there


@pytest.fixture(scope="module")
def alone(machines, tmp_path_factory):
    """One run over the hardened host alone: what it said, its CPU, what it left behind."""
    machine = machines["hardened"]
    before, cpu = footprint(machine), machine.cpu()
    hosts = {"hardened": machine.entry() | hardened.settings(dear=False)}
    done = library.audit(tmp_path_factory.mktemp("alone"), hosts, inputs=library.IDLE)
    return done, machine.cpu() - cpu, before, footprint(machine)


def test_a_host_is_asked_a_handful_of_times(alone, run):
    """Beyond the login; findings are looked at more closely, and so is what takes seconds."""
    for trips in (alone[0].trips["hardened"], run.trips["hardened"], run.trips["weak"]):
        assert len(trips) <= 12, json.dumps(trips, indent=1)[:4000]


def test_a_host_spends_a_second_of_cpu_at_most(alone):
    """Measured while this machine may be busy, and with the looks before and after: twice that."""
    assert alone[1] < 2


def test_nothing_is_written_to_a_host(alone):
    _, _, before, after = alone
    assert {path for path, *_ in after.files ^ before.files} == set()
    assert after.memory - before.memory == set()


def test_nothing_is_left_running_on_a_host(alone):
    _, _, before, after = alone
    assert after.processes - before.processes == set()


def test_faults_that_contradict_others_are_found_when_these_are_gone(machines, tmp_path):
    weak.plant_running(machines["weak"], later=True)
    hosts = {"weak": machines["weak"].entry() | SETTINGS["weak"]}
    again = library.audit(tmp_path, hosts, inputs=library.IDLE)
    late = {control: plant for control, plant in weak.PLANTS.items() if plant.later}
    said = {control: again.messages("weak", control).lower() for control in late}
    assert {c: said[c] for c, plant in late.items() if plant.names.lower() not in said[c]} == {}
    assert {c for c in late if again.verdicts("weak").get(c) is not Verdict.FAIL} == set()
