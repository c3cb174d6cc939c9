"""How the phone sounds: its ring tone, and whose tones it plays. In force at once; each can be listened to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtWidgets import QPushButton, QWidget

from softphone.messages import AnyCommand, ChangeAudioOptions, PlaySample, StopSample
from softphone.policy.audio import AudioOptions
from softphone.state import AppState
from softphone.ua.actions import Tone
from softphone.ui.choices import Choice
from softphone.ui.country_names import country_names
from softphone.ui.ringtone_choice import RingtoneChoice
from softphone.ui.settings_card import SettingsCard
from softphone.ui.texts import announce


class TonesCard(SettingsCard):
    def __init__(self, submit: Callable[[AnyCommand], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._submit = submit
        self._audio = AudioOptions()
        self._playing = False
        self.ringtone = RingtoneChoice(self.tr("The built-in ring tone"))
        self.ringtone.settled.connect(self._change)
        self.country = _narrow(Choice())
        self.country.addItem(self.tr("As the system's language"), "")
        for code, name in country_names().items():
            self.country.addItem(name, code)
        self.country.activated.connect(lambda _index: self._change())
        self.sample = _narrow(Choice())
        for tone, name in self._samples().items():
            self.sample.addItem(name, tone)
        self.play = QPushButton()
        self.play.setAutoDefault(False)
        self.play.clicked.connect(self._play)
        self.add_title(self.tr("Ring tone and signals"))
        self.add_labelled(self.tr("&Ring tone"), self.ringtone)
        self.add_labelled(self.tr("&Tones of a telephone in"), self.country)
        self.add_labelled(self.tr("L&isten to"), self.sample, self.play)
        self._render_play()

    def _samples(self) -> dict[Tone, str]:
        return {
            Tone.RINGING: self.tr("A call comes"),
            Tone.CALL_WAITING: self.tr("Another call comes"),
            Tone.RINGBACK: self.tr("It rings at the other side"),
            Tone.BUSY: self.tr("Busy"),
            Tone.CONGESTION: self.tr("Not now (congestion)"),
            Tone.SPECIAL_INFORMATION: self.tr("No such number"),
        }

    def render_state(self, state: AppState) -> None:
        before, self._audio = self._audio, state.settings.audio
        if before.ringtone != self._audio.ringtone:
            self.ringtone.take_back(self._audio.ringtone)
        self.ringtone.show_chosen(self._audio.ringtone)
        self.country.setCurrentIndex(max(0, self.country.findData(self._audio.country.upper())))
        if state.sample_playing is not self._playing:
            self._playing = state.sample_playing
            self._render_play()

    def show_in_force(self) -> None:
        """The page is opened again."""
        self.ringtone.take_back(self._audio.ringtone)

    def _render_play(self) -> None:
        self.play.setText(self.tr("St&op") if self._playing else self.tr("Pl&ay"))
        self.play.setToolTip(
            self.tr("End the tone") if self._playing else self.tr("Hear it on the device where it would be heard")
        )
        self.play.setAccessibleName(self.play.text().replace("&", "") + " " + self.sample.currentText())

    def _chosen(self) -> AudioOptions:
        return replace(self._audio, ringtone=self.ringtone.chosen, country=str(self.country.currentData() or ""))

    def _change(self) -> None:
        chosen = self._chosen()
        self.ringtone.file.setModified(False)
        if chosen != self._audio:
            self._submit(ChangeAudioOptions(chosen))

    def _play(self) -> None:
        if self._playing:
            self._submit(StopSample())
            return
        chosen = self._chosen()
        self._submit(PlaySample(self.sample.currentData(), chosen.ringtone, chosen.country))
        announce(self, self.tr("Playing: %s") % self.sample.currentText())


def _narrow(box: Choice) -> Choice:
    box.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    return box
