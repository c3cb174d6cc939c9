"""The options of `softphone ctl VERB …` and `softphone events`, one command per row of `verbs.VERBS`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any

import click

from softphone.cli.controlling import (
    ControlCommand,
    EventsCommand,
    ListCommand,
    accounts_of,
    calls_of,
    event_names,
)
from softphone.cli.output import Output, Result
from softphone.cli.verbs import VERBS, Verb
from softphone.engine.link.place import LinkPlace, system_form
from softphone.engine.waiting import run
from softphone.errors import OperationFailed
from softphone.storage.profile import user_profile

_JSON = click.option("--json", "json_lines", is_flag=True, help="One JSON object per line on stdout, the result last.")
_TIMEOUT = click.option(
    "--timeout",
    type=click.FloatRange(0, 3600, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds to wait until it is done.",
)
_EVENT = click.Choice(event_names())
_ACCOUNT = click.option("--account", help="Name of the account; the default account if not given.")


def _place() -> LinkPlace:
    return LinkPlace(user_profile().runtime, system_form())


def _finish(output: Output, command: Coroutine[Any, Any, Result]) -> None:
    try:
        result = run(command)
    except OperationFailed as error:
        result = Result({}, error.failure)
    output.result(result)
    sys.exit(result.exit_code)


@click.group(epilog="Example: softphone ctl answer --json")
def ctl() -> None:
    """Tell the running phone to do something; says when it is done, or why not.

    CALL is a call's id or the beginning of it, as “softphone ctl calls” lists them; it may be left out where only one
    call can be meant.
    """


def _verb(name: str, verb: Verb) -> click.Command:
    def act(json_lines: bool, timeout: float, account: str | None, **given: Any) -> None:
        words = tuple(word for value in given.values() for word in (value if isinstance(value, tuple) else (value,)))
        output = Output(json_lines)
        wanted = tuple(word for word in words if word is not None)
        _finish(output, ControlCommand(_place(), output, verb, wanted, account, timeout).run())

    command: Callable[..., Any] = act
    for word in reversed(verb.words):
        plain = word.strip("[]").removesuffix("…")
        command = click.argument(
            plain.lower().replace("-", "_"),
            metavar=word,
            required=not word.startswith("["),
            nargs=-1 if "…" in word else 1,
        )(command)
    for option in (_ACCOUNT, _TIMEOUT, _JSON):
        command = option(command)
    return click.command(name, help=verb.sentence, short_help=verb.sentence)(command)  # or click would cut it


for _name, _row in VERBS.items():
    ctl.add_command(_verb(_name, _row))


@ctl.command("calls")
@_JSON
def _calls(json_lines: bool) -> None:
    """List the running phone's calls."""
    output = Output(json_lines)
    _finish(output, ListCommand(_place(), output, "calls", calls_of).run())


@ctl.command("accounts")
@_JSON
def _accounts(json_lines: bool) -> None:
    """List the running phone's accounts."""
    output = Output(json_lines)
    _finish(output, ListCommand(_place(), output, "accounts", accounts_of).run())


@click.command(epilog="Example: softphone events --json --only incoming-call")
@_JSON
@click.option(
    "--only", multiple=True, type=click.Choice(event_names()), metavar="EVENT", help="Only this (repeatable)."
)
@click.option("--count", type=click.IntRange(1), help="End after this number of events.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="End after this time.")
@click.option("--list", "listing", is_flag=True, help="Name all events and end.")
def events(json_lines: bool, only: tuple[str, ...], count: int | None, seconds: float | None, listing: bool) -> None:
    """Print what happens in the running phone, until it ends or is interrupted."""
    output = Output(json_lines)
    if listing:
        output.say("\n".join(event_names()))
        output.result(Result({"names": event_names()} if json_lines else {}))
        return
    _finish(output, EventsCommand(_place(), output, frozenset(only), count, seconds).run())
