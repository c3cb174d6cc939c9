"""Several calls of one phone with a peer of many: who is talked in, holds that are refused or meet, conferences."""

from __future__ import annotations

import pytest

from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy, UnencryptedPeer
from softphone.sip.header_values import to_addr
from softphone.sip.message import Request
from softphone.sip.parser import parse_message
from softphone.sip.responses import response_to
from softphone.state import AppState, CallView, Encryption, reduce
from softphone.ua.actions import MixMedia, SetAside, SetMuted
from softphone.ua.commands import (
    Answer,
    Dial,
    HangUp,
    Hold,
    JoinConference,
    LeaveConference,
    Mute,
    Resume,
    SetMemberMuted,
    SwitchTo,
)
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallNotice,
    ConferenceChanged,
    HoldChanged,
    IncomingCall,
)
from softphone.ua.inputs import MediaSecured
from tests.pair.joined import Joined

ANY = MediaPolicy(MediaEncryption.OPTIONAL, unencrypted_peer=UnencryptedPeer.ALLOW, profile=ConnectionProfile.PRIVATE)
CLEAR = MediaPolicy(MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE)


class Talk:
    """The phone's calls are named by the test; `theirs` gives the peer's name of each."""

    def __init__(self, policy: MediaPolicy | None = None) -> None:
        self.joined = Joined(policy)
        self.joined.start()
        self.theirs: dict[str, str] = {}

    def dial(self, call: str, *, answer: bool = True) -> None:
        self.joined.do(self.joined.phone, Dial(call, "bob"))
        self.theirs[call] = self.joined.peer.of(IncomingCall)[-1].call_id
        if answer:
            self.answer(call)

    def answer(self, call: str) -> None:
        self.joined.do(self.joined.peer, Answer(self.theirs[call]))

    def rings(self, call: str) -> str:
        """The peer calls; the phone's name of that call."""
        self.joined.do(self.joined.peer, Dial(call, "sip:alice@lab.test"))
        name = self.joined.phone.of(IncomingCall)[-1].call_id
        self.theirs[name] = call
        return name

    def do(self, *commands: SwitchTo | JoinConference | LeaveConference | SetMemberMuted | HangUp | Hold) -> None:
        for command in commands:
            self.joined.do(self.joined.phone, command)

    @property
    def state(self) -> AppState:
        state = AppState()
        for event in self.joined.phone.events:
            state = reduce(state, event, 0.0)
        return state

    def view(self, call: str) -> CallView:
        view = self.state.call(call)
        assert view is not None
        return view

    @property
    def on_hold(self) -> set[str]:
        """By us, as the person sees it."""
        return {call.id for call in self.state.calls if call.held_by_us}

    @property
    def held_there(self) -> set[str]:
        """Calls of which the peer knows that we hold it."""
        last = {event.call_id: event.held_by_peer for event in self.joined.peer.of(HoldChanged)}
        return {call for call, their in self.theirs.items() if last.get(their)}

    def aside(self, call: str) -> bool:
        """What the media was told last."""
        media_id = self.joined.phone.agent.calls[call].media.id
        told = [a.aside for a in self.joined.phone.media if isinstance(a, SetAside) and a.media_id == media_id]
        return bool(told) and told[-1]

    def muted(self, call: str) -> bool:
        media_id = self.joined.phone.agent.calls[call].media.id
        told = [a.muted for a in self.joined.phone.media if isinstance(a, SetMuted) and a.media_id == media_id]
        return bool(told) and told[-1]

    @property
    def mixed(self) -> tuple[set[str], set[str]]:
        """Who is joined and who of them is heard by nobody, as the media was told last."""
        mix = next((a for a in reversed(self.joined.phone.media) if isinstance(a, MixMedia)), MixMedia(()))
        names = {call.media.id: call.id for call in self.joined.phone.agent.calls.values()}
        return {names[i] for i in mix.media_ids}, {names[i] for i in mix.silenced}

    @property
    def conference(self) -> ConferenceChanged:
        return self.joined.phone.of(ConferenceChanged)[-1]

    def refuse_changes(self) -> None:
        """From now on every re-INVITE of the phone is answered with 488; the peer never sees it."""

        def deliver(from_phone: bool, data: bytes) -> bytes | None:
            if not (from_phone and _is_reinvite(data)):
                return data
            request = parse_message(data)
            assert isinstance(request, Request)
            self.joined.keep_back(False, response_to(request, 488).to_bytes(), 0.01)
            return None

        self.joined.deliver = deliver


