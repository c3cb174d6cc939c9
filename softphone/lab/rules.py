"""What one connection of the lab takes: REGISTER, calls to services with credentials, nothing else.

Owns: the answers given before a call exists (401, 407, 404, 486 …). Must not know: what a service does once it rings.
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.lab.registrar import Registrar
from softphone.lab.services import SERVICES, Service
from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy, UnencryptedPeer
from softphone.sip.header_values import to_addr
from softphone.sip.message import Request, Response
from softphone.sip.uri import SipUri, Uri
from softphone.ua.account import Account
from softphone.ua.responses import response_to

MAX_CALLS = 32  # of one connection at once

ANY_OFFER = MediaPolicy(
    encryption=MediaEncryption.OPTIONAL,
    unencrypted_peer=UnencryptedPeer.ALLOW,
    profile=ConnectionProfile.PRIVATE,
)
"""The lab encrypts whenever it is asked to, and talks in clear to who asks for that: a phone's policy is on trial, not
the lab's."""
ENCRYPTED_OFFER = MediaPolicy()
CLEAR_OFFER = MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE)


class LabRules:
    """The user agent's `Rules`. `on_refusal(service, request)` hears of calls that a service refused at once."""

    talks_in_one = False  # services talk by themselves

    def __init__(
        self,
        registrar: Registrar,
        token_bytes: Callable[[int], bytes],
        on_refusal: Callable[[Service, Request], None],
    ) -> None:
        self._registrar, self._token_bytes, self._on_refusal = registrar, token_bytes, on_refusal
        self.offer = ENCRYPTED_OFFER  # what the next call of the lab's own offers

    def intercept(self, request: Request, now: float) -> Response | None:
        match request.method:
            case "REGISTER":
                return self._registrar.register(request, now)
            case "INVITE" if to_addr(request).tag is None:
                return self._registrar.authorize_call(request, now) or self._refused(request)
            case _:
                return None

    def _refused(self, request: Request) -> Response | None:
        service = service_of(request.uri)
        status = 404 if service is None else service.refusal
        if service is not None and status is not None:
            self._on_refusal(service, request)
        return None if status is None else response_to(request, status, to_tag=self._token_bytes(8).hex())

    def serves(self, account: Account, uri: Uri) -> bool:
        """OPTIONS to the lab itself, or to a service."""
        del account
        return (isinstance(uri, SipUri) and uri.user is None) or service_of(uri) is not None

    def media_policy(self, account: Account, uri: Uri) -> MediaPolicy:
        del account
        return ANY_OFFER if service_of(uri) is not None else self.offer

    def busy(self, account: Account, running_calls: int) -> bool:
        del account
        return running_calls >= MAX_CALLS


def service_of(uri: Uri) -> Service | None:
    return SERVICES.get(uri.user or "") if isinstance(uri, SipUri) else None
