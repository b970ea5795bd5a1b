"""The media of a run, with links to them."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from runatlas.errors import ValidationError
from runatlas.model.codec import dumps
from runatlas.model.ids import RunPath
from runatlas.model.media import MediaItem, MediaPage, MediaQuery, MediaRecord
from runatlas.model.text import check_text
from runatlas.server.services.access import require_run
from runatlas.server.services.caller import Caller
from runatlas.server.services.links import Links
from runatlas.server.services.series_walk import check_series, read_context
from runatlas.server.store.engine import Store
from runatlas.server.store.failure import decoding
from runatlas.server.store.media import decode_items, media_items, media_steps, read_media

__all__ = ["MediaReading"]

_STEP_BOUND = 2**63


class MediaReading:
    """What may be read of the media of runs."""

    def __init__(self, store: Store, links: Links) -> None:
        self._store = store
        self._links = links

    def list_media(self, caller: Caller, run: RunPath, query: MediaQuery) -> MediaPage:
        """Read media with links that work without further credentials.

        Raises:
            NotFoundError: There is no such run.
            ValidationError: The query is out of bounds.
        """
        check_series(query.keys, None)
        if query.step is not None and query.all:
            raise ValidationError("step: give a step, or all of them, not both")
        if query.step is not None and not -_STEP_BOUND <= query.step < _STEP_BOUND:
            raise ValidationError(f"step: {query.step} is out of bounds")
        with self._store.read() as connection:
            run_pk = require_run(connection, caller, run, "read").id
            found = read_media(connection, run_pk, keys=query.keys, step=query.step, every=query.all)
            steps = media_steps(connection, run_pk, query.keys)
        with decoding(f"the media of run {run}", self._store.location):
            records = [
                MediaRecord(
                    key=key,
                    step=step,
                    items=tuple(self._linked(caller, item) for item in decode_items(items)),
                    column_type=column_type,
                    context=read_context(context),
                    epoch=epoch,
                    time_ms=time_ms,
                )
                for key, context, column_type, step, epoch, time_ms, items in found
            ]
        return MediaPage(tuple(records), steps)

    def find_items(self, caller: Caller, run: RunPath, paths: Collection[str]) -> dict[str, MediaItem]:
        """Find media by their paths in the run, with links; those that are not there are left out.

        Raises:
            NotFoundError: There is no such run.
        """
        wanted = {check_text(path, "path") for path in paths}
        with self._store.read() as connection:
            found = media_items(connection, require_run(connection, caller, run, "read").id)
            held = (text for text in found if any(dumps(path)[1:-1] in text for path in wanted))
            return {
                item.path: self._linked(caller, item)
                for text in held
                for item in decode_items(text)
                if item.path in wanted
            }

    def _linked(self, caller: Caller, item: MediaItem) -> MediaItem:
        if item.sha256 is None:
            return item
        name = item.path.rpartition("/")[2]
        link = self._links.blob_link(caller, item.sha256, name=name, mime_type=item.mime_type, size=item.size)
        return attrs.evolve(item, url=link.url, expires_at_ms=link.expires_at_ms)
