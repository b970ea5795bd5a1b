"""Cleaning up that is killed at random moments: the state before it or the one after it, and never one between.

``RUNATLAS_KILLS=500 pytest`` kills that often on each engine; the suite does it twenty-five times.
"""

from __future__ import annotations

import io
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import attrs
import pytest
from arro3.core import Array, DataType
from support.crash_store import CrashStore
from support.database import ENGINES, new_schema
from support.examples import examples
from support.forked import start
from support.killed import KEPT_STEPS, RENAMED, act, open_services

from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.change import ChangeQuery
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest, each_item
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunDraft, RunQuery, RunSelection
from runatlas.model.series import SeriesPoints, SummaryQuery
from runatlas.server.services.services import Services

KILLS = int(os.environ.get("RUNATLAS_KILLS", "0")) or examples(50)
PATIENCE_S = 60
PROJECTS = ("first", "second")
COPIES = "copies"
GROUPS, GROUP_RUNS, STEPS = 5, 4, 150
KEYS = ("loss", "accuracy")


@attrs.define
class Held:
    """What a run is."""

    project: str
    id: str
    labels: tuple[str, ...]
    description: str
    config: dict[str, Any]
    points: dict[str, int]
    files: set[str]


World = dict[str, Held]
"""Runs by cuid."""


class Cleaned:
    """A store, and what is expected of it."""

    def __init__(self, place: CrashStore) -> None:
        self.place = place
        self.runs: World = {}
        self.trash: dict[str, Callable[[World], World]] = {}
        """What restoring an entry makes of the runs."""
        self.undoable: dict[str, tuple[World, World]] = {}
        """The runs before and after a change that can be taken back."""
        self.lines = 0
        self.took: dict[str, float] = {}
        with closing(self._open()) as services:
            _fill(services)
            self.runs, _, changes = _look(services)
            self.lines = len(changes)
        self.groups = {
            f"group-{group}": [cuid for cuid, run in self.runs.items() if run.id.startswith(f"{group}-")]
            for group in range(GROUPS)
        }

    def _open(self) -> Services:
        return open_services(self.place.directory, self.place.url)

    def step(self, chance: random.Random) -> tuple[str, str]:
        """Begin something, kill it, and look; return what was done and what came of it."""
        name, group = chance.choice(list(_AFTER)), chance.choice(list(self.groups))
        subject = group
        if name in {"restore", "purge", "undo"}:
            known = list(self.undoable if name == "undo" else self.trash)
            if not known:
                return name, "nothing to do"
            subject = chance.choice(known)
        found = [cuid for cuid in self.groups[group] if cuid in self.runs]
        project = self.runs[found[0]].project if found else PROJECTS[0]
        live = [cuid for cuid in found if self.runs[cuid].project == project]
        if name in {"move", "update", "copy", "rename"}:
            others = {"move": PROJECTS[PROJECTS.index(project) - 1], "copy": COPIES, "rename": chance.choice(RENAMED)}
            subject = others.get(name) or f"word-{chance.random()}"
        before, entries = deepcopy(self.runs), set(self.trash)
        expected, restoring = _AFTER[name](self, before, live, subject)
        is_long = expected != before or name == "purge"
        done = self._kill(name, project, [self.runs[cuid].id for cuid in live], subject, chance, is_long=is_long)
        with closing(self._open()) as services:
            self.runs, trash, changes = _look(services)
        is_after = (self.runs, trash) != (before, entries)
        assert is_after or not done or expected == before, f"{name} said that it was done, and was not"
        assert _told_apart(self.runs, expected if is_after else before) == {}, f"{name} is half done"
        assert len(changes) - self.lines == is_after, f"{name} and its line are apart"
        self.lines = len(changes)
        if is_after and name in {"update", "move", "undo", "rename"}:
            self.undoable.pop(subject, None)
            self.undoable[changes[0]] = (before, expected)
        if is_after:
            if restoring is not None:
                (entry,) = trash - entries
                self.trash[entry] = restoring
            else:
                for gone in entries - trash:
                    del self.trash[gone]
        assert set(self.trash) == trash
        return name, "after" if is_after else "before"

    def _kill(
        self, name: str, project: str, ids: list[str], subject: str, chance: random.Random, *, is_long: bool
    ) -> bool:
        """Let a process do it, kill it at a random moment, and tell whether it was done by then.

        The first that has something to do is left alone, and tells how long the others may take.
        """
        process = start(act, self.place.directory, self.place.url, name, project, ids, subject, streams=(1,))
        with process.stream as lines:
            assert lines.readline() == "begun\n"
            begun = time.perf_counter()
            if name in self.took:
                with suppress(TimeoutError):
                    process.wait(chance.uniform(0.0, 1.2 * self.took[name]))
                process.kill()
            done = lines.readline() == "done\n"
            if is_long and done:
                self.took[name] = max(self.took.get(name, 0.0), time.perf_counter() - begun)
        process.wait(PATIENCE_S)
        self.place.wait_for_others()
        return done


