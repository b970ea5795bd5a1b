"""Runs that come whole: checked one by one, and written together."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.batch_check import check_key
from runatlas.model.ids import ProjectPath
from runatlas.model.run import Profile, RunDraft
from runatlas.model.run_import import IMPORT_RUNS_MAX, IMPORT_VALUES_MAX, ImportedSeries, RunImport, RunImportRecord
from runatlas.model.series import NUMERIC_TYPES
from runatlas.process.garbage_collector import collector_paused
from runatlas.server.services.caller import Caller
from runatlas.server.services.run_change import FINAL_STATES, json_text, profile_texts
from runatlas.server.services.run_creation import check_draft, project_of, values_of
from runatlas.server.services.validation import check_time
from runatlas.server.store.config import ConfigRow, flatten, write_configs
from runatlas.server.store.engine import Store
from runatlas.server.store.latest import freeze_new
from runatlas.server.store.point_chunk import Points
from runatlas.server.store.project import ProjectRow, lock_projects, touch_projects
from runatlas.server.store.run_text import keep_shown
from runatlas.server.store.run_write import add_profiles, add_runs, write_labels
from runatlas.server.store.series import Encoded, NewSeries, add_series_of_runs, encode_joined
from runatlas.server.store.statement import Connection

__all__ = ["RunImports"]

_ADDED, _PRESENT = RunImportRecord("added"), RunImportRecord("present")


@attrs.frozen(eq=False)
class _Checked:
    """A run that can be stored, as the store takes it.

    Attributes:
        place: Which of those that came it is.
        series: Key and type of each series, and how many points it has.
        steps, values: Those of all its series, one behind the other.
    """

    place: int
    given: RunImport
    config: str
    rows: list[ConfigRow]
    labels: list[str]
    profile: tuple[str, str, str]
    series: list[tuple[str, str, int]]
    steps: array[int]
    values: array[float]


class RunImports:
    """What may be done with runs that come whole."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def import_runs(self, caller: Caller, runs: tuple[RunImport, ...]) -> tuple[RunImportRecord, ...]:
        """Make runs with all their points, in one transaction: each is there whole, or not at all.

        Raises:
            NotFoundError: There is no such workspace, or project that a run does not make; nothing is made then.
            PermissionDeniedError: The caller may not write to one of the projects; nothing is made then.
            ValidationError: There are too many runs or values.
        """
        if len(runs) > IMPORT_RUNS_MAX:
            raise ValidationError(f"runs: at most {IMPORT_RUNS_MAX} come at once, got {len(runs)}")
        values = sum([len(series.values) for run in runs for series in run.series])
        if values > IMPORT_VALUES_MAX:
            raise ValidationError(f"runs: at most {IMPORT_VALUES_MAX:,} values come at once, got {values:,}")
        self._store.require_room()
        with collector_paused():
            return self._import(caller, runs)

    def _import(self, caller: Caller, runs: tuple[RunImport, ...]) -> tuple[RunImportRecord, ...]:
        found = [_check(place, run) for place, run in enumerate(runs)]
        answers = {place: answer for place, answer in enumerate(found) if isinstance(answer, RunImportRecord)}
        ready = [run for run in found if isinstance(run, _Checked)]
        encoded = _encode(ready)
        try:
            answers |= self._write(caller, ready, encoded)
        except (ConflictError, NotFoundError):
            # Another transaction made or deleted a project meanwhile; anything else is said again.
            answers |= self._write(caller, ready, encoded)
        return tuple(answers[place] for place in range(len(runs)))

    def _write(
        self, caller: Caller, ready: Sequence[_Checked], encoded: Mapping[int, Sequence[Encoded | None]]
    ) -> dict[int, RunImportRecord]:
        store = self._store
        answers: dict[int, RunImportRecord] = {}
        with store.write() as connection:
            # In one order, or two who make the same projects would wait for each other.
            drafts = _first_drafts(ready)
            projects = {path: project_of(store, connection, caller, drafts[path]) for path in sorted(drafts, key=str)}
            lock_projects(connection, {project.id for project in projects.values()}, whole=True)
            now_ms = store.clock()
            added: dict[int, _Checked] = {}
            rows = [
                _columns(caller, run, encoded[run.place], projects[run.given.draft.project], now_ms) for run in ready
            ]
            for run, key in zip(ready, add_runs(connection, rows), strict=True):
                answers[run.place] = _PRESENT if key is None else _ADDED
                if key is not None:
                    added[key] = run
            _write_parts(connection, added, encoded, now_ms)
            touch_projects(connection, {projects[run.given.draft.project].id for run in added.values()}, now_ms)
        return answers


