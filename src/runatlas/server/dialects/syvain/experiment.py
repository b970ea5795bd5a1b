"""Experiments: the runs of the caller's workspace; new ones are made in its project ``metrics``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import attrs

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.filters import And, Comparison, Field, Filter, Sort
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import PAGE_LIMIT, each_item
from runatlas.model.run import Profile, RunDraft, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.server.dialects.syvain.envelope import answer
from runatlas.server.dialects.syvain.field import finite_object, limit_of, query_whole, read_object, whole
from runatlas.server.dialects.syvain.record import (
    experiment_objects,
    made_of,
    path_of,
    run_id_of,
    slug_of,
    status_of,
)
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import known_fields, optional, text

__all__ = [
    "PROJECT",
    "change_experiment",
    "create_experiment",
    "find_or_make",
    "get_experiment",
    "iterate_experiments",
    "list_experiments",
    "set_status",
    "update_status",
]

PROJECT = "metrics"
"""Where experiments are made."""

_SLUG_MAX = 200
_DESCRIPTION_MAX = 4000
_ID_MAX = 200
_STATUSES = ("created", "running", "done", "error")
_LIST = 100
_LIST_MAX = 10_000


def iterate_experiments(
    call: EndpointCall,
    *,
    project: ProjectPath | None = None,
    ids: tuple[str, ...] | None = None,
    filter: Filter | None = None,
    search: str | None = None,
) -> Iterator[RunRecord]:
    """Go through runs, the most recently updated first.

    Args:
        call: The request.
        project: Where; ``None`` for all projects of the caller's workspace.
        ids: Only runs of these ids.
        filter: Only these runs.
        search: Only those that have this in their name or id.
    """
    workspace, name = (call.user.username, None) if project is None else (project.workspace, project.project)
    selection = RunSelection(workspace, name, ids=ids, filter=filter, search=search)
    query = RunQuery(selection, sorts=(Sort(Field("STABLE", "updated_at"), "DESC"),), parts=("config", "profile"))
    return each_item(
        lambda page: call.services.runs.list_runs(call.user, attrs.evolve(query, page=page)),
        limit=PAGE_LIMIT if search or ids else _LIST,
    )


def list_experiments(call: EndpointCall) -> Answer:
    """List experiments."""
    status, slug, search = call.value("status"), call.value("slug"), call.value("search")
    if status is not None and status not in _STATUSES:
        raise ValidationError(f"status: expected one of {', '.join(_STATUSES)}")
    limit = limit_of(call, _LIST, _LIST_MAX)
    conditions: list[Filter] = []
    created = Field("STABLE", "created_at")
    if (start := query_whole(call, "from")) is not None:
        conditions.append(Comparison(created, "GTE", start))
    if (end := query_whole(call, "to")) is not None:
        conditions.append(Comparison(created, "LTE", end))
    if slug is not None:
        conditions.append(Comparison(Field("STABLE", "id"), "EQ", run_id_of(slug)))
    wanted = And(tuple(conditions)) if conditions else None
    found = (
        run
        for run in iterate_experiments(call, filter=wanted, search=search)
        if (status is None or status_of(run) == status)
        and (slug is None or slug_of(run) == slug)
        and (search is None or search.lower() in slug_of(run).lower())
    )
    return answer({"experiments": experiment_objects(call, islice(found, limit))})


def find_or_make(
    call: EndpointCall, slug: str, description: str, metadata: dict[str, Any], *, keep: bool = False
) -> RunRecord:
    """Find the experiment of a slug and give it this description and metadata, or make it.

    Args:
        call: The request.
        slug: What finds it.
        description: Its description.
        metadata: Its metadata.
        keep: Whether one that is there already stays as it is.
    """
    project = call.services.repository.project_for(call.user, PROJECT)
    run_id = run_id_of(slug)
    made: dict[str, Any] = {"started_at_ms": None}
    if run_id != slug:
        made["slug"] = slug
    draft = RunDraft(
        project.path,
        id=run_id,
        name=slug,
        description=description,
        config=metadata,
        profile=Profile({"syvain": made}),
        if_exists="keep" if keep else "replace",
    )
    return call.services.runs.create_run(call.user, draft)[0]


def create_experiment(call: EndpointCall) -> Answer:
    """Make an experiment, or find the one of that slug."""
    body = {"description": "", **read_object(call, ("slug", "description", "metadata", "folder_id"))}
    slug = text(body, "slug", least=1, most=_SLUG_MAX)
    description = text(body, "description", most=_DESCRIPTION_MAX)
    metadata = finite_object(body, "metadata")
    folder_id = optional(text, body, "folder_id", least=1, most=_ID_MAX)
    run = find_or_make(call, slug, description, metadata)
    if folder_id is not None:
        run = _put(call, run.path, folder_id)
    return _one(call, run)


def _one(call: EndpointCall, run: RunRecord) -> Answer:
    (experiment,) = experiment_objects(call, [run])
    return answer({"experiment": experiment})


def _put(call: EndpointCall, path: RunPath, folder_id: str) -> RunRecord:
    try:
        return call.services.runs.update_run(call.user, path, RunPatch(folder_id=folder_id, by_run=True))
    except NotFoundError:
        raise NotFoundError(f"project {path.project_path} has no folder {folder_id[:100]!r}") from None


def get_experiment(call: EndpointCall) -> Answer:
    """Return an experiment."""
    return _one(call, call.services.runs.get_run(call.user, path_of(call)))


def change_experiment(call: EndpointCall) -> Answer:
    """Put an experiment into a folder, or out of any."""
    body = read_object(call, ("folder_id",))
    if "folder_id" not in body:
        raise ValidationError("folder_id: it is missing")
    folder_id = optional(text, body, "folder_id", least=1, most=_ID_MAX) or ""
    return _one(call, _put(call, path_of(call), folder_id))


def update_status(call: EndpointCall) -> Answer:
    """Set an experiment's status."""
    body = read_object(call, ("status", "error", "timestamp_ms"))
    status = body.get("status")
    if status not in _STATUSES[1:]:
        raise ValidationError(f"status: expected one of {', '.join(_STATUSES[1:])}")
    time_ms = whole(body, "timestamp_ms") if "timestamp_ms" in body else None
    name, detail = _error_of(finite_object(body, "error")) if status == "error" else ("", "")
    return _one(call, set_status(call, path_of(call), status, time_ms=time_ms, name=name, detail=detail))


