"""What a receiver says of a call beside its report blocks: VoIP metrics of RTCP extended reports (RFC 3611 §4.7).

Owns: the layout of that block. Other blocks of an extended report are passed over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

EXTENDED_REPORT = 207  # packet type (RFC 3611 §2)
VOIP_METRICS = 7  # block type (§4.7)
UNAVAILABLE = 127  # of R factors and opinion scores
_BLOCK = struct.Struct("!BBH")
_METRICS = struct.Struct("!IBBBBHHHHbbBBBBBBBBHHH")


@dataclass(frozen=True, slots=True)
class VoipMetrics:
    """Of the stream `ssrc` since its start. What the reporter does not know is None."""

    ssrc: int
    loss: float  # 0 … 1, lost on the way
    discarded: float  # 0 … 1, came too late or too early to be played
    round_trip_ms: int  # 0: not known
    end_system_ms: int  # of the reporter: capture, coding, jitter buffer, playing
    jitter_buffer_ms: int  # nominal
    r: int | None  # as the reporter reckons it
    mos_lq: float | None  # listening
    mos_cq: float | None  # conversation


def read_voip_metrics(body: bytes) -> VoipMetrics | None:
    """The first VoIP metrics in the body of an extended report; None without any, or if it is cut off."""
    position = 4  # the reporter's SSRC
    while position + _BLOCK.size <= len(body):
        kind, _, words = _BLOCK.unpack_from(body, position)
        position += _BLOCK.size
        end = position + 4 * words
        if end > len(body):
            return None
        if kind == VOIP_METRICS and words * 4 >= _METRICS.size:
            return _read(body, position)
        position = end
    return None


def _read(body: bytes, position: int) -> VoipMetrics:
    fields = _METRICS.unpack_from(body, position)
    ssrc, loss, discarded, _, _, _, _, round_trip, end_system, _, _, _, _, r, _, lq, cq, _, _, nominal, _, _ = fields
    return VoipMetrics(
        ssrc=ssrc,
        loss=loss / 256,
        discarded=discarded / 256,
        round_trip_ms=round_trip,
        end_system_ms=end_system,
        jitter_buffer_ms=nominal,
        r=r if r <= 100 else None,
        mos_lq=lq / 10 if 10 <= lq <= 50 else None,
        mos_cq=cq / 10 if 10 <= cq <= 50 else None,
    )


def build_voip_metrics(reporter: int, metrics: VoipMetrics) -> bytes:
    """The body of an extended report with these metrics; bursts, levels and echo are not measured (§4.7.2, §4.7.4)."""
    block = _METRICS.pack(
        metrics.ssrc,
        _part(metrics.loss),
        _part(metrics.discarded),
        0,  # burst density
        0,  # gap density
        0,  # burst duration
        0,  # gap duration
        _milliseconds(metrics.round_trip_ms),
        _milliseconds(metrics.end_system_ms),
        UNAVAILABLE,  # signal level
        UNAVAILABLE,  # noise level
        UNAVAILABLE,  # residual echo return loss
        16,  # Gmin
        UNAVAILABLE if metrics.r is None else metrics.r,
        UNAVAILABLE,  # of a further network
        _score(metrics.mos_lq),
        _score(metrics.mos_cq),
        0b1110_0000,  # enhanced concealment, adaptive jitter buffer (§4.7.6)
        0,
        _milliseconds(metrics.jitter_buffer_ms),
        _milliseconds(metrics.jitter_buffer_ms),
        _milliseconds(metrics.jitter_buffer_ms),
    )
    return struct.pack("!I", reporter) + _BLOCK.pack(VOIP_METRICS, 0, len(block) // 4) + block


def _part(fraction: float) -> int:
    return min(255, max(0, int(fraction * 256)))


def _milliseconds(value: float) -> int:
    return min(65_535, max(0, round(value)))


def _score(mos: float | None) -> int:
    return UNAVAILABLE if mos is None else min(50, max(10, round(mos * 10)))
