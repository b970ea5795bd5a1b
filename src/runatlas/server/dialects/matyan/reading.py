"""What is read of many runs: their own fields, and what they tracked."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

import attrs

from runatlas.compat.matyanql.queried_run import MatyanRun, is_active
from runatlas.compat.matyanql.query import UNNAMED, MatyanQuery
from runatlas.model.codec import context_text
from runatlas.model.filters import Field, Filter, Sort
from runatlas.model.ids import RunPath
from runatlas.model.media import MediaItem
from runatlas.model.page import each_item
from runatlas.model.project import ProjectQuery, ProjectRecord
from runatlas.model.run import RunPart, RunQuery, RunRecord, RunSelection
from runatlas.model.series import ColumnQuery, ColumnRecord, ColumnType, SummaryQuery, SummaryRecord
from runatlas.server.dialects.matyan.experiment_place import DEFAULT
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["BUCKETS", "NEWEST", "READ", "Reading", "experiment_id", "standing_of", "tag_id", "tag_object"]

BUCKETS: dict[str, ColumnType] = {
    "images": "IMAGE",
    "texts": "TEXT",
    "distributions": "DISTRIBUTION",
    "audios": "AUDIO",
    "figures": "FIGURE",
}
"""The kinds of sequences beside ``metric``, and the column types they are here."""

READ = "read"
"""What a grant is for that lets its holder read a blob."""

_EXPERIMENTS = uuid.UUID("3b1f6a52-0d7c-4f0e-9a55-7f2d1c8e4b90")
_TAGS = uuid.UUID("9d0c8f0e-8f57-4c7f-8d0e-0c3a0b5f6a11")
NEWEST = (Sort(Field("STABLE", "created_at"), "DESC"),)
"""The order in which runs are listed."""

_RUNS_AT_ONCE = 100


def experiment_id(project: ProjectRecord) -> str:
    """Return the id of an experiment: that of its project decides it."""
    return str(uuid.uuid5(_EXPERIMENTS, project.cuid))


def tag_id(workspace: str, name: str) -> str:
    """Return the id of a tag: its name decides it."""
    return str(uuid.uuid5(_TAGS, f"{workspace}/{name}"))


def tag_object(workspace: str, name: str, color: str = "", description: str = "") -> dict[str, Any]:
    """Make a tag."""
    return {"id": tag_id(workspace, name), "name": name, "color": color, "description": description}


def standing_of(run: RunRecord) -> dict[str, Any]:
    """Return what lists of runs tell of one."""
    ended = run.finished_at_ms
    return {
        "run_id": run.id,
        "name": run.name or f"{UNNAMED}{run.id}",
        "creation_time": run.created_at_ms / 1000,
        "end_time": None if is_active(run) or ended is None else ended / 1000,
    }


class Reading:
    """Reads for one request."""

    def __init__(self, services: Services, caller: Caller) -> None:
        self.services = services
        self.caller = caller

    @cached_property
    def experiments(self) -> dict[str, ProjectRecord]:
        """All experiments by the names of their projects."""
        query = ProjectQuery(self.caller.username, sort="name", detail=False)
        projects = self.services.projects
        listed = each_item(lambda page: projects.list_projects(self.caller, attrs.evolve(query, page=page)))
        return {project.name: project for project in listed if project.name != DEFAULT}

    @cached_property
    def tags(self) -> dict[str, dict[str, Any]]:
        """What is said of tags, by name."""
        place = self.caller.username
        labels = self.services.labels.list_labels(self.caller, place)
        return {label.name: tag_object(place, label.name, label.color, label.description) for label in labels}

    def props(self, run: RunRecord) -> dict[str, Any]:
        """Return a run's own fields."""
        project = self.experiments.get(run.project)
        standing = standing_of(run)
        return {
            "name": standing["name"],
            "description": run.description,
            "experiment": {
                "id": None if project is None else experiment_id(project),
                "name": self.experiment_name(run),
                "description": None if project is None else project.description,
            },
            "tags": [self.tags.get(name) or tag_object(self.caller.username, name) for name in run.labels],
            "creation_time": standing["creation_time"],
            "end_time": standing["end_time"],
            "archived": run.archived,
            "active": is_active(run),
        }

    def experiment_name(self, run: RunRecord) -> str | None:
        """Return the name of a run's experiment; ``None`` if it has none."""
        project = self.experiments.get(run.project)
        return None if project is None else project.title or project.name

    def projects_of(self, experiment: str) -> tuple[str, ...]:
        """Return the names of the projects that are experiments of a name."""
        found = self.experiments.items()
        return tuple(name for name, project in found if (project.title or project.name) == experiment)

    def iterate_runs(
        self, wanted: Filter | None, parts: tuple[RunPart, ...] = ("config",), sorts: tuple[Sort, ...] = NEWEST
    ) -> Iterator[RunRecord]:
        """Go through runs, newest first if nothing else is said."""
        query = RunQuery(RunSelection(self.caller.username, filter=wanted), sorts=sorts, parts=parts)
        return each_item(lambda page: self.services.runs.list_runs(self.caller, attrs.evolve(query, page=page)))

    def candidates(
        self, query: MatyanQuery, wanted: Filter | None, sorts: tuple[Sort, ...] = NEWEST
    ) -> Iterator[dict[str, MatyanRun]]:
        """Go through the runs that a query may hold for, some at a time, by cuid.

        Args:
            query: The query.
            wanted: What narrows the runs; that of the query, or less.
            sorts: Their order.
        """
        found = self.iterate_runs(wanted, sorts=sorts)
        while runs := list(islice(found, _RUNS_AT_ONCE)):
            summaries = self.summaries(runs) if query.needs_metrics else {}
            yield {run.cuid: self._as_asked(run, summaries.get(run.cuid, [])) for run in runs}

    def _as_asked(self, run: RunRecord, summaries: Sequence[SummaryRecord]) -> MatyanRun:
        ordered = sorted(summaries, key=lambda item: (item.key, context_text(item.context)))
        name = run.name or f"{UNNAMED}{run.id}"
        return MatyanRun(run, name=name, experiment=self.experiment_name(run), summaries=ordered)

    def summaries(self, runs: Sequence[RunRecord]) -> dict[str, list[SummaryRecord]]:
        """Return what the metrics of runs amount to, by cuid."""
        found: dict[str, list[SummaryRecord]] = {run.cuid: [] for run in runs}
        if not found:
            return found
        query = SummaryQuery(RunSelection(self.caller.username, ids=tuple(found)), median=False)
        points = self.services.points
        for item in each_item(lambda page: points.read_summaries(self.caller, attrs.evolve(query, page=page))):
            found[item.run].append(item)
        return found

    def columns(self, path: RunPath, column_type: ColumnType | None = None) -> list[ColumnRecord]:
        """List what a run tracked, by name."""
        query = ColumnQuery(column_type=column_type)
        columns = self.services.columns
        return list(each_item(lambda page: columns.list_columns(self.caller, path, attrs.evolve(query, page=page))))

    def blob_uri(self, run: RunRecord, item: MediaItem) -> str:
        """Return what fetches the bytes of an object, without slashes; empty while there are none."""
        if item.sha256 is None:
            return ""
        grant = self.services.links.grant(READ, run.cuid, item.sha256)
        return f"{grant.run}-{grant.path}-{grant.expires_at_ms}-{grant.signature}"
