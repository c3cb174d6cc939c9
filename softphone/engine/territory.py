"""Which country the system is set to: for the tones that people there know.

Owns: that question, asked of the environment (POSIX), of Windows and of macOS. No answer is "", never a guess.
"""

from __future__ import annotations

import ctypes
import os
import plistlib
import re
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[_-][A-Za-z]{4})?[_-]([A-Za-z]{2})(?:[.@].*)?")
_VARIABLES = (
    "LC_ALL",
    "LC_TELEPHONE",
    "LANG",
)  # the first that is set (POSIX.1 §8.2; LC_TELEPHONE is ISO/IEC TR 14652)


def territory_of(name: str) -> str:
    """The territory in a locale's name, "de_AT.UTF-8" or "zh-Hans-CN"; "" if it names none, as “C” does not."""
    found = _LOCALE.fullmatch(name.strip())
    return found.group(1).upper() if found is not None else ""


def territory_in(environment: Mapping[str, str]) -> str:
    chosen = next((environment[name] for name in _VARIABLES if environment.get(name)), "")
    return territory_of(chosen)


@lru_cache(maxsize=1)
def system_territory() -> str:
    """An ISO 3166 code, or ""."""
    return _ASKED.get(sys.platform, _of_environment)()


def _of_environment() -> str:
    return territory_in(os.environ)


def _of_windows() -> str:
    """The person's region (GetUserDefaultGeoName, Windows 10 1709 and later)."""
    name = ctypes.create_unicode_buffer(16)
    try:
        length = getattr(ctypes, "windll").kernel32.GetUserDefaultGeoName(name, len(name))  # noqa: B009 - only there
    except (AttributeError, OSError):
        return ""
    return name.value.upper() if length and re.fullmatch(r"[A-Za-z]{2}", name.value) else ""


def _of_macos() -> str:
    """As chosen in the system's settings; a program that was not started in a terminal has no LANG there."""
    return _in_preferences(Path.home() / "Library/Preferences/.GlobalPreferences.plist") or _of_environment()


def _in_preferences(preferences: Path) -> str:
    try:
        found = plistlib.loads(preferences.read_bytes()).get("AppleLocale", "")
    except (OSError, ValueError, AttributeError, plistlib.InvalidFileException):
        return ""
    return territory_of(str(found))


_ASKED: dict[str, Callable[[], str]] = {"win32": _of_windows, "darwin": _of_macos}
