"""Recorded calls as the engine would list them, and states in which a call is recorded or may not be."""

from __future__ import annotations

from softphone.errors import Failure, FailureKind
from softphone.messages import RecordingCondition, RecordingsListed, RecordingView, SettingsChanged, SettingsView
from softphone.policy.origin import Origin
from softphone.policy.recording import RecordingFormat, RecordingOptions
from softphone.ua import events as ua
from tests.ui.states import BOB, READY, active, after

NOON = 1_780_000_000.0  # s since 1970
WHOLE = RecordingView(
    "4f0c11aa22bb",
    NOON,
    2_411_724,
    193.4,
    BOB,
    "alice@example.org",
    incoming=True,
    format=RecordingFormat.FLAC,
    announced=True,
)
CUT = RecordingView(
    "77aa00112233",
    NOON - 86_400,
    611_724,
    42.0,
    ua.Party("sip:carol@example.org", "Carol Jones"),
    "alice@example.org",
    format=RecordingFormat.OPUS,
    condition=RecordingCondition.INCOMPLETE,
)
UNREADABLE = RecordingView(
    "0123456789ab",
    NOON - 400_000,
    91_000,
    condition=RecordingCondition.UNREADABLE,
    failure=Failure(
        FailureKind.STORAGE, "It was encrypted with another key than the one in the keyring.", "Unlock it."
    ),
)
RUNNING = RecordingView("aaaaaaaaaaaa", NOON, 1_000, 2.0, BOB, condition=RecordingCondition.RUNNING)
LISTED = after(READY, RecordingsListed((WHOLE, CUT, UNREADABLE)))
RECORDED = after(active(), ua.RecordingChanged("c1", True), begin=50.0)
FORBIDDEN = after(
    active(), SettingsChanged(SettingsView(recording=RecordingOptions(permitted=False, origin=Origin.MANAGED)))
)
