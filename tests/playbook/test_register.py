"""Registration as a server sees it (RFC 3261 §10.2, RFC 3665 §2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.errors import FailureKind
from softphone.sip.header_values import cseq
from softphone.ua.actions import OpenFlow
from softphone.ua.commands import AddAccount, Register, Unregister
from softphone.ua.events import RegistrationChanged, RegistrationState
from softphone.ua.inputs import NetworkChanged
from tests.playbook.stage import CHALLENGE, PROXY_CHALLENGE, Stage, in_words

R = RegistrationState


def granted(stage: Stage, *headers: tuple[str, str], expires: int | None = 3600) -> None:
    contact = stage.contact if expires is None else f"{stage.contact};expires={expires}"
    stage.reply(stage.last("REGISTER"), 200, ("Contact", contact), *headers)


def test_a_challenge_is_answered_with_the_next_cseq_and_the_same_call_id() -> None:
    stage = Stage().start()
    first = stage.last("REGISTER")
    assert str(first.uri) == "sip:lab.test"
    stage.reply(first, 401, CHALLENGE)
    second = stage.last("REGISTER")
    assert second.headers.get("Call-ID") == first.headers.get("Call-ID")
    assert cseq(second).number == cseq(first).number + 1
    assert "SHA-256" in (second.headers.get("Authorization") or "")
    granted(stage)
    assert stage.registration.state is R.REGISTERED
    assert stage.registration.expires_s == 3600


def test_proxy_and_registrar_may_both_ask() -> None:
    stage = Stage().start()
    stage.reply(stage.last("REGISTER"), 407, PROXY_CHALLENGE)
    stage.reply(stage.last("REGISTER"), 401, CHALLENGE)
    both = stage.last("REGISTER")
    assert both.headers.get("Authorization") is not None
    assert both.headers.get("Proxy-Authorization") is not None
    granted(stage)
    assert stage.registration.state is R.REGISTERED


def test_a_second_challenge_of_the_same_realm_is_a_wrong_password() -> None:
    stage = Stage().start()
    stage.reply(stage.last("REGISTER"), 401, CHALLENGE)
    stage.reply(stage.last("REGISTER"), 401, CHALLENGE)
    assert stage.registration.state is R.FAILED
    assert stage.registration.failure is not None
    assert stage.registration.failure.kind is FailureKind.WRONG_CREDENTIALS
    stage.heard()
    stage.wait(3600)
    assert "REGISTER" not in stage.heard()


def test_a_stale_nonce_is_no_wrong_password() -> None:
    stage = Stage().start()
    stage.reply(stage.last("REGISTER"), 401, CHALLENGE)
    stage.reply(stage.last("REGISTER"), 401, (CHALLENGE[0], CHALLENGE[1].replace("n1", "n2") + ", stale=true"))
    assert 'nonce="n2"' in (stage.last("REGISTER").headers.get("Authorization") or "")
    granted(stage)
    assert stage.registration.state is R.REGISTERED


def test_the_next_nonce_is_used_for_the_refresh() -> None:
    stage = Stage().start()
    stage.reply(stage.last("REGISTER"), 401, CHALLENGE)
    granted(stage, ("Authentication-Info", 'nextnonce="n9"'), expires=100)
    stage.wait(50)
    assert 'nonce="n9"' in (stage.last("REGISTER").headers.get("Authorization") or "")


def test_a_server_that_always_says_stale_is_given_up() -> None:
    stage = Stage().start()
    for number in range(20):
        stage.reply(
            stage.last("REGISTER"), 401, (CHALLENGE[0], CHALLENGE[1].replace("n1", f"s{number}") + ", stale=true")
        )
    assert stage.heard().count("REGISTER") <= 8
    assert stage.registration.state is R.FAILED


def test_too_brief_an_interval_is_asked_again_with_the_least_the_server_takes() -> None:
    stage = Stage().start()
    stage.reply(stage.last("REGISTER"), 423, ("Min-Expires", "7200"))
    assert stage.last("REGISTER").headers.get("Expires") == "7200"
    granted(stage, expires=7200)
    assert stage.registration.expires_s == 7200


def test_a_registrar_that_finds_every_interval_too_brief_is_given_up() -> None:
    stage = Stage().start()
    for number in range(50):
        stage.reply(stage.last("REGISTER"), 423, ("Min-Expires", str(4000 + number)))
    assert stage.heard().count("REGISTER") < 10
    assert stage.registration.state is R.FAILED


def test_the_expiry_of_our_contact_counts_before_that_of_the_response() -> None:
    stage = Stage().start()
    other = ("Contact", "<sip:alice@198.51.100.7:5061;transport=tls>;expires=9")
    granted(stage, ("Expires", "1800"), other, expires=100)
    assert stage.registration.expires_s == 100
    stage = Stage().start()
    granted(stage, ("Expires", "1800"), expires=None)
    assert stage.registration.expires_s == 1800
    stage = Stage().start()
    stage.reply(stage.last("REGISTER"), 200, ("Contact", "<<<not a contact"))
    assert stage.registration.expires_s == 3600


@pytest.mark.parametrize(("expires", "at"), [(3600, 3000), (1200, 600), (60, 30), (1, 2.5)])
def test_a_binding_is_refreshed_well_before_its_end(expires: int, at: float) -> None:
    stage = Stage().registered(expires)
    stage.wait(at - 0.1)
    assert stage.heard().count("REGISTER") == 0
    stage.wait(0.2)
    assert stage.heard().count("REGISTER") == 1
    assert stage.registration.state is R.REGISTERED  # a refresh under way does not make us unreachable


def test_a_grant_of_no_time_is_no_registration_and_does_not_make_us_spin() -> None:
    stage = Stage().start()
    granted(stage, expires=0)
    assert stage.registration.state is R.WAITING
    stage.heard()
    for _ in range(100):
        stage.wait(1)
        if "REGISTER" in stage.heard():
            granted(stage, expires=0)
    assert [in_words(message) for message in stage.sent].count("REGISTER") < 40


def test_forbidden_waits_for_the_person() -> None:
    stage = Stage().start()
    stage.reply(stage.last("REGISTER"), 403)
    stage.do(Register("a"))
    assert stage.heard().count("REGISTER") == 2
    assert [event.state for event in stage.of(RegistrationChanged)][-2:] == [R.FAILED, R.REGISTERING]


def test_a_refused_refresh_is_not_shown_as_registered_while_it_is_tried_again() -> None:
    for status in (403, 500):
        stage = Stage().registered(100)
        stage.wait(50)
        stage.reply(stage.last("REGISTER"), status)
        stage.do(Register("a"))
        before, after = stage.of(RegistrationChanged)[-2:]
        assert before.state is (R.FAILED if status == 403 else R.WAITING)
        assert after.state is R.REGISTERING


def test_an_overloaded_server_is_left_alone_for_the_time_that_it_names() -> None:
    stage = Stage().start()
    stage.reply(stage.last("REGISTER"), 503, ("Retry-After", "90 (maintenance);duration=60"))
    assert stage.registration.state is R.WAITING
    assert stage.registration.retry_in_s == 90
    stage.heard()
    stage.wait(89)
    assert "REGISTER" not in stage.heard()
    stage.wait(2)
    assert stage.heard() == ["REGISTER"]


def test_nobody_is_sent_away_for_ever() -> None:
    stage = Stage().start()
    stage.reply(stage.last("REGISTER"), 503, ("Retry-After", "4294967295"))
    assert stage.registration.retry_in_s == 3600


def test_a_silent_server_gets_a_new_flow_with_back_off() -> None:
    stage = Stage().start()
    stage.wait(31)
    assert len(stage.did(OpenFlow)) == 1
    stage.wait(1)
    assert stage.registration.state is R.WAITING
    assert stage.registration.failure is not None
    assert stage.registration.failure.kind is FailureKind.SERVER_SILENT
    assert stage.registration.status is None, "no answer, no status"
    assert stage.leftovers() == {}
    stage.wait(1)
    assert len(stage.did(OpenFlow)) == 2


def test_a_server_that_cannot_be_reached_is_tried_quickly_for_a_minute_and_then_patiently() -> None:
    stage = Stage()
    stage.reachable = False
    stage.start()
    stage.wait(7200)
    gaps = [later - earlier for earlier, later in zip(stage.opened_at, stage.opened_at[1:], strict=False)]
    assert all(0.5 <= gap <= 1 for gap in gaps[:1])
    assert max(gap for gap, at in zip(gaps, stage.opened_at, strict=False) if at < 1060) <= 5
    assert min(gap for gap, at in zip(gaps, stage.opened_at, strict=False) if at > 1060) >= 15
    assert max(gaps) <= 1800


def test_a_server_that_takes_us_and_drops_us_is_not_hammered() -> None:
    stage = Stage()
    stage.registered()
    for _ in range(400):
        stage.cut()
        stage.wait(1)
        while not stage.flow_id:
            stage.wait(1)
        granted(stage)
    assert stage.opened_at[-1] - stage.opened_at[0] > 100_000


def test_after_a_quiet_hour_an_outage_begins_anew() -> None:
    stage = Stage().registered()
    for _ in range(3):
        stage.cut()
        stage.wait(2)
        granted(stage)
        stage.wait(3000)
        granted(stage)
        stage.wait(600)
    waits = [event.retry_in_s for event in stage.of(RegistrationChanged) if event.state is R.WAITING]
    assert len(waits) == 3
    assert all(wait is not None and wait <= 1 for wait in waits)


def test_unregistering_removes_the_binding_and_keeps_the_flow() -> None:
    stage = Stage().registered()
    stage.do(Unregister("a"))
    removal = stage.last("REGISTER")
    assert removal.headers.get("Expires") == "0"
    assert (removal.headers.get("Contact") or "").endswith(";expires=0")
    stage.reply(removal, 200)
    assert stage.registration.state is R.OFFLINE
    assert stage.flow_id
    stage.heard()
    stage.wait(7200)
    assert "REGISTER" not in stage.heard()


def test_unregistering_a_silent_server_comes_to_an_end() -> None:
    stage = Stage().registered()
    stage.do(Unregister("a"))
    stage.wait(33)
    assert stage.registration.state is R.OFFLINE


def test_a_new_flow_registers_at_once() -> None:
    stage = Stage().registered()
    stage.cut()
    assert stage.registration.state is R.WAITING
    stage.heard()
    stage.wait(1)
    assert stage.heard() == ["REGISTER"]
    assert len(stage.last("REGISTER").headers.get_all("Contact")) == 1  # the address stayed the same


def test_a_change_of_the_network_tries_a_waiting_flow_at_once() -> None:
    stage = Stage()
    stage.reachable = False
    stage.start()
    stage.reachable = True
    stage.give(NetworkChanged())
    assert stage.heard() == ["REGISTER"]


def test_a_change_of_the_network_asks_a_server_that_never_answered_a_ping_by_registering() -> None:
    stage = Stage().registered()
    stage.give(NetworkChanged())
    assert stage.heard() == ["REGISTER"]
    stage.wait(33)
    assert len(stage.did(OpenFlow)) == 2


def test_adding_the_account_again_with_another_policy_keeps_its_flow() -> None:
    stage = Stage().registered()
    stage.do(AddAccount(replace(stage.account, codecs=("PCMA",), display_name="Alice")))
    assert len(stage.did(OpenFlow)) == 1
    assert stage.heard() == []
    stage.do(AddAccount(replace(stage.account, auth_user="someone")))
    assert len(stage.did(OpenFlow)) == 2
