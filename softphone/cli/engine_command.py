"""`softphone engine`, not in the help: the engine's process. Its options are those that its starters give.

Owns: the options and how they become an `EngineRequest`. Prints one line on stdout for its starter, logs to stderr.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from softphone.cli.phone_access import Composition, EngineRequest
from softphone.engine.link.place import LinkForm, system_form
from softphone.engine.process.life import LifeTimes
from softphone.engine.process.spawn import program
from softphone.sound import AudioChoice, AudioKind
from softphone.storage.profile import user_profile

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(hidden=True)
@click.option("--config-dir", type=_FOLDER)
@click.option("--state-dir", type=_FOLDER)
@click.option("--runtime-dir", type=_FOLDER)
@click.option("--data-dir", type=_FOLDER)
@click.option("--link", type=click.Choice([form.value for form in LinkForm]), default=system_form().value)
@click.option("--audio", type=click.Choice([kind.value for kind in AudioKind]), default=AudioKind.DEVICE.value)
@click.option("--play", type=_FILE)
@click.option("--record", type=_FILE)
@click.option("--call-alone", type=float, default=LifeTimes().call_alone, help="Seconds of a call without a window.")
@click.option("--idle", type=float, default=LifeTimes().idle, help="Seconds without a call and without a front end.")
@click.option("--window-command", help="JSON list: how a window is started.  [default: this program]")
@click.option("--log-level", default="info")
@click.pass_obj
def engine(composition: Composition, /, **options: Any) -> None:
    """The phone's engine, started by whoever needs one."""
    profile = user_profile()
    names = ("config", "state", "runtime", "data")
    folders = {name: options[f"{name}_dir"] for name in names if options[f"{name}_dir"]}
    window = options["window_command"]
    request = EngineRequest(
        profile=replace(profile, **folders) if folders else profile,
        form=LinkForm(options["link"]),
        audio=AudioChoice(AudioKind(options["audio"]), options["play"], options["record"]),
        times=replace(LifeTimes(), call_alone=options["call_alone"], idle=options["idle"]),
        window_command=program() if window is None else tuple(json.loads(window)),
        log_level=options["log_level"],
    )
    sys.exit(composition.run_engine(request))
