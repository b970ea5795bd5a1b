"""Routes that write, under ``/api/w``."""

from __future__ import annotations

from array import array
from io import BytesIO
from typing import Any

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.arrow_array import make_array
from runatlas.model.artifact import ArtifactDraft, validate_artifact_name
from runatlas.model.batch import Batch
from runatlas.model.codec import dumps
from runatlas.model.registry import STAGES, ModelVersionDraft, Stage
from runatlas.model.run import Profile, RunDraft, RunPatch, RunRecord, RunSelection
from runatlas.model.series import SeriesPoints
from runatlas.server.dialects.chachaml.body import answer, number, read_object
from runatlas.server.dialects.chachaml.experiment import RunObjects, experiment_name
from runatlas.server.dialects.chachaml.record import labels_of_tags, run_object, version_object
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import optional, text, whole

__all__ = ["add_artifact", "add_metrics", "add_model", "add_params", "end_run", "start_run"]

_RAW = "application/octet-stream"
_STATES = {"completed": "FINISHED", "failed": "CRASHED"}


def start_run(call: EndpointCall) -> Answer:
    """Start a run."""
    body = read_object(call)
    tags = {} if body.get("tags") is None else body["tags"]
    if not isinstance(tags, dict):
        raise ValidationError("tags: expected an object")
    made = {name: text(body, name, least=1) for name in ("parent_run_id", "created_by") if body.get(name) is not None}
    labels = labels_of_tags(tags)
    with call.services.store.together():
        project = call.services.repository.project_for(call.user, text(body, "experiment", "default") or "default")
        draft = RunDraft(
            project.path,
            name=text(body, "name", ""),
            labels=labels,
            profile=Profile({"chachaml": made}) if made else None,
        )
        run, _ = call.services.runs.create_run(call.user, draft)
    return answer(run_object(run, experiment_name(project)))


def _open_run(call: EndpointCall) -> RunRecord:
    run = call.services.repository.find_run(call.user, call.params["run"], parts=())
    # One that only was not heard of for long has no end yet, and goes on with this.
    if run.finished_at_ms is not None or run.state == "OFFLINE":
        raise ConflictError("no such run")
    return run


def _only(run: RunRecord) -> RunSelection:
    return RunSelection(run.workspace, run.project, ids=(run.cuid,))


def add_params(call: EndpointCall) -> Answer:
    """Set config values."""
    body = read_object(call)
    run = _open_run(call)
    if body:
        call.services.runs.update_runs(call.user, _only(run), RunPatch(config=body, by_run=True), exact_names=True)
    return answer({"ok": True})


def add_metrics(call: EndpointCall) -> Answer:
    """Append one point to each metric named; at a step that is given, the value that a metric has there is no other."""
    body = dict(read_object(call))
    is_placed = "step" in body
    step = whole({"step": 0, **body}, "step")
    body.pop("step", None)
    values = body
    if isinstance(body.get("metrics"), dict):
        values = body["metrics"]
    now = call.services.store.clock()
    points = tuple(
        SeriesPoints(
            key,
            make_array(array("q", [step])),
            make_array(array("d", [number(value, key)])),
            make_array(array("q", [now])),
        )
        for key, value in values.items()
    )
    run = _open_run(call)
    call.services.recording.append(call.user, Batch(run.path, points=points, new_values_only=is_placed))
    return answer({"ok": True})


def add_artifact(call: EndpointCall) -> Answer:
    """Store a file: raw bytes, or a JSON value by the reference server's other form."""
    kind = call.media_type
    if kind == "application/json":
        return _add_value(call)
    if kind != _RAW:
        raise ValidationError(f"an artifact is sent as {_RAW}, not as {kind or 'nothing'}")
    name = call.value("name")
    record = _store(call, name, _RAW)
    return answer({"ok": True, "sha256": record.sha256, "size": record.size})


def _add_value(call: EndpointCall) -> Answer:
    body = read_object(call)
    if "value" not in body:
        raise ValidationError("value: it is missing")
    record = _store(call, body.get("name"), "application/json", dumps(body["value"]).encode())
    run = call.services.repository.find_run(call.user, call.params["run"], parts=())
    return answer({"ok": True, "run-id": run.id, "name": record.name, "sha256": record.sha256, "size": record.size})


def _store(call: EndpointCall, name: Any, mime_type: str, data: bytes | None = None) -> ArtifactDraft:
    try:
        checked = validate_artifact_name(name)
    except (TypeError, ValueError) as error:
        raise ValidationError(str(error)) from error
    run = _open_run(call)
    stream = call.upload if data is None and call.upload is not None else BytesIO(call.body if data is None else data)
    blob = call.services.recording.put_blob(call.user, run.project_path, stream)
    draft = ArtifactDraft(checked, blob.sha256, blob.size, mime_type)
    call.services.recording.append(call.user, Batch(run.path, artifacts=(draft,)))
    return draft


def end_run(call: EndpointCall) -> Answer:
    """End a run; it answers the run, with ``ok`` in it."""
    body = read_object(call)
    status = text(body, "status", "completed")
    if status not in _STATES:
        raise ValidationError("status: expected completed or failed")
    error = optional(text, body, "error")
    run = _open_run(call)
    patch = RunPatch(state="FINISHED" if status == "completed" else "CRASHED", error=error, by_run=True)
    call.services.runs.update_runs(call.user, _only(run), patch)
    return answer({**RunObjects(call).make(call.services.runs.get_run(call.user, run.path)), "ok": True})


def add_model(call: EndpointCall) -> Answer:
    """Register an artifact as the next version of a model."""
    body = read_object(call)
    stage = text(body, "stage", "none").removeprefix(":")
    if stage not in STAGES:
        raise ValidationError(f"stage: expected one of {', '.join(STAGES)}")
    known: Stage = next(item for item in STAGES if item == stage)
    name = body.get("name") or body.get("model_name")
    artifact = text(body, "artifact", least=1)
    run = call.services.repository.find_run(call.user, text(body, "run_id", least=1), parts=())
    draft = ModelVersionDraft(
        text({"name": name}, "name", least=1), str(run.path), artifact, known, text(body, "description", "")
    )
    try:
        version = call.services.registry.create_model_version(call.user, draft)
    except NotFoundError as error:
        raise NotFoundError(f"run {run.id} has no artifact {artifact!r}") from error
    return answer(version_object(version))
