"""The `a=crypto` attribute: SDES key exchange (RFC 4568).

Owns: the grammar of §9, the SRTP rules of §6, which lines may be used and why others may not. Knows nothing of offers
or policies. Suite names, key methods and parameters are compared with case, as SDP does (RFC 8866 §5): a misspelt one
is unknown, and unknown is never usable.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

from softphone.errors import RemoteProtocolError
from softphone.policy.secret import SecretBytes
from softphone.sdp.masking import mask_attribute, mask_suite
from softphone.srtp.crypto_suites import CRYPTO_SUITES, CryptoSuite
from softphone.srtp.master_key import SrtpKey

MAX_VALUE = 2_048  # characters of one line's value; our longest has about 90
MAX_KEYS = 16  # inline keys of one line
MAX_LIFETIME = 2**48  # packets under one master key (RFC 3711 §9.2)
MIN_LIFETIME = 2**10  # packets: 20 s of voice; a shorter life leaves no time to agree on the next key

_TAG = re.compile(r"[0-9]{1,9}")
_SUITE_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_POWER = re.compile(r"2\^([0-9]{1,2})")
_DECIMAL = re.compile(r"[0-9]{1,15}")
_MKI = re.compile(r"([0-9]{1,39}):([0-9]{1,3})")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_VISIBLE = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class MasterKeyIdentifier:
    value: int
    length: int  # octets in each packet, 1 to 128


@dataclass(frozen=True, slots=True)
class InlineKey:
    """One `inline:` key parameter (§6.1). `lifetime` in packets, None when not given."""

    material: SecretBytes  # master key ‖ master salt
    lifetime: int | None = None
    mki: MasterKeyIdentifier | None = None


@dataclass(frozen=True, slots=True, repr=False)
class CryptoAttribute:
    """One well-formed line. Whether it may be used is asked with `unusable_reason`. The repr is masked."""

    tag: int
    suite_name: str
    keys: tuple[InlineKey, ...]
    session_parameters: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"CryptoAttribute({self.masked()!r})"

    @property
    def suite(self) -> CryptoSuite | None:
        return CRYPTO_SUITES.get(self.suite_name)

    def unusable_reason(self) -> str | None:
        """Why no SRTP session can be built from this line; None if one can."""
        suite = self.suite
        if suite is None:
            return f"crypto suite {mask_suite(self.suite_name)} is not supported"
        for parameter in self.session_parameters:
            reason = _parameter_reason(parameter)
            if reason is not None:
                return reason
        return self._keys_reason() or next((r for r in (_key_reason(suite, key) for key in self.keys) if r), None)

    def _keys_reason(self) -> str | None:
        """§6.1: with several keys each has an MKI of its own, and all of them have one length."""
        identifiers = {key.mki for key in self.keys}
        if len(self.keys) > 1 and (None in identifiers or len(identifiers) < len(self.keys)):
            return "several master keys in one line are not told apart by an MKI"
        if len({key.mki.length for key in self.keys if key.mki is not None}) > 1:
            return "the MKIs of one line differ in length"
        return None

    @property
    def srtp_keys(self) -> tuple[SrtpKey, ...]:
        """The keys of a usable line. Raises `ValueError` for any other."""
        suite, reason = self.suite, self.unusable_reason()
        if suite is None or reason is not None:
            raise ValueError(f"This crypto line is not usable: {reason}")
        return tuple(
            SrtpKey(
                suite,
                key.material,
                b"" if key.mki is None else key.mki.value.to_bytes(key.mki.length, "big"),
                key.lifetime,
            )
            for key in self.keys
        )

    @property
    def srtp_key(self) -> SrtpKey:
        """The first key of a usable line. Raises `ValueError` for any other."""
        return self.srtp_keys[0]

    def to_value(self) -> str:
        """The attribute's value with the key: for the wire only."""
        keys = ";".join(_key_parameter(key) for key in self.keys)
        return " ".join([str(self.tag), self.suite_name, keys, *self.session_parameters])

    def masked(self) -> str:
        """The attribute's value as traces may show it."""
        return mask_attribute("crypto", self.to_value())


