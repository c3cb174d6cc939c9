"""What the controller keeps of ring tones and countries, and refuses."""

from __future__ import annotations

from pathlib import Path

from softphone.messages import AccountOptions, ChangeAccountOptions, ChangeAudioOptions, PlaySample, PressKey
from softphone.policy.audio import AudioOptions
from softphone.ua.actions import Tone
from softphone.ua.commands import AddAccount
from tests.test_controller import make_desk


def test_a_country_and_a_ring_tone_are_saved_and_in_force_at_once(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "settings.toml")
    chosen = AudioOptions(ringtone="~/bell.wav", country="JP")
    desk.controller.submit(ChangeAudioOptions(chosen))
    assert desk.controller.state.settings.audio == chosen
    assert (desk.saved().audio.ringtone, desk.saved().audio.country) == ("~/bell.wav", "JP")


def test_a_country_without_tones_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "settings.toml")
    desk.controller.submit(ChangeAudioOptions(AudioOptions(country="XX")))
    assert "“XX”" in desk.notices()[-1]
    assert desk.controller.state.settings.audio.country == ""
    assert desk.saved().audio.country == ""


def test_a_settings_file_that_names_such_a_country_is_told_of_and_the_phone_works(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[audio]\ncountry = "Atlantis"\n')
    desk = make_desk(tmp_path / "settings.toml")
    assert any("“Atlantis”" in notice for notice in desk.notices())
    assert desk.controller.state.settings.problem is None


def test_an_account_s_own_ring_tone_reaches_the_user_agent(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "settings.toml")
    desk.sign_in("work")
    desk.controller.submit(ChangeAccountOptions("work", AccountOptions(ringtone="/bell.wav")))
    added = desk.commands[-1]
    assert isinstance(added, AddAccount)
    assert added.account.ringtone == "/bell.wav"
    assert desk.saved().accounts[0].ringtone == "/bell.wav"


def test_an_engine_without_a_person_plays_no_samples(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "settings.toml")
    for command in (PlaySample(Tone.BUSY), PressKey("5")):
        desk.controller.submit(command)
    assert desk.notices() == []
