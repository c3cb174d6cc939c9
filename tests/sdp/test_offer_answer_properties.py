"""Walks of two joined sessions, with a downgrade adversary between them, and any bytes thrown at one."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from softphone.policy.media import MediaPolicy, UnencryptedPeer
from softphone.sdp.negotiated import (
    ClearMedia,
    ConsentNeeded,
    Direction,
    NegotiatedMedia,
    Rejection,
    SrtpSecurity,
)
from softphone.sdp.offer_answer import OfferAnswerSession, OfferAnswerState
from tests.sdp.descriptions import (
    GCM_128,
    GCM_256,
    SUITE_32,
    SUITE_80,
    crypto_lines,
    disabled,
    mandatory,
    optional,
    savp,
    session,
    suites,
)

POLICIES = {
    "mandatory": mandatory(),
    "gateway": suites(SUITE_80),
    "short first": suites(SUITE_32, SUITE_80, GCM_128),
    "strong only": suites(GCM_256),
    "allow": optional(UnencryptedPeer.ALLOW),
    "ask": optional(UnencryptedPeer.ASK),
    "refuse": optional(UnencryptedPeer.REFUSE),
    "disabled": disabled(),
}


def strip_crypto(description: bytes) -> bytes:
    lines = [line for line in description.split(b"\r\n") if not line.startswith(b"a=crypto")]
    return b"\r\n".join(lines).replace(b"RTP/SAVP", b"RTP/AVP")


def weaken(description: bytes) -> bytes:
    """The adversary asks for SRTP without encryption."""
    lines = [
        line + (b" UNENCRYPTED_SRTP" if line.startswith(b"a=crypto") else b"") for line in description.split(b"\r\n")
    ]
    return b"\r\n".join(lines)


ADVERSARY = {"none": lambda description: description, "strip": strip_crypto, "weaken": weaken}


@dataclass
class Party:
    """A session, with the ledger of every key that it ever sent."""

    name: str
    session: OfferAnswerSession
    seen: set[str] = field(default_factory=set)
    was_encrypted: bool = False
    in_use: str = ""

    def send(self, description: bytes) -> bytes:
        """Each key in it is new, or the one in use before."""
        for line in crypto_lines(description):
            key = line.split("inline:")[1]
            assert key not in self.seen or key == self.in_use, f"{self.name} used a key twice"
        self.seen.update(line.split("inline:")[1] for line in crypto_lines(description))
        return description

    def check(self) -> None:
        """After each step: the key in use is remembered, and encrypted never becomes clear."""
        media = self.session.negotiated
        if media is None:
            assert not self.was_encrypted
            return
        if isinstance(media.security, SrtpSecurity):
            self.was_encrypted = True
            length = media.security.send.suite.material_length
            assert len(media.security.send.material) == len(media.security.receive.material) == length
            assert media.security.send.suite == media.security.receive.suite
            assert media.security.send.material != media.security.receive.material
        else:
            assert not self.was_encrypted, f"{self.name}: an encrypted call became clear"

    def remember(self) -> None:
        media = self.session.negotiated
        if media is not None and isinstance(media.security, SrtpSecurity):
            self.in_use = base64.b64encode(media.security.send.material.reveal()).decode()


STEPS = st.fixed_dictionaries(
    {
        "offerer": st.sampled_from([0, 1]),
        "offered": st.sampled_from(list(Direction)),
        "answered": st.sampled_from(list(Direction)),
        "new_keys": st.booleans(),
        "on_offer": st.sampled_from(list(ADVERSARY)),
        "on_answer": st.sampled_from(list(ADVERSARY)),
        "end": st.sampled_from(["answer", "answer", "answer", "lost", "refused"]),
        "consent": st.booleans(),
    }
)


def walk_one(offerer: Party, answerer: Party, step: dict[str, object]) -> None:
    direction, wanted = step["offered"], step["answered"]
    assert isinstance(direction, Direction)
    assert isinstance(wanted, Direction)
    offer = offerer.send(offerer.session.create_offer(direction, new_keys=bool(step["new_keys"])))
    verdict = answerer.session.receive_offer(ADVERSARY[str(step["on_offer"])](offer))
    if isinstance(verdict, ConsentNeeded) and step["consent"]:
        verdict = answerer.session.agree_to_clear()
    if not isinstance(verdict, NegotiatedMedia) or step["end"] != "answer":
        answerer.session.cancel_offer()
        offerer.session.cancel_offer()
        return
    answer = answerer.send(answerer.session.create_answer(wanted))
    result = offerer.session.receive_answer(ADVERSARY[str(step["on_answer"])](answer))
    if isinstance(result, ConsentNeeded) and step["consent"]:
        result = offerer.session.agree_to_clear()
    if isinstance(result, NegotiatedMedia) and "none" == step["on_offer"] == step["on_answer"]:
        agree(offerer.session, answerer.session)


def agree(one: OfferAnswerSession, other: OfferAnswerSession) -> None:
    ours, theirs = one.negotiated, other.negotiated
    assert ours is not None
    assert theirs is not None
    assert ours.direction is theirs.direction.reversed
    assert ours.format.name == theirs.format.name
    assert ours.format.send_payload_type == theirs.format.receive_payload_type
    assert ours.format.receive_payload_type == theirs.format.send_payload_type
    assert (ours.telephone_event is None) == (theirs.telephone_event is None)
    if isinstance(ours.security, SrtpSecurity):
        assert isinstance(theirs.security, SrtpSecurity)
        assert ours.security.send == theirs.security.receive
        assert ours.security.receive == theirs.security.send
    else:
        assert isinstance(theirs.security, ClearMedia)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(POLICIES)), st.sampled_from(list(POLICIES)), st.lists(STEPS, min_size=1, max_size=12))
def test_no_walk_turns_encrypted_into_clear_or_uses_a_key_twice_and_both_sides_agree(
    one: str, other: str, steps: list[dict[str, object]]
) -> None:
    parties = (Party("one", session(POLICIES[one], "one")), Party("other", session(POLICIES[other], "other")))
    for step in steps:
        offerer = parties[int(str(step["offerer"]))]
        answerer = parties[1 - int(str(step["offerer"]))]
        walk_one(offerer, answerer, step)
        for party in parties:
            party.check()
            party.remember()
            assert party.session.state is OfferAnswerState.STABLE


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["answer", "offer", "fork", "cancel"])), max_size=14))
def test_the_forks_of_a_call_never_offer_each_others_later_keys(steps: list[tuple[int, str]]) -> None:
    first = session()
    shared = {line.split("inline:")[1] for line in crypto_lines(first.create_offer())}
    forks = [first]
    owner: dict[str, int] = {}
    for fill, what in steps:
        number = fill % len(forks)
        fork = forks[number]
        if what == "fork":
            forks.append(first.forked())
        elif what == "answer" and fork.state is OfferAnswerState.HAVE_LOCAL_OFFER:
            fork.receive_answer(savp(f"a=crypto:4 {SUITE_80} inline:{'ABCD'[fill - 1] * 40}"))
        elif what == "cancel":
            fork.cancel_offer()
        elif what == "offer" and fork.state is OfferAnswerState.STABLE and fork.negotiated:
            for line in crypto_lines(fork.create_offer()):
                key = line.split("inline:")[1]
                assert key not in shared or number == 0
                assert owner.setdefault(key, number) == number


OPENINGS = ["none", "offer", "offered", "srtp"]


def opened(opening: str, policy: MediaPolicy) -> OfferAnswerSession:
    ours = session(policy)
    if opening == "offer":
        ours.create_offer()
    elif opening != "none":
        ours.receive_offer(savp())
        if opening == "srtp" and ours.state is OfferAnswerState.HAVE_REMOTE_OFFER:
            ours.create_answer()
    return ours


LINES = st.one_of(
    st.sampled_from(
        [
            "m=audio 4000 RTP/SAVP 0 8",
            "m=audio 4000 RTP/AVP 0",
            "m=video 0 RTP/SAVP 96",
            "c=IN IP4 192.0.2.7",
            "c=IN IP6 ::",
            "a=sendonly",
            "a=rtcp-mux",
            "a=rtcp:1 IN IP4 1.2.3.4",
            "a=ptime:999",
            "a=rtpmap:8 PCMA/8000",
            f"a=crypto:1 {SUITE_80} inline:{'A' * 40}",
            f"a=crypto:4 {SUITE_80} inline:{'B' * 40}|2^20|1:4",
        ]
    ),
    st.builds("a=crypto:{} {} {}".format, st.integers(0, 3), st.just(SUITE_80), st.text(max_size=50)),
    st.builds("a={}:{}".format, st.sampled_from(["rtpmap", "fmtp", "ptime", "maxptime", "rtcp"]), st.text(max_size=20)),
    st.text(max_size=30),
)
DESCRIPTIONS = st.one_of(
    st.binary(max_size=300),
    st.lists(LINES, max_size=12).map(
        lambda lines: "\r\n".join(["v=0", "o=- 1 1 IN IP4 192.0.2.7", *lines]).encode("utf-8", "replace")
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(OPENINGS), st.sampled_from(list(POLICIES)), st.booleans(), DESCRIPTIONS)
def test_any_bytes_are_a_verdict_and_nothing_else(
    opening: str, policy: str, as_offer: bool, description: bytes
) -> None:
    ours = opened(opening, POLICIES[policy])
    before = ours.negotiated
    verdict = ours.receive_offer(description) if as_offer else ours.receive_answer(description)
    assert isinstance(verdict, NegotiatedMedia | ConsentNeeded | Rejection)
    if isinstance(verdict, Rejection):
        assert ours.negotiated == before
        assert "AAAAAAAA" not in repr(verdict)
    if before is not None and isinstance(before.security, SrtpSecurity) and isinstance(verdict, NegotiatedMedia):
        assert isinstance(verdict.security, SrtpSecurity)
