"""Which units start with the host: links in folders, read by every shell."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pytest_sysaudit.facts import units

SHELLS = [
    argv for argv in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(argv[0])
]
#: It prints what stands in a file for the second question.
SYSTEMCTL = """#!/bin/sh
case $1 in
show) printf 'Id=a.service\\nLoadState=loaded\\nActiveState=inactive\\n' ;;
list-units) cat FOLDER/failed 2>/dev/null; [ ! -e FOLDER/broken ] ;;
esac
"""


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def read(request, tmp_path):
    """Run the script with folders below a temporary one, and a systemctl that knows one unit."""
    tool = tmp_path / "systemctl"
    tool.write_text(SYSTEMCTL.replace("FOLDER", str(tmp_path)))
    tool.chmod(0o755)
    script = units._SCRIPT.replace("systemctl ", f"{tool} ")
    for name in ("/run/systemd", "/etc/systemd"):
        (tmp_path / name.lstrip("/") / "system").mkdir(parents=True)
        script = script.replace(name, f"{tmp_path}{name}")

    def run():
        done = subprocess.run([*request.param, "-c", script], capture_output=True, check=True)
        return units.parse(done.stdout.decode("utf-8", "backslashreplace"))

    return tmp_path, run


def unit(root, name, text="[Unit]\n", folder="etc/systemd/system"):
    path = root / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def wanted(root, name, to, by="multi-user.target.wants", folder="etc/systemd/system"):
    path = root / folder / by / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


def test_what_is_linked_is_enabled(read):
    root, run = read
    file = unit(root, "x.service", folder="usr/lib/systemd/system")
    wanted(root, "x.service", file)
    wanted(root, "x@1.service", file, by="y.service.requires")
    wanted(root, "gone.service", root / "usr/lib/systemd/system/gone.service")
    wanted(root, "r.socket", file, folder="run/systemd/system")
    wanted(root, "late r\xff.service", file)
    found = run()
    assert found.files["x.service"] == found.files["x@1.service"] == "enabled"
    assert found.files["r.socket"] == "enabled-runtime"
    assert [
        n for n in ("x.service", "r.socket", "gone.service", "a.service") if found.is_on(n)
    ] == [
        "x.service",
        "r.socket",
    ]
    assert "gone.service" not in found.files


@pytest.mark.parametrize("folder", ["etc/systemd/system", "run/systemd/system"])
@pytest.mark.parametrize("how", ["null", "empty"])
def test_what_is_masked_does_not_start(read, folder, how):
    root, run = read
    wanted(root, "x.service", unit(root, "x.service", folder="usr/lib/systemd/system"))
    if how == "null":
        (root / folder / "x.service").symlink_to("/dev/null")
    else:
        unit(root, "x.service", "", folder)
    assert run().files["x.service"] == "masked"
    assert not run().is_on("x.service")


def test_a_unit_with_its_own_file_in_etc_is_not_masked(read):
    root, run = read
    wanted(root, "x.service", unit(root, "x.service"))
    assert run().is_on("x.service")


def test_no_link_at_all(read):
    _, run = read
    assert run().files == {}


def test_what_systemd_says_of_a_loaded_unit_counts():
    text = "Id=a.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState={}\n@files\n@end\n"
    assert units.parse(text.format("enabled")).is_on("a.service")
    assert not units.parse(text.format("static")).is_on("a.service")
    gone = text.replace("loaded", "not-found")
    assert not units.parse(gone.format("enabled")).is_on("a.service")


def test_what_has_failed_is_told_of_every_kind(read):
    root, run = read
    (root / "failed").write_text(
        "srv-x\\x20y.mount loaded failed failed /srv/x * y\n"
        "* -.swap not-found failed failed Swap\n-.mount loaded failed failed /\n"
        "a.service loaded failed failed A\n"
        "session-c1.scope loaded failed failed Session c1 of User x\n"
    )
    found = run()
    assert [unit.name for unit in found.failed()] == [
        "-.mount",
        "-.swap",
        "session-c1.scope",
        "srv-x\\x20y.mount",
    ]
    assert found.get("-.swap").load_state == "not-found"
    assert found.get("a.service").active_state == "inactive"


def test_a_list_that_failed_is_no_table(read):
    root, run = read
    (root / "broken").touch()
    with pytest.raises(subprocess.CalledProcessError):
        run()