def _first_drafts(ready: Sequence[_Checked]) -> dict[ProjectPath, RunDraft]:
    """Return a draft of each project, one that does not make it if there is such a one."""
    found: dict[ProjectPath, RunDraft] = {}
    for draft in (run.given.draft for run in ready):
        held = found.setdefault(draft.project, draft)
        if held.create_project and not draft.create_project:
            found[draft.project] = draft
    return found


def _check(place: int, run: RunImport) -> _Checked | RunImportRecord:
    try:
        return _checked(place, run)
    except ValidationError as error:
        return RunImportRecord("refused", str(error))


def _checked(place: int, run: RunImport) -> _Checked:
    """Check a run, and bring it into the form that the store takes.

    Raises:
        ValidationError: Something of it cannot be stored; the sentence names it.
    """
    draft = run.draft
    check_draft(draft)
    if draft.state not in FINAL_STATES:
        raise ValidationError(f"state: a run that comes whole has ended, and is not {draft.state}")
    check_time(run.time_ms, "time_ms")
    series: list[tuple[str, str, int]] = []
    steps, values = array("q"), array("d")
    for one in _together(run.series):
        key, column_type, count = one.key, one.column_type, len(one.values)
        check_key(key)
        if column_type not in NUMERIC_TYPES:
            raise ValidationError(f"column_type: {column_type!r} is none of {', '.join(NUMERIC_TYPES)}")
        if len(one.steps) != count:
            raise ValidationError(f"series: {key!r} has {len(one.steps)} steps and {count} values")
        try:
            steps.extend(one.steps)
            values.extend(one.values)
        except (TypeError, OverflowError) as error:
            raise ValidationError(f"series: steps or values of {key!r}: {error}") from error
        if series and series[-1][0] == key:
            _, held_type, held = series.pop()
            column_type, count = column_type if column_type == held_type else "FLOAT", held + count
        series.append((key, column_type, count))
    return _Checked(
        place,
        run,
        json_text(draft.config, "config"),
        flatten(draft.config),
        list(dict.fromkeys(draft.labels)),
        profile_texts(draft.profile or Profile()),
        series,
        steps,
        values,
    )


def _together(given: Sequence[ImportedSeries]) -> Sequence[ImportedSeries]:
    """Return series in the order of their keys' first ones: mostly as they are, as few have a key that came before."""
    if len({series.key for series in given}) == len(given):
        return given
    first: dict[str, int] = {}
    for place, series in enumerate(given):
        first.setdefault(series.key, place)
    return sorted(given, key=lambda series: first[series.key])


def _encode(ready: Sequence[_Checked]) -> dict[int, list[Encoded | None]]:
    """Encode the points of all runs at once; no lock is needed, but a request with a key holds it by then."""
    steps, values, counts = array("q"), array("d"), [len(run.values) for run in ready]
    for run in ready:
        steps.extend(run.steps)
        values.extend(run.values)
    encoded: Iterator[Encoded] = iter(())
    if values:
        times = np.repeat(np.array([run.given.time_ms for run in ready], np.int64), counts)
        points = Points(np.frombuffer(steps, np.int64), times, np.frombuffer(values, np.float64))
        encoded = iter(encode_joined(points, [count for run in ready for _, _, count in run.series if count]))
    return {run.place: [next(encoded) if count else None for _, _, count in run.series] for run in ready}


def _columns(
    caller: Caller, run: _Checked, encoded: Sequence[Encoded | None], project: ProjectRow, now_ms: int
) -> dict[str, Any]:
    return values_of(caller, run.given.draft, project, now_ms) | {
        "config": run.config,
        "labels": json_text(run.labels, "labels") if run.labels else "[]",
        "heartbeat_at_ms": now_ms,
        "point_count": len(run.values),
        "point_bytes": sum([points.size for points in encoded if points is not None]),
    }


def _write_parts(
    connection: Connection,
    added: Mapping[int, _Checked],
    encoded: Mapping[int, Sequence[Encoded | None]],
    now_ms: int,
) -> None:
    """Write what hangs on new runs, by row id."""
    write_configs(connection, {key: run.rows for key, run in added.items()}, fresh=True)
    write_labels(connection, {key: run.labels for key, run in added.items()}, fresh=True)
    add_profiles(connection, {key: run.profile for key, run in added.items()})
    series = {
        pk: [
            (key, column_type, points)
            for (key, column_type, _), points in zip(run.series, encoded[run.place], strict=True)
        ]
        for pk, run in added.items()
    }
    add_series_of_runs(connection, series, now_ms)
    freeze_new(connection, {pk: _latest(of_run) for pk, of_run in series.items()})
    keep_shown(connection, added)


def _latest(of_run: Sequence[NewSeries]) -> dict[str, float]:
    """Return the last values of a new run."""
    return {key: points.latest for key, _, points in of_run if points is not None}
