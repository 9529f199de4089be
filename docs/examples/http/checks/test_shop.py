import pytest


@pytest.mark.control("mine.health", severity="high")
def test_shop_is_healthy(http_client, audit):
    """The health report of the shop is good."""
    response = http_client.get("/health")
    assert response.status_code == 200
    assert audit.observe("status", response.json()["status"]) == "ok"


@pytest.mark.control("mine.tls")
def test_tls_is_new_and_the_certificate_is_in_date(http_client, audit):
    """The answer came over TLS 1.2 or newer, with a certificate for 14 more days."""
    tls = http_client.get("/").tls
    assert audit.observe("version", tls.version) in ("TLSv1.2", "TLSv1.3")
    assert audit.observe("days", round(tls.certificate.days_left())) >= 14


@pytest.mark.control("mine.no-writes")
def test_a_write_is_refused(http_client):
    """A check cannot send what the inventory does not allow."""
    assert http_client.post("/order").status_code == 405
