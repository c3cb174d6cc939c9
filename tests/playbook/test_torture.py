"""What a registered phone answers to each torture message of RFC 4475 and RFC 5118 that arrives on its flow.

The phone takes calls for anybody here, so that every message gets as far as its own fault. A flow is a stream: where
the RFC's message has no usable Content-Length, the stream has no frame any more (RFC 3261 §18.3).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from softphone.sip.message import Response
from softphone.ua.actions import CloseFlow
from softphone.ua.user_agent import UserAgent
from tests.pair.joined import PeerRules
from tests.playbook.stage import Stage, seeded

VECTORS = Path(__file__).parent.parent / "vectors"

# The statuses that the phone answers with, in order.
RFC_4475: dict[str, tuple[int, ...]] = {
    "wsinv": (481,),  # its To has a tag
    "intmeth": (405,), "esc01": (488,), "escnull": (200,), "esc02": (405,), "lwsdisp": (200,), "longreq": (488,),
    "dblreq": (200, 400),  # what follows the request on a stream is read as the next one
    "semiuri": (200,), "transports": (200,), "mpart01": (415,),
    "badinv01": (400,), "scalar02": (400,), "quotbal": (400,), "ltgtruri": (400,), "lwsruri": (400,),
    "lwsstart": (400,), "trws": (400,), "escruri": (400,), "baddate": (488,), "regbadct": (400,), "badaspec": (400,),
    "baddn": (400,), "badvers": (505,), "mismatch01": (400,), "mismatch02": (400,), "badbranch": (200,),
    "insuf": (400,), "unkscm": (416,), "novelsc": (416,), "unksm2": (200,), "bext01": (420,), "invut": (415,),
    "regaut01": (200,), "multi01": (400,), "zeromf": (200,), "cparam01": (200,), "cparam02": (200,),
    "regescrt": (200,), "sdp01": (488,),
}  # fmt: skip
RFC_5118: dict[str, tuple[int, ...]] = {
    "ipv6-good": (200,), "ipv6-bad": (400,), "port-ambiguous": (200,), "port-unambiguous": (200,),
    "via-received-param-with-delim": (481,), "via-received-param-no-delim": (200,),
    "ipv6-in-sdp": (488,), "mult-ip-in-header": (481,), "mult-ip-in-sdp": (488,), "ipv4-mapped-ipv6": (488,),
    "ipv6-bug-abnf-3-colons": (200,), "ipv6-correct-abnf-2-colons": (200,),
}  # fmt: skip
# Responses to no request of ours, which are dropped (RFC 3261 §18.1.2).
DROPPED = ("unreason", "noreason", "scalarlg", "bigcode", "bcast")
# Without one usable Content-Length the flow is closed; a body that is shorter than it says is waited for.
UNFRAMED = ("ncl", "mcl01", "inv2543")
AWAITED = ("clerr",)


def heard(folder: str, name: str) -> tuple[Stage, list[bytes], list[int]]:
    """The stage after the message, what the phone sent then, and the statuses in it."""
    stage = Stage()
    stage.hostile = True
    stage.agent = UserAgent(seeded(1), PeerRules())
    stage.registered()
    before = len(stage.raw)
    stage.say((VECTORS / folder / f"{name}.dat").read_bytes())
    if name == "multi01":  # its compact Content-Length says more than its body has
        stage.say(b" " * 200)
    sent = stage.raw[before:]
    statuses = [int(data[8:11]) for data in sent if data.startswith(b"SIP/2.0 ")]
    return stage, sent, statuses


def test_every_message_has_its_place() -> None:
    named = [*RFC_4475, *DROPPED, *UNFRAMED, *AWAITED]
    assert sorted(named) == sorted(path.stem for path in (VECTORS / "rfc4475").glob("*.dat"))
    assert len(named) == 49
    assert sorted(RFC_5118) == sorted(path.stem for path in (VECTORS / "rfc5118").glob("*.dat"))


@pytest.mark.parametrize("name", RFC_4475)
def test_rfc_4475(name: str) -> None:
    assert tuple(heard("rfc4475", name)[2]) == RFC_4475[name]


@pytest.mark.parametrize("name", RFC_5118)
def test_rfc_5118(name: str) -> None:
    assert tuple(heard("rfc5118", name)[2]) == RFC_5118[name]


@pytest.mark.parametrize("name", DROPPED)
def test_a_response_that_nobody_asked_for_is_dropped(name: str) -> None:
    stage, sent, _ = heard("rfc4475", name)
    assert sent == []
    assert not stage.did(CloseFlow)


@pytest.mark.parametrize("name", UNFRAMED)
def test_a_message_without_a_frame_ends_the_flow(name: str) -> None:
    stage, sent, _ = heard("rfc4475", name)
    assert sent == []
    assert len(stage.did(CloseFlow)) == 1


@pytest.mark.parametrize("name", AWAITED)
def test_a_body_that_is_too_short_is_waited_for(name: str) -> None:
    stage, sent, _ = heard("rfc4475", name)
    assert sent == []
    assert not stage.did(CloseFlow)
    assert not any(isinstance(message, Response) for message in stage.sent)
