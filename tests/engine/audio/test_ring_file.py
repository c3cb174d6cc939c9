"""softphone/engine/audio/ring_file.py: a person's own sound as a ring; anything else is refused in words."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from softphone.engine.audio.ring_file import LARGEST_FILE, LONGEST_S, ring_octets, ring_of
from softphone.errors import FailureKind, OperationFailed

RATE = 48_000
HERTZ = 700


def read(name: str, rate: int) -> NDArray[np.int16]:
    return ring_of(name, ring_octets(name), rate)


def sound(seconds: float, rate: int, level: float = 0.1) -> NDArray[np.float32]:
    return (level * np.sin(2 * np.pi * HERTZ * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def loudest(samples: NDArray[np.int16]) -> float:
    """Hz."""
    return float(np.argmax(np.abs(np.fft.rfft(samples[:RATE].astype(float)))))


def refusal(path: Path | str) -> str:
    with pytest.raises(OperationFailed) as caught:
        read(str(path), RATE)
    failure = caught.value.failure
    assert failure.kind is FailureKind.SETTINGS
    assert "the built-in one is heard" in failure.reason
    assert failure.remedy
    return failure.reason


@pytest.mark.parametrize("name", ["bell.wav", "bell.flac", "bell.ogg", "bell.mp3", "bell.aiff"])
@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
def test_every_usual_format_and_rate(tmp_path: Path, name: str, rate: int) -> None:
    soundfile.write(str(tmp_path / name), sound(2.0, rate), rate)
    ring = read(str(tmp_path / name), RATE)
    assert loudest(ring) == pytest.approx(HERTZ, abs=2)
    assert np.abs(ring.astype(int)).max() == pytest.approx(0.5 * 32767, rel=0.05)  # however quiet the file is


def test_channels_are_mixed(tmp_path: Path) -> None:
    left = sound(1.0, RATE)
    soundfile.write(str(tmp_path / "s.flac"), np.stack((left, np.zeros_like(left)), axis=1), RATE)
    assert loudest(read(str(tmp_path / "s.flac"), RATE)) == HERTZ


def test_a_short_chime_gets_its_rest_and_a_long_one_a_second(tmp_path: Path) -> None:
    for seconds, period in ((0.5, 4.0), (10.0, 11.0)):
        soundfile.write(str(tmp_path / "c.wav"), sound(seconds, RATE), RATE)
        ring = read(str(tmp_path / "c.wav"), RATE)
        assert ring.size == period * RATE
        assert not ring[-RATE:].any()


def test_only_the_beginning_of_a_very_long_file_is_read(tmp_path: Path) -> None:
    """Ten hours of silence and a note compress to little: memory is bounded by time, not by the file."""
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(str(path), "w", samplerate=8000, channels=1, format="FLAC") as file:
        file.write(sound(1.0, 8000))
        for _ in range(100):
            file.write(np.zeros(8000 * 36, np.float32))
    assert path.stat().st_size < LARGEST_FILE
    assert read(str(path), RATE).size == (LONGEST_S + 1) * RATE


def test_a_tilde_is_the_person_s_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    soundfile.write(str(tmp_path / "c.wav"), sound(1.0, RATE), RATE)
    assert read("~/c.wav", RATE).any()


def test_what_cannot_ring_is_refused_in_words(tmp_path: Path) -> None:
    assert "is not there" in refusal(tmp_path / "none.wav")
    assert "is not a file" in refusal(tmp_path)
    assert "is not a file" in refusal("/dev/zero")
    assert "without its folder" in refusal("bell.wav")
    (tmp_path / "text.mp3").write_bytes(b"no sound at all\n" * 1000)
    assert "cannot be played" in refusal(tmp_path / "text.mp3")
    (tmp_path / "empty.wav").write_bytes(b"")
    assert "cannot be played" in refusal(tmp_path / "empty.wav")
    soundfile.write(str(tmp_path / "short.wav"), sound(0.01, RATE), RATE)
    assert "no sound in it" in refusal(tmp_path / "short.wav")
    soundfile.write(str(tmp_path / "silent.wav"), np.zeros(RATE, np.float32), RATE)
    assert "is silent" in refusal(tmp_path / "silent.wav")
    with (tmp_path / "huge.wav").open("wb") as huge:
        huge.truncate(LARGEST_FILE + 1)
    assert "is larger than" in refusal(tmp_path / "huge.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert "is not a file" in refusal(tmp_path / "pipe.wav")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_file_that_is_cut_or_damaged_rings_or_is_refused(tmp_path: Path, name: str) -> None:
    soundfile.write(str(tmp_path / name), sound(3.0, RATE), RATE)
    whole = (tmp_path / name).read_bytes()
    random = np.random.default_rng(1)
    for number in range(40):
        octets = bytearray(whole[: len(whole) * (number + 1) // 40])
        for at in random.integers(0, len(octets), 8):
            octets[at] = int(random.integers(0, 256))
        damaged = tmp_path / f"d{number}{name}"
        damaged.write_bytes(bytes(octets))
        try:
            ring = read(str(damaged), RATE)
        except OperationFailed:
            continue
        assert 0 < ring.size <= (LONGEST_S + 1) * RATE
