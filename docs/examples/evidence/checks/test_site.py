import pytest


@pytest.mark.control("site.passwd", severity="high")
def test_only_root_writes_passwd(host):
    """Only root can write /etc/passwd."""
    assert host.file("/etc/passwd").mode & 0o022 == 0


@pytest.mark.control("site.owner")
def test_host_names_its_owner(host):
    """The file /etc/owner says who to call."""
    assert host.file("/etc/owner").exists, "there is no /etc/owner"