def _key_reason(suite: CryptoSuite, key: InlineKey) -> str | None:
    if len(key.material) != suite.material_length:
        return f"the key has {len(key.material)} octets where {suite.name} has {suite.material_length}"
    if key.lifetime is not None and key.lifetime < MIN_LIFETIME:
        return f"the key's lifetime of {key.lifetime} packets is too short to agree on another in time"
    return None


def crypto_attribute(tag: int, key: SrtpKey) -> CryptoAttribute:
    """Our own line: one key, no session parameters."""
    mki = MasterKeyIdentifier(int.from_bytes(key.mki, "big"), len(key.mki)) if key.mki else None
    return CryptoAttribute(tag, key.suite.name, (InlineKey(key.material, key.lifetime, mki),))


def parse_crypto_attribute(value: str) -> CryptoAttribute:
    """§9.2. Raises `RemoteProtocolError` if the line is malformed or invalid, without repeating what is in it."""
    if len(value) > MAX_VALUE:
        raise RemoteProtocolError("a crypto line is too long")
    fields = value.split()
    if len(fields) < 3:
        raise RemoteProtocolError("a crypto line lacks its tag, suite or key")
    tag, suite_name, key_parameters, *session_parameters = fields
    if not _TAG.fullmatch(tag):
        raise RemoteProtocolError("a crypto line's tag is not a number of one to nine digits")
    if not _SUITE_NAME.fullmatch(suite_name):
        raise RemoteProtocolError("a crypto line's suite is not a name")
    parts = key_parameters.split(";")
    if len(parts) > MAX_KEYS:
        raise RemoteProtocolError("a crypto line has too many keys")
    keys = tuple(_inline_key(part) for part in parts)
    names: set[str] = set()
    for parameter in session_parameters:
        name = _check_session_parameter(parameter)
        if name in names:
            raise RemoteProtocolError("a crypto line repeats a session parameter")
        names.add(name)
    return CryptoAttribute(int(tag), suite_name, keys, tuple(session_parameters))


def _inline_key(part: str) -> InlineKey:
    method, colon, info = part.partition(":")
    if method != "inline" or not colon:
        raise RemoteProtocolError("a crypto line has a key method other than inline")
    encoded, *suffixes = info.split("|")
    lifetime: int | None = None
    mki: MasterKeyIdentifier | None = None
    if len(suffixes) > 2:
        raise RemoteProtocolError("a crypto line's key has too many parts")
    for index, suffix in enumerate(suffixes):
        if ":" in suffix and mki is None:
            mki = _mki(suffix)
        elif index == 0:
            lifetime = _lifetime(suffix)
        else:
            raise RemoteProtocolError("a crypto line's key has a part that is neither lifetime nor MKI")
    return InlineKey(SecretBytes(_decode(encoded)), lifetime, mki)


def _decode(encoded: str) -> bytes:
    """Strict base64 of RFC 4648 §4: no stray characters, unused bits zero, padding whole or left out altogether.

    rtpengine leaves it out unless it is told otherwise; only the keys of the GCM suites have a length that needs it.
    """
    if not encoded.endswith("="):
        encoded += "=" * (-len(encoded) % 4)
    if not _BASE64.fullmatch(encoded):
        raise RemoteProtocolError("a crypto line's key is not base64")
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        # The cause is cut off: no traceback of ours may lead to the text of a key.
        raise RemoteProtocolError("a crypto line's key is not base64") from None
    if base64.b64encode(decoded).decode() != encoded:
        raise RemoteProtocolError("a crypto line's key is not canonical base64")
    return decoded


def _lifetime(text: str) -> int:
    """§6.1: `2^n` or a decimal number of packets."""
    power = _POWER.fullmatch(text)
    if power is not None:
        lifetime = 1 << int(power.group(1))
    elif _DECIMAL.fullmatch(text):
        lifetime = int(text)
    else:
        raise RemoteProtocolError("a crypto line's key lifetime is not a number")
    if not 0 < lifetime <= MAX_LIFETIME:
        raise RemoteProtocolError("a crypto line's key lifetime is out of range")
    return lifetime


