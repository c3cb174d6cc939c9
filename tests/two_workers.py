"""How a whole run is shared by two processes: tests that wait for real peers beside tests that compute.

Owns: pytest-xdist's plan, and which tests may be repeated. The peers' programs, sound servers and namespaces of
tests/peers and tests/network run in real time and mostly wait, so one worker takes them all, one after the other,
while the other takes the remaining files.
"""

from __future__ import annotations

import os

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from softphone.tls_environment import find_openssl_configuration

REAL_TIME = ("tests/network/", "tests/peers/")


class TwoWorkers(LoadScopeScheduling):
    """A file is never torn apart; all files of `REAL_TIME` are one piece of work, and the first."""

    def _split_scope(self, nodeid: str) -> str:
        return "real time" if nodeid.startswith(REAL_TIME) else nodeid.partition("::")[0]

    def remove_node(self, node: WorkerController) -> str | None:
        """The test that a worker crashed in; the others that it had before it go back into the queue.

        xdist puts back the crashed one too, and files with nothing left to do, whose next worker would wait for ever.
        """
        left = [
            (file, {test: False for test, done in tests.items() if not done})
            for file, tests in self.assigned_work.pop(node).items()
        ]
        crashed = next((test for _, tests in left for test in tests), None)
        if crashed is None:
            return None
        for file, tests in left:
            tests.pop(crashed, None)
            if tests:
                self.workqueue[file] = tests
        for other in self.nodes:
            if other in self.registered_collections:
                self._reschedule(other)
        return crashed


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> TwoWorkers:
    config.option.loadscopereorder = False
    return TwoWorkers(config, log)


def pytest_xdist_setupnodes() -> None:
    """The workers, which are started now, are to read our configuration of OpenSSL, too (see tests/early.py)."""
    os.environ["OPENSSL_CONF"] = str(find_openssl_configuration())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits begins at once. What needs a real program or hears sound in real time may be tried once more.

    A shared machine stops a process for a second now and then, and sound that was due is late. A fault of ours comes
    again.
    """
    if os.environ.get("PYTEST_XDIST_WORKER"):
        items.sort(key=lambda item: not item.nodeid.startswith(REAL_TIME))
        for item in items:
            markers = {marker.name for marker in item.iter_markers()}
            if markers & {"peer", "real_time"} or item.nodeid.startswith(REAL_TIME):
                item.add_marker(pytest.mark.flaky(reruns=1))
