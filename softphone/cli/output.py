"""What a command prints: progress for people, one JSON object per line for scripts, the result last (cli.md)."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
import sys
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from softphone.errors import Failure


@dataclass(slots=True)
class Result:
    """One command's (or one call's) result object; `failure` decides `ok`, the words and the exit code."""

    fields: dict[str, Any] = field(default_factory=dict)
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        return self.failure is None

    @property
    def exit_code(self) -> int:
        return 0 if self.failure is None else int(self.failure.group)

    def as_dict(self) -> dict[str, Any]:
        failure = self.failure
        words: dict[str, Any] = {
            "reason": failure.reason if failure else None,
            "remedy": failure.remedy if failure else None,
        }
        if failure is not None:
            words["kind"] = failure.kind.value
            words["evidence"] = list(failure.evidence)
        return {"ok": self.ok, **self.fields, **words}


class Output:
    """`json_lines`: one object per line on stdout; otherwise text, with colour on a terminal."""

    def __init__(self, json_lines: bool) -> None:
        self.json_lines = json_lines
        self._console = Console(highlight=False, soft_wrap=True)
        self._progress = Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def can_ask(self) -> bool:
        """Whether there is a person at a terminal."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self.json_lines

    def event(self, name: str, **fields: Any) -> None:
        """Something on the way; people see it as a line of progress."""
        if self.json_lines:
            self._line({"event": name, **fields})
            return
        details = "  ".join(f"{key.replace('_', ' ')}: {value}" for key, value in fields.items() if value is not None)
        self._progress.print(f"[dim]{name.replace('-', ' ')}[/dim]  {_escaped(details)}", markup=True)

    def say(self, text: str) -> None:
        if not self.json_lines:
            self._console.print("\n".join(_visible(line) for line in text.split("\n")), markup=False)

    def result(self, result: Result) -> None:
        if self.json_lines:
            self._line({"event": "result", **result.as_dict()})
            return
        if result.failure is not None:
            self._console.print(f"[bold red]✗[/bold red] {_escaped(result.failure.reason)}")
            self._console.print(f"  {_escaped(result.failure.remedy)}")
            for fact in result.failure.evidence:
                self._console.print(f"  [dim]{_escaped(fact)}[/dim]")
        else:
            self._console.print("[bold green]✓[/bold green] done")
        table = Table(box=None, show_header=False, padding=(0, 2))
        for key, value in result.fields.items():
            if value is not None and value != []:
                table.add_row(f"[dim]{key.replace('_', ' ')}[/dim]", _escaped(_shown(value)))
        self._console.print(table)

    @staticmethod
    def _line(fields: dict[str, Any]) -> None:
        line = json.dumps(fields, default=_plain, ensure_ascii=False)
        sys.stdout.write(_NOT_ASCII.sub(_json_escaped, line) + "\n")
        sys.stdout.flush()


class QuietOutput(Output):
    """For a call that is part of something that tells its progress in its own words; nobody can be asked."""

    def event(self, name: str, **fields: Any) -> None:
        del name, fields

    @property
    def can_ask(self) -> bool:
        return False


def exit_code(results: list[Result]) -> int:
    """The first failure's code; 0 if there is none."""
    return next((result.exit_code for result in results if not result.ok), 0)


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return str(value)


def _shown(value: Any) -> str:
    match value:
        case float():
            return f"{value:.4g}"
        case enum.Enum():
            return str(value.value)
        case {"reason": reason}:
            return str(reason)
        case list() | tuple():
            return ", ".join(_shown(item) for item in value)
        case _:
            return str(value)


_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def _json_escaped(found: re.Match[str]) -> str:
    """In JSON what a terminal would obey or a stream could not encode is written as its escape."""
    category = unicodedata.category(found[0])
    if category == "Cs":  # an octet of a peer that was not UTF-8
        return "\\ufffd"
    return json.dumps(found[0])[1:-1] if category[0] == "C" else found[0]


def _visible(text: str) -> str:
    """A peer's text on one line: nothing that a terminal obeys (escape sequences) or that turns the writing round."""
    return "".join(c if unicodedata.category(c)[0] != "C" else "·" for c in text)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(_visible(text))
