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
    ptimes: tuple[int, ...] = (10, 20, 30, 40, 50, 60)  # ms, packet lengths that we make
    parameters: str = ""  # our fmtp in an offer or answer
    voice: bool = True  # False: goes beside a codec
    written: str = ""  # the name as SDP usually has it, where that is not upper case

    def parameters_for(self, dtx: bool) -> str:
        """Our fmtp; with `dtx` it asks the peer to send nothing while nobody speaks (RFC 7587 §6.1)."""
        return self.parameters.replace("usedtx=0", "usedtx=1") if dtx else self.parameters

    @property
    def encoding(self) -> str:
        """As `a=rtpmap` writes it: `PCMU/8000`, `OPUS/48000/2`."""
        suffix = f"/{self.channels}" if self.channels > 1 else ""
        return f"{self.name}/{self.clock_rate}{suffix}"


PCMU = CodecRecord("PCMU", 0, 8000, 8000)
PCMA = CodecRecord("PCMA", 8, 8000, 8000)

G722 = CodecRecord("G722", 9, 8000, 16_000)
OPUS = CodecRecord(
    "OPUS",
    None,
    48_000,
    48_000,
    channels=2,  # RFC 7587 §7: always, whatever is sent
    ptimes=(10, 20, 40, 60),  # frames of Opus (RFC 6716 §2.1.4); 30 and 50 ms would be several frames in a packet
    parameters="minptime=10;useinbandfec=1;usedtx=0;stereo=0;sprop-stereo=0",
    written="opus",
)

CN = CodecRecord("CN", 13, 8000, 8000, voice=False)
"""Comfort noise (RFC 3389): silence described in place of packets, with codecs of 8000 samples a second."""

PTIMES = (10, 20, 30, 40, 60)
"""ms: packet lengths that may be asked for."""

CODEC_RECORDS: dict[str, CodecRecord] = {record.name: record for record in (OPUS, G722, PCMU, PCMA, CN)}
