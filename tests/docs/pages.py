"""Reading the project's Markdown pages: which there are, their headings, links and tables.

Owns: as much of Markdown as our pages use. Knows nothing of what they say.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"(?ms)^(```|~~~).*?^\1[ \t]*$")
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"!?\[[^\]\n]*\]\(([^()\s]+)\)")
_IMAGE = re.compile(r"!\[([^\]\n]*)\]\(([^()\s]+)\)")
_CELL_BORDER = re.compile(r"(?<!\\)\|")


def pages() -> list[Path]:
    """Every Markdown file of the tree, new ones included; not those that git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
    names = sorted(name for name in listing.stdout.decode().split("\0") if name)
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """Without code, where brackets and hashes mean something else."""
    return _CODE.sub("", _FENCE.sub("", text))


def links(text: str) -> list[str]:
    """Targets of links and images as written."""
    return _LINK.findall(prose(text))


def images(text: str) -> list[tuple[str, str]]:
    """Description and target of each image."""
    return _IMAGE.findall(prose(text))


def headings(text: str) -> list[str]:
    return re.findall(r"(?m)^#{1,6} +(.*?) *$", _FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """What a link may name after “#”: lower case, without punctuation, spaces as hyphens."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(text)}


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if re.fullmatch(r"#{1,6} +" + re.escape(heading) + " *", line))
    level = len(lines[start]) - len(lines[start].lstrip("#"))
    rest = lines[start + 1 :]
    end = next((i for i, line in enumerate(rest) if re.match(r"#{1," + str(level) + r"} ", line)), len(rest))
    return "\n".join(rest[:end])


def rows(text: str) -> list[list[str]]:
    """The cells of every table row; heads and the lines below them are left out."""
    found: list[list[str]] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        below = lines[number + 1] if number + 1 < len(lines) else ""
        if not line.startswith("|") or _is_rule(line) or _is_rule(below):
            continue
        found.append([cell.strip().replace("\\|", "|") for cell in _CELL_BORDER.split(line.strip())[1:-1]])
    return found


def codes(text: str) -> list[str]:
    """What stands in `backticks`."""
    return re.findall(r"`([^`\n]+)`", text)


def _is_rule(line: str) -> bool:
    return line.startswith("|") and set(line) <= set("|-: ")
