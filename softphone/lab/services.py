"""The lab's services, one row each: who is called, what happens, what is heard.

Owns: the table. A new service is a new row. `connection.py` plays it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from softphone.engine.audio.backend import AudioEndpoint, Samples
from softphone.engine.audio.file import MemoryEndpoint
from softphone.engine.audio.loop import LoopEndpoint
from softphone.engine.audio.null import NullEndpoint
from softphone.engine.audio.tone import ToneEndpoint
from softphone.engine.audio.wav import read_wav
from softphone.lab import adversary
from softphone.lab.adversary import HONEST, Adversary
from softphone.storage.resource import resource_path
from softphone.ua.commands import Answer, CallId, Command, Decline, HangUp, Hold, Resume, StartEarlyMedia

RATE = 8000
"""Hz of the lab's endpoints: that of its codecs, so that nothing is resampled."""
SENTENCE = "sounds/sentence.wav"
_PAUSE_S = 0.7  # between two repetitions of the sentence


@dataclass(frozen=True, slots=True)
class Step:
    """`seconds` after the call has arrived, this is done to it."""

    seconds: float
    command: Callable[[CallId], Command]


@dataclass(frozen=True, slots=True)
class CallBack:
    """Call the caller, `seconds` after its call has arrived, with the properties of another service."""

    seconds: float
    service: str
    encrypted: bool  # whether the offer is RTP/SAVP with keys, or RTP/AVP without any


@dataclass(frozen=True, slots=True)
class Service:
    """What calling `sip:name@lab` does. `refusal` is a status given at once, before anything rings."""

    name: str
    does: str
    steps: tuple[Step, ...] = ()
    sound: Callable[[], AudioEndpoint] = lambda: NullEndpoint(RATE)
    adversary: Adversary = HONEST
    refusal: int | None = None
    call_back: CallBack | None = None


@cache
def _spoken() -> Samples:
    sentence = read_wav(resource_path(SENTENCE), RATE)
    return np.concatenate((sentence, np.zeros(int(RATE * _PAUSE_S), np.int16)))


def speech() -> AudioEndpoint:
    return MemoryEndpoint(_spoken(), RATE, loop=True, longest_heard_s=0.0)


def _echo() -> AudioEndpoint:
    return LoopEndpoint(RATE)


def _tone() -> AudioEndpoint:
    return ToneEndpoint(sample_rate=RATE)


def _decline(status: int) -> Callable[[CallId], Command]:
    return lambda call_id: Decline(call_id, status)


_AT_ONCE = (Step(0.0, Answer),)

_TABLE = (
    Service("echo", "what you say comes back", _AT_ONCE, _echo),
    Service("speech", "a spoken sentence, again and again", _AT_ONCE, speech),
    Service("tone", "a tone of 440 Hz", _AT_ONCE, _tone),
    Service("silent", "answers and sends nothing", _AT_ONCE, adversary=adversary.SILENT),
    Service("busy", "is busy (486)", refusal=486),
    Service("decline", "rings for a second, then declines (603)", (Step(1.0, _decline(603)),)),
    Service("ring", "rings for ever"),
    Service("slow", "rings for five seconds, then answers as “echo”", (Step(5.0, Answer),), _echo),
    Service(
        "early", "speaks before it answers, answers after 3 s", (Step(0.0, StartEarlyMedia), Step(3.0, Answer)), speech
    ),
    Service(
        "hold",
        "answers, holds you after 2 s, resumes after 4 s",
        (*_AT_ONCE, Step(2.0, Hold), Step(4.0, Resume)),
        speech,
    ),
    Service("hangup", "answers, hangs up after 2 s", (*_AT_ONCE, Step(2.0, HangUp)), speech),
    Service(
        "callback-echo",
        "is busy (486), calls you back after a second as “echo”",
        refusal=486,
        call_back=CallBack(1.0, "echo", encrypted=True),
    ),
    # The faulty ones
    Service("clear", "answers without encryption, whatever you offer", _AT_ONCE, speech, adversary.CLEAR),
    Service(
        "callback-clear",
        "is busy (486), calls you back after a second without encryption",
        refusal=486,
        call_back=CallBack(1.0, "speech", encrypted=False),
    ),
    Service("wrong-key", "encrypts with another key than it says", _AT_ONCE, speech, adversary.WRONG_KEY),
    Service("tamper", "changes a bit of each protected packet", _AT_ONCE, speech, adversary.TAMPERING),
)

SERVICES: dict[str, Service] = {service.name: service for service in _TABLE}
