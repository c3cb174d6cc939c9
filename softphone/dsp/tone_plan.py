"""What the tones of a telephone sound like in each country: ringback, busy, congestion, call waiting, no such number.

Owns: that table, and which row a territory has. Must not know: where the territory comes from, who plays.

Sources, as frequencies and cadences (levels are ours, the same for all):
- ITU-T E.180 Supplement 2 and its successor, the annex "Various tones used in national networks" to the ITU
  Operational Bulletin (tones-0203.pdf): AT BE BG CH CN CZ DE DK FR HU IN IT JP NL PL.
- National papers: BT SIN 350 (GB, IE rings alike), ACIF S002 (AU), Telepermit TNA 102 (NZ), GOST 45.223-2001 (RU),
  the Precise Tone Plan of Bellcore GR-506 (US and CA); BR ES FI GR IL MX NO PT SE SG TW ZA as telephone exchanges ship
  them after the ITU's list. KR: the ringing tone is confirmed, the other two are the ITU list's as it is quoted.
- ETSI TR 101 041-2 and ETR 187: 425 Hz for the rest of Europe, which is also what a territory without a row gets.
- ITU-T E.180 §7: the special information tone, 950, 1400 and 1800 Hz of 330 ms each, then a second of silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from softphone.dsp.tone import Tone

Cadence = tuple[tuple[int, int], ...]  # (on, off) in ms

_HEARD_DBFS: Final = -15.0
_WAITING_DBFS: Final = -26.0  # under a voice, which has about -20
SPECIAL_INFORMATION: Final = Tone((950.0, 1400.0, 1800.0), -15.0, ((330, 0), (330, 0), (330, 1000)), successive=True)


@dataclass(frozen=True, slots=True)
class TonePlan:
    """The tones of one country."""

    ringback: Tone
    busy: Tone
    congestion: Tone
    call_waiting: Tone
    special_information: Tone = SPECIAL_INFORMATION


def _tone(hertz: str, *cadence: tuple[int, int], level: float = _HEARD_DBFS) -> Tone:
    """`hertz` as E.180 writes it: “440+480” sound together, “400*25” is the first swelling with the second."""
    carrier, _, swell = hertz.partition("*")
    frequencies = tuple(float(each) for each in carrier.split("+"))
    # Two sines together are as loud as one of three decibels more.
    return Tone(frequencies, level - 3 * (len(frequencies) - 1), cadence, float(swell or 0))


def _waiting(hertz: str, *cadence: tuple[int, int]) -> Tone:
    return _tone(hertz, *cadence, level=_WAITING_DBFS)


_TWICE: Final[Cadence] = ((400, 200), (400, 2000))  # the double ring of Britain and what was once hers
_ONE_IN_FIVE: Final[Cadence] = ((1000, 4000),)

EUROPE: Final = TonePlan(
    ringback=_tone("425", *_ONE_IN_FIVE),
    busy=_tone("425", (500, 500)),
    congestion=_tone("425", (250, 250)),
    call_waiting=_waiting("425", (200, 200), (200, 5000)),
)
_NORTH_AMERICA: Final = TonePlan(
    ringback=_tone("440+480", (2000, 4000)),
    busy=_tone("480+620", (500, 500)),
    congestion=_tone("480+620", (250, 250)),
    call_waiting=_waiting("440", (300, 10_000)),
)


def _european(busy: int, congestion: int, waiting: Cadence, ringback: Cadence = _ONE_IN_FIVE) -> TonePlan:
    """425 Hz; busy and congestion are as long on as off, in ms."""
    return TonePlan(
        _tone("425", *ringback),
        _tone("425", (busy, busy)),
        _tone("425", (congestion, congestion)),
        _waiting("425", *waiting),
    )


PLANS: Final[dict[str, TonePlan]] = {
    "AT": TonePlan(
        _tone("420", (1000, 5000)), _tone("420", (400, 400)), _tone("420", (200, 200)), _waiting("420", (40, 1960))
    ),
    "AU": TonePlan(
        _tone("413+438", *_TWICE),
        _tone("425", (375, 375)),
        _tone("425", (375, 375)),
        _waiting("425", (200, 200), (200, 4400)),
    ),
    "BE": TonePlan(
        _tone("425", (1000, 3000)),
        _tone("425", (500, 500)),
        _tone("425", (167, 167)),
        _waiting("1400", (175, 175), (175, 3500)),
    ),
    "BG": _european(500, 250, ((150, 150), (150, 4000))),
    "BR": TonePlan(
        _tone("425", *_ONE_IN_FIVE),
        _tone("425", (250, 250)),
        _tone("425", (250, 250), (750, 250)),
        _waiting("425", (50, 1000)),
    ),
    "CA": _NORTH_AMERICA,
    "CH": _european(500, 200, ((200, 200), (200, 4000))),
    "CN": TonePlan(
        _tone("450", *_ONE_IN_FIVE), _tone("450", (350, 350)), _tone("450", (700, 700)), _waiting("450", (400, 4000))
    ),
    "CZ": _european(330, 165, ((330, 9000),)),
    "DE": _european(480, 240, ((200, 200), (200, 5000))),
    "DK": _european(500, 200, ((200, 600), (200, 3000))),
    "ES": TonePlan(
        _tone("425", (1500, 3000)),
        _tone("425", (200, 200)),
        _tone("425", (200, 200), (200, 200), (200, 600)),
        _waiting("425", (175, 175), (175, 3500)),
    ),
    "FI": _european(300, 200, ((150, 150), (150, 8000))),
    "FR": TonePlan(
        _tone("440", (1500, 3500)), _tone("440", (500, 500)), _tone("440", (250, 250)), _waiting("440", (300, 10_000))
    ),
    "GB": TonePlan(
        _tone("400+450", *_TWICE),
        _tone("400", (375, 375)),
        _tone("400", (400, 350), (225, 525)),
        _waiting("400", (100, 4000)),
    ),
    "GR": _european(300, 200, ((150, 150), (150, 8000))),
    "HU": _european(300, 300, ((40, 1960),), ((1250, 3750),)),
    "IE": TonePlan(
        _tone("400+450", *_TWICE),
        _tone("425", (500, 500)),
        _tone("425", (250, 250)),
        _waiting("425", (200, 200), (200, 5000)),
    ),
    "IL": TonePlan(
        _tone("414", (1000, 3000)),
        _tone("414", (500, 500)),
        _tone("414", (250, 250)),
        _waiting("414", (100, 100), (100, 100), (600, 3000)),
    ),
    "IN": TonePlan(
        _tone("400*25", *_TWICE),
        _tone("400", (750, 750)),
        _tone("400", (250, 250)),
        _waiting("400", (200, 100), (200, 7500)),
    ),
    "IT": _european(500, 200, ((400, 100), (250, 100), (150, 14_000))),
    "JP": TonePlan(
        _tone("400*16", (1000, 2000)),
        _tone("400", (500, 500)),
        _tone("400", (500, 500)),
        _waiting("400*16", (500, 8000)),
    ),
    "KR": TonePlan(
        _tone("440+480", (1000, 2000)),
        _tone("480+620", (500, 500)),
        _tone("480+620", (300, 200)),
        _waiting("350+440", (250, 250), (250, 3250)),
    ),
    "MX": _european(250, 250, ((200, 600), (200, 10_000))),
    "NL": _european(500, 250, ((500, 9500),)),
    "NO": _european(500, 200, ((200, 600), (200, 10_000))),
    "NZ": TonePlan(
        _tone("400+450", *_TWICE), _tone("400", (500, 500)), _tone("400", (250, 250)), _waiting("400", (200, 3000))
    ),
    "PL": _european(500, 500, ((150, 150), (150, 4000))),
    "PT": _european(500, 200, ((200, 200), (200, 5000)), ((1000, 5000),)),
    "RU": _european(350, 175, ((200, 5000),)),
    "SE": TonePlan(
        _tone("425", (1000, 5000)),
        _tone("425", (250, 250)),
        _tone("425", (250, 750)),
        _waiting("425", (200, 500), (200, 9100)),
    ),
    "SG": TonePlan(
        _tone("425*24", *_TWICE),
        _tone("425", (750, 750)),
        _tone("425", (250, 250)),
        _waiting("425*24", (300, 200), (300, 3200)),
    ),
    "TW": TonePlan(
        _tone("440+480", (1000, 2000)),
        _tone("480+620", (500, 500)),
        _tone("480+620", (250, 250)),
        _waiting("350+440", (250, 250), (250, 3250)),
    ),
    "US": _NORTH_AMERICA,
    "ZA": TonePlan(
        _tone("400*33", *_TWICE),
        _tone("400", (500, 500)),
        _tone("400", (250, 250)),
        _waiting("400*33", (250, 250), (250, 250), (250, 250), (250, 250)),
    ),
}
"""By ISO 3166 code."""


def knows_country(code: str) -> bool:
    """Whether the table has a row of this country, by its ISO 3166 code."""
    return code.upper() in PLANS


def plan_of(territory: str) -> TonePlan:
    """That of the territory; the European one where the table has none."""
    return PLANS.get(territory.upper(), EUROPE)
