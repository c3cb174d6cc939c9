"""The account that a call or a message goes out with; hidden while there is only one."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from softphone.state import AccountView
from softphone.ua.account import AccountId
from softphone.ui import words
from softphone.ui.choices import Choice


class AccountChoice(Choice):
    def __init__(self, name: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setToolTip(tip)
        self.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(10)
        self.hide()

    @property
    def account_id(self) -> AccountId | None:
        """None for the default account."""
        chosen = self.currentData()
        return str(chosen) if chosen else None

    def choose(self, account_id: AccountId | None) -> None:
        """Nothing changes if there is no such account."""
        place = self.findData(account_id)
        if place >= 0:
            self.setCurrentIndex(place)

    def render_accounts(self, accounts: tuple[AccountView, ...], default: AccountId) -> None:
        items = [(account.id, words.address(account.address)) for account in accounts]
        if items != [(self.itemData(i), self.itemText(i)) for i in range(self.count())]:
            chosen = self.account_id
            self.clear()
            for account_id, text in items:
                self.addItem(text, account_id)
            wanted = chosen if any(chosen == account_id for account_id, _ in items) else default
            self.setCurrentIndex(max(0, self.findData(wanted)))
        self.setVisible(len(items) > 1)
