"""What a run tracked, in document 001's form beside document 004's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from typing_extensions import Self

from runatlas.compat.trace import (
    check_sequence_types,
    list_columns,
    metric_traces,
    object_traces,
    read_summaries,
)
from runatlas.model.ranges import RangeQuery
from runatlas.response import ApiResponse
from runatlas.tables.metric import MetricTable
from runatlas.tracking.description import DescribedRun
from runatlas.tracking.number import as_context, as_name

__all__ = ["OverviewRun"]


class OverviewRun(DescribedRun):
    """A run that tells what it tracked."""

    @overload
    def metrics(self) -> list[dict[str, Any]]: ...
    @overload
    def metrics(
        self,
        keys: Sequence[str] | None,
        sample: int = 1500,
        all: bool = False,
        range_query: RangeQuery | Mapping[str, Any] | None = None,
        ignore_timestamp: bool = False,
        *,
        context: Mapping[str, Any] | None = None,
    ) -> ApiResponse[MetricTable[str]]: ...
    def metrics(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]] | ApiResponse[MetricTable[str]]:
        """Without arguments: an overview of all tracked metrics. With keys: their values, as every run gives them.

        Args:
            *args: ``keys``, ``sample``, ``all``, ``range_query``, ``ignore_timestamp``.
            **kwargs: The same by name, and ``context``.

        Returns:
            A list of ``{"name", "context", "last_value", "last_step", "first_step", "count", "min", "max"}``; or the
            answer with a table.

        Raises:
            RunAtlasError: The overview could not be read.
        """
        if not args and not kwargs:
            return metric_traces(read_summaries(self._gateway.backend, self.selection))
        return super().metrics(*args, **kwargs)

    def get_metric(self, name: str, context: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Return the overview of one metric.

        Args:
            name: The metric's name.
            context: Its context; the metric without one if left out.

        Returns:
            One item of ``metrics()``; ``None`` if the run has no such metric.

        Raises:
            TypeError: An argument has another type.
            RunAtlasError: It could not be read.
        """
        wanted, place = as_name(name), dict(as_context(context))
        return next((item for item in self.metrics() if item["name"] == wanted and item["context"] == place), None)

    def iter_metrics_info(self) -> Iterator[tuple[str, dict[str, Any], Self]]:
        """Iterate over the tracked metrics.

        Returns:
            ``(name, context, run)`` of each.

        Raises:
            RunAtlasError: They could not be read.
        """
        for item in self.metrics():
            yield item["name"], item["context"], self

    def collect_sequence_info(self, sequence_types: str | tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
        """Return overviews of what was tracked, by kind.

        Args:
            sequence_types: ``metric``, ``images``, ``figures``, ``texts``, ``audios``, ``distributions``; one,
                several in a tuple, or none for all.

        Returns:
            ``{"metric": [...], "images": [...]}``.

        Raises:
            ValueError: There is no such kind.
            RunAtlasError: They could not be read.
        """
        kinds = check_sequence_types(sequence_types)
        backend = self._gateway.backend
        columns = list(list_columns(backend, self._path)) if any(kind != "metric" for kind in kinds) else []
        return {
            kind: metric_traces(read_summaries(backend, self.selection))
            if kind == "metric"
            else object_traces(columns, kind)
            for kind in kinds
        }
