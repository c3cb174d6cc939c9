"""A caller on loudspeakers, in a call over SRTP: does the other side hear itself? Real devices, real clock.

B speaks into its microphone; A's loudspeaker plays it, and the room (a loop-back inside the sound server, some 40 ms
long and 18 dB lower) brings it into A's microphone. What comes out of B's loudspeaker then is B's own echo.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from softphone.engine.audio.backend import DeviceChoice
from softphone.engine.audio.sound_devices import SoundDevices
from softphone.engine.audio.voice_processing import VoiceProcessing
from softphone.errors import Failure
from softphone.policy.audio import AudioOptions, Processing
from tests.dsp.rooms import babble, level_db, whole
from tests.engine.media.lockstep import in_three_attempts
from tests.engine.media.test_media_engine import Engine, join
from tests.peers.process import until
from tests.peers.pulse import PulseRig, settle

WITH = AudioOptions(noise_suppression=Processing.OFF)
WITHOUT = AudioOptions(echo_cancellation=Processing.OFF, noise_suppression=Processing.OFF)


@contextmanager
def call_in_a_room(notices: list[Failure]) -> Iterator[tuple[PulseRig, VoiceProcessing]]:
    with PulseRig() as rig, rig.in_this_process():
        rig.control("load-module", "module-loopback", "source=a_spk.monitor", "sink=a_mic", "latency_msec=30")
        loop = rig.control("list", "short", "sink-inputs").split()[0]
        rig.control("set-sink-input-volume", loop, "50%")
        system = SoundDevices()
        a, b = Engine(), Engine()
        try:
            card = system.endpoint(DeviceChoice("a_in", "a_spk"), notices.append)
            of_a = VoiceProcessing(card, WITHOUT, notices.append)
            of_b = system.endpoint(DeviceChoice("b_in", "b_spk"), notices.append)
            join(a, b, of_a, of_b)
            until(lambda: card.statistics.captured > 100 and of_b.statistics.played > 100, "sound", timeout=20)
            yield rig, of_a
            a.engine.stop("call")
            b.engine.stop("call")
        finally:
            a.engine.close()
            b.engine.close()
            system.close()


def heard_level(rig: PulseRig, seconds: float) -> float:
    """dB of B's loudspeaker from now on."""
    recording = rig.record("b_spk.monitor")
    settle(seconds)
    return level_db(recording.stop().astype(float))


@pytest.mark.peer
@pytest.mark.timeout(120)
def test_the_other_side_does_not_hear_itself_out_of_our_loudspeaker() -> None:
    notices: list[Failure] = []
    with call_in_a_room(notices) as (rig, of_a):

        def echo_is_gone() -> bool:
            of_a.use(WITHOUT)
            speaking = rig.play_samples("b_mic", whole(babble(9, 5)))
            settle(0.7)
            as_it_is = heard_level(rig, 1.3)
            of_a.use(WITH)
            settle(3.0)
            cancelled = heard_level(rig, 2.0)
            of_a.use(WITHOUT)
            settle(0.3)
            again = heard_level(rig, 1.0)
            speaking.kill()
            print(f"B hears its echo at {as_it_is:.1f} dB, cancelled {cancelled:.1f}, switched off {again:.1f}")
            return min(as_it_is, again) > 30 and cancelled < min(as_it_is, again) - 20

        assert in_three_attempts(echo_is_gone)
    assert notices == []
