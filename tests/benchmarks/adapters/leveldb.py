"""The log format of LevelDB, in which wandb and swanlab keep offline runs: only what checking them needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["read_records"]

FILE_HEADER = 7
RECORD_HEADER = 7
BLOCK = 32_768
FULL, LAST = 1, 4


def read_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a log file (https://github.com/google/leveldb/blob/main/doc/log_format.md)."""
    raw = path.read_bytes()
    at, record = FILE_HEADER, b""
    while at + RECORD_HEADER <= len(raw):
        left = BLOCK - at % BLOCK
        if left < RECORD_HEADER:
            at += left
            continue
        length, kind = int.from_bytes(raw[at + 4 : at + 6], "little"), raw[at + 6]
        at += RECORD_HEADER
        record += raw[at : at + length]
        at += length
        if kind in {FULL, LAST}:
            yield record
            record = b""
