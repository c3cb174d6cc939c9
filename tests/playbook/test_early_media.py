"""Early media, forks and the ringing tone (RFC 3960 §3, RFC 3261 §13.2.2.4, security.md "SDES" on forked calls)."""

from __future__ import annotations

import pytest

from softphone.codecs.registry import CODECS, CodecSetting
from softphone.engine.media.transmitter import Transmitter
from softphone.sdp.negotiated import NegotiatedMedia, SrtpSecurity
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.ua.actions import PlayTone, StartMedia, Tone, UpdateMedia
from softphone.ua.commands import FollowRedirect, HangUp, Hold, Resume
from softphone.ua.events import CallEnded, CallEstablished, CallRinging, EarlyMediaStarted
from softphone.ua.inputs import MediaFlowing, MediaSecured
from tests.playbook.stage import BOB, Stage, seeded, their_session


@pytest.fixture
def stage() -> Stage:
    return Stage().registered()


def answer_of(stage: Stage, seed: int) -> tuple[OfferAnswerSession, bytes]:
    """Another device's session and its answer to our offer; its address ends in the seed."""
    session = their_session(seed=seed)
    session.set_local_address(f"192.0.2.{seed}", 30000, 30001)
    session.receive_offer(stage.last("INVITE").body)
    return session, session.create_answer()


def tones(stage: Stage) -> list[Tone | None]:
    return [action.tone for action in stage.did(PlayTone)]


def first_packet(stage: Stage) -> None:
    stage.give(MediaSecured(next(iter(stage.agent.calls.values())).media.id))


class TestRingback:
    """RFC 3960 §3.2: 180 rings unless media comes; nothing else rings."""

    def test_a_180_rings_here_until_the_answer(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB)
        assert tones(stage) == [Tone.RINGBACK]
        _, body = answer_of(stage, 50)
        stage.reply(invite, 200, BOB, body=body)
        assert tones(stage) == [Tone.RINGBACK, None]

    def test_a_183_alone_does_not_ring(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 183, BOB)
        stage.reply(invite, 183, BOB, body=answer_of(stage, 50)[1])
        assert tones(stage) == []

    def test_a_180_after_a_183_without_sdp_rings(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 183, BOB)
        stage.reply(invite, 180, BOB)
        assert tones(stage) == [Tone.RINGBACK]

    def test_a_180_after_a_183_whose_media_does_not_flow_rings_until_it_flows(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 183, BOB, body=answer_of(stage, 50)[1])
        stage.reply(invite, 180, BOB)
        assert tones(stage) == [Tone.RINGBACK]
        first_packet(stage)
        assert tones(stage) == [Tone.RINGBACK, None]

    def test_a_180_while_their_media_flows_does_not_ring(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 183, BOB, body=answer_of(stage, 50)[1])
        first_packet(stage)
        stage.reply(invite, 180, BOB)
        assert tones(stage) == []

    def test_a_180_with_sdp_whose_media_does_not_flow_rings(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB, body=answer_of(stage, 50)[1])
        assert tones(stage) == [Tone.RINGBACK]
        stage.give(MediaFlowing(next(iter(stage.agent.calls.values())).media.id))
        assert tones(stage) == [Tone.RINGBACK, None]

    def test_several_180_ring_once(self, stage: Stage) -> None:
        invite = stage.dial()
        for tag in ("one", "two", "two"):
            stage.reply(invite, 180, BOB, to_tag=tag)
        assert tones(stage) == [Tone.RINGBACK]
        assert len(stage.of(CallRinging)) == 3

    @pytest.mark.parametrize("status", [486, 603])
    def test_a_refusal_ends_it(self, stage: Stage, status: int) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB)
        stage.reply(invite, status)
        assert tones(stage) == [Tone.RINGBACK, None, Tone.BUSY]

    def test_hanging_up_ends_it_at_once(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB)
        stage.do(HangUp("c"))
        assert tones(stage) == [Tone.RINGBACK, None]
        stage.reply(invite, 180, BOB)
        assert tones(stage) == [Tone.RINGBACK, None]

    def test_a_redirection_ends_it_and_the_next_target_may_ring(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB)
        stage.reply(invite, 302, ("Contact", "<sip:carol@lab.test>"))
        assert tones(stage) == [Tone.RINGBACK, None]
        stage.do(FollowRedirect("c"))
        stage.reply(stage.last("INVITE"), 180, BOB)
        assert tones(stage) == [Tone.RINGBACK, None, Tone.RINGBACK]

    def test_a_lost_flow_ends_it(self, stage: Stage) -> None:
        stage.reply(stage.dial(), 180, BOB)
        stage.cut()
        assert tones(stage)[:2] == [Tone.RINGBACK, None]


