"""The far side of many calls at once, as cheap as can be: SRTP of speech, sent when each call's clock says.

    python -m tests.bench.far_end < calls            (a line of JSON for each call; ends with its input)

Owns: the packets that go to the engine which is measured, and the count of those that come from it. It decodes nothing
and has no clock but its own, so that it costs far less than the side under test; each call has its own phase within
the packet's 20 ms, as strangers have.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from softphone.codecs.g711 import Pcmu
from softphone.policy.secret import SecretBytes
from softphone.rtp.packet import RtpPacket
from softphone.srtp.context import SrtpSender
from softphone.srtp.crypto_suites import AES_CM_128_HMAC_SHA1_80

PTIME_S, SAMPLES = 0.020, 160
SPEECH_S = 4
_TURN_S = 0.001


def speech() -> list[bytes]:
    """Payloads of noise in the telephone band that rises and falls as speech does."""
    count = SPEECH_S * 8000
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(size=count))
    frequencies = np.fft.rfftfreq(count, 1 / 8000)
    spectrum[(frequencies < 300) | (frequencies > 3000)] = 0
    signal = np.fft.irfft(spectrum, count) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(count) / 8000))
    samples = (signal / np.abs(signal).max() * 16000).astype(np.int16)
    codec = Pcmu()
    return [codec.encode(samples[at : at + SAMPLES]) for at in range(0, count, SAMPLES)]


@dataclass
class _Call:
    port: int
    context: SrtpSender
    ssrc: int
    number: int = 0

    def packet(self, payloads: list[bytes]) -> bytes:
        number, self.number = self.number, self.number + 1
        payload = payloads[number % len(payloads)]
        packet = RtpPacket(0, number & 0xFFFF, number * SAMPLES & 0xFFFFFFFF, self.ssrc, payload)
        return self.context.protect_rtp(packet.to_bytes())


class FarEnd:
    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.setblocking(False)
        self._due: list[tuple[float, int, _Call]] = []
        self._payloads = speech()
        self._calls = self._received = self._late = 0

    def run(self) -> None:
        """Punctual where the system allows it, so that what is measured does not wait for us."""
        with contextlib.suppress(OSError, AttributeError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        print(json.dumps({"port": self._socket.getsockname()[1]}), flush=True)
        os.set_blocking(0, False)
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            while True:
                if selector.select(_TURN_S) and not self._take_commands():
                    break
                self._send_due()
                self._drain()
        print(json.dumps({"received": self._received, "late": self._late, "cpu": time.process_time()}), flush=True)

    def _take_commands(self) -> bool:
        """False at the end of the input."""
        lines = sys.stdin.buffer.read()
        for line in (lines or b"").splitlines():
            command: dict[str, Any] = json.loads(line)
            context = SrtpSender(AES_CM_128_HMAC_SHA1_80, SecretBytes(bytes.fromhex(command["key"])))
            self._calls += 1
            call = _Call(command["port"], context, 0x10000 + self._calls)
            phase = self._calls * 0.618 % 1 * PTIME_S
            heapq.heappush(self._due, (time.monotonic() + phase, self._calls, call))
        return lines != b""

    def _send_due(self) -> None:
        while self._due and self._due[0][0] <= (now := time.monotonic()):
            at, number, call = self._due[0]
            self._late += now - at > PTIME_S / 2
            self._socket.sendto(call.packet(self._payloads), ("127.0.0.1", call.port))
            heapq.heapreplace(self._due, (at + PTIME_S, number, call))

    def _drain(self) -> None:
        try:
            while True:
                self._socket.recv(2048)
                self._received += 1
        except BlockingIOError:
            return


if __name__ == "__main__":
    FarEnd().run()
