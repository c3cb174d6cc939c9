"""Where a call begins: the address field, the call button, the dial pad."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from softphone.state import AccountView
from softphone.ua.account import AccountId
from softphone.ui.account_choice import AccountChoice
from softphone.ui.key_pad import KeyPad
from softphone.ui.symbols import SymbolButton

MAX_ADDRESS_LENGTH = 1024  # characters; what the user agent takes at most


class DialView(QWidget):
    """Emits `call(address)`. Enter on an empty field brings back the address that was called last."""

    call = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._last = ""
        self.address = QLineEdit()
        self.address.setMaxLength(MAX_ADDRESS_LENGTH)
        self.address.setPlaceholderText(self.tr("Name, number or SIP address"))
        self.address.setClearButtonEnabled(True)
        self.address.setMinimumHeight(round(self.address.fontMetrics().height() * 2.1))
        self.address.returnPressed.connect(self._call)
        self.address.setAccessibleName(self.tr("Address to call"))
        self.button = SymbolButton("call", self.tr("Call"), part="call", colour="")
        self.button.setToolTip(self.tr("Call this address (Enter)"))
        self.button.clicked.connect(self._call)
        self.pad = KeyPad()
        self.pad.pressed.connect(self._press)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.address, 1)
        row.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(row)
        layout.addLayout(self._choices())
        layout.addSpacing(4)
        layout.addWidget(self.pad)
        shortcut = QShortcut(QKeySequence("Ctrl+L"), self)
        shortcut.activated.connect(self.focus_address)
        self.address.setToolTip(self.tr("Type whom to call, then Enter (Ctrl+L comes here)"))

    def _choices(self) -> QHBoxLayout:
        """From which account, where there are several; and whether to be named."""
        self.account = AccountChoice(
            self.tr("Call from this account"), self.tr("The account that the call goes out with")
        )
        self.hide_identity = QCheckBox(self.tr("&Withhold my number"))
        self.hide_identity.setToolTip(self.tr("The other side does not learn who calls, if your server plays along"))
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.account, 1)
        row.addWidget(self.hide_identity)
        return row

    @property
    def account_id(self) -> AccountId | None:
        """None for the default account."""
        return self.account.account_id

    @property
    def withheld(self) -> bool | None:
        """None: as the account says."""
        return True if self.hide_identity.isChecked() else None

    def render_accounts(self, accounts: tuple[AccountView, ...], default: AccountId) -> None:
        self.account.render_accounts(accounts, default)

    def focus_address(self) -> None:
        self.address.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.address.selectAll()

    def put(self, address: str) -> None:
        """An address from a link or the list of calls; nothing is dialled."""
        self.address.setText(address[:MAX_ADDRESS_LENGTH])
        self.address.selectAll()  # Enter calls it, typing replaces it

    def set_compact(self, compact: bool) -> None:
        """Without the pad, beside a running call."""
        if compact and self.pad.isAncestorOf(self.focusWidget() or self):
            self.address.setFocus()  # never let the focus wander off to a button of the call
        self.pad.setVisible(not compact)

    def _press(self, key: str) -> None:
        self.address.insert(key)

    def _call(self) -> None:
        address = self.address.text().strip()
        if not address:
            self.put(self._last)
            self.address.setFocus()
            return
        self._last = address
        self.address.clear()
        self.call.emit(address)
