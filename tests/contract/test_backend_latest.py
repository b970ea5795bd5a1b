"""What listings tell of runs, much of which is kept for them of each ended run: always what its rows and series say."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text, update
from support.backend import Site
from support.examples import examples
from support.recording import line, points

from runatlas.errors import ConflictError, NotFoundError, RunAtlasError, ValidationError
from runatlas.model.account import UserPatch
from runatlas.model.batch import Batch
from runatlas.model.change import ChangeQuery
from runatlas.model.data_cut import DataCut
from runatlas.model.filters import Comparison, Field, Filter, Sort
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import PageRequest
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunSelection, RunState
from runatlas.model.run_import import ImportedSeries, RunImport
from runatlas.model.series import SummaryQuery
from runatlas.model.transfer import TransferDraft
from runatlas.server.store.check import check_store
from runatlas.server.store.schema import runs
from runatlas.server.store.statement import rows

pytestmark = pytest.mark.parametrize("site", ["local", "native"], indirect=True)

_BY_NAME = Sort(Field("STABLE", "name"), "ASC")
_ENDED = Comparison(Field("STABLE", "name"), "NEQ", "no run's")
_VALUES = (0.5, -1.0, -0.0, 1e300, math.nan, math.inf, -math.inf)


class _World:
    """A project of runs to which anything may happen that changes what they have recorded."""

    def __init__(self, site: Site, project: ProjectPath) -> None:
        self.site, self.project = site, project
        self.entries: list[str] = []
        self._count = 0
        self.runs = [self._made("a", "RUNNING"), self._made("b", "FINISHED")]
        for run in self.runs:
            site.root.append(Batch(run, (line("x", 4), line("y", 2, value=lambda step: -step))))
        imported = RunDraft(project, id="c", state="FINISHED")
        series = (ImportedSeries("x", (0, 1), (3.0, -math.nan)), ImportedSeries("y", (0,), (-0.0,)))
        site.root.import_runs((RunImport(imported, series, time_ms=1),))
        self.runs.append(RunPath(project.workspace, project.project, "c"))

    def _made(self, run_id: str, state: RunState) -> RunPath:
        return self.site.root.create_run(RunDraft(self.project, id=run_id, state=state))[0].path

    def selection(self, *ids: str, filter: Filter | None = None) -> RunSelection:
        return RunSelection(self.project.workspace, self.project.project, ids or None, filter)

    def _chosen(self, run: RunPath) -> RunSelection:
        return RunSelection(run.workspace, run.project, (run.run,))

    def record(self, run: RunPath, key: str, number: int) -> None:
        context = (("split", "val"),) if number == 3 else ()
        value = _VALUES[number % len(_VALUES)]
        self.site.root.append(Batch(run, (points(key, [(number, 1, value, None)], context=context),)))

    def declare(self, run: RunPath, key: str, number: int) -> None:
        self.site.root.append(Batch(run, (points(key, [], column_type=("FLOAT", "STRING")[number % 2]),)))

    def end(self, run: RunPath, key: str, number: int) -> None:
        del key
        state: Any = ("FINISHED", "ABORTED", "CRASHED", "OFFLINE")[number % 4]
        self.site.root.update_runs(self._chosen(run), RunPatch(state=state))

    def change(self, run: RunPath, key: str, number: int) -> None:
        patch = _PATCHES[number % len(_PATCHES)]
        if patch.folder_id is not None and key == "x":
            patch = attrs.evolve(patch, folder_id=self.site.root.create_folder(self.project, f"f{number}").id)
        self.site.root.update_runs(self._chosen(run), patch)

    def rename_all(self, run: RunPath, key: str, number: int) -> None:
        del run, key
        self.site.root.update_user(UserPatch(name=f"Ann {number}"))

    def resume(self, run: RunPath, key: str, number: int) -> None:
        if number % 2:
            self.site.root.update_runs(self._chosen(run), RunPatch(state="RUNNING"))
        else:
            draft = RunDraft(self.project, id=run.run, config={key: 1}, if_exists="resume")
            self.site.root.create_run(draft)

    def cut(self, run: RunPath, key: str, number: int) -> None:
        cut = DataCut((key,), first_step=number % 3)
        self.entries.append(self.site.root.delete(self.site.root.plan_data_deletion(cut, run, force=True)).trash_id)

    def delete(self, run: RunPath, key: str, number: int) -> None:
        del key, number
        plan = self.site.root.plan_run_deletion(self._chosen(run), force=True)
        self.entries.append(self.site.root.delete(plan).trash_id)

    def restore(self, run: RunPath, key: str, number: int) -> None:
        del run, key
        if self.entries:
            self.site.root.restore(self.entries.pop(number % len(self.entries)))

    def rename(self, run: RunPath, key: str, number: int) -> None:
        draft = TransferDraft("rename_metric", "yz"[number % 2], self._chosen(run), metric=key)
        self.site.root.transfer(self.site.root.plan_transfer(draft))

    def undo(self, run: RunPath, key: str, number: int) -> None:
        del run, key
        found = self.site.root.list_changes(ChangeQuery(str(self.project), page=PageRequest(limit=5))).items
        if found:
            self.site.root.undo_change(found[number % len(found)].id)

    def copy(self, run: RunPath, key: str, number: int) -> None:
        del key, number
        self._count += 1
        draft = TransferDraft("copy", str(self.project), self._chosen(run), suffix=f"-{self._count}")
        plan = self.site.root.plan_transfer(draft)
        self.site.root.copy_runs(plan)
        self.runs.append(RunPath(run.workspace, run.project, f"{run.run}-{self._count}"))

    def rewind(self, run: RunPath, key: str, number: int) -> None:
        self.site.root.append(Batch(run, (line(key, 1, start=number),), rewind=number))

    def told(self) -> dict[str, dict[str, str]]:
        """What the listing says."""
        selection = RunSelection(self.project.workspace, self.project.project)
        found = self.site.root.list_runs(RunQuery(selection, parts=("summary",), page=PageRequest(limit=1000))).items
        return {run.cuid: {key: repr(value) for key, value in (run.summary or {}).items()} for run in found}

    def listed(self, *sorts: Sort) -> list[str]:
        """What a listing says of whole runs: in another order than its own it reads their columns."""
        query = RunQuery(RunSelection(self.project.workspace, self.project.project), sorts)
        return sorted(repr(run) for run in self.site.root.list_runs(query).items)

    def true(self) -> dict[str, dict[str, str]]:
        """What the series say."""
        selection = RunSelection(self.project.workspace, self.project.project)
        found: dict[str, dict[str, str]] = {cuid: {} for cuid in self.told()}
        query = SummaryQuery(selection, page=PageRequest(limit=1000))
        for one in self.site.root.read_summaries(query).items:
            if not one.context:
                found[one.run][one.key] = repr(one.latest.value)
        return found


_PATCHES = (
    RunPatch(name='"ä"\n', description="\\", group="g", job_type="j"),
    RunPatch(labels_added=("a,b", "\x02"), colors=("#fff",)),
    RunPatch(archived=True, show=False, pin=True, baseline=True),
    RunPatch(protected=True, protected_reason="why"),
    RunPatch(pin=False, name="", labels=()),
    RunPatch(config={"lr": math.inf, "net": {"depth": 1}}),
    RunPatch(state="CRASHED", error="no\x7f"),
    RunPatch(folder_id=""),
)

_DEEDS: tuple[Callable[..., None], ...] = (
    *(_World.change, _World.change, _World.change, _World.rename_all),
    *(_World.record, _World.record, _World.declare, _World.end, _World.end, _World.resume, _World.cut),
    *(_World.delete, _World.restore, _World.rename, _World.undo, _World.copy, _World.rewind),
)


def test_a_listing_tells_what_the_series_say(site: Site) -> None:
    """Whatever runs record before and after their end, and whatever is cut, renamed, copied and brought back."""
    count = iter(range(10**6))
    deed = st.tuples(st.sampled_from(_DEEDS), st.integers(0, 5), st.sampled_from("xy"), st.integers(0, 9))

    @settings(max_examples=examples(10), suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.lists(deed, min_size=3, max_size=12))
    def check(history: Any) -> None:
        world = _World(site, site.project(f"p{next(count)}"))
        for do, place, key, number in history:
            with suppress(ConflictError, NotFoundError, ValidationError):
                do(world, world.runs[place % len(world.runs)], key, number)
            assert world.told() == world.true(), do.__name__
            assert world.listed() == world.listed(_BY_NAME), do.__name__

    check()
    assert list(check_store(site.services.store)) == []


def _frozen(site: Site) -> dict[str, str]:
    with site.services.store.read() as connection:
        return dict(rows(connection, select(runs.c.run_id, runs.c.latest).where(runs.c.latest.is_not(None))))


def _shown(site: Site) -> set[str]:
    with site.services.store.read() as connection:
        return {run for (run,) in rows(connection, select(runs.c.run_id).where(runs.c.shown.is_not(None)))}


def test_values_are_kept_of_ended_runs_and_of_none_that_goes_on(site: Site) -> None:
    world = _World(site, site.project())
    assert set(_frozen(site)) == {"b", "c"}
    for run in world.runs[:2]:
        world.record(run, "x", 1)
    before = _frozen(site)
    world.end(world.runs[0], "", 0)
    world.record(world.runs[1], "x", 6)
    after = _frozen(site)
    assert set(after) == {"a", "b", "c"} == _shown(site)
    world.change(world.runs[1], "", 0)
    assert "b" in _shown(site)
    assert after["b"] != before["b"]
    world.resume(world.runs[1], "", 1)
    assert set(_frozen(site)) == {"a", "c"} == _shown(site)


@pytest.mark.parametrize("data", ["", "[]", '{"x":1'])
def test_damaged_values_are_told_and_the_series_are_read_instead(site: Site, data: str) -> None:
    world = _World(site, site.project())
    truth = world.told()
    with site.services.store.write() as connection:
        connection.execute(update(runs).where(runs.c.latest.is_not(None)).values(latest=data))
    assert world.told() == truth == world.true()
    assert all("last values is damaged" in str(one) for one in check_store(site.services.store))
    world.record(world.runs[2], "z", 1)
    assert [one.runs for one in check_store(site.services.store)] == [(str(world.runs[1]),)]


def test_a_damaged_config_is_told_by_the_listing_that_carries_it(site: Site) -> None:
    world = _World(site, site.project())
    query = RunQuery(RunSelection(world.project.workspace, world.project.project))
    for config in ('{"lr":nan}', "[1]", '{},{"lr":1}', '{"a":\x011\x01}'):
        with site.services.store.write() as connection:
            connection.execute(update(runs).where(runs.c.run_id == "b").values(config=config))
        with pytest.raises(RunAtlasError, match=r"are damaged|the server failed"):
            site.root.list_runs(query)
    assert len(site.root.list_runs(attrs.evolve(query, parts=("summary",))).items) == 3
    for config, told in ((' {"lr":NaN}', {"lr": float("nan")}), ("null", None)):  # as another program may write it
        with site.services.store.write() as connection:
            connection.execute(update(runs).where(runs.c.run_id == "b").values(config=config))
        found = next(run.config for run in site.root.list_runs(query).items if run.id == "b")
        assert repr(found) == repr(told)


def test_what_an_earlier_version_changes_is_seen(site: Site) -> None:
    world = _World(site, site.project())
    query = RunQuery(RunSelection(world.project.workspace, world.project.project, ("b",)))
    for name, time in (("changed", "updated_at_ms + 1"), ("by a clock that is behind", "updated_at_ms / 10")):
        site.root.update_runs(query.selection, RunPatch(description=name))
        with site.services.store.write() as connection:  # as it does: it knows nothing of what is kept beside a run
            connection.execute(text(f"UPDATE runs SET name = '{name}', updated_at_ms = {time} WHERE run_id = 'b'"))
        assert "b" in _shown(site)
        assert [run.name for run in site.root.list_runs(query).items] == [name]


@pytest.mark.parametrize(
    "deeds",
    [
        [(_World.record, "x")],
        [(_World.record, "z")],
        [(_World.cut, "x")],
        [(_World.rename, "x")],
        [(_World.resume, "x"), (_World.record, "x")],
        [(_World.resume, "x"), (_World.record, "x"), (_World.end, "x")],
    ],
)
def test_last_values_that_an_earlier_version_left_as_they_were_are_told(
    site: Site, deeds: list[tuple[Callable[..., None], str]]
) -> None:
    """It was left open while the store was brought up to date: of schema 11 it knows nothing of what is kept."""
    world = _World(site, site.project())
    kept = select(runs.c.latest, runs.c.shown, runs.c.shown_as_of_ms).where(runs.c.run_id == "b")
    with site.services.store.read() as connection:
        ((latest, shown, as_of_ms),) = rows(connection, kept)
    for do, key in deeds:
        site.clock.advance(1)
        do(world, world.runs[1], key, 9)
    truth = world.true()
    with site.services.store.write() as connection:  # its statements are the same but for these columns
        left = {"latest": latest, "shown": shown, "as_of": as_of_ms}
        statement = "UPDATE runs SET latest = :latest, shown = :shown, shown_as_of_ms = :as_of WHERE run_id = 'b'"
        connection.execute(text(f"{statement} AND cut_of IS NULL"), left)
    (damage,) = check_store(site.services.store)
    assert (damage.runs, "not what its series say; set its state" in str(damage)) == ((str(world.runs[1]),), True)
    world.site.root.update_runs(world.selection("b"), RunPatch(state="FINISHED"))
    assert list(check_store(site.services.store)) == []
    assert world.told() == truth


def test_what_is_kept_is_what_listings_read(site: Site) -> None:
    """Damage to it shows in them: where it cannot be read at all, the columns of runs are, which takes far longer."""
    world = _World(site, site.project())
    root, folder = site.root, site.root.create_folder(world.project, "f").id
    root.update_runs(world.selection("b"), RunPatch(folder_id=folder))
    with site.services.store.write() as connection:
        shown = func.replace(runs.c.shown, '"state":"FINISHED"', '"state":"ABORTED"')
        connection.execute(update(runs).where(runs.c.shown.is_not(None)).values(shown=shown))
    for selection in (world.selection(), world.selection("a", "b", "c"), world.selection(filter=_ENDED)):
        states = {run.id: run.state for run in root.list_runs(RunQuery(selection)).items}
        assert {states[run] for run in "bc"} == {"ABORTED"}
        found = root.list_runs(RunQuery(selection, (_BY_NAME,))).items
        assert {run.state for run in found if run.id in "bc"} == {"FINISHED"}
    assert {run.id: run.folder_id for run in root.list_runs(RunQuery(world.selection())).items}["b"] == folder


@pytest.mark.parametrize("left_out", [1, 2])
def test_what_is_kept_and_cut_off_is_not_believed(site: Site, left_out: int) -> None:
    world = _World(site, site.project())
    truth = world.listed(_BY_NAME)
    with site.services.store.write() as connection:
        shown = func.substr(runs.c.shown, 1, func.length(runs.c.shown) - left_out)
        connection.execute(update(runs).where(runs.c.shown.is_not(None)).values(shown=shown))
    assert world.listed() == truth
    assert len(list(check_store(site.services.store))) == 2


@pytest.mark.parametrize("place", [f"{2**63},1", f"1,{10**30}", "-1,1", "1", "1,1,1", "a,b", "", ","])
def test_a_kept_place_that_is_none_is_not_believed(site: Site, place: str) -> None:
    world = _World(site, site.project())
    truth = world.listed(_BY_NAME)
    with site.services.store.write() as connection:
        kept = connection.scalar(select(runs.c.shown).where(runs.c.run_id == "b")) or ""
        before, _, after = kept.partition(',"state":')
        shown = f'{before[: before.rindex(":")]}:"{place}","state":{after}'
        connection.execute(update(runs).where(runs.c.run_id == "b").values(shown=shown))
    assert world.listed() == truth


def test_bytes_where_a_run_has_text_are_told(site: Site) -> None:
    world = _World(site, site.project())
    if site.services.store.dialect == "postgresql":  # whose columns hold what their types say
        return
    with site.services.store.write() as connection:
        connection.execute(text("UPDATE runs SET name = x'00' WHERE run_id = 'b'"))
    (damage,) = check_store(site.services.store)
    assert damage.runs == (str(world.runs[1]),)
    assert "bytes" in str(damage)


@pytest.mark.parametrize("value", ["'abc'", "x'00'"])
@pytest.mark.parametrize("run", [0, 1])
def test_a_last_value_that_is_no_number_is_told(site: Site, value: str, run: int) -> None:
    world = _World(site, site.project())
    if site.services.store.dialect == "postgresql":  # whose columns hold what their types say
        return
    with site.services.store.write() as connection:
        chosen = f"run_pk = (SELECT id FROM runs WHERE run_id = '{'ab'[run]}')"
        connection.execute(text(f"UPDATE series SET last_value = {value} WHERE key = 'x' AND {chosen}"))
    (damage,) = check_store(site.services.store)
    assert damage.runs == (str(world.runs[run]),)
    assert "no number" in str(damage)


def test_a_metric_may_be_called_as_special_numbers_are_marked(site: Site) -> None:
    project = site.project()
    series = (ImportedSeries("$float", (0,), (math.nan,)),)
    site.root.import_runs((RunImport(RunDraft(project, id="odd", state="FINISHED"), series, time_ms=1),))
    for sorts in ((), (_BY_NAME,)):
        query = RunQuery(RunSelection(project.workspace, project.project), sorts=sorts)
        ((name, value),) = (site.root.list_runs(query).items[0].summary or {}).items()
        assert name == "$float"
        assert math.isnan(value)
    with pytest.raises(RunAtlasError):
        site.root.create_run(RunDraft(project, id="worse", config={"$float": "NaN"}))


def test_none_are_kept_of_a_run_of_very_many_metrics(site: Site) -> None:
    world = _World(site, site.project())
    series = tuple(line(f"m{number}", 1) for number in range(999))
    site.root.append(Batch(world.runs[1], series[:998]))
    assert "b" in _frozen(site)
    site.root.append(Batch(world.runs[1], series[998:]))
    assert "b" not in _frozen(site)
    assert sorted(map(len, world.told().values())) == [2, 2, 1001]
