"""The media thread on the real clock: sessions, their ends, punctuality, cost."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import pytest

from softphone.dsp.correlation import best_alignment
from softphone.engine.audio.backend import AudioEndpoint, Samples
from softphone.engine.audio.file import MemoryEndpoint
from softphone.engine.audio.loop import LoopEndpoint
from softphone.engine.audio.null import NullEndpoint
from softphone.engine.audio.tone import ToneEndpoint
from softphone.engine.media.media_engine import MediaEngine
from softphone.engine.media.media_session import MediaSession
from softphone.engine.media.sockets import PortRange
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.ua.inputs import Input, MediaFailed, MediaOpened, MediaReported, MediaSecured
from softphone.ua.media_report import MediaReport
from tests.engine.media.lockstep import crossed_keys, negotiated, voice
from tests.peers.ports import free_port_range
from tests.peers.process import until
from tests.peers.speech import likeness

RATE = 48_000
Told = TypeVar("Told")


class Engine:
    """An engine and everything it told."""

    def __init__(self, ports: PortRange | None = None) -> None:
        self.told: list[Input] = []
        self.engine = MediaEngine(self.told.append, ports=ports or PortRange(*free_port_range()))

    def heard_of(self, kind: type[Told], media_id: str = "call") -> list[Told]:
        told = [what for what in self.told if isinstance(what, kind)]
        return [what for what in told if getattr(what, "media_id", None) == media_id]

    def open(self, media_id: str = "call") -> int:
        self.engine.open(media_id, "127.0.0.1")
        return until(lambda: self.heard_of(MediaOpened, media_id), "sockets")[0].rtp_port

    def final(self, media_id: str = "call") -> MediaReported:
        def finals() -> list[MediaReported]:
            return [told for told in self.heard_of(MediaReported, media_id) if told.final]

        return until(finals, "the final report")[0]


@pytest.fixture
def engines() -> Iterator[tuple[Engine, Engine]]:
    pair = (Engine(), Engine())
    yield pair
    for side in pair:
        side.engine.close()


def join(a: Engine, b: Engine, of_a: AudioEndpoint, of_b: AudioEndpoint, media_id: str = "call") -> None:
    keys_a, keys_b = crossed_keys()
    port_a, port_b = a.open(media_id), b.open(media_id)
    a.engine.start(media_id, negotiated(port_b, keys_a), of_a)
    b.engine.start(media_id, negotiated(port_a, keys_b), of_b)


@pytest.mark.real_time
def test_a_call_on_the_real_clock_echoes_what_was_said(engines: tuple[Engine, Engine]) -> None:
    a, b = engines
    said = voice(1.5, RATE)
    ours = MemoryEndpoint(said, RATE)
    join(a, b, ours, LoopEndpoint())
    until(lambda: ours.heard().size >= 2.2 * RATE, "two seconds of sound", timeout=10)
    a.engine.stop("call")
    b.engine.stop("call")
    _, delay = best_alignment(said, ours.heard(), RATE)
    print(f"echo after {delay:.0f} ms; {a.engine.statistics}")
    assert likeness(said, ours.heard(), RATE) > 0.95
    assert delay < 250
    reports = [side.final().report for side in engines]
    assert abs(reports[0].rtp_sent - reports[1].rtp_received) <= 3
    assert abs(reports[1].rtp_sent - reports[0].rtp_received) <= 3
    for side in engines:
        assert len(side.heard_of(MediaSecured)) == 1
        assert side.engine.statistics.skipped == 0


def test_ports_are_an_even_one_and_the_next_and_free_again_after_the_end() -> None:
    first, _ = free_port_range()
    side = Engine(PortRange(first, first + 3))
    try:
        assert sorted(side.open(name) for name in ("one", "two")) == [first, first + 2]
        side.engine.open("three", "127.0.0.1")
        failed = until(lambda: side.heard_of(MediaFailed, "three"), "a failure")[0]
        assert "no free pair of ports" in failed.failure.reason
        side.engine.stop("one")
        assert side.open("four") in (first, first + 2)
        assert side.heard_of(MediaReported, "one") == []  # it had not started
    finally:
        side.engine.close()


def test_an_address_that_is_not_ours_fails_with_a_reason() -> None:
    side = Engine()
    try:
        side.engine.open("call", "192.0.2.1")
        failed = until(lambda: side.heard_of(MediaFailed), "a failure")[0]
        assert failed.failure.kind is FailureKind.NETWORK_UNREACHABLE
        assert "192.0.2.1" in failed.failure.reason
    finally:
        side.engine.close()


class Broken(NullEndpoint):
    """Breaks after a while, as a bug would."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.stopped = False

    def read(self, samples: int) -> Samples:
        self.reads += 1
        if self.reads > 20:
            raise ZeroDivisionError
        return super().read(samples)

    def stop(self) -> None:
        self.stopped = True


