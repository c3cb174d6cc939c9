"""Real streams on a PulseAudio of the tests' own."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from softphone.dsp.correlation import best_alignment
from softphone.engine.audio.backend import AudioDevice, AudioDeviceKind, DeviceChoice, Samples
from softphone.engine.audio.device_endpoint import SoundCardEndpoint
from softphone.engine.audio.sound_devices import SoundDevices
from softphone.errors import Failure, FailureKind, OperationFailed
from tests.engine.media.lockstep import alike_in_pieces, in_three_attempts, voice
from tests.peers.process import until
from tests.peers.pulse import RATE, PulseRig

pytestmark = pytest.mark.peer
BLOCK = 480
PHONE_B = DeviceChoice("b_in", "b_spk")


@pytest.fixture
def rig() -> Iterator[PulseRig]:
    with PulseRig() as server, server.in_this_process():
        yield server


@pytest.fixture
def devices(rig: PulseRig) -> Iterator[SoundDevices]:
    system = SoundDevices()
    yield system
    system.close()


class Call:
    """What a media thread does with an endpoint: 10 ms out, 10 ms in, on the clock."""

    def __init__(self, endpoint: SoundCardEndpoint) -> None:
        self.endpoint = endpoint
        self.heard: list[Samples] = []

    def run(self, seconds: float, say: Samples | None = None, loop: bool = False) -> None:
        at = 0
        due = time.monotonic()
        for _ in range(round(seconds * 100)):
            due += 0.01
            time.sleep(max(0.0, due - time.monotonic()))
            heard = self.endpoint.read(BLOCK)
            self.heard.append(heard)
            if loop:
                self.endpoint.write(heard)
            elif say is not None and at < say.size:
                self.endpoint.write(say[at : at + BLOCK])
                at += BLOCK

    def run_until(
        self, question: Callable[[], object], what: str, timeout: float = 15.0, *, loop: bool = False
    ) -> None:
        """Sound moves only while somebody reads and writes."""
        end = time.monotonic() + timeout
        while not question():
            assert time.monotonic() < end, f"waited {timeout:g} s for {what}"
            self.run(0.05, loop=loop)


def started(devices: SoundDevices, choice: DeviceChoice, notices: list[Failure]) -> Call:
    endpoint = devices.endpoint(choice, notices.append)
    endpoint.start()
    call = Call(endpoint)
    call.run_until(lambda: endpoint.statistics.captured and endpoint.statistics.played, "the first blocks", loop=True)
    return call


def test_devices_have_the_names_people_know_and_monitors_are_no_microphones(devices: SoundDevices) -> None:
    listed = [replace(device, serial=0) for device in devices.list()]
    assert AudioDevice("a_in", "A_in", AudioDeviceKind.MICROPHONE, True, 1) in listed
    assert AudioDevice("b_spk", "B_spk", AudioDeviceKind.SPEAKER, False, 1) in listed
    assert [d.id for d in listed if d.kind is AudioDeviceKind.MICROPHONE] == ["a_in", "b_in"]


def test_a_device_that_is_not_there_is_named_with_those_that_are(devices: SoundDevices) -> None:
    devices.require(PHONE_B)
    with pytest.raises(OperationFailed) as refused:
        devices.require(DeviceChoice(speaker="Loud one"))
    assert refused.value.failure.kind is FailureKind.AUDIO_DEVICE
    assert "Loud one" in refused.value.failure.reason
    assert "B_spk" in refused.value.failure.remedy


def test_sound_crosses_the_chosen_devices_and_the_environment_is_as_before(
    rig: PulseRig, devices: SoundDevices
) -> None:
    before = dict(os.environ)
    notices: list[Failure] = []
    call = started(devices, PHONE_B, notices)
    wrong = rig.record("a_spk.monitor")

    def crosses() -> bool:
        recording = rig.record("b_spk.monitor")
        rig.play_samples("b_mic", voice(1.5, RATE, seed=2))
        call.heard.clear()
        call.run(2.5, say=voice(1.5, RATE, seed=1))
        played = alike_in_pieces(voice(1.5, RATE, seed=1), recording.stop(), RATE)
        captured = alike_in_pieces(voice(1.5, RATE, seed=2), np.concatenate(call.heard), RATE)
        return min(played, captured) > 0.95

    assert in_three_attempts(crosses)
    call.endpoint.stop()
    assert not wrong.stop().any()
    assert dict(os.environ) == before
    assert notices == []


def test_microphone_to_speaker_takes_less_than_a_tenth_of_a_second(rig: PulseRig, devices: SoundDevices) -> None:
    call = started(devices, PHONE_B, [])
    call.run(0.5, loop=True)

    def quick() -> bool:
        said, came = rig.record("b_mic.monitor"), rig.record("b_spk.monitor")
        rig.play_samples("b_mic", voice(1.5, RATE))
        ahead = []  # samples by which one recording is longer than the other at the same moment
        for _ in range(25):
            call.run(0.1, loop=True)
            ahead.append(said.delivered() - came.delivered())
        spoken, played = said.stop(), came.stop()
        _, at_microphone = best_alignment(voice(1.5, RATE), spoken, RATE)
        _, at_speaker = best_alignment(voice(1.5, RATE), played, RATE)
        delay = at_speaker - at_microphone + statistics.median(ahead) * 1000 / RATE
        alike = alike_in_pieces(voice(1.5, RATE), played, RATE)
        print(f"microphone to speaker {delay:.0f} ms, correlation {alike:.2f}, {call.endpoint.statistics}")
        return alike > 0.95 and 10 < delay < 100

    assert in_three_attempts(quick)
    call.endpoint.stop()


def test_a_device_that_is_missing_gives_way_to_the_default_with_a_notice(devices: SoundDevices) -> None:
    notices: list[Failure] = []
    call = started(devices, DeviceChoice("Lost headset", "b_spk"), notices)
    call.run(0.3)
    call.endpoint.stop()
    assert [notice.kind for notice in notices] == [FailureKind.AUDIO_DEVICE]
    assert "Lost headset" in notices[0].reason
    assert call.endpoint.statistics.captured > 10


def test_the_server_dies_in_a_call_and_sound_comes_back_with_it(rig: PulseRig, devices: SoundDevices) -> None:
    notices: list[Failure] = []
    call = started(devices, PHONE_B, notices)
    call.run(0.3)
    rig.kill_server()
    call.run(1.5)
    assert not np.concatenate(call.heard)[-RATE:].any()  # silence, and the call goes on
    assert {notice.kind for notice in notices} == {FailureKind.AUDIO_DEVICE}
    assert len(notices) == 2  # one for each direction, not one a second
    rig.start()
    before = call.endpoint.statistics
    call.run_until(lambda: call.endpoint.statistics.reopened >= 2, "both streams to be opened again", loop=True)
    call.run_until(lambda: call.endpoint.statistics.played > before.played, "sound again", loop=True)

    def comes_back() -> bool:
        rig.play_samples("b_mic", voice(1.5, RATE))
        call.heard.clear()
        call.run(2.5)
        return alike_in_pieces(voice(1.5, RATE), np.concatenate(call.heard), RATE) > 0.95

    assert in_three_attempts(comes_back)
    call.endpoint.stop()


def test_without_a_sound_server_there_are_no_devices_and_the_call_is_silent(rig: PulseRig) -> None:
    rig.kill_server()
    devices = SoundDevices()
    try:
        assert devices.list() == ()
        with pytest.raises(OperationFailed, match="no microphone"):
            devices.require(DeviceChoice())
        notices: list[Failure] = []
        endpoint = devices.endpoint(DeviceChoice(), notices.append)
        endpoint.start()
        call = Call(endpoint)
        call.run(0.5, loop=True)
        assert not np.concatenate(call.heard).any()
        until(lambda: len(notices) == 2, "two notices")
        endpoint.stop()
    finally:
        devices.close()


def test_the_sound_system_is_told_that_this_is_a_phone(rig: PulseRig, devices: SoundDevices) -> None:
    call = started(devices, PHONE_B, [])
    described = rig.control("list", "sink-inputs")
    call.endpoint.stop()
    assert 'media.role = "phone"' in described
    until(lambda: "media.role" not in rig.control("list", "sink-inputs"), "the stream to be closed")


def test_a_speaker_that_is_kept_asleep_is_told_and_sounds_again_when_it_wakes(
    rig: PulseRig, devices: SoundDevices
) -> None:
    notices: list[Failure] = []
    endpoint = devices.endpoint(PHONE_B, notices.append)
    call = Call(endpoint)

    def played(more_than: int) -> bool:
        call.run(0.1, loop=True)
        return endpoint.statistics.played > more_than

    endpoint.start()
    until(lambda: played(50), "sound", 20)
    rig.control("suspend-sink", "b_spk", "1")
    until(lambda: played(0) and notices, "word of it", 30)
    assert notices[0].reason == "The speaker delivers no sound."
    before = endpoint.statistics.played
    rig.control("suspend-sink", "b_spk", "0")
    until(lambda: played(before + 50), "sound again", 30)
    assert len(notices) == 1
    endpoint.stop()
