"""A SwanLab server, reached by our own client: found out at the first request, and what it can do and cannot."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from support.backend import serving
from support.recording import line
from support.swanlab_server import DEMO, RUN, RUNS, SwanlabServer
from support.world import make_png

import runatlas
from runatlas.backends.contract import Backend
from runatlas.backends.swanlab import SwanlabBackend
from runatlas.errors import AuthenticationError, NotSupportedError, ResponseFormatError
from runatlas.model.account import UserPatch, WorkspacePatch
from runatlas.model.annotation import AnnotationDraft, AnnotationQuery
from runatlas.model.batch import Batch
from runatlas.model.change import ChangeQuery, UpdatePlanRecord
from runatlas.model.data_cut import DataCut
from runatlas.model.filters import Comparison, Field
from runatlas.model.folder import FolderPatch
from runatlas.model.log import LogQuery
from runatlas.model.media import MediaQuery
from runatlas.model.page import PageRequest
from runatlas.model.policy import Policy
from runatlas.model.project import ProjectDraft, ProjectPatch, ProjectQuery
from runatlas.model.registry import ModelVersionDraft
from runatlas.model.run import RunDraft, RunPatch, RunQuery
from runatlas.model.run_import import RunImport
from runatlas.model.series import ColumnQuery, PointQuery, SummaryQuery
from runatlas.model.transfer import TransferDraft, TransferPlanRecord

WORKS: dict[str, Callable[[Backend], object]] = {
    "get_server": lambda backend: backend.get_server(),
    "get_user": lambda backend: backend.get_user(),
    "get_workspace": lambda backend: backend.get_workspace(),
    "list_workspaces": lambda backend: backend.list_workspaces(None, PageRequest()),
    "get_project": lambda backend: backend.get_project(DEMO),
    "list_projects": lambda backend: backend.list_projects(ProjectQuery()),
    "create_project": lambda backend: backend.create_project(ProjectDraft("new")),
    "get_run": lambda backend: backend.get_run(RUN),
    "list_runs": lambda backend: backend.list_runs(RunQuery(RUNS)),
    "count_runs": lambda backend: backend.count_runs(RUNS),
    "group_runs": lambda backend: backend.group_runs(RUNS, (Field("STABLE", "state"),)),
    "read_points": lambda backend: backend.read_points(PointQuery(RUNS)),
    "read_summaries": lambda backend: backend.read_summaries(SummaryQuery(RUNS)),
    "list_columns": lambda backend: backend.list_columns(RUN, ColumnQuery()),
    "list_media": lambda backend: backend.list_media(RUN, MediaQuery()),
    "read_logs": lambda backend: backend.read_logs(RUN, LogQuery()),
    "export_logs": lambda backend: backend.export_logs(RUN, start=0, rows=5),
    "export_csv": lambda backend: backend.export_csv(RUN, "loss"),
    "open_link": lambda backend: b"".join(backend.open_link(backend.export_csv(RUN, "loss").url)),
    "plan_run_deletion": lambda backend: backend.plan_run_deletion(RUNS),
    "plan_project_deletion": lambda backend: backend.plan_project_deletion(DEMO),
    "delete": lambda backend: backend.delete(backend.plan_run_deletion(RUNS)),
    "delete_runs": lambda backend: backend.delete_runs(RUNS),
    "delete_run": lambda backend: backend.delete_run(RUN),
    "delete_project": lambda backend: backend.delete_project(DEMO),
    "create_run": lambda backend: backend.create_run(RunDraft(DEMO)),
    "update_runs": lambda backend: backend.update_runs(attrs.evolve(RUNS, ids=("one",)), RunPatch(state="CRASHED")),
    "append": lambda backend: backend.append(Batch(RUN, (line("loss", 9, start=9),))),
    "put_blob": lambda backend: backend.put_blob(DEMO, io.BytesIO(b"x")),
    "create_user": lambda backend: backend.create_user("bob", "pass123"),
    "list_users": lambda backend: backend.list_users(PageRequest()),
    "list_all_workspaces": lambda backend: backend.list_all_workspaces(PageRequest()),
    "list_all_projects": lambda backend: backend.list_all_projects(ProjectQuery()),
    "get_usage": lambda backend: backend.get_usage(),
}
REFUSED: dict[str, Callable[[Backend], object]] = {
    "update_user": lambda backend: backend.update_user(UserPatch(name="x")),
    "create_workspace": lambda backend: backend.create_workspace("team"),
    "update_workspace": lambda backend: backend.update_workspace("ann", WorkspacePatch(name="x")),
    "set_member": lambda backend: backend.set_member("ann", "bob", "VIEWER"),
    "update_project": lambda backend: backend.update_project(DEMO, ProjectPatch(title="x")),
    "list_artifacts": lambda backend: backend.list_artifacts(RUN, PageRequest()),
    "list_trash": lambda backend: backend.list_trash(None, PageRequest()),
    "list_trashed_runs": lambda backend: backend.list_trashed_runs("x", PageRequest()),
    "plan_cleaning": lambda backend: backend.plan_cleaning("ann", Policy(older_than="30d"), project="demo"),
    "restore": lambda backend: backend.restore("x"),
    "restore_runs": lambda backend: backend.restore_runs("x", ("y",)),
    "purge": lambda backend: backend.purge(),
    "import_runs": lambda backend: backend.import_runs((RunImport(RunDraft(DEMO)),)),
    "plan_update": lambda backend: backend.plan_update(RUNS, RunPatch(name="x")),
    "apply_update": lambda backend: backend.apply_update(UpdatePlanRecord(RunPatch(name="x"))),
    "list_changes": lambda backend: backend.list_changes(ChangeQuery()),
    "get_change": lambda backend: backend.get_change("x"),
    "list_changed_runs": lambda backend: backend.list_changed_runs("x", PageRequest()),
    "undo_change": lambda backend: backend.undo_change("x"),
    "read_space": lambda backend: backend.read_space(),
    "create_key": lambda backend: backend.create_key(),
    "list_keys": lambda backend: backend.list_keys(),
    "revoke_key": lambda backend: backend.revoke_key("x"),
    "reset_password": lambda backend: backend.reset_password("ann"),
    "list_folders": lambda backend: backend.list_folders(DEMO),
    "create_folder": lambda backend: backend.create_folder(DEMO, "x"),
    "update_folder": lambda backend: backend.update_folder(DEMO, "x", FolderPatch(name="y")),
    "delete_folder": lambda backend: backend.delete_folder(DEMO, "x"),
    "list_annotations": lambda backend: backend.list_annotations(RUN, AnnotationQuery()),
    "create_annotation": lambda backend: backend.create_annotation(RUN, AnnotationDraft("x")),
    "get_catalog": lambda backend: backend.get_catalog(RUN),
    "list_ingestion_keys": lambda backend: backend.list_ingestion_keys(RUN),
    "create_ingestion_key": lambda backend: backend.create_ingestion_key(RUN, "x"),
    "revoke_ingestion_key": lambda backend: backend.revoke_ingestion_key(RUN, "x"),
    "list_models": lambda backend: backend.list_models("ann"),
    "list_model_versions": lambda backend: backend.list_model_versions("ann", "x"),
    "create_model_version": lambda backend: backend.create_model_version(ModelVersionDraft("m", str(RUN), "w.bin")),
    "promote_model": lambda backend: backend.promote_model("ann", "m", 1, "production"),
    "plan_data_deletion": lambda backend: backend.plan_data_deletion(DataCut(metrics=("loss",)), RUNS),
    "plan_transfer": lambda backend: backend.plan_transfer(TransferDraft("move", "ann/new", RUNS)),
    "transfer": lambda backend: backend.transfer(TransferPlanRecord("move", "ann/new")),
    "copy_runs": lambda backend: backend.copy_runs(TransferPlanRecord("copy", "ann/new")),
    "list_policies": lambda backend: backend.list_policies(DEMO),
    "hold_policy": lambda backend: backend.hold_policy(DEMO, "old", Policy(older_than="30d")),
    "switch_policy": lambda backend: backend.switch_policy(DEMO, "old", acts=True),
    "release_policy": lambda backend: backend.release_policy(DEMO, "old"),
    "list_evaluations": lambda backend: backend.list_evaluations(DEMO, PageRequest()),
}
ASKS_NOTHING = {"close", "forget", "location", "reads_ahead", "web_url"}


def test_every_method_either_works_or_says_that_it_cannot() -> None:
    assert not WORKS.keys() & REFUSED.keys()
    public = {name for name, _ in inspect.getmembers(Backend) if not name.startswith("_")}
    assert WORKS.keys() | REFUSED.keys() | ASKS_NOTHING == public


@pytest.mark.parametrize("name", WORKS)
def test_what_the_server_can_do_works(swanlab_server: SwanlabServer, name: str) -> None:
    found = WORKS[name](swanlab_server.backend())
    assert found if isinstance(found, (bytes, int)) else found is not None


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_do_is_said_without_asking(swanlab_server: SwanlabServer, name: str) -> None:
    before = swanlab_server.store.list_runs(RunQuery(RUNS, parts=("config", "summary", "profile")))
    with pytest.raises(NotSupportedError, match="a SwanLab server"):
        REFUSED[name](swanlab_server.backend())
    assert swanlab_server.asked == []
    assert swanlab_server.store.list_runs(RunQuery(RUNS, parts=("config", "summary", "profile"))) == before


class TestFindingOut:
    def test_the_first_request_tells(self, swanlab_server: SwanlabServer) -> None:
        with runatlas.Api(host=swanlab_server.origin, api_key=swanlab_server.key) as api:
            assert swanlab_server.asked == []
            run = api.run("ann/demo/one")
            assert (run.name, run.state, run.config["lr"]) == ("First", "FINISHED", 0.1)
            looking = ["GET /atlas/v1/runs/ann/demo/one", "GET /atlas/v1/server", "GET /api", "POST /api/login/api_key"]
            assert swanlab_server.asked[:4] == looking
            assert api.self_hosted().plan == "free"
            assert sum(call.startswith("GET /atlas") for call in swanlab_server.asked) == 2
            assert run.summary()["loss"]["value"] == 4.0
            assert run.metrics(keys=["loss"])["loss"].to_dict() == {step: float(step) for step in range(5)}
            answer = run.annotate("x")
            assert not answer.ok
            assert isinstance(answer.error, NotSupportedError)

    @pytest.mark.parametrize("swanlab_server", [False], indirect=True, ids=["runatlas"])
    def test_a_server_of_ours_is_asked_nothing_more(self, swanlab_server: SwanlabServer) -> None:
        with runatlas.Api(host=swanlab_server.origin, api_key=swanlab_server.key) as api:
            assert api.run("ann/demo/one").name == "First"
            assert swanlab_server.asked == ["GET /atlas/v1/runs/ann/demo/one"]

    @pytest.mark.parametrize("swanlab_server", [False], indirect=True, ids=["runatlas"])
    def test_what_a_server_of_ours_does_not_have_is_not_there(self, swanlab_server: SwanlabServer) -> None:
        with runatlas.Api(host=swanlab_server.origin, api_key=swanlab_server.key) as api:
            assert api.run("ann/demo/none").code == 404
            assert swanlab_server.asked == ["GET /atlas/v1/runs/ann/demo/none", "GET /atlas/v1/server"]
            assert api.run("ann/demo/other").code == 404
            assert len(swanlab_server.asked) == 3

    def test_a_wrong_key_is_told(self, swanlab_server: SwanlabServer) -> None:
        with runatlas.Api(host=swanlab_server.origin, api_key="0" * 21) as api:
            user = api.user()
            assert not user.ok
            assert isinstance(user.error, AuthenticationError)

    def test_a_page_of_something_else_is_no_server(self) -> None:
        async def page(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                while (await receive())["type"] != "lifespan.shutdown":
                    await send({"type": "lifespan.startup.complete"})
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
            await send({"type": "http.response.body", "body": b"<title>Shop</title>", "more_body": False})

        with serving(page) as origin, runatlas.Api(host=origin) as api:
            user = api.user()
            assert isinstance(user.error, ResponseFormatError)
            assert "Shop" in user.errmsg


class TestReading:
    def test_a_session_that_ended_is_begun_again(self, swanlab_server: SwanlabServer) -> None:
        backend = swanlab_server.backend()
        backend.get_user()
        swanlab_server.store.revoke_key(swanlab_server.store.list_keys()[0].id)
        with pytest.raises(AuthenticationError):
            backend.get_project(DEMO)
        assert swanlab_server.asked.count("POST /api/login/api_key") == 2
        assert not swanlab_server.keyed, "the key goes to the login alone"

    def test_without_a_key_nothing_is_asked(self, swanlab_server: SwanlabServer) -> None:
        with pytest.raises(AuthenticationError, match="API key"):
            SwanlabBackend(swanlab_server.origin).get_user()
        assert swanlab_server.asked == []

    def test_pages_of_a_listing_are_one_request(self, swanlab_server: SwanlabServer) -> None:
        for number in range(6):
            swanlab_server.store.create_run(RunDraft(DEMO, id=f"run-{number}"))
        backend, found, cursor = swanlab_server.backend(), [], None
        while True:
            page = PageRequest(limit=3, cursor=cursor)
            answer = backend.list_runs(RunQuery(RUNS, parts=("config",), page=page))
            found += [run.id for run in answer.items]
            cursor = answer.next_cursor
            if cursor is None:
                break
        assert sorted(found) == sorted(["one", *(f"run-{number}" for number in range(6))])
        assert sum(call.endswith("/runs/shows") for call in swanlab_server.asked) == 1

    def test_the_server_filters_by_rules_and_we_do_the_rest(self, swanlab_server: SwanlabServer) -> None:
        swanlab_server.store.create_run(RunDraft(DEMO, id="two", config={"lr": 0.2}))
        with runatlas.Api(host=swanlab_server.origin, api_key=swanlab_server.key) as api:
            assert [run.id for run in api.runs("ann/demo", 'state == "FINISHED"')] == ["one"]
            assert [run.id for run in api.runs("ann/demo", "config.lr > 0.1 or summary.loss >= 4")] == ["two", "one"]
            assert [run.id for run in api.runs("ann/demo", order="-config.lr")] == ["two", "one"]

    def test_what_it_does_not_tell_of_metrics_is_not_made_up(self, swanlab_server: SwanlabServer) -> None:
        wanted = Comparison(Field("SCALAR", "loss", "count"), "GTE", 5)
        with pytest.raises(NotSupportedError, match="count"):
            swanlab_server.backend().count_runs(attrs.evolve(RUNS, filter=wanted))
        (summary,) = swanlab_server.backend().read_summaries(SummaryQuery(RUNS, keys=("loss",))).items
        assert (summary.count, summary.first_step, summary.last_step) == (None, None, 4)
        (column, *_) = swanlab_server.backend().list_columns(RUN, ColumnQuery(key="loss")).items
        assert column.count is None
        plan = swanlab_server.backend().plan_run_deletion(RUNS)
        assert (plan.total, len(plan.kept), plan.points, plan.bytes) == (1, 0, None, None)

    def test_a_sample_says_that_there_may_be_more(self, swanlab_server: SwanlabServer) -> None:
        with runatlas.Api(host=swanlab_server.origin, api_key=swanlab_server.key) as api:
            run = api.run("ann/demo/one")
            part = run.metrics(keys=["loss"], sample=3)["loss"]
            assert (len(part), part.sampled, part.total, part.complete) == (3, True, None, False)
            whole = run.metrics(keys=["loss"], sample=50)["loss"]
            assert (len(whole), whole.sampled, whole.total, whole.complete) == (5, False, 5, True)
            assert run.metrics(keys=["loss"], all=True).unwrap().total == 5
            part = run.metrics(["loss"], range_query={"type": "custom", "start": 3.0}, x_axis="loss")["loss"]
            assert [(point["step"], point["index"]) for point in part] == [(3, 3.0), (4, 4.0)]

    def test_links_lead_to_what_was_logged(self, swanlab_server: SwanlabServer) -> None:
        backend = swanlab_server.backend()
        (record,) = backend.list_media(RUN, MediaQuery()).items
        assert b"".join(backend.open_link(record.items[0].url or "")) == make_png((1, 2, 3))
        text = b"".join(backend.open_link(backend.export_csv(RUN, "loss").url)).decode()
        assert text.splitlines()[1:3] == ["0,0,0", "1,1,1000"]
        assert b"hello" in b"".join(backend.open_link(backend.export_logs(RUN, start=0, rows=9).url))

    def test_a_deletion_is_planned_and_for_good(self, swanlab_server: SwanlabServer) -> None:
        with runatlas.Api(host=swanlab_server.origin, api_key=swanlab_server.key) as api:
            plan = api.run("ann/demo/one").delete()
            assert [item.path for item in plan] == ["ann/demo/one"]
            assert api.run("ann/demo/one").ok
            done = plan.unwrap().apply()
            assert done.ok
            assert api.run("ann/demo/one").code == 404
            assert isinstance(done.unwrap().restore().error, NotSupportedError)
