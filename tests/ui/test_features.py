"""Several calls, transfers, conference, lines, voice mail, messages and an account's options on the screen."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest

from softphone.errors import Failure, FailureKind
from softphone.messages import AccountKnown, AccountOptions, ChangeAccountOptions, MediaSettings, Noticed
from softphone.policy.media import MediaEncryption
from softphone.sdp.negotiated import Direction
from softphone.state import AppState
from softphone.ua import commands as c
from softphone.ua import events as ua
from softphone.ua.account import CallRules, DoNotDisturb, Forwarding, WatchedLine
from softphone.ui.call_view import RunningCallView
from softphone.ui.incoming_view import IncomingView
from softphone.ui.main_window import MainWindow
from softphone.ui.options_form import watched_lines, watched_text
from tests.ui.conftest import Engine
from tests.ui.hands import click, focused, key, type_text
from tests.ui.states import BOB, FLOW, READY, active, after, incoming

ALICE = "alice@example.org"
CAROL = ua.Party("sip:carol@example.org", "Carol")
WATCHED = (WatchedLine("bob@example.org", "Bob"), WatchedLine("carol@example.org"))


def known(options: AccountOptions | None = None, account_id: str = ALICE) -> AccountKnown:
    return AccountKnown(account_id, f"sip:{account_id}", "", "example.org", options or AccountOptions())


def two_calls() -> AppState:
    return after(active(), ua.CallStarted("c9", ALICE, CAROL), ua.CallEstablished("c9", "PCMU"))


def running(window: MainWindow, call_id: str = "c1") -> RunningCallView:
    card = window.calls.cards[call_id]
    assert isinstance(card, RunningCallView)
    return card


def entries(card: RunningCallView) -> dict[str, QAction]:
    """The entries of the call's menu, by their text without the marks of keys."""
    card.more.fill()
    return {action.text().replace("&", ""): action for action in card.more.menu().actions() if action.text()}


# Transfer


def test_a_call_is_transferred_to_an_address_that_is_typed(window: MainWindow, engine: Engine) -> None:
    window.render_state(active())
    card = running(window)
    assert card.transfer.isHidden()

    entries(card)["Transfer to an address…"].trigger()
    assert card.transfer.address.hasFocus()
    type_text(card.transfer.address, "carol")
    key(card.transfer.address, Qt.Key.Key_Return)

    assert engine.commands == [c.Transfer("c1", "carol")]
    assert card.transfer.isHidden()


def test_escape_takes_the_question_for_an_address_away(window: MainWindow, engine: Engine) -> None:
    window.render_state(active())
    card = running(window)
    card.ask_transfer_target()
    key(card.transfer.address, Qt.Key.Key_Escape)

    assert card.transfer.isHidden()
    assert engine.commands == []


def test_two_calls_can_be_connected_with_each_other(window: MainWindow, engine: Engine) -> None:
    window.render_state(two_calls())
    entries(running(window))["Connect with Carol"].trigger()

    assert engine.commands == [c.TransferTo("c1", "c9")]


def test_a_transfer_under_way_and_its_failure_are_shown(window: MainWindow) -> None:
    role = ua.TransferRole.TRANSFEROR
    under_way = after(active(), ua.TransferProgressed("c1", role, "sip:carol@example.org", 180, "Ringing"))
    window.render_state(under_way)
    assert "carol@example.org" in running(window).identity.text()

    failure = Failure(FailureKind.REJECTED, "Carol declined.", "Talk on.")
    window.render_state(after(under_way, ua.TransferEnded("c1", role, failure)))
    assert running(window).notice.reason.text() == "Carol declined."
    assert running(window).identity.isHidden()


@pytest.mark.parametrize(("button", "command"), [("agree", c.AcceptTransfer), ("refuse", c.RefuseTransfer)])
def test_the_other_side_s_wish_to_transfer_us_is_a_question(
    window: MainWindow, engine: Engine, button: str, command: type[object]
) -> None:
    asked = after(active(), ua.TransferRequested("c1", "sip:carol@example.org", BOB))
    window.render_state(asked)
    card = running(window)
    assert "carol@example.org" in card.question.remedy.text()

    click(getattr(card, button))
    assert isinstance(engine.last(), command)


