"""DTLS-SRTP with the lab's services: the honest one, and those that are not what their description says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from softphone.engine.waiting import run
from softphone.errors import FailureKind
from softphone.policy.media import KeyExchange
from softphone.ua.commands import Answer, Rekey
from softphone.ua.events import CallEnded, CallEstablished, CallSecured, EndedBy, IncomingCall
from tests.lab.line import MANDATORY, lab_running, signed_in, spoken
from tests.peers.speech import likeness

DTLS = replace(MANDATORY, key_exchange=KeyExchange.DTLS)


def test_echo_brings_back_what_was_said_over_dtls_and_under_new_keys(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path, media=DTLS) as line:
            call_id = line.dial("echo")
            secured = await line.until(CallSecured)
            assert (secured.srtp_suite, secured.key_exchange) == ("AEAD_AES_256_GCM", KeyExchange.DTLS)
            await line.spend(2.2)
            line.phone.submit(Rekey(call_id))
            await line.spend(1.5)
            ended = await line.hang_up(call_id)
        assert likeness(spoken()[: 16_000 * 2], line.heard(), 16_000) > 0.9
        assert ended.report is not None
        assert ended.report.rtp_received > 150
        assert ended.report.plain_rtp_seen == 0
        assert lab.calls[0].encrypted

    run(work())


def test_a_certificate_that_was_not_announced_ends_the_call(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path, media=DTLS) as line:
            line.dial("wrong-key")
            ended = await line.until(CallEnded)
        assert ended.failure is not None
        assert (ended.failure.kind, ended.ended_by) == (FailureKind.FINGERPRINT_MISMATCH, EndedBy.POLICY)
        assert not line.saw(CallSecured)
        assert not line.recording.exists()  # the sound was never opened

    run(work())


@pytest.mark.parametrize("service", ["tamper", "silent"])
def test_what_is_tampered_with_or_never_comes_is_not_played(tmp_path: Path, service: str) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path, media=DTLS) as line:
            call_id = line.dial(service)
            await line.until(CallEstablished)
            await line.spend(1.0)
            await line.hang_up(call_id)
        assert not line.saw(CallSecured)

    run(work())


def test_a_call_from_the_lab_is_taken_with_its_own_key_exchange(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path, media=DTLS) as line:
            line.dial("callback-echo")
            await line.until(CallEnded)
            incoming = await line.until(IncomingCall)
            line.phone.submit(Answer(incoming.call_id))
            assert (await line.until(CallSecured)).key_exchange is KeyExchange.SDES
            await line.hang_up(incoming.call_id)

    run(work())
