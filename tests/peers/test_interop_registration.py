"""Registration at Kamailio: digest in both algorithms, stale nonces, refusals, a server that crashes, refresh, the end.

RFC 3261 §10, RFC 7616, RFC 8760. What each test sees at the phone it also sees in the proxy's record of messages.
"""

from __future__ import annotations

import re

import pytest

from softphone.ua import events as ua
from softphone.ua.events import RegistrationState
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio, SipMessage
from tests.peers.phone import CommandLine, PhoneUnderTest
from tests.peers.process import until
from tests.peers.pulse import settle

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]


def _registers(kamailio: Kamailio) -> list[SipMessage]:
    """The REGISTER requests that the server received, oldest first."""
    return [
        message
        for message in kamailio.messages()
        if message.direction == "in" and message.method == "REGISTER" and message.status is None
    ]


def _answers(kamailio: Kamailio, status: int) -> list[SipMessage]:
    return [message for message in kamailio.messages() if message.method == "REGISTER" and message.status == status]


def _parameter(message: SipMessage, name: str) -> str | None:
    """A parameter of the challenge or of the credentials."""
    text = message.header("WWW-Authenticate") or message.header("Authorization")
    found = re.search(rf'\b{name}="([^"]*)"', text)
    return found[1] if found else None


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_the_command_registers_by_digest_and_unregisters_when_it_ends(
    peers: Peers, ca: PrivateCa, algorithm: str
) -> None:
    kamailio = peers.start(Kamailio, ca, sha256=algorithm == "SHA-256")
    phone = peers.start(CommandLine, kamailio, "register", "--stay")
    registered = phone.wait_for("registered")
    contact = kamailio.wait_registered("alice")[0]
    phone.interrupt()
    result = phone.result()

    assert result["ok"] is True
    assert result["status"] == registered["status"] == 200
    assert result["tls_version"] == "TLSv1.3"
    assert result["tls_cipher"].startswith("TLS_AES_")
    assert result["expires"] == 3600
    assert 0 < result["register_ms"] < 5000
    assert phone.exit_code == 0
    assert "transport=tls" in contact
    kamailio.wait_registered("alice", 0)
    first, authorized, *_, last = _registers(kamailio)
    assert first.header("Authorization") == ""
    credentials = authorized.header("Authorization")
    assert ("algorithm=SHA-256" in credentials) == (algorithm == "SHA-256")
    assert len(_parameter(authorized, "response") or "") == {"MD5": 32, "SHA-256": 64}[algorithm]
    assert "qop=auth" in credentials
    assert "alicepw" not in "".join(message.text for message in _registers(kamailio))
    assert last.header("Expires") == "0"
    assert {message.transport for message in kamailio.messages()} == {"tls"}


def test_a_stale_nonce_is_answered_without_asking_anybody(peers: Peers, ca: PrivateCa) -> None:
    kamailio = peers.start(Kamailio, ca, nonce_seconds=1)
    phone = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    phone.wait_registered()
    settle(2.2)
    phone.register()
    until(lambda: len(_answers(kamailio, 200)) == 2, "the second registration")

    challenges = _answers(kamailio, 401)
    assert len(challenges) == 2
    assert "stale=true" in challenges[1].header("WWW-Authenticate")
    used = [_parameter(message, "nonce") for message in _registers(kamailio)]
    issued = [_parameter(message, "nonce") for message in challenges]
    assert used == [None, issued[0], issued[0], issued[1]]
    changes = [event for event in phone.events() if isinstance(event, ua.RegistrationChanged)]
    assert [change for change in changes if change.failure] == []
    assert changes[-1].state is RegistrationState.REGISTERED, "nobody is told of what needed no telling"


def test_a_nonce_that_is_too_old_does_not_fail_a_call_even_if_the_proxy_does_not_say_stale(
    peers: Peers, ca: PrivateCa
) -> None:
    kamailio = peers.start(Kamailio, ca, nonce_seconds=1)
    phone = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    phone.wait_registered()
    first = phone.wait_ended(phone.dial("carol"))
    settle(2.2)
    second = phone.wait_ended(phone.dial("carol"))

    assert (first.status, second.status) == (404, 404)
    challenges = [message for message in kamailio.messages() if message.status == 407]
    assert len(challenges) == 2
    assert not any("stale" in message.header("Proxy-Authenticate") for message in challenges)


@pytest.mark.parametrize(
    ("user", "password", "status"), [("alice", "not-hers", 401), ("nobody", "nobodypw", 403)], ids=["password", "user"]
)
def test_credentials_that_the_server_refuses_are_exit_code_five_at_once(
    peers: Peers, kamailio: Kamailio, user: str, password: str, status: int
) -> None:
    phone = peers.start(CommandLine, kamailio, "register", user=user, password=password)
    result = phone.result()

    assert phone.exit_code == 5
    assert result["ok"] is False
    assert result["status"] == status
    assert result["kind"] == "wrong-credentials"
    assert "password" in result["remedy"]
    assert result["tls_version"] == "TLSv1.3"
    assert len(_registers(kamailio)) <= 2
    assert kamailio.registered(user) == []
    assert password not in phone.log_text()


def test_a_call_with_a_wrong_password_is_not_even_sent(peers: Peers, kamailio: Kamailio) -> None:
    phone = peers.start(CommandLine, kamailio, "call", "bob", password="wrong")

    assert phone.result()["kind"] == "wrong-credentials"
    assert phone.exit_code == 5
    assert not [message for message in kamailio.messages() if message.method == "INVITE"]


def test_a_phone_registers_again_by_itself_when_the_server_comes_back(peers: Peers, kamailio: Kamailio) -> None:
    phone = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    phone.wait_registered()
    kamailio.kill()
    waiting = phone.wait_for(ua.RegistrationChanged, where=lambda event: event.state is RegistrationState.WAITING)
    assert waiting.failure is not None
    assert waiting.retry_in_s is not None
    kamailio.restart()
    phone.wait_registered(timeout=15)

    assert len(kamailio.wait_registered("alice")) == 1
    phone.stop()
    kamailio.wait_registered("alice", 0)


def test_a_registration_is_refreshed_before_it_ends(peers: Peers, ca: PrivateCa) -> None:
    kamailio = peers.start(Kamailio, ca, min_expires=1)
    phone = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", expires=6)
    assert phone.wait_registered().expires_s == 6
    before = len(_registers(kamailio))
    until(lambda: len(_registers(kamailio)) >= before + 2, "two refreshes", 12)

    assert len(kamailio.wait_registered("alice")) == 1
    registers = _registers(kamailio)
    assert len({message.header("Call-ID") for message in registers}) == 1
    numbers = [int(message.header("CSeq").split()[0]) for message in registers]
    assert numbers == sorted(set(numbers))
    assert registers[-1].moment - registers[before - 1].moment < 6 + 3
    assert registers[before].header("Authorization"), "a refresh uses the nonce that it has"
