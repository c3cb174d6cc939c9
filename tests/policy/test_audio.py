"""What the choices about the voice mean for the devices in use."""

from __future__ import annotations

from softphone.policy.audio import AudioOptions, DeviceForm, Processing, Treatment, treatment

WORN, OPEN = DeviceForm.WORN, DeviceForm.OPEN


def everything(choice: Processing) -> AudioOptions:
    return AudioOptions(
        echo_cancellation=choice, double_talk=choice, noise_suppression=choice, high_pass=choice, gain_control=choice
    )


def test_auto_does_all_for_loudspeakers_and_next_to_nothing_for_a_headset() -> None:
    assert treatment(everything(Processing.AUTO), OPEN, OPEN) == Treatment(True, True, True, True, True)
    assert treatment(everything(Processing.AUTO), WORN, WORN) == Treatment(high_pass=True)


def test_an_echo_is_a_matter_of_the_speaker_and_noise_one_of_the_microphone() -> None:
    assert treatment(AudioOptions(), WORN, OPEN) == Treatment(echo_cancellation=True, double_talk=True, high_pass=True)
    assert treatment(AudioOptions(), OPEN, WORN) == Treatment(noise_suppression=True, high_pass=True)


def test_a_choice_of_ones_own_overrules_the_device() -> None:
    on, off = everything(Processing.ON), everything(Processing.OFF)
    assert treatment(on, WORN, WORN) == Treatment(True, True, True, True, True)
    assert treatment(off, OPEN, OPEN) == Treatment()


def test_two_talkers_are_a_matter_of_the_echo_cancellation() -> None:
    alone = AudioOptions(echo_cancellation=Processing.OFF, double_talk=Processing.ON)
    assert not treatment(alone, OPEN, OPEN).double_talk
    assert not treatment(AudioOptions(double_talk=Processing.OFF), OPEN, OPEN).double_talk
