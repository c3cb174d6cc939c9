"""The file of a recording: what is written comes back; nothing else does, and a missing end is known."""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from softphone.engine.recording.sealed_file import (
    HEADER_OCTETS,
    MAX_RECORD,
    CutOff,
    Damaged,
    NotARecording,
    Record,
    RecordKind,
    SealedReader,
    SealedWriter,
    WrongKey,
    has_end,
    key_id,
)
from softphone.policy.secret import SecretBytes

KEY = SecretBytes(bytes(range(32)))
OTHER_KEY = SecretBytes(bytes(range(1, 33)))
ABOUT = Record(RecordKind.ABOUT, b'{"a": 1}')
END = Record(RecordKind.END, b'{"samples": 3}')

bodies = st.lists(
    st.builds(Record, st.sampled_from((RecordKind.SOUND, RecordKind.PATCH)), st.binary(max_size=300)), max_size=6
)


def counted() -> Callable[[int], bytes]:
    """Randomness of a test: each call another, always the same."""
    numbers = itertools.count(1)
    return lambda length: bytes((next(numbers),)) * length


def sealed(records: list[Record], *, key: SecretBytes = KEY, ended: bool = True) -> bytes:
    out = io.BytesIO()
    writer = SealedWriter(out, key, counted())
    for record in (ABOUT, *records, *((END,) if ended else ())):
        writer.write(record.kind, record.body)
    return out.getvalue()


def opened(octets: bytes, key: SecretBytes | None = KEY) -> tuple[list[Record], type[Exception] | None]:
    """What is authentic, and how the reading ended."""
    found: list[Record] = []
    try:
        found.extend(SealedReader(io.BytesIO(octets), key))  # extend keeps what came before the exception
    except (Damaged, CutOff, NotARecording, WrongKey) as error:
        return found, type(error)
    return found, None


def frames(octets: bytes) -> list[bytes]:
    """The records as they lie in the file."""
    found, at = [], HEADER_OCTETS
    while at < len(octets):
        (length,) = struct.unpack_from(">I", octets, at + 1)
        found.append(octets[at : at + 5 + length])
        at += 5 + length
    return found


@given(bodies)
def test_what_is_written_comes_back(records: list[Record]) -> None:
    assert opened(sealed(records)) == ([ABOUT, *records, END], None)


@given(bodies, st.data())
def test_a_changed_octet_is_found_and_nothing_after_it_is_given_out(records: list[Record], data: st.DataObject) -> None:
    octets = bytearray(sealed(records))
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))

    found, how = opened(bytes(octets))

    assert how is not None
    assert found == [ABOUT, *records, END][: len(found)]
    position = HEADER_OCTETS
    before = 0
    for frame in frames(sealed(records)):
        if at >= position + len(frame):
            before += 1
        position += len(frame)
    assert len(found) == (before if at >= HEADER_OCTETS else 0)


@given(bodies, st.data())
def test_a_file_that_was_cut_off_gives_all_whole_records_and_says_so(
    records: list[Record], data: st.DataObject
) -> None:
    octets = sealed(records)
    cut = octets[: data.draw(st.integers(0, len(octets) - 1))]

    found, how = opened(cut)

    assert how is CutOff
    whole = sum(
        len(cut) >= end for end in itertools.accumulate([len(f) for f in frames(octets)], initial=HEADER_OCTETS)
    )
    assert found == [ABOUT, *records, END][: max(0, whole - 1)]
    assert not has_end(io.BytesIO(cut))


@given(bodies.filter(lambda records: len(records) > 1), st.data())
def test_records_that_were_moved_left_out_or_repeated_are_found(records: list[Record], data: st.DataObject) -> None:
    octets = sealed(records)
    parts = frames(octets)
    one = data.draw(st.integers(0, len(parts) - 1))
    other = data.draw(st.integers(0, len(parts) - 1).filter(lambda n: n != one))
    swapped = list(parts)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    for changed in (swapped, parts[:one] + parts[one + 1 :], parts[: one + 1] + parts[one:]):
        found, how = opened(octets[:HEADER_OCTETS] + b"".join(changed))
        assert how is not None
        assert found == [ABOUT, *records, END][: len(found)]
        assert len(found) <= len(records) + 2


@given(bodies)
def test_another_key_and_no_key_open_nothing(records: list[Record]) -> None:
    octets = sealed(records)

    assert opened(octets, OTHER_KEY) == ([], WrongKey)
    assert opened(octets, None) == ([], WrongKey)


