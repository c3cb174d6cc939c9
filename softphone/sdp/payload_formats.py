"""Payload formats of an offer and the agreement on them (RFC 3264 §5.1, §6.1, §7; RFC 4733 §2.4).

Owns: our payload type numbers, matching by encoding name and clock rate, telephone-event, ptime. Knows no encryption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from softphone.codecs.records import CN, CODEC_RECORDS
from softphone.sdp.media_lines import AudioLine, LineFormat
from softphone.sdp.negotiated import PayloadFormat

TELEPHONE_EVENT = "TELEPHONE-EVENT"
TELEPHONE_EVENT_PAYLOAD_TYPE = 101  # the number that every PBX expects
TELEPHONE_EVENTS = "0-16"  # DTMF digits and flash (RFC 4733 §3.2)


@dataclass(frozen=True, slots=True)
class AgreedFormats:
    voice: PayloadFormat
    telephone_event: PayloadFormat | None
    ours: tuple[LineFormat, ...]  # what our answer lists
    comfort_noise: bool = False


def offered_formats(codecs: Sequence[str], *, dtx: bool = False) -> tuple[LineFormat, ...]:
    """Our offer in the order of preference, then one telephone-event for each clock rate."""
    dynamic = iter(number for number in range(96, 128) if number != TELEPHONE_EVENT_PAYLOAD_TYPE)
    formats: list[LineFormat] = []
    for name in codecs:
        record = CODEC_RECORDS[name]
        if not record.voice and not any(map(_goes_with_noise, codecs)):
            continue
        number = record.static_payload_type if record.static_payload_type is not None else next(dynamic)
        formats.append(LineFormat(number, record.name, record.clock_rate, record.channels, record.parameters_for(dtx)))
    for position, clock_rate in enumerate(dict.fromkeys(item.clock_rate for item in formats)):
        number = next(dynamic) if position else TELEPHONE_EVENT_PAYLOAD_TYPE
        formats.append(LineFormat(number, TELEPHONE_EVENT, clock_rate, 1, TELEPHONE_EVENTS))
    return tuple(formats)


def agree_on_offer(line: AudioLine, codecs: Sequence[str], *, dtx: bool = False) -> AgreedFormats | None:
    """The offerer's first format that we have, under the offerer's numbers (RFC 3264 §6.1); None without any."""
    known = {
        (record.name, record.clock_rate, record.channels): record
        for record in map(CODEC_RECORDS.get, codecs)
        if record is not None and record.voice
    }
    for item in line.formats:
        record = known.get(item.encoding)
        if record is None:
            continue
        ours = [LineFormat(item.payload_type, *item.encoding, record.parameters_for(dtx))]
        event = _telephone_event(line, item.clock_rate)
        if event is not None:
            ours.append(LineFormat(event.payload_type, *event.encoding, TELEPHONE_EVENTS))
        noise = CN.name in codecs and _has_noise(line, record.name)
        if noise:
            ours.append(_NOISE)
        return AgreedFormats(
            voice=_both_ways(item, item.payload_type),
            telephone_event=None if event is None else _both_ways(event, event.payload_type),
            ours=tuple(ours),
            comfort_noise=noise,
        )
    return None


def agree_on_answer(line: AudioLine, offered: Sequence[LineFormat]) -> AgreedFormats | None:
    """The answer's first format that we offered: sent under its number, received under ours (RFC 3264 §5.1, §7)."""
    numbers = {item.encoding: item.payload_type for item in offered}
    for item in line.formats:
        if item.name in (TELEPHONE_EVENT, CN.name) or item.encoding not in numbers:
            continue
        event = _telephone_event(line, item.clock_rate)
        if event is not None and event.encoding not in numbers:
            event = None
        return AgreedFormats(
            voice=_both_ways(item, numbers[item.encoding]),
            telephone_event=None if event is None else _both_ways(event, numbers[event.encoding]),
            ours=tuple(offered),
            comfort_noise=_NOISE in offered and _has_noise(line, item.name),
        )
    return None


def send_ptime(line: AudioLine, own: int, codec: str) -> int:
    """Packet length in ms that we send: what the peer asks for, or the next shorter that the codec makes.

    RFC 8866 §6.4, §6.5: a ptime is a wish, a maxptime a bound.
    """
    wanted = own if line.ptime is None else line.ptime
    if line.maxptime is not None:
        wanted = min(wanted, line.maxptime)
    ptimes = CODEC_RECORDS[codec].ptimes
    return max((ptime for ptime in ptimes if ptime <= wanted), default=min(ptimes))


_NOISE = LineFormat(CN.static_payload_type or 0, CN.name, CN.clock_rate)


def _goes_with_noise(codec: str) -> bool:
    """RFC 3389 §4: codecs without a discontinuous transmission of their own, at the noise's rate."""
    record = CODEC_RECORDS[codec]
    return record.voice and record.sample_rate == CN.sample_rate


def _has_noise(line: AudioLine, codec: str) -> bool:
    return _goes_with_noise(codec) and any(
        (item.payload_type, item.encoding) == (_NOISE.payload_type, _NOISE.encoding) for item in line.formats
    )


def _telephone_event(line: AudioLine, clock_rate: int) -> LineFormat | None:
    return next((item for item in line.formats if item.encoding == (TELEPHONE_EVENT, clock_rate, 1)), None)


def _both_ways(theirs: LineFormat, our_number: int) -> PayloadFormat:
    return PayloadFormat(
        name=theirs.name,
        clock_rate=theirs.clock_rate,
        send_payload_type=theirs.payload_type,
        receive_payload_type=our_number,
        parameters=theirs.parameters,
    )
