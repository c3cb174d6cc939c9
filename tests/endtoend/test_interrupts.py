"""Ctrl-C, whenever it comes: the phone hangs up, unregisters, prints its result and ends (cli.md)."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from softphone.engine.throwaway_ca import ThrowawayAuthority
from tests.endtoend.accounts import signed_in
from tests.endtoend.phone import PhoneProcess
from tests.engine.hostile_servers import openssl_server
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]
StartPhone = Callable[..., PhoneProcess]
SOON = 5.0
"""Seconds from Ctrl-C to the end where the server answers."""


def test_register_stay_unregisters(kamailio: Kamailio, start_phone: StartPhone) -> None:
    phone = start_phone("register", *signed_in(kamailio.tls_port, kamailio.root), "--stay", password="alicepw")
    phone.wait_for("registered")
    assert len(kamailio.wait_registered("alice")) == 1
    phone.interrupt()
    finished = phone.finish(SOON)
    assert (finished.code, finished.result["ok"], finished.result["status"]) == (0, True, 200)
    assert kamailio.registered("alice") == []
    assert finished.stderr == ""


def test_a_running_call_is_hung_up(peers: Peers, kamailio: Kamailio, start_phone: StartPhone) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    account = signed_in(kamailio.tls_port, kamailio.root)
    phone = start_phone("call", "bob", *account, "--audio", "null", password="alicepw")
    phone.wait_for("secured")
    bob.wait_for("CALL_ESTABLISHED")
    phone.interrupt()
    finished = phone.finish(SOON)
    bob.wait_for("CALL_CLOSED")
    assert kamailio.wait_message("BYE", 200).status == 200
    assert finished.code == 1
    assert "interrupted" in finished.result["reason"]
    assert finished.result["media"] == "srtp"
    assert finished.result["ended_by"] == "local"
    assert finished.result["duration_s"] is not None
    assert kamailio.registered("alice") == []


def test_a_ringing_call_is_cancelled(peers: Peers, kamailio: Kamailio, start_phone: StartPhone) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", answermode="manual")
    account = signed_in(kamailio.tls_port, kamailio.root)
    phone = start_phone("call", "bob", *account, "--audio", "null", password="alicepw")
    phone.wait_for("ringing")
    phone.interrupt()
    finished = phone.finish(SOON)
    bob.wait_for("CALL_CLOSED")
    assert kamailio.wait_message("CANCEL").status is None
    assert finished.code == 1
    assert finished.result["setup_ms"] is None
    assert kamailio.registered("alice") == []


def test_a_waiting_phone_stops_to_answer(kamailio: Kamailio, start_phone: StartPhone) -> None:
    account = signed_in(kamailio.tls_port, kamailio.root)
    phone = start_phone("answer", *account, "--audio", "null", password="alicepw")
    phone.wait_for("waiting")
    phone.interrupt()
    finished = phone.finish(SOON)
    assert (finished.code, finished.result["calls"]) == (0, 0)
    assert kamailio.registered("alice") == []


def test_a_waiting_phone_in_a_call_hangs_up_and_stops_to_answer(
    peers: Peers, kamailio: Kamailio, start_phone: StartPhone
) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    phone = start_phone("answer", *signed_in(kamailio.tls_port, kamailio.root), "--audio", "null", password="alicepw")
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    phone.wait_for("secured")
    bob.wait_for("CALL_ESTABLISHED")
    phone.interrupt()
    finished = phone.finish(SOON)
    bob.wait_for("CALL_CLOSED")
    assert (finished.code, finished.result["calls"]) == (1, 1)
    assert finished.named("call")[0]["ended_by"] == "local"
    assert kamailio.registered("alice") == []


def test_a_second_ctrl_c_ends_a_phone_that_is_still_saying_goodbye(
    authority: ThrowawayAuthority, start_phone: StartPhone, tmp_path: Path
) -> None:
    """The server never answers: unregistering would be waited for."""
    with openssl_server(tmp_path, authority.issue("localhost")) as port:
        account = signed_in(port, authority.write(tmp_path))
        phone = start_phone("register", *account, password="alicepw")
        phone.wait_for("registration", where=lambda event: event["state"] == "registering")
        phone.interrupt()
        time.sleep(0.3)
        assert phone.running
        phone.interrupt()
        finished = phone.finish(2.0)
    assert finished.code == 1
    assert "interrupted" in finished.result["reason"]


def test_a_server_that_says_nothing_does_not_hold_the_program_up(ca: PrivateCa, start_phone: StartPhone) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        phone = start_phone("register", *signed_in(mute.getsockname()[1], ca.root), password="alicepw")
        connection, _ = mute.accept()
        with connection:
            assert connection.recv(1) == b"\x16"  # the handshake has begun
            phone.interrupt()
            finished = phone.finish(SOON)
    assert finished.code == 1
    assert "interrupted" in finished.result["reason"]
