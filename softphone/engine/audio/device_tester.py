"""The running phone's test of its devices: one at a time, in a thread of its own, never beside a call.

Owns: the thread. What it finds is published as events.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from softphone.engine.audio.device_test import DeviceTest, Progress, Stopped, TestedDevices, dead_microphone
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import AppEvent, DeviceTestEnded, DeviceTestProgressed
from softphone.ua.device_report import DeviceTestStep, DeviceTestView

_log = logging.getLogger(__name__)

BUSY = Failure(
    FailureKind.USAGE,
    "Microphone and speaker are in use by a call.",
    "Test them when the call is over; during a call the phone says what is wrong with them by itself.",
)
_JOIN_S = 5.0


class DeviceTester:
    """`devices()` and `publish` are called on the test's thread; `start` and `stop` return at once."""

    def __init__(self, devices: Callable[[], TestedDevices], publish: Callable[[AppEvent], None]) -> None:
        """`devices()` raises OperationFailed where one is missing; `publish` may be called from any thread."""
        self._devices, self._publish = devices, publish
        self._test: _Running | None = None

    def start(self, step: DeviceTestStep, *, in_call: bool) -> None:
        """One DeviceTestEnded follows, also where there is no test; one that runs makes way for this one."""
        self.stop()
        if in_call:
            self._publish(DeviceTestEnded(step, failure=BUSY))
            return
        self._test = _Running(self._devices, self._publish, step, after=self._test)

    def stop(self) -> None:
        if self._test is not None:
            self._test.stop()

    def close(self) -> None:
        """Stops it and waits for it."""
        if self._test is not None:
            self._test.stop()
            self._test.join()


class _Running:
    def __init__(
        self,
        devices: Callable[[], TestedDevices],
        publish: Callable[[AppEvent], None],
        step: DeviceTestStep,
        after: _Running | None,
    ) -> None:
        self._devices, self._publish, self._step, self._after = devices, publish, step, after
        self._stopped = threading.Event()
        self._test: DeviceTest | None = None
        self._thread = threading.Thread(target=self._run, name="device-test", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._test is not None:
            self._test.stop()

    def join(self) -> None:
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        if self._after is not None:  # the devices of the one before are given back first
            self._after.join()
            self._after = None
        self._publish(self._outcome())

    def _outcome(self) -> DeviceTestEnded:
        try:
            self._test = test = DeviceTest(self._devices(), self._progressed)
            if self._stopped.is_set():
                return DeviceTestEnded(self._step)
            result = test.run((self._step,))
        except Stopped:
            return DeviceTestEnded(self._step)
        except OperationFailed as error:
            return DeviceTestEnded(self._step, failure=error.failure)
        except Exception:  # noqa: BLE001 - whoever waits for the end is to hear of it
            _log.exception("the test of the devices failed")
            reason = "The test ended because of an error in this program."
            remedy = "Try again; if it happens again, report it with the log."
            return DeviceTestEnded(self._step, failure=Failure(FailureKind.ENGINE_FAILED, reason, remedy))
        return DeviceTestEnded(self._step, result, dead_microphone(result))

    def _progressed(self, now: Progress) -> None:
        view = DeviceTestView(now.step, True, now.playing, now.level_db, now.peak_db, now.done)
        self._publish(DeviceTestProgressed(view))
