"""Routes of one run: what it is, its metrics, its tags, and its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactRecord
from runatlas.model.ids import RunPath
from runatlas.model.page import each_item
from runatlas.model.run import RunPatch, RunRecord, RunSelection
from runatlas.model.series import Context
from runatlas.server.dialects.matyan.body import answer, has_flag, read_body, read_range, whole_of
from runatlas.server.dialects.matyan.experiment_place import change_run, find_run, move_run
from runatlas.server.dialects.matyan.message import read_context
from runatlas.server.dialects.matyan.param import shown_params
from runatlas.server.dialects.matyan.reading import BUCKETS, Reading, tag_id
from runatlas.server.dialects.matyan.sequence import evenly, read_traces
from runatlas.server.dialects.matyan.upload import SEQUENCES
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import flag, optional, text

__all__ = [
    "add_tag",
    "archive_runs",
    "clear_tombstone",
    "delete_run",
    "delete_runs",
    "finish_runs",
    "found_run",
    "get_info",
    "get_metrics",
    "list_files",
    "remove_tag",
    "update_run",
]

_OBJECT_LAST = 0.1
"""What the reference server says of every sequence of objects."""


def found_run(call: EndpointCall, *, config: bool = False) -> RunRecord:
    """Find the run that the path names.

    Raises:
        NotFoundError: There is none.
    """
    try:
        return find_run(call.services, call.user, call.params["run"], parts=("config",) if config else ())
    except NotFoundError:
        raise NotFoundError(f"run {call.params['run']!r} not found") from None


def get_info(call: EndpointCall) -> Answer:
    """Return what a run is and what it tracked."""
    run = found_run(call, config=True)
    reading = Reading(call.services, call.user)
    known = ["metric", *BUCKETS]
    asked = call.values("sequence") or known
    if unknown := [name for name in asked if name not in known]:
        raise ValidationError(f"sequence: {unknown[0]!r} is none of {', '.join(known)}")
    files = list_files(call, run.path)
    return answer(
        {
            "params": shown_params(run.config, skip_system=has_flag(call, "skip_system", default=False)),
            "traces": {name: _traces(reading, run, name) for name in asked},
            "props": reading.props(run),
            "artifacts": [_file_object(call, run, file) for file in files if not file.name.startswith(SEQUENCES)],
        }
    )


def _traces(reading: Reading, run: RunRecord, kind: str) -> list[dict[str, Any]]:
    if kind == "metric":
        return [
            {"name": item.key, "context": dict(item.context), "last_value": item.latest.value}
            for item in reading.summaries([run])[run.cuid]
        ]
    return [
        {"name": column.key, "context": dict(column.context), "last_value": _OBJECT_LAST}
        for column in reading.columns(run.path, BUCKETS[kind])
    ]


def list_files(call: EndpointCall, path: RunPath) -> list[ArtifactRecord]:
    """List the files of a run, by name."""
    return list(each_item(lambda page: call.services.artifacts.list_artifacts(call.user, path, page)))


def _file_object(call: EndpointCall, run: RunRecord, file: ArtifactRecord) -> dict[str, str]:
    # What follows '#' is for those who read the run and the path off the end; no client sends it.
    where = f"{call.user.origin}/api/v1/rest/runs/{quote(run.id)}/artifacts/download/?path={quote(file.name, safe='')}"
    return {"name": file.name.rpartition("/")[2], "path": file.name, "uri": f"{where}#{run.id}/{file.name}"}


def get_metrics(call: EndpointCall) -> Answer:
    """Return points of metrics, in the order in which they are asked for."""
    asked = [_trace_asked(item) for item in read_body(call, list)]
    most = whole_of(call, "record_density", 50)
    bounds = read_range(call)
    run = found_run(call)
    reading = Reading(call.services, call.user)
    traces = read_traces(reading, [run.cuid], sorted({name for name, _ in asked}))
    found = []
    for name, context in asked:
        trace = traces.get((run.cuid, name, context))
        if trace is None:
            continue
        trace = trace if bounds is None else trace.between(*bounds)
        shown = trace.taken(evenly(len(trace.steps), most))
        columns = {"iters": shown.steps.tolist(), "values": shown.values.tolist()}
        found.append({"name": name, "context": dict(context), **columns})
    return answer(found)


def _trace_asked(item: Any) -> tuple[str, Context]:
    if not isinstance(item, dict):
        raise ValidationError("a trace is an object with name and context")
    return text(item, "name"), read_context(item.get("context"))


def update_run(call: EndpointCall) -> Answer:
    """Change a run's properties."""
    body = read_body(call, dict)
    flags = {name: optional(flag, body, name) for name in ("archived", "active")}
    texts = {name: optional(text, body, name) for name in ("name", "description", "experiment")}
    with call.services.store.together():
        return _change(call, texts, flags)


