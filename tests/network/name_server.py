"""A name server of a few records, which the test changes while it runs (RFC 1035, RFC 2782).

Owns: its socket and thread, in the namespace of the thread that starts it. Answers A and SRV of what it knows, and
NXDOMAIN else. Must not know: who asks.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

PORT: Final = 53


class NameServer:
    """`records` maps (name, type) to the records' texts: ("sip.test.", "A") to ["10.78.2.1"]."""

    def __init__(self, address: str, records: dict[tuple[str, str], list[str]]) -> None:
        self.records = records
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, PORT))
        self._socket.settimeout(0.2)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="name server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(5)
        self._socket.close()

    def log_text(self) -> str:
        return "\n".join(self.asked)

    def _serve(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError, dns.exception.DNSException, OSError):
                data, source = self._socket.recvfrom(4096)
                self._socket.sendto(self._answer(dns.message.from_wire(data)).to_wire(), source)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        question = query.question[0]
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}")
        texts = self.records.get((name, kind), [])
        if texts:
            response.answer.append(dns.rrset.from_text(name, 1, "IN", kind, *texts))
        elif not any(known == name for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response
