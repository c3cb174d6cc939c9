"""A microphone and a speaker that are open while nobody speaks or listens: what the sound card alone costs us.

    python -m tests.bench.empty_streams MICROPHONE SPEAKER

Ends with its input.
"""

from __future__ import annotations

import sys
import threading
import time

from softphone.engine.audio.backend import DeviceChoice
from softphone.engine.audio.sound_devices import SoundDevices

BLOCK_S = 0.010


def main() -> None:
    devices = SoundDevices()
    endpoint = devices.endpoint(DeviceChoice(*sys.argv[1:3]), lambda failure: print(failure.reason, flush=True))
    endpoint.start()
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    samples = int(endpoint.sample_rate * BLOCK_S)
    next_ = time.monotonic()
    while not ended.is_set():
        endpoint.write(endpoint.read(samples))  # else the queues run full and the callbacks do less than in a call
        next_ += BLOCK_S
        time.sleep(max(0.0, next_ - time.monotonic()))
    endpoint.stop()
    devices.close()


if __name__ == "__main__":
    main()
