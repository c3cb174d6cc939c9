"""The redacted SIP trace (`--trace FILE`): every message, with keys, credentials, nonces and texts masked before.

Redaction works on whole messages: a key must not be shown because it came in two reads of the flow, nor a nonce because
two messages came in one. What no message ends is noted by its length.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TextIO

from softphone.sdp.masking import masked_sdp
from softphone.sip.framing import FramingError, KeepAlive, StreamFramer

MAX_FLOWS = 16  # whose unfinished messages are kept; older flows have ended
_SECRET_HEADERS = re.compile(
    rb"(?im)^(authorization|proxy-authorization|www-authenticate|proxy-authenticate"
    rb"|(?:proxy-)?authentication-info)[ \t]*:"
    rb"[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*"  # with folded lines
)
# What people write to each other and the digits that they press (which may be a PIN) are no evidence, and are never
# stored (security.md). Both the method and the type tell them, so that no odd spelling of one lets them through.
_PERSONAL = re.compile(
    rb"(?im)\A(?:MESSAGE|INFO)[ \t]"
    rb"|^CSeq[ \t]*:[ \t]*(?:\r?\n[ \t]+)?[0-9]+[ \t]+(?:\r?\n[ \t]+)?(?:MESSAGE|INFO)\b"
    rb"|^(?:content-type|c)[ \t]*:[ \t]*(?:\r?\n[ \t]+)?(?:text/|multipart/|message/cpim|application/dtmf)"
)
# A trace is read on a terminal: a peer's escape sequences are not its.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def redacted(data: bytes) -> str:
    head, separator, body = data.partition(b"\r\n\r\n")
    if body and _PERSONAL.search(head) is not None:
        body = b"[text of %d octets]" % len(body)
    head = _SECRET_HEADERS.sub(lambda found: found.group(1) + b": [redacted]", head)
    text = (head + separator + masked_sdp(body)).decode("utf-8", "backslashreplace")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


class Trace:
    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._framers: dict[str, StreamFramer] = {}

    def sent(self, flow_id: str, data: bytes) -> None:
        """`data` is whole messages: one, or a keep-alive."""
        self._write(">>>", flow_id, len(data), "[keep-alive]" if not data.strip() else redacted(data))

    def received(self, flow_id: str, data: bytes) -> None:
        """`data` is one read of the flow; a message is written once it is whole."""
        framer = self._framers.get(flow_id)
        if framer is None:
            framer = self._framers[flow_id] = StreamFramer()
            if len(self._framers) > MAX_FLOWS:
                del self._framers[next(iter(self._framers))]
        broken = None
        try:
            items = framer.feed(data)
        except FramingError as error:
            items, broken = list(error.complete), error
        for item in items:
            if isinstance(item, KeepAlive):
                self._write("<<<", flow_id, len(item.value), "[keep-alive]")
            else:
                self._write("<<<", flow_id, len(item), redacted(item))
        if broken is not None:
            self._write("<<<", flow_id, len(data), f"[in what was read last is no SIP message: {broken.reason}]")

    def _write(self, arrow: str, flow_id: str, octets: int, text: str) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._out.write(f"{arrow} {stamp} flow {flow_id} {octets} octets\n{text}\n\n")
        self._out.flush()
