"""Two servers of one name (SRV): the phone goes on to the next while it registers, and comes back (RFC 3263 §4.3).

Kamailio answers 503, 302 or not at all when a test says so. What the proxies have on record says what was asked when.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from tests.network.conftest import SIP_PORT, Place
from tests.network.namespaces import SECOND_SERVER, THIRD_SERVER
from tests.network.witness import ends_well, registered_after, registrations
from tests.peers.kamailio import DOMAIN, Kamailio
from tests.peers.phone import CommandLine
from tests.peers.process import until
from tests.peers.pulse import settle
from tests.peers.speech import Speech

pytestmark = [pytest.mark.peer, pytest.mark.root, pytest.mark.timeout(120)]


@dataclass
class Pair:
    place: Place
    one: Kamailio
    two: Kamailio

    def phone(self) -> CommandLine:
        return self.place.phone(self.one, "register", "--stay", at=DOMAIN)


@pytest.fixture
def pair(behind_nat: Place) -> Pair:
    behind_nat.names.records |= {
        (f"_sips._tcp.{DOMAIN}.", "SRV"): [f"10 0 {SIP_PORT} one.{DOMAIN}.", f"20 0 {SIP_PORT} two.{DOMAIN}."],
        (f"one.{DOMAIN}.", "A"): [SECOND_SERVER],
        (f"two.{DOMAIN}.", "A"): [THIRD_SERVER],
    }
    return Pair(behind_nat, behind_nat.kamailio(SECOND_SERVER), behind_nat.kamailio(THIRD_SERVER))


def asked(server: Kamailio) -> list[float]:
    """When REGISTER came."""
    return [
        message.moment
        for message in server.messages()
        if (message.direction, message.method, message.status) == ("in", "REGISTER", None)
    ]


def test_a_first_server_out_of_service_costs_a_moment(pair: Pair) -> None:
    pair.one.answer("REGISTER", "503 90")
    phone = pair.phone()
    phone.wait_for("registered")
    took = registrations(pair.two)[0] - asked(pair.one)[0]
    print(f"503 of the first server: registered at the second {1000 * took:.0f} ms after it was asked")
    assert took < 1
    assert pair.one.registered("alice") == []
    ends_well(phone)


def test_one_that_breaks_down_at_a_refresh_is_left_and_asked_first_again_after_the_next_loss(pair: Pair) -> None:
    pair.one.stop()
    pair.one = pair.place.kamailio(SECOND_SERVER, min_expires=1, max_expires=6)  # refreshed every 3 s
    phone = pair.phone()
    phone.wait_for("registered")
    pair.one.answer("REGISTER", "503 90")
    broken = time.time()
    assert registered_after(pair.two, broken, "503 to a refresh") < 5
    pair.one.answer("REGISTER", "")
    gone = time.time()
    pair.two.kill()
    assert registered_after(pair.one, gone, "the second server was killed, the first serves again") < 5
    ends_well(phone)


def test_a_server_that_takes_the_connection_and_says_nothing_is_left_after_ten_seconds(pair: Pair) -> None:
    pair.one.answer("REGISTER", "silence")
    phone = pair.phone()
    phone.wait_for("registered", timeout=25)
    took = registrations(pair.two)[0] - asked(pair.one)[0]
    print(f"silence of the first server: registered at the second after {took:.1f} s")
    assert 9 < took < 12
    ends_well(phone)


def test_a_server_whose_processes_are_stopped_is_left_within_its_share_of_the_time(pair: Pair) -> None:
    """The kernel takes the connection, and nobody answers the TLS handshake."""
    pair.one.pause()
    try:
        began = time.time()
        phone = pair.phone()
        phone.wait_for("registered", timeout=25)
        took = registrations(pair.two)[0] - began
        print(f"a stopped first server: registered at the second {took:.1f} s after the program's start")
        assert took < 3 + 5
    finally:
        pair.one.go_on()
    ends_well(phone)


def test_when_none_serves_they_are_left_alone_for_the_time_that_they_name(pair: Pair) -> None:
    pair.one.stop()
    pair.one = pair.place.kamailio(SECOND_SERVER, min_expires=1, max_expires=6)
    phone = pair.phone()
    phone.wait_for("registered")
    pair.one.answer("REGISTER", "503 60")
    pair.two.answer("REGISTER", "503 8")
    first = until(lambda: asked(pair.two), "the second server to be asked", 15)[0]
    pair.two.answer("REGISTER", "")
    before = len(asked(pair.one))
    settle(6)
    assert len(asked(pair.two)) == 1
    until(lambda: registrations(pair.two), "the registration", 10)
    assert 8 <= asked(pair.two)[1] - first < 11
    assert len(asked(pair.one)) == before, "it wants to be left alone for a minute"
    ends_well(phone)


@pytest.fixture
def other(pair: Pair) -> Kamailio:
    """A third server, whose certificate is for other.example."""
    pair.two.stop()
    names = pair.place.names.records
    names["other.example.", "A"] = names["wrong.example.", "A"] = [THIRD_SERVER]
    ca = pair.place.ca
    return pair.place.peers.start(Kamailio, ca, host=THIRD_SERVER, tls_port=SIP_PORT, identity=ca.wrong_name)


def test_a_redirection_leads_to_a_server_that_is_verified_by_its_own_name(pair: Pair, other: Kamailio) -> None:
    pair.one.answer("REGISTER", "302 sip:alice@other.example;transport=tls")
    phone = pair.phone()
    phone.wait_for("registered")
    assert other.wait_registered("alice")
    assert pair.one.registered("alice") == []
    took = registrations(other)[0] - asked(pair.one)[0]
    print(f"302: registered at the other server after {1000 * took:.0f} ms")
    ends_well(phone)


def test_a_redirection_to_a_name_that_the_certificate_does_not_have_ends_there(pair: Pair, other: Kamailio) -> None:
    pair.one.answer("REGISTER", "302 sip:alice@wrong.example;transport=tls")
    phone = pair.phone()
    result = phone.result()
    assert (phone.exit_code, result["kind"]) == (4, "wrong-name")
    assert "wrong.example" in result["reason"]
    assert other.messages() == [], "not one octet of SIP"


def test_a_redirection_to_udp_is_refused_with_the_reason(pair: Pair) -> None:
    pair.one.answer("REGISTER", "302 sip:alice@other.example:5060;transport=udp")
    phone = pair.phone()
    result = phone.result()
    assert (phone.exit_code, result["kind"], result["status"]) == (3, "transport-not-secure", 302)
    assert "not reached over TLS" in result["reason"]


def test_a_call_that_the_first_server_refuses_is_made_over_the_second(pair: Pair, speech: Speech) -> None:
    pair.place.baresip(pair.two, "bob")
    pair.two.wait_registered("bob")
    pair.one.answer("INVITE", "503 30")
    phone = pair.place.phone(pair.one, "call", "bob", "--seconds", "2", play=speech.wav(), at=DOMAIN)
    result = phone.result(30)
    assert result["ok"] is True, result
    (refused,) = [m for m in pair.one.messages() if (m.direction, m.method, m.status) == ("in", "INVITE", None)]
    taken = next(m for m in pair.two.messages() if (m.direction, m.method, m.status) == ("out", "INVITE", 200))
    print(f"503 to a call: answered at the second server {1000 * (taken.moment - refused.moment):.0f} ms later")
    assert "inline:" in refused.body
    assert not any(line in taken.text for line in refused.body.splitlines() if "inline:" in line)
