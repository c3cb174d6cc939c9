"""How many calls the media thread carries on one core: PCMU over SRTP, 20 ms packets, no sound card.

    python -m tests.bench.calls_per_core --step 20 --hold 4

Owns: the ramp and its figures, printed as a line of JSON for each step. The engine is the product's own with its real
sockets, keys, jitter buffers and reports; only the signalling is left out. The far side is `far_end.py` in another
process on another core. The ramp ends with the first step in which a tick was late (10 ms behind), or at `--most`.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from softphone.engine.audio.backend import AudioEndpoint
from softphone.engine.audio.null import NullEndpoint
from softphone.engine.audio.tone import TEST_TONE, ToneEndpoint
from softphone.engine.media.media_engine import MediaEngine
from softphone.engine.process.hardening import favour_the_media_thread
from softphone.engine.punctuality import allow_punctual_threads
from softphone.policy.secret import SecretBytes
from softphone.sdp.negotiated import Direction, NegotiatedMedia, PayloadFormat, SrtpSecurity
from softphone.srtp.crypto_suites import AES_CM_128_HMAC_SHA1_80
from softphone.srtp.master_key import SrtpKey
from softphone.ua.inputs import Input, MediaFailed, MediaOpened, MediaReported, MediaSecured
from softphone.ua.media_report import MediaReport

MICROPHONES: dict[str, Callable[[int], AudioEndpoint]] = {
    "null": NullEndpoint,
    "tone": lambda rate: ToneEndpoint(TEST_TONE, rate),
}


class Ramp:
    def __init__(self, microphone: str, rate: int) -> None:
        self._far = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.far_end"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._far.stdin is not None
        assert self._far.stdout is not None
        self._commands, self._words = self._far.stdin, self._far.stdout
        self._far_port = json.loads(self._words.readline())["port"]
        self._endpoint = MICROPHONES[microphone](rate)
        self._opened: dict[str, int] = {}
        self._secured: set[str] = set()
        self._reports: dict[str, MediaReport] = {}
        self.failures: list[str] = []
        self._told = threading.Condition()
        self.engine = MediaEngine(self._post)
        self.calls = 0

    def on_cores(self, ours: set[int], theirs: set[int]) -> None:
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), ours)
        os.sched_setaffinity(self._far.pid, theirs)

    def _post(self, what: Input) -> None:
        match what:
            case MediaOpened():
                with self._told:
                    self._opened[what.media_id] = what.rtp_port
                    self._told.notify()
            case MediaSecured():
                self._secured.add(what.media_id)
            case MediaReported():
                self._reports[what.media_id] = what.report
            case MediaFailed():
                self.failures.append(what.failure.reason)

    def add(self, calls: int) -> None:
        for _ in range(calls):
            self.calls += 1
            name = f"call{self.calls}"
            self.engine.open(name, "127.0.0.1")
            with self._told:
                self._told.wait_for(partial(self._opened.__contains__, name), 10)
            ours, theirs = (SecretBytes(secrets.token_bytes(AES_CM_128_HMAC_SHA1_80.material_length)) for _ in "ab")
            security = SrtpSecurity(SrtpKey(AES_CM_128_HMAC_SHA1_80, ours), SrtpKey(AES_CM_128_HMAC_SHA1_80, theirs))
            self.engine.start(name, _media(self._far_port, security), self._endpoint)
            line = json.dumps({"port": self._opened[name], "key": theirs.reveal().hex()})
            self._commands.write(line.encode() + b"\n")
            self._commands.flush()
            time.sleep(0.003)  # calls begin when they do, not at one tick

    def measure(self, seconds: float) -> dict[str, Any]:
        before, cpu, began = self.engine.statistics, time.process_time(), time.monotonic()
        counts = self._counts()
        waited = _waited_s()
        time.sleep(seconds)
        after, span = self.engine.statistics, time.monotonic() - began
        share = (time.process_time() - cpu) / span
        return {
            "calls": self.calls,
            "cpu_percent": round(100 * share, 1),
            "cpu_ms_per_call_second": round(1000 * share / max(1, self.calls), 2),
            "ticks": after.ticks - before.ticks,
            "late": after.late - before.late,
            "waited_for_the_processor_ms": round(1000 * (_waited_s() - waited)),
            "worst_late_ms_so_far": round(after.worst_late_ms, 1),
            "received": self._counts()["received"] - counts["received"],
            "sent": self._counts()["sent"] - counts["sent"],
            "concealed_ms": round(self._counts()["concealed"] - counts["concealed"]),
            "secured": len(self._secured),
            "failures": len(self.failures),
            "punctuality": self.engine.punctuality.value,
        }

    def _counts(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for report in list(self._reports.values()):
            total.update(sent=report.rtp_sent, received=report.rtp_received, concealed=int(report.concealed_ms))
        return total

    def close(self) -> dict[str, Any]:
        self.engine.close()
        self._commands.close()
        far: dict[str, Any] = json.loads(self._words.readline())
        self._far.wait()
        return far


def _waited_s() -> float:
    """What all threads of this process waited for a processor that others had (Linux)."""
    total = 0
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/schedstat") as file:
            total += int(file.read().split()[1])
    return total / 1e9


def _media(port: int, security: SrtpSecurity) -> NegotiatedMedia:
    return NegotiatedMedia(
        remote_address="127.0.0.1",
        remote_rtp_port=port,
        remote_rtcp_port=port,
        rtcp_mux=True,
        direction=Direction.SENDRECV,
        format=PayloadFormat("PCMU", 8000, 0, 0),
        telephone_event=PayloadFormat("TELEPHONE-EVENT", 8000, 101, 101),
        send_ptime=20,
        security=security,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--step", type=int, default=20)
    parser.add_argument("--begin", type=int, default=20)
    parser.add_argument("--most", type=int, default=1000)
    parser.add_argument("--hold", type=float, default=4.0, help="seconds at each step")
    parser.add_argument("--microphone", choices=sorted(MICROPHONES), default="tone")
    parser.add_argument("--rate", type=int, default=48_000)
    parser.add_argument("--patient", action="store_true", help="late ticks do not end the ramp")
    parser.add_argument("--profile", action="store_true", help="the media thread's costliest functions to stderr")
    parser.add_argument("--real-time", action="store_true", help="as the product asks for it")
    given = parser.parse_args()
    if given.real_time:
        allow_punctual_threads()
    profile = profiled() if given.profile else None
    ramp = Ramp(given.microphone, given.rate)  # the far end first: it is to have another core
    if hasattr(os, "sched_setaffinity"):
        first, *others = sorted(os.sched_getaffinity(0))
        ramp.on_cores({first}, set(others) or {first})
    favour_the_media_thread()
    try:
        while ramp.calls < given.most:
            ramp.add(given.begin if not ramp.calls else given.step)
            time.sleep(1.5)
            step = ramp.measure(given.hold)
            print(json.dumps(step), flush=True)
            if (step["late"] and not given.patient) or ramp.failures:
                break
    finally:
        print(json.dumps({"far": ramp.close()}))
    if profile is not None:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(50)


def profiled() -> cProfile.Profile:
    """Of the media thread of every engine made from now on."""
    profile, running = cProfile.Profile(), MediaEngine._run

    def watched(engine: MediaEngine) -> None:
        profile.enable()
        try:
            running(engine)
        finally:
            profile.disable()

    MediaEngine._run = watched  # type: ignore[method-assign,assignment]
    return profile


if __name__ == "__main__":
    main()
