"""Two media sessions joined over real UDP on loopback, with a clock that only the test moves.

Owns: the pair, its virtual time, the network between (what `lose` says is not delivered). No thread, no sleep.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from softphone.dsp.correlation import best_alignment
from softphone.engine.audio.backend import AudioEndpoint
from softphone.engine.media.dtls_association import DtlsCertificate
from softphone.engine.media.keyed_session import KeyedMediaSession
from softphone.engine.media.sockets import MediaSockets, PortRange
from softphone.engine.media.transmitter import Tamper
from softphone.policy.origin import Origin
from softphone.policy.secret import SecretBytes
from softphone.sdp.negotiated import (
    ClearMedia,
    Direction,
    MediaSecurity,
    NegotiatedMedia,
    PayloadFormat,
    SrtpSecurity,
)
from softphone.srtp.crypto_suites import AES_CM_128_HMAC_SHA1_80, CryptoSuite
from softphone.srtp.master_key import SrtpKey
from softphone.ua.inputs import Input
from tests.peers.ports import free_port_range

PCMU = PayloadFormat("PCMU", 8000, 0, 0)
PCMA = PayloadFormat("PCMA", 8000, 8, 8)
EVENTS = PayloadFormat("TELEPHONE-EVENT", 8000, 101, 101)
CLEAR = ClearMedia("a test asked for it", Origin.USER)
TICK = 0.01
Told = TypeVar("Told")


def key(suite: CryptoSuite = AES_CM_128_HMAC_SHA1_80) -> SrtpKey:
    return SrtpKey(suite, SecretBytes(secrets.token_bytes(suite.material_length)))


def crossed_keys(suite: CryptoSuite = AES_CM_128_HMAC_SHA1_80) -> tuple[SrtpSecurity, SrtpSecurity]:
    """What two sides have after one offer and answer."""
    mine, theirs = key(suite), key(suite)
    return SrtpSecurity(mine, theirs), SrtpSecurity(theirs, mine)


def negotiated(port: int, security: MediaSecurity, **changes: object) -> NegotiatedMedia:
    media = NegotiatedMedia(
        remote_address="127.0.0.1",
        remote_rtp_port=port,
        remote_rtcp_port=port + 1,
        rtcp_mux=False,
        direction=Direction.SENDRECV,
        format=PCMU,
        telephone_event=EVENTS,
        send_ptime=20,
        security=security,
    )
    return replace(media, **changes)  # type: ignore[arg-type]


def voice(seconds: float, rate: int, seed: int = 1) -> NDArray[np.int16]:
    """Noise between 300 and 3000 Hz whose loudness changes as speech does: it correlates with itself alone."""
    count = int(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    frequencies = np.fft.rfftfreq(count, 1 / rate)
    spectrum[(frequencies < 300) | (frequencies > 3000)] = 0
    signal = np.fft.irfft(spectrum, count)
    signal *= 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(count) / rate)
    samples: NDArray[np.int16] = (signal / np.abs(signal).max() * 16000).astype(np.int16)
    return samples


def alike_in_pieces(said: NDArray[np.int16], heard: NDArray[np.int16], rate: int) -> float:
    """The median correlation of half seconds: one 10 ms slip between two devices' clocks spoils one piece only."""
    pieces = [said[start : start + rate // 2] for start in range(0, said.size - rate // 2 + 1, rate // 2)]
    return float(np.median([best_alignment(piece, heard, rate)[0] for piece in pieces]))


def in_three_attempts(holds: Callable[[], bool]) -> bool:
    """Whether sound that crosses real devices in real time comes out right once: a busy machine may spoil one try."""
    return any(holds() for _ in range(3))


class Side:
    """One session and everything it told."""

    def __init__(self, name: str, token_bytes: Callable[[int], bytes]) -> None:
        self.told: list[Input] = []
        ports = PortRange(*free_port_range())
        self.sockets = MediaSockets.open("127.0.0.1", ports, token_bytes)
        self.certificate = DtlsCertificate()
        self.session = KeyedMediaSession(name, self.sockets, self.told.append, token_bytes, self.certificate)
        self.lose: Callable[[], bool] = lambda: False
        """Asked for each datagram that arrives here."""

    @property
    def port(self) -> int:
        return self.sockets.rtp_port

    def take_in(self, now: float) -> None:
        for at, on_rtcp in ((self.sockets.rtp, False), (self.sockets.rtcp, True)):
            while True:
                try:
                    data, source = at.recvfrom(2048)
                except BlockingIOError:
                    break
                if not self.lose():
                    self.session.receive(data, source, now, on_rtcp)

    def heard_of(self, kind: type[Told]) -> list[Told]:
        return [what for what in self.told if isinstance(what, kind)]


class Pair:
    def __init__(self, token_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self.now = 1000.0
        self.a = Side("a", token_bytes)
        self.b = Side("b", token_bytes)

    def start(
        self,
        a: AudioEndpoint,
        b: AudioEndpoint,
        security: tuple[MediaSecurity, MediaSecurity] | None = None,
        tamper: Tamper | None = None,
        **changes: object,
    ) -> None:
        """Start both; `changes` are of both sides' NegotiatedMedia, `tamper` is of what A sends."""
        of_a, of_b = security or crossed_keys()
        self.media_a = negotiated(self.b.port, of_a, **changes)
        self.media_b = negotiated(self.a.port, of_b, **changes)
        self.a.session.start(self.media_a, a, tamper, self.now)
        self.b.session.start(self.media_b, b, None, self.now)

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            for side in (self.a, self.b):
                side.take_in(self.now)
                side.session.hear(self.now)
                side.session.say(self.now)

    def close(self) -> None:
        for side in (self.a, self.b):
            side.session.release()


@contextmanager
def pair(token_bytes: Callable[[int], bytes] = secrets.token_bytes) -> Iterator[Pair]:
    joined = Pair(token_bytes)
    try:
        yield joined
    finally:
        joined.close()
