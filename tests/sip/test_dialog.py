"""Dialogs: how they are made, route, count and move (RFC 3261 §12), and how they are found again."""

from __future__ import annotations

import pytest

from softphone.errors import RemoteProtocolError
from softphone.sip.dialog import Dialog, DialogId, DialogState, Role
from softphone.sip.header_values import cseq, from_addr, to_addr
from softphone.sip.message import Headers, Request, Response
from softphone.sip.parser import parse_message
from softphone.sip.uri import SipUri, parse_uri

CALL_ID = "3848276298220188511@atlanta.example.com"
ALICE_CONTACT = "<sip:alice@client.atlanta.example.com;transport=tls>"
BOB_CONTACT = "<sip:bob@client.biloxi.example.com;transport=tls>"


def invite(uri: str = "sip:bob@biloxi.example.com", *extra: tuple[str, str], contact: str | None = None) -> Request:
    """F1 of RFC 3665 §3.1, over TLS."""
    lines = [
        ("Via", "SIP/2.0/TLS client.atlanta.example.com:5061;branch=z9hG4bK74bf9"),
        ("Max-Forwards", "70"),
        ("From", "Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl"),
        ("To", f"Bob <{uri}>"),
        ("Call-ID", CALL_ID),
        ("CSeq", "7 INVITE"),
        ("Contact", contact or ALICE_CONTACT),
    ]
    return Request("INVITE", parse_uri(uri), Headers([*lines, *extra]))


def response(
    status: int,
    *extra: tuple[str, str],
    tag: str | None = "8321234356",
    contact: str | None = BOB_CONTACT,
    to: Request | None = None,
) -> Response:
    source = invite() if to is None else to
    lines = [(n, v) for n, v in source.headers if n in ("Via", "From", "To", "Call-ID", "CSeq")]
    if tag is not None:
        lines = [(n, f"{v};tag={tag}" if n == "To" and ";tag=" not in v else v) for n, v in lines]
    if contact is not None:
        lines.append(("Contact", contact))
    return Response(status, "Test", Headers([*lines, *extra]))


def record_route(*uris: str) -> tuple[str, str]:
    return "Record-Route", ", ".join(f"<{uri}>" for uri in uris)


def called(*extra: tuple[str, str], uri: str = "sip:bob@biloxi.example.com", contact: str | None = None) -> Dialog:
    return Dialog.from_request(invite(uri, *extra, contact=contact), "ours")


def in_dialog(method: str, number: int, contact: str | None = None) -> Request:
    """A request of Alice inside Bob's dialog."""
    lines = [
        ("From", "Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl"),
        ("To", "Bob <sip:bob@biloxi.example.com>;tag=ours"),
        ("Call-ID", CALL_ID),
        ("CSeq", f"{number} {method}"),
    ]
    if contact is not None:
        lines.append(("Contact", contact))
    return Request(method, parse_uri("sip:bob@client.biloxi.example.com"), Headers(lines))


# Made by a response, §12.1.2


def test_a_provisional_response_with_a_tag_makes_an_early_dialog() -> None:
    dialog = Dialog.from_response(invite(), response(180))
    assert dialog.state is DialogState.EARLY
    assert dialog.role is Role.UAC
    assert dialog.id == DialogId(CALL_ID, "9fxced76sl", "8321234356")
    assert str(dialog.remote_target) == "sip:bob@client.biloxi.example.com;transport=tls"
    assert dialog.route_set == ()
    assert (dialog.local_cseq, dialog.remote_cseq) == (7, None)
    assert not dialog.secure


def test_a_2xx_makes_a_confirmed_dialog() -> None:
    assert Dialog.from_response(invite(), response(200)).state is DialogState.CONFIRMED


@pytest.mark.parametrize("bad", [response(180, tag=None), response(302), response(486)])
def test_no_dialog_from_a_provisional_response_without_tag_or_a_refusal(bad: Response) -> None:
    with pytest.raises(RemoteProtocolError):
        Dialog.from_response(invite(), bad)


