"""Statistics of one media session as values (RFC 3550 §6.4)."""

from __future__ import annotations

from dataclasses import dataclass

from softphone.rtp.quality import Quality
from softphone.rtp.voip_metrics import VoipMetrics


@dataclass(frozen=True, slots=True)
class PlayoutReport:
    """How the peer's sound is evened out: the jitter buffer now, and counts since the session's start."""

    target_ms: float = 0.0  # wanted between the fastest packets' arrival and their sounding
    delay_ms: float = 0.0  # had, likewise
    depth_ms: float = 0.0  # sound held back
    late: int = 0  # packets that came after their time
    lengthened_ms: float = 0.0  # put in to hold more back
    shortened_ms: float = 0.0  # left out to hold less back


@dataclass(frozen=True, slots=True)
class CallQuality:
    """Of both directions, estimated (rtp/quality.py): over the last seconds, and since the session's start."""

    heard_now: Quality | None = None  # the last 8 s of what comes
    heard: Quality | None = None
    said_now: Quality | None = None  # between the peer's last two reports
    said: Quality | None = None  # what the peer hears


@dataclass(frozen=True, slots=True)
class MicrophoneState:
    """As the device delivers it, before anything is done to the voice."""

    silent_s: float = 0.0  # since there was more than digital silence
    clipped: int = 0  # blocks of 10 ms in which the wave is cut off, since the device was first opened
    muted: bool = False  # the sound system says that it is muted there


@dataclass(frozen=True, slots=True)
class MediaReport:
    """Counts since the session's start. A field that is not known is None."""

    rtp_sent: int = 0
    rtp_received: int = 0  # authentic packets
    lost: int = 0  # of the peer's stream, RFC 3550 §6.4.1
    jitter_ms: float | None = None
    rtt_ms: float | None = None  # from RTCP LSR/DLSR
    remote_lost: int | None = None  # what the peer reports of ours
    remote_jitter_ms: float | None = None
    auth_failures: int = 0
    replays: int = 0
    plain_rtp_seen: int = 0  # packets on our sockets that do not authenticate although SRTP was negotiated
    concealed_ms: float = 0.0
    microphone_level_db: float | None = None  # dBFS over the last second
    speaker_level_db: float | None = None
    playout: PlayoutReport = PlayoutReport()
    quality: CallQuality = CallQuality()
    remote_fraction_lost: float | None = None  # 0 … 1, between the peer's last two reports
    microphone: MicrophoneState | None = None  # None: it is no device
    spoken_muted_ms: int = 0  # speech while muted
    stalled_ms: float = 0.0  # by which this machine was too late for the sound of its calls, all together
    send_bit_rate: int | None = None  # bit/s that our codec is set to, where it can be set
    remote_metrics: VoipMetrics | None = None  # what the peer says of our stream by itself (RFC 3611)
