from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from softphone.errors import FailureKind, LocalProtocolError
from softphone.policy.media import MediaEncryption, MediaPolicy, UnencryptedPeer
from softphone.sdp.negotiated import ClearMedia, ConsentNeeded, Direction, Rejection
from softphone.sdp.offer_answer import (
    FORBIDDEN,
    REFUSED,
    TRANSITIONS,
    OfferAnswerSession,
    OfferAnswerState,
    Step,
)
from softphone.sdp.session import parse_session_description
from tests.sdp.descriptions import (
    CM_256,
    EVENT,
    GCM_128,
    GCM_256,
    SUITE_80,
    audio,
    avp,
    body,
    crypto,
    crypto_lines,
    disabled,
    key_text,
    keys,
    mandatory,
    media_line,
    negotiated,
    octets,
    optional,
    savp,
    session,
    suites,
    text_lines,
)


def call(policy: MediaPolicy | None = None) -> tuple[OfferAnswerSession, OfferAnswerSession]:
    """An established call: (the side that offered, the side that answered)."""
    caller, callee = session(policy, "caller"), session(policy, "callee")
    negotiated(callee.receive_offer(caller.create_offer()))
    negotiated(caller.receive_answer(callee.create_answer()))
    return caller, callee


def exchange(offerer: OfferAnswerSession, answerer: OfferAnswerSession, direction: Direction, *,
             new_keys: bool = False) -> tuple[bytes, bytes]:  # fmt: skip
    offer = offerer.create_offer(direction, new_keys=new_keys)
    negotiated(answerer.receive_offer(offer))
    answer = answerer.create_answer()
    negotiated(offerer.receive_answer(answer))
    return offer, answer


# What is written.


def test_an_offer_is_minimal_and_clean() -> None:
    offer = session(suites(SUITE_80)).create_offer()
    (key,) = [line.split("inline:")[1] for line in crypto_lines(offer)]
    version = parse_session_description(offer).origin
    assert text_lines(offer) == [
        "v=0",
        f"o=- {version.session_id} 1 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 4000 RTP/SAVP 0 8 101",
        f"a=crypto:1 {SUITE_80} inline:{key}",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=rtcp-xr:voip-metrics",
        "a=sendrecv",
        "",
    ]


def test_an_rtcp_port_that_is_not_the_next_one_is_said() -> None:
    ours = session(addressed=False)
    ours.set_local_address("2001:db8::1", 4000, 4010)
    lines = text_lines(ours.create_offer())
    assert "a=rtcp:4010" in lines
    assert "c=IN IP6 2001:db8::1" in lines


def test_an_answer_has_the_offers_lines_in_order_with_port_0_for_all_but_one() -> None:
    ours = session()
    offer = body(
        ["m=video 5000 RTP/SAVPF 96 97", "a=rtpmap:96 VP8/90000"],
        audio("RTP/AVP", port=6000),
        audio("RTP/SAVP", crypto(9), port=6002),
        audio("RTP/SAVP", crypto(1), port=6004),
        ["m=application 5002 UDP/BFCP *"],
    )
    assert negotiated(ours.receive_offer(offer)).remote_rtp_port == 6002
    answer = ours.create_answer()
    assert [line for line in text_lines(answer) if line.startswith("m=")] == [
        "m=video 0 RTP/SAVPF 96",
        "m=audio 0 RTP/AVP 0",
        "m=audio 4000 RTP/SAVP 0",
        "m=audio 0 RTP/SAVP 0",
        "m=application 0 UDP/BFCP *",
    ]
    assert crypto_lines(answer)[0].startswith(f"a=crypto:9 {SUITE_80} inline:")
    # RFC 3264 §8: a later offer of ours keeps the lines and their order.
    again = [line.split()[:2] for line in text_lines(ours.create_offer()) if line.startswith("m=")]
    assert again == [["m=video", "0"], ["m=audio", "0"], ["m=audio", "4000"], ["m=audio", "0"], ["m=application", "0"]]


