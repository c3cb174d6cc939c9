"""softphone/engine/tones.py and territory.py: the right sound for each tone, and a ring whatever the files are like."""

from __future__ import annotations

import asyncio
import plistlib
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from softphone.dsp.ring_tone import built_in
from softphone.dsp.tone_plan import EUROPE, PLANS
from softphone.engine import tones as module
from softphone.engine.audio.backend import DEVICE_RATE
from softphone.engine.media.tone_player import Ring, Score
from softphone.engine.territory import _in_preferences, territory_in, territory_of
from softphone.engine.tones import Tones
from softphone.engine.waiting import run
from softphone.errors import Failure
from softphone.ua.actions import Tone


def bell(path: Path, hertz: float = 700.0) -> str:
    soundfile.write(str(path), 0.3 * np.sin(2 * np.pi * hertz * np.arange(48_000) / 48_000), 48_000)
    return str(path)


def hertz(sound: object) -> float:
    assert isinstance(sound, Ring)
    assert sound.samples is not None
    return float(np.argmax(np.abs(np.fft.rfft(sound.samples[:DEVICE_RATE].astype(float)))))


def is_built_in(sound: object) -> bool:
    return isinstance(sound, Ring) and sound.samples is built_in(DEVICE_RATE)


async def until_read(tones: Tones) -> None:
    if tones._reading:
        await asyncio.wait(tones._reading.values(), timeout=20)


@pytest.mark.parametrize("tone", list(Tone))
def test_every_tone_has_a_sound(tone: Tone) -> None:
    assert isinstance(Tones().sound(tone), Ring if tone is Tone.RINGING else Score)


def test_the_country_of_the_settings_else_the_system_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "system_territory", lambda: "FR")
    tones = Tones()
    assert tones.sound(Tone.BUSY) == Score(PLANS["FR"].busy)
    tones.use("jp", "")
    assert tones.sound(Tone.RINGBACK) == Score(PLANS["JP"].ringback)
    tones.use("", "")
    assert tones.sound(Tone.CONGESTION) == Score(PLANS["FR"].congestion)
    assert tones.sound(Tone.CALL_WAITING, country="US") == Score(PLANS["US"].call_waiting)  # to listen to
    monkeypatch.setattr(module, "system_territory", lambda: "LU")
    tones.use("", "")
    assert tones.sound(Tone.SPECIAL_INFORMATION) == Score(EUROPE.special_information)


def test_keys_have_short_and_quiet_tones() -> None:
    tones = Tones()
    five = tones.key("5")
    assert isinstance(five, Score)
    assert five.tone.frequencies == (770.0, 1336.0)
    assert five.length_ms is not None
    assert five.length_ms <= 150
    assert five.tone.level_dbfs <= -26
    assert tones.key(",") is None


def test_a_file_rings_once_it_is_read_and_the_built_in_tone_until_then(tmp_path: Path) -> None:
    async def work() -> None:
        tones = Tones()
        tones.use("", bell(tmp_path / "a.flac"))
        assert is_built_in(tones.sound(Tone.RINGING))
        await until_read(tones)
        assert hertz(tones.sound(Tone.RINGING)) == 700
        tones.use("", "")
        assert is_built_in(tones.sound(Tone.RINGING))

    run(work())


def test_an_account_s_own_file_goes_before_the_general_one(tmp_path: Path) -> None:
    async def work() -> None:
        tones = Tones()
        general, own = bell(tmp_path / "a.wav", 700), bell(tmp_path / "b.wav", 1100)
        tones.use("", general, [own, ""])
        await until_read(tones)
        assert hertz(tones.sound(Tone.RINGING, own)) == 1100
        assert hertz(tones.sound(Tone.RINGING)) == 700

    run(work())


def test_a_broken_file_is_told_and_the_built_in_tone_rings(tmp_path: Path) -> None:
    async def work() -> None:
        told: list[Failure] = []
        tones = Tones(told.append)
        broken = tmp_path / "broken.mp3"
        broken.write_bytes(b"nothing that rings")
        tones.use("", str(broken))
        await until_read(tones)
        assert is_built_in(tones.sound(Tone.RINGING))
        assert "broken.mp3" in told[0].reason
        await until_read(tones)

    run(work())


def test_a_file_that_comes_back_rings_the_next_time(tmp_path: Path) -> None:
    async def work() -> None:
        tones = Tones(lambda _failure: None)
        tones.use("", str(tmp_path / "a.wav"))
        await until_read(tones)
        bell(tmp_path / "a.wav")
        assert is_built_in(tones.sound(Tone.RINGING))  # a call comes; the file is read again beside it
        await until_read(tones)
        assert hertz(tones.sound(Tone.RINGING)) == 700

    run(work())


