"""What the user agent knows of one account (address-of-record). Pure values; passwords in a redacted type."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from softphone.policy.media import MediaPolicy
from softphone.policy.secret import Secret
from softphone.sdp.offer_answer import OfferAnswerSession

AccountId = str


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """Where a flow goes: `host` as written by the person, `port` None for RFC 3263 resolution (5061 without SRV)."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


class DoNotDisturb(enum.Enum):
    """What a caller gets while nobody wants to be disturbed."""

    OFF = "off"
    BUSY = "busy"  # 486
    UNAVAILABLE = "unavailable"  # 480


class DigitsMode(enum.Enum):
    """How digits are sent. AUTO: telephone-event if it was negotiated, else SIP INFO if allowed, else tones."""

    AUTO = "auto"
    TELEPHONE_EVENT = "telephone-event"  # RFC 4733
    INFO = "info"  # RFC 6086, application/dtmf-relay
    IN_BAND = "in-band"


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Addresses as a person types them; "" is off. Answered with 302 (RFC 3261 §21.3.3)."""

    always: str = ""
    busy: str = ""
    no_answer: str = ""
    no_answer_s: int = 20


@dataclass(frozen=True, slots=True)
class CallRules:
    """What an account does with incoming calls before anybody is asked."""

    call_waiting: bool = True  # False: busy while a call runs
    max_calls: int = 8  # of the whole phone; the next one gets 486
    do_not_disturb: DoNotDisturb = DoNotDisturb.OFF
    forwarding: Forwarding = field(default_factory=Forwarding)
    deny: tuple[str, ...] = ()  # "user", "+49…*", "user@domain", "@domain"; those callers get 603
    deny_anonymous: bool = False
    auto_answer_from: tuple[str, ...] = ()  # the same patterns; only these may have a call answered by header


@dataclass(frozen=True, slots=True)
class WatchedLine:
    """A busy-lamp key (RFC 4235)."""

    uri: str  # as a person types it
    label: str = ""
    pickup_code: str = ""  # dialled before the user part to take a ringing call; "": INVITE with Replaces


@dataclass(frozen=True, slots=True)
class Account:
    """One address-of-record `sip:user@domain` and how it is reached."""

    id: AccountId
    user: str
    domain: str
    server: ServerTarget  # outbound proxy if set, else the domain; its host is the name the certificate must have
    auth_user: str = ""  # "" means `user`
    display_name: str = ""
    password: Secret | None = None
    media_policy: MediaPolicy = field(default_factory=MediaPolicy)
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    register: bool = True
    expires: int = 3600  # s, asked for
    rules: CallRules = field(default_factory=CallRules)
    digits: DigitsMode = DigitsMode.AUTO
    hide_identity: bool = False  # privacy of every call, unless the call says otherwise (RFC 3323)
    message_waiting: bool = True  # subscribe to message-summary (RFC 3842)
    voicemail: str = ""  # what the voicemail key dials; "": what the server says
    watched: tuple[WatchedLine, ...] = ()
    session_expires: int = 1800  # s, asked for (RFC 4028); 0: no session timer of ours
    reliable_provisionals: bool = True  # RFC 3262
    outbound: bool = True  # RFC 5626, if the server can
    instance_id: str = ""  # "urn:uuid:…" of this phone (RFC 5626 §4.1); "": none is sent
    rtcp_mux: bool = True  # offered (RFC 5761)
    ptime: int = 20  # ms of a packet, asked for
    dtx: bool = False  # ask others to send nothing while nobody speaks there (Opus)

    def offer_answer(self, policy: MediaPolicy, token_bytes: Callable[[int], bytes]) -> OfferAnswerSession:
        """The session descriptions of a new dialog of this account, under the policy that holds for it."""
        return OfferAnswerSession(policy, self.codecs, token_bytes, self.ptime, rtcp_mux=self.rtcp_mux, dtx=self.dtx)

    ringtone: str = ""  # a sound file of its own calls; "": that of all accounts

    @property
    def address(self) -> str:
        return f"sip:{self.user}@{self.domain}"
