"""Several sessions on one microphone and speaker: who hears whom, in a conference and without, tones, microphones.

A phone with several calls, each to a peer of its own over real UDP; time is the test's. Every voice is a sine of its
own frequency, so that what anybody hears is read off a spectrum.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from softphone.dsp.tone import Tone as Sound
from softphone.dsp.tone import ToneGenerator
from softphone.engine.audio.backend import BLOCK_MS, Samples
from softphone.engine.audio.file import MemoryEndpoint
from softphone.engine.media.mixer import LINGER_MS, Mixer
from softphone.engine.media.tone_player import Sound as SoundPlayed
from softphone.engine.tones import Tones
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.sdp.negotiated import Direction
from softphone.ua.actions import Tone
from tests.engine.media.lockstep import CLEAR, PCMA, PCMU, TICK, Side, crossed_keys, negotiated

RATE = 48_000
OURS = 400.0
THEIRS = (600.0, 900.0, 1200.0, 1500.0, 1800.0, 2100.0, 2400.0, 2700.0)
LOUD = 1000.0  # amplitude that counts as heard; the sines have 8000, what is not there less than 100


class Endpoint(MemoryEndpoint):
    """A steady sine and a memory, and whether it is open."""

    def __init__(self, frequency: float, rate: int = RATE) -> None:
        tone = ToneGenerator(Sound((frequency,), -12.0), rate).generate(rate)
        super().__init__(tone, rate, loop=True)
        self.opened = 0
        self.closed = 0
        self._listening = True

    def listen(self, wanted: bool) -> None:
        self._listening = wanted

    def listening(self) -> bool:
        return self._listening

    def start(self) -> None:
        self.opened += 1

    def stop(self) -> None:
        self.closed += 1

    def is_open(self) -> bool:
        return self.opened > self.closed


def frequencies(heard: Samples, rate: int = RATE) -> set[float]:
    """Which of the voices are in the last half second."""
    last = heard[-rate // 2 :].astype(float)
    spectrum = np.abs(np.fft.rfft(last)) * 2 / last.size
    return {frequency for frequency in (OURS, *THEIRS) if spectrum[int(frequency / 2)] > LOUD}


class Phone:
    def __init__(self, calls: int, theirs_rate: int = RATE, *, clear: bool = False) -> None:
        self.now = 1000.0
        self.mixer = Mixer()
        self.endpoint = Endpoint(OURS)
        self.own = [Side(f"m{number}", secrets.token_bytes) for number in range(calls)]
        self.peers = [Side(f"p{number}", secrets.token_bytes) for number in range(calls)]
        self.heard_there = [Endpoint(THEIRS[number], theirs_rate) for number in range(calls)]
        for number in range(calls):
            self._start(number, clear=clear)

    def _start(self, number: int, *, clear: bool) -> None:
        ours, theirs = (CLEAR, CLEAR) if clear else crossed_keys()
        format_ = (PCMU, PCMA)[number % 2]
        own, peer = self.own[number], self.peers[number]
        self.media = negotiated(peer.port, ours, format=format_)
        tap = self.mixer.tap(own.session.media_id, self.endpoint)
        own.session.start(self.media, tap, None, self.now)
        peer.session.start(negotiated(own.port, theirs, format=format_), self.heard_there[number], None, self.now)

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            for side in (*self.own, *self.peers):
                side.take_in(self.now)
            self.mixer.begin()
            for side in self.own:
                side.session.hear(self.now)
            assert list(self.mixer.play()) == []
            for side in self.own:
                side.session.say(self.now, self.mixer.others)
            for side in self.peers:
                side.session.hear(self.now)
                side.session.say(self.now)

    def here(self) -> set[float]:
        return frequencies(self.endpoint.heard())

    def there(self, number: int) -> set[float]:
        return frequencies(self.heard_there[number].heard(), self.heard_there[number].sample_rate)

    def close(self) -> None:
        for side in (*self.own, *self.peers):
            side.session.release()


@pytest.fixture
def phones() -> Iterator[list[Phone]]:
    made: list[Phone] = []
    yield made
    for phone in made:
        phone.close()


def test_in_a_conference_everybody_hears_all_others_and_nobody_itself(phones: list[Phone]) -> None:
    phone = Phone(3)
    phones.append(phone)
    phone.mixer.mix(("m0", "m1", "m2"), ())
    phone.advance(1.5)
    everybody = {OURS, *THEIRS[:3]}
    assert phone.here() == everybody - {OURS}
    for number in range(3):
        assert phone.there(number) == everybody - {THEIRS[number]}


@pytest.mark.parametrize("rate", [8000, 16_000, RATE])
def test_eight_members_with_endpoints_of_any_rate(phones: list[Phone], rate: int) -> None:
    phone = Phone(8, rate)
    phones.append(phone)
    phone.mixer.mix(tuple(f"m{number}" for number in range(8)), ())
    phone.advance(1.5)
    for number in range(8):
        assert phone.there(number) == {OURS, *THEIRS} - {THEIRS[number]}
    assert np.abs(phone.endpoint.heard().astype(int)).max() <= 32767


def test_two_calls_that_are_not_joined_hear_the_microphone_and_not_each_other(phones: list[Phone]) -> None:
    phone = Phone(2, clear=True)
    phones.append(phone)
    phone.advance(1.2)
    assert phone.here() == set(THEIRS[:2])
    assert phone.there(0) == phone.there(1) == {OURS}
    phone.mixer.mix(("m0",), ())  # one alone is no conference
    phone.advance(1.0)
    assert phone.there(1) == {OURS}


def test_a_silenced_member_is_heard_by_nobody_and_hears_all(phones: list[Phone]) -> None:
    phone = Phone(3)
    phones.append(phone)
    phone.mixer.mix(("m0", "m1", "m2"), ("m1",))
    phone.advance(1.5)
    assert phone.here() == {THEIRS[0], THEIRS[2]}
    assert phone.there(0) == {OURS, THEIRS[2]}
    assert phone.there(1) == {OURS, THEIRS[0], THEIRS[2]}


def test_mute_takes_our_microphone_from_all_members_and_the_members_hear_each_other(phones: list[Phone]) -> None:
    phone = Phone(3)
    phones.append(phone)
    phone.mixer.mix(("m0", "m1", "m2"), ())
    for side in phone.own:
        side.session.set_muted(True)
    phone.advance(1.5)
    for number in range(3):
        assert phone.there(number) == set(THEIRS[:3]) - {THEIRS[number]}
    assert phone.endpoint.listening()  # to be heard at once again
    assert phone.own[0].session.report().microphone_level_db == pytest.approx(-12, abs=1)


def test_who_is_split_off_hears_the_others_no_more(phones: list[Phone]) -> None:
    phone = Phone(3)
    phones.append(phone)
    phone.mixer.mix(("m0", "m1", "m2"), ())
    phone.advance(0.5)
    phone.mixer.mix(("m0", "m1"), ())
    phone.own[2].session.set_aside(True)
    phone.advance(1.5)
    assert phone.here() == set(THEIRS[:2])
    assert phone.there(2) == set()
    assert phone.there(0) == {OURS, THEIRS[1]}


def test_a_member_that_ends_leaves_and_the_last_one_goes_on(phones: list[Phone]) -> None:
    phone = Phone(2)
    phones.append(phone)
    phone.mixer.mix(("m0", "m1"), ())
    phone.advance(0.5)
    gone = phone.own.pop(0)
    gone.session.stop(phone.now)
    phone.advance(1.2)
    assert phone.there(1) == {OURS}
    assert phone.here() == {THEIRS[1]}


def test_who_is_aside_neither_hears_nor_is_heard_whatever_is_negotiated(phones: list[Phone]) -> None:
    phone = Phone(2)
    phones.append(phone)
    phone.own[0].session.set_aside(True)
    phone.advance(1.2)
    assert phone.here() == {THEIRS[1]}
    assert phone.there(0) == set()
    assert phone.there(1) == {OURS}
    phone.own[0].session.set_aside(False)
    phone.own[1].session.set_aside(True)
    phone.advance(1.2)
    assert phone.here() == {THEIRS[0]}
    assert phone.there(0) == {OURS}
    assert phone.there(1) == set()


def test_the_endpoint_opens_with_the_first_call_and_closes_with_the_last(phones: list[Phone]) -> None:
    phone = Phone(2)
    phones.append(phone)
    phone.advance(0.1)
    assert phone.endpoint.opened == 1
    phone.own[0].session.stop(phone.now)
    assert phone.endpoint.is_open()
    phone.own[1].session.stop(phone.now)
    assert not phone.endpoint.is_open()
    assert phone.mixer.idle


def test_the_microphone_is_open_only_while_a_call_wants_it(phones: list[Phone]) -> None:
    phone = Phone(2)
    phones.append(phone)
    held = replace(phone.media, direction=Direction.SENDONLY)
    phone.own[0].session.set_aside(True)
    assert phone.endpoint.listening()
    phone.own[1].session.set_muted(True)
    assert phone.endpoint.listening()
    phone.own[1].session.update(replace(held, remote_rtp_port=phone.peers[1].port), phone.now)
    assert not phone.endpoint.listening()  # both are on hold
    phone.advance(0.3)
    assert phone.own[1].session.report().rtp_sent >= 14  # silence, so that nothing takes the call for dead
    phone.own[0].session.set_aside(False)
    assert phone.endpoint.listening()
    phone.advance(1.0)
    assert phone.there(0) == {OURS}


def german(tone: Tone) -> SoundPlayed:
    return Tones().sound(tone, country="DE")


class TestTones:
    def loudness(self, phone: Phone, seconds: float) -> float:
        """Of 425 Hz, the loudest 20 ms of that time."""
        before = phone.endpoint.heard().size
        phone.advance(seconds)
        return _loudest(phone.endpoint.heard()[before:], 425.0)

    def test_call_waiting_is_heard_over_the_voice_and_quieter(self, phones: list[Phone]) -> None:
        phone = Phone(1)
        phones.append(phone)
        phone.advance(0.5)
        phone.mixer.play_tone("c2", german(Tone.CALL_WAITING), phone.endpoint)
        assert 500 < self.loudness(phone, 1.0) < 3000  # the voice has 8000
        assert phone.here() == {THEIRS[0]}
        assert phone.there(0) == {OURS}  # it is for us alone
        phone.mixer.stop_tone("c2")
        phone.advance(0.1)
        assert self.loudness(phone, 1.0) < 400

    def test_ringback_needs_no_call_and_no_microphone_and_stops_at_once(self) -> None:
        mixer, endpoint = Mixer(), Endpoint(OURS)
        mixer.play_tone("c1", german(Tone.RINGBACK), endpoint)
        assert endpoint.is_open()
        assert not endpoint.listening()
        _run(mixer, 0.5)
        assert _loudest(endpoint.heard(), 425.0) > 4000
        mixer.stop_tone("c1")
        before = endpoint.heard().size
        _run(mixer, 0.2)
        assert not endpoint.heard()[before:].any()
        assert endpoint.is_open()  # the voice comes next
        _run(mixer, LINGER_MS / 1000)
        assert not endpoint.is_open()
        assert mixer.idle

    def test_a_call_that_starts_after_ringback_takes_over_the_open_speaker(self, phones: list[Phone]) -> None:
        phone = Phone(0)
        phone.mixer.play_tone("c1", german(Tone.RINGBACK), phone.endpoint)
        phone.advance(0.2)
        phone.mixer.stop_tone("c1")
        tap = phone.mixer.tap("m", phone.endpoint)
        tap.start()
        assert phone.endpoint.opened == 1
        assert phone.endpoint.listening()
        tap.stop()
        assert not phone.endpoint.is_open()  # no lingering after a call

    def test_the_beep_of_an_automatic_answer_ends_by_itself(self) -> None:
        mixer, endpoint = Mixer(), Endpoint(OURS)
        mixer.play_tone("c1", german(Tone.AUTO_ANSWERED), endpoint)
        _run(mixer, 1.5)
        heard = endpoint.heard()
        assert np.abs(heard[: RATE // 10].astype(int)).max() > 2000
        assert not heard[RATE // 2 :].any()
        assert mixer.idle

    def test_without_an_endpoint_a_tone_is_heard_only_over_a_call(self, phones: list[Phone]) -> None:
        mixer = Mixer()
        mixer.play_tone("c1", german(Tone.RINGBACK), None)
        assert mixer.idle
        phone = Phone(1)
        phones.append(phone)
        phone.mixer.play_tone("c2", german(Tone.CALL_WAITING), None)
        assert self.loudness(phone, 1.0) > 500

    def test_a_speaker_that_cannot_be_had_fails_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        class Missing(Endpoint):
            def start(self) -> None:
                raise OperationFailed(Failure(FailureKind.AUDIO_DEVICE, "There is no speaker.", "Buy one."))

        mixer = Mixer()
        mixer.play_tone("c1", german(Tone.RINGBACK), Missing(OURS))
        assert mixer.idle
        assert "There is no speaker." in caplog.text
        mixer.stop_tone("c1")


def test_an_endpoint_that_breaks_is_told_of_with_the_calls_on_it(phones: list[Phone]) -> None:
    phone = Phone(2)
    phones.append(phone)
    phone.advance(0.1)

    def broken(frame: Samples) -> None:
        raise ZeroDivisionError

    phone.endpoint.write = broken  # type: ignore[method-assign]
    phone.mixer.begin()
    for side in phone.own:
        side.session.hear(phone.now)
    ((concerned, error),) = phone.mixer.play()
    assert concerned == ("m0", "m1")
    assert isinstance(error, ZeroDivisionError)


def _run(mixer: Mixer, seconds: float) -> None:
    for _ in range(round(seconds * 1000 / BLOCK_MS)):
        mixer.begin()
        assert list(mixer.play()) == []


def _loudest(heard: Samples, frequency: float) -> float:
    """The greatest amplitude of that frequency in any fifth of a second."""
    window = RATE // 5
    wave = np.exp(-2j * np.pi * frequency * np.arange(window) / RATE)
    pieces = [heard[start : start + window] for start in range(0, heard.size - window + 1, window // 4)]
    return max((float(abs(np.dot(piece, wave)) * 2 / window) for piece in pieces), default=0.0)
