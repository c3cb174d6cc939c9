"""When the person who calls hears the ringing tone of our own making (RFC 3960 §3.2): rung, and no voice comes yet.

Owns: that tone's table. 183 alone rings nothing; media that was agreed but does not flow silences nothing.
"""

from __future__ import annotations

from enum import Enum, auto

from softphone.sip.state_table import StateTable, every
from softphone.ua.actions import PlayTone, Tone
from softphone.ua.commands import CallId
from softphone.ua.host import Host


class RingbackState(Enum):
    SILENT = auto()
    PLAYING = auto()
    HEARD = auto()  # the other side's own tone or voice has arrived
    OVER = auto()


class RingbackTrigger(Enum):
    RINGING = auto()  # 180
    MEDIA = auto()  # the first packet of the other side's media
    LEFT_BEHIND = auto()  # the call goes elsewhere: what was heard there says nothing of the next
    OVER = auto()  # answered or ended


class RingbackStep(Enum):
    PLAY = auto()
    STOP = auto()


S, T, A = RingbackState, RingbackTrigger, RingbackStep
RINGBACK_TABLE: StateTable[RingbackState, RingbackTrigger, RingbackStep] = StateTable(
    name="ringback",
    source="RFC 3960 §3.2",
    initial=S.SILENT,
    states=tuple(S),
    inputs=tuple(T),
    rows={
        (S.SILENT, T.RINGING): (S.PLAYING, (A.PLAY,)),
        (S.SILENT, T.MEDIA): (S.HEARD, ()),
        (S.SILENT, T.OVER): (S.OVER, ()),
        (S.PLAYING, T.MEDIA): (S.HEARD, (A.STOP,)),
        (S.PLAYING, T.LEFT_BEHIND): (S.SILENT, (A.STOP,)),
        (S.PLAYING, T.OVER): (S.OVER, (A.STOP,)),
        (S.HEARD, T.LEFT_BEHIND): (S.SILENT, ()),
        (S.HEARD, T.OVER): (S.OVER, ()),
    },
    ignored=every((S.SILENT,), T.LEFT_BEHIND)
    | every((S.PLAYING,), T.RINGING)
    | every((S.HEARD,), T.RINGING, T.MEDIA)
    | every((S.OVER,), *RingbackTrigger),
)


class Ringback:
    def __init__(self, host: Host, call_id: CallId) -> None:
        self._host, self._call_id = host, call_id
        self.state = RINGBACK_TABLE.initial

    def saw(self, trigger: RingbackTrigger) -> None:
        self.state, steps = RINGBACK_TABLE.step(self.state, trigger)
        for step in steps:
            self._host.emit(PlayTone(self._call_id, Tone.RINGBACK if step is RingbackStep.PLAY else None))
