"""Files behind links: read them, or save them where they are wanted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from runatlas.display.markup import Html, facts, heading, joined, note
from runatlas.display.shown import Shown
from runatlas.entities.backend_handle import BackendHandle
from runatlas.errors import ResponseFormatError, StoreError
from runatlas.model.instant import iso_text_if
from runatlas.model.media import LinkRecord
from runatlas.response import ApiResponse

__all__ = ["Link", "StoredFile", "as_directory"]

_PART = ".part"
_DIGITS = 16


def as_directory(to: str | Path | None) -> Path | None:
    """Return the directory that a caller means, ``None`` for a file.

    Args:
        to: A path; ``None`` for the working directory.

    Raises:
        TypeError: It is no path.
    """
    if to is not None and not isinstance(to, (str, Path)):
        raise TypeError(f"to: expected a path, got {type(to).__name__}")
    if to is None:
        return Path.cwd()
    ends = tuple(filter(None, (os.sep, os.altsep)))
    place = Path(to)
    return place if place.is_dir() or (isinstance(to, str) and to.endswith(ends)) else None


class StoredFile(Mapping[str, Any], Shown):
    """A file that a link points at; ``file["url"]`` and ``file.url`` are the same.

    Attributes:
        url: Works without further credentials until it expires; ``file://`` for an embedded store, ``None`` for inline
            content.
        name: What the file is called.
        size: In bytes; ``None`` if unknown.
        sha256: Of its content; ``None`` if unknown.
        expires_at: ISO 8601; ``None`` if it does not expire.
    """

    def __init__(
        self,
        handle: BackendHandle,
        *,
        url: str | None,
        name: str,
        size: int | None = None,
        sha256: str | None = None,
        expires_at_ms: int | None = None,
    ) -> None:
        self._handle = handle
        self.url = url
        self.name = name
        self.size = size
        self.sha256 = sha256
        self.expires_at = iso_text_if(expires_at_ms)

    def read(self) -> ApiResponse[bytes]:
        """Fetch the content.

        Returns:
            The bytes.
        """
        return ApiResponse.of(self._whole)

    def download(self, to: str | Path | None = None) -> ApiResponse[Path]:
        """Save the content; it appears under its name only when it is whole, and goes on where it broke off.

        Args:
            to: A file; or a directory: one that exists, or a text that ends in ``/``, which is made. The working
                directory if not given.

        Returns:
            Where it was saved.
        """
        directory = as_directory(to)
        target = Path(str(to)) if directory is None else directory / self.file_name
        return ApiResponse.of(lambda: self.save(target))

    @property
    def file_name(self) -> str:
        """What it is called in a directory: the last part of its name, which never says where something goes."""
        name = PurePosixPath(self.name.replace("\\", "/").replace("\0", "")).name
        return "download" if name in {"", ".", ".."} else name

    def json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {"url": self.url, "name": self.name, "size": self.size, "expires_at": self.expires_at}

    def _show(self) -> Html:
        # The link itself is a key to the file, and notebooks are handed around.
        told = {"bytes": self.size, "sha256": self.sha256, "link works until": self.expires_at}
        return joined(heading(self.name), facts(told), note(".download() saves it, .read() returns its bytes"))

    def _whole(self) -> bytes:
        content = b"".join(self._pieces())
        if self.sha256 and hashlib.sha256(content).hexdigest() != self.sha256:
            raise ResponseFormatError(f"{self.name} came damaged; its checksum differs")
        return content

    def _pieces(self, start: int = 0) -> Iterator[bytes]:
        if self.url is None:
            raise ResponseFormatError(f"{self.name} came without a link")
        pieces = self._handle.backend.open_link(self.url, start=start)
        # Without a checksum the size is what somebody said of it.
        return pieces if self.size is None or not self.sha256 else self._bounded(pieces, self.size - start)

    def _bounded(self, pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
        for piece in pieces:
            most -= len(piece)
            if most < 0:
                raise ResponseFormatError(f"{self.name} came damaged; it has more than its {self.size} bytes")
            yield piece

    def save(self, target: Path) -> Path:
        """Save the content as this file.

        Raises:
            StoreError: Something else lies there or on the way.
        """
        lying = next((place for place in target.parents if place.exists() and not place.is_dir()), None)
        if lying is not None:
            raise StoreError(
                f"{self.name!r} cannot be saved as {target}: {lying} is a file, and would have to be a directory"
            )
        if target.is_dir():
            raise StoreError(f"{self.name!r} cannot be saved as {target}, which is a directory")
        target.parent.mkdir(parents=True, exist_ok=True)
        # What a hash names no other file of a run is called.
        part = target.with_name(f"{target.name}.{(self.sha256 or '')[:_DIGITS]}{_PART}")
        # Without a checksum nobody could tell whether the rest belongs to the beginning.
        start = part.stat().st_size if self.sha256 and part.exists() else 0
        with part.open("ab" if start else "wb") as file:
            for piece in self._pieces(start):
                file.write(piece)
        if self.sha256 and _digest(part) != self.sha256:
            part.unlink()
            raise ResponseFormatError(f"{self.name} came damaged; its checksum differs")
        return part.replace(target)

    def __getitem__(self, key: str) -> Any:
        return self.json()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.json())

    def __len__(self) -> int:
        return len(self.json())

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.json()!r})"


class Link(StoredFile):
    """A file made on request."""

    @classmethod
    def of(cls, handle: BackendHandle, record: LinkRecord) -> Link:
        """Make it of what the backend answered.

        Args:
            handle: The way to the backend.
            record: The link.
        """
        return cls(handle, url=record.url, name=record.name, size=record.size, expires_at_ms=record.expires_at_ms)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
