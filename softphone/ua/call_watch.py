"""Watching running calls for what their people should know: raised once, withdrawn when it is over.

Owns: the rules, read once a second from each call's report, with hysteresis; the usage that tells them. Must not know:
sound, packets. The words are `call_warnings.py`'s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from softphone.ua.call_table import CallState
from softphone.ua.call_warnings import WARNINGS, CallWarning, CallWarningKind
from softphone.ua.commands import CallId
from softphone.ua.events import CallEnded, CallReported, CallWarningsChanged, Event
from softphone.ua.media_report import MediaReport, MicrophoneState

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent

WINDOW = 15  # reports, about a second each
SILENT_DB = -70.0  # dBFS: nothing is in it
VOICE_DB = -60.0  # somebody was heard
SILENT_AFTER, SILENT_AFTER_VOICE = 5, 20
"""Seconds. A headset that mutes itself between words has been heard before: it is given more time."""
LOSS, LOSS_OVER = 0.05, 0.02  # of the packets, within the window
STALLED_MS, STALLED_OVER_MS = 300.0, 50.0  # within ten seconds
SPOKEN_MS = 500  # of a second in which somebody speaks
_FAR_SPEAKS_DB = -45.0  # the speaker sounds: a microphone beside it hears that, too
_NOTHING_AFTER = 5
_FAR_SILENT_AFTER = 10


_TALKING = frozenset({CallState.ACCEPTED, CallState.ESTABLISHED})


@dataclass(frozen=True, slots=True)
class Situation:
    """What is due in this second."""

    sends: bool = True  # not on hold, not beside another call
    receives: bool = True
    muted: bool = False
    interrupted: bool = False  # the network: nothing authentic comes though something is due


@dataclass(frozen=True, slots=True)
class Second:
    """What a second brought: differences of two reports. Levels in dBFS."""

    microphone: MicrophoneState | None
    speaker_db: float | None
    clipped: int
    spoken_muted_ms: int
    received: int
    lost: int
    sent: int
    remote_lost: int | None
    stalled_ms: float


class CallWatch:
    """Of one call. `report` takes its report of each second and gives the warnings in force."""

    def __init__(self) -> None:
        self._last: MediaReport | None = None
        self.seconds: deque[Second] = deque(maxlen=WINDOW)
        self._on: dict[CallWarningKind, bool] = {}
        self._bad: dict[CallWarningKind, int] = {}  # seconds on end
        self.situation = Situation()
        self.heard_voice = False  # at our microphone, in this call
        self.heard_far_voice = False
        self.received_any = False

    def report(self, report: MediaReport, situation: Situation) -> tuple[CallWarning, ...]:
        last, self._last = self._last, report
        self.received_any = report.rtp_received > 0
        self.heard_voice |= not situation.muted and situation.sends and _above(report.microphone_level_db, VOICE_DB)
        self.heard_far_voice |= situation.receives and _above(report.speaker_level_db, VOICE_DB)
        if last is None:
            return ()
        if (situation.sends, situation.receives) != (self.situation.sends, self.situation.receives):
            self.seconds.clear()  # what was lost before the hold is of yesterday
        self.situation = situation
        self.seconds.append(_second(last, report))
        for rule in RULES:
            self._judge(rule)
        return tuple(self._worded(kind) for kind, on in self._on.items() if on)

    def _judge(self, rule: Rule) -> None:
        kind = rule.kind
        if not rule.applies(self.situation):
            self._on[kind], self._bad[kind] = False, 0
            return
        verdict = rule.bad(self)
        self._bad[kind] = self._bad.get(kind, 0) + 1 if verdict else 0
        if self._bad[kind] >= rule.after(self):
            self._on[kind] = True
        elif verdict is False:
            self._on[kind] = False

    def _worded(self, kind: CallWarningKind) -> CallWarning:
        microphone = self.seconds[-1].microphone
        if kind is CallWarningKind.MICROPHONE_SILENT and microphone is not None and microphone.muted:
            return WARNINGS[CallWarningKind.MICROPHONE_MUTED]
        return WARNINGS[kind]

    def latest(self, seconds: int) -> list[Second]:
        return list(self.seconds)[-seconds:]


@dataclass(frozen=True, slots=True)
class Rule:
    """`bad` is True, False (which withdraws the warning) or None: neither. `after` is how many bad seconds on end."""

    kind: CallWarningKind
    applies: Callable[[Situation], bool]
    bad: Callable[[CallWatch], bool | None]
    after: Callable[[CallWatch], int] = lambda watch: 1  # noqa: ARG005


def _microphone_silent(watch: CallWatch) -> bool | None:
    """Digital silence, or as good as that. A quiet room is none: whoever listens says nothing."""
    microphone = watch.seconds[-1].microphone
    if microphone is None:
        return False
    return microphone.silent_s >= (SILENT_AFTER_VOICE if watch.heard_voice else SILENT_AFTER)


def _clipping(watch: CallWatch) -> bool | None:
    """In three of the last ten seconds; over after ten without."""
    seconds = sum(second.clipped > 0 for second in watch.latest(10))
    return True if seconds >= 3 else False if seconds == 0 else None


def _speaking_while_muted(watch: CallWatch) -> bool | None:
    """For most of two seconds of the last three, while the other side pauses: else it may be its own voice."""
    if watch.seconds[-1].microphone is None:
        return False
    spoken = [
        second.spoken_muted_ms >= SPOKEN_MS and not _above(second.speaker_db, _FAR_SPEAKS_DB)
        for second in watch.latest(8)
    ]
    return True if sum(spoken[-3:]) >= 2 else None if any(spoken) else False


def _line_loses(watch: CallWatch) -> bool | None:
    seconds = watch.latest(10)
    lost = max(0, sum(second.lost for second in seconds))
    return _share(lost, lost + sum(second.received for second in seconds), at_least=100)


def _line_loses_ours(watch: CallWatch) -> bool | None:
    """Reports of the other side come about every five seconds: the whole window."""
    known = [second for second in watch.seconds if second.remote_lost is not None]
    lost = max(0, sum(second.remote_lost or 0 for second in known))
    return _share(lost, sum(second.sent for second in known), at_least=250)


def _share(part: int, whole: int, *, at_least: int) -> bool | None:
    if whole < at_least:
        return None
    return True if part >= LOSS * whole else False if part < LOSS_OVER * whole else None


def _nothing_arrives(watch: CallWatch) -> bool | None:
    return watch.situation.interrupted or not watch.received_any


def _after_nothing(watch: CallWatch) -> int:
    """An interruption has been watched for some seconds already when it is told."""
    return 1 if watch.situation.interrupted else _NOTHING_AFTER


def _other_side_silent(watch: CallWatch) -> bool | None:
    second = watch.seconds[-1]
    if watch.heard_far_voice:
        return False
    return second.received > 0 and second.speaker_db is not None and second.speaker_db < SILENT_DB


def _stalled(watch: CallWatch) -> bool | None:
    stalled = sum(second.stalled_ms for second in watch.latest(10))
    return True if stalled >= STALLED_MS else False if stalled <= STALLED_OVER_MS else None


def _speaks(situation: Situation) -> bool:
    return situation.sends and not situation.muted


RULES = (
    Rule(CallWarningKind.MICROPHONE_SILENT, _speaks, _microphone_silent),
    Rule(CallWarningKind.MICROPHONE_CLIPPING, _speaks, _clipping),
    Rule(
        CallWarningKind.SPEAKING_WHILE_MUTED,
        lambda situation: situation.sends and situation.muted,
        _speaking_while_muted,
    ),
    Rule(CallWarningKind.NOTHING_ARRIVES, lambda situation: situation.receives, _nothing_arrives, _after_nothing),
    Rule(CallWarningKind.LINE_LOSES, lambda situation: situation.receives, _line_loses),
    Rule(CallWarningKind.LINE_LOSES_OURS, lambda situation: situation.sends, _line_loses_ours),
    Rule(
        CallWarningKind.OTHER_SIDE_SILENT,
        lambda situation: situation.receives,
        _other_side_silent,
        lambda watch: _FAR_SILENT_AFTER,  # noqa: ARG005
    ),
    Rule(CallWarningKind.COMPUTER_BUSY, lambda situation: situation.sends or situation.receives, _stalled),
)
"""In the order in which they are shown."""


class CallWatches:
    """A usage of the user agent: every running call watched, CallWarningsChanged told."""

    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self._watches: dict[CallId, CallWatch] = {}
        self._told: dict[CallId, tuple[CallWarning, ...]] = {}
        self._interrupted: set[CallId] = set()

    def interrupted(self, call_id: CallId, *, over: bool) -> None:
        if over:
            self._interrupted.discard(call_id)
        else:
            self._interrupted.add(call_id)

    def saw(self, event: Event, now: float) -> None:
        del now
        match event:
            case CallReported(call_id=call_id, report=report):
                self._report(call_id, report)
            case CallEnded(call_id=call_id):
                self._watches.pop(call_id, None)
                self._told.pop(call_id, None)
                self._interrupted.discard(call_id)
            case _:
                pass

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing here waits: reports come by themselves."""

    def _report(self, call_id: CallId, report: MediaReport) -> None:
        situation = self._situation(call_id)
        if situation is None:
            return
        watch = self._watches.setdefault(call_id, CallWatch())
        warnings = watch.report(report, situation)
        if warnings != self._told.get(call_id, ()):
            self._told[call_id] = warnings
            self._agent.emit(CallWarningsChanged(call_id, warnings))

    def _situation(self, call_id: CallId) -> Situation | None:
        call = self._agent.calls.get(call_id)
        running = call.media.running if call is not None else None
        if call is None or running is None or call.state not in _TALKING:
            return None  # before the answer nobody expects to be heard
        return Situation(
            sends=running.direction.sends and not call.media.aside and not call.held.by_us,
            receives=running.direction.receives and not call.media.aside,
            muted=call.muted,
            interrupted=call_id in self._interrupted,
        )


def _second(before: MediaReport, now: MediaReport) -> Second:
    remote_lost = None
    if now.remote_lost is not None:
        remote_lost = max(0, now.remote_lost - (before.remote_lost or 0))
    return Second(
        microphone=now.microphone,
        speaker_db=now.speaker_level_db,
        clipped=_clipped(now) - _clipped(before),
        spoken_muted_ms=now.spoken_muted_ms - before.spoken_muted_ms,
        received=now.rtp_received - before.rtp_received,
        lost=now.lost - before.lost,
        sent=now.rtp_sent - before.rtp_sent,
        remote_lost=remote_lost,
        stalled_ms=now.stalled_ms - before.stalled_ms,
    )


def _clipped(report: MediaReport) -> int:
    return report.microphone.clipped if report.microphone is not None else 0


def _above(level_db: float | None, limit: float) -> bool:
    return level_db is not None and level_db > limit
