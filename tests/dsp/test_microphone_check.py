"""Levels, clipping, dead microphones and holes, from recordings whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from softphone.dsp.level import FLOOR_DBFS
from softphone.dsp.microphone_check import CLIPPED_AT, MicrophoneCheck, clips, peak_dbfs
from softphone.dsp.microphone_watch import SILENT_PEAK, MicrophoneWatch, MutedVoice

RATE, BLOCK = 48_000, 480


def sine(level_db: float, seconds: float = 1.0) -> NDArray[np.int16]:
    wave = np.sin(2 * np.pi * 440 * np.arange(int(seconds * RATE)) / RATE) * 10 ** (level_db / 20)
    return np.asarray(np.clip(np.rint(wave * 32767), -32768, 32767), np.int16)


def noise(level_db: float, seconds: float = 1.0) -> NDArray[np.int16]:
    wave = np.random.default_rng(7).standard_normal(int(seconds * RATE)) * 10 ** (level_db / 20) / np.sqrt(2)
    return np.asarray(np.clip(np.rint(wave * 32767), -32768, 32767), np.int16)


def checked(*parts: NDArray[np.int16]) -> MicrophoneCheck:
    check = MicrophoneCheck()
    recording = np.concatenate(parts)
    for start in range(0, recording.size, BLOCK):
        check.add(recording[start : start + BLOCK])
    return check


def test_speech_and_the_rooms_noise_are_told_apart() -> None:
    figures = checked(noise(-60, 3), sine(-20, 1)).figures()
    assert figures.level_db == pytest.approx(-20, abs=0.5)
    assert figures.noise_db == pytest.approx(-60, abs=1.0)
    assert figures.peak_db == pytest.approx(-20, abs=0.5)
    assert (figures.clipped, figures.dead, figures.holes) == (0, False, 0)


def test_digital_silence_is_dead_and_one_step_of_the_converter_is_not() -> None:
    silence = np.zeros(RATE, np.int16)
    assert checked(silence).figures().dead
    silence[100] = 1
    assert not checked(silence).figures().dead
    assert MicrophoneCheck().figures().dead


def test_a_wave_that_is_cut_off_clips_and_a_loud_one_does_not() -> None:
    assert checked(sine(+6, 1)).figures().clipped == 100
    assert checked(sine(-0.5, 1)).figures().clipped == 0
    single = np.zeros(BLOCK, np.int16)
    single[[3, 5, 7]] = 32767
    assert not clips(single)
    single[3:6] = -32768
    assert clips(single)
    assert not clips(np.array([CLIPPED_AT] * 2, np.int16))
    assert not clips(np.zeros(0, np.int16))


def test_lost_blocks_are_counted_as_holes_and_pauses_are_not() -> None:
    gap, pause = np.zeros(3 * BLOCK, np.int16), np.zeros(50 * BLOCK, np.int16)
    assert checked(noise(-50), gap, noise(-50), gap, noise(-50)).figures().holes == 2
    assert checked(pause, noise(-50), pause, noise(-50), pause).figures().holes == 0


def test_the_lowest_sample_has_a_peak_of_its_own() -> None:
    assert peak_dbfs(np.array([-32768], np.int16)) == 0.0
    assert peak_dbfs(np.zeros(4, np.int16)) == FLOOR_DBFS


def test_a_call_knows_for_how_long_its_microphone_has_been_silent() -> None:
    watch = MicrophoneWatch(RATE)
    for _ in range(300):
        watch.heard(np.full(BLOCK, -SILENT_PEAK, np.int16))
    assert watch.silent_s == pytest.approx(3.0)
    for block in (noise(-75, 0.01), *[np.zeros(BLOCK, np.int16)] * 9):
        watch.heard(block)
    assert watch.silent_s == 0.0, "a quiet room is no silence"
    for _ in range(10):
        watch.heard(np.zeros(BLOCK, np.int16))
    watch.absent()
    assert watch.silent_s == pytest.approx(0.1), "a block that did not come is no sound"
    for _ in range(50):
        watch.absent()
    assert watch.silent_s == 0.0


def test_a_call_counts_the_blocks_that_clip() -> None:
    watch = MicrophoneWatch(RATE)
    for level in (+6.0, -1.0):
        for start in range(0, RATE, BLOCK):
            watch.heard(sine(level)[start : start + BLOCK])
    assert watch.clipped == 100


def test_speech_of_a_muted_person_is_told_from_the_room() -> None:
    voice = MutedVoice(RATE)
    for frame in [noise(-70, 0.02)] * 50 + [sine(-20, 0.02)] * 50 + [noise(-70, 0.02)] * 50:
        voice.heard(frame)
    assert 1000 <= voice.spoken_ms <= 1500, "and what hangs over"
