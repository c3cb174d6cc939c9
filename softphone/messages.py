"""Commands and events of the program around the user agent: signing in, settings, devices, the engine's own life.

Together with `ua/commands.py` and `ua/events.py` these are all words that cross the link between window and engine.
Passwords cross inwards only, in `SignIn`; nothing outwards carries a secret.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from softphone.errors import Failure
from softphone.policy.audio import AudioOptions, DeviceForm
from softphone.policy.media import ConnectionProfile, MediaEncryption, UnencryptedPeer
from softphone.policy.origin import Origin
from softphone.policy.recording import RecordingFormat, RecordingOptions
from softphone.policy.secret import Secret
from softphone.policy.tls import TlsProfile
from softphone.ua.account import AccountId, CallRules, DigitsMode, WatchedLine
from softphone.ua.actions import Tone
from softphone.ua.commands import Command as CallCommand
from softphone.ua.device_report import DeviceTestResult, DeviceTestStep, DeviceTestView
from softphone.ua.events import Event as CallEvent
from softphone.ua.events import Party


@dataclass(frozen=True, slots=True)
class SignIn:
    """Adds or replaces an account, saves it, puts the password into the keyring, and registers.

    `server` is "host", "host:port" or "" for the domain. `ca_files` are added to the settings' list.
    """

    account_id: AccountId
    user: str
    domain: str
    password: Secret
    server: str = ""
    auth_user: str = ""
    display_name: str = ""
    ca_files: tuple[str, ...] = ()
    remember_password: bool = True


@dataclass(frozen=True, slots=True)
class SignOut:
    """Unregisters, forgets the account and its password."""

    account_id: AccountId


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """The settings pane's "Media encryption"."""

    encryption: MediaEncryption = MediaEncryption.MANDATORY
    profile: ConnectionProfile = ConnectionProfile.PUBLIC
    unencrypted_peer: UnencryptedPeer = UnencryptedPeer.ASK


@dataclass(frozen=True, slots=True)
class ChangeMediaSettings:
    """Refused with a Notice when the profile does not permit the value; otherwise saved and in force for new calls."""

    settings: MediaSettings


@dataclass(frozen=True, slots=True)
class ChooseDevices:
    """Device ids of `AudioDevices`; "" follows the system's default."""

    microphone: str = ""
    speaker: str = ""
    ringer: str = ""  # "": on the speaker


@dataclass(frozen=True, slots=True)
class ChangeAudioOptions:
    """Saved and in force at once."""

    options: AudioOptions


@dataclass(frozen=True, slots=True)
class PinCertificate:
    """The person has read this SHA-256 fingerprint (hex) and trusts it for the account's server."""

    account_id: AccountId
    sha256: str


@dataclass(frozen=True, slots=True)
class Quit:
    """End calls, unregister, end the engine."""


@dataclass(frozen=True, slots=True)
class RaiseWindow:
    """A second start of the window: the first comes to the front. `dial` is the address of a sip: link, or ""."""

    dial: str = ""


@dataclass(frozen=True, slots=True)
class AccountOptions:
    """What a person chooses per account beside its address; empty `codecs` and None `media` follow the general ones."""

    rules: CallRules = field(default_factory=CallRules)
    digits: DigitsMode = DigitsMode.AUTO
    hide_identity: bool = False
    message_waiting: bool = True
    voicemail: str = ""
    watched: tuple[WatchedLine, ...] = ()
    codecs: tuple[str, ...] = ()
    media: MediaSettings | None = None
    ringtone: str = ""  # a sound file; "": as all accounts


@dataclass(frozen=True, slots=True)
class ChangeAccountOptions:
    """Saved and in force for new calls; refused with a Notice where policy forbids it."""

    account_id: AccountId
    options: AccountOptions


@dataclass(frozen=True, slots=True)
class ChooseDefaultAccount:
    """The account that calls go out with when none is named."""

    account_id: AccountId


@dataclass(frozen=True, slots=True)
class PlaySample:
    """A tone to listen to, for a while and on the device where it would be heard; SamplePlaying follows."""

    tone: Tone
    ringtone: str = ""  # for RINGING: a sound file; "": the built-in one
    country: str = ""  # whose; "": as the system's language


@dataclass(frozen=True, slots=True)
class StopSample:
    """Nothing happens where none plays."""


@dataclass(frozen=True, slots=True)
class PressKey:
    """A key of the dial pad, where no call is to hear it: the person does. In a call, SendDigits does both."""

    key: str


@dataclass(frozen=True, slots=True)
class StartDeviceTest:
    """Microphone and speaker of the settings, while no call runs; DeviceTestEnded follows."""

    step: DeviceTestStep


@dataclass(frozen=True, slots=True)
class StopDeviceTest:
    """Nothing happens where none runs."""


