"""Registered again within 5 s of the network's return. `softphone register` is the phone.

The proxy's record is the witness. What happens while a call runs too is in test_calls.py.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.network.conftest import SIP_PORT, Place
from tests.network.namespaces import OTHER_PHONE, SECOND_SERVER, THIRD_SERVER
from tests.network.witness import WITHIN_S, ends_well, registered_after
from tests.peers.kamailio import DOMAIN

pytestmark = [pytest.mark.peer, pytest.mark.root, pytest.mark.timeout(90)]


@pytest.mark.parametrize("where", ["behind_nat", "routed"])
def test_a_new_address_is_registered_and_the_old_binding_is_gone(where: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(where)
    kamailio = place.kamailio()
    phone = place.waiting(kamailio)
    began = time.time()
    place.network.move_phone()
    assert registered_after(kamailio, began, f"a new address, {where}") < WITHIN_S
    assert OTHER_PHONE in kamailio.wait_registered("alice")[0]
    ends_well(phone)


def test_a_server_that_fails_is_replaced_by_the_next_of_its_dns(behind_nat: Place) -> None:
    behind_nat.names.records |= {
        (f"_sips._tcp.{DOMAIN}.", "SRV"): [f"10 0 {SIP_PORT} one.{DOMAIN}.", f"20 0 {SIP_PORT} two.{DOMAIN}."],
        (f"one.{DOMAIN}.", "A"): [SECOND_SERVER],
        (f"two.{DOMAIN}.", "A"): [THIRD_SERVER],
    }
    one, two = behind_nat.kamailio(SECOND_SERVER), behind_nat.kamailio(THIRD_SERVER)
    phone = behind_nat.waiting(one, at=DOMAIN)
    one.wait_registered("alice")
    gone = time.time()
    one.kill()
    assert registered_after(two, gone, "the first SRV target was killed") < WITHIN_S
    two.wait_registered("alice")

    # The domain moves back: its name server knows one target only, and the second goes.
    behind_nat.names.records[f"_sips._tcp.{DOMAIN}.", "SRV"] = [f"10 0 {SIP_PORT} one.{DOMAIN}."]
    one.restart()
    gone = time.time()
    two.kill()
    assert registered_after(one, gone, "another SRV target in DNS") < WITHIN_S
    ends_well(phone)


def test_a_phone_that_a_nat_forgot_while_it_was_stopped_makes_another_flow(behind_nat: Place) -> None:
    kamailio = behind_nat.kamailio()
    phone = behind_nat.waiting(kamailio)
    os.kill(phone.pid, signal.SIGSTOP)
    behind_nat.network.rebind_nat()
    time.sleep(8)
    awake = time.time()
    os.kill(phone.pid, signal.SIGCONT)
    assert registered_after(kamailio, awake, "asleep, and the NAT forgot it") < WITHIN_S
    ends_well(phone)
