"""Several calls at once: who is talked in, and the conference of some.

Owns: the rules that keep one person from being heard in two calls by accident, and who is joined. The media mixes.
- Dialling puts the calls that are talked in aside (`call_hold.py`); so does a call that is answered, by whichever side.
- A call that rings here is not touched, and none that ends brings another one back.
- A conference counts as one call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from softphone.errors import Failure, FailureKind
from softphone.sdp.negotiated import ClearMedia
from softphone.ua.actions import MixMedia
from softphone.ua.call import Call
from softphone.ua.call_table import CallState
from softphone.ua.commands import CallId, JoinConference, LeaveConference, SetMemberMuted, SwitchTo
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallNotEncrypted,
    CallSecured,
    CallStarted,
    ConferenceChanged,
    Event,
)

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent

MAX_MEMBERS = 8
_TALKING = frozenset({CallState.ACCEPTED, CallState.ESTABLISHED})
_RINGING_HERE = frozenset({CallState.RINGING, CallState.EARLY, CallState.ANSWERING})


class SeveralCalls:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self._members: tuple[CallId, ...] = ()
        self._muted: frozenset[CallId] = frozenset()
        self._said = ConferenceChanged(())

    def command(self, command: SwitchTo | JoinConference | LeaveConference | SetMemberMuted, now: float) -> None:
        """What the person asks."""
        match command:
            case SwitchTo(call_id=call_id):
                self._switch_to(call_id, now)
            case JoinConference():
                self._join(command, now)
            case LeaveConference(call_id=call_id):
                self._leave(call_id, now)
            case SetMemberMuted(call_id=call_id, muted=muted):
                if call_id in self._members:
                    self._muted = self._muted | {call_id} if muted else self._muted - {call_id}
                    self._changed()

    # Usage

    def saw(self, event: Event, now: float) -> None:
        match event:
            case CallStarted(call_id=call_id, replaces=replaces):
                if call_id in self._agent.calls:
                    self._put_others_aside({call_id, replaces}, now)
            case CallEstablished(call_id=call_id):
                call = self._agent.calls.get(call_id)
                if call is not None:
                    self._established(call, now)
            case CallEnded(call_id=call_id):
                self._without(call_id)
            case CallSecured() | CallNotEncrypted():
                self._changed()
            case _:
                pass

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing here waits."""

    # Who is talked in

    def _switch_to(self, call_id: CallId, now: float) -> None:
        call = self._agent.calls.get(call_id)
        if call is None or call.announced_end or call.state in _RINGING_HERE:
            return
        wanted = set(self._members) if call_id in self._members else {call_id}
        self._put_others_aside(wanted, now)
        for member in self._calls(wanted):
            member.take_up(now)

    def _established(self, call: Call, now: float) -> None:
        """By whichever side: it is talked in, unless it was put on hold before, or takes the place of one that was."""
        change = call.present
        if change is None or (call.held.by_us and not call.held.aside):
            return
        if call.held.aside:
            call.take_up(now)
        self._put_others_aside({call.id}, now)

    def _put_others_aside(self, wanted: Iterable[CallId | None], now: float) -> None:
        """All calls but the wanted ones, as far as somebody is heard in them."""
        if not self._agent.rules.talks_in_one:
            return
        for call in list(self._agent.calls.values()):
            if call.id not in wanted and call.state not in _RINGING_HERE and not call.announced_end:
                call.put_aside(now)

    # The conference

    def _join(self, command: JoinConference, now: float) -> None:
        named = list(dict.fromkeys(command.call_ids))
        members = tuple(dict.fromkeys((*self._members, *named)))
        refusal = self._refusal(members, agreed=command.unencrypted_agreed)
        if refusal is not None:
            for call in self._calls(named):
                call.notify(refusal)
            return
        self._members = members
        self._put_others_aside(members, now)
        for call in self._calls(members):
            call.take_up(now)
        self._changed()

    def _refusal(self, members: tuple[CallId, ...], *, agreed: bool) -> Failure | None:
        calls = self._calls(members)
        talking = [call for call in calls if call.state in _TALKING and call.media.running is not None]
        if len(talking) < len(members):
            return _no_conference("Only calls that have been answered can be joined.", "Wait for the answer.")
        if len(members) < 2:
            return _no_conference("A conference needs two calls.", "Call somebody else first, then join the calls.")
        if len(members) > MAX_MEMBERS:
            return _no_conference(f"A conference has {MAX_MEMBERS} calls at most.", "Have one of them leave first.")
        clear = [call for call in calls if _is_clear(call)]
        if clear and len(clear) < len(calls) and not agreed:
            return Failure(
                FailureKind.MEDIA_NOT_ENCRYPTED,
                f"The call with {clear[0].remote.uri} is not encrypted, so nothing said in the conference would be.",
                "Join them only if everybody may be overheard; the phone asks you for that.",
            )
        return None

    def _leave(self, call_id: CallId, now: float) -> None:
        """Split off, on hold; the others go on as they were."""
        if call_id not in self._members:
            return
        for call in self._calls((call_id,)):
            call.put_aside(now)
        self._without(call_id)

    def _without(self, call_id: CallId) -> None:
        if call_id in self._members:
            left = tuple(member for member in self._members if member != call_id)
            self._members = left if len(left) > 1 else ()
            self._changed()

    def _changed(self) -> None:
        """Tells the media and the person, if there is anything new."""
        self._muted &= frozenset(self._members)
        muted = tuple(member for member in self._members if member in self._muted)
        said = ConferenceChanged(self._members, muted, self._not_encrypted())
        if said == self._said:
            return
        if (said.call_ids, said.muted) != (self._said.call_ids, self._said.muted):
            media = {call.id: call.media.id for call in self._calls(self._members)}
            self._agent.emit(MixMedia(tuple(media.values()), tuple(media[member] for member in muted)))
        self._said = said
        self._agent.emit(said)

    def _not_encrypted(self) -> str | None:
        clear = [call for call in self._calls(self._members) if _is_clear(call)]
        if not clear:
            return None
        return f"Not encrypted in this conference: the call with {clear[0].remote.uri} is not."

    def _calls(self, call_ids: Iterable[CallId]) -> list[Call]:
        calls = (self._agent.calls.get(call_id) for call_id in call_ids)
        return [call for call in calls if call is not None and not call.announced_end]


def _is_clear(call: Call) -> bool:
    return call.media.running is not None and isinstance(call.media.running.security, ClearMedia)


def _no_conference(reason: str, remedy: str) -> Failure:
    return Failure(FailureKind.USAGE, reason, remedy)
