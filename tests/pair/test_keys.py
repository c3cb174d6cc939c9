"""New keys in a running call, by both ways of agreeing on them, between two user agents joined in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.engine.media.dtls_association import handshake_timed_out
from softphone.errors import FailureKind
from softphone.policy.media import KeyExchange, MediaPolicy
from softphone.sdp.negotiated import DtlsSrtpSecurity, NegotiatedMedia, SrtpSecurity
from softphone.ua.actions import StartMedia, UpdateMedia
from softphone.ua.commands import Answer, Dial, Hold, Rekey, Resume
from softphone.ua.events import CallEnded, CallEstablished, CallSecured, EndedBy, IncomingCall
from softphone.ua.inputs import KeysAging, MediaFailed, MediaSecured
from tests.pair.joined import Joined, Side

DTLS = MediaPolicy(key_exchange=KeyExchange.DTLS)


def _runs(side: Side) -> list[NegotiatedMedia]:
    return [action.media for action in side.media if isinstance(action, StartMedia | UpdateMedia)]


def _established(policy: MediaPolicy | None = None) -> tuple[Joined, str]:
    joined = Joined(policy)
    joined.start()
    joined.do(joined.phone, Dial("c1", "bob"))
    incoming = joined.peer.of(IncomingCall)[0]
    joined.do(joined.peer, Answer(incoming.call_id))
    assert joined.phone.of(CallEstablished)
    return joined, incoming.call_id


def _cross(joined: Joined) -> tuple[SrtpSecurity, SrtpSecurity]:
    ours, theirs = _runs(joined.phone)[-1].security, _runs(joined.peer)[-1].security
    assert isinstance(ours, SrtpSecurity)
    assert isinstance(theirs, SrtpSecurity)
    assert (ours.send, ours.receive) == (theirs.receive, theirs.send)
    return ours, theirs


@pytest.mark.parametrize("who", ["phone", "peer"])
@pytest.mark.parametrize("why", ["a command", "an aging key"])
def test_new_keys_for_both_directions(who: str, why: str) -> None:
    joined, peer_call = _established()
    before, _ = _cross(joined)
    side = joined.phone if who == "phone" else joined.peer
    if why == "a command":
        joined.do(side, Rekey("c1" if who == "phone" else peer_call))
    else:
        media = next(action for action in side.media if isinstance(action, StartMedia))
        joined.give(side, KeysAging(media.media_id))
    joined.advance(1)
    after, _ = _cross(joined)
    assert after.send != before.send
    assert after.receive != before.receive
    assert after.send.suite == before.send.suite
    assert not joined.phone.of(CallEnded)


def test_hold_and_resume_do_not_touch_the_keys() -> None:
    joined, _ = _established()
    before, _ = _cross(joined)
    for command in (Hold("c1"), Resume("c1")):
        joined.do(joined.phone, command)
        joined.advance(1)
        assert _cross(joined)[0] == before


def test_new_keys_that_meet_a_change_of_the_other_side_come_after_it() -> None:
    """491 (RFC 3261 §14.1): what was wanted is still wanted."""
    joined, peer_call = _established()
    before, _ = _cross(joined)
    joined.phone.agent.submit(Rekey("c1"), joined.now)
    joined.peer.agent.submit(Rekey(peer_call), joined.now)
    joined.settle()
    joined.advance(10)
    after, _ = _cross(joined)
    assert after.send != before.send
    assert not joined.phone.of(CallEnded)


def test_a_call_by_dtls_is_announced_and_renewed_by_changed_sides() -> None:
    joined, _ = _established(DTLS)
    ours, theirs = _runs(joined.phone)[-1].security, _runs(joined.peer)[-1].security
    assert isinstance(ours, DtlsSrtpSecurity)
    assert isinstance(theirs, DtlsSrtpSecurity)
    assert (ours.active, theirs.active) == (False, True)
    assert {item.digest[0] for item in ours.fingerprints} == {0xBB}
    assert {item.digest[0] for item in theirs.fingerprints} == {0xAA}
    media = next(action for action in joined.phone.media if isinstance(action, StartMedia))
    joined.give(joined.phone, MediaSecured(media.media_id, "AEAD_AES_128_GCM"))
    secured = joined.phone.of(CallSecured)[0]
    assert (secured.srtp_suite, secured.key_exchange) == ("AEAD_AES_128_GCM", KeyExchange.DTLS)

    joined.do(joined.phone, Hold("c1"))
    joined.advance(1)
    assert _runs(joined.phone)[-1].security == ours
    joined.do(joined.phone, Rekey("c1"))
    joined.advance(1)
    after = _runs(joined.phone)[-1].security
    assert isinstance(after, DtlsSrtpSecurity)
    assert after == replace(ours, active=True, suites=after.suites)
    assert not joined.phone.of(CallEnded)


@pytest.mark.parametrize("mismatch", [True, False])
def test_a_handshake_that_fails_ends_the_call_and_says_why(mismatch: bool) -> None:
    joined, _ = _established(DTLS)
    media = next(action for action in joined.phone.media if isinstance(action, StartMedia))
    failure = handshake_timed_out(10)
    if mismatch:
        failure = replace(failure, kind=FailureKind.FINGERPRINT_MISMATCH)
    joined.give(joined.phone, MediaFailed(media.media_id, failure))
    joined.advance(40)
    ended = joined.phone.of(CallEnded)[0]
    assert ended.failure == failure
    assert ended.ended_by is EndedBy.POLICY
    assert joined.peer.of(CallEnded)
