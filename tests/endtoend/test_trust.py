"""Trust that a person gives: pins and client certificates on the command line, against Kamailio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.endtoend.accounts import signed_in
from tests.endtoend.phone import PhoneProcess
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]
StartPhone = Callable[..., PhoneProcess]


def fingerprint(certificate: Path) -> str:
    """As `openssl x509 -fingerprint -sha256` prints it."""
    digest = x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256()).hex().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def test_a_pinned_self_signed_certificate_registers_and_another_pin_does_not(
    peers: Peers, ca: PrivateCa, start_phone: StartPhone
) -> None:
    kamailio = peers.start(Kamailio, ca, identity=ca.self_signed)
    account = signed_in(kamailio.tls_port, ca.root)
    right, wrong = fingerprint(ca.self_signed.certificate), fingerprint(ca.server.certificate)

    pinned = start_phone("register", *account, "--pin", right, password="alicepw").finish()
    assert (pinned.code, pinned.result["identity"]) == (0, "pinned"), pinned.result

    refused = start_phone("register", *account, "--pin", wrong, password="alicepw").finish()
    assert (refused.code, refused.result["kind"]) == (4, "pin-mismatch"), refused.result
    assert f"localhost:{kamailio.tls_port}" in refused.result["reason"]
    assert right in refused.result["reason"]
    assert wrong in refused.result["reason"]
    assert "somebody may be listening in" in refused.result["remedy"]
    assert refused.stderr == ""


@pytest.mark.parametrize("identity", ["expired", "wrong_name"])
def test_a_pin_heals_neither_expiry_nor_a_wrong_name(
    peers: Peers, ca: PrivateCa, start_phone: StartPhone, identity: str
) -> None:
    chosen = getattr(ca, identity)
    kamailio = peers.start(Kamailio, ca, identity=chosen)
    account = signed_in(kamailio.tls_port, ca.root)
    finished = start_phone("register", *account, "--pin", fingerprint(chosen.certificate), password="alicepw").finish()
    assert finished.code == 4, finished.result
    assert kamailio.messages() == []


def test_a_client_certificate_opens_the_door_and_a_rogue_one_does_not(
    peers: Peers, ca: PrivateCa, start_phone: StartPhone, tmp_path: Path
) -> None:
    kamailio = peers.start(Kamailio, ca, mutual=True)
    account = signed_in(kamailio.tls_port, ca.root)
    locked, word = tmp_path / "locked.key", tmp_path / "word"
    key = serialization.load_pem_private_key(ca.client.private_key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"open sesame")
    locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    word.write_text("open sesame\n")

    def register(certificate: Path, private_key: Path, *options: object) -> tuple[int, str | None]:
        phone = start_phone(
            *("register", *account, "--client-cert", certificate, "--client-key", private_key, *options),
            password="alicepw",
        )
        finished = phone.finish()
        assert finished.stderr == ""
        return finished.code, finished.result.get("kind")

    assert register(ca.client.certificate, ca.client.private_key) == (0, None)
    assert register(ca.client.certificate, locked, "--client-key-password-file", word) == (0, None)
    assert register(ca.client.certificate, locked) == (4, "client-certificate-unusable")
    rogue = ca.rogue_client
    assert register(rogue.certificate, rogue.private_key) == (4, "client-certificate-refused")
