"""The sound devices to choose: microphone, speaker, and where the phone rings. In force at once, in a call too."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from softphone.messages import AnyCommand, ChooseDevices, DeviceKind
from softphone.state import AppState
from softphone.ui.device_choice import DeviceChoice
from softphone.ui.settings_card import SettingsCard


class SoundCard(SettingsCard):
    """Emits `test_wanted` when the person wants to try microphone and speaker."""

    test_wanted = Signal()

    def __init__(self, submit: Callable[[AnyCommand], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._submit = submit
        self.microphone = DeviceChoice(DeviceKind.MICROPHONE)
        self.speaker = DeviceChoice(DeviceKind.SPEAKER)
        self.ringer = DeviceChoice(DeviceKind.SPEAKER, follows=self.tr("On the loudspeaker or headset"))
        self.add_title(self.tr("Sound"))
        self.add_labelled(self.tr("&Microphone"), self.microphone)
        self.add_labelled(self.tr("&Loudspeaker or headset"), self.speaker)
        self.add_labelled(self.tr("The phone rin&gs"), self.ringer)
        self.add_explanation(self.tr("A running call changes at once. What is plugged in or pulled out is noticed."))
        self.test = QPushButton(self.tr("Test soun&d…"))
        self.test.setAutoDefault(False)
        self.test.clicked.connect(self.test_wanted)
        self.column.addWidget(self.test)
        for choice in (self.microphone, self.speaker, self.ringer):
            choice.activated.connect(self._choose)

    def render_state(self, state: AppState) -> None:
        settings = state.settings
        self.microphone.render_devices(state.devices, settings.microphone)
        self.speaker.render_devices(state.devices, settings.speaker)
        self.ringer.render_devices(state.devices, settings.ringer)

    def _choose(self) -> None:
        self._submit(ChooseDevices(self.microphone.chosen, self.speaker.chosen, self.ringer.chosen))
