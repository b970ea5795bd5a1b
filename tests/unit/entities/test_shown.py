"""What objects show in a notebook: valid and bounded, for the requests that they say, and never an exception."""

from __future__ import annotations

import copy
import importlib
import io
import json
import math
import pickle
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from support.counting import make_counting
from support.examples import examples
from support.filter_strategies import filters
from support.odd_value import odd_values
from support.page import check_html
from support.place import Place
from support.world import START, World, make_points, make_world

from runatlas import Api
from runatlas.backends.contract import Backend
from runatlas.backends.local import LocalBackend
from runatlas.display.markup import heading
from runatlas.entities.change import Change
from runatlas.entities.cleaning import FilePolicy
from runatlas.entities.deletion import Deletion
from runatlas.entities.held_policy import Evaluation
from runatlas.entities.run_display import show_run, show_runs
from runatlas.entities.run_query import query_texts
from runatlas.entities.transfer import Transfer
from runatlas.entities.update import Update
from runatlas.errors import RequestError
from runatlas.model.annotation import AnnotationDraft
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.filters import Field, Filter, Sort
from runatlas.model.held_policy import EvaluationRecord, RuleCount
from runatlas.model.ids import ProjectPath
from runatlas.model.log import LogDraft
from runatlas.model.policy import make_policy
from runatlas.model.policy_file import NamedPolicy
from runatlas.model.project import ProjectDraft
from runatlas.model.registry import ModelVersionDraft
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.model.series import ReadFailure
from runatlas.model.transfer import TransferItem, TransferPlanRecord, TransferRecord
from runatlas.model.trash import DeletionRecord, PlannedItem
from runatlas.tables.plan import PlanTable

yaml: Any = importlib.import_module("yaml")

HOSTILE = "<script>alert('x')</script>\u202e\ud83d\x07 & \"quoted\" </td>"
NAME = HOSTILE.replace("\ud83d", "").replace("\x07", "")
PROJECT, RUN = "my-team/my-project", "my-team/my-project/abc123"
CARD = ["read_points", "list_artifacts", "list_annotations"]


def _fill(world: World) -> None:
    backend: Any = world.backend
    api = Api(backend=backend)
    config = {NAME: NAME, "big": 10**400, "nan": math.nan, "deep": {"a": [{"b": [1, NAME]}]}, "lr": 1}
    world.add_run("hostile", name=NAME, description=NAME, labels=(NAME,), group=NAME, config=config)
    world.add_points("hostile", make_points(NAME, [1.0, math.nan, math.inf, -1e308, 1e308]), make_points("loss", [1.0]))
    world.backend.append(Batch(world.run("hostile"), logs=(LogDraft(NAME, "INFO", time_ms=START),)))
    world.add_image("hostile", f"{NAME}image", 1, b"\x89PNG\r\n" + bytes(30), NAME)
    for index in range(20):
        world.add_run(f"many{index}", name=f"many {index}", config={"lr": index, "seed": 1, "model": "wide"})
    blob = backend.put_blob(world.project, io.BytesIO(b"weights"))
    world.backend.append(Batch(world.run("abc123"), artifacts=(ArtifactDraft("weights.pt", blob.sha256, blob.size),)))
    for index in range(14):
        world.add_image("many0", f"picture{index:02}", 0, bytes([index]) * 400 * 1024)
    for path in (world.run("hostile"), world.run("abc123")):
        backend.create_annotation(path, AnnotationDraft(NAME))
    run, project = api.run(RUN), api.project(PROJECT)
    backend.create_model_version(ModelVersionDraft(NAME.replace("/", "|"), RUN, "weights.pt", description=NAME))
    backend.create_folder(world.project, NAME.replace("/", "|"), None)
    project.hold_policy("old", every="1w", older_than="30d").unwrap()
    run.create_ingestion_key(NAME).unwrap()
    world.add_run("gone", name=NAME)
    project.run("gone").delete(commit=True).unwrap()
    run.update(labels_added=["<i>"]).unwrap()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Backend, World]]:
    """A store with something of everything, much of it hostile."""
    backend = LocalBackend(str(tmp_path_factory.mktemp("shown")))
    world = make_world(backend)
    _fill(world)
    yield backend, world
    backend.close()


@pytest.fixture
def place(filled: tuple[Backend, World]) -> Place:
    """The store, with an account of what is asked."""
    account, backend = make_counting(filled[0])
    return Place(Api(backend=backend), filled[1], account)


