import pytest


@pytest.mark.control("mine.shell")
def test_commands_run(ssh_host, audit):
    """Commands run on the host, and files can be read."""
    kernel = audit.observe("kernel", ssh_host.check_output("uname -s"))
    assert kernel == "Linux"
    assert ssh_host.sftp.read("/etc/passwd").startswith(b"root:")