def _mki(text: str) -> MasterKeyIdentifier:
    match = _MKI.fullmatch(text)
    if match is None:
        raise RemoteProtocolError("a crypto line's MKI is not of the form value:length")
    value, length = int(match.group(1)), int(match.group(2))
    if not 1 <= length <= 128 or value >= 256**length:
        raise RemoteProtocolError("a crypto line's MKI is out of range")
    return MasterKeyIdentifier(value, length)


def _key_parameter(key: InlineKey) -> str:
    text = "inline:" + base64.b64encode(key.material.reveal()).decode()
    if key.lifetime is not None:
        power = key.lifetime.bit_length() - 1
        text += f"|2^{power}" if key.lifetime == 2**power else f"|{key.lifetime}"
    if key.mki is not None:
        text += f"|{key.mki.value}:{key.mki.length}"
    return text


# Session parameters (§6.3): grammar of the value, and why a line with it cannot be used (None: it can).


@dataclass(frozen=True, slots=True)
class _SessionParameter:
    grammar: re.Pattern[str]  # of the whole parameter, without a leading "-"
    reason: Callable[[str], str | None]  # given the value


def _always(reason: str | None) -> Callable[[str], str | None]:
    return lambda _value: reason


def _fec_order_reason(value: str) -> str | None:
    """§6.3.5: FEC_SRTP is the default, and without a FEC stream it says nothing about ours."""
    return None if value == "FEC_SRTP" else "FEC over SRTP packets (FEC_ORDER) is not supported"


_SESSION_PARAMETERS: dict[str, _SessionParameter] = {
    "KDR": _SessionParameter(
        re.compile(r"KDR=([1-9]|1[0-9]|2[0-4])"), _always("repeated key derivation (KDR) is not supported")
    ),
    "UNENCRYPTED_SRTP": _SessionParameter(
        re.compile(r"UNENCRYPTED_SRTP"), _always("it asks for SRTP without encryption (UNENCRYPTED_SRTP)")
    ),
    "UNENCRYPTED_SRTCP": _SessionParameter(
        re.compile(r"UNENCRYPTED_SRTCP"), _always("it asks for SRTCP without encryption (UNENCRYPTED_SRTCP)")
    ),
    "UNAUTHENTICATED_SRTP": _SessionParameter(
        re.compile(r"UNAUTHENTICATED_SRTP"), _always("it asks for SRTP without authentication (UNAUTHENTICATED_SRTP)")
    ),
    "FEC_ORDER": _SessionParameter(re.compile(r"FEC_ORDER=(FEC_SRTP|SRTP_FEC)"), _fec_order_reason),
    "FEC_KEY": _SessionParameter(
        re.compile(r"FEC_KEY=([!-~]+)"), _always("a key of its own for FEC (FEC_KEY) is not supported")
    ),
    "WSH": _SessionParameter(re.compile(r"WSH=(6[4-9]|[7-9][0-9]|[1-9][0-9]{2,5})"), _always(None)),
}


def _check_session_parameter(parameter: str) -> str:
    """The parameter's name. §6.3.7: an unknown one without a leading "-" makes the line invalid."""
    if not _VISIBLE.fullmatch(parameter):
        raise RemoteProtocolError("a crypto line has a session parameter with unprintable characters")
    plain = parameter.removeprefix("-")
    name = plain.partition("=")[0]
    known = _SESSION_PARAMETERS.get(name)
    if known is None:
        if plain == parameter or plain.startswith("-") or not plain:
            raise RemoteProtocolError("a crypto line has an unknown session parameter that must be understood")
        return parameter.partition("=")[0]
    if not known.grammar.fullmatch(plain):
        raise RemoteProtocolError(f"a crypto line's {name} has a wrong value")
    return name


def _parameter_reason(parameter: str) -> str | None:
    # "-KDR=…" may be ignored by those who do not know it; we know it.
    name, _, value = parameter.removeprefix("-").partition("=")
    known = _SESSION_PARAMETERS.get(name)
    return None if known is None else known.reason(value)
