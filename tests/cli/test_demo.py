"""`softphone demo`: what it shows, what it says, and that it does not praise a call that proves nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from softphone.app import Application
from softphone.cli.demo import ALIKE, DemoCommand, Evidence, _objection
from softphone.cli.output import Output, Result
from softphone.cli.phone_access import PhoneRequest
from softphone.controller import Phone
from softphone.engine.waiting import run
from softphone.errors import FailureKind
from softphone.policy.tls import TlsProfile
from softphone.sound import AudioChoice, AudioKind
from softphone.srtp.crypto_suites import CRYPTO_SUITES
from tests.cli.program import json_lines, softphone

GOOD_CALL: dict[str, Any] = {"media": "srtp", "srtp_suite": "AEAD_AES_256_GCM"}
GOOD = Evidence(0.99, 150.0, 0, tuple(TlsProfile.GATEWAY.suites))


@pytest.mark.real_time
def test_the_json_result_has_every_field_and_comes_within_15_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    ended = softphone(tmp_path, "demo", "--json")
    assert time.monotonic() - began < 15
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    lines = json_lines(ended.stdout)
    result = lines[-1]
    assert result["ok"] is True
    assert result["tls_version"] == "TLSv1.3"
    assert result["tls_cipher"] in TlsProfile.GATEWAY.tls13_suites
    assert result["srtp_suite"] in CRYPTO_SUITES
    assert 0 < result["setup_ms"] < 4000
    assert result["rtp_sent"] > 200
    assert result["rtp_received"] > 200
    assert result["echo_correlation"] > 0.9
    assert 20 < result["delay_ms"] < 1000
    assert result["plain_rtp_seen"] == 0
    assert (result["media"], result["codec"], result["ended_by"]) == ("srtp", "PCMU", "local")
    assert set(result["tls_suites_offered"]) == TlsProfile.GATEWAY.suites
    assert [line["event"] for line in lines[:3]] == ["lab-ready", "registered", "calling"]


@pytest.mark.real_time
def test_people_read_what_each_step_proves(tmp_path: Path) -> None:
    ended = softphone(tmp_path, "demo", "--seconds", "3")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for words in (
        "throw-away authority",
        "TLSv1.3",
        "certificate names 127.0.0.1",
        "SRTP with",
        "Nothing went in clear",
    ):
        assert words in ended.stdout
    assert "✓" in ended.stdout


class Deaf(Application):
    """Like the application, but the phone's speaker records nothing."""

    @asynccontextmanager
    async def own_phone(self, request: PhoneRequest) -> AsyncIterator[Phone]:
        async with super().own_phone(replace(request, audio=AudioChoice(AudioKind.NULL))) as phone:
            yield phone


def test_a_call_of_which_nothing_was_heard_is_no_success() -> None:
    result = run(DemoCommand(Deaf(), Output(json_lines=True), seconds=1.0).run())
    assert result.failure is not None
    assert result.failure.kind is FailureKind.MEDIA_LOST
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("call", "evidence", "kind"),
    [
        ({"media": "clear"}, GOOD, FailureKind.MEDIA_NOT_ENCRYPTED),
        ({"media": None, "srtp_suite": None}, GOOD, FailureKind.MEDIA_NOT_ENCRYPTED),
        ({}, replace(GOOD, plain_rtp_seen=1), FailureKind.PROTOCOL),
        ({}, replace(GOOD, plain_rtp_seen=None), FailureKind.ENGINE_FAILED),
        ({}, replace(GOOD, tls_suites_offered=("TLS_CHACHA20_POLY1305_SHA256",)), FailureKind.TLS_CIPHER),
        ({}, replace(GOOD, tls_suites_offered=()), FailureKind.TLS_CIPHER),
        ({}, replace(GOOD, echo_correlation=ALIKE - 0.01), FailureKind.MEDIA_LOST),
        ({}, replace(GOOD, echo_correlation=None), FailureKind.MEDIA_LOST),
    ],
)
def test_each_missing_proof_is_a_failure_of_its_own(
    call: dict[str, Any], evidence: Evidence, kind: FailureKind
) -> None:
    failure = _objection(Result({**GOOD_CALL, **call}), evidence)
    assert failure is not None
    assert failure.kind is kind


def test_a_call_that_proves_all_is_not_objected_to() -> None:
    assert _objection(Result(dict(GOOD_CALL)), GOOD) is None
