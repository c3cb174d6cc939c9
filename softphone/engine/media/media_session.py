"""One call's media: sockets, both halves, RTCP and the endpoint, driven by 10 ms ticks.

Owns: symmetric RTP, the RTCP exchange, what the user agent is told. Must not know: threads, signalling.
Symmetric RTP (RFC 4961): packets go to where authentic ones come from. RTCP: RFC 3550 §6. All methods are called from
one thread with its `now` (monotonic seconds).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softphone.codecs.registry import CODECS, Codec, CodecSetting
from softphone.engine.audio.backend import BLOCK_MS, AudioEndpoint
from softphone.engine.media.adaptation import Adaptation
from softphone.engine.media.call_quality import CallQualityMeters
from softphone.engine.media.codec_libraries import codec_library, missing_library
from softphone.engine.media.receiver import Receiver
from softphone.engine.media.sockets import Address, MediaSockets, is_literal
from softphone.engine.media.transmitter import Tamper, TokenBytes, Transmitter
from softphone.engine.recording.tape import Announcement, Tape
from softphone.errors import Failure, FailureKind, LocalProtocolError, OperationFailed, RemoteProtocolError
from softphone.rtp.packet import is_rtcp, is_stun
from softphone.rtp.rtcp import ntp_timestamp
from softphone.rtp.session_report import SessionReport
from softphone.sdp.negotiated import ClearMedia, NegotiatedMedia, SrtpSecurity
from softphone.ua.actions import MediaId
from softphone.ua.inputs import (
    DigitReceived,
    Input,
    KeysAging,
    MediaFlowing,
    MediaInterrupted,
    MediaReported,
    MediaSecured,
    MediaTimedOut,
)
from softphone.ua.media_report import MediaReport

_log = logging.getLogger(__name__)

INTERRUPTED_S = 2.0
"""Nothing authentic for so long after there was something: MediaInterrupted, and again when it goes on."""
PAUSE_S = 15.0
"""The same after the peer described its silence: one description may stand for all of it, RTCP comes meanwhile."""
SILENCE_S = 30.0
"""Nothing authentic for so long, while something is due: MediaTimedOut, again after each such span."""
REPORT_INTERVAL_S = 1.0
LOOK_S = 0.05
"""Between two looks at how long nothing came."""
KEYS_AGAIN_S = 10.0
"""Between two requests for new keys while the old ones are aging."""
EARLY_PACKETS, EARLY_S = 64, 2.0
"""What comes before the keys do: at most so many packets, none older (security.md: "buffered briefly")."""
_BANDWIDTH = 10_000  # octets a second of one G.711 stream with headers; of it the share of RTCP is reckoned
_ANOTHER_WAY = "keys that came in another way"  # no suite's name
_CNAME_OCTETS = 12  # 96 random bits (RFC 7022 §4.2)


@dataclass(frozen=True, slots=True)
class _Early:
    data: bytes
    source: Address
    arrival: float
    on_rtcp: bool


Others = Callable[[MediaId, int], NDArray[np.int32] | None]
"""What the others of a conference say in this tick, for one session and in so many samples."""


def _nobody(media_id: MediaId, samples: int) -> None:
    del media_id, samples  # there is no conference


class MediaSession:
    """Opened with its sockets; silent until `start`; ends with `stop`."""

    def __init__(
        self, media_id: str, sockets: MediaSockets, post: Callable[[Input], None], token_bytes: TokenBytes
    ) -> None:
        self.media_id = media_id
        self.sockets = sockets
        self._post = post
        self._token_bytes = token_bytes
        self._early: deque[_Early] = deque(maxlen=EARLY_PACKETS)
        self._running: _Running | None = None

    @property
    def started(self) -> bool:
        return self._running is not None

    def start(self, media: NegotiatedMedia, endpoint: AudioEndpoint, tamper: Tamper | None, now: float) -> None:
        """Begin to send and receive. Raises OperationFailed where the endpoint or what was negotiated is unusable."""
        if self._running is not None:
            raise LocalProtocolError("the media session has started already")
        running = _Running(self.media_id, self.sockets, self._post, self._token_bytes, media, endpoint, tamper, now)
        running.listen()
        endpoint.start()
        self._running = running
        for early in self._early:
            if now - early.arrival <= EARLY_S:
                running.receive(early.data, early.source, early.arrival, early.on_rtcp)
        self._early.clear()

    def update(self, media: NegotiatedMedia, now: float) -> None:
        """A later offer/answer. Raises OperationFailed where it is unusable."""
        if self._running is None:
            raise LocalProtocolError("media updated before its start")
        self._running.update(media, now)

    def announce_again(self) -> None:
        """The keys came in another way than those before: MediaSecured follows with the next packet, whatever suite."""
        if self._running is not None:
            self._running.announce_again()

    def rebind(self, sockets: MediaSockets) -> None:
        """Other sockets from now on; everything else goes on as it was. The former ones are closed."""
        self.sockets.close()
        self.sockets = sockets
        if self._running is not None:
            self._running.rebind(sockets)

    def set_muted(self, muted: bool) -> None:
        if self._running is not None:
            self._running.muted = muted
            self._running.listen()

    def set_aside(self, aside: bool) -> None:
        """Neither heard nor hearing: another call is talked in, whatever this one's peer says to being held."""
        if self._running is not None:
            self._running.aside = aside
            self._running.listen()

    def send_digits(self, digits: str) -> None:
        if self._running is not None:
            try:
                self._running.transmitter.send_digits(digits)
            except LocalProtocolError as error:  # too many, or no digits: the call goes on without them
                _log.warning("%s: %s", self.media_id, error)

    def send_tones(self, digits: str) -> None:
        if self._running is not None:
            self._running.transmitter.send_tones(digits)

    def record(self, tape: Tape | None) -> None:
        if self._running is not None:
            self._running.tape = tape
            if tape is not None:
                tape.begin(self._running.endpoint.sample_rate)

    def announce_recording(self, on: bool) -> None:
        """Whether the other side hears a beep now and then."""
        if self._running is not None:
            self._running.announcement = Announcement(self._running.endpoint.sample_rate) if on else None

    def receive(self, data: bytes, source: Address, now: float, on_rtcp: bool) -> None:
        """A datagram of the RTP socket or of the RTCP socket."""
        if self._running is None:
            self._early.append(_Early(data, source, now, on_rtcp))
        else:
            self._running.receive(data, source, now, on_rtcp)

    def hear(self, now: float) -> None:
        """10 ms have passed: what was received for them goes to the endpoint. `say` follows."""
        if self._running is not None:
            self._running.hear(now)

    def say(self, now: float, others: Others = _nobody) -> None:
        """The other half of a tick: the microphone to the peer, with what `others` of a conference say."""
        if self._running is not None:
            self._running.say(now, others)

    def skip(self, milliseconds: int) -> None:
        """So much time was lost at once: the machine slept."""
        if self._running is not None:
            self._running.transmitter.skip(milliseconds)

    def report(self) -> MediaReport:
        return MediaReport() if self._running is None else self._running.report()

    def stop(self, now: float) -> None:
        """Say goodbye (RTCP BYE), release endpoint and sockets, report a last time if the media had started."""
        running, self._running = self._running, None
        try:
            if running is not None:
                running.say_goodbye(now)
        finally:
            self.release(running)
        if running is not None:
            self._post(MediaReported(self.media_id, running.report(), final=True))

    def release(self, running: _Running | None = None) -> None:
        """Close what is open without a word: after an error."""
        running = running or self._running
        self._running = None
        self.sockets.close()
        if running is not None:
            running.endpoint.stop()


