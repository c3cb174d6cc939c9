"""Signing in: an address and a password; server, user name and CA file for those who need them; errors in words."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from softphone.errors import Failure
from softphone.messages import AnyCommand, PinCertificate, SignOut
from softphone.policy.secret import Secret
from softphone.state import AccountView, AppState
from softphone.ua.events import RegistrationState
from softphone.ui import words
from softphone.ui.cards import WarningBox
from softphone.ui.sign_in_form import SignInForm
from softphone.ui.symbols import SymbolButton
from softphone.ui.texts import TextLabel, announce, foreign
from softphone.ui.trust_step import TrustStep


class SignInView(QScrollArea):
    """Emits `finished` when the account is registered, or when the person goes back to the phone."""

    finished = Signal()

    def __init__(self, submit: Callable[[AnyCommand], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._submit = submit
        self._state = AppState()
        self._account_id = ""  # of the form
        self._following = False  # its registration, which was asked for here
        self._before: AccountView | None = None  # what it was when it was asked for: that is no answer yet
        self._known: frozenset[str] = frozenset()  # accounts that were there before this form
        self._said = ""
        inside = QWidget()
        inside.setProperty("part", "plain")
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setProperty("part", "plain")
        self.back = SymbolButton("back", self.tr("Back"))
        self.back.clicked.connect(self._leave)
        self.title = TextLabel(self.tr("Sign in"), scale=1.45, bold=True)
        self.progress = TextLabel(part="muted")
        self.trouble = WarningBox()
        self.trust = TrustStep()
        self.trust.trusted.connect(self._pin)
        self.sign_in = QPushButton(self.tr("Sign in"))
        self.sign_in.setProperty("part", "call")
        self.sign_in.setAutoDefault(False)
        self.sign_in.clicked.connect(self._sign_in)
        top = QHBoxLayout()
        top.addWidget(self.title, 1)
        top.addWidget(self.back)
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(0, 0, 6, 0)
        layout.setSpacing(10)
        layout.addLayout(top)
        layout.addWidget(TextLabel(self.tr("With the SIP account that your telephone system gave you."), part="muted"))
        layout.addLayout(self._fields())
        layout.addWidget(self.more)
        layout.addWidget(self.options)
        layout.addWidget(self.sign_in)
        layout.addWidget(self.progress)
        layout.addWidget(self.trouble)
        layout.addWidget(self.trust)
        layout.addStretch(1)
        self.progress.hide()

    def _fields(self) -> QFormLayout:
        self.address = self._line(self.tr("alice@example.org"))
        self.password = self._line("")
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.remember = QCheckBox(self.tr("Remember the password in the system's keyring"))
        self.remember.setChecked(True)
        form = _form()
        form.addRow(self.tr("&SIP address"), self.address)
        form.addRow(self.tr("&Password"), self.password)
        form.addRow(self.remember)

        self.server = self._line(self.tr("the address's domain"))
        self.auth_user = self._line(self.tr("the same as in the address"))
        self.ca_file = self._line(self.tr("only the system's authorities"))
        browse = QPushButton(self.tr("Browse…"))
        browse.setAccessibleName(self.tr("Browse for a CA file"))
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        ca_row = QHBoxLayout()
        ca_row.addWidget(self.ca_file, 1)
        ca_row.addWidget(browse)
        ca_label = QLabel(self.tr("&CA file"))
        ca_label.setBuddy(self.ca_file)
        self.options = QWidget()
        options = _form(self.options)
        options.setContentsMargins(0, 0, 0, 0)
        options.addRow(self.tr("Ser&ver"), self.server)
        options.addRow(self.tr("&User name"), self.auth_user)
        options.addRow(ca_label, ca_row)
        self.options.hide()
        self.more = QPushButton(self.tr("Server, user name, CA file…"))
        self.more.setCheckable(True)
        self.more.setProperty("part", "flat")
        self.more.setAutoDefault(False)
        self.more.toggled.connect(self.options.setVisible)
        return form

    def _line(self, hint: str) -> QLineEdit:
        line = QLineEdit()
        line.setPlaceholderText(hint)
        line.setMaxLength(500)
        line.returnPressed.connect(self._sign_in)
        return line

    @property
    def busy(self) -> bool:
        """Whether a registration that was asked for here is still followed."""
        return self._following

    def begin(self, account: AccountView | None, state: AppState) -> None:
        """An empty form, or that of an account whose password, server or trust is to be given again."""
        self._state, self._following = state, False
        self._account_id = account.id if account else ""
        self._known = frozenset(known.id for known in state.accounts)
        self.address.setText(words.address(account.address) if account else "")
        domain = self.address.text().rpartition("@")[2]
        self.server.setText(account.server if account and account.server != domain else "")
        self.more.setChecked(bool(self.server.text()))
        self.password.clear()
        self.back.setVisible(bool(state.accounts))
        self.sign_in.setEnabled(True)
        self._say("")
        self._show_failure(account.failure if account else None)
        (self.password if account else self.address).setFocus()

    def render_state(self, state: AppState) -> None:
        self._state = state
        self.back.setVisible(bool(state.accounts))
        account = state.account(self._account_id)
        if not self._following or account is None or account is self._before:
            return
        self._before = None
        if account.state is RegistrationState.REGISTERED:
            self._leave()
            return
        over = account.state in (RegistrationState.FAILED, RegistrationState.WAITING)
        self.sign_in.setEnabled(over)
        self._say("" if over else words.registration(account))
        if over and account.failure is not None and self.trouble.reason.text() != account.failure.reason:
            announce(self, words.sentence(account.failure), urgent=True)
        self._show_failure(account.failure)

    def refuse(self, failure: Failure) -> None:
        """The engine did not take what was asked for here, or tells of a trouble on the way."""
        if self._following:
            self.sign_in.setEnabled(True)
            self._say("")
            self.trouble.say_failure(failure)

    def _sign_in(self) -> None:
        if not self.sign_in.isEnabled():
            return
        form = SignInForm(
            self.address.text(),
            Secret(self.password.text()),
            self.server.text(),
            self.auth_user.text(),
            self.ca_file.text(),
            self.remember.isChecked(),
        )
        command = form.command()
        self._show_failure(None)
        if isinstance(command, str):
            self.trouble.say(command)
            announce(self, command, urgent=True)
            return
        if self._following and self._account_id not in (command.account_id, *self._known):
            self._submit(SignOut(self._account_id))  # the address was corrected: the wrong one is no account
        self._account_id = command.account_id
        self._follow(self.tr("Connecting to %s …") % foreign(command.server or command.domain))
        self._submit(command)

    def _pin(self, fingerprint: str) -> None:
        self._show_failure(None)
        self._follow(self.tr("Connecting …"))
        self._submit(PinCertificate(self._account_id, fingerprint))

    def _follow(self, text: str) -> None:
        self._following, self._before = True, self._state.account(self._account_id)
        self.sign_in.setEnabled(False)
        self._say(text)

    def _show_failure(self, failure: Failure | None) -> None:
        self.trouble.say_failure(failure)
        self.trust.render_failure(failure)

    def _leave(self) -> None:
        self._following = False
        self.password.clear()
        self.sign_in.setEnabled(True)
        self.finished.emit()

    def _say(self, text: str) -> None:
        self.progress.show_text(text)
        if text and text != self._said:
            announce(self, text)
        self._said = text

    def _browse(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, self.tr("CA file"), "", self.tr("Certificates (*.pem *.crt *.cer);;All files (*)")
        )
        if name:
            self.ca_file.setText(name)


def _form(parent: QWidget | None = None) -> QFormLayout:
    form = QFormLayout(parent)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapAllRows)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    form.setVerticalSpacing(6)
    return form
