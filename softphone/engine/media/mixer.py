"""Who hears whom: the sessions that share a microphone and a speaker, the conference, the tones for the person.

Owns: desks (one endpoint each, with the sessions on it), the conference's sums, what is played to the person besides.
Must not know: packets, sockets, threads. Within one tick all sessions hear first, then all speak; so a member's voice
reaches the others without waiting, each gets all but its own (mix-minus), and two calls on one microphone get the same
block. All sums are made at the endpoint's rate: codecs may differ.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from softphone.dsp.mix import Limiter
from softphone.engine.audio.backend import BLOCK_MS, AudioEndpoint, Samples
from softphone.engine.media.tone_player import Player, Sound
from softphone.errors import OperationFailed
from softphone.ua.actions import MediaId

_log = logging.getLogger(__name__)

LINGER_MS = 500
"""For so long a speaker that only played a tone stays open: after ringback the call's voice comes next."""


class _Desk:
    """One endpoint while anything uses it: opened with the first user, closed with the last."""

    def __init__(self, endpoint: AudioEndpoint) -> None:
        self.endpoint = endpoint
        self.block = endpoint.sample_rate * BLOCK_MS // 1000
        self.taps: list[Tap] = []
        self.tones: dict[str, Player] = {}  # by the name they are stopped with
        self.lingers_ms = 0  # left
        self._silence: Samples = np.zeros(self.block, np.int16)
        self._limiter = Limiter(endpoint.sample_rate)
        self._captured: Samples | None = None  # the microphone in this tick
        self._listening = True
        self._open = False

    def open(self) -> None:
        """Raises OperationFailed where the endpoint cannot start."""
        if not self._open:
            self.listen()
            self.endpoint.start()
            self._open = True

    def close(self) -> None:
        if self._open:
            self._open = False
            self.endpoint.stop()

    def add(self, tap: Tap) -> None:
        self.taps.append(tap)
        self.lingers_ms = 0
        if self._open:
            self.listen()

    @property
    def unused(self) -> bool:
        return not self.taps and not self.tones and self.lingers_ms <= 0

    def listen(self) -> None:
        """The microphone is open while one session at least wants it."""
        wanted = any(tap.listening for tap in self.taps)
        if wanted is not self._listening:
            self._listening = wanted
            self.endpoint.listen(wanted)

    def begin(self) -> None:
        self._captured = None
        for tap in self.taps:
            tap.heard = None

    def read(self, samples: int) -> Samples:
        """The same for all sessions of a tick. A block at a time, which is what sessions ask for."""
        if self._captured is None or self._captured.size != samples:
            self._captured = self.endpoint.read(samples)
        return self._captured

    def play(self, silenced: tuple[MediaId, ...]) -> None:
        """What all sessions heard in this tick, and the tones, to the speaker."""
        voices = [tap.heard for tap in self.taps if tap.heard is not None and tap.media_id not in silenced]
        for name, player in list(self.tones.items()):
            voices.append(player.block(self.block))
            if player.over:
                self.end_tone(name)
        if len(voices) == 1:
            self.endpoint.write(voices[0])
        elif voices:
            self.endpoint.write(self._limiter.process(_total(voices)))
        else:
            self.endpoint.write(self._silence)
            self.lingers_ms -= BLOCK_MS

    def end_tone(self, name: str) -> None:
        if self.tones.pop(name, None) is not None and not self.taps:
            self.lingers_ms = LINGER_MS


class Tap:
    """The endpoint as one session sees it: its reads and writes are gathered with those of the others."""

    def __init__(self, media_id: MediaId, endpoint: AudioEndpoint, mixer: Mixer) -> None:
        self.media_id = media_id
        self._endpoint = endpoint
        self._mixer = mixer
        self._desk: _Desk | None = None  # from start to stop
        self.heard: Samples | None = None  # in this tick
        self.listening = True

    @property
    def sample_rate(self) -> int:
        return self._endpoint.sample_rate

    def listen(self, wanted: bool) -> None:
        self.listening = wanted
        if self._desk is not None:
            self._desk.listen()

    def start(self) -> None:
        """Raises OperationFailed where the endpoint cannot start."""
        self._desk = self._mixer.desk(self._endpoint)
        self._desk.add(self)
        try:
            self._desk.open()
        except BaseException:
            self.stop()
            raise

    def read(self, samples: int) -> Samples:
        if self._desk is None or not self.listening:
            return np.zeros(samples, np.int16)
        return self._desk.read(samples)

    def write(self, frame: Samples) -> None:
        self.heard = frame

    def stop(self) -> None:
        desk, self._desk = self._desk, None
        if desk is not None:
            desk.taps.remove(self)
            self._mixer.left(self.media_id, desk)


