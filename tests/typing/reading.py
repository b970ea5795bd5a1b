"""What type checkers make of the public names; read by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, assert_type

import pandas as pd
import polars as pl

import runatlas
from runatlas import Api, ApiResponse, MetricTable, Project, RangeQuery, RunTable
from runatlas.entities.column import Column, Columns
from runatlas.entities.deletion import Deletion, DeletionPlan
from runatlas.entities.log import LogLine, Logs
from runatlas.entities.media import MediaFile, MediaSeries, MediaTable
from runatlas.entities.projects import Projects
from runatlas.entities.run import Run
from runatlas.entities.runs import Runs
from runatlas.entities.stored_file import Link
from runatlas.entities.trash import Trash, TrashEntry
from runatlas.entities.update import Update, UpdatePlan
from runatlas.entities.user import User, Users
from runatlas.entities.workspace import Workspace, Workspaces
from runatlas.errors import RunAtlasError
from runatlas.tables import Point, QueryTable, Series, SummaryItem, WideTable
from runatlas.tables.statistic import StatisticItem


def entry(api: Api) -> None:
    assert_type(runatlas.Api("./store"), Api)
    assert_type(api.workspace(), Workspace)
    assert_type(api.workspaces(), Workspaces)
    assert_type(api.project("a/b"), Project)
    assert_type(api.projects(), Projects)
    assert_type(api.create_project("a", "b"), ApiResponse[Project])
    assert_type(api.run("a/b/c"), Run)
    assert_type(api.runs("a/b"), Runs)
    assert_type(api.runs_get("a/b"), Runs)
    assert_type(api.column("a/b/c", "loss"), Column)
    assert_type(api.columns("a/b/c"), Columns)
    assert_type(api.user(), User)
    assert_type(api.trash(), Trash)
    assert_type(api.self_hosted().get_users(), Users)
    with api as opened:
        assert_type(opened, Api)


def entities(run: Run, project: Project, column: Column) -> None:
    assert_type(run.name, str)
    assert_type(run.state, Literal["RUNNING", "FINISHED", "CRASHED", "ABORTED", "OFFLINE"])
    assert_type(run.labels, list[str])
    assert_type(run.finished_at, str | None)
    assert_type(run.config, dict[str, Any])
    assert_type(run.latest, dict[str, float])
    assert_type(run.show, bool)
    assert_type(run.error, RunAtlasError | None)
    assert_type(run.data, Run | None)
    assert_type(run.unwrap(), Run)
    assert_type(run.refresh(), Run)
    assert_type(project.count, dict[str, int])
    assert_type(project.visibility, Literal["PUBLIC", "PRIVATE"])
    assert_type(column.match, Literal["exact", "fuzzy"])
    assert_type(column.created_at, int)
    assert_type(column.metric(), ApiResponse[Series | MediaSeries])


def collections(runs: Runs, trash: Trash) -> None:
    assert_type(iter(runs), Iterator[Run])
    assert_type(runs[0], Run)
    assert_type(runs[1:5], Runs)
    assert_type(runs - runs[:1], Runs)
    assert_type(runs.first(), Run | None)
    assert_type(runs.total, int)
    assert_type(runs.table(), ApiResponse[RunTable])
    assert_type(runs.to_pandas(), pd.DataFrame)
    assert_type(runs.to_polars(), pl.DataFrame)
    assert_type(runs.sql("from runs"), ApiResponse[QueryTable])
    assert_type(runs.metrics(["loss"]), ApiResponse[MetricTable[tuple[str, str]]])
    assert_type(runs.update(group="x", labels=["a"]), ApiResponse[Update])
    assert_type(runs.update(group="x", commit=False), ApiResponse[UpdatePlan])
    assert_type(trash[0], TrashEntry)
    for values, group in runs.groups("config.lr"):
        assert_type(values, tuple[Any, ...])
        assert_type(group, Runs)
    runs.update(colour="red")  # type: ignore[call-overload]
    runs.update(show="yes")  # type: ignore[call-overload]


def numbers(run: Run) -> None:
    answer = run.metrics(["loss"], range_query=RangeQuery(tail=5))
    assert_type(answer, ApiResponse[MetricTable[str]])
    assert_type(answer.unwrap(), MetricTable[str])
    table = answer.unwrap()
    assert_type(table["loss"], Series)
    assert_type(table["loss"][0], Point)
    assert_type(table["loss"][1:], Series)
    assert_type(1 - table["loss"] / table["acc"], Series)
    assert_type(table["loss"].join(table["acc"], how="asof"), WideTable)
    assert_type(table.resample(100).smooth(0.9), MetricTable[str])
    assert_type(table["loss"].min, StatisticItem | None)
    assert_type(table["loss"].avg, float | None)
    assert_type(table.missing, tuple[str, ...])
    assert_type(table.to_pandas(), pd.DataFrame)
    assert_type(run.summary(), ApiResponse[dict[str, SummaryItem]])


def files(run: Run) -> None:
    assert_type(run.medias(["image"]).unwrap(), MediaTable)
    assert_type(run.medias(["image"]).unwrap()["image"][0][0], MediaFile)
    assert_type(run.medias(["image"]).unwrap()["image"][0][0].download(), ApiResponse[Path])
    assert_type(run.logs().unwrap(), Logs)
    assert_type(run.logs().unwrap()[0], LogLine)
    assert_type(run.export_logs(), ApiResponse[Link])


def deletion(run: Run, project: Project, commit: bool) -> None:
    assert_type(run.delete(), ApiResponse[DeletionPlan])
    assert_type(run.delete(commit=False), ApiResponse[DeletionPlan])
    assert_type(run.delete(commit=True), ApiResponse[Deletion])
    assert_type(project.delete(commit=commit), ApiResponse[DeletionPlan] | ApiResponse[Deletion])
    assert_type(project.delete_runs([run, "abc"], commit=True).unwrap().trash_id, str)
    assert_type(run.delete().unwrap().apply(), ApiResponse[Deletion])
    assert_type(run.delete_metrics(["loss"]), ApiResponse[DeletionPlan])
    assert_type(project.runs().rewind(10, commit=True), ApiResponse[Deletion])
    assert_type(run.artifact("a").delete(commit=commit), ApiResponse[DeletionPlan] | ApiResponse[Deletion])


def answers(run: Run) -> None:
    answer = run.summary()
    if answer.data is not None:
        assert_type(answer.data["loss"]["value"], float)
    answer.to_pandas()  # type: ignore[attr-defined]
