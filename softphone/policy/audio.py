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
    noise_suppression: Processing = Processing.AUTO
    high_pass: Processing = Processing.ON
    gain_control: Processing = Processing.OFF
    ringtone: str = ""  # a sound file; "": the built-in one
    country: str = ""  # ISO 3166 code: whose tones are played; "": as the system's language