def _fill(services: Services) -> None:
    caller = services.owner()
    for name in PROJECTS:
        services.projects.create_project(caller, ProjectDraft(name, caller.username))
    project = ProjectPath(caller.username, PROJECTS[0])
    steps = Array(range(STEPS), DataType.int64())
    values = Array([float(step) for step in range(STEPS)], DataType.float64())
    for group in range(GROUPS):
        for number in range(GROUP_RUNS):
            draft = RunDraft(
                project,
                id=f"{group}-{number}",
                state="FINISHED",
                group=f"group-{group}",
                config={"lr": 0.1},
                created_at_ms=1_700_000_000_000 + number,
                finished_at_ms=1_700_000_001_000,
            )
            run, _ = services.runs.create_run(caller, draft)
            blob = services.recording.put_blob(caller, project, io.BytesIO(b"weights %d" % (number % 2)))
            artifact = ArtifactDraft("weights.bin", blob.sha256, blob.size)
            points = [SeriesPoints(key, steps, values, steps) for key in KEYS]
            few = SeriesPoints(RENAMED[0], steps.slice(0, 3), values.slice(0, 3), steps.slice(0, 3))
            services.recording.append(caller, Batch(run.path, points=(*points, few), artifacts=(artifact,)))


def _look(services: Services) -> tuple[World, set[str], list[str]]:
    """Return the runs, the entries of the trash, and the lines of the journal, newest first."""
    caller = services.owner()
    chosen = RunSelection(caller.username)
    points: dict[str, dict[str, int]] = {}
    for summary in each_item(
        lambda page: services.points.read_summaries(caller, SummaryQuery(chosen, median=False, page=page))
    ):
        points.setdefault(summary.run, {})[summary.key] = summary.count or 0
    world = {}
    for run in each_item(lambda page: services.runs.list_runs(caller, RunQuery(chosen, parts=("config",), page=page))):
        files = {file.name for file in services.artifacts.list_artifacts(caller, run.path, PageRequest()).items}
        world[run.cuid] = Held(
            run.project, run.id, run.labels, run.description, run.config or {}, points.get(run.cuid, {}), files
        )
    trash = {entry.id for entry in each_item(lambda page: services.trash.list_trash(caller, None, page))}
    lines = each_item(lambda page: services.changes.list_changes(caller, ChangeQuery(page=page)))
    return world, trash, [line.id for line in lines]


def _told_apart(found: World, expected: World) -> dict[str, tuple[Held | None, Held | None]]:
    """Return the runs that are not as expected; a copy has an id that nobody knows before."""
    expected = dict(expected)
    for copy in [cuid for cuid in expected if cuid.startswith("copy of ")]:
        held = expected.pop(copy)
        expected[next((cuid for cuid in found if found[cuid] == held and cuid not in expected), copy)] = held
    both = {*found, *expected}
    return {cuid: (found.get(cuid), expected.get(cuid)) for cuid in both if found.get(cuid) != expected.get(cuid)}


Expected = tuple[World, "Callable[[World], World] | None"]


def _deleted(runs: World, gone: list[str]) -> Expected:
    taken = {cuid: runs[cuid] for cuid in gone}
    return {cuid: run for cuid, run in runs.items() if cuid not in taken}, lambda now: {**now, **taken}


def _cut(runs: World, live: list[str], part: Callable[[Held], tuple[dict[str, int], set[str]]]) -> Expected:
    """Take points and files out of runs; only what is taken of is a part of it."""
    taken = {cuid: part(runs[cuid]) for cuid in live}
    taken = {cuid: found for cuid, found in taken.items() if any(found)}
    left = deepcopy(runs)
    for cuid, (points, files) in taken.items():
        run = left[cuid]
        run.points = {
            key: count - points.get(key, 0) for key, count in run.points.items() if count > points.get(key, 0)
        }
        run.files -= files

    def restored(now: World) -> World:
        back = deepcopy(now)
        for cuid, (points, files) in taken.items():
            run = back[cuid]
            run.points = {key: run.points.get(key, 0) + points.get(key, 0) for key in {*run.points, *points}}
            run.files |= files
        return back

    return left, restored if taken else None


