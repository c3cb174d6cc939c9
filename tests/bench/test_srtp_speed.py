"""How many packets of 20 ms G.711 a second each SRTP implementation protects and opens, on one core.

Ours is there for what libsrtp's binding has not; it must be far from the limit of a phone: eight calls of 50 packets a
second each way are 800 packets a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from softphone.srtp.context import LIBSRTP_SUITES, SrtpReceiver, SrtpSender
from softphone.srtp.crypto_suites import CRYPTO_SUITES
from softphone.srtp.master_key import SrtpKey
from softphone.srtp.own_context import OwnSrtpReceiver, OwnSrtpSender
from tests.srtp.test_context import material, rtp

PACKETS = 20_000
NEEDED = 8_000  # a second: ten times what eight calls want


def _rate(work: Callable[[bytes], bytes], packets: list[bytes]) -> float:
    began = time.perf_counter()
    for packet in packets:
        work(packet)
    return len(packets) / (time.perf_counter() - began)


@pytest.mark.parametrize("name", CRYPTO_SUITES)
def test_packets_a_second(name: str) -> None:
    suite = CRYPTO_SUITES[name]
    key = SrtpKey(suite, material(suite))
    plain = [rtp(number) for number in range(PACKETS)]
    sealed = list(map(OwnSrtpSender(key).protect_rtp, plain))
    ours = _rate(OwnSrtpSender(key).protect_rtp, plain), _rate(OwnSrtpReceiver([key]).unprotect_rtp, sealed)
    print(f"\n{name}: ours protects {ours[0]:,.0f} and opens {ours[1]:,.0f} a second", end="")
    if name in LIBSRTP_SUITES:
        protect = _rate(SrtpSender(suite, key.material).protect_rtp, plain)
        unprotect = _rate(SrtpReceiver(suite, key.material).unprotect_rtp, sealed)
        print(f"; libsrtp {protect:,.0f} and {unprotect:,.0f}", end="")
    assert min(ours) > NEEDED
