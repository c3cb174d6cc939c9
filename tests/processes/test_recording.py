"""A real call through Kamailio with baresip, recorded by the running phone with a real keyring, and taken out again."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from softphone.dsp.tone import ToneGenerator
from softphone.engine.recording.tape import BEEP
from tests.peers.baresip import Baresip
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.peers.keyring import Keyring
from tests.peers.process import until
from tests.peers.speech import OTHER_SENTENCE, Samples, Speech, likeness, read_wav, repeat
from tests.processes.running import Running
from tests.processes.test_calls_outlive_windows import sign_in
from tests.processes.test_control import ctl, start, told

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]
RATE = 48_000


@pytest.fixture
def keyring(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    """What this test's programs find as the person's keyring."""
    started = peers.start(Keyring)
    for name, value in started.environment.items():
        monkeypatch.setenv(name, value)
    return started


def recordings(running: Running, *words: str) -> dict[str, Any]:
    return told(start(running, "recordings", *words))[-1]


def in_a_call(running: Running, peers: Peers, kamailio: Kamailio, speech: Speech, *, recorded: bool = True) -> Baresip:
    """The phone says one sentence again and again, baresip another; the recording runs."""
    said = running.directory / "said.wav"
    repeat(speech.wav(RATE), said)
    bob = peers.start(
        Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{speech.wav(8000, OTHER_SENTENCE)}", codecs=("PCMU",)
    )
    window = running.window(*running.engine_options("--play", str(said), audio="file"))
    window.wait_for("state", timeout=60)
    registered_in(running, kamailio)
    assert ctl(running, "dial", f"sip:bob@{kamailio.domain}")["ok"]
    until(lambda: [c for c in ctl(running, "calls")["calls"] if c["encryption"] == "srtp"], "the call", 60)
    if recorded:
        assert ctl(running, "record")["ok"]
        assert ctl(running, "calls")["calls"][0]["recording"]
    return bob


def registered_in(running: Running, kamailio: Kamailio) -> None:
    running.tell(sign_in(kamailio))
    until(
        lambda: any(a["state"] == "registered" for a in ctl(running, "accounts")["accounts"]) or None,
        "the registration",
        60,
    )


def plain_sound(folder: Path) -> list[Path]:
    """Files with the marks of a sound file in them, besides the one that the test itself plays."""
    marks = (b"fLaC", b"OggS", b"RIFF", b"OpusHead")
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name != "said.wav" and any(mark in path.read_bytes() for mark in marks)
    ]


def exported(running: Running, chosen: str) -> tuple[dict[str, Any], Samples, Samples]:
    """The result, and both channels as int16 at 48 kHz."""
    result = recordings(running, "export", chosen, str(running.directory / "out.flac"))
    assert result["ok"], result
    samples, rate = soundfile.read(result["file"], dtype="int16")
    assert rate == RATE
    return result, samples[:, 0], samples[:, 1]


def level(samples: Samples) -> float:
    """dBFS."""
    return float(20 * np.log10(max(1e-9, np.sqrt(np.mean((samples / 32768) ** 2)))))


def test_both_sides_of_a_call_are_recorded_announced_and_nothing_is_plain_on_the_disk(
    running: Running, peers: Peers, kamailio: Kamailio, speech: Speech, keyring: Keyring
) -> None:
    began = time.monotonic()
    bob = in_a_call(running, peers, kamailio, speech)
    time.sleep(8)
    muted_at = time.monotonic()
    assert ctl(running, "mute")["ok"]
    time.sleep(3)
    silent_s = time.monotonic() - muted_at
    (listed,) = recordings(running, "list")["recordings"]
    assert listed["condition"] == "running"
    refused = recordings(running, "delete", "--yes", listed["recording"])
    assert (refused["ok"], refused["kind"]) == (False, "usage")
    assert ctl(running, "stop-recording")["ok"]
    at_most = time.monotonic() - began
    assert not ctl(running, "calls")["calls"][0]["recording"]
    assert ctl(running, "unmute")["ok"]
    time.sleep(1)
    assert ctl(running, "hang-up")["ok"]

    (path,) = (running.directory / "recordings").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert plain_sound(running.directory) == []
    assert kamailio.domain.encode() not in path.read_bytes()
    (listed,) = recordings(running, "list")["recordings"]
    assert listed["remote"] == f"sip:bob@{kamailio.domain}"
    assert (listed["direction"], listed["account"], listed["format"]) == ("outgoing", "work", "flac")
    assert (listed["condition"], listed["announced"]) == ("complete", True)
    assert 11 <= listed["seconds"] <= at_most

    result, left, right = exported(running, listed["recording"][:5])
    assert result["complete"]
    assert stat.S_IMODE((running.directory / "out.flac").stat().st_mode) == 0o600
    spoken, _ = read_wav(speech.wav(RATE))
    assert likeness(spoken, left, RATE) > 0.99, "the left channel is what the phone said"
    theirs, _ = read_wav(speech.wav(RATE, OTHER_SENTENCE))
    assert likeness(theirs, right, RATE) > 0.8, "the right channel is what baresip said"
    assert likeness(spoken, right, RATE) < 0.5
    end = left[-int((silent_s - 1.5) * RATE) :]
    assert level(end) < -90, "the microphone was muted"
    assert level(right[-end.size :]) > -40

    beeps = beeps_in(bob.heard(), bob.heard_rate())
    assert beeps >= 1, "the other side was not told"
    assert recordings(running, "delete", "--yes", listed["recording"])["deleted"] == 1
    assert recordings(running, "list")["recordings"] == []
    assert list((running.directory / "recordings").iterdir()) == []


def beeps_in(heard: Samples, rate: int) -> int:
    """How many 200 ms of the recorder tone are in it: most of the energy around 1,400 Hz."""
    step, found, inside = rate // 50, 0, False
    for at in range(0, heard.size - 4 * step, step):
        spectrum = np.abs(np.fft.rfft(heard[at : at + 4 * step].astype(float))) ** 2
        frequencies = np.fft.rfftfreq(4 * step, 1 / rate)
        near = spectrum[np.abs(frequencies - 1400) < 40].sum()
        beep = bool(near > 0.3 * spectrum.sum() and near > 1e6)
        found += beep and not inside
        inside = beep
    return found


def test_the_beep_is_known_when_it_is_there_and_not_in_speech(speech: Speech) -> None:
    sentence, rate = read_wav(speech.wav(8000))
    with_beep = sentence.astype(np.int32)
    beep = ToneGenerator(BEEP, rate).generate(rate // 5)
    with_beep[-beep.size :] += beep

    assert beeps_in(sentence, rate) == 0
    assert beeps_in(with_beep.astype(np.int16), rate) == 1


def test_after_the_engine_was_killed_all_but_the_last_moment_can_be_exported(
    running: Running, peers: Peers, kamailio: Kamailio, speech: Speech, keyring: Keyring
) -> None:
    in_a_call(running, peers, kamailio, speech)
    (path,) = (running.directory / "recordings").iterdir()
    time.sleep(8)
    os.kill(running.engine(), signal.SIGKILL)
    killed = path.stat().st_mtime
    os.utime(path, (killed - 60, killed - 60))  # as after a minute

    assert plain_sound(running.directory) == []
    (listed,) = recordings(running, "list")["recordings"]
    result, left, right = exported(running, listed["recording"])

    assert (listed["condition"], result["condition"], result["complete"]) == ("incomplete", "incomplete", False)
    assert result["seconds"] >= 8 - 1.5
    assert left.size == right.size == pytest.approx(result["seconds"] * RATE, abs=RATE // 10)
    spoken, _ = read_wav(speech.wav(RATE))
    theirs, _ = read_wav(speech.wav(RATE, OTHER_SENTENCE))
    assert likeness(spoken, left, RATE) > 0.95
    assert likeness(theirs, right, RATE) > 0.7


def test_a_policy_forbids_it_with_its_exit_code_and_the_call_goes_on(
    running: Running, peers: Peers, kamailio: Kamailio, speech: Speech, keyring: Keyring
) -> None:
    running.profile.settings_file.parent.mkdir(parents=True, exist_ok=True)
    running.profile.settings_file.write_text("[recording]\npermitted = false\n")
    in_a_call(running, peers, kamailio, speech, recorded=False)

    asked = start(running, "ctl", "record")
    result = told(asked)[-1]

    assert (result["ok"], result["kind"], asked.returncode) == (False, "policy", 3)
    assert "permitted = true" in result["remedy"]
    assert not (running.directory / "recordings").exists()
    assert ctl(running, "calls")["calls"][0]["phase"] == "active"


def test_without_a_keyring_nothing_is_recorded_and_the_reason_says_so(
    running: Running, peers: Peers, kamailio: Kamailio, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={running.directory}/none")
    in_a_call(running, peers, kamailio, speech, recorded=False)

    result = ctl(running, "record")

    assert (result["ok"], result["kind"]) == (False, "storage")
    assert "no keyring" in result["reason"]
    assert "GNOME Keyring" in result["remedy"]
    assert not (running.directory / "recordings").exists()
    assert not ctl(running, "calls")["calls"][0]["recording"]
