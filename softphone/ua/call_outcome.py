"""How a call went and why it ended: what CallEstablished and CallEnded say, and the Reason of its BYE (RFC 3326).

Owns: the failure, if there is one, who ended the call, its times, and that the person hears of the end once.
"""

from __future__ import annotations

from softphone.errors import Failure, FailureKind
from softphone.ua.commands import CallId
from softphone.ua.events import CallEnded, CallEstablished, EndedBy
from softphone.ua.host import Host
from softphone.ua.media_report import MediaReport
from softphone.ua.responses import reason_value

_ENDED_BY = {
    FailureKind.MEDIA_NOT_ENCRYPTED: EndedBy.POLICY,
    FailureKind.POLICY: EndedBy.POLICY,
    FailureKind.FINGERPRINT_MISMATCH: EndedBy.POLICY,
    FailureKind.DTLS_HANDSHAKE: EndedBy.POLICY,
    FailureKind.CONNECTION_LOST: EndedBy.NETWORK,
    FailureKind.SERVER_SILENT: EndedBy.NETWORK,
    FailureKind.AUDIO_DEVICE: EndedBy.LOCAL,
    FailureKind.NOT_ACCEPTABLE: EndedBy.POLICY,
}


class CallOutcome:
    def __init__(self, host: Host, call_id: CallId, now: float) -> None:
        self._host, self._call_id = host, call_id
        self.failure: Failure | None = None
        self.announced = False  # the person has heard that it is over; only loose ends are left
        self._lost: Failure | None = None  # why the session cannot go on: the other side hears it too
        self._began, self._established_at = now, 0.0
        self._ended_by = EndedBy.LOCAL

    def begin(self, now: float) -> None:
        """From here on the set-up time counts."""
        self._began = now

    def established(self, codec: str, now: float) -> None:
        self._established_at = now
        self._host.emit(CallEstablished(self._call_id, codec, setup_ms=(now - self._began) * 1000))

    def ordinarily(self, ended_by: EndedBy) -> None:
        self._ended_by, self.failure = ended_by, None

    def by_failure(self) -> None:
        kind = self.failure.kind if self.failure is not None else FailureKind.REJECTED
        self._ended_by = _ENDED_BY.get(kind, EndedBy.REMOTE)

    def lose(self, failure: Failure) -> None:
        self._lost = failure

    @property
    def bye_headers(self) -> tuple[tuple[str, str], ...]:
        lost = self._lost
        return (("Reason", reason_value(lost.status or 500, lost.reason)),) if lost is not None else ()

    @property
    def refusal_headers(self) -> tuple[tuple[str, str], ...]:
        text = self.failure.reason if self.failure is not None else "Media without encryption is refused"
        return (("Reason", reason_value(488, text)),)

    def announce(self, status: int | None, report: MediaReport | None, now: float) -> None:
        if self.announced:
            return
        self.announced = True
        duration = now - self._established_at if self._established_at else 0.0
        self._host.emit(CallEnded(self._call_id, self._ended_by, status, self.failure, duration, report))
