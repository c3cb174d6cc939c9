"""Digest authentication as a server, with our own client as the other side."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from softphone.policy.secret import Secret
from softphone.sip import digest_verifier
from softphone.sip.digest import DigestAuthenticator, DigestVerifier, Refused, Stale, Verified
from softphone.sip.digest_verifier import NONCE_LIFETIME
from softphone.sip.message import Headers, Request, Response
from softphone.sip.uri import parse_uri

NAME = "Authorization"
USERS = {"bob": Secret("zanzibar")}


def counting_bytes() -> Callable[[int], bytes]:
    numbers = itertools.count(1)
    return lambda count: next(numbers).to_bytes(count, "big")


def register() -> Request:
    return Request("REGISTER", parse_uri("sip:biloxi.com"))


def verifier(*algorithms: str) -> DigestVerifier:
    return DigestVerifier("biloxi.com", counting_bytes(), algorithms or ("SHA-256", "MD5"))


def unauthorized(server: DigestVerifier, now: float, *, stale: bool = False) -> Response:
    lines = server.challenges(now, stale=stale)
    return Response(401, "Unauthorized", Headers(("WWW-Authenticate", line) for line in lines))


def with_credentials(
    server: DigestVerifier, user: str = "bob", password: str = "zanzibar", now: float = 10.0
) -> Request:
    client = DigestAuthenticator(counting_bytes())
    return client.answer(register(), unauthorized(server, now), user, Secret(password))


def judged(server: DigestVerifier, request: Request, now: float = 10.5) -> Verified | Stale | Refused:
    return server.verify(request, NAME, USERS.get, now)


def changed(request: Request, old: str, new: str) -> Request:
    line = request.headers.get(NAME) or ""
    assert old in line
    return request.with_headers(request.headers.replaced(NAME, line.replace(old, new)))


@pytest.mark.parametrize("algorithm", ["SHA-512-256", "SHA-256", "MD5"])
def test_the_right_password_is_verified(algorithm: str) -> None:
    server = verifier(algorithm)
    assert judged(server, with_credentials(server)) == Verified("bob")


def test_each_algorithm_is_a_challenge_of_its_own_line() -> None:
    lines = verifier().challenges(0.0, stale=True)
    assert [line.split("algorithm=")[1] for line in lines] == [
        'SHA-256, stale=true, qop="auth"',
        'MD5, stale=true, qop="auth"',
    ]


@pytest.mark.parametrize(("user", "password"), [("bob", "wrong"), ("mallory", "zanzibar"), ("mallory", "")])
def test_a_wrong_password_and_an_unknown_user_are_refused_alike(user: str, password: str) -> None:
    server = verifier()
    assert judged(server, with_credentials(server, user, password)) == Refused("a wrong user name or password")


def test_a_request_without_credentials_for_the_realm_is_refused() -> None:
    other = DigestVerifier("elsewhere", counting_bytes())
    assert isinstance(judged(verifier(), register()), Refused)
    assert isinstance(judged(verifier(), with_credentials(other)), Refused)


def test_an_answer_counts_once() -> None:
    server = verifier()
    request = with_credentials(server)
    assert judged(server, request) == Verified("bob")
    assert judged(server, request) == Stale()


def test_a_nonce_serves_further_requests_while_it_lives() -> None:
    server = verifier()
    client = DigestAuthenticator(counting_bytes())
    first = client.answer(register(), unauthorized(server, 10.0), "bob", USERS["bob"])
    second = client.preauthorize(register(), "bob", USERS["bob"])
    third = client.preauthorize(register(), "bob", USERS["bob"])
    assert judged(server, first, 10.0) == Verified("bob")
    assert judged(server, second, 10.0 + NONCE_LIFETIME) == Verified("bob")
    assert judged(server, third, 11.0 + NONCE_LIFETIME) == Stale()
    again = client.answer(third, unauthorized(server, 400.0, stale=True), "bob", USERS["bob"])
    assert judged(server, again, 400.0) == Verified("bob")


def test_a_nonce_of_another_server_or_of_before_a_restart_is_stale() -> None:
    request = with_credentials(verifier())
    restarted = DigestVerifier("biloxi.com", lambda count: b"\x07" * count)
    assert judged(restarted, request) == Stale()
    assert judged(verifier(), changed(request, 'nonce="', 'nonce="f')) == Stale()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('uri="sip:biloxi.com"', 'uri="sip:chicago.com"'),
        ('uri="sip:biloxi.com"', 'uri="<"'),
        ("nc=00000001", "nc=00000002"),
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=0000000z"),
        ("qop=auth", "qop=auth-int"),
        ("qop=auth, ", ""),
        ("algorithm=SHA-256", "algorithm=MD5"),
        ("algorithm=SHA-256", "algorithm=SHA-1"),
        ('username="bob"', 'username="alice"'),
        ('response="', 'response="ä'),
        ('realm="biloxi.com", ', 'realm="biloxi.com", realm="x", '),
    ],
)
def test_credentials_changed_on_the_way_are_refused(old: str, new: str) -> None:
    server = verifier()
    assert isinstance(judged(server, changed(with_credentials(server), old, new)), Refused)


def test_the_method_is_part_of_the_answer() -> None:
    server = verifier()
    request = with_credentials(server)
    assert isinstance(judged(server, Request("INVITE", request.uri, request.headers)), Refused)


def test_an_unknown_algorithm_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="algorithms"):
        DigestVerifier("r", counting_bytes(), ("SHA-1",))


def test_a_nonce_whose_count_was_dropped_is_not_accepted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_verifier, "_MAX_NONCES", 3)
    server = verifier()
    first = with_credentials(server)
    assert judged(server, first) == Verified("bob")
    for number in range(1, 5):
        later = with_credentials(server, now=10.0 + number / 1000)
        assert judged(server, later, 20.0) == Verified("bob")
    assert judged(server, first, 20.0) == Stale()
