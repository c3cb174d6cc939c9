"""The settings' devices in use, on a PulseAudio of the tests' own: chosen in mid-call, the ringer, hot-plug."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from softphone.engine.audio.backend import AudioEndpoint
from softphone.errors import Failure
from softphone.messages import AudioDeviceView, DeviceKind
from softphone.sound import AudioChoice, Sound
from softphone.storage.settings import AudioSection
from tests.peers.process import until
from tests.peers.pulse import RATE, PulseRig

pytestmark = pytest.mark.peer
BLOCK = 480


class Person:
    """Settings that may change, what is told, and the one thread that reads and writes, as a call's does."""

    def __init__(self, rig: PulseRig) -> None:
        self.rig = rig
        self.settings = AudioSection()
        self.told: list[tuple[AudioDeviceView, ...]] = []
        self.notices: list[Failure] = []
        self.turns: list[float] = []  # seconds that each took
        self.sound = Sound(AudioChoice(), lambda: self.settings, self.notices.append, self.told.append)
        self._sounding: dict[int, AudioEndpoint] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def choose(self, *, speaker: str = "", ringer: str = "") -> None:
        self.settings = replace(self.settings, speaker=speaker, ringer=ringer)
        self.sound.settings_changed()

    def sounds_on(self, endpoint: AudioEndpoint | None) -> None:
        assert endpoint is not None
        endpoint.start()
        self._sounding[id(endpoint)] = endpoint

    def silent_on(self, endpoint: AudioEndpoint) -> None:
        del self._sounding[id(endpoint)]
        endpoint.stop()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        for endpoint in self._sounding.values():
            endpoint.stop()
        self.sound.close()

    def _run(self) -> None:
        tone = (8000 * np.sin(2 * np.pi * 400 / RATE * np.arange(BLOCK))).astype(np.int16)
        due = time.monotonic()
        while not self._ended.is_set():
            due += 0.01
            time.sleep(max(0.0, due - time.monotonic()))
            began = time.monotonic()
            for endpoint in list(self._sounding.values()):
                endpoint.read(BLOCK)
                endpoint.write(tone)
            self.turns.append(time.monotonic() - began)


@pytest.fixture
def person() -> Iterator[Person]:
    with PulseRig() as rig, rig.in_this_process():
        person = Person(rig)
        yield person
        person.close()


@pytest.fixture
def loud(person: Person) -> Callable[[str], bool]:
    """Whether a sink sounds now."""
    ears = {sink: person.rig.record(f"{sink}.monitor") for sink in ("a_spk", "b_spk")}
    return lambda sink: bool(np.abs(ears[sink].latest(RATE // 20).astype(int)).max(initial=0) > 1000)


def test_another_speaker_is_used_at_once_in_a_running_call(person: Person, loud: Callable[[str], bool]) -> None:
    call = person.sound.endpoint()
    person.sounds_on(call)
    until(lambda: loud("a_spk"), "the default's sound", 20)
    person.choose(speaker="b_spk")
    until(lambda: loud("b_spk") and not loud("a_spk"), "the chosen one's sound", 20)
    assert person.sound.endpoint() is call
    person.choose(speaker="")
    until(lambda: loud("a_spk") and not loud("b_spk"), "the default's sound again", 20)
    assert person.notices == []


def test_the_ringer_is_the_speaker_s_endpoint_unless_it_is_chosen(person: Person, loud: Callable[[str], bool]) -> None:
    assert person.sound.ringer() is person.sound.speaker()
    person.choose(ringer="b_spk")
    ringer = person.sound.ringer()
    assert ringer is not None
    assert ringer is not person.sound.speaker()
    ringer.listen(False)
    person.sounds_on(ringer)
    until(lambda: loud("b_spk"), "the ringing", 20)
    assert not loud("a_spk")
    assert "softphone" not in person.rig.control("list", "source-outputs").lower()  # its microphone stays closed
    person.choose(ringer="")
    assert person.sound.ringer() is person.sound.speaker()


def test_what_is_plugged_in_is_told_and_what_is_pulled_out(person: Person) -> None:
    assert "plugged" not in [device.id for device in person.sound.list_devices()]
    module = person.rig.control("load-module", "module-null-sink", "sink_name=plugged", "norewinds=1").strip()
    until(lambda: person.told and "plugged" in [device.id for device in person.told[-1]], "the new device", 20)
    person.rig.control("set-default-sink", "plugged")
    default = AudioDeviceView("plugged", "plugged", DeviceKind.SPEAKER, is_default=True)
    until(lambda: default in [replace(d, name=d.id) for d in person.told[-1]], "the new default", 20)
    person.rig.control("unload-module", module)
    until(lambda: "plugged" not in [device.id for device in person.told[-1]], "its going", 20)


def test_a_server_that_stands_still_stops_no_call_and_is_used_again_when_it_goes_on(
    person: Person, loud: Callable[[str], bool]
) -> None:
    call = person.sound.endpoint()
    person.sounds_on(call)
    until(lambda: loud("a_spk"), "sound", 20)
    with person.rig.server_stopped():
        until(lambda: person.notices, "a notice", 20)
        person.turns.clear()
        until(lambda: len(person.turns) > 10, "turns of the call", 20)
        assert sum(person.turns[:10]) < 1  # nobody waits for the server
    until(lambda: loud("a_spk"), "sound again", 20)
