"""What is noticed of a real network, and how soon: by netlink, and by comparing addresses where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.network.conftest import Place
from tests.network.namespaces import Network
from tests.peers.process import PeerProcess, until

pytestmark = [pytest.mark.peer, pytest.mark.root, pytest.mark.timeout(60)]
REPOSITORY = Path(__file__).parents[2]


class Watcher:
    """The program of watching.py where the phone would be."""

    name = "watching"

    def __init__(self, network: Network, how: str, directory: Path) -> None:
        self._process = PeerProcess(
            how,
            [*network.in_phone, sys.executable, "-m", "tests.network.watching", how],
            log=directory / "log",
            directory=REPOSITORY,
        )
        self._process.until(lambda: "watching" in self.log_text(), "to watch", 20)

    def changes(self) -> list[float]:
        return [float(line.split()[0]) for line in self.log_text().splitlines() if line.endswith("False")]

    def log_text(self) -> str:
        return self._process.log_text()

    def stop(self) -> None:
        self._process.stop()


def _new_address(network: Network) -> None:
    network.move_phone()


def _no_link(network: Network) -> None:
    network.link(up=False)


def _no_carrier(network: Network) -> None:
    network.cable(plugged=False)


@pytest.mark.parametrize(
    ("how", "event", "within"),
    [
        ("netlink", _new_address, 0.5),
        ("netlink", _no_link, 0.5),
        ("netlink", _no_carrier, 1.5),  # the kernel gathers these for up to a second
        ("compare", _new_address, 2.5),
        ("compare", _no_link, 2.5),
        # A carrier that is lost while address and route stay is noticed by netlink alone.
    ],
)
def test_a_change_is_noticed(
    behind_nat: Place, tmp_path: Path, how: str, event: Callable[[Network], None], within: float
) -> None:
    watcher = behind_nat.peers.start(Watcher, behind_nat.network, how, tmp_path)
    time.sleep(0.5)
    assert watcher.changes() == [], "nothing has happened"
    before = time.time()
    event(behind_nat.network)
    took = until(watcher.changes, "the change to be noticed", 10)[0] - before
    print(f"{how}, {event.__name__.strip('_').replace('_', ' ')}: noticed after {took * 1000:.0f} ms")
    assert took < within
    time.sleep(1)
    assert len(watcher.changes()) <= 2, "a burst is one change, and its end"
