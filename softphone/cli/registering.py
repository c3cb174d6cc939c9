"""`softphone register`, and the wait for a registration that other commands begin with."""

from __future__ import annotations

from dataclasses import dataclass

from softphone.cli.output import Output, Result
from softphone.cli.phone_access import PhoneRequest, PhoneSource, events_of
from softphone.controller import Phone
from softphone.engine import clock
from softphone.engine.waiting import Inbox, Interrupted
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import AnyEvent, Noticed
from softphone.state import AccountView
from softphone.ua.events import RegistrationChanged, RegistrationState

_DECIDED = frozenset({RegistrationState.REGISTERED, RegistrationState.WAITING, RegistrationState.FAILED})

INTERRUPTED = Failure(FailureKind.REJECTED, "It was interrupted.", "Start it again.")


def time_out(what: str, seconds: float) -> Failure:
    return Failure(
        FailureKind.CONNECTION_TIMED_OUT,
        f"{what} took longer than {seconds:g} s.",
        "Check the server and the network, or allow more time with --timeout.",
    )


async def await_registration(phone: Phone, inbox: Inbox[AnyEvent], account_id: str, patience: float) -> AccountView:
    """The account once its first attempt is decided. Raises OperationFailed with the failure's own words."""
    deadline = clock.now() + patience  # s
    while True:
        account = phone.state.account(account_id)
        if account is not None and account.state in _DECIDED:
            if account.failure is not None:
                raise OperationFailed(account.failure)
            return account
        left = deadline - clock.now()
        item = await inbox.next(max(0.0, left))
        if isinstance(item, Interrupted):
            raise OperationFailed(INTERRUPTED)
        if item is None:
            raise OperationFailed(_undecided(account, patience))


def _undecided(account: AccountView | None, seconds: float) -> Failure:
    """What was still missing when the time was over."""
    if account is None:
        return time_out("The registration", seconds)
    if account.flow is None:
        return time_out(f"Connecting to {account.server}", seconds)
    return Failure(
        FailureKind.SERVER_SILENT,
        f"{account.server} accepted the TLS connection but did not answer the registration within {seconds:g} s.",
        "Check that this is the port of a SIP registrar, or allow more time with --timeout.",
    )


@dataclass(slots=True)
class RegisterCommand:
    composition: PhoneSource
    output: Output
    request: PhoneRequest
    timeout: float
    stay: bool

    async def run(self) -> Result:
        account = self.request.settings.accounts[0]
        result = Result({"engine": self.request.engine, "status": None, "expires": None})
        began = clock.now()
        status: int | None = None

        def watch(event: AnyEvent) -> None:
            nonlocal status
            if isinstance(event, RegistrationChanged):
                status = event.status if event.status is not None else status
                self._progress(event)

        async with self.composition.own_phone(self.request) as phone, events_of(phone, watch) as inbox:
            try:
                view = await await_registration(phone, inbox, account.name, self.timeout)
            except OperationFailed as error:
                result.failure = error.failure
                view = phone.state.account(account.name) or AccountView(account.name, "")
            result.fields |= {
                "account": account.name,
                "status": status,
                "expires": view.expires_s,
                "tls_version": view.flow.tls_version if view.flow else None,
                "tls_cipher": view.flow.tls_cipher if view.flow else None,
                "identity": view.flow.identity if view.flow else None,
                "warnings": list(view.flow.warnings) if view.flow else None,
                "notes": list(view.flow.notes) if view.flow else None,
                "register_ms": round((clock.now() - began) * 1000, 1),
            }
            if result.ok and self.stay:
                self.output.event("registered", **result.fields)
                await self._stay(inbox)
        return result

    def _progress(self, event: RegistrationChanged) -> None:
        self.output.event(
            "registration", state=event.state.value, reason=event.failure.reason if event.failure else None
        )

    async def _stay(self, inbox: Inbox[AnyEvent]) -> None:
        while not isinstance(item := await inbox.next(), Interrupted):
            if isinstance(item, Noticed) and item.failure.kind is FailureKind.ENGINE_FAILED:
                raise OperationFailed(item.failure)
