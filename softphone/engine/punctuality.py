"""How a thread that must be punctual asks the system for it: real-time scheduling, or what comes nearest.

Owns: the ways of each system, tried in order, and the watch that a thread gone wild does not freeze the machine. Must
not know: media. Linux: `SCHED_RR` where the process may have it, else a lower nice value, from RealtimeKit over D-Bus
(https://github.com/heftig/rtkit) if not by itself. Windows: MMCSS; macOS: a time-constraint policy. Those two are
written after their makers' documents and have not been run.

RealtimeKit's real-time scheduling is not asked for: it wants a hard RLIMIT_RTTIME of 200 ms, at which the kernel kills
the whole process. A flood of packets can keep a thread busy for so long, and a call must outlive that.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass
from types import FrameType
from typing import ClassVar

_log = logging.getLogger(__name__)

PRIORITY = 5
"""Of 1 … 99: what sound servers take; above every ordinary program, below what the system itself needs."""
RUN_AWAY_MS = 100
"""Of computing without a pause: then the thread is an ordinary one again (RLIMIT_RTTIME)."""
NICE = -11
_DBUS_PATIENCE_S = 2.0


class Punctuality(enum.Enum):
    """What a thread was given, in the words of the report."""

    REAL_TIME = "real-time"
    NICE = "nice"
    NICE_KIT = "nice by RealtimeKit"
    SCHEDULER_SERVICE = "Pro Audio by MMCSS"
    TIME_CONSTRAINT = "time constraint"
    ORDINARY = "ordinary"


@dataclass(slots=True)
class Standing:
    """Of one thread; `given` changes once the system has answered, and back if the thread runs away."""

    given: Punctuality = Punctuality.ORDINARY


class _Program:
    """What belongs to the process."""

    allowed = False
    watched: ClassVar[dict[int, Standing]] = {}  # by native thread id: those that RLIMIT_RTTIME watches


def allow_punctual_threads() -> None:
    """For a program that carries calls, in its main thread and before their threads ask: others leave it ordinary."""
    if threading.current_thread() is not threading.main_thread():
        return  # no handler of signals can be set here, so nothing would stop a runaway
    _Program.allowed = True
    if sys.platform == "linux":
        signal.signal(signal.SIGXCPU, _stop_run_aways)


def be_punctual() -> Standing:
    """For the thread that calls it. Returns at once; RealtimeKit's answer may come later."""
    standing = Standing()
    if not _Program.allowed:
        return standing
    if sys.platform == "linux":
        thread = threading.get_native_id()
        if _scheduled_by_ourselves(thread):
            _took(standing, thread, Punctuality.REAL_TIME)
        elif _nicer_by_ourselves(thread):
            _took(standing, thread, Punctuality.NICE)
        else:  # D-Bus is not waited for here
            threading.Thread(target=_ask_realtime_kit, args=(standing, thread), name="punctuality", daemon=True).start()
    elif sys.platform == "win32":
        _on_windows(standing)
    elif sys.platform == "darwin":
        _on_macos(standing)
    return standing


def _took(standing: Standing, thread: int, given: Punctuality) -> None:
    standing.given = given
    if given is Punctuality.REAL_TIME:
        _Program.watched[thread] = standing
    _log.info("thread %d is scheduled as %s", thread, given.value)


