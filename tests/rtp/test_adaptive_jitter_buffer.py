"""softphone/rtp/adaptive_jitter_buffer.py on simulated lines: delay small, speech whole, whatever the line does."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.rtp.adaptive_jitter_buffer import MAX_HELD_MS, MAX_HELD_PACKETS, AdaptiveJitterBuffer
from softphone.rtp.jitter_buffer import Frame, Idle
from softphone.rtp.packet import RtpPacket
from tests.rtp.line import RATE, Output, packet, stream

STEP = 0.02
Delay = Callable[[int], float | None]


def listen(delay: Delay, packets: int = 1500, redundant: bool = False, phase: float = 0.003) -> Output:
    """What comes of so many packets; it ends before the stream does."""
    output = Output(AdaptiveJitterBuffer(RATE, RATE // 100, redundant), phase=phase)
    return output.run(stream(range(packets), delay), packets * STEP - 0.1)


def delays(output: Output, since: int = 0) -> list[float]:
    return [output.delay_ms(number) for number in output.played if number >= since]


def whole(output: Output) -> bool:
    """Everything was played, once and in order."""
    return output.played == list(range(len(output.played)))


@pytest.mark.parametrize("phase", [0.0, 0.003, 0.0055, 0.0099])
def test_an_even_line_costs_one_packet_of_delay_and_nothing_is_changed(phase: float) -> None:
    chance = random.Random(1)
    output = listen(lambda _: 0.001 + chance.random() * 0.002, phase=phase)
    assert whole(output)
    assert max(delays(output)) <= 29
    assert min(delays(output)) >= 9
    assert (output.concealed_ms, output.shortened, output.lengthened, output.gaps) == (0, 0, 0, [])


def test_nothing_is_expected_before_the_first_packet() -> None:
    output = Output(AdaptiveJitterBuffer(RATE, 80)).run([], 1.0)
    assert output.concealed_ms == 0
    assert output.buffer.depth_ms == 0
    assert output.buffer.get(2.0) == Idle()


def test_duplicates_are_played_once() -> None:
    regular = list(stream(range(100), lambda _: 0.0))
    again = [(when + 0.005, arrived) for when, arrived in regular] + [
        (when + 0.3, arrived) for when, arrived in regular
    ]
    output = Output(AdaptiveJitterBuffer(RATE, 80)).run(regular + again, 1.9)
    assert whole(output)
    assert (output.buffer.late, output.concealed_ms) == (0, 0)
    assert output.buffer.duplicates >= 175


def test_a_late_packet_whose_place_was_concealed_is_not_played() -> None:
    output = listen(lambda number: 0.1 if number == 50 else 0.0, packets=200)
    assert 50 not in output.played
    assert output.concealed_ms == 20
    assert output.buffer.late == 1
    assert max(delays(output)) <= 29


def test_the_depth_is_what_is_held_back() -> None:
    chance = random.Random(8)
    output = listen(lambda _: chance.random() * 0.1)
    assert 20 <= median(output.depths[500:]) <= 120
    assert output.buffer.state.delay_ms == pytest.approx(output.buffer.state.target_ms, abs=20)


def test_the_first_packet_plays_early_and_the_target_grows_with_the_jitter() -> None:
    chance = random.Random(2)
    output = listen(lambda number: chance.random() * 0.06 if number else 0.0)
    assert output.delay_ms(0) <= 25
    assert 55 <= output.buffer.state.target_ms <= 75
    assert set(range(20, 1490)) <= set(output.played)


@pytest.mark.parametrize(("jitter", "most_ms"), [(0.010, 40), (0.030, 60), (0.060, 90)])
def test_uniform_jitter_is_absorbed_and_at_steady_state_nothing_is_changed(jitter: float, most_ms: float) -> None:
    for seed in range(5):
        chance = random.Random(seed)
        output = listen(lambda _, chance=chance: chance.random() * jitter)  # type: ignore[misc]
        assert set(range(50, 1490)) <= set(output.played)
        assert max(delays(output, since=100)) <= most_ms
        assert output.concealed_ms <= 80  # until the jitter is known
        assert output.shortened + output.lengthened <= 4


def test_bursty_jitter_costs_little_more_than_its_own_quantile() -> None:
    for seed in range(5):
        chance = random.Random(seed)
        output = listen(lambda _, chance=chance: chance.gammavariate(2, 0.0075))  # type: ignore[misc]
        assert median(delays(output)) <= 80
        assert output.concealed_ms / (1500 * 20) < 0.03
        assert len(output.played) > 1500 * 0.97


def test_spikes_that_come_again_are_held_out_without_a_gap() -> None:
    def spiky(number: int) -> float:
        return max(0.0, 0.1 - number % 150 * STEP) if number >= 100 else 0.0

    output = listen(spiky, packets=2000)
    assert whole(output)
    assert [at for at in output.gaps if at > 10] == []


def test_a_single_spike_loses_nothing_and_its_delay_is_worked_off() -> None:
    output = listen(lambda number: max(0.0, 0.2 - (number - 500) * STEP) if number >= 500 else 0.0)
    assert whole(output)
    assert output.concealed_ms <= 120
    assert max(delays(output)) > 190
    assert max(delays(output, since=750)) <= 35


def test_a_stall_of_the_line_loses_nothing_and_its_delay_is_worked_off() -> None:
    output = listen(lambda number: max(0.0, 0.4 - (number - 500) * STEP) if number >= 500 else 0.0)
    assert set(range(490)) | set(range(512, 1490)) <= set(output.played)
    assert output.concealed_ms == 120  # then silence
    assert max(delays(output, since=900)) <= 35


def test_packets_out_of_order_are_played_in_order() -> None:
    chance = random.Random(3)
    output = listen(lambda _: 0.025 if chance.random() < 0.1 else 0.0)
    assert output.played == sorted(output.played)
    assert output.concealed_ms <= 100
    assert len(output.played) >= 1485


def test_lost_packets_are_concealed_for_as_long_as_they_were_and_the_delay_stays() -> None:
    chance = random.Random(4)
    lost: set[int] = set()

    def lossy(number: int) -> float | None:
        if number and chance.random() < 0.1:
            lost.add(number)
            return None
        return 0.0

    output = listen(lossy)
    assert output.played == [number for number in range(output.played[-1] + 1) if number not in lost]
    assert output.concealed_ms == pytest.approx(len(lost) * 20, abs=120)
    assert max(delays(output)) <= 29
    assert output.shortened + output.lengthened == 0


def test_bursts_of_loss_are_concealed_up_to_a_limit_and_the_delay_stays() -> None:
    output = listen(lambda number: None if number % 100 in range(50, 60) else 0.0)
    assert output.concealed_ms == pytest.approx(120 * 15, abs=120)
    assert max(delays(output)) <= 35
    assert len(output.played) >= 1500 * 0.9 - 10


@pytest.mark.parametrize("phase", [0.0, 0.003, 0.0055, 0.008])
def test_after_a_gap_too_long_to_be_concealed_sound_begins_with_the_redundancy_of_the_first_packet(
    phase: float,
) -> None:
    output = listen(lambda number: None if number % 100 in range(50, 60) else 0.001, redundant=True, phase=phase)
    assert output.recoverable >= 14  # of 15; the first shows that it is a line that loses
    assert output.concealed_ms == pytest.approx(140 * 15, abs=60)
    assert max(delays(output, since=200)) <= 55


def test_bursts_of_loss_do_not_move_the_delay_to_and_fro() -> None:
    """Each way costs a pitch period; between two bursts the line is as lossy as before."""
    for seed in range(3):
        chance, losing, lost = random.Random(seed), False, set[int]()
        for number in range(1500):
            losing = chance.random() < (2 / 3 if losing else 0.037)  # a tenth of the packets, three on end
            if losing:
                lost.add(number)
        output = listen(lambda number, lost=lost: None if number in lost else 0.001, redundant=True)  # type: ignore[misc]
        assert output.shortened <= 1
        assert output.lengthened <= 6


def test_a_packet_with_redundancy_is_waited_for_once_the_line_loses_some() -> None:
    chance = random.Random(5)
    lost = [number > 0 and chance.random() < 0.1 for number in range(1500)]
    for phase in (0.0, 0.004, 0.0099):
        output = listen(lambda number: None if lost[number] else 0.002, redundant=True, phase=phase)
        single = sum(lost[n] and not lost[n + 1] for n in range(1499))
        assert output.recoverable >= 0.9 * single
        assert max(delays(output)) <= 45


def test_what_follows_a_gap_comes_with_it() -> None:
    buffer = AdaptiveJitterBuffer(RATE, 80)
    output = Output(buffer)
    output.run(stream(range(100), lambda number: None if number == 50 else 0.0), 1.9)
    assert output.recoverable == 1
    assert 50 not in output.played
    assert {49, 51} <= set(output.played)


def test_a_route_that_grows_longer_costs_its_difference_once_and_no_packet() -> None:
    output = listen(lambda number: 0.08 if number >= 500 else 0.0)
    assert whole(output)
    assert 50 <= output.concealed_ms <= 80
    assert output.buffer.late == 0
    assert max(delays(output)) <= 80 + 35  # held back above the new route no longer than above the old one


def test_a_route_that_grows_shorter_is_followed_without_a_gap() -> None:
    output = listen(lambda number: 0.08 if number < 500 else 0.0)
    assert whole(output)
    assert (output.concealed_ms, output.buffer.dropped) == (0, 0)
    assert max(delays(output, since=600)) <= 35


@pytest.mark.timeout(120)
@pytest.mark.parametrize("ppm", [200, -200])
def test_an_hour_of_drift_is_absorbed_without_a_gap(ppm: float) -> None:
    packets = 180_000
    pace = STEP * (1 - ppm / 1e6)  # of the peer's clock, that runs fast or slow
    output = Output(AdaptiveJitterBuffer(RATE, 80))
    arrivals = ((number * pace, packet(number)) for number in range(packets))
    output.run(arrivals, packets * min(pace, STEP) - 0.1)
    assert whole(output)
    assert (output.gaps, output.concealed_ms, output.buffer.late, output.buffer.dropped) == ([], 0, 0, 0)
    held = [(output.sounded_at[number] - number * pace) * 1000 for number in output.played]
    assert min(held) >= 4
    assert max(held) <= 40
    # 720 ms in periods of 8 ms: 90 changes an hour, all one way.
    assert output.shortened + output.lengthened == pytest.approx(90, abs=3)
    assert min(output.shortened, output.lengthened) == 0
    size = sum(sys.getsizeof(getattr(output.buffer, name)) for name in vars(output.buffer))
    assert size < 6000


def test_both_clocks_drifting_and_jitter_are_absorbed() -> None:
    chance = random.Random(6)
    output = Output(AdaptiveJitterBuffer(RATE, 80))
    arrivals = [(number * STEP * (1 - 1e-4) + chance.random() * 0.03, packet(number)) for number in range(30_000)]
    output.run(arrivals, 590, pace=1 + 1e-4)
    assert output.buffer.late <= 3
    assert output.concealed_ms <= 100
    assert output.buffer.dropped == 0


def test_a_stretch_of_speech_begins_at_the_target_and_needs_no_change() -> None:
    output = Output(AdaptiveJitterBuffer(RATE, 80))
    arrivals = []
    number, units = 0, 0
    for _ in range(20):  # a second of speech, a second of nothing
        for position in range(50):
            arrivals.append((units / RATE, packet(number, units, marker=position == 0)))
            number, units = number + 1, units + 160
        units += RATE
    output.run(arrivals, units / RATE - 0.9)
    assert whole(output)
    assert len(output.played) == 1000
    assert (output.shortened, output.lengthened, output.buffer.late) == (0, 0, 0)
    assert output.concealed_ms <= 20 * 120
    begins = [output.sounded_at[n] - (n // 50 * 2.0) for n in range(0, 1000, 50)]
    assert all(0.009 <= begin <= 0.021 for begin in begins)


def test_a_short_pause_that_the_sender_left_is_no_loss_where_the_speech_after_it_is_here() -> None:
    chance = random.Random(7)
    output = Output(AdaptiveJitterBuffer(RATE, 80))
    arrivals = []
    for number in range(1000):
        units = (number + number // 50 * 3) * 160  # every second 60 ms of nothing
        arrivals.append((units / RATE + chance.random() * 0.1, packet(number, units, marker=number % 50 == 0)))
    output.run(arrivals, 21)
    assert len(output.played) >= 970
    assert output.concealed_ms <= 900  # only while nothing was held; a loss of every pause would be 1200
    assert output.shortened + output.lengthened <= 12


def test_the_gap_that_a_telephone_event_leaves_is_concealed_for_a_while_only() -> None:
    output = listen(lambda number: None if 500 <= number < 550 else 0.0, packets=1000)
    assert output.concealed_ms == 120
    assert set(range(550, 990)) <= set(output.played)
    assert max(delays(output)) <= 35


def test_sequence_numbers_and_timestamps_wrap_without_a_gap() -> None:
    output = Output(AdaptiveJitterBuffer(RATE, 80))
    arrivals = [(index * STEP, packet(65_400 + index, 0xFFFF_FFFF - 20_000 + 160 * index)) for index in range(400)]
    output.run(arrivals, 7.9)
    assert output.played == list(range(65_400, 65_400 + len(output.played)))
    assert output.gaps == []


@pytest.mark.parametrize("span", [0.01, 0.03, 0.04, 0.06])
def test_packets_of_other_lengths_play_without_a_gap(span: float) -> None:
    output = Output(AdaptiveJitterBuffer(RATE, 80), span_ms=span * 1000)
    output.run(stream(range(300), lambda _: 0.001, span), 300 * span - 0.2)
    assert whole(output)
    assert output.gaps == []
    assert max(output.delay_ms(number, span) for number in output.played) <= 31


@pytest.mark.parametrize(("before", "after"), [(20, 60), (60, 20), (20, 30), (40, 10)])
def test_the_peer_changes_its_packet_length_in_mid_call(before: int, after: int) -> None:
    output = Output(AdaptiveJitterBuffer(RATE, 80), span_ms=before)
    change = 100 * before / 1000
    first = [(number * before / 1000, packet(number, span_ms=before)) for number in range(100)]
    then = [
        (change + number * after / 1000, packet(100 + number, 100 * before * 8 + number * after * 8))
        for number in range(100)
    ]
    moment = 0.0
    arrivals = first + then
    while moment < change + 100 * after / 1000 - 0.1:
        now = 0.003 + moment
        while arrivals and arrivals[0][0] <= now:
            output.buffer.put(arrivals[0][1], arrivals.pop(0)[0])
        output.tick(now)
        if output.played and output.played[-1] >= 99:
            output.span_ms = after if output.played[-1] >= 100 else before
        moment += 0.01
    assert whole(output)
    assert output.concealed_ms <= before + after


def test_an_output_that_stood_still_finds_no_heap_of_old_sound() -> None:
    buffer = AdaptiveJitterBuffer(RATE, 80)
    output = Output(buffer)
    output.run(stream(range(100), lambda _: 0.0), 1.9)
    for number in range(100, 600):  # ten seconds in which nobody takes anything
        buffer.put(packet(number), number * STEP)
    assert buffer.depth_ms <= MAX_HELD_MS + 20
    output.run(stream(range(600, 1100), lambda _: 0.0), 9.9, start=12.0)
    assert max(delays(output, since=1000)) <= 35


def test_memory_is_bounded_whatever_comes() -> None:
    buffer = AdaptiveJitterBuffer(RATE, 80)
    for number in range(10_000):
        buffer.put(packet(number, 0), number * 0.0001)
    assert buffer.dropped >= 10_000 - MAX_HELD_PACKETS
    answers = [buffer.get(2.0 + STEP * index) for index in range(3 * MAX_HELD_PACKETS)]
    assert sum(isinstance(answer, Frame) for answer in answers) <= MAX_HELD_PACKETS


@pytest.mark.parametrize("jump", [10_000_000, -10_000_000, 2**31])
def test_a_jump_of_the_timestamps_begins_anew(jump: int) -> None:
    output = Output(AdaptiveJitterBuffer(RATE, 80))
    arrivals = [(n * STEP, packet(n, n * 160 + (jump if n >= 100 else 0))) for n in range(200)]
    output.run(arrivals, 3.9)
    assert set(range(101, 190)) <= set(output.played)


def test_a_new_ssrc_or_a_jump_of_the_sequence_numbers_begins_anew() -> None:
    output = Output(AdaptiveJitterBuffer(RATE, 80))
    arrivals = [(n * STEP, packet(n)) for n in range(100)]
    arrivals += [(n * STEP, packet(9_000 + n, 77_777 + n * 160, ssrc=2)) for n in range(100, 200)]
    arrivals += [(n * STEP, packet(30_000 + n, 77_777 + n * 160, ssrc=2)) for n in range(200, 300)]
    output.run(arrivals, 5.9)
    assert set(range(9_101, 9_190)) | set(range(30_201, 30_290)) <= set(output.played)


def test_one_packet_far_ahead_does_not_silence_those_in_their_place() -> None:
    output = Output(AdaptiveJitterBuffer(RATE, 80))
    arrivals = [(n * STEP, packet(n)) for n in range(300)]
    arrivals.append((2.001, packet(2100, 107 * 160)))  # 2000 ahead of its time, and believable
    output.run(arrivals, 5.9)
    assert set(range(120, 290)) <= set(output.played)


@given(st.integers(0, 2**32))
def test_whatever_arrives_is_played_once_and_in_order(seed: int) -> None:
    chance = random.Random(seed)
    arrivals = [
        (number * STEP + chance.random() ** 4 * chance.choice((0.02, 0.3)), packet(number))
        for number in range(200)
        for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 2)))
    ]
    output = Output(AdaptiveJitterBuffer(RATE, 80, chance.random() < 0.5), phase=chance.random() / 100)
    output.run(arrivals, 5.0)
    buffer = output.buffer
    assert output.played == sorted(set(output.played))
    sent = {arrived.sequence_number for _, arrived in arrivals}
    assert len(sent) == len(output.played) + buffer.late + buffer.dropped
    assert buffer.depth_ms == 0
    assert buffer.get(5.1) == Idle()


@given(
    st.lists(
        st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.floats(0, 0.1)),
        max_size=60,
    )
)
def test_any_packets_are_taken_and_time_goes_on(arrivals: list[tuple[int, int, bool, bool, float]]) -> None:
    buffer = AdaptiveJitterBuffer(RATE, 80, True)
    now = 0.0
    for number, timestamp, other, marker, pause in arrivals:
        now += pause
        buffer.put(RtpPacket(0, number, timestamp, int(other), b"", marker), now)
        buffer.get(now)
        assert buffer.depth_ms >= 0
        assert 0 < buffer.state.target_ms <= 500
    for index in range(400):
        buffer.get(now + index * STEP)
    assert buffer.depth_ms == 0
