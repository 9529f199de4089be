import pytest

PATHS = ["/etc/passwd", "/etc/group", "/etc/no-such-file"]


@pytest.mark.control("mine.account-files", severity="high")
def test_account_files_belong_to_root(host, audit):
    """The files of accounts belong to root.

    Why: who owns them can make itself any user.

    Fix: chown root FILE.
    """
    for path in PATHS:
        with audit.resource(path):
            if not host.file(path).exists:
                audit.not_applicable("there is no such file")
            assert audit.observe("owner", host.file(path).user) == "root"
