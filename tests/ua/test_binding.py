"""What a registrar may write into its answer: a grant or a clean error, whatever it is, and in a short time."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from softphone.errors import OperationFailed, RemoteProtocolError
from softphone.sip.message import Headers, Response
from softphone.sip.uri import SipUri, parse_uri
from softphone.ua.account import Account, ServerTarget
from softphone.ua.binding import MAX_SERVICE_ROUTE, Grant, read_grant
from softphone.ua.registrar_redirect import redirect_of
from softphone.ua.server_times import retry_after

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
ACCOUNT = Account("a", "alice", "lab.test", ServerTarget("lab.test"), instance_id=INSTANCE)
OURS = "<sip:alice@192.0.2.1:40000;transport=tls>"
FIELDS = ("Contact", "Service-Route", "Require", "Flow-Timer", "Expires", "Retry-After")
PIECES = st.sampled_from(
    [
        *(OURS, "<sip:", "sips:", "tel:+49", ">", ";", ",", "*", '"', "\\", "=", " ", "0", "99999999999", "(", ")"),
        *(f'+sip.instance="<{INSTANCE}>"', "reg-id=1", "pub-gruu=", "temp-gruu=", "expires=", "gr", "lr", "outbound"),
        *("transport=tls", "transport=udp", "maddr=192.0.2.66", "@east.lab.test", ":5061", "[::1]"),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join)
HEADERS = st.lists(st.tuples(st.sampled_from(FIELDS), TEXTS), max_size=8)


@given(HEADERS)
def test_any_answer_is_a_grant_or_an_error_and_names_no_gruu_that_is_none(headers: list[tuple[str, str]]) -> None:
    response = Response(200, "OK", Headers(headers), b"")
    retry_after(response)
    try:
        grant = read_grant(response, ACCOUNT, OURS, 3600)
    except RemoteProtocolError:
        return
    assert isinstance(grant, Grant)
    assert grant.expires >= 0
    assert len(grant.binding.service_route) <= MAX_SERVICE_ROUTE
    for gruu in filter(None, (grant.binding.public_gruu, grant.binding.temporary_gruu)):
        uri = parse_uri(gruu)
        assert isinstance(uri, SipUri)
        assert uri.parameter("gr") is not None
        assert (uri.parameter("transport") or "tls").lower() == "tls"


@given(st.lists(TEXTS, max_size=6))
def test_any_redirection_leads_to_a_host_over_tls_or_nowhere(contacts: list[str]) -> None:
    response = Response(302, "Moved", Headers(("Contact", contact) for contact in contacts), b"")
    try:
        redirect = redirect_of(response, "lab.test", None)
    except OperationFailed:
        return
    assert redirect.server.host
    assert redirect.request_uri is not None
    assert redirect.request_uri.user is None


def test_the_largest_answer_is_read_in_a_moment() -> None:
    other = '<sip:alice@198.51.100.7:5061;transport=tls>;+sip.instance="<urn:uuid:0>";expires=9'
    crowd = Headers([("Contact", ",".join([other] * 190)) for _ in range(250)])
    began = time.thread_time()
    assert read_grant(Response(200, "OK", crowd, b""), ACCOUNT, OURS, 3600).expires == 3600
    assert time.thread_time() - began < 2
