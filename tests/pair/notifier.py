"""A notifier for the other end of a joined flow (RFC 6665 §4.2): one line, whose calls a test makes up.

It keeps to the RFC: NOTIFY at once after SUBSCRIBE, a subscription whose NOTIFY fails is forgotten, an unknown one 481.
"""

from __future__ import annotations

from dataclasses import dataclass

from softphone.errors import SoftphoneError
from softphone.sip.dialog import Dialog
from softphone.sip.header_values import call_id, parse_delta_seconds, to_addr
from softphone.sip.message import Request, Response
from softphone.sip.responses import response_to
from tests.pair.joined import Joined
from tests.playbook.notifier import DIALOG_INFO, SUMMARY, dialog_info, ringing


@dataclass
class _Watcher:
    dialog: Dialog
    ends_at: float
    version: int = 0


class Notifier:
    """Implements `ResponseHandler` for its NOTIFYs."""

    event, content_type = "dialog", DIALOG_INFO

    def __init__(self, joined: Joined) -> None:
        self._joined = joined
        self.watchers: dict[str, _Watcher] = {}  # by Call-ID
        self._branches: dict[str, str] = {}
        self._dialog = ""  # the one call of the line
        joined.rules.answer = self._answer

    def set_call(self, state: str) -> None:
        """ "early", "confirmed" or "terminated"."""
        self.set_dialog(ringing(state=state))

    def set_dialog(self, element: str) -> None:
        self._dialog = element
        for wanted in list(self.watchers):
            self._notify(wanted)
        self._joined.peer.agent.handle_timer(self._joined.now)  # has it send what it was given
        self._joined.settle()

    def _answer(self, request: Request) -> Response | None:
        if request.method != "SUBSCRIBE":
            return None
        known = self.watchers.get(call_id(request))
        if known is None and to_addr(request).tag is not None:
            return response_to(request, 481)
        expires = parse_delta_seconds(request.headers.get("Expires") or "0")
        if known is None:
            known = self.watchers[call_id(request)] = _Watcher(Dialog.from_request(request, "notifier"), 0)
        else:
            known.dialog.receive(request)
        known.ends_at = self._joined.now + expires
        self._notify(call_id(request))
        headers = (("Expires", str(expires)), ("Contact", "<sip:notifier@127.0.0.1:5061;transport=tls>"))
        return response_to(request, 200, to_tag="notifier", headers=headers)

    def _notify(self, wanted: str) -> None:
        watcher = self.watchers[wanted]
        left = int(watcher.ends_at - self._joined.now)
        state = f"active;expires={left}" if left > 0 else "terminated;reason=timeout"
        headers = (("Event", self.event), ("Subscription-State", state), ("Content-Type", self.content_type))
        body = self._body(watcher.version)
        watcher.version += 1
        request = watcher.dialog.request("NOTIFY", "<sip:notifier@127.0.0.1:5061;transport=tls>", headers, body)
        if left <= 0:
            del self.watchers[wanted]
        branch = self._joined.peer.agent.send_request("s", request, self, self._joined.now)
        if branch is not None:
            self._branches[branch] = wanted

    def _body(self, version: int) -> bytes:
        return dialog_info(self._dialog, version=version)

    # ResponseHandler

    def response(self, branch: str, response: Response, now: float) -> None:
        del now
        if response.status >= 300:
            self.watchers.pop(self._branches.get(branch, ""), None)

    def request_failed(self, branch: str, error: SoftphoneError, now: float) -> None:
        del error, now
        self.watchers.pop(self._branches.get(branch, ""), None)


class Voicemail(Notifier):
    """The same for a mailbox (RFC 3842)."""

    event, content_type = "message-summary", SUMMARY

    def set_new(self, count: int) -> None:
        self.set_dialog(f"Messages-Waiting: {'yes' if count else 'no'}\r\nVoice-Message: {count}/0\r\n")

    def _body(self, version: int) -> bytes:
        del version
        return self._dialog.encode()
