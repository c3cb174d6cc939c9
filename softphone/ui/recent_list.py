"""The calls of this run, newest first. Enter or a double click calls again."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from softphone.state import CallDirection, CallView
from softphone.ui import words
from softphone.ui.symbols import symbol
from softphone.ui.theme import Theme, current_theme

_ADDRESS = Qt.ItemDataRole.UserRole
_SYMBOL = Qt.ItemDataRole.UserRole + 1
_ACCOUNT = Qt.ItemDataRole.UserRole + 2


class RecentList(QWidget):
    """Emits `call(address, account)`: calling again goes out with the account of the call."""

    call = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: tuple[CallView, ...] = ()
        self.list = QListWidget()
        self.list.setProperty("part", "recent")
        self.list.setIconSize(QSize(18, 18))
        self.list.setUniformItemSizes(True)
        self.list.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.list.setMinimumHeight(self.list.fontMetrics().height() * 3)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setToolTip(self.tr("Enter or a double click calls again"))
        self.list.itemActivated.connect(lambda item: self.call.emit(item.data(_ADDRESS), item.data(_ACCOUNT)))
        label = QLabel(self.tr("&Recent calls"))
        label.setBuddy(self.list)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(label)
        layout.addWidget(self.list, 1)
        self.hide()

    def render_calls(self, recent: tuple[CallView, ...], now: float) -> None:
        """`now` is the engine's clock, from which the time of day of each call follows."""
        self.setVisible(bool(recent))
        if recent == self._shown:
            return
        self._shown = recent
        self.list.clear()
        for call in recent:
            item = QListWidgetItem(words.recent(call, now))
            item.setData(_ADDRESS, call.remote.uri)
            item.setData(_ACCOUNT, call.account_id)
            item.setData(_SYMBOL, _symbol_of(call))
            self.list.addItem(item)
        self.dress(current_theme())

    def dress(self, theme: Theme) -> None:
        for row in range(self.list.count()):
            item = self.list.item(row)
            name, colour = item.data(_SYMBOL)
            item.setIcon(symbol(name, getattr(theme, colour), 18))


def _symbol_of(call: CallView) -> tuple[str, str]:
    if call.direction is CallDirection.OUTGOING:
        return "outgoing", "muted" if call.established_at is not None else "bad"
    return ("incoming", "muted") if call.established_at is not None else ("missed", "bad")
