"""Routes that read, under ``/api``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

from litestar.types import ASGIApp

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactRecord
from runatlas.model.codec import dumps, encode_json
from runatlas.model.filters import Comparison, Field, Filter, Operator, Or
from runatlas.model.page import each_item
from runatlas.model.registry import ModelVersionRecord
from runatlas.model.run import RunPatch, RunRecord, RunSelection
from runatlas.model.series import PointBlock, PointQuery, each_block
from runatlas.server.dialects.chachaml.body import answer, limit_of, read_object
from runatlas.server.dialects.chachaml.experiment import RunObjects, experiment_name
from runatlas.server.dialects.chachaml.record import (
    STATUS_OF_STATE,
    artifact_object,
    labels_of_tags,
    metric_objects,
    model_object,
    read_artifact_id,
    tags_of_labels,
    version_object,
)
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.download import Download
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import text

__all__ = [
    "add_tag",
    "compare_runs",
    "diff_versions",
    "download_artifact",
    "export_runs",
    "get_model",
    "get_run",
    "get_tags",
    "list_datasets",
    "list_experiments",
    "list_models",
    "list_runs",
    "search_runs",
    "set_note",
]

_OPERATORS: dict[str, Operator] = {">": "GT", "<": "LT", ">=": "GTE", "<=": "LTE", "=": "EQ"}


def _runs(call: EndpointCall, wanted: Filter | None, **options: Any) -> Iterator[RunRecord]:
    experiment = call.value("experiment")
    project = None
    if experiment:
        found = call.services.repository.find_project(call.user, experiment)
        if found is None:
            return iter(())
        project = found.name
    return call.services.repository.iterate_runs(call.user, project=project, filter=wanted, **options)


def _with_status(status: str | None) -> Filter | None:
    if not status:
        return None
    states = [state for state, name in STATUS_OF_STATE.items() if name == status]
    if not states:
        raise ValidationError("status: expected running, completed or failed")
    return Or(tuple(Comparison(Field("STABLE", "state"), "EQ", state) for state in states))


def list_runs(call: EndpointCall) -> Answer:
    """List runs, newest first."""
    found = _runs(call, _with_status(call.value("status")), parts=("profile",))
    objects = RunObjects(call)
    return answer([objects.make(run) for run in islice(found, limit_of(call))])


def _points(call: EndpointCall, run: RunRecord) -> Iterator[PointBlock]:
    selection = RunSelection(run.workspace, run.project, ids=(run.cuid,))
    return each_block(partial(call.services.points.read_whole, call.user), PointQuery(selection))


def _artifacts(call: EndpointCall, run: RunRecord) -> Iterator[ArtifactRecord]:
    return each_item(lambda page: call.services.artifacts.list_artifacts(call.user, run.path, page))


def get_run(call: EndpointCall) -> Answer:
    """Return a run with everything it has."""
    run = call.services.repository.find_run(call.user, call.params["run"])
    rest = {
        **RunObjects(call).make(run),
        "params": run.config or {},
        "artifacts": [artifact_object(item, run) for item in _artifacts(call, run)],
    }
    # Written a part at a time: objects take many times as much memory as their text.
    out = io.BytesIO()
    out.write(encode_json(rest)[:-1] + b',"metrics":[')
    between = b""
    for block in _points(call, run):
        for items in metric_objects(block):
            out.write(between + encode_json(items)[1:-1])
            between = b","
    out.write(b"]}")
    return Answer(out.getvalue())


def compare_runs(call: EndpointCall) -> Answer:
    """Return several runs side by side."""
    ids = [name for name in (call.value("ids") or "").split(",") if name]
    if len(ids) < 2:
        raise ValidationError("ids: name two runs or more, separated by commas")
    runs = [call.services.repository.find_run(call.user, name) for name in dict.fromkeys(ids)]
    objects = RunObjects(call)
    return answer(
        {"runs": [{**objects.make(run), "params": run.config or {}, "metrics": run.summary or {}} for run in runs]}
    )


def search_runs(call: EndpointCall) -> Answer:
    """Find runs by the latest value of a metric."""
    key, op, given = call.value("metric_key"), call.value("op") or ">", call.value("metric_value")
    wanted: Filter | None = None
    if key:
        if op not in _OPERATORS:
            raise ValidationError(f"op: expected one of {' '.join(_OPERATORS)}")
        try:
            value = float(given or "")
        except ValueError:
            raise ValidationError("metric_value: expected a number") from None
        wanted = Comparison(Field("SCALAR", key), _OPERATORS[op], value)
    found = islice(_runs(call, wanted, parts=("profile", "summary")), limit_of(call))
    objects = RunObjects(call)
    return answer([{**objects.make(run), "metrics": run.summary or {}} for run in found])


def export_runs(call: EndpointCall) -> Answer:
    """Write runs as CSV: their own fields, then params, then latest values."""
    runs = list(islice(_runs(call, None, parts=("config", "summary", "profile")), limit_of(call)))
    params = sorted({name for run in runs for name in run.config or {}})
    metrics = sorted({name for run in runs for name in run.summary or {}})
    own = ("id", "experiment", "name", "status", "start-time", "end-time")
    out = io.StringIO()
    writer = csv.writer(out)
    objects = RunObjects(call)
    writer.writerow([*own, *(f"param.{name}" for name in params), *(f"metric.{name}" for name in metrics)])
    for run in runs:
        made = objects.make(run)
        config, last = run.config or {}, run.summary or {}
        writer.writerow(
            [
                *(made[name] for name in own),
                *(_cell(config.get(name)) for name in params),
                *(_cell(last.get(name)) for name in metrics),
            ]
        )
    headers = {"content-disposition": 'attachment; filename="runs.csv"'}
    return Answer(out.getvalue().encode(), media_type="text/csv; charset=utf-8", headers=headers)


def _cell(value: Any) -> Any:
    """Numbers and texts as they are; what CSV has no form for as JSON."""
    return dumps(value) if isinstance(value, (bool, dict, list)) else value


def list_experiments(call: EndpointCall) -> Answer:
    """List experiments by name."""
    return answer(
        [
            {
                "name": experiment_name(project),
                "runs": project.count.experiments if project.count else 0,
                "created-at": project.created_at_ms,
            }
            for project in call.services.repository.list_projects(call.user)
        ]
    )


def list_models(call: EndpointCall) -> Answer:
    """List models by name."""
    return answer([model_object(model) for model in call.services.registry.list_models(call.user, call.user.username)])


def _versions(call: EndpointCall) -> tuple[ModelVersionRecord, ...]:
    return call.services.registry.list_model_versions(call.user, call.user.username, call.params["name"])


def get_model(call: EndpointCall) -> Answer:
    """Return a model with its versions."""
    versions = _versions(call)
    models = call.services.registry.list_models(call.user, call.user.username)
    model = next(model for model in models if model.name == call.params["name"])
    return answer({"model": model_object(model), "versions": [version_object(version) for version in versions]})


def diff_versions(call: EndpointCall) -> Answer:
    """Return two versions of a model and where the runs behind them differ."""
    by_number = {str(version.version): version for version in _versions(call)}
    found = []
    for name in (call.params["first"], call.params["second"]):
        if name not in by_number:
            raise NotFoundError(f"model {call.params['name']!r} has no version {name!r}")
        found.append(by_number[name])
    sides = [_behind(call, version) for version in found]
    differing = {
        part: {
            name: [side[part].get(name) for side in sides]
            for name in sorted({name for side in sides for name in side[part]})
            if sides[0][part].get(name) != sides[1][part].get(name)
        }
        for part in ("params", "metrics")
    }
    return answer({"versions": [version_object(version) for version in found], **differing})


def _behind(call: EndpointCall, version: ModelVersionRecord) -> dict[str, dict[str, Any]]:
    try:
        run = call.services.repository.find_run(call.user, version.run.rpartition("/")[2], parts=("config", "summary"))
    except NotFoundError:
        return {"params": {}, "metrics": {}}
    return {"params": run.config or {}, "metrics": dict(run.summary or {})}


def download_artifact(call: EndpointCall) -> ASGIApp:
    """Send the bytes of an artifact."""
    cuid, name = read_artifact_id(call.params["artifact"])
    run = call.services.repository.find_run(call.user, cuid, parts=())
    file = call.services.artifacts.open_artifact(call.user, run.path, name)
    return Download(file.pieces, file.size, file.name, file.mime_type, file.tag)


def get_tags(call: EndpointCall) -> Answer:
    """Return a run's tags."""
    return answer(tags_of_labels(call.services.repository.find_run(call.user, call.params["run"], parts=()).labels))


