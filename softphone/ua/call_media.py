"""A call's media as the signalling sees it: opened, started, changed, muted, stopped; each action once and in order.

Owns: what runs now and what was last reported. What may run is `sdp/offer_answer.py`'s; sound is the engine's.
"""

from __future__ import annotations

from dataclasses import replace

from softphone.sdp.negotiated import ClearMedia, NegotiatedMedia
from softphone.ua.actions import OpenMedia, RebindMedia, SetAside, SetMuted, StartMedia, StopMedia, UpdateMedia
from softphone.ua.commands import CallId
from softphone.ua.events import CallNotEncrypted
from softphone.ua.host import Host, OpenedFlow, token
from softphone.ua.inputs import MediaOpened
from softphone.ua.media_report import MediaReport


class CallMedia:
    def __init__(self, host: Host, call_id: CallId) -> None:
        self._host, self._call_id = host, call_id
        self.id = token(host.token_bytes)
        self.opened: MediaOpened | None = None
        self.running: NegotiatedMedia | None = None
        self.report: MediaReport | None = None
        self._stopped = False
        self._stream = 0
        self._silent = False  # as told to the engine
        self._aside = False
        self._said: str | None = None  # the reason last given for clear media

    def open(self, flow: OpenedFlow) -> None:
        self._host.emit(OpenMedia(self.id, flow.id) if self.opened is None else RebindMedia(self.id, flow.id))

    def turn_to_another_dialog(self) -> None:
        """What runs next is another fork's: it may share our key, never our SSRC (security.md "SDES")."""
        self._stream += 1

    def run(self, media: NegotiatedMedia, *, silent: bool) -> None:
        """Starts it, or changes what runs; `silent` keeps the microphone out (muted, or the peer is on hold)."""
        media = replace(media, stream=self._stream)
        if self.running is None:
            self._host.emit(StartMedia(self.id, media))
            if self._aside:
                self._host.emit(SetAside(self.id, True))
        elif self.running != media:
            self._host.emit(UpdateMedia(self.id, media))
        self.running = media
        self.silence(silent)
        if isinstance(media.security, ClearMedia) and self._said != media.security.reason:
            self._said = media.security.reason
            self._host.emit(CallNotEncrypted(self._call_id, media.security.reason))

    @property
    def aside(self) -> bool:
        """Another call is talked in."""
        return self._aside

    def silence(self, silent: bool) -> None:
        if self.running is not None and silent is not self._silent:
            self._silent = silent
            self._host.emit(SetMuted(self.id, silent))

    def set_aside(self, aside: bool) -> None:
        """Another call is talked in: nothing of this one is heard either way."""
        if aside is not self._aside:
            self._aside = aside
            if self.running is not None:
                self._host.emit(SetAside(self.id, aside))

    def rebind(self, flow: OpenedFlow) -> None:
        """Onto the flow's local address; what runs goes on with its keys."""
        self._host.emit(RebindMedia(self.id, flow.id))

    def stop(self) -> bool:
        """True if a last report is to come; the second time nothing happens."""
        if self._stopped:
            return False
        self._stopped = True
        self._host.emit(StopMedia(self.id))
        return self.running is not None
