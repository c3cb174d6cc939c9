"""A microphone and speaker with what is done to the voice in between: echo, noise, rumble, level.

Owns: `VoiceProcessing`: which treatment is in force, and its change in the middle of a call. Must not know: how a stage
works. It stands around the one endpoint that all calls share, so that the work is done once. Where nothing is to be
done, nothing is loaded, and a block passes as it is.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from softphone.engine.audio.backend import BLOCK_MS, DEVICE_RATE, DeviceEndpoint, NoticeSink, Samples
from softphone.engine.audio.fade import crossed
from softphone.engine.audio.voice_stages import Stage, make_stages
from softphone.errors import Failure, FailureKind
from softphone.policy.audio import AudioOptions, DeviceForm, Treatment, treatment

_log = logging.getLogger(__name__)
_BLOCK = DEVICE_RATE * BLOCK_MS // 1000
_NAMES = {
    "echo_cancellation": "Echo cancellation",
    "noise_suppression": "Noise suppression",
    "high_pass": "The rumble filter",
    "gain_control": "Level control",
}


class VoiceProcessing:
    """Implements AudioEndpoint.

    `use` may be called from any thread; stages are made in a thread of their own. `read` is of one thread alone: two in
    the same stage at once end the process.
    """

    def __init__(
        self,
        devices: DeviceEndpoint,
        options: AudioOptions,
        on_notice: NoticeSink,
        make: Callable[[Treatment], tuple[Stage, ...]] = make_stages,
    ) -> None:
        self._devices = devices
        self._options = options
        self._on_notice = on_notice
        self._make = make
        self._known: tuple[AudioOptions, tuple[DeviceForm, DeviceForm]] | None = None
        self._wanted = Treatment()  # what is in force, or being made
        self._stages: tuple[Stage, ...] = ()
        self._made: deque[tuple[Treatment, tuple[Stage, ...]]] = deque()  # by other threads, not yet in force
        self._maker: threading.Thread | None = None
        self._silence: Samples = np.zeros(_BLOCK, np.int16)

    @property
    def sample_rate(self) -> int:
        return self._devices.sample_rate

    @property
    def in_force(self) -> Treatment:
        """What is done to the voice, or will be within a moment."""
        return self._wanted

    @property
    def being_made(self) -> bool:
        """Stages are wanted that are not there yet."""
        return self._maker is not None and self._maker.is_alive()

    def use(self, options: AudioOptions) -> None:
        """In force at once, in running calls too; what failed is tried again once it means something else."""
        self._options = options

    def start(self) -> None:
        self._stages, self._known, self._wanted = (), None, Treatment()  # a room may be another one since the last call
        self._devices.start()
        self._follow()

    def listen(self, wanted: bool) -> None:
        self._devices.listen(wanted)

    def read(self, samples: int) -> Samples:
        sound = self._devices.read(samples)
        if samples != _BLOCK:
            return sound
        self._follow()
        if not self._made and not self._stages:
            return sound
        far = self._devices.played()
        try:
            return self._processed(sound, self._silence if far is None else far)
        except Exception as error:  # noqa: BLE001 - the voice goes on without what failed
            _log.exception("voice processing failed")
            self._stages = ()
            self._fail(self._wanted, str(error) or type(error).__name__)
            return sound

    def write(self, frame: Samples) -> None:
        self._devices.write(frame)

    def stop(self) -> None:
        self._devices.stop()

    def _processed(self, near: Samples, far: Samples) -> Samples:
        before = _run(self._stages, near, far)
        changed = False
        while self._made:
            made, stages = self._made.popleft()
            if made == self._wanted:  # else it has changed again meanwhile
                self._stages, changed = stages, True
        return crossed(before, _run(self._stages, near, far)) if changed else before

    def _follow(self) -> None:
        """Options and devices may have changed; the stages are the same as long as they mean the same."""
        known = (self._options, self._devices.forms)
        if known == self._known:
            return
        self._known = known
        options, (microphone, speaker) = known
        wanted = treatment(options, microphone, speaker)
        if wanted == self._wanted:
            return
        self._wanted = wanted
        _log.info("voice processing: %s", wanted)
        if wanted == Treatment():
            self._made.append((wanted, ()))
        else:
            self._maker = threading.Thread(target=self._prepare, args=(wanted,), name="voice-stages", daemon=True)
            self._maker.start()

    def _prepare(self, wanted: Treatment) -> None:
        """The thread of its own: a library is loaded, which takes longer than a block lasts."""
        try:
            self._made.append((wanted, self._make(wanted)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the call goes on without
            _log.warning("voice processing cannot be had: %s", error)
            self._fail(wanted, str(error) or type(error).__name__)

    def _fail(self, wanted: Treatment, why: str) -> None:
        self._made.append((wanted, ()))
        names = [name for key, name in _NAMES.items() if getattr(wanted, key)]
        listed = ", ".join([names[0], *(name[0].lower() + name[1:] for name in names[1:])]) if names else "Processing"
        self._on_notice(
            Failure(
                FailureKind.AUDIO_DEVICE,
                f"The microphone's sound goes out as it is. This does not work: {listed} ({why}).",
                "The call goes on. Use a headset, or switch it off in the settings; installing again may help.",
            )
        )


def _run(stages: tuple[Stage, ...], near: Samples, far: Samples) -> Samples:
    for stage in stages:
        near = stage.process(near, far)
    return near
