"""What a person chooses for one account: do not disturb, forwarding, refusals, lines, and the rest of its options.

Nothing is in force before Apply; what is shown afterwards is what the engine says is in force.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QApplication, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from softphone.messages import AccountOptions, AnyCommand, ChangeAccountOptions, ChooseDefaultAccount
from softphone.state import AccountView, AppState
from softphone.ua.account import AccountId
from softphone.ui import words
from softphone.ui.choices import Choice
from softphone.ui.options_form import OptionsForm
from softphone.ui.symbols import SymbolButton
from softphone.ui.texts import TextLabel, announce


class OptionsPage(QWidget):
    """Emits `applied` when the engine has taken what was asked for, `finished` when the person goes back."""

    applied = Signal()
    finished = Signal()

    def __init__(self, submit: Callable[[AnyCommand], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._submit = submit
        self._state = AppState()
        self._asked: AccountOptions | None = None  # applied, and not answered yet
        self.back = SymbolButton("back", self.tr("Back"))
        self.back.clicked.connect(self.finished)
        self.account = Choice()
        self.account.setAccessibleName(self.tr("Account"))
        self.account.currentIndexChanged.connect(lambda _index: self.show_in_force())
        self.default = QPushButton(self.tr("Call with this account by defa&ult"))
        self.default.setAutoDefault(False)
        self.default.clicked.connect(lambda: self._submit(ChooseDefaultAccount(self.account_id)))
        self.form = OptionsForm()
        self.form.edited.connect(self._rule)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._follow_focus)
        self.apply = QPushButton(self.tr("A&pply"))
        self.apply.setAutoDefault(False)
        self.apply.clicked.connect(self._apply)
        self.outcome = TextLabel(part="good", scale=0.92)
        top = QHBoxLayout()
        top.addWidget(TextLabel(self.tr("Account options"), scale=1.45, bold=True), 1)
        top.addWidget(self.back)
        bottom = QHBoxLayout()
        bottom.addWidget(self.outcome, 1)
        bottom.addWidget(self.apply)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addLayout(top)
        self._area = self._scrolled(self.account, self.default, self.form)
        layout.addWidget(self._area, 1)
        layout.addLayout(bottom)

    @staticmethod
    def _scrolled(*widgets: QWidget) -> QScrollArea:
        """The title and Apply stay in sight, also beside a call."""
        inside, area = QWidget(), QScrollArea()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(10)
        for widget in widgets:
            column.addWidget(widget)
        column.addStretch(1)
        for part in (inside, area):
            part.setProperty("part", "plain")
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        return area

    @property
    def account_id(self) -> AccountId:
        return str(self.account.currentData() or "")

    def render_state(self, state: AppState) -> None:
        before, self._state = self._state, state
        ids = [account.id for account in state.accounts]
        if ids != [self.account.itemData(i) for i in range(self.account.count())]:
            chosen = self.account_id
            self.account.clear()
            for account in state.accounts:
                self.account.addItem(words.address(account.address), account.id)
            self.account.setCurrentIndex(max(0, self.account.findData(chosen)))
        default = state.settings.default_account or (ids[0] if ids else "")
        self.default.setEnabled(self.account_id != default and bool(ids))
        view, old = state.account(self.account_id), before.account(self.account_id)
        if view is None or (old is not None and old.options == view.options and self._asked is None):
            return
        if self._asked is not None and (old is None or old.options != view.options):
            taken, self._asked = self._asked == view.options, None
            self.show_in_force()
            if taken:
                self.outcome.setText(self.tr("In force for new calls."))
                announce(self, self.outcome.text())
                self.applied.emit()
        elif old is None:
            self.show_in_force()

    def begin(self, account_id: AccountId = "") -> None:
        """The page is opened, for this account or the one shown last."""
        place = self.account.findData(account_id) if account_id else -1
        if place >= 0:
            self.account.setCurrentIndex(place)
        self._asked = None
        self.show_in_force()
        self.form.quiet.setFocus()

    def refused(self) -> None:
        """What was asked for is not in force; it stays in the fields, to be corrected."""
        self._asked = None

    def _follow_focus(self, _before: QWidget | None, now: QWidget | None) -> None:
        """To a field that a key of its label went to; for Tab, Qt does this by itself."""
        if now is not None and self.form.isAncestorOf(now):
            self._area.ensureWidgetVisible(now)

    def show_in_force(self) -> None:
        view = self._view()
        if view is not None:
            self.form.show_options(view.options, self._state.settings.media)
        self.outcome.setText("")
        self._rule()

    def _view(self) -> AccountView | None:
        return self._state.account(self.account_id)

    def _rule(self) -> None:
        view = self._view()
        changed = view is not None and self.form.options() != view.options
        self.apply.setEnabled(changed)
        if changed:
            self.outcome.setText("")

    def _apply(self) -> None:
        self._asked = self.form.options()
        self._submit(ChangeAccountOptions(self.account_id, self._asked))
