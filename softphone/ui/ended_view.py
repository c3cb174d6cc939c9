"""What remains of a call after its end: how it ended and, if it failed, why and what to do."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from softphone.errors import Failure
from softphone.state import AccountView, CallView, Encryption
from softphone.ui import quality_words, words
from softphone.ui.cards import Card, WarningBox
from softphone.ui.lock import Lock
from softphone.ui.symbols import SymbolButton
from softphone.ui.texts import LineLabel, TextLabel, announce


class EndedView(Card):
    """Stays until it is closed; the pane closes those without a failure by itself. Emits `closed(call_id)`."""

    closed = Signal(str)
    call_again = Signal(str, str)  # address, account
    quality_wanted = Signal(str)

    def __init__(self, call: CallView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.call = call
        self.party = LineLabel(words.name(call.remote), scale=1.2, bold=True)
        self.address = LineLabel(words.address(call.remote.uri), part="muted")
        self.state = TextLabel(words.call_state(call))
        self.failure = WarningBox()
        self.quality = TextLabel(part="muted", scale=0.85)
        self.lock = Lock()
        for widget in (self.party, self.address, self.state, self.lock, self.failure, self.quality):
            self.column.addWidget(widget)
        self.failure.say_failure(self.reason)
        texts = (quality_words.over_all(call), words.line_quality(call.report))
        self.quality.show_text("\n".join(text for text in texts if text))
        again = SymbolButton("call", self.tr("Call again"), part="switch")
        again.clicked.connect(lambda: self.call_again.emit(call.remote.uri, call.account_id))
        close = SymbolButton("close", self.tr("Close"), part="switch")
        close.clicked.connect(lambda: self.closed.emit(call.id))
        row = QHBoxLayout()
        row.addWidget(again, 1)
        if len(call.history):
            shown = SymbolButton("quality", self.tr("Quality"), part="switch")
            shown.setToolTip(self.tr("How the line was over the call"))
            shown.clicked.connect(lambda: self.quality_wanted.emit(call.id))
            row.addWidget(shown, 1)
        row.addWidget(close, 1)
        self.column.addLayout(row)

    @property
    def reason(self) -> Failure | None:
        return self.call.ended.failure if self.call.ended else None

    def render_call(
        self, call: CallView, account: AccountView | None, now: float, others: tuple[CallView, ...] = ()
    ) -> None:
        del now, call, others
        self.lock.render_lock(self.call.security, self.call.phase, account)
        self.lock.setVisible(self.call.security.encryption is Encryption.NONE or self.call.established_at is not None)

    def tell(self) -> None:
        failure = self.reason
        announce(self, f"{self.party.text()}: {self.state.text()}. {words.sentence(failure) if failure else ''}")
