"""`softphone devices` as a process, with a sound server of the tests' own and without any."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.engine.media.lockstep import voice
from tests.peers.pulse import RATE, PulseRig

NO_SERVER = {"PULSE_SERVER": "unix:/nowhere/native", "XDG_RUNTIME_DIR": "/nowhere"}


def devices(
    *options: str, environment: Mapping[str, str], profile: Path, code: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "softphone", "devices", *options],
        env={**os.environ, "SOFTPHONE_PROFILE": str(profile), **environment},
        capture_output=True,
        text=True,
        timeout=90,
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


@pytest.mark.parametrize("option", ["--seconds=3", "--microphone=A_in", "--speaker=a_mic"])
def test_an_option_of_the_test_without_the_test_is_refused(tmp_path: Path, option: str) -> None:
    refused = devices(option, environment=NO_SERVER, profile=tmp_path, code=2)
    assert "add --test" in refused.stderr
    assert not refused.stdout


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def again_if_disturbed(*options: str, environment: Mapping[str, str], profile: Path) -> list[dict[str, Any]]:
    """A busy machine makes gaps into the sound, which the test says."""
    for _ in range(4):
        told = lines(devices(*options, environment=environment, profile=profile))
        if told[-1]["loop"]["verdict"] != "disturbed":
            break
    return told


@pytest.mark.peer
def test_a_speaker_that_the_microphone_hears_gives_latency_and_echo_return(tmp_path: Path) -> None:
    """Sound played into the sink `a_mic` comes out of the source `a_in`: a cable from one to the other."""
    with PulseRig() as rig:
        rig.play_samples("a_mic", voice(120.0, RATE))
        spoken = lines(
            devices(
                *("--test", "--json", "--seconds", "2", "--microphone", "A_in", "--speaker", "b_mic"),
                environment=rig.environment,
                profile=tmp_path,
            )
        )
    with PulseRig() as rig:
        looped = again_if_disturbed(
            *("--test", "--json", "--seconds", "1", "--speaker", "a_mic"), environment=rig.environment, profile=tmp_path
        )

    result = spoken[-1]
    assert result["ok"] is True
    assert result["microphone"]["verdict"] == "good"
    assert result["microphone"]["device"] == "A_in"
    assert (result["microphone"]["clipping"], result["microphone"]["silent"]) == (False, False)
    assert result["speaker"]["device"] == "B_mic"
    assert result["loop"]["verdict"] in ("no-echo", "disturbed")
    assert (result["loop"]["latency_ms"], result["loop"]["echo_return_db"]) == (None, None)
    levels = [line for line in spoken if line["event"] == "level" and line["step"] == "microphone"]
    assert len(levels) == 20
    assert max(line["level_db"] for line in levels) > -30
    assert [line["step"] for line in spoken if line["event"] == "step"] == ["microphone", "speaker", "loop"]

    loop = looped[-1]["loop"]
    print(f"loop of both devices: {loop}")
    assert looped[-1]["ok"] is True
    assert looped[-1]["microphone"]["verdict"] == "silent", "nobody spoke, and it is not dead"
    assert loop["verdict"] == "echo"
    assert loop["echo_return_db"] == pytest.approx(0, abs=2)
    assert 10 < loop["latency_ms"] < 300


@pytest.mark.peer
def test_a_microphone_with_nothing_in_it_is_told_and_one_muted_in_the_system_apart(tmp_path: Path) -> None:
    with PulseRig() as rig:
        silent = devices("--test", "--json", "--seconds", "1", environment=rig.environment, profile=tmp_path, code=7)
        rig.control("set-source-mute", "a_in", "1")
        muted = devices("--test", "--seconds", "1", environment=rig.environment, profile=tmp_path, code=7)
        unknown = devices(
            "--test", "--json", "--speaker", "Loud", environment=rig.environment, profile=tmp_path, code=7
        )

    result = lines(silent)[-1]
    assert (result["ok"], result["kind"]) == (False, "audio-device")
    assert (result["microphone"]["verdict"], result["microphone"]["silent"]) == ("dead", True)
    assert result["loop"]["verdict"] == "not-known"
    assert result["reason"] == result["microphone"]["sentence"]
    assert "Speaker “A_spk”: four notes." in muted.stdout
    assert "Your microphone is muted in the system's sound settings." in muted.stdout
    assert "There is no speaker called “Loud”." in lines(unknown)[-1]["reason"]


def test_a_machine_without_sound_has_nothing_to_test(tmp_path: Path) -> None:
    result = lines(devices("--test", "--json", environment=NO_SERVER, profile=tmp_path, code=7))[-1]

    assert (result["ok"], result["kind"]) == (False, "audio-device")
    assert result["remedy"]
