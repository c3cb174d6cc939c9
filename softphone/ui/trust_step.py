"""The certificate that nobody vouches for: its fingerprint, and trust only after it has been compared."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QCheckBox, QLabel, QPushButton, QWidget

from softphone.errors import Failure
from softphone.ui.cards import Card
from softphone.ui.sign_in_form import fingerprint_in
from softphone.ui.texts import TextLabel, foreign

_HALF = 16 * 3  # characters of the fingerprint in a line


class TrustStep(Card):
    """Emits `trusted(fingerprint)`. Hidden unless the failure is one that a pin can answer."""

    trusted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fingerprint = ""
        self.certificate = TextLabel(part="muted", scale=0.88)
        self.fingerprint = QLabel()
        self.fingerprint.setTextFormat(Qt.TextFormat.PlainText)
        fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        fixed.setPointSizeF(self.font().pointSizeF() * 0.82)
        self.fingerprint.setFont(fixed)
        self.fingerprint.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.compared = QCheckBox(self.tr("I have compared it with the server's operator"))
        self.trust = QPushButton(self.tr("Trust this certificate"))
        self.trust.setAutoDefault(False)
        self.compared.toggled.connect(self.trust.setEnabled)
        self.trust.clicked.connect(self._trust)
        self.column.addWidget(TextLabel(self.tr("The server's certificate"), bold=True))
        self.column.addWidget(self.certificate)
        self.column.addWidget(TextLabel(self.tr("SHA-256 fingerprint")))
        self.column.addWidget(self.fingerprint)
        self.column.addWidget(self.compared)
        self.column.addWidget(self.trust)
        self.hide()

    def render_failure(self, failure: Failure | None) -> None:
        fingerprint = fingerprint_in(failure)
        if fingerprint != self._fingerprint:
            self.compared.setChecked(False)
            self.trust.setEnabled(False)
        self._fingerprint = fingerprint
        self.setVisible(bool(fingerprint))
        if failure is not None and fingerprint:
            self.fingerprint.setText(f"{fingerprint[:_HALF]}\n{fingerprint[_HALF:]}")
            facts = [foreign(line) for line in failure.evidence if not line.startswith("SHA-256: ")]
            self.certificate.setText("\n".join(facts))

    def _trust(self) -> None:
        if self.compared.isChecked():
            self.trusted.emit(self._fingerprint)
