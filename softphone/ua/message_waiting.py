"""Message waiting: application/simple-message-summary (RFC 3842), subscribed to and told without being asked.

Owns: reading the summary, and what an account's mailbox is known to hold. Knows no subscription.
"""

from __future__ import annotations

from dataclasses import dataclass

from softphone.errors import Failure, RemoteProtocolError
from softphone.sip.message import Request
from softphone.sip.tokens import LWS, is_token, read_number
from softphone.sip.uri import SipUri, TelUri, Uri, parse_uri
from softphone.ua.account import AccountId
from softphone.ua.events import MessageWaitingChanged
from softphone.ua.host import Host
from softphone.ua.subscription import Package

MESSAGE_SUMMARY = Package("message-summary", "application/simple-message-summary", 3600)  # RFC 3842 §3.4: hours

MAX_SUMMARY = 8 * 1024  # octets; a summary of all seven classes with headers of ten messages stays under this
MAX_LINES = 128
MAX_COUNT = 2**32 - 1  # §5.2


@dataclass(frozen=True, slots=True)
class MessageSummary:
    """§5.2. Counts of voice messages; None where none are given."""

    waiting: bool
    account: Uri | None = None
    new: int | None = None
    old: int | None = None


def parse_message_summary(body: bytes) -> MessageSummary:
    """Raises RemoteProtocolError for what is no such body, in time linear in its length."""
    if len(body) > MAX_SUMMARY:
        raise RemoteProtocolError("The message summary is too long")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("The message summary is no text") from error
    # The headers of single messages follow an empty line; nobody asked for them.
    lines = [line.removesuffix("\r") for line in text.split("\n", MAX_LINES)]
    lines = lines[: lines.index("")] if "" in lines else lines
    if len(lines) > MAX_LINES:
        raise RemoteProtocolError("The message summary has too many lines")
    fields = [_field(line) for line in lines]
    if not fields or fields[0][0] != "messages-waiting" or fields[0][1].lower() not in ("yes", "no"):
        raise RemoteProtocolError("The message summary does not begin with Messages-Waiting: yes or no")
    names = [name for name, _ in fields]
    if len(set(names)) != len(names):
        raise RemoteProtocolError("The message summary says something twice")
    values = dict(fields)
    new, old = _counts(values["voice-message"]) if "voice-message" in values else (None, None)
    account = parse_uri(values["message-account"]) if "message-account" in values else None
    return MessageSummary(values["messages-waiting"].lower() == "yes", account, new, old)


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.strip(LWS).lower()
    if not colon or not is_token(name):
        raise RemoteProtocolError("A line of the message summary cannot be read")
    return name, value.strip(LWS)


def _counts(value: str) -> tuple[int, int]:
    """`new/old`, with or without the urgent ones in parentheses."""
    counts, opened, urgent = value.partition("(")
    if opened and not urgent.rstrip(LWS).endswith(")"):
        raise RemoteProtocolError("The counts of the message summary cannot be read")
    new, slash, old = counts.partition("/")
    if not slash:
        raise RemoteProtocolError("The counts of the message summary cannot be read")
    return _count(new), _count(old)


def _count(text: str) -> int:
    return read_number(text.strip(LWS), "A count of messages", MAX_COUNT)


class Mailbox:
    """What is known of one account's messages. Implements `Follower`."""

    def __init__(self, host: Host, account_id: AccountId) -> None:
        self._host, self._account_id = host, account_id
        self._summary: MessageSummary | None = None
        self._told: MessageWaitingChanged | None = None

    def take(self, request: Request, *, asked: bool) -> None:
        """The summary of a NOTIFY. `asked`: in our subscription; else whoever may reach us may have sent it."""
        summary = parse_message_summary(request.body)
        if not asked and not self._ours(summary.account):
            summary = MessageSummary(summary.waiting, None, summary.new, summary.old)
        self._summary = summary
        self.tell()

    def tell(self) -> None:
        """What is known, if that is news; also after the account's own voicemail number has changed."""
        if self._summary is None:
            return
        account = self._host.account(self._account_id)
        # RFC 3842 §5.2: without Message-Account it is the mailbox of the address-of-record itself.
        voicemail = account.voicemail or str(self._summary.account or account.address)
        changed = MessageWaitingChanged(
            self._account_id, self._summary.waiting, self._summary.new, self._summary.old, voicemail
        )
        if changed != self._told:
            self._told = changed
            self._host.emit(changed)

    def _ours(self, uri: Uri | None) -> bool:
        """Of the account's own domain or server: one click calls it, so nobody else may name it."""
        account = self._host.account(self._account_id)
        match uri:
            case SipUri(host=host):
                return host.lower() in (account.domain.lower(), account.server.host.lower())
            case TelUri():
                return False
            case _:
                return uri is None

    # Follower

    def began(self) -> None:
        """Counts stand for themselves: nothing of an earlier subscription is kept."""

    def notified(self, request: Request, now: float) -> bool:
        del now
        if request.body:
            self.take(request, asked=True)
        return False

    def unknown(self, failure: Failure | None, now: float) -> None:
        """What was said last is the best that is known."""
