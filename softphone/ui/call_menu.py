"""What can be done with a call besides its buttons: transfer, conference, new keys. A menu made anew when it opens."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from softphone.messages import AnyCommand
from softphone.state import CallPhase, CallView, Encryption
from softphone.ua.commands import JoinConference, LeaveConference, Record, Rekey, SetMemberMuted, TransferTo
from softphone.ui import words
from softphone.ui.symbols import SymbolMenuButton


class CallMenuButton(SymbolMenuButton):
    """`transfer` asks for an address; everything else is a command. `others` are the calls beside this one."""

    def __init__(
        self, submit: Callable[[AnyCommand], None], transfer: Callable[[], None], parent: QWidget | None = None
    ) -> None:
        super().__init__("more", parent)
        self._submit, self._transfer = submit, transfer
        self._call: CallView | None = None
        self._others: tuple[CallView, ...] = ()
        self._forbidden = ""
        self.setAccessibleName(self.tr("More"))
        menu = QMenu(self)
        menu.aboutToShow.connect(self.fill)
        self.setMenu(menu)

    def render_call(self, call: CallView, others: tuple[CallView, ...]) -> None:
        self._call = call
        self._others = tuple(other for other in others if other.phase is CallPhase.ACTIVE)
        self.setEnabled(call.phase is CallPhase.ACTIVE)

    def forbid_recording(self, reason: str) -> None:
        """Why this phone may not record; "": it may."""
        self._forbidden = reason

    def fill(self) -> None:
        """The entries for this moment."""
        call, menu = self._call, self.menu()
        menu.clear()
        if call is None:
            return
        menu.addAction(self.tr("&Transfer to an address…")).triggered.connect(lambda _checked=False: self._transfer())
        for other in self._others:
            self._add(self.tr("Connect with %s") % self._named(other), TransferTo(call.id, other.id))
        menu.addSeparator()
        for other in self._others:
            if not (call.in_conference and other.in_conference):
                self._join(call, other)
        if call.in_conference:
            self._add(self.tr("Leave the con&ference"), LeaveConference(call.id))
            text = self.tr("Let the others &hear it") if call.member_muted else self.tr("Let nobody &hear it")
            self._add(text, SetMemberMuted(call.id, not call.member_muted))
        menu.addSeparator()
        text = self.tr("Stop &recording") if call.recording else self.tr("&Record this call")
        self._add(text, Record(call.id, not call.recording)).setEnabled(call.recording or not self._forbidden)
        if call.security.encryption is Encryption.SRTP:
            self._add(self.tr("New encryption &keys"), Rekey(call.id))

    def _join(self, call: CallView, other: CallView) -> None:
        """A call in clear makes the whole conference unencrypted: the entry says so, and choosing it agrees."""
        clear = Encryption.NONE in (call.security.encryption, other.security.encryption)
        mixed = clear and call.security.encryption is not other.security.encryption
        text = self.tr("Join with %s, not encrypted") if mixed else self.tr("Join with %s")
        self._add(text % self._named(other), JoinConference((call.id, other.id), unencrypted_agreed=mixed))

    def _add(self, text: str, command: AnyCommand) -> QAction:
        action = self.menu().addAction(text)
        action.triggered.connect(lambda _checked=False: self._submit(command))
        return action

    @staticmethod
    def _named(call: CallView) -> str:
        return words.name(call.remote).replace("&", "&&")
