"""Runs written to a SwanLab server by our own backend: what its protocol can say arrives, anything else is refused."""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from support.faulty_server import Exchange, faulty_server, relayed, reply
from support.recording import line, points, rows_of
from support.swanlab_server import DEMO, RUN, RUNS, SwanlabServer
from support.world import make_png

from runatlas.backends.contract import Backend
from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.swanlab import SwanlabBackend, upload
from runatlas.errors import (
    ConflictError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    ServerError,
    ValidationError,
)
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import AppendRecord, Batch
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogDraft, LogQuery
from runatlas.model.media import MediaDraft, MediaItem, MediaQuery
from runatlas.model.page import PageRequest
from runatlas.model.run import Profile, RunDraft, RunPatch, RunQuery, RunSelection
from runatlas.model.series import ColumnDraft, ColumnQuery, PointQuery

ONE = attrs.evolve(RUNS, ids=("one",))
PNG = make_png((1, 2, 3))
TEXT = MediaItem("media/text/000-a.txt", data={"text": "hello"}, mime_type="text/plain")


def text_draft(*items: MediaItem, **changes: Any) -> MediaDraft:
    """Make media of a text."""
    return MediaDraft(**{"key": "note", "step": 0, "items": items or (TEXT,), "column_type": "TEXT", **changes})


def picture(backend: Backend, path: str, data: bytes = PNG, **parts: Any) -> MediaItem:
    """Put a picture."""
    blob = backend.put_blob(DEMO, io.BytesIO(data))
    return MediaItem(path, sha256=blob.sha256, size=blob.size, mime_type="image/png", **parts)


def held(server: SwanlabServer) -> Any:
    """Read everything that the server has."""
    store = server.store
    runs = store.list_runs(RunQuery(RUNS, parts=("config", "summary", "profile"))).items
    return (
        [attrs.evolve(run, updated_at_ms=0) for run in runs],
        rows_of(store.read_points(PointQuery(RUNS))),
        [store.read_logs(run.path, LogQuery(level="DEBUG")) for run in runs],
        [
            [(item.key, item.step, len(item.items)) for item in store.list_media(run.path, MediaQuery(all=True)).items]
            for run in runs
        ],
        [[item.name for item in store.list_artifacts(run.path, PageRequest()).items] for run in runs],
        [store.list_columns(run.path, ColumnQuery()) for run in runs],
    )


REFUSED: dict[str, Callable[[Backend], object]] = {
    "a context": lambda b: b.append(Batch(RUN, (line("loss", 1, start=9, context=(("subset", "val"),)),))),
    "an epoch": lambda b: b.append(Batch(RUN, (points("loss", [(9, 0, 1.0, 3)]),))),
    "an event id": lambda b: b.append(Batch(RUN, (line("loss", 1, start=9, event_ids=("a",)),))),
    "two of a step": lambda b: b.append(Batch(RUN, (points("new", [(1, 0, 1.0, None), (1, 1, 2.0, None)]),))),
    "a step below 0": lambda b: b.append(Batch(RUN, (line("new", 1, start=-1),))),
    "a boolean": lambda b: b.append(Batch(RUN, (line("new", 1, column_type="BOOLEAN"),))),
    "a system key": lambda b: b.append(Batch(RUN, (line("__swanlab__.x", 1),))),
    "a late time": lambda b: b.append(Batch(RUN, (points("new", [(1, 10**15, 1.0, None)]),))),
    "once a step": lambda b: b.append(Batch(RUN, (line("new", 1),), once_per_step=True)),
    "a figure's column": lambda b: b.append(Batch(RUN, columns=(ColumnDraft("x", "FIGURE"),))),
    "a figure": lambda b: b.append(Batch(RUN, media=(text_draft(column_type="FIGURE"),))),
    "an epoch of media": lambda b: b.append(Batch(RUN, media=(text_draft(epoch=1),))),
    "another folder": lambda b: b.append(Batch(RUN, media=(text_draft(attrs.evolve(TEXT, path="x/a.txt")),))),
    "said of media": lambda b: b.append(Batch(RUN, media=(text_draft(attrs.evolve(TEXT, meta={"a": 1})),))),
    "data of media": lambda b: b.append(Batch(RUN, media=(text_draft(attrs.evolve(TEXT, data={"a": 1})),))),
    "two of a path": lambda b: b.append(
        Batch(RUN, media=(text_draft(TEXT, attrs.evolve(TEXT, data={"text": "other"})),))
    ),
    "a message by name": lambda b: b.append(Batch(RUN, logs=(LogDraft("x", tag="record"),))),
    "fields of a line": lambda b: b.append(Batch(RUN, logs=(LogDraft("x", fields={"a": 1}),))),
    "replacing": lambda b: b.create_run(RunDraft(DEMO, id="one", if_exists="replace")),
    "an offline run": lambda b: b.create_run(RunDraft(DEMO, id="two", state="OFFLINE")),
    "an empty value": lambda b: b.create_run(RunDraft(DEMO, config={"a": {}})),
    "no number": lambda b: b.create_run(RunDraft(DEMO, config={"a": [math.nan]})),
    "no metadata": lambda b: b.create_run(RunDraft(DEMO, profile=Profile({"a": None}))),
    "a name": lambda b: b.update_runs(ONE, RunPatch(name="x")),
    "labels": lambda b: b.update_runs(ONE, RunPatch(labels=())),
    "a pin": lambda b: b.update_runs(ONE, RunPatch(pin=True)),
    "several runs": lambda b: b.update_runs(attrs.evolve(RUNS, ids=("one", "two")), RunPatch(state="FINISHED")),
    "calling it offline": lambda b: b.update_runs(ONE, RunPatch(state="OFFLINE")),
    "an old sign of life": lambda b: b.update_runs(ONE, RunPatch(heartbeat_at_ms=1)),
}
"""What the protocol has no words for, whatever the run has."""

