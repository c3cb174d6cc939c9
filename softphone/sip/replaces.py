"""Replaces (RFC 3891 §6.1): the dialog whose place a new call takes.

Owns: that value, reading it from a header or from the headers of a Refer-To URI, and whether a dialog is the one it
names. What is done about it is `ua/replacement.py`'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from softphone.errors import RemoteProtocolError
from softphone.sip.dialog import DialogId
from softphone.sip.header_values import split_values
from softphone.sip.message import Message
from softphone.sip.tokens import LWS, find_parameter, parse_parameters

# A Call-ID (RFC 3261 §25.1) that can stand in a list. It may come out of escapes, and a line break in it would begin a
# header field of the peer's in our INVITE.
_CALL_ID = re.compile(r"[!#-+\--~]+")
NO_TAG = "0"  # stands for the tag of a peer that has none (§6.1)


@dataclass(frozen=True, slots=True)
class Replaces:
    """`to_tag` is that of whoever receives the header, `from_tag` that of his peer in the dialog (§3)."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def of_peer(cls, dialog: DialogId) -> Replaces:
        """For a request to the other side of this dialog of ours."""
        return cls(dialog.call_id, dialog.remote_tag or NO_TAG, dialog.local_tag or NO_TAG)

    def names(self, dialog: DialogId) -> bool:
        """Whether it is this dialog of ours (§3)."""
        return (self.call_id, self.to_tag, self.from_tag) == (
            dialog.call_id,
            dialog.local_tag or NO_TAG,
            dialog.remote_tag or NO_TAG,
        )

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Of the INVITE: who knows no Replaces shall not ring with another call instead (§4)."""
        return (("Replaces", str(self)), ("Require", "replaces"))

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"


def parse_replaces(text: str) -> Replaces:
    """Raises RemoteProtocolError (400) unless there is a Call-ID and each tag once."""
    name, semicolon, rest = text.strip(LWS).partition(";")
    name = name.rstrip(LWS)
    if _CALL_ID.fullmatch(name) is None:
        raise RemoteProtocolError("Replaces has no Call-ID")
    parameters = parse_parameters(semicolon + rest)
    to_tag, from_tag = find_parameter(parameters, "to-tag"), find_parameter(parameters, "from-tag")
    if not to_tag or not from_tag:
        raise RemoteProtocolError("Replaces has not both tags")
    return Replaces(name, to_tag, from_tag, find_parameter(parameters, "early-only") is not None)


def replaces_of(message: Message) -> Replaces | None:
    """§3: more than one, or one that cannot be read, or one beside Join (RFC 3911), makes the request a bad one."""
    lines = message.headers.get_all("Replaces")
    if not lines:
        return None
    if len(lines) > 1 or len(split_values(lines[0])) != 1:
        raise RemoteProtocolError("Replaces stands more than once")
    if "Join" in message.headers:
        raise RemoteProtocolError("Replaces and Join exclude each other")
    return parse_replaces(lines[0])
