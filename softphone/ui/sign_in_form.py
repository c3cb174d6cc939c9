"""What is typed to sign in, as a command or as words that say what is missing. No widgets here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from softphone.errors import Failure, FailureKind, RemoteProtocolError
from softphone.messages import SignIn
from softphone.policy.secret import Secret
from softphone.sip.uri import SipUri, parse_host_port, parse_uri

PINNABLE = frozenset({FailureKind.SELF_SIGNED, FailureKind.UNKNOWN_ISSUER, FailureKind.CHAIN_INCOMPLETE})
"""Failures after which a certificate may be trusted by its fingerprint (security.md "self-signed")."""
_FINGERPRINT = re.compile(r"^SHA-256: ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})$")


@dataclass(frozen=True, slots=True)
class SignInForm:
    """The fields as typed; the password in its redacted type."""

    address: str
    password: Secret
    server: str = ""
    auth_user: str = ""
    ca_file: str = ""
    remember: bool = True

    def command(self) -> SignIn | str:
        """The command, or a sentence about the first field that cannot be used."""
        uri = _sip_uri(self.address)
        if uri is None or not uri.user:
            return _tr("Type your SIP address like alice@example.org.")
        if not self.password.reveal():
            return _tr("Type the password of this account.")
        server = self.server.strip()
        if server:
            try:
                parse_host_port(server)
            except RemoteProtocolError:
                return _tr("Write the server as host or host:port.")
        elif uri.port is not None:
            server = f"{_bracketed(uri.host)}:{uri.port}"
        return SignIn(
            account_id=f"{uri.user}@{uri.host}",
            user=uri.user,
            domain=uri.host,
            password=self.password,
            server=server,
            auth_user=self.auth_user.strip(),
            ca_files=(self.ca_file.strip(),) if self.ca_file.strip() else (),
            remember_password=self.remember,
        )


def _sip_uri(typed: str) -> SipUri | None:
    text = typed.strip()
    if not text.lower().startswith(("sip:", "sips:")):
        text = f"sip:{text}"
    try:
        uri = parse_uri(text)
    except RemoteProtocolError:
        return None
    return uri if isinstance(uri, SipUri) else None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def fingerprint_in(failure: Failure | None) -> str:
    """The SHA-256 fingerprint of the certificate that may be pinned after this failure; "" if none may."""
    if failure is None or failure.kind not in PINNABLE:
        return ""
    found = (_FINGERPRINT.match(line) for line in failure.evidence)
    return next((match[1] for match in found if match), "")


def _tr(text: str) -> str:
    return QCoreApplication.translate("SignInForm", text)
