"""What the peer's reports change in how one session sends: redundancy at once, bits a second with care.

Owns: which report was minded already. Must not know: sockets, packets. rtp/send_rate.py decides on the rate.
"""

from __future__ import annotations

import logging

from softphone.codecs.registry import Codec
from softphone.rtp.send_rate import SendRate
from softphone.rtp.session_report import SessionReport

_log = logging.getLogger(__name__)


class Adaptation:
    def __init__(self, media_id: str, codec: Codec) -> None:
        self._media_id = media_id
        self._minded = 0
        self.use(codec)

    def use(self, codec: Codec) -> None:
        """Another codec, or the same with other bounds, begins at its own rate."""
        self._codec = codec
        self._rate = SendRate(codec.most_bit_rate) if codec.most_bit_rate else None

    @property
    def bit_rate(self) -> int | None:
        """bit/s; None of a codec that has one rate."""
        return None if self._rate is None else self._rate.bit_rate

    def begin(self) -> None:
        """Another exchange of reports, which counts from 0."""
        self._minded = 0

    def mind(self, exchange: SessionReport, sends: bool, now: float) -> None:
        """Each report once; while we are on hold it says nothing of the line."""
        loss = exchange.remote_fraction_lost
        if exchange.remote_reports == self._minded or loss is None:
            return
        self._minded = exchange.remote_reports
        self._codec.expect_loss(loss)
        if self._rate is None or not sends:
            return
        before = self._rate.bit_rate
        if self._rate.reported(loss, exchange.rtt_ms, now) != before:
            self._codec.send_at(self._rate.bit_rate)
            _log.info("%s: sends %d bit/s now", self._media_id, self._rate.bit_rate)
