"""`softphone ctl`, `softphone events` and hooks, on a running engine, against Kamailio and baresip."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.peers.baresip import Baresip
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.peers.process import until
from tests.processes.running import ROOT, Running
from tests.processes.test_calls_outlive_windows import sign_in

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]


def start(running: Running, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "softphone", *arguments, "--json"],
        cwd=ROOT,
        env={**os.environ, "SOFTPHONE_PROFILE": str(running.directory)},
        stdout=subprocess.PIPE,
        text=True,
    )


def told(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    out, _ = process.communicate(timeout=60)
    return [json.loads(line) for line in out.splitlines()]


def ctl(running: Running, *words: str) -> dict[str, Any]:
    """The result; everything else would be on the way."""
    return told(start(running, "ctl", *words))[-1]


def hook(running: Running, name: str, body: str) -> Path:
    """A program that is called with the event on stdin; its own file is what it may write to."""
    program = running.directory / name
    program.write_text(f"#!{sys.executable}\nimport os, sys\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def registered(running: Running, kamailio: Kamailio) -> None:
    window = running.window(*running.engine_options())
    window.wait_for("state")
    window.submit(sign_in(kamailio))
    window.wait_for("RegistrationChanged", lambda item: item["accounts"].get("work") == "registered")


def test_a_script_makes_a_call_holds_it_and_ends_it_while_another_reads_the_events(
    running: Running, peers: Peers, kamailio: Kamailio
) -> None:
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    registered(running, kamailio)
    listener = start(running, "events", "--only", "call-ended", "--only", "call-secured", "--count", "2")
    assert listener.stdout is not None
    assert json.loads(listener.stdout.readline())["accounts"][0]["state"] == "registered"

    dialled = ctl(running, "dial", f"sip:bob@{kamailio.domain}")
    assert (dialled["ok"], dialled["engine"]) == (True, "attached")

    def active() -> dict[str, Any] | None:
        calls = ctl(running, "calls")["calls"]
        return calls[0] if calls and (calls[0]["phase"], calls[0]["encryption"]) == ("active", "srtp") else None

    call = until(active, "the call to be established", 30)
    assert call["call"] == dialled["call"]
    assert ctl(running, "hold")["ok"]
    assert ctl(running, "calls")["calls"][0]["held_by_us"]
    assert ctl(running, "resume", call["call"][:6])["ok"]
    assert ctl(running, "mute")["ok"]
    assert ctl(running, "calls")["calls"][0]["muted"]
    assert ctl(running, "hang-up")["ok"]

    lines = told(listener)
    assert [line["event"] for line in lines] == ["call-secured", "call-ended", "result"]
    assert lines[0]["call_id"] == lines[1]["call_id"] == call["call"]
    assert "at" in lines[0]
    assert lines[-1]["events"] == 2


def test_a_script_answers_and_what_is_ambiguous_or_impossible_is_wrong_use(
    running: Running, peers: Peers, kamailio: Kamailio
) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    registered(running, kamailio)

    nothing = ctl(running, "answer")
    assert (nothing["ok"], nothing["kind"]) == (False, "usage")
    assert "softphone ctl calls" in nothing["remedy"]

    bob.dial(f"sip:alice@{kamailio.domain}")
    until(lambda: ctl(running, "calls")["calls"] or None, "the call to ring", 30)
    assert ctl(running, "answer")["ok"]
    assert ctl(running, "calls")["calls"][0]["phase"] == "active"
    assert not ctl(running, "answer")["ok"], "there is no ringing call any more"
    assert ctl(running, "hang-up")["ok"]
    assert ctl(running, "unregister")["ok"]
    assert ctl(running, "accounts")["accounts"][0]["state"] == "offline"
    assert ctl(running, "quit")["ok"]
    running.wait_ended()


def test_hooks_hear_of_events_with_a_clean_environment_and_slow_or_broken_ones_are_said(
    running: Running, peers: Peers, kamailio: Kamailio
) -> None:
    heard = running.directory / "heard"
    good = hook(
        running, "good", f"open({str(heard)!r}, 'a').write(os.environ['SOFTPHONE_EVENT'] + ' ' + sys.stdin.read())"
    )
    names = hook(running, "names", f"open({str(running.directory / 'names')!r}, 'w').write(' '.join(os.environ))")
    slow = hook(running, "slow", "import time\ntime.sleep(600)")
    running.profile.settings_file.write_text(
        f"""
[[hooks]]
events = ["registration-changed"]
command = ["{good}", "$HOME; `id`"]

[[hooks]]
events = ["registration-changed"]
command = ["{names}"]

[[hooks]]
events = ["registration-changed"]
command = ["{slow}"]
timeout = 0.5

[[hooks]]
events = ["account-known"]
command = ["{running.directory}/is-not-there"]

[[hooks]]
events = ["sunrise"]
command = ["/bin/true"]
"""
    )
    window = running.window(*running.engine_options())
    window.wait_for("state")
    listener = start(running, "events", "--only", "noticed", "--seconds", "8")
    assert listener.stdout is not None
    listener.stdout.readline()
    window.submit(sign_in(kamailio))
    window.wait_for("RegistrationChanged", lambda item: item["accounts"].get("work") == "registered")

    until(lambda: heard.exists() and '"registered"' in heard.read_text(), "the hook to hear", 20)
    for line in heard.read_text().splitlines():
        name, _, event = line.partition(" ")
        assert name == json.loads(event)["event"] == "registration-changed"
    environment = until(lambda: (running.directory / "names").read_text().split(), "the names", 20)
    assert "SOFTPHONE_PASSWORD" not in environment
    assert {name for name in environment if name.startswith("SOFTPHONE")} == {"SOFTPHONE_EVENT"}
    reasons = " ".join(line["failure"]["reason"] for line in told(listener)[:-1])
    assert "it took longer than 0.5 s" in reasons
    assert "it could not be started" in reasons
    assert running.processes("slow") == []


def test_a_hook_for_an_event_that_does_not_exist_is_said_at_the_start(running: Running) -> None:
    running.profile.settings_file.write_text('[[hooks]]\nevents = ["sunrise"]\ncommand = ["/bin/true"]\n')
    running.window(*running.engine_options()).wait_for("state")
    tool = running.tool()

    assert any("no event “sunrise”" in notice.reason for notice in tool.state.notices)
