"""The controller: signing in, pins, settings, what is saved and what reaches the user agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from softphone.controller import Controller
from softphone.messages import ChangeMediaSettings, MediaSettings, PinCertificate, SignIn, SignOut
from softphone.policy.media import ConnectionProfile, MediaEncryption
from softphone.policy.secret import Secret
from softphone.storage.settings import Settings, SettingsFile
from softphone.ua.commands import AddAccount, Command, Register, RemoveAccount

PIN = "ab" * 32


@dataclass
class Desk:
    controller: Controller
    file: Path
    commands: list[Command] = field(default_factory=list)

    def saved(self) -> Settings:
        return SettingsFile(self.file).load()

    def sign_in(self, name: str, server: str = "") -> None:
        self.controller.submit(SignIn(name, "alice", f"{name}.test", Secret("pw"), server, remember_password=False))

    def notices(self) -> list[str]:
        return [failure.reason for failure in self.controller.state.notices]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path / "settings.toml")


def make_desk(file: Path, quit_engine: Callable[[], None] = lambda: None) -> Desk:
    controller = Controller(
        settings_file=SettingsFile(file), passwords=None, list_devices=lambda: (), quit_engine=quit_engine
    )
    desk = Desk(controller, file)
    controller.connect(desk.commands.append)
    controller.load()
    return desk


def test_a_pin_counts_for_the_server_of_its_account_only(desk: Desk) -> None:
    desk.sign_in("work")
    desk.sign_in("home")
    desk.controller.submit(PinCertificate("work", PIN))
    assert desk.controller.tls_settings("work").usable_pins == {PIN}
    assert desk.controller.tls_settings("home").usable_pins == frozenset()
    assert {a.name: a.pins for a in desk.saved().accounts} == {"work": (PIN,), "home": ()}
    assert desk.commands[-1] == Register("work")


def test_a_pin_is_dropped_with_the_server_that_it_was_for(desk: Desk) -> None:
    desk.sign_in("work", "one.test")
    desk.controller.submit(PinCertificate("work", PIN))
    desk.sign_in("work", "one.test")
    assert desk.controller.tls_settings("work").usable_pins == {PIN}
    desk.sign_in("work", "another.test")
    assert desk.controller.tls_settings("work").usable_pins == frozenset()


def test_what_is_no_fingerprint_is_not_saved(desk: Desk) -> None:
    desk.sign_in("work")
    desk.controller.submit(PinCertificate("work", "not a fingerprint"))
    assert "fingerprint" in desk.notices()[-1]
    assert desk.saved().accounts[0].pins == ()


def test_a_media_setting_that_the_profile_forbids_changes_nothing(desk: Desk) -> None:
    desk.sign_in("work")
    desk.controller.submit(ChangeMediaSettings(MediaSettings(MediaEncryption.DISABLED, ConnectionProfile.PUBLIC)))
    assert desk.notices()
    assert desk.controller.state.settings.media.encryption is MediaEncryption.MANDATORY
    assert desk.saved().media.encryption is MediaEncryption.MANDATORY


def test_signing_out_forgets_the_account(desk: Desk) -> None:
    desk.sign_in("work")
    desk.controller.submit(SignOut("work"))
    assert isinstance(desk.commands[-1], RemoveAccount)
    assert desk.controller.state.accounts == ()
    assert desk.saved().accounts == ()


def test_a_broken_settings_file_is_reported_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[media\nencryption = ")
    desk = make_desk(file)
    assert str(file) in desk.notices()[0]
    assert desk.controller.state.settings.problem is not None
    desk.sign_in("work")
    assert file.read_text() == "[media\nencryption = "
    assert not any(isinstance(command, AddAccount) for command in desk.commands)
