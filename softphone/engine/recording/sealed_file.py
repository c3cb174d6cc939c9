"""The file of a recording: records that are encrypted and authenticated one by one, in order, to the last.

Owns: the format (docs/security.md "Recordings" describes it for whoever writes a decryptor). Must not know: sound,
calls, keyrings.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", CRYPTO 2015): AES-256-GCM per record, the nonce being a random prefix, the record's number and
whether it is the last. So no record can be changed, left out, repeated, moved or taken from another file, and a file
that was cut off is known by its missing end. Each file has a random key of its own, encrypted with the master key.
"""

from __future__ import annotations

import enum
import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from softphone.policy.secret import SecretBytes

MAGIC = b"SOFTREC\x01"
"""The last octet is the version."""
KEY_ID_OCTETS, WRAP_NONCE_OCTETS, KEY_OCTETS, TAG_OCTETS, PREFIX_OCTETS = 16, 12, 32, 16, 7
_HEADER = struct.Struct(f">8s{KEY_ID_OCTETS}s{WRAP_NONCE_OCTETS}s{KEY_OCTETS + TAG_OCTETS}s{PREFIX_OCTETS}s")
_FRAME = struct.Struct(">BI")  # 1 if it is the last record; octets of ciphertext and tag that follow
_NONCE = struct.Struct(f">{PREFIX_OCTETS}sIB")
HEADER_OCTETS = _HEADER.size
MAX_RECORD = 64 * 1024
"""Octets of one record's plaintext, its kind included."""
MAX_RECORDS = 2**32 - 1
_KEY_ID_LABEL = b"softphone recording key"


class RecordKind(enum.IntEnum):
    """The first octet of a record's plaintext."""

    ABOUT = 0  # JSON: what was recorded; always the first record
    SOUND = 1  # samples held so far (8 octets), then the next octets of the sound file
    PATCH = 2  # position (8 octets), then octets that replace those written there
    END = 3  # JSON: how it ended; always the last record


@dataclass(frozen=True, slots=True)
class Record:
    kind: RecordKind
    body: bytes


class NotARecording(Exception):
    """The file does not begin like one, or is of a version that is not known."""


class WrongKey(Exception):
    """It was made with another master key; nothing of it can be read."""


class Damaged(Exception):
    """A record is not what was written there. What came before it is authentic."""


class CutOff(Exception):
    """The file ends without its last record. What is there is authentic."""


def key_id(master: SecretBytes) -> bytes:
    """Tells keys apart and says nothing of them."""
    return hashlib.sha256(_KEY_ID_LABEL + master.reveal()).digest()[:KEY_ID_OCTETS]


def has_end(file: BinaryIO) -> bool:
    """Whether a last record seems to be there: by the frames alone, which say nothing of authenticity."""
    position, size = HEADER_OCTETS, file.seek(0, 2)
    while position + _FRAME.size <= size:
        file.seek(position)
        last, length = _FRAME.unpack(file.read(_FRAME.size))
        position += _FRAME.size + length
        if last:
            return bool(position <= size)
    return False


class SealedWriter:
    """Writes the header at once, then each record in one write. Raises OSError where the disk refuses."""

    def __init__(self, file: BinaryIO, master: SecretBytes, token_bytes: Callable[[int], bytes]) -> None:
        self._file = file
        key, nonce, prefix = token_bytes(KEY_OCTETS), token_bytes(WRAP_NONCE_OCTETS), token_bytes(PREFIX_OCTETS)
        opening = MAGIC + key_id(master)
        wrapped = AESGCM(master.reveal()).encrypt(nonce, key, opening)
        self._header = _HEADER.pack(MAGIC, key_id(master), nonce, wrapped, prefix)
        self._cipher, self._prefix = AESGCM(key), prefix
        self._number = 0
        self._ended = False
        file.write(self._header)

    def write(self, kind: RecordKind, body: bytes) -> None:
        """`END` closes the sequence: nothing can follow."""
        if self._ended or len(body) + 1 > MAX_RECORD or self._number >= MAX_RECORDS:
            raise ValueError("the record does not fit into the recording")
        last = kind is RecordKind.END
        sealed = self._cipher.encrypt(
            _NONCE.pack(self._prefix, self._number, last), bytes((kind,)) + body, self._header
        )
        self._file.write(_FRAME.pack(last, len(sealed)) + sealed)
        self._number += 1
        self._ended = last


class SealedReader:
    """Reads records in order and nothing that is not authentic. Memory: one record."""

    def __init__(self, file: BinaryIO, master: SecretBytes | None) -> None:
        """Raises NotARecording, CutOff (no whole header), WrongKey (also without a key)."""
        self._file = file
        self._header = file.read(HEADER_OCTETS)
        if not MAGIC.startswith(self._header[: len(MAGIC)]):
            raise NotARecording
        if len(self._header) < HEADER_OCTETS:
            raise CutOff
        _, made_with, nonce, wrapped, self._prefix = _HEADER.unpack(self._header)
        if master is None or made_with != key_id(master):
            raise WrongKey
        try:
            key = AESGCM(master.reveal()).decrypt(nonce, wrapped, MAGIC + made_with)
        except InvalidTag as error:
            raise Damaged from error
        self._cipher = AESGCM(key)
        self._number = 0

    def __iter__(self) -> Iterator[Record]:
        """To the last record. Raises Damaged, CutOff where the authentic part ends."""
        while True:
            last, record = self._next()
            yield record
            if last:
                if self._file.read(1):
                    raise Damaged  # something was put behind the end
                return

    def first_and_latest(self) -> tuple[Record, Record, bool]:
        """The first record, the latest whole one, and whether that is the last: without reading what is between.

        Raises Damaged, CutOff (not even one record).
        """
        _, first = self._next()
        latest: tuple[int, int, int] | None = None  # number, last, position
        number, position, size = self._number, self._file.tell(), self._file.seek(0, 2)
        while position + _FRAME.size <= size and number <= MAX_RECORDS:
            self._file.seek(position)
            last, length = self._frame()
            if position + _FRAME.size + length > size:
                break
            latest = (number, last, position)
            number, position = number + 1, position + _FRAME.size + length
            if last:
                break
        if latest is None:
            return first, first, False
        self._number = latest[0]
        self._file.seek(latest[2])
        whole, record = self._next()
        if whole and position != size:
            raise Damaged
        return first, record, whole

    def _frame(self) -> tuple[int, int]:
        head = self._file.read(_FRAME.size)
        if len(head) < _FRAME.size:
            raise CutOff
        last, length = _FRAME.unpack(head)
        if last > 1 or not TAG_OCTETS < length <= MAX_RECORD + TAG_OCTETS:
            raise Damaged
        return last, length

    def _next(self) -> tuple[bool, Record]:
        last, length = self._frame()
        sealed = self._file.read(length)
        if len(sealed) < length:
            raise CutOff
        if self._number > MAX_RECORDS:
            raise Damaged
        try:
            plain = self._cipher.decrypt(_NONCE.pack(self._prefix, self._number, last), sealed, self._header)
            record = Record(RecordKind(plain[0]), plain[1:])
        except (InvalidTag, ValueError) as error:
            raise Damaged from error
        if (record.kind is RecordKind.ABOUT) is not (self._number == 0) or (record.kind is RecordKind.END) is not bool(
            last
        ):
            raise Damaged
        self._number += 1
        return bool(last), record