def test_an_encrypted_line_is_taken_before_a_clear_one_whatever_their_order() -> None:
    ours = session(optional(UnencryptedPeer.ALLOW))
    verdict = ours.receive_offer(body(audio("RTP/AVP", port=6000), audio("RTP/SAVP", crypto(), port=6002)))
    assert keys(verdict)
    assert negotiated(verdict).remote_rtp_port == 6002


def test_the_first_usable_line_of_the_offerer_is_taken() -> None:
    ours = session()
    offer = savp(crypto(4, rest="|2^9"), crypto(5, GCM_128, 5), crypto(6, GCM_256, 6))
    assert keys(ours.receive_offer(offer)).receive.suite.name == GCM_128
    assert crypto_lines(ours.create_answer())[0].startswith(f"a=crypto:5 {GCM_128} ")


def test_a_suite_that_the_policy_does_not_accept_is_not_taken() -> None:
    verdict = session(suites(SUITE_80)).receive_offer(savp(crypto(1, GCM_256), crypto(2, SUITE_80)))
    assert keys(verdict).receive.suite.name == SUITE_80
    assert isinstance(session(suites(SUITE_80)).receive_offer(savp(crypto(1, GCM_256))), Rejection)


def test_every_key_of_an_offer_is_another() -> None:
    material = [line.split("inline:")[1] for line in crypto_lines(session().create_offer())]
    assert len(set(material)) == 4


# Versions (RFC 3264 §8).


def origin(description: bytes) -> tuple[str, int]:
    found = parse_session_description(description).origin
    return found.session_id, int(found.session_version)


def test_the_version_grows_by_one_with_each_change_and_stays_without() -> None:
    caller, callee = session(suites(SUITE_80), "a"), session(suites(SUITE_80), "b")
    first = caller.create_offer()
    negotiated(callee.receive_offer(first))
    negotiated(caller.receive_answer(callee.create_answer()))
    same, _ = exchange(caller, callee, Direction.SENDRECV)
    held, _ = exchange(caller, callee, Direction.SENDONLY)
    back, _ = exchange(caller, callee, Direction.SENDRECV)
    assert same == first
    identifier, version = origin(first)
    assert [origin(item) for item in (held, back)] == [(identifier, version + 1), (identifier, version + 2)]


def test_an_offer_that_came_to_nothing_counts_as_a_version() -> None:
    ours = session()
    first = ours.create_offer()
    ours.cancel_offer()
    assert origin(ours.create_offer())[1] == origin(first)[1] + 1


def test_a_new_address_changes_the_connection_and_not_the_origin() -> None:
    caller, callee = call()
    caller.set_local_address("192.0.2.99", 4100, 4101)
    offer, _ = exchange(caller, callee, Direction.SENDRECV)
    assert "c=IN IP4 192.0.2.99" in text_lines(offer)
    assert text_lines(offer)[1].endswith(" IN IP4 192.0.2.1")
    assert negotiated(callee.negotiated).remote_address == "192.0.2.99"


# Direction, hold, RTCP.


@pytest.mark.parametrize(("offered", "wanted"), list(itertools.product(Direction, Direction)))
def test_the_answers_direction_is_what_both_want(offered: Direction, wanted: Direction) -> None:
    caller, callee = session(seed="a"), session(seed="b")
    negotiated(callee.receive_offer(caller.create_offer(offered)))
    answer = callee.create_answer(wanted)
    ours, theirs = negotiated(callee.negotiated), negotiated(caller.receive_answer(answer))
    assert ours.direction.sends == (wanted.sends and offered.receives)
    assert ours.direction.receives == (wanted.receives and offered.sends)
    assert theirs.direction is ours.direction.reversed
    assert f"a={ours.direction.value}" in text_lines(answer)


def test_an_answer_that_claims_more_than_was_offered_gets_no_more() -> None:
    ours = session()
    ours.create_offer(Direction.SENDONLY)
    assert negotiated(ours.receive_answer(savp(crypto(4), "a=sendrecv"))).direction is Direction.SENDONLY


def test_hold_by_address_stops_our_sending() -> None:
    ours = session()
    media = negotiated(ours.receive_offer(body(audio("RTP/SAVP", crypto()), connection="IN IP4 0.0.0.0")))
    assert not media.direction.sends
    assert media.remote_rtcp_port == 0
    assert "a=recvonly" in text_lines(ours.create_answer())


