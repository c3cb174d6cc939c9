"""The queue between device and media thread is bounded in time and forgets a backlog."""

from __future__ import annotations

from softphone.engine.audio.block_queue import BlockQueue


def test_blocks_come_out_in_order() -> None:
    queue = BlockQueue(4, 2)
    for block in (b"1", b"2", b"3"):
        queue.put(block)
    assert [queue.take() for _ in range(4)] == [b"1", b"2", b"3", None]
    assert queue.missing == 1


def test_a_backlog_is_dropped_oldest_first() -> None:
    queue = BlockQueue(4, 2)
    for number in range(100):
        queue.put(bytes((number,)))
    assert len(queue) == 4
    assert queue.take() == bytes((96,))
    assert queue.dropped == 96


def test_blocks_left_over_for_two_seconds_are_dropped_one_by_one() -> None:
    queue = BlockQueue(6, 2)
    for _ in range(4):
        queue.put(b"x")
    for _ in range(1000):
        queue.put(b"x")
        queue.take()
    assert len(queue) == 1  # one is the swing between the two sides
    assert queue.dropped == 3


def test_a_queue_that_runs_empty_now_and_then_is_left_alone() -> None:
    queue = BlockQueue(6, 2)
    for turn in range(1000):
        queue.put(b"x")
        queue.put(b"x")
        queue.take()
        queue.take()
        if turn % 50 == 0:
            queue.take()
    assert queue.dropped == 0
