"""Contexts, CA files and client certificates: what is refused, and with which words."""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, pkcs12

from softphone.engine.throwaway_ca import ThrowawayAuthority
from softphone.engine.tls_context import build_context, check_offer, read_anchors
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.secret import Secret
from softphone.policy.tls import TlsProfile, TlsSettings

AUTHORITY = ThrowawayAuthority.create()
PHONE = AUTHORITY.issue(common_name="phone", client=True)
PASSWORD = "correct horse"


def failure_of(settings: TlsSettings) -> Failure:
    with pytest.raises(OperationFailed) as refused:
        build_context(settings)
    assert PASSWORD not in refused.value.failure.reason
    return refused.value.failure


@pytest.mark.parametrize("profile", TlsProfile)
def test_a_context_verifies_and_offers_what_the_profile_says(profile: TlsProfile) -> None:
    context = build_context(TlsSettings(profile=profile))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.security_level >= 2
    assert not context.check_hostname  # identity.py does it
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert not context.keylog_filename
    least = ssl.TLSVersion.TLSv1_3 if profile is TlsProfile.TLS13 else ssl.TLSVersion.TLSv1_2
    assert context.minimum_version is least


def test_a_context_that_offers_anything_else_is_refused() -> None:
    context = build_context(TlsSettings())
    for ciphers in ("ECDHE-RSA-AES128-GCM-SHA256", "ALL:@SECLEVEL=2", ":".join(TlsProfile.MODERN.tls12_suites)):
        context.set_ciphers(ciphers)
        with pytest.raises(OperationFailed):
            check_offer(context, TlsProfile.GATEWAY)
    context.set_ciphers("@SECLEVEL=1:" + ":".join(TlsProfile.GATEWAY.tls12_suites))
    with pytest.raises(OperationFailed, match="security level 1"):
        check_offer(context, TlsProfile.GATEWAY)


def test_ca_files_in_pem_and_der_are_trusted_besides_the_system(tmp_path: Path) -> None:
    pem, der = tmp_path / "ca.pem", tmp_path / "ca.der"
    second = ThrowawayAuthority.create("second")
    pem.write_bytes(AUTHORITY.certificate_pem)
    der.write_bytes(second.certificate.public_bytes(Encoding.DER))
    settings = TlsSettings(ca_files=(str(pem), str(der)))
    trusted = build_context(settings).get_ca_certs(binary_form=True)
    assert {one.public_bytes(Encoding.DER) for one in (AUTHORITY.certificate, second.certificate)} <= set(trusted)
    anchors = read_anchors(settings)
    assert AUTHORITY.certificate in anchors
    assert second.certificate in anchors
    assert len(read_anchors(TlsSettings())) == len(anchors) - 2


@pytest.mark.parametrize(
    "content", [None, b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nrubbish\n", b"x" * 5_000_000]
)
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    failure = failure_of(TlsSettings(ca_files=(str(path),)))
    assert failure.kind is FailureKind.SETTINGS
    assert str(path) in failure.reason


def test_a_client_certificate_without_its_key_or_with_another_is_unusable(tmp_path: Path) -> None:
    certificate, key = PHONE.write(tmp_path, "phone")
    _, other = AUTHORITY.issue(common_name="other", client=True).write(tmp_path, "other")
    usable = TlsSettings(client_certificate=str(certificate), client_key=str(key))
    build_context(usable)
    for settings, word in (
        (replace(usable, client_key=None), "holds no private key"),
        (replace(usable, client_key=str(other)), "does not belong"),
        (replace(usable, client_key=str(tmp_path / "none")), "No such file"),
        (replace(usable, client_certificate=str(tmp_path / "none")), "No such file"),
    ):
        failure = failure_of(settings)
        assert failure.kind is FailureKind.CLIENT_CERTIFICATE_UNUSABLE
        assert word in failure.reason


def test_an_encrypted_key_never_prompts_and_says_what_is_wrong(tmp_path: Path) -> None:
    certificate, _ = PHONE.write(tmp_path, "phone")
    key = tmp_path / "encrypted.key"
    key.write_bytes(PHONE.encrypted_key_pem(PASSWORD))
    settings = TlsSettings(client_certificate=str(certificate), client_key=str(key))
    build_context(replace(settings, client_key_password=Secret(PASSWORD)))
    assert "no password is known" in failure_of(settings).reason
    assert "wrong" in failure_of(replace(settings, client_key_password=Secret("battery"))).reason


def test_a_pkcs12_file_leaves_nothing_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container = tmp_path / "phone.p12"
    container.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"phone", PHONE.key, PHONE.certificate, [AUTHORITY.certificate], BestAvailableEncryption(PASSWORD.encode())
        )
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    seen: list[tuple[bytes, int]] = []
    load = ssl.SSLContext.load_cert_chain

    def watching(self: ssl.SSLContext, path: Path, **others: object) -> None:
        seen.append((path.read_bytes(), path.stat().st_mode & 0o777))
        load(self, path, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watching)
    settings = TlsSettings(client_certificate=str(container), client_key_password=Secret(PASSWORD))
    build_context(settings)
    [(pem, mode)] = seen
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in pem
    assert b"BEGIN PRIVATE KEY" not in pem
    assert mode == 0o600
    assert os.listdir(scratch) == []
    for wrong in (None, Secret("battery")):
        failure = failure_of(replace(settings, client_key_password=wrong))
        assert failure.kind is FailureKind.CLIENT_CERTIFICATE_UNUSABLE
        assert "password" in failure.reason


def test_a_pkcs12_file_without_key_is_unusable(tmp_path: Path) -> None:
    container = tmp_path / "phone.p12"
    container.write_bytes(
        pkcs12.serialize_key_and_certificates(b"phone", None, PHONE.certificate, None, NoEncryption())
    )
    assert "both" in failure_of(TlsSettings(client_certificate=str(container))).reason


def test_no_password_is_in_the_settings_repr() -> None:
    assert PASSWORD not in repr(TlsSettings(client_key_password=Secret(PASSWORD)))
