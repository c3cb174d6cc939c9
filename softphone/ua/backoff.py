"""How long to wait before a flow is tried again: RFC 5626 §4.5's form, impatient in the first minute (security.md)."""

from __future__ import annotations

from softphone.ua.host import TokenBytes

IMPATIENT_FOR = 60.0  # s since the outage began
IMPATIENT_BASE = 1.0
IMPATIENT_LIMIT = 4.0  # s: with the time to connect, an outage is over within five seconds of its cause
PATIENT_BASE = 30.0
PATIENT_LIMIT = 1800.0


def random_fraction(token_bytes: TokenBytes) -> float:
    """Uniform in [0, 1)."""
    return int.from_bytes(token_bytes(4), "big") / 2**32


class BackOff:
    """Counts the failures of one outage; `delay` is 50–100 % of min(limit, base · 2^failures)."""

    def __init__(self, token_bytes: TokenBytes) -> None:
        self._token_bytes = token_bytes
        self.reset()

    def reset(self) -> None:
        self._began: float | None = None
        self._failures = 0
        self._patient_failures = 0

    def failed(self, now: float) -> float:
        """Notes one more failure; returns the delay in seconds until the next attempt."""
        if self._began is None:
            self._began = now
        if now - self._began < IMPATIENT_FOR:
            upper = min(IMPATIENT_LIMIT, IMPATIENT_BASE * 2.0 ** min(self._failures, 10))
        else:
            upper = min(PATIENT_LIMIT, PATIENT_BASE * 2.0 ** min(self._patient_failures, 10))
            self._patient_failures += 1
        self._failures += 1
        return upper * (0.5 + 0.5 * random_fraction(self._token_bytes))