def test_a_2xx_without_tag_or_contact_still_makes_a_dialog_that_can_be_acknowledged_and_ended() -> None:
    dialog = Dialog.from_response(invite(), response(200, tag=None, contact=None))
    assert dialog.id.remote_tag == ""
    assert str(dialog.ack(7).uri) == str(dialog.request("BYE").uri) == "sip:bob@biloxi.example.com"
    assert to_addr(dialog.request("BYE")).tag is None


def test_the_route_set_of_the_caller_is_record_route_backwards() -> None:
    dialog = Dialog.from_response(
        invite(),
        response(180, record_route("sip:p2.example.com;lr", "sip:p1.example.com;lr"), record_route("sip:p0;lr")),
    )
    assert [str(route.uri) for route in dialog.route_set] == [
        "sip:p0;lr",
        "sip:p1.example.com;lr",
        "sip:p2.example.com;lr",
    ]


def test_a_2xx_confirms_and_replaces_route_set_and_target_but_not_the_counters() -> None:
    dialog = Dialog.from_response(invite(), response(180, record_route("sip:p1.example.com;lr")))
    dialog.request("PRACK")
    dialog.confirm(response(200, record_route("sip:p2.example.com;lr"), contact="<sip:bob@192.0.2.4>"))
    assert dialog.state is DialogState.CONFIRMED
    assert [str(route.uri) for route in dialog.route_set] == ["sip:p2.example.com;lr"]
    assert str(dialog.remote_target) == "sip:bob@192.0.2.4"
    assert dialog.local_cseq == 8


def test_a_repeated_2xx_changes_nothing() -> None:
    dialog = Dialog.from_response(invite(), response(200, record_route("sip:p1.example.com;lr")))
    dialog.confirm(response(200, record_route("sip:evil.example.com;lr"), contact="<sip:evil@example.com>"))
    assert [str(route.uri) for route in dialog.route_set] == ["sip:p1.example.com;lr"]
    assert str(dialog.remote_target) == "sip:bob@client.biloxi.example.com;transport=tls"


# Made by a request, §12.1.1


def test_a_request_makes_the_dialog_of_the_called() -> None:
    dialog = called(record_route("sip:p2.example.com;lr", "sip:p1.example.com;lr"))
    assert dialog.state is DialogState.EARLY
    assert dialog.role is Role.UAS
    assert dialog.id == DialogId(CALL_ID, "ours", "9fxced76sl")
    assert [str(route.uri) for route in dialog.route_set] == ["sip:p2.example.com;lr", "sip:p1.example.com;lr"]
    assert (dialog.local_cseq, dialog.remote_cseq) == (None, 7)
    assert str(dialog.remote_target) == "sip:alice@client.atlanta.example.com;transport=tls"
    assert dialog.local_uri.tag == "ours"


def test_our_own_2xx_confirms_it_and_leaves_target_and_routes() -> None:
    dialog = called(record_route("sip:p1.example.com;lr"))
    dialog.confirm(response(200, contact="<sip:ourselves@example.com>"))
    assert dialog.state is DialogState.CONFIRMED
    assert str(dialog.remote_target) == "sip:alice@client.atlanta.example.com;transport=tls"
    assert len(dialog.route_set) == 1


def test_a_request_without_contact_makes_no_dialog() -> None:
    message = invite()
    with pytest.raises(RemoteProtocolError) as caught:
        Dialog.from_request(message.with_headers(message.headers.without("Contact")), "ours")
    assert caught.value.status_hint == 400


def test_a_caller_without_tag_is_an_rfc_2543_client() -> None:
    message = invite()
    old = message.with_headers(message.headers.replaced("From", "<sip:alice@atlanta.example.com>"))
    assert Dialog.from_request(old, "ours").id.remote_tag == ""


# The life


def test_a_refused_early_dialog_is_over_and_a_confirmed_one_is_not() -> None:
    early = Dialog.from_response(invite(), response(180))
    early.refuse()
    assert early.state is DialogState.TERMINATED
    confirmed = Dialog.from_response(invite(), response(200))
    confirmed.refuse()
    assert confirmed.state is DialogState.CONFIRMED


@pytest.mark.parametrize("status", [180, 200])
def test_a_terminated_dialog_stays_so_and_can_still_repeat_its_bye(status: int) -> None:
    dialog = Dialog.from_response(invite(), response(status))
    first = dialog.request("BYE")
    dialog.terminate()
    dialog.confirm(response(200))
    dialog.terminate()
    assert dialog.state is DialogState.TERMINATED
    assert cseq(dialog.request("BYE")).number == cseq(first).number + 1


