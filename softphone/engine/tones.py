"""What every tone sounds like now: by the country's plan, and the ring by a sound file of the person's choice.

Owns: that choice, and the sound files made ready before they are needed: they are read on a thread of their own, since
neither the loop nor the media thread may wait for a disk. Until one is ready, and if it never is, the built-in ring
tone is heard: a phone is never silent. Must not know: calls, devices.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TypeVar

from softphone.dsp.ring_tone import built_in
from softphone.dsp.tone import DTMF
from softphone.dsp.tone import Tone as Sine
from softphone.dsp.tone_plan import TonePlan, plan_of
from softphone.engine.audio.backend import DEVICE_RATE, Samples
from softphone.engine.media.tone_player import Ring, Score, Sound
from softphone.engine.territory import system_territory
from softphone.errors import Failure, OperationFailed
from softphone.ua.actions import Tone

log = logging.getLogger(__name__)
Made = TypeVar("Made")

KEY_MS = 120
_KEY_DBFS = -30.0  # each of the two; a voice has about -20
# The same in every country: what they say is this program's own.
_BEEPS: dict[Tone, Score] = {
    Tone.AUTO_ANSWERED: Score(Sine((880.0,), -18.0, ((150, 100),)), 400),
    Tone.RECORDING: Score(Sine((660.0, 880.0), -20.0, ((120, 20), (120, 20)), successive=True), 280),
    Tone.NOT_RECORDING: Score(Sine((880.0, 660.0), -20.0, ((120, 20), (120, 20)), successive=True), 280),
}
_OF_PLAN: dict[Tone, Callable[[TonePlan], Sine]] = {
    Tone.RINGBACK: lambda plan: plan.ringback,
    Tone.CALL_WAITING: lambda plan: plan.call_waiting,
    Tone.BUSY: lambda plan: plan.busy,
    Tone.CONGESTION: lambda plan: plan.congestion,
    Tone.SPECIAL_INFORMATION: lambda plan: plan.special_information,
}


class Tones:
    """Lives on the engine's loop. `notice` is told, in words, why a sound file is not heard."""

    def __init__(self, notice: Callable[[Failure], None] | None = None) -> None:
        self._notice = notice
        self._plan: TonePlan | None = None
        self._ringtone = ""  # of all accounts
        self._wanted: set[str] = set()
        self._ready: dict[str, Samples] = {}
        self._reading: dict[str, asyncio.Task[Failure | None]] = {}
        self._preparing: asyncio.Task[Samples] | None = None

    def use(self, country: str, ringtone: str, of_accounts: Iterable[str] = ()) -> None:
        """From now on. `country` "" is the system's; `ringtone` "" the built-in one.

        Files that are new here are read in the background; those that nobody wants any more are forgotten.
        """
        self._plan = plan_of(country or system_territory())
        self._ringtone = ringtone
        wanted = {name for name in (ringtone, *of_accounts) if name}
        for name in self._wanted - wanted:
            self._ready.pop(name, None)
        for name in sorted(wanted - self._wanted):
            self._read(name)
        self._wanted = wanted

    def prepare(self) -> None:
        """Have the built-in ring made before the first call comes: it takes longer than the loop may wait."""
        self._preparing = asyncio.get_running_loop().create_task(asyncio.to_thread(built_in, DEVICE_RATE))

    def sound(self, tone: Tone, ringtone: str = "", country: str | None = None) -> Sound:
        """`ringtone` is an account's own file for RINGING; `country` another than the chosen one, to listen to."""
        if tone is Tone.RINGING:
            return self._ring(ringtone or self._ringtone)
        if (beep := _BEEPS.get(tone)) is not None:
            return beep
        plan = self._plan_now() if country is None else plan_of(country or system_territory())
        return Score(_OF_PLAN[tone](plan))

    def key(self, digit: str) -> Sound | None:
        """The short tone of a key; None for what has none."""
        tone = DTMF.get(digit)
        return None if tone is None else Score(Sine(tone.frequencies, _KEY_DBFS, ((KEY_MS - 20, 20),)), KEY_MS)

    async def made_ready(self, ringtone: str) -> Failure | None:
        """Reads the file, anew if it was read before; why it cannot be heard, if so. "" is ready always.

        Of the files that the settings do not name, the last one only is kept.
        """
        for name in self._ready.keys() - self._wanted - {ringtone}:
            del self._ready[name]
        return None if not ringtone else await asyncio.shield(self._read(ringtone))

    async def close(self) -> None:
        """What is being read is no longer wanted, and not waited for."""
        under_way = [*self._reading.values(), *([self._preparing] if self._preparing is not None else [])]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    # Within

    def _plan_now(self) -> TonePlan:
        if self._plan is None:
            self._plan = plan_of(system_territory())
        return self._plan

    def _ring(self, name: str) -> Ring:
        samples = self._ready.get(name)
        if samples is None and name and name not in self._reading:
            self._read(name)  # it may be there again for the next call
        return Ring(built_in(DEVICE_RATE) if samples is None else samples, DEVICE_RATE)

    def _read(self, name: str) -> asyncio.Task[Failure | None]:
        task = self._reading.get(name)
        if task is None:
            task = self._reading[name] = asyncio.get_running_loop().create_task(self._read_now(name))
            task.add_done_callback(lambda _done: self._reading.pop(name, None))
        return task

    async def _read_now(self, name: str) -> Failure | None:
        try:
            octets = await _aside(lambda: _read(name))
            self._ready[name] = await asyncio.to_thread(_ring, name, octets)
        except OperationFailed as error:
            self._ready.pop(name, None)
            log.warning("the ring tone %s is not heard: %s", name, error.failure.reason)
            if self._notice is not None:
                self._notice(error.failure)
            return error.failure
        return None


async def _aside(work: Callable[[], Made]) -> Made:
    """Done in a thread of its own, which the program's end does not wait for: a network's disk may never answer.

    For reading only: some C++ libraries abort the program where Python stops a thread within them.
    """
    made: Future[Made] = Future()
    made.set_running_or_notify_cancel()

    def run() -> None:
        try:
            made.set_result(work())
        except Exception as error:  # noqa: BLE001 - told to who waits
            made.set_exception(error)

    threading.Thread(target=run, name="tones", daemon=True).start()
    return await asyncio.wrap_future(made)


def _read(name: str) -> bytes:
    from softphone.engine.audio.ring_file import ring_octets

    return ring_octets(name)


def _ring(name: str, octets: bytes) -> Samples:
    from softphone.engine.audio.ring_file import ring_of

    return ring_of(name, octets, DEVICE_RATE)
