"""A call on its way or running: who, how long, whether encrypted, the line; mute, hold, keypad, hang up; questions."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from softphone.messages import AnyCommand
from softphone.state import AccountView, CallPhase, CallView
from softphone.ua.commands import (
    AcceptTransfer,
    AgreeToUnencrypted,
    FollowRedirect,
    HangUp,
    Hold,
    Mute,
    Record,
    RefuseTransfer,
    Resume,
    SendDigits,
    SwitchTo,
    Transfer,
    Unmute,
)
from softphone.ui import words
from softphone.ui.address_entry import AddressEntry
from softphone.ui.call_menu import CallMenuButton
from softphone.ui.cards import Card, WarningBox
from softphone.ui.key_pad import KeyPad
from softphone.ui.lock import Lock
from softphone.ui.quality_mark import QualityMark
from softphone.ui.recording_bar import RecordingBar
from softphone.ui.symbols import SwitchButton, SymbolButton
from softphone.ui.texts import LineLabel, TextLabel, announce, foreign, plain_tip
from softphone.ui.warning_list import WarningList

HANG_UP_KEYS, MUTE_KEYS, HOLD_KEYS, KEYPAD_KEYS = "Ctrl+Shift+H", "Ctrl+Shift+M", "Ctrl+Shift+O", "Ctrl+Shift+K"
MENU_KEYS, RECORD_KEYS, QUALITY_KEYS = "Ctrl+Shift+T", "Ctrl+Shift+R", "Ctrl+Shift+I"
_MOST_DIGITS = 40  # shown of those that were sent


class RunningCallView(Card):
    """One call from dialling to its end. Everything is drawn from the CallView; buttons only submit commands.

    Emits `quality_wanted(call_id)` when the person wants to see how the line was.
    """

    quality_wanted = Signal(str)

    def __init__(self, call: CallView, submit: Callable[[AnyCommand], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._submit, self._call = submit, call
        self._told: tuple[str, ...] | None = None
        self._small = self._aside = False
        self._forbidden = ""
        self._others: tuple[CallView, ...] = ()
        self.party = LineLabel(scale=1.45, bold=True)
        self.address = LineLabel(part="muted")
        self.identity = TextLabel(part="muted", scale=0.92)
        self.state = TextLabel()
        self.timer = TextLabel()
        self.timer.setWordWrap(False)
        self.lock = Lock()
        self.recording = RecordingBar()
        self.recording.stopped.connect(lambda: self._submit(Record(self._call.id, False)))
        self.notice = WarningBox()
        self.warnings = WarningList(self._unmute)
        self.question = WarningBox()
        self.agree = self.question.add_button("")
        self.agree.clicked.connect(self._agree)
        self.refuse = self.question.add_button(self.tr("Stay in this call"))
        self.refuse.clicked.connect(lambda: self._submit(RefuseTransfer(self._call.id)))
        self.mark = QualityMark()
        self.mark.clicked.connect(self.open_quality)
        self.quality = TextLabel(part="muted", scale=0.85)
        self.line_warning = TextLabel(part="bad", scale=0.85)

        self._top = QHBoxLayout()
        self._top.addWidget(self.state, 1)
        self._top.addWidget(self.timer)
        self.column.addWidget(self.party)
        self.column.addWidget(self.address)
        self.column.addWidget(self.identity)
        self.column.addLayout(self._top)
        self.column.addWidget(self.lock)
        self.column.addWidget(self.mark, 0, Qt.AlignmentFlag.AlignLeft)
        self.column.addWidget(self.recording)
        self.column.addWidget(self.notice)
        self.column.addWidget(self.question)
        self._row = self._switches()
        self.column.addLayout(self._row)
        self.transfer = AddressEntry(self.more)
        self.transfer.given.connect(lambda target: self._submit(Transfer(self._call.id, target)))
        self.column.addWidget(self.transfer)
        self.digits = LineLabel(scale=1.1)
        self.digits.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.pad = KeyPad()
        self.pad.pressed.connect(self._send_digit)
        self.pad.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.pad.setAccessibleName(self.tr("Keypad"))
        self.hang_up = SymbolButton("hang-up", part="hang-up", colour="")
        self.hang_up.setToolTip(self.tr("End the call (%s)") % HANG_UP_KEYS)
        self.hang_up.clicked.connect(self.end_call)
        self.column.addWidget(self.digits)
        self.column.addWidget(self.pad)
        self.column.addWidget(self.hang_up)
        self.column.addWidget(self.warnings)  # below the buttons, which so stay where they are
        self.column.addWidget(self.quality)
        self.column.addWidget(self.line_warning)
        self.digits.hide()
        self.pad.hide()

    def _switches(self) -> QHBoxLayout:
        self.mute = self._switch("microphone", self.tr("Mute"), MUTE_KEYS, self.toggle_mute)
        self.hold = self._switch("hold", self.tr("Hold"), HOLD_KEYS, self.toggle_hold)
        self.keypad = self._switch("keypad", self.tr("Keypad"), KEYPAD_KEYS, self.toggle_keypad)
        self.record = self._switch("record", self.tr("Record"), RECORD_KEYS, self.toggle_recording)
        row = QHBoxLayout()
        row.setSpacing(6)
        for button in (self.mute, self.hold, self.keypad, self.record):
            row.addWidget(button, 1)
        self.more = CallMenuButton(self._submit, self.ask_transfer_target)
        self.more.setToolTip(self.tr("Transfer, conference, new keys (%s)") % MENU_KEYS)
        row.addWidget(self.more)
        return row

    def _switch(self, name: str, text: str, keys: str, act: Callable[[], None]) -> SwitchButton:
        button = SwitchButton(name, text)
        button.setCheckable(True)
        button.setToolTip(f"{text} ({keys})")
        button.clicked.connect(act)
        return button

    @property
    def call(self) -> CallView:
        return self._call

    def set_aside(self, aside: bool) -> None:
        """Whether a page of the window needs the room; shown with the next `render_call`."""
        self._aside = aside

    # From the state to the screen

    def render_call(
        self, call: CallView, account: AccountView | None, now: float, others: tuple[CallView, ...] = ()
    ) -> None:
        self._call, self._others = call, others
        self._fold(call)
        self.identity.show_text(words.identity(call))
        self.more.render_call(call, others)
        if call.phase is not CallPhase.ACTIVE:
            self.transfer.close_question()
        self.party.setText(words.name(call.remote))
        self.address.setText(words.address(call.remote.uri))
        self.party.setToolTip(plain_tip(words.address(call.remote.uri)))
        self.state.setText(words.call_state(call))
        self.lock.render_lock(call.security, call.phase, account)
        self.notice.say_failure(call.notice)
        self.warnings.render_warnings(call.warnings)
        self._render_question()
        active = call.phase is CallPhase.ACTIVE
        for button in (self.mute, self.hold, self.keypad):
            button.setEnabled(active)
        self.record.setEnabled(active and not self._forbidden)
        self.record.setChecked(call.recording)
        self.recording.render_call(call, now)
        self._render_switch(self.mute, call.muted, "microphone-off" if call.muted else "microphone")
        self._render_switch(self.hold, call.held_by_us, "resume" if call.held_by_us else "hold")
        self.mute.setText(self.tr("Muted") if call.muted else self.tr("Mute"))
        self.hold.setText(self.tr("Resume") if call.held_by_us else self.tr("Hold"))
        self.keypad.setChecked(not self.pad.isHidden())
        self.hang_up.setText(self.tr("Hang up") if active else self.tr("Cancel"))
        self.mark.show_quality(call.report.quality if call.report is not None and not self._small else None)
        self.quality.show_text("" if self._small else words.line_quality(call.report))
        self.line_warning.show_text(words.line_warnings(call.report))
        self.tick(now)
        self._tell()

    def tick(self, now: float) -> None:
        """The timer; `now` is a reading of the engine's clock, in seconds."""
        since = self._call.established_at
        self.timer.setText(words.duration(now - since) if since is not None else "")
        self.recording.tick(now)

    def _fold(self, call: CallView) -> None:
        """Small, with one row of buttons: beside other calls one that is held or in the conference, and beside a page
        of the window, say the settings, every running one.
        """
        beside = any(other.phase is not CallPhase.INCOMING for other in self._others)
        lesser = self._aside or (beside and (call.held_by_us or call.in_conference))
        small = lesser and call.phase is CallPhase.ACTIVE
        self.address.setVisible(not small)
        self.mute.setVisible(not (small and call.held_by_us))
        self.keypad.setVisible(not small)
        self.record.setVisible(not small)
        self.lock.set_brief(small)
        if small and (call.held_by_us or not self._small) and not self.pad.isHidden():
            self.toggle_keypad()
        if small == self._small:
            return
        self._small = small
        self.set_dense(small)
        for button in (self.mute, self.hold, self.keypad, self.record):
            button.set_flat(small)
        self.hang_up.setProperty("dense", small)
        self.hang_up.style().unpolish(self.hang_up)
        self.hang_up.style().polish(self.hang_up)
        if small:
            self.column.removeWidget(self.party)
            self._top.insertWidget(0, self.party, 2)
            self.column.removeWidget(self.hang_up)
            self._row.insertWidget(self._row.indexOf(self.more), self.hang_up, 1)
        else:
            self._top.removeWidget(self.party)
            self.column.insertWidget(0, self.party)
            self._row.removeWidget(self.hang_up)
            self.column.insertWidget(self.column.indexOf(self.warnings), self.hang_up)
        side = Qt.AlignmentFlag.AlignRight if small else Qt.AlignmentFlag.AlignLeft
        self.state.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)

    def _render_question(self) -> None:
        call = self._call
        if call.phase is CallPhase.CONSENT:
            reason = call.security.reason or ""
            warning = self.tr("No sound flows until you agree. Without encryption, others may listen.")
            self.question.say(self.tr("Go on without encryption?"), f"{reason} {warning}".strip())
            self.agree.setText(self.tr("Go on unencrypted"))
        elif call.phase is CallPhase.REDIRECTED:
            target = words.address(call.redirect_target or "")
            self.question.say(self.tr("The call is diverted."), self.tr("Call %s instead?") % target)
            self.agree.setText(self.tr("Call the new address"))
        elif call.transfer is not None and call.transfer.wants_answer:
            target = words.address(call.transfer.target)
            self.question.say(self.tr("The other side wants to transfer you."), self.tr("Call %s instead?") % target)
            self.agree.setText(self.tr("Call there"))
        else:
            self.question.say("")
        self.refuse.setVisible(call.transfer is not None and call.transfer.wants_answer)

    @staticmethod
    def _render_switch(button: SwitchButton, on: bool, name: str) -> None:
        button.setChecked(on)
        button.set_symbol(name)

    def _tell(self) -> None:
        """Has screen readers say what changed; the timer and the numbers are left out."""
        question = f"{self.question.reason.text()} {self.question.remedy.text()}".strip()
        identity = self.identity.text().replace("\n", ". ")
        said = (self.state.text(), self.lock.headline.text(), identity, self.notice.reason.text(), question)
        if said == self._told:
            return
        before, self._told = self._told, said
        changed = [text for text, old in zip(said, before or ("",) * len(said), strict=True) if text and text != old]
        if changed:
            announce(self, f"{self.party.text()}: {'. '.join(changed)}", urgent=question in changed)

    # From the person to the engine. The state comes back with an event; until then the button shows the old one.

    def end_call(self) -> None:
        self._submit(HangUp(self._call.id))

    def toggle_mute(self) -> None:
        self._submit(Unmute(self._call.id) if self._call.muted else Mute(self._call.id))
        self.mute.setChecked(self._call.muted)

    def _unmute(self) -> None:
        self._submit(Unmute(self._call.id))

    def forbid_recording(self, reason: str) -> None:
        """Why this phone may not record; "": it may."""
        self._forbidden = reason
        tip = plain_tip(reason) or f"{self.tr('Record both sides, encrypted')} ({RECORD_KEYS})"
        self.record.setToolTip(tip)
        self.record.setAccessibleDescription(reason)
        self.more.forbid_recording(reason)

    def toggle_recording(self) -> None:
        if self.record.isEnabled() or self._call.recording:
            self._submit(Record(self._call.id, not self._call.recording))
        elif self._forbidden:
            announce(self, self._forbidden)
        self.record.setChecked(self._call.recording)

    def toggle_hold(self) -> None:
        self._submit(self._resume() if self._call.held_by_us else Hold(self._call.id))
        self.hold.setChecked(self._call.held_by_us)

    def _resume(self) -> AnyCommand:
        """With other calls beside it: talk here, hold those."""
        return SwitchTo(self._call.id) if self._others else Resume(self._call.id)

    def ask_transfer_target(self) -> None:
        self.transfer.ask(self.tr("Transfer this call to"), self.tr("Transfer"))

    def open_quality(self) -> None:
        self.quality_wanted.emit(self._call.id)

    def open_menu(self) -> None:
        self.more.menu().popup(self.more.mapToGlobal(self.more.rect().bottomLeft()))

    def toggle_keypad(self) -> None:
        opened = self.pad.isHidden()
        focus = self.window().focusWidget()
        if not opened and focus is not None and (focus is self.pad or self.pad.isAncestorOf(focus)):
            (self if self.keypad.isHidden() else self.keypad).setFocus()  # never on to the button that hangs up
        self.pad.setVisible(opened)
        self.digits.setVisible(opened and bool(self.digits.text()))
        self.keypad.setChecked(opened)
        if opened:
            self.pad.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _send_digit(self, digit: str) -> None:
        if self._call.phase is CallPhase.ACTIVE:
            self._submit(SendDigits(self._call.id, digit))
            self.digits.setText(foreign((self.digits.text() + digit)[-_MOST_DIGITS:]))
            self.digits.show()

    def _agree(self) -> None:
        if self._call.phase is CallPhase.CONSENT:
            self._submit(AgreeToUnencrypted(self._call.id))
        elif self._call.phase is CallPhase.REDIRECTED:
            self._submit(FollowRedirect(self._call.id))
        else:
            self._submit(AcceptTransfer(self._call.id, secrets.token_hex(8)))
