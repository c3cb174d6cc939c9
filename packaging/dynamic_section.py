"""What an ELF file asks of the dynamic loader: read, and rid of search paths of the machine it was built on.

Owns: DT_NEEDED and DT_RPATH/DT_RUNPATH of 64-bit little-endian ELF files (System V ABI, "Dynamic Linking"). patchelf
does this too, and moves whole sections to do it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"\x7fELF\x02\x01"  # 64 bits, least octet first
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_ENTRY = struct.Struct("<qQ")
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 15, 29


@dataclass(frozen=True, slots=True)
class DynamicSection:
    """`offset` and `entries` (tag, value) as they stand in the file; `needed` and `search_path` as text."""

    offset: int
    entries: tuple[tuple[int, int], ...]
    needed: tuple[str, ...]
    search_path: tuple[str, ...]  # of RPATH and RUNPATH, split at colons


def read(path: Path) -> DynamicSection | None:
    """None for anything that is not such a file or has no dynamic section."""
    octets = path.read_bytes()
    if not octets.startswith(_MAGIC):
        return None
    headers = tuple(_program_headers(octets))
    dynamic = next((header for header in headers if header[0] == _PT_DYNAMIC), None)
    if dynamic is None:
        return None
    _, _, offset, _, _, size, _, _ = dynamic
    entries = tuple(_entries(octets[offset : offset + size]))
    strings = next((_in_file(headers, value) for tag, value in entries if tag == _DT_STRTAB), 0)

    def text(value: int) -> str:
        start = strings + value
        return octets[start : octets.index(b"\0", start)].decode()

    paths = [text(value) for tag, value in entries if tag in (_DT_RPATH, _DT_RUNPATH)]
    return DynamicSection(
        offset,
        entries,
        needed=tuple(text(value) for tag, value in entries if tag == _DT_NEEDED),
        search_path=tuple(folder for path in paths for folder in path.split(":") if folder),
    )


def remove_foreign_search_path(path: Path) -> bool:
    """Take RPATH and RUNPATH out if they name a folder outside the file's own ($ORIGIN). Says whether it did."""
    section = read(path)
    if section is None or all(folder.startswith("$ORIGIN") for folder in section.search_path):
        return False
    kept = [entry for entry in section.entries if entry[0] not in (_DT_RPATH, _DT_RUNPATH)]
    kept += [(_DT_NULL, 0)] * (len(section.entries) - len(kept))
    with path.open("r+b") as file:
        file.seek(section.offset)
        file.write(b"".join(_ENTRY.pack(*entry) for entry in kept))
    return True


def _program_headers(octets: bytes) -> Iterator[tuple[int, ...]]:
    """(type, flags, offset, virtual address, physical address, size in file, size in memory, alignment)."""
    (start,) = struct.unpack_from("<Q", octets, 32)
    size, count = struct.unpack_from("<HH", octets, 54)
    for index in range(count):
        yield _PROGRAM_HEADER.unpack_from(octets, start + index * size)


def _entries(octets: bytes) -> Iterator[tuple[int, int]]:
    for tag, value in _ENTRY.iter_unpack(octets):
        if tag == _DT_NULL:
            return
        yield tag, value


def _in_file(headers: tuple[tuple[int, ...], ...], address: int) -> int:
    for kind, _, offset, start, _, size, _, _ in headers:
        if kind == _PT_LOAD and start <= address < start + size:
            return offset + address - start
    msg = f"no segment holds the address {address:#x}"
    raise ValueError(msg)
