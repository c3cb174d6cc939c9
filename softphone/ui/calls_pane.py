"""The calls of this moment, one card each: ringing here first, then running ones, then what has just ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from softphone.messages import AnyCommand
from softphone.policy.recording import recording_refused
from softphone.state import AccountView, AppState, CallPhase, CallView
from softphone.ua.commands import CallId, HangUp, Silence
from softphone.ui import words
from softphone.ui.call_view import (
    HANG_UP_KEYS,
    HOLD_KEYS,
    KEYPAD_KEYS,
    MENU_KEYS,
    MUTE_KEYS,
    QUALITY_KEYS,
    RECORD_KEYS,
    RunningCallView,
)
from softphone.ui.cards import ScrolledColumn
from softphone.ui.ended_view import EndedView
from softphone.ui.incoming_view import ANSWER_KEYS, DECLINE_KEYS, SILENCE_KEYS, IncomingView

_MOST_ENDED = 3
_ENDED_SHOWN_MS = 6_000  # of a call that ended as calls do
_TICK_MS = 1_000


class CallCard(Protocol):
    @property
    def call(self) -> CallView: ...

    def render_call(
        self, call: CallView, account: AccountView | None, now: float, others: tuple[CallView, ...] = ()
    ) -> None: ...


class CallsPane(QScrollArea):
    """`clock` reads the engine's clock. Emits `dial(address, account)` for "Call again" and `focus_freed` when a card
    that had the keyboard's focus goes away.
    """

    dial = Signal(str, str)
    quality_wanted = Signal(str)  # call id
    focus_freed = Signal()

    def __init__(
        self, submit: Callable[[AnyCommand], None], clock: Callable[[], float], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._submit, self._clock = submit, clock
        self._state: AppState | None = None
        self._aside = False
        self._talked_in: CallId = ""  # last; while all calls are held, the keys still mean it
        self.cards: dict[CallId, IncomingView | RunningCallView | EndedView] = {}
        inside = ScrolledColumn()
        inside.setProperty("part", "plain")
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(8)
        self._column.addStretch(1)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setProperty("part", "plain")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._ticker = QTimer(self, interval=_TICK_MS)  # runs only while a call is established
        self._ticker.timeout.connect(self._tick)
        self._shortcuts()
        self.hide()

    def _shortcuts(self) -> None:
        """For the call that is talked in, or rings first; a card's own shortcuts would be ambiguous with two calls."""
        actions: tuple[tuple[str, Callable[[], None]], ...] = (
            (ANSWER_KEYS, lambda: self._first(IncomingView, IncomingView.answer_by_shortcut)),
            (DECLINE_KEYS, lambda: self._first(IncomingView, IncomingView.decline_call)),
            (SILENCE_KEYS, lambda: self._submit(Silence())),
            (HANG_UP_KEYS, lambda: self._current(RunningCallView.end_call)),
            (MUTE_KEYS, self._mute),
            (HOLD_KEYS, lambda: self._current(RunningCallView.toggle_hold, CallPhase.ACTIVE)),
            (MENU_KEYS, lambda: self._current(RunningCallView.open_menu, CallPhase.ACTIVE)),
            (RECORD_KEYS, lambda: self._current(RunningCallView.toggle_recording, CallPhase.ACTIVE)),
            (QUALITY_KEYS, self._open_quality),
            (KEYPAD_KEYS, lambda: self._current(RunningCallView.toggle_keypad, CallPhase.ACTIVE)),
        )
        for keys, act in actions:
            QShortcut(QKeySequence(keys), self, context=Qt.ShortcutContext.WindowShortcut).activated.connect(act)

    @property
    def occupied(self) -> bool:
        """Whether a call is on its way or running: the dial pad makes room for it."""
        return any(isinstance(card, RunningCallView) for card in self.cards.values())

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), self._column.totalHeightForWidth(self.width()))

    def minimumSizeHint(self) -> QSize:
        """All of it up to the height of one call; more than that scrolls."""
        return QSize(
            self._column.totalMinimumSize().width(), min(self.sizeHint().height(), self.fontMetrics().height() * 24)
        )

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self.updateGeometry()  # texts wrap differently now, so the height is another

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest and watched is self.widget():
            self.updateGeometry()  # a card has grown or shrunk: the scroll area alone would only scroll
        return super().eventFilter(watched, event)

    # From the state to the cards

    def render_state(self, state: AppState) -> None:
        before, self._state = self._state, state
        running = {call.id: call for call in state.calls}
        for call in state.calls:
            self._show(call)
        known = {call.id for call in (*before.calls, *before.recent)} if before is not None else None
        for call in reversed(state.recent):
            over = isinstance(self.cards.get(call.id), IncomingView | RunningCallView)
            if over or (known is not None and call.id not in known):
                self._end(call)
        for call_id in [c for c, card in self.cards.items() if c not in running and not isinstance(card, EndedView)]:
            self._remove(call_id)
        for call in state.calls:
            if call.phase is CallPhase.ACTIVE and not call.held_by_us:
                self._talked_in = call.id
        self._order()
        self._tick()
        established = any(call.established_at is not None for call in state.calls)
        if established != self._ticker.isActive():
            self._ticker.start() if established else self._ticker.stop()
        self.setVisible(bool(self.cards))
        self.updateGeometry()

    def set_aside(self, aside: bool) -> None:
        """A page of the window is open, and needs the room more than the calls do."""
        if aside != self._aside:
            self._aside = aside
            for card in self._running():
                self._render(card, card.call)
            self.updateGeometry()

    def _show(self, call: CallView) -> None:
        kind = IncomingView if call.phase is CallPhase.INCOMING else RunningCallView
        card = self.cards.get(call.id)
        if not isinstance(card, kind):
            had_focus = self._remove(call.id)
            self.make_room()
            card = kind(call, self._submit)
            if isinstance(card, RunningCallView):
                card.quality_wanted.connect(self.quality_wanted)
            self._put(call.id, card)
            self._render(card, call)
            if had_focus and isinstance(card, RunningCallView):
                card.mute.setFocus()  # a second press of the same key must not hang up
        else:
            self._render(card, call)

    def _render(self, card: IncomingView | RunningCallView, call: CallView) -> None:
        if isinstance(card, RunningCallView):
            refused = recording_refused(self._state.settings.recording) if self._state is not None else None
            card.forbid_recording(words.sentence(refused) if refused is not None else "")
            card.set_aside(self._aside)
        card.render_call(call, self._account(call), self._clock(), self._others(call))

    def _end(self, call: CallView) -> None:
        """The card of a call that is over: with the reason if it failed, for some seconds if it was a conversation."""
        self._remove(call.id)
        failed = call.ended is not None and call.ended.failure is not None
        if not failed and call.established_at is None:
            return  # cancelled, declined or missed: the list of calls says so
        card = EndedView(call)
        card.closed.connect(self._seen)
        card.call_again.connect(self.dial)
        card.quality_wanted.connect(self.quality_wanted)
        card.render_call(call, self._account(call), self._clock())
        self._put(call.id, card)
        card.tell()
        if not failed:
            QTimer.singleShot(_ENDED_SHOWN_MS, card, lambda: self.close_card(call.id))
        ended = [call_id for call_id, other in self.cards.items() if isinstance(other, EndedView)]
        for old in ended[:-_MOST_ENDED]:
            self._remove(old)

    def _seen(self, call_id: CallId) -> None:
        """The person knows how it ended: its tone need not say so any longer."""
        self._submit(HangUp(call_id))
        self.close_card(call_id)

    def close_card(self, call_id: CallId) -> None:
        """Takes away what an ended call left."""
        if isinstance(self.cards.get(call_id), EndedView):
            self._remove(call_id)
        self.setVisible(bool(self.cards))
        self.updateGeometry()

    def close_ended(self) -> None:
        """A new call begins: what ended before has been seen."""
        for call_id in [c for c, card in self.cards.items() if isinstance(card, EndedView)]:
            self.close_card(call_id)

    def make_room(self) -> None:
        """Without what tells only that a conversation is over; why a call failed stays."""
        for card in [card for card in self.cards.values() if isinstance(card, EndedView) and card.reason is None]:
            self.close_card(card.call.id)

    def _put(self, call_id: CallId, card: IncomingView | RunningCallView | EndedView) -> None:
        self.cards[call_id] = card
        self._column.insertWidget(self._column.count() - 1, card)
        card.show()

    def _remove(self, call_id: CallId) -> bool:
        """Whether the card had the keyboard's focus, which then must not fall on another call's button."""
        card = self.cards.pop(call_id, None)
        if card is None:
            return False
        focus = self.window().focusWidget()
        had_focus = focus is not None and (focus is card or card.isAncestorOf(focus))
        if had_focus:
            self.focus_freed.emit()
        self._column.removeWidget(card)
        card.hide()
        card.deleteLater()
        return had_focus

    def _order(self) -> None:
        ranks = {IncomingView: 0, RunningCallView: 1, EndedView: 2}
        wanted = sorted(self.cards.values(), key=lambda card: ranks[type(card)])
        for place, card in enumerate(wanted):
            if self._column.indexOf(card) != place:
                self._column.removeWidget(card)
                self._column.insertWidget(place, card)

    def _account(self, call: CallView) -> AccountView | None:
        return self._state.account(call.account_id) if self._state is not None else None

    def _others(self, call: CallView) -> tuple[CallView, ...]:
        calls = self._state.calls if self._state is not None else ()
        return tuple(other for other in calls if other.id != call.id)

    def _tick(self) -> None:
        for card in self.cards.values():
            if isinstance(card, RunningCallView):
                card.tick(self._clock())

    def _first(self, kind: type[IncomingView | RunningCallView], act: Callable[..., None]) -> None:
        card = next((card for card in self.cards.values() if isinstance(card, kind)), None)
        if card is not None:
            act(card)

    def _current(self, act: Callable[[RunningCallView], None], phase: CallPhase | None = None) -> None:
        """For the call that is talked in: not a held one, and of several the newest."""
        calls = [card.call for card in self._running() if phase in (None, card.call.phase)]
        if not calls:
            return
        current = max(calls, key=lambda c: (not c.held_by_us, c.held_by_us and c.id == self._talked_in, c.began_at))
        card = self.cards[current.id]
        assert isinstance(card, RunningCallView)
        act(card)

    def _open_quality(self) -> None:
        """Of the call that is talked in; without one of the last one that was."""
        if self._running():
            self._current(RunningCallView.open_quality)
        elif self._state is not None:
            drawn = next((call for call in self._state.recent if len(call.history)), None)
            if drawn is not None:
                self.quality_wanted.emit(drawn.id)

    def _mute(self) -> None:
        """In a conference, for all of it: whoever presses the key wants to be heard by nobody."""
        members = [card for card in self._running() if card.call.in_conference and not card.call.held_by_us]
        if len(members) < 2:
            self._current(RunningCallView.toggle_mute, CallPhase.ACTIVE)
            return
        muted = all(card.call.muted for card in members)
        for card in members:
            if card.call.muted is muted:
                card.toggle_mute()

    def _running(self) -> list[RunningCallView]:
        return [card for card in self.cards.values() if isinstance(card, RunningCallView)]
