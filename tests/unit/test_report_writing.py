"""Writing reports: which, where to, all or nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from lab.report_sample import sample

from pytest_sysaudit.errors import ReportError
from pytest_sysaudit.reports import (
    FOLDER,
    WRITERS,
    ReportSpec,
    parse_spec,
    parse_specs,
    write,
)

FORMATS = ", ".join(sorted(WRITERS))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("json", ReportSpec("json", FOLDER / "results.json")),
        ("junit", ReportSpec("junit", FOLDER / "junit.xml")),
        ("html", ReportSpec("html", FOLDER / "report.html")),
        ("HTML=a.html", ReportSpec("html", Path("a.html"))),
        ("json=out/", ReportSpec("json", Path("out/results.json"))),
        ("json=/", ReportSpec("json", Path("/results.json"))),
        ("json=a=b.json", ReportSpec("json", Path("a=b.json"))),
    ],
)
def test_a_spec_names_format_and_file(text, expected):
    assert parse_spec(text) == expected


def test_a_folder_gets_the_usual_name(tmp_path):
    assert parse_spec(f"json={tmp_path}").path == tmp_path / "results.json"


def test_home_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_spec("json=~/r.json").path == tmp_path / "r.json"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("htlm", f"unknown report format 'htlm'; there are: {FORMATS}. Did you mean 'html'?"),
        ("sarrif=x", f"there are: {FORMATS}. Did you mean 'sarif'?"),
        ("zzz", f"unknown report format 'zzz'; there are: {FORMATS}."),
        ("", "unknown report format ''"),
        ("json=", "report 'json=': no path behind '='; write json=PATH or just json"),
    ],
)
def test_a_spec_that_cannot_be_met_says_what_can(text, message):
    with pytest.raises(ReportError) as caught:
        parse_spec(text)
    assert message in str(caught.value)


def test_two_formats_cannot_go_to_one_file(tmp_path):
    (tmp_path / "link").symlink_to("report")
    with pytest.raises(ReportError, match="both the html and the json report"):
        parse_specs([f"html={tmp_path}/report", f"json={tmp_path}/link"])


def test_the_same_report_twice_is_one_report():
    assert parse_specs(["json", "html=x", "json"]) == [parse_spec("json"), parse_spec("html=x")]


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_every_format_is_written_with_its_folders(name, tmp_path):
    path = tmp_path / "a" / "b" / "report"
    write(name, sample(), path)
    assert path.stat().st_size > 3_000
    assert names_in(path.parent) == ["report"]


def test_what_is_written_is_the_document(tmp_path):
    write("json", sample(), tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_bytes()) == sample()


def test_a_writer_of_somebody_else(tmp_path):
    def count(document, path):
        path.write_text(str(len(document["results"])))

    write("count", sample(), tmp_path / "n", writers={**WRITERS, "count": count})
    assert (tmp_path / "n").read_text() == str(len(sample()["results"]))


def test_the_umask_decides_who_reads_it(tmp_path):
    old = os.umask(0o027)
    try:
        write("json", sample(), tmp_path / "r.json")
    finally:
        os.umask(old)
    assert (tmp_path / "r.json").stat().st_mode & 0o777 == 0o640


def test_a_failure_leaves_the_earlier_report_and_no_litter(tmp_path):
    def broken(document, path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    path = tmp_path / "r.json"
    path.write_text("earlier")
    with pytest.raises(ReportError) as caught:
        write("json", sample(), path, writers={"json": broken})
    assert str(caught.value) == (
        f"{path}: the json report could not be written: No space left on device; "
        "free some space, or name another file"
    )
    assert path.read_text() == "earlier"
    assert names_in(tmp_path) == ["r.json"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "latest").symlink_to("today.json")
    write("json", sample(), tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert json.loads((tmp_path / "today.json").read_bytes())["schema"] == "sysaudit-results/1"


def test_a_pipe_is_written_into_and_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    heard = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write("json", sample(), tmp_path / "pipe")
    reader.join()
    assert json.loads(heard[0]) == sample()
    assert (tmp_path / "pipe").is_fifo()


def test_standard_output_is_written_into():
    code = (
        "from pathlib import Path; from pytest_sysaudit.reports import document, write; "
        "write('json', document.build({}, [], [], []), Path('/dev/stdout'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(done.stdout)["results"] == []


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_what_stood_in_the_file_behind_standard_output_stays(tmp_path, name):
    code = (
        "from pytest_sysaudit.reports import document, parse_spec, write; print('before'); "
        f"spec = parse_spec('json={name}'); "
        "write(spec.format, document.build({}, [], [], []), spec.path); print('behind')"
    )
    (tmp_path / "all").write_text("old\n")
    with (tmp_path / "all").open("a") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True, cwd=tmp_path)
    text = (tmp_path / "all").read_text()
    assert text.startswith("old\nbefore\n{")
    assert text.endswith("}\nbehind\n")
    assert [path.name for path in tmp_path.iterdir()] == ["all"]


def test_a_file_in_the_place_of_a_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match=r"file/r\.json: .*: Not a directory; name a file in a f"):
        write("json", sample(), tmp_path / "file" / "r.json")


def test_a_folder_in_the_place_of_a_file(tmp_path):
    with pytest.raises(ReportError, match=r"Is a directory; name another file with --audit-report"):
        write("json", sample(), tmp_path)


def test_a_folder_that_we_may_not_enter(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700 if os.geteuid() == 0 else 0o500)
    nobody = 65534
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(nobody)
    try:
        with pytest.raises(ReportError, match=r"Permission denied; name a file that you may write"):
            write("json", sample(), closed / "r.json")
    finally:
        if is_root:
            os.seteuid(0)


def test_a_file_that_grows_over_the_limit(tmp_path):
    code = (
        "import resource, sys; from pathlib import Path; from lab.report_sample import sample; "
        "from pytest_sysaudit.reports import write; made = sample(); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
        "write('json', made, Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "r.json")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ReportError" in done.stderr
    assert "File too large" in done.stderr
    assert names_in(tmp_path) == []


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(tmp_path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    try:
        (tmp_path / "r.json").write_text("earlier")
        with pytest.raises(ReportError, match=r"No space left on device; free some space"):
            write("json", sample(), tmp_path / "r.json")
        assert (tmp_path / "r.json").read_text() == "earlier"
        assert names_in(tmp_path) == ["r.json"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
