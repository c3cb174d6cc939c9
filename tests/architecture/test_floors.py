"""The floors hold, and the test that says so is not blind."""

from __future__ import annotations

from pathlib import Path

import pytest

import softphone
from tests.architecture.floors import FLOORS, broken_floors, imports_of

ROOT = Path(softphone.__file__).parent


def the_modules() -> tuple[dict[str, str], frozenset[str]]:
    """Every module of the program by its full name with its source, and which of them are packages."""
    modules, packages = {}, set()
    for path in sorted(ROOT.rglob("*.py")):
        parts = ["softphone", *path.relative_to(ROOT).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
            packages.add(".".join(parts))
        modules[".".join(parts)] = path.read_text(encoding="utf-8")
    return modules, frozenset(packages)


def test_imports_go_down_only_and_pure_packages_are_pure() -> None:
    modules, packages = the_modules()

    assert len(modules) > 10
    assert broken_floors(modules, packages) == []


def test_everything_in_the_package_has_a_floor() -> None:
    names = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}

    assert names - {"__init__"} <= set(FLOORS)


BROKEN = [
    ("softphone.sip.uri", "import asyncio", "sip is pure and imports asyncio"),
    ("softphone.sip.uri", "from time import monotonic", "sip is pure and imports time"),
    ("softphone.sip.uri", "import os.path", "sip is pure and imports os"),
    ("softphone.rtp.sender", "import random", "rtp is pure and imports random"),
    ("softphone.dsp.gain", "def f():\n    import threading", "dsp is pure and imports threading"),
    ("softphone.policy.tls", "from pathlib import Path", "policy is pure and imports pathlib"),
    ("softphone.errors", "import io", "errors is pure and imports io"),
    ("softphone.ua.host", "import subprocess", "ua is pure and imports subprocess"),
    ("softphone.codecs.g711", "import socket", "codecs is pure and imports socket"),
    ("softphone.sdp.session", "from PySide6.QtCore import QObject", "sdp is pure and imports PySide6"),
    ("softphone.sip.uri", "import importlib\nimportlib.import_module('ssl')", "sip is pure and imports ssl"),
    ("softphone.sip.uri", "__import__(name)", "sip is pure and imports a module by a computed name"),
    ("softphone.srtp.context", "open('keys')", "srtp is pure and calls open()"),
    ("softphone.sip.uri", "from softphone.ua import host", "sip (floor 1) imports ua (floor 2): imports go down only"),
    (
        "softphone.ua.host",
        "import softphone.engine.flow",
        "ua (floor 2) imports engine (floor 3): imports go down only",
    ),
    (
        "softphone.policy.tls",
        "from softphone import sip",
        "policy (floor 0) imports sip (floor 1): imports go down only",
    ),
    ("softphone.ua.host", "from ..engine import flow", "ua (floor 2) imports engine (floor 3): imports go down only"),
    ("softphone.engine.flow", "import softphone.controller", "imports go down only"),
    ("softphone.cli.call", "from softphone.app import build", "cli (floor 5) imports app (floor 6)"),
    ("softphone.cli.call", "from softphone.ui import window", "cli and ui do not know each other"),
    ("softphone.ui.window", "import softphone.cli.call", "ui and cli do not know each other"),
    ("softphone.rtp.sender", "from softphone.srtp import context", "rtp and srtp do not know each other"),
    ("softphone.srtp.context", "from softphone.sdp import negotiated", "srtp and sdp do not know each other"),
    ("softphone.sdp.offer", "from softphone.srtp import context", "sdp and srtp do not know each other"),
    ("softphone.sdp.offer", "from softphone.codecs.g711 import Pcmu", "sdp and codecs do not know each other"),
    ("softphone.cli.call", "import asyncio", "only engine imports asyncio"),
    ("softphone.lab.registrar", "import ssl", "only engine and tls_environment imports ssl"),
    ("softphone.storage.settings", "from socket import gethostname", "only engine imports socket"),
    ("softphone.engine.link", "import PySide6.QtCore", "only ui imports PySide6"),
    ("softphone.cli.call", "from PySide6 import QtCore", "only ui imports PySide6"),
    ("softphone.ui.window", "import sounddevice", "only engine imports sounddevice"),
    ("softphone.ui.window", "import keyring.errors", "only storage imports keyring"),
    ("softphone.engine.media", "import pylibsrtp", "only srtp imports pylibsrtp"),
    ("softphone.__main__", "from softphone.cli import main", "__main__ imports only the composition roots, not cli"),
    ("softphone.__main__", "import click", "__main__ imports only the composition roots, not click"),
    ("softphone.misc.things", "", "misc has no floor"),
]


@pytest.mark.parametrize(("module", "source", "sentence"), BROKEN)
def test_a_broken_floor_is_found(module: str, source: str, sentence: str) -> None:
    assert sentence in "\n".join(broken_floors({module: source}))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "softphone.sip.message",
            "from softphone.sip.uri import Uri\nfrom softphone.errors import RemoteProtocolError",
        ),
        ("softphone.sip.message", "from .uri import Uri\nfrom . import uri"),
        ("softphone.sdp.offer", "from softphone.srtp.crypto_suites import CryptoSuite"),
        ("softphone.sdp.offer", "from softphone.codecs.records import CODEC_RECORDS"),
        ("softphone.codecs.g711", "import numpy as np\nimport struct"),
        ("softphone.srtp.context", "import pylibsrtp"),
        ("softphone.engine.flow", "import asyncio, socket, ssl\nfrom softphone.storage import settings"),
        ("softphone.ui.window", "from PySide6.QtCore import QObject\nfrom softphone import __version__"),
        ("softphone.app", "import asyncio, PySide6\nfrom softphone import cli, ui, engine"),
        ("softphone.__main__", "import sys\nfrom softphone.app import main"),
        ("softphone.storage.settings", "from pathlib import Path\nopen('settings.toml')"),
    ],
)
def test_what_the_house_allows_is_not_reported(module: str, source: str) -> None:
    assert broken_floors({module: source}) == []


def test_neighbours_that_import_each_other_are_found() -> None:
    modules = {"softphone.engine.a": "import softphone.storage.b", "softphone.storage.b": "import softphone.engine.a"}

    assert broken_floors(modules) == ["engine → storage → engine: packages import each other"]


def test_a_relative_import_is_resolved_from_a_package_as_from_a_module() -> None:
    from_package = {found.target for found in imports_of("softphone.sip", "from . import uri", is_package=True)}
    from_module = {found.target for found in imports_of("softphone.sip.message", "from . import uri")}

    assert from_package == from_module == {"softphone.sip", "softphone.sip.uri"}


def test_a_relative_import_out_of_the_package_is_an_error() -> None:
    with pytest.raises(LookupError, match="leaves the package"):
        list(imports_of("softphone.app", "from ... import x"))
