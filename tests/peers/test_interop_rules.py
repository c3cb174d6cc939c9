"""An account's rules, identities and digits against real phones: what baresip and linphone make of our answers.

Forwarding, do not disturb, denial, answering by itself, P-Asserted-Identity by Kamailio, hidden callers, SIP INFO.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from softphone.messages import AccountOptions, ChangeAccountOptions
from softphone.policy.media import ConnectionProfile, MediaEncryption
from softphone.state import Encryption
from softphone.storage.settings import AccountMedia, AccountSettings
from softphone.ua import events as ua
from softphone.ua.account import CallRules, DigitsMode, DoNotDisturb
from softphone.ua.commands import Deflect, Dial
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.peers.linphone import Linphone
from tests.peers.phone import CommandLine, PhoneUnderTest

CLEAR = AccountMedia(encryption=MediaEncryption.DISABLED, connection_profile=ConnectionProfile.PRIVATE)


def alice(peers: Peers, kamailio: Kamailio, **options: Any) -> PhoneUnderTest:
    phone = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", options=options)
    phone.wait_registered()
    return phone


def registered(account: str) -> Callable[[ua.RegistrationChanged], bool]:
    return lambda event: (event.account_id, event.state) == (account, ua.RegistrationState.REGISTERED)


# Rules


@pytest.mark.parametrize("caller", ["baresip", "linphone"])
def test_a_forwarded_call_reaches_the_other_phone(peers: Peers, kamailio: Kamailio, caller: str) -> None:
    """Both follow our 302 by themselves."""
    carol = peers.start(Baresip, "carol", kamailio, "carol", "carolpw")
    phone = alice(peers, kamailio, forward_always="carol")
    if caller == "baresip":
        peers.start(Baresip, "bob", kamailio, "bob", "bobpw").dial("sip:alice@sip.test")
    else:
        peers.start(Linphone, "bob", kamailio, "bob", "bobpw").dial("sip:alice@sip.test")
    assert carol.wait_for("CALL_ESTABLISHED")["peeruri"] == "sip:bob@sip.test"
    deflected = phone.wait_for(ua.CallDeflected)
    assert (deflected.why, deflected.target, deflected.status) == ("always", "carol", 302)
    answer = kamailio.wait_message("INVITE", 302)
    assert answer.header("Contact") == "<sip:carol@sip.test>"
    assert answer.header("Diversion") == "<sip:alice@sip.test>;reason=unconditional"


def test_a_call_that_nobody_answers_is_forwarded(peers: Peers, kamailio: Kamailio) -> None:
    carol = peers.start(Baresip, "carol", kamailio, "carol", "carolpw")
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    phone = alice(peers, kamailio, forward_no_answer="carol@sip.test", forward_after=2)
    bob.dial("sip:alice@sip.test")
    bob.wait_for("CALL_RINGING")
    incoming = phone.wait_for(ua.IncomingCall)
    carol.wait_for("CALL_ESTABLISHED")
    assert phone.wait_ended(incoming.call_id).status == 302
    deflected = phone.call(incoming.call_id).deflected
    assert deflected is not None
    assert deflected.why == "no-answer"


def test_a_ringing_call_is_sent_on_by_hand(peers: Peers, kamailio: Kamailio) -> None:
    carol = peers.start(Baresip, "carol", kamailio, "carol", "carolpw")
    bob = peers.start(Linphone, "bob", kamailio, "bob", "bobpw")
    phone = alice(peers, kamailio)
    bob.dial("sip:alice@sip.test")
    phone.do(Deflect(phone.wait_for(ua.IncomingCall).call_id, "carol"))
    assert carol.wait_for("CALL_ESTABLISHED")["peeruri"] == "sip:bob@sip.test"


@pytest.mark.parametrize(
    ("options", "status", "why"),
    [
        ({"do_not_disturb": DoNotDisturb.BUSY}, "486", "do-not-disturb"),
        ({"do_not_disturb": DoNotDisturb.UNAVAILABLE}, "480", "do-not-disturb"),
        ({"deny": ("bob@sip.test",)}, "603", "denied"),
        ({"deny": ("b*",)}, "603", "denied"),
    ],
)
def test_a_caller_hears_that_he_is_not_let_in(
    peers: Peers, kamailio: Kamailio, options: dict[str, Any], status: str, why: str
) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    phone = alice(peers, kamailio, **options)
    bob.dial("sip:alice@sip.test")
    assert str(bob.wait_for("CALL_CLOSED")["param"]).startswith(status)
    assert phone.wait_for(ua.CallDeflected).why == why
    assert not [event for event in phone.events() if isinstance(event, ua.IncomingCall)]


def test_do_not_disturb_is_chosen_and_taken_back_while_registered(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    phone = alice(peers, kamailio)
    registers = len([m for m in kamailio.messages() if m.direction == "in" and m.start_line.startswith("REGISTER")])
    phone.do(ChangeAccountOptions("alice", AccountOptions(rules=CallRules(do_not_disturb=DoNotDisturb.BUSY))))
    bob.dial("sip:alice@sip.test")
    assert str(bob.wait_for("CALL_CLOSED")["param"]).startswith("486")
    phone.do(ChangeAccountOptions("alice", AccountOptions()))
    bob.dial("sip:alice@sip.test")
    phone.wait_for(ua.IncomingCall)
    again = len([m for m in kamailio.messages() if m.direction == "in" and m.start_line.startswith("REGISTER")])
    assert again == registers  # the flow and the registration were kept


def test_the_server_s_intercom_header_opens_the_line_for_a_listed_caller(peers: Peers, ca: PrivateCa) -> None:
    kamailio = peers.start(Kamailio, ca, asserts=True, invite_header="Call-Info: <sip:sip.test>;answer-after=0")
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    carol = peers.start(Baresip, "carol", kamailio, "carol", "carolpw")
    phone = alice(peers, kamailio, auto_answer_from=("bob",))
    carol.dial("sip:alice@sip.test")
    assert not phone.wait_for(ua.IncomingCall).auto_answered
    carol.hangup()
    phone.wait_for(ua.CallEnded)
    bob.dial("sip:alice@sip.test")
    incoming = phone.wait_for(ua.IncomingCall)
    assert incoming.auto_answered
    phone.wait_for(ua.CallSecured)
    bob.wait_for("CALL_ESTABLISHED")
    assert phone.call(incoming.call_id).auto_answered


# Identity


def test_whom_the_server_vouches_for_is_shown_both_ways(peers: Peers, ca: PrivateCa) -> None:
    kamailio = peers.start(Kamailio, ca, asserts=True)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    phone = alice(peers, kamailio)
    bob.dial("sip:alice@sip.test")
    incoming = phone.wait_for(ua.IncomingCall)
    assert incoming.identity.asserted == ua.Party("sip:bob@sip.test", "bob of sales")
    phone.decline(incoming.call_id)
    bob.wait_for("CALL_CLOSED")
    call = phone.dial("bob")
    changed = phone.wait_for(ua.RemoteIdentityChanged)
    phone.wait_for(ua.CallEstablished)
    assert (changed.remote, changed.asserted) == (ua.Party("sip:bob@sip.test", "bob of sales"), True)
    assert phone.call(call).remote_asserted


@pytest.mark.parametrize("callee", ["baresip", "linphone"])
def test_a_hidden_caller_is_nobody_to_the_other_side(peers: Peers, ca: PrivateCa, callee: str) -> None:
    kamailio = peers.start(Kamailio, ca, asserts=True)
    if callee == "baresip":
        bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    else:
        peers.start(Linphone, "bob", kamailio, "bob", "bobpw", answermode="auto")
    phone = alice(peers, kamailio)
    phone.do(Dial("c", "bob", hide_identity=True))
    phone.wait_for(ua.CallEstablished)
    if callee == "baresip":
        assert bob.wait_for("CALL_ESTABLISHED")["peeruri"] == "sip:anonymous@anonymous.invalid"
    phone.hang_up("c")
    kamailio.wait_message("BYE", 200)
    to_bob = [m for m in kamailio.messages() if m.direction == "out" and m.method in ("INVITE", "ACK", "BYE")]
    passed = [m for m in to_bob if m.status is None]
    assert {m.method for m in passed} == {"INVITE", "ACK", "BYE"}
    assert [line for m in passed for line in m.text.split("\r\n") if "alice" in line] == []
    asked = kamailio.wait_message("INVITE")
    assert asked.header("Privacy") == "id"
    assert asked.header("P-Preferred-Identity") == "<sip:alice@sip.test>"


# Digits


def test_digits_by_info_are_heard_by_baresip(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    phone = alice(peers, kamailio, digits=DigitsMode.INFO)
    call = phone.dial("bob")
    phone.wait_for(ua.CallSecured)
    phone.digits(call, "12,*#D")
    phone.wait_for(ua.DigitsSent, where=lambda sent: sent.digits == "D")
    assert phone.call(call).digits_sent == "12*#D"
    heard = [bob.wait_for("CALL_DTMF_START")["param"] for _ in range(5)]
    assert heard == ["1", "2", "*", "#", "D"]
    infos = [m for m in kamailio.messages() if m.direction == "in" and m.start_line.startswith("INFO")]
    gaps = [later.moment - earlier.moment for earlier, later in itertools.pairwise(infos)]
    assert len(infos) == 5
    assert 1.15 < gaps[1] < 2.5  # the comma


def test_digits_by_info_between_linphone_and_us(peers: Peers, kamailio: Kamailio) -> None:
    """baresip 1.0 hears INFO and sends none; linphone does both."""
    bob = peers.start(Linphone, "bob", kamailio, "bob", "bobpw", answermode="auto", sip=("use_info=1", "use_rfc2833=0"))
    phone = alice(peers, kamailio, digits=DigitsMode.INFO)
    call = phone.dial("bob")
    phone.wait_for(ua.CallEstablished)
    bob.dtmf("7*")
    assert [phone.wait_for(ua.DigitPressed).digit for _ in range(2)] == ["7", "*"]
    phone.digits(call, "9")
    phone.wait_for(ua.DigitsSent)
    assert kamailio.wait_message("INFO", 200)


# Accounts


def test_two_accounts_on_two_servers_keep_their_policies_and_codecs_apart(peers: Peers, ca: PrivateCa) -> None:
    """Each has its own flow and registrar: one insists on SRTP with PCMU, the other is clear PCMA on a private line."""
    first, second = peers.start(Kamailio, ca), peers.start(Kamailio, ca)
    peers.start(Baresip, "bob", first, "bob", "bobpw", mediaenc="srtp-mand", codecs=("PCMU", "PCMA"))
    dave = peers.start(Baresip, "dave", second, "bob", "bobpw", mediaenc=None, codecs=("PCMU", "PCMA"))
    private = AccountSettings(
        name="private",
        user="carol",
        domain=second.domain,
        server=f"localhost:{second.tls_port}",
        media=CLEAR,
        codecs=("PCMA",),
    )
    phone = peers.start(
        PhoneUnderTest, first, "alice", "alicepw", options={"codecs": ("PCMU",)}, also=((private, "carolpw"),)
    )
    for name in ("alice", "private"):
        phone.wait_for(ua.RegistrationChanged, where=registered(name))
    first.wait_registered("alice")
    second.wait_registered("carol")

    phone.do(Dial("one", "bob"))  # the default account is the first one
    phone.wait_for(ua.CallSecured)
    phone.do(Dial("two", "bob", "private"))
    phone.wait_for(ua.CallNotEncrypted)
    phone.wait_for(ua.CallEstablished, where=lambda e: e.call_id == "two")
    one, two = phone.call("one"), phone.call("two")
    assert (one.account_id, one.codec, one.security.encryption) == ("alice", "PCMU", Encryption.SRTP)
    assert (two.account_id, two.codec, two.security.encryption) == ("private", "PCMA", Encryption.NONE)
    offers = [server.wait_message("INVITE").body for server in (first, second)]
    assert [" RTP/SAVP " in offer for offer in offers] == [True, False]
    assert ["a=crypto:" in offer for offer in offers] == [True, False]
    assert ["PCMU" in offer for offer in offers] == [True, False]
    assert ["From: <sip:alice@" in server.wait_message("INVITE").text for server in (first, second)] == [True, False]
    phone.hang_up("one")
    phone.hang_up("two")

    dave.dial("sip:carol@sip.test")  # a clear call to the account that allows it rings …
    incoming = phone.wait_for(ua.IncomingCall)
    assert (incoming.account_id, incoming.unencrypted is not None) == ("private", True)
    clear = peers.start(Baresip, "clear", first, "carol", "carolpw", mediaenc=None)
    clear.dial("sip:alice@sip.test")  # … and to the other one is refused, though a clear one rings here
    assert str(clear.wait_for("CALL_CLOSED")["param"]).startswith("488")
    assert phone.wait_for(ua.CallRefused).account_id == "alice"


# The command line


def test_the_command_line_hides_who_calls_and_waits_at_a_comma(peers: Peers, ca: PrivateCa) -> None:
    kamailio = peers.start(Kamailio, ca, asserts=True)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    phone = peers.start(CommandLine, kamailio, "call", "bob", "--hide-identity", "--digits", "12,3", "--seconds", "4")
    pressed = [bob.wait_for("CALL_DTMF_START", timeout=15) for _ in range(3)]
    result = phone.result()
    assert (result["ok"], [event["param"] for event in pressed]) == (True, ["1", "2", "3"])
    assert pressed[2]["moment"] - pressed[1]["moment"] > 1.1
    assert bob.wait_for("CALL_ESTABLISHED")["peeruri"] == "sip:anonymous@anonymous.invalid"
    assert [line["digits"] for line in phone.events() if line["event"] == "digits-sent"] == ["1", "2", "3"]
    assert phone.wait_for("identity")["asserted"] is True
