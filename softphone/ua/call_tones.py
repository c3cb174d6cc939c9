"""What a person hears of calls beside the voices: the ring, call waiting, and how an attempt ended (ITU-T E.182).

Owns: which call rings, that it is one at a time, the silence that a person asks for, and the tone after a call. The
caller's ringing tone is `ringback.py`'s. How each of them sounds, and where, is the engine's.
- One ring for all calls that come. While another call is dialled, talked in or on hold, call waiting in its place.
- An end that the person has brought about is silent, and so is an ordinary one of a call that was answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softphone.errors import FailureKind
from softphone.ua.actions import PlayTone, Tone
from softphone.ua.call import Call
from softphone.ua.call_table import CallState
from softphone.ua.commands import (
    Answer,
    AnswerUnencrypted,
    CallId,
    Command,
    HangUp,
    JoinConference,
    Resume,
    Silence,
    SwitchTo,
)
from softphone.ua.events import CallEnded, CallEstablished, CallSilenced, CallStarted, EndedBy, Event, IncomingCall

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent

END_TONE_S = 4.0
"""For so long the tone of an ended call is heard: two special information tones, four busy ones."""

_RINGS_HERE = frozenset({CallState.RINGING, CallState.EARLY})
_NOBODY_ENGAGED = _RINGS_HERE | {
    CallState.ANSWERING,
    CallState.CANCELLING,
    CallState.HANGING_UP,
    CallState.ENDING,
    CallState.TERMINATED,
}

# Busy: somebody is there and does not take the call. Congestion: the same call may succeed in a while. The special
# information tone, for all the rest: it will not, and the screen says why.
_BUSY = frozenset({486, 600, 603})
_NOT_NOW = frozenset({408, 430, 480})  # and 5xx
_LOST = frozenset(
    {
        FailureKind.NAME_NOT_RESOLVED,
        FailureKind.CONNECTION_REFUSED,
        FailureKind.CONNECTION_TIMED_OUT,
        FailureKind.NETWORK_UNREACHABLE,
        FailureKind.CONNECTION_LOST,
        FailureKind.SERVER_SILENT,
        FailureKind.MEDIA_LOST,
    }
)


def end_tone(ended: CallEnded, *, answered: bool) -> Tone | None:
    """What the end of a call of ours sounds like; of one that was answered only if the line was lost."""
    lost = ended.failure is not None and ended.failure.kind in _LOST
    if answered:
        return Tone.CONGESTION if lost else None
    if ended.failure is None and ended.ended_by is EndedBy.LOCAL:
        return None  # hung up
    if ended.failure is not None and ended.failure.kind is FailureKind.AUDIO_DEVICE:
        return None  # on which device?
    status = ended.status or 0
    if status in _BUSY:
        return Tone.BUSY
    if lost or status in _NOT_NOW or status // 100 == 5:
        return Tone.CONGESTION
    return Tone.SPECIAL_INFORMATION if ended.failure is not None else None


class CallTones:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self._quiet: set[CallId] = set()  # ring unheard: silenced, answered by themselves, or in another one's place
        self._sounding: PlayTone | None = None  # of the calls that come
        self._outgoing: set[CallId] = set()
        self._answered: set[CallId] = set()
        self._ended: CallId | None = None  # whose end is heard
        self._until = 0.0

    def rings_after_all(self, call: Call) -> None:
        """It was to be answered by itself, and is not."""
        self._quiet.discard(call.id)
        self._choose()

    def commanded(self, command: Command) -> None:
        """After the command was obeyed: an answer ends the ring at once, not only when the other side has it."""
        match command:
            case Silence():
                self._silence()
            case HangUp(call_id=call_id) if call_id == self._ended:
                self._end_over()
            case Answer() | AnswerUnencrypted() | SwitchTo() | Resume() | JoinConference():
                self._end_over()
            case _:
                pass
        self._choose()

    # Usage

    def saw(self, event: Event, now: float) -> None:
        match event:
            case IncomingCall(call_id=call_id, auto_answered=by_itself, replaces=replaces):
                if by_itself or replaces is not None:
                    self._quiet.add(call_id)
            case CallStarted(call_id=call_id):
                self._outgoing.add(call_id)
                self._end_over()
            case CallEstablished(call_id=call_id):
                self._answered.add(call_id)
            case CallEnded(call_id=call_id):
                self._call_ended(event, now)
                for known in (self._quiet, self._outgoing, self._answered):
                    known.discard(call_id)
            case _:
                return
        self._choose()

    def next_timer(self) -> float | None:
        return None if self._ended is None else self._until

    def handle_timer(self, now: float) -> None:
        if self._ended is not None and now >= self._until:
            self._end_over()

    # Calls that come

    def _choose(self) -> None:
        """The oldest call that rings is the one that is heard."""
        wanted = None
        calls = [call for call in self._agent.calls.values() if not call.announced_end]
        ringing = [call for call in calls if call.state in _RINGS_HERE and call.id not in self._quiet]
        if ringing:
            engaged = any(call.state not in _NOBODY_ENGAGED for call in calls)
            first = ringing[0]
            wanted = PlayTone(
                first.id,
                Tone.CALL_WAITING if engaged else Tone.RINGING,
                "" if engaged else first.account.ringtone,
            )
        if wanted == self._sounding:
            return
        if self._sounding is not None:
            self._agent.emit(PlayTone(self._sounding.call_id, None))
        self._sounding = wanted
        if wanted is not None:
            self._end_over()
            self._agent.emit(wanted)

    def _silence(self) -> None:
        self._end_over()
        for call in self._agent.calls.values():
            if call.state in _RINGS_HERE and call.id not in self._quiet and not call.announced_end:
                self._quiet.add(call.id)
                self._agent.emit(CallSilenced(call.id))

    # The tone after a call

    def _call_ended(self, event: CallEnded, now: float) -> None:
        answered = event.call_id in self._answered
        tone = end_tone(event, answered=answered) if answered or event.call_id in self._outgoing else None
        if tone is not None:
            self._end_over()
            self._ended, self._until = event.call_id, now + END_TONE_S
            self._agent.emit(PlayTone(event.call_id, tone))

    def _end_over(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            self._agent.emit(PlayTone(ended, None))
