"""A media session whose keys may have to be agreed on first, by DTLS on its own RTP socket.

Owns: telling DTLS from media on one socket (RFC 7983), and what runs while there are no keys: nothing is sent or
played. Everything else is `media_session.py`'s, which sees keys or clear media only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from softphone.engine.audio.backend import AudioEndpoint
from softphone.engine.media.dtls_association import DtlsCertificate, is_dtls
from softphone.engine.media.dtls_keying import DtlsKeying
from softphone.engine.media.media_session import EARLY_S, MediaSession
from softphone.engine.media.sockets import Address, MediaSockets
from softphone.engine.media.transmitter import Tamper, TokenBytes
from softphone.sdp.negotiated import Direction, DtlsSrtpSecurity, MediaSecurity, NegotiatedMedia
from softphone.ua.inputs import Input, MediaReported
from softphone.ua.media_report import MediaReport

_MOST_DIGITS = 64  # that wait for the keys


@dataclass(slots=True)
class _Waiting:
    """What was started and has no keys yet."""

    media: NegotiatedMedia
    endpoint: AudioEndpoint
    tamper: Tamper | None
    muted: bool = False
    aside: bool = False
    digits: str = ""
    tones: str = ""


class KeyedMediaSession(MediaSession):
    """`started` once it was asked to start, with keys or without."""

    def __init__(
        self,
        media_id: str,
        sockets: MediaSockets,
        post: Callable[[Input], None],
        token_bytes: TokenBytes,
        certificate: DtlsCertificate,
    ) -> None:
        super().__init__(media_id, sockets, post, token_bytes)
        self._certificate = certificate
        self._keying: DtlsKeying | None = None
        self._waiting: _Waiting | None = None
        self._agreed: NegotiatedMedia | None = None  # with DtlsSrtpSecurity
        self._in_force: MediaSecurity | None = None  # of what runs
        self._by_handshake = False  # its keys came so

    @property
    def started(self) -> bool:
        return self.waiting or super().started

    @property
    def waiting(self) -> bool:
        """For keys: time must pass for it although no sound is open."""
        return self._waiting is not None

    def start(self, media: NegotiatedMedia, endpoint: AudioEndpoint, tamper: Tamper | None, now: float) -> None:
        if not isinstance(media.security, DtlsSrtpSecurity):
            self._in_force = media.security
            super().start(media, endpoint, tamper, now)
            return
        self._waiting = _Waiting(media, endpoint, tamper)
        self._agree(media, media.security, now)
        for early in [item for item in self._early if is_dtls(item.data)]:  # a ClientHello that overtook the answer
            self._early.remove(early)
            if now - early.arrival <= EARLY_S and not early.on_rtcp:
                self.receive(early.data, early.source, now, on_rtcp=False)

    def update(self, media: NegotiatedMedia, now: float) -> None:
        if isinstance(media.security, DtlsSrtpSecurity):
            if self._waiting is not None:
                self._waiting.media = media
            self._agree(media, media.security, now)
            if self._waiting is None:
                self._run(now)
            return
        self._keying = self._agreed = None
        self._in_force = media.security
        if self._waiting is not None:
            self._begin(media, now)
            return
        super().update(media, now)
        if self._by_handshake:
            self._by_handshake = False
            self.announce_again()

    def set_muted(self, muted: bool) -> None:
        if self._waiting is not None:
            self._waiting.muted = muted
        super().set_muted(muted)

    def set_aside(self, aside: bool) -> None:
        if self._waiting is not None:
            self._waiting.aside = aside
        super().set_aside(aside)

    def send_digits(self, digits: str) -> None:
        if self._waiting is not None:
            self._waiting.digits = (self._waiting.digits + digits)[:_MOST_DIGITS]
        super().send_digits(digits)

    def send_tones(self, digits: str) -> None:
        if self._waiting is not None:
            self._waiting.tones = (self._waiting.tones + digits)[:_MOST_DIGITS]
        super().send_tones(digits)

    def receive(self, data: bytes, source: Address, now: float, on_rtcp: bool) -> None:
        if self._keying is not None and not on_rtcp and is_dtls(data):
            self._keying.receive(data, source, now)
            self._progress(now)
        else:
            super().receive(data, source, now, on_rtcp)

    def hear(self, now: float) -> None:
        super().hear(now)
        if self._keying is not None:
            self._keying.tick(now)
            self._progress(now)

    def stop(self, now: float) -> None:
        waiting, self._waiting, self._keying = self._waiting, None, None
        super().stop(now)
        if waiting is not None:  # the user agent waits for the last word of what it started
            self._post(MediaReported(self.media_id, MediaReport(), final=True))

    def _agree(self, media: NegotiatedMedia, security: DtlsSrtpSecurity, now: float) -> None:
        self._agreed = media
        if self._keying is None:
            self._keying = DtlsKeying(self.media_id, self._certificate, self._send_datagram)
        self._keying.agree(security, (media.remote_address, media.remote_rtp_port), media.stream, now)

    def _progress(self, now: float) -> None:
        """The handshake may have brought keys."""
        if self._keying is None or self._keying.srtp is None or self._keying.srtp is self._in_force:
            return
        assert self._agreed is not None
        if self._waiting is None:
            self._run(now)
            return
        self._in_force, self._by_handshake = self._keying.srtp, True
        self._begin(replace(self._agreed, security=self._keying.srtp), now)

    def _begin(self, media: NegotiatedMedia, now: float) -> None:
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        super().start(media, waiting.endpoint, waiting.tamper, now)
        super().set_muted(waiting.muted)
        super().set_aside(waiting.aside)
        if waiting.digits:
            super().send_digits(waiting.digits)
        if waiting.tones:
            super().send_tones(waiting.tones)

    def _run(self, now: float) -> None:
        """What was agreed, with the keys that there are; without them it rests, and nothing is sent or played."""
        assert self._agreed is not None
        assert self._keying is not None
        assert self._in_force is not None
        if self._keying.srtp is None:
            super().update(replace(self._agreed, security=self._in_force, direction=Direction.INACTIVE), now)
            return
        self._in_force = self._keying.srtp
        super().update(replace(self._agreed, security=self._in_force), now)
        if not self._by_handshake:
            self._by_handshake = True
            self.announce_again()

    def _send_datagram(self, datagram: bytes, to: Address) -> None:
        with contextlib.suppress(OSError):  # lost like any other; it is sent again
            self.sockets.rtp.sendto(datagram, to)
