"""How the phone sounds, in the window: the card of tones, an account's own ring, silence, keys, the tone of an end."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

from softphone.dsp.tone_plan import PLANS
from softphone.messages import (
    AccountKnown,
    AccountOptions,
    ChangeAccountOptions,
    ChangeAudioOptions,
    PlaySample,
    PressKey,
    SamplePlaying,
    SettingsChanged,
    SettingsView,
    StopSample,
)
from softphone.policy.audio import AudioOptions, Processing
from softphone.ua import events as ua
from softphone.ua.actions import Tone
from softphone.ua.commands import Decline, HangUp, Silence
from softphone.ui.country_names import country_names
from softphone.ui.ended_view import EndedView
from softphone.ui.incoming_view import IncomingView
from softphone.ui.main_window import MainWindow
from softphone.ui.symbols import SymbolButton
from softphone.ui.tones_card import TonesCard
from tests.ui.conftest import Engine
from tests.ui.hands import CTRL_SHIFT, click, key, type_text
from tests.ui.states import CANNOT_ENCRYPT, READY, after, dialing, ended, incoming

CHOSEN = AudioOptions(gain_control=Processing.ON, ringtone="/sounds/bell.flac", country="FR")
IN_FORCE = after(READY, SettingsChanged(SettingsView(audio=CHOSEN)))


def card(window: MainWindow) -> TonesCard:
    window.render_state(IN_FORCE)
    window.show_settings()
    return window.settings.tones


def test_every_country_with_tones_has_a_name_and_no_other() -> None:
    names = country_names()
    assert names.keys() == PLANS.keys()
    assert list(names.values()) == sorted(names.values(), key=str.casefold)


def test_what_is_in_force_is_shown_and_a_country_is_taken_at_once(window: MainWindow, engine: Engine) -> None:
    tones = card(window)
    assert tones.ringtone.chosen == CHOSEN.ringtone
    assert tones.country.currentText() == "France"

    tones.country.setFocus()
    key(tones.country, Qt.Key.Key_Home)
    tones.country.activated.emit(0)
    assert engine.last() == ChangeAudioOptions(
        AudioOptions(gain_control=Processing.ON, ringtone="/sounds/bell.flac", country="")
    )


def test_a_ring_tone_is_typed_and_taken_with_enter_and_once(window: MainWindow, engine: Engine) -> None:
    tones = card(window)
    tones.ringtone.file.setFocus()
    tones.ringtone.file.selectAll()
    type_text(tones.ringtone.file, "~/horn.ogg")
    window.render_state(IN_FORCE)
    assert tones.ringtone.chosen == "~/horn.ogg", "what is being typed is left alone"
    assert engine.commands == []
    key(tones.ringtone.file, Qt.Key.Key_Return)
    tones.country.setFocus()
    (changed,) = engine.commands
    assert isinstance(changed, ChangeAudioOptions)
    assert changed.options.ringtone == "~/horn.ogg"

    window.render_state(IN_FORCE)  # it was refused: what is in force is shown again
    assert tones.ringtone.chosen == CHOSEN.ringtone


def test_a_ring_tone_is_chosen_from_the_disk(
    window: MainWindow, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[QFileDialog] = []

    def opens(dialog: QFileDialog) -> None:
        opened.append(dialog)

    monkeypatch.setattr(QFileDialog, "open", opens)
    tones = card(window)
    click(tones.ringtone.browse)
    opened[0].fileSelected.emit(str(tmp_path / "bell.wav"))
    changed = engine.last()
    assert isinstance(changed, ChangeAudioOptions)
    assert changed.options.ringtone == str(tmp_path / "bell.wav")


def test_a_tone_is_listened_to_and_ended_by_the_same_button(window: MainWindow, engine: Engine) -> None:
    tones = card(window)
    tones.sample.setCurrentIndex(tones.sample.findData(Tone.BUSY))
    click(tones.play)
    assert engine.last() == PlaySample(Tone.BUSY, CHOSEN.ringtone, "FR")
    window.render_state(after(IN_FORCE, SamplePlaying(True)))
    assert tones.play.text() == "St&op"
    click(tones.play)
    assert engine.last() == StopSample()
    window.render_state(IN_FORCE)
    assert tones.play.text() == "Pl&ay"


def test_an_account_has_a_ring_tone_of_its_own(window: MainWindow, engine: Engine) -> None:
    def known(options: AccountOptions) -> AccountKnown:
        return AccountKnown("alice@example.org", "sip:alice@example.org", "", "example.org", options)

    window.render_state(after(READY, known(AccountOptions(ringtone="/bell.wav"))))
    window.show_options()
    form = window.options.form
    assert form.ringtone.chosen == "/bell.wav"
    assert not window.options.apply.isEnabled()
    form.ringtone.file.clear()
    click(window.options.apply)
    assert engine.last() == ChangeAccountOptions("alice@example.org", AccountOptions())


@pytest.mark.parametrize("way", ["button", "keys"])
def test_a_ring_is_silenced_and_the_call_stays(window: MainWindow, engine: Engine, way: str) -> None:
    state = incoming()
    window.render_state(state)
    (ringing,) = window.calls.cards.values()
    assert isinstance(ringing, IncomingView)
    if way == "button":
        click(ringing.silence)
    else:
        key(window, Qt.Key.Key_S, CTRL_SHIFT)
    assert engine.commands == [Silence()]

    window.render_state(after(state, ua.CallSilenced(ringing.call.id)))
    assert ringing.title.text() == "Incoming call, silenced"
    assert not ringing.silence.isEnabled()
    focus = window.focusWidget()
    assert focus is None or focus.property("part") != "hang-up", "Enter must not decline now"
    click(ringing.decline)
    assert engine.last() == Decline(ringing.call.id)


def test_keys_of_the_dial_pad_are_heard(window: MainWindow, engine: Engine) -> None:
    window.render_state(READY)
    click(window.dial_view.pad.keys["5"])
    assert engine.commands == [PressKey("5")]
    assert window.dial_view.address.text() == "5"


def test_who_closes_a_failed_call_s_card_has_heard_its_tone_long_enough(window: MainWindow, engine: Engine) -> None:
    window.render_state(dialing())
    window.render_state(ended(dialing(), "c1", CANNOT_ENCRYPT))
    (over,) = window.calls.cards.values()
    assert isinstance(over, EndedView)
    close = next(button for button in over.findChildren(SymbolButton) if button.text() == "Close")
    click(close)
    assert engine.last() == HangUp("c1")
    assert not window.calls.cards
