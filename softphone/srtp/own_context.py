"""SRTP and SRTCP contexts of our own, for what libsrtp's binding has not: AES_256_CM, MKIs, several master keys.

Owns: the streams under one set of keys, their indices, the place of the MKI (RFC 3711 §3, RFC 6188, RFC 7714). All
suites are built, so that each can be checked against the RFCs' vectors and against libsrtp. Used by one thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.srtp.key_lifetime import KeyUse
from softphone.srtp.limits import MAX_PROTECTED_LENGTH, MAX_RTCP_LENGTH, MAX_RTP_LENGTH, MAX_SSRCS
from softphone.srtp.master_key import SrtpKey
from softphone.srtp.replay import ReplayWindow
from softphone.srtp.transforms import RTCP_HEADER, AuthenticationFailed, transform

_RTP_HEADER = 12
_VERSION = 0x80  # 2 in the first two bits, of RTP and RTCP alike
_INDEX = (1 << 31) - 1


class _Master:
    """One master key at work."""

    def __init__(self, key: SrtpKey) -> None:
        self.transform = transform(key.suite, key.material)
        self.use = KeyUse(key.lifetime)


class OwnSrtpSender:
    """Protects what we send under one master key. Never build a second one for the same key (two-time pad)."""

    def __init__(self, key: SrtpKey) -> None:
        """Raises LocalProtocolError unless the material's length is the suite's."""
        self._master = _Master(key)
        self._mki = key.mki
        # Where the MKI stands: before the tag, and in AEAD suites, whose tag is the ciphertext's end, behind it all.
        self._rtp_tag = 0 if key.suite.is_aead else key.suite.srtp_tag_length
        self._rtcp_tag = 0 if key.suite.is_aead else key.suite.srtcp_tag_length
        self._streams: dict[bytes, ReplayWindow] = {}
        self._rtcp_index = 0

    @property
    def aging(self) -> bool:
        return self._master.use.aging

    def protect_rtp(self, packet: bytes) -> bytes:
        """SRTP of an RTP packet of at most MAX_RTP_LENGTH octets (RFC 3711 §3.1).

        Raises LocalProtocolError if the packet is too long, is no RTP or repeats a sequence number, and
        KeyLifetimeEnded.
        """
        if len(packet) > MAX_RTP_LENGTH:
            raise LocalProtocolError("RTP packet too long to protect")
        stream = self._streams.setdefault(packet[8:12], ReplayWindow())
        try:
            header = rtp_header_length(packet)
            index = stream.index_of(int.from_bytes(packet[2:4], "big"))
            stream.check(index)
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"SRTP protection failed: {error}") from None
        self._master.use.count_rtp()
        stream.note(index)
        return _with_mki(self._master.transform.seal_rtp(packet, header, index), self._mki, self._rtp_tag)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """SRTCP, encrypted, of a compound packet of at most MAX_RTCP_LENGTH octets (RFC 3711 §3.4).

        Raises LocalProtocolError if the packet is too long or no RTCP, and KeyLifetimeEnded.
        """
        if len(packet) > MAX_RTCP_LENGTH:
            raise LocalProtocolError("RTCP packet too long to protect")
        if len(packet) < RTCP_HEADER:
            raise LocalProtocolError("SRTCP protection failed: no RTCP packet")
        self._master.use.count_rtcp()
        self._rtcp_index += 1  # libsrtp begins with 1, too; KeyUse ends before it could exceed 31 bits
        sealed = self._master.transform.seal_rtcp(packet, self._rtcp_index & _INDEX)
        return _with_mki(sealed, self._mki, self._rtcp_tag)


class OwnSrtpReceiver:
    """Checks and opens what the peer sends under one master key, or under several that MKIs tell apart.

    The roll-over counter and the replay list of a stream go on when the peer changes to another of these keys
    (RFC 3711 §3.2.1: they belong to the context, not to the key).
    """

    def __init__(self, keys: Sequence[SrtpKey]) -> None:
        """Keys of one suite, with MKIs of one length. Raises LocalProtocolError otherwise."""
        suite, mki_length = keys[0].suite, len(keys[0].mki)
        self._masters = {key.mki: _Master(key) for key in keys}
        if any(key.suite != suite or len(key.mki) != mki_length for key in keys) or len(self._masters) != len(keys):
            raise LocalProtocolError("several SRTP keys of one stream need one suite and distinct MKIs of one length")
        self._mki_length = mki_length
        self._rtp_tag = 0 if suite.is_aead else suite.srtp_tag_length
        self._rtcp_tag = 0 if suite.is_aead else suite.srtcp_tag_length
        self._shortest_rtp = _RTP_HEADER + suite.srtp_tag_length + mki_length
        self._shortest_rtcp = RTCP_HEADER + 4 + suite.srtcp_tag_length + mki_length
        self._rtp_streams: dict[bytes, ReplayWindow] = {}
        self._rtcp_streams: dict[bytes, ReplayWindow] = {}

    @property
    def aging(self) -> bool:
        """No key is left that is young."""
        return all(master.use.aging for master in self._masters.values())

    def unprotect_rtp(self, packet: bytes) -> bytes:
        """The authentic RTP packet inside (RFC 3711 §3.3).

        Raises AuthenticationFailed, Replayed, RemoteProtocolError for what cannot be SRTP or opens too many streams,
        and KeyLifetimeEnded.
        """
        if not self._shortest_rtp <= len(packet) <= MAX_PROTECTED_LENGTH:
            raise RemoteProtocolError("SRTP packet too short or too long")
        mki, packet = _without_mki(packet, self._mki_length, self._rtp_tag)
        header = rtp_header_length(packet)
        if header + self._shortest_rtp - _RTP_HEADER - self._mki_length > len(packet):
            raise RemoteProtocolError("SRTP packet too short for its header")
        stream = self._stream(self._rtp_streams, packet[8:12])
        index = stream.index_of(int.from_bytes(packet[2:4], "big"))
        stream.check(index)
        master = self._master(mki)
        opened = master.transform.open_rtp(packet, header, index)
        master.use.count_rtp()
        stream.note(index)
        self._rtp_streams[packet[8:12]] = stream
        return opened

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """The authentic compound RTCP packet inside (RFC 3711 §3.4).

        Raises as `unprotect_rtp` does, and RemoteProtocolError for SRTCP that is authentic but was not encrypted.
        """
        if not self._shortest_rtcp <= len(packet) <= MAX_PROTECTED_LENGTH:
            raise RemoteProtocolError("SRTCP packet too short or too long")
        if packet[0] & 0xC0 != _VERSION:
            raise RemoteProtocolError("not RTCP")
        mki, packet = _without_mki(packet, self._mki_length, self._rtcp_tag)
        stream = self._stream(self._rtcp_streams, packet[4:8])
        master = self._master(mki)
        index = master.transform.srtcp_word(packet) & _INDEX
        stream.check(index)
        opened = master.transform.open_rtcp(packet, index)
        master.use.count_rtcp()
        stream.note(index)
        self._rtcp_streams[packet[4:8]] = stream
        return opened

    def _stream(self, streams: dict[bytes, ReplayWindow], ssrc: bytes) -> ReplayWindow:
        """Kept only once a packet has authenticated: what a stranger makes up costs nothing."""
        known = streams.get(ssrc)
        if known is None and len(streams) >= MAX_SSRCS:
            raise RemoteProtocolError("too many SRTP streams under one key")
        return known or ReplayWindow()

    def _master(self, mki: bytes) -> _Master:
        master = self._masters.get(mki)
        if master is None:
            raise AuthenticationFailed("SRTP: no key has this MKI")
        return master


def rtp_header_length(packet: bytes) -> int:
    """With CSRCs and extension (RFC 3550 §5.1, §5.3.1). Raises RemoteProtocolError for what is no RTP."""
    if len(packet) < _RTP_HEADER or packet[0] & 0xC0 != _VERSION:
        raise RemoteProtocolError("not RTP")
    length = _RTP_HEADER + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        length += 4 + 4 * int.from_bytes(packet[length + 2 : length + 4], "big")
    if length > len(packet):
        raise RemoteProtocolError("an RTP header longer than its packet")
    return length


def _with_mki(sealed: bytes, mki: bytes, tag: int) -> bytes:
    """RFC 3711 §3.1: it is not authenticated itself."""
    return sealed[: len(sealed) - tag] + mki + sealed[len(sealed) - tag :] if mki else sealed


def _without_mki(packet: bytes, length: int, tag: int) -> tuple[bytes, bytes]:
    if not length:
        return b"", packet
    end = len(packet) - tag
    return packet[end - length : end], packet[: end - length] + packet[end:]
