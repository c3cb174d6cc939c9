"""The media of one of the lab's connections: honest, or as its adversary wants it.

Owns: applying `Adversary` to what is started. Must not know: SIP.
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.engine.audio.backend import AudioEndpoint
from softphone.engine.media.shared_media import SharedMedia
from softphone.engine.media.tone_player import Sound
from softphone.engine.ports import Post
from softphone.engine.recording.tape import Tape
from softphone.lab.adversary import Adversary
from softphone.sdp.negotiated import NegotiatedMedia
from softphone.ua.actions import MediaId
from softphone.ua.inputs import MediaReported
from softphone.ua.media_report import MediaReport


class LabMedia:
    """Implements the engine core's `Media` over a share of the lab's one media thread."""

    def __init__(self, shared: SharedMedia, post: Post, adversary_of: Callable[[MediaId], Adversary]) -> None:
        self._share, self._post = shared.share(post), post
        self._adversary_of = adversary_of
        self._adversaries: dict[MediaId, Adversary] = {}

    def open(self, media_id: MediaId, address: str) -> None:
        self._share.open(media_id, address)

    def start(self, media_id: MediaId, media: NegotiatedMedia, endpoint: AudioEndpoint) -> None:
        adversary = self._adversaries[media_id] = self._adversary_of(media_id)
        if adversary.sends_media:
            self._share.start(media_id, adversary.media(media), endpoint, adversary.tamper)

    def update(self, media_id: MediaId, media: NegotiatedMedia) -> None:
        adversary = self._adversaries[media_id]
        if adversary.sends_media:
            self._share.update(media_id, adversary.media(media))

    def set_muted(self, media_id: MediaId, muted: bool) -> None:
        self._share.set_muted(media_id, muted)

    def set_aside(self, media_id: MediaId, aside: bool) -> None:
        self._share.set_aside(media_id, aside)

    def send_digits(self, media_id: MediaId, digits: str) -> None:
        self._share.send_digits(media_id, digits)

    def send_tones(self, media_id: MediaId, digits: str) -> None:
        self._share.send_tones(media_id, digits)

    def rebind(self, media_id: MediaId, address: str) -> None:
        self._share.rebind(media_id, address)

    def mix(self, media_ids: tuple[MediaId, ...], silenced: tuple[MediaId, ...]) -> None:
        self._share.mix(media_ids, silenced)

    def play_tone(self, name: str, sound: Sound | None, endpoint: AudioEndpoint | None) -> None:
        """The lab has no person to hear it."""

    def record(self, media_id: MediaId, tape: Tape | None) -> None:
        self._share.record(media_id, tape)

    def announce_recording(self, media_id: MediaId, on: bool) -> None:
        self._share.announce_recording(media_id, on)

    def stop(self, media_id: MediaId) -> None:
        self._share.stop(media_id)
        adversary = self._adversaries.pop(media_id, None)
        if adversary is not None and not adversary.sends_media:  # never started: nobody else reports its end
            self._post(MediaReported(media_id, MediaReport(), final=True))

    def close(self) -> None:
        self._share.close()
