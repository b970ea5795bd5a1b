"""The objects of this protocol, made of our records."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from runatlas.errors import NotFoundError
from runatlas.model.annotation import AnnotationRecord
from runatlas.model.folder import FolderRecord
from runatlas.model.ids import ProjectPath, RunPath, validate_run_id
from runatlas.model.ingestion_key import IngestionKeyRecord
from runatlas.model.run import RunRecord, RunState
from runatlas.server.wire.endpoint import EndpointCall

__all__ = [
    "annotation_object",
    "experiment_objects",
    "folder_object",
    "key_object",
    "made_of",
    "path_of",
    "run_id_of",
    "slug_of",
    "status_of",
]

_READABLE = re.compile(r"[^0-9A-Za-z_.+-]+")
_STATUS: dict[RunState, str] = {
    "RUNNING": "running",
    "OFFLINE": "running",
    "FINISHED": "done",
    "CRASHED": "error",
    "ABORTED": "error",
}
_ERROR = "Error"
_NAMED_ERROR = re.compile(r"([^\W\d][\w.]*): (.*)", re.DOTALL)
"""An exception's name and its text, as Python and others write them."""


def run_id_of(slug: str) -> str:
    """Return the run id of a slug: the slug itself if it can be one, else a readable form with a hash.

    Example:
        >>> run_id_of("run-1"), run_id_of("a/b?")
        ('run-1', 'a-b-23154a1d2fe8ef33')
    """
    try:
        return validate_run_id(slug)
    except ValueError:
        digest = hashlib.sha256(slug.encode(errors="surrogatepass")).hexdigest()[:16]
        readable = _READABLE.sub("-", slug)[:80].strip("-.")
        return f"{readable}-{digest}" if readable else digest


def made_of(run: RunRecord) -> dict[str, Any]:
    """Return what this protocol keeps with a run, for which we have no field."""
    held = None if run.profile is None else run.profile.metadata.get("syvain")
    return dict(held) if isinstance(held, Mapping) else {}


def slug_of(run: RunRecord) -> str:
    """Return the slug that a client gave, or the run's id."""
    slug = made_of(run).get("slug")
    return slug if isinstance(slug, str) and run_id_of(slug) == run.id else run.id


def status_of(run: RunRecord) -> str:
    """Return an experiment's status: one made here is ``created`` until a client starts it."""
    made = made_of(run)
    status = _STATUS[run.state]
    return "created" if status == "running" and "started_at_ms" in made and made["started_at_ms"] is None else status


def path_of(call: EndpointCall) -> RunPath:
    """Find the run of the experiment in a request's path, in whatever project it is.

    Raises:
        NotFoundError: There is none, or the caller may not see it.
    """
    cuid = call.params["experiment"]
    try:
        return call.services.runs.locate_runs(call.user, [cuid])[cuid]
    except NotFoundError:
        raise NotFoundError(f"there is no experiment {cuid[:100]!r}") from None


def experiment_objects(call: EndpointCall, runs: Iterable[RunRecord]) -> list[dict[str, Any]]:
    """Make experiment objects, with one look at each project's folders and at when the last points were.

    Args:
        call: The request.
        runs: As the caller was given them.
    """
    found = list(runs)
    folders, last = _FolderNames(call), call.services.points.last_times(found)
    return [_experiment_object(run, folders.folder_of(run), last.get(run.cuid)) for run in found]


class _FolderNames:
    """Finds the folders of runs, with one look at each project's tree."""

    def __init__(self, call: EndpointCall) -> None:
        self._call = call
        self._trees: dict[ProjectPath, dict[str, FolderRecord]] = {}

    def folder_of(self, run: RunRecord) -> dict[str, Any] | None:
        """Return the folder that a run lies in; ``None`` for an ingestion key, which sees no folders."""
        if run.folder_id is None or self._call.user.run_cuid is not None:
            return None
        if run.project_path not in self._trees:
            found = self._call.services.folders.list_folders(self._call.user, run.project_path)
            self._trees[run.project_path] = {folder.id: folder for folder in found}
        folder = self._trees[run.project_path].get(run.folder_id)
        return None if folder is None else folder_object(folder)


def folder_object(folder: FolderRecord) -> dict[str, Any]:
    """Make a folder object."""
    return {
        "folder_id": folder.id,
        "org_id": folder.workspace,
        "name": folder.name,
        "parent_id_path": list(folder.ancestor_ids),
        "path_name": folder.path,
    }


def _experiment_object(run: RunRecord, folder: dict[str, Any] | None, last_ms: int | None) -> dict[str, Any]:
    made = made_of(run)
    status = status_of(run)
    started = made.get("started_at_ms", run.created_at_ms)
    name, detail = _error_of(run, made) if status == "error" else (None, None)
    return {
        "id": run.cuid,
        "org_id": run.workspace,
        "folder": folder,
        "url": f"/dashboard/experiments/{run.cuid}",
        "slug": slug_of(run),
        "description": run.description,
        "metadata": run.config or {},
        "status": status,
        "error_name": name,
        "error_detail": detail,
        "created_at_ms": run.created_at_ms,
        "updated_at_ms": run.updated_at_ms,
        "started_at_ms": started if isinstance(started, int) else None,
        "done_at_ms": run.finished_at_ms,
        "last_heartbeat_at_ms": run.heartbeat_at_ms,
        "last_event_at_ms": last_ms,
    }


def _error_of(run: RunRecord, made: Mapping[str, Any]) -> tuple[str, str]:
    """Take a run's error apart; one of another protocol has a name if it looks like one."""
    name = made.get("error_name")
    if isinstance(name, str) and run.error == name:
        return name, ""
    if isinstance(name, str) and run.error.startswith(f"{name}: "):
        return name, run.error[len(name) + 2 :]
    named = _NAMED_ERROR.fullmatch(run.error)
    return (named[1], named[2]) if named else (_ERROR, run.error)


def annotation_object(cuid: str, note: AnnotationRecord) -> dict[str, Any]:
    """Make an annotation object."""
    return {
        "id": note.id,
        "experiment_id": cuid,
        "annotation": note.text,
        "metadata": note.metadata,
        "created_at_ms": note.created_at_ms,
    }


def key_object(key: IngestionKeyRecord) -> dict[str, Any]:
    """Make an ingestion key object, without its token."""
    return {
        "id": key.id,
        "experiment_id": key.run,
        "name": key.name,
        "created_at_ms": key.created_at_ms,
        "expires_at_ms": key.expires_at_ms,
        "revoked_at_ms": key.revoked_at_ms,
        "last_used_at_ms": key.last_used_at_ms,
    }
