"""DTMF as telephone-events, sent and received (RFC 4733 §2).

Owns: the event payload, the sender's update and end packets, the receiver's recognition of one digit per key press.
Must not know: audio, sockets, clocks; time is the RTP timestamp.
"""

from __future__ import annotations

import struct
from collections import deque

from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.rtp.packet import RtpPacket
from softphone.rtp.sender import RtpSender
from softphone.rtp.serial_numbers import sequence_difference, timestamp_difference

DIGITS = "0123456789*#ABCD"  # RFC 4733 §3.2, table 3: event codes 0 … 15 in this order
MAX_DURATION = 0xFFFF  # timestamp units in one segment (RFC 4733 §2.5.1.3)
END_PACKETS = 3  # RFC 4733 §2.5.1.4
DEFAULT_TONE_MS = 100
DEFAULT_PAUSE_MS = 100
MAX_QUEUED_DIGITS = 256
_VOLUME = 10  # -10 dBm0 (RFC 4733 §2.3.4)
_EVENT = struct.Struct("!BBH")


class TelephoneEventSender:
    """Sends queued digits, one packet at most in each packet interval (two where a long event is cut)."""

    def __init__(self, payload_type: int, clock_rate: int, pause_ms: int = DEFAULT_PAUSE_MS) -> None:
        """`clock_rate` in Hz is the audio's too (RFC 4733 §2.1); `pause_ms` lies between two digits."""
        self._payload_type = payload_type
        self._clock_rate = clock_rate
        self._pause_units = pause_ms * clock_rate // 1000
        self._queue: deque[tuple[int, int]] = deque()
        self._event: _Sending | None = None
        self._pause_left = 0

    @property
    def busy(self) -> bool:
        """A digit is being sent or waits."""
        return self._event is not None or bool(self._queue)

    def queue(self, digits: str, duration_ms: int = DEFAULT_TONE_MS) -> None:
        """Adds digits (0-9 * # A-D, either case). Raises LocalProtocolError for others or a full queue."""
        codes = [DIGITS.find(digit) for digit in digits.upper()]
        if -1 in codes:
            raise LocalProtocolError("not a DTMF digit")
        if len(self._queue) + len(codes) > MAX_QUEUED_DIGITS:
            raise LocalProtocolError("too many DTMF digits queued")
        units = max(1, duration_ms * self._clock_rate // 1000)
        self._queue.extend((code, units) for code in codes)

    def tick(self, sender: RtpSender, timestamp_step: int) -> tuple[RtpPacket, ...]:
        """What to send in this packet interval instead of audio.

        Call once per packet interval. If the result is empty, send audio as usual; otherwise the stream's
        timestamp has already moved on by `timestamp_step` and no audio is sent in this interval.
        """
        if self._event is None:
            if self._pause_left > 0:
                self._pause_left -= timestamp_step
                return ()
            if not self._queue:
                return ()
            code, units = self._queue.popleft()
            self._event = _Sending(code, units, sender.timestamp)
        packets = self._event.step(sender, self._payload_type, timestamp_step)
        if self._event.finished:
            self._event = None
            self._pause_left = self._pause_units
        return packets


class _Sending:
    """One digit on its way."""

    __slots__ = ("_code", "_elapsed", "_ends_left", "_first", "_length", "_start")

    def __init__(self, code: int, length: int, start: int) -> None:
        self._code = code
        self._length = length  # units of this segment and all that follow
        self._start = start  # timestamp of this segment
        self._elapsed = 0  # units since `_start`
        self._ends_left = END_PACKETS
        self._first = True

    @property
    def finished(self) -> bool:
        return self._ends_left == 0

    def step(self, sender: RtpSender, payload_type: int, timestamp_step: int) -> tuple[RtpPacket, ...]:
        packets = []
        self._elapsed = min(self._elapsed + timestamp_step, self._length)
        while self._elapsed > MAX_DURATION:
            # RFC 4733 §2.5.1.3: the full segment is reported, then a new one begins where it stopped.
            packets.append(self._packet(sender, payload_type, MAX_DURATION, False, 0))
            self._start = (self._start + MAX_DURATION) & 0xFFFF_FFFF
            self._elapsed -= MAX_DURATION
            self._length -= MAX_DURATION
        ended = self._elapsed >= self._length
        packets.append(self._packet(sender, payload_type, self._elapsed, ended, timestamp_step))
        if ended:
            self._ends_left -= 1
        return tuple(packets)

    def _packet(
        self, sender: RtpSender, payload_type: int, duration: int, ended: bool, timestamp_step: int
    ) -> RtpPacket:
        payload = _EVENT.pack(self._code, (0x80 if ended else 0) | _VOLUME, duration)
        marker, self._first = self._first, False  # RFC 4733 §2.5.1.1: on the first packet of the event only
        return sender.packet(payload_type, payload, timestamp_step, marker, timestamp=self._start)


class TelephoneEventReceiver:
    """Turns the peer's event packets into digits: each once, when it ends (RFC 4733 §2.5.2).

    Not fooled by lost, repeated or reordered packets. If every end packet of a digit is lost, the digit is
    reported when the next one begins or when audio shows that it is over (`audio`).
    """

    # Audio this far past the last reported end of an event means that the end packets were lost: longer than
    # three update intervals of 50 ms (RFC 4733 §2.5.2.2).
    _SILENT_END_MS = 150
    # Serial-number distance below which an older packet is a straggler, not a restarted stream (RFC 3550 A.1).
    _MAX_MISORDER = 100

    def __init__(self, clock_rate: int) -> None:
        """`clock_rate` of the telephone-event in Hz."""
        self._silent_end = self._SILENT_END_MS * clock_rate // 1000
        self._open: _Receiving | None = None
        self._closed: _Receiving | None = None  # the last one reported
        self._ssrc: int | None = None
        self._highest = 0

    def receive(self, packet: RtpPacket) -> str | None:
        """The digit that this packet ends; two characters if it also shows that the digit before had ended.

        Raises RemoteProtocolError if the payload is shorter than an event. Events other than DTMF give None.
        """
        if len(packet.payload) < _EVENT.size:
            raise RemoteProtocolError("telephone-event payload is cut off")
        code, flags, duration = _EVENT.unpack_from(packet.payload)
        if code >= len(DIGITS):
            return None
        digits = ""
        if packet.ssrc != self._ssrc:
            digits = self._close()
            self._ssrc, self._closed, self._highest = packet.ssrc, None, packet.sequence_number
        ahead = sequence_difference(packet.sequence_number, self._highest)
        if -self._MAX_MISORDER <= ahead < 0 and not self._concerns_open(packet, code):
            return digits or None
        self._highest = packet.sequence_number if ahead > 0 or ahead < -self._MAX_MISORDER else self._highest
        if self._closed is not None and self._closed.covers(packet, code):
            return digits or None
        if self._open is None:
            self._open = _Receiving(code, packet.timestamp)
        elif not self._open.covers(packet, code):
            digits += self._close()
            self._open = _Receiving(code, packet.timestamp)
        self._open.update(packet.timestamp, duration)
        if flags & 0x80:
            digits += self._close()
        return digits or None

    def audio(self, packet: RtpPacket) -> str | None:
        """To be told of every audio packet of the stream: the digit whose end packets were all lost, or None."""
        if self._open is None:
            return None
        if packet.ssrc == self._ssrc and timestamp_difference(packet.timestamp, self._open.end) < self._silent_end:
            return None
        return self._close() or None

    def _concerns_open(self, packet: RtpPacket, code: int) -> bool:
        return self._open is not None and self._open.covers(packet, code)

    def _close(self) -> str:
        if self._open is None:
            return ""
        self._closed, self._open = self._open, None
        return DIGITS[self._closed.code]


class _Receiving:
    """One key press as heard so far, over all its segments."""

    __slots__ = ("_segment", "_start", "code", "end")

    def __init__(self, code: int, start: int) -> None:
        self.code = code
        self._start = start
        self._segment = start
        self.end = start

    def covers(self, packet: RtpPacket, code: int) -> bool:
        """Whether a packet belongs to this press: same event, a segment of ours or the one that continues it."""
        if code != self.code:
            return False
        offset = timestamp_difference(packet.timestamp, self._segment)
        if offset == MAX_DURATION:
            return not packet.marker  # RFC 4733 §2.5.1.3: a new segment of a long event carries no marker
        return offset <= 0 and timestamp_difference(packet.timestamp, self._start) >= 0

    def update(self, timestamp: int, duration: int) -> None:
        if timestamp_difference(timestamp, self._segment) > 0:
            self._segment = timestamp
        end = (timestamp + duration) & 0xFFFF_FFFF
        if timestamp_difference(end, self.end) > 0:
            self.end = end
