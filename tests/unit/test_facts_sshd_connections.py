"""Connections that Match blocks fit, and what sshd says of them."""

from __future__ import annotations

import pytest

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.facts import accounts, sshd, sshd_connections

ACCOUNTS = accounts.parse(
    "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\nbob:x:1001:7::/:/bin/sh\n",
    "root:x:0:\nann:x:1000:\nwheel:x:7:ann\nempty:x:8:\n",
)
ELSE = "host=client.invalid,addr=198.51.100.7"


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ("User ann", ["host=client.invalid,addr=198.51.100.7,user=ann"]),
        ("user ann,!root,b*", [f"{ELSE},user=ann", f"{ELSE},user=bx"]),
        ("User=ann", [f"{ELSE},user=ann"]),
        ("Group wheel", [f"{ELSE},user=bob", f"{ELSE},user=ann"]),
        ("Group empty", []),
        ("Group wheel,root", [f"{ELSE},user={u}" for u in ("bob", "ann", "root")]),
        ("Address 192.0.2.0/24", ["host=client.invalid,addr=192.0.2.1,user=root"]),
        ("Address 192.0.2.9", ["host=client.invalid,addr=192.0.2.9,user=root"]),
        ("Address 10.*,!10.1.*", ["host=client.invalid,addr=10.1,user=root"]),
        ("Address 2001:db8::/32 User ann", ["host=client.invalid,addr=2001:db8::1,user=ann"]),
        ('Host "*.example.org"', ["host=x.example.org,addr=198.51.100.7,user=root"]),
        ("LocalPort 2222", [f"{ELSE},lport=2222,user=root"]),
        ("all", []),
        ("exec /bin/true", []),
        ("User ann exec /bin/true", []),
        ("User a;b", []),
        ("User " + ",".join(f"u{n}" for n in range(9)), [f"{ELSE},user=u{n}" for n in range(5)]),
    ],
)
def test_a_few_connections_that_the_block_fits(criteria, expected):
    expected = [",".join(sorted(spec.split(","))) for spec in expected]
    found = sshd_connections.samples([criteria], ACCOUNTS).get(criteria, ())
    assert [",".join(sorted(spec.split(","))) for spec in found] == expected


def test_not_more_than_a_handful_is_asked_of_many_blocks():
    blocks = [f"User {','.join(f'u{n}x{m}' for m in range(5))}" for n in range(20)]
    found = sshd_connections.samples(blocks, ACCOUNTS)
    assert sum(map(len, found.values())) == sshd_connections.MOST


SAID = "port 22\npermitrootlogin no\nmaxauthtries 3\nciphers aes128-ctr\n"


def test_what_nothing_explains_is_a_view_of_its_own():
    config = sshd.parse(f"{SAID}@files\nMatch User ann\nMaxAuthTries 9\n@end\n")
    same = sshd.parse_asked(f"@as\n{SAID.replace('tries 3', 'tries 9')}@end\n", 1)[0]
    other = sshd.parse_asked(f"@as\n{SAID.replace('login no', 'login yes')}@end\n", 1)[0]
    asked = (("User ann", "user=ann", same), ("User ann", "user=bob", other))
    config = sshd.SshdConfig(config.values, config.matches, asked)
    odd = "Match User ann, asked as user=bob"
    assert list(config.views()) == [sshd.DEFAULT, "Match User ann", odd]
    assert config.everywhere("permitrootlogin") == {sshd.DEFAULT: "no", odd: "yes"}
    assert config.everywhere("maxauthtries") == {sshd.DEFAULT: "3", "Match User ann": "9"}


@pytest.mark.parametrize("text", ["", f"@as\n{SAID}", f"@as\n{SAID}@end\n", f"{SAID}@end\n"])
def test_an_answer_that_is_not_whole_is_none(text):
    with pytest.raises(Incomplete):
        sshd.parse_asked(text, 2)
