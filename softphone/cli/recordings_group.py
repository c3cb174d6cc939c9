"""`softphone recordings list | export | delete`: the recorded calls of this profile, whether or not the phone runs.

Owns: these commands' options and what they print. The files are `engine/recording/library.py`'s.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from softphone import configuration
from softphone.cli.options import usage
from softphone.cli.output import Output, Result
from softphone.engine.recording.library import Library
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import RecordingCondition, RecordingView
from softphone.recordings import library
from softphone.storage.profile import user_profile
from softphone.storage.recording_key import RecordingKey
from softphone.storage.settings import SettingsFile

_JSON = click.option("--json", "json_lines", is_flag=True, help="One JSON object per line on stdout, the result last.")
_CUT = {
    RecordingCondition.INCOMPLETE: "The phone or the machine stopped while it was recorded: it ends there.",
    RecordingCondition.DAMAGED: "Only its beginning is what was recorded; the rest of the file is damaged.",
    RecordingCondition.RUNNING: "The call is still being recorded: this is what there was until now.",
}


def _library() -> Library:
    profile = user_profile()
    section = SettingsFile(profile.settings_file).load().recording
    return library(lambda: configuration.recording_options(section), profile.recordings, RecordingKey())


def _run(json_lines: bool, work: Callable[[Output], Result]) -> None:
    output = Output(json_lines)
    try:
        result = work(output)
    except OperationFailed as error:
        result = Result({}, error.failure)
    output.result(result)
    sys.exit(result.exit_code)


@click.group(epilog="Example: softphone recordings export 4f0c --json")
def recordings() -> None:
    """List, export and delete recorded calls, which are encrypted on the disk.

    ID is a recording's id or the beginning of it, as “softphone recordings list” says it.
    """


@recordings.command(name="list")
@_JSON
def list_(json_lines: bool) -> None:
    """List the recordings, newest first."""

    def work(output: Output) -> Result:
        found = [_object(view) for view in _library().listed()]
        if output.json_lines:
            return Result({"recordings": found})
        for fields in found:
            output.say("  ".join(f"{key}: {value}" for key, value in fields.items() if value not in (None, "")))
        return Result({"recordings": len(found)})

    _run(json_lines, work)


@recordings.command()
@_JSON
@click.argument("recording", metavar="ID")
@click.argument("file", type=click.Path(path_type=Path), default=".")
def export(json_lines: bool, recording: str, file: Path) -> None:
    """Write a recording to FILE, or into this folder. The exported file is NOT encrypted: anybody can play it."""

    def work(output: Output) -> Result:
        if file.exists() and not file.is_dir():
            raise usage(f"{file} exists.", "Name a new file, or a folder.")
        exported = _library().export(recording, file)
        complete = exported.condition is RecordingCondition.COMPLETE
        if not complete:
            output.say(_CUT[exported.condition])
        output.say("The exported file is not encrypted: anybody who gets it can listen.")
        return Result(
            {
                "file": str(exported.path),
                "seconds": round(exported.seconds, 2),
                "condition": exported.condition,
                "complete": complete,
            }
        )

    _run(json_lines, work)


@recordings.command()
@_JSON
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("recording", metavar="ID", nargs=-1, required=True)
def delete(json_lines: bool, yes: bool, recording: tuple[str, ...]) -> None:
    """Delete recordings for good."""

    def work(output: Output) -> Result:
        if not yes:
            if not output.can_ask:
                raise usage("Nobody can be asked whether to delete for good.", "Add --yes.")
            if not click.confirm(f"Delete {len(recording)} recordings for good?", err=True):
                return Result({"deleted": 0}, Failure(FailureKind.USAGE, "Nothing was deleted.", "Say yes to delete."))
        found = _library()
        deleted = 0
        for chosen in recording:
            try:
                found.delete(chosen)
            except OperationFailed as error:
                return Result({"deleted": deleted}, error.failure)
            deleted += 1
        return Result({"deleted": deleted})

    _run(json_lines, work)


def _object(view: RecordingView) -> dict[str, Any]:
    remote = view.remote
    return {
        "recording": view.id,
        "started": datetime.fromtimestamp(view.started_at, UTC).isoformat(timespec="seconds"),
        "seconds": round(view.seconds, 1),
        "remote": remote.uri if remote is not None else None,
        "name": remote.display_name if remote is not None else None,
        "direction": None if remote is None else "incoming" if view.incoming else "outgoing",
        "account": view.account_id,
        "format": view.format.value if view.format is not None else None,
        "size": view.size,
        "announced": view.announced,
        "condition": view.condition.value,
        "reason": view.failure.reason if view.failure is not None else None,
    }
