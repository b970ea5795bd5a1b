"""How many runs there are, and when they were made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from runatlas.compat.matyanql.queried_run import is_active
from runatlas.model.run import RunRecord
from runatlas.server.dialects.matyan.body import read_zone_offset
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["activity_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def activity_of(call: EndpointCall, runs: Iterable[RunRecord], *, by_day: bool = False) -> dict[str, Any]:
    """Count runs, and those made in each hour or on each day.

    Args:
        call: Its header ``X-Timezone-Offset`` says by how many minutes the caller's clock is behind UTC.
        runs: Which are counted.
        by_day: Whether days are told apart, not hours.

    Raises:
        ValidationError: The header is no number of minutes within a day.
    """
    behind = timedelta(minutes=read_zone_offset(call))
    counted: Counter[str] = Counter()
    made: Counter[str] = Counter()
    form = "%Y-%m-%dT00:00:00" if by_day else "%Y-%m-%dT%H:00:00"
    for run in runs:
        counted["num_runs"] += 1
        counted["num_archived_runs"] += run.archived
        counted["num_active_runs"] += is_active(run)
        moment = _EPOCH + timedelta(milliseconds=run.created_at_ms) - behind
        made[moment.strftime(form)] += 1
    names = ("num_runs", "num_archived_runs", "num_active_runs")
    return {**{name: counted[name] for name in names}, "activity_map": dict(made)}
