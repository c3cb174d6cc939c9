"""What the proxy's record and the two sides' recordings say of a network that changed.

Owns: the questions that tests/network asks afterwards. Must not know: what was done to the network.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
import pytest

from tests.peers.baresip import Baresip
from tests.peers.kamailio import Kamailio, SipMessage
from tests.peers.phone import RATE, CommandLine
from tests.peers.process import until
from tests.peers.speech import Samples

WITHIN_S: Final = 5.0
"""From the network's return to the server's 200 to REGISTER: the promise."""
OURS_HZ, THEIRS_HZ = 1000, 440
"""What each side says in calls of tones; baresip's is 440 Hz."""
_BLOCK_S: Final = 0.01
_LOUD: Final = 1000
"""Of 32767, root mean square: the tones have 5800."""


# The registration


def registrations(kamailio: Kamailio, user: str = "alice") -> list[float]:
    """When the server said 200 to that user's REGISTERs, in seconds of the epoch."""
    return [
        message.moment
        for message in kamailio.messages()
        if (message.direction, message.method, message.status) == ("out", "REGISTER", 200)
        and f"sip:{user}@" in message.header("From")
    ]


def ends_well(phone: CommandLine) -> None:
    """A phone that was told to stay still works: it says goodbye, and its result is good."""
    phone.interrupt()
    assert phone.result()["ok"] is True


def registered_after(kamailio: Kamailio, since: float, what: str, user: str = "alice") -> float:
    """Seconds from `since` (of the epoch) to the server's next 200 to that user; printed, for the notes."""

    def moments() -> list[float]:
        return [moment for moment in registrations(kamailio, user) if moment > since]

    took = until(moments, f"{user} to be registered after {what}", 30)[0] - since
    print(f"{what}: {user} registered {took * 1000:.0f} ms after the network's return")
    return took


# The call's signalling


def offers(kamailio: Kamailio, since: float = 0.0) -> list[SipMessage]:
    """The INVITEs with an offer that the proxy took from us after that moment, oldest first."""
    return [
        message
        for message in kamailio.messages()
        if message.direction == "in"
        and message.moment > since
        and message.start_line.startswith("INVITE ")
        and "sip:alice@" in message.header("From")
        and (message.header("Proxy-Authorization") or "tag=" in message.header("To"))
    ]


def final_status(kamailio: Kamailio, request: SipMessage) -> int | None:
    """Of a request of ours, as the proxy gave it to us."""
    for message in kamailio.messages():
        same = all(message.header(name) == request.header(name) for name in ("CSeq", "Call-ID"))
        if same and message.direction == "out" and message.status is not None and message.status >= 200:
            return message.status
    return None


def keys(message: SipMessage) -> set[str]:
    """Suite and key of every a=crypto line, without the tag."""
    return set(re.findall(r"a=crypto:\d+ (\S+ inline:\S+)", message.body))


# The call's sound


def assert_alive(result: dict[str, Any], seconds: float, missing: float) -> None:
    """The call lasted to its end by our wish, all that came authenticated, and at most `missing` seconds did not."""
    assert result["ok"] is True, result
    assert result["ended_by"] == "local"
    assert result["duration_s"] == pytest.approx(seconds, abs=1.0)
    # baresip sends a PING in clear when a stream starts.
    assert result["auth_failures"] == result["plain_rtp_seen"] <= 2
    assert result["replays"] == 0
    assert result["rtp_received"] > (seconds - missing) * 50 - 10


def heard_by(bob: Baresip) -> Samples:
    """All that baresip heard, once its call is over; it records what comes, not the time in between."""
    bob.wait_for("CALL_CLOSED")
    return bob.heard()


def assert_both_hear(phone: CommandLine, heard_by_bob: Samples, seconds: float = 2.0) -> None:
    """In the call's last seconds each side hears the other's tone."""
    assert _has_tone(phone.heard(), THEIRS_HZ, seconds)
    assert _has_tone(heard_by_bob, OURS_HZ, seconds)


def missing_sound(what: str, phone: CommandLine, heard_by_bob: Samples, seconds: float) -> tuple[float, float]:
    """Seconds of sound missing here (the longest gap) and there (of the whole call); printed, for the notes."""
    here = _longest_gap(phone.heard())
    there = seconds - heard_by_bob.size / RATE
    print(f"{what}: sound missing here {here * 1000:.0f} ms, there {there * 1000:.0f} ms")
    return here, there


def _longest_gap(heard: Samples) -> float:
    """Seconds without sound between the first sound and the last."""
    block = int(_BLOCK_S * RATE)
    blocks = heard[: heard.size // block * block].reshape(-1, block).astype(float)
    sounding = np.flatnonzero(np.sqrt(np.mean(np.square(blocks), axis=1)) > _LOUD)
    assert sounding.size, "nothing was heard at all"
    return float(max(np.diff(sounding), default=1) - 1) * _BLOCK_S


def _has_tone(heard: Samples, frequency: int, last: float) -> bool:
    """Whether the last `last` seconds are that tone, and little else."""
    end = heard[-int(last * RATE) :].astype(float)
    power = np.square(np.abs(np.fft.rfft(end * np.hanning(end.size))))
    near = np.abs(np.fft.rfftfreq(end.size, 1 / RATE) - frequency) < 10
    return bool(np.sum(power[near]) > 0.8 * np.sum(power))
