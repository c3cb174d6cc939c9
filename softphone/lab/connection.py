"""One connection to the lab: a user agent of its own at the other end of the client's flow.

Owns: playing a service's steps on each call, calling back, and what the lab remembers. The answers before a call exists
are `rules.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from softphone.engine.accepted_flow import AcceptedFlow
from softphone.engine.audio.backend import AudioEndpoint
from softphone.engine.background import Background
from softphone.engine.core import EngineCore
from softphone.engine.media.shared_media import SharedMedia
from softphone.engine.tls_flow import TlsFlow
from softphone.errors import RemoteProtocolError
from softphone.lab.adversary import HONEST, Adversary
from softphone.lab.calls import LabCall
from softphone.lab.media import LabMedia
from softphone.lab.registrar import Registrar
from softphone.lab.rules import CLEAR_OFFER, ENCRYPTED_OFFER, LabRules, service_of
from softphone.lab.services import SERVICES, CallBack, Service
from softphone.policy.tls import TlsSettings
from softphone.sip.header_values import call_id as sip_call_id
from softphone.sip.header_values import contact_uri, from_addr
from softphone.sip.message import Request
from softphone.sip.parser import parse_message
from softphone.sip.uri import Uri, parse_uri
from softphone.ua.account import Account, CallRules, ServerTarget
from softphone.ua.actions import MediaId
from softphone.ua.commands import AddAccount, CallId, Command, Dial
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallNotEncrypted,
    CallNotice,
    CallRefused,
    CallSecured,
    DigitPressed,
    Event,
    IncomingCall,
)
from softphone.ua.user_agent import UserAgent

OnCall = Callable[[LabCall], None]
_SDP = b"application/sdp"


@dataclass(frozen=True, slots=True)
class LabParts:
    """What all connections of one lab share. `pace` stretches or shortens every service's waiting times."""

    registrar: Registrar
    media: SharedMedia
    token_bytes: Callable[[int], bytes]
    background: Background
    on_call: OnCall  # when a call begins, is established and ends
    pace: float


class LabConnection:
    """Made for an accepted flow, on the event loop. `on_ended` is called when the client has gone."""

    def __init__(self, flow: TlsFlow, parts: LabParts, on_ended: Callable[[LabConnection], None]) -> None:
        self._parts = parts
        self._calls: dict[CallId, LabCall] = {}
        self._closing = False
        self._rules = LabRules(parts.registrar, parts.token_bytes, self._refused_at_once)
        self._agent = UserAgent(parts.token_bytes, self._rules)
        self._core = EngineCore(
            self._agent,
            opener=AcceptedFlow(flow, lambda: on_ended(self), self._rewritten),
            tls_settings=lambda account_id: TlsSettings(),  # noqa: ARG005 - the flow is there already
            endpoint=self._endpoint,
            publish=self._publish,
            media=lambda post: LabMedia(parts.media, post, self._adversary_of),
        )
        remote = flow.description
        self._core.submit(
            AddAccount(
                Account(
                    id="lab",
                    user="lab",
                    domain=remote.local_address,
                    server=ServerTarget(remote.remote_address, remote.remote_port),
                    display_name="Softphone lab",
                    register=False,
                    rules=CallRules(call_waiting=False),  # nobody is there to hear its tone
                )
            )
        )

    async def close(self) -> None:
        """Hang up what is left and close the flow; every call has its last report then."""
        self._closing = True
        await self._core.close()

    # The user agent's events

    def _publish(self, event: Event) -> None:
        if isinstance(event, IncomingCall):
            self._incoming(event)
            return
        if isinstance(event, CallRefused):
            self._tell(
                LabCall(
                    "", event.remote.uri, "incoming", status=event.failure.status, failure=event.failure, ended=True
                )
            )
            return
        call = self._calls.get(getattr(event, "call_id", ""))
        if call is None:
            return
        match event:
            case CallEstablished():
                call.established = True
                self._tell(call)
            case CallSecured(srtp_suite=suite):
                call.encrypted, call.srtp_suite = True, suite
            case CallNotEncrypted():
                call.encrypted = False
            case DigitPressed(digit=digit):
                call.digits += digit
            case CallNotice(failure=failure):
                call.notices.append(failure)
            case CallEnded(status=status, failure=failure, report=report):
                call.status, call.failure, call.report, call.ended = status, failure, report, True
                del self._calls[call.call_id]
                self._tell(call)
            case _:
                return

    def _incoming(self, event: IncomingCall) -> None:
        service = service_of(parse_uri(event.called))
        server = self._agent.calls[event.call_id].server
        assert service is not None, "the rules let nothing else through"
        assert server is not None
        call = LabCall(
            service.name, event.remote.uri, "incoming", event.call_id, sip_call_id=sip_call_id(server.request)
        )
        self._begin(call)
        for step in service.steps:
            self._in(step.seconds, partial(self._do, step.command, call.call_id))

    def _do(self, command: Callable[[CallId], Command], call_id: CallId) -> None:
        self._core.submit(command(call_id))  # a call that has ended meanwhile ignores it

    def _in(self, seconds: float, work: Callable[[], None]) -> None:
        if seconds:
            self._parts.background.later(seconds * self._parts.pace, work)
        else:
            work()

    # Calls that a service refuses at once, and those it makes

    def _refused_at_once(self, service: Service, request: Request) -> None:
        caller = str(from_addr(request).uri)
        call = LabCall(
            service.name, caller, "incoming", sip_call_id=sip_call_id(request), status=service.refusal, ended=True
        )
        self._tell(call)
        back = service.call_back
        contact = contact_uri(request)
        if back is not None and contact is not None:
            self._in(back.seconds, partial(self._call_back, back, contact))

    def _call_back(self, back: CallBack, target: Uri) -> None:
        """Over the flow that the caller opened: there is no other way to a phone."""
        if self._closing:
            return
        self._rules.offer = ENCRYPTED_OFFER if back.encrypted else CLEAR_OFFER
        call = LabCall(back.service, str(target), "outgoing", self._parts.token_bytes(8).hex())
        self._begin(call)
        self._core.submit(Dial(call.call_id, call.remote))

    def _begin(self, call: LabCall) -> None:
        self._calls[call.call_id] = call
        self._tell(call)

    def _tell(self, call: LabCall) -> None:
        self._parts.on_call(call)

    # What a service sounds like, and what its adversary changes

    def _service_of_media(self, media_id: MediaId) -> Service | None:
        for call_id, call in self._agent.calls.items():
            if call.media.id == media_id and call_id in self._calls:
                return SERVICES[self._calls[call_id].service]
        return None

    def _endpoint(self, media_id: MediaId) -> AudioEndpoint:
        service = self._service_of_media(media_id)
        assert service is not None
        return service.sound()

    def _adversary_of(self, media_id: MediaId) -> Adversary:
        service = self._service_of_media(media_id)
        return service.adversary if service is not None else HONEST

    def _rewritten(self, data: bytes) -> bytes:
        """What goes out, with the SDP of an adversary's call changed."""
        if _SDP not in data or not any(SERVICES[c.service].adversary is not HONEST for c in self._calls.values()):
            return data
        try:
            message = parse_message(data)
            called = sip_call_id(message)
        except RemoteProtocolError:  # none of ours; it is not this place's to judge
            return data
        service = next((SERVICES[c.service] for c in self._calls.values() if c.sip_call_id == called), None)
        if service is None or not message.body:
            return data
        return replace(message, body=service.adversary.description(message.body)).to_bytes()