def _error_of(error: Mapping[str, Any]) -> tuple[str, str]:
    known_fields(error, ("name", "detail"), "error")
    error = {"name": "Error", "detail": "", **error}
    return text(error, "name", most=500), text(error, "detail", most=8000)


def set_status(
    call: EndpointCall, path: RunPath, status: str, *, time_ms: int | None = None, name: str = "", detail: str = ""
) -> RunRecord:
    """Give a run a status; repeating one keeps its time unless another is given.

    Args:
        call: The request.
        path: The run.
        status: ``running``, ``done`` or ``error``.
        time_ms: When; ``None`` for now.
        name: What kind of error.
        detail: Which.
    """
    runs = call.services.runs
    run = runs.get_run(call.user, path)
    made = made_of(run)
    now = call.services.store.clock() if time_ms is None else time_ms
    made.pop("error_name", None)
    if status == "running":
        if "started_at_ms" in made and not isinstance(made["started_at_ms"], int):
            made["started_at_ms"] = now
        patch = RunPatch(state="RUNNING", error="", metadata={"syvain": made}, by_run=True)
        return runs.update_run(call.user, path, patch)
    repeated = status_of(run) == status and run.finished_at_ms is not None
    finished = None if repeated and time_ms is None else now
    error = ""
    if status == "error":
        made["error_name"] = name
        error = f"{name}: {detail}" if detail else name
    patch = RunPatch(
        state="FINISHED" if status == "done" else "CRASHED",
        error=error,
        finished_at_ms=finished,
        metadata={"syvain": made},
        by_run=True,
    )
    return runs.update_run(call.user, path, patch)