def test_a_file_is_read_on_another_thread_than_the_loop_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        seen: list[threading.Thread] = []
        read = module._read

        def noticed(name: str) -> object:
            seen.append(threading.current_thread())
            return read(name)

        monkeypatch.setattr(module, "_read", noticed)
        tones = Tones()
        tones.use("", bell(tmp_path / "a.wav"))
        await until_read(tones)
        assert seen
        assert threading.current_thread() not in seen

    run(work())


def test_a_sample_is_made_ready_before_it_is_heard_and_the_next_one_takes_its_place(tmp_path: Path) -> None:
    async def work() -> None:
        told: list[Failure] = []
        tones = Tones(told.append)
        first, second = bell(tmp_path / "a.wav", 700), bell(tmp_path / "b.wav", 900)
        assert await tones.made_ready(first) is None
        assert hertz(tones.sound(Tone.RINGING, first)) == 700
        bell(tmp_path / "a.wav", 800)
        assert await tones.made_ready(first) is None
        assert hertz(tones.sound(Tone.RINGING, first)) == 800  # read anew
        await tones.made_ready(second)
        assert tones._ready.keys() == {second}
        assert await tones.made_ready("") is None
        failure = await tones.made_ready(str(tmp_path / "none.wav"))
        assert failure in told

    run(work())


# Where the system is


@pytest.mark.parametrize(
    ("name", "territory"),
    [
        ("de_AT.UTF-8", "AT"),
        ("en_GB", "GB"),
        ("sr_RS@latin", "RS"),
        ("zh-Hans-CN", "CN"),
        ("C", ""),
        ("C.UTF-8", ""),
        ("POSIX", ""),
        ("de", ""),
        ("", ""),
        ("../../etc_XX", ""),
    ],
)
def test_a_locale_names_a_territory_or_none(name: str, territory: str) -> None:
    assert territory_of(name) == territory


def test_the_environment_is_asked_in_posix_order() -> None:
    assert territory_in({"LANG": "en_US.UTF-8"}) == "US"
    assert territory_in({"LANG": "en_US.UTF-8", "LC_TELEPHONE": "de_DE.UTF-8"}) == "DE"
    assert territory_in({"LANG": "en_US", "LC_TELEPHONE": "de_DE", "LC_ALL": "C"}) == ""
    assert territory_in({"LC_ALL": "", "LANG": "fr_CA"}) == "CA"
    assert territory_in({}) == ""


def test_the_preferences_of_macos_are_read_and_anything_else_says_nothing(tmp_path: Path) -> None:
    preferences = tmp_path / ".GlobalPreferences.plist"
    assert _in_preferences(preferences) == ""
    preferences.write_bytes(plistlib.dumps({"AppleLocale": "de_CH"}, fmt=plistlib.FMT_BINARY))
    assert _in_preferences(preferences) == "CH"
    preferences.write_bytes(b"bplist00 nonsense")
    assert _in_preferences(preferences) == ""
    preferences.write_bytes(plistlib.dumps(["no", "dictionary"]))
    assert _in_preferences(preferences) == ""


def test_the_end_does_not_wait_for_a_disk_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answers = threading.Event(), threading.Event()

    def never(name: str) -> None:
        asked.set()
        answers.wait(60)

    monkeypatch.setattr("softphone.engine.audio.ring_file.ring_octets", never)

    async def end() -> None:
        tones = Tones()
        tones.use("", str(tmp_path / "on-a-dead-mount.wav"))
        await asyncio.to_thread(asked.wait, 20)
        async with asyncio.timeout(5):
            await tones.close()

    try:
        run(end())
    finally:
        answers.set()


ENDS_EARLY = """
import asyncio, sys
from softphone.engine.tones import Tones
async def main():
    tones = Tones()
    tones.use("", sys.argv[1])
    await asyncio.sleep(float(sys.argv[2]))
    await tones.close()
asyncio.run(main())
"""


@pytest.mark.parametrize("after", ["0", "0.02", "0.05", "0.1"])
def test_an_end_in_the_middle_of_reading_a_ring_tone_is_a_good_end(tmp_path: Path, after: str) -> None:
    """Resampling in a thread that Python stops aborts the program."""
    path = tmp_path / "long.wav"
    soundfile.write(str(path), np.random.default_rng(1).normal(size=30 * 44_100) * 0.1, 44_100)
    command = [sys.executable, "-c", ENDS_EARLY, str(path), after]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
