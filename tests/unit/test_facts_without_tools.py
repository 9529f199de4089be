"""What hosts say that lack a tool, or on which one was killed: an error, never an empty table."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.facts import open_facts, ps, sockets
from pytest_sysaudit.transport.base import CommandResult

TOOLS = ("awk", "cat", "find", "getent", "grep", "id", "ls", "readlink", "sed", "sh", "stat", "tr")


class Shell:
    """/bin/sh with some tools of this machine; *scripts* are others, by name."""

    name = "bare"

    def __init__(self, folder, tools, scripts):
        self.identity = {}
        self.shell = ["/bin/sh"]
        self._path = folder
        for tool in tools:
            (folder / tool).symlink_to(shutil.which(tool))
        for tool, text in scripts.items():
            (folder / tool).write_text(f"#!/bin/sh\n{text}\n")
            (folder / tool).chmod(0o755)

    def run(self, command, *, stdin=b"", timeout=None, user=None):  # noqa: ARG002 - the protocol's
        line = command if isinstance(command, str) else shlex.join(command)
        done = subprocess.run(
            [*self.shell, "-c", line],
            input=stdin,
            capture_output=True,
            timeout=timeout or 20,
            env={"PATH": str(self._path), "LC_ALL": "C"},
            check=False,
        )
        code = done.returncode if done.returncode >= 0 else 128 - done.returncode
        return CommandResult(
            command=command,
            exit_code=code,
            stdout=done.stdout,
            stderr=done.stderr,
            started=0.0,
            duration=0.0,
        )

    def close(self):
        pass


@pytest.fixture
def without(tmp_path):
    """Make the facts of this machine, as they are seen without these tools, or with such ones."""

    def make(*missing, **scripts):
        folder = tmp_path / "bin"
        folder.mkdir()
        tools = [t for t in TOOLS if t not in (*missing, *scripts) and shutil.which(t)]
        return open_facts(Shell(folder, tools, scripts))

    return make


def test_two_spellings_of_one_setting(without):
    table = without().sysctl_keys
    table.ask(["kernel.ostype", "kernel/ostype", "no.such", "no/such"])
    assert [table["kernel.ostype"], table["kernel/ostype"]] == ["Linux", "Linux"]
    for key in ("no.such", "no/such"):
        with pytest.raises(NotApplicable, match=f"no setting {key}$"):
            table[key]


def test_a_setting_without_grep_is_not_known(without):
    with pytest.raises(CannotAssess, match="grep: not found"):
        without("grep").sysctl_keys["kernel.ostype"]


KILLED = "kill -9 $$"


def read(facts, table, keys=()):
    found = getattr(facts, table)
    return [found[key] for key in keys]


@pytest.mark.parametrize(
    ("table", "tool"),
    [
        ("file_stats", "stat"),
        ("file_stats", "ls"),
        ("processes", "grep"),
        ("ps", "grep"),
        ("ps", "tr"),
        ("sysctl", "grep"),
        ("sysctl", "find"),
        ("connections", "cat"),
        ("sockets", "sed"),
        ("shadow", "awk"),
        ("all_users", "sed"),
        ("mounts", "awk"),
    ],
)
@pytest.mark.parametrize("killed", [False, True])
def test_a_table_is_never_what_a_tool_left_of_it(without, table, tool, killed):
    facts = without(**{tool: KILLED}) if killed else without(tool)
    with pytest.raises(CannotAssess):
        getattr(facts, table)


@pytest.mark.parametrize(
    ("table", "tool", "part"),
    [
        ("file_stats", "stat", "$R -L -c '%a %u %g %n|%F' /etc/passwd"),
        ("processes", "grep", '$R -H "" /proc/self/mounts; $R "$@" | $R -E "^[1-9]/"'),
        ("sysctl", "grep", '$R "$@" | $R ostype'),
        ("sysctl_keys", "grep", '$R "$@" | $R ostype'),
        ("all_users", "getent", "$R passwd root"),
        ("small_files", "awk", "echo 1:x"),
    ],
)
def test_a_tool_that_is_killed_on_its_way_leaves_no_table(without, table, tool, part):
    facts = without(**{tool: f"R={shutil.which(tool)}\n{part}\n{KILLED}"})
    rows = {"sysctl_keys": ["kernel.randomize_va_space"], "small_files": ["/etc/group"]}
    with pytest.raises(CannotAssess):
        read(facts, table, rows.get(table, ()))


MUSL = """base=$1
shift
for key; do
line=$(grep "^$key:" /etc/$base) || exit 2
echo "${line%:}"
done"""


def test_the_getent_of_musl_knows_no_options(without):
    facts = without(getent=MUSL)
    assert facts.user_entries["root"].uid == 0
    assert facts.group_entries["root"].gid == 0
    with pytest.raises(NotApplicable):
        facts.group_entries["-n"]


def test_a_name_is_never_a_part_of_the_script(without):
    facts = without()
    for name in ("%KEY%; echo x:x:0:", "%ARGUMENT%'; echo x:x:0:'"):
        with pytest.raises(NotApplicable):
            facts.group_entries[name]


def test_no_socket_is_no_answer_where_proc_is_not_mounted(without, tmp_path):
    facts = without()
    script = sockets.SCRIPT.replace("/proc/net", str(tmp_path / "none"))
    told = facts.run(script)
    assert not told.ok
    assert "No such file" in told.err


def test_lists_of_access_are_not_forgotten_without_ls(without):
    with pytest.raises(CannotAssess, match="access control list"):
        without("ls").file_stats["/etc/passwd"]


def test_links_that_lead_nowhere(without, tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "nowhere").symlink_to("/no/such")
    facts = without()
    for name in ("circle", "nowhere"):
        path = str(tmp_path / name)
        assert facts.listings[path] == (path,)
        assert facts.paths[path].tests == "L"


def test_several_commands_know_nothing_of_their_script(without):
    facts = without()
    first, second = facts.batch(["echo $# $*; command -v s", "echo two"])
    assert (first.out, first.exit_code) == ("0\n", 127)
    assert second.out == "two\n"


def needed(shell):
    return shutil.which(shell) or pytest.skip(f"{shell} is not installed")


def test_more_processes_than_a_command_can_name(without):
    lines = "head\n" + "".join(f"line {'x' * 100}\n" for _ in range(3000))
    many = f"cat <<'E'\n{lines}E"
    facts = without(ps=many)
    script = next(iter(ps.ASKS))
    facts.transport.shell = [needed("mksh")]
    said = facts.run(script)
    assert (said.exit_code, said.out) == (0, f"ps\n{lines}@end\n")


def test_a_ps_that_fails_on_its_way_is_not_believed(without):
    facts = without(ps="echo head; echo nonsense; exit 1")
    assert any(process["pid"] == 1 for process in facts.ps)
