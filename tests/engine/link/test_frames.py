"""Frames: any octets give bodies or an end, in linear time and bounded memory."""

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.engine.link.failures import LinkBroken
from softphone.engine.link.frames import MAX_INWARD, Framer, frame


@given(st.lists(st.binary(max_size=200), max_size=20), st.integers(1, 50))
def test_what_is_framed_comes_out_whole_however_it_is_cut(bodies: list[bytes], step: int) -> None:
    stream = b"".join(frame(body, MAX_INWARD) for body in bodies)
    framer = Framer(MAX_INWARD)
    found = [body for at in range(0, len(stream), step) for body in framer.feed(stream[at : at + step])]
    assert found == bodies


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_any_octets_give_bodies_or_a_clean_end(chunks: list[bytes]) -> None:
    framer = Framer(1000)
    try:
        for chunk in chunks:
            for body in framer.feed(chunk):
                assert len(body) <= 1000
    except LinkBroken:
        with pytest.raises(LinkBroken):
            list(framer.feed(b""))


def test_a_length_of_one_gigabyte_ends_the_reading_before_anything_is_kept() -> None:
    framer = Framer(MAX_INWARD)
    tracemalloc.start()
    try:
        with pytest.raises(LinkBroken):
            list(framer.feed((1 << 30).to_bytes(4, "big")))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_body_at_the_limit_passes_and_one_above_it_is_neither_made_nor_read() -> None:
    body = b"x" * MAX_INWARD
    assert list(Framer(MAX_INWARD).feed(frame(body, MAX_INWARD))) == [body]
    with pytest.raises(LinkBroken):
        frame(body + b"x", MAX_INWARD)
    with pytest.raises(LinkBroken):
        list(Framer(MAX_INWARD).feed(frame(body + b"x", MAX_INWARD + 1)))


def test_a_body_that_comes_octet_by_octet_is_read_in_linear_time() -> None:
    stream = frame(b"x" * MAX_INWARD, MAX_INWARD)
    framer = Framer(MAX_INWARD)
    began = time.perf_counter()
    found = [body for at in range(len(stream)) for body in framer.feed(stream[at : at + 1])]
    assert len(found) == 1
    assert time.perf_counter() - began < 2.0


def test_many_small_frames_in_one_chunk_are_read_in_linear_time() -> None:
    stream = frame(b"{}", MAX_INWARD) * 40_000
    began = time.perf_counter()
    assert len(list(Framer(MAX_INWARD).feed(stream))) == 40_000
    assert time.perf_counter() - began < 2.0