def add_tag(call: EndpointCall) -> Answer:
    """Set a tag; the value it had is replaced."""
    body = read_object(call)
    (label,) = labels_of_tags({text(body, "key", least=1): body.get("value", "")})
    run = call.services.repository.find_run(call.user, call.params["run"], parts=())
    name = label.partition("=")[0]
    held = tuple(item for item in run.labels if item.partition("=")[0] == name and item != label)
    _update(call, run, RunPatch(labels_added=(label,), labels_removed=held))
    return answer({"ok": True})


def set_note(call: EndpointCall) -> Answer:
    """Set a run's description."""
    note = text(read_object(call), "note", "")
    run = call.services.repository.find_run(call.user, call.params["run"], parts=())
    _update(call, run, RunPatch(description=note))
    return answer({"ok": True})


def _update(call: EndpointCall, run: RunRecord, patch: RunPatch) -> None:
    call.services.runs.update_runs(call.user, RunSelection(run.workspace, run.project, ids=(run.cuid,)), patch)


def list_datasets(call: EndpointCall) -> Answer:
    """List a run's data sets, which its metadata names under ``datasets``."""
    run = call.services.repository.find_run(call.user, call.params["run"], parts=("profile",))
    held = {} if run.profile is None else run.profile.metadata.get("chachaml", {})
    return answer(held.get("datasets", []))
