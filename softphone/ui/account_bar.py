"""Am I reachable? One row an account: the state of its registration in words, and why and what to do if it failed."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from softphone.state import AccountView, AppState
from softphone.ua.account import AccountId, DoNotDisturb
from softphone.ua.events import RegistrationState
from softphone.ui import words
from softphone.ui.cards import WarningBox
from softphone.ui.symbols import SymbolButton, SymbolLabel
from softphone.ui.texts import LineLabel, TextLabel, announce, foreign

_SYMBOLS: dict[RegistrationState, tuple[str, str]] = {
    RegistrationState.OFFLINE: ("state-waiting", "muted"),
    RegistrationState.CONNECTING: ("state-waiting", "muted"),
    RegistrationState.REGISTERING: ("state-waiting", "muted"),
    RegistrationState.REGISTERED: ("state", "good"),
    RegistrationState.WAITING: ("state-failed", "bad"),
    RegistrationState.FAILED: ("state-failed", "bad"),
}
_TOLD = frozenset({RegistrationState.REGISTERED, RegistrationState.WAITING, RegistrationState.FAILED})


class AccountRow(QWidget):
    """One account. Emits `try_again`, `change` and `options` with its id, `call(address, id)` for the voice mailbox.

    `trouble` is placed by the bar, below the rows.
    """

    try_again = Signal(str)
    change = Signal(str)
    call = Signal(str, str)
    options = Signal(str)

    def __init__(self, account: AccountView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._account: AccountView | None = None
        self._symbol = SymbolLabel("state-waiting", "muted", 16)
        self.name = LineLabel(bold=True)
        self.state = TextLabel(part="muted", scale=0.92)
        self.voicemail = SymbolButton("voicemail")
        self.voicemail.clicked.connect(self._call_voicemail)
        self.voicemail.hide()
        self.trouble = WarningBox()
        self.again = self.trouble.add_button(self.tr("Try now"))
        self.again.clicked.connect(lambda: self.try_again.emit(account.id))
        self.account = self.trouble.add_button(self.tr("Account…"))
        self.account.clicked.connect(lambda: self.change.emit(account.id))
        texts = QVBoxLayout()
        texts.setSpacing(0)
        texts.addWidget(self.name)
        texts.addWidget(self.state)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self._symbol, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addLayout(texts, 1)
        row.addWidget(self.voicemail)
        self.render_account(account)

    def render_account(self, account: AccountView) -> None:
        before, self._account = self._account, account
        if account == before:
            return
        self._symbol.set_symbol(*_SYMBOLS[account.state])
        self.name.setText(foreign(account.display_name) or words.address(account.address))
        self.state.setText(self._state_text(account))
        self._say_trouble(account)
        self._say_messages(account, before)
        if account.state in _TOLD and (before is None or before.state is not account.state):
            failure = f" {words.sentence(account.failure)}" if account.failure else ""
            announce(self, f"{self.name.text()}: {self.state.text()}.{failure}")

    def _state_text(self, account: AccountView) -> str:
        text = words.registration(account)
        quiet = account.options.rules.do_not_disturb is not DoNotDisturb.OFF
        if quiet:
            text += " · " + self.tr("Do not disturb")
        elif account.options.rules.forwarding.always:
            text += " · " + self.tr("all calls go to %s") % words.address(account.options.rules.forwarding.always)
        return text

    def _say_messages(self, account: AccountView, before: AccountView | None) -> None:
        text = words.message_waiting(account.message_waiting)
        new = account.message_waiting.new
        self.voicemail.setText("" if new is None else str(new))
        self.voicemail.setAccessibleName(text)
        known = self.tr("%s: call the mailbox") if self._mailbox(account) else self.tr("%s: say where the mailbox is")
        self.voicemail.setToolTip(known % text)
        self.voicemail.setVisible(bool(text))
        if text and (before is None or before.message_waiting != account.message_waiting):
            announce(self, f"{self.name.text()}: {text}")

    @staticmethod
    def _mailbox(account: AccountView) -> str:
        return account.options.voicemail or account.message_waiting.voicemail

    def _call_voicemail(self) -> None:
        if self._account is None:
            return
        mailbox = self._mailbox(self._account)
        if mailbox:
            self.call.emit(mailbox, self._account.id)
        else:
            self.options.emit(self._account.id)  # neither the server nor the person has named it

    def _say_trouble(self, account: AccountView) -> None:
        """Why it failed; or, while it works, what will go wrong soon."""
        warnings = account.flow.warnings if account.flow is not None else ()
        if account.failure is not None or not warnings:
            self.trouble.say_failure(account.failure)
        else:
            self.trouble.say(self.tr("Soon this will stop working"), " ".join(foreign(text) for text in warnings))
        self.again.setVisible(account.failure is not None)


class AccountBar(QWidget):
    """The rows of all accounts, in their order, beside the `corner`; what troubles them below."""

    try_again = Signal(str)
    change = Signal(str)
    call = Signal(str, str)
    options = Signal(str)

    def __init__(self, corner: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[AccountId, AccountRow] = {}
        self._rows, self._troubles = QVBoxLayout(), QVBoxLayout()
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addLayout(self._rows, 1)
        top.addWidget(corner, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(top)
        layout.addLayout(self._troubles)

    def render_state(self, state: AppState) -> None:
        accounts = {account.id: account for account in state.accounts}
        for gone in self.rows.keys() - accounts.keys():
            row = self.rows.pop(gone)
            for widget in (row, row.trouble):
                widget.hide()
                widget.deleteLater()
        for account_id, account in accounts.items():
            if account_id in self.rows:
                self.rows[account_id].render_account(account)
                continue
            row = AccountRow(account)
            row.try_again.connect(self.try_again)
            row.change.connect(self.change)
            row.call.connect(self.call)
            row.options.connect(self.options)
            self.rows[account_id] = row
            self._rows.addWidget(row)
            self._troubles.addWidget(row.trouble)
