"""How a conversation over a line sounds, as the E-model reckons it: rating factor R and MOS (ITU-T G.107, G.107.1).

Owns: the formulae, what codecs cost, how bursts count. Must not know: packets, reports, where the figures come from.

An estimate from what the line did, not from the sound: both ends are assumed to be as G.107 table 3 has them
(loudness, room noise, an echo loss of 65 dB), so that what is left is codec, loss and delay. The wideband model
(G.107.1) rates G.722 and Opus on a longer scale, where plain telephone speech is 93 of 129, and divides by 1.29 to
come to a MOS; G.711 is rated by G.107. So 4.4 of G.711 is "as good as a telephone can be", of Opus "as good as
wideband can be": the two compare lines, not codecs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log2, log10, pow, sqrt

DEFAULT_R = 93.2  # G.107 §7.7 with the values of its table 3, before codec, loss, delay
WIDEBAND_R = 129.0  # G.107.1 §7.7
WIDEBAND_FACTOR = WIDEBAND_R / 100.0  # G.107.1 Annex A: R of the wideband scale to that of Annex B of G.107
MAX_BURST_RATIO = 8.0  # G.107 §7.5 has no evidence beyond
_NO = -61.179  # dBm0p: noise referred to 0 dBr (G.107 equation 7-3) with the default values
_RO = 94.769  # G.107 equation 7-2, likewise
_TELR = 65.0  # dB, talker echo loudness rating: an echo canceller or a headset at the other end
_WEPL = 110.0  # dB, weighted echo path loss
_RLR = 2.0  # dB, receive loudness rating


@dataclass(frozen=True, slots=True)
class CodecImpairment:
    """What a codec costs by itself and how well it bears loss."""

    ie: float  # equipment impairment factor without loss
    bpl: float  # packet-loss robustness, in per cent
    delay_ms: float = 0.0  # look-ahead and filters, beside the packet's own length
    wideband: bool = False  # `ie` is of G.107.1's scale


# G.113 Appendix I table I.2 for G.711 with concealment. G.722 at 64 kbit/s: Ie,WB of G.113 Appendix IV. Opus is not in
# G.113: its Ie,WB is that of AMR-WB (G.722.2) at the next lower rate, which Opus is never worse than. Bpl of both is
# ours, fitted to the loss of PESQ-WB with our concealment and redundancy (docs/media.md has the figures).
G711 = CodecImpairment(ie=0.0, bpl=25.1)
G722 = CodecImpairment(ie=13.0, bpl=12.0, delay_ms=1.5, wideband=True)
_OPUS_BPL = 30.0
_OPUS_DELAY_MS = 6.5  # RFC 6716 §2: look-ahead of the encoder in its speech mode
_OPUS_IE = ((23_000, 1.0), (19_850, 4.0), (15_850, 7.0), (14_250, 10.0), (12_650, 13.0), (8_850, 26.0), (0, 41.0))
OPUS_BIT_RATE = 24_000  # bit/s, where it is not known: what is left for speech beside redundancy of 32 kbit/s


def codec_impairment(codec: str, bit_rate: int | None = None) -> CodecImpairment:
    """Of a codec by its encoding name; `bit_rate` in bit/s matters to Opus alone."""
    if codec == "OPUS":
        rate = bit_rate or OPUS_BIT_RATE
        ie = next(cost for least, cost in _OPUS_IE if rate >= least)
        return CodecImpairment(ie, _OPUS_BPL, _OPUS_DELAY_MS, wideband=True)
    return G722 if codec == "G722" else G711


@dataclass(frozen=True, slots=True)
class Quality:
    """One direction's over a stretch of time."""

    mos: float  # 1 … 4.5, estimated (MOS-CQE)
    r: float  # rating factor: 0 … 93 of G.711, 0 … 129 of wideband codecs
    loss: float  # 0 … 1: what did not come or came too late to be played
    burst_ratio: float  # 1: losses are scattered; 2: they come in runs twice as long as chance makes
    delay_ms: float  # mouth to ear


def quality(codec: CodecImpairment, loss: float, burst_ratio: float, delay_ms: float) -> Quality:
    """`loss` as a part of 1, `delay_ms` one way from mouth to ear."""
    loss, delay_ms = min(max(loss, 0.0), 1.0), max(delay_ms, 0.0)
    burst_ratio = min(max(burst_ratio, 1.0), MAX_BURST_RATIO)
    scale = WIDEBAND_FACTOR if codec.wideband else 1.0
    basis = WIDEBAND_R if codec.wideband else DEFAULT_R
    rating = basis - delay_impairment(delay_ms) - loss_impairment(codec, loss, burst_ratio)
    return Quality(mean_opinion(rating / scale), max(rating, 0.0), loss, burst_ratio, delay_ms)


def mean_opinion(r: float) -> float:
    """MOS of a rating (G.107 Annex B). Below 6.5 the polynomial turns up again, so there it is held at 1."""
    if r <= 6.5:
        return 1.0
    return 4.5 if r >= 100.0 else max(1.0, 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6)


def loss_impairment(codec: CodecImpairment, loss: float, burst_ratio: float = 1.0) -> float:
    """Ie-eff (G.107 equation 7-29)."""
    percent = loss * 100.0
    return codec.ie + (95.0 - codec.ie) * percent / (percent / burst_ratio + codec.bpl)


def delay_impairment(delay_ms: float) -> float:
    """Id (G.107 equations 7-17 to 7-28) beyond that of no delay, with the echo path twice as long as the way.

    Of a millisecond or two the formula makes a shade less than of none, which nobody hears.
    """
    return max(0.0, _delay_impairment(delay_ms) - _delay_impairment(0.0))


def _delay_impairment(delay_ms: float) -> float:
    return _talker_echo(delay_ms) + _listener_echo(2.0 * delay_ms) + _absolute_delay(delay_ms)


def _talker_echo(delay_ms: float) -> float:
    """Idte."""
    echo = _TELR - 40.0 * log10((1.0 + delay_ms / 10.0) / (1.0 + delay_ms / 150.0)) + 6.0 * exp(-0.3 * delay_ms**2)
    apart = (-1.5 * (_NO - _RLR) - (80.0 + 2.5 * (echo - 14.0))) / 2.0
    return (apart + sqrt(apart**2 + 100.0) - 1.0) * (1.0 - exp(-delay_ms))


def _listener_echo(round_trip_ms: float) -> float:
    """Idle."""
    apart = (_RO - 10.5 * (_WEPL + 7.0) * pow(round_trip_ms + 1.0, -0.25)) / 2.0
    return apart + sqrt(apart**2 + 169.0)


def _absolute_delay(delay_ms: float) -> float:
    """Idd."""
    if delay_ms <= 100.0:
        return 0.0
    x = log2(delay_ms / 100.0)
    return 25.0 * (pow(1.0 + x**6, 1 / 6) - 3.0 * pow(1.0 + (x / 3.0) ** 6, 1 / 6) + 2.0)


def burst_ratio(expected: int, lost: int, runs: int) -> float:
    """Of `lost` packets in `runs` runs among `expected` (G.107 §7.5, a Gilbert model counted).

    With p the chance of a loss after a packet that came and q that of a packet after a loss: 1 / (p + q); 1 by chance.
    """
    if lost <= 0 or runs <= 0 or expected <= lost:
        return 1.0
    ratio = 1.0 / (runs / (expected - lost) + runs / lost)
    return min(max(ratio, 1.0), MAX_BURST_RATIO)
