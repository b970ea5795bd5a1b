"""Requests that are refused: what is bad about them, how they are sent, and what is told of them."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import attrs

__all__ = [
    "BATCH",
    "BLOB",
    "BODY",
    "GONE",
    "KINDS",
    "MIB",
    "PACKED",
    "Answer",
    "Bad",
    "Door",
    "Never",
    "Table",
    "bomb",
    "damaged",
    "filled",
    "lies",
    "no_json",
]

MIB = 2**20
BODY = f"the body is larger than {16 * MIB} bytes"
BATCH = f"the body is larger than {128 * MIB} bytes"
BLOB = f"the body is larger than {16 * 2**30} bytes"
"""What is told of bodies beyond each of the server's bounds."""

GONE = 0
"""The status of a request that nobody waits for: the connection ends without an answer."""

KINDS = (
    "no key",
    "wrong key",
    "revoked key",
    "expired key",
    "key of another run",
    "unknown id",
    "unknown address",
    "wrong method",
    "wrong type",
    "missing field",
    "limit exceeded",
    "body too large",
    "malformed body",
    "wrong media type",
    "gzip bomb",
    "damaged gzip",
    "content length that lies",
    "name that leads elsewhere",
    "file in parts",
)
"""What can be bad about a request."""


@attrs.frozen
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8")

    @property
    def document(self) -> Any:
        """The body as JSON."""
        assert self.headers["content-type"] == "application/json", self.text
        return json.loads(self.body)


@attrs.frozen
class Bad:
    """A request that is refused.

    Attributes:
        path: As it is sent; ``$run`` and ``$other`` are the cuids of two runs, here and in the body.
        told: Words that the sentence must have: what was wrong, where, and what would be right.
        who: Whose key it carries; ``None`` for none.
        json: The body, to be written as JSON.
        data: The body, in place of ``json``.
        declared: What the header says of the body's length, in place of the truth; nothing more is sent.
    """

    name: str
    method: str
    path: str
    told: tuple[str, ...]
    status: int = 400
    json: Any = None
    data: bytes | None = None
    headers: dict[str, str] = attrs.field(factory=dict)
    who: str | None = "owner"
    declared: int | None = None

    def body(self, names: dict[str, str]) -> bytes:
        """Return the body with its names filled in."""
        if self.data is not None:
            return self.data
        return b"" if self.json is None else filled(json.dumps(self.json), names).encode()


def filled(text: str, names: dict[str, str]) -> str:
    """Put names where they are meant."""
    for name, value in names.items():
        text = text.replace(f"${name}", value)
    return text


@attrs.frozen
class Never:
    """A kind of badness that a protocol cannot meet."""

    why: str


Table: TypeAlias = "dict[str, tuple[Bad, ...] | Never]"


@attrs.frozen
class Door:
    """A protocol: its table, and how it tells of a refusal.

    Attributes:
        sentence: Checks the form of a refusal, and returns its sentence.
        credential: Makes the headers that carry a key.
    """

    name: str
    table: Table
    sentence: Callable[[Answer], str]
    credential: Callable[[str], dict[str, str]]


@lru_cache(maxsize=4)
def bomb(size: int, *, wbits: int = 31) -> bytes:
    """Pack ``size`` spaces, a thousandth as many bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH)  # which stands for itself, wherever it is
    packed = piece * (size // MIB) + packer.flush()
    if wbits < 0:
        return packed
    checksum = 0
    for _ in range(size // MIB):
        checksum = zlib.crc32(b" " * MIB, checksum)
    return gzip.compress(b"", mtime=0)[:10] + packed + struct.pack("<II", checksum, size)


PACKED = {"Content-Encoding": "gzip"}
DAMAGED = {
    "no gzip": (b"{}", "gzip"),
    "cut off": (gzip.compress(b" " * 5000)[:-10], "cut off"),
    "bytes after its end": (gzip.compress(b"{}") + b"x", "after its end"),
}


def damaged(method: str, path: str, **options: Any) -> tuple[Bad, ...]:
    """Make requests whose bodies are not what their content encoding says."""
    headers = {**options.pop("headers", {"Content-Type": "application/json"}), **PACKED}
    found = [
        Bad(name, method, path, (told,), data=data, headers=headers, **options)
        for name, (data, told) in DAMAGED.items()
    ]
    unknown = {**headers, "Content-Encoding": "br"}
    return (*found, Bad("unknown", method, path, ("'br'", "use gzip"), 415, data=b"{}", headers=unknown, **options))


def no_json(method: str, path: str, **options: Any) -> tuple[Bad, ...]:
    """Make requests whose bodies are no JSON."""
    bodies = {
        "cut off": b'{"name": "x"',
        "no UTF-8": b'{"name": "\xff"}',
        "half a character": b'{"name": "\\ud800"}',
        "deep": b"[" * 100_000,
        "deep but closed": b"[" * 90 + b"]" * 90,
        "two documents": b"{} {}",
    }
    told = {"deep": "deep", "deep but closed": "deeper than 80"}
    headers = options.pop("headers", {"Content-Type": "application/json"})
    return tuple(
        Bad(name, method, path, (told.get(name, "JSON"),), data=data, headers=headers, **options)
        for name, data in bodies.items()
    )


def lies(method: str, path: str, data: bytes = b'{"name": "abc"}', **options: Any) -> tuple[Bad, ...]:
    """Make requests that send more, and less, than they say."""
    headers = options.pop("headers", {"Content-Type": "application/json"})
    return (
        Bad("too little comes", method, path, (), GONE, data=data[:9], declared=99, headers=headers, **options),
        Bad(
            "too little comes, packed",
            method,
            path,
            (),
            GONE,
            data=gzip.compress(data)[:9],
            declared=99,
            headers={**headers, **PACKED},
            **options,
        ),
        Bad("too much comes", method, path, ("JSON",), data=data, declared=len(data) - 1, headers=headers, **options),
    )