# Requests inside it, §12.2.1.1


def test_a_request_carries_what_12_2_1_1_says_and_can_be_read_again() -> None:
    dialog = Dialog.from_response(invite(), response(200))
    sent = dialog.request("INVITE", contact=ALICE_CONTACT, headers=[("Content-Type", "application/sdp")], body=b"v=0")
    read = parse_message(sent.with_headers(sent.headers.prepended("Via", "SIP/2.0/TLS a;branch=z9hG4bK1")).to_bytes())
    assert isinstance(read, Request)
    assert (from_addr(read).tag, to_addr(read).tag) == ("9fxced76sl", "8321234356")
    assert str(from_addr(read).uri) == "sip:alice@atlanta.example.com"
    assert str(to_addr(read).uri) == "sip:bob@biloxi.example.com"
    assert read.headers.get("Call-ID") == CALL_ID
    assert read.headers.get("CSeq") == "8 INVITE"
    assert read.headers.get("Max-Forwards") == "70"
    assert read.headers.get("Contact") == ALICE_CONTACT
    assert read.body == b"v=0"


def test_the_called_speaks_with_the_ends_exchanged() -> None:
    bye = called().request("BYE")
    assert (from_addr(bye).tag, to_addr(bye).tag) == ("ours", "9fxced76sl")
    assert str(bye.uri) == "sip:alice@client.atlanta.example.com;transport=tls"
    assert "Contact" not in bye.headers


def test_the_sequence_number_rises_with_every_request_and_not_with_an_ack() -> None:
    dialog = Dialog.from_response(invite(), response(200))
    numbers = [cseq(dialog.request("INFO")).number, cseq(dialog.ack(7)).number, cseq(dialog.request("BYE")).number]
    assert numbers == [8, 7, 9]
    assert dialog.next_cseq() == 10
    assert cseq(called().request("BYE")).number == 1


def test_an_ack_has_the_number_of_its_invite_the_credentials_and_an_answer() -> None:
    dialog = Dialog.from_response(invite(), response(200, record_route("sip:p1.example.com;lr")))
    ack = dialog.ack(7, body=b"v=0", headers=[("Authorization", "Digest x")])
    assert (ack.method, ack.headers.get("CSeq"), ack.body) == ("ACK", "7 ACK", b"v=0")
    assert ack.headers.get("Content-Type") == "application/sdp"
    assert ack.headers.get("Authorization") == "Digest x"
    assert ack.headers.get("Route") == "<sip:p1.example.com;lr>"
    assert "Content-Type" not in dialog.ack(7).headers


def test_loose_routing_keeps_the_target_and_lists_the_routes() -> None:
    dialog = called(record_route("sip:p2.example.com;lr", "sip:p1.example.com;lr=on"))
    bye = dialog.request("BYE")
    assert str(bye.uri) == "sip:alice@client.atlanta.example.com;transport=tls"
    assert bye.headers.get_all("Route") == ("<sip:p2.example.com;lr>", "<sip:p1.example.com;lr=on>")


def test_strict_routing_goes_to_the_first_route_and_puts_the_target_last() -> None:
    dialog = called(record_route("sip:p1.example.com;method=INVITE", "sip:p2.example.com;lr"))
    bye = dialog.request("BYE")
    assert str(bye.uri) == "sip:p1.example.com"
    assert bye.headers.get_all("Route") == (
        "<sip:p2.example.com;lr>",
        "<sip:alice@client.atlanta.example.com;transport=tls>",
    )


def test_a_target_loses_what_a_request_uri_must_not_have() -> None:
    dialog = called(contact="<sip:alice@192.0.2.1;method=INVITE;transport=tls?Subject=x>")
    assert str(dialog.request("BYE").uri) == "sip:alice@192.0.2.1;transport=tls"


# Requests that arrive, §12.2.2


