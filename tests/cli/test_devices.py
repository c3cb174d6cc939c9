"""`softphone devices` as a process, with a sound server of the tests' own and without any."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.peers.pulse import PulseRig

NO_SERVER = {"PULSE_SERVER": "unix:/nowhere/native", "XDG_RUNTIME_DIR": "/nowhere"}


def devices(
    *options: str, environment: Mapping[str, str], profile: Path, code: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "softphone", "devices", *options],
        env={**os.environ, "SOFTPHONE_PROFILE": str(profile), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.mark.peer
def test_devices_are_listed_by_the_names_people_know(tmp_path: Path) -> None:
    with PulseRig() as rig:
        found = devices("--json", environment=rig.environment, profile=tmp_path)
        shown = devices(environment=rig.environment, profile=tmp_path)
    result = json.loads(found.stdout.splitlines()[-1])

    assert result["event"] == "result"
    assert result["ok"] is True
    assert {"id": "a_in", "name": "A_in", "kind": "microphone", "default": True} in result["devices"]
    assert {"id": "b_spk", "name": "B_spk", "kind": "speaker", "default": False} in result["devices"]
    assert "PortAudio" in result["sound_library"]["version"]
    assert "portaudio" in result["sound_library"]["file"]
    assert not any("monitor" in device["id"] for device in result["devices"])
    microphones, speakers = shown.stdout.split("Speakers:")
    assert "A_in   (the system's default)" in microphones
    assert "B_spk\n" in speakers


def test_a_machine_without_sound_has_an_empty_list(tmp_path: Path) -> None:
    found = devices("--json", environment=NO_SERVER, profile=tmp_path)
    shown = devices(environment=NO_SERVER, profile=tmp_path)

    assert json.loads(found.stdout.splitlines()[-1])["devices"] == []
    assert "Microphones: none\nSpeakers: none\n" in shown.stdout


def test_the_loop_test_is_refused_as_long_as_it_is_not_built(tmp_path: Path) -> None:
    refused = devices("--test", "--json", environment=NO_SERVER, profile=tmp_path, code=2)
    result = json.loads(refused.stdout.splitlines()[-1])

    assert result["ok"] is False
    assert result["kind"] == "usage"
    assert "not built yet" in result["reason"]
