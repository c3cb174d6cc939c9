"""Every request and response that a phone sends has the header fields that its RFC demands, and none that it forbids.

All flows of the pair tests are played once; what was sent is held against the two tables. A kind of message without a
row fails, and so does a row of which no message was seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import pytest

from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy
from softphone.sip.header_values import call_id, cseq, from_addr, parse_tokens, to_addr
from softphone.sip.message import Message, Request, Response
from softphone.sip.parser import parse_message
from softphone.ua.account import CallRules
from softphone.ua.commands import AddAccount, Answer, Hold, SendInstantMessage, Unregister
from softphone.ua.events import IncomingCall
from tests.pair import (
    test_adversity,
    test_events,
    test_feature_adversity,
    test_session_adversity,
    test_transfers,
)
from tests.pair.joined import Joined
from tests.playbook.stage import Stage, their_session

COMMON = frozenset({"Via", "From", "To", "Call-ID", "CSeq"})
MAKES_DIALOG = frozenset({"Contact", "Allow", "Supported", "Allow-Events"})


@dataclass(frozen=True)
class Fields:
    must: frozenset[str]
    must_not: frozenset[str] = frozenset()


def row(*must: str, no: tuple[str, ...] = ()) -> Fields:
    return Fields(frozenset(must), frozenset(no))


_NO_CONTACT = ("Contact",)
# By method; besides `COMMON` and Max-Forwards. Supported: RFC 4028 §7.1 wants it in each request but ACK; CANCEL is
# hop by hop and asks for nothing (RFC 3261 §9.1).
REQUESTS = {
    "REGISTER": row("Contact", "Expires", "Supported", no=("Route",)),  # RFC 3261 §10.2, 5626 §4.2.1
    "INVITE": row("Content-Type", *MAKES_DIALOG),  # RFC 3261 §13.2.1, 6665 §4.4.4
    "ACK": row(no=("Supported", "Require", "Proxy-Require")),
    "CANCEL": row(no=("Require", "Proxy-Require", *_NO_CONTACT)),  # RFC 3261 §9.1
    "BYE": row("Supported", no=_NO_CONTACT),
    "PRACK": row("RAck", "Supported", no=_NO_CONTACT),  # RFC 3262 §7.2
    "UPDATE": row("Contact", "Allow", "Supported"),  # RFC 3311 §5.1
    "INFO": row("Content-Type", "Supported"),
    "REFER": row("Contact", "Refer-To", "Referred-By", "Supported"),  # RFC 3515 §2.2, 3892 §2.1
    "SUBSCRIBE": row("Contact", "Event", "Expires", "Accept", "Supported"),  # RFC 6665 §4.1.2.1, §8.2.1
    "NOTIFY": row("Contact", "Event", "Subscription-State", "Content-Type", "Supported"),  # RFC 6665 §4.2.2
    "MESSAGE": row("Content-Type", "Supported", no=_NO_CONTACT),  # RFC 3428 §4
}
# By status and method; "" where the method makes no difference. Besides `COMMON`.
RESPONSES = {
    (180, "INVITE"): row(*MAKES_DIALOG),
    (183, "INVITE"): row("Content-Type", *MAKES_DIALOG),
    (200, "INVITE"): row(*MAKES_DIALOG),
    (200, "UPDATE"): row("Contact", "Allow", "Supported"),  # RFC 3311 §5.2
    (200, "OPTIONS"): row("Allow", "Accept", "Accept-Encoding", "Accept-Language", "Supported", "Allow-Events"),
    (202, "REFER"): row("Contact"),  # RFC 3515 §2.2, it makes a dialog usage
    (200, "MESSAGE"): row(no=("Contact", "Content-Type")),  # RFC 3428 §7
    (200, ""): row(),
    (302, "INVITE"): row("Contact", "Diversion"),
    (400, ""): row(),
    (404, ""): row(),
    (405, ""): row("Allow"),  # RFC 3261 §8.2.1
    (415, ""): row("Accept"),  # §8.2.3
    (416, ""): row(),
    (420, ""): row("Unsupported"),  # §8.2.2.3
    (422, ""): row("Min-SE"),  # RFC 4028 §6
    (469, "INFO"): row("Recv-Info"),  # RFC 6086 §4.2.2
    (480, "MESSAGE"): row("Retry-After"),
    (481, ""): row(),
    (486, ""): row(),
    (487, "INVITE"): row(),
    (488, ""): row("Warning"),  # RFC 3261 §21.4.26
    (489, ""): row("Allow-Events"),  # RFC 6665 §8.3.2
    (491, ""): row(),
    (500, "INVITE"): row("Retry-After"),  # RFC 3261 §14.2, of one that crosses another
    (500, ""): row(),
    (603, ""): row(),
}


def kind(message: Message) -> tuple[int, str]:
    method = cseq(message).method
    if isinstance(message, Request):
        return 0, method
    return message.status, method if (message.status, method) in RESPONSES else ""


def every_flow() -> Iterator[Iterator[Message]]:
    for flow in test_adversity.FLOWS:
        yield both(test_adversity.play(flow, "lost", 0)[0])
    for change in test_session_adversity.FLOWS:
        yield both(test_session_adversity.play(change, "lost", 0)[0])
    for feature in test_feature_adversity.FLOWS:
        yield both(test_feature_adversity.play(feature, "lost", 0)[0])
    for transfer in test_transfers.FLOWS:
        exchange, _ = test_transfers.play(transfer, "lost", 0)
        yield map(parse_message, exchange.carried)
    watching, notifier = test_events.watching()
    watching.start()
    test_events.a_call_comes_and_goes(watching, notifier)
    watching.do(watching.phone, SendInstantMessage("m", "bob", "hello"))
    watching.do(watching.phone, Unregister("a"))
    watching.advance(5)
    yield (parse_message(data) for data in watching.phone.sent if data.strip())
    yield answers_to_what_is_odd()


def both(pair: Joined) -> Iterator[Message]:
    """The peer's registrar is a test's."""
    test_adversity.end_everything(pair)
    for side in (pair.phone, pair.peer):
        for message in (parse_message(data) for data in side.sent if data.strip()):
            if side is pair.phone or cseq(message).method != "REGISTER":
                yield message


def answers_to_what_is_odd() -> Iterator[Message]:
    """Requests that are refused, each for a reason of its own."""
    stage = Stage().registered()
    stage.account = replace(stage.account, rules=CallRules(max_calls=1))
    stage.do(AddAccount(stage.account))
    timer = ("Supported", "timer")
    clear = their_session(MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE))
    for data in (
        stage.request("PUBLISH"),
        stage.request("OPTIONS"),
        stage.request("OPTIONS", uri="http:x"),
        stage.request("OPTIONS", uri="sip:mallory@192.0.2.1"),
        stage.request("BYE"),
        stage.request("INVITE", ("Require", "sec-agree"), call_id="in-0"),
        stage.request("INVITE", body=b"x", content_type="text/plain", call_id="in-2"),
        stage.request("INVITE", body=b"v=0\r\nthis is no SDP\r\n", call_id="in-3"),
        stage.request("INVITE", body=clear.create_offer(), call_id="in-4"),
        stage.request("INVITE", ("Session-Expires", "60"), timer, body=their_session().create_offer(), call_id="in-5"),
        stage.request("REFER", ("Refer-To", "<sip:carol@lab.test>"), call_id="in-6"),
        stage.request("NOTIFY", ("Event", "presence"), ("Subscription-State", "active"), call_id="in-7"),
        *(
            stage.request("MESSAGE", body=b"hello", content_type="text/plain", call_id=f"flood-{number}")
            for number in range(22)
        ),
    ):
        stage.say(data)
    stage.rings()
    stage.say(stage.request("INVITE", body=their_session().create_offer(), call_id="in-8"))
    stage.do(Answer(stage.of(IncomingCall)[-1].call_id))
    stage.say(stage.in_dialog("INVITE", 2, body=their_session().create_offer()))  # before the ACK of the first
    stage.say(stage.in_dialog("ACK", 1))
    stage.say(stage.in_dialog("INFO", 3, ("Info-Package", "foo")))
    stage.say(stage.in_dialog("INFO", 3))  # repeated
    stage.say(stage.in_dialog("OPTIONS", 2))  # out of order
    stage.do(Hold(stage.of(IncomingCall)[-1].call_id))
    stage.say(stage.in_dialog("INVITE", 5, body=their_session().create_offer()))
    yield from stage.sent


@cache
def flows() -> tuple[tuple[Message, ...], ...]:
    return tuple(map(tuple, every_flow()))


def sent() -> tuple[Message, ...]:
    return tuple(itertools.chain.from_iterable(flows()))


ROWS = [*((0, method) for method in REQUESTS), *RESPONSES]


@pytest.mark.parametrize("wanted", ROWS, ids=lambda wanted: f"{wanted[0] or ''} {wanted[1]}".strip())
def test_each_kind_of_message_has_the_fields_that_it_must_have(wanted: tuple[int, str]) -> None:
    fields = RESPONSES[wanted] if wanted[0] else REQUESTS[wanted[1]]
    of_its_kind = [message for message in sent() if kind(message) == wanted]
    assert of_its_kind, "nobody has sent one: the row proves nothing"
    for message in of_its_kind:
        names = {name for name, _ in message.headers}
        assert not (fields.must | COMMON) - names
        assert not names & fields.must_not


def test_no_kind_of_message_is_without_a_row() -> None:
    assert {kind(message) for message in sent()} <= set(ROWS)


def test_what_holds_of_every_message() -> None:
    for message in sent():
        assert from_addr(message).tag is not None
        body_is_named = ("Content-Type" in message.headers) is bool(message.body)
        assert body_is_named
        if isinstance(message, Request):
            assert int(message.headers.get("Max-Forwards") or 0) in (69, 70)
            assert cseq(message).method == message.method
        elif message.status > 100:
            assert to_addr(message).tag is not None
            assert 0 <= int(message.headers.get("Retry-After") or 0) <= 10
            assert message.reason != "Unknown", message.status


def test_what_goes_with_an_extension_is_there() -> None:
    for message in sent():
        headers, required = message.headers, parse_tokens(message.headers, "Require")
        if isinstance(message, Request) and message.method not in ("ACK", "CANCEL"):
            assert "timer" in parse_tokens(headers, "Supported")  # RFC 4028 §7.1
        if isinstance(message, Request) and message.method == "REGISTER":
            assert {"path", "gruu"} <= set(parse_tokens(headers, "Supported"))
        if "Replaces" in headers:
            assert "replaces" in required
        if isinstance(message, Response) and "RSeq" in headers:
            assert 100 < message.status < 200  # RFC 3262 §3
            assert "100rel" in required
        if isinstance(message, Response) and "Session-Expires" in headers:
            assert ";refresher=" in (headers.get("Session-Expires") or "")  # RFC 4028 §9


def test_the_fields_that_tie_a_message_to_another_are_the_same() -> None:
    """RFC 3261 §9.1, §17.1.1.3: CANCEL and the ACK of a refusal have the INVITE's Request-URI, tags, number, branch."""
    found = set()
    for messages in flows():
        invites = {branch(m): m for m in messages if isinstance(m, Request) and m.method == "INVITE"}
        for message in messages:
            if not isinstance(message, Request) or message.method not in ("CANCEL", "ACK"):
                continue
            invite = invites.get(branch(message))
            if invite is None:
                continue  # the ACK of a 2xx is a transaction of its own
            found.add(message.method)
            assert message.uri == invite.uri
            assert cseq(message).number == cseq(invite).number
            assert (call_id(message), from_addr(message)) == (call_id(invite), from_addr(invite))
            assert message.headers.get_all("Route") == invite.headers.get_all("Route")
    assert found == {"CANCEL", "ACK"}


def branch(message: Message) -> str:
    return (message.headers.get("Via") or "").partition("branch=")[2].partition(";")[0]
