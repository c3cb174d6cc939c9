"""Connected line: who is at the other end now, as responses and requests within a call tell (RFC 3325, RFC 4916).

Owns: what is known of each call's other side and when the person hears of a change. What the server vouches for stands
above what the other side says of itself: a name that nobody vouches for never takes the place of one that is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from softphone.sip.dialog import Dialog
from softphone.sip.header_values import call_id, cseq, from_addr, to_addr
from softphone.sip.message import Request, Response
from softphone.sip.uri import uris_equal
from softphone.ua.account import AccountId
from softphone.ua.call import Call
from softphone.ua.commands import CallId
from softphone.ua.events import CallEnded, CallStarted, Event, IncomingCall, Party, RemoteIdentityChanged
from softphone.ua.identity import asserted_party, party_of

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent

METHODS = frozenset({"INVITE", "UPDATE"})


@dataclass(frozen=True, slots=True)
class Known:
    """Of one call's other side."""

    first: Party  # as the call began: whom we called, or who called
    party: Party
    asserted: bool = False
    tag: str = ""  # of the branch of a forked call that said so
    answered: str | None = None  # the branch that answered


class ConnectedLine:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self._known: dict[CallId, Known] = {}

    # What is heard

    def responded(self, account_id: AccountId, response: Response) -> None:
        """To our INVITE, re-INVITE or UPDATE; before the call hears of it.

        Over that account's flow: its server has no say in the calls of another one.
        """
        if not 100 < response.status < 300 or cseq(response).method not in METHODS:
            return
        call = self._call_of(account_id, call_id(response))
        known = self._known.get(call.id) if call is not None else None
        if call is None or known is None:
            return
        tag = to_addr(response).tag or ""
        if known.answered not in (None, tag):
            return  # of a branch that lost
        if known.answered is None and response.status >= 200:
            known = replace(known, answered=tag)
        party = asserted_party(response, _role(call))
        if party is not None:
            self._tell(call, replace(known, party=party, asserted=True, tag=tag))
        elif known.answered == tag and known.tag not in ("", tag):  # what another branch said holds no more
            self._tell(call, replace(known, party=known.first, asserted=False, tag=tag))
        else:
            self._known[call.id] = known

    def requested(self, call: Call, dialog: Dialog, request: Request) -> None:
        """A re-INVITE or UPDATE of the other side. Its From may have changed (RFC 4916 §4.4)."""
        known = self._known.get(call.id)
        if known is None or request.method not in METHODS:
            return
        said, tag = from_addr(request), dialog.id.remote_tag
        changed = not uris_equal(said.uri, dialog.remote_uri.uri)
        if changed:
            dialog.remote_uri = said  # our requests go To the new one from now on (§4.4.2)
        if known.answered not in (None, tag):
            return
        asserted = asserted_party(request, _role(call))
        if asserted is not None:
            self._tell(call, replace(known, party=asserted, asserted=True, tag=tag))
        elif changed and not known.asserted:
            self._tell(call, replace(known, party=party_of(said), tag=tag))

    def _call_of(self, account_id: AccountId, wanted: str) -> Call | None:
        for call in self._agent.calls.values():
            if call.account.id == account_id and call.sip_call_id == wanted:
                return call
        return None

    def _tell(self, call: Call, known: Known) -> None:
        before = self._known[call.id]
        self._known[call.id] = known
        if call.announced_end or (known.party, known.asserted) == (before.party, before.asserted):
            return
        self._agent.emit(RemoteIdentityChanged(call.id, known.party, known.asserted))

    # Usage

    def saw(self, event: Event, now: float) -> None:
        del now
        match event:
            case CallStarted(call_id=call, remote=remote):
                self._known[call] = Known(remote, remote)
            case IncomingCall(call_id=call, remote=remote, identity=identity):
                asserted = identity.asserted
                self._known[call] = Known(remote, asserted or remote, asserted is not None)
            case CallEnded(call_id=call):
                self._known.pop(call, None)
            case _:
                pass

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing here waits."""


def _role(call: Call) -> str:
    """The other side's, as Remote-Party-ID names it."""
    return "called" if call.client is not None else "calling"
