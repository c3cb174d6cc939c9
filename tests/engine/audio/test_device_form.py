"""Headset or loudspeaker: what devices say of themselves."""

from __future__ import annotations

import pytest

from softphone.engine.audio.device_form import device_form
from softphone.policy.audio import DeviceForm

WORN, OPEN = DeviceForm.WORN, DeviceForm.OPEN


@pytest.mark.parametrize(
    ("name", "form_factor", "port", "form"),
    [
        ("Built-in Audio Analog Stereo", "internal", "analog-output-speaker", OPEN),
        ("Built-in Audio Analog Stereo", "internal", "analog-output-headphones", WORN),
        ("Built-in Audio Analog Stereo", "internal", "analog-input-headset-mic", WORN),
        ("USB Audio Device", "headset", "analog-output", WORN),
        ("Desk phone", "handset", "", WORN),
        ("Car kit", "hands-free", "", OPEN),
        ("Headset stand with loudspeaker", "speaker", "", OPEN),
        ("HDA NVidia HDMI", "", "hdmi-output-0", OPEN),
        ("Null Output", "", "", OPEN),
        ("Headset Earphone (Jabra EVOLVE 20)", "", "", WORN),
        ("Speakers (Realtek High Definition Audio)", "", "", OPEN),
        ("MacBook Pro Microphone", "", "", OPEN),
        ("Anna’s AirPods Pro", "", "", WORN),
        ("Externe Kopfhörer", "", "", WORN),
    ],
)
def test_the_port_speaks_first_then_the_form_then_the_name(
    name: str, form_factor: str, port: str, form: DeviceForm
) -> None:
    assert device_form(name, form_factor, port) is form