def _loaded(entity: Any) -> Any:
    return entity.unwrap()


ITEM = PlannedItem("a/b/c", "c", NAME, "FINISHED", START, ("protected",), f"protected: {NAME}")
DELETED = DeletionRecord("t1", "runs", 3, START, kept=(ITEM,))
ITEMS = (TransferItem("a/c/x", f"a/b/{NAME}", "x", NAME, "FINISHED"),)
MOVED = TransferPlanRecord("move", "a/b", ITEMS, notes=(NAME,))
POLICY = NamedPolicy(NAME, ProjectPath("my-team", "my-project"), make_policy(where="name != '<i>'", older_than="30d"))
EVALUATED = EvaluationRecord(
    *("e1", PROJECT, NAME, POLICY.policy, True, NAME, START, "refused"),
    rules=(RuleCount(NAME, 3, True),),
    items=(ITEM,),
    reason=NAME,
)

KINDS: dict[str, tuple[Callable[[Api], Any], list[str]]] = {
    "api": (lambda api: api, ["get_user", "list_projects"]),
    "workspaces": (lambda api: api.workspaces(), ["list_workspaces"]),
    "workspace": (lambda api: api.workspace("my-team"), ["get_workspace", "list_projects"]),
    "loaded workspace": (lambda api: _loaded(api.workspace("my-team")), ["list_projects"]),
    "projects": (lambda api: api.projects(), ["list_projects"]),
    "project": (lambda api: api.project(PROJECT), ["get_project", "group_runs", "list_runs"]),
    "listed project": (lambda api: api.projects(detail=False).first(), ["group_runs", "list_runs"]),
    "runs": (lambda api: api.runs(PROJECT), ["list_runs"]),
    "chosen runs": (
        lambda api: api.runs(PROJECT, "config.lr < 5 and name != '<b>'", order="-summary.loss"),
        ["list_runs"],
    ),
    "loaded runs": (lambda api: _loaded(api.runs(PROJECT)), []),
    "page of runs": (lambda api: api.runs(PROJECT, page=2, size=5), ["list_runs"]),
    "groups": (lambda api: api.runs(PROJECT).groups("config.lr", "name"), ["group_runs"]),
    "bare runs": (lambda api: api.runs_get(PROJECT), ["list_runs"]),
    "runs of a workspace": (lambda api: api.runs("my-team"), ["list_runs"]),
    "runs of two": (lambda api: api.runs(PROJECT)[:3] & api.runs(PROJECT), ["list_runs", "list_runs", "list_runs"]),
    "run": (lambda api: api.run(RUN), ["get_run", *CARD]),
    "loaded run": (lambda api: _loaded(api.run(RUN)), CARD),
    "hostile run": (lambda api: api.run(f"{PROJECT}/hostile"), ["get_run", *CARD]),
    "bare run": (lambda api: api.run(f"{PROJECT}/run_id_3"), ["get_run", *CARD]),
    "run table": (lambda api: api.runs(PROJECT).table(), ["get_project"]),
    "summary": (lambda api: api.run(f"{PROJECT}/hostile").summary(), ["get_project"]),
    "varying": (lambda api: api.runs(PROJECT).varying(), []),
    "correlation": (lambda api: api.runs(PROJECT).correlation("loss", states=None), []),
    "summary of many": (lambda api: api.runs(PROJECT).summary(["loss"]), []),
    "metrics": (lambda api: api.run(RUN).metrics(None), []),
    "metrics of many": (lambda api: api.runs(PROJECT).metrics(["loss", NAME, "<none>"]), []),
    "wide metrics": (lambda api: api.run(RUN).metrics(None, sample=5).unwrap().wide(), []),
    "series": (lambda api: api.run(RUN).metrics(["loss"])["loss"], []),
    "empty series": (lambda api: api.run(RUN).metrics(["<los>"])["<los>"], []),
    "columns": (lambda api: api.run(f"{PROJECT}/hostile").columns(), ["list_columns"]),
    "column": (lambda api: api.run(RUN).column("loss"), []),
    "loaded column": (lambda api: _loaded(api.run(RUN).column("loss")), []),
    "media": (lambda api: api.run(RUN).medias(None, all=True), ["open_link", "open_link"]),
    "hostile media": (lambda api: api.run(f"{PROJECT}/hostile").medias(None), ["open_link"]),
    "media series": (lambda api: api.run(RUN).medias(None)["generated_image"], ["open_link"]),
    "media step": (lambda api: api.run(RUN).medias(None)["generated_image"][0], ["open_link"]),
    "media file": (lambda api: api.run(RUN).medias(None)["generated_image"][0][0], ["open_link"]),
    "logs": (lambda api: api.run(f"{PROJECT}/hostile").logs(), []),
    "link": (lambda api: api.run(RUN).column("loss").export_csv(), []),
    "artifacts": (lambda api: api.run(RUN).artifacts(), ["list_artifacts"]),
    "artifact": (lambda api: api.run(RUN).artifact("weights.pt"), []),
    "annotations": (lambda api: api.run(RUN).annotations(), ["list_annotations"]),
    "ingestion keys": (lambda api: api.run(RUN).ingestion_keys(), ["list_ingestion_keys"]),
    "catalog": (lambda api: api.run(RUN).catalog(), []),
    "folders": (lambda api: api.project(PROJECT).folders(), ["list_folders"]),
    "folder": (lambda api: api.project(PROJECT).folders()[0], []),
    "held policies": (lambda api: api.project(PROJECT).held_policies(), ["list_policies"]),
    "held policy": (lambda api: _loaded(api.project(PROJECT).held_policy("old")), []),
    "evaluations": (lambda api: api.project(PROJECT).evaluations(), ["list_evaluations"]),
    "models": (lambda api: api.models("my-team"), ["list_models"]),
    "model": (lambda api: api.models("my-team")[0], []),
    "model versions": (lambda api: api.models("my-team")[0].versions(), ["list_model_versions"]),
    "trash": (lambda api: api.trash(), ["list_trash"]),
    "trash entry": (lambda api: api.trash()[0], []),
    "trashed runs": (lambda api: api.trash()[0].list_runs(), ["list_trashed_runs"]),
    "changes": (lambda api: api.audit(), ["list_changes"]),
    "change": (lambda api: api.audit()[0], []),
    "changed runs": (lambda api: api.audit()[0].list_runs(), ["list_changed_runs"]),
    "user": (lambda api: api.user(), []),
    "loaded user": (lambda api: _loaded(api.user()), []),
    "users": (lambda api: api.self_hosted().get_users(), ["list_users"]),
    "installation": (lambda api: _loaded(api.self_hosted()), []),
    "usage": (lambda api: api.usage(), []),
    "deletion plan": (lambda api: api.runs(PROJECT).delete(), []),
    "update plan": (lambda api: api.runs(PROJECT).update(group="<g>", commit=False), []),
    "transfer plan": (lambda api: api.runs(PROJECT).copy("archive", create=True), []),
    "refused plan": (lambda api: api.project(PROJECT).run("hostile").rename_metric(NAME, "loss"), []),
    "plan that names nothing": (lambda api: api.project(PROJECT).delete_runs(["none"]), []),
    "deletion": (lambda api: Deletion(api._handle, DELETED), []),
    "transfer": (lambda api: Transfer(api._handle, TransferRecord("move", "a/b", ("x",), change_id="c"), MOVED), []),
    "update": (lambda api: Update((NAME,), 0, (ReadFailure(NAME, NAME, NAME),), Change(api._handle, "c")), []),
    "policies of a file": (lambda api: FilePolicy(api._handle, POLICY), []),
    "evaluation": (lambda api: Evaluation(api._handle, api.project(PROJECT).project_path, EVALUATED.id, EVALUATED), []),
    "page with a cursor": (lambda api: api.runs(PROJECT).page(3), []),
    "purge": (lambda api: api.purge(), []),
    "failed answer": (lambda api: api.run(f"{PROJECT}/none").summary(), []),
    "a run that is not there": (lambda api: api.run(f"{PROJECT}/none"), ["get_run"]),
}
"""What is shown, and what is asked for it."""


