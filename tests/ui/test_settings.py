"""The settings pane, with recorded states and with the real controller behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from softphone.controller import Controller
from softphone.messages import (
    AudioDeviceView,
    ChangeMediaSettings,
    ChooseDevices,
    DeviceKind,
    DevicesChanged,
    MediaSettings,
    SettingsChanged,
    SettingsView,
)
from softphone.policy import media as policy
from softphone.policy.media import ConnectionProfile, MediaEncryption, UnencryptedPeer
from softphone.policy.origin import Origin
from softphone.storage.settings import SettingsFile
from softphone.ui.main_window import MainWindow
from softphone.ui.settings_pane import SettingsPane
from tests.ui.conftest import Engine
from tests.ui.hands import click, key
from tests.ui.states import DEVICES, READY, after


def pane(window: MainWindow) -> SettingsPane:
    window.render_state(READY)
    window.show_settings()
    return window.settings


def choose(settings: SettingsPane, encryption: MediaEncryption, profile: ConnectionProfile) -> None:
    settings.profile.setCurrentIndex(settings.profile.findData(profile))
    settings.encryption[encryption].click()


def test_the_three_values_are_those_of_the_policy_with_its_explanations(window: MainWindow) -> None:
    settings = pane(window)

    for value, button in settings.encryption.items():
        assert button.text() == policy.ENCRYPTION_LABELS[value]
        assert button.accessibleDescription() == policy.ENCRYPTION_EXPLANATIONS[value]
    assert settings.encryption[MediaEncryption.MANDATORY].isChecked()


def test_what_the_profile_does_not_permit_cannot_be_chosen_and_says_why(window: MainWindow) -> None:
    settings = pane(window)

    for value in (MediaEncryption.OPTIONAL, MediaEncryption.DISABLED):
        assert not settings.encryption[value].isEnabled()
        assert "“Public network”" in settings.reasons[value].text()
        assert settings.reasons[value].isVisibleTo(settings)
    assert settings.profile_text.text() == policy.PROFILE_EXPLANATIONS[ConnectionProfile.PUBLIC]


@pytest.mark.parametrize("profile", [ConnectionProfile.PRIVATE, ConnectionProfile.VPN])
def test_a_profile_that_permits_them_shows_its_rule_and_hint(window: MainWindow, profile: ConnectionProfile) -> None:
    settings = pane(window)
    settings.profile.setCurrentIndex(settings.profile.findData(profile))

    assert all(button.isEnabled() for button in settings.encryption.values())
    assert settings.profile_text.text() == policy.PROFILE_EXPLANATIONS[profile]
    assert settings.profile_hint.text() == policy.PROFILE_HINTS[profile]
    assert not settings.reasons[MediaEncryption.DISABLED].isVisibleTo(settings)


def test_back_to_the_public_profile_is_back_to_mandatory(window: MainWindow) -> None:
    settings = pane(window)
    choose(settings, MediaEncryption.DISABLED, ConnectionProfile.VPN)
    settings.profile.setCurrentIndex(settings.profile.findData(ConnectionProfile.PUBLIC))

    assert settings.chosen().encryption is MediaEncryption.MANDATORY


def test_what_to_do_with_a_clear_peer_matters_under_optional_only(window: MainWindow) -> None:
    settings = pane(window)
    assert not settings.peer.isEnabled()
    choose(settings, MediaEncryption.OPTIONAL, ConnectionProfile.PRIVATE)
    assert settings.peer.isEnabled()
    settings.peer.setCurrentIndex(settings.peer.findData(UnencryptedPeer.REFUSE))

    assert settings.peer_text.text() == policy.UNENCRYPTED_PEER_EXPLANATIONS[UnencryptedPeer.REFUSE]


def test_nothing_is_sent_before_apply(window: MainWindow, engine: Engine) -> None:
    settings = pane(window)
    assert not settings.apply.isEnabled()
    choose(settings, MediaEncryption.OPTIONAL, ConnectionProfile.VPN)
    assert engine.commands == []

    click(settings.apply)
    chosen = MediaSettings(MediaEncryption.OPTIONAL, ConnectionProfile.VPN, UnencryptedPeer.ASK)
    assert engine.commands == [ChangeMediaSettings(chosen)]
    assert settings.outcome.text() == ""

    window.render_state(after(READY, SettingsChanged(SettingsView(media=chosen))))
    assert settings.outcome.text() == "In force for new calls."
    assert not settings.apply.isEnabled()


def test_what_was_chosen_and_not_applied_is_gone_when_the_pane_is_opened_again(window: MainWindow) -> None:
    settings = pane(window)
    choose(settings, MediaEncryption.DISABLED, ConnectionProfile.VPN)
    click(settings.back)
    assert window.pages.currentWidget() is window.phone
    window.show_settings()

    assert settings.chosen() == MediaSettings()


def test_a_managed_value_is_locked_and_says_who_decided(window: MainWindow) -> None:
    media = MediaSettings(MediaEncryption.OPTIONAL, ConnectionProfile.VPN)
    settings = pane(window)
    window.render_state(after(READY, SettingsChanged(SettingsView(media=media, media_origin=Origin.MANAGED))))

    assert settings.origin.text() == "Set by your organisation."
    assert settings.encryption[MediaEncryption.OPTIONAL].isChecked()
    for control in (*settings.encryption.values(), settings.profile, settings.peer, settings.apply):
        assert not control.isEnabled()


def test_another_change_of_the_settings_keeps_what_was_chosen(window: MainWindow) -> None:
    settings = pane(window)
    choose(settings, MediaEncryption.OPTIONAL, ConnectionProfile.VPN)
    window.render_state(after(READY, SettingsChanged(replace(READY.settings, microphone="mic-2"))))

    assert settings.chosen().encryption is MediaEncryption.OPTIONAL
    assert settings.sound.microphone.chosen == "mic-2"


# Devices


def test_devices_are_named_and_the_system_s_default_is_a_choice(window: MainWindow, engine: Engine) -> None:
    settings = pane(window)
    names = [settings.sound.microphone.itemText(row) for row in range(settings.sound.microphone.count())]
    assert names == ["System default (Built-in microphone)", "Built-in microphone", "USB headset"]

    settings.sound.microphone.setFocus()
    key(settings.sound.microphone, Qt.Key.Key_End)
    settings.sound.microphone.activated.emit(2)
    assert engine.last() == ChooseDevices("mic-2", "", "")


def test_the_phone_may_ring_on_a_device_of_its_own(window: MainWindow, engine: Engine) -> None:
    sound = pane(window).sound
    names = [sound.ringer.itemText(row) for row in range(sound.ringer.count())]
    assert names == ["On the loudspeaker or headset", *(d.name for d in DEVICES if d.kind is DeviceKind.SPEAKER)]

    sound.ringer.setFocus()
    key(sound.ringer, Qt.Key.Key_Down)
    sound.ringer.activated.emit(1)
    assert engine.last() == ChooseDevices("", "", "out-1")
    window.render_state(after(READY, SettingsChanged(replace(READY.settings, ringer="out-1"))))
    assert sound.ringer.chosen == "out-1"


def test_a_device_that_is_plugged_in_appears_in_the_open_list(window: MainWindow) -> None:
    sound = pane(window).sound
    plugged = AudioDeviceView("out-9", "New headset", DeviceKind.SPEAKER)
    window.render_state(after(READY, DevicesChanged((*DEVICES, plugged))))
    for choice in (sound.speaker, sound.ringer):
        assert choice.itemText(choice.count() - 1) == "New headset"
    window.render_state(after(READY, DevicesChanged(DEVICES)))
    assert sound.speaker.findText("New headset") == -1


def test_a_chosen_device_that_is_gone_stays_named(window: MainWindow) -> None:
    settings = pane(window)
    gone = after(READY, SettingsChanged(SettingsView(speaker="Jabra 20")))
    window.render_state(replace(gone, devices=DEVICES))

    assert settings.sound.speaker.currentText() == "Jabra 20 (not connected)"
    assert settings.sound.speaker.chosen == "Jabra 20"


# With the real controller


def test_the_controller_takes_what_the_pane_applies_and_saves_it(
    window: MainWindow, engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    controller = Controller(
        settings_file=SettingsFile(file), passwords=None, list_devices=lambda: DEVICES, quit_engine=lambda: None
    )
    controller.connect(lambda command: None)
    controller.subscribe(lambda event, state: window.render_state(state))
    controller.load()
    window.show_settings()
    settings = window.settings
    choose(settings, MediaEncryption.OPTIONAL, ConnectionProfile.PRIVATE)
    click(settings.apply)
    controller.submit(engine.last())

    assert settings.outcome.text() == "In force for new calls."
    assert 'encryption = "optional"' in file.read_text(encoding="utf-8")
    assert str(file) in settings.file.text().replace("\u200b", "")


def test_what_the_controller_refuses_is_shown_as_it_is_in_force(
    window: MainWindow, engine: Engine, tmp_path: Path
) -> None:
    controller = Controller(
        settings_file=SettingsFile(tmp_path / "s.toml"),
        passwords=None,
        list_devices=lambda: DEVICES,
        quit_engine=lambda: None,
    )
    controller.connect(lambda command: None)
    controller.subscribe(lambda event, state: window.render_state(state))
    controller.load()
    window.show_settings()
    settings = window.settings
    choose(settings, MediaEncryption.OPTIONAL, ConnectionProfile.PRIVATE)
    click(settings.apply)
    controller.submit(ChangeMediaSettings(MediaSettings(MediaEncryption.DISABLED, ConnectionProfile.PUBLIC)))

    assert settings.outcome.text() == ""
    assert settings.chosen() == MediaSettings()
    assert "is not allowed on the connection profile" in window.notice.reason.text()
    assert window.notice.isVisible()
