"""Short messages (SIP MESSAGE): what came and what was sent, newest last, and a line to write another.

They live in memory only and are gone when the phone ends, which the page says.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from softphone.messages import AnyCommand
from softphone.state import AppState, MessageView
from softphone.ua.account import AccountId
from softphone.ua.commands import SendInstantMessage
from softphone.ua.events import DeliveryState
from softphone.ui import words
from softphone.ui.account_choice import AccountChoice
from softphone.ui.cards import WarningBox
from softphone.ui.dial_view import MAX_ADDRESS_LENGTH
from softphone.ui.symbols import SymbolButton
from softphone.ui.texts import TextLabel, announce, foreign

MAX_TEXT = 1000  # characters of one message
MAX_SHOWN = 2000  # of one that came


class MessagesPage(QWidget):
    """Emits `finished` when the person goes back to the phone. An answer goes out with the account it was sent to."""

    finished = Signal()

    def __init__(self, submit: Callable[[AnyCommand], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._submit = submit
        self._shown: tuple[MessageView, ...] = ()
        self._seen: frozenset[str] = frozenset()
        self.back = SymbolButton("back", self.tr("Back"))
        self.back.clicked.connect(self.finished)
        self.list = QListWidget()
        self.list.setProperty("part", "recent")
        self.list.setWordWrap(True)
        self.list.setAccessibleName(self.tr("Messages"))
        self.list.itemActivated.connect(self._answer)
        self.trouble = WarningBox()
        self.account = AccountChoice(
            self.tr("Write from this account"), self.tr("The account that the message goes out with")
        )
        self.recipient = QLineEdit()
        self.recipient.setMaxLength(MAX_ADDRESS_LENGTH)
        self.recipient.setPlaceholderText(self.tr("To: name, number or SIP address"))
        self.recipient.setAccessibleName(self.tr("Recipient"))
        self.text = QLineEdit()
        self.text.setMaxLength(MAX_TEXT)
        self.text.setPlaceholderText(self.tr("Message"))
        self.text.setAccessibleName(self.tr("Message"))
        self.text.returnPressed.connect(self.send)
        self.button = QPushButton(self.tr("Send"))
        self.button.setAutoDefault(False)
        self.button.clicked.connect(self.send)
        top = QHBoxLayout()
        top.addWidget(TextLabel(self.tr("Messages"), scale=1.45, bold=True), 1)
        top.addWidget(self.back)
        row = QHBoxLayout()
        row.addWidget(self.text, 1)
        row.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        kept = self.tr("Messages are not stored: they are gone when the phone ends.")
        layout.addWidget(TextLabel(kept, part="muted", scale=0.88))
        layout.addWidget(self.list, 1)
        layout.addWidget(self.trouble)
        layout.addWidget(self.account)
        layout.addWidget(self.recipient)
        layout.addLayout(row)

    @property
    def unseen(self) -> int:
        """Messages that came since the page was last looked at."""
        return sum(not m.outgoing and m.id not in self._seen for m in self._shown)

    def render_state(self, state: AppState) -> None:
        self.account.render_accounts(state.accounts, state.settings.default_account)
        if state.messages == self._shown:
            return
        known = {message.id for message in self._shown}
        for message in state.messages:
            if message.id not in known and not message.outgoing:
                announce(self, self.tr("Message from %s: %s") % (words.name(message.remote), foreign(message.text)))
        self._shown = state.messages
        self._fill()
        failed = next((m for m in reversed(state.messages) if m.outgoing), None)
        wrong = failed is not None and failed.state is DeliveryState.FAILED
        self.trouble.say_failure(failed.failure if failed is not None and wrong else None)
        if self.isVisible():
            self.mark_seen()

    def mark_seen(self) -> None:
        self._seen = frozenset(message.id for message in self._shown)

    def begin(self, recipient: str = "", account_id: AccountId | None = None) -> None:
        """The page is opened, to write to somebody or to answer who wrote last."""
        self.mark_seen()
        newest = next((m for m in reversed(self._shown) if not m.outgoing), None)
        if recipient:
            self.recipient.setText(recipient[:MAX_ADDRESS_LENGTH])
            self.account.choose(account_id)
        elif newest is not None and not self.recipient.text():
            self._address(newest)
        (self.text if self.recipient.text() else self.recipient).setFocus()

    def send(self) -> None:
        recipient, text = self.recipient.text().strip(), self.text.text().strip()
        if not recipient or not text:
            (self.text if recipient else self.recipient).setFocus()
            return
        self.text.clear()
        self._submit(SendInstantMessage(secrets.token_hex(8), recipient, text, self.account.account_id))

    def _fill(self) -> None:
        self.list.clear()
        for message in self._shown:
            item = QListWidgetItem(self._line(message))
            item.setData(Qt.ItemDataRole.UserRole, message.id)
            self.list.addItem(item)
        self.list.scrollToBottom()

    def _line(self, message: MessageView) -> str:
        who = self.tr("to %s") if message.outgoing else self.tr("from %s")
        delivery = words.delivery(message)
        return f"{who % words.name(message.remote)}: {foreign(message.text, MAX_SHOWN)}" + (
            f"  ({delivery})" if delivery else ""
        )

    def _answer(self, item: QListWidgetItem) -> None:
        message_id = item.data(Qt.ItemDataRole.UserRole)
        message = next((m for m in self._shown if m.id == message_id), None)
        if message is not None:
            self._address(message)
            self.text.setFocus()

    def _address(self, message: MessageView) -> None:
        self.recipient.setText(words.address(message.remote.uri)[:MAX_ADDRESS_LENGTH])
        self.account.choose(message.account_id)
