"""The frozen program: it tests itself where nothing of the build machine is, and fails where something is missing.

One freezing serves all tests, and the next run too as long as no source has changed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from softphone.policy.tls import TlsProfile
from tests.packaging.clean_room import FREEZES_WITHIN, ROOT, CleanRoom, Run, build_machine, frozen_program, without
from tests.packaging.scripts import script
from tests.peers.process import short_directory

pytestmark = [
    pytest.mark.frozen,
    pytest.mark.timeout(FREEZES_WITHIN + 300),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what is bundled is looked at on Linux"),
]
dynamic_section = script("dynamic_section")
STAGES = ["sound library", "codecs", "engine", "window", "registration", "call", "offer", "end"]
FOREIGN_CONFIGURATION = """
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
Ciphersuites = TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256
CipherString = ALL:@SECLEVEL=0
"""


@pytest.fixture(scope="session")
def program() -> Path:
    return frozen_program()


@pytest.fixture
def room(program: Path) -> Iterator[CleanRoom]:
    folder = short_directory("frozen")
    yield CleanRoom(program, folder)
    shutil.rmtree(folder)


def assert_whole(run: Run) -> None:
    assert run.code == 0, (run.result, run.stderr[-3000:])
    assert run.result["ok"] is True
    assert run.result["frozen"] is True
    assert list(run.stages) == STAGES
    assert all(stage["ok"] for stage in run.result["stages"])
    assert "Traceback" not in run.stderr
    assert run.stages["call"]["media"] == "srtp"
    assert run.stages["call"]["rtp_received"] > 100
    assert frozenset(run.stages["offer"]["suites"]) == TlsProfile.GATEWAY.suites


@pytest.mark.real_time
def test_it_tests_itself_in_a_clean_environment(room: CleanRoom) -> None:
    run = room.run("selftest")

    assert_whole(run)
    assert Path(run.stages["sound library"]["file"]).is_relative_to(room.bundle)


@pytest.mark.real_time
def test_variables_of_whoever_starts_it_change_nothing_of_its_tls(room: CleanRoom) -> None:
    configuration, key_log = room.home / "openssl.cnf", room.home / "keys.log"
    configuration.write_text(FOREIGN_CONFIGURATION)
    (room.home / "sitecustomize.py").write_text("raise SystemExit('somebody else is in here')\n")
    (room.home / "ssl.py").write_text("raise SystemExit('this is no TLS')\n")
    foreign = {
        "OPENSSL_CONF": configuration,
        "SSLKEYLOGFILE": key_log,
        "SSL_CERT_FILE": "/dev/null",
        "PYTHONPATH": room.home,
        "PYTHONHOME": room.home,
    }
    run = room.run("selftest", environment={name: str(value) for name, value in foreign.items()})

    assert_whole(run)
    assert not key_log.exists()


@pytest.mark.root
@pytest.mark.real_time
def test_it_needs_nothing_of_the_machine_that_froze_it(room: CleanRoom) -> None:
    hidden = build_machine()
    assert {path.name.partition(".")[0] for path in hidden} >= {"libportaudio", "libopus"}
    run = room.run("selftest", before=without(*hidden))

    assert_whole(run)


@pytest.mark.root
def test_the_room_without_the_build_machine_is_really_without(room: CleanRoom) -> None:
    # In it the checkout's program cannot start, and the system's sound library is no library.
    script = f"test -s {sys.executable} && exit 3; test -d {ROOT}/softphone && exit 4; exit 0"
    subprocess.run([*without(*build_machine()), "sh", "-c", script], check=True, timeout=30)


def test_without_its_own_sound_library_it_does_not_pass(room: CleanRoom) -> None:
    (room.bundle / "libportaudio.so.2").unlink()
    run = room.run("selftest")

    assert run.code == 7
    assert run.result["kind"] == "audio-device"
    assert list(run.stages) == ["sound library"]


def test_without_its_own_codec_library_it_does_not_pass(room: CleanRoom) -> None:
    (room.bundle / "libopus.so.0").unlink()
    run = room.run("selftest")

    assert run.code == 7
    assert "OPUS" in run.result["reason"]
    assert list(run.stages) == ["sound library", "codecs"]


def test_without_its_openssl_configuration_it_connects_to_nobody(room: CleanRoom) -> None:
    (room.bundle / "softphone" / "resources" / "tls" / "openssl.cnf").unlink()
    run = room.run("demo")

    assert run.code == 2
    assert run.result["ok"] is False
    assert "cipher suites" in run.result["reason"]


def test_no_library_is_looked_for_outside_the_folder(program: Path) -> None:
    foreign = {}
    for path in program.parent.rglob("*"):
        section = dynamic_section.read(path) if path.is_file() and not path.is_symlink() else None
        if section is not None and not all(folder.startswith("$ORIGIN") for folder in section.search_path):
            foreign[path.name] = section.search_path

    assert foreign == {}


def test_every_library_is_bundled_or_on_the_list_of_the_host_s(program: Path) -> None:
    libraries = script("libraries")
    files = [path for path in program.parent.rglob("*") if path.is_file()]
    here = {path.name for path in files}
    needed = {name for path in files if (section := dynamic_section.read(path)) for name in section.needed}
    missing = {name for name in needed - here if not libraries.is_the_hosts(name)}

    assert missing == set()
    assert {name for name in here if libraries.is_the_hosts(name)} == set()
    assert {"libportaudio.so.2", "libopus.so.0", "libssl.so.3", "libcrypto.so.3"} <= here
    assert "libasound.so.2" in needed


def test_no_link_in_the_folder_leads_nowhere(program: Path) -> None:
    assert [path for path in program.parent.rglob("*") if path.is_symlink() and not path.exists()] == []


def test_what_is_not_needed_is_left_out(program: Path) -> None:
    names = {path.name for path in program.parent.rglob("*")}

    assert {"QtWidgets.abi3.so", "libqoffscreen.so", "libqxcb.so", "openssl.cnf"} <= names
    assert not {name for name in names if name.startswith(("libQt6Qml", "libQt6Quick", "libQt6Network", "_tkinter"))}
    assert not {"tkinter", "pytest", "scipy", "libqgtk3.so"} & names


def test_the_host_s_packages_are_in_the_documentation() -> None:
    text = (ROOT / "docs" / "packaging.md").read_text(encoding="utf-8")
    names = {name.strip() for item in script("libraries").host_packages() for name in item.split("|")}

    assert {name for name in names if f"`{name}`" not in text} == set()
