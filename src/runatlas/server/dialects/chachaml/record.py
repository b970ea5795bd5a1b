"""The objects of this protocol, made of our records, and back."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactRecord
from runatlas.model.registry import ModelRecord, ModelVersionRecord
from runatlas.model.run import RunRecord, RunState
from runatlas.model.series import PointBlock

__all__ = [
    "STATUS_OF_STATE",
    "artifact_object",
    "labels_of_tags",
    "metric_objects",
    "model_object",
    "read_artifact_id",
    "run_object",
    "tags_of_labels",
    "version_object",
]

STATUS_OF_STATE: dict[RunState, str] = {
    "RUNNING": "running",
    "FINISHED": "completed",
    "CRASHED": "failed",
    "ABORTED": "failed",
    "OFFLINE": "running",
}
_POINTS_AT_ONCE = 10_000


def labels_of_tags(tags: Mapping[str, Any]) -> tuple[str, ...]:
    """Make labels of tags: ``author=maria``; a tag without a value is its name.

    Raises:
        ValidationError: A value is neither text, number nor boolean.
    """
    made = []
    for name, value in tags.items():
        if not name or "=" in name:
            raise ValidationError(f"tags: {name!r} is not a tag name; it must not be empty or have '='")
        if not isinstance(value, (str, int, float, bool)):
            raise ValidationError(f"tags: the value of {name!r} must be text")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        made.append(f"{name}={text}" if text else name)
    return tuple(made)


def tags_of_labels(labels: Iterable[str]) -> dict[str, str]:
    """Make tags of labels; a label that is no tag is one without a value."""
    return {name: value for name, _, value in (label.partition("=") for label in labels)}


def run_object(run: RunRecord, experiment: str) -> dict[str, Any]:
    """Make a run object of an experiment; the names of the reference server, and ``start_time`` beside them."""
    made = {} if run.profile is None else run.profile.metadata.get("chachaml", {})
    end = run.finished_at_ms
    return {
        "id": run.id,
        "experiment": experiment,
        "name": run.name,
        "status": STATUS_OF_STATE[run.state],
        "start-time": run.created_at_ms,
        "start_time": run.created_at_ms,
        "end-time": end,
        "end_time": end,
        "tags": tags_of_labels(run.labels),
        "error": run.error or None,
        "note": run.description or None,
        "parent-run-id": made.get("parent_run_id"),
        "created-by": made.get("created_by"),
    }


def metric_objects(block: PointBlock) -> Iterator[list[dict[str, Any]]]:
    """Make objects of the points of a block, some at a time; those of a context, which no request can give, name it."""
    columns = (block.steps, block.values, block.times_ms)
    for series in block.series:
        place = {"context": dict(series.context)} if series.context else {}
        stop = series.start + series.length
        for start in range(series.start, stop, _POINTS_AT_ONCE):
            part = (column.slice(start, min(_POINTS_AT_ONCE, stop - start)).to_pylist() for column in columns)
            yield [
                {"key": series.key, "value": value, "step": step, "timestamp": time, **place}
                for step, value, time in zip(*part, strict=True)
            ]


def artifact_id(run: RunRecord, name: str) -> str:
    """Make the id of an artifact: its run and its name, in letters that a path can hold."""
    return urlsafe_b64encode(f"{run.cuid}:{name}".encode()).decode().rstrip("=")


def read_artifact_id(text: str) -> tuple[str, str]:
    """Read an artifact's id: the run's cuid, and the name.

    Raises:
        NotFoundError: It is none.
    """
    try:
        found = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode()
    except ValueError as error:
        raise NotFoundError("no such artifact") from error
    cuid, _, name = found.partition(":")
    return cuid, name


def artifact_object(artifact: ArtifactRecord, run: RunRecord) -> dict[str, Any]:
    """Make an artifact object."""
    return {
        "id": artifact_id(run, artifact.name),
        "name": artifact.name,
        "size": artifact.size,
        "sha256": artifact.sha256,
        "content-type": artifact.mime_type,
        "created-at": artifact.created_at_ms,
    }


def version_object(version: ModelVersionRecord) -> dict[str, Any]:
    """Make a model version object."""
    return {
        "name": version.model,
        "version": version.version,
        "stage": version.stage,
        "run_id": version.run.rpartition("/")[2],
        "run-id": version.run.rpartition("/")[2],
        "artifact": version.artifact,
        "description": version.description or None,
        "sha256": version.sha256,
        "size": version.size,
        "created-at": version.created_at_ms,
    }


def model_object(model: ModelRecord) -> dict[str, Any]:
    """Make a model object."""
    return {
        "name": model.name,
        "versions": model.versions,
        "latest-version": model.latest,
        "production-version": model.production,
        "created-at": model.created_at_ms,
    }
