"""The command line: subcommands, their options, exit codes (cli.md is the contract)."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from softphone import __version__
from softphone.cli.attached import phone_for
from softphone.cli.calling import AnswerCommand, CallCommand
from softphone.cli.control_group import ctl, events
from softphone.cli.demo import SECONDS, DemoCommand
from softphone.cli.device_testing import DeviceTestCommand
from softphone.cli.devices import DevicesCommand
from softphone.cli.engine_command import engine
from softphone.cli.lab_command import LabCommand
from softphone.cli.options import ACCOUNT_OPTIONS, DEVICE_OPTIONS, MEDIA_OPTIONS, chosen_devices, with_options
from softphone.cli.output import Output, Result, exit_code
from softphone.cli.phone_access import Composition
from softphone.cli.recordings_group import recordings
from softphone.cli.registering import INTERRUPTED, RegisterCommand
from softphone.cli.selftest import SelftestCommand
from softphone.engine.waiting import run
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.lab.lab import DIGESTS, LOOPBACK
from softphone.sip.authentication import ALGORITHMS
from softphone.sound import AudioChoice, AudioKind
from softphone.ua.digits import digits_failure

_LEVELS = click.Choice(["debug", "info", "warning", "error"])
_LINK = re.compile(r"(?i)^(sips?|tel|callto):")
_COMMON = (
    click.option("--json", "json_lines", is_flag=True, help="One JSON object per line on stdout, the result last."),
    click.option("--log-level", type=_LEVELS, default="warning", show_default=True, help="Log on stderr."),
)


def _output(options: dict[str, Any]) -> Output:
    logging.basicConfig(
        level=options.pop("log_level").upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    return Output(options.pop("json_lines"))


def _finish(output: Output, command: Coroutine[Any, Any, Result]) -> None:
    """Runs, prints the result, exits with its code; a refusal on the way is a result too."""
    try:
        result = run(command)
    except OperationFailed as error:
        result = Result({}, error.failure)
    output.result(result)
    sys.exit(result.exit_code)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="softphone")
@click.option("--lab", is_flag=True, help="Open the window with the built-in lab's account ready to call.")
@click.option("--dial", default="", help="Open the window and put this address into its field (sip: links do this).")
@click.pass_context
def cli(context: click.Context, lab: bool, dial: str) -> None:
    """A softphone whose signalling is always TLS and whose voice is SRTP unless a policy openly says otherwise.

    Without a command it opens the window.
    """
    if context.invoked_subcommand is None:
        sys.exit(context.obj.open_window(lab=lab, dial=dial))


@cli.command(epilog="Example: softphone register --server pbx.example.org --user alice --json")
@with_options(_COMMON, ACCOUNT_OPTIONS)
@click.option("--stay", is_flag=True, help="Stay registered until interrupted.")
@click.pass_obj
def register(composition: Composition, /, stay: bool, **options: Any) -> None:
    """Register an account and report how it went."""
    output = _output(options)

    async def command() -> Result:
        source, request = await phone_for(composition, options)
        request = replace(request, audio=AudioChoice(AudioKind.NULL))
        return await RegisterCommand(source, output, request, options["timeout"], stay).run()

    _finish(output, command())


@cli.command(epilog="Example: softphone call sip:echo@pbx.example.org --seconds 10 --json")
@with_options(_COMMON, ACCOUNT_OPTIONS, MEDIA_OPTIONS)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Hang up after this time.")
@click.option("--digits", default="", help="Digits to send once answered; “,” waits 1 s, “;” 2 s.")
@click.option("--hide-identity", is_flag=True, help="Do not let the other side know who calls.")
@click.argument("uri")
@click.pass_obj
def call(
    composition: Composition, /, uri: str, seconds: float | None, digits: str, hide_identity: bool, **options: Any
) -> None:
    """Call URI and report how it went."""
    output = _output(options)

    async def command() -> Result:
        if digits and (refused := digits_failure(digits)) is not None:
            raise OperationFailed(refused)
        source, request = await phone_for(composition, options)
        patience = options["timeout"]
        return await CallCommand(source, output, request, uri, seconds, patience, digits, hide_identity).run()

    _finish(output, command())


@cli.command(epilog="Example: softphone answer --calls 1 --audio file --record heard.wav --json")
@with_options(_COMMON, ACCOUNT_OPTIONS, MEDIA_OPTIONS)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Hang up each call after this time.")
@click.option("--calls", type=click.IntRange(1), help="End after this number of calls.")
@click.option("--decline", type=click.IntRange(400, 699), help="Decline calls with this status instead.")
@click.pass_obj
def answer(
    composition: Composition, /, seconds: float | None, calls: int | None, decline: int | None, **options: Any
) -> None:
    """Wait for calls and answer them; one result a call."""
    output = _output(options)

    async def command() -> list[Result]:
        source, request = await phone_for(composition, options)
        return await AnswerCommand(source, output, request, calls, seconds, options["timeout"], decline).run()

    try:
        results = run(command())
    except OperationFailed as error:
        results = [Result({}, error.failure)]
    if (len(results) == 1 and calls == 1) or any(not r.fields.get("remote") for r in results):
        output.result(results[-1])
    else:
        output.result(Result({"calls": len(results)}, next((r.failure for r in results if not r.ok), None)))
    sys.exit(exit_code(results))


@cli.command(epilog="Example: softphone demo --json")
@with_options(_COMMON)
@click.option(
    "--seconds", type=click.FloatRange(1, 600), default=SECONDS, show_default=True, help="Length of the call."
)
@click.pass_obj
def demo(composition: Composition, /, seconds: float, **options: Any) -> None:
    """See a secure call work: a server of its own on this machine, TLS, SRTP, and a voice that comes back.

    Needs no account, network, display or sound card.
    """
    output = _output(options)
    _finish(output, DemoCommand(composition, output, seconds).run())


@cli.command(epilog="Example: softphone lab --port 5061")
@with_options(_COMMON)
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to listen on; beyond loopback at your risk.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="TLS port; 0 takes any that is free.")
@click.option("--name", "names", multiple=True, help="A further name for the certificate (repeatable).")
@click.option("--accounts-file", type=click.Path(path_type=Path), help="Accounts as lines of user:password.")
@click.option(
    "--digest", "digests", multiple=True, type=click.Choice(list(ALGORITHMS)), help="Offer this (repeatable)."
)
@click.pass_obj
def lab(
    composition: Composition,
    /,
    host: str,
    port: int,
    names: tuple[str, ...],
    accounts_file: Path | None,
    digests: tuple[str, ...],
    **options: Any,
) -> None:
    """Run the built-in lab: a registrar with echo, tone, busy and faulty services. Never expose it to a network."""
    output = _output(options)
    _finish(output, LabCommand(composition, output, host, port, names, digests or DIGESTS, accounts_file).run())


def _only_with_test(test: bool) -> None:
    """Raises click.UsageError for an option that would have no effect."""
    context = click.get_current_context()
    for name in ("seconds", "microphone", "speaker"):
        if not test and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} is for the test: add --test.")


@cli.command(epilog="Example: softphone devices --test --seconds 5")
@with_options(_COMMON, DEVICE_OPTIONS)
@click.pass_obj
def devices(composition: Composition, /, test: bool, seconds: float, **options: Any) -> None:
    """List the microphones and speakers of this machine, or test the chosen ones."""
    output = _output(options)
    _only_with_test(test)

    async def command() -> Result:
        if not test:
            return await DevicesCommand(composition, output).run()
        return await DeviceTestCommand(composition, output, chosen_devices(options), seconds).run()

    _finish(output, command())


cli.add_command(engine)
cli.add_command(ctl)
cli.add_command(events)
cli.add_command(recordings)


@cli.command(hidden=True)
@with_options(_COMMON)
@click.pass_obj
def selftest(composition: Composition, /, **options: Any) -> None:
    """See whether this installation is whole; for those who build packages."""
    output = _output(options)
    _finish(output, SelftestCommand(composition, output).run())


def main(arguments: list[str], composition: Composition) -> int:
    """Runs the command line; returns the exit code. A lone `sip:` or `tel:` address is a link that was clicked."""
    if len(arguments) == 1 and _LINK.match(arguments[0]):
        arguments = ["--dial", arguments[0]]
    try:
        ended = cli.main(args=arguments, prog_name="softphone", obj=composition, standalone_mode=False)
    except SystemExit as exiting:  # a command ends so
        return exiting.code if isinstance(exiting.code, int) else 1
    except click.Abort:  # Ctrl-C before or after the time in which a command catches it
        Output("--json" in arguments).result(Result({}, INTERRUPTED))
        return 1
    except click.ClickException as wrong:
        if "--json" in arguments:  # a script reads a result, whatever it did wrong
            failure = Failure(FailureKind.USAGE, f"{wrong.format_message().rstrip('.?')}.", "See --help.")
            Output(json_lines=True).result(Result({}, failure))
        else:
            wrong.show()
        return wrong.exit_code
    return ended if isinstance(ended, int) else 0  # of --help and --version
