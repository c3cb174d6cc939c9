"""Real sound: devices of a PulseAudio of the tests' own, spoken words across SRTP calls with baresip.

Times are of the sound itself: two recordings that run at the same moment tell how long a word was on its way.
"""

from __future__ import annotations

import os
import socket
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soxr

from softphone.dsp.correlation import best_alignment
from tests.endtoend.accounts import signed_in
from tests.endtoend.phone import PhoneProcess
from tests.peers.baresip import Baresip
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.peers.pulse import RATE, PulseRig, settle
from tests.peers.speech import OTHER_SENTENCE, SENTENCE, Samples, Speech, likeness, read_wav

pytestmark = [pytest.mark.peer, pytest.mark.timeout(90)]
StartPhone = Callable[..., PhoneProcess]
FINE = 24_000
ALIKE = 0.9
"""Least median correlation of short pieces (`likeness`); G.711 alone gives 0.99, other words give less than 0.5.

The correlation of the whole sentence is printed too. It falls with every slip between the clocks of two null sinks,
paplay's own included, and such slips are not heard.
"""
AS_IT_IS = "".join(f'{key} = "off"\n' for key in ("echo_cancellation", "noise_suppression", "high_pass"))
"""Nothing done to the voice: a correlation is not to be had of what a filter turned the phase of."""
NO_SERVER = ("--server", "localhost:1", "--user", "alice")


def at_fine_rate(samples: Samples, rate: int) -> Samples:
    """For comparisons: a delay that is no whole number of 8 kHz samples turns the phase of every s."""
    return np.asarray(soxr.resample(samples.astype(np.float32), rate, FINE), np.int16)


