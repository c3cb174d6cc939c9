"""WAV files of every common kind are read; what is written is valid at every moment."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from softphone.dsp.correlation import best_alignment
from softphone.dsp.level import level_dbfs
from softphone.engine.audio.file import FileEndpoint, MemoryEndpoint
from softphone.engine.audio.wav import WavWriter, read_wav
from softphone.errors import FailureKind, OperationFailed
from tests.engine.media.lockstep import voice


def riff(encoding: int, channels: int, rate: int, bits: int, data: bytes, *, extensible: bool = False) -> bytes:
    block = channels * bits // 8
    header = struct.pack("<HHIIHH", 0xFFFE if extensible else encoding, channels, rate, rate * block, block, bits)
    if extensible:
        header += struct.pack("<HHIH14s", 22, bits, 0, encoding, b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x008\x9bq")
    chunks = b"LIST" + struct.pack("<I", 5) + b"odd!!\0"  # an odd chunk is padded
    chunks += b"fmt " + struct.pack("<I", len(header)) + header
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def encode(signal: NDArray[np.float64], encoding: int, bits: int) -> bytes:
    encoded: bytes
    if encoding == 3:
        encoded = signal.astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        encoded = np.rint(signal * 127 + 128).astype(np.uint8).tobytes()
    elif bits == 24:
        encoded = np.rint(signal * (2**23 - 1)).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    else:
        encoded = np.rint(signal * (2 ** (bits - 1) - 1)).astype(f"<i{bits // 8}").tobytes()
    return encoded


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("encoding", "bits", "extensible"),
    [(1, 8, False), (1, 16, False), (1, 24, False), (1, 32, True), (3, 32, False), (3, 64, True)],
)
def test_a_file_of_any_kind_becomes_mono_at_48_khz(
    tmp_path: Path, rate: int, channels: int, encoding: int, bits: int, extensible: bool
) -> None:
    path = tmp_path / "voice.wav"
    spoken = voice(0.5, rate).astype(np.float64) / 32768
    data = encode(np.repeat(spoken, channels), encoding, bits)
    path.write_bytes(riff(encoding, channels, rate, bits, data, extensible=extensible))
    samples = read_wav(path, 48_000)
    assert samples.size == pytest.approx(24_000, abs=2)
    correlation, delay = best_alignment(voice(0.5, rate), read_wav(path, rate), rate)
    assert correlation > 0.99
    assert delay == 0
    assert level_dbfs(samples) == pytest.approx(level_dbfs(voice(0.5, rate)), abs=0.1)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"RIFF",
        b"OggS" + bytes(100),
        riff(1, 1, 8000, 16, b"")[:30],
        riff(1, 0, 8000, 16, b"xx"),
        riff(1, 1, 0, 16, b"xx"),
        riff(7, 1, 8000, 8, b"xx"),
        riff(1, 1, 8000, 12, b"xx"),
    ],
)
def test_what_is_no_usable_wav_file_is_refused_with_a_reason(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(octets)
    with pytest.raises(OperationFailed) as refused:
        FileEndpoint(play=path)
    assert refused.value.failure.kind is FailureKind.USAGE
    assert "broken.wav" in refused.value.failure.reason


def test_a_missing_file_is_named_before_anybody_dials(tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match=r"nowhere\.wav cannot be read: No such file"):
        FileEndpoint(play=tmp_path / "nowhere.wav")


def test_a_recording_is_a_valid_file_after_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    writer = WavWriter(path, 8000)
    for _ in range(250):
        writer.write(np.full(80, 1000, np.int16))
    crashed = path.read_bytes()  # nothing was closed
    copy = tmp_path / "copy.wav"
    copy.write_bytes(crashed)
    with wave.open(str(copy)) as file:
        assert file.getframerate() == 8000
        assert file.getnframes() >= 16_000
    writer.close()
    with wave.open(str(path)) as file:
        assert file.getnframes() == 20_000


def test_a_file_is_played_once_and_what_is_heard_is_recorded(tmp_path: Path) -> None:
    source, target = tmp_path / "in.wav", tmp_path / "out.wav"
    writer = WavWriter(source, 8000)
    writer.write(voice(0.2, 8000))
    writer.close()
    ended: list[bool] = []
    endpoint = FileEndpoint(source, target, sample_rate=8000, on_played=lambda: ended.append(True))
    endpoint.start()
    heard = np.concatenate([endpoint.read(80) for _ in range(30)])
    assert np.array_equal(heard[:1600], voice(0.2, 8000))
    assert not heard[1600:].any()
    assert ended == [True]
    endpoint.write(heard)
    endpoint.stop()
    endpoint.stop()
    assert np.array_equal(read_wav(target, 8000), heard)


def test_a_recording_into_a_missing_folder_fails_with_a_reason(tmp_path: Path) -> None:
    endpoint = FileEndpoint(record=tmp_path / "no" / "where.wav")
    with pytest.raises(OperationFailed, match="cannot be written"):
        endpoint.start()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_at_the_start_is_a_reason() -> None:
    with pytest.raises(OperationFailed, match="No space left"):
        FileEndpoint(record=Path("/dev/full")).start()


def test_a_disk_that_fills_up_ends_the_recording_and_not_the_call(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "heard.wav"
    endpoint = FileEndpoint(record=path, sample_rate=8000)
    endpoint.start()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    try:
        for _ in range(500):
            endpoint.write(voice(0.01, 8000))
        endpoint.stop()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert 16_000 <= read_wav(path, 8000).size <= 20_000


def test_a_loop_has_no_seam() -> None:
    endpoint = MemoryEndpoint(np.arange(100, dtype=np.int16), 8000, loop=True)
    read = np.concatenate([endpoint.read(80) for _ in range(5)])
    assert np.array_equal(read, np.tile(np.arange(100), 4))
