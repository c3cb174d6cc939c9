"""Every service of the lab, called by a real phone over TLS on loopback."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import numpy as np
import pytest

from softphone.dsp.correlation import best_alignment
from softphone.engine.waiting import in_thread, run
from softphone.errors import FailureKind
from softphone.lab.calls import LabCall
from softphone.lab.lab import LOOPBACK, Lab
from softphone.lab.services import SERVICES
from softphone.policy.tls import TlsProfile
from softphone.ua.commands import Answer, SendDigits
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallNotEncrypted,
    CallRefused,
    CallReported,
    CallRinging,
    CallSecured,
    EarlyMediaStarted,
    EndedBy,
    HoldChanged,
    IncomingCall,
    RegistrationState,
)
from tests.lab.line import DISABLED, OPTIONAL, PATIENCE, lab_running, signed_in, spoken
from tests.peers.speech import likeness

pytestmark = pytest.mark.real_time


def test_echo_brings_back_what_was_said_and_both_ends_saw_srtp_alone(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path) as line:
            call_id = line.dial("echo")
            await line.until(CallSecured)
            line.phone.submit(SendDigits(call_id, "5"))
            await line.spend(2.5)
            ended = await line.hang_up(call_id)
        _, delay_ms = best_alignment(spoken()[: 16_000 * 2], line.heard(), 16_000)
        assert likeness(spoken()[: 16_000 * 2], line.heard(), 16_000) > 0.9
        assert 20 < delay_ms < 600
        assert ended.report is not None
        assert ended.report.rtp_received > 100
        assert ended.report.plain_rtp_seen == 0
        assert [call.service for call in lab.calls] == ["echo"]
        seen = lab.calls[0]
        assert (seen.encrypted, seen.plain_rtp_seen, seen.ended, seen.digits) == (True, 0, True, "5")
        assert seen.report is not None
        assert seen.report.rtp_received >= ended.report.rtp_sent - 5
        assert [set(hello.suites) for hello in lab.client_hellos] == [set(TlsProfile.GATEWAY.suites)]
        assert not lab.ca_file.exists()

    run(work())


def test_speech_repeats_the_sentence(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path) as line:
            call_id = line.dial("speech")
            await line.until(CallSecured)
            await line.spend(1.5)
            await line.hang_up(call_id)
            assert likeness(spoken()[:16_000], line.heard(), 16_000) > 0.9

    run(work())


def test_tone_is_440_hz(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path) as line:
            call_id = line.dial("tone")
            await line.until(CallSecured)
            await line.spend(1.0)
            await line.hang_up(call_id)
            heard = line.heard()[-8000:].astype(np.float64)
            spectrum = np.abs(np.fft.rfft(heard * np.hanning(heard.size)))
            assert abs(np.argmax(spectrum) * 16_000 / heard.size - 440) <= 4

    run(work())


@pytest.mark.parametrize(
    ("service", "status", "rings"), [("busy", 486, False), ("decline", 603, True), ("nobody", 404, False)]
)
def test_a_call_that_is_refused_has_its_status(tmp_path: Path, service: str, status: int, rings: bool) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path) as line:
            line.dial(service)
            ended = await line.until(CallEnded)
            assert (ended.status, ended.ended_by) == (status, EndedBy.REMOTE)
            assert bool(line.saw(CallRinging)) is rings

    run(work())


def test_ring_rings_until_the_caller_gives_up(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path) as line:
            call_id = line.dial("ring")
            await line.until(CallRinging)
            await line.spend(0.5)
            ended = await line.hang_up(call_id)
            assert ended.ended_by is EndedBy.LOCAL
            assert not line.saw(CallEstablished)
        assert [(call.established, call.ended) for call in lab.calls] == [(False, True)]

    run(work())


def test_slow_rings_first_and_then_is_an_echo(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running(pace=0.1) as lab, signed_in(lab, tmp_path) as line:
            call_id = line.dial("slow")
            await line.until(CallRinging)
            assert not line.saw(CallEstablished)
            await line.until(CallSecured)
            await line.hang_up(call_id)
        assert lab.calls[0].established

    run(work())


def test_early_is_heard_before_it_answers(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running(pace=0.4) as lab, signed_in(lab, tmp_path) as line:
            call_id = line.dial("early")
            await line.until(EarlyMediaStarted)
            await line.until(CallSecured)
            assert not line.saw(CallEstablished)
            await line.until(CallEstablished)
            await line.hang_up(call_id)
            assert best_alignment(spoken(), line.heard(), 16_000)[0] > 0.8

    run(work())


def test_hold_holds_and_resumes_and_the_voice_goes_on(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running(pace=0.25) as lab, signed_in(lab, tmp_path) as line:
            call_id = line.dial("hold")
            assert (await line.until(HoldChanged)).held_by_peer
            assert not (await line.until(HoldChanged)).held_by_peer
            before = await line.until(CallReported)
            after = await line.until(CallReported)
            assert after.report.rtp_received - before.report.rtp_received > 30
            ended = await line.hang_up(call_id)
            assert ended.report is not None
            assert ended.report.auth_failures == 0

    run(work())


def test_hangup_hangs_up(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running(pace=0.2) as lab, signed_in(lab, tmp_path) as line:
            line.dial("hangup")
            ended = await line.until(CallEnded)
            assert line.saw(CallEstablished)
            assert (ended.ended_by, ended.failure) == (EndedBy.REMOTE, None)

    run(work())


def test_silent_sends_nothing_at_all(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path) as line:
            call_id = line.dial("silent")
            await line.until(CallEstablished)
            await line.spend(0.6)
            ended = await line.hang_up(call_id)
            assert ended.report is not None
            assert ended.report.rtp_sent > 10
            assert (ended.report.rtp_received, ended.report.plain_rtp_seen) == (0, 0)
            assert not line.saw(CallSecured)

    run(work())


# --- the faulty ones ----------------------------------------------------------------------------------------------


def test_clear_is_hung_up_with_a_reason_and_not_a_packet_is_sent_or_played(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path) as line:
            line.dial("clear")
            ended = await line.until(CallEnded)
        assert ended.failure is not None
        assert ended.failure.kind is FailureKind.MEDIA_NOT_ENCRYPTED
        assert ended.ended_by is EndedBy.POLICY
        assert not line.recording.exists()  # nothing was ever started
        call = lab.calls[0]
        assert (call.established, call.ended) == (True, True)  # our ACK came, then our BYE
        assert call.report is not None
        assert call.report.rtp_received == 0

    run(work())


@pytest.mark.parametrize("service", ["wrong-key", "tamper"])
def test_what_does_not_authenticate_is_counted_and_never_played(tmp_path: Path, service: str) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path) as line:
            call_id = line.dial(service)
            await line.until(CallEstablished)
            await line.spend(1.0)
            ended = await line.hang_up(call_id)
        assert ended.report is not None
        assert ended.report.rtp_received == 0
        assert ended.report.auth_failures > 20
        assert not line.saw(CallSecured)
        heard = line.heard()
        assert heard.size > 8000
        assert not heard.any()
        call = lab.calls[0]
        assert call.report is not None
        assert call.report.rtp_received > 20  # the other direction was honest: only theirs is wrong
        assert call.plain_rtp_seen == 0

    run(work())


def test_callback_echo_calls_back_over_the_flow_of_the_caller(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path) as line:
            line.dial("callback-echo")
            assert (await line.until(CallEnded)).status == 486
            incoming = await line.until(IncomingCall)
            assert incoming.unencrypted is None
            line.phone.submit(Answer(incoming.call_id))
            await line.until(CallSecured)
            await line.spend(1.5)
            await line.hang_up(incoming.call_id)
        assert likeness(spoken()[:16_000], line.heard(), 16_000) > 0.9
        assert [(call.service, call.direction) for call in lab.calls] == [
            ("callback-echo", "incoming"),
            ("echo", "outgoing"),
        ]
        assert lab.calls[1].encrypted

    run(work())


def test_callback_clear_is_refused_with_488_and_said(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path) as line:
            line.dial("callback-clear")
            refused = await line.until(CallRefused)
            assert refused.failure.kind is FailureKind.MEDIA_NOT_ENCRYPTED
            assert not line.saw(IncomingCall)
            await line.spend(0.2)
        call: LabCall = lab.calls[1]
        assert (call.direction, call.status, call.established) == ("outgoing", 488, False)
        assert call.failure is not None
        assert any("Warning: 399" in fact for fact in call.failure.evidence)

    run(work())


# --- policies other than Mandatory --------------------------------------------------------------------------------


def test_a_phone_with_encryption_disabled_gets_its_echo_in_clear(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path, media=DISABLED) as line:
            call_id = line.dial("echo")
            await line.until(CallNotEncrypted)
            await line.spend(1.5)
            ended = await line.hang_up(call_id)
        assert ended.report is not None
        assert ended.report.rtp_received > 40
        assert likeness(spoken()[:16_000], line.heard(), 16_000) > 0.9
        assert lab.calls[0].encrypted is False

    run(work())


def test_a_phone_that_allows_clear_calls_hears_the_clear_service(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path, media=OPTIONAL) as line:
            call_id = line.dial("clear")
            await line.until(CallNotEncrypted)
            await line.spend(1.2)
            await line.hang_up(call_id)
            assert best_alignment(spoken(), line.heard(), 16_000)[0] > 0.8

    run(work())


# --- the lab itself -----------------------------------------------------------------------------------------------


def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path, password="wrong") as line:
            account = line.phone.state.accounts[0]
            assert account.state is RegistrationState.FAILED
            assert account.failure is not None
            assert account.failure.kind is FailureKind.WRONG_CREDENTIALS

    run(work())


def test_two_phones_at_once_are_two_connections_on_one_media_thread(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            lab_running() as lab,
            signed_in(lab, tmp_path) as one,
            signed_in(lab, tmp_path, "bob") as other,
        ):
            first, second = one.dial("tone"), other.dial("echo")
            await one.until(CallSecured)
            await other.until(CallSecured)
            await other.spend(0.5)
            await one.hang_up(first)
            await other.spend(0.5)
            ended = await other.hang_up(second)
            assert ended.report is not None
            assert ended.report.rtp_received > 30  # the end of one call is not the end of the other
        assert sorted(call.service for call in lab.calls) == ["echo", "tone"]
        assert all(call.report is not None and call.plain_rtp_seen == 0 for call in lab.calls)

    run(work())


def test_a_lab_that_closes_in_a_call_ends_it_in_order(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path) as line:
            line.dial("speech")
            await line.until(CallSecured)
            await lab.close()
            ended = await line.until(CallEnded)
            assert (ended.ended_by, ended.failure) == (EndedBy.REMOTE, None)
            assert lab.calls[0].ended
            assert lab.calls[0].report is not None

    run(work())


def talk_nonsense(lab: Lab, octets: bytes) -> bytes:
    """A client that is no phone: sends over TLS, reads until the lab closes."""
    context = ssl.create_default_context(cafile=lab.ca_file)
    with (
        socket.create_connection((LOOPBACK, lab.port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=LOOPBACK) as flow,
    ):
        flow.sendall(octets)
        return flow.recv(1000)


@pytest.mark.parametrize("octets", [b"A" * 100_000, b"INVITE sip:echo@lab SIP/2.0\r\nContent-Length: 99999999\r\n\r\n"])
def test_a_client_that_talks_nonsense_is_dropped_and_leaves_nothing_behind(tmp_path: Path, octets: bytes) -> None:
    async def work() -> None:
        async with lab_running() as lab, signed_in(lab, tmp_path) as line:
            await in_thread(talk_nonsense, lab, octets)
            await line.spend(0.3)
            assert lab.connections == 1  # the phone's
            line.dial("busy")
            assert (await line.until(CallEnded)).status == 486

    run(work())


def test_a_phone_that_leaves_is_forgotten(tmp_path: Path) -> None:
    async def work() -> None:
        async with lab_running() as lab:
            async with signed_in(lab, tmp_path) as line:
                line.dial("ring")
                await line.until(CallRinging)
                assert lab.connections == 1
            async with signed_in(lab, tmp_path, "bob") as other:
                await other.spend(0.3)
                assert lab.connections == 1

    run(work())


def test_every_service_has_a_test() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in SERVICES if f'"{name}"' not in source] == []
