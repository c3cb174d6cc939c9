"""The lock: what protects a call, in a symbol, a headline and the names of what was negotiated."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from softphone.state import AccountView, CallPhase, CallSecurity, Encryption
from softphone.ui import words
from softphone.ui.symbols import SymbolLabel
from softphone.ui.texts import TextLabel

# What is shown for each: symbol, colour of the symbol, part (style) of the headline.
_LOOKS: dict[Encryption, tuple[str, str, str]] = {
    Encryption.SRTP: ("lock-closed", "good", "good"),
    Encryption.NONE: ("lock-open", "bad", "bad"),
    Encryption.PENDING: ("lock-pending", "muted", "muted"),
}


class Lock(QWidget):
    """Shown from ringing to the end; never says more than "to your server" (security.md "SDES")."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._symbol = SymbolLabel("lock-pending", "muted", 20)
        self.headline = TextLabel(bold=True)
        self.details = TextLabel(part="muted", scale=0.88)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(8)
        layout.setVerticalSpacing(1)
        layout.addWidget(self._symbol, 0, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.headline, 0, 1)
        layout.addWidget(self.details, 1, 1)
        layout.setColumnStretch(1, 1)
        self._brief = False

    @property
    def symbol_name(self) -> str:
        return self._symbol.symbol_name

    def set_brief(self, brief: bool) -> None:
        """Where room is scarce the details become a tip. Why a call is not encrypted is shown always."""
        self._brief = brief

    def render_lock(self, security: CallSecurity, phase: CallPhase, account: AccountView | None) -> None:
        name, colour, part = _LOOKS[security.encryption]
        self._symbol.set_symbol(name, colour)
        self.headline.set_part(part)
        self.headline.setText(words.lock_headline(security, phase))
        details = words.lock_details(security, account)
        as_tip = self._brief and security.encryption is not Encryption.NONE
        self.setToolTip(details if as_tip else "")
        self.setAccessibleDescription(self.toolTip())
        self.details.show_text("" if as_tip else details)
