"""How many runs there are, and when they were made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from runatlas.errors import ValidationError
from runatlas.model.run import RunRecord
from runatlas.server.dialects.matyan.reading import is_active
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["activity_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DAY_MINUTES = 24 * 60


def activity_of(call: EndpointCall, runs: Iterable[RunRecord]) -> dict[str, Any]:
    """Count runs, and those made in each hour.

    Args:
        call: Its header ``X-Timezone-Offset`` says by how many minutes the caller's clock is behind UTC.
        runs: Which are counted.

    Raises:
        ValidationError: The header is no number of minutes within a day.
    """
    behind = timedelta(minutes=_minutes(call.headers.get("x-timezone-offset", "0")))
    counted: Counter[str] = Counter()
    hours: Counter[str] = Counter()
    for run in runs:
        counted["num_runs"] += 1
        counted["num_archived_runs"] += run.archived
        counted["num_active_runs"] += is_active(run)
        made = _EPOCH + timedelta(milliseconds=run.created_at_ms) - behind
        hours[made.strftime("%Y-%m-%dT%H:00:00")] += 1
    names = ("num_runs", "num_archived_runs", "num_active_runs")
    return {**{name: counted[name] for name in names}, "activity_map": dict(hours)}


def _minutes(text: str) -> int:
    try:
        found = int(text[:10])
    except ValueError:
        raise ValidationError("X-Timezone-Offset: expected minutes") from None
    if abs(found) > _DAY_MINUTES:
        raise ValidationError("X-Timezone-Offset: expected minutes within a day")
    return found
