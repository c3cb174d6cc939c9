"""Every control has a name that a screen reader can say, keys reach every control, and changes are announced."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)

from softphone.messages import MediaSettings, SettingsChanged, SettingsView
from softphone.policy.media import ConnectionProfile, MediaEncryption
from softphone.state import AppState
from softphone.ua import events as ua
from softphone.ua.call_warnings import CallWarningKind
from softphone.ua.events import RegistrationState
from softphone.ui.main_window import MainWindow
from softphone.ui.symbols import SymbolLabel
from tests.ui.hands import focused, key
from tests.ui.pictures import CONFERENCE, LINES, SEVERAL
from tests.ui.recorded_calls import FORBIDDEN, LISTED, RECORDED
from tests.ui.sound_tests import TESTED, warned
from tests.ui.states import (
    BOB,
    CANNOT_ENCRYPT,
    READY,
    SELF_SIGNED,
    account,
    active,
    after,
    dialing,
    ended,
    incoming,
)

CONTROLS = (QAbstractButton, QLineEdit, QComboBox, QAbstractItemView, QAbstractSpinBox, QPlainTextEdit)


def spoken_name(widget: QWidget) -> str:
    interface = QAccessible.queryAccessibleInterface(widget)
    assert interface is not None
    return str(interface.text(QAccessible.Text.Name))


def everything(window: MainWindow) -> None:
    window.render_state(ended(active(), failure=CANNOT_ENCRYPT))


def signing_in(window: MainWindow) -> None:
    window.render_state(AppState())
    window.sign_in.more.setChecked(True)


def self_signed(window: MainWindow) -> None:
    window.render_state(account(RegistrationState.FAILED, SELF_SIGNED))
    window.show_sign_in("alice@example.org")


def optional(window: MainWindow) -> None:
    media = MediaSettings(MediaEncryption.OPTIONAL, ConnectionProfile.VPN)
    window.render_state(after(READY, SettingsChanged(SettingsView(media=media))))
    window.show_settings()


def with_keypad(window: MainWindow) -> None:
    window.render_state(active())
    card = window.calls.cards["c1"]
    card.keypad.click()  # type: ignore[union-attr]


def show(state: AppState, before: AppState = READY) -> Callable[[MainWindow], None]:
    def render(window: MainWindow) -> None:
        window.render_state(before)
        window.render_state(state)

    return render


def options(window: MainWindow) -> None:
    window.render_state(LINES)
    window.show_options()


def messages(window: MainWindow) -> None:
    window.render_state(after(LINES, ua.MessageReceived("alice@example.org", "m1", BOB, "Hello")))
    window.show_messages()


def recordings(window: MainWindow) -> None:
    window.render_state(LISTED)
    window.show_recordings()
    window.recordings.list.setCurrentRow(0)
    window.recordings.ask_to_delete()


def asking_whereto(window: MainWindow) -> None:
    window.render_state(CONFERENCE)
    window.calls.cards["c1"].ask_transfer_target()  # type: ignore[union-attr]


def sending_on(window: MainWindow) -> None:
    window.render_state(incoming())
    window.calls.cards["c2"].more.menu().actions()[1].trigger()  # type: ignore[union-attr]


def sound_test(window: MainWindow) -> None:
    window.render_state(TESTED)
    window.show_device_test()


UNREAD = after(LINES, ua.MessageReceived("alice@example.org", "m1", BOB, "Hello"))
ASKED = after(active(), ua.TransferRequested("c1", "sip:carol@example.org", BOB))
SCENES: dict[str, Callable[[MainWindow], None]] = {
    "ready": show(READY),
    "recent calls": everything,
    "signing in": signing_in,
    "self-signed": self_signed,
    "registration failed": show(account(RegistrationState.FAILED, SELF_SIGNED)),
    "settings": optional,
    "incoming": show(incoming()),
    "incoming in clear": show(incoming(unencrypted="The caller offers no encryption.")),
    "active": show(active()),
    "keypad": with_keypad,
    "consent": show(after(dialing(), ua.ConsentRequested("c1", "No encryption."))),
    "diverted": show(after(dialing(), ua.RedirectOffered("c1", "sip:carol@example.net"))),
    "lines, voice mail, two accounts, a message": show(UNREAD, LINES),
    "options": options,
    "messages": messages,
    "recorded": show(RECORDED, active()),
    "recording forbidden": show(FORBIDDEN, READY),
    "recordings": recordings,
    "transfer asked for": show(ASKED, active()),
    "asking whereto": asking_whereto,
    "sending on": sending_on,
    "conference": show(CONFERENCE, LINES),
    "several": show(SEVERAL, LINES),
    "sound test": sound_test,
    "warnings in a call": show(warned(*CallWarningKind)),
    "failed call": show(ended(dialing(), failure=CANNOT_ENCRYPT), dialing()),
}


@pytest.mark.parametrize("scene", SCENES)
def test_every_control_has_a_spoken_name(window: MainWindow, scene: str) -> None:
    SCENES[scene](window)
    controls = [
        widget
        for widget in window.findChildren(QWidget)
        if isinstance(widget, CONTROLS) and widget.isVisibleTo(window) and not _within_a_control(widget)
    ]

    assert len(controls) >= 3
    assert [f"{type(w).__name__} {w.objectName()}" for w in controls if not spoken_name(w).strip()] == []


def _within_a_control(widget: QWidget) -> bool:
    """Parts of a combo box, a field of numbers or a line edit (its clear button) belong to it."""
    parent = widget.parentWidget()
    return isinstance(parent, QLineEdit | QComboBox | QAbstractSpinBox) or (
        parent is not None and _within_a_control(parent)
    )


@pytest.mark.parametrize("scene", SCENES)
def test_a_label_says_what_it_shows(window: MainWindow, scene: str) -> None:
    SCENES[scene](window)

    for label in window.findChildren(QLabel):
        if label.isVisibleTo(window) and not isinstance(label, SymbolLabel):
            assert label.accessibleName() == "", "a fixed name would hide the text that changes"
            assert spoken_name(label).replace("&", "") == label.text().replace("&", "")


@pytest.mark.parametrize("scene", SCENES)
def test_tab_reaches_every_control_that_is_shown(window: MainWindow, scene: str) -> None:
    SCENES[scene](window)
    wanted = {
        widget
        for widget in window.findChildren(QWidget)
        if isinstance(widget, CONTROLS)
        and widget.isVisible()
        and widget.isEnabled()
        and not _within_a_control(widget)
        and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    }
    reached: set[QWidget] = set()
    for _ in range(len(window.findChildren(QWidget))):
        reached.add(focused(window))
        key(focused(window), Qt.Key.Key_Tab)

    # Of radio buttons that exclude each other, Tab reaches one and the arrow keys the others.
    assert [spoken_name(widget) for widget in wanted - reached if not _in_a_group(widget)] == []
    for button in window.findChildren(QAbstractButton):
        if button.isVisible() and button.isEnabled() and not _within_a_control(button) and not _in_a_group(button):
            assert button.focusPolicy() & Qt.FocusPolicy.TabFocus, spoken_name(button)


def _in_a_group(widget: QWidget) -> bool:
    return isinstance(widget, QAbstractButton) and widget.group() is not None


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said to screen readers."""
    said: list[str] = []

    def listen(event: QAccessibleAnnouncementEvent) -> None:
        said.append(event.message())

    monkeypatch.setattr(QAccessible, "updateAccessibility", staticmethod(listen))
    return said


