"""What a run logged beside numbers: images, audio, text and other objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, overload

import attrs

from runatlas.display.graphic import PICTURE_MAX, figure, is_drawn, picture, unseen
from runatlas.display.markup import Html, anything, failure, heading, joined, lines, more, note
from runatlas.display.shown import Shown
from runatlas.entities.argument import boolean, integer, texts
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.run_fields import RunFields
from runatlas.entities.stored_file import StoredFile
from runatlas.errors import RunAtlasError
from runatlas.model import codec
from runatlas.model.instant import iso_text
from runatlas.model.media import MediaItem, MediaPage, MediaQuery, MediaRecord

__all__ = ["MediaFile", "MediaSeries", "MediaStep", "MediaTable", "make_media_query", "make_media_table"]

_SHOWN, _TEXT = 12, 4_000
_PAGE = 2 * 1024 * 1024


class MediaFile(StoredFile):
    """One object of a step.

    Attributes:
        caption: What the caller wrote beside it.
        mime_type: Its type.
        content: Inline content (text, histograms, figures), which has no link; ``None`` for a file.
        meta: What else its type needs, such as width and height.
        path: Its name inside the run.
    """

    def __init__(self, handle: BackendHandle, item: MediaItem) -> None:
        super().__init__(
            handle,
            url=item.url,
            name=item.path,
            size=item.size,
            sha256=item.sha256,
            expires_at_ms=item.expires_at_ms,
        )
        self.caption = item.caption
        self.mime_type = item.mime_type
        self.content = item.data
        self.meta = item.meta
        self.path = item.path

    def json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {
            "url": self.url,
            "path": self.path,
            "caption": self.caption,
            "mime_type": self.mime_type,
            "size": self.size,
            "sha256": self.sha256,
            "content": self.content,
            "meta": self.meta,
            "expires_at": self.expires_at,
        }

    def _show(self) -> Html:
        return joined(*_drawn([self]))

    def looked_at(self) -> Html:
        """Return what is to be seen of it; a picture is fetched, unless it is too large.

        Raises:
            RunAtlasError: It could not be fetched.
        """
        if self.content is not None:
            text = self.content.get("text")
            return lines(text, _TEXT) if isinstance(text, str) else anything(self.content)
        if not is_drawn(self.mime_type, self.size):
            return unseen(self.mime_type, self.size)
        content = b""
        for piece in self._pieces():
            content += piece
            if len(content) > PICTURE_MAX:
                return unseen(self.mime_type, self.size)
        return picture(content, self.mime_type, self.caption or self.path)

    def _pieces(self, start: int = 0) -> Iterator[bytes]:
        if self.content is None:
            return super()._pieces(start)
        text = self.content.get("text")
        data = text if set(self.content) == {"text"} and isinstance(text, str) else codec.dumps(self.content)
        return iter([data.encode()[start:]])


class MediaStep(Sequence[MediaFile], Shown):
    """The objects of one series at one step."""

    def __init__(self, handle: BackendHandle, record: MediaRecord) -> None:
        self.step = record.step
        self.epoch = record.epoch
        self.created_at = iso_text(record.time_ms)
        self.items = tuple(MediaFile(handle, item) for item in record.items)

    def download(self, to: str | Path) -> list[Path]:
        """Save every object into a directory; of two with one name, the second gets a number.

        Args:
            to: The directory, made if it is not there.

        Raises:
            RunAtlasError: One of them could not be fetched.
        """
        return _download(self.items, to)

    def json(self) -> dict[str, Any]:
        """Return the step as plain values, as the SwanLab API has it."""
        return {"index": self.step, "items": [item.json() for item in self.items]}

    @overload
    def __getitem__(self, index: int) -> MediaFile: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[MediaFile]: ...
    def __getitem__(self, index: int | slice) -> MediaFile | Sequence[MediaFile]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def _show(self) -> Html:
        return joined(heading(repr(self)), *_drawn(self.items))

    def __repr__(self) -> str:
        return f"MediaStep(step={self.step}, items={len(self.items)})"


class MediaSeries(Sequence[MediaStep], Shown):
    """The steps of one media column that were asked for."""

    def __init__(self, key: str, context: Mapping[str, Any], column_type: str, steps: tuple[MediaStep, ...]) -> None:
        self.key = key
        self.context = dict(context)
        self.column_type = column_type
        self._steps = steps

    @property
    def steps(self) -> list[int]:
        """The steps, ascending."""
        return [item.step for item in self._steps]

    def download(self, to: str | Path) -> list[Path]:
        """Save every object of every step into a directory; of two with one name, the second gets a number.

        Args:
            to: The directory, made if it is not there.

        Raises:
            RunAtlasError: One of them could not be fetched.
        """
        return _download([item for step in self._steps for item in step], to)

    def json(self) -> dict[str, Any]:
        """Return the series as plain values, as the SwanLab API has it."""
        plain: dict[str, Any] = {"key": self.key, "type": self.column_type}
        if self.context:
            plain["context"] = self.context
        step = self.steps[-1] if self._steps else None
        return {**plain, "steps": self.steps, "step": step, "metrics": [item.json() for item in self._steps]}

    @overload
    def __getitem__(self, index: int) -> MediaStep: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[MediaStep]: ...
    def __getitem__(self, index: int | slice) -> MediaStep | Sequence[MediaStep]:
        return self._steps[index]

    def __len__(self) -> int:
        return len(self._steps)

    def _show(self) -> Html:
        files = [item for step in self._steps for item in step]
        return joined(heading(f"{self.key}{codec.context_text(tuple(self.context.items()))}"), *_drawn(files))

    def __repr__(self) -> str:
        return f"MediaSeries({self.key!r}, steps={self.steps})"


@attrs.frozen(eq=False)
class MediaTable(Mapping[str, MediaSeries], Shown):
    """Media by key; a key without any is an empty series and listed in ``missing``.

    Attributes:
        steps: Every step at which the run has any of these media.
        missing: Keys for which nothing was found.
    """

    series: dict[str, MediaSeries]
    steps: tuple[int, ...]
    missing: tuple[str, ...]
    owner: RunFields = attrs.field(repr=False)

    def download(self, to: str | Path) -> list[Path]:
        """Save every object into a directory; of two with one name, the second gets a number.

        Args:
            to: The directory, made if it is not there.

        Raises:
            RunAtlasError: One of them could not be fetched.
        """
        return _download([item for series in self.series.values() for step in series for item in step], to)

    def json(self) -> dict[str, Any]:
        """Return everything as plain values, as the SwanLab API has it."""
        return {
            "keys": list(self.series),
            "metricType": "MEDIA",
            "projectId": self.owner.project_id,
            "experimentId": self.owner.cuid,
            "steps": list(self.steps),
            "list": [{**item.json(), "steps": list(self.steps)} for item in self.series.values()],
            "missing": list(self.missing),
        }

    def __getitem__(self, key: str) -> MediaSeries:
        return self.series[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.series)

    def __len__(self) -> int:
        return len(self.series)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.series)

    def _show(self) -> Html:
        files = [(label, item) for label, series in self.series.items() for step in series for item in step]
        absent = note(f"no media of {', '.join(map(repr, self.missing))}") if self.missing else None
        drawn = _drawn([item for _, item in files], [label for label, _ in files])
        return joined(heading(f"media of {self.owner.path}"), *drawn, absent)


def _drawn(files: Sequence[MediaFile], labels: Sequence[str] = ()) -> Iterator[Html]:
    """Yield what is to be seen of files: of many the first twelve; none is asked for after one could not be had.

    A page does not hold more than two mebibytes of pictures.
    """
    left = _PAGE
    for place, file in enumerate(files[:_SHOWN]):
        seen = unseen(file.mime_type, file.size)
        try:
            if (file.size or 0) <= left:
                seen = file.looked_at()
                left -= file.size or 0
        except RunAtlasError as error:
            left = -1
            seen = failure(error.message, type(error).__name__)
        yield figure(seen, *labels[place : place + 1], file.caption or file.path)
    others = more(len(files) - _SHOWN, "object")
    if others is not None:
        yield others


def _download(files: Iterable[MediaFile], to: str | Path) -> list[Path]:
    if not isinstance(to, (str, Path)):
        raise TypeError(f"to: expected a path, got {type(to).__name__}")
    taken: set[str] = set()
    saved = []
    for file in files:
        name, plain, number = file.file_name, PurePath(file.file_name), 1
        # Some file systems take names for the same that differ in case only.
        while name.casefold() in taken:
            number += 1
            name = f"{plain.stem}-{number}{plain.suffix}"
        taken.add(name.casefold())
        saved.append(file.download(Path(to) / name).unwrap())
    return saved


def make_media_query(keys: Sequence[str] | None, *, step: int | None, all: bool) -> MediaQuery:
    """Check what a caller asked for.

    Args:
        keys: Media keys; ``None`` for every one.
        step: Only that step; ``None`` for the latest of each key.
        all: Whether every step is wanted.

    Raises:
        TypeError: One of them has another type.
        ValueError: ``keys`` is empty, or ``step`` is given with ``all``.
    """
    wanted = None if keys is None else texts(keys, "keys")
    number = None if step is None else integer(step, "step", least=-(2**63), most=2**63 - 1)
    if boolean(all, "all") and number is not None:
        raise ValueError("step: all=True reads every step; give one of them")
    return MediaQuery(keys=wanted, step=number, all=all)


def make_media_table(handle: BackendHandle, query: MediaQuery, page: MediaPage, owner: RunFields) -> MediaTable:
    """Sort what came by key.

    Args:
        handle: The way to the backend, for downloads.
        query: What was asked.
        page: What came.
        owner: The run they belong to.
    """
    found: dict[str, list[MediaRecord]] = {}
    for record in page.items:
        found.setdefault(record.key + codec.context_text(record.context), []).append(record)
    series = {
        label: MediaSeries(
            records[0].key,
            dict(records[0].context),
            records[0].column_type,
            tuple(MediaStep(handle, record) for record in sorted(records, key=lambda record: record.step)),
        )
        for label, records in found.items()
    }
    missing = tuple(key for key in query.keys or () if key not in {item.key for item in series.values()})
    empty = {key: MediaSeries(key, {}, "", ()) for key in missing}
    return MediaTable({**series, **empty}, page.steps, missing, owner)
