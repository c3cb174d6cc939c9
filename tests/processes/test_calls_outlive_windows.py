"""A window that freezes or dies does not touch a call; an engine that dies is replaced and says so."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time

import pytest

from softphone.messages import Quit, SignIn
from softphone.policy.secret import Secret
from softphone.ua.commands import Answer, Dial, HangUp
from tests.peers.baresip import Baresip, rtp_statistics
from tests.peers.conftest import Peers
from tests.peers.kamailio import PASSWORDS, Kamailio
from tests.peers.process import until
from tests.processes.running import ROOT, FrontEndProcess, Running

pytestmark = [pytest.mark.peer, pytest.mark.timeout(90)]


def sign_in(kamailio: Kamailio) -> SignIn:
    return SignIn(
        "work",
        "alice",
        kamailio.domain,
        Secret(PASSWORDS["alice"]),
        server=f"{kamailio.host}:{kamailio.tls_port}",
        ca_files=(str(kamailio.root),),
        remember_password=False,
    )


def call_bob(window: FrontEndProcess, kamailio: Kamailio) -> str:
    """Signs in and calls; the call's id once it is secured."""
    window.wait_for("state")
    window.submit(sign_in(kamailio))
    window.wait_for("RegistrationChanged", lambda item: item["accounts"].get("work") == "registered")
    call_id = secrets.token_hex(4)
    window.submit(Dial(call_id, f"sip:bob@{kamailio.domain}"))
    window.wait_for("CallSecured")
    return call_id


def test_a_frozen_and_then_killed_window_loses_no_frame_and_a_new_one_shows_the_call(
    running: Running, peers: Peers, kamailio: Kamailio
) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    again = FrontEndProcess(running.directory / "again.items")
    window = running.window(*running.engine_options(window=running.window_command(name="again")))
    call_id = call_bob(window, kamailio)
    established = time.monotonic()

    window.signal(signal.SIGSTOP)
    time.sleep(3)
    window.signal(signal.SIGKILL)
    assert again.wait_for("state")["calls"] == {call_id: "active"}
    time.sleep(1)
    talked = time.monotonic() - established
    bob.hangup()

    ended = again.wait_for("CallEnded")
    statistics = rtp_statistics(kamailio.wait_message("BYE").text)
    assert ended["recent"] == {call_id: None}
    assert ended["lost"] == {call_id: 0}
    assert statistics["PL"] == "0,0"
    assert ended["sent"][call_id] >= talked * 50 - 5, "a packet every 20 ms, all the time"
    assert int(statistics["PR"]) >= talked * 50 - 10
    assert "a call without a window: one is started" in running.log()

    running.tell(Quit())
    running.wait_ended()
    kamailio.wait_registered("alice", 0)


def test_a_call_whose_window_is_gone_for_good_gets_a_notice_and_ends(
    running: Running, peers: Peers, kamailio: Kamailio
) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    window = running.window(*running.engine_options("--call-alone", "2", "--idle", "1", window=["false"]))
    call_bob(window, kamailio)
    killed = time.monotonic()
    window.signal(signal.SIGKILL)

    bob.wait_for("CALL_CLOSED")
    assert 2.0 <= time.monotonic() - killed < 6.0, "the time alone, then the notice"
    running.wait_ended()
    kamailio.wait_registered("alice", 0)
    assert running.log().count("one is started") == 1, "another window is tried only after a while"
    heard, rate = bob.heard(), bob.heard_rate()
    assert abs(heard[-3 * rate :]).max() > 1000, "bob hears the notice"
    assert abs(heard[: len(heard) // 3]).max() < 100, "and nothing before: the microphone is silent"


def test_a_killed_engine_is_replaced_and_says_so_and_the_far_end_gets_a_bye(
    running: Running, peers: Peers, kamailio: Kamailio
) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    window = running.window(*running.engine_options())
    call_id = call_bob(window, kamailio)
    assert running.profile.journal_file.stat().st_mode & 0o777 == 0o600
    written = running.profile.journal_file.read_text()
    assert "inline:" not in written, "no keys"
    first = running.engine()

    os.kill(first, signal.SIGKILL)
    killed = time.monotonic()
    window.wait_for("lost", timeout=2.0)
    assert time.monotonic() - killed < 2.0
    window.wait_for("back")
    back = until(lambda: next((i for i in window.items()[2:] if call_id in i.get("recent", {})), None), "the call")
    assert back["recent"] == {call_id: "engine-failed"}
    assert back["calls"] == {}
    bob.wait_for("CALL_CLOSED")
    bye = kamailio.wait_message("BYE")
    assert "failed" in bye.header("Reason")
    assert running.engine() != first
    assert not running.profile.journal_file.exists()


def test_an_engine_that_dies_while_called_sends_the_bye_as_callee_too(
    running: Running, peers: Peers, kamailio: Kamailio
) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    window = running.window(*running.engine_options())
    window.wait_for("state")
    window.submit(sign_in(kamailio))
    window.wait_for("RegistrationChanged", lambda item: item["accounts"].get("work") == "registered")
    bob.dial(f"sip:alice@{kamailio.domain}")
    (call_id,) = window.wait_for("IncomingCall")["calls"]
    window.submit(Answer(call_id))
    window.wait_for("CallSecured")
    os.kill(running.engine(), signal.SIGKILL)
    bob.wait_for("CALL_CLOSED")
    assert "failed" in kamailio.wait_message("BYE").header("Reason")


def test_the_command_line_calls_through_the_running_phone(running: Running, peers: Peers, kamailio: Kamailio) -> None:
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    window = running.window(*running.engine_options())
    window.wait_for("state")
    window.submit(sign_in(kamailio))
    window.wait_for("RegistrationChanged", lambda item: item["accounts"].get("work") == "registered")
    done = subprocess.run(
        [sys.executable, "-m", "softphone", "call", f"sip:bob@{kamailio.domain}", "--seconds", "2", "--json"],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
        cwd=ROOT,
        env={**os.environ, "SOFTPHONE_PROFILE": str(running.directory)},
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert (result["engine"], result["media"], result["ended_by"]) == ("attached", "srtp", "local")
    assert result["rtp_sent"] > 80
    assert window.wait_for("CallEnded")["calls"] == {}, "the window saw it too"


def test_a_call_made_by_a_tool_opens_a_window(running: Running, peers: Peers, kamailio: Kamailio) -> None:
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    opened = FrontEndProcess(running.directory / "opened.items")
    window = running.window(*running.engine_options("--idle", "30", window=running.window_command(name="opened")))
    window.wait_for("state")
    window.submit(sign_in(kamailio))
    window.wait_for("RegistrationChanged", lambda item: item["accounts"].get("work") == "registered")
    window.signal(signal.SIGKILL)
    tool = running.tool()
    tool.send(Dial("by-tool", f"sip:bob@{kamailio.domain}"))
    assert "by-tool" in opened.wait_for("state")["calls"]
    tool.send(HangUp("by-tool"))
    opened.wait_for("CallEnded")
