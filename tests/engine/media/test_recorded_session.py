"""A session's tape gets what is said and heard in each tick, and the announcement goes out with the voice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from softphone.engine.audio.backend import Samples
from softphone.engine.audio.file import MemoryEndpoint
from softphone.engine.recording.tape import Tape, both_sides
from softphone.sdp.negotiated import Direction
from tests.engine.media.lockstep import pair, voice

RATE = 48_000
BLOCK = RATE // 100


def taped(tape: Tape) -> tuple[Samples, Samples]:
    return both_sides(tape.take(), BLOCK)


def test_the_tape_gets_exactly_what_is_said_and_heard() -> None:
    mine, theirs = voice(4.0, RATE, 1), voice(4.0, RATE, 2)
    with pair() as both:
        a, b = MemoryEndpoint(mine, RATE), MemoryEndpoint(theirs, RATE)
        both.start(a, b)
        both.advance(1.0)
        before = a.heard().size
        tape = Tape()
        both.a.session.record(tape)
        both.advance(2.0)
        left, right = taped(tape)

        assert tape.begun.is_set()
        assert tape.sample_rate == RATE
        assert left.size == right.size == 2 * RATE
        assert np.array_equal(left, mine[RATE : 3 * RATE])
        assert np.array_equal(right, a.heard()[before:])
        both.a.session.record(None)
        both.advance(0.5)
        assert tape.take() == []


def test_who_is_muted_on_hold_or_aside_leaves_silence_on_the_tape() -> None:
    loop = MemoryEndpoint(voice(2.0, RATE, 1), RATE, loop=True)
    with pair() as both:
        both.start(loop, MemoryEndpoint(voice(2.0, RATE, 2), RATE, loop=True))
        both.advance(1.0)
        tape = Tape()
        session = both.a.session
        session.record(tape)
        session.set_muted(True)
        both.advance(0.3)
        left, right = taped(tape)
        assert not left.any()
        assert right.any()

        session.set_muted(False)
        session.set_aside(True)
        both.advance(0.3)
        left, right = taped(tape)
        assert not left.any()
        assert not right.any(), "nobody heard it"

        session.set_aside(False)
        session.update(replace(both.media_a, direction=Direction.INACTIVE), both.now)
        both.advance(0.3)
        left, right = taped(tape)
        assert not left.any()
        assert not right.any()


def test_the_other_side_hears_the_beep_over_the_voice_and_muted_too() -> None:
    quiet = MemoryEndpoint(np.zeros(RATE, np.int16), RATE, loop=True)
    with pair() as both:
        heard = MemoryEndpoint(np.zeros(RATE, np.int16), RATE, loop=True)
        both.start(quiet, heard)
        both.advance(1.0)
        assert not heard.heard().any()
        both.a.session.set_muted(True)
        both.a.session.announce_recording(True)
        both.advance(1.0)
        sound = heard.heard()[RATE:]
        loud = np.flatnonzero(np.abs(sound.astype(int)) > 500)
        beep = sound[loud[0] : loud[-1]].astype(float)
        assert 0.15 < beep.size / RATE < 0.25
        assert abs(np.abs(np.fft.rfft(beep)).argmax() * RATE / beep.size - 1400) < 20
        size = heard.heard().size
        both.advance(13.0)
        assert np.abs(heard.heard()[size:].astype(int)).max(initial=0) < 500
        both.advance(2.0)
        assert np.abs(heard.heard()[-2 * RATE :].astype(int)).max() > 500, "not again after 15 s"
        both.a.session.announce_recording(False)
        size = heard.heard().size
        both.advance(20.0)
        assert np.abs(heard.heard()[size + RATE :].astype(int)).max(initial=0) < 500
