"""`softphone selftest` in the checkout, and that it does not pass what is not whole."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from softphone.cli.selftest import exact_offer, has_window
from softphone.engine.handshake_watch import ClientHello
from softphone.engine.link.connection import attach
from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.process.lock import is_held
from softphone.engine.process.spawn import engine_start, ensure_engine
from softphone.errors import FailureKind, OperationFailed
from softphone.messages import Quit
from softphone.policy.tls import TlsProfile
from softphone.storage.profile import Profile
from tests.peers.process import short_directory, until

STAGES = ["sound library", "codecs", "engine", "window", "registration", "call", "offer", "end"]
EXACT = (*TlsProfile.GATEWAY.tls13_suites, *TlsProfile.GATEWAY.tls12_suites)


def selftest(environment: dict[str, str], *options: str) -> tuple[subprocess.CompletedProcess[str], list[Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "softphone", "selftest", "--json", *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.window
def test_the_checkout_passes_and_says_what_each_stage_found(tmp_path: Path) -> None:
    done, events = selftest({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)})
    result = events[-1]
    found = {stage["stage"]: stage for stage in result["stages"]}

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert result["event"] == "result"
    assert result["ok"] is True
    assert result["frozen"] is False
    assert list(found) == STAGES
    assert all(stage["ok"] for stage in result["stages"])
    assert [event["stage"] for event in events if event["event"] == "stage"] == STAGES
    assert found["call"]["media"] == "srtp"
    assert found["call"]["rtp_received"] > 100
    assert tuple(found["offer"]["suites"]) == EXACT
    assert list(tmp_path.rglob("*.toml")) == []  # the user's profile is left alone


def test_it_is_not_in_the_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "softphone", "--help"], capture_output=True, text=True, timeout=30, check=True
    )

    assert "devices" in done.stdout
    assert "selftest" not in done.stdout


def test_a_window_that_cannot_open_fails_its_stage_with_its_own_words(tmp_path: Path) -> None:
    done, events = selftest({"HOME": str(tmp_path), "QT_QPA_PLATFORM": "no-such-screen"})
    result = events[-1]

    assert done.returncode == 1
    assert result["ok"] is False
    assert result["stages"][-1]["stage"] == "window"
    assert result["stages"][-1]["ok"] is False
    assert "no-such-screen" in " ".join(result["evidence"])


def test_asking_for_a_window_never_takes_its_place() -> None:
    folder = short_directory("selftest")
    start = engine_start(Profile(folder, folder, folder / "run"), "--audio", "null")
    tool = ensure_engine(start, FrontEndKind.TOOL)
    done, asked = threading.Event(), 0

    def ask() -> None:
        nonlocal asked
        while not done.is_set():
            has_window(start.place)
            asked += 1

    asking = threading.Thread(target=ask)
    try:
        assert not has_window(start.place)
        asking.start()
        for _ in range(50):  # AnotherWindow here, were the question a window's
            window = attach(start.place, FrontEndKind.WINDOW, only_window=True)
            assert window is not None
            assert has_window(start.place)
            window.close()
            until(lambda: not has_window(start.place), "the engine to see the window leave")
    finally:
        done.set()
        asking.join(10)
        tool.send(Quit())
        tool.close()
        until(lambda: not is_held(start.place.lock_file), "the engine to end", 10)
        shutil.rmtree(folder)
    assert asked > 50


def test_an_exact_offer_is_accepted() -> None:
    facts = exact_offer([ClientHello(("TLSv1.3", "TLSv1.2"), EXACT, ())])

    assert facts == {"profile": "gateway", "versions": ["TLSv1.3", "TLSv1.2"], "suites": list(EXACT)}


@pytest.mark.parametrize(
    "hellos",
    [
        [],
        [ClientHello(("TLSv1.3", "TLSv1.2"), (*EXACT, "TLS_CHACHA20_POLY1305_SHA256"), ())],
        [ClientHello(("TLSv1.3", "TLSv1.2"), (*EXACT, "AES128-SHA"), ())],
        [ClientHello(("TLSv1.3", "TLSv1.2"), EXACT[:-1], ())],
        [ClientHello(("TLSv1.3", "TLSv1.2"), EXACT[1:], ())],
        [ClientHello(("TLSv1.3", "TLSv1.2"), (*EXACT[:2], *reversed(EXACT[2:])), ())],
        [ClientHello(("TLSv1.3", "TLSv1.2", "TLSv1.1"), EXACT, ())],
        [ClientHello(("TLSv1.2",), EXACT, ())],
        [
            ClientHello(("TLSv1.3", "TLSv1.2"), (*EXACT, "0xc013"), ()),
            ClientHello(("TLSv1.3", "TLSv1.2"), EXACT, ()),
        ],
    ],
)
def test_any_other_offer_is_refused(hellos: list[ClientHello]) -> None:
    with pytest.raises(OperationFailed) as refused:
        exact_offer(hellos)

    assert refused.value.failure.kind in (FailureKind.TLS_CIPHER, FailureKind.TLS_HANDSHAKE)