@pytest.mark.parametrize("direction", Direction)
def test_hold_and_resume_keep_both_keys(direction: Direction) -> None:
    caller, callee = call()
    before = keys(caller.negotiated)
    for offerer, answerer in ((caller, callee), (callee, caller)):
        exchange(offerer, answerer, direction)
        exchange(offerer, answerer, Direction.SENDRECV)
        assert keys(caller.negotiated) == before


def test_rtcp_mux_is_answered_and_kept_and_never_offered_first() -> None:
    ours = session()
    assert not negotiated(session().receive_offer(savp())).rtcp_mux
    media = negotiated(ours.receive_offer(savp(crypto(), "a=rtcp-mux", "a=rtcp:7000")))
    assert media.rtcp_mux
    assert media.remote_rtcp_port == media.remote_rtp_port
    assert "a=rtcp-mux" in text_lines(ours.create_answer())
    assert "a=rtcp-mux" in text_lines(ours.create_offer())
    fresh = session()
    assert "a=rtcp-mux" not in text_lines(fresh.create_offer())
    assert not negotiated(fresh.receive_answer(savp(crypto(4), "a=rtcp-mux"))).rtcp_mux


def test_the_peers_rtcp_port_is_taken() -> None:
    assert negotiated(session().receive_offer(savp(crypto(), "a=rtcp:7000"))).remote_rtcp_port == 7000
    assert negotiated(session().receive_offer(savp())).remote_rtcp_port == 6001


# Keys.


def test_both_sides_have_each_others_key() -> None:
    caller, callee = call()
    assert keys(caller.negotiated).send == keys(callee.negotiated).receive
    assert keys(caller.negotiated).receive == keys(callee.negotiated).send
    assert keys(caller.negotiated).send.suite.name == GCM_256


def test_the_verdict_on_an_offer_has_the_keys_that_the_answer_brings() -> None:
    ours = session()
    assert ours.receive_offer(savp()) == (ours.create_answer() and ours.negotiated)


def test_a_peer_that_changes_its_key_gets_a_new_one_of_ours() -> None:
    ours = session()
    before = keys(ours.receive_offer(savp(crypto(1, fill=1))))
    ours.create_answer()
    after = keys(ours.receive_offer(savp(crypto(1, fill=2))))
    ours.create_answer()
    assert after.receive != before.receive
    assert after.send != before.send
    assert keys(ours.receive_offer(savp(crypto(8, fill=2)))) == after  # another tag is no other key


def test_an_answerer_that_changes_its_key_leaves_ours_and_is_heard_with_the_new_one() -> None:
    ours = session()
    ours.create_offer()
    before = keys(ours.receive_answer(savp(crypto(4, fill=1))))
    ours.create_offer()
    after = keys(ours.receive_answer(savp(crypto(1, fill=2))))
    assert after.send == before.send
    assert after.receive.material != before.receive.material


def test_new_keys_are_offered_when_asked_for() -> None:
    caller, callee = call()
    before = keys(caller.negotiated)
    exchange(caller, callee, Direction.SENDRECV, new_keys=True)
    assert keys(caller.negotiated).send != before.send
    assert keys(caller.negotiated).receive != before.receive  # the peer's answer to a new key is a new key
    assert keys(caller.negotiated).send == keys(callee.negotiated).receive


def test_a_retry_after_a_refusal_has_new_keys() -> None:
    ours = session()
    first = crypto_lines(ours.create_offer())
    ours.cancel_offer()
    assert not set(first) & set(crypto_lines(ours.create_offer()))


def test_a_reoffer_names_the_suite_in_use_first_under_its_key_and_others_under_new_keys() -> None:
    ours = session()
    first = crypto_lines(ours.create_offer())
    ours.receive_answer(savp(crypto(4)))
    second = crypto_lines(ours.create_offer())
    assert [line.split()[1] for line in second] == [SUITE_80, GCM_256, GCM_128, CM_256]
    material = [{line.split("inline:")[1] for line in lines} for lines in (first, second)]
    assert material[0] & material[1] == {first[3].split("inline:")[1]}


# An encrypted call never becomes clear.