def reference(speech: Speech, sentence: str) -> Samples:
    """The first four seconds of a sentence, of the telephone's bandwidth, at FINE Hz."""
    said, rate = read_wav(speech.wav(8000, sentence))
    return at_fine_rate(said[: 4 * rate], rate)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Settings that leave the voice as it is."""
    path = tmp_path / "plain.toml"
    path.write_text(f"[audio]\n{AS_IT_IS}")
    return path


def test_words_cross_a_call_from_the_microphone_and_come_back_to_the_speaker(
    peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig, start_phone: StartPhone, plain: Path
) -> None:
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio="echo")
    phone = start_phone(
        *(
            "call",
            "bob",
            *signed_in(kamailio.tls_port, kamailio.root),
            "--config",
            plain,
            "--audio",
            "device",
            "--seconds",
            9,
        ),
        password="alicepw",
        environment=pulse.environment,
    )
    phone.wait_for("secured")
    settle(0.3)
    before, began = phone.processor_seconds(), time.monotonic()
    spoken, heard = pulse.record("a_mic.monitor"), pulse.record("a_spk.monitor")
    pulse.play("a_mic", speech.wav(RATE, SENTENCE))
    ahead = []  # samples by which one recording is longer than the other at the same moment
    while time.monotonic() < began + 6.5:
        settle(0.1)
        ahead.append(spoken.delivered() - heard.delivered())
    busy = (phone.processor_seconds() - before) / (time.monotonic() - began)
    finished = phone.finish()
    into, out = at_fine_rate(spoken.stop(), RATE), at_fine_rate(heard.stop(), RATE)
    said = reference(speech, SENTENCE)
    _, at_mouth = best_alignment(said, into, FINE)
    whole, at_ear = best_alignment(said, out, FINE)
    alike = likeness(said, out, FINE)
    there_and_back = at_ear - at_mouth + statistics.median(ahead) * 1000 / RATE
    print(
        f"microphone to speaker through baresip's echo: correlation {alike:.3f} (whole {whole:.3f}),"
        f" {there_and_back:.0f} ms there and back; processor {100 * busy:.1f} %; {finished.result}"
    )
    assert (finished.code, finished.result["media"]) == (0, "srtp"), finished.result
    assert alike > ALIKE
    assert 60 < there_and_back < 500
    assert busy < 0.25
    assert likeness(reference(speech, OTHER_SENTENCE), out, FINE) < 0.6


def test_each_direction_between_devices_carries_its_own_words(
    peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig, start_phone: StartPhone, plain: Path
) -> None:
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio="pulse:b_in,b_spk", environment=pulse.environment)
    phone = start_phone(
        *(
            "call",
            "bob",
            *signed_in(kamailio.tls_port, kamailio.root),
            "--config",
            plain,
            "--audio",
            "device",
            "--seconds",
            8,
        ),
        password="alicepw",
        environment=pulse.environment,
    )
    phone.wait_for("secured")
    settle(0.3)
    recorded = [pulse.record(f"{sink}.monitor") for sink in ("a_mic", "b_spk", "b_mic", "a_spk")]
    # Baresip's resampler folds every s into the telephone's band: it says the sentence that has fewer of them.
    pulse.play("a_mic", speech.wav(RATE, OTHER_SENTENCE))
    pulse.play("b_mic", speech.wav(RATE, SENTENCE))
    lengths = []
    for _ in range(58):
        settle(0.1)
        lengths.append([recording.delivered() for recording in recorded])
    finished = phone.finish()
    sounds = [at_fine_rate(recording.stop(), RATE) for recording in recorded]
    ours, theirs = reference(speech, OTHER_SENTENCE), reference(speech, SENTENCE)
    alike, other, delay = [], [], []
    for mouth, said, not_said in ((0, ours, theirs), (2, theirs, ours)):
        ear = mouth + 1
        alike.append(likeness(said, sounds[ear], FINE))
        other.append(likeness(not_said, sounds[ear], FINE))
        ahead = statistics.median(length[mouth] - length[ear] for length in lengths) * 1000 / RATE
        at_mouth, at_ear = (best_alignment(said, sounds[at], FINE)[1] for at in (mouth, ear))
        delay.append(at_ear - at_mouth + ahead)
    print(f"mouth to ear: to bob {alike[0]:.3f} {delay[0]:.0f} ms, to us {alike[1]:.3f} {delay[1]:.0f} ms")
    assert finished.result["media"] == "srtp"
    assert min(alike) > ALIKE
    assert max(other) < 0.6
    assert all(30 < milliseconds < 400 for milliseconds in delay)


def test_devices_are_listed_by_the_names_people_know(pulse: PulseRig, start_phone: StartPhone) -> None:
    finished = start_phone("devices", environment=pulse.environment).finish()
    assert finished.code == 0
    named = {(device["name"], device["kind"], device["default"]) for device in finished.result["devices"]}
    assert named == {
        *((f"{phone}_in", "microphone", phone == "A") for phone in "AB"),
        *((f"{phone}_{way}", "speaker", (phone, way) == ("A", "spk")) for phone in "AB" for way in ("mic", "spk")),
    }


def test_without_a_sound_server_a_call_ends_at_once_with_a_sentence(start_phone: StartPhone, tmp_path: Path) -> None:
    for server in (f"unix:{tmp_path}/none", "tcp:127.0.0.1:1"):
        phone = start_phone(
            *("call", "bob", *NO_SERVER), password="x", environment={**no_sound(tmp_path), "PULSE_SERVER": server}
        )
        finished = phone.finish(10)
        assert (finished.code, finished.result["kind"]) == (7, "audio-device"), finished.result
        assert finished.result["reason"] == "This system has no microphone."
        assert "PulseAudio or PipeWire" in finished.result["remedy"]
        assert finished.seconds < 5


@pytest.mark.parametrize("command", [("call", "bob", *NO_SERVER), ("devices",)])
def test_a_sound_server_that_hangs_does_not_hang_the_phone(
    start_phone: StartPhone, tmp_path: Path, command: tuple[str, ...]
) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute"))
        mute.listen(5)
        environment = {**no_sound(tmp_path), "PULSE_SERVER": f"unix:{tmp_path}/mute"}
        finished = start_phone(*command, password="x", environment=environment).finish(10)
    assert (finished.code, finished.result["kind"]) == (7, "audio-device"), finished.result
    assert "the sound server does not answer" in finished.result["reason"]
    assert finished.seconds < 5


def no_sound(folder: Path) -> dict[str, str]:
    """ALSA's default device is PulseAudio, as on a desktop, and there is none."""
    alsa = folder / "asound.conf"
    alsa.write_text(f"<{os.sep}usr/share/alsa/alsa.conf>\npcm.!default {{\n type pulse\n}}\n")
    return {"XDG_RUNTIME_DIR": str(folder), "ALSA_CONFIG_PATH": str(alsa)}
