"""Commands on the running phone (`--attach`, or because no option asks for an engine of its own; cli.md).

Owns: the running phone in the place of an own one, so that `register`, `call` and `answer` are the same commands on
both; the result says which. The accounts, the policy and the devices are the running phone's.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from softphone.cli.options import attaches, phone_request, usage
from softphone.cli.phone_access import EngineKind, PhoneRequest, PhoneSource
from softphone.controller import Phone
from softphone.engine.link.place import LinkPlace, system_form
from softphone.engine.link.remote_phone import attached
from softphone.engine.process.lock import is_held
from softphone.sound import AudioChoice
from softphone.state import AccountView, AppState
from softphone.storage.profile import user_profile
from softphone.storage.settings import AccountSettings, Settings


async def phone_for(own: PhoneSource, options: dict[str, Any]) -> tuple[PhoneSource, PhoneRequest]:
    """Where the command gets its phone, and what it asks of it. Raises OperationFailed."""
    place = LinkPlace(user_profile().runtime, system_form())
    if attaches(options, is_held(place.lock_file)):
        refuse_ineffective(options)
        return AttachedPhone(place), await attached_request(place, options)
    return own, phone_request(options)


# The running phone has settings, sound and connections of its own: these could not do what they say.
INEFFECTIVE = (
    "auth_user",
    "domain",
    "password_file",
    "client_key",
    "client_key_password_file",
    "pin",
    "trace",
    "srtp_suites",
    "codecs",
    "play",
    "record",
)


def refuse_ineffective(options: dict[str, Any]) -> None:
    """Raises OperationFailed (USAGE) for an option that a command on the running phone would have to ignore."""
    named = [name for name in INEFFECTIVE if options.get(name)]
    if named:
        listed = ", ".join("--" + name.replace("_", "-") for name in named)
        raise usage(
            f"{listed} cannot change the running phone, to which this command would attach.",
            "Add --no-attach to use an engine of its own, or leave the option out.",
        )


@dataclass(frozen=True, slots=True)
class AttachedPhone:
    """Implements `PhoneSource`: the phone is left as it is when the command is done with it."""

    place: LinkPlace

    @contextlib.asynccontextmanager
    async def own_phone(self, request: PhoneRequest) -> AsyncIterator[Phone]:
        del request  # the running phone has its own settings
        async with attached(self.place) as phone:
            yield phone


async def attached_request(place: LinkPlace, options: dict[str, Any]) -> PhoneRequest:
    """The running phone's account in the place of one from the settings. Raises OperationFailed."""
    async with attached(place) as phone:
        view = _account(phone.state, options.get("account_name"))
    user, _, domain = view.address.removeprefix("sip:").rpartition("@")
    account = AccountSettings(name=view.id, user=user, domain=domain, server=view.server)
    return PhoneRequest(Settings(accounts=(account,)), {}, None, AudioChoice(), None, EngineKind.ATTACHED)


def _account(state: AppState, name: str | None) -> AccountView:
    wanted = name or state.settings.default_account or None
    view = next((account for account in state.accounts if wanted in (None, account.id)), None)
    if view is None:
        what = f"no account named {name}" if name else "no account"
        raise usage(f"The running phone has {what}.", "Sign in in its window, or add --no-attach.")
    return view
