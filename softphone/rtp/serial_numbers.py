"""Arithmetic on numbers that wrap: sequence numbers (16 bits) and timestamps (32 bits), after RFC 1982.

Owns nothing but the two differences; knows no packet.
"""

from __future__ import annotations


def sequence_difference(later: int, earlier: int) -> int:
    """`later - earlier` modulo 2^16, read as signed: -32768 … 32767."""
    return ((later - earlier + 0x8000) & 0xFFFF) - 0x8000


def timestamp_difference(later: int, earlier: int) -> int:
    """`later - earlier` modulo 2^32, read as signed, in timestamp units."""
    return ((later - earlier + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
