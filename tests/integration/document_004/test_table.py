"""The tables of document 004, row by row."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from support.scene import Scene
from support.world import START

import runatlas
from runatlas import Api, ApiResponse, RangeQuery
from runatlas.entities.column import Column, Columns
from runatlas.entities.project import Project
from runatlas.entities.projects import Projects
from runatlas.entities.run import Experiment, Run
from runatlas.entities.runs import Experiments, Runs
from runatlas.entities.self_hosted import SelfHosted
from runatlas.entities.user import User
from runatlas.entities.workspace import Workspace, Workspaces
from runatlas.errors import ValidationError

pytestmark = pytest.mark.xdist_group("document_004")

Row = tuple[str, type, object]
"""A property, its documented type, and what it is here; ``...`` for whatever it is."""


def is_time(text: object) -> bool:
    """Whether it is ISO 8601 in UTC, ending in ``Z``."""
    assert isinstance(text, str)
    assert text.endswith("Z")
    return datetime.fromisoformat(text.removesuffix("Z") + "+00:00").utcoffset() is not None


def check(entity: Any, rows: list[Row]) -> None:
    """Check properties, and that ``json()`` has the same."""
    plain = entity.json()
    for name, kind, value in rows:
        found = getattr(entity, name)
        assert isinstance(found, kind), f"{name} is a {type(found).__name__}"
        if value is not ...:
            assert found == value, name
        assert plain[name] == found, f"json() differs in {name}"


# -- properties -------------------------------------------------------------------------------------------------------


def test_api_methods(scene: Scene) -> None:
    api = runatlas.Api()
    kinds: dict[str, tuple[object, type]] = {
        "workspace": (api.workspace(scene.team), Workspace),
        "workspaces": (api.workspaces(), Workspaces),
        "project": (api.project(scene.path), Project),
        "projects": (api.projects(scene.team), Projects),
        "create_project": (api.create_project("nobody-at-all", "x"), ApiResponse),
        "run": (api.run(scene.run), Run),
        "runs": (api.runs(scene.path), Runs),
        "runs_get": (api.runs_get(scene.path), Runs),
        "column": (api.column(scene.run, "loss"), Column),
        "columns": (api.columns(scene.run), Columns),
        "user": (api.user(), User),
        "self_hosted": (api.self_hosted(), SelfHosted),
    }
    for name, (found, kind) in kinds.items():
        assert isinstance(found, kind), name
    assert Experiment is Run
    assert Experiments is Runs


def test_workspace_properties(scene: Scene) -> None:
    rows: list[Row] = [
        ("name", str, "My Team"),
        ("username", str, scene.team),
        ("workspace_type", str, "TEAM"),
        ("role", str, "OWNER"),
        ("profile", dict, ...),
        ("comment", str, "We train."),
    ]
    check(runatlas.Api().workspace(scene.team), rows)


def test_project_properties(scene: Scene) -> None:
    project = runatlas.Api().project(scene.path)
    rows: list[Row] = [
        ("name", str, "my-project"),
        ("path", str, scene.path),
        ("description", str, "All about images"),
        ("labels", list, ["cv", "v1"]),
        ("created_at", str, ...),
        ("updated_at", str, ...),
        ("url", str, ...),
        ("visibility", str, "PUBLIC"),
        ("count", dict, ...),
    ]
    check(project, rows)
    assert is_time(project.created_at)
    assert is_time(project.updated_at)
    assert project.url.endswith(f"@{scene.path}")
    assert {"experiments", "contributors", "collaborators"} <= set(project.count)
    assert project.count["experiments"] == 4


def test_run_properties(scene: Scene) -> None:
    api = runatlas.Api()
    run = api.run(scene.run)
    me = api.user()
    rows: list[Row] = [
        ("name", str, "baseline v2"),
        ("description", str, "The first one"),
        ("state", str, "FINISHED"),
        ("labels", list, ["baseline", "cv"]),
        ("group", str, "resnet"),
        ("job_type", str, "train"),
        ("created_at", str, "2024-05-15T10:40:00.000Z"),
        ("finished_at", str, "2024-05-15T11:40:00.000Z"),
        ("url", str, ...),
        ("show", bool, True),
        ("profile", dict, ...),
        ("user", dict, {"username": me.username, "name": me.name}),
    ]
    check(run, rows)
    assert run.profile == {
        "config": {"lr": 0.01, "param_2": 7, "net": {"depth": 18}},
        "metadata": {"git": {"branch": "main"}},
        "requirements": "numpy==2.0",
        "conda": "name: base",
    }
    expected = "#@{path}/runs/abc123" if scene.kind == "embedded" else "/@{path}/runs/abc123/chart"
    assert run.url.endswith(expected.format(path=scene.path))
    going = api.run(f"{scene.path}/run_id_1")
    assert (going.state, going.finished_at) == ("RUNNING", None)
    states = {run.state for run in api.runs(scene.path)}
    assert states == {"RUNNING", "FINISHED", "CRASHED"}


@pytest.mark.parametrize("state", ["RUNNING", "FINISHED", "CRASHED", "ABORTED", "OFFLINE"])
def test_every_state(own_scene: Scene, state: str) -> None:
    own_scene.world.add_run("one", state=state)
    assert runatlas.Api().run(f"{own_scene.path}/one").state == state


def test_column_properties(scene: Scene) -> None:
    column = runatlas.Api().column(scene.run, "loss")
    rows: list[Row] = [
        ("name", str, "loss"),
        ("key", str, "loss"),
        ("column_class", str, "CUSTOM"),
        ("column_type", str, "FLOAT"),
        ("created_at", int, ...),
    ]
    check(column, rows)
    assert len(str(column.created_at)) == 13
    assert isinstance(runatlas.Api().columns(scene.run).total, int)


def test_user_properties(scene: Scene) -> None:
    user = runatlas.Api().user()
    rows: list[Row] = [
        ("username", str, ...),
        ("name", str, ...),
        ("bio", str, ""),
        ("institution", str, ""),
        ("school", str, ""),
        ("email", str, ""),
        ("location", str, ""),
        ("url", str, ""),
    ]
    check(user, rows)


def test_self_hosted_properties(scene: Scene) -> None:
    rows: list[Row] = [
        ("enabled", bool, True),
        ("expired", bool, False),
        ("root", bool, True),
        ("plan", str, "free"),
        ("seats", int, 0),
    ]
    check(runatlas.Api().self_hosted(), rows)


def test_response_properties(scene: Scene) -> None:
    api = runatlas.Api()
    good, bad = api.run(scene.run).summary(), api.run(f"{scene.path}/nope").summary()
    assert (good.ok, good.errmsg, good.code) == (True, "", 200)
    assert good.data is not None
    assert (bad.ok, bad.data, bad.code) == (False, None, 404)
    assert "nope" in bad.errmsg
    assert good.json()["data"]["acc"]["value"] == 0.495
    assert bad.json() == {"ok": False, "code": 404, "errmsg": bad.errmsg, "data": None}
    wrapped: ApiResponse[Any] = ApiResponse.success([api.run(scene.run)])
    assert wrapped.json()["data"][0]["name"] == "baseline v2"


# -- parameters -------------------------------------------------------------------------------------------------------

ALL = "everything, if neither page nor size is given: the design's rule that nothing is capped silently"
DIFFERENT = {"page": (1, ALL), "size": (100, ALL)}
"""Documented defaults that are ``None`` here, and why; passing the documented value gives the documented page."""

SIGNATURES: dict[str, tuple[Callable[..., Any], dict[str, object]]] = {
    "api.runs_get": (Api.runs_get, {"path": ..., "page": 1, "size": 100, "all": False}),
    "api.runs": (Api.runs, {"path": ..., "filters": None}),
    "api.projects": (
        Api.projects,
        {"path": None, "sort": None, "search": None, "detail": True, "page": 1, "size": 100, "all": False},
    ),
    "workspace.projects": (Workspace.projects, {"sort": None, "search": None}),
    "run.metrics": (
        Run.metrics,
        {"keys": ..., "sample": 1500, "all": False, "range_query": None, "ignore_timestamp": False},
    ),
    "run.summary": (Run.summary, {"keys": None}),
    "run.medias": (Run.medias, {"keys": ..., "step": None, "all": False}),
    "run.logs": (Run.logs, {"offset": 0, "level": "INFO", "ignore_timestamp": False}),
    "run.export_logs": (Run.export_logs, {"start": 0, "rows": 500000}),
    "run.columns": (
        Run.columns,
        {"page": 1, "size": 100, "search": None, "column_class": None, "column_type": None, "all": False},
    ),
    "run.column": (Run.column, {"key": ..., "column_class": "CUSTOM", "column_type": "FLOAT"}),
    "run.delete": (Run.delete, {"commit": False}),
    "api.column": (Api.column, {"path": ..., "key": ..., "column_class": "CUSTOM", "column_type": None}),
    "api.columns": (
        Api.columns,
        {"path": ..., "page": 1, "size": 100, "search": None, "column_class": None, "column_type": None, "all": False},
    ),
    "column.metric": (
        Column.metric,
        {"sample": 1500, "metric_type": "SCALAR", "ignore_timestamp": False, "media_step": None},
    ),
    "project.delete": (Project.delete, {"commit": False}),
    "project.delete_runs": (Project.delete_runs, {"run_ids": ..., "commit": False}),
    "self_hosted.get_users": (SelfHosted.get_users, {"page": 1, "size": 100, "all": False}),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_parameters_and_defaults(name: str, scene: Scene) -> None:
    function, documented = SIGNATURES[name]
    found = list(inspect.signature(function).parameters.values())[1:]
    assert [parameter.name for parameter in found][: len(documented)] == list(documented), "in the documented order"
    for parameter in found[: len(documented)]:
        expected = documented[parameter.name]
        if expected is ...:
            assert parameter.default is inspect.Parameter.empty
        elif parameter.name in DIFFERENT:
            assert expected == DIFFERENT[parameter.name][0]
            assert parameter.default is None
        else:
            assert parameter.default == expected
    for parameter in found[len(documented) :]:
        assert parameter.default is not inspect.Parameter.empty, "what the document does not have is optional"


def test_range_query_fields(scene: Scene) -> None:
    assert [(name, parameter.default) for name, parameter in inspect.signature(RangeQuery).parameters.items()] == [
        ("type", "step"),
        ("start", None),
        ("end", None),
        ("last", None),
        ("head", None),
        ("tail", None),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"last": 5, "start": 1},
        {"last": 5, "end": 1},
        {"head": 5, "tail": 5},
        {"head": 5, "tail": 5, "start": 1},
        {"type": "epoch"},
    ],
)
def test_mutual_exclusion(scene: Scene, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="range_query"):
        RangeQuery(**wrong)
    with pytest.raises(ValueError, match="range_query"):
        runatlas.Api().run(scene.run).metrics(["loss"], range_query=wrong)


@pytest.mark.parametrize(
    ("query", "first", "last", "count"),
    [
        ({"start": 100, "head": 50}, 100, 149, 50),
        ({"end": 500, "tail": 50}, 451, 500, 50),
        ({"start": 10, "end": 19, "head": 3}, 10, 12, 3),
        ({"last": 9000, "tail": 4}, 1996, 1999, 4),
        ({"last": 9000, "head": 4}, 1990, 1993, 4),
        ({"type": "timestamp", "start": START // 1000 + 5, "end": START // 1000 + 9}, 5, 9, 5),
        ({"type": "timestamp", "start": START + 1999 * 1000}, 1999, 1999, 1),
    ],
)
def test_head_and_tail_cut_what_the_range_left(
    scene: Scene, query: dict[str, Any], first: int, last: int, count: int
) -> None:
    series = runatlas.Api().run(scene.run).metrics(["loss"], range_query=query)["loss"]
    assert (series[0]["step"], series[-1]["step"], len(series)) == (first, last, count)


def test_the_sample_is_at_most_1500_and_ignored_with_all_or_a_range(scene: Scene) -> None:
    run = runatlas.Api().run(scene.run)
    assert len(run.metrics(["loss"])["loss"]) <= 1500
    assert len(run.metrics(["loss"], sample=5000)["loss"]) <= 1500
    assert len(run.metrics(["loss"], sample=10, all=True)["loss"]) == 2000
    assert len(run.metrics(["loss"], sample=10, range_query={"start": 0})["loss"]) == 2000


def test_timestamps_are_there_unless_ignored(scene: Scene) -> None:
    run = runatlas.Api().run(scene.run)
    assert run.metrics(["acc"])["acc"][1] == {"step": 1, "value": 0.005, "timestamp": START + 1000}
    assert run.metrics(["acc"], ignore_timestamp=True)["acc"][1] == {"step": 1, "value": 0.005}


@pytest.mark.parametrize(("level", "count"), [("DEBUG", 5), ("INFO", 4), ("WARN", 2), ("ERROR", 1)])
def test_levels(scene: Scene, level: Any, count: int) -> None:
    assert len(runatlas.Api().run(scene.run).logs(level=level)) == count


def test_exports_take_a_start_and_a_number_of_rows(scene: Scene) -> None:
    run = runatlas.Api().run(scene.run)
    assert run.export_logs(start=1, rows=2).unwrap().read().unwrap() == b"details\nslow\n"
    assert run.export_logs(start=0, rows=500_000).ok
    with pytest.raises(ValueError, match="rows"):
        run.export_logs(rows=500_001)


# -- filters ----------------------------------------------------------------------------------------------------------

OPERATORS: list[tuple[str, list[object], set[str]]] = [
    ("EQ", [0.01], {"abc123"}),
    ("NEQ", [0.01], {"run_id_1", "run_id_2", "run_id_3"}),
    ("GTE", [0.01], {"abc123", "run_id_1"}),
    ("LTE", [0.01], {"abc123", "run_id_2"}),
    ("IN", [0.01, 0.1], {"abc123", "run_id_1"}),
    ("NOT IN", [0.01, 0.1], {"run_id_2", "run_id_3"}),
    ("CONTAIN", ["0.01"], {"abc123"}),
]


@pytest.mark.parametrize(("op", "value", "expected"), OPERATORS, ids=[row[0] for row in OPERATORS])
def test_every_operator_on_config(scene: Scene, op: str, value: list[object], expected: set[str]) -> None:
    filters = [{"key": "lr", "type": "CONFIG", "op": op, "value": value}]
    assert {run.id for run in runatlas.Api().runs(scene.path, filters=filters)} == expected


@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        ("EQ", [0.5], {"run_id_2"}),
        ("NEQ", [0.5], {"abc123", "run_id_1", "run_id_3"}),
        ("GTE", [0.5], {"run_id_1", "run_id_2"}),
        ("LTE", [0.5], {"abc123", "run_id_2"}),
        ("IN", [0.5, 0.8], {"run_id_1", "run_id_2"}),
        ("NOT IN", [0.5, 0.8], {"abc123", "run_id_3"}),
    ],
)
def test_every_operator_on_scalars(scene: Scene, op: str, value: list[object], expected: set[str]) -> None:
    filters = [{"key": "loss", "type": "SCALAR", "op": op, "value": value}]
    assert {run.id for run in runatlas.Api().runs(scene.path, filters=filters)} == expected


@pytest.mark.parametrize(
    ("key", "op", "value", "expected"),
    [
        ("state", "EQ", ["FINISHED"], {"abc123", "run_id_2"}),
        ("state", "IN", ["RUNNING", "CRASHED"], {"run_id_1", "run_id_3"}),
        ("state", "NOT IN", ["RUNNING", "CRASHED"], {"abc123", "run_id_2"}),
        ("name", "CONTAIN", ["v2"], {"abc123", "run_id_1"}),
        ("description", "EQ", ["The first one"], {"abc123"}),
        ("show", "EQ", [True], {"abc123", "run_id_1", "run_id_2", "run_id_3"}),
        ("pin", "EQ", [True], set()),
        ("baseline", "EQ", [False], {"abc123", "run_id_1", "run_id_2", "run_id_3"}),
        ("colors", "CONTAIN", ["red"], set()),
        ("cluster", "EQ", ["resnet"], {"abc123"}),
        ("job", "NEQ", ["train"], {"run_id_1", "run_id_2", "run_id_3"}),
        ("createdAt", "LTE", ["2024-05-15T10:40:00.000Z"], {"abc123"}),
        ("updatedAt", "GTE", ["2024-05-16T00:00:00.000Z"], {"abc123", "run_id_1", "run_id_2", "run_id_3"}),
        ("finishedAt", "LTE", ["2024-05-16T00:00:00.000Z"], {"abc123"}),
        ("pinnedAt", "GTE", ["2024-05-16T00:00:00.000Z"], set()),
        ("labels", "CONTAIN", ["baseline"], {"abc123"}),
        ("labels", "IN", ["baseline", "cv"], {"abc123", "run_id_2"}),
    ],
)
def test_every_field_of_a_run(scene: Scene, key: str, op: str, value: list[object], expected: set[str]) -> None:
    filters = [{"key": key, "type": "STABLE", "op": op, "value": value}]
    assert {run.id for run in runatlas.Api().runs(scene.path, filters=filters)} == expected


@pytest.mark.parametrize("left_out", ["key", "type", "op", "value"])
def test_a_rule_has_exactly_four_parts(scene: Scene, left_out: str) -> None:
    rule = {"key": "state", "type": "STABLE", "op": "EQ", "value": ["FINISHED"]}
    with pytest.raises(ValueError, match=left_out):
        runatlas.Api().runs(scene.path, [{name: value for name, value in rule.items() if name != left_out}])
    with pytest.raises(ValueError, match="more"):
        runatlas.Api().runs(scene.path, [{**rule, "more": 1}])


def test_paths_have_as_many_parts_as_documented(scene: Scene) -> None:
    api = runatlas.Api()
    wrong: list[Callable[[], object]] = [
        lambda: api.workspace("my-team/my-project"),
        lambda: api.project("my-project"),
        lambda: api.run("my-team/my-project"),
        lambda: api.columns("my-team"),
    ]
    for call in wrong:
        with pytest.raises(ValueError, match=r"path|username"):
            call()


def test_names_of_projects(own_scene: Scene) -> None:
    api = runatlas.Api()
    for name in ("a", "x" * 100, "0-9a-zA-Z-_.+"):
        assert api.create_project(own_scene.team, name).ok
    for title in ("x" * 101, "a b", "ä", "a/b"):
        project = api.create_project(own_scene.team, title)
        assert not project.ok if own_scene.kind == "swanlab" else project.unwrap().title == title
    for name in ("", " ", "..", "x" * 1001):
        with pytest.raises(ValueError, match="name") as refused:
            api.create_project(own_scene.team, name)
        assert not isinstance(refused.value, ValidationError), "found before any request"