REFUSED_AFTER_A_LOOK: dict[str, Callable[[Backend], object]] = {
    "another point of a step": lambda b: b.append(Batch(RUN, (line("new", 2), points("loss", [(3, 3000, 9.0, None)])))),
    "another time of a step": lambda b: b.append(Batch(RUN, (points("loss", [(3, 1, 3.0, None)]),))),
    "other media of a step": lambda b: b.append(
        Batch(RUN, media=(MediaDraft("pic", 1, (picture(b, "media/image/001-b.png"),), "IMAGE"),))
    ),
    "another line of a number": lambda b: b.append(Batch(RUN, (line("new", 1),), logs=(LogDraft("x", line=1),))),
    "two lines of a number": lambda b: b.append(Batch(RUN, logs=(LogDraft("x", line=5), LogDraft("y", line=5)))),
    "another name": lambda b: b.create_run(RunDraft(DEMO, id="one", name="x", if_exists="resume")),
    "taking out of the config": lambda b: b.update_runs(ONE, RunPatch(config_removed=("lr",))),
    "an empty config value": lambda b: b.update_runs(ONE, RunPatch(config={"lr": {}})),
    "an end that goes on": lambda b: b.update_runs(ONE, RunPatch(state="RUNNING", error="x")),
    "a reason for a success": lambda b: b.update_runs(ONE, RunPatch(error="x")),
    "every run": lambda b: (b.create_run(RunDraft(DEMO, id="two")), b.update_runs(RUNS, RunPatch(state="CRASHED"))),
}
"""What it has no words for because of what the run has."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_say_is_refused_without_asking(swanlab_server: SwanlabServer, name: str) -> None:
    before = held(swanlab_server)
    with pytest.raises(NotSupportedError, match="a SwanLab server"):
        REFUSED[name](swanlab_server.backend())
    assert swanlab_server.asked == []
    assert held(swanlab_server) == before


@pytest.mark.parametrize("name", REFUSED_AFTER_A_LOOK)
def test_what_it_would_leave_out_is_refused_before_anything_changes(swanlab_server: SwanlabServer, name: str) -> None:
    if name == "every run":
        swanlab_server.store.create_run(RunDraft(DEMO, id="two"))
    before = held(swanlab_server)
    with pytest.raises((NotSupportedError, ConflictError)):
        REFUSED_AFTER_A_LOOK[name](swanlab_server.backend())
    assert held(swanlab_server) == before


class TestAppending:
    def test_everything_that_it_can_say_arrives(self, swanlab_server: SwanlabServer) -> None:
        backend, store = swanlab_server.backend(), swanlab_server.store
        values = [0.5, math.nan, math.inf, -math.inf, -1e300]
        first = attrs.evolve(picture(backend, "media/image/007-a.png"), caption="cat", meta={"format": "png"})
        second = picture(backend, "media/image/007-b.png", make_png((9, 9, 9)))
        blob = backend.put_blob(DEMO, io.BytesIO(b"weights"))
        batch = Batch(
            RUN,
            (
                points("train/acc", [(step, 1700000000000 + step, value, None) for step, value in enumerate(values)]),
                line("gpu", 2, column_class="SYSTEM"),
            ),
            media=(MediaDraft("pair", 7, (first, second), "IMAGE", time_ms=5000), text_draft(time_ms=6000)),
            logs=(LogDraft("one", time_ms=1), LogDraft("two", "WARN", time_ms=2), LogDraft("x", line=9, time_ms=3)),
            columns=(ColumnDraft("train/acc", name="Accuracy"),),
            artifacts=(ArtifactDraft("dir/w.bin", blob.sha256, blob.size, "application/x-weights"),),
        )
        assert backend.append(batch) == AppendRecord(True, 7, 2, 3, 1)
        found = rows_of(store.read_points(PointQuery(ONE, keys=("train/acc", "__swanlab__.gpu"))))
        assert [[repr(row[2]) for row in rows] for rows in found.values()] == [list(map(repr, values)), ["0.0", "1.0"]]
        columns = {item.key: item for item in store.list_columns(RUN, ColumnQuery()).items}
        assert (columns["train/acc"].name, columns["__swanlab__.gpu"].column_class) == ("Accuracy", "SYSTEM")
        note, pair = store.list_media(RUN, MediaQuery(("pair", "note"), all=True)).items
        assert [(item.sha256, item.caption) for item in pair.items] == [(first.sha256, "cat"), (second.sha256, "")]
        assert (pair.time_ms, note.items[0].data, note.time_ms) == (5000, {"text": "hello"}, 6000)
        logs = store.read_logs(RUN, LogQuery(offset=1)).logs
        assert [(item.line, item.level, item.message, item.time_ms) for item in logs] == [
            (2, "INFO", "one", 1),
            (3, "WARN", "two", 2),
            (9, "INFO", "x", 3),
        ]
        (_, file) = sorted(store.list_artifacts(RUN, PageRequest()).items, key=lambda item: item.name != "w.bin")
        assert (file.name, file.sha256, file.mime_type) == ("dir/w.bin", blob.sha256, "application/x-weights")

    def test_a_batch_sent_twice_is_applied_once(self, swanlab_server: SwanlabServer) -> None:
        backend = swanlab_server.backend()
        batch = Batch(RUN, (line("new", 3),), logs=(LogDraft("x"),), writer="w", sequence=4)
        assert backend.append(batch).applied
        before, asked = held(swanlab_server), len(swanlab_server.asked)
        assert backend.append(batch) == backend.append(attrs.evolve(batch, sequence=3)) == AppendRecord(False)
        assert len(swanlab_server.asked) == asked
        assert held(swanlab_server) == before
        assert backend.append(attrs.evolve(batch, points=(line("new", 1, start=3),), sequence=5)).applied

    @pytest.mark.parametrize("done", [False, True], ids=["not-done", "answer-lost"])
    def test_a_batch_that_broke_off_is_whole_after_another_try(self, swanlab_server: SwanlabServer, done: bool) -> None:
        def write(run_id: str, breaking: int | None = None) -> int:
            backend, store = swanlab_server.backend(RetryPolicy(fault_tries=1)), swanlab_server.store
            run = store.create_run(RunDraft(DEMO, id=run_id))[0].path
            backend.get_run(run)
            item = picture(backend, "media/image/001-a.png")
            begin = len(swanlab_server.asked)
            batch = Batch(
                run,
                (line("loss", 3),),
                media=(MediaDraft("pic", 1, (item,), "IMAGE", time_ms=5),),
                logs=(LogDraft("x", time_ms=5), LogDraft("y", time_ms=5)),
                artifacts=(ArtifactDraft("w.bin", str(item.sha256), item.size),),
                writer="w",
                sequence=1,
            )
            if breaking is not None:
                swanlab_server.broken[begin + breaking] = done
                with pytest.raises(ServerError):
                    backend.append(batch)
            assert backend.append(batch).applied
            assert not backend.append(batch).applied
            return len(swanlab_server.asked) - begin

        def written(run_id: str) -> Any:
            store, run = swanlab_server.store, DEMO.run(run_id)
            series = rows_of(store.read_points(PointQuery(attrs.evolve(RUNS, ids=(run_id,)))))
            media = store.list_media(run, MediaQuery(all=True)).items
            return (
                list(series.values()),
                [(item.key, item.step, [piece.sha256 for piece in item.items]) for item in media],
                store.read_logs(run, LogQuery()),
                [(item.name, item.sha256) for item in store.list_artifacts(run, PageRequest()).items],
            )

        count = write("clean")
        assert count > 8
        for breaking in range(count):
            write(f"broken-{breaking}", breaking)
            assert written(f"broken-{breaking}") == written("clean"), swanlab_server.asked

    def test_what_is_there_already_does_no_harm_again(self, swanlab_server: SwanlabServer) -> None:
        backend = swanlab_server.backend()
        item = picture(backend, "media/image/001-a.png")
        batch = Batch(
            RUN,
            (line("loss", 7),),
            media=(MediaDraft("pic", 1, (item,), "IMAGE"),),
            logs=(LogDraft("hello", line=1, time_ms=7),),
        )
        assert backend.append(batch).applied
        assert len(rows_of(swanlab_server.store.read_points(PointQuery(ONE, keys=("loss",)))).popitem()[1]) == 7
        assert swanlab_server.store.read_logs(RUN, LogQuery()).count == 1

    def test_many_points_are_several_requests(self, swanlab_server: SwanlabServer) -> None:
        swanlab_server.backend().append(Batch(RUN, (line("new", 10_001),)))
        assert swanlab_server.asked.count("POST /api/house/metrics") == 2
        (rows,) = rows_of(swanlab_server.store.read_points(PointQuery(ONE, keys=("new",)))).values()
        assert [row[0] for row in rows] == list(range(10_001))

    def test_what_the_way_finds_too_large_goes_in_smaller_requests(self, swanlab_server: SwanlabServer) -> None:
        through, barred = relayed(swanlab_server.origin), reply(b"<html>Too Large</html>", 413, "text/html")

        def keep(exchange: Exchange) -> None:
            (barred if len(exchange.request.body) > 20_000 else through)(exchange)

        with faulty_server(keep) as proxy:
            backend = SwanlabBackend(proxy.url, swanlab_server.key, cache=False)
            backend.append(Batch(RUN, (line("way", 2000),), logs=(LogDraft("x" * 10_000), LogDraft("y" * 15_000))))
        (rows,) = rows_of(swanlab_server.store.read_points(PointQuery(ONE, keys=("way",)))).values()
        assert [row[0] for row in rows] == list(range(2000))

    def test_bytes_that_were_not_put_are_not_asked_for(self, swanlab_server: SwanlabServer) -> None:
        draft = ArtifactDraft("a", hashlib.sha256(b"never").hexdigest(), 5)
        with pytest.raises(ValidationError, match="there is no blob"):
            swanlab_server.backend().append(Batch(RUN, (line("new", 1),), artifacts=(draft,)))
        assert swanlab_server.asked == []

    def test_what_one_backend_put_another_one_names(self, swanlab_server: SwanlabServer) -> None:
        putting, naming = swanlab_server.backend(), swanlab_server.backend()
        item = picture(putting, "media/image/002-a.png", b"bytes")
        naming.append(Batch(RUN, media=(MediaDraft("new", 2, (item,), "IMAGE"),)))
        putting.close()
        naming.append(Batch(RUN, media=(MediaDraft("new", 3, (item,), "IMAGE"),)))
        naming.close()
        with pytest.raises(ValidationError, match="there is no blob"):
            swanlab_server.backend().append(Batch(RUN, media=(MediaDraft("new", 4, (item,), "IMAGE"),)))

    def test_large_files_go_in_parts(self, swanlab_server: SwanlabServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(upload, "_IN_PARTS_FROM", 1 << 20)
        monkeypatch.setattr(upload, "_PART", 1 << 19)
        data = bytes(range(256)) * (5 << 10)
        backend = swanlab_server.backend()
        blob = backend.put_blob(DEMO, io.BytesIO(data))
        backend.append(Batch(RUN, artifacts=(ArtifactDraft("big.bin", blob.sha256, blob.size, "application/x-big"),)))
        assert sum(call.startswith("PUT ") for call in swanlab_server.asked) == 3
        found = {item.name: item for item in swanlab_server.store.list_artifacts(RUN, PageRequest()).items}["big.bin"]
        assert (found.sha256, found.mime_type) == (hashlib.sha256(data).hexdigest(), "application/x-big")

    def test_a_key_of_another_type_changes_nothing(self, swanlab_server: SwanlabServer) -> None:
        before = held(swanlab_server)
        with pytest.raises(ValidationError, match="another type"):
            swanlab_server.backend().append(Batch(RUN, (line("new", 1), line("pic", 1))))
        assert held(swanlab_server) == before

    def test_a_run_that_took_the_place_of_another_is_found(self, swanlab_server: SwanlabServer) -> None:
        backend, store = swanlab_server.backend(), swanlab_server.store
        backend.append(Batch(RUN, (line("new", 1),)))
        store.delete_run(RUN)
        with pytest.raises(NotFoundError):
            backend.append(Batch(RUN, (line("new", 1),)))
        store.create_run(RunDraft(DEMO, id="one"))
        backend.append(Batch(RUN, (line("new", 1),)))
        store.delete_run(RUN)
        store.create_run(RunDraft(DEMO, id="one"))
        assert backend.append(Batch(RUN, (line("new", 2),))).points == 2
        (rows,) = rows_of(store.read_points(PointQuery(ONE, keys=("new",)))).values()
        assert len(rows) == 2

    def test_columns_tell_their_last_step(self, swanlab_server: SwanlabServer) -> None:
        found = {item.key: item.last_step for item in swanlab_server.backend().list_columns(RUN, ColumnQuery()).items}
        assert found == {"loss": 4, "acc": 3, "pic": 1}


class TestRuns:
    def test_a_new_run_has_all_that_was_given(self, swanlab_server: SwanlabServer) -> None:
        draft = RunDraft(
            DEMO,
            id="two",
            name="Second",
            description="d",
            state="ABORTED",
            labels=("a", "b"),
            group="g",
            job_type="train",
            colors=("#111111", "#222222"),
            config={"lr": 0.1, "model": {"width": 4, "deep": {}}, "none": None, "list": [1, {}]},
            profile=Profile({"hardware": {"cpu": 2}}, "numpy==1\n", "python\n"),
            created_at_ms=1_700_000_000_123,
            finished_at_ms=1_700_000_009_456,
        )
        record, created = swanlab_server.backend().create_run(draft)
        assert created
        stored = swanlab_server.store.get_run(RunPath("ann", "demo", "two"))
        told, kept = (attrs.evolve(run, user=None, updated_at_ms=0, heartbeat_at_ms=None) for run in (record, stored))
        assert told == kept  # Who made a run and when it was last heard of, the protocol does not tell.
        for field in attrs.fields(RunDraft):
            if field.name not in {"project", "create_project", "project_title", "if_exists"}:
                assert getattr(stored, field.name) == getattr(draft, field.name), field.name

    def test_a_run_that_is_there_is_a_conflict_or_kept(self, swanlab_server: SwanlabServer) -> None:
        backend, before = swanlab_server.backend(), held(swanlab_server)
        with pytest.raises(ConflictError):
            backend.create_run(RunDraft(DEMO, id="one"))
        record, created = backend.create_run(RunDraft(DEMO, id="one", name="x", if_exists="keep"))
        assert (record.name, created) == ("First", False)
        assert held(swanlab_server) == before

    def test_a_run_goes_on(self, swanlab_server: SwanlabServer) -> None:
        swanlab_server.store.update_runs(ONE, RunPatch(profile=Profile({"a": 1}), config={"model": {"width": 4}}))
        draft = RunDraft(
            DEMO,
            id="one",
            name="First",
            labels=("x",),
            config={"model": {"depth": 2}, "seed": 3},
            profile=Profile({"b": 2}, "torch\n"),
            if_exists="resume",
        )
        record, created = swanlab_server.backend().create_run(draft)
        stored = swanlab_server.store.get_run(RUN)
        assert (created, record.state, stored.finished_at_ms) == (False, "RUNNING", None)
        assert stored.config == {"lr": 0.1, "model": {"width": 4, "depth": 2}, "seed": 3}
        assert stored.profile == Profile({"a": 1, "b": 2}, "torch\n")
        assert stored.labels == ("x",)

    def test_a_project_is_made_when_asked_for(self, swanlab_server: SwanlabServer) -> None:
        backend, draft = swanlab_server.backend(), RunDraft(ProjectPath("ann", "new"), id="a")
        with pytest.raises(NotFoundError):
            backend.create_run(draft)
        assert backend.create_run(attrs.evolve(draft, create_project=True))[1]
        assert swanlab_server.store.get_project(ProjectPath("ann", "new")).visibility == "PRIVATE"
        with pytest.raises(NotFoundError):
            backend.create_run(attrs.evolve(draft, project=ProjectPath("nobody", "new"), create_project=True))

    def test_a_patch_changes_what_it_names(self, swanlab_server: SwanlabServer) -> None:
        backend, store = swanlab_server.backend(), swanlab_server.store
        store.update_runs(ONE, RunPatch(config={"model": {"width": 4, "depth": 2}}, profile=Profile({"a": 1}, "x\n")))
        changed = backend.update_runs(
            ONE,
            RunPatch(
                state="CRASHED",
                error="it broke\nhere",
                finished_at_ms=1_700_000_000_000,
                config={"model.width": 8, "seed": 1},
                config_removed=("model.depth",),
                metadata={"b": 2},
            ),
        )
        stored = store.get_run(RUN)
        assert (changed.updated, stored.state, stored.error) == (1, "CRASHED", "it broke\nhere")
        assert stored.finished_at_ms == 1_700_000_000_000
        assert stored.config == {"lr": 0.1, "model": {"width": 8}, "seed": 1}
        assert stored.profile == Profile({"a": 1, "b": 2}, "x\n")
        backend.update_runs(ONE, RunPatch(state="CRASHED", error="it broke\nhere"))
        assert [item.message for item in store.read_logs(RUN, LogQuery()).logs] == ["hello", "it broke\nhere"]
        backend.update_runs(ONE, RunPatch(state="RUNNING"))
        stored = store.get_run(RUN)
        assert (stored.state, stored.error, stored.finished_at_ms) == ("RUNNING", "", None)
        now = int(time.time() * 1000)
        backend.update_runs(ONE, RunPatch(heartbeat_at_ms=now))
        assert (store.get_run(RUN).heartbeat_at_ms or 0) >= now

    def test_an_end_from_the_keyboard_has_its_reason(self, swanlab_server: SwanlabServer) -> None:
        swanlab_server.backend().update_runs(ONE, RunPatch(state="ABORTED", error="interrupted"))
        stored = swanlab_server.store.get_run(RUN)
        assert (stored.state, stored.error) == ("ABORTED", "interrupted")

    def test_a_run_that_is_not_there_is_told(self, swanlab_server: SwanlabServer) -> None:
        with pytest.raises(NotFoundError):
            swanlab_server.backend().update_runs(RunSelection("ann", "demo", ("none",)), RunPatch(state="CRASHED"))

    def test_who_may_only_read_is_told(self, swanlab_server: SwanlabServer) -> None:
        store = swanlab_server.store
        store.create_workspace("team")
        store.create_user("bob", "pass123")
        store.set_member("team", "bob", "VIEWER")
        team = ProjectPath("team", "demo")
        store.create_run(RunDraft(team, id="one", create_project=True))
        bob = SwanlabBackend(swanlab_server.origin, store.create_key("bob").secret, cache=False)
        for call in (
            lambda: bob.put_blob(team, io.BytesIO(b"x")),
            lambda: bob.create_run(RunDraft(team, id="one", if_exists="keep")),
            lambda: bob.create_run(RunDraft(team, id="one", if_exists="resume")),
            lambda: bob.create_run(RunDraft(team)),
            lambda: bob.append(Batch(team.run("one"), (line("loss", 1),))),
            lambda: bob.update_runs(RunSelection("team", "demo", ("one",)), RunPatch(state="CRASHED")),
        ):
            with pytest.raises(PermissionDeniedError):
                call()
