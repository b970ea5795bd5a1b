"""Data that is cut out of a run while others record, merge, delete and restore: none is lost."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from support.meeting import meanwhile
from support.recording import Recorder, line, rows_of

from runatlas.errors import ConflictError
from runatlas.model.data_cut import DataCut
from runatlas.model.ids import RunPath
from runatlas.model.page import PageRequest
from runatlas.model.series import PointQuery
from runatlas.model.trash import DeletionPlanRecord
from runatlas.server.store import merging
from runatlas.server.store.check import check_store
from runatlas.server.store.schema import chunks, series


@pytest.fixture
def run(recorder: Recorder) -> RunPath:
    """A run of forty steps."""
    run = recorder.run("r")
    recorder.append(run, line("loss", 40), line("acc", 40))
    return run


def _plan(recorder: Recorder, run: RunPath, cut: DataCut) -> DeletionPlanRecord:
    return recorder.services.trash.plan_data_deletion(recorder.caller, cut, run)


def _delete(recorder: Recorder, plan: DeletionPlanRecord) -> str:
    return recorder.services.trash.delete(recorder.caller, plan).trash_id


def _steps(recorder: Recorder, run: RunPath) -> dict[str, list[int]]:
    block = recorder.services.points.read_points(recorder.caller, PointQuery(recorder.selection(run)))
    return {key: [row[0] for row in rows] for (_, key, _), rows in rows_of(block).items()}


def _is_sound(recorder: Recorder) -> bool:
    return not list(check_store(recorder.services.store))


@pytest.mark.parametrize("cut", [DataCut(("loss",)), DataCut(None, first_step=20), DataCut(None, thin=3)])
def test_of_two_who_cut_the_same_one_has_done_it(recorder: Recorder, run: RunPath, cut: DataCut) -> None:
    plan = _plan(recorder, run, cut)
    before = _steps(recorder, run)
    with pytest.raises(ConflictError, match="out of date"):
        meanwhile(recorder.services, lambda: _delete(recorder, plan), lambda: _delete(recorder, plan))
    assert _is_sound(recorder)
    for entry in recorder.services.trash.list_trash(recorder.caller, None, PageRequest()).items:
        recorder.services.trash.restore(recorder.caller, entry.id)
    assert _steps(recorder, run) == before


def test_what_is_recorded_meanwhile_refuses_the_cut_or_comes_after_it(recorder: Recorder, run: RunPath) -> None:
    plan = _plan(recorder, run, DataCut(("loss",)))
    with pytest.raises(ConflictError, match="40 points and 0 files planned, 41 points"):
        meanwhile(
            recorder.services,
            lambda: recorder.append(run, line("loss", 1, start=40)),
            lambda: _delete(recorder, plan),
        )
    plan = _plan(recorder, run, DataCut(("loss",)))
    entry, _ = meanwhile(
        recorder.services, lambda: _delete(recorder, plan), lambda: recorder.append(run, line("loss", 1, start=41))
    )
    assert _steps(recorder, run)["loss"] == [41]
    assert _is_sound(recorder)
    meanwhile(
        recorder.services,
        lambda: recorder.append(run, line("loss", 1, start=42)),
        lambda: recorder.services.trash.restore(recorder.caller, entry),
    )
    assert _steps(recorder, run)["loss"] == list(range(43))
    assert _is_sound(recorder)


def test_nothing_is_given_back_to_a_run_that_is_deleted(recorder: Recorder, run: RunPath) -> None:
    entry = _delete(recorder, _plan(recorder, run, DataCut(("loss",))))
    trash = recorder.services.trash
    with pytest.raises(ConflictError, match="itself in the trash"):
        meanwhile(
            recorder.services,
            lambda: trash.delete_run(recorder.caller, run),
            lambda: trash.restore(recorder.caller, entry),
        )
    assert _is_sound(recorder)


def test_a_merge_of_what_was_cut_meanwhile_is_not_applied(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    # Else a thread may have merged it all before.
    monkeypatch.setattr(merging.Merger, "offer", lambda *_: None)
    run = recorder.run("r")
    for step in range(40):
        recorder.append(run, line("loss", 1, start=step))
    store = recorder.services.store
    with store.read() as connection:
        (series_id,) = connection.execute(select(series.c.id)).scalars()
        before = merging.next_merge(connection, series_id)
    assert before is not None
    entry = _delete(recorder, _plan(recorder, run, DataCut(None, first_step=20)))
    recorder.services.purging.purge(recorder.caller, trash_id=entry)
    for step in range(20, 40):
        # SQLite gives these the numbers of the chunks that are gone.
        recorder.append(run, line("loss", 1, start=step, value=lambda _: -1.0))
    with store.write() as connection:
        assert not merging.apply_merge(connection, series_id, before)
    assert merging.merge_series(store, series_id) > 0
    block = recorder.services.points.read_points(recorder.caller, PointQuery(recorder.selection(run)))
    assert block.values.to_pylist() == [*map(float, range(20)), *[-1.0] * 20]
    assert _is_sound(recorder)


def test_an_id_is_not_retired_by_what_is_cut(recorder: Recorder, run: RunPath) -> None:
    _delete(recorder, _plan(recorder, run, DataCut(("loss",))))
    assert not recorder.services.retirement.is_retired(recorder.caller, run.run)
    recorder.services.trash.delete_run(recorder.caller, run, force=True)
    assert recorder.services.retirement.is_retired(recorder.caller, run.run)


def test_damaged_points_are_cut_as_a_whole_and_not_parted(recorder: Recorder, run: RunPath) -> None:
    with recorder.services.store.write() as connection:
        chosen = select(series.c.id).where(series.c.key == "loss").scalar_subquery()
        connection.execute(chunks.update().where(chunks.c.series_id == chosen).values(data=b"nonsense"))
    for cut in (DataCut(("loss",), first_step=20), DataCut(None, thin=3)):
        with pytest.raises(ConflictError, match=f"'loss' of {run} cannot be parted"):
            _plan(recorder, run, cut)
    assert len(_plan(recorder, run, DataCut(("acc",), first_step=20)).items) == 1
    entry = _delete(recorder, _plan(recorder, run, DataCut(("loss",))))
    assert _steps(recorder, run) == {"acc": list(range(40))}
    recorder.services.trash.restore(recorder.caller, entry)
    _delete(recorder, _plan(recorder, run, DataCut(("loss",))))
    assert recorder.services.purging.purge(recorder.caller, expired_only=False).points == 40
    assert _is_sound(recorder)
