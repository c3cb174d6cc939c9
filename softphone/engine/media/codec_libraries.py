"""The system libraries that codecs need: found, opened once, and missed in words.

Owns: where libopus lies. Must not know: calls. In a frozen program it is the copy in the program's folder or none, so
that it does not "work" by chance with the library of the machine where it was built.
"""

from __future__ import annotations

import ctypes.util
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softphone.codecs.opus import binding

_FILE_NAMES = {"win32": ("opus.dll", "libopus-0.dll"), "darwin": ("libopus.0.dylib", "libopus.dylib")}
_LINUX_FILE_NAMES = ("libopus.so.0",)


@functools.cache
def opus_library() -> Any | None:
    """libopus, opened once for all calls; None on a machine without it."""
    for name in _candidates():
        try:
            return binding().dlopen(name)
        except OSError:
            continue
    return None


def _candidates() -> Iterator[str]:
    names = _FILE_NAMES.get(sys.platform, _LINUX_FILE_NAMES)
    folder = getattr(sys, "_MEIPASS", None)
    if folder is not None:
        yield from (str(Path(folder) / name) for name in names)
        return
    yield from names
    found = ctypes.util.find_library("opus")
    if found is not None:
        yield found


@dataclass(frozen=True, slots=True)
class NeededLibrary:
    """What a codec cannot do without."""

    library: str
    remedy: str
    find: Callable[[], Any | None]


NEEDED: Mapping[str, NeededLibrary] = {
    "OPUS": NeededLibrary(
        "libopus",
        "Install it (Debian and Ubuntu: apt install libopus0; Fedora: opus; macOS: brew install opus), "
        "or take OPUS out of the list of codecs.",
        opus_library,
    ),
}
"""By the codec's name."""


def codec_library(codec: str) -> Any | None:
    """What the codec of that name is made with; None where it needs none, or where there is none."""
    needed = NEEDED.get(codec)
    return None if needed is None else needed.find()


def missing_library(codec: str) -> NeededLibrary | None:
    """What must be installed before the codec of that name can be used here; None: nothing."""
    needed = NEEDED.get(codec)
    return needed if needed is not None and needed.find() is None else None
