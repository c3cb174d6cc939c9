"""Busy lamps, pickup and message waiting by the call flows of RFC 4235 §6, RFC 3842 §4 and RFC 5359 (call pickup)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.sip.message import Request
from softphone.ua.account import WatchedLine
from softphone.ua.commands import AddAccount, PickUp
from softphone.ua.events import (
    CallEnded,
    CallStarted,
    LineState,
    LineStateChanged,
    MessageWaitingChanged,
    Party,
    RemoteIdentityChanged,
)
from tests.playbook.notifier import Notifier, dialog_info, ringing
from tests.playbook.stage import Stage

NAMESPACE = 'xmlns="urn:ietf:params:xml:ns:dialog-info"'


def stage_with(**fields: object) -> Stage:
    stage = Stage()
    stage.account = replace(stage.account, **fields)  # type: ignore[arg-type]
    return stage.registered(10**6)


@pytest.fixture
def stage() -> Stage:
    return stage_with(watched=(WatchedLine("bob"),))


def lamp(stage: Stage) -> LineStateChanged:
    return stage.of(LineStateChanged)[-1]


def shown(stage: Stage) -> list[LineState]:
    return [event.state for event in stage.of(LineStateChanged)]


# RFC 4235 §6.1: a call of the watched line that forks


def document(version: int, state: str, *dialogs: str) -> bytes:
    return (
        f'<?xml version="1.0"?><dialog-info {NAMESPACE} version="{version}" state="{state}"'
        f' entity="sip:alice@example.com">{"".join(dialogs)}</dialog-info>'
    ).encode()


def outgoing(dialog_id: str, state: str, remote_tag: str = "") -> str:
    tag = f' remote-tag="{remote_tag}"' if remote_tag else ""
    return (
        f'<dialog id="{dialog_id}" call-id="a84b4c76e66710" local-tag="1928301774"{tag} direction="initiator">'
        f"<state>{state}</state></dialog>"
    )


def test_a_forking_call_of_the_line_is_one_busy_line(stage: Stage) -> None:
    server = Notifier(stage).begin(document(0, "full"))
    server.notify(document(1, "partial", outgoing("as7d900as8", "trying")))
    server.notify(document(2, "partial", outgoing("as7d900as8", "early", "456887766")))
    server.notify(document(3, "partial", outgoing("zxcvbnm3", "early", "hh76a")))
    server.notify(document(4, "partial", outgoing("zxcvbnm3", "confirmed", "hh76a")))
    server.notify(
        document(5, "partial", '<dialog id="as7d900as8"><state event="cancelled">terminated</state></dialog>')
    )
    assert shown(stage) == [LineState.IDLE, LineState.BUSY]
    server.notify(document(6, "partial", '<dialog id="zxcvbnm3"><state event="remote-bye">terminated</state></dialog>'))
    assert shown(stage)[-1] is LineState.IDLE


def test_a_call_to_the_line_rings_is_answered_and_ends(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info())
    server.notify(dialog_info(ringing(state="trying"), version=1))
    assert lamp(stage) == LineStateChanged("a", "bob", LineState.RINGING, Party("sip:carol@lab.test", "Carol"))
    server.notify(dialog_info(ringing(state="confirmed"), version=2))
    assert lamp(stage) == LineStateChanged("a", "bob", LineState.BUSY, Party("sip:carol@lab.test", "Carol"))
    server.notify(dialog_info(ringing(state="terminated"), version=3))
    assert lamp(stage) == LineStateChanged("a", "bob", LineState.IDLE)


def test_a_second_call_of_a_busy_line_rings(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(ringing("1", "confirmed"), ringing("2", remote="sip:dave@lab.test")))
    assert lamp(stage).state is LineState.RINGING
    assert lamp(stage).remote == Party("sip:dave@lab.test", "Carol")
    server.notify(dialog_info(ringing("2", "terminated"), version=1, state="partial"))
    assert lamp(stage).state is LineState.BUSY


# Versions (RFC 4235 §3.9, §4.3)


def test_an_older_document_is_not_believed(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(ringing(), version=7))
    assert server.notify(dialog_info(version=7)).status == 200
    assert server.notify(dialog_info(version=6)).status == 200
    assert lamp(stage).state is LineState.RINGING


def test_a_lost_document_has_the_full_state_asked_for_but_not_all_the_time(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(version=1))
    server.notify(dialog_info(ringing(), version=3, state="partial"))
    assert lamp(stage).state is LineState.RINGING  # §4.3: taken all the same
    assert server.asked() == 2
    server.notify(dialog_info(ringing(), version=9, state="partial"))
    assert server.asked() == 2
    stage.wait(11)
    server.notify(dialog_info(ringing(), version=20, state="partial"))
    assert server.asked() == 3
    server.accept()
    server.notify(dialog_info(version=21))
    assert lamp(stage).state is LineState.IDLE


def test_a_partial_document_first_is_not_all(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(ringing(), state="partial"))
    assert server.asked() == 2


def test_a_new_subscription_counts_from_anew(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(ringing(), version=50))
    server.notify(b"", "terminated;reason=deactivated")
    stage.wait(2)
    Notifier(stage).begin(dialog_info(version=0))
    assert lamp(stage).state is LineState.IDLE


# Pickup


def test_a_ringing_call_is_picked_up_at_its_caller(stage: Stage) -> None:
    Notifier(stage).begin(dialog_info(ringing()))
    stage.do(PickUp("p", "a", "bob"))
    invite = stage.last("INVITE")
    assert str(invite.uri) == "sip:carol@lab.test"
    # The caller's own tag is the line's remote one (RFC 3891 §3).
    assert invite.headers.get("Replaces") == "a84b4c76e66710;to-tag=456887766;from-tag=1928301774;early-only"
    assert invite.headers.get("Require") == "replaces"
    assert stage.of(CallStarted)[-1].call_id == "p"
    assert stage.of(RemoteIdentityChanged)[-1].remote == Party("sip:carol@lab.test", "Carol")


def test_a_challenged_pickup_keeps_its_headers(stage: Stage) -> None:
    Notifier(stage).begin(dialog_info(ringing()))
    stage.do(PickUp("p", "a", "bob"))
    challenge = ("Proxy-Authenticate", 'Digest realm="lab.test", nonce="p1", qop="auth"')
    stage.reply(stage.last("INVITE"), 407, challenge)
    assert "Replaces" in stage.last("INVITE").headers


@pytest.mark.parametrize(
    ("line", "dialled"),
    [
        ("bob", "sip:**bob@lab.test"),
        ("201", "sip:**201@lab.test"),
        ("sip:bob@other.test", "sip:**bob@other.test"),
        ("+49 201-7", "sip:**+492017@lab.test"),
        ("tel:+49201", "sip:**+49201@lab.test;user=phone"),
    ],
)
def test_a_line_with_a_pickup_code_is_picked_up_by_it(line: str, dialled: str) -> None:
    stage = stage_with(watched=(WatchedLine(line, pickup_code="**"),))
    Notifier(stage).begin(dialog_info('<dialog id="1" direction="recipient"><state>early</state></dialog>'))
    stage.do(PickUp("p", "a", line))
    assert str(stage.last("INVITE").uri) == dialled
    assert "Replaces" not in stage.last("INVITE").headers


NAMELESS = '<dialog id="1" direction="recipient"><state>early</state></dialog>'
NOBODY = '<dialog id="1" call-id="c" local-tag="l" remote-tag="r" direction="recipient"><state>early</state></dialog>'
INJECTING = NOBODY.replace('call-id="c"', 'call-id="c;to-tag=x"')
SPLIT = NOBODY.replace('call-id="c"', 'call-id="c,d"')
WEB = ringing(remote="http://evil.test/")


@pytest.mark.parametrize(
    ("dialogs", "words"),
    [
        ("", "Nothing rings"),
        (ringing(state="confirmed"), "Nothing rings"),
        (ringing(direction="initiator"), "Nothing rings"),
        (NAMELESS, "does not say which call"),
        (NOBODY, "does not say who calls"),
        (INJECTING, "does not say which call"),
        (SPLIT, "does not say which call"),
        (WEB, "does not say who calls"),
    ],
)
def test_what_cannot_be_picked_up_is_refused_in_words(stage: Stage, dialogs: str, words: str) -> None:
    Notifier(stage).begin(dialog_info(dialogs))
    stage.do(PickUp("p", "a", "bob"))
    assert stage.of(CallStarted)[-1].call_id == "p"
    (ended,) = stage.of(CallEnded)
    assert ended.failure is not None
    assert words in ended.failure.reason
    assert ended.failure.remedy
    assert not [m for m in stage.sent if isinstance(m, Request) and m.method == "INVITE"]


@pytest.mark.parametrize(("account", "uri"), [("a", "carol"), ("nobody", "bob")])
def test_a_line_that_is_not_watched_is_not_picked_up(stage: Stage, account: str, uri: str) -> None:
    Notifier(stage).begin(dialog_info(ringing()))
    stage.do(PickUp("p", account, uri))
    (ended,) = stage.of(CallEnded)
    assert ended.failure is not None
    assert "not watched" in ended.failure.reason


def test_an_address_of_another_transport_goes_over_our_server_all_the_same(stage: Stage) -> None:
    Notifier(stage).begin(dialog_info(ringing(remote="sip:carol:x@10.0.0.7:5062;transport=udp;line=1?Subject=x")))
    stage.do(PickUp("p", "a", "bob"))
    assert str(stage.last("INVITE").uri) == "sip:carol@10.0.0.7:5062;line=1"


def test_nothing_is_picked_up_while_nothing_is_known(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(ringing()))
    server.notify(b"", "terminated;reason=giveup")
    stage.do(PickUp("p", "a", "bob"))
    assert "Nothing rings" in (stage.ended.failure or stage.ended).reason  # type: ignore[union-attr]


# Message waiting: RFC 3842 §4


SUMMARY = b"Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n"


def test_the_flow_of_rfc_3842() -> None:
    stage = stage_with(message_waiting=True)
    subscribe = stage.last("SUBSCRIBE")  # A1
    assert str(subscribe.uri) == "sip:alice@lab.test"
    assert subscribe.headers.get("Event") == "message-summary"
    assert subscribe.headers.get("Accept") == "application/simple-message-summary"
    server = Notifier(stage, "message-summary")
    server.accept(86400)  # A2
    assert server.notify(SUMMARY).status == 200  # A3, A4
    assert stage.of(MessageWaitingChanged) == [MessageWaitingChanged("a", True, 2, 8, "sip:alice@vmail.example.com")]
    refreshed = (
        b"Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 4/8 (1/2)\r\n\r\n"
    )
    headers = b"To: <alice@atlanta.example.com>\r\nSubject: carpool tomorrow?\r\nUrgent\xc3\xa4\r\n"
    assert server.notify(refreshed + headers).status == 200  # A5: headers of the messages follow
    assert stage.of(MessageWaitingChanged)[-1].new == 4


def test_the_mailbox_without_a_name_is_the_accounts_own() -> None:
    stage = stage_with(message_waiting=True)
    Notifier(stage, "message-summary").begin(b"Messages-Waiting: no\r\n")
    assert stage.of(MessageWaitingChanged) == [MessageWaitingChanged("a", False, None, None, "sip:alice@lab.test")]


def test_the_persons_own_voicemail_number_counts_also_when_it_changes() -> None:
    stage = stage_with(message_waiting=True, voicemail="*97")
    Notifier(stage, "message-summary").begin(SUMMARY)
    assert stage.of(MessageWaitingChanged)[-1].voicemail == "*97"
    stage.do(AddAccount(replace(stage.account, voicemail="")))
    assert stage.of(MessageWaitingChanged)[-1].voicemail == "sip:alice@vmail.example.com"


@pytest.mark.parametrize("status", [404, 405, 489])
def test_a_server_without_mailboxes_is_not_asked_again(status: int) -> None:
    stage = stage_with(message_waiting=True)
    server = Notifier(stage, "message-summary")
    stage.reply(server.subscribe, status)
    stage.wait(4000)
    assert server.asked() == 1
    assert stage.of(MessageWaitingChanged) == []


def unasked(stage: Stage, body: bytes, *, event: str = "message-summary") -> int:
    fields = (("Event", event), ("Subscription-State", "terminated"))
    content_type = "application/simple-message-summary"
    stage.say(stage.request("NOTIFY", *fields, body=body, content_type=content_type, call_id=str(len(stage.sent))))
    return stage.last_response().status


def test_a_summary_that_nobody_asked_for_is_taken() -> None:
    stage = stage_with(message_waiting=True)
    assert unasked(stage, b"Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n") == 200
    assert stage.of(MessageWaitingChanged) == [MessageWaitingChanged("a", True, 1, 0, "sip:alice@lab.test")]


def test_only_the_accounts_own_server_may_say_unasked_whom_a_click_calls() -> None:
    stage = stage_with(message_waiting=True)
    unasked(stage, b"Messages-Waiting: yes\r\nMessage-Account: sip:expensive@evil.test\r\n")
    assert stage.of(MessageWaitingChanged)[-1].voicemail == "sip:alice@lab.test"
    unasked(stage, b"Messages-Waiting: yes\r\nMessage-Account: tel:+1900\r\n")
    assert stage.of(MessageWaitingChanged)[-1].voicemail == "sip:alice@lab.test"
    unasked(stage, b"Messages-Waiting: yes\r\nMessage-Account: sip:box@LAB.test\r\n")
    assert stage.of(MessageWaitingChanged)[-1].voicemail == "sip:box@LAB.test"


def test_who_wants_no_message_waiting_gets_none() -> None:
    stage = stage_with(message_waiting=False)
    assert unasked(stage, SUMMARY) == 489
    assert stage.of(MessageWaitingChanged) == []
    stage.do(AddAccount(replace(stage.account, message_waiting=True)))
    Notifier(stage, "message-summary").begin(SUMMARY)
    assert stage.of(MessageWaitingChanged)[-1].waiting
    stage.heard()
    stage.do(AddAccount(replace(stage.account, message_waiting=False)))
    assert stage.heard() == ["SUBSCRIBE"]
    assert stage.last("SUBSCRIBE").headers.get("Expires") == "0"


def test_a_summary_that_cannot_be_read_is_refused_and_changes_nothing() -> None:
    stage = stage_with(message_waiting=True)
    server = Notifier(stage, "message-summary").begin(SUMMARY)
    assert server.notify(b"Messages-Waiting: perhaps\r\n").status == 400
    assert len(stage.of(MessageWaitingChanged)) == 1
