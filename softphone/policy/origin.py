"""Where a value comes from, so that the screen can say "set by your organisation"."""

from __future__ import annotations

import enum


class Origin(enum.Enum):
    """Levels of a policy value, strongest first (packaging.md: mandatory > user > recommended > default)."""

    MANAGED = "managed"
    USER = "user"
    RECOMMENDED = "recommended"
    DEFAULT = "default"