class Mixer:
    """Used by the media thread alone. A tick is `begin`, every session's `hear`, `play`, and every session's `say`."""

    def __init__(self) -> None:
        self._desks: list[_Desk] = []
        self._members: tuple[MediaId, ...] = ()
        self._silenced: tuple[MediaId, ...] = ()
        self._said: dict[MediaId, Samples] = {}  # by the members whom others hear, in this tick
        self._sum: NDArray[np.int32] | None = None

    @property
    def idle(self) -> bool:
        """Nothing is open."""
        return not self._desks

    def tap(self, media_id: MediaId, endpoint: AudioEndpoint) -> Tap:
        """What the session is started with; sessions with the same endpoint share it."""
        return Tap(media_id, endpoint, self)

    def mix(self, members: tuple[MediaId, ...], silenced: tuple[MediaId, ...]) -> None:
        """One conference of these sessions; fewer than two end it. What `silenced` ones say nobody hears."""
        self._members = members if len(members) > 1 else ()
        self._silenced = tuple(media_id for media_id in silenced if media_id in self._members)
        rates = {tap.sample_rate for tap in self._taps() if tap.media_id in self._members}
        if len(rates) > 1:
            _log.error("members with endpoints of different rates cannot hear each other: %s", sorted(rates))

    def play_tone(self, name: str, sound: Sound, endpoint: AudioEndpoint | None) -> None:
        """To the person; in place of what has this name already. A speaker that cannot be had fails no call.

        Without an endpoint it is heard where a call is heard, if one is.
        """
        self.stop_tone(name)
        desk = self.desk(endpoint) if endpoint is not None else next((d for d in self._desks if d.taps), None)
        if desk is None:
            return
        desk.tones[name] = Player(sound, desk.endpoint.sample_rate)
        try:
            desk.open()
        except OperationFailed as error:
            _log.warning("a tone is not heard: %s", error.failure.reason)
            desk.tones.clear()
        self._close_unused()

    def stop_tone(self, name: str) -> None:
        for desk in self._desks:
            desk.end_tone(name)

    def desk(self, endpoint: AudioEndpoint) -> _Desk:
        known = next((desk for desk in self._desks if desk.endpoint is endpoint), None)
        if known is None:
            known = _Desk(endpoint)
            self._desks.append(known)
        return known

    def left(self, media_id: MediaId, desk: _Desk) -> None:
        """A session has ended."""
        self._members = tuple(member for member in self._members if member != media_id)
        desk.listen()
        self._close_unused()

    def close(self) -> None:
        for desk in self._desks:
            desk.close()
        self._desks.clear()

    # One tick

    def begin(self) -> None:
        for desk in self._desks:
            desk.begin()
        self._said, self._sum = {}, None

    def play(self) -> Iterator[tuple[tuple[MediaId, ...], Exception]]:
        """To the speakers. What fails is given back with the sessions that it concerns."""
        if self._members:
            self._said = {
                tap.media_id: tap.heard
                for tap in self._taps()
                if tap.heard is not None and tap.media_id in self._members and tap.media_id not in self._silenced
            }
        for desk in list(self._desks):
            try:
                desk.play(self._silenced)
            except Exception as error:  # noqa: BLE001 - one bad endpoint must not silence the others
                desk.tones.clear()
                yield tuple(tap.media_id for tap in desk.taps), error
        self._close_unused()

    def others(self, media_id: MediaId, samples: int) -> NDArray[np.int32] | None:
        """What the other members say in this tick, added up; None outside of a conference."""
        if media_id not in self._members:
            return None
        said = [voice for voice in self._said.values() if voice.size == samples]
        if self._sum is None or self._sum.size != samples:
            self._sum = _total(said) if said else np.zeros(samples, np.int32)
        own = self._said.get(media_id)
        return self._sum if own is None or own.size != samples else self._sum - own

    # Within

    def _taps(self) -> list[Tap]:
        return [tap for desk in self._desks for tap in desk.taps]

    def _close_unused(self) -> None:
        for desk in [desk for desk in self._desks if desk.unused]:
            self._desks.remove(desk)
            desk.close()


def _total(voices: list[Samples]) -> NDArray[np.int32]:
    total = voices[0].astype(np.int32)
    for voice in voices[1:]:
        total += voice
    return total
