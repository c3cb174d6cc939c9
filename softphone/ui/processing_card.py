"""What is done to your voice on its way out: echo, noise, rumble, level. In force at once, in a running call too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PySide6.QtWidgets import QWidget

from softphone.messages import AnyCommand, AudioDeviceView, ChangeAudioOptions, DeviceKind
from softphone.policy.audio import AudioOptions, DeviceForm, Processing, treatment
from softphone.state import AppState
from softphone.ui.choices import Choice
from softphone.ui.settings_card import SettingsCard
from softphone.ui.texts import TextLabel, foreign


class ProcessingCard(SettingsCard):
    def __init__(self, submit: Callable[[AnyCommand], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._submit = submit
        self._audio = AudioOptions()
        self.choices: dict[str, Choice] = {}  # by the option's name
        self.add_title(self.tr("Your voice"))
        for option, (label, explanation) in self._words().items():
            choice = Choice()
            for value, text in self._values().items():
                choice.addItem(text, value)
            choice.setAccessibleDescription(explanation)
            choice.activated.connect(self._change)
            self.choices[option] = choice
            self.add_labelled(label, choice)
            self.add_explanation(explanation)
        self.devices = TextLabel(part="muted", scale=0.88)
        self.column.addWidget(self.devices)

    def _words(self) -> dict[str, tuple[str, str]]:
        """Per option its label and what it is good for."""
        return {
            "echo_cancellation": (
                self.tr("&Echo cancellation"),
                self.tr("So that others do not hear themselves out of your loudspeaker. A headset does not need it."),
            ),
            "double_talk": (
                self.tr("&Both voices at once"),
                self.tr("Your voice stays whole while the other side talks too. Off, echo cancellation takes turns."),
            ),
            "noise_suppression": (
                self.tr("&Noise suppression"),
                self.tr("Lowers fans, traffic and hiss around your microphone."),
            ),
            "high_pass": (
                self.tr("R&umble filter"),
                self.tr("Takes away hum and knocks, below any voice."),
            ),
            "gain_control": (
                self.tr("Le&vel control"),
                self.tr("Makes a quiet voice louder and a loud one quieter."),
            ),
        }

    def _values(self) -> dict[Processing, str]:
        return {
            Processing.AUTO: self.tr("Automatic"),
            Processing.ON: self.tr("On"),
            Processing.OFF: self.tr("Off"),
        }

    def render_state(self, state: AppState) -> None:
        settings = state.settings
        self._audio = settings.audio
        microphone = _in_use(state.devices, DeviceKind.MICROPHONE, settings.microphone)
        speaker = _in_use(state.devices, DeviceKind.SPEAKER, settings.speaker)
        for option, choice in self.choices.items():
            only: dict[str, Any] = {option: Processing.AUTO}
            automatic = replace(self._audio, **only)
            on = getattr(treatment(automatic, _form(microphone), _form(speaker)), option)
            now = self.tr("Automatic (now on)") if on else self.tr("Automatic (now off)")
            choice.setItemText(choice.findData(Processing.AUTO), now)
            choice.setCurrentIndex(choice.findData(getattr(self._audio, option)))
        echo = treatment(self._audio, _form(microphone), _form(speaker)).echo_cancellation
        self.choices["double_talk"].setEnabled(echo)  # there is nothing to keep without it
        self.devices.show_text(" ".join(self._said(device) for device in (speaker, microphone) if device is not None))

    def _said(self, device: AudioDeviceView) -> str:
        worn, speaker = device.form is DeviceForm.WORN, device.kind is DeviceKind.SPEAKER
        if worn:
            text = self.tr("“%s” counts as a headset.")
        elif speaker:
            text = self.tr("“%s” counts as a loudspeaker.")
        else:
            text = self.tr("“%s” counts as a microphone in the room.")
        return text % foreign(device.name)

    def _change(self) -> None:
        values: dict[str, Any] = {option: choice.currentData() for option, choice in self.choices.items()}
        chosen = replace(self._audio, **values)
        if chosen != self._audio:
            self._submit(ChangeAudioOptions(chosen))


def _in_use(devices: tuple[AudioDeviceView, ...], kind: DeviceKind, chosen: str) -> AudioDeviceView | None:
    """The chosen one; where it is not there, or none is chosen, the system's default, as the engine does."""
    own = [device for device in devices if device.kind is kind]
    named = next((device for device in own if chosen and device.id == chosen), None)
    return named or next((device for device in own if device.is_default), own[0] if own else None)


def _form(device: AudioDeviceView | None) -> DeviceForm:
    return device.form if device is not None else DeviceForm.OPEN
