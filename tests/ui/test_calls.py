"""Calls on the screen: what each state shows, and what each control asks of the engine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from softphone.errors import Failure, FailureKind
from softphone.messages import AnyCommand
from softphone.sdp.negotiated import Direction
from softphone.state import AppState
from softphone.ua import commands as c
from softphone.ua import events as ua
from softphone.ua.media_report import MediaReport
from softphone.ui.call_view import RunningCallView
from softphone.ui.ended_view import EndedView
from softphone.ui.incoming_view import IncomingView
from softphone.ui.main_window import MainWindow
from tests.ui.conftest import Engine
from tests.ui.hands import CTRL_SHIFT, click, focused, key, type_text
from tests.ui.states import BOB, CANNOT_ENCRYPT, READY, active, after, dialing, ended, incoming


def incoming_card(window: MainWindow, call_id: str = "c2") -> IncomingView:
    card = window.calls.cards[call_id]
    assert isinstance(card, IncomingView)
    return card


def running_card(window: MainWindow, call_id: str = "c1") -> RunningCallView:
    card = window.calls.cards[call_id]
    assert isinstance(card, RunningCallView)
    return card


def ended_card(window: MainWindow, call_id: str = "c1") -> EndedView:
    card = window.calls.cards[call_id]
    assert isinstance(card, EndedView)
    return card


# Ringing here


def test_an_incoming_call_names_caller_account_and_lock(window: MainWindow) -> None:
    window.render_state(READY)
    window.render_state(incoming())

    card = incoming_card(window)
    assert card.caller.text() == "Bob Sanders"
    assert card.address.text() == "bob@example.org"
    assert card.account.text() == "for alice@example.org"
    assert card.lock.symbol_name == "lock-pending"
    assert card.lock.headline.text() == "Will be encrypted to your server"
    assert card.answer.text() == "Answer"
    assert "Bob Sanders" in window.windowTitle()


def test_answer_and_decline_say_so_to_the_engine(window: MainWindow, engine: Engine) -> None:
    window.render_state(incoming())

    click(incoming_card(window).answer)
    click(incoming_card(window).decline)

    assert engine.commands == [c.Answer("c2"), c.Decline("c2")]


def test_a_call_without_encryption_rings_as_such_and_is_taken_only_as_such(window: MainWindow, engine: Engine) -> None:
    window.render_state(incoming(unencrypted="The caller offers no encryption."))
    card = incoming_card(window)

    assert card.lock.symbol_name == "lock-open"
    assert card.lock.headline.text() == "Not encrypted"
    assert card.lock.details.text() == "The caller offers no encryption."
    assert card.answer.text() == "Answer unencrypted"

    key(window, Qt.Key.Key_A, CTRL_SHIFT)
    assert engine.commands == []

    click(card.answer)
    assert engine.commands == [c.AnswerUnencrypted("c2")]


def test_a_caller_s_name_is_never_markup_and_hides_no_address(window: MainWindow) -> None:
    spoof = ua.Party("sip:mallory@example.net", "<b>Bank</b>\u202e\x07" + "x" * 500)
    window.render_state(after(READY, ua.IncomingCall("c2", "alice@example.org", spoof, "sip:alice@example.org")))

    card = incoming_card(window)
    assert card.caller.textFormat() is Qt.TextFormat.PlainText
    assert card.caller.text().startswith("<b>Bank</b>··xxx")
    assert len(card.caller.text()) <= 201
    assert card.address.text() == "mallory@example.net"
    assert window.width() < 800


def test_an_incoming_call_does_not_take_the_focus_and_enter_does_not_answer_it(
    window: MainWindow, engine: Engine
) -> None:
    window.render_state(READY)
    type_text(focused(window), "12")
    window.render_state(incoming())
    type_text(focused(window), "3")

    assert window.focusWidget() is window.dial_view.address
    assert window.dial_view.address.text() == "123"

    window.dial_view.address.clear()
    for code in (Qt.Key.Key_Return, Qt.Key.Key_Space):
        key(focused(window), code)
    assert engine.commands == []


def test_an_incoming_call_leaves_the_page_that_somebody_is_typing_on(window: MainWindow) -> None:
    window.render_state(READY)
    window.show_sign_in("")
    type_text(focused(window), "carol@")
    window.render_state(incoming())

    assert window.pages.currentWidget() is window.sign_in
    assert window.focusWidget() is window.sign_in.address
    assert incoming_card(window).isVisible()


# Running


def test_a_call_shows_party_state_timer_and_the_names_of_its_protection(window: MainWindow, engine: Engine) -> None:
    engine.now = 135.0
    window.render_state(active())

    card = running_card(window)
    assert (card.party.text(), card.address.text()) == ("Bob Sanders", "bob@example.org")
    assert (card.state.text(), card.timer.text()) == ("In call", "02:14")
    assert card.lock.symbol_name == "lock-closed"
    assert card.lock.headline.text() == "Encrypted to your server"
    assert card.lock.details.text() == "TLSv1.3 TLS_AES_256_GCM_SHA384\nSRTP AEAD_AES_256_GCM"
    assert "lost 0.3 %" in card.quality.text()
    assert "round trip 31 ms" in card.quality.text()


def test_the_timer_goes_on_without_any_event(window: MainWindow, engine: Engine, qtbot: QtBot) -> None:
    engine.now = 11.0
    window.render_state(active())
    assert running_card(window).timer.text() == "00:10"

    engine.now = 3671.0
    qtbot.waitUntil(lambda: running_card(window).timer.text() == "1:01:10", timeout=3000)


def test_a_clear_call_says_not_encrypted_and_why(window: MainWindow) -> None:
    window.render_state(after(dialing(), ua.CallNotEncrypted("c1", "The other side cannot encrypt.")))

    card = running_card(window)
    assert card.lock.symbol_name == "lock-open"
    assert card.lock.headline.text() == "Not encrypted"
    assert card.lock.details.text() == "The other side cannot encrypt."


def test_before_the_first_authentic_packet_nothing_is_called_encrypted(window: MainWindow) -> None:
    window.render_state(after(dialing(), ua.CallEstablished("c1", "PCMU")))

    assert running_card(window).lock.headline.text() == "Waiting for the first encrypted packet"
    assert running_card(window).lock.symbol_name == "lock-pending"


@pytest.mark.parametrize(
    ("events", "control", "command"),
    [
        ((), "mute", c.Mute("c1")),
        ((ua.MuteChanged("c1", True),), "mute", c.Unmute("c1")),
        ((), "hold", c.Hold("c1")),
        ((ua.HoldChanged("c1", True, False, Direction.SENDONLY),), "hold", c.Resume("c1")),
        ((), "hang_up", c.HangUp("c1")),
    ],
)
def test_the_controls_of_a_call_ask_the_engine(
    window: MainWindow, engine: Engine, events: tuple[ua.Event, ...], control: str, command: AnyCommand
) -> None:
    window.render_state(after(active(), *events))

    click(getattr(running_card(window), control))

    assert engine.commands == [command]


def test_a_switch_shows_what_is_so_and_not_what_was_asked(window: MainWindow) -> None:
    window.render_state(active())
    card = running_card(window)

    click(card.mute)
    assert not card.mute.isChecked()

    window.render_state(after(active(), ua.MuteChanged("c1", True)))
    assert card.mute.isChecked()
    assert card.mute.text() == "Muted"
    assert card.state.text() == "In call, microphone muted"


@pytest.mark.parametrize(
    ("by_us", "by_peer", "state"),
    [
        (True, False, "On hold"),
        (False, True, "The other side holds the call"),
        (True, True, "On hold, by both sides"),
    ],
)
def test_hold_says_who_holds(window: MainWindow, by_us: bool, by_peer: bool, state: str) -> None:
    window.render_state(after(active(), ua.HoldChanged("c1", by_us, by_peer, Direction.INACTIVE)))

    assert running_card(window).state.text() == state
    assert running_card(window).hold.text() == ("Resume" if by_us else "Hold")


def test_the_keypad_sends_digits_from_the_mouse_and_from_the_keyboard(window: MainWindow, engine: Engine) -> None:
    window.render_state(active())
    card = running_card(window)
    assert card.pad.isHidden()

    click(card.keypad)
    click(card.pad.keys["7"])
    type_text(card.pad, "*0")

    assert engine.commands == [c.SendDigits("c1", "7"), c.SendDigits("c1", "*"), c.SendDigits("c1", "0")]
    assert card.digits.text() == "7*0"


def test_the_question_about_a_clear_answer_names_the_reason_and_waits_for_the_person(
    window: MainWindow, engine: Engine
) -> None:
    window.render_state(after(dialing(), ua.ConsentRequested("c1", "The other side answered without encryption.")))
    card = running_card(window)

    assert card.lock.headline.text() == "Not encrypted"
    assert "The other side answered without encryption." in card.question.remedy.text()
    assert engine.commands == []

    click(card.agree)
    click(card.hang_up)
    assert engine.commands == [c.AgreeToUnencrypted("c1"), c.HangUp("c1")]


def test_a_diverted_call_asks_before_it_follows(window: MainWindow, engine: Engine) -> None:
    window.render_state(after(dialing(), ua.RedirectOffered("c1", "sip:carol@example.net")))
    card = running_card(window)

    assert "carol@example.net" in card.question.remedy.text()
    click(card.agree)
    assert engine.commands == [c.FollowRedirect("c1")]


def test_a_notice_of_the_call_is_shown_with_its_remedy(window: MainWindow) -> None:
    silent = Failure(FailureKind.MEDIA_LOST, "Nothing has been heard for 10 s.", "Check the network.")
    window.render_state(after(active(), ua.CallNotice("c1", silent)))

    card = running_card(window)
    assert card.notice.isVisible()
    assert (card.notice.reason.text(), card.notice.remedy.text()) == (silent.reason, silent.remedy)


def test_packets_that_were_not_authentic_are_counted_in_words(window: MainWindow) -> None:
    report = MediaReport(10, 10, auth_failures=3, plain_rtp_seen=2)
    window.render_state(after(active(), ua.CallReported("c1", report)))

    text = running_card(window).line_warning.text()
    assert "3 packets were not authentic" in text
    assert "2 packets were not encrypted" in text


def test_two_calls_are_two_cards_and_the_ringing_one_comes_first(window: MainWindow, qtbot: QtBot) -> None:
    window.render_state(active())
    window.render_state(incoming(base=active()))

    assert running_card(window).isVisible()
    qtbot.waitUntil(lambda: 0 <= incoming_card(window).y() < running_card(window).y(), timeout=2000)


# The end


def test_after_the_end_the_card_says_why_and_what_to_do(window: MainWindow, engine: Engine) -> None:
    window.render_state(dialing())
    window.render_state(ended(dialing(), failure=CANNOT_ENCRYPT))

    card = ended_card(window)
    assert card.state.text() == "Call not established"
    assert card.failure.reason.text() == CANNOT_ENCRYPT.reason
    assert card.failure.remedy.text() == CANNOT_ENCRYPT.remedy

    card.call_again.emit(BOB.uri, "alice@example.org")
    redial = engine.last()
    assert isinstance(redial, c.Dial)
    assert (redial.target, redial.account_id) == ("sip:bob@example.org", "alice@example.org")
    assert window.calls.cards == {}


def test_a_call_that_never_rang_here_is_told_all_the_same(window: MainWindow) -> None:
    window.render_state(READY)
    window.render_state(after(READY, ua.CallRefused("c9", "alice@example.org", BOB, CANNOT_ENCRYPT)))

    assert ended_card(window, "c9").failure.reason.text() == CANNOT_ENCRYPT.reason


def test_a_conversation_that_ended_says_how_long_it_was(window: MainWindow) -> None:
    window.render_state(active())
    window.render_state(ended(active()))

    assert ended_card(window).state.text() == "Call ended after 01:02"
    assert ended_card(window).lock.headline.text() == "Encrypted to your server"


def test_a_missed_call_leaves_no_card_but_a_line_in_the_list(window: MainWindow) -> None:
    window.render_state(incoming())
    window.render_state(ended(incoming(), "c2"))

    assert window.calls.cards == {}
    assert window.recent.list.count() == 1
    assert window.recent.list.item(0).text().startswith("Bob Sanders\nMissed · ")


def test_calls_of_before_the_window_s_start_are_in_the_list_only(window: MainWindow) -> None:
    window.render_state(ended(dialing(), failure=CANNOT_ENCRYPT))

    assert window.calls.cards == {}
    assert window.recent.list.count() == 1


def test_a_clear_call_stays_not_encrypted_in_the_list(window: MainWindow) -> None:
    clear = after(dialing(), ua.CallEstablished("c1", "PCMU"), ua.CallNotEncrypted("c1", "No crypto."))
    window.render_state(ended(clear))

    assert "Not encrypted" in window.recent.list.item(0).text()


def test_when_a_call_ends_the_focus_goes_to_the_address_field_and_not_to_another_call(
    window: MainWindow, engine: Engine
) -> None:
    two = active("c3", base=active())
    window.render_state(two)
    running_card(window).hang_up.setFocus()
    window.render_state(ended(two))

    assert window.focusWidget() is window.dial_view.address
    key(focused(window), Qt.Key.Key_Space)
    assert engine.commands == []


def test_answering_by_keyboard_leaves_no_button_under_the_finger_that_hangs_up(
    window: MainWindow, engine: Engine
) -> None:
    window.render_state(incoming())
    incoming_card(window).answer.setFocus()
    key(focused(window), Qt.Key.Key_Space)
    answered: AppState = after(incoming(), ua.CallEstablished("c2", "PCMU"))
    window.render_state(answered)

    assert isinstance(window.calls.cards["c2"], RunningCallView)
    key(focused(window), Qt.Key.Key_Space)
    assert c.HangUp("c2") not in engine.commands


@pytest.mark.parametrize(
    ("code", "command"),
    [
        (Qt.Key.Key_H, c.HangUp("c1")),
        (Qt.Key.Key_M, c.Mute("c1")),
        (Qt.Key.Key_O, c.Hold("c1")),
        (Qt.Key.Key_A, c.Answer("c2")),
        (Qt.Key.Key_D, c.Decline("c2")),
    ],
)
def test_every_step_of_a_call_has_its_keys(
    window: MainWindow, engine: Engine, code: Qt.Key, command: AnyCommand
) -> None:
    window.render_state(incoming(base=active()))

    key(window, code, CTRL_SHIFT)

    assert engine.commands == [command]


def test_the_lock_follows_the_state_of_each_call(window: MainWindow) -> None:
    state = active()
    call = replace(state.calls[0], security=replace(state.calls[0].security, srtp_suite="AES_CM_128_HMAC_SHA1_80"))
    window.render_state(replace(state, calls=(call,)))

    assert running_card(window).lock.details.text().endswith("SRTP AES_CM_128_HMAC_SHA1_80")