TEXTS = st.text(max_size=100) | st.just(HOSTILE)
CONFIGS = st.dictionaries(TEXTS, odd_values(HOSTILE, with_infinite=True), max_size=20)
KEYS = (Field("CONFIG", HOSTILE), Field("SCALAR", HOSTILE), Field("STABLE", "name"))
TIMES = st.integers(0, 253_402_300_799_999)
RECORDS = st.builds(
    RunRecord,
    *(st.just(name) for name in ("my-team", "my-project", "id", "cuid")),
    **dict.fromkeys(("name", "description", "group", "job_type", "protected_reason", "error"), TEXTS),
    labels=st.lists(TEXTS, max_size=3).map(tuple),
    created_at_ms=TIMES,
    finished_at_ms=st.none() | TIMES,
    config=st.none() | CONFIGS,
    summary=st.none() | st.dictionaries(TEXTS, st.floats(), max_size=9),
)


@settings(max_examples=examples(40))
@given(st.lists(RECORDS, min_size=1, max_size=3), filters)
def test_whatever_runs_hold_and_whatever_is_asked_is_shown(records: list[RunRecord], asked: Filter) -> None:
    told = query_texts(RunQuery(RunSelection("my-team", filter=asked), sorts=(Sort(Field("CONFIG", HOSTILE)),)))
    for part in (heading("runs", *told), show_runs(records, KEYS), *map(show_run, records)):
        check_html(part.text)
        assert len(part.text) < 60_000


