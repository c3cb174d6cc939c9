"""What is printed: a peer's text is text, never markup nor an order to the terminal."""

import json

import pytest

from softphone.cli.output import Output, Result
from softphone.errors import Failure, FailureKind

HOSTILE = "Bob\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\udcff\nok"


def test_a_name_that_looks_like_markup_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json_lines=False).event("incoming", display_name="[/bold]Bob[red]")
    assert "[/bold]Bob[red]" in capsys.readouterr().err


@pytest.mark.parametrize("json_lines", [False, True])
def test_a_peers_text_gives_the_terminal_no_orders(capsys: pytest.CaptureFixture[str], json_lines: bool) -> None:
    output = Output(json_lines)
    output.event("incoming", display_name=HOSTILE)
    output.say(HOSTILE)
    output.result(Result({"remote": HOSTILE}, Failure(FailureKind.REJECTED, HOSTILE, HOSTILE, (HOSTILE,))))
    printed = "".join(capsys.readouterr())
    assert "Bob" in printed
    assert not any(character in printed for character in "\x1b\x07\x9b\u202e\udcff")
    printed.encode()  # a terminal's stream can take it


def test_json_keeps_what_people_write(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json_lines=True).event("incoming", display_name="“Zoë” 李\u202e\U000e0041")
    printed = capsys.readouterr().out
    assert "“Zoë” 李" in printed
    assert json.loads(printed)["display_name"] == "“Zoë” 李\u202e\U000e0041"
