"""The challenge of the loopback form: both ends prove that they know the token, and show nothing of it."""

import itertools
import secrets

import pytest

from softphone.engine.link.challenge import ENGINE_SAYS, NONCE_OCTETS, EngineChallenge, FrontEndChallenge
from softphone.engine.link.failures import LinkBroken

TOKEN = bytes(range(32))


def front_end(token: bytes = TOKEN, port: int = 4000) -> FrontEndChallenge:
    return FrontEndChallenge(token, port, secrets.token_bytes)


def engine(token: bytes = TOKEN, port: int = 4000) -> EngineChallenge:
    return EngineChallenge(token, port, secrets.token_bytes)


def test_who_knows_the_token_is_let_in() -> None:
    window, phone = front_end(), engine()
    phone.check(window.answer(phone.answer(window.opening)))


def test_an_engine_without_the_token_gets_no_proof() -> None:
    window = front_end()
    with pytest.raises(LinkBroken):
        window.answer(engine(token=bytes(32)).answer(window.opening))


def test_a_front_end_without_the_token_is_not_let_in() -> None:
    phone = engine()
    phone.answer(front_end().opening)
    for proof in (bytes(32), TOKEN, b"", secrets.token_bytes(32)):
        with pytest.raises(LinkBroken):
            phone.check(proof)


def test_a_relay_to_the_real_engine_on_another_port_is_found_out() -> None:
    window, phone = front_end(port=4000), engine(port=4001)
    with pytest.raises(LinkBroken):
        window.answer(phone.answer(window.opening))


def test_an_engines_proof_is_no_front_ends_proof() -> None:
    """A squatter that asks the real engine the front end's own question learns nothing it could use there."""
    phone = engine()
    said = phone.answer(bytes(NONCE_OCTETS))
    with pytest.raises(LinkBroken):
        phone.check(said[NONCE_OCTETS:])


def test_a_recorded_proof_is_of_no_use_again() -> None:
    window, phone = front_end(), engine()
    recorded = window.answer(phone.answer(window.opening))
    later = engine()
    later.answer(window.opening)
    with pytest.raises(LinkBroken):
        later.check(recorded)


def test_a_proof_before_the_question_is_refused() -> None:
    with pytest.raises(LinkBroken):
        engine().check(bytes(32))


@pytest.mark.parametrize("length", [0, 1, ENGINE_SAYS - 1, ENGINE_SAYS + 1])
def test_an_answer_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(LinkBroken):
        front_end().answer(bytes(length))


def test_nothing_that_is_said_holds_the_token() -> None:
    window, phone = front_end(), engine()
    answer = phone.answer(window.opening)
    proof = window.answer(answer)
    for said, part in itertools.product((window.opening, answer, proof), (TOKEN[:8], TOKEN[8:16], TOKEN[-8:])):
        assert part not in said
