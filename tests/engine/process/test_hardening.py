"""What the engine does to itself, seen from the outside of the Python that asks for it."""

import subprocess
import sys

ASK = """
import ctypes, gc, resource, sys
from softphone.engine.process.hardening import favour_the_media_thread, forbid_core_dumps
forbid_core_dumps()
favour_the_media_thread()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3), sys.getswitchinterval(), gc.isenabled(),
      gc.get_freeze_count() > 1000)
"""


def test_no_core_is_dumped_and_threads_take_short_turns() -> None:
    said = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True, timeout=30).stdout
    assert said.strip() == "(0, 0) 0 0.0005 True True"
