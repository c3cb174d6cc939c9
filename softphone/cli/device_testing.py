"""`softphone devices --test`: microphone, speaker and the way between them, with figures and a verdict (cli.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from softphone.cli.level_line import LevelLine
from softphone.cli.output import Output, Result
from softphone.cli.phone_access import Composition
from softphone.cli.registering import INTERRUPTED
from softphone.engine.audio.device_test import DeviceTest, Progress, Stopped, TestedDevices, dead_microphone
from softphone.engine.waiting import Inbox, in_thread
from softphone.errors import OperationFailed
from softphone.storage.settings import AudioSection
from softphone.ua.device_report import DeviceTestResult, DeviceTestStep

STEPS = (DeviceTestStep.MICROPHONE, DeviceTestStep.SPEAKER, DeviceTestStep.LOOP)
_ASKED = {
    DeviceTestStep.MICROPHONE: "Microphone “{microphone}”: speak now, as in a call.",
    DeviceTestStep.SPEAKER: "Speaker “{speaker}”: four notes.",
    DeviceTestStep.LOOP: "Both: chirps out of the speaker, and whether the microphone hears them. Be quiet, please.",
}


class Over:
    """The test's thread has ended."""


@dataclass(slots=True)
class DeviceTestCommand:
    composition: Composition
    output: Output
    audio: AudioSection  # which devices, and what is done against the echo
    seconds: float

    async def run(self) -> Result:
        """Raises OperationFailed: AUDIO_DEVICE where one is missing or does not work, USAGE for an unknown name."""
        with self.composition.sound(self.audio) as sound:
            devices: TestedDevices = await in_thread(sound.tested_devices)
            result = await self._followed(devices)
        failure = dead_microphone(result)
        return Result(_objects(result) if self.output.json_lines else _sentences(result), failure)

    async def _followed(self, devices: TestedDevices) -> DeviceTestResult:
        inbox: Inbox[Progress | Over] = Inbox()
        inbox.catch_interrupts()
        test = DeviceTest(devices, inbox.put_from_thread, speak_s=self.seconds)
        running = inbox.begin(lambda: test.run(STEPS), Over())
        step: DeviceTestStep | None = None
        line = LevelLine(self.output)
        try:
            while not isinstance(item := await inbox.next(), Over):
                if not isinstance(item, Progress):  # an interrupt
                    test.stop()
                    continue
                if item.step is not step:
                    step = item.step
                    self._announce(step, devices)
                line.show(item)
        finally:
            line.close()
            test.stop()
        try:
            return await running
        except Stopped:
            raise OperationFailed(INTERRUPTED) from None

    def _announce(self, step: DeviceTestStep, devices: TestedDevices) -> None:
        if self.output.json_lines:
            self.output.event("step", step=step)
        else:
            self.output.say(_ASKED[step].format(microphone=devices.microphone, speaker=devices.speaker))


def _objects(result: DeviceTestResult) -> dict[str, Any]:
    parts = {"microphone": result.microphone, "speaker": result.speaker, "loop": result.loop}
    return {name: None if part is None else asdict(part) for name, part in parts.items()}


def _sentences(result: DeviceTestResult) -> dict[str, Any]:
    microphone, speaker, loop = result.microphone, result.speaker, result.loop
    said: dict[str, Any] = {}
    if microphone is not None:
        said["microphone"] = f"{microphone.sentence} {'' if microphone.silent else microphone.remedy}".strip()
        said["level"] = (
            f"{microphone.level_db:.0f} dBFS, peak {microphone.peak_db:.0f}, pauses {microphone.noise_db:.0f}"
        )
        said["dropouts"] = microphone.dropouts
    if speaker is not None:
        said["speaker"] = f"{speaker.sentence} {speaker.remedy}"
    if loop is not None:
        said["loop"] = f"{loop.sentence} {loop.remedy}".strip()
        said["latency"] = None if loop.latency_ms is None else f"{loop.latency_ms:.0f} ms"
        said["echo return"] = None if loop.echo_return_db is None else f"{loop.echo_return_db:.0f} dB"
    return said
