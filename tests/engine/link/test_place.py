"""Where the link is found: only where nobody else could have put anything."""

import os
import socket
from pathlib import Path

import pytest

from softphone.engine.link.place import LONGEST_SOCKET_PATH, LinkForm, LinkPlace, LoopbackAddress, make_private
from softphone.errors import FailureKind, OperationFailed


def test_the_directory_is_made_for_us_alone(tmp_path: Path) -> None:
    place = LinkPlace(tmp_path / "a" / "run", LinkForm.UNIX)
    place.make()
    assert place.runtime.stat().st_mode & 0o777 == 0o700
    place.make()


def test_a_directory_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    make_private(directory)
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_others_could_have_written_into_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(OperationFailed) as refused:
        make_private(directory)
    assert refused.value.failure.kind is FailureKind.STORAGE
    assert "others may write" in refused.value.failure.reason


def test_a_link_in_the_directorys_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OperationFailed):
        make_private(tmp_path / "run")


def test_a_file_in_the_directorys_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(OperationFailed):
        make_private(tmp_path / "run")


@pytest.mark.root
def test_somebody_elses_directory_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    os.chown(directory, 12345, 12345)
    with pytest.raises(OperationFailed) as refused:
        make_private(directory)
    assert "user 12345" in refused.value.failure.reason


def test_a_long_path_gets_a_short_socket_that_is_its_own(tmp_path: Path) -> None:
    deep = [tmp_path / ("x" * 90) / name / "run" for name in ("one", "two")]
    places = [LinkPlace(path, LinkForm.UNIX) for path in deep]
    paths = {place.socket_path for place in places}
    assert len(paths) == 2
    for place in places:
        assert len(os.fsencode(place.socket_path)) < LONGEST_SOCKET_PATH
        place.make()
        try:
            assert place.socket_path.parent.stat().st_mode & 0o777 == 0o700
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(place.socket_path))
            place.clear()
            assert not place.socket_path.exists()
        finally:
            place.socket_path.parent.rmdir()


def test_the_token_file_is_ours_alone_and_comes_back(tmp_path: Path) -> None:
    place = LinkPlace(tmp_path / "run", LinkForm.LOOPBACK)
    place.make()
    address = LoopbackAddress(4711, bytes(range(32)))
    place.write_address(address)
    assert place.read_address() == address
    assert place.address_file.stat().st_mode & 0o777 == 0o600
    assert address.token.hex() not in repr(address)
    assert [path.name for path in place.runtime.iterdir()] == ["engine.port"]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"port": 0, "token": ""}', b'{"port": 5, "token": "zz"}', b"\xff"]
)
def test_a_token_file_that_is_none_is_no_address(tmp_path: Path, content: bytes) -> None:
    place = LinkPlace(tmp_path, LinkForm.LOOPBACK)
    place.address_file.write_bytes(content)
    assert place.read_address() is None


def test_no_token_file_is_no_address(tmp_path: Path) -> None:
    assert LinkPlace(tmp_path, LinkForm.LOOPBACK).read_address() is None
