"""Every check of certificates and secrets on canned hosts."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from lab.wellhost import CUT, DENIED, NOT_ROOT, Case, answers, rows, uncovered

from checks.linux import test_secrets, test_tls_files

CERTIFICATES = "@pem"
#: Signed with SHA-1, which no library does any more: a root, and what it signed.
SHA1_ROOT = (
    "MIIBcjCCARqgAwIBAgIUbOQSKutUW1DOtxRVkuJu2paFP/EwCQYHKoZIzj0EATAPMQ0wCwYDVQQDDARyb290MCAX"
    "DTI2MTEyMzE1NTMyMVoYDzIxMjYxMDMwMTU1MzIxWjAPMQ0wCwYDVQQDDARyb290MFkwEwYHKoZIzj0CAQYIKoZI"
    "zj0DAQcDQgAEud7V5i4fsHLadx9dLRDPPhTAyzHCj4ultAhRQQCMHWEbMjhsByXQcNnMWEEhaZlrRQv5/iTUr3xn"
    "oOcMSudn1aNTMFEwHQYDVR0OBBYEFMqEr5AOqG21K5RLFHkPxqSaMktbMB8GA1UdIwQYMBaAFMqEr5AOqG21K5RL"
    "FHkPxqSaMktbMA8GA1UdEwEB/wQFMAMBAf8wCQYHKoZIzj0EAQNHADBEAiAjI3/QeyxnZkYcDC1PMXyJUFJMTxH+"
    "R9x3rjdj/frzNgIgfsQ9cB9ZLMeG+bCQ8qqZ0g9wktqHQQWLbphztiytj3c="
)
SHA1 = (
    "MIIBGDCBwAIUEAvSuwt4XjD0C7a3mN4aItSNIIUwCQYHKoZIzj0EATAPMQ0wCwYDVQQDDARyb290MCAXDTI2MTEy"
    "MzE1NTMyMVoYDzIxMjYxMDMwMTU1MzIxWjAPMQ0wCwYDVQQDDARzaG9wMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD"
    "QgAEkzkci2fd7N9jmdXFq8ha7Bwv/FMDxpHXxy4V2Yn7FNTw8dJxeDfD67A2dKJ3AW+JAKPpvqY+cVD0qTs/1Iw6"
    "8TAJBgcqhkjOPQQBA0gAMEUCIQDcUO0qK5LfeHPpKEQtMbvTsAvpQKLhNrfAwp4GyqH8kAIgSUuGr2lDjVfNPHuP"
    "5NzO4BZUGYOR281MPK38op/k6wA="
)


@cache
def der(days=90, bits=2048, ca=True, curve=None):
    """A certificate as base64; one that is no *ca* is signed by another key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import NameOID

    key = (
        ec.generate_private_key(getattr(ec, curve)())
        if curve
        else rsa.generate_private_key(65537, bits)
    )
    signer = key if ca else rsa.generate_private_key(65537, 2048)
    now = datetime.now(UTC)
    name, issuer = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
        for text in ("shop", "shop" if ca else "root")
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .sign(signer, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def files(*blocks, mode="640 0 0", key=True, path="/etc/ssl/shop.pem", said="", code=0):
    """What is printed of one file with *blocks*, and of what stands beside it."""
    lines = ["1!"] if key else []
    for block in blocks:
        lines += ["1+", *(f"1:{block[i : i + 64]}" for i in range(0, len(block), 64))]
    return (
        f"{said}@files 1\n{path}\0@stat\n{mode}\n@pem\n" + "\n".join([*lines, "1."]) + "\n@done\n"
        f"@end {code}\n"
    )


NOTHING = answers("certificates", "@end 0\n")
NO_FILES = (
    answers("certificates", CUT),
    answers("certificates", (1, "", "sh: what")),
    answers("certificates", "find: /etc/ssl/private: Permission denied\n@end 1\n"),
    answers("certificates", "sh: find: not found\n@end 127\n"),
    answers("certificates", files(der()).replace("640 0 0\n", "")),
    answers("certificates", files(der()).replace("\n1.\n", "\n1?\n")),
    answers(
        "certificates", files(der(), said="sh: 3: cannot open /etc/ssl/x.pem: Permission denied\n")
    ),
)
UNREAD = (
    answers("certificates", files("AAAA", der())),
    answers("certificates", files("A", der())),
)
MORE = {"certificates": (CERTIFICATES, files(der(), der(ca=False)))}

FOUND = "password\t302\t4\t8054bfd6\t/srv/app/.env\n"
WEAK = "password\t250\t4\t8054bfd6\t/srv/app/.env\n"
TOKEN = "aws-key\t260\t4\t00aa1692\t/etc/x y\n"
GOOD = "@find 0\n@grep 123\n"


def secrets(lines="", err=GOOD, count=None):
    number = lines.count("\n") if count is None else count
    return answers("secrets", (0, f"{lines}@found {number}\n@end\n", err))


def histories(lines="", err="", count=None):
    number = lines.count("\n") if count is None else count
    return answers("histories", (0, f"@files 2\n{lines}@found {number}\n@end\n", err))


def cmdlines(lines="", count=None, seen=90):
    number = lines.count("\n") if count is None else count
    return answers("cmdlines", f"{lines}@seen {seen}\n@found {number}\n@end\n")


MORE_SECRETS = {
    "secrets": ("site-packages", secrets().new),
    "histories": ("fish_history", histories().new),
    "cmdlines": ("head -v", cmdlines().new),
}

CASES = [
    Case(
        test_tls_files.test_certificates_are_valid,
        fails=(
            answers("certificates", files(der(days=13))),
            answers("certificates", files(der(days=-3))),
            answers("certificates", files(der(), der(days=13))),
            answers(
                "certificates", files(der(days=13), code=1, said="find: x: Permission denied\n")
            ),
            answers("certificates", files(der(days=13), "AAAA")),
        ),
        errors=(*NO_FILES, *UNREAD),
        absent=(NOTHING, answers("certificates", files())),
        passes=(
            answers("certificates", files(der(days=15))),
            answers(
                "certificates", files(der(), said="find: x: No such file or directory\n", code=1)
            ),
        ),
        more=MORE,
    ),
    Case(
        test_tls_files.test_certificates_are_strong,
        fails=(
            answers("certificates", files(der(bits=1024))),
            answers("certificates", files(SHA1)),
            answers("certificates", files(der(), der(curve="SECP224R1"))),
        ),
        errors=(*NO_FILES, *UNREAD),
        absent=(NOTHING,),
        passes=(
            answers("certificates", files(SHA1_ROOT)),
            answers("certificates", files(der(curve="SECP256R1"))),
        ),
        more=MORE,
    ),
    Case(
        test_tls_files.test_tls_keys_are_private,
        fails=tuple(
            answers("certificates", files(mode=mode))
            for mode in ("644 0 0", "660 0 0", "600 1000 0", "640 0 1000")
        ),
        errors=(*NO_FILES, answers("passwd", DENIED)),
        absent=(NOTHING, answers("certificates", files(der(), key=False, mode="644 0 0"))),
        passes=(answers("certificates", files(mode="600 0 1000")),),
        more=MORE,
    ),
    Case(
        test_secrets.test_no_secret_is_readable_by_all,
        fails=(secrets(FOUND), secrets(TOKEN), secrets(FOUND, err="@find 124\n@grep 123\n")),
        errors=(
            answers("secrets", CUT),
            answers("secrets", (0, "@end\n", GOOD)),
            answers("secrets", (127, "", "sh: sha256sum: not found")),
            secrets(err="@find 124\n@grep 123\n"),
            secrets(err="@find 141\n@grep 123\n@cut\n"),
            secrets(err="@odd\n@find 0\n@grep 123\n"),
            secrets(err="find: '/srv': Permission denied\n@find 1\n@grep 0\n"),
            secrets(err="@find 127\n@grep 123\n"),
            secrets(err="@find 0\n@grep 127\n"),
            secrets(err=""),
            secrets(count=101),
        ),
        passes=(
            secrets(WEAK),
            secrets(err=f"grep: /srv/x: No such file or directory\n{GOOD}"),
        ),
        more=MORE_SECRETS,
    ),
    Case(
        test_secrets.test_histories_hold_no_password,
        fails=(histories(WEAK), histories(WEAK, err="/home/x: Permission denied\n")),
        errors=(
            answers("histories", CUT),
            answers("histories", (1, "", "sh: cannot open /etc/passwd")),
            histories(err="/root: Permission denied\n"),
            histories(err="grep failed\n"),
            histories(count=101),
            answers("histories", "@found 0\n@end\n"),
        ),
        more=MORE_SECRETS,
    ),
    Case(
        test_secrets.test_command_lines_hold_no_password,
        fails=(cmdlines("password\t250\t0\t8054bfd6\tprocess 7 (mysql)\n"),),
        errors=(
            answers("cmdlines", CUT),
            answers("cmdlines", NOT_ROOT),
            cmdlines(seen=0),
            cmdlines(count=101),
            answers("cmdlines", "@found 0\n@end\n"),
        ),
        more=MORE_SECRETS,
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    verdict, reason = case.judge(*broken)
    assert verdict is expected, reason


def test_every_check_has_rows():
    assert not uncovered(CASES, test_secrets, test_tls_files)


@pytest.mark.parametrize("allowed", ["/srv/*", "8054bfd6"])
def test_what_is_allowed_by_path_or_hash_is_not_told(allowed):
    for check, broken in (
        (test_secrets.test_no_secret_is_readable_by_all, secrets(FOUND)),
        (test_secrets.test_histories_hold_no_password, histories(FOUND)),
    ):
        case = Case(check, inputs={"allowed": [allowed]}, more=MORE_SECRETS)
        assert case.judge(broken)[0] == "pass"


def test_a_finding_is_told_by_place_and_hash():
    case = Case(test_secrets.test_no_secret_is_readable_by_all, more=MORE_SECRETS)
    _, reason = case.judge(secrets(FOUND, count=101))
    assert "/srv/app/.env line 4: password (sha256 8054bfd6), and 1 more on the host" in reason


def test_entropy_is_an_input():
    check = test_secrets.test_no_secret_is_readable_by_all
    case = Case(check, inputs={"entropy": 2.5}, more=MORE_SECRETS)
    assert case.judge(secrets(WEAK))[0] == "fail"


def test_a_bundle_of_several_certificates_is_read_to_its_end():
    case = Case(test_tls_files.test_certificates_are_valid, more=MORE)
    bundle = answers("certificates", files(der(), der(ca=False), der(days=3)))
    verdict, reason = case.judge(bundle)
    assert verdict == "fail"
    assert "/etc/ssl/shop.pem: CN=shop in 3.0 days" in reason
