"""What the user agent knows of one account (address-of-record). Pure values; passwords in a redacted type."""

from __future__ import annotations

from dataclasses import dataclass, field

from softphone.policy.media import MediaPolicy
from softphone.policy.secret import Secret

AccountId = str


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """Where a flow goes: `host` as written by the person, `port` None for RFC 3263 resolution (5061 without SRV)."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


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

    @property
    def address(self) -> str:
        return f"sip:{self.user}@{self.domain}"
