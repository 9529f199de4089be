import pytest


@pytest.mark.control("mine.name-server")
def test_names_are_asked_of_our_server(sniffer, audit):
    """Names are only asked of our own name server."""
    capture = sniffer.sample()
    servers = {flow.server for flow in capture.flows(protocol="udp", port=53)}
    assert audit.observe("servers", servers) == {"192.0.2.53"}


@pytest.mark.control("mine.no-smb")
def test_smb_is_not_used(sniffer):
    """Nobody uses SMB."""
    assert sniffer.sample().flows(protocol="tcp", port=445).none()
