"""From one phone's microphone to the other's speaker: real devices, real clock, SRTP."""

from __future__ import annotations

import statistics

import pytest

from softphone.dsp.correlation import best_alignment
from softphone.engine.audio.backend import DeviceChoice
from softphone.engine.audio.sound_devices import SoundDevices
from softphone.errors import Failure
from tests.engine.media.lockstep import alike_in_pieces, in_three_attempts, voice
from tests.engine.media.test_media_engine import Engine, join
from tests.peers.process import until
from tests.peers.pulse import RATE, PulseRig, settle


@pytest.mark.peer
def test_speech_crosses_from_microphone_to_speaker() -> None:
    notices: list[Failure] = []
    with PulseRig() as rig, rig.in_this_process():
        system = SoundDevices()
        a, b = Engine(), Engine()
        try:
            of_a = system.endpoint(DeviceChoice("a_in", "a_spk"), notices.append)
            of_b = system.endpoint(DeviceChoice("b_in", "b_spk"), notices.append)
            join(a, b, of_a, of_b)
            until(lambda: of_a.statistics.captured > 200 and of_b.statistics.played > 200, "sound to flow", timeout=10)

            def crosses() -> bool:
                alike, delay = speak(rig)
                print(f"mouth to ear {delay:.0f} ms, correlation {alike:.3f}")
                return alike > 0.9 and 30 < delay < 250

            assert in_three_attempts(crosses)
            print(of_a.statistics, of_b.statistics, a.engine.statistics)
            a.engine.stop("call")
            b.engine.stop("call")
            report = b.final().report
        finally:
            a.engine.close()
            b.engine.close()
            system.close()
    assert (report.auth_failures, report.replays) == (0, 0)
    assert notices == []


def speak(rig: PulseRig) -> tuple[float, float]:
    """(likeness, delay in ms) of what is played into A's microphone and comes out of B's speaker."""
    mouth, ear = rig.record("a_mic.monitor"), rig.record("b_spk.monitor")
    rig.play_samples("a_mic", voice(1.5, RATE))
    ahead = []  # samples by which one recording is longer than the other at the same moment
    for _ in range(25):
        settle(0.1)
        ahead.append(mouth.delivered() - ear.delivered())
    spoken, heard = mouth.stop(), ear.stop()
    _, at_mouth = best_alignment(voice(1.5, RATE), spoken, RATE)
    _, at_ear = best_alignment(voice(1.5, RATE), heard, RATE)
    delay = at_ear - at_mouth + statistics.median(ahead) * 1000 / RATE
    return alike_in_pieces(voice(1.5, RATE), heard, RATE), delay
