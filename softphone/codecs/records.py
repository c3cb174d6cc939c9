"""Audio codecs as records: what SDP must know of a codec (RFC 3551 §6, RFC 8866 §6.6).

Owns: names, static payload types and rates. Knows nothing of samples or of the implementations, which attach to
these records by name. A codec is one record here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodecRecord:
    """`clock_rate` is the RTP timestamp's, `sample_rate` that of the sound itself, both Hz (G.722: 8000 and 16000)."""

    name: str  # encoding name, upper case
    static_payload_type: int | None  # RFC 3551 table 4; None: a dynamic one is chosen for each offer
    clock_rate: int
    sample_rate: int
    channels: int = 1
    ptime: int = 20  # ms, default packet length
    parameters: str = ""  # our fmtp in an offer or answer

    @property
    def encoding(self) -> str:
        """As `a=rtpmap` writes it: `PCMU/8000`, `OPUS/48000/2`."""
        suffix = f"/{self.channels}" if self.channels > 1 else ""
        return f"{self.name}/{self.clock_rate}{suffix}"


PCMU = CodecRecord("PCMU", 0, 8000, 8000)
PCMA = CodecRecord("PCMA", 8, 8000, 8000)

CODEC_RECORDS: dict[str, CodecRecord] = {record.name: record for record in (PCMU, PCMA)}
