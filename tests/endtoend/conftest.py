"""The rig of tests/peers and the phone as a process, ended with their test."""

from collections.abc import Callable, Iterator

import pytest

from softphone.engine.throwaway_ca import ThrowawayAuthority
from tests.endtoend.phone import PhoneProcess
from tests.peers.conftest import ca, kamailio, peers, pulse, speech

__all__ = ["authority", "ca", "kamailio", "peers", "pulse", "speech", "start_phone"]


@pytest.fixture
def start_phone() -> Iterator[Callable[..., PhoneProcess]]:
    """`start_phone("register", "--server", ..., password="x")`; what still runs at the end is killed."""
    started: list[PhoneProcess] = []

    def start(*arguments: object, **options: object) -> PhoneProcess:
        phone = PhoneProcess(*arguments, **options)  # type: ignore[arg-type]
        started.append(phone)
        return phone

    yield start
    for phone in reversed(started):
        print(f"----- {phone.command}\n{phone.output()[-3000:]}\n{phone.errors()[-3000:]}")
        phone.kill()


@pytest.fixture(scope="session")
def authority() -> ThrowawayAuthority:
    """Another authority than `ca`: for servers that are no Kamailio."""
    return ThrowawayAuthority.create()
