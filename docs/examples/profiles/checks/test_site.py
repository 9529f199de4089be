import pytest


@pytest.mark.control("site.entry", severity="low", inputs={"path": "/etc/no-such-file"})
def test_the_entry_is_there(host, audit):
    """The file that everything begins with is there."""
    assert host.file(audit.inputs.path).exists


@pytest.mark.control("site.printer")
def test_printer_is_ready(host):
    """The printer is ready."""
    assert host.file("/dev/lp0").exists
