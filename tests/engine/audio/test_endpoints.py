"""The endpoints without a device."""

from __future__ import annotations

import numpy as np
import pytest

from softphone.dsp.level import level_dbfs
from softphone.dsp.tone import Tone
from softphone.engine.audio.backend import AudioDevice, AudioDeviceKind, AudioEndpoint, find_device
from softphone.engine.audio.file import MemoryEndpoint
from softphone.engine.audio.loop import LoopEndpoint
from softphone.engine.audio.null import NullEndpoint
from softphone.engine.audio.tone import ToneEndpoint
from tests.engine.media.lockstep import voice

MICROPHONE, SPEAKER = AudioDeviceKind.MICROPHONE, AudioDeviceKind.SPEAKER
DEVICES = (
    AudioDevice("in.1", "Headset", MICROPHONE, False, 1),
    AudioDevice("in.2", "Camera", MICROPHONE, True, 2),
    AudioDevice("out.1", "Headset", SPEAKER, True, 2),
)


@pytest.mark.parametrize(
    "endpoint", [NullEndpoint(), ToneEndpoint(), LoopEndpoint(), MemoryEndpoint(np.zeros(3, np.int16))]
)
def test_every_endpoint_reads_exactly_what_was_asked(endpoint: AudioEndpoint) -> None:
    endpoint.start()
    for samples in (480, 1, 960):
        frame = endpoint.read(samples)
        assert frame.size == samples
        assert frame.dtype == np.int16
        endpoint.write(frame)
    endpoint.stop()
    endpoint.stop()


def test_what_is_written_comes_back_after_the_delay() -> None:
    endpoint = LoopEndpoint(8000, delay_ms=100)
    endpoint.start()
    said = voice(0.5, 8000)
    heard = []
    for start in range(0, said.size, 80):
        endpoint.write(said[start : start + 80])
        heard.append(endpoint.read(80))
    back = np.concatenate(heard)
    assert not back[:800].any()
    assert np.array_equal(back[800:], said[:-800])


def test_what_nobody_reads_does_not_pile_up() -> None:
    endpoint = LoopEndpoint(8000)
    endpoint.start()
    for _ in range(1000):
        endpoint.write(np.ones(80, np.int16))
    assert np.count_nonzero(endpoint.read(80_000)) == 4000  # half a second


def test_a_tone_has_the_level_that_was_asked() -> None:
    endpoint = ToneEndpoint(Tone((1000.0,), -20.0))
    assert level_dbfs(endpoint.read(48_000)) == pytest.approx(-20, abs=0.1)


@pytest.mark.parametrize(
    ("kind", "wanted", "found"),
    [
        (MICROPHONE, None, "in.2"),
        (MICROPHONE, "in.1", "in.1"),
        (MICROPHONE, "headset", "in.1"),
        (SPEAKER, "Headset", "out.1"),
        (SPEAKER, "in.1", None),
        (SPEAKER, "Camera", None),
    ],
)
def test_a_device_is_found_by_id_or_by_the_name_people_know(
    kind: AudioDeviceKind, wanted: str | None, found: str | None
) -> None:
    device = find_device(DEVICES, kind, wanted)
    assert (device and device.id) == found
