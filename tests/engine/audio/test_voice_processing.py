"""The treatment around the devices: what is in force, its change in mid-call, and a library that fails."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from softphone.engine.audio.backend import Samples
from softphone.engine.audio.voice_processing import VoiceProcessing
from softphone.engine.audio.voice_stages import (
    EchoCancellation,
    FullDuplexEchoCancellation,
    GainControl,
    NoiseSuppression,
    RumbleFilter,
    Stage,
    make_stages,
)
from softphone.errors import Failure, FailureKind
from softphone.policy.audio import AudioOptions, DeviceForm, Processing, Treatment
from tests.dsp.rooms import (
    RATE,
    Signal,
    babble,
    echo_of,
    erle_db,
    hiss,
    impulse_response,
    level_db,
    through,
    whole,
)
from tests.peers.process import until
from tests.policy.test_audio import everything

BLOCK = 480
OFF = everything(Processing.OFF)
WORN, OPEN = DeviceForm.WORN, DeviceForm.OPEN


class Devices:
    """A microphone that hears `heard` and a speaker that played `far`, both from the beginning."""

    sample_rate = RATE

    def __init__(self, heard: Signal, far: Signal) -> None:
        self.heard, self.far = whole(heard), whole(far)
        self.forms = (OPEN, OPEN)
        self.at = 0
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def listen(self, wanted: bool) -> None:
        self.calls.append(f"listen {wanted}")

    def read(self, samples: int) -> Samples:
        self.at += samples
        return self.heard[self.at - samples : self.at]

    def played(self) -> Samples | None:
        return self.far[self.at - BLOCK : self.at]

    def write(self, frame: Samples) -> None:
        self.calls.append(f"write {frame.size}")

    def stop(self) -> None:
        self.calls.append("stop")


class Negated:
    def process(self, near: Samples, far: Samples) -> Samples:
        return -near


class Broken:
    def process(self, near: Samples, far: Samples) -> Samples:
        raise RuntimeError("broken")


def unexpected(notice: Failure) -> None:
    raise AssertionError(notice)


def tone(seconds: float = 2.0) -> Signal:
    return np.asarray(8000 * np.sin(2 * np.pi * 440 / RATE * np.arange(int(seconds * RATE))))


def settled(processing: VoiceProcessing, blocks: int = 3) -> Samples:
    """What comes once the stages that were asked for are made."""
    until(lambda: not processing.being_made, "the stages", timeout=20)
    return np.concatenate([processing.read(BLOCK) for _ in range(blocks)])


def test_with_everything_off_a_block_passes_as_it_is_and_nothing_is_loaded() -> None:
    code = (
        "import sys, softphone.engine.audio.voice_processing as v, tests.engine.audio.test_voice_processing as t;"
        "p = v.VoiceProcessing(t.Devices(t.tone(), t.tone()), t.OFF, print); p.start();"
        "assert (p.read(480) == t.whole(t.tone())[:480]).all();"
        "assert 'pywebrtc_audio' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_auto_follows_the_devices_of_the_call_as_they_change() -> None:
    devices = Devices(tone(), tone())
    made: list[Treatment] = []

    def make(wanted: Treatment) -> tuple[Stage, ...]:
        made.append(wanted)
        return (Negated(),)

    processing = VoiceProcessing(devices, AudioOptions(), unexpected, make)
    processing.start()
    settled(processing)
    assert processing.in_force == Treatment(True, True, True, True)
    devices.forms = (WORN, WORN)
    processing.read(BLOCK)
    settled(processing)
    assert processing.in_force == Treatment(high_pass=True)
    assert made == [Treatment(True, True, True, True), Treatment(high_pass=True)]


def test_a_change_is_in_force_at_once_and_without_a_click() -> None:
    devices = Devices(tone(), tone())
    processing = VoiceProcessing(devices, OFF, unexpected, lambda _: (Negated(),))
    processing.start()
    assert np.array_equal(processing.read(BLOCK), devices.heard[:BLOCK])
    processing.use(AudioOptions())
    processing.read(BLOCK)
    out = settled(processing, 4)
    assert np.array_equal(out[-BLOCK:], -devices.heard[devices.at - BLOCK : devices.at])
    assert abs(np.diff(out.astype(int))).max() < 1000  # the tone itself has 460
    processing.use(OFF)
    processing.read(BLOCK)
    assert np.array_equal(processing.read(BLOCK), devices.heard[devices.at - BLOCK : devices.at])


def test_what_else_an_endpoint_does_is_the_devices_business() -> None:
    devices = Devices(tone(), tone())
    processing = VoiceProcessing(devices, OFF, unexpected)
    processing.start()
    processing.listen(False)
    processing.write(np.zeros(BLOCK, np.int16))
    processing.stop()
    assert devices.calls == ["start", "listen False", f"write {BLOCK}", "stop"]
    assert processing.sample_rate == RATE


def test_a_library_that_is_missing_is_said_once_and_the_call_goes_on() -> None:
    notices: list[Failure] = []
    devices = Devices(tone(), tone())

    def make(wanted: Treatment) -> tuple[Stage, ...]:
        raise ImportError("No module named 'pywebrtc_audio'")

    processing = VoiceProcessing(devices, AudioOptions(), notices.append, make)
    processing.start()
    out = settled(processing)
    assert np.allclose(out, devices.heard[devices.at - 3 * BLOCK : devices.at], atol=1)
    assert [notice.kind for notice in notices] == [FailureKind.AUDIO_DEVICE]
    assert "Echo cancellation, noise suppression" in notices[0].reason
    assert "pywebrtc_audio" in notices[0].reason
    assert notices[0].remedy
    processing.use(OFF)
    processing.read(BLOCK)
    processing.use(AudioOptions())
    processing.read(BLOCK)
    settled(processing)
    assert len(notices) == 2  # asked for again, and said again


def test_a_stage_that_breaks_in_a_call_is_said_and_the_voice_goes_on() -> None:
    notices: list[Failure] = []
    devices = Devices(tone(), tone())
    processing = VoiceProcessing(devices, AudioOptions(), notices.append, lambda _: (Broken(),))
    processing.start()
    settled(processing)
    assert np.array_equal(processing.read(BLOCK), devices.heard[devices.at - BLOCK : devices.at])
    assert len(notices) == 1
    assert "broken" in notices[0].reason


def test_each_treatment_brings_its_own_stage_in_the_order_of_acting() -> None:
    kinds = [type(stage) for stage in make_stages(Treatment(True, True, True, True, True))]
    assert kinds == [RumbleFilter, FullDuplexEchoCancellation, NoiseSuppression, GainControl]
    assert [type(stage) for stage in make_stages(Treatment(echo_cancellation=True))] == [EchoCancellation]
    assert make_stages(Treatment()) == ()


@pytest.mark.parametrize("double_talk", [False, True])
def test_an_echo_does_not_go_out(double_talk: bool) -> None:
    far = babble(8, 1)
    microphone = echo_of(far, impulse_response()) + hiss(8)
    (stage,) = make_stages(Treatment(echo_cancellation=True, double_talk=double_talk))
    out = through(stage.process, microphone, far)
    assert erle_db(microphone, out, 5, 8) > 30


def test_two_who_talk_at_once_are_both_kept_whole() -> None:
    far, near = babble(10, 1), babble(10, 2) * 0.7
    near[: 4 * RATE] = 0
    microphone = echo_of(far, impulse_response()) + hiss(10) + near
    kept = {}
    for double_talk in (False, True):
        (stage,) = make_stages(Treatment(echo_cancellation=True, double_talk=double_talk))
        out = through(stage.process, microphone, far)
        late = 430
        part = slice(6 * RATE, 10 * RATE - late)
        said, heard = near[part], out[part.start + late : part.stop + late]
        kept[double_talk] = float(np.corrcoef(said, heard)[0, 1])
    print(kept)
    assert kept[True] > 0.9
    assert kept[True] > kept[False] + 0.1


def test_a_talker_alone_passes_the_echo_canceller_as_he_is() -> None:
    near = babble(5, 2)
    (stage,) = make_stages(Treatment(echo_cancellation=True, double_talk=True))
    out = through(stage.process, near, np.zeros_like(near))
    assert np.corrcoef(near[RATE:-480], out[RATE + 431 : out.size - 480 + 431])[0, 1] > 0.98


def test_noise_is_lowered_and_speech_is_not() -> None:
    voice, noise = babble(10, 2), hiss(10, 60)
    (stage,) = make_stages(Treatment(noise_suppression=True))
    quiet = through(stage.process, noise, noise)
    assert level_db(noise[5 * RATE :]) - level_db(quiet[5 * RATE :]) > 8
    (stage,) = make_stages(Treatment(noise_suppression=True))
    out = through(stage.process, voice + noise, noise)
    assert abs(level_db(out[5 * RATE :]) - level_db(voice[5 * RATE :])) < 2


def test_a_quiet_voice_becomes_louder_with_gain_control() -> None:
    quiet = babble(10, 2) * 0.05
    (stage,) = make_stages(Treatment(gain_control=True))
    out = through(stage.process, quiet, np.zeros_like(quiet))
    assert level_db(out[6 * RATE :]) - level_db(quiet[6 * RATE :]) > 6
    assert abs(out).max() < 32_000


def test_options_name_every_treatment() -> None:
    assert replace(OFF, ringtone="x") != OFF
    assert {"echo_cancellation", "double_talk", "noise_suppression", "high_pass", "gain_control"} == set(
        Treatment.__slots__
    )