@dataclass(frozen=True, slots=True)
class ChangeRecordingOptions:
    """How calls are recorded from the next one on. Whether they may be is not for the person to say here."""

    format: RecordingFormat
    announce: bool


@dataclass(frozen=True, slots=True)
class ListRecordings:
    """RecordingsListed follows."""


@dataclass(frozen=True, slots=True)
class ExportRecording:
    """Out of the encrypted file into one that everybody can play; RecordingExported or a Notice follows."""

    recording_id: str
    path: str


@dataclass(frozen=True, slots=True)
class DeleteRecording:
    """For good; RecordingsListed follows, after a Notice where it did not work."""

    recording_id: str


AppCommand = (
    SignIn
    | SignOut
    | ChangeMediaSettings
    | ChangeAccountOptions
    | ChooseDefaultAccount
    | ChooseDevices
    | ChangeAudioOptions
    | PlaySample
    | StopSample
    | PressKey
    | StartDeviceTest
    | StopDeviceTest
    | ChangeRecordingOptions
    | ListRecordings
    | ExportRecording
    | DeleteRecording
    | PinCertificate
    | Quit
    | RaiseWindow
)
AnyCommand = CallCommand | AppCommand


class DeviceKind(enum.Enum):
    MICROPHONE = "microphone"
    SPEAKER = "speaker"


@dataclass(frozen=True, slots=True)
class AudioDeviceView:
    id: str
    name: str  # as people know it
    kind: DeviceKind
    is_default: bool = False
    form: DeviceForm = DeviceForm.OPEN


class RecordingCondition(enum.Enum):
    COMPLETE = "complete"
    RUNNING = "running"  # being recorded now
    INCOMPLETE = "incomplete"  # the phone or the machine stopped: it ends with what had been written
    DAMAGED = "damaged"  # only its beginning is authentic
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class RecordingView:
    """A recorded call. Of one that cannot be read only the first three are known, and why."""

    id: str
    started_at: float  # s since 1970
    size: int  # octets
    seconds: float = 0.0
    remote: Party | None = None
    account_id: AccountId = ""
    incoming: bool = False
    format: RecordingFormat | None = None
    announced: bool = False
    condition: RecordingCondition = RecordingCondition.COMPLETE
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class SettingsView:
    """What the window shows of the settings; `origin` says who decided."""

    media: MediaSettings = field(default_factory=MediaSettings)
    media_origin: Origin = Origin.DEFAULT
    tls_profile: TlsProfile = TlsProfile.GATEWAY
    ca_files: tuple[str, ...] = ()
    microphone: str = ""
    speaker: str = ""
    ringer: str = ""
    audio: AudioOptions = field(default_factory=AudioOptions)
    recording: RecordingOptions = field(default_factory=RecordingOptions)
    settings_file: str = ""
    default_account: AccountId = ""  # "": the first one
    problem: Failure | None = None  # the file is broken: it is kept, nothing is written


@dataclass(frozen=True, slots=True)
class AccountKnown:
    """An account is set up or changed (its registration follows as RegistrationChanged)."""

    account_id: AccountId
    address: str
    display_name: str
    server: str
    options: AccountOptions = field(default_factory=AccountOptions)


@dataclass(frozen=True, slots=True)
class AccountForgotten:
    account_id: AccountId


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    settings: SettingsView


@dataclass(frozen=True, slots=True)
class DevicesChanged:
    devices: tuple[AudioDeviceView, ...]


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something the person should know that belongs to no call: a refused setting, a keyring that is locked."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class WindowRaised:
    dial: str = ""


@dataclass(frozen=True, slots=True)
class SamplePlaying:
    """A tone that somebody listens to in the settings begins or ends."""

    playing: bool


@dataclass(frozen=True, slots=True)
class DeviceTestProgressed:
    """Ten times a second."""

    test: DeviceTestView  # what is known in this moment


@dataclass(frozen=True, slots=True)
class DeviceTestEnded:
    """What the step found; neither result nor failure where it was stopped."""

    step: DeviceTestStep
    result: DeviceTestResult | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class RecordingsListed:
    """Newest first."""

    recordings: tuple[RecordingView, ...]


@dataclass(frozen=True, slots=True)
class RecordingExported:
    """`condition` is COMPLETE, or says that only a part could be."""

    recording_id: str
    path: str
    seconds: float
    condition: RecordingCondition


@dataclass(frozen=True, slots=True)
class EngineEnding:
    """The engine ends now, in order."""


AppEvent = (
    AccountKnown
    | AccountForgotten
    | SettingsChanged
    | DevicesChanged
    | SamplePlaying
    | DeviceTestProgressed
    | DeviceTestEnded
    | RecordingsListed
    | RecordingExported
    | Noticed
    | WindowRaised
    | EngineEnding
)
AnyEvent = CallEvent | AppEvent
