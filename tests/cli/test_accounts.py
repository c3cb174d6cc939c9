"""Which account a command uses, and what stands above what: the line, the account, the settings for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from softphone.cli.options import phone_request
from softphone.errors import FailureKind, OperationFailed
from softphone.policy.media import ConnectionProfile, MediaEncryption

SETTINGS = """
default_account = "home"
[media]
codecs = ["PCMU"]
[[accounts]]
name = "work"
user = "alice"
domain = "work.test"
[[accounts]]
name = "home"
user = "al"
domain = "home.test"
codecs = ["PCMA"]
[accounts.media]
encryption = "optional"
connection_profile = "vpn"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "settings.toml"
    file.write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "password").write_text("secret\n", encoding="utf-8")
    return file


def asked(config: Path, **options: Any) -> Any:
    request = phone_request({"config": config, "password_file": config.parent / "password", **options})
    (account,) = request.settings.accounts
    return account, request.settings.media


def test_the_default_account_unless_another_is_named(config: Path) -> None:
    assert asked(config)[0].name == "home"
    assert asked(config, account_name="work")[0].name == "work"
    with pytest.raises(OperationFailed) as refused:
        asked(config, account_name="elsewhere")
    assert refused.value.failure.kind is FailureKind.USAGE


def test_an_account_s_own_choices_stand_above_the_general_ones_and_the_line_above_both(config: Path) -> None:
    _, home = asked(config)
    assert (home.encryption, home.connection_profile) == (MediaEncryption.OPTIONAL, ConnectionProfile.VPN)
    assert home.codecs == ("PCMA",)
    _, work = asked(config, account_name="work")
    assert (work.encryption, work.codecs) == (MediaEncryption.MANDATORY, ("PCMU",))
    _, line = asked(config, media_encryption="disabled", codecs="pcmu,pcma")
    assert (line.encryption, line.connection_profile) == (MediaEncryption.DISABLED, ConnectionProfile.VPN)
    assert line.codecs == ("PCMU", "PCMA")


def test_one_account_s_private_line_permits_nothing_to_the_other(config: Path) -> None:
    with pytest.raises(OperationFailed) as refused:
        asked(config, account_name="work", media_encryption="optional")
    assert refused.value.failure.kind is FailureKind.POLICY


def test_a_second_call_hears_busy_from_a_phone_that_a_script_runs(config: Path) -> None:
    assert asked(config)[0].call_waiting is False