def _rewound(run: Held) -> tuple[dict[str, int], set[str]]:
    return {key: count - KEPT_STEPS for key, count in run.points.items() if count > KEPT_STEPS}, set(run.files)


def _changed(runs: World, live: list[str], **changes: Any) -> Expected:
    return {cuid: attrs.evolve(run, **changes) if cuid in live else run for cuid, run in runs.items()}, None


def _updated(runs: World, live: list[str], word: str) -> Expected:
    made = deepcopy(runs)
    for cuid in live:
        run = made[cuid]
        run.labels, run.description, run.config = (*run.labels, word), word, {**run.config, "word": word}
    return made, None


def _renamed(runs: World, live: list[str], key: str) -> Expected:
    """Give a metric another key, in those that have it; one that had both would refuse it."""
    made, (old,) = deepcopy(runs), {*RENAMED} - {key}
    for cuid in live:
        made[cuid].points = {key if name == old else name: count for name, count in made[cuid].points.items()}
    return made, None


def _copied(runs: World, live: list[str]) -> Expected:
    """Copy runs, unless one of their ids is taken there."""
    taken = {run.id for run in runs.values() if run.project == COPIES}
    if any(runs[cuid].id in taken for cuid in live):
        return runs, None
    copies = {f"copy of {cuid}": attrs.evolve(deepcopy(runs[cuid]), project=COPIES) for cuid in live}
    return {**runs, **copies}, None


def _undone(cleaned: Cleaned, runs: World, change: str) -> Expected:
    """Take a change back, unless what it changed was changed since, or a run is not there."""
    before, after = cleaned.undoable[change]
    made = deepcopy(runs)
    for cuid, was in before.items():
        became = after[cuid]
        for field in attrs.fields_dict(Held) if was != became else ():
            old, new = getattr(was, field), getattr(became, field)
            if field == "points" and old != new:
                (gone,), (came,) = new.keys() - old.keys(), old.keys() - new.keys()
                if cuid not in runs or gone not in runs[cuid].points or came in runs[cuid].points:
                    return runs, None
                made[cuid].points = {came if key == gone else key: n for key, n in runs[cuid].points.items()}
            elif old != new and (cuid not in runs or getattr(runs[cuid], field) != new):
                return runs, None
            elif old != new:
                setattr(made[cuid], field, old)
    return made, None


def _restored(cleaned: Cleaned, runs: World, entry: str) -> Expected:
    try:
        return cleaned.trash[entry](runs), None
    except KeyError:  # a run that data is to go back to is not there: refused
        return runs, None


_AFTER: Mapping[str, Callable[[Cleaned, World, list[str], str], Expected]] = {
    "delete": lambda _, runs, live, __: _deleted(runs, live),
    "clean": lambda _, runs, live, __: _deleted(runs, live[1:]),
    "cut": lambda _, runs, live, __: _cut(
        runs, live, lambda run: ({"loss": run.points["loss"]} if "loss" in run.points else {}, set())
    ),
    "rewind": lambda _, runs, live, __: _cut(runs, live, _rewound),
    "move": lambda _, runs, live, target: _changed(runs, live, project=target),
    "copy": lambda _, runs, live, __: _copied(runs, live),
    "rename": lambda _, runs, live, key: _renamed(runs, live, key),
    "undo": lambda cleaned, runs, _, change: _undone(cleaned, runs, change),
    "update": lambda _, runs, live, word: _updated(runs, live, word),
    "restore": lambda cleaned, runs, _, entry: _restored(cleaned, runs, entry),
    "purge": lambda _, runs, __, ___: (runs, None),
}
"""What each piece of work makes of the runs, and what restoring its entry of the trash would make of them then."""


@pytest.fixture(params=ENGINES)
def cleaned(request: pytest.FixtureRequest, tmp_path: Path) -> Cleaned:
    url = new_schema(request.getfixturevalue("postgresql")) if request.param == "postgresql" else None
    return Cleaned(CrashStore(tmp_path / "store", url))


def test_cleaning_up_that_is_killed_is_done_or_not_begun(cleaned: Cleaned) -> None:
    chance = random.Random(7)
    seen: Counter[tuple[str, str]] = Counter(cleaned.step(chance) for _ in range(KILLS))
    print(sorted(seen.items()))
    assert {came for _, came in seen} >= {"before", "after"}
    assert cleaned.place.damages() == []
