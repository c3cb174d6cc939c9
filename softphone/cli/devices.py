"""`softphone devices`: the microphones and speakers of this machine, by the names people know (cli.md)."""

from __future__ import annotations

from dataclasses import dataclass

from softphone.cli.options import usage
from softphone.cli.output import Output, Result
from softphone.cli.phone_access import Composition
from softphone.engine.waiting import in_thread
from softphone.messages import AudioDeviceView, DeviceKind

_TITLES = {DeviceKind.MICROPHONE: "Microphones", DeviceKind.SPEAKER: "Speakers"}


@dataclass(slots=True)
class DevicesCommand:
    composition: Composition
    output: Output
    test: bool

    async def run(self) -> Result:
        """Raises OperationFailed (USAGE) for `--test`: the loop test is not built yet."""
        if self.test:
            raise usage("devices --test is not built yet.", "Leave --test out; “softphone demo” needs no device.")
        devices: tuple[AudioDeviceView, ...] = await in_thread(self.composition.list_devices)
        if self.output.json_lines:
            return Result({"devices": [_fields(device) for device in devices]})
        for kind, title in _TITLES.items():
            self._say(title, tuple(device for device in devices if device.kind is kind))
        return Result({"devices": len(devices)})

    def _say(self, title: str, devices: tuple[AudioDeviceView, ...]) -> None:
        self.output.say(f"{title}:" if devices else f"{title}: none")
        for device in devices:
            default = "   (the system's default)" if device.is_default else ""
            self.output.say(f"  {device.name}{default}\n      {device.id}")


def _fields(device: AudioDeviceView) -> dict[str, str | bool]:
    return {"id": device.id, "name": device.name, "kind": device.kind.value, "default": device.is_default}
