"""Routes of runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import attrs

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.filter_rule import from_rules, groups_from_rules, sorts_from_rules
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogQuery
from runatlas.model.page import each_item
from runatlas.model.run import Profile, RunDraft, RunPart, RunPatch, RunQuery, RunRecord, RunSelection, RunState
from runatlas.server.dialects.swanlab.body import answer, listed, page_request, project_path, read_object, run_path
from runatlas.server.dialects.swanlab.instant import read_instant
from runatlas.server.dialects.swanlab.record import run_object
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import objects, text, texts

__all__ = [
    "beat",
    "delete_run",
    "delete_runs",
    "filter_runs",
    "get_run",
    "list_runs",
    "put_profile",
    "put_state",
    "start_run",
]

_RULES_MAX = 1000
_LABELS_MAX = 1000
_ERROR_MAX = 20_000
_PARTS: tuple[RunPart, ...] = ("config", "profile")


def _only(path: RunPath) -> RunSelection:
    return RunSelection(path.workspace, path.project, ids=(path.run,))


def start_run(call: EndpointCall) -> Answer:
    """Make a run (201), or let one go on (200), by the id that the client chose."""
    body = read_object(call)
    project = project_path(call)
    draft = _draft(project, body)
    found = None if draft.id is None else _find(call, project, draft.id)
    if found is None:
        found, created = call.services.runs.create_run(call.user, draft)
        if created:
            return answer(run_object(found), 201)
    # A client that goes on sends a new random name and colour: the run keeps its own.
    patch = RunPatch(
        state="RUNNING",
        labels_added=draft.labels,
        group=draft.group or None,
        job_type=draft.job_type or None,
        by_run=True,
    )
    call.services.runs.update_runs(call.user, _only(found.path), patch)
    return answer(run_object(call.services.runs.get_run(call.user, found.path)))


def _draft(project: ProjectPath, body: dict[str, Any]) -> RunDraft:
    created = body.get("createdAt")
    labels = objects(body.get("labels") or [], "labels", _LABELS_MAX)
    return RunDraft(
        project,
        id=text(body, "cuid", "") or None,
        name=text(body, "name", ""),
        description=text(body, "description", ""),
        labels=tuple(dict.fromkeys(text(label, "name") for label in labels)),
        group=text(body, "cluster", ""),
        job_type=text(body, "job", ""),
        colors=tuple(texts(body.get("colors") or [], "colors", 10)),
        created_at_ms=None if created is None else read_instant(created, "createdAt"),
        if_exists="keep",
    )


def _find(call: EndpointCall, project: ProjectPath, run_id: str) -> RunRecord | None:
    try:
        return call.services.runs.get_run(call.user, RunPath(project.workspace, project.project, run_id))
    except NotFoundError:
        return None


def get_run(call: EndpointCall) -> Answer:
    """Return a run."""
    return answer(run_object(call.services.runs.get_run(call.user, run_path(call))))


def list_runs(call: EndpointCall) -> Answer:
    """List a project's runs, page by page."""
    request = page_request(call)
    path = project_path(call)
    query = RunQuery(RunSelection(path.workspace, path.project), parts=_PARTS, page=request)
    found = call.services.runs.list_runs(call.user, query)
    return listed([run_object(run) for run in found.items], found, request)


def filter_runs(call: EndpointCall) -> Answer:
    """List all runs that rules choose, in the order they ask for, as a bare list."""
    body = read_object(call)
    path = project_path(call)
    filters, sorts, groups = (
        objects(body.get(name) or [], name, _RULES_MAX) for name in ("filters", "sorts", "groups")
    )
    try:
        query = RunQuery(
            RunSelection(path.workspace, path.project, filter=from_rules(filters) if filters else None),
            sorts=sorts_from_rules(sorts),
            groups=groups_from_rules(groups),
            parts=_PARTS,
        )
    except (TypeError, ValueError) as error:
        raise ValidationError(str(error)) from error
    return answer([run_object(run) for run in _all_runs(call, query)])