def _is_reinvite(data: bytes) -> bool:
    message = parse_message(data) if data.strip() else None
    return isinstance(message, Request) and message.method == "INVITE" and to_addr(message).tag is not None


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_dialling_puts_the_call_that_is_talked_in_on_hold_before_anybody_answers(talk: Talk) -> None:
    talk.dial("a")
    talk.dial("b", answer=False)
    assert talk.on_hold == talk.held_there == {"a"}
    assert talk.aside("a")
    assert talk.muted("a")
    talk.answer("b")
    assert talk.on_hold == {"a"}
    assert not talk.muted("b")


def test_a_call_that_rings_touches_nothing_and_answering_it_puts_the_other_on_hold(talk: Talk) -> None:
    talk.dial("a")
    ringing = talk.rings("x")
    assert talk.on_hold == set()
    assert not talk.aside("a")
    talk.joined.do(talk.joined.phone, Answer(ringing))
    assert talk.on_hold == talk.held_there == {"a"}


def test_the_end_of_a_call_brings_no_other_one_back(talk: Talk) -> None:
    talk.dial("a")
    talk.dial("b")
    talk.do(HangUp("b"))
    talk.joined.advance(10)
    assert talk.on_hold == talk.held_there == {"a"}
    assert talk.aside("a")


def test_switching_takes_one_up_and_holds_all_others(talk: Talk) -> None:
    for call in "abc":
        talk.dial(call)
    assert talk.on_hold == {"a", "b"}
    talk.do(SwitchTo("a"))
    assert talk.on_hold == talk.held_there == {"b", "c"}
    assert not talk.aside("a")
    assert not talk.muted("a")
    talk.do(SwitchTo("b"), SwitchTo("c"), SwitchTo("b"))
    talk.joined.advance(1)
    assert talk.on_hold == talk.held_there == {"a", "c"}


def test_a_call_that_rings_there_is_silent_while_another_is_talked_in_and_taken_up_when_answered(talk: Talk) -> None:
    talk.dial("a")
    talk.dial("b", answer=False)
    talk.do(SwitchTo("a"))
    assert talk.on_hold == talk.held_there == set()
    talk.answer("b")
    assert talk.on_hold == talk.held_there == {"a"}
    assert not talk.aside("b")
    assert not talk.muted("b")


def test_a_call_that_was_muted_stays_muted_when_it_is_taken_up(talk: Talk) -> None:
    talk.dial("a")
    talk.joined.do(talk.joined.phone, Mute("a"))
    talk.dial("b")
    talk.do(SwitchTo("a"))
    assert talk.muted("a")
    assert talk.view("a").muted


def test_resume_leaves_the_others_alone(talk: Talk) -> None:
    """Two calls at once without a conference: only who asks for it by name gets it."""
    talk.dial("a")
    talk.dial("b")
    talk.joined.do(talk.joined.phone, Resume("a"))
    assert talk.on_hold == talk.held_there == set()
    assert not talk.aside("a")


def test_a_peer_that_refuses_to_be_held_hears_nothing_and_is_not_heard(talk: Talk) -> None:
    talk.dial("a")
    talk.refuse_changes()
    talk.dial("b", answer=False)
    talk.joined.advance(0.1)
    assert [notice.call_id for notice in talk.joined.phone.of(CallNotice)] == ["a"]
    assert talk.held_there == set()
    assert talk.on_hold == {"a"}
    assert talk.aside("a")
    assert talk.muted("a")
    talk.answer("b")
    talk.do(SwitchTo("a"))
    talk.joined.advance(0.1)  # the hold of b is refused, too
    assert talk.on_hold == {"b"}
    assert talk.aside("b")
    assert not talk.aside("a")
    assert not talk.muted("a")