if sys.platform == "linux":
    import resource

    def _scheduled_by_ourselves(thread: int) -> bool:
        """With RLIMIT_RTPRIO or CAP_SYS_NICE (sched(7)). What we start does not inherit it."""
        try:
            if not _run_aways_are_told():
                return False
            os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_allowed_priority()))
        except OSError:
            return False
        return True

    def _allowed_priority() -> int:
        limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
        return min(PRIORITY, limit) if 0 < limit != resource.RLIM_INFINITY else PRIORITY

    def _run_aways_are_told() -> bool:
        """SIGXCPU after so much computing without a pause, which makes an ordinary thread of it.

        False where a hard limit would have the kernel kill the process instead, calls and all.
        """
        _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
        if hard != resource.RLIM_INFINITY:
            return False
        resource.setrlimit(resource.RLIMIT_RTTIME, (RUN_AWAY_MS * 1000, hard))
        return True

    def _nicer_by_ourselves(thread: int) -> bool:
        """Linux gives each thread a nice value of its own (setpriority(2), notes)."""
        try:
            os.setpriority(os.PRIO_PROCESS, thread, NICE)
        except OSError:
            return False
        return True

    def _ask_realtime_kit(standing: Standing, thread: int) -> None:
        try:
            _nicer_by_realtime_kit(thread)
        except Exception as error:  # noqa: BLE001 - whatever a foreign daemon does: the voice goes on without it
            _log.info("thread %d is not scheduled as %s: %s", thread, Punctuality.NICE_KIT.value, error)
        else:
            _took(standing, thread, Punctuality.NICE_KIT)

    def _nicer_by_realtime_kit(thread: int) -> None:
        """Raises where there is no RealtimeKit or where it refuses."""
        from jeepney import DBusAddress, Properties, new_method_call
        from jeepney.io.blocking import open_dbus_connection
        from jeepney.wrappers import unwrap_msg

        name = "org.freedesktop.RealtimeKit1"
        kit = DBusAddress("/org/freedesktop/RealtimeKit1", name, name)
        with contextlib.closing(open_dbus_connection("SYSTEM")) as bus:
            reply = bus.send_and_get_reply(Properties(kit).get("MinNiceLevel"), timeout=_DBUS_PATIENCE_S)
            nice = max(NICE, int(unwrap_msg(reply)[0][1]))
            call = new_method_call(kit, "MakeThreadHighPriority", "ti", (thread, nice))
            unwrap_msg(bus.send_and_get_reply(call, timeout=_DBUS_PATIENCE_S))

    def _stop_run_aways(_signal: int, _frame: FrameType | None) -> None:
        """On SIGXCPU: every thread that was made real-time is an ordinary one from now on."""
        for thread, standing in list(_Program.watched.items()):
            del _Program.watched[thread]
            with contextlib.suppress(OSError):  # it has ended
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
                standing.given = Punctuality.ORDINARY
        _log.warning("a real-time thread computed for %d ms without a pause and is an ordinary one now", RUN_AWAY_MS)


if sys.platform == "win32":

    def _on_windows(standing: Standing) -> None:
        """The Multimedia Class Scheduler Service (avrt.h); timers of 1 ms in place of 15.6 (timeapi.h)."""
        ctypes.WinDLL("winmm").timeBeginPeriod(1)
        library = ctypes.WinDLL("avrt", use_last_error=True)
        library.AvSetMmThreadCharacteristicsW.restype = ctypes.c_void_p
        library.AvSetMmThreadCharacteristicsW.argtypes = (ctypes.c_wchar_p, ctypes.POINTER(ctypes.c_ulong))
        if library.AvSetMmThreadCharacteristicsW("Pro Audio", ctypes.byref(ctypes.c_ulong(0))):
            _took(standing, threading.get_native_id(), Punctuality.SCHEDULER_SERVICE)
        else:
            _log.info("the media thread is not scheduled as Pro Audio: error %d", ctypes.get_last_error())


if sys.platform == "darwin":

    class _TimeConstraint(ctypes.Structure):
        """`thread_time_constraint_policy` of mach/thread_policy.h; times in ticks of `mach_absolute_time`."""

        _fields_: ClassVar = [
            (name, ctypes.c_uint32) for name in ("period", "computation", "constraint", "preemptible")
        ]

    class _Timebase(ctypes.Structure):
        _fields_: ClassVar = [("numerator", ctypes.c_uint32), ("denominator", ctypes.c_uint32)]

    def _on_macos(standing: Standing) -> None:
        """A time-constraint policy: some computing in every 10 ms; Mach demotes who takes more."""
        system = ctypes.CDLL("/usr/lib/libSystem.dylib")
        timebase = _Timebase()
        system.mach_timebase_info(ctypes.byref(timebase))

        def ticks(milliseconds: float) -> int:
            return int(milliseconds * 1e6 * timebase.denominator / timebase.numerator)

        system.mach_thread_self.restype = ctypes.c_uint32
        policy = _TimeConstraint(ticks(10), ticks(2), ticks(10), 1)
        thread_time_constraint, words = 2, 4  # the policy's number, and its length in 32-bit words
        given = system.thread_policy_set(
            ctypes.c_uint32(system.mach_thread_self()), thread_time_constraint, ctypes.byref(policy), words
        )
        if given == 0:
            _took(standing, threading.get_native_id(), Punctuality.TIME_CONSTRAINT)
        else:
            _log.info("the media thread has no time constraint: Mach's error %d", given)