@pytest.mark.parametrize("kind", KINDS)
def test_everything_shows_itself(place: Place, kind: str) -> None:
    make, requests = KINDS[kind]
    item = make(place.api)
    with place.account.asking():
        repr(item)
    with place.account.asking(*requests):
        html = item._repr_html_()
    read = check_html(html)
    assert read.strip()
    assert len(html) < 60_000
    assert "<script" not in html
    assert not re.search(r"https?:|file:", html)
    bundle = item._repr_mimebundle_()
    assert (*bundle,) == ("text/plain", "text/html")
    bundle["text/plain"].encode()
    assert "text/html" not in item._repr_mimebundle_(exclude={"text/html"})
    assert item._display_()._mime_()[0] == "text/html"


@pytest.mark.parametrize("kind", [kind for kind, (_, requests) in KINDS.items() if requests])
def test_what_cannot_be_read_is_told_in_a_box(place: Place, kind: str) -> None:
    make, requests = KINDS[kind]
    for name in dict.fromkeys(requests):
        item = make(place.api)
        place.account.fail(name, *[RequestError("the <network> is down")] * len(requests))
        before = len(place.account.calls)
        shown = check_html(item._repr_html_())
        assert "the <network> is down" in shown
        assert place.account.calls[before:] == requests[: requests.index(name) + 1]  # and nothing after it
        place.account.failures.clear()


def test_everything_goes_to_other_processes_and_is_copied(place: Place) -> None:
    for make, _ in KINDS.values():
        item = make(place.api)
        with place.account.asking():
            copies = [pickle.loads(pickle.dumps(item)), copy.copy(item), copy.deepcopy(item)]
        assert [repr(each) for each in copies] == [repr(item)] * 3


def test_a_listing_says_what_it_shows_and_what_is_the_same_in_all(place: Place) -> None:
    runs = place.api.runs(PROJECT, "'many' in name")
    shown = check_html(runs._repr_html_())
    assert "10 of 20; one request" in shown
    assert place.account.arguments[-1][0].page.limit == 10
    assert "name contain 'many'" in shown
    assert "the same in all 10: seed = 1, model = wide" in shown
    assert "name state config.lr created lasted run" in shown
    assert "config.lr" in shown
    assert "config.seed" not in shown
    assert "10 of 20" in check_html(runs.unwrap()._repr_html_())
    assert "5 of 5, of 20 in all" in check_html(place.api.runs(PROJECT, "'many' in name", size=5)._repr_html_())
    assert "none; one request" in check_html(place.api.runs(PROJECT, "name == 'x'")._repr_html_())
    assert "by summary.loss (desc)" in check_html(place.api.runs(PROJECT, order="-summary.loss")._repr_html_())
    best = place.api.runs(PROJECT, "name != 'x'").best("loss", 2, goal="min")
    assert "name != 'x' · by summary.loss.min (asc), of those that have it</p>" in unescape(best._repr_html_())


def test_a_plan_has_reasons_where_there_are_any() -> None:
    with_reason, without = (
        check_html(PlanTable((item,), ())._repr_html_()) for item in (ITEM, evolve(ITEM, reason=""))
    )
    assert "action name state reason created_at" in with_reason
    assert "action name state created_at" in without
    assert "nothing in points, files, bytes" in without


def test_a_card_has_the_course_of_the_metrics_files_and_notes(place: Place) -> None:
    run = place.api.run(RUN)
    shown = check_html(run._repr_html_())
    for told in ("baseline v2", "FINISHED", "1 h 0 min", "config (3)", "weights.pt", "2000", NAME[:20]):
        assert told in shown
    assert run._repr_html_().count("<svg") == 2
    place.account.fail("read_points", RequestError("down"))
    assert "0.495" in check_html(run._repr_html_())