@pytest.mark.parametrize("policy", [mandatory(), optional(UnencryptedPeer.ALLOW), optional(UnencryptedPeer.ASK)])
@pytest.mark.parametrize(
    "clear", [avp(), avp(crypto(4, rest=" UNENCRYPTED_SRTP")), savp("a=sendrecv"), savp(crypto(4, rest=" KDR=1"))]
)
def test_an_encrypted_call_refuses_clear_offers_and_answers_and_goes_on(policy: MediaPolicy, clear: bytes) -> None:
    caller, callee = call(policy)
    for ours in (caller, callee):
        before = ours.negotiated
        verdict = ours.receive_offer(clear)
        assert isinstance(verdict, Rejection)
        assert (verdict.status, verdict.failure.kind) == (488, FailureKind.MEDIA_NOT_ENCRYPTED)
        ours.create_offer()
        assert isinstance(ours.receive_answer(clear), Rejection)
        assert ours.state is OfferAnswerState.STABLE
        assert ours.negotiated == before
    exchange(caller, callee, Direction.SENDRECV)


def test_consent_given_before_encryption_does_not_hold_after_it() -> None:
    ours = session(optional())
    assert isinstance(ours.receive_offer(avp()), ConsentNeeded)
    ours.agree_to_clear()
    ours.create_answer()
    assert keys(ours.receive_offer(savp()))
    ours.create_answer()
    verdict = ours.receive_offer(avp())
    assert isinstance(verdict, Rejection)
    assert "continue an encrypted call without encryption" in verdict.failure.reason


def test_an_encrypted_session_keeps_its_profile_in_our_offers_as_the_policy_allows() -> None:
    for policy, profile, reoffered in (
        (mandatory(), "RTP/SAVPF", "RTP/SAVPF"),
        (mandatory(), "RTP/AVP", "RTP/SAVP"),
        (optional(), "RTP/SAVP", "RTP/SAVP"),
        (optional(), "RTP/AVPF", "RTP/AVPF"),
    ):
        ours = session(policy)
        ours.receive_offer(body(audio(profile, crypto())))
        ours.create_answer()
        assert media_line(ours.create_offer()).split()[2] == reoffered


# Consent.


def test_nothing_is_negotiated_before_the_person_agreed_to_clear_media() -> None:
    ours = session(optional())
    verdict = ours.receive_offer(avp())
    assert isinstance(verdict, ConsentNeeded)
    assert isinstance(verdict.media.security, ClearMedia)
    assert ours.negotiated is None
    with pytest.raises(LocalProtocolError):
        ours.create_answer()
    assert ours.agree_to_clear() == verdict.media
    ours.create_answer()
    assert ours.negotiated == verdict.media


def test_consent_holds_for_later_clear_offers_of_the_same_call() -> None:
    ours = session(optional())
    ours.create_offer()
    assert isinstance(ours.receive_answer(avp()), ConsentNeeded)
    ours.agree_to_clear()
    assert isinstance(negotiated(ours.receive_offer(avp())).security, ClearMedia)


def test_consent_that_nobody_asked_for_cannot_be_given() -> None:
    ours = session(optional())
    with pytest.raises(LocalProtocolError):
        ours.agree_to_clear()
    ours.receive_offer(avp())
    ours.cancel_offer()
    with pytest.raises(LocalProtocolError):
        ours.agree_to_clear()


def test_one_forks_consent_is_not_anothers() -> None:
    ours = session(optional())
    ours.create_offer()
    ours.receive_answer(avp())
    ours.agree_to_clear()
    assert isinstance(ours.forked().receive_answer(avp()), ConsentNeeded)


# Forks and repeated answers.


def test_each_fork_answers_the_same_offer_with_its_own_key() -> None:
    first = session()
    offer = first.create_offer()
    one = keys(first.receive_answer(savp(crypto(4, fill=1))))
    second = first.forked()
    assert second.state is OfferAnswerState.HAVE_LOCAL_OFFER
    two = keys(second.receive_answer(savp(crypto(1, GCM_256, 2))))
    assert one.receive != two.receive
    assert one.send != two.send  # another suite: another key
    assert {one.send.suite.name, two.send.suite.name} == {SUITE_80, GCM_256}
    assert origin(second.create_offer())[0] == origin(offer)[0]