class _Running:
    """A started session."""

    def __init__(
        self,
        media_id: str,
        sockets: MediaSockets,
        post: Callable[[Input], None],
        token_bytes: TokenBytes,
        media: NegotiatedMedia,
        endpoint: AudioEndpoint,
        tamper: Tamper | None,
        now: float,
    ) -> None:
        _check(media)
        self._media_id = media_id
        self._sockets = sockets
        self._post = post
        self._token_bytes = token_bytes
        self._media = media
        self.endpoint = endpoint
        self._block = endpoint.sample_rate * BLOCK_MS // 1000
        self._codec = _codec(media)
        self._adaptation = Adaptation(media_id, self._codec)
        self.transmitter = Transmitter(media, self._codec, endpoint.sample_rate, token_bytes, tamper)
        self.receiver = Receiver(media, self._codec, endpoint.sample_rate)
        self.muted = self.aside = False
        self.tape: Tape | None = None  # while both sides are recorded
        self.announcement: Announcement | None = None
        self._heard_here = True  # `listen` says
        self._next_look = now
        self._cname = token_bytes(_CNAME_OCTETS).hex()
        # The wall clock may be set while a call goes on; reports want one that runs evenly.
        self._wall = time.time() - time.monotonic()
        self._exchange = self._new_exchange(now)
        self._meters = CallQualityMeters(media)
        self._rtt_ms: float | None = None
        self._rtp_peer: Address = ("", 0)
        self._rtcp_peer: Address = ("", 0)
        self._silences = 0  # time-outs told since something authentic came
        self._interrupted = False
        self._latched = False
        self._announced: str | None = None  # the suite that the user agent knows of; "": clear
        self._asked_for_keys = float("-inf")
        self._address_peer(media)
        self._heard_at = now
        self._next_report = now + REPORT_INTERVAL_S
        self._send_failed = False

    def update(self, media: NegotiatedMedia, now: float) -> None:
        _check(media)
        old, self._media = self._media, media
        if (media.format.name, media.format.parameters, media.bit_rate) != (
            old.format.name,
            old.format.parameters,
            old.bit_rate,
        ):
            self._codec = _codec(media)
            self._adaptation.use(self._codec)
        new_sender = self.transmitter.update(media, self._codec)
        new_statistics = self.receiver.update(media, self._codec, now)
        self._meters.update(media)
        if new_sender or new_statistics:
            self._meters.keep(self._exchange)
            self._adaptation.begin()
            self._exchange = self._new_exchange(now)
        if (media.remote_address, media.remote_rtp_port, media.remote_rtcp_port, media.rtcp_mux) != (
            old.remote_address,
            old.remote_rtp_port,
            old.remote_rtcp_port,
            old.rtcp_mux,
        ):
            self._address_peer(media)
        if media.direction.receives and not old.direction.receives:
            self._heard_at = now
        self.listen()

    def announce_again(self) -> None:
        if self._announced:
            self._announced = _ANOTHER_WAY

    def rebind(self, sockets: MediaSockets) -> None:
        self._sockets = sockets
        self._send_failed = False

    def listen(self) -> None:
        """A call on hold wants no microphone; one that is muted keeps it, to be heard at once again."""
        self.transmitter.muted = self.muted or self.aside
        direction = self._media.direction
        self._heard_here = direction.receives and not self.aside
        self.endpoint.listen(direction.sends and not self.aside and (direction.receives or not self.muted))

    def hear(self, now: float) -> None:
        block = self.receiver.block(now)
        if self._heard_here:
            self.endpoint.write(block)
        if self.tape is not None:
            self.tape.hear(block if self._heard_here else None)

    def say(self, now: float, others: Others) -> None:
        captured = self.endpoint.read(self._block)
        besides = None if self.aside else others(self._media_id, self._block)
        if self.tape is not None:
            silent = self.transmitter.muted or not self._media.direction.sends
            self.tape.say(None if silent else captured, besides)
        if self.announcement is not None:
            besides = self.announcement.over(besides)
        for packet in self.transmitter.block(captured, besides):
            self._send(packet, self._rtp_peer, on_rtcp=False)
        if now >= self._exchange.next_report:
            metrics = self._meters.metrics(self.receiver, self._rtt_ms)
            self._send_rtcp(self._exchange.build(now, self._ntp(now), metrics))
        if now >= self._next_look:
            self._next_look = now + LOOK_S
            self._mind_silence(now)
        if now >= self._next_report:
            self._next_report = max(self._next_report + REPORT_INTERVAL_S, now)
            self._meters.read(self.receiver, self._exchange, self._rtt_ms, self._adaptation.bit_rate)
            self._post(MediaReported(self._media_id, self.report()))
            self._ask_for_keys(now)

    def _mind_silence(self, now: float) -> None:
        if not self._media.direction.receives:
            self._heard(now)  # in hold nothing is due
            return
        quiet = PAUSE_S if self.receiver.in_pause else INTERRUPTED_S
        if not self._interrupted and self._announced is not None and now - self._heard_at >= quiet:
            self._interrupted = True
            self._post(MediaInterrupted(self._media_id))
        if now - self._heard_at >= SILENCE_S + self._silences * SILENCE_S:
            self._silences += 1
            self._post(MediaTimedOut(self._media_id, now - self._heard_at))

    def _ask_for_keys(self, now: float) -> None:
        aging = self.transmitter.aging or self.receiver.aging
        if aging and now - self._asked_for_keys >= KEYS_AGAIN_S:
            self._asked_for_keys = now
            self._post(KeysAging(self._media_id))

    def receive(self, data: bytes, source: Address, now: float, on_rtcp: bool) -> None:
        if is_stun(data):
            return  # no media, so no failure to authenticate either
        if on_rtcp or is_rtcp(data):
            self._receive_rtcp(data, source, now, on_rtcp)
        else:
            self._receive_rtp(data, source, now)

    def say_goodbye(self, now: float) -> None:
        self._send_rtcp(self._exchange.build_bye(now, self._ntp(now)))

    def report(self) -> MediaReport:
        exchange, receiver = self._exchange, self.receiver
        jitter = exchange.remote_jitter
        if exchange.rtt_ms is not None:
            self._rtt_ms = exchange.rtt_ms
        return MediaReport(
            rtp_sent=self.transmitter.packets,
            rtp_received=receiver.packets,
            lost=receiver.lost,
            jitter_ms=receiver.statistics.jitter_ms,
            rtt_ms=self._rtt_ms,
            remote_lost=exchange.remote_lost,
            remote_jitter_ms=None if jitter is None else jitter * 1000 / self._media.format.clock_rate,
            auth_failures=receiver.auth_failures,
            replays=receiver.replays,
            plain_rtp_seen=receiver.plain_rtp_seen,
            concealed_ms=receiver.concealed_ms,
            microphone_level_db=self.transmitter.level.dbfs,
            speaker_level_db=receiver.level.dbfs,
            spoken_muted_ms=self.transmitter.muted_voice.spoken_ms,
            playout=receiver.playout,
            quality=self._meters.quality,
            remote_fraction_lost=exchange.remote_fraction_lost,
            send_bit_rate=self._adaptation.bit_rate,
            remote_metrics=exchange.remote_metrics,
        )

    def _receive_rtp(self, data: bytes, source: Address, now: float) -> None:
        security = self._media.security
        clear = isinstance(security, ClearMedia)
        if clear and self._latched and source != self._rtp_peer:
            return  # nothing proves that it comes from the peer
        packet = self.receiver.open_rtp(data, now)
        if packet is None:
            return
        accepted, digits = self.receiver.accept(packet, now)
        if not accepted:
            return
        self._heard(now)
        if source != self._rtp_peer and not self.receiver.under_retired_key:
            _log.info("%s: media comes from %s port %d", self._media_id, *source)
            if self._media.rtcp_mux:
                self._rtcp_peer = source
            self._rtp_peer = source
        self._latched = True
        suite = security.receive.suite.name if isinstance(security, SrtpSecurity) else ""
        if suite != self._announced and not self.receiver.under_retired_key:
            self._announced = suite
            self._post(MediaFlowing(self._media_id) if clear else MediaSecured(self._media_id, suite))
        for digit in digits:
            self._post(DigitReceived(self._media_id, digit))

    def _receive_rtcp(self, data: bytes, source: Address, now: float, on_rtcp: bool) -> None:
        compound = self.receiver.open_rtcp(data, now)
        if compound is None:
            return
        clear = isinstance(self._media.security, ClearMedia)
        if clear and source[0] != self._rtp_peer[0]:
            return
        try:
            self._exchange.receive(compound, now, self._ntp(now))
        except RemoteProtocolError as error:
            _log.debug("%s: %s", self._media_id, error)
            return
        self._adaptation.mind(self._exchange, self._media.direction.sends, now)
        self._heard(now)
        if on_rtcp and not clear and not self._media.rtcp_mux and not self.receiver.under_retired_key:
            self._rtcp_peer = source

    def _heard(self, now: float) -> None:
        self._heard_at = max(self._heard_at, now)
        self._silences = 0
        if self._interrupted:
            self._interrupted = False
            self._post(MediaInterrupted(self._media_id, over=True))

    def _send_rtcp(self, packet: bytes) -> None:
        if self._rtcp_peer[1] != 0:
            self._send(self.transmitter.protect_rtcp(packet), self._rtcp_peer, on_rtcp=not self._media.rtcp_mux)

    def _send(self, packet: bytes, peer: Address, *, on_rtcp: bool) -> None:
        """UDP loses packets anyway: one that cannot be sent now is lost too."""
        try:
            (self._sockets.rtcp if on_rtcp else self._sockets.rtp).sendto(packet, peer)
        except OSError as error:
            if not self._send_failed:
                self._send_failed = True
                _log.warning("%s: cannot send to %s port %d: %s", self._media_id, *peer, error.strerror)

    def _address_peer(self, media: NegotiatedMedia) -> None:
        """Send to where the description says, until packets show better."""
        self._rtp_peer = (media.remote_address, media.remote_rtp_port)
        self._rtcp_peer = self._rtp_peer if media.rtcp_mux else (media.remote_address, media.remote_rtcp_port)
        self._latched = False
        self._silences = 0

    def _new_exchange(self, now: float) -> SessionReport:
        return SessionReport(
            self.transmitter.sender, self.receiver.statistics, self._cname, _BANDWIDTH, self._token_bytes, now
        )

    def _ntp(self, now: float) -> int:
        return ntp_timestamp(self._wall + now)


def _codec(media: NegotiatedMedia) -> Codec:
    name, parameters = media.format.name, media.format.parameters
    return CODECS[name](CodecSetting(parameters, codec_library(name), media.bit_rate))


def _check(media: NegotiatedMedia) -> None:
    """What no negotiation should let through, before it harms the media thread. Raises OperationFailed."""
    if media.format.name not in CODECS:
        wrong = f"the codec {media.format.name} is not known"
    elif missing_library(media.format.name):
        wrong = f"the codec {media.format.name} needs a library that is not installed"
    elif not is_literal(media.remote_address):
        wrong = f"{media.remote_address} is not an address"
    elif not 0 < media.remote_rtp_port <= 65535 or not 0 <= media.remote_rtcp_port <= 65535:
        wrong = "a port is out of range"
    elif not 10 <= media.send_ptime <= 200:
        wrong = f"packets of {media.send_ptime} ms cannot be made"
    else:
        return
    raise OperationFailed(
        Failure(
            FailureKind.NOT_ACCEPTABLE,
            f"The negotiated voice connection cannot be used: {wrong}.",
            "Report this to the maker of this program, with a trace of the call.",
        )
    )
