"""numpy's linear algebra has no threads of its own in this program: for 10 ms of sound they cost more than they do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.peers.phone import REPOSITORY

PROGRAM = """
import softphone, numpy, os
numpy.ones((500, 500)) @ numpy.ones((500, 500))
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_a_matrix_product_is_made_in_the_thread_that_asks_for_it() -> None:
    environment = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