def test_an_older_request_is_out_of_order_and_changes_nothing() -> None:
    dialog = called()
    dialog.receive(in_dialog("INFO", 9))
    with pytest.raises(RemoteProtocolError) as caught:
        dialog.receive(in_dialog("INVITE", 8, contact="<sip:late@example.com>"))
    assert caught.value.status_hint == 500
    assert dialog.remote_cseq == 9
    assert str(dialog.remote_target) == "sip:alice@client.atlanta.example.com;transport=tls"


def test_numbers_may_jump_and_the_first_one_of_a_callee_is_taken_as_it_is() -> None:
    dialog = Dialog.from_response(invite(), response(200))
    dialog.receive(in_dialog("INFO", 4711))
    assert dialog.remote_cseq == 4711
    dialog.receive(in_dialog("BYE", 2**31 - 1))
    assert dialog.remote_cseq == 2**31 - 1


def test_only_a_lower_number_is_out_of_order() -> None:
    dialog = called()
    dialog.receive(in_dialog("INFO", 7))
    assert dialog.remote_cseq == 7


def test_ack_and_cancel_carry_the_number_of_their_invite_and_are_not_judged() -> None:
    dialog = called()
    dialog.receive(in_dialog("INFO", 9))
    dialog.receive(in_dialog("ACK", 7))
    dialog.receive(in_dialog("CANCEL", 7))
    assert dialog.remote_cseq == 9


@pytest.mark.parametrize("method", ["SUBSCRIBE", "NOTIFY", "REFER"])
def test_target_refresh_requests_move_the_target(method: str) -> None:
    dialog = called()
    dialog.receive(in_dialog(method, 8, contact="<sip:alice@192.0.2.9;transport=tls>"))
    assert str(dialog.request("BYE").uri) == "sip:alice@192.0.2.9;transport=tls"


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_change_of_the_session_moves_it_once_it_is_accepted(method: str) -> None:
    dialog = called()
    request = in_dialog(method, 8, contact="<sip:alice@192.0.2.9;transport=tls>")
    dialog.receive(request)
    assert str(dialog.request("OPTIONS").uri) == "sip:alice@client.atlanta.example.com;transport=tls"
    dialog.refresh_target(request)
    assert str(dialog.request("BYE").uri) == "sip:alice@192.0.2.9;transport=tls"


@pytest.mark.parametrize("method", ["INFO", "OPTIONS", "BYE", "MESSAGE"])
def test_other_requests_do_not_move_it(method: str) -> None:
    dialog = called()
    dialog.receive(in_dialog(method, 8, contact="<sip:alice@192.0.2.9;transport=tls>"))
    assert str(dialog.request("BYE").uri) == "sip:alice@client.atlanta.example.com;transport=tls"


@pytest.mark.parametrize(("status", "moved"), [(200, True), (202, True), (180, False), (488, False)])
def test_only_a_2xx_to_a_re_invite_moves_the_target(status: int, moved: bool) -> None:
    dialog = Dialog.from_response(invite(), response(200))
    dialog.refresh_target(response(status, contact="<sip:bob@192.0.2.9>"))
    assert (str(dialog.remote_target) == "sip:bob@192.0.2.9") is moved


def test_a_2xx_to_another_request_or_without_contact_does_not_move_it() -> None:
    dialog = Dialog.from_response(invite(), response(200))
    other = response(200, contact="<sip:bob@192.0.2.9>")
    dialog.refresh_target(other.with_headers(other.headers.replaced("CSeq", "8 INFO")))
    dialog.refresh_target(response(200, contact=None))
    assert str(dialog.remote_target) == "sip:bob@client.biloxi.example.com;transport=tls"


# sips


def test_in_a_dialog_made_by_a_sips_request_no_target_is_ever_sip() -> None:
    request = invite("sips:bob@biloxi.example.com")
    caller = Dialog.from_response(request, response(180, to=request))
    assert caller.secure
    assert isinstance(caller.remote_target, SipUri)
    assert caller.remote_target.scheme == "sips"
    callee = called(uri="sips:bob@biloxi.example.com")
    callee.refresh_target(in_dialog("INVITE", 8, contact="<sip:alice@192.0.2.9>"))
    assert str(callee.request("BYE").uri) == "sips:alice@192.0.2.9"


def test_a_dialog_shows_its_identity_and_state() -> None:
    assert "UAS, EARLY" in repr(called())
