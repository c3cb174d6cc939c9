"""The redacted SIP trace (`--trace FILE`): every message with keys, credentials and nonces masked before it is written.

Redaction works on whole messages as they are sent and received; what cannot be read as text is noted by its length.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TextIO

from softphone.sdp.masking import masked_sdp

_SECRET_HEADERS = re.compile(
    rb"(?im)^(authorization|proxy-authorization|www-authenticate|proxy-authenticate|authentication-info)[ \t]*:"
    rb"[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*"  # with folded lines
)


def redacted(data: bytes) -> str:
    head, separator, body = data.partition(b"\r\n\r\n")
    head = _SECRET_HEADERS.sub(lambda found: found.group(1) + b": [redacted]", head)
    return (head + separator + masked_sdp(body)).decode("utf-8", "backslashreplace")


class Trace:
    def __init__(self, out: TextIO) -> None:
        self._out = out

    def sent(self, flow_id: str, data: bytes) -> None:
        self._write(">>>", flow_id, data)

    def received(self, flow_id: str, data: bytes) -> None:
        self._write("<<<", flow_id, data)

    def _write(self, arrow: str, flow_id: str, data: bytes) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        text = "[keep-alive]" if not data.strip() else redacted(data)
        self._out.write(f"{arrow} {stamp} flow {flow_id} {len(data)} octets\n{text}\n\n")
        self._out.flush()
