"""`softphone devices`: the microphones and speakers of this machine, by the names people know (cli.md)."""

from __future__ import annotations

from dataclasses import dataclass

from softphone.cli.output import Output, Result
from softphone.cli.phone_access import Composition
from softphone.engine.audio.device_thread import DeviceUnavailable
from softphone.engine.audio.pulse_devices import pulse_devices
from softphone.engine.audio.sound_library import SoundLibrary, sound_library
from softphone.engine.waiting import in_thread
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import AudioDeviceView, DeviceKind

_TITLES = {DeviceKind.MICROPHONE: "Microphones", DeviceKind.SPEAKER: "Speakers"}


@dataclass(slots=True)
class DevicesCommand:
    composition: Composition
    output: Output

    async def run(self) -> Result:
        """Raises OperationFailed (AUDIO_DEVICE) where there is no way to devices."""
        try:
            library = await in_thread(_library)
        except DeviceUnavailable as error:
            reason = f"Sound devices cannot be used: {error}."
            remedy = "Start the sound system again, or install PortAudio (on Debian and Ubuntu: libportaudio2)."
            raise OperationFailed(Failure(FailureKind.AUDIO_DEVICE, reason, remedy)) from error
        devices: tuple[AudioDeviceView, ...] = await in_thread(self.composition.list_devices)
        if self.output.json_lines:
            known = {"version": library.version, "file": library.file}
            return Result({"devices": [_fields(device) for device in devices], "sound_library": known})
        for kind, title in _TITLES.items():
            self._say(title, tuple(device for device in devices if device.kind is kind))
        return Result({"devices": len(devices), "sound_library": f"{library.version} ({library.file})"})

    def _say(self, title: str, devices: tuple[AudioDeviceView, ...]) -> None:
        self.output.say(f"{title}:" if devices else f"{title}: none")
        for device in devices:
            default = "   (the system's default)" if device.is_default else ""
            self.output.say(f"  {device.name}{default}\n      {device.id}")


def _library() -> SoundLibrary:
    """Raises DeviceUnavailable. A sound server that hangs is asked first: PortAudio would wait for it for ever."""
    pulse_devices()
    return sound_library()


def _fields(device: AudioDeviceView) -> dict[str, str | bool]:
    return {"id": device.id, "name": device.name, "kind": device.kind.value, "default": device.is_default}
