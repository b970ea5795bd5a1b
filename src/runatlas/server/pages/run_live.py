"""What changes of a run while it goes on, read once for all who look at it."""

from __future__ import annotations

from typing import Any

from runatlas.display.markup import lasting, number
from runatlas.errors import NotFoundError
from runatlas.model.codec import dumps
from runatlas.model.instant import iso_text
from runatlas.model.page import PageRequest
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.model.series import Statistic, SummaryQuery
from runatlas.server.pages.curves.points import series_name
from runatlas.server.pages.page import count_of, run_path
from runatlas.server.pages.run_metrics import SHOWN, only
from runatlas.server.pages.run_view import heard_text, silence
from runatlas.server.pages.shared_reads import SharedReads
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["LiveRuns"]

_RUNS = 1000


class LiveRuns:
    """Answers pages that follow runs."""

    def __init__(self) -> None:
        self._reads = SharedReads[bytes](_RUNS)

    def show(self, call: EndpointCall) -> Answer:
        """Answer with a run's state, and what its metrics are by now, from the one after ``skip`` others.

        The caller's right to see the run is looked at for each, the rest is read once for all.
        """
        path = run_path(call)
        selection = RunSelection(path.workspace, path.project, ids=(path.run,))
        query = RunQuery(selection, parts=(), page=PageRequest(limit=1))
        found = call.services.runs.list_runs(call.user, query).items
        if not found:
            raise NotFoundError("there is no such run any more")
        run, skip = found[0], count_of(call, "skip") or 0
        return Answer(self._reads.get((run.cuid, skip), lambda: dumps(_read(call, run, skip)).encode()))


def _read(call: EndpointCall, run: RunRecord, skip: int) -> dict[str, Any]:
    request = PageRequest(limit=SHOWN, offset=skip)
    query = SummaryQuery(only(run), median=False, column_class="CUSTOM", page=request)
    summaries = call.services.points.read_summaries(call.user, query).items
    return {
        "state": run.state,
        "silence": silence(run),
        "heard": heard_text(run),
        "ended": "" if run.finished_at_ms is None else iso_text(run.finished_at_ms)[:19].replace("T", " "),
        "lasted": lasting(run.duration_s(call.services.store.clock())),
        "lines": call.services.logs.last_line(call.user, run.path, None),
        "metrics": {
            series_name(each.key, each.context): [
                _text(each.latest),
                _text(each.min),
                _text(each.max),
                number(each.avg).text,
                "" if each.count is None else f"{each.count:,}",
            ]
            for each in summaries
        },
    }


def _text(statistic: Statistic | None) -> str:
    return "" if statistic is None else number(statistic.value).text
