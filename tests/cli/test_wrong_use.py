"""Wrong use is exit code 2 with a sentence, before anything is sent; a broken settings file stays as it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from softphone import app

Run = Callable[..., tuple[int, dict[str, Any]]]
# Nothing listens on that port: a command that went so far would end with code 6.
ACCOUNT = ("--server", "localhost:1", "--user", "alice")

WRONG = {
    "DTLS with suites that it does not have": (
        ("--key-exchange", "dtls", "--srtp-suites", "AES_256_CM_HMAC_SHA1_80"),
        "settings",
        "DTLS-SRTP",
        "AEAD_AES_256_GCM",
    ),
    "a codec that is not built": (("--codecs", "pcmu,speex"), "settings", "no codec SPEEX", "PCMU"),
    "an SRTP suite that does not exist": (("--srtp-suites", "NULL"), "settings", "NULL", "AEAD_AES_256_GCM"),
    "attaching with an account": (("--attach",), "usage", "--attach", "Leave"),
    "a pin that is no fingerprint": (("--pin", "ab:cd"), "settings", "ab:cd", "64"),
    "a key without its certificate": (("--client-key", "key.pem"), "usage", "--client-cert", "certificate"),
    "digits that are none": (("--digits", "12x"), "usage", "12x", "comma"),
    "an unknown option": (("--encrypt",), "usage", "--encrypt", "--help"),
    "an unknown value": (("--tls-profile", "ssl3"), "usage", "ssl3", "--help"),
    "no time at all": (("--timeout", "-3"), "usage", "-3", "--help"),
    "a trace into nowhere": (("--trace", "/nonexistent/trace"), "usage", "/nonexistent/trace", "folder"),
    "a recording into nowhere": (
        ("--audio", "file", "--record", "/nonexistent/heard.wav"),
        "usage",
        "/nonexistent/heard.wav",
        "folder",
    ),
    "a file that is not there": (("--audio", "file", "--play", "/nonexistent.wav"), "usage", "/nonexistent.wav", ""),
    "files without the file endpoint": (("--play", "/nonexistent.wav"), "usage", "--audio file", "--audio file"),
    "a CA file that is not there": (("--ca", "/nonexistent.pem"), "settings", "/nonexistent.pem", "--ca"),
    "a settings file that is not there": (("--config", "/nonexistent.toml"), "usage", "/nonexistent.toml", "--config"),
    "an empty password file": (("--password-file", "/dev/null"), "usage", "is empty", "first line"),
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process, with `--json`, a profile of its own and a password."""
    monkeypatch.setenv("SOFTPHONE_PROFILE", str(tmp_path / "profile"))

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        monkeypatch.setenv("SOFTPHONE_PASSWORD", "x")
        code = app.main([*map(str, arguments), "--json"])
        printed = capsys.readouterr()
        assert printed.err == ""
        events = [json.loads(line) for line in printed.out.splitlines()]
        assert [event["event"] for event in events][-1:] == ["result"]
        return code, events[-1]

    return run


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_said_in_a_sentence(run: Run, case: str) -> None:
    options, kind, reason, remedy = WRONG[case]
    sound = () if "--play" in options or "--record" in options else ("--audio", "null")
    code, result = run("call", "bob", *ACCOUNT, *sound, *options)
    assert (code, result["kind"]) == (2, kind), result
    assert reason in result["reason"]
    assert remedy in result["remedy"]
    assert result["reason"].endswith(".")


def test_an_encryption_value_that_the_profile_forbids_is_a_matter_of_policy(run: Run) -> None:
    code, result = run("call", "bob", *ACCOUNT, "--media-encryption", "disabled")
    assert (code, result["kind"]) == (3, "policy")
    assert "Public network" in result["reason"]


def test_a_command_that_does_not_exist_is_wrong_use(run: Run) -> None:
    code, result = run("dance")
    assert (code, result["kind"]) == (2, "usage")


BROKEN = {
    "no TOML": b"[[accounts]\nname = ",
    "no UTF-8": b"\xff\xfe\x00",
    "a wrong value": b'[media]\nencryption = "perhaps"\n',
    "from the future": b"version = 99\n",
    "twice the same account": b'[[accounts]]\nname="a"\nuser="a"\ndomain="x"\n' * 2,
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_settings_file_is_reported_and_kept(run: Run, tmp_path: Path, case: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(BROKEN[case])
    code, result = run("register", "--config", file)
    assert (code, result["kind"]) == (2, "settings"), result
    assert str(file) in result["reason"]
    assert "left as it is" in result["remedy"]
    assert file.read_bytes() == BROKEN[case]
    assert sorted(tmp_path.iterdir()) == [file]