# Several calls and the conference


def test_resuming_a_call_beside_others_switches_to_it(window: MainWindow, engine: Engine) -> None:
    held = after(two_calls(), ua.HoldChanged("c1", True, False, Direction.SENDONLY))
    window.render_state(held)
    click(running(window).hold)

    assert engine.commands == [c.SwitchTo("c1")]


def test_calls_are_joined_left_and_silenced_from_the_menu(window: MainWindow, engine: Engine) -> None:
    window.render_state(after(two_calls(), ua.CallSecured("c9", "AEAD_AES_256_GCM", FLOW)))
    entries(running(window))["Join with Carol"].trigger()
    assert engine.last() == c.JoinConference(("c1", "c9"))

    window.render_state(after(two_calls(), ua.ConferenceChanged(("c1", "c9"))))
    card = running(window)
    assert card.identity.text() == "In the conference"
    assert "Join with Carol" not in entries(card)
    entries(card)["Let nobody hear it"].trigger()
    assert engine.last() == c.SetMemberMuted("c1", True)
    entries(card)["Leave the conference"].trigger()
    assert engine.last() == c.LeaveConference("c1")


def test_joining_a_call_in_clear_says_what_that_means(window: MainWindow, engine: Engine) -> None:
    window.render_state(after(two_calls(), ua.CallNotEncrypted("c9", "The other side cannot encrypt.")))
    entries(running(window))["Join with Carol, not encrypted"].trigger()

    assert engine.last() == c.JoinConference(("c1", "c9"), unencrypted_agreed=True)


# Ringing here


def test_a_waiting_call_says_so_and_can_be_busied_or_sent_on(window: MainWindow, engine: Engine) -> None:
    event = ua.IncomingCall("c2", ALICE, CAROL, "sip:alice@example.org", waiting=True)
    window.render_state(after(active(), event))
    card = window.calls.cards["c2"]
    assert isinstance(card, IncomingView)
    assert card.title.text() == "Another call is waiting"

    busy, send = card.more.menu().actions()
    busy.trigger()
    assert engine.last() == c.Decline("c2", 486)
    send.trigger()
    type_text(card.deflect.address, "bob")
    click(card.deflect.go)
    assert engine.last() == c.Deflect("c2", "bob")


def test_whom_the_server_vouches_for_and_who_sent_the_call_on_are_shown(window: MainWindow) -> None:
    identity = ua.CallerIdentity(asserted=CAROL, diversions=(ua.Diversion(ua.Party("sip:dave@example.org"), "busy"),))
    window.render_state(after(READY, ua.IncomingCall("c2", ALICE, BOB, "sip:alice@example.org", identity=identity)))
    card = window.calls.cards["c2"]
    assert isinstance(card, IncomingView)

    assert "Your server says that it is Carol (carol@example.org)" in card.identity.text()
    assert "Sent on by dave@example.org" in card.identity.text()


def test_who_is_at_the_other_end_changes_with_the_connected_line(window: MainWindow) -> None:
    window.render_state(after(active(), ua.RemoteIdentityChanged("c1", CAROL, asserted=True)))

    assert running(window).party.text() == "Carol"


def test_a_call_that_a_rule_sent_on_is_in_the_list(window: MainWindow) -> None:
    window.render_state(READY)
    deflected = ua.CallDeflected("c3", ALICE, BOB, "always", "sip:carol@example.org")
    window.render_state(after(READY, deflected))

    assert window.recent.list.count() == 1
    assert "Sent on to carol@example.org" in window.recent.list.item(0).text()


# Lines and voice mail