def test_a_fork_takes_the_invites_offer_even_after_the_first_dialog_moved_on() -> None:
    first = session()
    first.create_offer()
    first.receive_answer(savp(crypto(4)))
    first.create_offer(Direction.SENDONLY)
    first.receive_answer(savp(crypto(1)))
    second = first.forked()
    assert negotiated(second.receive_answer(savp(crypto(4, fill=9)))).direction is Direction.SENDRECV


def test_the_walk_of_the_keys_of_a_forked_call() -> None:
    first = session()
    shared = set(crypto_lines(first.create_offer()))
    second, third = first.forked(), first.forked()
    for fill, fork in enumerate((first, second, third), start=1):
        fork.receive_answer(savp(crypto(4, fill=fill)))
    offered = {
        name: {line.split("inline:")[1] for line in crypto_lines(fork.create_offer())}
        for name, fork in (("first", first), ("second", second), ("third", third))
    }
    material = {line.split("inline:")[1] for line in shared}
    assert len(offered["first"] & material) == 1  # goes on with its key
    assert not offered["second"] & material  # a fork's own offers bring keys of its own
    assert not offered["third"] & material
    assert not offered["first"] & offered["second"]
    assert not offered["second"] & offered["third"]
    # An answer of the fork to a changed session brings a key of its own too.
    second.cancel_offer()
    answered = keys(second.receive_offer(savp(crypto(1, fill=2))))
    assert answered.send.material not in {keys(first.negotiated).send.material, keys(third.negotiated).send.material}


def test_a_later_answer_to_the_same_offer_counts_under_the_same_rules() -> None:
    ours = session()
    ours.create_offer()
    early = keys(ours.receive_answer(savp(crypto(4, fill=1))))
    assert isinstance(ours.receive_answer(avp()), Rejection)
    assert keys(ours.negotiated) == early
    final = keys(ours.receive_answer(savp(crypto(4, fill=2))))
    assert final.send == early.send
    assert final.receive != early.receive


def test_a_call_that_nobody_forked_has_no_forks() -> None:
    with pytest.raises(LocalProtocolError):
        session().forked()


# What cannot be agreed.


@pytest.mark.parametrize(
    ("offer", "status", "kind"),
    [
        (b"", 400, FailureKind.PROTOCOL),
        (b"\x00\xff", 400, FailureKind.PROTOCOL),
        (b"x" * 100_000, 413, FailureKind.PROTOCOL),
        (body(), 488, FailureKind.NOT_ACCEPTABLE),
        (body(["m=video 5000 RTP/SAVP 96"]), 488, FailureKind.NOT_ACCEPTABLE),
        (savp(crypto(), port=0), 488, FailureKind.NOT_ACCEPTABLE),
        (body(audio("RTP/SAVP", crypto(), formats="18")), 488, FailureKind.NOT_ACCEPTABLE),
        (body(audio("RTP/SAVP", crypto()), connection="IN IP4 pbx.example.com"), 488, FailureKind.NOT_ACCEPTABLE),
        (body(audio("RTP/SAVP", crypto()), connection="IN IP4 224.2.1.1/127"), 488, FailureKind.NOT_ACCEPTABLE),
        (body(audio("UDP/TLS/RTP/SAVPF", "a=setup:actpass")), 488, FailureKind.MEDIA_NOT_ENCRYPTED),
    ],
)
def test_what_cannot_be_agreed_is_refused_with_its_cause(offer: bytes, status: int, kind: FailureKind) -> None:
    ours = session()
    for verdict in (ours.receive_offer(offer), (ours.create_offer() and ours.receive_answer(offer))):
        assert isinstance(verdict, Rejection)
        assert ours.state is OfferAnswerState.STABLE
        assert ours.negotiated is None
    verdict = session().receive_offer(offer)
    assert isinstance(verdict, Rejection)
    assert (verdict.status, verdict.failure.kind, verdict.failure.status) == (status, kind, status)


