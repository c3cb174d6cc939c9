"""The running phone's test of its devices, over the link, with devices of a PulseAudio of the tests' own."""

from collections.abc import Iterator

import pytest

from softphone.engine.link.connection import LinkConnection
from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.process.spawn import ensure_engine
from softphone.messages import (
    ChooseDevices,
    DeviceTestEnded,
    DeviceTestProgressed,
    Quit,
    StartDeviceTest,
    StopDeviceTest,
)
from softphone.ua.device_report import DeviceTestStep, LoopResult, LoopVerdict, MicrophoneVerdict
from tests.engine.media.lockstep import voice
from tests.peers.baresip import Baresip
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.peers.pulse import RATE, PulseRig
from tests.processes.running import Running
from tests.processes.test_calls_outlive_windows import call_bob

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]


@pytest.fixture
def pulse() -> Iterator[PulseRig]:
    with PulseRig() as rig, rig.in_this_process():
        yield rig


class Front:
    """Attached; what the engine says of the test."""

    def __init__(self, connection: LinkConnection) -> None:
        self._connection = connection
        connection.socket.settimeout(60.0)
        self.tell = connection.send
        self.progressed: list[DeviceTestProgressed] = []

    def ended(self, step: DeviceTestStep, *, stop: bool = False) -> DeviceTestEnded:
        while True:
            for envelope in self._connection.read():
                event = envelope.value
                if isinstance(event, DeviceTestProgressed):
                    self.progressed.append(event)
                    if stop:
                        self.tell(StopDeviceTest())
                if isinstance(event, DeviceTestEnded) and event.step is step:
                    return event


def looped(front: Front) -> LoopResult:
    """Once more where a busy machine disturbed it, which the test says."""
    results: list[LoopResult] = []
    while not results or (results[-1].verdict is LoopVerdict.DISTURBED and len(results) < 4):
        front.tell(StartDeviceTest(DeviceTestStep.LOOP))
        ended = front.ended(DeviceTestStep.LOOP)
        assert ended.failure is None
        assert ended.result is not None
        assert ended.result.loop is not None
        results.append(ended.result.loop)
    return results[-1]


def test_each_step_runs_in_the_engine_and_its_verdict_comes_over_the_link(running: Running, pulse: PulseRig) -> None:
    ensure_engine(running.start(*running.engine_options(audio="device")), FrontEndKind.TOOL).close()
    front = Front(running.tool())
    front.tell(ChooseDevices("a_in", "a_mic"))
    loop = looped(front)
    assert loop.verdict is LoopVerdict.ECHO
    assert loop.echo_return_db == pytest.approx(0, abs=2)

    front.progressed.clear()
    pulse.play_samples("a_mic", voice(120.0, RATE))
    front.tell(StartDeviceTest(DeviceTestStep.MICROPHONE))
    heard = front.ended(DeviceTestStep.MICROPHONE)
    assert heard.result is not None
    assert heard.result.microphone is not None
    assert heard.result.microphone.verdict is MicrophoneVerdict.GOOD
    assert heard.result.microphone.device == "A_in"
    levels = [event.test.level_db for event in front.progressed]
    assert len(levels) == 60
    assert max(level or -100 for level in levels) > -30

    front.tell(StartDeviceTest(DeviceTestStep.MICROPHONE))
    stopped = front.ended(DeviceTestStep.MICROPHONE, stop=True)
    assert (stopped.result, stopped.failure) == (None, None)

    front.tell(ChooseDevices("gone", "a_spk"))
    front.tell(StartDeviceTest(DeviceTestStep.SPEAKER))
    missing = front.ended(DeviceTestStep.SPEAKER)
    assert missing.failure is not None
    assert "There is no microphone called “gone”." in missing.failure.reason
    front.tell(Quit())


def test_during_a_call_nothing_is_tested_and_a_call_ends_a_test(
    running: Running, peers: Peers, kamailio: Kamailio
) -> None:
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    window = running.window(*running.engine_options())
    window.wait_for("state")
    window.submit(StartDeviceTest(DeviceTestStep.MICROPHONE))
    window.wait_for("DeviceTestProgressed")
    call_bob(window, kamailio)
    window.wait_for("DeviceTestEnded")
    front = Front(running.tool())
    front.tell(StartDeviceTest(DeviceTestStep.LOOP))
    refused = front.ended(DeviceTestStep.LOOP)
    assert refused.failure is not None
    assert refused.failure.reason == "Microphone and speaker are in use by a call."
    window.submit(Quit())
