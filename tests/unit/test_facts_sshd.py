"""sshd's effective settings: output of real versions, and what is no answer."""

from __future__ import annotations

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts import open_facts
from pytest_sysaudit.facts.ssh_algorithms import weak

TEXT = """port 22
port 2222
permitrootlogin without-password
maxauthtries 6
ciphers aes128-ctr,aes256-gcm@openssh.com
subsystem sftp /usr/lib/openssh/sftp-server
banner none
@files
@end
"""


def read(answer):
    return open_facts(FakeTransport(results={lambda command: "-T" in command: answer})).sshd


def test_values_are_read_as_text_number_and_words():
    config = read(TEXT)
    assert config["permitrootlogin"] == "without-password"
    assert config.number("maxauthtries") == 6
    assert config.words("ciphers") == ("aes128-ctr", "aes256-gcm@openssh.com")
    assert config["subsystem"] == "sftp /usr/lib/openssh/sftp-server"
    assert "usepam" not in config


def test_a_setting_that_stands_twice_keeps_both():
    config = read(TEXT)
    assert config["port"] == "22"
    assert config.every("port") == ("22", "2222")


@pytest.mark.parametrize(
    "ask", [lambda c: c["usepam"], lambda c: c.number("banner")], ids=["absent", "text"]
)
def test_what_is_not_there_is_no_value(ask):
    with pytest.raises(CannotAssess, match=r"usepam|banner"):
        ask(read(TEXT))


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((42, "", ""), NotApplicable, "no OpenSSH server"),
        ((43, "", ""), Denied, "root"),
        (
            (255, "", "/etc/ssh/sshd_config: line 3: Bad configuration option: Permit\n"),
            CannotAssess,
            "refuses its configuration.*line 3",
        ),
        ((0, TEXT.removesuffix("@end\n"), ""), Incomplete, "not whole"),
        ((0, TEXT[: len(TEXT) // 2], ""), Incomplete, "not whole"),
        ((0, TEXT.replace("@files\n", ""), ""), Incomplete, "Match blocks are not known"),
        ((0, "@end\n", ""), CannotAssess, "no port"),
        ((0, "hello world\n@end\n", ""), CannotAssess, "no port"),
    ],
)
def test_what_is_no_answer(answer, error, message):
    with pytest.raises(error, match=message):
        read(answer)


def test_weak_algorithms_are_found_by_pattern():
    offered = ("3des-cbc", "aes128-ctr", "hmac-sha1-etm@openssh.com", "hmac-sha2-256")
    assert weak(offered, ["*-cbc", "hmac-sha1*"]) == ["3des-cbc", "hmac-sha1-etm@openssh.com"]