def test_lines_are_keys_that_call_or_pick_up(window: MainWindow, engine: Engine) -> None:
    state = after(
        READY,
        known(AccountOptions(watched=WATCHED)),
        ua.LineStateChanged(ALICE, "bob@example.org", ua.LineState.RINGING, CAROL),
        ua.LineStateChanged(ALICE, "carol@example.org", ua.LineState.BUSY),
    )
    window.render_state(state)
    bob, carol = window.lines.buttons.values()
    assert bob.accessibleName() == "Bob: rings, Carol (carol@example.org)"
    assert carol.accessibleName() == "carol@example.org: in a call"
    why = Failure(FailureKind.REJECTED, "The server does not know this line (404).", "Check its address.")
    unknown = ua.LineStateChanged(ALICE, "carol@example.org", ua.LineState.UNKNOWN, failure=why)
    window.render_state(after(state, unknown))
    assert carol.accessibleDescription() == why.reason
    window.render_state(state)
    assert carol.accessibleDescription() == ""

    click(bob)
    picked = engine.last()
    assert isinstance(picked, c.PickUp)
    assert (picked.account_id, picked.uri) == (ALICE, "bob@example.org")
    click(carol)
    dialled = engine.last()
    assert isinstance(dialled, c.Dial)
    assert (dialled.target, dialled.account_id) == ("carol@example.org", ALICE)


