"""Recording calls: which are recorded, who hears of it. A usage of the user agent.

Owns: the rules of when a call can be recorded, and the announcement: the other side of a recorded call, and everybody
in a conference with one. Whether recording is allowed at all, and the file, are the engine's (`engine/recording`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softphone.errors import Failure, FailureKind
from softphone.ua.actions import AnnounceRecording, MediaId, PlayTone, RecordMedia, StopRecording, Tone
from softphone.ua.call import Call
from softphone.ua.call_table import CallState
from softphone.ua.commands import CallId, Record
from softphone.ua.events import CallEnded, ConferenceChanged, Event, RecordingChanged
from softphone.ua.inputs import RecordingReported

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent

_TALKING = frozenset({CallState.ACCEPTED, CallState.ESTABLISHED})


class Recordings:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self._asked: set[CallId] = set()  # to be recorded, from the command to the end
        self._running: dict[CallId, bool] = {}  # whether the other side is to hear of it
        self._members: tuple[CallId, ...] = ()
        self._announced: frozenset[CallId] = frozenset()

    def command(self, command: Record, now: float) -> None:
        """What the person asks."""
        del now
        call = self._agent.calls.get(command.call_id)
        if call is None or call.announced_end:
            return
        if not command.on:
            if call.id in self._asked:
                self._agent.emit(StopRecording(call.media.id))
        elif call.state not in _TALKING or call.media.running is None:
            self._agent.emit(RecordingChanged(call.id, False, _NOT_ANSWERED))
        elif call.id not in self._asked:
            self._asked.add(call.id)
            self._agent.emit(
                RecordMedia(
                    call.media.id,
                    call.account.id,
                    call.remote.uri,
                    call.remote.display_name,
                    incoming=call.callee is not None,
                )
            )

    def reported(self, call: Call, given: RecordingReported) -> None:
        """What became of it; after CallEnded nothing more is said."""
        if call.announced_end:
            return
        ran = call.id in self._running
        if given.recording:
            self._running[call.id] = given.announced
        else:
            self._asked.discard(call.id)
            self._running.pop(call.id, None)
        if given.recording is not ran:
            self._agent.emit(PlayTone(call.id, Tone.RECORDING if given.recording else Tone.NOT_RECORDING))
        if given.recording is not ran or given.failure is not None:
            self._agent.emit(RecordingChanged(call.id, given.recording, given.failure))
        self._announce()

    # Usage

    def saw(self, event: Event, now: float) -> None:
        del now
        match event:
            case CallEnded(call_id=call_id):
                self._asked.discard(call_id)
                self._running.pop(call_id, None)
                self._announce()
            case ConferenceChanged(call_ids=call_ids):
                self._members = call_ids
                self._announce()
            case _:
                pass

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing here waits."""

    # Within

    def _announce(self) -> None:
        """To whoever can be heard in a recording that is to be announced, once each."""
        concerned = {call_id for call_id, announced in self._running.items() if announced}
        if not concerned.isdisjoint(self._members):
            concerned.update(self._members)
        before, self._announced = self._announced, frozenset(concerned)
        for call_id in sorted(concerned ^ before):
            media_id = self._media(call_id)
            if media_id is not None:
                self._agent.emit(AnnounceRecording(media_id, call_id in concerned))

    def _media(self, call_id: CallId) -> MediaId | None:
        call = self._agent.calls.get(call_id)
        return call.media.id if call is not None and not call.announced_end else None


_NOT_ANSWERED = Failure(
    FailureKind.USAGE, "Only a call that has been answered can be recorded.", "Wait for the answer, then record."
)
