"""`softphone register --json` against everything that can be wrong with a server: each ends in its own words.

Kamailio with bad certificates, `openssl s_server` for what Kamailio cannot be made to do, raw TCP for what is no TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from softphone.engine.throwaway_ca import ThrowawayAuthority
from tests.endtoend.accounts import signed_in
from tests.endtoend.phone import Finished, PhoneProcess
from tests.engine.hostile_servers import (
    RawHandler,
    answers,
    closed_port,
    closes_at_once,
    openssl_server,
    raw_server,
    resets,
)
from tests.peers.certificates import Identity, PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]

StartPhone = Callable[..., PhoneProcess]
PROMPT = 8.0
"""Seconds from the start of the process to its end where nothing has to be waited for; loaded machines included."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the result must say; `reason` and `remedy` are parts of the sentences, HOST stands for host:port."""

    code: int
    kind: str
    reason: str
    remedy: str


def told(finished: Finished, words: Words, server: str, *, within: float = PROMPT) -> None:
    result = finished.result
    assert (finished.code, result["kind"]) == (words.code, words.kind), result
    assert result["ok"] is False
    assert server in result["reason"]
    assert words.reason in result["reason"]
    assert words.remedy in result["remedy"]
    assert all(result[field].endswith(".") for field in ("reason", "remedy"))
    assert finished.seconds < within, result
    # A failure that was expected is no news on stderr at the default log level.
    assert finished.stderr == ""


# Certificates, by Kamailio

CERTIFICATES = {
    "rogue": Words(4, "unknown-issuer", "CN=Rogue CA", "--ca FILE"),
    "wrong_name": Words(4, "wrong-name", "is not for localhost; it is for other.example", "installed"),
    "common_name_only": Words(4, "wrong-name", "is not for localhost", "installed"),
    "expired": Words(4, "certificate-expired", "expired on 20", "renew the certificate"),
    "not_yet_valid": Words(4, "certificate-not-yet-valid", "is valid only from 20", "computer's clock"),
    "self_signed": Words(4, "self-signed", "is self-signed", "pin it"),
}


@pytest.mark.parametrize("identity", CERTIFICATES)
def test_a_bad_certificate_is_refused_in_its_own_words(
    peers: Peers, ca: PrivateCa, start_phone: StartPhone, identity: str
) -> None:
    kamailio = peers.start(Kamailio, ca, identity=getattr(ca, identity))
    finished = start_phone("register", *signed_in(kamailio.tls_port, ca.root), password="alicepw").finish()
    told(finished, CERTIFICATES[identity], f"localhost:{kamailio.tls_port}")
    assert kamailio.messages() == [], "not one octet of SIP before the server is known"
    assert any(fact.startswith("SHA-256: ") for fact in finished.result["evidence"])


def test_a_chain_without_its_intermediate_is_called_incomplete(
    peers: Peers, ca: PrivateCa, start_phone: StartPhone, tmp_path: Path
) -> None:
    root = ThrowawayAuthority.create()
    leaf = root.create_intermediate().issue("localhost")
    identity = Identity(tmp_path / "leaf.pem", tmp_path / "leaf.key", tmp_path / "both.pem")
    identity.certificate.write_bytes(replace(leaf, intermediates=()).certificate_pem)
    identity.private_key.write_bytes(leaf.key_pem)
    kamailio = peers.start(Kamailio, ca, identity=identity)
    phone = start_phone("register", *signed_in(kamailio.tls_port, root.write(tmp_path)), password="alicepw")
    words = Words(4, "chain-incomplete", "intermediate", "")
    told(phone.finish(), words, f"localhost:{kamailio.tls_port}")


def test_kamailio_demands_a_client_certificate(peers: Peers, ca: PrivateCa, start_phone: StartPhone) -> None:
    kamailio = peers.start(Kamailio, ca, mutual=True)
    finished = start_phone("register", *signed_in(kamailio.tls_port, ca.root), password="alicepw").finish()
    told(finished, DEMANDED, f"localhost:{kamailio.tls_port}")


# Accounts, by Kamailio

ACCOUNTS = {
    "wrong password": ("alice", "not hers", Words(5, "wrong-credentials", "password of alice", "Check user name")),
    "unknown user": ("nobody", "alicepw", Words(5, "wrong-credentials", "Unknown user", "Check user name")),
    "no password": ("alice", None, Words(5, "no-credentials", "none is known", "password")),
}


@pytest.mark.parametrize("case", ACCOUNTS)
def test_an_account_that_is_refused_is_told_why(kamailio: Kamailio, start_phone: StartPhone, case: str) -> None:
    user, password, words = ACCOUNTS[case]
    finished = start_phone("register", *signed_in(kamailio.tls_port, kamailio.root, user), password=password).finish()
    told(finished, words, f"localhost:{kamailio.tls_port}")
    assert finished.result["tls_version"] == "TLSv1.3"
    assert kamailio.registered(user) == []