def test_an_answer_with_fewer_lines_than_our_offer_is_refused() -> None:
    ours = session()
    ours.receive_offer(body(["m=video 5000 RTP/SAVP 96"], audio("RTP/SAVP", crypto())))
    ours.create_answer()
    ours.create_offer()
    assert isinstance(ours.receive_answer(savp(crypto(1))), Rejection)


@pytest.mark.parametrize("codecs", [(), ("SPEEX",), ("pcmu",)])
def test_a_list_of_codecs_that_do_not_exist_is_our_own_error(codecs: tuple[str, ...]) -> None:
    with pytest.raises(LocalProtocolError):
        session(codecs=codecs)


@pytest.mark.parametrize("encryption", [MediaEncryption.OPTIONAL, MediaEncryption.DISABLED])
def test_a_policy_below_mandatory_on_a_public_network_cannot_be_applied(encryption: MediaEncryption) -> None:
    with pytest.raises(LocalProtocolError):
        session(MediaPolicy(encryption=encryption))


@pytest.mark.parametrize(
    ("address", "rtp", "rtcp"),
    [("example.com", 4000, 4001), ("0.0.0.0", 4000, 4001), ("224.0.0.1", 4000, 4001), ("192.0.2.1", 0, 4001),
     ("192.0.2.1", 4000, 65536)],
)  # fmt: skip
def test_an_address_that_cannot_receive_is_our_own_error(address: str, rtp: int, rtcp: int) -> None:
    with pytest.raises(LocalProtocolError):
        session().set_local_address(address, rtp, rtcp)


def test_a_verdict_needs_no_local_address_and_an_answer_does() -> None:
    ours = session(addressed=False)
    assert keys(ours.receive_offer(savp()))
    with pytest.raises(LocalProtocolError):
        ours.create_answer()
    ours.set_local_address("192.0.2.1", 4000, 4001)
    ours.create_answer()
    with pytest.raises(LocalProtocolError):
        session(addressed=False).create_offer()


def test_a_source_of_too_few_octets_is_our_own_error() -> None:
    ours = OfferAnswerSession(mandatory(), ("PCMU",), lambda length: octets("x")(length)[:16])
    ours.set_local_address("192.0.2.1", 4000, 4001)
    with pytest.raises(LocalProtocolError):
        ours.create_offer()


# The table of states.


def in_state(state: OfferAnswerState) -> OfferAnswerSession:
    ours = session(optional(UnencryptedPeer.ALLOW))
    if state is OfferAnswerState.HAVE_LOCAL_OFFER:
        ours.create_offer()
    elif state is OfferAnswerState.HAVE_REMOTE_OFFER:
        ours.receive_offer(savp())
    return ours


def perform(ours: OfferAnswerSession, step: Step) -> object:
    actions: dict[Step, Callable[[], object]] = {
        Step.CREATE_OFFER: ours.create_offer,
        Step.RECEIVE_ANSWER: lambda: ours.receive_answer(body(audio("RTP/AVP", crypto(4), *EVENT))),
        Step.RECEIVE_OFFER: lambda: ours.receive_offer(savp()),
        Step.CREATE_ANSWER: ours.create_answer,
        Step.CANCEL_OFFER: ours.cancel_offer,
    }
    return actions[step]()


def test_every_pair_of_state_and_step_is_decided_once() -> None:
    decided = [*TRANSITIONS, *REFUSED, *FORBIDDEN]
    assert sorted(map(str, decided)) == sorted(map(str, itertools.product(OfferAnswerState, Step)))


@pytest.mark.parametrize(("state", "step"), list(itertools.product(OfferAnswerState, Step)))
def test_every_pair_does_what_the_table_says(state: OfferAnswerState, step: Step) -> None:
    ours = in_state(state)
    assert ours.state is state
    if (state, step) in FORBIDDEN:
        with pytest.raises(LocalProtocolError):
            perform(ours, step)
        assert ours.state is state
        return
    result = perform(ours, step)
    assert ours.state is TRANSITIONS.get((state, step), state)
    if (state, step) in REFUSED:
        assert isinstance(result, Rejection)
    elif (state, step) != (OfferAnswerState.STABLE, Step.RECEIVE_ANSWER):
        assert not isinstance(result, Rejection)


