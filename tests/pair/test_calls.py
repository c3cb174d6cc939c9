"""Calls between two user agents joined in memory."""

from __future__ import annotations

from softphone.sdp.negotiated import ClearMedia, Direction, SrtpSecurity
from softphone.ua.actions import SetMuted, StartMedia, UpdateMedia
from softphone.ua.commands import Answer, Decline, Dial, HangUp, Hold, Resume
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallRinging,
    EndedBy,
    HoldChanged,
    IncomingCall,
    RegistrationChanged,
    RegistrationState,
)
from tests.pair.joined import Joined


def registered() -> Joined:
    joined = Joined()
    joined.start()
    assert joined.phone.of(RegistrationChanged)[-1].state is RegistrationState.REGISTERED
    return joined


def established() -> tuple[Joined, str]:
    joined = registered()
    joined.do(joined.phone, Dial("c1", "bob"))
    incoming = joined.peer.of(IncomingCall)[0]
    joined.do(joined.peer, Answer(incoming.call_id))
    assert joined.phone.of(CallEstablished)
    assert joined.peer.of(CallEstablished)
    return joined, incoming.call_id


def test_a_call_is_registered_rung_answered_and_keyed_both_ways() -> None:
    joined, _ = established()
    assert joined.phone.of(CallRinging)
    ours = next(a for a in joined.phone.media if isinstance(a, StartMedia)).media.security
    theirs = next(a for a in joined.peer.media if isinstance(a, StartMedia)).media.security
    assert isinstance(ours, SrtpSecurity)
    assert isinstance(theirs, SrtpSecurity)
    assert ours.send.material.reveal() == theirs.receive.material.reveal()
    assert ours.receive.material.reveal() == theirs.send.material.reveal()


def test_either_side_hangs_up() -> None:
    joined, _ = established()
    joined.advance(3)
    joined.do(joined.phone, HangUp("c1"))
    ended = joined.phone.of(CallEnded)[0]
    assert (ended.ended_by, ended.failure) == (EndedBy.LOCAL, None)
    assert ended.duration_s == 3
    assert joined.peer.of(CallEnded)[0].ended_by is EndedBy.REMOTE
    assert (ended.status, joined.peer.of(CallEnded)[0].status) == (200, 200)
    joined, peer_call = established()
    joined.do(joined.peer, HangUp(peer_call))
    assert joined.phone.of(CallEnded)[0].ended_by is EndedBy.REMOTE
    assert not joined.phone.agent.calls
    assert not joined.peer.agent.calls


def test_hold_and_resume_keep_the_keys_and_send_no_microphone() -> None:
    joined, peer_call = established()
    before = next(a for a in joined.phone.media if isinstance(a, StartMedia)).media.security
    joined.do(joined.phone, Hold("c1"))
    assert joined.phone.of(HoldChanged)[-1].held_by_us
    assert joined.peer.of(HoldChanged)[-1].held_by_peer
    update = next(a for a in joined.phone.media if isinstance(a, UpdateMedia))
    assert update.media.security == before
    assert update.media.direction is Direction.SENDONLY
    assert [a.muted for a in joined.phone.media if isinstance(a, SetMuted)] == [True]
    joined.do(joined.peer, Hold(peer_call))
    assert joined.peer.of(HoldChanged)[-1].direction is Direction.INACTIVE
    joined.do(joined.peer, Resume(peer_call))
    joined.do(joined.phone, Resume("c1"))
    assert joined.phone.of(HoldChanged)[-1].direction is Direction.SENDRECV
    assert [a.muted for a in joined.phone.media if isinstance(a, SetMuted)][-1] is False


def test_decline_busy_and_cancel() -> None:
    for status in (603, 486):
        joined = registered()
        joined.do(joined.phone, Dial("c1", "bob"))
        joined.do(joined.peer, Decline(joined.peer.of(IncomingCall)[0].call_id, status))
        ended = joined.phone.of(CallEnded)[0]
        assert ended.status == status
        assert ended.failure is not None
        assert joined.peer.of(CallEnded)[0].status == status
    joined = registered()
    joined.do(joined.phone, Dial("c1", "bob"))
    joined.do(joined.phone, HangUp("c1"))
    assert joined.phone.of(CallEnded)[0].ended_by is EndedBy.LOCAL
    assert joined.peer.of(CallEnded)[0].ended_by is EndedBy.REMOTE
    assert (joined.phone.of(CallEnded)[0].status, joined.peer.of(CallEnded)[0].status) == (487, 487)
    assert not joined.phone.agent.calls
    assert not joined.peer.agent.calls


def test_no_clear_media_is_ever_started_under_mandatory() -> None:
    joined, _ = established()
    started = [a.media.security for a in joined.phone.media if isinstance(a, (StartMedia, UpdateMedia))]
    assert started
    assert not any(isinstance(security, ClearMedia) for security in started)


def test_a_cut_flow_is_opened_again_and_registered_again_with_the_old_contact_removed() -> None:
    joined = registered()
    joined.cut()
    assert joined.phone.of(RegistrationChanged)[-1].state is RegistrationState.WAITING
    joined.advance(3)
    assert joined.phone.of(RegistrationChanged)[-1].state is RegistrationState.REGISTERED
