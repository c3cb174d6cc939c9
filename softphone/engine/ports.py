"""What the engine core needs of flows and of media: narrow doors, so that the built-in lab can bring its own.

Owns: the protocols. The product's own implementations are `connector.FlowOpener`, `tls_flow.TlsFlow` and
`media.media_engine.MediaEngine`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from softphone.engine.audio.backend import AudioEndpoint
from softphone.engine.media.tone_player import Sound
from softphone.engine.recording.tape import Tape
from softphone.errors import Failure
from softphone.policy.tls import TlsSettings
from softphone.sdp.negotiated import NegotiatedMedia
from softphone.ua.actions import MediaId, OpenFlow, RecordMedia
from softphone.ua.inputs import FlowDescription, Input

Post = Callable[[Input], None]
OnBytes = Callable[[bytes], None]
OnClosed = Callable[[Failure], None]


class Flow(Protocol):
    @property
    def description(self) -> FlowDescription: ...

    def send(self, data: bytes) -> None: ...

    def close(self) -> None:
        """Say goodbye; neither callback is called afterwards."""
        ...

    def abort(self) -> None:
        """End at once, also after `close`."""
        ...

    async def wait_closed(self) -> None:
        """Until the connection is gone after `close` or `abort`."""
        ...


class Opener(Protocol):
    async def open(self, action: OpenFlow, settings: TlsSettings, on_bytes: OnBytes, on_closed: OnClosed) -> Flow:
        """A flow whose callbacks come after this has returned. Raises OperationFailed."""
        ...


class Media(Protocol):
    """All methods return at once; what comes of them is posted as inputs."""

    def open(self, media_id: MediaId, address: str) -> None: ...

    def start(self, media_id: MediaId, media: NegotiatedMedia, endpoint: AudioEndpoint) -> None:
        """Sessions that are given the same endpoint share it."""
        ...

    def update(self, media_id: MediaId, media: NegotiatedMedia) -> None: ...

    def set_muted(self, media_id: MediaId, muted: bool) -> None: ...

    def set_aside(self, media_id: MediaId, aside: bool) -> None:
        """Neither heard nor hearing: another call is talked in."""
        ...

    def send_digits(self, media_id: MediaId, digits: str) -> None: ...

    def send_tones(self, media_id: MediaId, digits: str) -> None: ...

    def rebind(self, media_id: MediaId, address: str) -> None:
        """New sockets on another local address; what runs goes on over them. MediaOpened or MediaFailed follows."""
        ...

    def mix(self, media_ids: tuple[MediaId, ...], silenced: tuple[MediaId, ...]) -> None:
        """One conference of these sessions; fewer than two end it."""
        ...

    def play_tone(self, name: str, sound: Sound | None, endpoint: AudioEndpoint | None) -> None:
        """To the person alone; None stops what has this name. Without an endpoint: over a call that is heard."""
        ...

    def record(self, media_id: MediaId, tape: Tape | None) -> None:
        """Both sides of the session go onto the tape from now on; None: no more."""
        ...

    def announce_recording(self, media_id: MediaId, on: bool) -> None:
        """The other side hears a beep now and then."""
        ...

    def stop(self, media_id: MediaId) -> None: ...

    def close(self) -> None:
        """Ends what this user of the media has open; waits for it."""
        ...


class Recorder(Protocol):
    """All methods but `close` return at once; what comes of them is posted as RecordingReported."""

    def connect(self, attach: Callable[[MediaId, Tape | None], None], post: Post) -> None:
        """Before anything else: how a session gets its tape, and who hears of it."""
        ...

    def start(self, subject: RecordMedia) -> None: ...

    def stop(self, media_id: MediaId) -> None:
        """Nothing happens where none runs."""
        ...

    def close(self) -> None:
        """Finishes what runs; waits for it."""
        ...
