"""What MatyanQL sees of a run and of a trace in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from runatlas.compat.matyanql.value import EvaluationRefusedError, Record
from runatlas.model.filter_field import find_stable_name
from runatlas.model.run import RunRecord
from runatlas.model.series import SummaryRecord

__all__ = ["TRACE_FIELDS", "MatyanMetric", "MatyanRun", "MatyanTrace", "is_active"]

TRACE_FIELDS = ("name", "context", "last", "last_step", "run")
"""What a query can ask of a trace."""

_METRIC_FIELDS = ("name", "context", "last", "last_step", "first_step", "count", "min", "max", "avg")


def is_active(run: RunRecord) -> bool:
    """Return whether a run goes on."""
    return run.state in {"RUNNING", "OFFLINE"}


@attrs.frozen(eq=False)
class MatyanMetric(Record):
    """A metric of a run; one that is not there is false, and all of it ``None``."""

    summary: SummaryRecord | None

    def attribute(self, name: str) -> Any:
        """Return a part of its summary."""
        if name not in _METRIC_FIELDS:
            raise EvaluationRefusedError(f"a metric has {', '.join(_METRIC_FIELDS)}, not {name!r}")
        item = self.summary
        if item is None:
            return None
        if name == "name":
            return item.key
        if name == "context":
            return dict(item.context)
        if name == "last":
            return item.latest.value
        found = getattr(item, name)
        return found.value if name in {"min", "max"} and found is not None else found

    def __bool__(self) -> bool:
        return self.summary is not None


@attrs.frozen(eq=False)
class _Metrics(Record):
    """The metrics of a run, by name, or by name and context; by name alone the first of that name."""

    summaries: Sequence[SummaryRecord]

    def attribute(self, name: str) -> Any:
        return self.item(name)

    def item(self, key: Any) -> MatyanMetric:
        name, context = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
        if not isinstance(name, str) or not (context is None or isinstance(context, dict)):
            raise TypeError("a metric is named by its name, or by its name and context")
        for item in self.summaries:
            if item.key == name and (context is None or dict(item.context) == context):
                return MatyanMetric(item)
        return MatyanMetric(None)

    def contains(self, item: Any) -> bool:
        return any(summary.key == item for summary in self.summaries)

    def items(self) -> Iterator[str]:
        return iter(dict.fromkeys(summary.key for summary in self.summaries))


class MatyanRun(Record):
    """A run.

    Args:
        record: With its config.
        name: What it is called.
        experiment: The name of its experiment; ``None`` if it has none.
        summaries: Of its metrics, if the query asks for them; those without context first.
    """

    def __init__(
        self,
        record: RunRecord,
        *,
        name: str,
        experiment: str | None,
        summaries: Sequence[SummaryRecord] = (),
    ) -> None:
        self.record = record
        self._params: Mapping[str, Any] = record.config or {}
        created_s = record.created_at_ms / 1000
        ended_ms = None if is_active(record) else record.finished_at_ms
        self._own: dict[str, Any] = {
            "hash": record.id,
            "name": name,
            "description": record.description,
            "experiment": experiment,
            "tags": record.labels,
            "active": is_active(record),
            "archived": record.archived,
            "is_archived": record.archived,
            "created_at": created_s,
            "creation_time": created_s,
            "end_time": None if ended_ms is None else ended_ms / 1000,
            "duration": 0.0 if ended_ms is None else ended_ms / 1000 - created_s,
            "metrics": _Metrics(summaries),
        }

    def attribute(self, name: str) -> Any:
        """Return one of its own fields, a param, or, where there is no such param, another field of ours."""
        if name in self._own:
            return self._own[name]
        if name in self._params:
            return self._params[name]
        return self._stable(name)

    def _stable(self, name: str) -> Any:
        found = find_stable_name(name)
        if found is None:
            return None
        if found == "user":
            return None if self.record.user is None else self.record.user.username
        if found.endswith("_at"):
            moment = getattr(self.record, f"{found}_ms")
            return None if moment is None else moment / 1000
        return getattr(self.record, found)

    def item(self, key: Any) -> Any:
        """Return a param; ``None`` if it is missing."""
        return self._params.get(key)

    def contains(self, item: Any) -> bool:
        """Return whether there is a param of a name."""
        return item in self._params

    @property
    def params(self) -> Mapping[str, Any]:
        """All params."""
        return self._params


@attrs.frozen(eq=False)
class MatyanTrace(Record):
    """A sequence that a run tracked.

    Attributes:
        last: Of a metric its last value; 0.0 of objects.
    """

    name: str
    context: Mapping[str, Any]
    last: float
    last_step: int | None
    run: MatyanRun

    def attribute(self, name: str) -> Any:
        """Return what is asked for of it."""
        return getattr(self, name) if name in TRACE_FIELDS else None

    def item(self, key: Any) -> Any:
        """Return the same by a text."""
        if not isinstance(key, str):
            raise TypeError("a field is named by a text")
        return self.attribute(key)
