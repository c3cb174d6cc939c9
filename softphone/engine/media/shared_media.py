"""One media thread for several user agents: the built-in lab has one for each connection, and one machine.

Owns: which user agent hears of which media session. Must not know: signalling.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from softphone.engine.audio.backend import AudioEndpoint
from softphone.engine.media.media_engine import MediaEngine
from softphone.engine.media.sockets import PortRange
from softphone.engine.media.tone_player import Sound
from softphone.engine.media.transmitter import Tamper, TokenBytes
from softphone.engine.ports import Post
from softphone.engine.recording.tape import Tape
from softphone.sdp.negotiated import NegotiatedMedia
from softphone.ua.actions import MediaId
from softphone.ua.inputs import Input, MediaReported


class SharedMedia:
    """`share(post)` gives each user agent its door; what happens is posted from the media thread."""

    def __init__(self, token_bytes: TokenBytes = secrets.token_bytes, ports: PortRange | None = None) -> None:
        self._posts: dict[MediaId, Post] = {}
        self.engine = MediaEngine(self._post, token_bytes, ports)

    def share(self, post: Post) -> MediaShare:
        return MediaShare(self, post)

    def open(self, media_id: MediaId, address: str, post: Post) -> None:
        self._posts[media_id] = post
        self.engine.open(media_id, address)

    def close(self) -> None:
        """Ends every session and the thread; waits for it."""
        self.engine.close()

    def forget(self, media_ids: Iterable[MediaId]) -> None:
        """Nobody listens to these sessions any more: those that never started have no last report."""
        for media_id in media_ids:
            self._posts.pop(media_id, None)

    def _post(self, what: Input) -> None:
        media_id: MediaId = getattr(what, "media_id", "")
        post = self._posts.get(media_id)
        if post is None:
            return
        post(what)
        if isinstance(what, MediaReported) and what.final:
            self._posts.pop(media_id, None)


class MediaShare:
    """One user agent's sessions on the shared thread."""

    def __init__(self, shared: SharedMedia, post: Post) -> None:
        self._shared, self._post = shared, post
        self._open: set[MediaId] = set()
        self._known: set[MediaId] = set()

    def open(self, media_id: MediaId, address: str) -> None:
        self._open.add(media_id)
        self._known.add(media_id)
        self._shared.open(media_id, address, self._post)

    def start(
        self, media_id: MediaId, media: NegotiatedMedia, endpoint: AudioEndpoint, tamper: Tamper | None = None
    ) -> None:
        self._shared.engine.start(media_id, media, endpoint, tamper)

    def update(self, media_id: MediaId, media: NegotiatedMedia) -> None:
        self._shared.engine.update(media_id, media)

    def set_muted(self, media_id: MediaId, muted: bool) -> None:
        self._shared.engine.set_muted(media_id, muted)

    def set_aside(self, media_id: MediaId, aside: bool) -> None:
        self._shared.engine.set_aside(media_id, aside)

    def send_digits(self, media_id: MediaId, digits: str) -> None:
        self._shared.engine.send_digits(media_id, digits)

    def send_tones(self, media_id: MediaId, digits: str) -> None:
        """Digits as tones in the voice, whatever was negotiated."""
        self._shared.engine.send_tones(media_id, digits)

    def rebind(self, media_id: MediaId, address: str) -> None:
        """New sockets on another local address; what runs goes on over them. MediaOpened or MediaFailed follows."""
        self._shared.engine.rebind(media_id, address)

    def mix(self, media_ids: tuple[MediaId, ...], silenced: tuple[MediaId, ...]) -> None:
        """One conference of these sessions: mix-minus. Fewer than two end it; what `silenced` say nobody hears."""
        self._shared.engine.mix(media_ids, silenced)

    def play_tone(self, name: str, sound: Sound | None, endpoint: AudioEndpoint | None) -> None:
        """To the person alone; None stops what has this name."""
        self._shared.engine.play_tone(name, sound, endpoint)

    def record(self, media_id: MediaId, tape: Tape | None) -> None:
        """Both sides of the session go onto the tape from now on; None: no more."""
        self._shared.engine.record(media_id, tape)

    def announce_recording(self, media_id: MediaId, on: bool) -> None:
        """The other side hears a beep now and then."""
        self._shared.engine.announce_recording(media_id, on)

    def stop(self, media_id: MediaId) -> None:
        self._open.discard(media_id)
        self._shared.engine.stop(media_id)

    def close(self) -> None:
        """Ends this user agent's sessions; the thread goes on for the others."""
        for media_id in tuple(self._open):
            self.stop(media_id)
        self._shared.forget(self._known)
