"""What series a run has, and in which contexts."""

from __future__ import annotations

import attrs

from runatlas.model.ids import RunPath
from runatlas.model.series import Context

__all__ = ["CatalogEntry", "SeriesSelector"]


@attrs.frozen
class CatalogEntry:
    """One metric of a run.

    Attributes:
        points: How many points it has over all contexts.
    """

    key: str
    contexts: tuple[Context, ...]
    points: int


@attrs.frozen
class SeriesSelector:
    """A series to be compared: of one run, one key, and the contexts that have all of ``context``.

    Attributes:
        key: ``None`` means every scalar key of the run.
        present: Context names that must be there, with whatever value.
    """

    run: RunPath
    key: str | None = None
    context: Context = ()
    present: tuple[str, ...] = ()
