"""softphone/rtp/jitter_buffer.py: a simulated network in, one answer per 20 ms out."""

from __future__ import annotations

import random
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from softphone.rtp.jitter_buffer import (
    MAX_HELD_MS,
    MAX_HELD_PACKETS,
    FixedJitterBuffer,
    Frame,
    Idle,
    JitterBuffer,
    Missing,
    Playout,
)
from softphone.rtp.packet import RtpPacket

STEP = 0.02
Arrival = tuple[float, RtpPacket]


def packet(number: int, timestamp: int | None = None, ssrc: int = 1, marker: bool = False) -> RtpPacket:
    units = number * 160 if timestamp is None else timestamp
    return RtpPacket(0, number & 0xFFFF, units & 0xFFFF_FFFF, ssrc, number.to_bytes(4, "big", signed=True), marker)


def number_of(answer: Playout) -> int | None:
    return int.from_bytes(answer.packet.payload, "big", signed=True) if isinstance(answer, Frame) else None


def run(
    buffer: JitterBuffer, arrivals: Iterable[Arrival], seconds: float, step: float = STEP, start: float = 0.001
) -> list[Playout]:
    """The answers of a `get` every `step` seconds while packets arrive."""
    waiting = sorted(arrivals, key=lambda arrival: arrival[0])
    answers = []
    now = start
    while now < start + seconds:
        while waiting and waiting[0][0] <= now:
            when, arrived = waiting.pop(0)
            buffer.put(arrived, when)
        answers.append(buffer.get(now))
        now += step
    return answers


def played(answers: list[Playout]) -> list[int]:
    return [number for answer in answers if (number := number_of(answer)) is not None]


def regular(numbers: Iterable[int], delay: float = 0.0) -> list[Arrival]:
    return [(number * STEP + delay, packet(number)) for number in numbers]


def test_a_regular_stream_is_played_whole_after_the_delay() -> None:
    buffer = FixedJitterBuffer(8000, 160, delay_ms=60)
    answers = run(buffer, regular(range(100)), 2.1)
    assert answers[:3] == [Idle()] * 3
    assert played(answers) == list(range(100))
    assert number_of(answers[3]) == 0
    assert (buffer.late, buffer.duplicates, buffer.dropped, buffer.inserted) == (0, 0, 0, 0)


def test_nothing_is_expected_before_the_first_packet() -> None:
    buffer = FixedJitterBuffer(8000, 160)
    assert run(buffer, [], 1.0) == [Idle()] * 50
    assert buffer.depth_ms == 0.0


def test_jitter_within_the_delay_is_evened_out() -> None:
    chance = random.Random(1)
    buffer = FixedJitterBuffer(8000, 160, delay_ms=60)
    arrivals = [(number * STEP + (chance.random() * 0.055 if number else 0.0), packet(number)) for number in range(500)]
    answers = run(buffer, arrivals, 10.2)
    numbers = played(answers)
    assert numbers == sorted(numbers)
    assert buffer.late == 0
    assert len(numbers) + buffer.dropped == 500
    assert buffer.dropped <= 2


def test_packets_out_of_order_are_played_in_order() -> None:
    buffer = FixedJitterBuffer(8000, 160)
    order = [0, 2, 1, 4, 5, 3, 6, 7, 9, 8]
    arrivals = [(position * STEP, packet(number)) for position, number in enumerate(order)]
    assert played(run(buffer, arrivals, 0.4)) == list(range(10))
    assert buffer.concealed <= 6  # those after the end of the stream


def test_duplicates_are_played_once() -> None:
    buffer = FixedJitterBuffer(8000, 160)
    arrivals = regular(range(20)) + regular(range(20), 0.005) + regular(range(20), 0.3)
    assert played(run(buffer, arrivals, 0.9)) == list(range(20))
    assert buffer.duplicates == 40
    assert buffer.late == 0


def test_a_lost_packet_is_one_missing_frame_in_its_place() -> None:
    buffer = FixedJitterBuffer(8000, 160)
    answers = run(buffer, regular(number for number in range(50) if number != 20), 1.0)
    assert answers[3 + 20] == Missing(1)
    assert number_of(answers[3 + 21]) == 21
    assert buffer.concealed == 1


def test_a_late_packet_is_thrown_away_and_its_place_concealed() -> None:
    buffer = FixedJitterBuffer(8000, 160)
    arrivals = regular(number for number in range(50) if number != 20)
    arrivals.append((20 * STEP + 0.1, packet(20)))
    answers = run(buffer, arrivals, 1.0)
    assert played(answers) == [number for number in range(49) if number != 20][: len(played(answers))]
    assert answers[3 + 20] == Missing(1)
    assert buffer.late == 1