class TestForks:
    def test_only_the_first_early_dialog_is_sent_to(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 183, BOB, to_tag="one", body=answer_of(stage, 51)[1])
        stage.reply(invite, 183, BOB, to_tag="two", body=answer_of(stage, 52)[1])
        assert [media.remote_address for media in stage.started] == ["192.0.2.51"]
        assert stage.did(UpdateMedia) == []
        assert len(stage.of(EarlyMediaStarted)) == 1

    def test_the_one_that_answers_wins_and_is_talked_to(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 183, BOB, to_tag="one", body=answer_of(stage, 51)[1])
        _, body = answer_of(stage, 52)
        stage.reply(invite, 183, BOB, to_tag="two", body=body)
        stage.reply(invite, 200, BOB, to_tag="two", body=body)
        assert stage.heard() == ["INVITE", "ACK"]
        assert len(stage.of(CallEstablished)) == 1
        assert stage.did(UpdateMedia)[-1].media.remote_address == "192.0.2.52"
        assert len(stage.did(StartMedia)) == 1

    def test_a_second_answer_is_acknowledged_and_ended(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 200, BOB, to_tag="one", body=answer_of(stage, 51)[1])
        stage.reply(invite, 200, BOB, to_tag="two", body=answer_of(stage, 52)[1])
        assert stage.heard() == ["INVITE", "ACK", "ACK", "BYE"]
        assert (stage.last("BYE").headers.get("To") or "").endswith("tag=two")
        assert "answered elsewhere" in (stage.last("BYE").headers.get("Reason") or "")
        assert stage.did(UpdateMedia) == []
        assert stage.of(CallEnded) == []

    def test_what_was_wanted_of_early_media_is_wanted_of_the_one_that_answers(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 183, BOB, to_tag="one", body=answer_of(stage, 51)[1])
        stage.do(Hold("c"))
        stage.reply(invite, 200, BOB, to_tag="two", body=answer_of(stage, 52)[1])
        assert stage.heard() == ["INVITE", "ACK", "INVITE"]
        assert b"a=sendonly" in stage.last("INVITE").body

    def test_an_early_dialog_whose_answer_we_do_not_take_does_not_harm_the_other(self, stage: Stage) -> None:
        invite = stage.dial()
        good = answer_of(stage, 51)[1]
        stage.reply(invite, 183, BOB, to_tag="bad", body=good.replace(b"a=crypto", b"a=x-crypto"))
        assert stage.started == []
        stage.reply(invite, 183, BOB, to_tag="one", body=good)
        assert len(stage.started) == 1
        stage.reply(invite, 200, BOB, to_tag="one", body=good)
        assert stage.of(CallEstablished)


def played(stage: Stage) -> list[NegotiatedMedia]:
    return [action.media for action in stage.actions if isinstance(action, (StartMedia, UpdateMedia))]


def test_no_key_and_ssrc_meet_twice_in_a_forked_call(stage: Stage) -> None:
    """The keys of a forked call, walked: each (send key, SSRC) pair belongs to one stream to one device."""
    invite = stage.dial()
    stage.reply(invite, 183, BOB, to_tag="one", body=answer_of(stage, 51)[1])
    winner, body = answer_of(stage, 52)
    stage.reply(invite, 183, BOB, to_tag="two", body=body)
    stage.reply(invite, 200, BOB, to_tag="two", body=body)
    for command in (Hold("c"), Resume("c")):  # later offers on the dialog that won
        stage.do(command)
        reinvite = stage.last("INVITE")
        winner.receive_offer(reinvite.body)
        stage.reply(reinvite, 200, BOB, body=winner.create_answer())
    media = played(stage)
    transmitter = Transmitter(media[0], CODECS["PCMU"](CodecSetting()), 48000, seeded(5))
    pairs: dict[tuple[bytes, int], str] = {}
    for item in media:
        if item is not media[0]:
            transmitter.update(item, CODECS["PCMU"](CodecSetting()))
        assert isinstance(item.security, SrtpSecurity)
        pair = (item.security.send.material.reveal(), transmitter.sender.ssrc)
        assert pairs.setdefault(pair, item.remote_address) == item.remote_address
    assert set(pairs.values()) == {"192.0.2.51", "192.0.2.52"}
    keys = [key for key, _ in pairs]
    assert len(set(keys)) >= 2  # the first offer within the dialog that won has left the shared key
