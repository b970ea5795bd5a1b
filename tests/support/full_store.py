"""A store with as much of everything as anybody may record, in the letters that take most room on a page."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import attrs
from arro3.core import Array, DataType
from support.world import make_png

from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogDraft
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.project import ProjectDraft
from runatlas.model.run import Profile, RunDraft
from runatlas.model.run_import import ImportedSeries, RunImport
from runatlas.model.series import SeriesPoints

__all__ = ["LETTERS", "MODEL", "RUNS", "FullStore", "fill_full"]

RUNS, MODEL = 20, "full"
LETTERS = "<\"&'\N{FOX FACE}"
"""What takes most room in HTML, in JSON and in an address."""
_START = 1_790_000_000_000
_SERIES, _KEYS, _OBJECTS = 60, 1_000, 200
_SYSTEM, _MEDIA = 20_000, 30_000
"""Where the numbers of these keys begin: a key is of one kind."""


@attrs.frozen
class FullStore:
    """What was made.

    Attributes:
        run: Where everything is.
        trash_id: A deletion that lies in the trash.
        key_id: A key of the owner, and what shows it.
    """

    run: RunPath
    cuid: str
    runs: tuple[str, ...]
    trash_id: str
    key_id: str
    secret: str


def long_text(number: int, most: int) -> str:
    """Return a text of as many characters as it may have, of one letter, and unlike others."""
    return f"{number:05}" + LETTERS[number % len(LETTERS)] * (most - 5)


def long_key(number: int) -> str:
    """Return a key of as many characters, or bytes, as one may have beside a context."""
    return long_text(number, 1000 if LETTERS[number % len(LETTERS)].isascii() else 450)


def fill_full(directory: Path) -> FullStore:
    """Make a store that is not there yet."""
    backend = LocalBackend(directory, create=True)
    path = ProjectPath(backend.get_user().username, "full")
    backend.create_project(ProjectDraft("full", title=long_text(0, 1000), description=long_text(0, 10_000)))
    keys = [long_key(place) for place in range(_SERIES)]
    series = tuple(ImportedSeries(key, (0,), (float(place),)) for place, key in enumerate(keys))
    drafts = [_draft(path, number) for number in range(RUNS + 1)]
    backend.import_runs(tuple(RunImport(draft, series, time_ms=_START) for draft in drafts))
    api = Api(str(directory))
    gone = api.run(str(path.run(str(RUNS)))).delete(commit=True).unwrap()
    entity = api.run(str(path.run(drafts[0].id or "")))
    run = path.run(drafts[0].id or "")
    blob = backend.put_blob(path, io.BytesIO(make_png((1, 2, 3))))
    backend.append(
        Batch(
            run,
            points=tuple(_point(number, "CUSTOM") for number in range(_SERIES, _KEYS))
            + tuple(_point(_SYSTEM + number, "SYSTEM") for number in range(_OBJECTS)),
            media=tuple(_media(number, blob.sha256) for number in range(_OBJECTS)),
            logs=tuple(LogDraft(long_text(number, 5000), level="ERROR", tag="record") for number in range(1000)),
            artifacts=tuple(
                ArtifactDraft(long_key(number).replace("/", "-"), blob.sha256, blob.size) for number in range(_OBJECTS)
            ),
        )
    )
    for number in range(12):
        entity.annotate(long_text(number, 16_000)).unwrap()
        entity.update(name=long_text(number, 1000), labels_added=[long_text(number, 400)]).unwrap()
    entity.register_model(MODEL, long_text(0, 1000), description=long_text(0, 1000)).unwrap()
    runs = tuple(each.cuid for each in api.project(str(path)).runs())
    made = backend.create_key()
    backend.close()
    return FullStore(run, entity.cuid, runs, gone.trash_id or "", made.key.id, made.secret)


def _draft(path: ProjectPath, number: int) -> RunDraft:
    many = {long_text(place, 400): long_text(place + number, 1000) for place in range(300)}
    return RunDraft(
        path,
        id=LETTERS[-1] * 512 if number == 0 else str(number),
        name=long_text(number, 1000),
        description=long_text(number, 100_000),
        state="FINISHED",
        labels=tuple(long_text(place, 500) for place in range(200)),
        group=long_text(number, 500),
        job_type=long_text(number, 500),
        config=many | {"nested": many},
        profile=Profile(many, long_text(number, 100_000), long_text(number, 100_000)),
        created_at_ms=_START,
        finished_at_ms=_START + 1,
    )


def _point(number: int, column_class: Literal["CUSTOM", "SYSTEM"]) -> SeriesPoints:
    one, value = Array([0], DataType.int64()), Array([0.5], DataType.float64())
    context = (("subset", long_text(number, 30)),)
    return SeriesPoints(long_key(number), one, value, one, context, column_class=column_class)


def _media(number: int, sha256: str) -> MediaDraft:
    items = (
        MediaItem("a.png", sha256, 1, "image/png", caption=long_text(number, 2000)),
        MediaItem("b.txt", data={"text": long_text(number, 20_000)}, mime_type="text/plain", caption="text"),
        MediaItem("c.json", data={"data": [], "layout": {}}, mime_type="application/json"),
    )
    return MediaDraft(long_key(_MEDIA + number), 0, items[number % 3 :], ("IMAGE", "TEXT", "FIGURE")[number % 3])
