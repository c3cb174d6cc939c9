"""`softphone demo`: the whole way of a secure call on this machine alone, with proof that it was one (cli.md).

Owns: the play (lab, registration over TLS, echo call with mandatory SRTP, comparison of what came back), its verdict
and its words for people. No display, sound card or network is needed.
"""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from softphone.cli.calling import CallFollower
from softphone.cli.output import Output, QuietOutput, Result
from softphone.cli.phone_access import Composition, EngineKind, PhoneRequest, events_of
from softphone.cli.registering import await_registration
from softphone.dsp.correlation import best_alignment
from softphone.engine.audio.wav import read_wav
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.lab.lab import LOOPBACK, Lab
from softphone.lab.services import SENTENCE
from softphone.policy.secret import Secret
from softphone.policy.tls import TlsProfile
from softphone.sound import AudioChoice, AudioKind
from softphone.state import AccountView
from softphone.storage.resource import resource_path
from softphone.storage.settings import AccountSettings, Settings, TlsSection
from softphone.ua.commands import Dial

USER, SERVICE = "alice", "echo"
SECONDS = 5.0  # the sentence is 3.6 s long; its end has to come back too
PATIENCE = 4.0  # s for the registration and for the answer, each: with SECONDS this stays below 15
ALIKE = 0.8  # least correlation; G.711 alone gives more than 0.99
_RATE = 16_000  # Hz of the comparison: finer than the codec's, since the delay is no whole number of its samples
_REPORT = "This should not happen: report it with the output of “softphone demo --json --log-level debug”."


@dataclass(slots=True)
class Evidence:
    """What was found besides the call's own result; None where the call did not come so far."""

    echo_correlation: float | None = None
    delay_ms: float | None = None
    plain_rtp_seen: int | None = None  # at both ends
    tls_suites_offered: tuple[str, ...] = ()


@dataclass(slots=True)
class DemoCommand:
    composition: Composition
    output: Output
    seconds: float = SECONDS
    _step: int = field(default=0)

    async def run(self) -> Result:
        with tempfile.TemporaryDirectory(prefix="softphone-demo-") as folder:
            heard = Path(folder) / "heard.wav"
            async with self.composition.lab() as lab:
                self._say("A SIP server of its own", f"on {LOOPBACK} port {lab.port}, with a throw-away authority")
                self._event("lab-ready", port=lab.port)
                result = await self._call(lab, heard)
            # The lab is closed: its calls have their last reports.
            evidence = _evidence(lab, result, heard)
        result.failure = result.failure or _objection(result, evidence)
        result.fields |= {
            "plain_rtp_seen": evidence.plain_rtp_seen,
            "echo_correlation": evidence.echo_correlation,
            "delay_ms": evidence.delay_ms,
            "tls_suites_offered": list(evidence.tls_suites_offered),
        }
        self._conclude(result)
        return result

    async def _call(self, lab: Lab, heard: Path) -> Result:
        request = _request(lab, AudioChoice(AudioKind.FILE, resource_path(SENTENCE), heard))
        account_id = request.settings.accounts[0].name
        async with self.composition.own_phone(request) as phone, events_of(phone) as inbox:
            try:
                account = await await_registration(phone, inbox, account_id, PATIENCE)
            except OperationFailed as error:
                return Result(_nothing(), error.failure)
            self._registered(account)
            call_id = secrets.token_hex(8)
            self._event("calling", target=SERVICE)
            phone.submit(Dial(call_id, SERVICE, account_id))
            progress = self.output if self.output.json_lines else QuietOutput(json_lines=False)
            result = await CallFollower(phone, inbox, progress, call_id, self.seconds, PATIENCE).follow()
            self._called(result)
            return result

    # For scripts and for people

    def _event(self, name: str, **fields: Any) -> None:
        if self.output.json_lines:
            self.output.event(name, **fields)

    def _say(self, title: str, text: str) -> None:
        self._step += 1
        self.output.say(f" {self._step}  {title:<23}  {text}")

    def _registered(self, account: AccountView) -> None:
        flow = account.flow
        self._event("registered", **_tls(account))
        if flow is not None:
            self._say("Signed in", f"over {flow.tls_version}, {flow.tls_cipher}; the password itself was not sent")
            self._say("The right server", f"its certificate names {flow.identity} and its issuer is known")

    def _called(self, result: Result) -> None:
        fields = result.fields
        if result.failure is None:
            self._say("The echo answered", f"after {fields['setup_ms']:.0f} ms; codec {fields['codec']}")
        if fields.get("srtp_suite"):
            self._say("Voice is encrypted", f"SRTP with {fields['srtp_suite']}; without it the call would be refused")

    def _conclude(self, result: Result) -> None:
        fields = result.fields
        if fields.get("echo_correlation") is None:
            return
        sent, received = fields["rtp_sent"], fields["rtp_received"]
        self._say("A sentence came back", f"{sent} packets out, {received} in, {fields['delay_ms']:.0f} ms later")
        self._say("The same sentence", f"correlation {fields['echo_correlation']:.3f} (1 is equal)")
        self._say("Nothing went in clear", f"{fields['plain_rtp_seen']} packets without encryption, at either end")


