"""The server's side of one subscription, played by a test: answers to SUBSCRIBE, NOTIFY in its dialog (RFC 6665)."""

from __future__ import annotations

from softphone.sip.header_values import from_addr
from softphone.sip.message import Request, Response
from tests.playbook.stage import Stage

SUMMARY = "application/simple-message-summary"
DIALOG_INFO = "application/dialog-info+xml"


class Notifier:
    """Of the SUBSCRIBE that was sent last for an event package."""

    def __init__(self, stage: Stage, event: str = "dialog", tag: str = "server1") -> None:
        self.stage, self.event, self.tag = stage, event, tag
        self.number = 100
        self.subscribe = self.last()
        self.call_id = self.subscribe.headers.get("Call-ID") or ""
        self.their_tag = from_addr(self.subscribe).tag or ""

    def last(self) -> Request:
        """The SUBSCRIBE for our event that was sent last."""
        sent = [m for m in self.stage.sent if isinstance(m, Request) and m.method == "SUBSCRIBE"]
        return next(m for m in reversed(sent) if m.headers.get("Event") == self.event)

    def asked(self) -> int:
        """How often the phone has subscribed or refreshed."""
        sent = [m for m in self.stage.sent if isinstance(m, Request) and m.method == "SUBSCRIBE"]
        return sum(m.headers.get("Event") == self.event for m in sent)

    def accept(self, expires: int = 3600) -> None:
        self.stage.reply(self.last(), 200, ("Expires", str(expires)), to_tag=self.tag)

    def notify(
        self,
        body: bytes = b"",
        state: str = "active;expires=3600",
        *,
        tag: str = "",
        event: str = "",
        number: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Response:
        """What the phone answered."""
        self.number += 1
        fields = (("Event", event or self.event), *((("Subscription-State", state),) if state else ()), *headers)
        self.stage.say(
            self.stage.request(
                "NOTIFY",
                *fields,
                to_tag=self.their_tag,
                from_tag=tag or self.tag,
                call_id=self.call_id,
                number=self.number if number is None else number,
                body=body,
                content_type=SUMMARY if self.event == "message-summary" else DIALOG_INFO,
            )
        )
        return self.stage.last_response()

    def begin(self, body: bytes = b"", expires: int = 3600) -> Notifier:
        """The 2xx and the first NOTIFY."""
        self.accept(expires)
        self.notify(body, f"active;expires={expires}")
        return self


def dialog_info(*dialogs: str, version: int = 0, state: str = "full") -> bytes:
    return (
        '<?xml version="1.0"?>\n<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info"'
        f' version="{version}" state="{state}" entity="sip:bob@lab.test">{"".join(dialogs)}</dialog-info>'
    ).encode()


def ringing(
    dialog_id: str = "as7d900as8",
    state: str = "early",
    direction: str = "recipient",
    remote: str = "sip:carol@lab.test",
) -> str:
    """A dialog element as in RFC 4235 §6.1, with everything that a pickup needs."""
    return (
        f'<dialog id="{dialog_id}" call-id="a84b4c76e66710" local-tag="1928301774" remote-tag="456887766"'
        f' direction="{direction}"><state>{state}</state>'
        f'<remote><identity display="Carol">{remote}</identity><target uri="{remote}"/></remote></dialog>'
    )
