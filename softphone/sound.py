"""Which microphone and speaker the calls get: the sound card, files, or nothing at all.

Owns: that choice, and the sound library's life: it is loaded only when a device is really wanted. A front end's floor
(4) beside the controller.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from softphone import configuration
from softphone.engine.audio.backend import AudioDevice, AudioDeviceKind, AudioEndpoint, DeviceChoice, find_device
from softphone.engine.audio.device_endpoint import SoundCardEndpoint
from softphone.engine.audio.device_test import TestedDevices
from softphone.engine.audio.file import FileEndpoint
from softphone.engine.audio.null import NullEndpoint
from softphone.engine.audio.sound_devices import SoundDevices
from softphone.engine.audio.voice_processing import VoiceProcessing
from softphone.errors import Failure
from softphone.messages import AudioDeviceView, DeviceKind
from softphone.storage.settings import AudioSection
from softphone.ua.media_report import MicrophoneState

_KINDS = {AudioDeviceKind.MICROPHONE: DeviceKind.MICROPHONE, AudioDeviceKind.SPEAKER: DeviceKind.SPEAKER}


class AudioKind(enum.Enum):
    DEVICE = "device"
    NULL = "null"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class AudioChoice:
    """`play` and `record` belong to FILE."""

    kind: AudioKind = AudioKind.DEVICE
    play: Path | None = None
    record: Path | None = None


class Sound:
    """`chosen()` gives the devices of the settings; `notice` and `on_devices` may be called from any thread."""

    def __init__(
        self,
        choice: AudioChoice,
        chosen: Callable[[], AudioSection],
        notice: Callable[[Failure], None],
        on_devices: Callable[[tuple[AudioDeviceView, ...]], None] | None = None,
    ) -> None:
        """`on_devices` is told when a device came or went or another one is the default, once they were listed."""
        self._choice, self._chosen, self._notice, self._on_devices = choice, chosen, notice, on_devices
        self._devices: SoundDevices | None = None
        self._endpoint: AudioEndpoint | None = None
        self._card: SoundCardEndpoint | None = None
        self._processing: VoiceProcessing | None = None  # around the card
        self._ringer: SoundCardEndpoint | None = None

    def check(self) -> None:
        """Raises OperationFailed (AUDIO_DEVICE, USAGE) where the choice cannot work, before anything is dialled."""
        match self._choice.kind:
            case AudioKind.DEVICE:
                self._sound_devices().require(self._device_choice())
            case AudioKind.FILE:
                FileEndpoint(self._choice.play)
            case AudioKind.NULL:
                return

    def endpoint(self) -> AudioEndpoint:
        """The one microphone and speaker that all calls share; its devices change with the settings.

        Raises OperationFailed where the file to play has gone.
        """
        if self._endpoint is None:
            self._endpoint = self._make()
        return self._endpoint

    def speaker(self) -> AudioEndpoint | None:
        """Where tones for the person are played. None: over the calls only; a recording begins with a call's voice."""
        return self.endpoint() if self._choice.kind is AudioKind.DEVICE else None

    def ringer(self) -> AudioEndpoint | None:
        """Where a call is announced: the speaker's endpoint, or one of its own; its microphone is of no use."""
        if self._choice.kind is not AudioKind.DEVICE:
            return None
        if not self._ringer_apart:
            return self.endpoint()
        if self._ringer is None:
            self._ringer = self._sound_devices().endpoint(self._ringer_choice(), self._notice)
        return self._ringer

    def settings_changed(self) -> None:
        """Other devices or another treatment may have been chosen: in force from now on, in running calls too."""
        if self._card is not None:
            self._card.choose(self._device_choice())
        if self._processing is not None:
            self._processing.use(configuration.audio_options(self._chosen()))
        if self._ringer is not None:
            self._ringer.choose(self._ringer_choice())

    def _make(self) -> AudioEndpoint:
        match self._choice.kind:
            case AudioKind.FILE:
                return FileEndpoint(self._choice.play, self._choice.record)
            case AudioKind.NULL:
                return NullEndpoint()
            case _:
                self._card = self._sound_devices().endpoint(self._device_choice(), self._notice)
                options = configuration.audio_options(self._chosen())
                self._processing = VoiceProcessing(self._card, options, self._notice)
                return self._processing

    def tested_devices(self) -> TestedDevices:
        """The chosen microphone and speaker as they are, with nothing done to the voice: for the test of them.

        Raises OperationFailed (AUDIO_DEVICE, USAGE) where one is missing. May take 1.5 s.
        """
        options = configuration.audio_options(self._chosen())
        if self._choice.kind is not AudioKind.DEVICE:
            endpoint = self._make()
            return TestedDevices(lambda _notice: endpoint, self._choice.kind.value, self._choice.kind.value, options)
        sound, choice = self._sound_devices(), self._device_choice()
        sound.require(choice)
        listed = sound.list()
        microphone = find_device(listed, AudioDeviceKind.MICROPHONE, choice.microphone)
        speaker = find_device(listed, AudioDeviceKind.SPEAKER, choice.speaker)
        return TestedDevices(
            lambda notice: sound.endpoint(choice, notice),
            microphone.name if microphone is not None else "",
            speaker.name if speaker is not None else "",
            options,
        )

    def microphone(self) -> MicrophoneState | None:
        """Of the calls, as the device delivers it; None where it is no device. From any thread."""
        return self._card.microphone if self._card is not None else None

    def list_devices(self) -> tuple[AudioDeviceView, ...]:
        if self._choice.kind is not AudioKind.DEVICE:
            return ()
        return _views(self._sound_devices().list())

    def close(self) -> None:
        if self._devices is not None:
            self._devices.close()

    def _sound_devices(self) -> SoundDevices:
        if self._devices is None:
            told = self._on_devices
            self._devices = SoundDevices(None if told is None else lambda devices: told(_views(devices)))
        return self._devices

    def _device_choice(self) -> DeviceChoice:
        audio = self._chosen()
        return DeviceChoice(audio.microphone or None, audio.speaker or None)

    @property
    def _ringer_apart(self) -> bool:
        audio = self._chosen()
        return audio.ringer not in ("", audio.speaker)

    def _ringer_choice(self) -> DeviceChoice:
        audio = self._chosen()
        return DeviceChoice(audio.microphone or None, audio.ringer or audio.speaker or None)


def _views(devices: tuple[AudioDevice, ...]) -> tuple[AudioDeviceView, ...]:
    return tuple(
        AudioDeviceView(device.id, device.name, _KINDS[device.kind], device.is_default, device.form)
        for device in devices
    )
