"""The guides against the program: every setting, command, option, result field, failure, service and key is told."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from softphone.cli.calling import call_fields
from softphone.cli.main import cli
from softphone.cli.output import Result
from softphone.cli.verbs import VERBS
from softphone.errors import Failure, FailureGroup, FailureKind
from softphone.lab.services import SERVICES
from softphone.policy import media
from softphone.state import AppState, CallDirection, CallPhase, CallView
from softphone.storage.profile import Profile
from softphone.storage.settings import AccountSettings, HookSettings, Settings
from softphone.ua.events import Party
from tests.docs import pages
from tests.docs.pages import ROOT

USER = pages.text_of("docs/user-guide.md")
TESTER = pages.text_of("docs/tester-guide.md")
ADMIN = pages.text_of("docs/admin-guide.md")
CLI = pages.text_of("docs/cli.md")


# Settings


def settings_fields() -> dict[str, dataclasses.Field[Any]]:
    """Every key of the settings file as it is written in the guide: `media.encryption`, `accounts.name`."""
    found: dict[str, dataclasses.Field[Any]] = {}
    for field in dataclasses.fields(Settings):
        section: Any = field.default_factory
        if field.name in ("accounts", "hooks"):
            kind = AccountSettings if field.name == "accounts" else HookSettings
            found |= {f"{field.name}.{inner.name}": inner for inner in dataclasses.fields(kind)}
        elif isinstance(section, type):
            found |= {f"{field.name}.{inner.name}": inner for inner in dataclasses.fields(section)}
        else:
            found[field.name] = field
    return found


def settings_rows() -> dict[str, list[str]]:
    return {pages.codes(row[0])[0]: row for row in pages.rows(pages.section(ADMIN, "Settings file"))}


def test_every_settings_key_has_its_row_in_the_admin_guide_and_no_other() -> None:
    assert sorted(settings_rows()) == sorted(settings_fields())


@pytest.mark.parametrize("key", sorted(settings_fields()))
def test_the_admin_guide_gives_the_default_of(key: str) -> None:
    field = settings_fields()[key]
    told = settings_rows()[key][2]

    if field.default is dataclasses.MISSING:
        assert told == "required"
    else:
        assert pages.codes(told) == [json.dumps(msgspec.to_builtins(field.default))]


@pytest.mark.parametrize("key", sorted(settings_fields()))
def test_the_admin_guide_names_the_values_of(key: str) -> None:
    default = settings_fields()[key].default
    if isinstance(default, enum.Enum):
        assert pages.codes(settings_rows()[key][1]) == [f'"{member.value}"' for member in type(default)]


def test_the_admin_guide_gives_the_type_of_every_key() -> None:
    words = {"str": "text", "int": "whole number", "bool": "true or false", "tuple[str, ...]": "list of texts"}
    wrong = []
    for key, field in settings_fields().items():
        kind = str(field.type).replace("builtins.", "")
        if kind in words and not settings_rows()[key][1].startswith(words[kind]):
            wrong.append(key)

    assert wrong == []


def test_the_example_settings_are_settings() -> None:
    examples = re.findall(r"(?ms)^```toml\n(.*?)^```$", ADMIN)

    assert examples
    for example in examples:
        assert msgspec.convert(tomllib.loads(example), Settings).accounts


def test_the_admin_guide_names_every_file_of_a_profile(tmp_path: Path) -> None:
    profile = Profile(tmp_path, tmp_path, tmp_path)
    files = {profile.settings_file.name, profile.journal_file.name, profile.engine_log.name, profile.instance_file.name}
    told = pages.section(ADMIN, "Files and where they live")

    assert [name for name in sorted(files) if name not in told] == []


# The command line


def options_of(command: click.Command) -> set[str]:
    return {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }


COMMANDS = {name: command for name, command in cli.commands.items() if not command.hidden}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_is_in_the_tester_guide_or_in_the_contract(name: str) -> None:
    told = " ".join(pages.codes(TESTER) + pages.codes(CLI))

    assert re.search(rf"softphone {name}\b", told)
    assert [option for option in sorted(options_of(COMMANDS[name])) if not re.search(rf"{option}(?![\w-])", told)] == []


def test_every_verb_of_ctl_is_in_the_tester_guide_with_its_words() -> None:
    rows = {
        tuple(pages.codes(row[0])[0].split()[:1]): row for row in pages.rows(pages.section(TESTER, "The running phone"))
    }
    told = {name for (name,) in rows}

    assert told == {*VERBS, "calls", "accounts"}


def test_every_option_of_the_window_is_told() -> None:
    told = " ".join(pages.codes(TESTER) + pages.codes(CLI) + pages.codes(USER))

    assert [option for option in sorted(options_of(cli)) if not re.search(rf"{option}(?![\w-])", told)] == []


def result_fields() -> set[str]:
    """What a call's result object holds, whatever became of the call."""
    call = CallView("1", "a", Party("sip:b@c"), CallDirection.OUTGOING, CallPhase.DIALING, began_at=0.0)
    failure = Failure(FailureKind.REJECTED, "no", "yes")
    return set(Result({"engine": "own", **call_fields(AppState(), call, None)}, failure).as_dict())


