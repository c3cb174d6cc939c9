"""The profile's lock: held by a living engine, free when it is dead, whatever its file says."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from softphone.engine.process.lock import EngineLock, is_held

HOLD = """
import sys, time
from pathlib import Path
from softphone.engine.process.lock import EngineLock
assert EngineLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_one_holds_it_and_a_dead_holder_does_not(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    assert not is_held(path)
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_held(path)
        assert not EngineLock(path).acquire(patience=0.1)
        holder.send_signal(signal.SIGKILL)
    assert path.exists()
    assert not is_held(path)
    lock = EngineLock(path)
    assert lock.acquire()
    assert is_held(path)
    lock.release()
    assert not is_held(path)


def test_a_child_does_not_inherit_it(tmp_path: Path) -> None:
    lock = EngineLock(tmp_path / "engine.lock")
    assert lock.acquire()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as child:
        lock.release()
        assert not is_held(tmp_path / "engine.lock")
        child.kill()


def test_looking_does_not_take_it_from_an_engine_that_starts(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            is_held(path)
            time.sleep(0.001)

    path.touch()
    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(30):
            lock = EngineLock(path)
            assert lock.acquire(patience=2.0)
            lock.release()
    finally:
        stop.set()
        looking.join()


def test_a_link_in_the_files_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "engine.lock").symlink_to(tmp_path / "elsewhere")
    try:
        EngineLock(tmp_path / "engine.lock").acquire()
    except OSError:
        pass
    else:
        raise AssertionError("it was followed")
    assert os.listdir(tmp_path) == ["engine.lock"]
