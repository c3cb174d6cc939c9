"""What holds for every page: links lead somewhere, pictures exist, nothing names somebody's machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import softphone
from tests.docs import pages
from tests.docs.pages import ROOT

PAGES = pages.pages()
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
# Written so that this file does not hold what it looks for.
MACHINE_PATH = re.compile(r"(?<![\w./~-])/(?:" + "work|root|Users" + r"|home/[a-z])[\w.-]*/|[A-Z]:\\\\?Users\\")


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links whose file, or whose heading in that file, is not there."""
    broken = []
    for link in pages.links(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        found = target.is_relative_to(ROOT) and target.exists()
        if found and anchor:
            found = anchor in pages.anchors(text if target == page else target.read_text(encoding="utf-8"))
        if not found:
            broken.append(link)
    return broken


def test_the_pages_for_every_reader_are_there() -> None:
    guides = {f"docs/{name}-guide.md" for name in ("user", "tester", "admin")}
    design = {f"docs/{name}.md" for name in ("architecture", "cli", "decisions", "media", "security", "state-machines")}

    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"} | guides | design <= set(NAMES)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert broken_links(page, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("link", ["no-such-page.md", "#no-such-heading", "README.md#no-such-heading", "../outside.md"])
def test_a_broken_link_would_be_found(link: str) -> None:
    assert broken_links(ROOT / "README.md", f"# Page\n\nSee [there]({link}).") == [link]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_picture_exists_and_is_described_in_words(page: Path) -> None:
    pictures = pages.images(page.read_text(encoding="utf-8"))

    assert [target for words, target in pictures if not (page.parent / target).is_file() or len(words) < 10] == []


def test_every_picture_is_shown_somewhere() -> None:
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for _, target in pages.images(page.read_text(encoding="utf-8"))
    }

    assert [path.name for path in sorted((ROOT / "docs").glob("pictures/*")) if path.resolve() not in shown] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_page_names_a_path_of_somebody_s_machine(page: Path) -> None:
    assert MACHINE_PATH.findall(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("text", ["see /" + "work/main/x", "in /home/" + "anna/x", "C:" + "\\Users\\anna"])
def test_a_path_of_somebody_s_machine_would_be_found(text: str) -> None:
    assert MACHINE_PATH.search(text)


def test_the_changes_of_the_current_version_are_told() -> None:
    released = [heading.partition(" ")[0] for heading in pages.headings(pages.text_of("CHANGELOG.md"))[1:]]

    assert released[0] == softphone.__version__


def test_the_readme_shows_every_part_of_the_program() -> None:
    tree = pages.section(pages.text_of("README.md"), "How it is built")
    parts = [
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "softphone").iterdir()
        if (path / "__init__.py").is_file() or (path.suffix == ".py" and path.name != "__init__.py")
    ]

    assert [part for part in sorted(parts) if part not in tree] == []


def test_every_decision_says_what_why_what_else_and_whether_it_holds() -> None:
    record = pages.text_of("docs/decisions.md")
    titles = [heading for heading in pages.headings(record) if re.match(r"\d+\. ", heading)]

    assert [int(title.partition(".")[0]) for title in titles] == list(range(1, len(titles) + 1))
    for title in titles:
        told = re.findall(r"(?m)^\*\*(\w+)\.\*\* \S", pages.section(record, title))
        assert told == ["Decision", "Reason", "Alternatives", "Status"], title


CITATION = re.compile(r"\b([a-z-]+)\.md(?: \"([^\"\n]+)\")?")


def citations() -> set[tuple[str, str]]:
    """Pages and their sections that docstrings and comments of the program refer to."""
    sources = [path for folder in ("softphone", "packaging", "tests") for path in (ROOT / folder).rglob("*.py")]
    return {
        found
        for source in sources
        if source.parent != Path(__file__).parent
        for found in CITATION.findall(source.read_text(encoding="utf-8"))
    }


def test_every_page_and_section_that_the_code_cites_is_there() -> None:
    """A section is cited by its heading, or the beginning of it, or by the first cell of a table row."""
    missing = []
    for name, cited in sorted(citations()):
        page = ROOT / "docs" / f"{name}.md"
        if not page.is_file():
            missing.append(f"{name}.md")
            continue
        text = page.read_text(encoding="utf-8")
        named = pages.headings(text) + [row[0] for row in pages.rows(text)]
        if cited and not any(heading.startswith(cited) for heading in named):
            missing.append(f'{name}.md "{cited}"')

    assert missing == []
