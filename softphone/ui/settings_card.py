"""A card of the settings page: what all of them have in common. A new one is a file, and a name in `SettingsPane`."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from softphone.state import AppState
from softphone.ui.cards import Card
from softphone.ui.texts import TextLabel


class SettingsCard(Card):
    """What is chosen here is in force at once."""

    def add_title(self, text: str) -> None:
        self.column.addWidget(TextLabel(text, scale=1.1, bold=True))

    def add_labelled(self, text: str, field: QWidget, beside: QWidget | None = None) -> None:
        """A field below its label, whose mnemonic leads to it, and maybe a button beside it."""
        label = QLabel(text)
        label.setBuddy(field)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(field, 1)
        if beside is not None:
            row.addWidget(beside)
        self.column.addWidget(label)
        self.column.addLayout(row)

    def add_explanation(self, text: str) -> None:
        self.column.addWidget(TextLabel(text, part="muted", scale=0.88))

    def render_state(self, state: AppState) -> None:
        """The program's state has changed."""
        raise NotImplementedError

    def show_in_force(self) -> None:
        """The page is opened again: what was begun and not finished is taken back."""
