"""Where secrets come from, when they are refused, and that they show nowhere."""

from __future__ import annotations

import os
import pickle
import pty
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from pytest_sysaudit.errors import SecretError
from pytest_sysaudit.evidence.redact import MASK, Redactor
from pytest_sysaudit.inventory.secrets import LARGEST, Secrets, is_reference, stdin_is_terminal

VALUE = "hunter2-hunter2"


@pytest.fixture
def redactor():
    return Redactor()


@pytest.fixture
def secrets(redactor):
    def nobody(question):
        raise AssertionError(f"asked: {question}")

    return Secrets(redactor, nobody, lambda: False)


@pytest.fixture
def get(secrets, tmp_path):
    return lambda ref: secrets.get(ref, purpose="sudo password of web1", base=tmp_path)


def private(folder, content, mode=0o600, name="secret"):
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refusal(get, ref):
    with pytest.raises(SecretError) as caught:
        get(ref)
    assert "hunter2" not in str(caught.value)
    assert str(caught.value).startswith("sudo password of web1: ")
    return str(caught.value).removeprefix("sudo password of web1: ")


def test_from_the_environment_once_and_redacted(get, redactor, monkeypatch):
    monkeypatch.setenv("WEB1_SUDO", VALUE)
    assert get("env:WEB1_SUDO") == VALUE
    assert redactor.text(f"x {VALUE} y") == f"x {MASK} y"
    monkeypatch.setenv("WEB1_SUDO", "changed")
    assert get("env:WEB1_SUDO") == VALUE


@pytest.mark.parametrize("value, why", [(None, "is not set"), ("", "is empty")])
def test_a_variable_without_a_value(get, monkeypatch, value, why):
    monkeypatch.delenv("WEB1_SUDO", raising=False)
    if value is not None:
        monkeypatch.setenv("WEB1_SUDO", value)
    assert refusal(get, "env:WEB1_SUDO") == f"the environment variable WEB1_SUDO {why}"


def test_a_variable_that_is_not_text(get, monkeypatch):
    monkeypatch.setitem(os.environb, b"WEB1_SUDO", b"hunter2\xff")
    assert refusal(get, "env:WEB1_SUDO") == "the environment variable WEB1_SUDO is not UTF-8 text"


@pytest.mark.parametrize(
    "content, value",
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"hunter2\n\n", "hunter2\n"),
        (b" hunter2 ", " hunter2 "),
        ("hünter2".encode(), "hünter2"),
        (b"x" * LARGEST, "x" * LARGEST),
    ],
)
def test_from_a_file(get, tmp_path, content, value):
    private(tmp_path, content)
    assert get("file:secret") == value
    assert get(f"file:{tmp_path}/secret") == value


@pytest.mark.parametrize(
    "content, why",
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hunter2\xff", "is not UTF-8 text"),
        (b"x" * (LARGEST + 1), "is larger than 64 KiB"),
    ],
)
def test_files_without_a_secret(get, tmp_path, content, why):
    path = private(tmp_path, content)
    assert refusal(get, "file:secret") == f"{path}: {why}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666])
def test_a_file_that_others_can_read_or_change_is_refused(get, tmp_path, mode):
    path = private(tmp_path, VALUE.encode(), mode)
    expected = f"{path}: others can get at it (mode {mode:04o}); run: chmod 600 {path}"
    assert refusal(get, "file:secret") == expected


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700, 0o711])
def test_a_file_that_only_we_can_read_is_taken(get, tmp_path, mode):
    private(tmp_path, VALUE.encode(), mode)
    assert get("file:secret") == VALUE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(get, tmp_path):
    path = private(tmp_path, VALUE.encode())
    os.chown(path, 12345, -1)
    assert refusal(get, "file:secret") == f"{path}: belongs to user 12345, expected us or root"