def test_a_summary_that_shows_itself_is_a_dict_to_all_that_takes_one(place: Place) -> None:
    summary = place.api.run(RUN).summary().unwrap()
    plain = dict(summary)
    assert "<table>" in summary._repr_html_()  # type: ignore[attr-defined]
    assert yaml.safe_dump(summary) == yaml.safe_dump(plain)
    assert json.dumps(summary) == json.dumps(plain)
    for copied in (copy.deepcopy(summary), pickle.loads(pickle.dumps(summary))):
        assert (type(copied), copied) == (dict, plain)


def test_what_only_names_fields_or_is_empty_is_not_shown(place: Place) -> None:
    best = place.api.runs(PROJECT).groups("config.lr").best("loss", goal="min")
    assert "None" not in check_html(best._repr_html_())
    catalog = check_html(place.api.run(RUN).catalog()._repr_html_())
    assert "acc" in catalog
    assert "[" not in catalog
    policy = place.api.project(PROJECT).held_policies().first()
    assert policy is not None
    assert policy._repr_html_().count("<table>") == 1


def test_of_many_pictures_a_page_holds_a_few_and_tells_of_the_others(place: Place) -> None:
    media = place.api.run(f"{PROJECT}/many0").medias(None)
    with place.account.asking(*["open_link"] * 5):
        html = media._repr_html_()
    assert html.count("<img") == 5
    assert check_html(html).count("(image/png, 409,600 bytes)") == 7
    assert "… and 2 more objects" in html


def test_a_store_that_is_not_there_and_an_api_that_is_closed_are_told(tmp_path: Path) -> None:
    api = Api(tmp_path / "none")
    assert "StoreMissingError" in check_html(api._repr_html_())
    api.close()
    assert "this Api is closed; make a new one" in check_html(api.run(RUN)._repr_html_())


def test_times_are_told_to_the_second_and_sentences_whole(place: Place) -> None:
    changes = check_html(place.api.audit(kind="update")._repr_html_())
    assert "changed 1 run: added tag '<i>'" in changes
    day = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d "
    for item in (place.api.audit(), place.api.runs(PROJECT).table(), place.api.runs(PROJECT).delete()):
        assert re.search(day, check_html(item._repr_html_()))


def test_what_is_not_loaded_says_how_to_load_it(place: Place) -> None:
    for lazy in (place.api.run(RUN).column("loss"), place.api.user(), place.api.trash_entry("none")):
        with place.account.asking():
            assert "not loaded yet: .unwrap()" in check_html(lazy._repr_html_())
    entry = place.api.trash_entry("none")
    assert not entry.ok
    assert "the trash has no entry 'none'" in check_html(entry._repr_html_())


def test_a_changed_run_of_a_listing_is_not_asked_for_alone(place: Place) -> None:
    runs = place.api.runs(PROJECT).unwrap()
    runs[0]._forget()
    with place.account.asking():
        runs._repr_html_()


def test_a_run_that_is_recorded_here_shows_what_is_known_here(tmp_path: Path) -> None:
    from runatlas import Run

    with Run(repo=str(tmp_path), experiment="demo", config={"lr": 0.1}) as run:
        run.log({"loss": 1.0})
        shown = check_html(run._repr_html_())
        assert "config (1)" in shown
        assert "being recorded here" in shown


def test_a_listing_of_runs_with_large_configs_is_small(tmp_path: Path) -> None:
    backend = LocalBackend(str(tmp_path))
    world = World(backend, "root", ProjectPath(backend.get_user().username, "wide"))
    backend.create_project(ProjectDraft("wide"))
    config = {f"section{index}": {f"key{key}": "x" * 100 for key in range(40)} for index in range(25)}
    for index in range(12):
        world.add_run(
            f"run{index}", name="n" * 200, config={**config, "lr": index, **{f"seed{n}": index for n in range(9)}}
        )
        world.add_points(f"run{index}", *(make_points(f"metric{number}", [1.0]) for number in range(30)))
    runs = Api(backend=backend).runs(str(world.project))
    html = runs._repr_html_()
    assert "10 of 12" in check_html(html)
    assert "… and 4 more differing configs" in check_html(html)
    assert "the same in all 10: 1,000 configs" in check_html(html)
    assert "… and 900 more" in check_html(html)
    assert len(html) < 60_000
    backend.close()
