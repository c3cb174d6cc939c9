"""Taking a call that rings at a watched line: its feature code, or INVITE with Replaces (RFC 3891, RFC 5359 §2.16).

Owns: what is called and with which header. An early dialog can be replaced only at the caller, who began it (RFC 3891
§3): the INVITE goes to the remote target that the line's server names, which may be the server itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from softphone.errors import Failure, FailureKind, OperationFailed, RemoteProtocolError
from softphone.sip.replaces import Replaces
from softphone.sip.tokens import is_token
from softphone.sip.uri import SipUri, TelUri, parse_uri
from softphone.ua.busy_lamps import BusyLamp
from softphone.ua.dialog_info import LineDialog, Participant
from softphone.ua.events import Party

# A Call-ID; within Replaces it ends at a semicolon (RFC 3891 §6.1), and a comma would begin a second value.
_WORD = re.compile(r"[!-+\--:<-~]+")


@dataclass(frozen=True, slots=True)
class Pickup:
    """What to dial and with which headers; `caller` is who will be at the other end, if the line's server says so."""

    target: str
    headers: tuple[tuple[str, str], ...] = ()
    caller: Party | None = None


def pickup_of(lamp: BusyLamp | None) -> Pickup:
    """Raises OperationFailed in words if there is nothing to take."""
    if lamp is None:
        raise _refused("This line is not watched.", "Add it to the account's busy-lamp keys.")
    dialog = lamp.ringing
    if dialog is None:
        raise _refused("Nothing rings at this line now.", "Pick up while the key shows that the line rings.")
    if lamp.line.pickup_code:
        return Pickup(_with_code(lamp.line.pickup_code, lamp.target))
    replaces = _replaces(dialog)
    caller = Party(dialog.remote.uri, dialog.remote.display_name) if dialog.remote.uri else None
    secure = lamp.target is not None and lamp.target.scheme == "sips"
    return Pickup(_remote_target(dialog.remote, secure=secure), replaces.headers, caller)


def _with_code(code: str, line: SipUri | None) -> str:
    """The code before the user part of the line's address."""
    if line is None or line.user is None:
        raise _refused("The line's address has no user part to dial after the pickup code.", "Check the address.")
    return str(replace(line, user=code + line.user))


def _replaces(dialog: LineDialog) -> Replaces:
    """The line's dialog as its caller knows it: the tags are the other way round there."""
    if not (_WORD.fullmatch(dialog.call_id) and is_token(dialog.local_tag) and is_token(dialog.remote_tag)):
        raise _refused(
            "The server does not say which call rings there, so it cannot be taken.",
            "Set the line's pickup code, or have the server send call-id and tags in its dialog information.",
        )
    return Replaces(dialog.call_id, dialog.remote_tag, dialog.local_tag, early_only=True)


def _remote_target(remote: Participant, *, secure: bool) -> str:
    """Where the caller is reached: by our account's server, so the address's own transport does not count.

    `secure`: the line is a `sips:` address, and so must be who is called for it.
    """
    try:
        uri = parse_uri(remote.target or remote.uri)
    except RemoteProtocolError:
        uri = None
    match uri:
        case SipUri():
            kept = tuple((name, value) for name, value in uri.parameters if name.lower() not in ("transport", "method"))
            scheme = "sips" if secure else uri.scheme
            return str(replace(uri, scheme=scheme, password=None, parameters=kept, headers=()))
        case TelUri():
            return str(uri)
        case _:
            raise _refused("The server does not say who calls there.", "Set the line's pickup code.")


def _refused(reason: str, remedy: str) -> OperationFailed:
    return OperationFailed(Failure(FailureKind.USAGE, reason, remedy))