def test_what_is_no_file_is_refused(get, tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert refusal(get, "file:pipe") == f"{tmp_path}/pipe: is not a regular file"
    assert refusal(get, "file:.") == f"{tmp_path}: is not a regular file"
    assert refusal(get, "file:gone") == f"{tmp_path}/gone: No such file or directory"


def test_the_home_folder_and_links_are_understood(get, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    private(tmp_path, VALUE.encode())
    (tmp_path / "link").symlink_to("secret")
    assert get("file:~/link") == VALUE


@pytest.mark.parametrize("ref", ["hunter2", "env:", "env:1hunter2", "file:", "prompt:hunter2", ""])
def test_what_is_no_reference_is_refused_unseen(get, ref):
    assert not is_reference(ref)
    assert refusal(get, ref) == "expected env:NAME, file:PATH or prompt"


def test_a_question_is_asked_once_for_each_purpose(redactor, tmp_path):
    asked = []

    def answer(question):
        asked.append(question)
        return VALUE + str(len(asked))

    secrets = Secrets(redactor, answer, lambda: True)
    found = [secrets.get("prompt", purpose=p, base=tmp_path) for p in ("a", "b", "a", "b")]
    assert found == [f"{VALUE}1", f"{VALUE}2", f"{VALUE}1", f"{VALUE}2"]
    assert asked == ["a: ", "b: "]
    assert VALUE not in redactor.text(f"{VALUE}1 and {VALUE}2")


@pytest.mark.parametrize("reply", ["", EOFError, OSError])
def test_no_answer_is_not_asked_for_again(redactor, tmp_path, reply):
    asked = []

    def answer(question):
        asked.append(question)
        if isinstance(reply, str):
            return reply
        raise reply

    secrets = Secrets(redactor, answer, lambda: True)
    for _ in range(2):
        with pytest.raises(SecretError, match=r"^a: nothing was typed$"):
            secrets.get("prompt", purpose="a", base=tmp_path)
    assert asked == ["a: "]


def test_nobody_is_asked_where_nobody_can_answer(get):
    assert refusal(get, "prompt") == (
        "cannot ask, standard input is no terminal; use env:NAME or file:PATH"
    )


def test_many_threads_ask_one_question_at_a_time_and_each_once(redactor, tmp_path):
    asked, open_questions, most, found = [], [], [], []

    def answer(question):
        open_questions.append(question)
        most.append(len(open_questions))
        time.sleep(0.01)
        open_questions.remove(question)
        asked.append(question)
        return VALUE

    secrets = Secrets(redactor, answer, lambda: True)

    def ask(purpose):
        found.append(secrets.get("prompt", purpose=purpose, base=tmp_path))

    threads = [threading.Thread(target=ask, args=(f"p{i % 3}",)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(asked) == ["p0: ", "p1: ", "p2: "]
    assert max(most) == 1
    assert found == [VALUE] * 12


def test_secrets_show_nowhere(secrets, get, monkeypatch):
    monkeypatch.setenv("WEB1_SUDO", VALUE)
    get("env:WEB1_SUDO")
    assert repr(secrets) == "Secrets(1 known)"
    with pytest.raises(TypeError, match="stay in their process"):
        pickle.dumps(secrets)


def test_standard_input_that_is_none(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert stdin_is_terminal() is False


PROGRAM = """
from pathlib import Path
from pytest_sysaudit.errors import SecretError
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.inventory.secrets import Secrets
try:
    value = Secrets(Redactor()).get("prompt", purpose="sudo password of web1", base=Path())
    print("GOT", value[::-1])
except SecretError as error:
    print("NO", error)
"""


def test_a_real_terminal_is_asked_and_does_not_show_the_answer():
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    ) as process:
        os.close(slave)
        seen = b""
        while not seen.endswith(b"web1: "):
            seen += os.read(master, 1024)
        os.write(master, VALUE.encode() + b"\n")
        while b"GOT" not in seen or not seen.endswith(b"\n"):
            seen += os.read(master, 1024)
        process.wait(timeout=30)
    os.close(master)
    assert f"GOT {VALUE[::-1]}" in seen.decode()
    assert VALUE not in seen.decode()


def test_a_pipe_is_not_asked():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=VALUE, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("NO sudo password of web1: cannot ask, standard input is no")
