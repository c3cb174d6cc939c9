"""The lab's registrar by itself: authentication, bindings, expiry."""

from __future__ import annotations

import itertools
import random

import pytest

from softphone.errors import RemoteProtocolError
from softphone.lab.registrar import LONGEST, MAX_BINDINGS, SHORTEST, Registrar
from softphone.policy.secret import Secret
from softphone.sip.digest import DigestAuthenticator
from softphone.sip.header_values import Star, parse_contacts
from softphone.sip.message import Request, Response
from softphone.sip.uri import parse_uri
from softphone.ua.responses import new_request

NOW = 1000.0
PASSWORDS = {"alice": Secret("in wonderland"), "bob": Secret("the builder")}


class Client:
    """Answers the challenge that it gets, as a phone does."""

    def __init__(self, registrar: Registrar, user: str = "alice", password: str | None = None) -> None:
        self.registrar, self.user = registrar, user
        self.password = Secret(password) if password is not None else PASSWORDS[user]
        self.digest = DigestAuthenticator(random.Random(2).randbytes)
        self.numbers = itertools.count(1)
        self.call_id = "registration"

    def request(self, *headers: tuple[str, str], aor: str = "", method: str = "REGISTER") -> Request:
        address = f"<sip:{aor or self.user}@lab.test>"
        return new_request(
            method,
            parse_uri("sip:lab.test"),
            from_=f"{address};tag=t",
            to=address,
            call_id=self.call_id,
            cseq=next(self.numbers),
            headers=(("Via", "SIP/2.0/TLS 127.0.0.1:1;branch=z9hG4bK1"), *headers),
        )

    def register(self, *headers: tuple[str, str], aor: str = "", now: float = NOW) -> Response:
        request = self.request(*headers, aor=aor)
        challenge = self.registrar.register(request, now)
        assert challenge.status == 401
        return self.registrar.register(self.digest.answer(request, challenge, self.user, self.password), now)


@pytest.fixture
def registrar() -> Registrar:
    return Registrar(PASSWORDS, random.Random(1).randbytes)


def contacts(response: Response) -> dict[str, str | None]:
    found = parse_contacts(response.headers)
    assert not isinstance(found, Star)
    return {str(contact.uri): contact.parameter("expires") for contact in found}


def test_without_credentials_sha256_and_md5_are_offered(registrar: Registrar) -> None:
    response = registrar.register(Client(registrar).request(), NOW)
    assert response.status == 401
    assert [("SHA-256" in line, "MD5" in line) for line in response.headers.get_all("WWW-Authenticate")] == [
        (True, False),
        (False, True),
    ]


def test_a_binding_is_granted_kept_and_forgotten_in_time(registrar: Registrar) -> None:
    response = Client(registrar).register(("Contact", "<sip:alice@127.0.0.1:4000;transport=tls>"), ("Expires", "120"))
    assert response.status == 200
    assert contacts(response) == {"sip:alice@127.0.0.1:4000;transport=tls": "120"}
    assert len(registrar.bindings("alice", NOW + 119)) == 1
    assert not registrar.bindings("alice", NOW + 120)


def test_a_contacts_own_expires_comes_before_the_field_and_no_binding_is_longer_than_the_longest(
    registrar: Registrar,
) -> None:
    response = Client(registrar).register(
        ("Contact", "<sip:a@127.0.0.1>;expires=90, <sip:b@127.0.0.1>"), ("Expires", "99999")
    )
    assert contacts(response) == {"sip:a@127.0.0.1": "90", "sip:b@127.0.0.1": str(LONGEST)}


def test_too_short_a_time_is_423_with_the_shortest(registrar: Registrar) -> None:
    response = Client(registrar).register(("Contact", "<sip:a@127.0.0.1>"), ("Expires", str(SHORTEST - 1)))
    assert response.status == 423
    assert response.headers.get("Min-Expires") == str(SHORTEST)
    assert not registrar.bindings("alice", NOW)


def test_unregistering_one_contact_or_all(registrar: Registrar) -> None:
    client = Client(registrar)
    client.register(("Contact", "<sip:a@127.0.0.1>"), ("Contact", "<sip:b@127.0.0.1>"))
    assert set(contacts(client.register(("Contact", "<sip:a@127.0.0.1>;expires=0")))) == {"sip:b@127.0.0.1"}
    assert client.register(("Contact", "*"), ("Expires", "60")).status == 400
    assert contacts(client.register(("Contact", "*"), ("Expires", "0"))) == {}


def test_a_query_lists_and_changes_nothing(registrar: Registrar) -> None:
    client = Client(registrar)
    client.register(("Contact", "<sip:a@127.0.0.1>"))
    assert set(contacts(client.register())) == {"sip:a@127.0.0.1"}


def test_an_older_request_of_the_same_registration_is_refused(registrar: Registrar) -> None:
    client = Client(registrar)
    client.numbers = itertools.count(50)
    client.register(("Contact", "<sip:a@127.0.0.1>"))
    client.numbers = itertools.count(50)
    assert client.register(("Contact", "<sip:a@127.0.0.1>;expires=0")).status == 500
    assert len(registrar.bindings("alice", NOW)) == 1


def test_nobody_registers_for_somebody_else(registrar: Registrar) -> None:
    assert Client(registrar, "alice").register(("Contact", "<sip:a@127.0.0.1>"), aor="bob").status == 403
    assert not registrar.bindings("bob", NOW)


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("nobody", "in wonderland")])
def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(
    registrar: Registrar, user: str, password: str
) -> None:
    client = Client(registrar, user, password)
    response = client.register(("Contact", "<sip:a@127.0.0.1>"))
    assert response.status == 401
    # Not stale: a phone takes this for a wrong password and asks its person.
    assert not any("stale" in line for line in response.headers.get_all("WWW-Authenticate"))


def test_the_bindings_of_one_address_are_bounded(registrar: Registrar) -> None:
    many = ", ".join(f"<sip:a{number}@127.0.0.1>" for number in range(MAX_BINDINGS + 1))
    assert Client(registrar).register(("Contact", many)).status == 403
    assert not registrar.bindings("alice", NOW)


def test_a_required_extension_is_420_and_a_contact_that_cannot_be_read_is_said_to_be(registrar: Registrar) -> None:
    assert registrar.register(Client(registrar).request(("Require", "teleportation")), NOW).status == 420
    with pytest.raises(RemoteProtocolError):
        Client(registrar).register(("Contact", "<sip:a@127.0.0.1"))


def test_an_invite_is_challenged_as_by_a_proxy_and_its_caller_must_be_who_he_says(registrar: Registrar) -> None:
    client = Client(registrar)
    request = client.request(method="INVITE")
    challenge = registrar.authorize_call(request, NOW)
    assert challenge is not None
    assert challenge.status == 407
    answered = client.digest.answer(request, challenge, "alice", client.password)
    assert registrar.authorize_call(answered, NOW) is None
    replayed = registrar.authorize_call(answered, NOW)
    assert replayed is not None
    assert "stale=true" in (replayed.headers.get("Proxy-Authenticate") or "").lower()
    posing = client.request(method="INVITE", aor="bob")
    challenge = registrar.authorize_call(posing, NOW)
    assert challenge is not None
    refused = registrar.authorize_call(client.digest.answer(posing, challenge, "alice", client.password), NOW)
    assert refused is not None
    assert refused.status == 403
