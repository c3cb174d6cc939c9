"""Session descriptions for traces and logs: every key replaced (security.md "Keys and passwords").

Owns: what may be shown of `a=crypto` (RFC 4568 §9.2), `a=key-mgmt` (RFC 4567) and `k=` (RFC 8866 §5.12). Works on any
bytes, malformed ones too: what is not known to be harmless is masked.
"""

from __future__ import annotations

import re

MASK = "***"

_HARMLESS_PARAMETER = re.compile(
    r"-?(?:KDR=[0-9]{1,2}|WSH=[0-9]{1,6}|UNENCRYPTED_SRTP|UNENCRYPTED_SRTCP|UNAUTHENTICATED_SRTP"
    r"|FEC_ORDER=(?:FEC_SRTP|SRTP_FEC))"
)
_TAG = re.compile(r"[0-9]{1,9}")
_SUITE = re.compile(r"[A-Z0-9]{2,8}(?:_[A-Z0-9]{1,8}){1,6}")
_HARMLESS_KEY_SUFFIX = re.compile(r"(?:2\^)?[0-9]{1,18}|[0-9]{1,18}:[0-9]{1,3}")
_SECRET_ATTRIBUTES = ("crypto", "key-mgmt")
# A line begins at the start or after CR or LF: a careless peer may take a lone CR for a line end.
_SECRET_LINE = re.compile(rb"(?i)(?<![^\r\n])([ \t]*(?:a[ \t]*=[ \t]*(crypto|key-mgmt)[ \t]*:?|k[ \t]*=))([^\r\n]*)")


def mask_attribute(name: str, value: str) -> str:
    """The value of `a=<name>:<value>` as it may be shown."""
    lowered = name.strip().lower()
    if lowered == "crypto":
        return _mask_crypto(value)
    return MASK if lowered in _SECRET_ATTRIBUTES else value


def mask_suite(name: str) -> str:
    """A crypto suite's name if it looks like one: a key may stand in its place."""
    return name if _SUITE.fullmatch(name) else MASK


def masked_sdp(body: bytes) -> bytes:
    """`body` with every key replaced; all other octets unchanged, line ends included."""
    return _SECRET_LINE.sub(_mask_match, body)


def _mask_match(match: re.Match[bytes]) -> bytes:
    prefix, name, value = match.group(1), match.group(2), match.group(3)
    if name is None or name.lower() != b"crypto":
        return prefix + MASK.encode()
    return prefix + _mask_crypto(value.decode("utf-8", "replace")).encode()


def _mask_crypto(value: str) -> str:
    return " ".join(_mask_field(index, field) for index, field in enumerate(value.split()))


def _mask_field(index: int, field: str) -> str:
    if index == 0:
        return field if _TAG.fullmatch(field) else MASK
    if index == 1:
        return mask_suite(field)
    if index == 2:
        return ";".join(_mask_key_parameter(part) for part in field.split(";"))
    return field if _HARMLESS_PARAMETER.fullmatch(field) else MASK


def _mask_key_parameter(part: str) -> str:
    """`inline:KEY|2^20|1:4` keeps its lifetime and MKI."""
    method, colon, info = part.partition(":")
    if method != "inline" or not colon:
        return MASK
    _, *suffixes = info.split("|")
    kept = [suffix if _HARMLESS_KEY_SUFFIX.fullmatch(suffix) else MASK for suffix in suffixes]
    return "|".join([f"inline:{MASK}", *kept])