def test_an_incoming_call_is_announced_with_its_lock(window: MainWindow, announced: list[str]) -> None:
    window.render_state(READY)
    announced.clear()
    window.render_state(incoming(unencrypted="The caller offers no encryption."))

    assert announced == ["Incoming call from Bob Sanders, bob@example.org. Not encrypted."]


def test_the_states_of_a_call_are_announced_and_its_numbers_are_not(window: MainWindow, announced: list[str]) -> None:
    window.render_state(READY)
    announced.clear()
    window.render_state(dialing())
    window.render_state(active())
    window.render_state(active())
    window.render_state(ended(active(), failure=CANNOT_ENCRYPT))

    assert announced[0] == "Bob Sanders: Calling …. Encryption is not agreed yet"
    assert announced[1] == "Bob Sanders: In call. Encrypted to your server"
    assert announced[2].startswith("Bob Sanders: Call ended after 01:02.")
    assert CANNOT_ENCRYPT.reason in announced[2]
    assert len(announced) == 3


def test_a_failed_registration_is_announced_with_reason_and_remedy(window: MainWindow, announced: list[str]) -> None:
    window.render_state(READY)
    window.render_state(account(RegistrationState.FAILED, SELF_SIGNED))

    assert SELF_SIGNED.reason in announced[-1]
    assert SELF_SIGNED.remedy in announced[-1]


def test_a_lost_engine_is_announced(window: MainWindow, announced: list[str]) -> None:
    window.engine_lost("gone")

    assert announced == ["The call engine stopped and is being restarted."]


def test_no_two_fields_of_the_options_have_one_key(window: MainWindow) -> None:
    options(window)
    texts = [label.text() for label in window.options.findChildren(QLabel)]
    texts += [button.text() for button in window.options.findChildren(QAbstractButton)]
    keys = [text[text.index("&") + 1].lower() for text in texts if "&" in text]

    assert len(keys) > 15
    assert sorted(keys) == sorted(set(keys))


@pytest.mark.parametrize("state", [active(), CONFERENCE, incoming()])
def test_every_entry_of_a_menu_has_words(window: MainWindow, state: AppState) -> None:
    window.render_state(state)
    for card in window.calls.cards.values():
        menu = card.more.menu()  # type: ignore[union-attr]
        menu.aboutToShow.emit()
        entries = [action for action in menu.actions() if not action.isSeparator()]
        assert len(entries) >= 2
        assert all(action.text().strip() for action in entries)


def test_a_question_of_the_other_side_is_announced(window: MainWindow, announced: list[str]) -> None:
    window.render_state(active())
    announced.clear()
    window.render_state(ASKED)

    assert announced == ["Bob Sanders: The other side wants to transfer you. Call carol@example.org instead?"]


def test_what_becomes_of_a_transfer_and_of_a_conference_is_announced(window: MainWindow, announced: list[str]) -> None:
    window.render_state(active())
    announced.clear()
    under_way = ua.TransferProgressed("c1", ua.TransferRole.TRANSFEROR, "sip:carol@example.org", 180, "Ringing")
    window.render_state(after(active(), under_way))
    assert announced == ["Bob Sanders: Transfer to carol@example.org is under way"]

    announced.clear()
    window.render_state(active())
    assert announced == [], "the end of something needs no words"
    window.render_state(after(active(), ua.ConferenceChanged(("c1",))))
    assert announced == ["Bob Sanders: In the conference"]


def test_messages_and_lines_are_announced(window: MainWindow, announced: list[str]) -> None:
    window.render_state(LINES)
    announced.clear()
    window.render_state(after(LINES, ua.LineStateChanged("alice@example.org", "21", ua.LineState.BUSY)))
    window.render_state(UNREAD)

    assert announced[0] == "Workshop: in a call"
    assert announced[-1] == "Message from Bob Sanders: Hello"