def test_glare_is_491_and_an_overlapping_offer_500() -> None:
    glare = in_state(OfferAnswerState.HAVE_LOCAL_OFFER).receive_offer(savp())
    overlap = in_state(OfferAnswerState.HAVE_REMOTE_OFFER).receive_offer(savp())
    assert isinstance(glare, Rejection)
    assert isinstance(overlap, Rejection)
    assert (glare.status, overlap.status) == (491, 500)


def test_after_a_cancelled_offer_of_either_side_the_old_session_goes_on() -> None:
    caller, callee = call()
    before = caller.negotiated
    callee.receive_offer(caller.create_offer(Direction.INACTIVE))
    caller.cancel_offer()
    callee.cancel_offer()
    assert caller.negotiated == before
    exchange(callee, caller, Direction.SENDRECV)
    assert caller.negotiated == before


def test_disabled_makes_a_clear_call_that_says_why() -> None:
    caller, _ = call(disabled())
    security = negotiated(caller.negotiated).security
    assert isinstance(security, ClearMedia)
    assert "Disabled" in security.reason


def test_an_answer_that_gives_our_own_key_back_is_refused() -> None:
    """Our own packets, reflected, would authenticate as the peer's."""
    caller = session(suites(SUITE_80), "caller")
    verdict = caller.receive_answer(caller.create_offer())
    assert isinstance(verdict, Rejection)
    assert "the answer repeats our own key" in verdict.failure.evidence
    assert caller.negotiated is None


# MKIs and lifetimes (RFC 4568 §6.1): each side declares its own.


def test_an_offer_with_an_mki_is_answered_with_one_of_its_length_and_ours_stays() -> None:
    ours = session()
    offer = savp(crypto(rest="|2^31|7:4"))
    agreed = keys(ours.receive_offer(offer))
    assert (agreed.receive.mki, agreed.receive.lifetime) == (bytes((0, 0, 0, 7)), 2**31)
    assert (agreed.send.mki, agreed.send.lifetime) == (bytes((0, 0, 0, 1)), None)
    assert crypto_lines(ours.create_answer())[0].endswith("|1:4")
    assert keys(ours.receive_offer(offer)) == agreed
    ours.create_answer()
    assert crypto_lines(ours.create_offer())[0].endswith("|1:4")
    assert not any("|" in line for line in crypto_lines(session().create_offer()))


def test_several_keys_of_a_line_are_all_kept_to_receive_with() -> None:
    ours = session()
    line = crypto(rest=f"|2^20|1:1;inline:{key_text(SUITE_80, 9)}|2:1")
    agreed = keys(ours.receive_offer(savp(line)))
    assert [key.mki for key in (agreed.receive, *agreed.further)] == [b"\1", b"\2"]
    assert [key.lifetime for key in (agreed.receive, *agreed.further)] == [2**20, None]


def test_an_answer_may_declare_an_mki_that_our_offer_had_not() -> None:
    ours = session()
    ours.create_offer()
    agreed = keys(ours.receive_answer(savp(crypto(4, rest="|1:1"))))
    assert (agreed.send.mki, agreed.receive.mki) == (b"", b"\1")


def test_our_own_key_given_back_under_an_mki_is_refused() -> None:
    ours = session()
    line = crypto_lines(ours.create_offer())[3]
    verdict = ours.receive_answer(savp(line + "|1:1"))
    assert isinstance(verdict, Rejection)
    assert "repeats our own key" in verdict.failure.evidence[0]


def test_a_running_call_keeps_its_suite_while_the_peer_keeps_its_key_whatever_stands_first() -> None:
    ours = session()
    before = keys(ours.receive_offer(savp(crypto(1, CM_256, 5))))
    ours.create_answer()
    again = savp(crypto(1, SUITE_80, 6), crypto(2, CM_256, 5))
    assert keys(ours.receive_offer(again)) == before
    assert crypto_lines(ours.create_answer())[0].startswith(f"a=crypto:2 {CM_256} ")
    changed = savp(crypto(1, SUITE_80, 6), crypto(2, CM_256, 7))
    assert keys(ours.receive_offer(changed)).receive.suite.name == SUITE_80
