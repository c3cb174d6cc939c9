"""A settings file that cannot be used is refused in words and left as it is."""

from dataclasses import replace
from pathlib import Path

import pytest

from softphone.errors import FailureKind, OperationFailed
from softphone.policy.media import ConnectionProfile, MediaEncryption
from softphone.storage.settings import AccountMedia, AccountSettings, Settings, SettingsFile
from softphone.ua.account import DoNotDisturb, WatchedLine


@pytest.mark.parametrize("version", ["0", "-1", "2", '"1"'])
def test_a_version_that_there_never_was_is_refused_and_the_file_kept(tmp_path: Path, version: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(f"version = {version}\n", encoding="utf-8")
    file = SettingsFile(path)
    with pytest.raises(OperationFailed) as refused:
        file.load()
    assert refused.value.failure.kind is FailureKind.SETTINGS
    with pytest.raises(OperationFailed):
        file.save(Settings())
    assert path.read_text(encoding="utf-8") == f"version = {version}\n"


BROKEN = (
    'default_account = "home"\n',
    '[[accounts]]\nname = "a"\nuser = "a"\ndomain = "a.test"\nmax_calls = "many"\n',
    '[[accounts]]\nname = "a"\nuser = "a"\ndomain = "a.test"\ndo_not_disturb = "sometimes"\n',
    '[[accounts]]\nname = "a"\nuser = "a"\ndomain = "a.test"\nwatched = [{label = "no address"}]\n',
)


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_wrong_within_an_account_breaks_the_file_and_the_file_is_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    file = SettingsFile(path)
    with pytest.raises(OperationFailed):
        file.load()
    with pytest.raises(OperationFailed):
        file.save(Settings())
    assert path.read_text(encoding="utf-8") == text


def test_what_is_saved_of_accounts_is_read_again_and_strange_keys_and_remarks_stay(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        '# mine\nstrange = 1\n[media]\ncodecs = ["PCMA"]\n[[accounts]]\nname = "a"\nuser = "a"\ndomain = "a.test"\n'
        'odd = 2\n[accounts.media]\nencryption = "mandatory"\nrare = 3\n',
        encoding="utf-8",
    )
    file = SettingsFile(path)
    settings = file.load()
    account = replace(
        settings.accounts[0],
        media=AccountMedia(encryption=MediaEncryption.OPTIONAL, connection_profile=ConnectionProfile.VPN),
        deny=("@spam.test",),
        do_not_disturb=DoNotDisturb.BUSY,
        watched=(WatchedLine("bob", "Bob"), WatchedLine("carol", pickup_code="*8")),
    )
    other = AccountSettings(name="b", user="b", domain="b.test", forward_busy="c")
    changed = replace(settings, accounts=(account, other), default_account="b")
    file.save(changed)
    assert SettingsFile(path).load() == changed
    text = path.read_text(encoding="utf-8")
    assert [word for word in ("# mine", "strange = 1", "odd = 2", "rare = 3") if word not in text] == []
    file.save(replace(changed, accounts=(replace(account, media=None, watched=()), other)))
    plain = SettingsFile(path).load().accounts[0]
    assert (plain.media, plain.watched) == (None, ())
