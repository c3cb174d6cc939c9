"""What is printed for people: a peer's text is text, never markup."""

import pytest

from softphone.cli.output import Output


def test_a_name_that_looks_like_markup_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json_lines=False).event("incoming", display_name="[/bold]Bob[red]")
    assert "[/bold]Bob[red]" in capsys.readouterr().err
