"""States as the engine would send them: reduced from events, the clock counting one second an event."""

from __future__ import annotations

from softphone.errors import Failure, FailureKind
from softphone.messages import AccountKnown, AnyEvent, AudioDeviceView, DeviceKind, DevicesChanged
from softphone.state import AppState, reduce
from softphone.ua import events as ua
from softphone.ua.inputs import FlowDescription
from softphone.ua.media_report import MediaReport

FLOW = FlowDescription("TLSv1.3", "TLS_AES_256_GCM_SHA384", "192.0.2.2", 40000, "192.0.2.1", 5061, "example.org")
BOB = ua.Party("sip:bob@example.org", "Bob Sanders")
FINGERPRINT = ":".join(f"{octet:02X}" for octet in range(32))
SELF_SIGNED = Failure(
    FailureKind.SELF_SIGNED,
    "The certificate of pbx.example.org:5061 is self-signed: nobody but the server itself vouches for it.",
    f"Compare the SHA-256 fingerprint {FINGERPRINT} with the server's operator and pin it.",
    ("subject: CN=pbx.example.org", "issuer: CN=pbx.example.org", f"SHA-256: {FINGERPRINT}"),
)
WRONG_PASSWORD = Failure(
    FailureKind.WRONG_CREDENTIALS, "The server refused the password of alice.", "Check the user name and the password."
)
CANNOT_ENCRYPT = Failure(
    FailureKind.MEDIA_NOT_ENCRYPTED,
    "bob@example.org cannot encrypt, and your settings demand it.",
    "Turn on SRTP for this extension.",
    status=488,
)
DEVICES = (
    AudioDeviceView("mic-1", "Built-in microphone", DeviceKind.MICROPHONE, is_default=True),
    AudioDeviceView("mic-2", "USB headset", DeviceKind.MICROPHONE),
    AudioDeviceView("out-1", "Built-in loudspeaker", DeviceKind.SPEAKER, is_default=True),
)


def after(state: AppState, *events: AnyEvent, begin: float = 0.0) -> AppState:
    for second, event in enumerate(events):
        state = reduce(state, event, begin + second)
    return state


def account(
    state: ua.RegistrationState = ua.RegistrationState.REGISTERED,
    failure: Failure | None = None,
    base: AppState | None = None,
) -> AppState:
    """Alice's account in this state of registration."""
    flow = FLOW if state is ua.RegistrationState.REGISTERED else None
    return after(
        base or AppState(),
        DevicesChanged(DEVICES),
        AccountKnown("alice@example.org", "sip:alice@example.org", "", "example.org"),
        ua.RegistrationChanged("alice@example.org", state, failure=failure, flow=flow),
    )


READY = account()


def dialing(call_id: str = "c1", base: AppState = READY) -> AppState:
    return after(base, ua.CallStarted(call_id, "alice@example.org", BOB))


def active(call_id: str = "c1", base: AppState = READY) -> AppState:
    """Established at second 1, encrypted, with a report of the line."""
    return after(
        dialing(call_id, base),
        ua.CallRinging(call_id),
        ua.CallEstablished(call_id, "PCMU"),
        ua.CallSecured(call_id, "AEAD_AES_256_GCM", FLOW),
        ua.CallReported(call_id, MediaReport(4731, 4702, lost=12, jitter_ms=2.4, rtt_ms=31.0)),
    )


def incoming(call_id: str = "c2", base: AppState = READY, unencrypted: str | None = None) -> AppState:
    event = ua.IncomingCall(
        call_id, "alice@example.org", BOB, "sip:alice@example.org", unencrypted, unencrypted is not None
    )
    return after(base, event)


def ended(state: AppState, call_id: str = "c1", failure: Failure | None = None, at: float = 63.0) -> AppState:
    return after(state, ua.CallEnded(call_id, ua.EndedBy.REMOTE, failure=failure), begin=at)
