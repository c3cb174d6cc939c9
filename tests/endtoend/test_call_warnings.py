"""What a person is warned of while a call runs: a real microphone that is silent, a real line that loses packets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from softphone.ua.call_warnings import CallWarningKind
from tests.endtoend.accounts import signed_in
from tests.endtoend.phone import Event, PhoneProcess
from tests.engine.media.lockstep import voice
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.impaired_line import ImpairedLine, Impairment
from tests.peers.kamailio import Kamailio
from tests.peers.pulse import RATE, PulseRig
from tests.peers.speech import OTHER_SENTENCE, Speech

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]
StartPhone = Callable[..., PhoneProcess]
WITHIN = 60.0


def of(kind: CallWarningKind) -> Callable[[Event], bool]:
    return lambda event: event["kind"] == kind.value


def test_a_silent_microphone_is_told_and_withdrawn_when_it_is_heard_and_the_systems_mute_is_named(
    peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig, start_phone: StartPhone
) -> None:
    theirs = speech.wav(8000, OTHER_SENTENCE)
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}")
    phone = start_phone(
        *("call", "bob", *signed_in(kamailio.tls_port, kamailio.root), "--audio", "device", "--seconds", 120),
        password="alicepw",
        environment=pulse.environment,
    )
    phone.wait_for("secured")
    warning = phone.wait_for("warning", of(CallWarningKind.MICROPHONE_SILENT), WITHIN)
    assert warning["reason"] == "Your microphone is silent: nobody hears you."
    pulse.control("set-source-mute", "a_in", "1")
    phone.wait_for("warning", of(CallWarningKind.MICROPHONE_MUTED), WITHIN)
    phone.wait_for("warning-over", of(CallWarningKind.MICROPHONE_SILENT), WITHIN)
    pulse.control("set-source-mute", "a_in", "0")
    pulse.play_samples("a_mic", voice(120.0, RATE))
    phone.wait_for("warning-over", of(CallWarningKind.MICROPHONE_MUTED), WITHIN)
    phone.interrupt()
    result = phone.finish().result
    told = {warning["kind"] for warning in result["warnings"]}
    assert {CallWarningKind.MICROPHONE_SILENT.value, CallWarningKind.MICROPHONE_MUTED.value} <= told
    assert CallWarningKind.LINE_LOSES.value not in told
    assert CallWarningKind.NOTHING_ARRIVES.value not in told


def test_a_line_that_loses_packets_both_ways_is_told_and_withdrawn_when_it_is_whole_again(
    peers: Peers, ca: PrivateCa, speech: Speech, start_phone: StartPhone
) -> None:
    theirs = speech.wav(8000, OTHER_SENTENCE)
    line = peers.start(ImpairedLine, Impairment(loss=0.15, burst=2, seed=4))
    kamailio = peers.start(Kamailio, ca, rtpengine=line.port)
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}")
    phone = start_phone(
        *("call", "bob", *signed_in(kamailio.tls_port, kamailio.root)),
        *("--audio", "file", "--play", theirs, "--seconds", 120),
        password="alicepw",
    )
    phone.wait_for("secured")
    warning = phone.wait_for("warning", of(CallWarningKind.LINE_LOSES), WITHIN)
    assert "losing packets" in warning["reason"]
    phone.wait_for("warning", of(CallWarningKind.LINE_LOSES_OURS), WITHIN)
    line.begin(Impairment())
    phone.wait_for("warning-over", of(CallWarningKind.LINE_LOSES), WITHIN)
    phone.wait_for("warning-over", of(CallWarningKind.LINE_LOSES_OURS), WITHIN)
    phone.interrupt()
    told = [warning["kind"] for warning in phone.finish().result["warnings"]]
    assert {CallWarningKind.LINE_LOSES.value, CallWarningKind.LINE_LOSES_OURS.value} <= set(told)
    assert not {kind for kind in told if kind.startswith("microphone")}, "a file is no microphone"
