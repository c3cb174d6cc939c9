"""Signing in: an address and a password; server, user name and CA file for those who need them; errors in words."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Signal
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

from softphone.messages import AnyCommand, PinCertificate, SignIn, SignOut
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
        self._asked: SignIn | None = None
        self._known: frozenset[str] = frozenset()  # accounts that were there before this attempt
        self._said = ""
        inside = QWidget()
        inside.setProperty("part", "plain")
        self.setWidget(inside)
        self.setWidgetResizable(True)
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
        layout.setContentsMargins(0, 0, 0, 0)
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

    def begin(self, account: AccountView | None, state: AppState) -> None:
        """An empty form, or that of an account whose password, server or trust is to be given again."""
        self._asked = None
        self._known = frozenset(known.id for known in state.accounts)
        self.address.setText(words.address(account.address) if account else "")
        domain = self.address.text().rpartition("@")[2]
        self.server.setText(account.server if account and account.server != domain else "")
        self.more.setChecked(bool(self.server.text()))
        self.password.clear()
        self.back.setVisible(bool(state.accounts))
        self.progress.hide()
        self.trouble.say_failure(account.failure if account else None)
        self._pin_account = account.id if account else ""
        self.trust.render_failure(account.failure if account else None)
        (self.password if account else self.address).setFocus()

    def render_state(self, state: AppState) -> None:
        self.back.setVisible(bool(state.accounts))
        if self._asked is None:
            return
        account = state.account(self._asked.account_id)
        if account is None:
            return
        if account.state is RegistrationState.REGISTERED:
            self._asked = None
            self.password.clear()
            self.finished.emit()
            return
        self._say(words.registration(account))
        self.trouble.say_failure(account.failure)
        self.trust.render_failure(account.failure)
        over = account.state in (RegistrationState.FAILED, RegistrationState.WAITING)
        self.sign_in.setEnabled(over)
        if over and account.failure is not None:
            self._say("")
            announce(self, words.sentence(account.failure), urgent=True)

    def refuse(self, reason: str, remedy: str) -> None:
        """The engine did not take the form at all."""
        if self._asked is not None:
            self._asked = None
            self.sign_in.setEnabled(True)
            self._say("")
            self.trouble.say(reason, remedy)

    def _sign_in(self) -> None:
        form = SignInForm(
            self.address.text(),
            Secret(self.password.text()),
            self.server.text(),
            self.auth_user.text(),
            self.ca_file.text(),
            self.remember.isChecked(),
        )
        command = form.command()
        self.trust.render_failure(None)
        if isinstance(command, str):
            self.trouble.say(command)
            announce(self, command, urgent=True)
            return
        tried = self._asked.account_id if self._asked else ""
        if tried and tried != command.account_id and tried not in self._known:
            self._submit(SignOut(tried))  # the address was corrected: the wrong one is no account
        self._asked, self._pin_account = command, command.account_id
        self.trouble.say("")
        self._say(self.tr("Connecting to %s …") % foreign(command.server or command.domain))
        self.sign_in.setEnabled(False)
        self._submit(command)

    def _pin(self, fingerprint: str) -> None:
        self.trust.render_failure(None)
        self.trouble.say("")
        self._say(self.tr("Connecting …"))
        self._submit(PinCertificate(self._pin_account, fingerprint))

    def _leave(self) -> None:
        self._asked = None
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
