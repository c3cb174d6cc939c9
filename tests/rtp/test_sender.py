"""softphone/rtp/sender.py against RFC 3550 §5.1 and §6.4.1."""

from __future__ import annotations

import pytest

from softphone.errors import LocalProtocolError
from softphone.rtp.sender import RtpSender


def test_numbers_and_counts_run_with_each_packet() -> None:
    sender = RtpSender(0xCAFE, 100, 5000)
    first = sender.packet(8, b"x" * 160, 160, True)
    second = sender.packet(8, b"y" * 160, 160)
    assert (first.sequence_number, first.timestamp, first.marker, first.ssrc) == (100, 5000, True, 0xCAFE)
    assert (second.sequence_number, second.timestamp, second.marker) == (101, 5160, False)
    assert (sender.packet_count, sender.octet_count, sender.timestamp) == (2, 320, 5320)


def test_sequence_number_and_timestamp_wrap() -> None:
    sender = RtpSender(1, 0x7FFF, 0xFFFF_FFFF)
    numbers = [sender.packet(0, b"", 160) for _ in range(0x8002)]
    assert numbers[1].timestamp == 159
    assert numbers[0x8001].sequence_number == 0


def test_silence_moves_the_timestamp_only() -> None:
    sender = RtpSender(1, 7, 0)
    sender.advance(800)
    packet = sender.packet(0, b"", 160)
    assert (packet.sequence_number, packet.timestamp) == (7, 800)


def test_an_event_keeps_its_own_timestamp_while_the_stream_runs_on() -> None:
    sender = RtpSender(1, 7, 1000)
    assert [sender.packet(101, b"", 160, timestamp=1000).timestamp for _ in range(3)] == [1000] * 3
    assert sender.packet(0, b"", 160).timestamp == 1480


@pytest.mark.parametrize("number", [0x8000, 0xFFFF, -1])
def test_the_first_sequence_number_is_below_2_to_the_15(number: int) -> None:
    # RFC 3711 §3.3.1
    with pytest.raises(LocalProtocolError):
        RtpSender(1, number, 0)
