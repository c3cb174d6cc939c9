"""The one window: who am I and am I reachable; calls; whom to call; sign-in and settings as pages of their own.

Owns: which page is shown, the window's place and size, closing. Everything it shows comes from AppState; everything a
person does leaves as a command. An incoming call asks for attention and never takes the focus.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from PySide6.QtCore import QEvent, QSettings, Qt, Signal
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QMessageBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from softphone.errors import Failure
from softphone.messages import AnyCommand, PressKey, SignOut
from softphone.state import AppState, CallPhase
from softphone.ua.commands import Dial, PickUp, Register
from softphone.ui import words
from softphone.ui.account_bar import AccountBar
from softphone.ui.calls_pane import CallsPane
from softphone.ui.cards import WarningBox
from softphone.ui.device_test_pane import DeviceTestPane
from softphone.ui.dial_view import DialView
from softphone.ui.lines_pane import LinesPane
from softphone.ui.messages_page import MessagesPage
from softphone.ui.options_page import OptionsPage
from softphone.ui.page_stack import PageStack
from softphone.ui.quality_page import QualityPage
from softphone.ui.recent_list import RecentList
from softphone.ui.recordings_page import RecordingsPage
from softphone.ui.settings_pane import SettingsPane
from softphone.ui.sign_in_view import SignInView
from softphone.ui.symbols import SymbolButton, SymbolMenuButton, dress_all
from softphone.ui.texts import TextLabel, announce, foreign
from softphone.ui.theme import current_theme, style_sheet

_GEOMETRY = "window/geometry"


class MainWindow(QMainWindow):
    """`submit` gives a command to the engine, `clock` reads the engine's clock, `places` remembers the window's place.

    Emits `quit_requested` once, when the person closes the window for good.
    """

    quit_requested = Signal()

    def __init__(
        self,
        submit: Callable[[AnyCommand], None],
        clock: Callable[[], float],
        places: QSettings,
        *,
        hint: str = "",
        account_comes: bool = False,
    ) -> None:
        super().__init__()
        self._submit, self._clock, self._places = submit, clock, places
        self._state: AppState | None = None
        self._leaving = False
        self._account_comes = account_comes  # so that nobody is asked to sign in meanwhile
        self._style = ""
        self.setWindowTitle(self.tr("Softphone"))
        self.setAccessibleName(self.tr("Softphone"))

        self.engine_trouble = WarningBox()
        self.notice = WarningBox()
        self.notice.add_button(self.tr("Close")).clicked.connect(lambda: self.notice.say(""))
        self.accounts = AccountBar(self._corner())
        self.accounts.options.connect(self.show_options)
        self.accounts.try_again.connect(lambda account_id: submit(Register(account_id)))
        self.accounts.change.connect(self.show_sign_in)
        self.accounts.call.connect(self.dial_with)
        self.accounts.hide()
        self.calls = CallsPane(submit, clock)
        self.calls.dial.connect(self.dial_with)
        self.starting = TextLabel(self.tr("The phone is starting …"), part="muted")
        self.starting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.sign_in = SignInView(submit)
        self.sign_in.finished.connect(self.show_phone)
        self.settings = SettingsPane(submit)
        self.settings.finished.connect(self.show_phone)
        self.settings.sound.test_wanted.connect(self.show_device_test)
        self.options = OptionsPage(submit)
        self.options.finished.connect(self.show_phone)
        self.options.applied.connect(lambda: self.notice.say(""))
        self.messages = MessagesPage(submit)
        self.messages.finished.connect(self.show_phone)
        self.recordings = RecordingsPage(submit)
        self.recordings.finished.connect(self.show_phone)
        self.quality = QualityPage()
        self.quality.finished.connect(self.show_phone)
        self.calls.quality_wanted.connect(self.show_quality)
        self.device_test = DeviceTestPane(submit)
        self.device_test.finished.connect(self.show_phone)
        self.phone = self._phone_page(hint)
        self.calls.focus_freed.connect(self._catch_focus)
        self.pages = PageStack()
        for page in (
            self.starting,
            self.sign_in,
            self.phone,
            self.settings,
            self.options,
            self.messages,
            self.recordings,
            self.device_test,
            self.quality,
        ):
            self.pages.addWidget(page)
        self.pages.currentChanged.connect(lambda _page: self._arrange())
        for page in (self.settings, self.options, self.messages, self.recordings, self.device_test, self.quality):
            escape = QShortcut(QKeySequence("Escape"), page, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
            escape.activated.connect(self.show_phone)
        inside = QWidget()
        self._layout = QVBoxLayout(inside)
        self._layout.setContentsMargins(14, 12, 14, 14)
        self._layout.setSpacing(12)
        for widget in (self.accounts, self.engine_trouble, self.notice, self.calls, self.pages):
            self._layout.addWidget(widget)
        self.setCentralWidget(inside)
        self._arrange()
        self._dress()
        self._place()

    def _phone_page(self, hint: str) -> QWidget:
        page = QWidget()
        self.dial_view = DialView()
        self.dial_view.call.connect(self.dial)
        self.dial_view.pad.pressed.connect(lambda key: self._submit(PressKey(key)))
        self.lines = LinesPane()
        self.lines.call.connect(self.dial_with)
        self.lines.pick_up.connect(lambda uri, account: self._submit(PickUp(secrets.token_hex(8), account, uri)))
        self.recent = RecentList()
        self.recent.call.connect(self.dial_with)
        self.hint = TextLabel(part="muted", scale=0.92)
        self.hint.show_text(hint)
        self._room = QWidget()  # takes the height that the list of past calls does not want
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        layout.addWidget(self.hint)
        layout.addWidget(self.dial_view)
        layout.addWidget(self.lines)
        layout.addWidget(self.recent, 1)
        layout.addWidget(self._room, 1)
        return page

    def _corner(self) -> QWidget:
        """New messages, while there are some, and the menu."""
        self.unread = SymbolButton("message")
        self.unread.clicked.connect(self.show_messages)
        self.unread.hide()
        corner = QWidget()
        row = QHBoxLayout(corner)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.unread)
        row.addWidget(self._menu_button())
        return corner

    def _menu_button(self) -> QToolButton:
        button = SymbolMenuButton("menu")
        button.setAccessibleName(self.tr("Menu"))
        button.setToolTip(self.tr("Settings, accounts, quit (F10)"))
        button.setShortcut(QKeySequence("F10"))
        menu = QMenu(button)
        for text, keys, act in (
            (self.tr("&Messages…"), "Ctrl+M", self.show_messages),
            (self.tr("&Recordings…"), "Ctrl+R", self.show_recordings),
            (self.tr("Account &options…"), "Ctrl+.", self.show_options),
            (self.tr("&Settings…"), "Ctrl+,", self.show_settings),
            (self.tr("Sound &test…"), "Ctrl+T", self.show_device_test),
            (self.tr("Sign in to &another account…"), "", lambda: self.show_sign_in("")),
        ):
            menu.addAction(self._action(text, keys, act))
        self.sign_out_menu = menu.addMenu(self.tr("Sign &out"))
        menu.addSeparator()
        menu.addAction(self._action(self.tr("&Quit"), "Ctrl+Q", self.close))
        button.setMenu(menu)
        self.menu_button = button
        return button

    def _action(self, text: str, keys: str, act: Callable[[], object]) -> QAction:
        action = QAction(text, self)
        action.setShortcut(QKeySequence(keys))
        action.triggered.connect(lambda _checked=False: act())
        self.addAction(action)  # so that its keys work while the menu is closed
        return action

    # From the state to the screen

    def render_state(self, state: AppState) -> None:
        before, self._state = self._state, state
        focus = self.focusWidget()
        self.accounts.render_state(state)
        if any(call.phase is not CallPhase.INCOMING for call in state.calls):
            self._make_room_for_calls()  # first, or the window grows for a moment's sake and stays so
        self.calls.render_state(state)
        self.dial_view.set_compact(self.calls.occupied)
        self.dial_view.render_accounts(state.accounts, state.settings.default_account)
        self.lines.render_state(state)
        self.options.render_state(state)
        unread = self.messages.unseen
        self.messages.render_state(state)
        self._show_unread()
        if before is not None and self.messages.unseen > unread:
            QApplication.alert(self)
        self.recent.render_calls(() if self.calls.occupied else state.recent, self._clock())
        self._room.setVisible(not self.calls.occupied and not state.recent)
        self._arrange()
        self.settings.render_state(state)
        self.device_test.render_state(state)
        self.recordings.render_state(state)
        self.quality.render_state(state)
        self.sign_in.render_state(state)
        self._render_sign_out(state)
        self._notice(state, before)
        if state.accounts and (before is None or not before.accounts) and not self.sign_in.busy:
            self.show_phone()
        elif not state.accounts and self.pages.currentWidget() is not self.sign_in and not self._account_comes:
            self.show_sign_in("")
        self._call_attention(state, before)
        self._guard_focus(focus)

    def _make_room_for_calls(self) -> None:
        self.dial_view.set_compact(True)
        self.recent.render_calls((), self._clock())
        for widget in (self.dial_view, self.phone):
            layout = widget.layout()
            if layout is not None:
                layout.activate()

    def _guard_focus(self, before: QWidget | None) -> None:
        """When what had the keyboard went away, Qt gives it to the next control: never to one that ends a call."""
        now = self.focusWidget()
        if now is not None and now is not before and now.property("part") in ("hang-up", "call"):
            self._catch_focus()

    def _arrange(self) -> None:
        """The height goes to the page, except to a running call beside the dial field. Other pages have no header."""
        on_phone = self.pages.currentWidget() is self.phone
        self.accounts.setVisible(on_phone)
        self.calls.set_aside(not on_phone)
        to_calls = self.calls.occupied and on_phone
        self._layout.setStretchFactor(self.calls, int(to_calls))
        self._layout.setStretchFactor(self.pages, int(not to_calls))

    def _catch_focus(self) -> None:
        """From a card that goes away: to the address field, never by chance to another call's button."""
        if self.pages.currentWidget() is self.phone:
            self.dial_view.address.setFocus()
        else:
            self.pages.setFocus()

    def _show_unread(self) -> None:
        count = self.messages.unseen
        text = self.tr("1 new message") if count == 1 else self.tr("%d new messages") % count
        self.unread.setText(str(count))
        self.unread.setAccessibleName(text)
        self.unread.setToolTip(f"{text} (Ctrl+M)")
        self.unread.setVisible(count > 0)

    def _call_attention(self, state: AppState, before: AppState | None) -> None:
        known = {call.id for call in before.calls} if before is not None else set()
        if any(call.phase is CallPhase.INCOMING and call.id not in known for call in state.calls):
            QApplication.alert(self)  # flashes in the task bar; the focus stays where it is
        ringing = next((call for call in state.calls if call.phase is CallPhase.INCOMING), None)
        title = self.tr("Softphone")
        self.setWindowTitle(self.tr("%s calls") % words.name(ringing.remote) + f" – {title}" if ringing else title)

    def _notice(self, state: AppState, before: AppState | None) -> None:
        if not state.notices or (before is not None and before.notices == state.notices):
            return
        failure = state.notices[-1]
        self.sign_in.refuse(failure)
        self.options.refused()
        self.notice.say_failure(failure)
        announce(self, words.sentence(failure))

    def _render_sign_out(self, state: AppState) -> None:
        wanted = [account.id for account in state.accounts]
        if [action.data() for action in self.sign_out_menu.actions()] == wanted:
            return
        self.sign_out_menu.clear()
        for account in state.accounts:
            action = self.sign_out_menu.addAction(words.address(account.address).replace("&", "&&"))
            action.setData(account.id)
            action.triggered.connect(lambda _checked=False, account_id=account.id: self._submit(SignOut(account_id)))
        self.sign_out_menu.setEnabled(bool(wanted))

    # The engine's life

    def engine_lost(self, reason: str) -> None:
        self.engine_trouble.say(self.tr("The call engine stopped and is being restarted."), foreign(reason))
        announce(self, self.engine_trouble.reason.text(), urgent=True)

    def engine_unavailable(self, failure: Failure) -> None:
        self.engine_trouble.say_failure(failure)
        announce(self, words.sentence(failure), urgent=True)

    def engine_attached(self) -> None:
        self.engine_trouble.say("")

    # Pages

    def show_phone(self) -> None:
        if self._state is not None and not self._state.accounts:
            self.pages.setCurrentWidget(self.sign_in)
        elif self.pages.currentWidget() is not self.phone:
            self.pages.setCurrentWidget(self.phone)
            self.dial_view.address.setFocus()

    def _show_page(self, page: QWidget) -> None:
        self.calls.make_room()
        self.pages.setCurrentWidget(page)

    def show_settings(self) -> None:
        self.settings.show_in_force()
        self._show_page(self.settings)
        self.settings.back.setFocus()

    def show_recordings(self) -> None:
        self._show_page(self.recordings)
        self.recordings.begin()

    def show_device_test(self) -> None:
        self._show_page(self.device_test)
        self.device_test.begin()

    def show_options(self, account_id: str = "") -> None:
        if self._state is not None and self._state.accounts:
            self._show_page(self.options)
            self.options.begin(account_id)

    def show_messages(self) -> None:
        if self._state is not None and self._state.accounts:
            self._show_page(self.messages)
            self.messages.begin(self.dial_view.address.text().strip(), self.dial_view.account_id)
            self._show_unread()

    def show_quality(self, call_id: str) -> None:
        if self._state is not None:
            self._show_page(self.quality)
            self.quality.show_call(call_id, self._state)
            self.quality.back.setFocus()

    def show_sign_in(self, account_id: str) -> None:
        state = self._state or AppState()
        self.pages.setCurrentWidget(self.sign_in)
        self.sign_in.begin(state.account(account_id), state)

    def raise_with(self, dial: str) -> None:
        """A second start of the program, or a link that was clicked: the person asked for the window."""
        self.show_phone()
        if dial:
            self.dial_view.put(dial)
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def dial(self, address: str) -> None:
        view = self.dial_view
        self._dial(address, view.account_id, view.withheld)

    def dial_with(self, address: str, account_id: str) -> None:
        """What belongs to an account: its voice mailbox, its watched lines, its past calls."""
        known = self._state is not None and self._state.account(account_id) is not None
        self._dial(address, account_id if known else None, None)

    def _dial(self, address: str, account_id: str | None, withheld: bool | None) -> None:
        self.calls.close_ended()
        self._submit(Dial(secrets.token_hex(8), address, account_id, withheld))

    # The window itself

    def _dress(self) -> None:
        theme = current_theme()
        style = style_sheet(theme)
        if style != self._style:
            self._style = style
            self.setStyleSheet(style)
            dress_all(self, theme)

    def _place(self) -> None:
        """Where it was; at first as wide as a telephone: sizes follow the font and so every scaling."""
        em = self.fontMetrics().height()
        wanted = self.size().expandedTo(self.minimumSizeHint())
        wanted.setWidth(em * 27)
        wanted.setHeight(em * 45)
        screen = self.screen().availableGeometry().size() * 0.92
        self.resize(wanted.boundedTo(screen))
        remembered = self._places.value(_GEOMETRY)
        if remembered is not None:
            self.restoreGeometry(remembered)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange):
            self._dress()

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._leaving and self._state is not None and self._state.calls:
            event.ignore()
            self._ask_before_hanging_up()
            return
        self._places.setValue(_GEOMETRY, self.saveGeometry())
        super().closeEvent(event)
        if not self._leaving:
            self._leaving = True
            self.quit_requested.emit()

    def _ask_before_hanging_up(self) -> None:
        box = QMessageBox(
            QMessageBox.Icon.Question,
            self.tr("Softphone"),
            self.tr("A call is running. Hang up and quit?"),
            parent=self,
        )
        box.setTextFormat(Qt.TextFormat.PlainText)
        quit_button = box.addButton(self.tr("Hang up and quit"), QMessageBox.ButtonRole.DestructiveRole)
        stay = box.addButton(self.tr("Stay in the call"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(stay)
        box.setEscapeButton(stay)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        quit_button.clicked.connect(self.leave)
        box.open()

    def leave(self) -> None:
        """Closes without asking, running calls or not."""
        if not self._leaving:
            self.end()
            self.quit_requested.emit()

    def end(self) -> None:
        """Closes without asking, and without a word to the engine, which ends too or serves another window."""
        self._leaving = True
        self.close()
