"""Where each tone is played: the ring on the ringer, all else on the speaker; samples and keys; what cannot be had."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from softphone.engine import tone_sample
from softphone.engine.audio.backend import AudioEndpoint
from softphone.engine.audio.file import MemoryEndpoint
from softphone.engine.core import EngineCore
from softphone.engine.tone_sample import ToneSample
from softphone.engine.waiting import run
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import AppEvent, Noticed, PlaySample, PressKey, SamplePlaying, StopSample
from softphone.policy.tls import TlsSettings
from softphone.ua.actions import PlayDigit, PlayTone, Tone
from softphone.ua.user_agent import UserAgent
from tests.engine.test_core import SilentServer

RATE = 48_000
HEARD = 10  # of 32767: a ring begins softly
Devices = Callable[[], AudioEndpoint | None]


def device() -> MemoryEndpoint:
    return MemoryEndpoint(np.zeros(RATE, np.int16), RATE, loop=True)


def missing() -> AudioEndpoint:
    raise OperationFailed(Failure(FailureKind.AUDIO_DEVICE, "There is no such device.", "Connect one."))


def sounds(endpoint: MemoryEndpoint) -> bool:
    return bool((np.abs(endpoint.heard().astype(int)) > HEARD).any())


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


@asynccontextmanager
async def core_with(speaker: Devices, ringer: Devices) -> AsyncIterator[EngineCore]:
    core = EngineCore(
        UserAgent(secrets.token_bytes),
        opener=SilentServer(polite=True),
        tls_settings=lambda _: TlsSettings(),
        endpoint=lambda _: device(),
        publish=lambda _: None,
        speaker=speaker,
        ringer=ringer,
    )
    try:
        yield core
    finally:
        await core.close(within=0.1)


@pytest.mark.parametrize("tone", list(Tone))
def test_the_ring_is_heard_on_the_ringer_and_all_else_on_the_speaker(tone: Tone) -> None:
    async def work() -> None:
        speaker, ringer = device(), device()
        async with core_with(lambda: speaker, lambda: ringer) as core:
            core._perform(PlayTone("c", tone))
            wanted, other = (ringer, speaker) if tone is Tone.RINGING else (speaker, ringer)
            await until(lambda: sounds(wanted))
            core._perform(PlayTone("c", None))
            assert other.heard().size == 0, "it was not even opened"

    run(work())


def test_a_ring_stops_within_a_tick_of_being_stopped() -> None:
    async def work() -> None:
        ringer = device()
        async with core_with(device, lambda: ringer) as core:
            core._perform(PlayTone("c", Tone.RINGING))
            await until(lambda: sounds(ringer))
            core._perform(PlayTone("c", None))
            await until(lambda: bool(ringer.heard().size > 960 and not ringer.heard()[-960:].any()))
            heard = np.abs(ringer.heard().astype(int))
            last = int(np.flatnonzero(heard)[-1])
            await asyncio.sleep(0.3)
            assert not ringer.heard()[last + 1 :].any()

    run(work())


def test_a_ring_whose_device_is_missing_is_heard_on_the_speaker() -> None:
    async def work() -> None:
        speaker = device()
        async with core_with(lambda: speaker, missing) as core:
            core._perform(PlayTone("c", Tone.RINGING))
            await until(lambda: sounds(speaker))

    run(work())


def test_without_any_device_nothing_fails_and_a_sample_says_so() -> None:
    async def work() -> None:
        said: list[AppEvent] = []
        async with core_with(missing, missing) as core:
            core._perform(PlayTone("c", Tone.RINGING))
            core._perform(PlayTone("c", Tone.BUSY))
            core._perform(PlayDigit("c", "5"))
            sample = ToneSample(core, said.append)
            sample.command(PlaySample(Tone.RINGING))
            await until(lambda: bool(said))
        (notice,) = said
        assert isinstance(notice, Noticed)
        assert notice.failure.kind is FailureKind.AUDIO_DEVICE

    run(work())


def test_where_sound_goes_to_files_only_tones_over_a_call_are_asked_for() -> None:
    """A recording holds the call and not what the person alone would have heard."""

    async def work() -> None:
        async with core_with(lambda: None, lambda: None) as core:
            played: list[str] = []
            core.media.play_tone = lambda name, sound, endpoint: played.append(name)  # type: ignore[method-assign]
            for tone in Tone:
                core._perform(PlayTone(tone.value, tone))
            core._perform(PlayDigit("c", "5"))
            assert played == ["call-waiting", "auto-answered", "recording", "not-recording"]

    run(work())


def test_a_key_is_short_and_what_plays_goes_on() -> None:
    async def work() -> None:
        speaker = device()
        async with core_with(lambda: speaker, device) as core:
            sample = ToneSample(core, lambda _event: None)
            sample.command(PressKey("5"))
            sample.command(PressKey("no key"))
            await until(lambda: sounds(speaker) and not speaker.heard()[-RATE // 10 :].any())
            heard = np.flatnonzero(np.abs(speaker.heard().astype(int)) > HEARD)
            assert 0.05 < (heard[-1] - heard[0]) / RATE < 0.15

    run(work())


def test_a_sample_begins_ends_and_is_over_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def work() -> None:
        said: list[AppEvent] = []
        ringer = device()
        async with core_with(device, lambda: ringer) as core:
            sample = ToneSample(core, said.append)
            sample.command(StopSample())
            assert said == []
            sample.command(PlaySample(Tone.RINGING, str(tmp_path / "none.wav")))
            await until(lambda: sounds(ringer))  # the built-in one
            assert said == [SamplePlaying(True)]
            sample.command(PlaySample(Tone.RINGING))
            await asyncio.sleep(0.05)
            sample.command(StopSample())
            assert said == [SamplePlaying(True), SamplePlaying(False)]
            monkeypatch.setattr(tone_sample, "LONGEST_S", 0.1)
            sample.command(PlaySample(Tone.BUSY))
            await until(lambda: len(said) == 4)
            assert said[2:] == [SamplePlaying(True), SamplePlaying(False)]
            sample.close()

    run(work())
