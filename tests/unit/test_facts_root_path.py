"""What shell files put into PATH."""

from __future__ import annotations

import pytest

from pytest_sysaudit.facts.root_path import RootPath
from pytest_sysaudit.facts.shell_paths import Folder, parse


def paths(text):
    return [folder.path for folder in parse("/f", text, "/root")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('PATH="/a:/b"', ["/a", "/b"]),
        ("export PATH=$PATH:/a", ["/a"]),
        ("PATH=/a:${PATH}", ["/a"]),
        ('PATH+=":/a"', ["/a"]),
        ("PATH=/a\\ b:'/c d'", ["/a b", "/c d"]),
        ("PATH=.:$PATH", ["."]),
        ("PATH=/a::$PATH", ["/a", ""]),
        ("PATH=$PATH:", [""]),
        ("PATH=:$PATH", [""]),
        ("PATH=", [""]),
        ("PATH=bin:$PATH", ["bin"]),
        ('PATH="${PATH:+${PATH}:}/a"', ["/a"]),
        ('PATH="/a${PATH:+:$PATH}"', ["/a"]),
        ('PATH="/a:${PATH:+$PATH}"', ["/a"]),
        ('PATH="$HOME/bin:~/x:~:$PATH"', ["/root/bin", "/root/x", "/root"]),
        ("d=/a\nPATH=$PATH:$d:${d}/b", ["/a", "/a/b"]),
        ("d=/a\ne=$d/b\nPATH=$e", ["/a/b"]),
        ("PATH=$PATH:$(go env GOPATH:x)/bin", [None]),
        ("PATH=$PATH:`x`/bin", [None]),
        ("PATH=$PATH:$UNKNOWN/bin", [None]),
        ("PATH=${PATH}/bin", [None]),
        ("PATH=$PATH:${X:-/g}", [None]),
        ("case $x in *) PATH=/a;; esac", ["/a"]),
        ("[ -d /a ] && PATH=/a:$PATH", ["/a"]),
        ("if true; then PATH=/a; else PATH=/b; fi", ["/a", "/b"]),
        ("# PATH=.", []),
        ("PATH=/a # PATH=.", ["/a"]),
        ("MANPATH=. INFOPATH=. LD_LIBRARY_PATH=.", []),
        ('echo "$PATH=x" ${PATH} -DPATH=x', []),
        ('case ":$PATH:" in', []),
        ("pathmunge () {\n  PATH=$PATH:$1\n}\npathmunge /a after", ["/a"]),
        ('add() { PATH="$1:$PATH"; }\nadd "$HOME/b"', ["/root/b"]),
        ("add () {\n\tcase x in\n\t\t*) PATH=${PATH:+$PATH:}$1\n\tesac\n}\nadd '/a'", ["/a"]),
        ("PATH=$PATH:$1", [None]),
        ("f () {\n:\n}\nPATH=$1", [None]),
        ("pathmunge /sbin", ["/sbin"]),
    ],
)  # fmt: skip
def test_what_a_file_adds(text, expected):
    assert paths(text) == expected


def test_places_are_told():
    assert list(parse("/f", "\nPATH=/a:/b\nPATH=$X\n", "/")) == [
        Folder("/f:2", "/a"),
        Folder("/f:2", "/b"),
        Folder("/f:3", None),
    ]


def test_each_folder_once_with_its_first_place():
    table = RootPath((Folder("a", "/x"), Folder("b", None), Folder("b", None), Folder("c", "/x")))
    assert table.by_path() == {"/x": "a"}
    assert table.unknown() == ("b",)
