"""Runtime hook on Linux: the sound library that sounddevice finds is the one in this folder, or none.

sounddevice asks `ctypes.util.find_library("portaudio")`, which knows the system's libraries only: without this hook a
program "works" where it was built, with the system's copy, and fails where there is none.
"""

import ctypes.util
import sys
from pathlib import Path

_BUNDLED = {"portaudio": str(Path(sys._MEIPASS) / "libportaudio.so.2")}
_find_in_system = ctypes.util.find_library


def _find_library(name):
    return _BUNDLED.get(name) or _find_in_system(name)


ctypes.util.find_library = _find_library