def test_holds_of_both_sides_at_once_end_as_both_wanted(talk: Talk) -> None:
    """Glare (RFC 3261 §14.1): the peer holds the very call that is put aside."""
    talk.dial("a")

    def late(from_phone: bool, data: bytes) -> bytes | None:
        if not _is_reinvite(data):
            return data
        talk.joined.keep_back(from_phone, data, 0.05)
        return None

    talk.joined.deliver = late
    talk.joined.do(talk.joined.peer, Hold(talk.theirs["a"]))
    talk.dial("b")
    talk.joined.advance(0.1)
    talk.joined.deliver = lambda from_phone, data: data
    glares = [data for side in (talk.joined.phone, talk.joined.peer) for data in side.sent if b"SIP/2.0 491" in data]
    assert len(glares) == 2
    talk.joined.advance(10)
    view = talk.view("a")
    assert (view.held_by_us, view.held_by_peer) == (True, True)
    talk.do(SwitchTo("a"))
    talk.joined.do(talk.joined.peer, Resume(talk.theirs["a"]))
    talk.joined.advance(10)
    view = talk.view("a")
    assert (view.held_by_us, view.held_by_peer) == (False, False)


def test_a_call_that_ends_while_it_is_being_held_ends(talk: Talk) -> None:
    talk.dial("a")
    talk.joined.deliver = lambda from_phone, data: None if from_phone and _is_reinvite(data) else data
    talk.dial("b")
    talk.joined.do(talk.joined.peer, HangUp(talk.theirs["a"]))
    assert [event.call_id for event in talk.joined.phone.of(CallEnded)] == ["a"]
    talk.do(SwitchTo("b"), SwitchTo("a"))
    assert talk.on_hold == set()
    talk.joined.advance(200)
    assert list(talk.joined.phone.agent.calls) == ["b"]


# The conference


def test_joined_calls_are_resumed_and_mixed(talk: Talk) -> None:
    for call in "abc":
        talk.dial(call)
    talk.do(JoinConference(("a", "b")))
    assert talk.on_hold == talk.held_there == {"c"}
    assert talk.mixed == ({"a", "b"}, set())
    assert talk.conference == ConferenceChanged(("a", "b"))
    talk.do(JoinConference(("c",)))
    assert talk.on_hold == talk.held_there == set()
    assert talk.mixed == ({"a", "b", "c"}, set())
    assert all(call.in_conference for call in talk.state.calls)


def test_a_conference_is_held_and_taken_up_as_one_call(talk: Talk) -> None:
    for call in "abc":
        talk.dial(call)
    talk.do(JoinConference(("a", "b")), SwitchTo("c"))
    assert talk.on_hold == talk.held_there == {"a", "b"}
    assert talk.conference.call_ids == ("a", "b")
    talk.do(SwitchTo("b"))
    assert talk.on_hold == talk.held_there == {"c"}


def test_who_leaves_is_on_hold_and_the_last_one_left_is_an_ordinary_call(talk: Talk) -> None:
    for call in "abc":
        talk.dial(call)
    talk.do(JoinConference(("a", "b", "c")), LeaveConference("b"))
    assert talk.on_hold == talk.held_there == {"b"}
    assert talk.mixed == ({"a", "c"}, set())
    talk.do(LeaveConference("a"))
    assert talk.conference == ConferenceChanged(())
    assert talk.mixed == (set(), set())
    assert talk.on_hold == talk.held_there == {"a", "b"}
    assert not talk.aside("c")
    assert not any(call.in_conference for call in talk.state.calls)


def test_a_member_that_ends_leaves(talk: Talk) -> None:
    for call in "abc":
        talk.dial(call)
    talk.do(JoinConference(("a", "b", "c")), SetMemberMuted("a", True))
    talk.joined.do(talk.joined.peer, HangUp(talk.theirs["a"]))
    assert talk.conference == ConferenceChanged(("b", "c"))
    assert talk.mixed == ({"b", "c"}, set())
    talk.do(HangUp("b"))
    assert talk.conference == ConferenceChanged(())
    assert talk.on_hold == set()


def test_a_muted_member_is_silenced_in_the_media_and_shown(talk: Talk) -> None:
    for call in "ab":
        talk.dial(call)
    talk.do(JoinConference(("a", "b")), SetMemberMuted("b", True), SetMemberMuted("nobody", True))
    assert talk.mixed == ({"a", "b"}, {"b"})
    assert talk.view("b").member_muted
    talk.do(SetMemberMuted("b", False))
    assert talk.mixed == ({"a", "b"}, set())
    assert not talk.view("b").member_muted


