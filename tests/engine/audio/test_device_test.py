"""The test of the devices on endpoints that are a cable, nothing, or broken; the verdicts; one test at a time."""

from __future__ import annotations

import queue
import threading
from dataclasses import replace

import numpy as np
import pytest

from softphone.dsp.loop_check import LoopFigures
from softphone.dsp.microphone_check import MicrophoneFigures
from softphone.engine.audio.backend import AudioEndpoint, NoticeSink, Samples
from softphone.engine.audio.device_test import DeviceTest, Progress, Stopped, TestedDevices
from softphone.engine.audio.device_tester import BUSY, DeviceTester
from softphone.engine.audio.device_verdicts import loop_result, microphone_result
from softphone.engine.audio.loop import LoopEndpoint
from softphone.engine.audio.null import NullEndpoint
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import AppEvent, DeviceTestEnded, DeviceTestProgressed
from softphone.policy.audio import AudioOptions, Processing
from softphone.ua.device_report import DeviceTestStep, LoopVerdict, MicrophoneVerdict
from tests.engine.media.lockstep import voice

GONE = Failure(FailureKind.AUDIO_DEVICE, "The microphone delivers no sound.", "Check the device.")
EVERYTHING_AUTO = AudioOptions()
WITHIN = 40.0  # s, on a busy machine


class Speaker(LoopEndpoint):
    """Somebody speaks into the microphone; what is played is kept and not heard."""

    def __init__(self) -> None:
        super().__init__()
        self._speech = voice(30.0, self.sample_rate)
        self.played: list[Samples] = []
        self.running = False

    def start(self) -> None:
        self.running = True

    def read(self, samples: int) -> Samples:
        frame, self._speech = self._speech[:samples], self._speech[samples:]
        return frame

    def write(self, frame: Samples) -> None:
        self.played.append(frame)

    def stop(self) -> None:
        self.running = False


def devices(endpoint: AudioEndpoint, options: AudioOptions = EVERYTHING_AUTO) -> TestedDevices:
    return TestedDevices(lambda _notice: endpoint, "Microphone", "Speaker", options)


def ignored(progress: Progress) -> None:
    del progress


def test_a_cable_from_the_speaker_to_the_microphone_is_an_echo_with_its_delay() -> None:
    result = DeviceTest(devices(LoopEndpoint(delay_ms=50)), ignored).run((DeviceTestStep.LOOP,))
    assert result.loop is not None
    assert result.loop.verdict is LoopVerdict.ECHO
    assert result.loop.latency_ms == pytest.approx(50, abs=0.5)
    assert result.loop.echo_return_db == pytest.approx(0, abs=0.2)


def test_an_echo_that_nobody_cancels_is_told_with_its_remedy() -> None:
    off = AudioOptions(echo_cancellation=Processing.OFF)
    result = DeviceTest(devices(LoopEndpoint(), off), ignored).run((DeviceTestStep.LOOP,))
    assert result.loop is not None
    assert result.loop.verdict is LoopVerdict.ECHO_NOT_CANCELLED


def test_a_microphone_to_which_nobody_spoke_is_not_dead_if_it_hears_the_chirps() -> None:
    test = DeviceTest(devices(LoopEndpoint()), ignored, speak_s=1.0)
    result = test.run((DeviceTestStep.MICROPHONE, DeviceTestStep.LOOP))
    assert result.microphone is not None
    assert result.microphone.verdict is MicrophoneVerdict.SILENT
    assert not result.microphone.silent


def test_no_microphone_at_all_is_dead_and_nothing_is_said_of_the_echo() -> None:
    test = DeviceTest(devices(NullEndpoint()), ignored, speak_s=1.0)
    result = test.run((DeviceTestStep.MICROPHONE, DeviceTestStep.LOOP))
    assert result.microphone is not None
    assert result.loop is not None
    assert result.microphone.verdict is MicrophoneVerdict.DEAD
    assert result.loop.verdict is LoopVerdict.NOT_KNOWN


def test_levels_are_told_ten_times_a_second_and_what_was_said_is_played_back() -> None:
    told: list[Progress] = []
    endpoint = Speaker()
    result = DeviceTest(devices(endpoint), told.append).run((DeviceTestStep.PLAYBACK,))
    assert result.microphone is not None
    assert result.microphone.verdict is MicrophoneVerdict.GOOD
    assert len(told) == 60
    assert [progress.playing for progress in told] == [False] * 30 + [True] * 30
    assert told[0].level_db == pytest.approx(-14, abs=6)
    assert told[-1].done == 1.0
    played = np.concatenate(endpoint.played)
    begin = int(np.argmax(played != 0))
    said = voice(30.0, endpoint.sample_rate)
    settled = played.size - 6 * endpoint.sample_rate  # read before the step began
    assert np.array_equal(played[begin : begin + 48_000], said[settled : settled + 48_000])
    assert not endpoint.running


def test_the_melody_wants_no_microphone() -> None:
    endpoint = Speaker()
    wanted: list[bool] = []
    endpoint.listen = wanted.append  # type: ignore[method-assign, assignment]
    result = DeviceTest(devices(endpoint), ignored).run((DeviceTestStep.SPEAKER,))
    assert wanted == [False]
    assert result.speaker is not None
    assert np.abs(np.concatenate(endpoint.played)).max() > 2000


def test_a_device_that_goes_away_ends_the_test_with_its_own_words() -> None:
    notices: list[NoticeSink] = []
    endpoint = Speaker()

    def open_endpoint(notice: NoticeSink) -> AudioEndpoint:
        notices.append(notice)
        return endpoint

    def told(progress: Progress) -> None:
        if progress.done > 0.1:
            notices[0](GONE)

    with pytest.raises(OperationFailed) as refused:
        DeviceTest(TestedDevices(open_endpoint, "m", "s"), told).run((DeviceTestStep.MICROPHONE,))
    assert refused.value.failure is GONE
    assert not endpoint.running