def _change(call: EndpointCall, texts: dict[str, str | None], flags: dict[str, bool | None]) -> Answer:
    run = found_run(call)
    active = flags["active"]
    patch = RunPatch(
        name=texts["name"],
        description=texts["description"],
        archived=flags["archived"],
        state=None if active is None else "RUNNING" if active else "FINISHED",
    )
    if patch != RunPatch():
        change_run(call.services, call.user, run.path, patch)
    if texts["experiment"] is not None:
        move_run(call.services, call.user, run.path, texts["experiment"])
    return answer({"id": run.id, "status": "OK"})


def add_tag(call: EndpointCall) -> Answer:
    """Attach a tag."""
    name = text(read_body(call, dict), "tag_name").strip()
    run = found_run(call)
    with call.services.store.together():
        change_run(call.services, call.user, run.path, RunPatch(labels_added=(name,)))
        call.services.labels.keep_label(call.user, run.workspace, name)
    return answer({"id": run.id, "tag_id": tag_id(run.workspace, name), "status": "OK"})


def remove_tag(call: EndpointCall) -> Answer:
    """Detach a tag."""
    run = found_run(call)
    names = tuple(name for name in run.labels if tag_id(run.workspace, name) == call.params["tag"])
    if names:
        change_run(call.services, call.user, run.path, RunPatch(labels_removed=names))
    return answer({"id": run.id, "removed": True, "status": "OK"})


def delete_run(call: EndpointCall) -> Answer:
    """Delete a run; those who still write to it do not bring it back."""
    run = found_run(call)
    with call.services.store.together():
        _delete(call, [run])
    return answer({"id": run.id, "status": "OK"})


def delete_runs(call: EndpointCall) -> Answer:
    """Delete runs, all or none; ids that are none are retired as well."""
    asked = _ids(call)
    with call.services.store.together():
        call.services.retirement.retire_ids(call.user, asked)
        _delete(call, list(_named(call, asked)))
    return answer({"status": "OK"})


def archive_runs(call: EndpointCall) -> Answer:
    """Archive runs, or bring them back; ids that are none are passed over."""
    return _change_all(call, RunPatch(archived=has_flag(call, "archive", default=True)))


def finish_runs(call: EndpointCall) -> Answer:
    """End runs; ids that are none are passed over."""
    return _change_all(call, RunPatch(state="FINISHED"))


def _change_all(call: EndpointCall, patch: RunPatch) -> Answer:
    with call.services.store.together():
        for run in _named(call, _ids(call)):
            change_run(call.services, call.user, run.path, patch)
    return answer({"status": "OK"})


def _ids(call: EndpointCall) -> list[str]:
    asked = read_body(call, list)
    if not all(isinstance(item, str) for item in asked):
        raise ValidationError("an id is text")
    return asked


def _named(call: EndpointCall, asked: Iterable[str]) -> Iterator[RunRecord]:
    for run_id in dict.fromkeys(asked):
        with suppress(NotFoundError):
            yield find_run(call.services, call.user, run_id)


def _delete(call: EndpointCall, runs: Sequence[RunRecord]) -> None:
    if runs:
        selection = RunSelection(runs[0].workspace, ids=tuple(run.cuid for run in runs))
        call.services.trash.delete_named(call.user, selection)
        call.services.retirement.retire_ids(call.user, [run.id for run in runs])


def clear_tombstone(call: EndpointCall) -> Answer:
    """Let an id be written to again."""
    call.services.retirement.free_id(call.user, call.params["run"])
    return Answer(status=204)
