"""The rig of tests/peers, and the phone's processes, ended with their test."""

import shutil
from collections.abc import Callable, Iterator

import pytest

from softphone.engine.link.place import LinkForm
from tests.peers.conftest import ca, kamailio, peers, speech
from tests.processes.running import Running

__all__ = ["ca", "kamailio", "peers", "running", "speech", "start_running"]


@pytest.fixture
def start_running() -> Iterator[Callable[[LinkForm], Running]]:
    """`start_running(LinkForm.LOOPBACK)`: a profile of the test's own."""
    started: list[Running] = []

    def start(form: LinkForm) -> Running:
        started.append(Running(form))
        return started[-1]

    yield start
    for running in started:
        running.end()
        left = running.processes()
        shutil.rmtree(running.directory, ignore_errors=True)
        assert left == []


@pytest.fixture
def running(start_running: Callable[[LinkForm], Running]) -> Running:
    return start_running(LinkForm.UNIX)