def test_a_record_of_another_file_under_the_same_key_is_not_taken() -> None:
    other = io.BytesIO()
    writer = SealedWriter(other, KEY, lambda length: b"\x77" * length)
    for record in (ABOUT, Record(RecordKind.SOUND, b"of another call"), END):
        writer.write(record.kind, record.body)
    octets = sealed([Record(RecordKind.SOUND, b"of this call")])
    mixed = octets[:HEADER_OCTETS] + frames(octets)[0] + frames(other.getvalue())[1] + frames(octets)[2]

    assert opened(mixed) == ([ABOUT], Damaged)


def test_a_last_record_in_the_middle_and_octets_behind_the_end_are_found() -> None:
    octets = sealed([Record(RecordKind.SOUND, b"x")])

    assert opened(octets + b"\0")[1] is Damaged
    assert opened(octets + frames(octets)[-1])[1] is Damaged
    unmarked = bytearray(octets)
    unmarked[len(octets) - len(frames(octets)[-1])] = 0  # the end no longer called the last
    assert opened(bytes(unmarked)) == ([ABOUT, Record(RecordKind.SOUND, b"x")], Damaged)


@given(st.binary(max_size=400))
def test_any_octets_are_refused(octets: bytes) -> None:
    assert opened(octets)[1] is not None
    assert opened(sealed([])[:HEADER_OCTETS] + octets)[1] in (Damaged, CutOff)


def test_a_length_that_nobody_wrote_takes_no_memory() -> None:
    octets = sealed([])[:HEADER_OCTETS] + struct.pack(">BI", 0, 2**32 - 1) + bytes(100)

    assert opened(octets) == ([], Damaged)


@given(bodies, st.booleans())
def test_the_first_and_the_latest_record_are_found_without_the_others(records: list[Record], ended: bool) -> None:
    octets = sealed(records, ended=ended)
    everything = [ABOUT, *records, *((END,) if ended else ())]

    first, latest, whole = SealedReader(io.BytesIO(octets), KEY).first_and_latest()

    assert (first, latest, whole) == (ABOUT, everything[-1], ended)
    assert has_end(io.BytesIO(octets)) is ended


def test_nothing_of_what_is_inside_can_be_seen_and_no_key_nonce_pair_comes_twice() -> None:
    secret = b"sip:bob@example.org"
    first = sealed([Record(RecordKind.SOUND, secret * 3)])
    out = io.BytesIO()
    writer = SealedWriter(out, KEY, lambda length: b"\x55" * length)
    writer.write(ABOUT.kind, ABOUT.body)

    assert secret not in first
    assert KEY.reveal() not in first
    assert first[8 + 16 : HEADER_OCTETS] != out.getvalue()[8 + 16 : HEADER_OCTETS]


def test_a_record_beyond_the_limit_or_after_the_end_is_an_error_of_ours() -> None:
    writer = SealedWriter(io.BytesIO(), KEY, counted())
    writer.write(RecordKind.ABOUT, bytes(MAX_RECORD - 1))
    with pytest.raises(ValueError, match="does not fit"):
        writer.write(RecordKind.SOUND, bytes(MAX_RECORD))
    writer.write(RecordKind.END, b"")
    with pytest.raises(ValueError, match="does not fit"):
        writer.write(RecordKind.SOUND, b"")


def test_the_format_is_the_one_that_the_security_page_describes() -> None:
    """A decryptor written from docs/security.md alone, and the octets of a whole file as a vector."""
    octets = sealed([Record(RecordKind.SOUND, (7).to_bytes(8, "big") + b"sound")])
    magic, made_with, nonce, wrapped, prefix = struct.unpack_from(">8s16s12s48s7s", octets)
    file_key = AESGCM(KEY.reveal()).decrypt(nonce, wrapped, magic + made_with)
    at, number, plain = 91, 0, []
    while at < len(octets):
        last, length = struct.unpack_from(">BI", octets, at)
        chunk_nonce = prefix + number.to_bytes(4, "big") + bytes((last,))
        plain.append(AESGCM(file_key).decrypt(chunk_nonce, octets[at + 5 : at + 5 + length], octets[:91]))
        at, number = at + 5 + length, number + 1

    assert magic == b"SOFTREC\x01"
    assert made_with == key_id(KEY)
    assert plain == [b'\0{"a": 1}', b"\x01" + (7).to_bytes(8, "big") + b"sound", b'\x03{"samples": 3}']
    assert octets.hex() == VECTOR


VECTOR = (
    "534f465452454301ac11115ad36a431973298580e9317a190202020202020202020202029a2918bab8d8305aca84a3f93278"
    "db121de8ae6d955579f0435fd002766a48c316c45db903620da3710ec92854928d22030303030303030000000019980cf2d6"
    "22ae5534331e0d6b598c9338381703a142a30f2e95000000001e397dfaa099c00e392a7da0b1128dddb31244abf9a919a34f"
    "6c94b0b961a9010000001f44de69452d03134a7041bbb1766b092a7c3cf496535dc67d5c806366ea2f9a"
)
