"""The notice: both sides hear it, and from its beginning nobody hears the microphone."""

import numpy as np

from softphone.engine.audio.file import MemoryEndpoint
from softphone.engine.process.notice import NOTICE_S, NoticeEndpoint

RATE = 8000


def test_microphone_and_far_end_until_the_notice_and_then_the_notice_alone() -> None:
    spoken = np.full(RATE, 777, np.int16)
    inner = MemoryEndpoint(spoken, RATE, loop=True)
    endpoint = NoticeEndpoint(inner)
    endpoint.start()
    assert endpoint.sample_rate == RATE
    assert (endpoint.read(80) == 777).all()
    endpoint.write(np.full(80, 99, np.int16))
    endpoint.give_notice()
    frames = int(NOTICE_S * 100) + 20
    said = np.concatenate([endpoint.read(80) for _ in range(frames)])
    for _ in range(frames):
        endpoint.write(np.full(80, 99, np.int16))
    endpoint.stop()
    played = inner.heard()
    assert (played[:80] == 99).all()
    for heard in (said, played[80:]):
        assert np.abs(heard[: int(NOTICE_S * RATE)]).max() > 2000
        assert not (heard == 777).all()
        assert (heard[-80:] == 0).all(), "silence after it, not the microphone"


def test_a_second_notice_does_not_begin_again() -> None:
    endpoint = NoticeEndpoint(MemoryEndpoint(np.zeros(0, np.int16), RATE))
    endpoint.give_notice()
    first = endpoint.read(4000)
    endpoint.give_notice()
    assert not np.array_equal(endpoint.read(4000), first)
