"""A sound file for the ring: typed or chosen from the disk; an empty field is what its placeholder says."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget


class RingtoneChoice(QWidget):
    """`chosen` is the file's path or "". Emits `edited` at every change, `settled` once the person has chosen."""

    edited = Signal()
    settled = Signal()

    def __init__(self, nothing: str, parent: QWidget | None = None) -> None:
        """`nothing` says what rings without a file."""
        super().__init__(parent)
        self.file = QLineEdit()
        self.file.setPlaceholderText(nothing)
        self.file.setAccessibleName(self.tr("Ring tone, a sound file"))
        self.file.setClearButtonEnabled(True)
        self.file.setToolTip(self.tr("A WAV, FLAC, Ogg or MP3 file; its first 30 seconds are heard"))
        self.file.textChanged.connect(self.edited)
        self.file.editingFinished.connect(self.settled)
        self.browse = QPushButton(self.tr("Choose a file…"))
        self.browse.setAutoDefault(False)
        self.browse.clicked.connect(self._browse)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.file, 1)
        row.addWidget(self.browse)
        self.setFocusProxy(self.file)

    @property
    def chosen(self) -> str:
        return self.file.text().strip()

    def show_chosen(self, path: str) -> None:
        """Without a word to anybody; what a person is typing is not touched."""
        if path == self.chosen or self.file.isModified():
            return
        self.blockSignals(True)
        self.file.setText(path)
        self.blockSignals(False)

    def take_back(self, path: str) -> None:
        """What is in force, whatever was typed."""
        self.file.setModified(False)
        self.show_chosen(path)

    def _browse(self) -> None:
        folder = str(Path(self.chosen).expanduser().parent) if self.chosen else str(Path.home())
        dialog = QFileDialog(self, self.tr("Ring tone"), folder)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        sounds = "*.wav *.flac *.ogg *.oga *.opus *.mp3 *.aiff *.au"
        dialog.setNameFilters([self.tr("Sounds (%s)") % sounds, self.tr("All files (*)")])
        dialog.fileSelected.connect(self._selected)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _selected(self, path: str) -> None:
        self.file.setText(path)
        self.settled.emit()