# Foreign TLS, by openssl

DEMANDED = Words(4, "client-certificate-required", "demands a client certificate", "server's operator")
FOREIGN = {
    "TLS 1.1 only": (
        ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
        Words(4, "tls-version", "TLS 1.2 is the oldest accepted", "TLS 1.2 or newer"),
    ),
    "a suite outside the profile": (
        ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
        Words(4, "tls-cipher", "none of the cipher suites of the TLS profile “gateway”", "listed in the evidence"),
    ),
    "a TLS 1.3 suite outside the profile": (
        ("-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
        Words(4, "tls-cipher", "none of the cipher suites", "listed in the evidence"),
    ),
    "client certificate, TLS 1.3": (("-Verify", "1", "-tls1_3"), DEMANDED),
    "client certificate, TLS 1.2": (("-Verify", "1", "-tls1_2"), DEMANDED),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_handshake_that_cannot_succeed_names_what_is_missing(
    start_phone: StartPhone, authority: ThrowawayAuthority, tmp_path: Path, case: str
) -> None:
    options, words = FOREIGN[case]
    with openssl_server(tmp_path, authority.issue("localhost"), *options) as port:
        phone = start_phone("register", *signed_in(port, authority.write(tmp_path)), password="alicepw")
        told(phone.finish(), words, f"localhost:{port}")


# No TLS at all, by raw TCP

NOT_TLS = "SIP-over-TLS port"
RAW: dict[str, tuple[RawHandler, Words]] = {
    "plain SIP": (answers(b"SIP/2.0 400 Bad Request\r\n\r\n"), Words(4, "not-tls", "unencrypted SIP", NOT_TLS)),
    "HTTP": (answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Words(4, "not-tls", "a web server", NOT_TLS)),
    "closed": (closes_at_once, Words(4, "tls-handshake", "closed the connection", NOT_TLS)),
    "reset": (resets, Words(4, "tls-handshake", "reset the connection", NOT_TLS)),
}


@pytest.mark.parametrize("case", RAW)
def test_a_port_that_does_not_speak_tls_is_told_from_bad_tls(start_phone: StartPhone, ca: PrivateCa, case: str) -> None:
    handler, words = RAW[case]

    async def play() -> None:
        async with raw_server(handler) as port:
            phone = start_phone("register", *signed_in(port, ca.root), password="alicepw")
            told(await asyncio.to_thread(phone.finish), words, f"localhost:{port}")

    asyncio.run(play())


def test_a_closed_port_and_an_unknown_name_are_no_matter_of_tls(start_phone: StartPhone, ca: PrivateCa) -> None:
    port = closed_port()
    refused = start_phone("register", *signed_in(port, ca.root), password="alicepw")
    unknown = start_phone("register", *signed_in(5061, ca.root, host="no-such-host.invalid"), password="alicepw")
    told(refused.finish(), Words(6, "connection-refused", "refused the connection", "5061"), f"localhost:{port}")
    words = Words(6, "name-not-resolved", "could not be resolved", "typing error")
    told(unknown.finish(), words, "no-such-host.invalid")


def test_silence_ends_in_bounded_time_and_tells_tcp_from_sip(
    start_phone: StartPhone, authority: ThrowawayAuthority, tmp_path: Path
) -> None:
    """One port accepts and says nothing; one finishes the handshake and then says nothing. Both at the same time."""
    root = authority.write(tmp_path)
    with mute_port() as mute, openssl_server(tmp_path, authority.issue("localhost")) as shy:
        silent = start_phone("register", *signed_in(mute, root), password="alicepw")
        hurried = start_phone("register", *signed_in(mute, root), "--timeout", "2", password="alicepw")
        sip_silent = start_phone("register", *signed_in(shy, root), "--timeout", "3", password="alicepw")
        words = Words(6, "connection-timed-out", "took longer than 2 s", "--timeout")
        told(hurried.finish(), words, f"localhost:{mute}", within=2 + PROMPT)
        words = Words(6, "server-silent", "did not answer the registration within 3 s", "SIP registrar")
        told(sip_silent.finish(), words, f"localhost:{shy}", within=3 + 5 + PROMPT)
        words = Words(6, "connection-timed-out", "answered nothing to the TLS handshake", NOT_TLS)
        told(silent.finish(), words, f"localhost:{mute}", within=10 + PROMPT)


@contextlib.contextmanager
def mute_port() -> Iterator[int]:
    """The kernel accepts; nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]