def _request(lab: Lab, audio: AudioChoice) -> PhoneRequest:
    """A phone with nothing but the defaults, that is with mandatory SRTP, and the lab's authority."""
    account = AccountSettings(name="demo", user=USER, domain=LOOPBACK, server=f"{LOOPBACK}:{lab.port}")
    settings = Settings(tls=TlsSection(ca_files=(str(lab.ca_file),)), accounts=(account,))
    return PhoneRequest(settings, {account.name: Secret(lab.accounts[USER])}, None, audio, None)


def _nothing() -> dict[str, Any]:
    names = (
        "tls_version tls_cipher srtp_suite media codec setup_ms duration_s rtp_sent rtp_received lost plain_rtp_seen"
    )
    return {"engine": EngineKind.OWN, **dict.fromkeys(names.split())}


def _tls(account: AccountView) -> dict[str, Any]:
    flow = account.flow
    return {"tls_version": flow.tls_version if flow else None, "tls_cipher": flow.tls_cipher if flow else None}


def _evidence(lab: Lab, result: Result, heard: Path) -> Evidence:
    offered = tuple(dict.fromkeys(suite for hello in lab.client_hellos for suite in hello.suites))
    evidence = Evidence(tls_suites_offered=offered)
    ours = result.fields.get("plain_rtp_seen")
    if ours is not None and lab.calls and lab.calls[0].report is not None:
        evidence.plain_rtp_seen = ours + lab.calls[0].plain_rtp_seen
    if heard.exists():
        spoken = read_wav(resource_path(SENTENCE), _RATE)
        correlation, delay = best_alignment(spoken, read_wav(heard, _RATE), _RATE)
        evidence.echo_correlation, evidence.delay_ms = round(correlation, 4), round(delay, 1)
    return evidence


def _objection(result: Result, evidence: Evidence) -> Failure | None:
    """Why a call that went well all the same proves nothing; None if it proves all."""
    fields = result.fields
    if fields.get("media") != "srtp" or not fields.get("srtp_suite"):
        return Failure(FailureKind.MEDIA_NOT_ENCRYPTED, "The call to the lab was not encrypted.", _REPORT)
    if evidence.plain_rtp_seen is None:
        return Failure(FailureKind.ENGINE_FAILED, "One of the two ends has no account of its packets.", _REPORT)
    if evidence.plain_rtp_seen:
        reason = f"{evidence.plain_rtp_seen} packets arrived that were not encrypted with the agreed keys."
        return Failure(FailureKind.PROTOCOL, reason, _REPORT)
    strangers = [suite for suite in evidence.tls_suites_offered if suite not in TlsProfile.GATEWAY.suites]
    if strangers or not evidence.tls_suites_offered:
        reason = f"TLS suites outside the profile were offered: {', '.join(strangers) or 'none was seen'}."
        return Failure(FailureKind.TLS_CIPHER, reason, _REPORT)
    if evidence.echo_correlation is None or evidence.echo_correlation < ALIKE:
        heard = "nothing" if evidence.echo_correlation is None else f"correlation {evidence.echo_correlation:.2f}"
        return Failure(
            FailureKind.MEDIA_LOST,
            f"What came back is not what was spoken ({heard}).",
            "Try again when the machine is less busy; if it happens again, report it.",
        )
    return None
