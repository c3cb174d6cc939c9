"""A call that rings here: who calls, which account, whether it will be encrypted; answer or decline.

Never takes the focus, and Enter answers nothing: the keyboard's way is the shortcut that the button's tip names.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QHBoxLayout, QMenu, QWidget

from softphone.messages import AnyCommand
from softphone.state import AccountView, CallView
from softphone.ua.commands import Answer, AnswerUnencrypted, Decline, Deflect, Silence
from softphone.ui import words
from softphone.ui.address_entry import AddressEntry
from softphone.ui.cards import Card
from softphone.ui.lock import Lock
from softphone.ui.symbols import SymbolButton, SymbolMenuButton
from softphone.ui.texts import LineLabel, TextLabel, announce

BUSY_HERE = 486
ANSWER_KEYS, DECLINE_KEYS, SILENCE_KEYS = "Ctrl+Shift+A", "Ctrl+Shift+D", "Ctrl+Shift+S"


class IncomingView(Card):
    """One ringing call."""

    def __init__(self, call: CallView, submit: Callable[[AnyCommand], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._submit, self._call = submit, call
        self.title = TextLabel(self.tr("Incoming call"), part="muted", scale=0.92)
        self.caller = LineLabel(scale=1.45, bold=True)
        self.address = LineLabel(part="muted")
        self.account = LineLabel(part="muted", scale=0.92)
        self.identity = TextLabel(part="muted", scale=0.92)
        self.lock = Lock()
        for widget in (self.title, self.caller, self.address, self.account, self.identity, self.lock):
            self.column.addWidget(widget)
        self.answer = SymbolButton("call", part="call", colour="")
        self.answer.clicked.connect(self.answer_call)
        self.decline = SymbolButton("hang-up", self.tr("Decline"), part="hang-up", colour="")
        self.decline.setToolTip(self.tr("Decline the call (%s)") % DECLINE_KEYS)
        self.decline.clicked.connect(self.decline_call)
        self.silence = SymbolButton("silence")
        self.silence.setAccessibleName(self.tr("Silence"))
        self.silence.setToolTip(self.tr("Stop ringing; the call goes on (%s)") % SILENCE_KEYS)
        self.silence.clicked.connect(lambda _checked=False: submit(Silence()))
        self._row = QHBoxLayout()
        self._row.setSpacing(8)
        self._row.addWidget(self.silence)
        self._row.addWidget(self.decline, 1)
        self._row.addWidget(self.answer, 1)
        self._row.addWidget(self._more())
        self.deflect = AddressEntry(self.more)
        self.deflect.given.connect(lambda target: submit(Deflect(self._call.id, target)))
        self.column.addSpacing(4)
        self.column.addLayout(self._row)
        self.column.addWidget(self.deflect)
        self._told = False

    def _more(self) -> SymbolMenuButton:
        self.more = SymbolMenuButton("more")
        self.more.setAccessibleName(self.tr("More"))
        self.more.setToolTip(self.tr("Busy, send to another address"))
        menu = QMenu(self.more)
        menu.addAction(self.tr("Say that I am &busy")).triggered.connect(
            lambda _checked=False: self._submit(Decline(self._call.id, BUSY_HERE))
        )
        menu.addAction(self.tr("&Send to an address…")).triggered.connect(
            lambda _checked=False: self.deflect.ask(self.tr("Send this call to"), self.tr("Send"))
        )
        self.more.setMenu(menu)
        return self.more

    @property
    def call(self) -> CallView:
        return self._call

    def render_call(
        self, call: CallView, account: AccountView | None, now: float, others: tuple[CallView, ...] = ()
    ) -> None:
        del now, others
        self._call = call
        title = self.tr("Another call is waiting") if call.waiting else self.tr("Incoming call")
        self.title.setText(self.tr("%s, silenced") % title if call.silenced else title)
        if call.silenced and self.silence.isEnabled():
            announce(self, self.tr("Silenced. The call goes on."))
        self.silence.setEnabled(not call.silenced)
        self.identity.show_text(words.identity(call))
        self.caller.setText(words.name(call.remote))
        self.address.setText(words.address(call.remote.uri))
        self.account.setText(self.tr("for %s") % words.address(account.address) if account else "")
        self.account.setVisible(account is not None)
        self.lock.render_lock(call.security, call.phase, account)
        if call.needs_consent:
            if self._row.indexOf(self.answer) >= 0:  # its words are long: below the others, so that the window stays
                self._row.removeWidget(self.answer)
                self.column.insertWidget(self.column.indexOf(self.deflect), self.answer)
            self.answer.setText(self.tr("Answer unencrypted"))
            self.answer.setToolTip(self.tr("This call cannot be encrypted: whoever can read the network can listen"))
        else:
            self.answer.setText(self.tr("Answer"))
            self.answer.setToolTip(self.tr("Answer the call (%s)") % ANSWER_KEYS)
        if not self._told:
            self._told = True
            caller = self.tr("Incoming call from %s.") % f"{self.caller.text()}, {self.address.text()}"
            announce(self, f"{caller} {self.lock.headline.text()}.", urgent=True)

    def answer_call(self) -> None:
        command = AnswerUnencrypted if self._call.needs_consent else Answer
        self._submit(command(self._call.id))

    def answer_by_shortcut(self) -> None:
        """A call without encryption is taken by its own button only, which says so."""
        if not self._call.needs_consent:
            self._submit(Answer(self._call.id))

    def decline_call(self) -> None:
        self._submit(Decline(self._call.id))
