"""Whether a device is worn at the ear or stands in the room, from what it says of itself.

Owns: `device_form`. Must not know: the sound server. A wrong guess costs an echo or a little delay, never a call; a
person may overrule it (`policy/audio.py`).
"""

from __future__ import annotations

from softphone.policy.audio import DeviceForm

_FORM_FACTORS = {  # PulseAudio's and PipeWire's `device.form_factor`
    "headset": DeviceForm.WORN,
    "headphone": DeviceForm.WORN,
    "handset": DeviceForm.WORN,
    "speaker": DeviceForm.OPEN,
    "hands-free": DeviceForm.OPEN,
    "portable": DeviceForm.OPEN,
    "car": DeviceForm.OPEN,
    "tv": DeviceForm.OPEN,
    "hifi": DeviceForm.OPEN,
    "webcam": DeviceForm.OPEN,
    "microphone": DeviceForm.OPEN,
}
"""`internal` and `computer` say nothing: there is a socket for headphones, too."""
_WORN_WORDS = (
    *("headset", "headphone", "handset", "earphone", "earpiece", "earbud", "earpod", "airpod"),
    *("kopfhörer", "casque", "écouteur", "auricular", "cuffie"),  # as Windows and macOS name them
)


def device_form(name: str, form_factor: str = "", port: str = "") -> DeviceForm:
    """`port` is the active one of a card, as its name; "" where something is not known.

    The port comes first: of one card, it is the loudspeaker or the headphones. What says nothing stands in the room.
    """
    if any(word in port.casefold() for word in _WORN_WORDS):
        return DeviceForm.WORN
    known = _FORM_FACTORS.get(form_factor)
    if known is not None:
        return known
    return DeviceForm.WORN if any(word in name.casefold() for word in _WORN_WORDS) else DeviceForm.OPEN
