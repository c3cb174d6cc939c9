"""Several calls in one window: which one the keys mean, what is shown of each, and where the focus goes."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from softphone.messages import AccountOptions
from softphone.sdp.negotiated import Direction
from softphone.state import AppState
from softphone.ua import commands as c
from softphone.ua import events as ua
from softphone.ua.media_report import MediaReport
from softphone.ui.call_view import RunningCallView
from softphone.ui.main_window import MainWindow
from tests.ui.conftest import Engine
from tests.ui.hands import CTRL_SHIFT, click, focused, key, type_text
from tests.ui.states import BOB, FLOW, READY, active, after, dialing, ended, incoming
from tests.ui.test_features import WATCHED, known

ALICE = "alice@example.org"
CAROL = ua.Party("sip:carol@example.org", "Carol")


def held(call_id: str, by_us: bool = True) -> ua.HoldChanged:
    return ua.HoldChanged(call_id, by_us, False, Direction.SENDONLY if by_us else Direction.SENDRECV)


def second(call_id: str = "c9", base: AppState | None = None) -> AppState:
    """A call with Carol beside the one with Bob, which is held."""
    return after(
        base or active(),
        held("c1"),
        ua.CallStarted(call_id, ALICE, CAROL),
        ua.CallEstablished(call_id, "PCMU"),
        ua.CallSecured(call_id, "AEAD_AES_256_GCM", FLOW),
    )


def card_of(window: MainWindow, call_id: str) -> RunningCallView:
    card = window.calls.cards[call_id]
    assert isinstance(card, RunningCallView)
    return card


# Keys


@pytest.mark.parametrize(
    ("code", "command"),
    [(Qt.Key.Key_H, c.HangUp("c9")), (Qt.Key.Key_M, c.Mute("c9")), (Qt.Key.Key_O, c.Hold("c9"))],
)
def test_the_keys_mean_the_call_that_is_talked_in_and_not_a_held_one(
    window: MainWindow, engine: Engine, code: Qt.Key, command: object
) -> None:
    window.render_state(second())
    key(window, code, CTRL_SHIFT)

    assert engine.commands == [command]


def test_the_keypad_s_key_opens_the_pad_of_the_call_that_is_talked_in(window: MainWindow) -> None:
    window.render_state(second())
    key(window, Qt.Key.Key_K, CTRL_SHIFT)

    assert (card_of(window, "c1").pad.isHidden(), card_of(window, "c9").pad.isHidden()) == (True, False)


def test_the_menu_s_key_opens_the_menu_of_the_call_that_is_talked_in(window: MainWindow, engine: Engine) -> None:
    window.render_state(second())
    key(window, Qt.Key.Key_T, CTRL_SHIFT)
    menu = card_of(window, "c9").more.menu()
    assert menu.isVisible()
    for code in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Return):
        key(menu, code)

    assert engine.commands == [c.TransferTo("c9", "c1")]


def test_cancelling_by_key_means_the_call_that_is_being_made(window: MainWindow, engine: Engine) -> None:
    window.render_state(after(active(), held("c1"), ua.CallStarted("c9", ALICE, CAROL)))
    key(window, Qt.Key.Key_H, CTRL_SHIFT)

    assert engine.commands == [c.HangUp("c9")]


def test_the_hold_key_takes_the_call_back_that_it_held(window: MainWindow, engine: Engine) -> None:
    switched = after(second(), held("c9"), held("c1", False))
    window.render_state(switched)  # the older call is talked in
    window.render_state(after(switched, held("c1")))
    key(window, Qt.Key.Key_O, CTRL_SHIFT)

    assert engine.commands == [c.SwitchTo("c1")]


def test_the_mute_key_silences_us_for_a_whole_conference(window: MainWindow, engine: Engine) -> None:
    conference = after(second(), held("c1", False), ua.ConferenceChanged(("c1", "c9")))
    window.render_state(after(conference, ua.MuteChanged("c1", True)))
    key(window, Qt.Key.Key_M, CTRL_SHIFT)
    assert engine.commands == [c.Mute("c9")], "one was muted already"

    engine.commands.clear()
    window.render_state(after(conference, ua.MuteChanged("c1", True), ua.MuteChanged("c9", True)))
    key(window, Qt.Key.Key_M, CTRL_SHIFT)
    assert engine.commands == [c.Unmute("c1"), c.Unmute("c9")]


# What is shown


def test_a_held_call_beside_another_takes_little_room_and_keeps_its_lock(window: MainWindow) -> None:
    window.render_state(second())
    bob, carol = card_of(window, "c1"), card_of(window, "c9")
    for hidden in (bob.address, bob.mute, bob.keypad, bob.quality, bob.lock.details):
        assert hidden.isHidden()
    for shown in (bob.party, bob.state, bob.lock.headline, bob.hold, bob.hang_up, bob.more):
        assert shown.isVisible()
    assert "bob@example.org" in bob.party.toolTip()
    assert "AEAD_AES_256_GCM" in bob.lock.toolTip()
    assert bob.hang_up.text() == "Hang up"
    assert not carol.mute.isHidden()
    assert bob.sizeHint().height() < 0.7 * carol.sizeHint().height()

    window.render_state(after(second(), held("c1", False), held("c9")))
    assert not bob.address.isHidden()
    assert not bob.mute.isHidden()
    assert carol.address.isHidden()
    window.render_state(after(active(), held("c1")))
    assert not card_of(window, "c1").mute.isHidden(), "the only call is shown in full"


def test_an_address_is_no_markup_in_a_tip_either(window: MainWindow) -> None:
    mallory = ua.Party("sip:<img src=x>@example.org", "Mallory")
    window.render_state(after(READY, ua.CallStarted("c1", ALICE, mallory)))

    assert not set(card_of(window, "c1").party.toolTip()) & set("<>")


def test_a_call_that_is_held_closes_its_keypad(window: MainWindow) -> None:
    window.render_state(active())
    card_of(window, "c1").toggle_keypad()
    window.render_state(second())

    assert card_of(window, "c1").pad.isHidden()
    assert not isinstance(focused(window), type(card_of(window, "c1").hang_up))


def test_three_calls_fit_into_the_window_as_it_opens(window: MainWindow) -> None:
    height = window.height()
    window.render_state(after(second("c9"), held("c9"), ua.CallStarted("c8", ALICE, BOB)))
    QTest.qWait(50)

    assert window.height() == height
    assert not window.calls.verticalScrollBar().isVisible()


def test_eight_calls_are_scrolled_and_the_address_field_stays(window: MainWindow) -> None:
    state = active()
    for number in range(7):
        name = ua.Party(f"sip:{'very-long-name-' * 8}{number}@example.org", "Dr. Maximiliane von und zu " * 6)
        state = after(state, ua.CallStarted(f"n{number}", ALICE, name), ua.CallEstablished(f"n{number}", "PCMU"))
    state = after(state, ua.ConferenceChanged(tuple(call.id for call in state.calls)))
    width = window.width()
    window.render_state(state)
    QTest.qWait(50)

    assert len(window.calls.cards) == 8
    assert window.width() == width
    assert window.calls.verticalScrollBar().isVisible()
    assert window.calls.horizontalScrollBar().maximum() == 0
    address = window.dial_view.address
    assert window.rect().contains(address.mapTo(window, address.rect().bottomRight()))


def test_what_ended_makes_room_for_a_new_call_unless_it_says_why_it_failed(window: MainWindow) -> None:
    window.render_state(active())
    over = ended(active())
    window.render_state(over)
    assert "c1" in window.calls.cards
    window.render_state(incoming(base=over))

    assert list(window.calls.cards) == ["c2"]


def test_what_ended_makes_room_for_a_page(window: MainWindow) -> None:
    window.render_state(active())
    window.render_state(ended(active()))
    window.show_options()

    assert window.calls.cards == {}


def test_one_packet_is_one_packet(window: MainWindow) -> None:
    report = MediaReport(50, 50, auth_failures=1, plain_rtp_seen=1)
    window.render_state(after(active(), ua.CallReported("c1", report)))

    told = card_of(window, "c1").line_warning.text()
    assert told == "1 packet was not authentic and was not played. 1 packet was not encrypted and was not played."


# The focus


def dangerous(window: MainWindow) -> list[QWidget]:
    return [card.hang_up for card in window.calls.cards.values() if isinstance(card, RunningCallView)]


def test_after_an_address_was_given_or_not_the_focus_is_where_it_came_from(window: MainWindow) -> None:
    window.render_state(second())
    card = card_of(window, "c9")
    for leave in (Qt.Key.Key_Escape, Qt.Key.Key_Return):
        card.ask_transfer_target()
        type_text(card.transfer.address, "dave")
        key(card.transfer.address, leave)
        assert card.transfer.isHidden()
        assert focused(window) is card.more
    card.ask_transfer_target()
    window.render_state(after(second(), held("c9", False)))
    assert focused(window) is card.transfer.address, "an event takes nothing away from who types"


def test_sending_a_ringing_call_on_leaves_the_focus_beside_it(window: MainWindow) -> None:
    window.render_state(incoming())
    card = window.calls.cards["c2"]
    card.more.menu().actions()[1].trigger()  # type: ignore[union-attr]
    key(focused(window), Qt.Key.Key_Escape)

    assert focused(window) is card.more  # type: ignore[union-attr]


def test_the_keypad_s_key_leaves_no_button_under_the_finger_that_hangs_up(window: MainWindow) -> None:
    window.render_state(active())
    key(window, Qt.Key.Key_K, CTRL_SHIFT)
    key(focused(window), Qt.Key.Key_5)
    key(window, Qt.Key.Key_K, CTRL_SHIFT)

    assert focused(window) is card_of(window, "c1").keypad


@pytest.mark.parametrize(
    ("asked", "later"),
    [
        (ua.RedirectOffered("c1", "sip:carol@example.net"), ua.CallRinging("c1")),
        (ua.ConsentRequested("c1", "No encryption."), ua.CallEstablished("c1", "PCMU")),
    ],
)
def test_an_answered_question_leaves_no_button_under_the_finger_that_hangs_up(
    window: MainWindow, asked: ua.RedirectOffered | ua.ConsentRequested, later: ua.CallRinging | ua.CallEstablished
) -> None:
    window.render_state(after(dialing(), asked))
    card = card_of(window, "c1")
    card.agree.setFocus()
    window.render_state(after(dialing(), asked, later))

    assert focused(window) not in dangerous(window)


def test_calling_again_from_the_list_leaves_no_button_under_the_finger_that_hangs_up(
    window: MainWindow, engine: Engine
) -> None:
    past = ended(active("c0"), "c0")
    window.render_state(past)
    window.recent.list.setFocus()
    window.recent.list.setCurrentRow(0)
    key(window.recent.list, Qt.Key.Key_Return)
    assert isinstance(engine.last(), c.Dial)
    window.render_state(dialing(base=past))

    assert focused(window) not in dangerous(window)


def test_a_line_that_is_pressed_keeps_the_focus(window: MainWindow) -> None:
    watching = after(READY, known(AccountOptions(watched=WATCHED)))
    window.render_state(watching)
    line = next(iter(window.lines.buttons.values()))
    line.setFocus()
    click(line)
    window.render_state(dialing(base=watching))

    assert focused(window) is line
