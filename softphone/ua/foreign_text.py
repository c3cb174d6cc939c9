"""A peer's text for people to read: what would change how other text reads is made visible.

Owns: that rule, for texts of several lines and for what stands within words of ours. Pure text; nothing of SIP.
"""

from __future__ import annotations

import unicodedata

_KEPT = frozenset("\n\u200c\u200d")  # the joiners: words in several scripts, and emoji made of several


def readable(text: str) -> str:
    """Line ends become \\n, tabs spaces; control, format and direction characters become "·"."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    lines = lines.replace("\u2028", "\n").replace("\u2029", "\n")
    return "".join(c if c in _KEPT or unicodedata.category(c)[0] != "C" else "·" for c in lines)


def quoted(text: str, most: int) -> str:
    """Within words of ours, at most so many characters: no line breaks, escape sequences or direction marks."""
    return "".join(character if character.isprintable() else "·" for character in text[:most])