def test_an_error_in_one_session_ends_that_session_and_no_other(
    engines: tuple[Engine, Engine], caplog: pytest.LogCaptureFixture
) -> None:
    a, b = engines
    broken = Broken()
    ours = MemoryEndpoint(np.zeros(0, np.int16), RATE)
    join(a, b, ours, ToneEndpoint(), "good")
    with caplog.at_level(logging.ERROR):
        join(a, b, broken, NullEndpoint(), "bad")
        failed = until(lambda: a.heard_of(MediaFailed, "bad"), "the failure")[0]
    assert failed.failure.kind is FailureKind.ENGINE_FAILED
    assert "ZeroDivisionError" in caplog.text
    assert broken.stopped
    before = ours.heard().size
    until(lambda: ours.heard().size > before + RATE // 2, "the other call to go on")
    a.engine.stop("bad")
    assert a.final("bad").report.rtp_sent > 0


def test_a_session_that_cannot_even_report_ends_alone(
    engines: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = engines
    ours, report = MemoryEndpoint(np.zeros(0, np.int16), RATE), MediaSession.report

    def broken_report(session: MediaSession) -> MediaReport:
        if session.media_id == "bad":
            raise ZeroDivisionError
        return report(session)

    monkeypatch.setattr(MediaSession, "report", broken_report)
    join(a, b, ours, ToneEndpoint(), "good")
    join(a, b, Broken(), NullEndpoint(), "bad")
    until(lambda: a.heard_of(MediaFailed, "bad"), "the failure", timeout=20)
    before = ours.heard().size
    until(lambda: ours.heard().size > before + RATE // 2, "the other call to go on", timeout=20)
    a.engine.stop("bad")
    assert a.final("bad").report == MediaReport()


class Refusing(NullEndpoint):
    def start(self) -> None:
        raise OperationFailed(Failure(FailureKind.AUDIO_DEVICE, "There is no sound.", "Buy some."))


def test_an_endpoint_that_cannot_start_is_a_failure_with_its_reason(engines: tuple[Engine, Engine]) -> None:
    a, b = engines
    join(a, b, Refusing(), NullEndpoint())
    failed = until(lambda: a.heard_of(MediaFailed), "the failure")[0]
    assert failed.failure.reason == "There is no sound."
    a.engine.stop("call")
    a.open("next")
    assert [told for told in a.heard_of(MediaReported) if told.final] == []


def test_closing_the_engine_ends_every_call_with_a_report(engines: tuple[Engine, Engine]) -> None:
    a, b = engines
    join(a, b, ToneEndpoint(), NullEndpoint())
    until(lambda: b.heard_of(MediaSecured), "the first packet")
    a.engine.close()
    assert a.final().report.rtp_sent > 0
    a.engine.stop("call")  # too late, and harmless
    a.engine.open("late", "127.0.0.1")


def test_a_listener_that_raises_does_not_end_the_thread() -> None:
    told: list[Input] = []

    def listener(what: Input) -> None:
        told.append(what)
        raise RuntimeError("the loop is closed")

    engine = MediaEngine(listener, ports=PortRange(*free_port_range()))
    try:
        engine.open("one", "127.0.0.1")
        engine.open("two", "127.0.0.1")
        until(lambda: len(told) == 2, "both")
    finally:
        engine.close()


def test_an_engine_without_a_call_does_not_tick() -> None:
    side = Engine()
    try:
        side.open()
        time.sleep(0.1)
        assert side.engine.statistics.ticks == 0
    finally:
        side.engine.close()


def test_a_blocked_thread_is_measured_and_no_frame_is_lost(engines: tuple[Engine, Engine]) -> None:
    a, b = engines

    class Slow(ToneEndpoint):
        reads = 0

        def read(self, samples: int) -> Samples:
            self.reads += 1
            if self.reads == 50:
                time.sleep(0.2)
            return super().read(samples)

    started = time.monotonic()
    join(a, b, Slow(), NullEndpoint())
    until(lambda: time.monotonic() - started > 1.5, "a second and a half")
    a.engine.stop("call")
    statistics = a.engine.statistics
    assert statistics.late >= 1
    assert statistics.skipped == 0
    assert 150 < statistics.worst_late_ms < 500
    expected = (time.monotonic() - started) * 50
    assert a.final().report.rtp_sent == pytest.approx(expected, abs=8)