def test_a_stopped_test_gives_the_device_back() -> None:
    endpoint = Speaker()
    test = DeviceTest(devices(endpoint), ignored)
    threading.Timer(0.5, test.stop).start()
    with pytest.raises(Stopped):
        test.run((DeviceTestStep.MICROPHONE,))
    assert not endpoint.running


FIGURES = MicrophoneFigures(level_db=-25, noise_db=-60, peak_db=-10, clipped=0, dead=False, holes=0)


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        (FIGURES, MicrophoneVerdict.GOOD),
        (replace(FIGURES, dead=True), MicrophoneVerdict.DEAD),
        (replace(FIGURES, clipped=3), MicrophoneVerdict.CLIPPING),
        (replace(FIGURES, level_db=-62.0), MicrophoneVerdict.SILENT),
        (replace(FIGURES, level_db=-48.0), MicrophoneVerdict.QUIET),
        (replace(FIGURES, noise_db=-30.0), MicrophoneVerdict.NOISY),
    ],
)
def test_figures_have_a_verdict_and_what_is_wrong_has_a_remedy(
    figures: MicrophoneFigures, verdict: MicrophoneVerdict
) -> None:
    result = microphone_result("m", figures)
    assert result.verdict is verdict
    assert result.sentence.endswith(".")
    assert bool(result.remedy) is (verdict is not MicrophoneVerdict.GOOD)


def test_a_microphone_that_the_sound_system_has_muted_is_told_apart_from_a_dead_one() -> None:
    assert microphone_result("m", replace(FIGURES, dead=True), muted=True).verdict is MicrophoneVerdict.MUTED
    assert microphone_result("m", FIGURES, muted=True).verdict is MicrophoneVerdict.GOOD


@pytest.mark.parametrize(
    ("return_db", "cancelling", "verdict"),
    [
        (None, False, LoopVerdict.NO_ECHO),
        (-50.0, False, LoopVerdict.FAINT),
        (-20.0, True, LoopVerdict.ECHO),
        (-20.0, False, LoopVerdict.ECHO_NOT_CANCELLED),
    ],
)
def test_an_echo_is_told_with_what_the_settings_do_about_it(
    return_db: float | None, cancelling: bool, verdict: LoopVerdict
) -> None:
    latency = None if return_db is None else 40.0
    result = loop_result(LoopFigures(latency, return_db, 6), dead=False, cancelling=cancelling)
    assert result.verdict is verdict
    assert bool(result.remedy) is (verdict is LoopVerdict.ECHO_NOT_CANCELLED)


def test_gaps_are_no_headset() -> None:
    disturbed = loop_result(LoopFigures(None, None, 1), dead=False, cancelling=True, dropouts=40)
    assert disturbed.verdict is LoopVerdict.DISTURBED
    assert disturbed.remedy
    found = loop_result(LoopFigures(40.0, -20.0, 4), dead=False, cancelling=True, dropouts=40)
    assert (found.verdict, found.dropouts) == (LoopVerdict.ECHO, 40)


def test_devices_that_take_long_are_told() -> None:
    result = loop_result(LoopFigures(310.0, -20.0, 6), dead=False, cancelling=True)
    assert "310 ms" in result.remedy


class Told:
    """What the tester publishes, awaited."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[AppEvent] = queue.SimpleQueue()
        self.put = self._events.put

    def ended(self) -> DeviceTestEnded:
        while not isinstance(event := self._events.get(timeout=WITHIN), DeviceTestEnded):
            pass
        return event

    def progressed(self) -> DeviceTestProgressed:
        while not isinstance(event := self._events.get(timeout=WITHIN), DeviceTestProgressed):
            pass
        return event


def test_a_call_comes_first() -> None:
    told = Told()
    tester = DeviceTester(lambda: devices(Speaker()), told.put)
    tester.start(DeviceTestStep.MICROPHONE, in_call=True)
    assert told.ended() == DeviceTestEnded(DeviceTestStep.MICROPHONE, failure=BUSY)


def test_the_second_test_waits_until_the_first_has_given_the_devices_back() -> None:
    told = Told()
    endpoint = Speaker()
    open_at_start: list[bool] = []

    def tested() -> TestedDevices:
        open_at_start.append(endpoint.running)
        return devices(endpoint)

    tester = DeviceTester(tested, told.put)
    tester.start(DeviceTestStep.MICROPHONE, in_call=False)
    told.progressed()
    tester.start(DeviceTestStep.SPEAKER, in_call=False)
    assert told.ended() == DeviceTestEnded(DeviceTestStep.MICROPHONE)
    ended = told.ended()
    assert ended.step is DeviceTestStep.SPEAKER
    assert ended.result is not None
    assert open_at_start == [False, False]
    tester.close()


def test_a_missing_device_is_told_with_its_own_words() -> None:
    def missing() -> TestedDevices:
        raise OperationFailed(GONE)

    told = Told()
    tester = DeviceTester(missing, told.put)
    tester.start(DeviceTestStep.LOOP, in_call=False)
    assert told.ended() == DeviceTestEnded(DeviceTestStep.LOOP, failure=GONE)


def test_a_dead_microphone_is_a_failure_with_its_result() -> None:
    told = Told()
    tester = DeviceTester(lambda: devices(NullEndpoint()), told.put)
    tester.start(DeviceTestStep.PLAYBACK, in_call=False)
    ended = told.ended()
    assert ended.failure is not None
    assert ended.failure.kind is FailureKind.AUDIO_DEVICE
    assert ended.result is not None
    tester.close()
