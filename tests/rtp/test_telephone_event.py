"""softphone/rtp/telephone_event.py against RFC 4733 §2."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.rtp.packet import RtpPacket
from softphone.rtp.sender import RtpSender
from softphone.rtp.telephone_event import DIGITS, TelephoneEventReceiver, TelephoneEventSender

EVENT = 101
AUDIO = 0


def stream(
    digits: str, duration_ms: int = 100, pause_ms: int = 100, tail: int = 20, first: int = 1000
) -> list[RtpPacket]:
    """What goes over the wire in 20 ms steps: events, audio between them, and some audio after them."""
    sender = RtpSender(7, 1, first)
    events = TelephoneEventSender(EVENT, 8000, pause_ms)
    events.queue(digits, duration_ms)
    packets: list[RtpPacket] = []
    quiet = 0
    while events.busy or quiet < tail:
        tick = events.tick(sender, 160)
        packets += tick or (sender.packet(AUDIO, b"\xff" * 160, 160),)
        quiet = 0 if events.busy else quiet + 1
    return packets


def heard(packets: list[RtpPacket]) -> str:
    receiver = TelephoneEventReceiver(8000)
    digits = ""
    for packet in packets:
        digits += (receiver.receive(packet) if packet.payload_type == EVENT else receiver.audio(packet)) or ""
    return digits


def fields(packet: RtpPacket) -> tuple[int, bool, int, bool]:
    """(event code, end bit, duration, marker)"""
    return packet.payload[0], packet.payload[1] >= 0x80, int.from_bytes(packet.payload[2:4], "big"), packet.marker


def test_a_digit_is_updated_each_interval_and_ended_three_times() -> None:
    packets = [packet for packet in stream("5") if packet.payload_type == EVENT]
    assert [fields(packet) for packet in packets] == [
        (5, False, 160, True),
        (5, False, 320, False),
        (5, False, 480, False),
        (5, False, 640, False),
        (5, True, 800, False),
        (5, True, 800, False),
        (5, True, 800, False),
    ]
    assert {packet.timestamp for packet in packets} == {1000}
    assert [packet.sequence_number for packet in packets] == list(range(1, 8))
    assert all(packet.payload[1] & 0x7F == 10 for packet in packets)  # volume -10 dBm0, reserved bit clear


def test_audio_goes_on_between_digits_and_the_clock_never_stops() -> None:
    packets = stream("12", pause_ms=60)
    kinds = [(kind, len(list(group))) for kind, group in itertools.groupby(packets, lambda packet: packet.payload_type)]
    assert kinds == [(EVENT, 7), (AUDIO, 3), (EVENT, 7), (AUDIO, 19)]
    audio = [packet.timestamp for packet in packets if packet.payload_type == AUDIO]
    assert audio[0] == 1000 + 7 * 160
    second = next(packet for packet in packets if packet.payload_type == EVENT and packet.payload[0] == 2)
    assert second.timestamp == 1000 + 10 * 160


def test_all_sixteen_digits_have_their_codes_and_case_does_not_matter() -> None:
    assert DIGITS == "0123456789*#ABCD"
    assert heard(stream("0123456789*#abcd")) == DIGITS


@pytest.mark.parametrize("digits", ["E", "1 2", "é", "１"])
def test_what_is_no_digit_is_refused_before_anything_is_sent(digits: str) -> None:
    events = TelephoneEventSender(EVENT, 8000)
    with pytest.raises(LocalProtocolError):
        events.queue("1" + digits)
    assert not events.busy


def test_the_queue_has_a_limit() -> None:
    events = TelephoneEventSender(EVENT, 8000)
    events.queue("1" * 256)
    with pytest.raises(LocalProtocolError):
        events.queue("1")


def test_a_long_event_is_sent_in_segments_and_heard_as_one_digit() -> None:
    # RFC 4733 §2.5.1.3
    packets = [packet for packet in stream("9", duration_ms=20_000) if packet.payload_type == EVENT]
    starts = list(dict.fromkeys(packet.timestamp for packet in packets))
    assert starts == [1000, 1000 + 0xFFFF, 1000 + 2 * 0xFFFF]
    for start in starts[:2]:
        assert fields([packet for packet in packets if packet.timestamp == start][-1]) == (9, False, 0xFFFF, False)
    assert [packet.marker for packet in packets].count(True) == 1
    assert fields(packets[-1]) == (9, True, 160_000 - 2 * 0xFFFF, False)
    assert heard(stream("9", duration_ms=20_000)) == "9"


def test_the_timestamp_of_an_event_may_wrap() -> None:
    assert heard(stream("12", first=0xFFFF_FFFF - 100)) == "12"
    assert heard(stream("7", duration_ms=9000, first=0xFFFF_FFFF - 0x8000)) == "7"


def test_the_same_digit_twice_is_two_digits() -> None:
    assert heard(stream("11", pause_ms=40)) == "11"


def test_a_digit_is_reported_with_its_first_end_packet() -> None:
    receiver = TelephoneEventReceiver(8000)
    answers = [receiver.receive(packet) for packet in stream("5", tail=0)]
    assert answers == [None, None, None, None, "5", None, None]


def test_one_end_packet_is_enough() -> None:
    end = [packet for packet in stream("5") if packet.payload_type == EVENT][-1]
    assert heard([end]) == "5"


def test_a_digit_without_end_packets_is_over_when_the_next_begins() -> None:
    packets = [packet for packet in stream("12") if packet.payload_type == EVENT]
    without = [packet for packet in packets if not (packet.payload[0] == 1 and packet.payload[1] & 0x80)]
    assert heard(without) == "12"
    only_second_end = [packet for packet in packets if packet.payload[0] == 1 and not packet.payload[1] & 0x80]
    assert heard([*only_second_end, packets[-1]]) == "12"


def test_a_digit_without_end_packets_is_over_when_audio_has_gone_on() -> None:
    packets = stream("5")
    without = [packet for packet in packets if packet.payload_type == AUDIO or not packet.payload[1] & 0x80]
    assert heard(without) == "5"


def test_audio_sent_beside_an_event_does_not_end_it() -> None:
    # RFC 4733 §2.5.1.1 lets a sender send both.
    packets: list[RtpPacket] = []
    for packet in stream("5", duration_ms=400):
        packets.append(packet)
        if packet.payload_type == EVENT:
            packets.append(RtpPacket(AUDIO, packet.sequence_number, packet.timestamp + len(packets) * 80, 7, b""))
    assert heard(packets) == "5"


def test_a_new_stream_begins_anew() -> None:
    first = stream("5", tail=0)
    second = [
        RtpPacket(EVENT, packet.sequence_number, packet.timestamp, 8, packet.payload, packet.marker) for packet in first
    ]
    assert heard([*first, *second]) == "55"


def test_other_events_are_not_digits_and_a_cut_payload_is_the_peers_fault() -> None:
    receiver = TelephoneEventReceiver(8000)
    assert receiver.receive(RtpPacket(EVENT, 1, 0, 7, bytes((16, 0x8A, 0, 160)))) is None  # hook flash
    with pytest.raises(RemoteProtocolError):
        receiver.receive(RtpPacket(EVENT, 2, 0, 7, b"\x05\x0a\x00"))


@given(st.integers(0, 2**32), st.text("0123456789*#ABCD", min_size=1, max_size=12))
def test_loss_repetition_and_reordering_neither_lose_nor_double_a_digit(seed: int, digits: str) -> None:
    chance = random.Random(seed)
    packets: list[RtpPacket] = []
    for _, group in itertools.groupby(stream(digits), lambda packet: (packet.payload_type, packet.timestamp)):
        event = list(group)
        # Any loss that leaves one packet of an event, which is all that can be asked.
        kept = [packet for packet in event if chance.random() > 0.4] or [chance.choice(event)]
        packets += [packet for packet in kept for _ in range(chance.choice((1, 1, 2)))]
    order = sorted(range(len(packets)), key=lambda index: index + chance.random() * 3)
    assert heard([packets[index] for index in order]) == digits


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.binary(min_size=4, max_size=6))))
def test_any_events_are_taken_without_an_error(events: list[tuple[int, int, bytes]]) -> None:
    receiver = TelephoneEventReceiver(8000)
    for number, timestamp, payload in events:
        receiver.receive(RtpPacket(EVENT, number, timestamp, 7, payload))
        receiver.audio(RtpPacket(AUDIO, number, timestamp, 7, payload))
