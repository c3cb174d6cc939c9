"""Offer/answer for one dialog: RFC 3264, its states as in RFC 6337 §2.2, with SDES keys (RFC 4568 §5.1, §7.1)
or DTLS (RFC 5763 §5).

Owns: the state, the session in force, the versions of what we send (RFC 3264 §8). Applies
the media policy through `encryption_rules`. Must not know SIP: which message carries an offer is the caller's business.
What a peer sends gives a result or a `Rejection`; what the caller must not do raises `LocalProtocolError`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

from softphone.codecs.records import CODEC_RECORDS
from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.policy.media import (
    MediaEncryption,
    MediaPolicy,
    UnencryptedPeer,
    asking_before_clear,
    policy_contradiction,
)
from softphone.sdp.crypto_attribute import CryptoAttribute, crypto_attribute
from softphone.sdp.dtls_attributes import Setup
from softphone.sdp.encryption_rules import CallHistory, Decision, Judgement, judge_answer, judge_offer
from softphone.sdp.key_exchange import answers_active, dtls_security, offer_profile, offer_setup, offers_dtls
from softphone.sdp.local_keys import LocalKeys
from softphone.sdp.media_lines import (
    AudioLine,
    LocalAddress,
    LocalLine,
    address_literal,
    read_audio_line,
    refused_line,
)
from softphone.sdp.negotiated import (
    ClearMedia,
    ConsentNeeded,
    Direction,
    MediaSecurity,
    NegotiatedMedia,
    Rejection,
    SrtpSecurity,
)
from softphone.sdp.payload_formats import (
    AgreedFormats,
    agree_on_answer,
    agree_on_offer,
    offered_formats,
    send_ptime,
)
from softphone.sdp.refusals import ANSWER_CAUSES, OFFER_CAUSES, Cause, rejection
from softphone.sdp.session import (
    MediaDescription,
    SessionDescription,
    SessionOrigin,
    parse_session_description,
)

Verdict = NegotiatedMedia | ConsentNeeded | Rejection


class OfferAnswerState(enum.Enum):
    STABLE = "stable"  # no offer is open
    HAVE_LOCAL_OFFER = "have-local-offer"
    HAVE_REMOTE_OFFER = "have-remote-offer"


class Step(enum.Enum):
    CREATE_OFFER = "create-offer"
    RECEIVE_ANSWER = "receive-answer"
    RECEIVE_OFFER = "receive-offer"
    CREATE_ANSWER = "create-answer"
    CANCEL_OFFER = "cancel-offer"


_STABLE, _LOCAL, _REMOTE = OfferAnswerState

TRANSITIONS: dict[tuple[OfferAnswerState, Step], OfferAnswerState] = {
    (_STABLE, Step.CREATE_OFFER): _LOCAL,
    (_STABLE, Step.RECEIVE_OFFER): _REMOTE,
    (_STABLE, Step.RECEIVE_ANSWER): _STABLE,  # 183 and 200 each with SDP: the later one counts, by the same rules
    (_STABLE, Step.CANCEL_OFFER): _STABLE,
    (_LOCAL, Step.RECEIVE_ANSWER): _STABLE,
    (_LOCAL, Step.CANCEL_OFFER): _STABLE,
    (_REMOTE, Step.CREATE_ANSWER): _STABLE,
    (_REMOTE, Step.CANCEL_OFFER): _STABLE,
}
# What a peer may cause and is refused; the state stays.
REFUSED: dict[tuple[OfferAnswerState, Step], Cause] = {
    (_LOCAL, Step.RECEIVE_OFFER): Cause.GLARE,  # RFC 3261 §14.2: 491
    (_REMOTE, Step.RECEIVE_OFFER): Cause.OVERLAP,  # RFC 3261 §14.2: 500
    (_REMOTE, Step.RECEIVE_ANSWER): Cause.UNEXPECTED_ANSWER,
}
# Our own bugs: LocalProtocolError.
FORBIDDEN = frozenset(
    {
        (_STABLE, Step.CREATE_ANSWER),
        (_LOCAL, Step.CREATE_OFFER),
        (_LOCAL, Step.CREATE_ANSWER),
        (_REMOTE, Step.CREATE_OFFER),
    }
)

# An m= section of our next description: None stands for the audio line in use.
_Layout = tuple[MediaDescription | None, ...]


@dataclass(frozen=True, slots=True)
class _LocalOffer:
    line: LocalLine
    layout: _Layout
    sent: SessionDescription


@dataclass(frozen=True, slots=True)
class _Agreement:
    """What an offer and an answer come to. `line` is what our side says (in an answer: will say)."""

    media: NegotiatedMedia
    line: LocalLine
    layout: _Layout
    needs_consent: bool = False


class OfferAnswerSession:
    """One dialog's session descriptions. `token_bytes(n)` gives n unpredictable octets; `ptime` in ms."""

    def __init__(
        self,
        policy: MediaPolicy,
        codecs: tuple[str, ...],
        token_bytes: Callable[[int], bytes],
        ptime: int = 20,
        *,
        rtcp_mux: bool = False,
        dtx: bool = False,
    ) -> None:
        """`rtcp_mux`: offer RTP and RTCP on one port (RFC 5761); with DTLS it is offered in any case.

        `dtx`: ask the peer to send nothing while nobody speaks there, where the codec can.
        """
        contradiction = policy_contradiction(policy)
        if contradiction is not None:
            raise LocalProtocolError(contradiction.reason)
        if not codecs or any(name not in CODEC_RECORDS for name in codecs):
            raise LocalProtocolError(f"Not a list of codecs that this program has: {codecs}")
        self._policy = policy
        self._codecs = codecs
        self._token_bytes = token_bytes
        self._ptime = ptime
        self._rtcp_mux = rtcp_mux
        self._dtx = dtx
        self._keys = LocalKeys(policy, token_bytes)
        self._state = OfferAnswerState.STABLE
        self._history = CallHistory()
        self._address: LocalAddress | None = None
        self._current: _Agreement | None = None
        self._open_offer: _LocalOffer | None = None  # ours, not answered
        self._answered_offer: _LocalOffer | None = None  # ours, the last one answered
        self._first_offer: _LocalOffer | None = None  # what every fork answers
        self._pending: _Agreement | None = None  # theirs, judged; or an answer that waits for consent
        self._session_id = str(int.from_bytes(token_bytes(4), "big") | 1)
        self._last_sent: SessionDescription | None = None

    @property
    def state(self) -> OfferAnswerState:
        return self._state

    @property
    def negotiated(self) -> NegotiatedMedia | None:
        """The session in force."""
        return None if self._current is None else self._current.media

    def set_local_address(self, address: str, rtp_port: int, rtcp_port: int, fingerprint: str = "") -> None:
        """Where we receive; needed before the first `create_…`, and again after a change of network.

        `fingerprint` is that of our certificate for DTLS, as in a=fingerprint.
        """
        literal = address_literal(address)
        if literal is None or literal.is_unspecified or literal.is_multicast:
            raise LocalProtocolError(f"Not an address to receive on: {address}")
        if not (0 < rtp_port <= 65_535 and 0 < rtcp_port <= 65_535):
            raise LocalProtocolError(f"Not ports to receive on: {rtp_port}, {rtcp_port}")
        self._address = LocalAddress(str(literal), rtp_port, rtcp_port, fingerprint)

    # Our offers.

    def create_offer(self, direction: Direction = Direction.SENDRECV, *, new_keys: bool = False) -> bytes:
        """The offer's body. The key of the suite in use stays unless `new_keys`; every other key is new."""
        self._permit(Step.CREATE_OFFER)
        current, running = self._current, self._running
        dtls = offers_dtls(self._policy, running)
        disabled = self._policy.encryption is MediaEncryption.DISABLED
        line = LocalLine(
            profile=offer_profile(self._policy, running, None if current is None else current.line.profile),
            formats=offered_formats(self._codecs, dtx=self._dtx),
            crypto=() if dtls or disabled else self._keys.offer_lines(running, new_keys=new_keys),
            direction=direction,
            ptime=self._ptime,
            rtcp_mux=self._rtcp_mux or dtls or (current is not None and current.media.rtcp_mux),
            setup=offer_setup(running, new_keys=new_keys) if dtls else None,
        )
        layout: _Layout = (None,) if current is None else current.layout
        sent = self._describe(line, layout)
        self._open_offer = _LocalOffer(line, layout, sent)
        if current is None:
            self._first_offer = self._open_offer
        self._answered_offer = self._pending = None
        self._state = TRANSITIONS[self._state, Step.CREATE_OFFER]
        return sent.to_bytes()

    def receive_answer(self, body: bytes) -> Verdict:
        """A `Rejection` drops our offer: the session in force, if any, goes on."""
        offer = self._open_offer or self._answered_offer
        refused = REFUSED.get((self._state, Step.RECEIVE_ANSWER))
        if refused is not None or offer is None:
            return rejection(refused or Cause.UNEXPECTED_ANSWER)
        self._state = TRANSITIONS[self._state, Step.RECEIVE_ANSWER]
        self._open_offer, self._answered_offer, self._pending = None, offer, None
        result = self._judge_answer(body, offer)
        if isinstance(result, Rejection):
            return result
        if result.needs_consent:
            self._pending = result
            return ConsentNeeded(result.media, _clear_reason(result.media))
        self._commit(result)
        return result.media

    # The peer's offers.

    def receive_offer(self, body: bytes) -> Verdict:
        """What the offer would come to. After a `Rejection` nothing has changed; else answer or cancel it."""
        refused = REFUSED.get((self._state, Step.RECEIVE_OFFER))
        if refused is not None:
            return rejection(refused)
        result = self._judge_offer(body)
        if isinstance(result, Rejection):
            return result
        self._state = TRANSITIONS[self._state, Step.RECEIVE_OFFER]
        self._answered_offer, self._pending = None, result
        if result.needs_consent:
            return ConsentNeeded(result.media, _clear_reason(result.media))
        return result.media

    def create_answer(self, direction: Direction = Direction.SENDRECV) -> bytes:
        """The answer's body. `direction` is what we want; the answer gives what the offer leaves of it (§6.1)."""
        self._permit(Step.CREATE_ANSWER)
        pending = self._pending
        assert pending is not None, "HAVE_REMOTE_OFFER always has a judged offer"
        if pending.needs_consent:
            raise LocalProtocolError("An answer without encryption needs the person's consent first")
        allowed = _both(direction, pending.media.direction)
        agreement = replace(
            pending,
            media=replace(pending.media, direction=allowed),
            line=replace(pending.line, direction=allowed),
        )
        sent = self._describe(agreement.line, agreement.layout)
        self._commit(agreement)
        self._state = TRANSITIONS[self._state, Step.CREATE_ANSWER]
        return sent.to_bytes()

    # Both.

    def agree_to_clear(self) -> NegotiatedMedia:
        """The person agreed after `ConsentNeeded`. Holds for the rest of the call, until it is encrypted."""
        pending = self._pending
        if pending is None or not pending.needs_consent:
            raise LocalProtocolError("Nobody asked for consent to a call without encryption")
        agreement = replace(pending, needs_consent=False)
        self._history = replace(self._history, agreed_to_clear=True)
        if self._state is OfferAnswerState.STABLE:
            self._commit(agreement)
        else:
            self._pending = agreement
        return agreement.media

    def ask_before_clear(self) -> None:
        """Another dialog of the call was encrypted: here the person is asked, also where new calls may be clear."""
        self._policy = asking_before_clear(self._policy)

    def cancel_offer(self) -> None:
        """The open offer, ours or theirs, came to nothing: the session in force goes on (RFC 3264 §8)."""
        self._state = TRANSITIONS[self._state, Step.CANCEL_OFFER]
        self._open_offer = self._answered_offer = self._pending = None

    def forked(self) -> OfferAnswerSession:
        """The session of another early dialog of the same INVITE: the same offer, still to be answered.

        Until its keys change, its send key may be in use by another fork: its media needs an SSRC of its own.
        """
        if self._first_offer is None:
            raise LocalProtocolError("No offer of ours began this call")
        twin = OfferAnswerSession(
            self._policy, self._codecs, self._token_bytes, self._ptime, rtcp_mux=self._rtcp_mux, dtx=self._dtx
        )
        twin._state = OfferAnswerState.HAVE_LOCAL_OFFER
        twin._address = self._address
        twin._open_offer = twin._first_offer = self._first_offer
        twin._session_id = self._session_id
        twin._last_sent = self._first_offer.sent
        twin._keys.shared = frozenset(item.srtp_key for item in self._first_offer.line.crypto)
        return twin

    # Judging.

    def _judge_offer(self, body: bytes) -> _Agreement | Rejection:
        try:
            description = parse_session_description(body)
        except RemoteProtocolError as error:
            return _malformed(error)
        refusals: list[Rejection] = []
        clear: _Agreement | None = None
        for index, section in enumerate(description.media):
            if section.media != "audio" or section.port == 0:
                continue
            line = read_audio_line(description, index)
            judgement = judge_offer(self._policy, self._history, line, self._running)
            result = self._accept_offered(description, line, judgement)
            if isinstance(result, Rejection):
                refusals.append(result)
            elif judgement.decision is Decision.SRTP:
                return result
            else:
                clear = clear or result  # an encrypted line further down is better
        return clear or (refusals[0] if refusals else rejection(Cause.NO_AUDIO))

    def _accept_offered(
        self, description: SessionDescription, line: AudioLine, judgement: Judgement
    ) -> _Agreement | Rejection:
        cause = OFFER_CAUSES.get(judgement.decision)
        if cause is not None:
            return rejection(cause, judgement.reasons)
        formats = agree_on_offer(line, self._codecs, dtx=self._dtx)
        if formats is None:
            return rejection(Cause.NO_CODEC, _names(line))
        crypto: tuple[CryptoAttribute, ...] = ()
        setup: Setup | None = None
        security: MediaSecurity = self._clear_media()
        if judgement.crypto is not None:
            receive, *further = judgement.crypto.srtp_keys
            send = self._keys.for_answer(self._running, judgement.crypto.srtp_keys)
            security = SrtpSecurity(send, receive, tuple(further))
            crypto = (crypto_attribute(judgement.crypto.tag, send),)
        elif judgement.dtls is not None:
            security = dtls_security(self._policy, judgement.dtls, active=answers_active(self._running, judgement.dtls))
            setup = Setup.ACTIVE if security.active else Setup.PASSIVE
        media = self._media(line, formats, security, line.direction.reversed, line.rtcp_mux)
        if media is None:
            return rejection(Cause.NO_ADDRESS)
        return _Agreement(
            media=media,
            line=LocalLine(line.profile, formats.ours, crypto, media.direction, self._ptime, line.rtcp_mux, setup),
            layout=tuple(
                None if index == line.index else refused_line(section)
                for index, section in enumerate(description.media)
            ),
            needs_consent=judgement.decision is Decision.ASK,
        )

    def _judge_answer(self, body: bytes, offer: _LocalOffer) -> _Agreement | Rejection:
        try:
            description = parse_session_description(body)
        except RemoteProtocolError as error:
            return _malformed(error)
        index = offer.layout.index(None)
        if index >= len(description.media):
            return rejection(Cause.NO_AUDIO)
        section = description.media[index]
        if section.media != "audio" or section.port == 0:
            return rejection(Cause.NO_AUDIO)
        line = read_audio_line(description, index)
        judgement = judge_answer(self._policy, self._history, line, offer.line, self._running)
        cause = ANSWER_CAUSES.get(judgement.decision)
        if cause is not None:
            return rejection(cause, judgement.reasons)
        formats = agree_on_answer(line, offer.line.formats)
        if formats is None:
            return rejection(Cause.NO_CODEC, _names(line))
        security: MediaSecurity = self._clear_media()
        if judgement.crypto is not None:
            send = next(item.srtp_key for item in offer.line.crypto if item.tag == judgement.crypto.tag)
            receive, *further = judgement.crypto.srtp_keys
            # Our own key given back: our packets, reflected, would be the peer's.
            if any(key.material == send.material for key in (receive, *further)):
                return rejection(Cause.KEYS, ("the answer repeats our own key",))
            security = SrtpSecurity(send, receive, tuple(further))
        elif judgement.dtls is not None:
            security = dtls_security(self._policy, judgement.dtls, active=judgement.dtls.setup is Setup.PASSIVE)
        direction = _both(offer.line.direction, line.direction.reversed)
        media = self._media(line, formats, security, direction, line.rtcp_mux and offer.line.rtcp_mux)
        if media is None:
            return rejection(Cause.NO_ADDRESS)
        return _Agreement(media, offer.line, offer.layout, needs_consent=judgement.decision is Decision.ASK)

    def _media(
        self, line: AudioLine, formats: AgreedFormats, security: MediaSecurity, direction: Direction, rtcp_mux: bool
    ) -> NegotiatedMedia | None:
        if line.address is None:
            return None
        rtcp_port = line.port if rtcp_mux and not line.address.held else line.rtcp_port
        return NegotiatedMedia(
            remote_address=line.address.address,
            remote_rtp_port=line.port,
            remote_rtcp_port=rtcp_port,
            rtcp_mux=rtcp_mux,
            direction=direction,
            format=formats.voice,
            telephone_event=formats.telephone_event,
            send_ptime=send_ptime(line, self._ptime, formats.voice.name),
            bit_rate=line.bit_rate,
            voip_metrics=line.voip_metrics,
            comfort_noise=formats.comfort_noise,
            security=security,
        )

    def _clear_media(self) -> ClearMedia:
        if self._policy.encryption is MediaEncryption.DISABLED:
            reason = "Media encryption is set to Disabled on this phone."
        elif self._policy.unencrypted_peer is UnencryptedPeer.ASK:
            reason = "The other side cannot encrypt, and it was left to you whether to talk all the same."
        else:
            reason = "The other side cannot encrypt, and this phone's settings allow that."
        return ClearMedia(reason, self._policy.origin)

    @property
    def _running(self) -> MediaSecurity | None:
        return None if self._current is None else self._current.media.security

    # Writing and state.

    def _describe(self, line: LocalLine, layout: _Layout) -> SessionDescription:
        """RFC 3264 §8: the same version for the same description, one more for another; `o=` otherwise stays."""
        address, last = self._address, self._last_sent
        if address is None:
            raise LocalProtocolError("The local address is not known yet")
        origin = SessionOrigin("-", self._session_id, "1", address.connection()) if last is None else last.origin
        audio = line.description(address)
        description = SessionDescription(
            origin=origin,
            connection=address.connection(),
            media=tuple(audio if section is None else section for section in layout),
        )
        if last is not None and description != last:
            version = str(int(last.origin.session_version) + 1)
            description = replace(description, origin=replace(origin, session_version=version))
        self._last_sent = description
        return description

    def _commit(self, agreement: _Agreement) -> None:
        self._current, self._pending = agreement, None
        if not isinstance(agreement.media.security, ClearMedia):
            self._history = CallHistory(encrypted=True)

    def _permit(self, step: Step) -> None:
        if (self._state, step) in FORBIDDEN:
            raise LocalProtocolError(f"{step.value} in state {self._state.value}")


def _both(wanted: Direction, possible: Direction) -> Direction:
    """What is in both directions."""
    sends = wanted.sends and possible.sends
    receives = wanted.receives and possible.receives
    return next(item for item in Direction if (item.sends, item.receives) == (sends, receives))


def _clear_reason(media: NegotiatedMedia) -> str:
    assert isinstance(media.security, ClearMedia), "consent is asked for clear media only"
    return media.security.reason


def _names(line: AudioLine) -> tuple[str, ...]:
    return tuple(f"{item.name}/{item.clock_rate}" for item in line.formats)


def _malformed(error: RemoteProtocolError) -> Rejection:
    return rejection(Cause.MALFORMED, (error.reason,), error.status_hint)
