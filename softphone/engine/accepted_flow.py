"""A flow that a client opened to us, in the place where the engine core would open one itself: for the lab.

Owns: handing over one accepted flow, once. Must not know: SIP, what the flow is for.
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.engine.ports import OnBytes, OnClosed
from softphone.engine.tls_flow import TlsFlow
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.tls import TlsSettings
from softphone.ua.actions import OpenFlow
from softphone.ua.inputs import FlowDescription

Rewrite = Callable[[bytes], bytes]


class AcceptedFlow:
    """An `Opener` and the `Flow` that it gives. `on_ended` is called once, whichever side ends it.

    `rewrite` changes what is sent: for the lab's adversaries.
    """

    def __init__(self, flow: TlsFlow, on_ended: Callable[[], None], rewrite: Rewrite) -> None:
        self._flow = flow
        self._on_ended = on_ended
        self._rewrite = rewrite
        self._taken = self._ended = False

    async def open(
        self, action: OpenFlow, settings: TlsSettings, on_bytes: OnBytes, on_closed: OnClosed
    ) -> AcceptedFlow:
        """Raises OperationFailed from the second time on: who called has to call again."""
        del action, settings
        if self._taken:
            raise OperationFailed(
                Failure(FailureKind.CONNECTION_LOST, "The client has gone.", "Wait until it connects again.")
            )
        self._taken = True

        def closed(failure: Failure) -> None:
            on_closed(failure)
            self._end()

        self._flow.start(on_bytes, closed)
        return self

    @property
    def description(self) -> FlowDescription:
        return self._flow.description

    def send(self, data: bytes) -> None:
        self._flow.send(self._rewrite(data))

    def close(self) -> None:
        """Also when the core itself ends the flow, because what came over it was no SIP."""
        self._flow.close()
        self._end()

    def abort(self) -> None:
        self._flow.abort()
        self._end()

    async def wait_closed(self) -> None:
        await self._flow.wait_closed()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._on_ended()
