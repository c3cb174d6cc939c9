"""Busy-lamp keys: one button a watched line, whose symbol and words say whether it is free, rings or is in a call."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from softphone.state import AccountView, AppState, LineView
from softphone.ua.account import AccountId, WatchedLine
from softphone.ua.events import LineState
from softphone.ui import words
from softphone.ui.symbols import SymbolButton
from softphone.ui.texts import announce, foreign, plain_tip

_COLUMNS = 2
_SYMBOLS: dict[LineState, tuple[str, str]] = {
    LineState.UNKNOWN: ("state-waiting", "muted"),
    LineState.IDLE: ("state", "good"),
    LineState.RINGING: ("incoming", "accent"),
    LineState.BUSY: ("state-failed", "bad"),
}
_Key = tuple[AccountId, str]


class LineButton(SymbolButton):
    """One line. A ringing one is picked up, any other is called."""

    def __init__(self, account_id: AccountId, watched: WatchedLine, line: LineView) -> None:
        super().__init__("state-waiting", "-", part="key", colour="muted")
        self._account_id = account_id
        self.line = line
        self._told: LineState | None = None
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # columns of one width
        self.render_line(watched, line)

    def render_line(self, watched: WatchedLine, line: LineView) -> None:
        self.line = line
        name = foreign(watched.label) or words.address(watched.uri)
        state = words.line_state(line)
        remote = f", {words.party(line.remote)}" if line.remote is not None else ""
        who = f": {words.name(line.remote)}" if line.remote is not None else ""
        self.setText(f"{name}\n{state}{who}".replace("&", "&&"))
        self.setAccessibleName(f"{name}: {state}{remote}")
        self.setAccessibleDescription(line.failure.reason if line.failure is not None else "")
        self.set_look(*_SYMBOLS[line.state])
        ringing = line.state is LineState.RINGING
        tip = self.tr("Take the call that rings there") if ringing else self.tr("Call this line")
        self.setToolTip(plain_tip(line.failure.reason) if line.failure is not None else tip)
        if self._told not in (None, line.state):
            announce(self, self.accessibleName())
        self._told = line.state


class LinesPane(QWidget):
    """Hidden without watched lines. Emits `call(address, account)` and `pick_up(line, account)`.

    Ctrl and a digit press the first nine keys.
    """

    call = Signal(str, str)
    pick_up = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[_Key, LineButton] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(6)
        for column in range(_COLUMNS):
            self._grid.setColumnStretch(column, 1)
        for number in range(1, 10):
            shortcut = QShortcut(QKeySequence(f"Ctrl+{number}"), self)
            shortcut.activated.connect(lambda number=number: self._pressed_number(number))
        self.hide()

    def render_accounts(self, accounts: tuple[AccountView, ...]) -> None:
        wanted = {
            (account.id, watched.uri): (watched, line)
            for account in accounts
            for watched in account.options.watched
            for line in account.lines
            if line.uri == watched.uri
        }
        if list(wanted) != list(self.buttons):
            self._rebuild(wanted)
        for key, (watched, line) in wanted.items():
            self.buttons[key].render_line(watched, line)
        self.setVisible(bool(wanted))

    def render_state(self, state: AppState) -> None:
        self.render_accounts(state.accounts)

    def _rebuild(self, wanted: dict[_Key, tuple[WatchedLine, LineView]]) -> None:
        for button in self.buttons.values():
            self._grid.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.buttons = {}
        for place, (key, (watched, line)) in enumerate(wanted.items()):
            button = LineButton(key[0], watched, line)
            button.clicked.connect(lambda _checked=False, key=key: self._pressed(key))
            self.buttons[key] = button
            self._grid.addWidget(button, place // _COLUMNS, place % _COLUMNS)

    def _pressed_number(self, number: int) -> None:
        keys = list(self.buttons)
        if number <= len(keys):
            self._pressed(keys[number - 1])

    def _pressed(self, key: _Key) -> None:
        account_id, uri = key
        if self.buttons[key].line.state is LineState.RINGING:
            self.pick_up.emit(uri, account_id)
        else:
            self.call.emit(uri, account_id)
