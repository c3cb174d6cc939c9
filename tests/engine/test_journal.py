"""The journal of open dialogs: whole or not at all, private, gone when no call runs."""

from pathlib import Path

import pytest

from softphone.engine.journal import Journal
from softphone.ua.open_dialog import OpenDialog

DIALOG = OpenDialog(
    "1",
    "work",
    "sip:bob@example.org",
    "Bob",
    incoming=False,
    sip_call_id="abc@def",
    local="<sip:alice@example.org>;tag=1",
    remote="<sip:bob@example.org>;tag=2",
    remote_target="sip:bob@192.0.2.7:5061;transport=tls",
    routes=("<sip:proxy.example.org;lr>",),
    cseq=7,
)


def test_what_is_written_is_read_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "state" / "open-dialogs.json"
    assert Journal(path).read() == ()
    Journal(path).write((DIALOG,))
    assert Journal(path).read() == (DIALOG,)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_without_calls_there_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "open-dialogs.json"
    journal = Journal(path)
    journal.write((DIALOG,))
    journal.write(())
    assert list(tmp_path.iterdir()) == []
    journal.write(())


def test_nothing_new_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "open-dialogs.json"
    journal = Journal(path)
    journal.write((DIALOG,))
    path.unlink()
    journal.write((DIALOG,))
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"version": 2, "dialogs": []}', b'{"version": 1, "dialogs": [{}]}', b"[" * 100_000],
)
def test_a_damaged_journal_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "open-dialogs.json"
    path.write_bytes(content)
    assert Journal(path).read() == ()


def test_a_disk_that_takes_nothing_ends_no_call(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Journal(tmp_path / "file" / "open-dialogs.json").write((DIALOG,))
