"""The test of microphone and speaker before the first call: a meter, one's own voice, four notes, the echo.

Everything shown comes from the state: the test runs in the engine, which has the devices. Leaving the page stops it.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from softphone.messages import AnyCommand, DeviceKind, StartDeviceTest, StopDeviceTest
from softphone.state import AppState
from softphone.ua.device_report import DeviceTestStep, DeviceTestView, LoopResult, MicrophoneResult
from softphone.ui.cards import Card, ScrolledColumn, WarningBox
from softphone.ui.level_meter import LevelMeter
from softphone.ui.symbols import SymbolButton
from softphone.ui.texts import TextLabel, announce, foreign


class DeviceTestPane(QScrollArea):
    """Emits `finished` when the person goes back."""

    finished = Signal()

    def __init__(self, submit: Callable[[AnyCommand], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._submit = submit
        self._test: DeviceTestView | None = None
        self._in_call = False
        self._asked: DeviceTestStep | None = None  # begun by the person, and nothing heard of it yet
        self._told = ""
        self.buttons: dict[DeviceTestStep, QPushButton] = {}
        inside = ScrolledColumn()
        for part in (inside, self):
            part.setProperty("part", "plain")
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.back = SymbolButton("back", self.tr("Back"))
        self.back.clicked.connect(self.finished)
        top = QHBoxLayout()
        top.addWidget(TextLabel(self.tr("Sound test"), scale=1.45, bold=True), 1)
        top.addWidget(self.back)
        self.trouble = WarningBox()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(0, 0, 6, 0)
        layout.setSpacing(10)
        layout.addLayout(top)
        layout.addWidget(self.trouble)
        for card in (self._microphone_card(), self._speaker_card(), self._echo_card()):
            layout.addWidget(card)
        layout.addStretch(1)
        self._render()

    def _microphone_card(self) -> Card:
        card = self._card(self.tr("Microphone"))
        self.microphone = TextLabel(part="muted", scale=0.92)
        self.meter = LevelMeter()
        self.meter.setAccessibleName(self.tr("Level of the microphone, in decibels"))
        self.now = TextLabel(bold=True)
        self.heard = TextLabel()
        self.heard_remedy = TextLabel()
        self.figures = TextLabel(part="muted", scale=0.88)
        buttons = QGridLayout()
        buttons.addWidget(self._button(DeviceTestStep.MICROPHONE), 0, 0)
        buttons.addWidget(self._button(DeviceTestStep.PLAYBACK), 0, 1)
        for label in (self.microphone, self.meter, self.now, self.heard, self.heard_remedy, self.figures):
            card.column.addWidget(label)
        card.column.addLayout(buttons)
        return card

    def _speaker_card(self) -> Card:
        card = self._card(self.tr("Loudspeaker or headset"))
        self.speaker = TextLabel(part="muted", scale=0.92)
        self.played = TextLabel()
        for widget in (self.speaker, self.played, self._button(DeviceTestStep.SPEAKER)):
            card.column.addWidget(widget)
        return card

    def _echo_card(self) -> Card:
        card = self._card(self.tr("Echo"))
        text = self.tr(
            "Plays chirps for four seconds and listens whether the microphone hears them. Be quiet meanwhile."
        )
        self.echo = TextLabel()
        self.echo_figures = TextLabel(part="muted", scale=0.88)
        for widget in (
            TextLabel(text, part="muted", scale=0.92),
            self.echo,
            self.echo_figures,
            self._button(DeviceTestStep.LOOP),
        ):
            card.column.addWidget(widget)
        return card

    @staticmethod
    def _card(title: str) -> Card:
        card = Card()
        card.column.addWidget(TextLabel(title, scale=1.1, bold=True))
        return card

    def _button(self, step: DeviceTestStep) -> QPushButton:
        button = QPushButton()
        button.setAutoDefault(False)
        button.clicked.connect(lambda: self._press(step))
        self.buttons[step] = button
        return button

    # From the state to the screen

    def render_state(self, state: AppState) -> None:
        before, self._test = self._test, state.device_test
        if self._test is not before:
            self._asked = None
        self.microphone.setText(_device(state, DeviceKind.MICROPHONE, state.settings.microphone))
        self.speaker.setText(_device(state, DeviceKind.SPEAKER, state.settings.speaker))
        self._in_call = bool(state.calls)
        self._render()

    def _render(self) -> None:
        test = self._test
        step = self._running()
        for of, button in self.buttons.items():
            button.setText(self.tr("Stop") if of is step else self._starts(of))
            button.setEnabled(not self._in_call)
        listens = test is not None and test.running and not test.playing and step in _LISTENING
        self.meter.show_level(test.level_db if test and listens else None, test.peak_db if test and listens else None)
        self.now.show_text(self._instruction(test, step))
        microphone = test.result.microphone if test is not None else None
        self._render_microphone(microphone if step not in _LISTENING else None)
        self.played.show_text(self._played(test))
        loop = test.result.loop if test is not None else None
        self.echo.show_text(f"{loop.sentence} {loop.remedy}".strip() if loop is not None else "")
        self.echo_figures.show_text(self._echo_figures(loop))
        if self._in_call:
            self.trouble.say(
                self.tr("A call is running."),
                self.tr("Test when it is over. During a call the phone says by itself what is wrong with the sound."),
            )
        else:
            self.trouble.say_failure(test.failure if test is not None and step is None else None)
        self._tell(test, step)

    def _render_microphone(self, result: MicrophoneResult | None) -> None:
        self.heard.show_text(result.sentence if result is not None else "")
        self.heard.set_part("" if result is None else "bad" if result.remedy else "good")
        self.heard_remedy.show_text(result.remedy if result is not None else "")
        self.figures.show_text("" if result is None or result.silent else self._microphone_figures(result))

    def _microphone_figures(self, result: MicrophoneResult) -> str:
        text = self.tr("voice %d dB, pauses %d dB, loudest %d dB") % (result.level_db, result.noise_db, result.peak_db)
        if result.dropouts:
            text += " · " + self.tr("%d gaps") % result.dropouts
        return text[0].upper() + text[1:]

    def _played(self, test: DeviceTestView | None) -> str:
        speaker = test.result.speaker if test is not None else None
        return f"{speaker.sentence} {speaker.remedy}" if speaker is not None else ""

    def _echo_figures(self, loop: LoopResult | None) -> str:
        if loop is None or loop.latency_ms is None or loop.echo_return_db is None:
            return ""
        return self.tr("Through both devices %d ms, echo return %d dB") % (
            round(loop.latency_ms),
            round(loop.echo_return_db),
        )

    def _instruction(self, test: DeviceTestView | None, step: DeviceTestStep | None) -> str:
        """What the person is to do now."""
        if step is None:
            return ""
        if test is None or not test.running or self._asked is not None:
            return self.tr("One moment …")
        if step is DeviceTestStep.PLAYBACK and test.playing:
            return self.tr("This is how others hear you.")
        if step in (DeviceTestStep.MICROPHONE, DeviceTestStep.PLAYBACK):
            return self.tr("Speak now, as in a call.")
        return ""

    def _starts(self, step: DeviceTestStep) -> str:
        return {
            DeviceTestStep.MICROPHONE: self.tr("Test the &microphone"),
            DeviceTestStep.PLAYBACK: self.tr("Speak, and &hear yourself"),
            DeviceTestStep.SPEAKER: self.tr("&Play four notes"),
            DeviceTestStep.LOOP: self.tr("Look for an &echo"),
        }[step]

    def _tell(self, test: DeviceTestView | None, step: DeviceTestStep | None) -> None:
        """To screen readers: what to do, and the verdict of the step that has ended. The meter is left out."""
        said = self.now.text()
        if step is None and test is not None:
            said = self.trouble.reason.text() + " " + self.trouble.remedy.text()
            if not said.strip():
                said = {
                    DeviceTestStep.SPEAKER: self.played.text(),
                    DeviceTestStep.LOOP: self.echo.text(),
                }.get(test.step, f"{self.heard.text()} {self.heard_remedy.text()}")
        if said != self._told:
            self._told = said
            if said.strip() and self.isVisible():
                announce(self, said.strip())

    # From the person to the engine

    def begin(self) -> None:
        """The page is opened."""
        self.buttons[DeviceTestStep.MICROPHONE].setFocus()

    def _running(self) -> DeviceTestStep | None:
        if self._asked is not None:
            return self._asked
        return self._test.step if self._test is not None and self._test.running else None

    def _press(self, step: DeviceTestStep) -> None:
        stop = self._running() is step
        self._asked = None if stop else step
        self._submit(StopDeviceTest() if stop else StartDeviceTest(step))
        self._render()

    def hideEvent(self, event: QHideEvent) -> None:
        if self._running() is not None:
            self._asked = None
            self._submit(StopDeviceTest())
        super().hideEvent(event)


_LISTENING = frozenset({DeviceTestStep.MICROPHONE, DeviceTestStep.PLAYBACK})


def _device(state: AppState, kind: DeviceKind, chosen: str) -> str:
    """The name of the chosen device, or of the system's default."""
    own = [device for device in state.devices if device.kind is kind]
    found = next((device for device in own if (device.id == chosen if chosen else device.is_default)), None)
    return foreign(found.name if found is not None else chosen)
