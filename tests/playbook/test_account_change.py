"""An account that is changed while it is registered: what concerns calls only keeps the flow."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy
from softphone.policy.secret import Secret
from softphone.ua.account import Account, CallRules, DigitsMode, DoNotDisturb, ServerTarget, WatchedLine
from softphone.ua.commands import AddAccount
from tests.playbook.stage import Stage

OF_CALLS: dict[str, Any] = {
    "ptime": 40,
    "dtx": True,
    "media_policy": MediaPolicy(MediaEncryption.OPTIONAL, profile=ConnectionProfile.VPN),
    "codecs": ("PCMA",),
    "display_name": "Alice",
    "rules": CallRules(do_not_disturb=DoNotDisturb.BUSY),
    "digits": DigitsMode.INFO,
    "hide_identity": True,
    "message_waiting": False,
    "voicemail": "*97",
    "watched": (WatchedLine("bob"),),
    "session_expires": 0,
    "reliable_provisionals": False,
    "rtcp_mux": False,
    "ringtone": "~/bell.wav",
}
OF_THE_FLOW: dict[str, Any] = {
    "user": "al",
    "domain": "other.test",
    "server": ServerTarget("other.test"),
    "auth_user": "al",
    "password": Secret("other"),
    "register": False,
    "expires": 60,
    "outbound": False,
    "instance_id": "urn:uuid:00000000-0000-4000-8000-000000000001",
}


def opened_after(name: str, value: Any) -> int:
    """How many more flows are opened when this is changed."""
    stage = Stage().registered()
    before = len(stage.opened_at)
    stage.do(AddAccount(replace(stage.account, **{name: value})))
    return len(stage.opened_at) - before


def test_each_field_of_an_account_is_one_or_the_other() -> None:
    assert {field.name for field in fields(Account)} - {"id"} == OF_CALLS.keys() | OF_THE_FLOW.keys()


@pytest.mark.parametrize("name", OF_CALLS)
def test_the_flow_stays_when_this_changes(name: str) -> None:
    assert opened_after(name, OF_CALLS[name]) == 0


@pytest.mark.parametrize("name", OF_THE_FLOW)
def test_the_flow_is_made_anew_when_this_changes(name: str) -> None:
    assert opened_after(name, OF_THE_FLOW[name]) == 1


def test_the_registration_stays_too() -> None:
    stage = Stage().registered()
    stage.do(AddAccount(replace(stage.account, **OF_CALLS)))
    assert [words for words in stage.heard() if words == "REGISTER"] == []
    assert stage.agent.account("a").rules.do_not_disturb is DoNotDisturb.BUSY
