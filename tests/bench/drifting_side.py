"""One side of a long call: a media engine whose clock is wrong, on devices of PulseAudio, in a process of its own.

    python -m tests.bench.drifting_side PPM MICROPHONE SPEAKER OWN_KEY PEER_KEY     (keys: 30 octets in hexadecimal)

Says its RTP port in a line, reads the peer's, then says a JSON line of figures every `EVERY_S` until its input ends.
The clock is that of the media thread alone, so it drifts against the sound card and against the peer.
"""

from __future__ import annotations

import dataclasses
import json
import select
import sys
import time
from pathlib import Path

from softphone.engine.audio.backend import DeviceChoice
from softphone.engine.audio.sound_devices import SoundDevices
from softphone.engine.media import arrival, media_engine
from softphone.policy.secret import SecretBytes
from softphone.sdp.negotiated import SrtpSecurity
from softphone.srtp.crypto_suites import AES_CM_128_HMAC_SHA1_80
from softphone.srtp.master_key import SrtpKey
from softphone.ua.inputs import MediaReported
from tests.engine.media.lockstep import negotiated
from tests.engine.media.test_media_engine import Engine

EVERY_S = 10.0


class WrongClock:
    """`time`, as far as the media thread uses it, so many millionths too fast."""

    def __init__(self, ppm: float) -> None:
        self._pace, self._began = 1 + ppm / 1e6, time.monotonic()

    def monotonic(self) -> float:
        return self._began + (time.monotonic() - self._began) * self._pace

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)


def main(ppm: str, microphone: str, speaker: str, own: str, peer: str) -> None:
    wrong = WrongClock(float(ppm))
    for module in (media_engine, arrival):  # the ticks, and the moments at which packets came
        setattr(module, "time", wrong)  # noqa: B010 - a module's name
    system = SoundDevices()
    side = Engine()
    try:
        endpoint = system.endpoint(DeviceChoice(microphone, speaker), lambda failure: print(failure, file=sys.stderr))
        print(side.open(), flush=True)
        port = int(sys.stdin.readline())
        mine, theirs = (SrtpKey(AES_CM_128_HMAC_SHA1_80, SecretBytes(bytes.fromhex(text))) for text in (own, peer))
        side.engine.start("call", negotiated(port, SrtpSecurity(mine, theirs)), endpoint)
        while not select.select([sys.stdin], [], [], EVERY_S)[0]:
            reports = side.heard_of(MediaReported)
            if not reports:
                continue
            report = reports[-1].report
            side.told.clear()  # or this would be what grows
            playout = report.playout
            figures = {
                "delay": playout.delay_ms,
                "target": playout.target_ms,
                "late": playout.late,
                "lengthened": playout.lengthened_ms,
                "shortened": playout.shortened_ms,
                "concealed": report.concealed_ms,
                "lost": report.lost,
                "received": report.rtp_received,
                "resident": int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20,
                "ticks": dataclasses.asdict(side.engine.statistics),
                "device": dataclasses.asdict(endpoint.statistics),
            }
            print(json.dumps(figures), flush=True)
        side.engine.stop("call")
    finally:
        side.engine.close()
        system.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
