"""Outbound, GRUUs, Path and Service-Route as servers see them (RFC 5626 §9, RFC 5627 §4, RFC 3327, RFC 3608 §6.4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.errors import FailureKind
from softphone.sip.header_values import route_set
from softphone.sip.message import Request
from softphone.ua.actions import CloseFlow, OpenFlow
from softphone.ua.binding import MAX_CONTACTS
from softphone.ua.commands import Dial, HangUp, Unregister
from softphone.ua.events import RegistrationState
from tests.playbook.stage import CHALLENGE, FLOW, Stage, their_session

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
PUBLIC = f"sip:alice@lab.test;gr={INSTANCE}"
TEMPORARY = "sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@lab.test;gr"
OUTBOUND = ("Require", "outbound")
PING, PONG = b"\r\n\r\n", b"\r\n"
MOVED = replace(FLOW, local_address="192.0.2.77", local_port=41000)


def known_by_instance() -> Stage:
    stage = Stage()
    stage.account = replace(stage.account, instance_id=INSTANCE)
    return stage.start()


def contact_parameters(stage: Stage, *more: str, expires: int = 3600) -> str:
    return ";".join((stage.contact, f'+sip.instance="<{INSTANCE}>"', "reg-id=1", f"expires={expires}", *more))


def grant(stage: Stage, *headers: tuple[str, str], more: tuple[str, ...] = (), expires: int = 3600) -> None:
    """The 200 of a registrar that knows the phone by its instance."""
    contact = ("Contact", contact_parameters(stage, *more, expires=expires))
    stage.reply(stage.last("REGISTER"), 200, contact, *headers)


def gruus(stage: Stage, *headers: tuple[str, str]) -> None:
    grant(stage, *headers, more=(f'pub-gruu="{PUBLIC}"', f'temp-gruu="{TEMPORARY}"'))


def contact_of(request: Request) -> str:
    return request.headers.get("Contact") or ""


def tags(request: Request) -> set[str]:
    return set((request.headers.get("Supported") or "").split(", "))


# RFC 5626


def test_the_registration_says_who_we_are_and_which_flow_it_is() -> None:
    stage = known_by_instance()
    first = stage.last("REGISTER")
    assert contact_of(first) == contact_parameters(stage)
    assert {"path", "outbound", "gruu"} <= tags(first)
    stage.reply(first, 401, CHALLENGE)
    assert contact_of(stage.last("REGISTER")) == contact_of(first)
    grant(stage, OUTBOUND)
    assert stage.registration.state is RegistrationState.REGISTERED
    assert stage.registration.expires_s == 3600


def test_a_server_without_outbound_sees_an_ordinary_phone() -> None:
    stage = known_by_instance()
    grant(stage)
    assert contact_of(stage.dial()) == stage.contact


def test_without_an_instance_or_with_outbound_off_nothing_of_it_is_said() -> None:
    for account in (Stage().account, replace(Stage().account, instance_id=INSTANCE, outbound=False)):
        stage = Stage()
        stage.account = account
        register = stage.start().last("REGISTER")
        assert contact_of(register) == f"{stage.contact};expires=3600"
        assert "outbound" not in tags(register)
        assert "path" in tags(register)
        stage.reply(register, 200, ("Contact", f'{stage.contact};pub-gruu="{PUBLIC}"'), OUTBOUND)
        assert contact_of(stage.dial()) == stage.contact


def test_requests_that_make_dialogs_ask_to_be_answered_over_the_flow() -> None:
    stage = known_by_instance()
    grant(stage, OUTBOUND)
    assert contact_of(stage.dial()) == "<sip:alice@192.0.2.1:40000;transport=tls;ob>"
    stage.do(HangUp("c"))
    stage = known_by_instance()
    grant(stage, OUTBOUND)
    stage.rings()
    assert ";ob>" in (stage.last_response(180).headers.get("Contact") or "")


def test_the_registrar_replaces_the_binding_of_a_lost_flow_by_itself() -> None:
    stage = known_by_instance()
    grant(stage, OUTBOUND)
    stage.cut()
    stage.flow = MOVED
    stage.wait(2)
    (contact,) = stage.last("REGISTER").headers.get_all("Contact")
    assert contact.startswith("<sip:alice@192.0.2.77:41000;transport=tls>;+sip.instance=")
    assert ";reg-id=1;" in contact


def test_a_registrar_without_outbound_is_told_to_remove_it() -> None:
    stage = known_by_instance()
    grant(stage)
    stage.cut()
    stage.flow = MOVED
    stage.wait(2)
    _, removed = stage.last("REGISTER").headers.get_all("Contact")
    assert removed == f"{stage.contact};expires=0"


def test_the_removal_names_instance_and_flow() -> None:
    stage = known_by_instance()
    grant(stage, OUTBOUND)
    stage.do(Unregister("a"))
    assert contact_of(stage.last("REGISTER")) == contact_parameters(stage, expires=0)


def test_a_first_hop_without_outbound_gets_an_ordinary_registration_until_the_flow_is_lost() -> None:
    stage = known_by_instance()
    stage.reply(stage.last("REGISTER"), 439)
    again = stage.last("REGISTER")
    assert "reg-id" not in contact_of(again)
    assert "outbound" not in tags(again)
    assert INSTANCE in contact_of(again)
    grant(stage)
    assert stage.registration.state is RegistrationState.REGISTERED
    stage.cut()
    stage.wait(2)
    assert "reg-id=1" in contact_of(stage.last("REGISTER"))


def test_a_server_that_keeps_saying_so_is_given_up() -> None:
    stage = known_by_instance()
    stage.reply(stage.last("REGISTER"), 439)
    stage.reply(stage.last("REGISTER"), 439)
    assert stage.registration.state is RegistrationState.FAILED
    assert stage.registration.failure is not None
    assert "outbound" in stage.registration.failure.reason


def test_flow_failed_makes_another_flow() -> None:
    stage = known_by_instance()
    grant(stage, OUTBOUND, expires=60)
    stage.wait(30)
    stage.reply(stage.last("REGISTER"), 430)
    assert len(stage.did(CloseFlow)) == 1
    assert stage.registration.state is RegistrationState.WAITING
    stage.wait(1)
    assert len(stage.did(OpenFlow)) == 2


@pytest.mark.parametrize(("wanted", "least", "most"), [(30, 24, 30), (600, 96, 120), (1, 4, 5), (0, 96, 120)])
def test_the_flow_timer_of_the_server_is_kept(wanted: int, least: float, most: float) -> None:
    for seed in range(4):
        stage = Stage(seed=seed)
        stage.account = replace(stage.account, instance_id=INSTANCE)
        stage.start()
        grant(stage, OUTBOUND, ("Flow-Timer", str(wanted)), expires=100_000)
        for count in (1, 2):
            began = stage.now
            while stage.raw.count(PING) < count:
                stage.wait(0.1)
            assert least <= stage.now - began <= most + 0.2
            stage.say(PONG)


def test_a_server_with_outbound_has_promised_pongs_and_is_judged_by_the_first_one_that_misses() -> None:
    stage = known_by_instance()
    grant(stage, OUTBOUND, expires=100_000)
    stage.wait(121)
    assert stage.raw.count(PING) == 1
    stage.wait(5)
    assert len(stage.did(CloseFlow)) == 1


# RFC 5627


def test_the_public_gruu_is_the_contact_of_calls_both_ways() -> None:
    stage = known_by_instance()
    gruus(stage, OUTBOUND)
    invite = stage.dial()
    assert contact_of(invite) == f"<{PUBLIC}>"
    assert "gruu" in tags(invite)
    stage.do(HangUp("c"))
    stage.reply(invite, 180)
    stage.reply(invite, 487)
    stage.rings()
    assert stage.last_response(180).headers.get("Contact") == f"<{PUBLIC}>"


def test_the_registration_itself_never_names_a_gruu() -> None:
    stage = known_by_instance()
    gruus(stage)
    stage.wait(3000)
    assert contact_of(stage.last("REGISTER")) == contact_parameters(stage)


def test_a_hidden_caller_has_the_temporary_gruu_and_without_one_no_name() -> None:
    stage = known_by_instance()
    gruus(stage)
    stage.do(Dial("c", "bob", hide_identity=True))
    hidden = stage.last("INVITE")
    assert contact_of(hidden) == f"<{TEMPORARY}>"
    stage = Stage().registered()
    stage.do(Dial("c", "bob", hide_identity=True))
    assert contact_of(stage.last("INVITE")) == "<sip:anonymous@192.0.2.1:40000;transport=tls>"


def test_a_new_flow_keeps_the_gruu_and_the_next_registration_may_take_it_away() -> None:
    stage = known_by_instance()
    gruus(stage, OUTBOUND)
    stage.cut()
    stage.wait(2)
    invite = stage.dial()
    assert contact_of(invite) == f"<{PUBLIC}>"
    grant(stage, OUTBOUND)
    stage.reply(invite, 401, CHALLENGE)
    stage.reply(stage.last("INVITE"), 486)
    assert contact_of(stage.dial()) != f"<{PUBLIC}>"


def test_after_unregistering_there_is_no_gruu_any_more() -> None:
    stage = known_by_instance()
    gruus(stage, OUTBOUND)
    stage.do(Unregister("a"))
    stage.reply(stage.last("REGISTER"), 200)
    assert contact_of(stage.dial()) == stage.contact


@pytest.mark.parametrize(
    "gruu", ["sip:alice@lab.test", "tel:+4930123", "sip:alice@lab.test;gr;transport=udp", "nonsense", "mailto:a@b;gr"]
)
def test_what_is_no_gruu_for_tls_is_not_given_to_anybody(gruu: str) -> None:
    stage = known_by_instance()
    grant(stage, more=(f'pub-gruu="{gruu}"',))
    assert stage.registration.state is RegistrationState.REGISTERED
    assert contact_of(stage.dial()) == stage.contact


def test_only_our_binding_counts_of_many_devices() -> None:
    stage = known_by_instance()
    desk = '<sip:alice@198.51.100.7:5061;transport=tls>;+sip.instance="<urn:uuid:0>";reg-id=1;expires=9'
    other = f'{desk};pub-gruu="sip:alice@lab.test;gr=urn:uuid:0"'
    stage.reply(
        stage.last("REGISTER"),
        200,
        ("Contact", f"{other}, <<<nonsense"),
        ("Contact", f'{other}, {contact_parameters(stage, expires=77)};pub-gruu="{PUBLIC}"'),
    )
    assert stage.registration.expires_s == 77
    assert contact_of(stage.dial()) == f"<{PUBLIC}>"


def test_a_binding_that_the_registrar_shows_at_another_address_is_ours_by_instance_and_flow() -> None:
    stage = known_by_instance()
    seen = contact_parameters(stage, expires=66).replace("192.0.2.1:40000", "203.0.113.5:6000")
    stage.reply(stage.last("REGISTER"), 200, ("Contact", seen.replace("f81d4fae", "F81D4FAE")), OUTBOUND)
    assert stage.registration.expires_s == 66


def test_an_answer_with_a_thousand_contacts_is_read_up_to_its_bound() -> None:
    stage = known_by_instance()
    crowd = ",".join(f"<sip:alice@198.51.100.7:{port};transport=tls>;expires=9" for port in range(2000, 3000))
    assert MAX_CONTACTS < 1000
    register = stage.last("REGISTER")
    stage.reply(register, 200, *(("Contact", line) for line in _lines(crowd, 200)), ("Expires", "1234"))
    assert stage.registration.state is RegistrationState.REGISTERED
    assert stage.registration.expires_s == 1234


def _lines(values: str, size: int) -> list[str]:
    all_values = values.split(",")
    return [",".join(all_values[at : at + size]) for at in range(0, len(all_values), size)]


# RFC 3608

SERVICE_ROUTE = "<sip:P2.HOME.EXAMPLE.COM;lr>,<sip:HSP.HOME.EXAMPLE.COM;lr>"  # §6.4.2


def test_calls_go_through_the_home_proxies_that_the_registrar_names() -> None:
    stage = known_by_instance()
    grant(stage, ("Service-Route", SERVICE_ROUTE))
    invite = stage.dial("bob")
    assert [str(route.uri) for route in route_set(invite, "Route")] == [
        "sip:P2.HOME.EXAMPLE.COM;lr",
        "sip:HSP.HOME.EXAMPLE.COM;lr",
    ]
    assert str(invite.uri) == "sip:bob@lab.test"
    stage.reply(invite, 407, ("Proxy-Authenticate", 'Digest realm="proxy", nonce="p1", qop="auth"'))
    again = stage.last("INVITE")
    assert len(route_set(again, "Route")) == 2
    stage.reply(again, 180)
    stage.do(HangUp("c"))
    assert len(route_set(stage.last("CANCEL"), "Route")) == 2


def test_requests_in_dialogs_and_registrations_do_not() -> None:
    stage = known_by_instance()
    grant(stage, ("Service-Route", SERVICE_ROUTE), expires=60)
    invite, _ = stage.in_call(their_session())
    assert len(route_set(invite, "Route")) == 2
    stage.wait(30)
    assert route_set(stage.last("REGISTER"), "Route") == ()
    stage.do(HangUp("c"))
    assert route_set(stage.last("BYE"), "Route") == ()


def test_the_next_registration_changes_the_route_and_a_new_flow_has_none_yet() -> None:
    stage = known_by_instance()
    grant(stage, ("Service-Route", SERVICE_ROUTE), expires=60)
    stage.wait(30)
    grant(stage, ("Service-Route", "<sip:hsp.home.example.com;lr>"), expires=60)
    invite = stage.dial()
    assert len(route_set(invite, "Route")) == 1
    stage.reply(invite, 486)
    stage.cut()
    stage.wait(2)
    assert route_set(stage.dial(), "Route") == ()


@pytest.mark.parametrize(
    "route", ["<sip:p2.home.example.com>", "<tel:+4930123>", "<<<nonsense", ",".join(["<sip:p;lr>"] * 17)]
)
def test_a_route_that_cannot_be_gone_is_said_and_no_registration(route: str) -> None:
    stage = known_by_instance()
    grant(stage, ("Service-Route", route))
    assert stage.registration.state is RegistrationState.WAITING
    assert stage.registration.failure is not None
    assert stage.registration.failure.kind is FailureKind.PROTOCOL
    assert "way that it names" in stage.registration.failure.reason
