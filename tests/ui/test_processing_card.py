"""The card of the voice: choices in words, and what "automatic" means with the devices that are there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from softphone.messages import AudioDeviceView, ChangeAudioOptions, DeviceKind, DevicesChanged, SettingsChanged
from softphone.policy.audio import AudioOptions, DeviceForm, Processing
from softphone.ui.main_window import MainWindow
from softphone.ui.processing_card import ProcessingCard
from tests.ui.conftest import Engine
from tests.ui.hands import key
from tests.ui.states import READY, after

WORN = DeviceForm.WORN
DEVICES = (
    AudioDeviceView("mic-1", "Built-in microphone", DeviceKind.MICROPHONE, is_default=True),
    AudioDeviceView("mic-2", "Jabra 20", DeviceKind.MICROPHONE, form=WORN),
    AudioDeviceView("out-1", "Built-in speakers", DeviceKind.SPEAKER, is_default=True),
    AudioDeviceView("out-2", "Jabra 20", DeviceKind.SPEAKER, form=WORN),
)


def shown(window: MainWindow, microphone: str = "", speaker: str = "", **audio: Any) -> ProcessingCard:
    settings = replace(READY.settings, microphone=microphone, speaker=speaker, audio=AudioOptions(**audio))
    window.render_state(after(READY, DevicesChanged(DEVICES), SettingsChanged(settings)))
    window.show_settings()
    return window.settings.voice


def texts(card: ProcessingCard) -> dict[str, str]:
    return {option: choice.currentText() for option, choice in card.choices.items()}


def test_automatic_says_what_it_means_with_loudspeakers(window: MainWindow) -> None:
    card = shown(window)
    assert texts(card) == {
        "echo_cancellation": "Automatic (now on)",
        "double_talk": "Automatic (now on)",
        "noise_suppression": "Automatic (now on)",
        "high_pass": "On",
        "gain_control": "Off",
    }
    assert "“Built-in speakers” counts as a loudspeaker." in card.devices.text()
    assert "“Built-in microphone” counts as a microphone in the room." in card.devices.text()


def test_automatic_says_what_it_means_with_a_headset(window: MainWindow) -> None:
    card = shown(window, "mic-2", "out-2")
    assert texts(card)["echo_cancellation"] == texts(card)["noise_suppression"] == "Automatic (now off)"
    assert not card.choices["double_talk"].isEnabled()
    assert card.devices.text().count("“Jabra 20” counts as a headset.") == 2
    assert shown(window, "mic-2", "gone").choices["double_talk"].isEnabled()  # the default speaker is used then


@pytest.mark.parametrize(
    "option", ["echo_cancellation", "double_talk", "noise_suppression", "high_pass", "gain_control"]
)
def test_each_choice_is_sent_by_the_keyboard_and_leaves_the_others(
    window: MainWindow, engine: Engine, option: str
) -> None:
    card = shown(window)
    choice = card.choices[option]
    choice.setFocus()
    key(choice, Qt.Key.Key_Home)
    key(choice, Qt.Key.Key_Down)
    choice.setCurrentIndex(choice.findData(Processing.OFF if option != "gain_control" else Processing.ON))
    choice.activated.emit(choice.currentIndex())
    chosen: dict[str, Any] = {option: Processing.ON if option == "gain_control" else Processing.OFF}
    assert engine.last() == ChangeAudioOptions(replace(AudioOptions(), **chosen))


def test_what_is_shown_is_what_is_in_force(window: MainWindow) -> None:
    card = shown(window, echo_cancellation=Processing.OFF, gain_control=Processing.ON)
    assert texts(card)["echo_cancellation"] == "Off"
    assert texts(card)["gain_control"] == "On"
    assert not card.choices["double_talk"].isEnabled()


def test_every_choice_has_a_label_with_a_key_and_a_description(window: MainWindow) -> None:
    card = shown(window)
    for choice in card.choices.values():
        assert choice.accessibleDescription()
        assert "&" in next(label.text() for label in card.findChildren(QLabel) if label.buddy() is choice)
