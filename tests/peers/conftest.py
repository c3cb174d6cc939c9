"""Fixtures for tests against real peers: certificates, speech, and programs that end with their test."""

import shutil
from collections.abc import Callable, Iterator
from typing import ParamSpec, Protocol, TypeVar

import pytest

from tests.peers.certificates import PrivateCa
from tests.peers.kamailio import Kamailio
from tests.peers.process import short_directory
from tests.peers.pulse import PulseRig
from tests.peers.speech import Speech

LOG_TAIL = 4000
"""Characters of each peer's log that a failed test shows."""


class Peer(Protocol):
    def stop(self) -> object: ...


Arguments = ParamSpec("Arguments")
Started = TypeVar("Started", bound=Peer)


class Peers:
    """The programs that one test has started; they end in reverse order."""

    def __init__(self) -> None:
        self._started: list[Peer] = []

    def start(self, kind: Callable[Arguments, Started], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Started:
        """`peers.start(Baresip, "b", kamailio, "bob", "bobpw")`: start it, and stop it when the test ends."""
        peer = kind(*args, **kwargs)
        self._started.append(peer)
        return peer

    def stop(self) -> None:
        """Print the end of every log (pytest shows it for a failed test) and stop everything; the first error rises."""
        errors = []
        while self._started:
            peer = self._started.pop()
            log = getattr(peer, "log_text", str)()[-LOG_TAIL:]
            print(f"----- {type(peer).__name__} {getattr(peer, 'name', '')}\n{log}")
            try:
                peer.stop()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]


@pytest.fixture(scope="session")
def ca() -> Iterator[PrivateCa]:
    """The private authority of this test run."""
    directory = short_directory("ca")
    yield PrivateCa(directory)
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def speech() -> Iterator[Speech]:
    """Sentences by espeak-ng, made once."""
    directory = short_directory("speech")
    yield Speech(directory)
    shutil.rmtree(directory)


@pytest.fixture
def peers() -> Iterator[Peers]:
    """Starts programs that end with the test."""
    started = Peers()
    yield started
    started.stop()


@pytest.fixture
def kamailio(peers: Peers, ca: PrivateCa) -> Kamailio:
    """A registrar and proxy over TLS with the good certificate and the accounts of `PASSWORDS`."""
    return peers.start(Kamailio, ca)


@pytest.fixture
def pulse() -> Iterator[PulseRig]:
    """A PulseAudio with two pairs of virtual devices."""
    with PulseRig() as rig:
        yield rig
