"""A call goes on when the network changes under it: new addresses, NATs, silence, sleep, a server that is killed.

`softphone call --json` is the phone; Kamailio, rtpengine and baresip are on the other side. What the other side heard
and what the proxy has on record are the witnesses. A second phone that only waits shows that without a call, too, an
account is registered again within five seconds.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.network.conftest import Place
from tests.network.namespaces import OTHER_PHONE, PHONE, Network
from tests.network.witness import (
    OURS_HZ,
    WITHIN_S,
    assert_alive,
    assert_both_hear,
    ends_well,
    final_status,
    heard_by,
    keys,
    missing_sound,
    offers,
    registered_after,
)
from tests.peers.kamailio import Kamailio
from tests.peers.phone import RATE, CommandLine
from tests.peers.speech import OTHER_SENTENCE, Speech, likeness, read_wav, repeat, tone

pytestmark = [pytest.mark.peer, pytest.mark.root, pytest.mark.timeout(120)]


def call(place: Place, kamailio: Kamailio, seconds: float, directory: Path) -> CommandLine:
    """Alice calls bob and says a tone; the call is established and heard by us."""
    second, endless = directory / "second.wav", directory / "tone.wav"
    tone(second, RATE, OURS_HZ)
    repeat(second, endless)
    phone = place.phone(kamailio, "call", "bob", "--seconds", f"{seconds:g}", play=endless)
    phone.wait_for("secured")
    return phone


def test_behind_a_nat_both_hear_what_the_other_says(behind_nat: Place, speech: Speech) -> None:
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    kamailio = behind_nat.kamailio(relay=True)
    bob = behind_nat.baresip(kamailio, audio=f"file:{theirs}")
    phone = behind_nat.phone(kamailio, "call", "bob", "--seconds", "4", play=ours)
    result = phone.result()

    assert_alive(result, 4, missing=0.5)
    assert f"c=IN IP4 {PHONE}" in offers(kamailio)[0].body, "an address that nobody outside can reach"
    for said, heard in ((ours, heard_by(bob)), (theirs, phone.heard())):
        assert likeness(read_wav(said)[0][: 2 * RATE], heard, RATE) > 0.9


def test_the_address_changes_in_mid_call_and_the_call_goes_on_with_its_keys(routed: Place, tmp_path: Path) -> None:
    kamailio = routed.kamailio()
    bob = routed.baresip(kamailio)
    phone = call(routed, kamailio, 8, tmp_path)
    time.sleep(3)
    moved = time.time()
    routed.network.move_phone()
    result = phone.result()
    heard = heard_by(bob)

    (again,) = offers(kamailio, moved)
    assert again.source[0] == OTHER_PHONE
    assert f"c=IN IP4 {OTHER_PHONE}" in again.body
    assert keys(again) & keys(offers(kamailio)[0]), "the key in use stays; a new one would hide a lost counter"
    assert final_status(kamailio, again) == 200
    assert_alive(result, 8, missing=2)
    assert_both_hear(phone, heard)
    assert max(missing_sound("the address changed", phone, heard, result["duration_s"])) < 2
    kamailio.wait_message("BYE", 200)


def test_behind_a_nat_the_address_changes_in_mid_call(behind_nat: Place, tmp_path: Path) -> None:
    kamailio = behind_nat.kamailio(relay=True)
    bob = behind_nat.baresip(kamailio)
    phone = call(behind_nat, kamailio, 10, tmp_path)
    time.sleep(4)  # rtpengine takes 3 s to make sure of where each side is
    moved = time.time()
    behind_nat.network.move_phone()
    result = phone.result()
    heard = heard_by(bob)

    (again,) = offers(kamailio, moved)
    assert f"c=IN IP4 {OTHER_PHONE}" in again.body
    assert final_status(kamailio, again) == 200
    assert_alive(result, 10, missing=2)
    assert_both_hear(phone, heard)
    assert max(missing_sound("the address changed behind a NAT", phone, heard, result["duration_s"])) < 2


def test_a_nat_that_dials_in_anew_in_mid_call_is_noticed_by_the_missing_packets(
    behind_nat: Place, tmp_path: Path
) -> None:
    """Nobody tells the phone: its own address stays, and its flow looks open until something is sent on it."""
    kamailio = behind_nat.kamailio(relay=True)
    bob = behind_nat.baresip(kamailio)
    phone = call(behind_nat, kamailio, 16, tmp_path)
    time.sleep(4)
    changed = time.time()
    behind_nat.network.rebind_nat()
    took = registered_after(kamailio, changed, "the NAT dialled in anew in mid-call")
    result = phone.result()
    heard = heard_by(bob)

    assert took < WITHIN_S + 2, "two seconds without packets are the first sign"
    assert final_status(kamailio, offers(kamailio, changed)[-1]) == 200
    missing_sound("the NAT dialled in anew", phone, heard, result["duration_s"])
    assert_alive(result, 16, missing=8)
    assert_both_hear(phone, heard)


def test_half_a_minute_of_total_silence_in_mid_call(routed: Place, tmp_path: Path) -> None:
    kamailio = routed.kamailio(max_expires=30)  # a refresh falls into the silence
    bob = routed.baresip(kamailio)
    waiting = routed.waiting(kamailio, "carol")
    phone = call(routed, kamailio, 38, tmp_path)
    time.sleep(2)
    routed.network.drop_everything()
    time.sleep(30)
    back = time.time()
    routed.network.drop_nothing()
    took = [registered_after(kamailio, back, "30 s of silence", user) for user in ("alice", "carol")]
    result = phone.result(30)
    heard = heard_by(bob)

    assert max(took) < WITHIN_S
    here, _ = missing_sound("30 s of silence", phone, heard, result["duration_s"])
    assert here < 31
    assert_alive(result, 38, missing=31)
    assert_both_hear(phone, heard)
    kamailio.wait_message("BYE", 200)
    ends_well(waiting)


def _pull_the_cable(network: Network) -> Callable[[], None]:
    network.cable(plugged=False)
    return lambda: network.cable(plugged=True)


def _switch_off_the_link(network: Network) -> Callable[[], None]:
    network.link(up=False)
    return lambda: network.link(up=True)


@pytest.mark.parametrize("take_away", [_pull_the_cable, _switch_off_the_link])
def test_a_link_that_goes_and_comes_in_mid_call(
    routed: Place, tmp_path: Path, take_away: Callable[[Network], Callable[[], None]]
) -> None:
    kamailio = routed.kamailio()
    bob = routed.baresip(kamailio)
    waiting = routed.waiting(kamailio, "carol")
    phone = call(routed, kamailio, 14, tmp_path)
    time.sleep(1)
    bring_back = take_away(routed.network)
    time.sleep(8)
    back = time.time()
    bring_back()
    what = f"8 s after “{take_away.__name__.strip('_').replace('_', ' ')}”"
    took = [registered_after(kamailio, back, what, user) for user in ("alice", "carol")]
    result = phone.result()
    heard = heard_by(bob)

    assert max(took) < WITHIN_S
    missing_sound(what, phone, heard, result["duration_s"])
    assert_alive(result, 14, missing=9.5)
    assert_both_hear(phone, heard)
    kamailio.wait_message("BYE", 200)
    ends_well(waiting)


def test_a_phone_that_is_stopped_for_twelve_seconds_has_its_call_when_it_goes_on(routed: Place, tmp_path: Path) -> None:
    kamailio = routed.kamailio()
    bob = routed.baresip(kamailio)
    waiting = routed.waiting(kamailio, "carol")
    phone = call(routed, kamailio, 18, tmp_path)
    time.sleep(2)
    for process in (phone, waiting):
        os.kill(process.pid, signal.SIGSTOP)
    time.sleep(12)
    awake = time.time()
    for process in (phone, waiting):
        os.kill(process.pid, signal.SIGCONT)
    took = [registered_after(kamailio, awake, "12 s asleep", user) for user in ("alice", "carol")]
    result = phone.result()
    heard = heard_by(bob)

    assert max(took) < WITHIN_S
    missing_sound("12 s asleep", phone, heard, result["duration_s"])
    assert_alive(result, 18, missing=13)
    assert_both_hear(phone, heard)
    kamailio.wait_message("BYE", 200)
    ends_well(waiting)


def test_a_server_that_is_killed_and_restarted_takes_no_call_with_it(routed: Place, tmp_path: Path) -> None:
    kamailio = routed.kamailio()
    bob = routed.baresip(kamailio)
    waiting = routed.waiting(kamailio, "carol")
    phone = call(routed, kamailio, 14, tmp_path)
    time.sleep(1)
    kamailio.kill()
    time.sleep(6)
    kamailio.restart()
    back = time.time()
    took = [registered_after(kamailio, back, "a server that was gone for 6 s", user) for user in ("alice", "carol")]
    result = phone.result()

    assert max(took) < WITHIN_S
    # The new proxy does not know the way to baresip, which hears until we hang up and not that we did.
    assert_alive(result, 14, missing=0.5)
    assert_both_hear(phone, bob.heard()[: int(13.5 * RATE)])
    ends_well(waiting)