def test_a_stall_is_concealed_for_a_while_and_ends_with_the_old_delay() -> None:
    buffer = FixedJitterBuffer(8000, 160, delay_ms=60)
    arrivals = [
        (max(number * STEP, 1.4) if 50 <= number < 70 else number * STEP, packet(number)) for number in range(200)
    ]
    answers = run(buffer, arrivals, 3.9)
    concealed = [position for position, answer in enumerate(answers) if isinstance(answer, Missing)]
    assert concealed[:6] == list(range(53, 59))
    numbers = played(answers)
    assert numbers == sorted(numbers)
    assert set(range(50)) | set(range(72, 190)) <= set(numbers)
    position = next(position for position, answer in enumerate(answers) if number_of(answer) == 150)
    assert position - 150 <= 4  # at most one packet more than before


def test_a_delay_that_grows_for_good_is_followed() -> None:
    buffer = FixedJitterBuffer(8000, 160, delay_ms=60)
    arrivals = regular(range(100)) + regular(range(100, 300), 0.1)
    numbers = played(run(buffer, arrivals, 6.2))
    assert set(range(110, 299)) <= set(numbers)
    assert buffer.late <= 5


def test_a_delay_that_shrinks_for_good_is_followed() -> None:
    buffer = FixedJitterBuffer(8000, 160, delay_ms=60)
    arrivals = regular(range(100), 0.1) + regular(range(100, 1000))
    answers = run(buffer, arrivals, 19.9)
    assert 2 <= buffer.dropped <= 5
    assert buffer.late == 0
    last = number_of(answers[-1])
    assert last is not None
    assert len(answers) - 1 - last <= 5


def test_silence_suppressed_by_the_sender_keeps_the_rhythm() -> None:
    buffer = FixedJitterBuffer(8000, 160)
    # Packets 0 … 9, four packets of nothing with sequence numbers that run on, then speech again.
    arrivals = [(number * STEP, packet(number)) for number in range(10)]
    arrivals += [
        ((number + 4) * STEP, packet(number, (number + 4) * 160, marker=number == 10)) for number in range(10, 20)
    ]
    answers = run(buffer, arrivals, 27 * STEP - 0.001)
    assert played(answers) == list(range(20))
    assert number_of(answers[3 + 14]) == 10
    assert not any(isinstance(answer, Frame) for answer in answers[13:17])


def test_a_long_pause_becomes_idle_and_speech_begins_with_the_delay() -> None:
    buffer = FixedJitterBuffer(8000, 160, delay_ms=60)
    arrivals = [(number * STEP, packet(number)) for number in range(10)]
    arrivals += [((number + 500) * STEP, packet(number, (number + 500) * 160)) for number in range(10, 20)]
    answers = run(buffer, arrivals, 10.9)
    assert [isinstance(answer, Missing) for answer in answers[13:20]] == [True] * 6 + [False]
    assert all(answer == Idle() for answer in answers[19:513])
    assert number_of(answers[513]) == 10
    assert played(answers) == list(range(20))


def test_the_pause_of_a_telephone_event_is_not_concealed_for_ever() -> None:
    buffer = FixedJitterBuffer(8000, 160)
    arrivals = [(number * STEP, packet(number)) for number in (*range(10), *range(60, 80))]
    answers = run(buffer, arrivals, 1.7)
    assert sum(isinstance(answer, Missing) for answer in answers[:63]) == 6
    assert played(answers) == [*range(10), *range(60, 80)]


def test_a_burst_does_not_add_delay() -> None:
    buffer = FixedJitterBuffer(8000, 160, delay_ms=60)
    arrivals = [(max(number * STEP, 0.4), packet(number)) for number in range(100)]
    answers = run(buffer, arrivals, 2.0)
    position = next(position for position, answer in enumerate(answers) if number_of(answer) == 50)
    assert position - 50 <= 5
    assert buffer.dropped >= 15


def test_a_new_ssrc_begins_anew() -> None:
    buffer = FixedJitterBuffer(8000, 160)
    arrivals = regular(range(20)) + [
        ((20 + number) * STEP, packet(1000 + number, 77777 + number * 160, 2)) for number in range(20)
    ]
    numbers = played(run(buffer, arrivals, 1.0))
    assert numbers[-20:] == list(range(1000, 1020))
    assert numbers[:17] == list(range(17))


def test_a_jump_of_the_sequence_numbers_begins_anew() -> None:
    buffer = FixedJitterBuffer(8000, 160)
    arrivals = regular(range(20)) + [
        ((20 + number) * STEP, packet(30000 + number, 160 * (20 + number))) for number in range(20)
    ]
    assert played(run(buffer, arrivals, 1.0))[-20:] == list(range(30000, 30020))


def test_a_jump_of_the_timestamps_begins_anew() -> None:
    for jump in (10_000_000, -10_000_000):
        buffer = FixedJitterBuffer(8000, 160)
        arrivals = regular(range(20)) + [
            (number * STEP, packet(number, number * 160 + jump)) for number in range(20, 40)
        ]
        assert played(run(buffer, arrivals, 1.0))[-20:] == list(range(20, 40))


