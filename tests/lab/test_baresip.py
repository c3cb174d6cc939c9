"""A phone that is not ours uses the lab: baresip with MD5 digest, AES_CM_128_HMAC_SHA1_80 and its own SIP stack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from softphone.engine.waiting import in_thread, run
from softphone.lab.lab import LOOPBACK, Lab
from tests.lab.line import lab_running
from tests.peers.baresip import Baresip


@dataclass
class LabAsServer:
    lab: Lab
    domain: str = LOOPBACK
    host: str = LOOPBACK

    @property
    def tls_port(self) -> int:
        return self.lab.port

    @property
    def root(self) -> Path:
        return self.lab.ca_file


def test_baresip_registers_and_talks_to_the_echo_in_srtp() -> None:
    def phone(lab: Lab) -> None:
        baresip = Baresip("lab", LabAsServer(lab), "alice", lab.accounts["alice"], mediaenc="srtp-mand")
        try:
            baresip.dial(f"sip:echo@{LOOPBACK}")
            baresip.wait_for("CALL_ESTABLISHED")
            baresip.wait_for("CALL_RTPESTAB")
            baresip.hangup()
            baresip.wait_for("CALL_CLOSED")
        finally:
            baresip.stop()

    async def work() -> None:
        async with lab_running(digests=("MD5",)) as lab:
            await in_thread(phone, lab)
        assert [(call.service, call.encrypted, call.ended) for call in lab.calls] == [("echo", True, True)]
        call = lab.calls[0]
        assert call.srtp_suite == "AES_CM_128_HMAC_SHA1_80"
        assert call.report is not None
        assert call.report.rtp_received > 0
        # baresip 1.0 sends its RTCP "PING" at the start and its BYE at the end in clear; the lab sees that.
        assert call.plain_rtp_seen <= 2

    run(work())
