"""Subscriptions by the book of RFC 6665: the test is the notifier, and loses, refuses, ends and forgets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.errors import FailureKind
from softphone.sip.header_values import cseq, from_addr, to_addr
from softphone.ua.account import WatchedLine
from softphone.ua.commands import AddAccount, Register, RemoveAccount, Shutdown, Unregister
from softphone.ua.events import LineState, LineStateChanged, RegistrationState
from softphone.ua.subscription import TIMER_N
from tests.playbook.notifier import Notifier, dialog_info, ringing
from tests.playbook.stage import CHALLENGE, PROXY_CHALLENGE, Stage, in_words

BOB = WatchedLine("bob")


def watching(*lines: WatchedLine) -> Stage:
    stage = Stage()
    stage.account = replace(stage.account, watched=lines or (BOB,))
    return stage.registered(10**6)


@pytest.fixture
def stage() -> Stage:
    return watching()


def lamp(stage: Stage) -> LineState:
    return stage.of(LineStateChanged)[-1].state


def why(stage: Stage) -> str:
    failure = stage.of(LineStateChanged)[-1].failure
    assert failure is not None
    assert failure.remedy
    return failure.reason


def register_again(stage: Stage) -> None:
    """After a lost flow."""
    stage.wait(6)
    stage.reply(stage.last("REGISTER"), 200, ("Contact", stage.contact + ";expires=1000000"))


# Beginning


def test_a_watched_line_is_subscribed_to_once_registered(stage: Stage) -> None:
    subscribe = stage.last("SUBSCRIBE")
    assert str(subscribe.uri) == "sip:bob@lab.test"
    assert subscribe.headers.get("Event") == "dialog"
    assert subscribe.headers.get("Accept") == "application/dialog-info+xml"
    assert subscribe.headers.get("Expires") == "3600"
    assert subscribe.headers.get("Contact") == stage.contact
    assert to_addr(subscribe).tag is None


def test_the_first_notify_makes_the_dialog(stage: Stage) -> None:
    server = Notifier(stage)
    server.accept(600)
    route = ("Record-Route", "<sip:edge.lab.test;lr>")
    assert server.notify(dialog_info(), "active;expires=600", headers=(route,)).status == 200
    assert lamp(stage) is LineState.IDLE
    stage.wait(310)
    refresh = server.last()
    assert refresh is not server.subscribe
    assert str(refresh.uri) == "sip:bob@192.0.2.9:5061;transport=tls"  # the Contact of NOTIFY (§4.4.1)
    assert refresh.headers.get("Route") == "<sip:edge.lab.test;lr>"
    assert (to_addr(refresh).tag, from_addr(refresh).tag) == ("server1", server.their_tag)
    assert cseq(refresh).number > cseq(server.subscribe).number


def test_a_notify_that_overtakes_the_2xx_is_taken(stage: Stage) -> None:
    server = Notifier(stage)
    assert server.notify(dialog_info(ringing())).status == 200
    assert lamp(stage) is LineState.RINGING
    server.accept(60)
    stage.wait(31)
    assert server.asked() == 2  # the 2xx shortened it


def test_a_challenge_is_answered(stage: Stage) -> None:
    server = Notifier(stage)
    stage.reply(server.subscribe, 407, PROXY_CHALLENGE)
    assert "Proxy-Authorization" in server.last().headers
    server.begin(dialog_info())
    assert lamp(stage) is LineState.IDLE


def test_an_interval_too_brief_is_asked_for_again_as_long_as_the_server_wants() -> None:
    stage = watching()
    server = Notifier(stage)
    stage.reply(server.subscribe, 423, ("Min-Expires", "7200"))
    assert server.last().headers.get("Expires") == "7200"
    assert server.last().headers.get("Call-ID") == server.call_id
    server.begin(dialog_info(), 7200)
    assert lamp(stage) is LineState.IDLE


@pytest.mark.parametrize("minimum", ["", "0", "3600", "86401", "nonsense", "9" * 30])
def test_a_423_that_helps_nobody_ends_it(stage: Stage, minimum: str) -> None:
    server = Notifier(stage)
    stage.reply(server.subscribe, 423, ("Min-Expires", minimum))
    stage.wait(600)
    assert server.asked() == 1
    assert lamp(stage) is LineState.UNKNOWN


def test_without_notify_it_is_tried_again(stage: Stage) -> None:
    """Timer N (§4.1.2.4)."""
    server = Notifier(stage)
    server.accept()
    stage.wait(TIMER_N + 0.1)
    assert lamp(stage) is LineState.UNKNOWN
    stage.wait(2)
    assert server.asked() == 2
    assert server.last().headers.get("Call-ID") != server.call_id


def test_only_the_first_of_several_forks_is_followed(stage: Stage) -> None:
    server = Notifier(stage)
    server.begin(dialog_info())
    assert server.notify(dialog_info(ringing()), tag="fork2").status == 481
    assert lamp(stage) is LineState.IDLE


# NOTIFY that cannot be taken


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"state": ""}, 400),
        ({"state": "confused"}, 400),
        ({"state": "active;expires=soon"}, 400),
        ({"event": "message-summary"}, 481),
        ({"event": "dialog;id=7"}, 481),
        ({"event": "dialog;;"}, 400),
        ({"body": b"<not-xml"}, 400),
        ({"number": 3}, 500),
    ],
)
def test_a_notify_that_cannot_be_taken_changes_nothing(stage: Stage, change: dict[str, str], status: int) -> None:
    server = Notifier(stage).begin(dialog_info(ringing()))
    assert server.notify(**{"body": dialog_info(version=1), **change}).status == status  # type: ignore[arg-type]
    assert lamp(stage) is LineState.RINGING


def test_a_notify_of_no_subscription_of_ours_is_refused(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info())
    server.call_id = "another"
    assert server.notify(dialog_info(ringing(), version=1)).status == 481
    stage.say(stage.request("NOTIFY", ("Event", "dialog"), ("Subscription-State", "active"), call_id="free"))
    refusal = stage.last_response(489)
    assert refusal.headers.get("Allow-Events") == "message-summary, dialog"


def test_a_notify_without_body_leaves_what_is_known(stage: Stage) -> None:
    server = Notifier(stage).begin()
    assert lamp(stage) is LineState.IDLE  # a server that knows of no call says nothing
    server.notify(dialog_info(ringing()))
    server.notify()
    assert lamp(stage) is LineState.RINGING


def test_a_pending_subscription_knows_nothing_yet(stage: Stage) -> None:
    server = Notifier(stage)
    stage.reply(server.subscribe, 202, ("Expires", "3600"), to_tag="server1")
    assert server.notify(b"", "pending;expires=3600").status == 200
    assert stage.of(LineStateChanged) == []
    server.notify(dialog_info())
    assert lamp(stage) is LineState.IDLE


# Answers that end it


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 416, 420, 484, 485, 489, 501, 603, 604, 302])
def test_a_refusal_for_good_is_said_in_words_and_not_repeated(stage: Stage, status: int) -> None:
    server = Notifier(stage)
    stage.reply(server.subscribe, status)
    assert lamp(stage) is LineState.UNKNOWN
    assert "bob" in why(stage)
    stage.wait(3000)
    assert server.asked() == 1
    stage.cut()
    register_again(stage)
    assert server.asked() == 2


@pytest.mark.parametrize("status", [408, 480, 482, 483, 500, 503, 504, 600])
def test_a_server_that_may_serve_later_is_asked_later(stage: Stage, status: int) -> None:
    server = Notifier(stage)
    stage.reply(server.subscribe, status, ("Retry-After", "120"))
    assert lamp(stage) is LineState.UNKNOWN
    stage.wait(119)
    assert server.asked() == 1
    stage.wait(2)
    assert server.asked() == 2 - (status == 600)


def test_a_server_that_refuses_again_and_again_is_asked_ever_less(stage: Stage) -> None:
    server = Notifier(stage)
    for _ in range(100):
        stage.reply(server.last(), 503)
        stage.wait(36)
    assert server.asked() < 45  # in an hour: half a minute at first, half an hour in the end


def test_a_wrong_password_is_not_tried_again(stage: Stage) -> None:
    server = Notifier(stage)
    stage.reply(server.last(), 401, CHALLENGE)
    stage.reply(server.last(), 401, CHALLENGE)
    stage.wait(3000)
    assert server.asked() == 2
    failure = stage.of(LineStateChanged)[-1].failure
    assert failure is not None
    assert failure.kind is FailureKind.WRONG_CREDENTIALS


# Refreshing


def test_it_is_refreshed_before_it_ends(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(), 3600)
    for refreshes in range(1, 4):
        stage.wait(3000)
        assert server.asked() == 1 + refreshes
        server.accept(3600)
        server.notify(dialog_info(version=refreshes))


def test_a_server_that_forgot_it_gets_a_new_one_at_once(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(ringing()))
    stage.wait(3000)
    stage.reply(server.last(), 481, to_tag="server1")
    assert server.asked() == 3
    assert to_addr(server.last()).tag is None
    assert server.notify(dialog_info()).status == 481  # of the one that is over
    Notifier(stage, tag="server2").begin(dialog_info())
    assert lamp(stage) is LineState.IDLE


def test_a_refresh_that_fails_otherwise_leaves_it_standing_until_its_end(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(ringing()))
    for _ in range(350):
        stage.wait(10)
        if in_words(stage.sent[-1]) == "SUBSCRIBE" and to_addr(server.last()).tag is not None:
            stage.reply(server.last(), 503, to_tag="server1")
    assert lamp(stage) is LineState.RINGING
    assert 3 <= server.asked() < 15
    stage.wait(110)
    assert server.last().headers.get("Call-ID") != server.call_id


def test_a_short_grant_does_not_make_the_phone_spin(stage: Stage) -> None:
    server = Notifier(stage)
    server.accept(0)
    server.notify(dialog_info(), "active;expires=0")
    stage.wait(4.9)
    assert server.asked() == 1


# The notifier ends it


@pytest.mark.parametrize(
    ("reason", "waits"),
    [
        ("deactivated", 2),
        ("timeout", 2),
        ("probation", 3),
        ("probation;retry-after=60", 62),
        ("giveup;retry-after=120", 122),
        ("deactivated;retry-after=30", 32),
        ("whatever", 3),
    ],
)
def test_an_end_that_is_not_for_good_is_followed_by_a_new_subscription(stage: Stage, reason: str, waits: float) -> None:
    server = Notifier(stage).begin(dialog_info())
    assert server.notify(b"", f"terminated;reason={reason}").status == 200
    stage.wait(max(0, waits - 3))
    assert server.asked() == 1
    stage.wait(3)
    assert server.asked() == 2


def test_a_subscription_that_lived_long_is_renewed_at_once(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(ringing()))
    stage.wait(100)
    server.notify(b"", "terminated;reason=deactivated")
    assert server.asked() == 2
    assert lamp(stage) is LineState.RINGING


@pytest.mark.parametrize(
    ("reason", "words"), [("rejected", "does not allow the line bob"), ("noresource", "does not know the line bob")]
)
def test_an_end_for_good_is_said_in_words(stage: Stage, reason: str, words: str) -> None:
    server = Notifier(stage).begin(dialog_info())
    server.notify(b"", f"terminated;reason={reason}")
    assert words in why(stage)
    stage.wait(3000)
    assert server.asked() == 1


def test_what_never_changes_stays_as_it_was_said(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info())
    server.notify(dialog_info(ringing(), version=1), "terminated;reason=invariant")
    stage.wait(3000)
    assert server.asked() == 1
    assert lamp(stage) is LineState.RINGING


def test_a_notifier_that_ends_it_again_and_again_is_asked_ever_less(stage: Stage) -> None:
    server = Notifier(stage)
    for _ in range(100):
        Notifier(stage).notify(b"", "terminated;reason=deactivated")
        stage.wait(36)
    assert server.asked() < 45


# The account comes and goes


def test_a_lost_flow_makes_the_line_unknown_and_the_next_one_carries_it_on(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(ringing()))
    stage.cut()
    assert stage.of(LineStateChanged)[-1] == LineStateChanged("a", "bob", LineState.UNKNOWN)
    register_again(stage)
    refresh = server.last()
    assert refresh.headers.get("Call-ID") == server.call_id
    server.accept()
    server.notify(dialog_info(ringing(), version=1))
    assert lamp(stage) is LineState.RINGING


def test_a_flow_lost_before_the_first_notify_begins_anew(stage: Stage) -> None:
    server = Notifier(stage)
    server.accept()
    stage.cut()
    register_again(stage)
    assert server.last().headers.get("Call-ID") != server.call_id
    assert server.notify(dialog_info(ringing())).status == 481


def test_unregistering_ends_it_first(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(ringing()))
    stage.heard()
    stage.do(Unregister("a"))
    assert stage.heard() == ["SUBSCRIBE", "REGISTER"]
    assert server.last().headers.get("Expires") == "0"
    assert lamp(stage) is LineState.UNKNOWN
    server.accept(0)
    assert server.notify(b"", "terminated;reason=timeout").status == 200
    stage.reply(stage.last("REGISTER"), 200)
    stage.settled()
    assert server.asked() == 2
    stage.do(Register("a"))
    stage.reply(stage.last("REGISTER"), 200, ("Contact", stage.contact + ";expires=1000000"))
    assert server.asked() == 3


def test_the_phone_ends_its_subscriptions_before_it_goes(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info())
    stage.do(Shutdown())
    stage.reply(stage.last("REGISTER"), 200)
    assert stage.flow_id  # the answer to SUBSCRIBE is awaited
    server.accept(0)
    assert not stage.flow_id
    stage.settled()


def test_a_removed_account_ends_its_subscriptions(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info())
    stage.heard()
    stage.do(RemoveAccount("a"))
    assert stage.heard() == ["SUBSCRIBE", "REGISTER"]
    assert server.last().headers.get("Expires") == "0"
    stage.settled()


def test_an_answer_to_the_end_that_is_lost_is_not_waited_for_in_eternity(stage: Stage) -> None:
    Notifier(stage).begin(dialog_info())
    stage.do(Shutdown())
    stage.reply(stage.last("REGISTER"), 200)
    stage.wait(33)
    assert not stage.flow_id
    stage.settled()


def test_a_list_that_changes_subscribes_to_the_difference() -> None:
    stage = watching(WatchedLine("bob"), WatchedLine("carol"))
    bob, carol = stage.sent[-2:]
    assert [str(m.uri) for m in (bob, carol)] == ["sip:bob@lab.test", "sip:carol@lab.test"]  # type: ignore[union-attr]
    Notifier(stage).begin(dialog_info())  # carol's
    stage.heard()
    stage.do(AddAccount(replace(stage.account, watched=(WatchedLine("bob"), WatchedLine("dave")))))
    assert stage.heard() == ["SUBSCRIBE", "SUBSCRIBE"]
    ended, begun = stage.sent[-2:]
    assert ended.headers.get("Expires") == "0"
    assert str(begun.uri) == "sip:dave@lab.test"  # type: ignore[union-attr]
    assert stage.registration.state is RegistrationState.REGISTERED


def test_a_line_that_cannot_be_called_is_refused_in_words() -> None:
    stage = watching(WatchedLine("sip:bob@lab.test;transport=udp"))
    assert "unprotected transport" in why(stage)
    assert "SUBSCRIBE" not in [in_words(message) for message in stage.sent]


def test_a_registration_that_is_only_refreshed_changes_nothing(stage: Stage) -> None:
    server = Notifier(stage).begin(dialog_info(ringing()))
    stage.do(Register("a"))
    stage.reply(stage.last("REGISTER"), 200, ("Contact", stage.contact + ";expires=1800"))
    assert server.asked() == 1
    assert lamp(stage) is LineState.RINGING
