"""`softphone lab` as a process, with `softphone call` and `softphone register` against it."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from softphone.cli.lab_command import _is_loopback
from tests.cli.program import PATIENCE, command, environment, json_lines, softphone


@dataclass
class RunningLab:
    process: subprocess.Popen[str]
    ready: dict[str, Any]
    home: Path

    def call(self, *arguments: str, user: str = "alice") -> tuple[int, dict[str, Any]]:
        """`softphone …` with the lab's account; its exit code and result."""
        ended = softphone(
            self.home,
            *arguments,
            *("--server", f"127.0.0.1:{self.ready['port']}", "--user", user, "--ca", self.ready["ca"], "--json"),
            SOFTPHONE_PASSWORD=self.ready["accounts"][user],
        )
        assert "Traceback" not in ended.stderr
        return ended.returncode, json_lines(ended.stdout)[-1]

    def interrupt(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGINT)
        rest, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, rest


@contextmanager
def lab(home: Path, *arguments: str) -> Iterator[RunningLab]:
    process = subprocess.Popen(
        command("lab", "--json", *arguments), env=environment(home), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == "ready"
        yield RunningLab(process, ready, home)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def test_the_first_line_is_ready_and_phones_of_other_processes_work_with_it(tmp_path: Path) -> None:
    with lab(tmp_path) as running:
        ca = Path(running.ready["ca"])
        assert stat.S_IMODE(ca.parent.stat().st_mode) == 0o700
        assert sorted(path.name for path in ca.parent.iterdir()) == ["ca.crt", "server.crt"]  # no key lies about
        assert set(running.ready["accounts"]) == {"alice", "bob", "carol"}
        assert len(set(running.ready["accounts"].values())) == 3

        code, result = running.call("register")
        assert (code, result["status"], result["tls_version"]) == (0, 200, "TLSv1.3")

        code, result = running.call("call", "echo", "--seconds", "1", "--audio", "null", user="bob")
        assert (code, result["media"], result["plain_rtp_seen"]) == (0, "srtp", 0)
        assert result["rtp_received"] > 20

        code, result = running.call("call", "clear", "--seconds", "1", "--audio", "null")
        assert (code, result["kind"], result["ended_by"]) == (3, "media-not-encrypted", "policy")
        assert not result["rtp_sent"]
        assert "without encryption" in result["reason"]
        assert "PBX" in result["remedy"]

        code, result = running.call("call", "wrong-key", "--seconds", "1", "--audio", "null")
        assert (code, result["ok"], result["rtp_received"], result["media"]) == (1, False, 0, None)
        assert "authenticated" in result["reason"]

        code, result = running.call("call", "busy", "--audio", "null")
        assert (code, result["status"]) == (1, 486)

        code, rest = running.interrupt()
        lines = json_lines(rest)
        assert code == 0
        assert (lines[-1]["ok"], lines[-1]["calls"]) == (True, 4)
        echo = next(line for line in lines if line.get("service") == "echo" and line["ended"])
        assert (echo["encrypted"], echo["plain_rtp_seen"]) == (True, 0)
        assert not ca.parent.exists()


def test_accounts_come_from_a_file(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text("# of the test\ndora:pass:word\n\n", encoding="utf-8")
    with lab(tmp_path, "--accounts-file", str(accounts), "--digest", "SHA-512-256") as running:
        assert running.ready["accounts"] == {"dora": "pass:word"}
        assert running.call("register", user="dora")[0] == 0
    assert not Path(running.ready["ca"]).parent.exists()  # ended by SIGTERM, it tidies up too


@pytest.mark.parametrize("content", ["", "nobody\n", ":secret\n", "echo:taken\n"])
def test_an_accounts_file_that_cannot_be_used_is_wrong_use(tmp_path: Path, content: str) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text(content, encoding="utf-8")
    ended = softphone(tmp_path, "lab", "--json", "--accounts-file", str(accounts))
    assert ended.returncode == 2
    assert json_lines(ended.stdout)[-1]["remedy"]


def test_a_port_that_is_taken_is_said_to_be(tmp_path: Path) -> None:
    with lab(tmp_path) as running:
        ended = softphone(tmp_path, "lab", "--json", "--port", str(running.ready["port"]))
        assert ended.returncode == 2
        assert str(running.ready["port"]) in json_lines(ended.stdout)[-1]["reason"]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.3.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("pbx", False)],
)
def test_what_listens_beyond_this_machine_is_known(host: str, loopback: bool) -> None:
    assert _is_loopback(host) is loopback
