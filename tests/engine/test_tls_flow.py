"""Flows against servers that are right, and against each one that is wrong in its own way."""

from __future__ import annotations

import asyncio
import datetime
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from softphone.engine import tls_flow
from softphone.engine.chain import displayed_fingerprint
from softphone.engine.connector import FlowOpener
from softphone.engine.throwaway_ca import IssuedCertificate, ThrowawayAuthority, new_rsa_key, self_signed
from softphone.errors import Failure, FailureGroup, FailureKind, LocalProtocolError, OperationFailed
from softphone.policy.secret import Secret
from softphone.policy.tls import TlsProfile, TlsSettings
from tests.engine import hostile_servers as hostile
from tests.engine.hostile_servers import PATIENCE_S, open_flow, openssl_server, raw_server, refusal, run, tls_server

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class House:
    """A folder with a trusted authority and the settings that trust it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = ThrowawayAuthority.create("House root")
        self.ca_file = self.authority.write(folder)
        self.trusting = TlsSettings(ca_files=(str(self.ca_file),))
        self.server = self.authority.issue("127.0.0.1", "localhost")
        self.rsa_server = self.authority.issue("127.0.0.1", key=new_rsa_key())

    def client(self, issued: IssuedCertificate, name: str = "client") -> TlsSettings:
        certificate, key = issued.write(self.folder / name, name)
        return replace(self.trusting, client_certificate=str(certificate), client_key=str(key))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def assert_actionable(failure: Failure, kind: FailureKind, port: int | None, *words: str) -> None:
    """One reason that names the peer and the cause, and one remedy."""
    assert failure.kind is kind, failure
    assert failure.remedy.endswith(".")
    assert failure.reason.endswith(".")
    if port is not None:
        assert f"127.0.0.1:{port}" in failure.reason
    for word in words:
        assert word in failure.reason + " ".join(failure.evidence), failure


# --- what works ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", TlsProfile)
def test_a_flow_carries_octets_both_ways_and_the_server_saw_only_the_profile(house: House, profile: TlsProfile) -> None:
    async def play() -> None:
        async with tls_server(house.folder, house.server) as (listener, flows):
            flow, heard = await open_flow(replace(house.trusting, profile=profile), listener.port)
            assert flow.description.tls_version == "TLSv1.3"
            assert flow.description.identity == "127.0.0.1"
            assert flow.description.warnings == ()
            assert (flow.description.remote_address, flow.description.remote_port) == ("127.0.0.1", listener.port)
            assert flow.description.handshake_ms > 0
            flow.send(b"options sip:echo")
            await heard.until(lambda heard: heard.data == b"OPTIONS SIP:ECHO")
            (server_flow, server_heard) = flows[0]
            hello = server_flow.client_hello
            assert hello is not None
            assert hello.suites == profile.tls13_suites + profile.tls12_suites
            assert hello.versions == (("TLSv1.3",) if profile is TlsProfile.TLS13 else ("TLSv1.3", "TLSv1.2"))
            assert hello.signalling == ("TLS_EMPTY_RENEGOTIATION_INFO_SCSV",)
            flow.close()
            await server_heard.until(lambda heard: bool(heard.closed))
            assert "closed the TLS connection" in server_heard.closed[0].reason  # close_notify came
            assert heard.closed == []

    run(play)


@pytest.mark.parametrize("suite", TlsProfile.GATEWAY.tls12_suites)
def test_each_tls_1_2_suite_of_the_gateway_profile_works_against_openssl(house: House, suite: str) -> None:
    issued = house.server if "ECDSA" in suite else house.rsa_server

    async def play() -> None:
        with openssl_server(house.folder, issued, "-tls1_2", "-cipher", suite) as port:
            flow, _ = await open_flow(house.trusting, port)
            assert (flow.description.tls_version, flow.description.tls_cipher) == ("TLSv1.2", suite)
            flow.close()

    run(play)


def test_large_data_in_pieces_arrives_whole_and_in_order(house: House) -> None:
    async def play() -> None:
        async with tls_server(house.folder, house.server) as (listener, _):
            flow, heard = await open_flow(house.trusting, listener.port)
            sent = b"".join(b"%08d" % number for number in range(100_000))
            for at in range(0, len(sent), 50_000):
                flow.send(sent[at : at + 50_000])
                await asyncio.sleep(0)
            await heard.until(lambda heard: len(heard.data) == len(sent))
            assert heard.data == sent
            flow.close()

    run(play)


def test_octets_sent_before_close_arrive(house: House) -> None:
    async def play() -> None:
        async with tls_server(house.folder, house.server) as (listener, flows):
            flow, _ = await open_flow(house.trusting, listener.port)
            flow.send(b"x" * 500_000)
            flow.close()
            flow.send(b"dropped")
            await asyncio.sleep(0.05)
            await flows[0][1].until(lambda heard: len(heard.data) == 500_000)

    run(play)


def test_the_flow_says_when_certificates_expire_soon_and_that_a_wildcard_matched(house: House) -> None:
    soon = house.authority.issue("*.pbx.example", days=12.5)
    client = house.client(house.authority.issue(common_name="phone", client=True, days=5.5))

    async def play() -> None:
        async with tls_server(house.folder, soon, client_ca=house.ca_file) as (listener, flows):
            settings = replace(client, expected_name="sip.pbx.example")
            flow, _ = await open_flow(settings, listener.port)
            assert flow.description.identity == "*.pbx.example"
            (wildcard,) = flow.description.notes
            server, own = flow.description.warnings
            assert "wildcard" in wildcard
            assert "The server's certificate expires on" in server
            assert "in 12 days" in server
            assert "This account's client certificate expires on" in own
            await asyncio.sleep(0.05)
            assert flows[0][0].description.identity == "phone"
            flow.close()
            strict = await refusal(replace(settings, strict_identity=True), listener.port)
            assert_actionable(strict, FailureKind.WRONG_NAME, listener.port, "*.pbx.example")
            assert "strict" in strict.remedy or "policy" in strict.remedy

    run(play)


def test_a_name_of_the_hosts_file_is_resolved_and_the_next_address_is_tried(house: House) -> None:
    async def play() -> None:
        async with tls_server(house.folder, house.server) as (listener, _):
            flow, _ = await open_flow(house.trusting, listener.port, "localhost")  # ::1 first on many machines
            assert flow.description.identity == "localhost"
            flow.close()

    run(play)


# --- certificates -------------------------------------------------------------------------------------------------


def test_an_unknown_issuer_is_named_by_subject_and_key_id(house: House) -> None:
    rogue = ThrowawayAuthority.create("Rogue root")
    key_id = rogue.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest

    async def play() -> None:
        async with tls_server(house.folder, rogue.issue("127.0.0.1")) as (listener, _):
            failure = await refusal(TlsSettings(), listener.port)
            assert_actionable(failure, FailureKind.UNKNOWN_ISSUER, listener.port, "Rogue root", key_id.hex(":").upper())

    run(play)


def test_a_root_that_is_sent_along_is_still_unknown(house: House) -> None:
    rogue = ThrowawayAuthority.create("Rogue root")
    issued = rogue.issue("127.0.0.1")

    async def play() -> None:
        chain = issued.certificate_pem + rogue.certificate_pem
        async with tls_server(house.folder, issued, chain=chain) as (listener, _):
            failure = await refusal(house.trusting, listener.port)
            assert_actionable(failure, FailureKind.UNKNOWN_ISSUER, listener.port, "Rogue root")

    run(play)


def test_a_rogue_root_with_the_name_of_a_trusted_one_is_unknown(house: House) -> None:
    rogue = ThrowawayAuthority.create("House root")

    async def play() -> None:
        async with tls_server(house.folder, rogue.issue("127.0.0.1")) as (listener, _):
            failure = await refusal(house.trusting, listener.port)
            assert_actionable(failure, FailureKind.UNKNOWN_ISSUER, listener.port, "House root")

    run(play)


@pytest.mark.parametrize("issuer_url", [None, "http://ca.example/intermediate.crt"])
def test_a_chain_without_its_intermediate_is_incomplete(house: House, issuer_url: str | None) -> None:
    intermediate = house.authority.create_intermediate("House intermediate")
    issued = intermediate.issue("127.0.0.1", issuer_url=issuer_url)
    alone = replace(issued, intermediates=()).certificate_pem

    async def play() -> None:
        async with tls_server(house.folder, issued) as (listener, _):
            flow, _ = await open_flow(house.trusting, listener.port)
            flow.close()
        async with tls_server(house.folder, issued, chain=alone) as (listener, _):
            failure = await refusal(house.trusting, listener.port)
            assert_actionable(failure, FailureKind.CHAIN_INCOMPLETE, listener.port, "House intermediate")
            assert (issuer_url is None) or issuer_url in failure.evidence[-1]

    run(play)


def test_a_self_signed_certificate_is_refused_with_its_fingerprint(house: House) -> None:
    own = self_signed("127.0.0.1")

    async def play() -> None:
        async with tls_server(house.folder, own) as (listener, _):
            failure = await refusal(house.trusting, listener.port)
            assert_actionable(failure, FailureKind.SELF_SIGNED, listener.port)
            assert f"SHA-256: {displayed_fingerprint(own.fingerprint)}" in failure.evidence

    run(play)


def test_an_expired_certificate_is_refused_with_its_dates_and_the_clock(house: House) -> None:
    expired = house.authority.issue("127.0.0.1", not_before=NOW - 10 * DAY, days=3)

    async def play() -> None:
        async with tls_server(house.folder, expired) as (listener, _):
            failure = await refusal(house.trusting, listener.port)
            date = (NOW - 7 * DAY).strftime("%Y-%m-%d")
            assert_actionable(failure, FailureKind.CERTIFICATE_EXPIRED, listener.port, date, "clock")

    run(play)


def test_a_certificate_that_is_not_yet_valid_is_refused_with_a_word_about_the_clock(house: House) -> None:
    early = house.authority.issue("127.0.0.1", not_before=NOW + 3 * DAY)

    async def play() -> None:
        async with tls_server(house.folder, early) as (listener, _):
            failure = await refusal(house.trusting, listener.port)
            date = (NOW + 3 * DAY).strftime("%Y-%m-%d")
            assert_actionable(failure, FailureKind.CERTIFICATE_NOT_YET_VALID, listener.port, date, "clock")

    run(play)


def test_a_certificate_for_clients_is_refused(house: House) -> None:
    async def play() -> None:
        async with tls_server(house.folder, house.authority.issue("127.0.0.1", client=True)) as (listener, _):
            failure = await refusal(house.trusting, listener.port)
            assert_actionable(failure, FailureKind.CERTIFICATE_INVALID, listener.port, "not meant for servers")

    run(play)


def test_a_wrong_name_is_refused_and_the_names_it_has_are_listed(house: House) -> None:
    other = house.authority.issue("pbx.example", "sip:voice.example")

    async def play() -> None:
        async with tls_server(house.folder, other) as (listener, flows):
            failure = await refusal(house.trusting, listener.port)
            assert_actionable(failure, FailureKind.WRONG_NAME, listener.port, "pbx.example", "sip:voice.example")
            await asyncio.sleep(0.05)
            assert all(heard.data == b"" for _, heard in flows)  # not one octet of ours went up

    run(play)


# --- pins ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [str, displayed_fingerprint])
def test_a_pinned_self_signed_certificate_is_accepted(house: House, write: type[str]) -> None:
    own = self_signed("another.name")

    async def play() -> None:
        async with tls_server(house.folder, own) as (listener, _):
            flow, heard = await open_flow(TlsSettings(pins=(write(own.fingerprint),)), listener.port)
            assert flow.description.identity == "pinned"
            flow.send(b"ping")
            await heard.until(lambda heard: heard.data == b"PING")
            flow.close()

    run(play)


def test_a_pinned_certificate_of_an_unknown_issuer_is_accepted(house: House) -> None:
    issued = ThrowawayAuthority.create("Rogue root").issue("127.0.0.1")

    async def play() -> None:
        async with tls_server(house.folder, issued) as (listener, _):
            flow, _ = await open_flow(TlsSettings(pins=(issued.fingerprint,)), listener.port)
            assert flow.description.identity == "pinned"
            flow.close()

    run(play)


def test_a_changed_pin_is_refused_with_both_fingerprints(house: House) -> None:
    old, new = self_signed("127.0.0.1"), self_signed("127.0.0.1")

    async def play() -> None:
        async with tls_server(house.folder, new) as (listener, _):
            failure = await refusal(TlsSettings(pins=(old.fingerprint,)), listener.port)
            both = (displayed_fingerprint(old.fingerprint), displayed_fingerprint(new.fingerprint))
            assert_actionable(failure, FailureKind.PIN_MISMATCH, listener.port, *both)

    run(play)


def test_an_expired_certificate_is_refused_though_pinned(house: House) -> None:
    own = self_signed("127.0.0.1", not_before=NOW - 10 * DAY, days=3)

    async def play() -> None:
        async with tls_server(house.folder, own) as (listener, _):
            failure = await refusal(TlsSettings(pins=(own.fingerprint,)), listener.port)
            assert_actionable(failure, FailureKind.CERTIFICATE_EXPIRED, listener.port)

    run(play)


def test_a_pin_is_not_used_where_policy_forbids_pinning(house: House) -> None:
    own = self_signed("127.0.0.1")

    async def play() -> None:
        async with tls_server(house.folder, own) as (listener, _):
            settings = TlsSettings(pins=(own.fingerprint,), pinning_allowed=False)
            failure = await refusal(settings, listener.port)
            assert_actionable(failure, FailureKind.SELF_SIGNED, listener.port)
            assert "does not allow pinning" in failure.remedy

    run(play)


def test_a_pin_does_not_excuse_a_wrong_name_of_a_trusted_certificate(house: House) -> None:
    other = house.authority.issue("pbx.example")

    async def play() -> None:
        async with tls_server(house.folder, other) as (listener, _):
            failure = await refusal(replace(house.trusting, pins=(other.fingerprint,)), listener.port)
            assert_actionable(failure, FailureKind.WRONG_NAME, listener.port)

    run(play)


# --- client certificates ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_demanded_client_certificate_that_is_missing_is_said(house: House, version: str) -> None:
    async def play() -> None:
        options = (version, "-Verify", "2", "-verify_return_error", "-CAfile", str(house.ca_file))
        with openssl_server(house.folder, house.server, *options) as port:
            failure = await _refused_early_or_late(house.trusting, port)
            assert_actionable(failure, FailureKind.CLIENT_CERTIFICATE_REQUIRED, port)
            assert failure.group is FailureGroup.TLS_OR_CERTIFICATE

    run(play)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_client_certificate_that_the_server_refuses_is_said_with_its_reason(house: House, version: str) -> None:
    foreign = house.client(ThrowawayAuthority.create("Rogue root").issue(common_name="phone", client=True), "foreign")

    async def play() -> None:
        options = (version, "-Verify", "2", "-verify_return_error", "-CAfile", str(house.ca_file))
        with openssl_server(house.folder, house.server, *options) as port:
            failure = await _refused_early_or_late(foreign, port)
            assert_actionable(failure, FailureKind.CLIENT_CERTIFICATE_REFUSED, port, "does not know its issuer")

    run(play)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_an_expired_client_certificate_is_named_as_the_reason(house: House, version: str) -> None:
    issued = house.authority.issue(common_name="phone", client=True, not_before=NOW - 10 * DAY, days=3)
    expired = house.client(issued, "expired")

    async def play() -> None:
        options = (version, "-Verify", "2", "-verify_return_error", "-CAfile", str(house.ca_file))
        with openssl_server(house.folder, house.server, *options) as port:
            failure = await _refused_early_or_late(expired, port)
            assert_actionable(failure, FailureKind.CLIENT_CERTIFICATE_REFUSED, port, "expired on")

    run(play)


async def _refused_early_or_late(settings: TlsSettings, port: int) -> Failure:
    """In TLS 1.3 the server judges our certificate after our handshake is finished."""
    try:
        flow, heard = await open_flow(settings, port)
    except OperationFailed as refused:
        return refused.failure
    assert flow.description.tls_version == "TLSv1.3"
    await heard.until(lambda heard: bool(heard.closed))
    return heard.closed[0]


@pytest.mark.parametrize("kind", ["pem", "encrypted pem", "pkcs12"])
def test_a_client_certificate_is_shown_from_pem_encrypted_pem_and_pkcs12(
    house: House, kind: str, tmp_path: Path
) -> None:
    issued = house.authority.issue(common_name="phone", client=True)
    settings = house.client(issued)
    if kind == "encrypted pem":
        key = tmp_path / "encrypted.key"
        key.write_bytes(issued.encrypted_key_pem("open sesame"))
        settings = replace(settings, client_key=str(key), client_key_password=Secret("open sesame"))
    elif kind == "pkcs12":
        container = tmp_path / "client.p12"
        container.write_bytes(
            pkcs12.serialize_key_and_certificates(
                b"phone", issued.key, issued.certificate, None, BestAvailableEncryption(b"open sesame")
            )
        )
        settings = replace(
            settings, client_certificate=str(container), client_key=None, client_key_password=Secret("open sesame")
        )

    async def play() -> None:
        async with tls_server(house.folder, house.server, client_ca=house.ca_file) as (listener, flows):
            flow, heard = await open_flow(settings, listener.port)
            flow.send(b"ping")
            await heard.until(lambda heard: heard.data == b"PING")
            assert flows[0][0].description.identity == "phone"
            flow.close()

    run(play)


# --- versions and suites ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-tls1", "-tls1_1"])
def test_an_old_version_is_refused(house: House, option: str) -> None:
    async def play() -> None:
        with openssl_server(house.folder, house.rsa_server, option, "-cipher", "ALL:@SECLEVEL=0") as port:
            failure = await refusal(house.trusting, port)
            assert_actionable(failure, FailureKind.TLS_VERSION, port, "TLS 1.2 is the oldest accepted")

    run(play)


def test_a_server_that_chooses_an_old_version_is_refused_with_its_name(house: House) -> None:
    body = b"\x03\x02" + bytes(32) + b"\x00" + b"\x00\x2f" + b"\x00"  # a ServerHello of TLS 1.1
    hello = b"\x16\x03\x02" + (len(body) + 4).to_bytes(2, "big") + b"\x02" + len(body).to_bytes(3, "big") + body

    async def play() -> None:
        async with raw_server(hostile.answers(hello)) as port:
            failure = await refusal(house.trusting, port)
            assert_actionable(failure, FailureKind.TLS_VERSION, port, "chose TLS 1.1")

    run(play)


def test_tls_1_2_is_refused_under_the_profile_tls13(house: House) -> None:
    async def play() -> None:
        with openssl_server(house.folder, house.server, "-tls1_2") as port:
            failure = await refusal(replace(house.trusting, profile=TlsProfile.TLS13), port)
            assert_actionable(failure, FailureKind.TLS_VERSION, port, "TLS 1.3 is the oldest accepted")

    run(play)


@pytest.mark.parametrize(
    "options",
    [
        ("-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
        ("-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("-tls1_2", "-cipher", "AES128-SHA"),
        ("-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"),
        ("-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA"),
    ],
    ids=lambda options: options[-1],
)
def test_a_suite_outside_the_profile_is_refused(house: House, options: tuple[str, ...]) -> None:
    async def play() -> None:
        with openssl_server(house.folder, house.rsa_server, *options) as port:
            failure = await refusal(house.trusting, port)
            assert_actionable(failure, FailureKind.TLS_CIPHER, port, "gateway", "TLS_AES_128_GCM_SHA256")

    run(play)


def test_a_cbc_suite_is_refused_under_the_profile_modern(house: House) -> None:
    async def play() -> None:
        with openssl_server(house.folder, house.server, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384") as port:
            failure = await refusal(replace(house.trusting, profile=TlsProfile.MODERN), port)
            assert_actionable(failure, FailureKind.TLS_CIPHER, port)
            assert "gateway" in failure.remedy

    run(play)


# --- no TLS, no server, no manners --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("banner", "word"),
    [
        (b"SIP/2.0 400 Bad Request\r\n\r\n", "unencrypted SIP"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "unencrypted HTTP"),
        (b"SSH-2.0-x\r\n", "SSH"),
        (b"\x00\x01\x02", "something else"),
        (b"\x16\x00rubbish", "something else"),
        (b"\x80\x2e\x01\x00\x02", "something else"),
    ],
)
def test_what_is_not_tls_is_recognised(house: House, banner: bytes, word: str) -> None:
    async def play() -> None:
        async with raw_server(hostile.answers(banner)) as port:
            assert_actionable(await refusal(house.trusting, port), FailureKind.NOT_TLS, port, word)

    run(play)


def test_garbage_in_tls_records_is_a_failed_handshake(house: House) -> None:
    async def play() -> None:
        for garbage in (b"\x16\x03\x03\x00\x08" + b"\xff" * 8, b"\x16\x03\x03\xff\xff" + b"\x02" * 70_000):
            async with raw_server(hostile.answers(garbage)) as port:
                assert_actionable(await refusal(house.trusting, port), FailureKind.TLS_HANDSHAKE, port)

    run(play)


def test_a_closed_port_is_refused(house: House) -> None:
    async def play() -> None:
        port = hostile.closed_port()
        failure = await refusal(house.trusting, port)
        assert_actionable(failure, FailureKind.CONNECTION_REFUSED, port)
        assert failure.group is FailureGroup.NO_NETWORK_OR_SERVER

    run(play)


def test_a_silent_server_ends_in_time(house: House) -> None:
    async def play() -> None:
        async with raw_server(hostile.stays_silent) as port:
            began = time.monotonic()
            failure = await refusal(house.trusting, port, opener=FlowOpener(handshake_timeout_s=0.3))
            assert time.monotonic() - began < 3
            assert_actionable(failure, FailureKind.CONNECTION_TIMED_OUT, port, "answered nothing")

    run(play)


def test_a_full_backlog_ends_in_time(house: House) -> None:
    async def play() -> None:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            port = deaf.getsockname()[1]
            fillers = [socket.socket() for _ in range(4)]
            try:
                for filler in fillers:
                    filler.setblocking(False)
                    filler.connect_ex(("127.0.0.1", port))
                failure = await refusal(house.trusting, port, opener=FlowOpener(connect_timeout_s=0.3))
                assert_actionable(failure, FailureKind.CONNECTION_TIMED_OUT, port, "connection request")
            finally:
                for filler in fillers:
                    filler.close()

    run(play)


@pytest.mark.parametrize(("handler", "word"), [(hostile.closes_at_once, "closed"), (hostile.resets, "reset")])
def test_an_end_in_the_handshake_is_said(house: House, handler: hostile.RawHandler, word: str) -> None:
    async def play() -> None:
        async with raw_server(handler) as port:
            failure = await refusal(house.trusting, port)
            assert_actionable(failure, FailureKind.TLS_HANDSHAKE, port, word)

    run(play)


@pytest.mark.parametrize(
    "record",
    [
        b"\x15\x03\x03\x00\x02\x01\x5a",  # warnings (user_canceled)
        b"\x16\x03\x03\x40\x00" + b"\x0b\xff\xff\xff" + bytes(16380),  # a certificate message of 16 MiB
        b"\x16\x03\x03\x00\x04\x00\x00\x00\x00",  # HelloRequests
    ],
    ids=["warnings", "long message", "hello requests"],
)
def test_a_handshake_without_end_is_ended(house: House, record: bytes) -> None:
    async def play() -> None:
        async with raw_server(hostile.sends_without_end(record)) as port:
            failure = await refusal(house.trusting, port, opener=FlowOpener(handshake_timeout_s=3))
            assert failure.kind in (FailureKind.TLS_HANDSHAKE, FailureKind.CONNECTION_TIMED_OUT), failure

    run(play)


def test_an_oversize_chain_is_refused(house: House) -> None:
    issued = house.authority.issue("127.0.0.1")
    padding = house.authority.issue(*(f"{number:0200d}.example"[-60:] for number in range(700)))
    chain = issued.certificate_pem + padding.certificate_pem * 4

    async def play() -> None:
        async with tls_server(house.folder, issued, chain=chain) as (listener, _):
            failure = await refusal(house.trusting, listener.port)
            assert_actionable(failure, FailureKind.TLS_HANDSHAKE, listener.port, "chain is too long")

    run(play)


def test_a_cancelled_opening_leaves_no_connection_behind(house: House) -> None:
    ended = asyncio.Event()

    async def watches(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            ended.set()

    async def play() -> None:
        async with raw_server(watches) as port:
            opening = asyncio.create_task(open_flow(house.trusting, port))
            await asyncio.sleep(0.2)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            async with asyncio.timeout(PATIENCE_S):
                await ended.wait()

    run(play)


# --- the end of an open flow --------------------------------------------------------------------------------------


def test_a_goodbye_and_a_cut_are_told_apart(house: House) -> None:
    async def play() -> None:
        async with tls_server(house.folder, house.server) as (listener, flows):
            flow, heard = await open_flow(house.trusting, listener.port)
            await _accepted(flows, 1)
            flows[0][0].close()
            await heard.until(lambda heard: bool(heard.closed))
            assert_actionable(heard.closed[0], FailureKind.CONNECTION_LOST, listener.port, "closed the TLS connection")
            flow.send(b"too late")  # dropped, since the caller may not know yet

            _, heard = await open_flow(house.trusting, listener.port)
            await _accepted(flows, 2)
            transport = flows[1][0]._transport
            assert transport is not None
            transport.abort()
            await heard.until(lambda heard: bool(heard.closed))
            assert heard.closed[0].kind is FailureKind.CONNECTION_LOST
            assert "goodbye" in heard.closed[0].reason or "reset" in heard.closed[0].reason

    run(play)


async def _accepted(flows: list[tuple[tls_flow.TlsFlow, hostile.Heard]], count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(flows) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def test_rubbish_on_an_open_flow_ends_it_with_a_sentence(house: House) -> None:
    async def play() -> None:
        async with tls_server(house.folder, house.server) as (listener, flows):
            _, heard = await open_flow(house.trusting, listener.port)
            await _accepted(flows, 1)
            transport = flows[0][0]._transport
            assert transport is not None
            transport.write(b"\x17\x03\x03\x00\x20" + bytes(32))  # a record that does not authenticate
            await heard.until(lambda heard: bool(heard.closed))
            assert_actionable(heard.closed[0], FailureKind.TLS_HANDSHAKE, listener.port)
            assert len(heard.closed) == 1

    run(play)


def test_a_server_that_stops_reading_is_given_up_with_bounded_memory(house: House) -> None:
    async def play() -> None:
        async with tls_server(house.folder, house.server) as (listener, flows):
            flow, heard = await open_flow(house.trusting, listener.port)
            await _accepted(flows, 1)
            await asyncio.sleep(0.05)
            server_transport = flows[0][0]._transport
            assert server_transport is not None
            server_transport.pause_reading()
            for _ in range(2000):
                flow.send(bytes(32_000))
                if heard.closed:
                    break
                await asyncio.sleep(0)
            await heard.until(lambda heard: bool(heard.closed))
            assert_actionable(heard.closed[0], FailureKind.CONNECTION_LOST, listener.port, "stopped reading")

    run(play)


def test_a_server_that_stops_reading_is_given_up_after_a_while(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_flow, "WRITE_STALL_S", 0.3)

    async def play() -> None:
        async with tls_server(house.folder, house.server) as (listener, flows):
            flow, heard = await open_flow(house.trusting, listener.port)
            await _accepted(flows, 1)
            await asyncio.sleep(0.05)
            transport, server_transport = flow._transport, flows[0][0]._transport
            assert transport is not None
            assert server_transport is not None
            server_transport.pause_reading()
            while transport.get_write_buffer_size() < 200_000 and not heard.closed:
                flow.send(bytes(32_000))
                await asyncio.sleep(0)
            await heard.until(lambda heard: bool(heard.closed))
            assert_actionable(heard.closed[0], FailureKind.CONNECTION_LOST, listener.port, "stopped reading")

    run(play)


def test_the_listener_ends_silent_clients_and_records_refused_ones(house: House) -> None:
    async def play() -> None:
        async with tls_server(house.folder, house.server) as (listener, flows):
            _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(b"REGISTER sip:example.com SIP/2.0\r\n\r\n")
            await refusal(TlsSettings(), listener.port)
            await asyncio.sleep(0.05)
            assert flows == []
            assert len(listener.client_hellos) == 1
            writer.close()

    run(play)


def test_a_flow_is_used_in_order(house: House) -> None:
    async def play() -> None:
        role = asyncio  # any object: nothing of the role is used before the connection
        flow = tls_flow.TlsFlow(role)  # type: ignore[arg-type]
        with pytest.raises(LocalProtocolError):
            flow.send(b"early")
        with pytest.raises(LocalProtocolError):
            _ = flow.description
        flow.close()

    run(play)