def test_a_member_that_refuses_to_be_resumed_stays_silent_for_nobody_else(talk: Talk) -> None:
    """Its peer keeps it on hold; the others talk."""
    for call in "ab":
        talk.dial(call)
    talk.refuse_changes()
    talk.do(JoinConference(("a", "b")))
    talk.joined.advance(0.1)
    assert talk.conference.call_ids == ("a", "b")
    assert [notice.call_id for notice in talk.joined.phone.of(CallNotice)] == ["a"]
    assert talk.on_hold == {"a"}


def test_who_may_be_joined(talk: Talk) -> None:
    talk.dial("a")
    ringing = talk.rings("x")
    talk.do(JoinConference(("a", ringing)), JoinConference(("a", "nobody")), JoinConference(("a", "a")))
    reasons = [notice.failure.reason for notice in talk.joined.phone.of(CallNotice) if notice.call_id == "a"]
    assert ["answered" in reason for reason in reasons] == [True, True, False]
    assert "two calls" in reasons[2]
    assert talk.joined.phone.of(ConferenceChanged) == []


def test_eight_are_joined_and_a_ninth_is_refused() -> None:
    talk = Talk()
    calls = [f"c{number}" for number in range(9)]
    for call in calls:
        talk.dial(call)
    talk.do(JoinConference(tuple(calls[:8])))
    assert len(talk.conference.call_ids) == 8
    talk.do(JoinConference((calls[8],)))
    assert len(talk.conference.call_ids) == 8
    assert "8 calls at most" in talk.joined.phone.of(CallNotice)[-1].failure.reason


class TestMixedSecurity:
    """security.md: joining a clear call to encrypted ones asks first and shows "Not encrypted" on all."""

    @pytest.fixture
    def mixed(self) -> Talk:
        talk = Talk(ANY)
        talk.dial("secret")
        talk.joined.rules.policy = CLEAR
        talk.joined.do(talk.joined.peer, Dial("open", "sip:alice@lab.test"))
        called = talk.joined.phone.of(IncomingCall)[-1].call_id
        talk.theirs["open"] = called
        talk.joined.do(talk.joined.phone, Answer(called))
        media = talk.joined.phone.agent.calls["secret"].media.id
        talk.joined.give(talk.joined.phone, MediaSecured(media))
        self.open = called
        assert talk.view("secret").security.encryption is Encryption.SRTP
        assert talk.view(called).security.encryption is Encryption.NONE
        return talk

    def test_without_agreement_nothing_is_joined(self, mixed: Talk) -> None:
        mixed.do(JoinConference(("secret", self.open)))
        assert mixed.joined.phone.of(ConferenceChanged) == []
        assert {notice.call_id for notice in mixed.joined.phone.of(CallNotice)} == {"secret", self.open}
        assert mixed.on_hold == {"secret"}

    def test_with_it_every_member_shows_not_encrypted_until_it_has_left(self, mixed: Talk) -> None:
        mixed.do(JoinConference(("secret", self.open), unencrypted_agreed=True))
        lock = mixed.view("secret").security
        assert lock.encryption is Encryption.NONE
        assert "Not encrypted in this conference" in (lock.reason or "")
        mixed.joined.give(mixed.joined.phone, MediaSecured(mixed.joined.phone.agent.calls["secret"].media.id))
        assert mixed.view("secret").security.encryption is Encryption.NONE
        mixed.do(LeaveConference("secret"))
        assert mixed.view("secret").security.encryption is Encryption.SRTP
        assert mixed.view(self.open).security.encryption is Encryption.NONE

    def test_the_locks_come_back_when_the_clear_one_has_gone(self, mixed: Talk) -> None:
        mixed.joined.rules.policy = None
        mixed.dial("third")
        mixed.do(JoinConference(("secret", "third", self.open), unencrypted_agreed=True))
        assert mixed.view("third").security.encryption is Encryption.NONE
        mixed.do(HangUp(self.open))
        assert mixed.conference == ConferenceChanged(("secret", "third"))
        assert mixed.view("secret").security.encryption is Encryption.SRTP
        assert mixed.view("third").security.encryption is Encryption.PENDING
        assert mixed.joined.phone.of(CallEstablished)
