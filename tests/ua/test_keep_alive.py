"""Keep-alives of the server (RFC 5626 §3.5.1): answered, and never multiplied."""

from __future__ import annotations

from softphone.ua.actions import SendBytes
from tests.playbook.stage import Stage


def test_pings_that_come_together_get_one_pong() -> None:
    stage = Stage().registered()
    before = stage.did(SendBytes)
    stage.say(b"\r\n\r\n")
    stage.say(b"\r\n\r\n" * 1000)
    pongs = stage.did(SendBytes)[len(before) :]
    assert [pong.data for pong in pongs] == [b"\r\n", b"\r\n"]
