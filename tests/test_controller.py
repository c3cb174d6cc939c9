"""The controller: signing in, pins, settings, what is saved and what reaches the user agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from softphone import configuration
from softphone.controller import Controller
from softphone.errors import OperationFailed
from softphone.messages import (
    AccountOptions,
    ChangeAccountOptions,
    ChangeMediaSettings,
    ChooseDefaultAccount,
    MediaSettings,
    PinCertificate,
    SignIn,
    SignOut,
)
from softphone.policy.media import ConnectionProfile, MediaEncryption, UnencryptedPeer
from softphone.policy.secret import Secret
from softphone.storage.settings import AccountSettings, Settings, SettingsFile
from softphone.ua.account import Account, CallRules, DigitsMode, DoNotDisturb, Forwarding, WatchedLine
from softphone.ua.commands import AddAccount, Command, Dial, Register, RemoveAccount, SendInstantMessage

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
    with pytest.raises(OperationFailed):  # the file may forbid it
        desk.controller.recording_options()
    desk.sign_in("work")
    assert file.read_text() == "[media\nencryption = "
    assert not any(isinstance(command, AddAccount) for command in desk.commands)


OPTIONS = AccountOptions(
    rules=CallRules(
        call_waiting=False,
        max_calls=3,
        do_not_disturb=DoNotDisturb.BUSY,
        forwarding=Forwarding("carol", "+49 30 1234", "bob@other.test", 12),
        deny=("+4930*", "@spam.test"),
        deny_anonymous=True,
        auto_answer_from=("boss",),
    ),
    digits=DigitsMode.INFO,
    hide_identity=True,
    message_waiting=False,
    voicemail="*97",
    watched=(WatchedLine("bob", "Bob", "*8"), WatchedLine("carol@other.test")),
    codecs=("PCMA",),
    media=MediaSettings(MediaEncryption.OPTIONAL, ConnectionProfile.VPN, UnencryptedPeer.REFUSE),
)


def added(desk: Desk) -> Account:
    """What the user agent was told last."""
    command = desk.commands[-1]
    assert isinstance(command, AddAccount)
    return command.account


def test_the_options_of_one_account_are_saved_in_force_and_its_own(desk: Desk) -> None:
    desk.sign_in("work")
    desk.sign_in("home")
    desk.controller.submit(ChangeAccountOptions("work", OPTIONS))
    account = added(desk)
    assert (account.id, account.rules, account.watched) == ("work", OPTIONS.rules, OPTIONS.watched)
    assert (account.digits, account.hide_identity, account.voicemail) == (DigitsMode.INFO, True, "*97")
    assert (account.codecs, account.message_waiting) == (("PCMA",), False)
    assert account.media_policy.encryption is MediaEncryption.OPTIONAL
    assert account.media_policy.profile is ConnectionProfile.VPN
    views = {view.id: view.options for view in desk.controller.state.accounts}
    assert views == {"work": OPTIONS, "home": AccountOptions()}
    work, home = desk.saved().accounts
    assert configuration.account_options(work) == OPTIONS
    assert configuration.account_options(home) == AccountOptions()


def test_options_that_are_taken_back_are_gone_from_the_file(desk: Desk) -> None:
    desk.sign_in("work")
    desk.controller.submit(ChangeAccountOptions("work", OPTIONS))
    desk.controller.submit(ChangeAccountOptions("work", AccountOptions()))
    assert configuration.account_options(desk.saved().accounts[0]) == AccountOptions()
    assert added(desk).media_policy.encryption is MediaEncryption.MANDATORY


@pytest.mark.parametrize(
    "options",
    [
        AccountOptions(media=MediaSettings(MediaEncryption.DISABLED, ConnectionProfile.PUBLIC)),
        AccountOptions(codecs=("G729",)),
        AccountOptions(voicemail="not an address"),
        AccountOptions(watched=(WatchedLine(""),)),
        AccountOptions(watched=(WatchedLine("bob"), WatchedLine("bob", "again"))),
        AccountOptions(watched=(WatchedLine("bob", pickup_code="<script>"),)),
        AccountOptions(rules=CallRules(forwarding=Forwarding(always="sip:bob@evil.test;transport=udp"))),
        AccountOptions(rules=CallRules(forwarding=Forwarding(no_answer="bob", no_answer_s=0))),
        AccountOptions(rules=CallRules(max_calls=0)),
        AccountOptions(rules=CallRules(deny=("*",))),
        AccountOptions(rules=CallRules(auto_answer_from=("",))),
    ],
)
def test_options_that_cannot_be_used_change_nothing(desk: Desk, options: AccountOptions) -> None:
    desk.sign_in("work")
    before = desk.saved()
    desk.controller.submit(ChangeAccountOptions("work", options))
    assert len(desk.notices()) == 1
    assert desk.saved() == before
    assert desk.controller.state.accounts[0].options == AccountOptions()


def test_calls_go_out_with_the_default_account(desk: Desk) -> None:
    desk.sign_in("work")
    desk.sign_in("home")
    desk.controller.submit(Dial("1", "bob"))
    desk.controller.submit(ChooseDefaultAccount("home"))
    desk.controller.submit(Dial("2", "bob"))
    desk.controller.submit(Dial("3", "bob", "work"))
    desk.controller.submit(SendInstantMessage("m", "bob", "hello"))
    assert desk.controller.state.settings.default_account == desk.saved().default_account == "home"
    assert [c.account_id for c in desk.commands if isinstance(c, Dial | SendInstantMessage)] == [
        "work",
        "home",
        "work",
        "home",
    ]
    desk.controller.submit(SignOut("home"))
    assert desk.saved().default_account == ""
    desk.controller.submit(ChooseDefaultAccount("home"))
    assert "no account home" in desk.notices()[-1]


def test_signing_in_again_keeps_the_options_and_the_place(desk: Desk) -> None:
    desk.sign_in("work")
    desk.sign_in("home")
    desk.controller.submit(ChangeAccountOptions("work", OPTIONS))
    desk.sign_in("work", "other.test")
    assert [a.name for a in desk.saved().accounts] == ["work", "home"]
    assert configuration.account_options(desk.saved().accounts[0]) == OPTIONS


def test_the_phone_names_itself_the_same_for_all_its_accounts() -> None:
    controller = Controller(
        settings_file=None, passwords=None, list_devices=lambda: (), quit_engine=lambda: None, instance_id="urn:uuid:1"
    )
    commands: list[Command] = []
    controller.connect(commands.append)
    accounts = tuple(AccountSettings(name=name, user="alice", domain=f"{name}.test") for name in ("work", "home"))
    controller.use(Settings(accounts=accounts), {})
    assert [c.account.instance_id for c in commands if isinstance(c, AddAccount)] == ["urn:uuid:1"] * 2