def test_lines_have_keys_on_the_keyboard(window: MainWindow, engine: Engine) -> None:
    state = after(READY, known(AccountOptions(watched=WATCHED)))
    window.render_state(state)
    key(window, Qt.Key.Key_3, Qt.KeyboardModifier.ControlModifier)
    assert engine.commands == []
    key(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    dialled = engine.last()
    assert isinstance(dialled, c.Dial)
    assert dialled.target == "carol@example.org"

    window.render_state(after(state, ua.LineStateChanged(ALICE, "bob@example.org", ua.LineState.RINGING, CAROL)))
    key(window, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    assert isinstance(engine.last(), c.PickUp)


def test_voice_messages_are_one_click_away(window: MainWindow, engine: Engine) -> None:
    window.render_state(READY)
    row = window.accounts.rows[ALICE]
    assert row.voicemail.isHidden()

    window.render_state(after(READY, ua.MessageWaitingChanged(ALICE, True, 2, 5, "sip:box@example.org")))
    assert (row.voicemail.text(), row.voicemail.accessibleName()) == ("2", "2 new voice messages")
    click(row.voicemail)
    dialled = engine.last()
    assert isinstance(dialled, c.Dial)
    assert (dialled.target, dialled.account_id) == ("sip:box@example.org", ALICE)


def test_voice_messages_without_a_mailbox_lead_to_the_field_that_names_it(window: MainWindow, engine: Engine) -> None:
    work = "alice@work.example"
    window.render_state(after(READY, known(), known(account_id=work), ua.MessageWaitingChanged(work, True)))
    row = window.accounts.rows[work]
    assert "say where the mailbox is" in row.voicemail.toolTip()
    click(row.voicemail)

    assert window.pages.currentWidget() is window.options
    assert window.options.account_id == work
    assert engine.commands == []


def test_do_not_disturb_is_seen_beside_the_account(window: MainWindow) -> None:
    quiet = AccountOptions(rules=CallRules(do_not_disturb=DoNotDisturb.BUSY))
    window.render_state(after(READY, known(quiet)))
    assert "Do not disturb" in window.accounts.rows[ALICE].state.text()

    away = AccountOptions(rules=CallRules(forwarding=Forwarding(always="bob")))
    window.render_state(after(READY, known(away)))
    assert "all calls go to bob" in window.accounts.rows[ALICE].state.text()


# Dialling with several accounts


def test_with_several_accounts_the_one_to_call_with_is_chosen(window: MainWindow, engine: Engine) -> None:
    window.render_state(READY)
    assert window.dial_view.account.isHidden()

    window.render_state(after(READY, known(account_id="alice@work.example")))
    assert not window.dial_view.account.isHidden()
    window.dial_view.account.setCurrentIndex(1)
    window.dial_view.hide_identity.setChecked(True)
    type_text(window.dial_view.address, "bob")
    click(window.dial_view.button)

    dialled = engine.last()
    assert isinstance(dialled, c.Dial)
    assert (dialled.target, dialled.account_id, dialled.hide_identity) == ("bob", "alice@work.example", True)


def test_calling_again_goes_out_with_the_account_of_the_call(window: MainWindow, engine: Engine) -> None:
    work = "alice@work.example"
    two = after(READY, known(), known(account_id=work))
    window.render_state(after(two, ua.CallStarted("c1", work, BOB), ua.CallEnded("c1", ua.EndedBy.REMOTE)))
    window.recent.list.itemActivated.emit(window.recent.list.item(0))
    dialled = engine.last()
    assert isinstance(dialled, c.Dial)
    assert (dialled.target, dialled.account_id) == (BOB.uri, work)

    window.render_state(after(READY, ua.CallStarted("c1", work, BOB), ua.CallEnded("c1", ua.EndedBy.REMOTE)))
    window.recent.list.itemActivated.emit(window.recent.list.item(0))
    dialled = engine.last()
    assert isinstance(dialled, c.Dial)
    assert dialled.account_id is None, "that account is gone"


# Messages


def test_messages_come_go_and_fail_on_their_page(window: MainWindow, engine: Engine) -> None:
    window.render_state(READY)
    window.show_messages()
    page = window.messages
    type_text(page.recipient, "bob")
    type_text(page.text, "Back at noon")
    key(page.text, Qt.Key.Key_Return)
    sent = engine.last()
    assert isinstance(sent, c.SendInstantMessage)
    assert (sent.target, sent.text, sent.account_id) == ("bob", "Back at noon", ALICE)

    failure = Failure(FailureKind.REJECTED, "Nobody is known there.", "Check the address.")
    state = after(
        READY,
        ua.MessageDelivery(ALICE, sent.message_id, BOB, sent.text, ua.DeliveryState.SENDING),
        ua.MessageReceived(ALICE, "m2", BOB, "<b>fine\u202e</b>"),
        ua.MessageDelivery(ALICE, sent.message_id, BOB, sent.text, ua.DeliveryState.FAILED, failure),
    )
    window.render_state(state)
    lines = [page.list.item(row).text() for row in range(page.list.count())]
    assert lines[0].startswith("to Bob Sanders: Back at noon  (not delivered")
    assert lines[1] == "from Bob Sanders: <b>fine·</b>"
    assert page.trouble.reason.text() == "Nobody is known there."


def test_a_message_that_came_is_seen_on_the_phone_page_until_it_is_read(window: MainWindow) -> None:
    window.render_state(READY)
    assert window.unread.isHidden()
    two = after(READY, ua.MessageReceived(ALICE, "m1", BOB, "one"), ua.MessageReceived(ALICE, "m2", CAROL, "two"))
    window.render_state(two)
    assert (window.unread.isVisible(), window.unread.text()) == (True, "2")
    assert window.unread.accessibleName() == "2 new messages"

    click(window.unread)
    assert window.pages.currentWidget() is window.messages
    assert window.messages.recipient.text() == "carol@example.org", "whom one will answer"
    assert window.messages.text.hasFocus()
    window.render_state(after(two, ua.MessageReceived(ALICE, "m3", BOB, "three")))
    window.show_phone()
    assert window.unread.isHidden()


def test_an_answer_goes_out_with_the_account_that_was_written_to(window: MainWindow, engine: Engine) -> None:
    work = "alice@work.example"
    state = after(READY, known(), known(account_id=work), ua.MessageReceived(work, "m1", BOB, "one"))
    window.render_state(state)
    window.show_messages()
    page = window.messages
    assert page.account.isVisible()
    type_text(page.text, "Yes")
    key(page.text, Qt.Key.Key_Return)
    sent = engine.last()
    assert isinstance(sent, c.SendInstantMessage)
    assert (sent.target, sent.account_id) == ("bob@example.org", work)

    page.account.choose(ALICE)
    page.list.itemActivated.emit(page.list.item(0))
    assert page.account.account_id == work


# An account's options


def test_apply_stays_in_sight_beside_a_call(window: MainWindow) -> None:
    window.render_state(after(active(), known()))
    window.show_options()
    apply = window.options.apply
    QTest.qWait(50)

    assert window.rect().contains(apply.mapTo(window, apply.rect().bottomRight()))


def test_options_are_applied_as_a_whole_and_shown_as_in_force(window: MainWindow, engine: Engine) -> None:
    window.render_state(after(READY, known(AccountOptions(watched=WATCHED))))
    window.show_options()
    page = window.options
    form = page.form
    assert not page.apply.isEnabled()
    assert form.watched.toPlainText() == "bob@example.org, Bob\ncarol@example.org"

    form.quiet.setCurrentIndex(form.quiet.findData(DoNotDisturb.UNAVAILABLE))
    form.busy.setText("carol")
    form.deny.setText("mallory@example.org, @example.net")
    form.encryption.setCurrentIndex(form.encryption.findData(MediaEncryption.MANDATORY))
    click(page.apply)

    wanted = AccountOptions(
        rules=CallRules(
            do_not_disturb=DoNotDisturb.UNAVAILABLE,
            forwarding=Forwarding(busy="carol"),
            deny=("mallory@example.org", "@example.net"),
        ),
        watched=WATCHED,
        media=MediaSettings(),
    )
    assert engine.last() == ChangeAccountOptions(ALICE, wanted)
    window.render_state(after(READY, known(wanted)))
    assert page.outcome.text() == "In force for new calls."
    assert not page.apply.isEnabled()


def test_options_that_are_refused_stay_to_be_corrected(window: MainWindow) -> None:
    state = after(READY, known())
    window.render_state(state)
    window.show_options()
    page = window.options
    page.form.codecs.setText("GSM")
    click(page.apply)
    refused = after(state, Noticed(Failure(FailureKind.SETTINGS, "This version has no codec GSM.", "Use PCMU.")))
    window.render_state(refused)
    assert window.notice.reason.text() == "This version has no codec GSM."
    assert page.form.codecs.text() == "GSM"
    assert page.apply.isEnabled()
    assert page.outcome.text() == ""

    page.form.codecs.setText("PCMU")
    click(page.apply)
    window.render_state(after(refused, known(AccountOptions(codecs=("PCMU",)))))
    assert page.outcome.text() == "In force for new calls."
    assert window.notice.isHidden(), "what was refused has been corrected"


def test_a_field_that_its_key_goes_to_comes_into_sight(window: MainWindow) -> None:
    window.render_state(after(READY, known()))
    window.show_options()
    window.options.form.codecs.setFocus()
    QTest.qWait(50)

    assert not window.options.form.codecs.visibleRegion().isEmpty()


@pytest.mark.parametrize("page", ["settings", "options", "messages"])
def test_escape_goes_back_to_the_phone(window: MainWindow, page: str) -> None:
    window.render_state(READY)
    getattr(window, f"show_{page}")()
    assert window.pages.currentWidget() is getattr(window, page)
    key(focused(window), Qt.Key.Key_Escape)

    assert window.pages.currentWidget() is window.phone


def test_what_is_typed_is_not_lost_when_something_else_happens(window: MainWindow) -> None:
    state = after(READY, known())
    window.render_state(state)
    window.show_options()
    window.options.form.always.setText("bo")
    window.render_state(after(state, ua.MessageWaitingChanged(ALICE, True, 1)))

    assert window.options.form.always.text() == "bo"


def test_watched_lines_are_read_as_they_are_written() -> None:
    lines = (WatchedLine("bob@example.org", "Bob", "**"), WatchedLine("42"), WatchedLine("7", "", "*8"))
    assert watched_lines(watched_text(lines)) == lines
    assert watched_lines(" \n,label\n bob , Bob") == (WatchedLine("bob", "Bob"),)


def test_an_incoming_call_does_not_close_a_page(window: MainWindow) -> None:
    window.render_state(READY)
    window.show_options()
    window.render_state(incoming())

    assert window.pages.currentWidget() is window.options
    assert "c2" in window.calls.cards