def test_the_tester_guide_explains_every_field_of_a_call_s_result() -> None:
    told = {code for row in pages.rows(pages.section(TESTER, "The result of a call")) for code in pages.codes(row[0])}

    assert result_fields() == told


def test_the_exit_codes_of_the_tester_guide_are_those_of_the_program() -> None:
    told = {
        int(row[0]): set(pages.codes(row[2]))
        for row in pages.rows(pages.section(TESTER, "Exit codes"))
        if row[0].isdigit() and row[0] != "0"
    }
    real: dict[int, set[str]] = {int(group): set() for group in FailureGroup}
    for kind in FailureKind:
        real[int(Failure(kind, "", "").group)].add(kind.value)

    assert told == real


def test_every_service_of_the_lab_is_in_the_tester_guide_in_its_own_words() -> None:
    told = {pages.codes(row[0])[0]: row[1] for row in pages.rows(pages.section(TESTER, "The lab"))}

    assert told == {name: service.does for name, service in SERVICES.items()}


# What people see


def test_every_kind_of_failure_is_in_the_user_guide_and_no_other() -> None:
    table = pages.rows(pages.section(USER, "When something fails"))
    told = [code for row in table for code in pages.codes(row[-1])]

    assert sorted(told) == sorted(kind.value for kind in FailureKind)


def test_every_keyboard_shortcut_is_in_the_user_guide_and_no_other() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "softphone" / "ui").glob("*.py")]
    keys = {key for source in sources for key in re.findall(r'"((?:Ctrl|Alt|Shift|Meta)\+[\w+,.]+|F\d+)"', source)}
    told = {code for row in pages.rows(pages.section(USER, "Keyboard")) for code in pages.codes(row[0])}

    assert keys
    assert {key for key in told if "+" in key or re.fullmatch(r"F\d+", key)} == keys


def test_the_media_encryption_words_of_the_user_guide_are_those_of_the_settings() -> None:
    chapter = pages.section(USER, "Media encryption")
    labels = [
        *media.ENCRYPTION_LABELS.values(),
        *media.PROFILE_LABELS.values(),
        *media.UNENCRYPTED_PEER_LABELS.values(),
    ]

    assert [label for label in labels if label not in chapter] == []


def test_the_lock_s_words_of_the_user_guide_are_those_of_the_window() -> None:
    words = (ROOT / "softphone" / "ui" / "words.py").read_text(encoding="utf-8")
    told = [row[0].strip("“”") for row in pages.rows(pages.section(USER, "The lock"))]

    assert told
    assert [text for text in told if f'"{text}"' not in words] == []
