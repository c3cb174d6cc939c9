"""Digest authentication as a client, against the vectors of the RFCs and against our own server's half."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from softphone.errors import RemoteProtocolError
from softphone.policy.secret import Secret
from softphone.sip.authentication import (
    Challenge,
    digest_response,
    parse_auth_parameters,
    parse_authentication,
    read_challenge,
)
from softphone.sip.digest import ChallengeUnsupported, CredentialsRejected, DigestAuthenticator
from softphone.sip.limits import MAX_REMEMBERED_REALMS
from softphone.sip.message import Headers, Request, Response
from softphone.sip.uri import parse_uri

PASSWORD = Secret("zanzibar")
NONCE_7616 = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE_7616 = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def counting_bytes() -> Callable[[int], bytes]:
    numbers = itertools.count(1)
    return lambda count: next(numbers).to_bytes(count, "big")


def register(uri: str = "sip:biloxi.com") -> Request:
    return Request("REGISTER", parse_uri(uri), Headers([("CSeq", "1 REGISTER")]))


def challenged(*lines: str, status: int = 401, name: str = "WWW-Authenticate") -> Response:
    return Response(status, "Unauthorized", Headers((name, line) for line in lines))


def answered(request: Request, name: str = "Authorization") -> dict[str, str]:
    (line,) = request.headers.get_all(name)
    scheme, parameters = parse_authentication(line)
    assert scheme == "digest"
    return parameters


def challenge(realm: str = "biloxi.com", nonce: str = "n1", more: str = ', qop="auth"') -> str:
    return f'Digest realm="{realm}", nonce="{nonce}"{more}'


# Vectors.


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_3_9_1(algorithm: str, expected: str) -> None:
    arguments = ("Mufasa", "http-auth@example.org", "Circle of Life", "GET", "/dir/index.html", NONCE_7616, CNONCE_7616)
    assert digest_response(algorithm, *arguments, "00000001") == expected


def test_rfc_7616_3_9_2_as_its_erratum_4897_corrects_it() -> None:
    response = digest_response(
        "SHA-512-256",
        "Jäsøn Doe",
        "api@example.org",
        "Secret, or not?",
        "GET",
        "/doe.json",
        "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
        "00000001",
    )
    assert response == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"


def test_rfc_2617_3_5_and_rfc_2069_without_qop() -> None:
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    arguments = ("Mufasa", "testrealm@host.com", "Circle Of Life", "GET", "/dir/index.html", nonce)
    assert digest_response("MD5", *arguments, "0a4f113b", "00000001") == "6629fae49393a05397450978507c4ef1"
    assert digest_response("MD5", *arguments) == "670fd8c2df070c60b045671b8b24ff02"


def test_the_challenges_of_rfc_8760_2_3_are_read() -> None:
    # RFC 8760 §2.3 and RFC 7616 §3.9.1: several challenges with the same realm, one line each.
    lines = [
        f'Digest realm="users@example.org", qop="auth, auth-int", algorithm={name}, nonce="{NONCE_7616}", opaque="F"'
        for name in ("SHA-256", "MD5")
    ]
    parsed = [read_challenge(parse_authentication(line)[1]) for line in lines]
    assert parsed == [Challenge("users@example.org", NONCE_7616, name, True, True, "F") for name in ("SHA-256", "MD5")]


# Answers.


def test_a_challenge_is_answered_with_all_that_the_server_needs() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    response = challenged(challenge(more=', qop="auth,auth-int", algorithm=SHA-256, opaque="o \\" p"'))
    credentials = answered(authenticator.answer(register(), response, "bob", PASSWORD))
    cnonce = (1).to_bytes(16, "big").hex()
    assert credentials == {
        "username": "bob",
        "realm": "biloxi.com",
        "nonce": "n1",
        "uri": "sip:biloxi.com",
        "algorithm": "SHA-256",
        "opaque": 'o " p',
        "qop": "auth",
        "nc": "00000001",
        "cnonce": cnonce,
        "response": digest_response(
            "SHA-256", "bob", "biloxi.com", "zanzibar", "REGISTER", "sip:biloxi.com", "n1", cnonce, "00000001"
        ),
    }


def test_algorithm_qop_and_nonce_count_are_written_without_quotes() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    response = challenged(challenge(more=', qop="auth", algorithm=MD5'))
    line = authenticator.answer(register(), response, "bob", PASSWORD).headers.get("Authorization") or ""
    assert "algorithm=MD5, " in line
    assert "qop=auth, nc=00000001, " in line


def test_a_server_without_qop_and_algorithm_gets_the_answer_of_rfc_2069() -> None:
    credentials = answered(
        DigestAuthenticator(counting_bytes()).answer(register(), challenged(challenge(more="")), "bob", PASSWORD)
    )
    assert not {"qop", "nc", "cnonce", "algorithm"} & credentials.keys()


def test_the_strongest_algorithm_of_a_realm_is_answered() -> None:
    lines = [
        challenge(nonce=f"n-{name}", more=f', qop="auth", algorithm={name}')
        for name in ("MD5", "sha-512-256", "SHA-256", "X")
    ]
    credentials = answered(
        DigestAuthenticator(counting_bytes()).answer(register(), challenged(*lines), "bob", PASSWORD)
    )
    assert (credentials["nonce"], credentials["algorithm"]) == ("n-sha-512-256", "SHA-512-256")


def test_realms_and_proxies_are_kept_apart() -> None:
    response = Response(
        407,
        "Proxy Authentication Required",
        Headers(
            [
                ("Proxy-Authenticate", challenge("p1")),
                ("Proxy-Authenticate", challenge("p2")),
                ("WWW-Authenticate", challenge("p1", "w1")),
            ]
        ),
    )
    request = DigestAuthenticator(counting_bytes()).answer(register(), response, "bob", PASSWORD)
    realms = [parse_authentication(line)[1]["realm"] for line in request.headers.get_all("Proxy-Authorization")]
    assert realms == ["p1", "p2"]
    assert answered(request)["nonce"] == "w1"


def test_the_same_realm_again_means_wrong_credentials() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    request = authenticator.answer(register(), challenged(challenge()), "bob", PASSWORD)
    with pytest.raises(CredentialsRejected) as caught:
        authenticator.answer(request, challenged(challenge(nonce="n2")), "bob", PASSWORD)
    assert caught.value.realm == "biloxi.com"
    assert authenticator.preauthorize(register(), "bob", PASSWORD) == register()


def test_a_stale_nonce_is_answered_anew_but_not_for_ever() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    request = authenticator.answer(register(), challenged(challenge()), "bob", PASSWORD)
    stale = challenged(challenge(nonce="n2", more=', qop="auth", stale=TRUE'))
    request = authenticator.answer(request, stale, "bob", PASSWORD)
    assert (answered(request)["nonce"], answered(request)["nc"]) == ("n2", "00000001")
    request = authenticator.answer(request, stale, "bob", PASSWORD)
    request = authenticator.answer(request, stale, "bob", PASSWORD)
    with pytest.raises(ChallengeUnsupported):
        authenticator.answer(request, stale, "bob", PASSWORD)


def test_a_nonce_used_before_may_expire_without_a_word_but_then_a_fresh_one_counts() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    authenticator.answer(register(), challenged(challenge()), "bob", PASSWORD)
    second = authenticator.preauthorize(register(), "bob", PASSWORD)
    third = authenticator.answer(second, challenged(challenge(nonce="n2")), "bob", PASSWORD)
    assert answered(third)["nonce"] == "n2"
    with pytest.raises(CredentialsRejected):
        authenticator.answer(third, challenged(challenge(nonce="n3")), "bob", PASSWORD)


def test_a_second_realm_on_the_way_keeps_the_first_with_its_next_nonce_count() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    request = authenticator.answer(register(), challenged(challenge("a")), "bob", PASSWORD)
    proxy = challenged(challenge("b"), status=407, name="Proxy-Authenticate")
    request = authenticator.answer(request, proxy, "bob", PASSWORD)
    assert (answered(request)["realm"], answered(request)["nc"]) == ("a", "00000002")
    assert answered(request, "Proxy-Authorization")["realm"] == "b"


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("Basic realm=x", "basic"),
        ("NoOneKnowsThisScheme opaque-data=here", "nooneknowsthisscheme"),
        (challenge(more=', qop="auth-int"'), "auth-int"),
        (challenge(more=', qop="auth", algorithm=SHA-1'), "SHA-1"),
        (challenge(more=', qop="auth", algorithm=MD5-sess'), "MD5-sess"),
        ('Digest nonce="x"', "without realm"),
        ('Digest realm="x', "cannot be read"),
    ],
)
def test_what_cannot_be_answered_is_named(line: str, word: str) -> None:
    with pytest.raises(ChallengeUnsupported, match=word):
        DigestAuthenticator(counting_bytes()).answer(register(), challenged(line), "bob", PASSWORD)


def test_a_401_without_a_challenge_is_unsupported() -> None:
    with pytest.raises(ChallengeUnsupported, match="no challenge"):
        DigestAuthenticator(counting_bytes()).answer(register(), challenged(), "bob", PASSWORD)


# Nonces kept for further requests.


def test_known_nonces_are_used_again_with_rising_count_and_a_new_answer() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    first = authenticator.answer(register(), challenged(challenge()), "bob", PASSWORD)
    invite = Request("INVITE", parse_uri("sip:carol@BILOXI.com"))
    second = answered(authenticator.preauthorize(invite, "bob", PASSWORD))
    assert (second["nc"], second["uri"]) == ("00000002", "sip:carol@BILOXI.com")
    assert second["cnonce"] != answered(first)["cnonce"]
    assert authenticator.preauthorize(first, "bob", PASSWORD) == first


def test_credentials_for_a_server_go_to_that_server_only_and_those_for_a_proxy_along_every_way() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    authenticator.answer(register(), challenged(challenge()), "bob", PASSWORD)
    elsewhere = Request("INVITE", parse_uri("sip:carol@chicago.com"))
    assert authenticator.preauthorize(elsewhere, "bob", PASSWORD) == elsewhere
    proxy = challenged(challenge("p"), status=407, name="Proxy-Authenticate")
    authenticator.answer(register(), proxy, "bob", PASSWORD)
    assert answered(authenticator.preauthorize(elsewhere, "bob", PASSWORD), "Proxy-Authorization")["realm"] == "p"


def test_nextnonce_replaces_the_nonce_and_its_refusal_is_not_held_against_the_password() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    authenticator.answer(register(), challenged(challenge()), "bob", PASSWORD)
    authenticator.learn(Response(200, "OK", Headers([("Authentication-Info", 'nextnonce="n2"')])))
    request = authenticator.preauthorize(register(), "bob", PASSWORD)
    assert (answered(request)["nonce"], answered(request)["nc"]) == ("n2", "00000001")
    request = authenticator.answer(request, challenged(challenge(nonce="n3")), "bob", PASSWORD)
    assert answered(request)["nonce"] == "n3"


def test_nextnonce_is_taken_for_the_answer_that_it_names_and_ignored_where_unclear() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    first = authenticator.answer(register(), challenged(challenge("a"), challenge("b")), "bob", PASSWORD)
    cnonce = parse_authentication(first.headers.get_all("Authorization")[1])[1]["cnonce"]
    for info in ('nextnonce="lost"', "broken", f'nextnonce="n2", cnonce="{cnonce}"'):
        authenticator.learn(Response(200, "OK", Headers([("Authentication-Info", info)])))
    following = authenticator.preauthorize(register(), "bob", PASSWORD)
    nonces = {
        parse_authentication(line)[1]["realm"]: parse_authentication(line)[1]["nonce"]
        for line in following.headers.get_all("Authorization")
    }
    assert nonces == {"a": "n1", "b": "n2"}


def test_forgetting_leaves_requests_unchanged() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    authenticator.answer(register(), challenged(challenge()), "bob", PASSWORD)
    authenticator.forget()
    assert authenticator.preauthorize(register(), "bob", PASSWORD) == register()


def test_a_server_that_invents_realms_does_not_fill_the_memory() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    for number in range(MAX_REMEMBERED_REALMS * 3):
        authenticator.answer(register(), challenged(challenge(f"r{number}")), "bob", PASSWORD)
    lines = authenticator.preauthorize(register(), "bob", PASSWORD).headers.get_all("Authorization")
    assert len(lines) == MAX_REMEMBERED_REALMS


def test_no_secret_is_in_a_repr_or_an_error() -> None:
    authenticator = DigestAuthenticator(counting_bytes())
    request = authenticator.answer(register(), challenged(challenge(nonce="nonce-value")), "bob", PASSWORD)
    with pytest.raises(CredentialsRejected) as caught:
        authenticator.answer(request, challenged(challenge(nonce="nonce-value")), "bob", PASSWORD)
    kept = vars(authenticator)
    known = read_challenge(parse_authentication(challenge(nonce="nonce-value"))[1])
    shown = f"{authenticator!r} {kept!r} {request!r} {caught.value!r} {known!r}"
    assert "zanzibar" not in shown
    assert "nonce-value" not in shown
    assert answered(request)["response"] not in shown


@pytest.mark.parametrize("text", ["a", "a=", 'a="b', "a=b c", "a=b,a=c", "=b", 'a="b"c'])
def test_parameters_outside_of_the_grammar_are_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_auth_parameters(text)


def test_empty_list_elements_between_parameters_are_allowed() -> None:
    assert parse_auth_parameters('a=b , , c="d", ') == {"a": "b", "c": "d"}