def _all_runs(call: EndpointCall, query: RunQuery) -> Iterator[RunRecord]:
    return each_item(lambda page: call.services.runs.list_runs(call.user, attrs.evolve(query, page=page)))


def _delete(call: EndpointCall, project: ProjectPath, ids: tuple[str, ...]) -> None:
    call.services.trash.delete_named(call.user, RunSelection(project.workspace, project.project, ids=ids))


def delete_run(call: EndpointCall) -> Answer:
    """Move a run to the trash."""
    path = run_path(call)
    _delete(call, path.project_path, (path.run,))
    return Answer(status=204)


def delete_runs(call: EndpointCall) -> Answer:
    """Move runs to the trash: all that are named, or none."""
    cuids = texts(read_object(call).get("cuids"), "cuids", 100_000)
    _delete(call, project_path(call), tuple(dict.fromkeys(cuids)))
    return answer({})


def put_profile(call: EndpointCall) -> Answer:
    """Change the sections of a run's profile that are sent.

    A run that goes on sends an empty config and metadata with nulls: keys are replaced one by one, nulls change
    nothing.
    """
    body = read_object(call)
    path = run_path(call)
    config = _config(body.get("config"))
    given = _section(body, "metadata")
    metadata: dict[str, Any] = {}
    if given:
        held = call.services.runs.get_run(call.user, path).profile
        metadata = {**(held.metadata if held else {}), **given}
    patch = RunPatch(
        config=config,
        config_removed=tuple(config),
        profile=Profile(metadata, text(body, "requirements", ""), text(body, "conda", "")),
        by_run=True,
    )
    call.services.runs.update_runs(call.user, _only(path), patch, exact_names=True)
    return answer({})


def _section(body: dict[str, Any], name: str) -> dict[str, Any]:
    given = body.get(name) or {}
    if not isinstance(given, dict):
        raise ValidationError(f"{name}: expected an object, not {type(given).__name__}")
    return {key: value for key, value in given.items() if value is not None}


def _config(given: Any) -> dict[str, Any]:
    """Take the values out of their wrapping; clients write ``None`` as an empty object."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ValidationError(f"config: expected an object, not {type(given).__name__}")
    found = {}
    for key, item in given.items():
        value = item.get("value") if isinstance(item, dict) and "value" in item else item
        found[key] = None if value == {} else value
    return found


def put_state(call: EndpointCall) -> Answer:
    """Set a run's state."""
    body = read_object(call)
    finished = body.get("finishedAt")
    path, state = run_path(call), _state(text(body, "state"))
    patch = RunPatch(
        state=state,
        finished_at_ms=None if finished is None else read_instant(finished, "finishedAt"),
        error=_last_error(call, path) if state in {"CRASHED", "ABORTED"} else None,
        by_run=True,
    )
    call.services.runs.update_runs(call.user, _only(path), patch)
    return answer({})


def _last_error(call: EndpointCall, path: RunPath) -> str | None:
    """Return what a run ended with: clients say it as the last line, before they say the state."""
    logs = call.services.logs
    offset = logs.last_line(call.user, path) - 1
    found = logs.read_logs(call.user, path, LogQuery(offset, "ERROR", limit=1, tag="")).logs
    return found[0].message[-_ERROR_MAX:] if found else None


def _state(wanted: str) -> RunState:
    for known in get_args(RunState):
        if known == wanted:
            return known  # type: ignore[no-any-return]
    raise ValidationError(f"state: expected one of {', '.join(get_args(RunState))}")


def beat(call: EndpointCall) -> Answer:
    """Note that a run is alive."""
    path = call.services.runs.locate_runs(call.user, [call.params["cuid"]])[call.params["cuid"]]
    patch = RunPatch(heartbeat_at_ms=call.services.store.clock(), by_run=True)
    call.services.runs.update_runs(call.user, _only(path), patch)
    return answer({})
