"""What can go wrong on the link, as types; none carries what was sent."""

from __future__ import annotations

from softphone.errors import Failure, FailureKind, SoftphoneError


class LinkBroken(SoftphoneError):
    """The other end sent what is not a message of ours, or the connection is gone."""


class LinkRefused(SoftphoneError):
    """The engine has said no, in words."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class LinkEnding(LinkRefused):
    """The engine is on its way out; another can be started when it is gone."""


class AnotherWindow(SoftphoneError):
    """A window is attached already; it has been asked to come to the front."""


def engine_unreachable(detail: str) -> Failure:
    return Failure(
        FailureKind.ENGINE_FAILED,
        f"The phone's engine cannot be reached: {detail}.",
        "Start the phone again; if it goes on, look into the engine's log.",
    )
