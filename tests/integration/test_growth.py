"""What concerns one run takes no more work of the database where there are more runs, or where the run has more."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

import runatlas
from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft
from runatlas.model.run_import import ImportedSeries, RunImport
from runatlas.objects import Text

FEW, MANY = 50, 500
_NAMES = ("loss", "accuracy")


def _make(directory: Path, count: int) -> str:
    backend = LocalBackend(directory, create=True)
    home = ProjectPath(backend.get_workspace().username, "demo")
    series = tuple(ImportedSeries(name, (0, 1), (1.0, 0.5)) for name in _NAMES)
    backend.import_runs(
        tuple(
            RunImport(
                RunDraft(home, id=f"run-{number}", state="FINISHED", config={"lr": number}, create_project=True),
                series,
                time_ms=1_767_225_600_000 + number,
            )
            for number in range(count)
        )
    )
    backend.close()
    return str(home)


def _order_indexes(directory: Path, *, last: str) -> None:
    """Make the indexes of runs again: SQLite prefers one to another that it thinks as good by when they were made."""
    with closing(sqlite3.connect(directory / "runatlas.db")) as connection:
        made = connection.execute("SELECT name, sql FROM sqlite_master WHERE tbl_name = 'runs' AND type = 'index'")
        known = {name: sql for name, sql in made if sql}
        assert last in known
        for name in sorted(known, key=lambda name: (name == last, name)):
            connection.execute(f"DROP INDEX {name}")
            connection.execute(known[name])
        connection.commit()


class Counter:
    """Counts tens of instructions that SQLite works off."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        return 0


@contextmanager
def _counted() -> Iterator[Counter]:
    counter = Counter()

    def watch(driver: Any, _: Any) -> None:
        driver.set_progress_handler(counter, 10)

    event.listen(Pool, "connect", watch)
    try:
        yield counter
    finally:
        event.remove(Pool, "connect", watch)


def _record(_: Api, path: str, directory: Path) -> None:
    with runatlas.Run(experiment=path.split("/")[1], repo=directory, run_hash="new", config={"lr": 0.1}) as run:
        run.log({"loss": 1.0}, step=0)


def _go_on(_: Api, path: str, directory: Path) -> None:
    with runatlas.Run(experiment=path.split("/")[1], repo=directory, run_hash="run-3") as run:
        run.log({"loss": 1.0}, step=7)


def _delete_and_restore(api: Api, path: str, _: Path) -> None:
    deletion = api.run(f"{path}/run-5").delete(commit=True).unwrap()
    deletion.restore().unwrap()


def _change_and_undo(api: Api, path: str, _: Path) -> None:
    change = api.run(f"{path}/run-6").update(name="other", labels=["a"], config={"x": 1}, state="CRASHED").change
    assert change is not None
    change.undo().unwrap()


def _read(api: Api, path: str, _: Path) -> None:
    run = api.run(f"{path}/run-7")
    assert (run.id, list(run.config)) == ("run-7", ["lr"])
    assert run.summary().unwrap()
    assert run.metrics(["loss"], all=True).unwrap().num_rows == 2
    assert len(list(run.columns())) == 2


USES: dict[str, Callable[[Api, str, Path], object]] = {
    "record": _record,
    "go on": _go_on,
    "read": _read,
    "change and undo": _change_and_undo,
    "note": lambda api, path, _: api.run(f"{path}/run-8").annotate("fine").unwrap(),
    "plan a deletion": lambda api, path, _: api.run(f"{path}/run-9").delete().unwrap(),
    "delete": lambda api, path, _: api.run(f"{path}/run-4").delete(commit=True).unwrap(),
    "delete and restore": _delete_and_restore,
    "move": lambda api, path, _: api.run(f"{path}/run-10").move(project="other", create=True).unwrap(),
    "list some": lambda api, path, _: list(api.runs(path, ids=["run-11", "run-12"])),
    "the first page": lambda api, path, _: api.runs(path).page(size=10),
}


@pytest.mark.parametrize("last", ["ix_runs_newest", "ix_runs_trash_id", "uq_runs_live_run_id"])
@pytest.mark.parametrize("use", USES)
def test_what_concerns_one_run_takes_no_more_work_with_more_runs(tmp_path: Path, use: str, last: str) -> None:
    taken = []
    for count in (FEW, MANY):
        directory = tmp_path / str(count)
        path = _make(directory, count)
        _order_indexes(directory, last=last)
        with _counted() as counter, Api(directory) as api:
            api.run(f"{path}/run-0").name  # noqa: B018 - opens the store
            before = counter.count
            USES[use](api, path, directory)
            taken.append(counter.count - before)
    assert taken[0] > 0
    assert taken[1] < taken[0] + MANY // 10, f"tens of instructions: {taken}"


def _recorded(directory: Path, count: int, record: Callable[[runatlas.Run, int], object], first: int = 0) -> None:
    with runatlas.Run(experiment="demo", repo=directory, run_hash="run") as run:
        for number in range(first, first + count):
            record(run, number)


RECORDS: dict[str, Callable[[runatlas.Run, int], object]] = {
    "points": lambda run, number: run.log({"loss": 0.5}, step=number),
    "lines": lambda run, number: run.log_info(f"step {number}"),
    "printed lines": lambda run, number: print(f"step {number}"),
    "texts": lambda run, number: run.log({"text": Text(f"step {number}")}, step=number),
    "notes": lambda run, number: run.annotate(f"step {number}"),
}


@pytest.mark.parametrize("record", RECORDS)
def test_what_is_recorded_takes_no_more_work_after_more_of_it(tmp_path: Path, record: str) -> None:
    taken = []
    for count in (FEW, MANY):
        directory = tmp_path / str(count)
        _recorded(directory, count, RECORDS[record])
        with _counted() as counter:
            _recorded(directory, 1, RECORDS[record], first=count)
            taken.append(counter.count)
    assert taken[0] > 0
    assert taken[1] < taken[0] + MANY // 10, f"tens of instructions: {taken}"
