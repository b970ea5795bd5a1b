"""The pieces of work: what is done, on which store, and what the answer must be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks import check, dataset
from benchmarks.dataset import RunData, Shape

__all__ = ["READS", "STORES", "WORKS", "Job", "StoreName", "Work"]

StoreName = Literal["empty", "runs", "many", "most", "long", "longest", "wide", "served", "curated", "heavy"]

STORES: dict[StoreName, Callable[[Shape], Iterable[RunData]]] = {
    "empty": lambda _: (),
    "runs": lambda shape: dataset.runs(shape.runs),
    "many": lambda shape: dataset.runs(shape.many_runs, steps=2),
    "most": lambda shape: dataset.runs(shape.most_runs, metrics=("loss", "accuracy"), steps=1),
    "long": lambda shape: (dataset.curve_run(shape.points),),
    "longest": lambda shape: (dataset.curve_run(shape.most_points),),
    "served": dataset.served_runs,
    "wide": lambda shape: dataset.runs(shape.wide_runs, metrics=("loss",), steps=shape.wide_points),
    "curated": lambda shape: dataset.runs(shape.many_runs, metrics=dataset.CURATED_METRICS, steps=1),
    "heavy": lambda shape: dataset.runs(shape.heavy_runs, metrics=dataset.TRACK_KEYS, steps=1_000),
}
"""What each store holds before the work begins."""


@dataclass(frozen=True)
class Job:
    """A piece of work made ready, before the clock starts: what the method gets, and what must come of it."""

    arguments: tuple[Any, ...]
    expected: Any


@dataclass(frozen=True)
class Work:
    """A piece of work.

    Attributes:
        method: The adapter's method that does it; an adapter without it leaves it out.
        title: For the table, at scale 1.
        store: The store it begins with.
        prepare: Makes the job from the adapter and the shape.
        check: Gets the adapter, what is expected and the answer; raises ``AssertionError`` for a wrong one.
        changes: Whether it changes the store, which is then a copy.
        calls: 2 to measure the second call in the same process, too.
        rival: The work of the peers that this one is compared with, if not the same.
        writers: How many processes do it at once.
    """

    method: str
    title: str
    store: StoreName
    prepare: Callable[[Any, Shape], Job]
    check: Callable[[Any, Any, Any], None]
    changes: bool = False
    calls: int = 1
    rival: str | None = None
    writers: int = 1


def _built(data: list[RunData]) -> Job:
    return Job((data,), (len(data), sum(run.steps * len(run.metrics) for run in data)))


def _listing(
    method: str, title: str, store: StoreName, *, filtered: bool = False, rival: str | None = None, calls: int = 2
) -> Work:
    def prepare(_: Any, shape: Shape) -> Job:
        return Job((), check.expected_listing(STORES[store](shape), filtered=filtered))

    return Work(method, title, store, prepare, check.listing, calls=calls, rival=rival)


def _table(title: str, store: StoreName, rival: str) -> Work:
    def prepare(_: Any, shape: Shape) -> Job:
        return Job((), check.expected_table(STORES[store](shape)))

    return Work("table", title, store, prepare, check.table, calls=2, rival=rival)


def _history(title: str, store: StoreName, points: Callable[[Shape], int]) -> Work:
    def prepare(_: Any, shape: Shape) -> Job:
        return Job(("run-000000", "loss"), (points(shape), dataset.curve_sum(points(shape))))

    return Work("history", title, store, prepare, check.history, calls=2)


def _tracking(
    method: str, title: str, *, writers: int = 1, steps: Callable[[Shape], int] = lambda shape: shape.tracked_steps
) -> Work:
    def prepare(_: Any, shape: Shape) -> Job:
        return Job((dataset.rows(steps(shape)),), (writers, steps(shape)))

    return Work(method, title, "empty", prepare, check.tracked, changes=True, writers=writers)


def _profiles(_: Any, shape: Shape) -> Job:
    return Job((), {run.name: run.params for run in dataset.served_runs(shape)})


def _curves_by_run(_: Any, shape: Shape) -> Job:
    runs = dataset.runs(shape.wide_runs, steps=shape.wide_points)
    keys = dataset.METRICS[:4]
    return Job((keys, shape.wide_runs), {run.name: {key: run.metrics[key] for key in keys} for run in runs})


def _deletion(adapter: Any, count: int, chosen: int) -> Job:
    return Job((adapter.handles()[:chosen],), count - chosen)


def _half_of_curated(adapter: Any, shape: Shape) -> Job:
    return _deletion(adapter, shape.many_runs, shape.many_runs // 2)


def _planned(adapter: Any, shape: Shape) -> Job:
    job = _half_of_curated(adapter, shape)
    return Job((adapter.plan(*job.arguments),), job.expected)


def _restored(adapter: Any, shape: Shape) -> Job:
    """Delete half, before the clock starts; what is given to ``restore`` is what ``delete`` was given and answered."""
    job = _half_of_curated(adapter, shape)
    return Job((*job.arguments, adapter.delete(*job.arguments)), shape.many_runs)


def _purged(adapter: Any, shape: Shape) -> Job:
    job = _deletion(adapter, shape.heavy_runs, shape.heavy_runs * 10 // 11)
    adapter.delete(*job.arguments)
    return Job((), (job.expected, adapter.size()))


WORKS: dict[str, Work] = {
    "build": Work(
        "build",
        "build 1,000 runs x (20 params, 5 metrics x 50 steps, 3 tags)",
        "empty",
        lambda _, shape: _built(list(dataset.runs(shape.runs))),
        check.built,
        changes=True,
    ),
    "ingest_batches": _tracking("append_batches", "100,000 points in batches of 10 steps x 10 keys, each durable"),
    "ingest_bulk": Work(
        "build",
        "1,000,000 points of one metric in bulk",
        "empty",
        lambda _, shape: _built([dataset.curve_run(shape.most_points)]),
        check.built,
        changes=True,
    ),
    "list_runs": _listing("list_runs", "list 1,000 runs with params and last values", "runs"),
    "list_table": _table("the same 1,000 runs in one table", "runs", "list_runs"),
    "list_10k": _listing("list_runs", "list 10,000 runs with params and last values", "many"),
    "list_10k_api": Work(
        "list_params",
        "list 10,000 runs with params as the documentation says",
        "many",
        lambda _, shape: Job((), {run.name: run.params for run in STORES["many"](shape)}),
        check.profiles,
        calls=2,
    ),
    "list_10k_table": _table("the same 10,000 runs in one table", "many", "list_10k"),
    "filter": _listing("filter_runs", "filter by a param and a last value (158 of 1,000)", "runs", filtered=True),
    "history_100k": _history("full history of one metric, 100,000 points", "long", lambda shape: shape.points),
    "history_1m": _history("full history of one metric, 1,000,000 points", "longest", lambda shape: shape.most_points),
    "many_runs": Work(
        "curves",
        "`loss` of 200 runs x 1,000 points in one table",
        "wide",
        lambda _, shape: Job(("loss",), check.expected_curves(STORES["wide"](shape))),
        check.curves,
        calls=2,
    ),
    "delete": Work(
        "delete",
        "delete 500 of the 1,000 runs",
        "runs",
        lambda adapter, shape: _deletion(adapter, shape.runs, shape.runs // 2),
        check.deleted,
        changes=True,
    ),
    "clean_plan": Work(
        "plan",
        "plan the deletion of 5,000 of 10,000 runs of 20 metrics",
        "curated",
        _half_of_curated,
        check.planned,
        changes=True,
        calls=2,
    ),
    "clean_apply": Work(
        "apply", "apply that plan", "curated", _planned, check.deleted, changes=True, rival="clean_delete"
    ),
    "clean_delete": Work(
        "delete", "delete them without a plan", "curated", _half_of_curated, check.deleted, changes=True
    ),
    "clean_restore": Work("restore", "restore them", "curated", _restored, check.deleted, changes=True),
    "clean_policy": Work(
        "policy",
        "plan by a policy: the best 3 of each of 15 groups of the 10,000 runs stay",
        "curated",
        lambda _, shape: Job((), max(0, shape.many_runs - 45)),
        check.planned_count,
        changes=True,
        calls=2,
    ),
    "clean_usage": Work(
        "usage",
        "how much room each project of the 10,000 runs takes",
        "curated",
        lambda _, shape: Job((), shape.many_runs * len(dataset.CURATED_METRICS)),
        check.planned_count,
        changes=True,
        calls=2,
    ),
    "clean_purge": Work("purge", "purge 1,000,000 of 1,100,000 points", "heavy", _purged, check.purged, changes=True),
    "iterate_100k": _listing("iterate", "iterate 100,000 runs", "most", calls=1),
    "track": _tracking("tracker", "track 10 scalars x 10,000 steps, one call a step, until durable"),
    "track_away": _tracking("tracker_away", "the same, the server away"),
    "writers_32": _tracking(
        "tracker",
        "32 processes track 10 scalars x 200 steps at once, until durable",
        writers=32,
        steps=lambda shape: shape.of(200),
    ),
}
"""Every piece of work by its name."""

READS: dict[str, Work] = {
    "list": Work("read_runs", "1,000 runs with their params", "served", _profiles, check.profiles),
    "metrics": Work(
        "read_metrics",
        "4 metrics of 1,000 points, of each of 200 runs that a filter finds",
        "served",
        _curves_by_run,
        check.curves_by_run,
    ),
    "history": Work(
        "read_history",
        "full history of one metric, 1,000,000 points",
        "served",
        lambda _, shape: Job(("run-longest", "loss"), (shape.most_points, dataset.curve_sum(shape.most_points))),
        check.history,
    ),
}
"""What clients of one server read, by name."""
