"""How much sound waits between two clocks, and how it is kept short: the drift of a device against this program.

Owns: `Slack`, `stretched`. Must not know: devices. A device's clock and ours differ by some 100 ppm, so what waits
grows or runs out. Dropping a block would click, and so does a gap; a few samples more or fewer in a block are not
heard.
"""

from __future__ import annotations

import numpy as np

from softphone.engine.audio.backend import Samples

_SHORTEST, _LONGEST = 200, 1600
"""Blocks of 10 ms that are watched before something is taken away. There was too little: twice as long."""
_BACKLOG, _BACKLOG_BLOCKS = 1920, 20
"""Samples, and blocks for which they waited. Each time that there was too little makes that four times as long: where a
busy machine stops the sound server time and again, what is dropped after one stop is what is missing in the next."""
_NEVER_KEPT = 7680
"""Samples: 160 ms more delay harm a conversation more than gaps do."""
_NEVER = 1 << 30
_BLOCK = 480
_LEAST_SPARE = 240
_LONGEST_PIECE = 48_000
_BAND = 300
"""Samples above the spare that are left alone: a piece and a bit. A tick that is late now and then sees a piece less,
and what is put in for it must not be taken away at once. Fewer than the spare never are: the next tick may find less.
"""
_MOST_SPARE = 960
_FORGOTTEN = 24
"""Samples of what a gap added to the spare, with each time watched without another; half as many after each gap."""
_LONGEST_MEMORY = 8
_CALM = 60
"""Times watched with nothing left to be forgotten, two minutes, after which gaps are forgotten twice as fast again."""
STEP = 8
"""Samples that a block of 480 is shortened or lengthened by: 1.7 %, a third of a semitone."""


class Slack:
    """The least that waits is brought to `spare` samples, a little with each block: more is used up, less is filled up.

    A gap doubles the spare, so that a device or a machine that is late more often has more, until it is calm again; and
    one that is late time and again has it for longer.
    """

    def __init__(self) -> None:
        self._least_spare = self.spare = _LEAST_SPARE
        self._memory = 1  # by so much slower is the spare forgotten
        self._calm = 0  # times watched
        self._period = 1  # blocks: only the least within so many says what always waits
        self._fewest, self._seen, self._window = _NEVER, 0, _SHORTEST
        self._lately, self._lately_seen = _NEVER, 0
        self._backlog, self._backlogs = _NEVER, 0  # the least of so many fifths of a second on end
        self._too_much = 0  # negative: too little
        self._more_at_once = 0  # samples of a piece beyond a block
        self.strained = False  # there was a gap before another one was forgotten

    def moves(self, samples: int) -> None:
        """So many are delivered or fetched at once. By so much, or by a block, what waits is seen to become less."""
        piece = min(samples, _LONGEST_PIECE)
        self._period = -(-piece // _BLOCK)
        self._least_spare = max(_LEAST_SPARE, min(_BLOCK, piece))
        self.spare = max(self.spare, self._least_spare)
        self._more_at_once = max(0, piece - _BLOCK)

    @property
    def start(self) -> int:
        """Samples beside the first block with which a queue may begin to be used: they last until the next piece."""
        return self.spare + self._more_at_once

    def excess(self, waiting: int) -> int:
        """Called with each block: how many samples more than itself it should use up, now that so many wait.

        A few, or as many fewer (negative); or, where 40 ms too much have waited for a fifth of a second, after gaps for
        up to 13 s, all of them, to be dropped.
        """
        self._lately = min(self._lately, waiting)
        self._lately_seen += 1
        if self._lately_seen >= max(_BACKLOG_BLOCKS, 2 * self._period):
            backlog = self._backlogged()
            if backlog:
                self._begin()
                return min(backlog, waiting)
        self._fewest = min(self._fewest, waiting - self._too_much)  # as if what is under way were done
        self._seen += 1
        surplus = self._fewest - self.spare
        if surplus < 0 and self._seen >= max(_SHORTEST, 2 * self._period):
            self._watch_anew()
            self._too_much += surplus
            self._window = min(_LONGEST, self._window * 2)
        elif self._seen >= max(self._window, 2 * self._period):
            self._watch_anew()
            if surplus > _BAND:
                self._too_much += surplus
            self._window = max(_SHORTEST, self._window * 3 // 4)
            self._forget()
        step = max(-STEP, min(STEP, self._too_much, waiting))
        self._too_much -= step
        return step

    def _forget(self) -> None:
        if self.spare > self._least_spare:
            self.spare = max(self._least_spare, self.spare - _FORGOTTEN // self._memory)
            self._calm = 0
            return
        self._calm += 1
        if self._calm == _CALM:
            self._memory, self._calm = max(1, self._memory // 2), 0

    def _backlogged(self) -> int:
        """Each fifth of a second: how many samples have waited for too long."""
        lately = self._lately - self.spare
        self._lately, self._lately_seen = _NEVER, 0
        if lately <= _BACKLOG:
            self._backlog, self._backlogs = _NEVER, 0
            return 0
        self._backlog, self._backlogs = min(self._backlog, lately), self._backlogs + 1
        if lately > _NEVER_KEPT:
            self._backlog = lately
        elif self._backlogs < (self._window // _SHORTEST) ** 2:
            return 0
        too_much, self._backlog, self._backlogs = self._backlog, _NEVER, 0
        return too_much

    def ran_dry(self) -> None:
        """Nothing was there when it was wanted: what waits from now on is needed for a while."""
        self._begin()
        self._window = min(_LONGEST, self._window * 2)
        self._memory = min(_LONGEST_MEMORY, self._memory * 2)
        self.strained |= self.spare > self._least_spare
        self.spare = min(_MOST_SPARE, self.spare * 2)

    def _begin(self) -> None:
        self._watch_anew()
        self._too_much = 0

    def _watch_anew(self) -> None:
        self._fewest, self._seen = _NEVER, 0


def stretched(sound: Samples, samples: int) -> Samples:
    """The sound in so many samples, a few more or fewer than it has: linear interpolation."""
    if sound.size == samples:
        return sound
    places = np.linspace(0, sound.size - 1, samples)
    return np.rint(np.interp(places, np.arange(sound.size), sound)).astype(np.int16)