def test_sequence_numbers_and_timestamps_wrap_without_a_gap() -> None:
    buffer = FixedJitterBuffer(8000, 160)
    arrivals = [(index * STEP, packet(65530 + index, 0xFFFF_FFFF - 800 + 160 * index)) for index in range(50)]
    answers = run(buffer, arrivals, 1.06)
    assert played(answers) == list(range(65530, 65580))
    assert buffer.concealed == 0


def test_packets_of_another_length_play_one_after_the_other() -> None:
    for units in (80, 240, 320, 480):
        buffer = FixedJitterBuffer(8000, 160)
        span = units / 8000
        arrivals = [(number * span, packet(number, number * units)) for number in range(60) if number != 30]
        answers = run(buffer, arrivals, 59 * span, step=span)
        numbers = played(answers)
        assert numbers == [number for number in range(60) if number != 30][: len(numbers)]
        assert len(numbers) > 50
        assert answers.count(Missing(max(1, round(units / 160)))) == 1


def drift(parts_per_million: float, seconds: int = 600) -> tuple[FixedJitterBuffer, list[Playout]]:
    """The peer's clock runs faster (positive) than ours."""
    buffer = FixedJitterBuffer(8000, 160, delay_ms=60)
    pace = STEP * (1 - parts_per_million / 1e6)
    arrivals = [(number * pace, packet(number)) for number in range(int(seconds / STEP))]
    return buffer, run(buffer, arrivals, seconds - 1)


def test_drift_of_the_clocks_costs_one_frame_now_and_then_and_nothing_else() -> None:
    # 300 ppm over 600 s are 180 ms: nine frames.
    fast, answers = drift(300)
    assert 6 <= fast.dropped <= 10
    assert (fast.late, fast.inserted, fast.concealed) == (0, 0, 0)
    assert 20 <= fast.depth_ms <= 110
    slow, answers = drift(-300)
    assert 6 <= slow.inserted <= 10
    assert (slow.late, slow.dropped) == (0, 0)
    assert slow.concealed == slow.inserted
    assert 20 <= slow.depth_ms <= 110
    assert played(answers) == list(range(len(played(answers))))


def test_the_depth_is_what_is_held_back() -> None:
    buffer = FixedJitterBuffer(8000, 160, delay_ms=60)
    run(buffer, regular(range(100)), 1.0)
    assert 40 <= buffer.depth_ms <= 80


def test_memory_is_bounded_when_nobody_takes_anything() -> None:
    buffer = FixedJitterBuffer(8000, 160)
    for number in range(10_000):
        buffer.put(packet(number), number * STEP)
    assert buffer.depth_ms <= MAX_HELD_MS + 20
    same_time = FixedJitterBuffer(8000, 160)
    for number in range(10_000):
        same_time.put(packet(number, 0), number * 0.0001)
    assert same_time.dropped >= 10_000 - MAX_HELD_PACKETS
    answers = [same_time.get(2.0 + STEP * index) for index in range(3 * MAX_HELD_PACKETS)]
    assert len(played(answers)) <= MAX_HELD_PACKETS


def test_an_output_that_stood_still_does_not_leave_delay_behind() -> None:
    buffer = FixedJitterBuffer(8000, 160, delay_ms=60)
    run(buffer, regular(range(100)), 2.0)
    for number in range(100, 200):
        buffer.put(packet(number), number * STEP)
    assert buffer.depth_ms <= MAX_HELD_MS
    answers = run(buffer, regular(range(200, 1000)), 15.9, start=4.001)
    last = number_of(answers[-1])
    assert last is not None
    assert 200 + len(answers) - 1 - last <= 5


@given(st.integers(0, 2**32))
def test_whatever_arrives_is_played_once_and_in_order(seed: int) -> None:
    chance = random.Random(seed)
    buffer = FixedJitterBuffer(8000, 160, delay_ms=chance.choice((20, 60, 100)))
    arrivals = [
        (number * STEP + chance.random() ** 4 * chance.choice((0.02, 0.3)), packet(number))
        for number in range(200)
        for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 2)))
    ]
    answers = run(buffer, arrivals, 5.0)
    numbers = played(answers)
    assert numbers == sorted(set(numbers))
    assert len({arrived.sequence_number for _, arrived in arrivals}) <= len(numbers) + buffer.late + buffer.dropped
    assert answers[-1] == Idle()


@given(
    st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.booleans(), st.floats(0, 0.1)), max_size=60)
)
def test_any_packets_are_taken_without_an_error(arrivals: list[tuple[int, int, bool, float]]) -> None:
    buffer = FixedJitterBuffer(8000, 160)
    now = 0.0
    for number, timestamp, other, pause in arrivals:
        now += pause
        buffer.put(RtpPacket(0, number, timestamp, int(other), b""), now)
        buffer.get(now)
        assert buffer.depth_ms >= 0
