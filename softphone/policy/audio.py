"""What is done to the voice, and how the phone itself sounds: choices of the settings, in their own words."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Processing(enum.Enum):
    """One treatment of the microphone's sound."""

    AUTO = "auto"  # as the device needs it: a headset has no echo
    ON = "on"
    OFF = "off"


class DeviceForm(enum.Enum):
    """Where a device is while people talk."""

    WORN = "worn"  # headset, headphones, handset: at the ear, with the microphone at the mouth
    OPEN = "open"  # loudspeakers, a microphone in the room; and whatever does not say what it is


@dataclass(frozen=True, slots=True)
class AudioOptions:
    """In force at once, in running calls too."""

    echo_cancellation: Processing = Processing.AUTO
    double_talk: Processing = Processing.AUTO  # of the echo cancellation: two who talk at once are both kept
    noise_suppression: Processing = Processing.AUTO
    high_pass: Processing = Processing.ON
    gain_control: Processing = Processing.OFF
    ringtone: str = ""  # a sound file; "": the built-in one
    country: str = ""  # ISO 3166 code: whose tones are played; "": as the system's language


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to the microphone's sound with the devices in use."""

    echo_cancellation: bool = False
    double_talk: bool = False
    noise_suppression: bool = False
    high_pass: bool = False
    gain_control: bool = False


def treatment(options: AudioOptions, microphone: DeviceForm, speaker: DeviceForm) -> Treatment:
    """What the options mean for these devices.

    A speaker at the ear is not heard by a microphone, and a microphone at the mouth hears little of the room.
    """
    room = microphone is DeviceForm.OPEN
    echo = _chosen(options.echo_cancellation, speaker is DeviceForm.OPEN)
    return Treatment(
        echo_cancellation=echo,
        double_talk=echo and _chosen(options.double_talk, True),
        noise_suppression=_chosen(options.noise_suppression, room),
        high_pass=_chosen(options.high_pass, True),
        gain_control=_chosen(options.gain_control, room),
    )


def _chosen(processing: Processing, automatically: bool) -> bool:
    return automatically if processing is Processing.AUTO else processing is Processing.ON
