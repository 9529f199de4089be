from __future__ import annotations

import pytest
from lab.checking import verdict_of
from lab.faults import refused
from lab.nginx import GOOD_TLS, OLD_TLS, nginx, tls_server
from lab.tls import NAMES, Authority, rsa_key
from lab.web import answer, client_of, routes

from checks.tls import test_certificate as certificate
from checks.tls import test_protocol as protocol
from pytest_sysaudit.http.failures import Untrusted
from pytest_sysaudit.record import Verdict

PASS, FAIL, ERROR, NA = Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.NOT_APPLICABLE
CHECKS = {
    mark.args[0]: function
    for module in (certificate, protocol)
    for name, function in vars(module).items()
    if name.startswith("test_")
    for mark in function.pytestmark
    if mark.name == "control"
}
LOW = GOOD_TLS.replace("CHACHA20", "CHACHA20:@SECLEVEL=0")


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """Endpoints of one nginx, each with one thing wrong."""
    folder = tmp_path_factory.mktemp("nginx")
    lab, strange = Authority(folder / "ca"), Authority(folder / "strange", "strange")
    certificates = {
        "good": lab.server(),
        "rsa": lab.server("rsa", key=rsa_key(2048)),
        "expired": lab.server("expired", start=-100, days=90),
        "expiring": lab.server("expiring", days=10),
        "future": lab.server("future", start=2),
        "long": lab.server("long", days=500),
        "self": lab.issue("self", names=NAMES),
        "strange": strange.server("stranger"),
        "alone": lab.server("alone", send=()),
        "wrong": lab.server("wrong", names=["other.test"]),
        "wrong-expired": lab.server("wrong-expired", names=["other.test"], start=-100),
        "nameless": lab.server("nameless", names=[]),
        "small": lab.server("small", key=rsa_key(1024)),
        "sha1": lab.sha1("sha1"),
    }
    servers = {
        name: tls_server(pair, settings=LOW if name in ("small", "sha1") else GOOD_TLS)
        for name, pair in certificates.items()
    }
    servers["old"] = tls_server(certificates["rsa"], settings=OLD_TLS)
    servers["static"] = tls_server(
        certificates["rsa"], settings="ssl_protocols TLSv1.2; ssl_ciphers AES256-GCM-SHA384;"
    )
    with nginx(folder, servers) as ports:
        yield {
            name: client_of(f"https://localhost:{port}", ca_file=str(lab.ca_file))
            for name, port in ports.items()
        }


@pytest.mark.parametrize(
    "control, failing",
    [
        (
            "tls.certificate-trusted",
            {"expired", "future", "self", "strange", "alone", "wrong-expired"},
        ),
        ("tls.certificate-name", {"wrong", "wrong-expired", "nameless"}),
        ("tls.certificate-expiry", {"expired", "wrong-expired", "expiring"}),
        ("tls.certificate-key", {"small"}),
        ("tls.certificate-signature", {"sha1"}),
        ("tls.certificate-lifetime", {"long"}),
        ("tls.https", set()),
        ("tls.versions", {"old"}),
        ("tls.weak-suites", {"old"}),
        ("tls.forward-secrecy", {"old", "static"}),
    ],
)
def test_check_against_nginx(clients, control, failing):
    found = {name: verdict_of(CHECKS[control], client) for name, client in clients.items()}
    bad = {name for name, (verdict, _) in found.items() if verdict is not PASS}
    assert bad == failing, found
    assert {found[name][0] for name in bad} <= {FAIL}, found


def test_every_check_has_rows():
    rows = test_check_against_nginx.pytestmark[0].args[1]
    assert {row[0] for row in rows} == set(CHECKS)


@pytest.mark.parametrize(
    "name, reason",
    [
        ("expired", "expired"),
        ("future", "not yet valid"),
        ("self", "self-signed"),
        ("strange", "unknown issuer"),
        ("alone", "missing intermediate"),
        ("wrong-expired", "expired"),
    ],
)
def test_message_says_why_it_is_not_trusted(clients, name, reason):
    verdict, message = verdict_of(CHECKS["tls.certificate-trusted"], clients[name])
    assert (verdict, reason in message) == (FAIL, True), message


@pytest.mark.parametrize(
    "name, code, reason, way_out",
    [
        ("expired", 10, "expired", "Renew"),
        ("self", 18, "self-signed", "ca_file"),
        ("strange", 20, "unknown issuer", "ca_file"),
        ("alone", 20, "missing intermediate", "intermediate"),
        ("wrong", 62, "wrong host", "base_url"),
    ],
)
def test_client_trusts_nobody_it_should_not(clients, name, code, reason, way_out):
    with pytest.raises(Untrusted, match=way_out) as caught:
        clients[name].fork().get("")
    assert (caught.value.verify_code, caught.value.reason) == (code, reason)


def test_suites_are_judged_version_by_version(clients):
    verdict, message = verdict_of(CHECKS["tls.weak-suites"], clients["old"])
    assert verdict is FAIL
    assert message.startswith("3 of 3 resources fail")
    assert "no authentication" in message


@pytest.mark.parametrize("control", sorted(CHECKS))
def test_plain_endpoint(control):
    with routes({"/": answer()}) as server:
        verdict, _ = verdict_of(CHECKS[control], client_of(server.url))
    assert verdict is (FAIL if control == "tls.https" else NA)


@pytest.mark.parametrize("control", sorted(set(CHECKS) - {"tls.https"}))
def test_endpoint_that_cannot_be_assessed(control):
    dead = client_of(f"https://localhost:{refused()[1]}")
    assert verdict_of(CHECKS[control], dead)[0] is ERROR
    with routes({"/": answer()}) as server:  # speaks no TLS
        no_tls = client_of(f"https://localhost:{server.port}", connect_timeout=0.3)
        assert verdict_of(CHECKS[control], no_tls)[0] is ERROR
    proxied = client_of("https://shop.test", proxy=f"http://127.0.0.1:{refused()[1]}")
    assert verdict_of(CHECKS[control], proxied)[0] is ERROR
