"""Draws the pictures of docs/pictures from states, without a screen: `python -m tests.ui.pictures docs/pictures`.

With `--all FOLDER` every scene, to look through; QT_SCALE_FACTOR and `--dark` change how they are drawn.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSettings
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from softphone.messages import AccountKnown, AccountOptions, MediaSettings, SettingsChanged, SettingsView
from softphone.policy.media import ConnectionProfile, MediaEncryption
from softphone.rtp.quality import codec_impairment, quality
from softphone.sdp.negotiated import Direction
from softphone.state import AppState
from softphone.ua import events as ua
from softphone.ua.account import WatchedLine
from softphone.ua.call_warnings import CallWarningKind
from softphone.ua.device_report import DeviceTestStep
from softphone.ua.events import RegistrationState
from softphone.ua.media_report import CallQuality, MediaReport, PlayoutReport
from softphone.ui.call_view import RunningCallView
from softphone.ui.main_window import MainWindow
from tests.ui.recorded_calls import LISTED, RECORDED
from tests.ui.sound_tests import TESTED, progressed, warned
from tests.ui.states import (
    BOB,
    CANNOT_ENCRYPT,
    FLOW,
    READY,
    SELF_SIGNED,
    WRONG_PASSWORD,
    account,
    active,
    after,
    dialing,
    ended,
    incoming,
)

NOW = 134.0  # the engine's clock in every picture
PAST = ended(active("c0", base=after(READY)), "c0")
Scene = Callable[[MainWindow], None]


def states(*shown: AppState) -> Scene:
    def draw(window: MainWindow) -> None:
        for state in shown:
            window.render_state(state)

    return draw


def signing_in(window: MainWindow) -> None:
    window.render_state(AppState())
    window.sign_in.address.setText("alice@example.org")
    window.sign_in.password.setText("a password")


def self_signed(window: MainWindow) -> None:
    window.render_state(account(RegistrationState.FAILED, SELF_SIGNED))
    window.show_sign_in("alice@example.org")


def settings(window: MainWindow) -> None:
    window.render_state(PAST)
    window.show_settings()


def voice(window: MainWindow) -> None:
    window.render_state(READY)
    window.show_settings()
    QApplication.processEvents()
    bar = window.settings.verticalScrollBar()
    bar.rangeChanged.connect(lambda _least, most: bar.setValue(most))
    bar.setValue(bar.maximum())


def optional(window: MainWindow) -> None:
    media = MediaSettings(MediaEncryption.OPTIONAL, ConnectionProfile.VPN)
    window.render_state(after(READY, SettingsChanged(SettingsView(media=media))))
    window.show_settings()


def running(window: MainWindow) -> None:
    states(PAST, after(active(base=PAST), ua.CallReported("c1", line_report(120))))(window)


def keypad(window: MainWindow) -> None:
    states(PAST, active(base=PAST))(window)
    card = window.calls.cards["c1"]
    assert isinstance(card, RunningCallView)
    card.toggle_keypad()


def lost(window: MainWindow) -> None:
    window.render_state(PAST)
    window.engine_lost("the engine's process is gone")


CAROL = ua.Party("sip:carol@example.org", "Carol Jones")
LINES = after(
    PAST,
    AccountKnown(
        "alice@example.org",
        "sip:alice@example.org",
        "",
        "example.org",
        AccountOptions(
            watched=(
                WatchedLine("bob@example.org", "Bob"),
                WatchedLine("carol@example.org", "Carol"),
                WatchedLine("21", "Workshop"),
            )
        ),
    ),
    AccountKnown("alice@work.example", "sip:alice@work.example", "", "work.example"),
    ua.RegistrationChanged("alice@work.example", RegistrationState.REGISTERED, flow=FLOW),
    ua.LineStateChanged("alice@example.org", "bob@example.org", ua.LineState.RINGING, CAROL),
    ua.LineStateChanged("alice@example.org", "carol@example.org", ua.LineState.BUSY),
    ua.LineStateChanged("alice@example.org", "21", ua.LineState.IDLE),
    ua.MessageWaitingChanged("alice@example.org", True, 2, 0, "sip:box@example.org"),
)
CONFERENCE = after(
    active(base=LINES),
    ua.CallStarted("c9", "alice@example.org", CAROL),
    ua.CallEstablished("c9", "PCMU"),
    ua.CallSecured("c9", "AES_CM_128_HMAC_SHA1_80", FLOW),
    ua.ConferenceChanged(("c1", "c9")),
)

SEVERAL = after(
    active(base=PAST),
    ua.HoldChanged("c1", True, False, Direction.SENDONLY),
    ua.CallStarted("c9", "alice@example.org", CAROL),
    ua.CallEstablished("c9", "PCMU"),
    ua.CallSecured("c9", "AES_CM_128_HMAC_SHA1_80", FLOW),
    ua.IncomingCall("c8", "alice@example.org", ua.Party("sip:21@example.org", "Workshop"), "", waiting=True),
)
EIGHT = READY
for _number in range(8):
    _name = ua.Party(f"sip:{'long-name-' * 9}{_number}@example.org", f"{_number} Dr. Maximiliane von und zu " * 3)
    EIGHT = after(
        EIGHT,
        ua.CallStarted(f"n{_number}", "alice@example.org", _name),
        ua.CallEstablished(f"n{_number}", "PCMU"),
        ua.CallSecured(f"n{_number}", "AES_CM_128_HMAC_SHA1_80", FLOW),
    )
EIGHT = after(EIGHT, ua.ConferenceChanged(tuple(call.id for call in EIGHT.calls), muted=("n1",)))


def options(window: MainWindow) -> None:
    window.render_state(LINES)
    window.show_options()


def messages(window: MainWindow) -> None:
    sent = ua.MessageDelivery("alice@example.org", "m1", BOB, "Back at noon", ua.DeliveryState.DELIVERED)
    window.render_state(after(LINES, sent, ua.MessageReceived("alice@example.org", "m2", BOB, "Fine, see you then")))
    window.show_messages()


def transfer(window: MainWindow) -> None:
    states(PAST, active(base=PAST))(window)
    card = window.calls.cards["c1"]
    assert isinstance(card, RunningCallView)
    card.ask_transfer_target()


CLEAR = after(dialing(), ua.CallEstablished("c1", "PCMU"), ua.CallNotEncrypted("c1", "The other side cannot encrypt."))


def speaking(window: MainWindow) -> None:
    window.render_state(progressed(DeviceTestStep.MICROPHONE, -16.0, base=TESTED))
    window.show_device_test()


def sound_test(window: MainWindow) -> None:
    window.render_state(TESTED)
    window.show_device_test()


def recordings(window: MainWindow) -> None:
    window.render_state(LISTED)
    window.show_recordings()
    window.recordings.list.setCurrentRow(0)
    window.recordings.ask_to_export()


def line_report(second: int) -> MediaReport:
    """A call whose line is good but for half a minute."""
    dice, bad = random.Random(second), 70 <= second < 100
    loss = dice.uniform(0.05, 0.12) if bad else dice.uniform(0.0, 0.008)
    delay = 55 + 60 * bad + dice.uniform(-4, 4)
    opus = codec_impairment("OPUS")
    hear, said = quality(opus, loss, 1.3, 90 + delay), quality(opus, 0.01 + loss / 6, 1.0, 140)
    return MediaReport(
        50 * second,
        50 * second,
        lost=second // 4,
        jitter_ms=dice.uniform(4, 8) + 14 * bad,
        rtt_ms=dice.uniform(38, 52) + 70 * bad,
        microphone_level_db=dice.uniform(-45, -18),
        speaker_level_db=dice.uniform(-40, -16),
        playout=PlayoutReport(delay + 4, delay, delay),
        quality=CallQuality(hear, quality(opus, 0.011, 1.3, 150), said, quality(opus, 0.008, 1.0, 140)),
    )


def call_quality(window: MainWindow) -> None:
    reports = (ua.CallReported("c1", line_report(second)) for second in range(1, 200))
    state = after(active(base=PAST), *reports, begin=5.0)
    window.render_state(ended(state, at=205.0))
    window.show_quality("c1")
    window.calls.close_ended()


SCENES: dict[str, Scene] = {
    "sign-in": signing_in,
    "call": running,
    "incoming": states(PAST, incoming(base=PAST)),
    "settings": settings,
    "voice": voice,
    "ready": states(READY),
    "recent": states(PAST),
    "keypad": keypad,
    "clear": states(READY, CLEAR),
    "incoming-clear": states(PAST, incoming(base=PAST, unencrypted="The caller offers no encryption.")),
    "consent": states(
        READY, after(dialing(), ua.ConsentRequested("c1", "The other side answered without encryption."))
    ),
    "diverted": states(READY, after(dialing(), ua.RedirectOffered("c1", "sip:carol@example.net"))),
    "two": states(READY, active(), incoming(base=active())),
    "refused": states(READY, after(READY, ua.CallRefused("c9", "alice@example.org", BOB, CANNOT_ENCRYPT))),
    "wrong-password": states(account(RegistrationState.FAILED, WRONG_PASSWORD)),
    "self-signed": self_signed,
    "optional": optional,
    "lost": lost,
    "lines": states(LINES),
    "options": options,
    "messages": messages,
    "transfer": transfer,
    "transfer-asked": states(READY, after(active(), ua.TransferRequested("c1", "sip:carol@example.org", BOB))),
    "conference": states(LINES, CONFERENCE),
    "several": states(PAST, SEVERAL),
    "eight": states(READY, EIGHT),
    "recorded": states(READY, after(RECORDED, ua.MuteChanged("c1", True))),
    "recordings": recordings,
    "sound-test": sound_test,
    "speaking": speaking,
    "quality": call_quality,
    "warned": states(READY, warned(CallWarningKind.MICROPHONE_SILENT, CallWarningKind.LINE_LOSES)),
    "muted": states(
        READY, warned(CallWarningKind.SPEAKING_WHILE_MUTED, base=after(active(), ua.MuteChanged("c1", True)))
    ),
}
IN_DOCS = ("sign-in", "call", "incoming", "several", "lines", "settings", "voice", "sound-test", "quality")
# Of those in the documentation.
HEIGHTS = {
    "sign-in": 400,
    "call": 530,
    "incoming": 630,
    "several": 740,
    "lines": 590,
    "settings": 932,
    "voice": 740,
    "sound-test": 620,
    "quality": 1000,
}


def dark_palette() -> QPalette:
    palette = QPalette(QColor("#353535"), QColor("#2b2b2b"))
    palette.setColor(QPalette.ColorRole.Base, QColor("#1e1e1e"))
    palette.setColor(QPalette.ColorRole.Highlight, QColor("#3584e4"))
    return palette


def draw(name: str, folder: Path, height: int | None) -> None:
    with tempfile.TemporaryDirectory() as places:
        window = MainWindow(
            lambda _command: None, lambda: NOW, QSettings(f"{places}/window.ini", QSettings.Format.IniFormat)
        )
        if height is not None:
            window.resize(window.width(), height)
        window.show()
        SCENES[name](window)
        for _ in range(8):  # layouts settle in several rounds
            QApplication.processEvents()
        window.grab().save(str(folder / f"{name}.png"))
        window.leave()
        window.deleteLater()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = QApplication([])
    application.setStyle("Fusion")
    if given.dark:
        application.setPalette(dark_palette())
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in SCENES if given.all else IN_DOCS:
        draw(name, given.folder, None if given.all else HEIGHTS[name])


if __name__ == "__main__":
    main()
