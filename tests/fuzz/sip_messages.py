"""Hostile octets for the SIP parser, framer and header values, and what must hold for all of them.

`python -m tests.fuzz.sip_messages [examples]` runs the properties long; `tests/sip/test_any_octets.py` runs them short.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softphone.errors import OperationFailed, RemoteProtocolError
from softphone.policy.secret import Secret
from softphone.sip.authentication import parse_auth_parameters, parse_authentication, read_challenge
from softphone.sip.digest import DigestAuthenticator, DigestRefused
from softphone.sip.extension_headers import parse_min_se, parse_rack, parse_rseq, parse_session_expires
from softphone.sip.framing import FlowEnd, FramingError, StreamFramer
from softphone.sip.header_values import (
    call_id,
    contact_uri,
    cseq,
    from_addr,
    parse_content_type,
    parse_name_addr,
    parse_reason_header,
    parse_retry_after,
    parse_tokens,
    parse_via,
    parse_warning,
    quote,
    route_set,
    split_values,
    to_addr,
    top_via,
    unquote,
)
from softphone.sip.message import Headers, Request, Response
from softphone.sip.parser import MalformedRequest, parse_message
from softphone.sip.refer import refer_to, referred_by, status_line
from softphone.sip.replaces import parse_replaces
from softphone.sip.uri import SipUri, parse_uri, uris_equal
from softphone.ua.auto_answer import asked_delay
from softphone.ua.dial_target import parse_dial_target
from softphone.ua.identity import asserted_address, stations
from softphone.ua.refer_target import refer_target

_VECTORS = sorted((Path(__file__).parent.parent / "vectors" / "rfc4475").glob("*.dat"))
_SEEDS = [path.read_bytes() for path in _VECTORS]
_PIECES = [
    b"\r\n", b"\r\n\r\n", b"\r\n ", b"\n", b"\r", b" ", b"\t", b",", b";", b";;", b'"', b"\\", b"<", b">", b"(", b")",
    b"%", b"%00", b"%zz", b"@", b":", b"?", b"=", b"&", b"[", b"]", b"*", b"\0", b"\xff", b"\xed\xa0\x80", "é".encode(),
    "٣".encode(), b"SIP/2.0", b"Content-Length: 99999999999999999999", b"l: 0\r\n", b"Via: ", b"sip:", b"9" * 40,
    b"a" * 70, b"<sip:a@b>", b";to-tag=1", b";from-tag=2", b"%3B", b"%3D", b"%0D%0A", b";transport=udp", b"?Replaces=",
]  # fmt: skip


@st.composite
def mutated_messages(draw: st.DrawFn) -> bytes:
    """A torture message with pieces cut out, doubled and put in."""
    data = draw(st.sampled_from(_SEEDS))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 30)))
        piece = draw(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=8), st.just(data[start:end] * 2)))
        data = data[:start] + piece + data[end:]
    return data


octets = st.one_of(
    st.binary(max_size=400), mutated_messages(), st.lists(st.sampled_from(_PIECES), max_size=40).map(b"".join)
)
texts = st.one_of(
    st.lists(st.sampled_from(_PIECES), max_size=20).map(
        lambda parts: b"".join(parts).decode("utf-8", "surrogateescape")
    ),
    st.text(max_size=60),
)


def _with(name: str, value: str) -> Request:
    return Request("INVITE", SipUri("sip", "a"), Headers([(name, value)]))


READERS: tuple[Callable[[str], object], ...] = (
    parse_uri,
    parse_name_addr,
    parse_via,
    parse_content_type,
    parse_retry_after,
    parse_warning,
    parse_reason_header,
    split_values,
    parse_authentication,
    parse_auth_parameters,
    lambda text: parse_tokens(Headers([("Allow", text)]), "Allow"),
    parse_replaces,
    lambda text: parse_rack(Headers([("RAck", text)])),
    lambda text: parse_rseq(Headers([("RSeq", text)])),
    lambda text: parse_session_expires(Headers([("Session-Expires", text)])),
    lambda text: parse_min_se(Headers([("Min-SE", text)])),
    lambda text: status_line(text.encode("utf-8", "surrogatepass")),
    lambda text: refer_to(_with("Refer-To", text)),
    lambda text: referred_by(_with("Referred-By", text)),
    lambda text: refer_target(_with("Refer-To", text), "lab.test"),
    lambda text: stations(_with("Diversion", text)),
    lambda text: stations(_with("History-Info", text)),
    lambda text: asserted_address(_with("P-Asserted-Identity", text), "calling"),
    lambda text: asserted_address(_with("Remote-Party-ID", text), "calling"),
    lambda text: asked_delay(_with("Call-Info", text)),
    lambda text: asked_delay(_with("Alert-Info", text)),
    lambda text: parse_message(text.encode("utf-8", "surrogatepass")),
)


def any_octets_parse_or_are_refused(data: bytes) -> None:
    """And what parsed can be read by every accessor that the parser promises, written, and read again."""
    try:
        message = parse_message(data)
    except MalformedRequest as error:
        _can_be_answered(error)
        return
    except RemoteProtocolError:
        return
    for read in (top_via, from_addr, to_addr, call_id, cseq):
        read(message)
    if isinstance(message, Request):
        contact = message.headers.get("Contact")
        if contact is not None and contact != "*":
            contact_uri(message)
        route_set(message, "Record-Route")
        parse_tokens(message.headers, "Require")
    assert parse_message(message.to_bytes()) == message


def _can_be_answered(error: MalformedRequest) -> None:
    assert 400 <= error.status_hint <= 599
    if error.answer is not None:
        error.answer.to_bytes()
    if error.partial is not None:
        for read in (top_via, from_addr, to_addr, call_id, cseq):
            read(error.partial)


def any_text_is_a_value_or_refused(text: str) -> None:
    for read in READERS:
        try:
            read(text)
        except RemoteProtocolError:
            continue


def a_written_uri_reads_the_same(text: str) -> None:
    try:
        uri = parse_uri(text)
    except RemoteProtocolError:
        return
    again = parse_uri(str(uri))
    assert str(again) == str(uri)
    assert uris_equal(again, again)


def what_a_refer_names_brings_no_line_and_no_other_way_than_tls(text: str) -> None:
    """Refer-To and Referred-By come from a peer, and go into an INVITE of ours."""
    for value in (text, f"<{text}>", f"<sip:{text}>", f"<sip:a@b?Replaces={text}>"):
        try:
            target = refer_target(_with("Refer-To", value), "lab.test")
        except RemoteProtocolError:
            continue
        for _, line in target.headers:
            assert not set(line) & set("\r\n\0")
        assert not set(str(target.uri)) & set('\r\n\0 <>"')
        assert (target.uri.parameter("transport") or "tls").lower() == "tls"
        assert target.uri.headers == ()


def what_a_person_types_brings_no_line_and_no_other_way_than_tls(text: str) -> None:
    """Also what stands in settings: watched lines, forwarding."""
    try:
        target = parse_dial_target(text, "lab.test")
    except OperationFailed:
        return
    assert not set(str(target)) & set('\r\n\0 <>"')
    assert (target.parameter("transport") or "tls").lower() == "tls"
    assert target.headers == ()


def a_user_of_any_text_survives_its_uri(user: str) -> None:
    uri = SipUri("sip", "example.com", user=user)
    assert parse_uri(str(uri)) == uri


def quoting_survives_any_text(text: str) -> None:
    assert unquote(quote(text)).replace(" ", "") == text.translate(str.maketrans("", "", "\r\n\0 "))
    assert split_values(quote(text)) == (quote(text),)


def any_cut_of_a_stream_gives_the_same_frames(data: bytes, sizes: list[int]) -> None:
    whole, cut = StreamFramer(FlowEnd.ACCEPTED), StreamFramer(FlowEnd.ACCEPTED)

    def feed(framer: StreamFramer, part: bytes) -> tuple[list[object], bool]:
        try:
            return list(framer.feed(part)), False
        except FramingError as error:
            return list(error.complete), True

    expected, expected_broken = feed(whole, data)
    found: list[object] = []
    broken = False
    position = 0
    for size in [*sizes, len(data)]:
        items, broken = feed(cut, data[position : position + size])
        found += items
        position += size
        if broken:
            break
    assert (found, broken) == (expected, expected_broken)


def any_challenge_is_answered_or_refused(lines: list[str]) -> None:
    authenticator = DigestAuthenticator(lambda count: b"\1" * count)
    request = Request("REGISTER", SipUri("sip", "example.com"))
    response = Response(401, "Unauthorized", Headers(("WWW-Authenticate", line) for line in lines))
    authenticator.learn(Response(200, "OK", Headers(("Authentication-Info", line) for line in lines)))
    try:
        answered = authenticator.answer(request, response, "bob", Secret("x"))
    except DigestRefused:
        return
    for line in answered.headers.get_all("Authorization"):
        challenge = read_challenge(parse_authentication(line)[1])
        assert not isinstance(challenge, str)


_HEX_LINES = texts.map(lambda text: f'Digest realm="a", nonce="b", qop="auth", {text}')
PROPERTIES = {
    given(data=octets)(any_octets_parse_or_are_refused): 400,
    given(text=texts)(any_text_is_a_value_or_refused): 200,
    given(text=texts.map(lambda text: f"sip:{text}"))(a_written_uri_reads_the_same): 200,
    given(text=texts)(what_a_refer_names_brings_no_line_and_no_other_way_than_tls): 200,
    given(text=texts)(what_a_person_types_brings_no_line_and_no_other_way_than_tls): 200,
    given(user=st.text(min_size=1, max_size=40))(a_user_of_any_text_survives_its_uri): 100,
    given(text=st.text(max_size=60))(quoting_survives_any_text): 100,
    given(data=octets, sizes=st.lists(st.integers(1, 60), max_size=20))(any_cut_of_a_stream_gives_the_same_frames): 200,
    given(lines=st.lists(st.one_of(texts, _HEX_LINES), max_size=4))(any_challenge_is_answered_or_refused): 100,
}  # by property the examples of a short run


def run(property_: Callable[[], None], examples: int) -> None:
    limits = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    limits(property_)()


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    for property_ in PROPERTIES:
        run(property_, count)
