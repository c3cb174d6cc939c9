"""The settings: media encryption with its connection profile, and a card each for what else there is to choose.

What the connection profile does not permit cannot be chosen, and says why. Nothing is in force before Apply, and what
is shown afterwards is what the engine says is in force.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from softphone.messages import AnyCommand, ChangeMediaSettings, MediaSettings
from softphone.policy import media as policy
from softphone.policy.media import ConnectionProfile, MediaEncryption, UnencryptedPeer
from softphone.policy.origin import Origin
from softphone.state import AppState
from softphone.ui.cards import Card, ScrolledColumn, WarningBox
from softphone.ui.choices import Choice
from softphone.ui.processing_card import ProcessingCard
from softphone.ui.settings_card import SettingsCard
from softphone.ui.sound_card import SoundCard
from softphone.ui.symbols import SymbolButton
from softphone.ui.texts import TextLabel, announce, foreign
from softphone.ui.tones_card import TonesCard


def _words(text: str) -> str:
    """The policy's own texts go through the translation too."""
    return QCoreApplication.translate("policy", text)


class SettingsPane(QScrollArea):
    """Emits `finished` when the person goes back to the phone."""

    finished = Signal()

    def __init__(self, submit: Callable[[AnyCommand], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._submit = submit
        self._state = AppState()
        self._asked: MediaSettings | None = None  # applied, and not answered yet
        inside = ScrolledColumn()
        inside.setProperty("part", "plain")
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setAccessibleName(self.tr("Settings"))  # the keyboard comes here to scroll
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setProperty("part", "plain")
        self.back = SymbolButton("back", self.tr("Back"))
        self.back.clicked.connect(self.finished)
        self.problem = WarningBox()
        self.file = TextLabel(part="muted", scale=0.85)
        self.sound = SoundCard(submit)
        self.voice = ProcessingCard(submit)
        self.tones = TonesCard(submit)
        self.cards: tuple[SettingsCard, ...] = (self.sound, self.voice, self.tones)  # from above to below
        top = QHBoxLayout()
        top.addWidget(TextLabel(self.tr("Settings"), scale=1.45, bold=True), 1)
        top.addWidget(self.back)
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(0, 0, 6, 0)
        layout.setSpacing(10)
        layout.addLayout(top)
        layout.addWidget(self.problem)
        layout.addWidget(self._media_card())
        for card in self.cards:
            layout.addWidget(card)
        layout.addWidget(self.file)
        layout.addStretch(1)
        self.show_in_force()

    def _media_card(self) -> QWidget:
        card = Card()
        self.origin = TextLabel(part="muted", scale=0.92)
        card.column.addWidget(TextLabel(self.tr("Media encryption"), scale=1.1, bold=True))
        card.column.addWidget(self.origin)
        self.encryption: dict[MediaEncryption, QRadioButton] = {}
        self.reasons: dict[MediaEncryption, TextLabel] = {}
        group = QButtonGroup(self)
        for value in MediaEncryption:
            button = QRadioButton(_words(policy.ENCRYPTION_LABELS[value]))
            button.setAccessibleDescription(_words(policy.ENCRYPTION_EXPLANATIONS[value]))
            button.toggled.connect(self._rule)
            group.addButton(button)
            reason = TextLabel(part="bad", scale=0.88)
            card.column.addWidget(button)
            card.column.addWidget(
                _indented(TextLabel(_words(policy.ENCRYPTION_EXPLANATIONS[value]), part="muted", scale=0.88))
            )
            card.column.addWidget(_indented(reason))
            self.encryption[value], self.reasons[value] = button, reason
        self.profile = Choice()
        for profile in ConnectionProfile:
            self.profile.addItem(_words(policy.PROFILE_LABELS[profile]), profile)
        self.profile.currentIndexChanged.connect(self._rule)
        self.profile_text = TextLabel(part="muted", scale=0.88)
        self.profile_hint = TextLabel(scale=0.88)
        self.peer = Choice()
        for peer in UnencryptedPeer:
            self.peer.addItem(_words(policy.UNENCRYPTED_PEER_LABELS[peer]), peer)
        self.peer.currentIndexChanged.connect(self._rule)
        self.peer_text = TextLabel(part="muted", scale=0.88)
        self.apply = QPushButton(self.tr("Apply"))
        self.apply.setAutoDefault(False)
        self.apply.setToolTip(self.tr("For calls from now on; a running call stays as it is"))
        self.apply.clicked.connect(self._apply)
        self.outcome = TextLabel(part="good", scale=0.92)
        card.column.addSpacing(4)
        _labelled(card, self.tr("Connection &profile"), self.profile, self.profile_text, self.profile_hint)
        _labelled(card, self.tr("If the other side &cannot encrypt"), self.peer, self.peer_text)
        row = QHBoxLayout()
        row.addWidget(self.outcome, 1)
        row.addWidget(self.apply)
        card.column.addLayout(row)
        return card

    # From the state to the screen

    def render_state(self, state: AppState) -> None:
        before, self._state = self._state, state
        settings = state.settings
        for card in self.cards:
            card.render_state(state)
        self.problem.say_failure(settings.problem)
        self.file.show_text(
            self.tr("Settings file: %s") % foreign(settings.settings_file) if settings.settings_file else ""
        )
        if (settings.media, settings.media_origin) != (before.settings.media, before.settings.media_origin):
            self.show_in_force()
        if self._asked is not None and settings is not before.settings:
            taken, self._asked = self._asked == settings.media, None
            self.show_in_force()
            if taken:
                self.outcome.setText(self.tr("In force for new calls."))
                announce(self, self.outcome.text())

    def show_in_force(self) -> None:
        """What the engine says is in force, instead of what was chosen and not applied."""
        settings = self._state.settings
        for card in self.cards:
            card.show_in_force()
        self.profile.setCurrentIndex(list(ConnectionProfile).index(settings.media.profile))
        self.peer.setCurrentIndex(list(UnencryptedPeer).index(settings.media.unencrypted_peer))
        self.encryption[settings.media.encryption].setChecked(True)
        self.outcome.setText("")
        self._rule()

    def chosen(self) -> MediaSettings:
        encryption = next((value for value, button in self.encryption.items() if button.isChecked()), None)
        return MediaSettings(
            encryption or MediaEncryption.MANDATORY, self.profile.currentData(), self.peer.currentData()
        )

    def _rule(self) -> None:
        """What the chosen profile permits; a value that it does not permit gives way to Mandatory, visibly."""
        managed = self._state.settings.media_origin is Origin.MANAGED
        self.origin.show_text(self.tr("Set by your organisation.") if managed else "")
        profile: ConnectionProfile = self.profile.currentData()
        for value, button in self.encryption.items():
            permitted = profile in policy.PROFILES_FOR[value]
            if not permitted and button.isChecked() and not managed:
                self.encryption[MediaEncryption.MANDATORY].setChecked(True)
            button.setEnabled(permitted and not managed)
            self.reasons[value].show_text("" if permitted or managed else self._why_not(profile))
        chosen = self.chosen()
        self.profile_text.setText(_words(policy.PROFILE_EXPLANATIONS[profile]))
        self.profile_hint.show_text(_words(policy.PROFILE_HINTS.get(profile, "")))
        self.peer_text.setText(_words(policy.UNENCRYPTED_PEER_EXPLANATIONS[chosen.unencrypted_peer]))
        self.profile.setEnabled(not managed)
        self.peer.setEnabled(chosen.encryption is MediaEncryption.OPTIONAL and not managed)
        changed = chosen != self._state.settings.media
        self.apply.setEnabled(changed and not managed)
        if changed:
            self.outcome.setText("")

    def _why_not(self, profile: ConnectionProfile) -> str:
        label = _words(policy.PROFILE_LABELS[profile])
        return self.tr("Not on the connection profile “%s”, which is chosen below.") % label

    # From the person to the engine

    def _apply(self) -> None:
        self._asked = self.chosen()
        self._submit(ChangeMediaSettings(self._asked))


def _labelled(card: Card, text: str, field: QWidget, *explanations: QWidget) -> None:
    label = QLabel(text)
    label.setBuddy(field)
    card.column.addWidget(label)
    card.column.addWidget(field)
    for explanation in explanations:
        card.column.addWidget(explanation)


def _indented(label: TextLabel) -> TextLabel:
    label.setContentsMargins(24, 0, 0, 0)
    return label
