"""Runs of a SwanLab server that are made, gone on with and changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs

from runatlas.backends.swanlab.client import SwanlabClient, at, unsupported
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.logs import Logs
from runatlas.backends.swanlab.profile import (
    changed_config,
    check_values,
    config_section,
    merged_config,
    metadata_section,
    profile_sections,
)
from runatlas.backends.swanlab.projects import Projects
from runatlas.backends.swanlab.recording import Recording, now_ms
from runatlas.backends.swanlab.runs import Runs, missing_of, run_address
from runatlas.backends.swanlab.series import Series
from runatlas.backends.swanlab.submission import line_record, time_text
from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.change import UpdateRecord
from runatlas.model.ids import ProjectPath, RunPath, validate_project_name, validate_run_id
from runatlas.model.log import LogDraft, LogQuery
from runatlas.model.run import RUN_STATES, Profile, RunDraft, RunPatch, RunRecord, RunSelection
from runatlas.model.text import check_text

__all__ = ["RunWriter"]

_IF_EXISTS = ("resume", "keep", "fail", "replace")
_CREATED = 201
_ALIVE_MS = 60_000
"""How far from now a sign of life may be: these servers take their own time for it."""

_CHANGEABLE = {
    *("state", "finished_at_ms", "config", "config_removed", "metadata", "profile", "heartbeat_at_ms", "error"),
    "by_run",
}
_BEAT: Final = {"flagId": "123456"}
"""What SwanLab's own tracker says of itself there."""

_Request = tuple[str, str, dict[str, Any]]
"""Method, address and body."""


@attrs.define(eq=False)
class RunWriter:
    """Makes runs, goes on with them, and changes them."""

    _client: SwanlabClient
    _projects: Projects
    _runs: Runs
    _series: Series
    _logs: Logs
    _recording: Recording

    # -- making runs --------------------------------------------------------------------------------------------

    def create_run(self, draft: RunDraft) -> tuple[RunRecord, bool]:
        _check_draft(draft)
        found = self._find(draft)
        if found is None:
            return self._make(draft)
        if draft.if_exists == "fail":
            raise ConflictError(f"project {draft.project} has a run {draft.id!r} already")
        if draft.if_exists == "keep":
            self._projects.check_writer(draft.project)
            return self._runs.get_run(found.path), False
        return self._resume(found, draft), False

    def _find(self, draft: RunDraft) -> RunRecord | None:
        self._client.forget(str(draft.project))
        if draft.id is None:
            return None
        try:
            found = self._runs.find(draft.project.run(draft.id))
        except NotFoundError:
            return None
        if found.id != draft.id:
            raise unsupported(f"way to call a run as another one's cuid, {draft.id!r}")
        return found

    def _make(self, draft: RunDraft) -> tuple[RunRecord, bool]:
        body = _body(draft)
        try:
            run, created = self._start(draft.project, body)
        except NotFoundError:
            if not draft.create_project:
                raise
            self._projects.create_private(draft.project)
            run, created = self._start(draft.project, body)
        if not created:
            # Somebody else was faster.
            return self._resume(run, draft), False
        sections = [config_section(draft.config, {})] if draft.config else []
        sections += profile_sections(Profile(), draft.profile or Profile())
        self._put_sections(run.path, sections)
        if draft.state != "RUNNING":
            self._send([_ending(run, draft.state, draft.finished_at_ms)], str(draft.project))
        return self._runs.get_run(run.path), True

    def _start(self, project: ProjectPath, body: dict[str, Any]) -> tuple[RunRecord, bool]:
        """Make a run, or let one go on; the status tells which."""
        address = at("project", project.workspace, project.project, "experiment")
        answer = self._client.write_told("POST", address, body, scope=str(project), repeatable="cuid" in body)
        return self._runs.read(project, Document.of(answer, "run")), answer.status == _CREATED

    def _resume(self, found: RunRecord, draft: RunDraft) -> RunRecord:
        for name in ("name", "description", "colors"):
            if getattr(draft, name) and getattr(draft, name) != getattr(found, name):
                raise unsupported(f"way to change a run's {name}", f"leave it out to go on with run {found.path}")
        held = self._runs.document(found.path).inner("profile")
        sections = []
        if draft.config:
            config = merged_config(found.config or {}, draft.config)
            sections = [config_section(config, held.inner("config").plain)]
        if draft.profile is not None:
            metadata = {**held.inner("metadata").plain, **draft.profile.metadata}
            sections += profile_sections(found.profile or Profile(), attrs.evolve(draft.profile, metadata=metadata))
        body = _body(attrs.evolve(draft, description="", colors=(), created_at_ms=found.created_at_ms))
        self._start(draft.project, {**body, "name": found.name, "cuid": found.id})
        self._put_sections(found.path, sections)
        return self._runs.get_run(found.path)

    # -- changing runs ------------------------------------------------------------------------------------------

    def update_runs(self, selection: RunSelection, patch: RunPatch) -> UpdateRecord:
        _check_patch(patch)
        if len(set(selection.ids or ())) > 1:
            raise unsupported("way to change several runs at once", "change them one by one")
        self._client.forget(selection.workspace)
        runs = self._runs.select(selection)
        for name in missing_of(runs, selection):
            raise NotFoundError(f"there is no run {name!r}")
        if len(runs) > 1:
            raise unsupported("way to change several runs at once", "change them one by one")
        for run in runs:
            self._change(run.path, patch)
        return UpdateRecord(len(runs))

    def _change(self, path: RunPath, patch: RunPatch) -> None:
        progress, _ = self._recording.progress_of(path)
        with progress.lock:
            run = self._runs.find(path)
            # All is worked out, and refused if need be, before any of it is sent.
            sections = self._sections(run, patch)
            requests = self._said_of_error(run, patch) + self._said_of_state(run, patch)
            self._put_sections(path, sections)
            self._send(requests, str(path.project_path))

    def _sections(self, run: RunRecord, patch: RunPatch) -> list[dict[str, Any]]:
        sections: list[dict[str, Any]] = []
        if patch.config or patch.config_removed:
            config = changed_config(run.config or {}, patch.config or {}, patch.config_removed)
            held = self._runs.document(run.path).inner("profile").inner("config").plain
            sections += [config_section(config, held)] if config != run.config else []
        profile = run.profile or Profile()
        if patch.profile is not None:
            sections += profile_sections(profile, patch.profile)
        if patch.metadata:
            metadata = profile.metadata if patch.profile is None else patch.profile.metadata or profile.metadata
            sections.append(metadata_section(metadata, patch.metadata))
        return sections

    def _said_of_error(self, run: RunRecord, patch: RunPatch) -> list[_Request]:
        """Say why a run ended early, as SwanLab's own tracker does: as its last line."""
        state = patch.state or run.state
        if patch.error is None or (patch.error == "" and state == "RUNNING"):
            return []
        if not patch.error or state not in {"CRASHED", "ABORTED"}:
            raise unsupported("reason for a state but CRASHED and ABORTED")
        last = self._series.last_steps(run, keep=0).line
        if last:
            said = self._logs.read_logs(run.path, LogQuery(last - 1, "ERROR", limit=1)).logs
            if [line.message for line in said] == [patch.error]:
                return []
        record = line_record(LogDraft(patch.error, "ERROR"), last + 1, now_ms())
        body = {"type": "log", "projectId": run.project_cuid, "experimentId": run.cuid, "metrics": [record]}
        return [("POST", at("house", "metrics"), body)]

    def _said_of_state(self, run: RunRecord, patch: RunPatch) -> list[_Request]:
        state, finished = patch.state or run.state, patch.finished_at_ms
        requests: list[_Request] = []
        if patch.heartbeat_at_ms is not None:
            requests.append(("POST", at("house", "experiments", run.cuid, "heartbeat"), dict(_BEAT)))
        if state in {"RUNNING", "OFFLINE"}:
            if patch.state is None and finished is not None:
                raise unsupported("end of a run that goes on")
            if patch.state is not None and patch.state != run.state:
                body = {"name": run.name, "createdAt": time_text(run.created_at_ms), "cuid": run.id}
                address = at("project", run.workspace, run.project, "experiment")
                requests.append(("POST", address, body))
        elif patch.state is not None or finished is not None or patch.error:
            requests.append(_ending(run, state, finished))
        return requests

    def _put_sections(self, path: RunPath, sections: Iterable[dict[str, Any]]) -> None:
        self._send([("PUT", run_address(path, "profile"), section) for section in sections], str(path.project_path))

    def _send(self, requests: Iterable[_Request], scope: str) -> None:
        for method, address, body in requests:
            self._client.write(method, address, body, scope=scope)


def _check_draft(draft: RunDraft) -> None:
    """Check all that needs no look at the server."""
    try:
        validate_project_name(draft.project.project, argument="project")
        if draft.id is not None:
            validate_run_id(draft.id, argument="id")
    except (TypeError, ValueError) as error:
        raise ValidationError(str(error)) from error
    _check_choice(draft.state, RUN_STATES, "state")
    _check_choice(draft.if_exists, _IF_EXISTS, "if_exists")
    if draft.if_exists == "replace":
        raise unsupported("way to replace a run")
    if draft.state == "OFFLINE":
        raise unsupported("runs that are OFFLINE from the beginning")
    check_values(draft.config, "config")
    check_values({} if draft.profile is None else draft.profile.metadata, "metadata")
    for time_ms in (draft.created_at_ms, draft.finished_at_ms):
        _check_time(time_ms)


def _check_patch(patch: RunPatch) -> None:
    """Check all that needs no look at the run."""
    for field in attrs.fields(RunPatch):
        if getattr(patch, field.name) != field.default and field.name not in _CHANGEABLE:
            raise unsupported(f"way to change a run's {field.name} from outside")
    if patch.state is not None:
        _check_choice(patch.state, RUN_STATES, "state")
    if patch.state == "OFFLINE":
        raise unsupported("way to call a run OFFLINE")
    if patch.heartbeat_at_ms is not None and abs(patch.heartbeat_at_ms - now_ms()) > _ALIVE_MS:
        raise unsupported("heartbeats of another time than now")
    check_text(patch.error or "", "error")
    _check_time(patch.finished_at_ms)
    check_values(patch.metadata or {}, "metadata")
    check_values({} if patch.profile is None else patch.profile.metadata, "metadata")


def _check_choice(value: str, choices: Iterable[str], argument: str) -> None:
    if value not in choices:
        raise ValidationError(f"{argument}: {value!r} is none of {', '.join(choices)}")


def _check_time(time_ms: int | None) -> None:
    if time_ms is not None:
        time_text(time_ms)


def _body(draft: RunDraft) -> dict[str, Any]:
    """Make what begins a run; what is empty is left out."""
    body = {
        "name": draft.name,
        "description": draft.description,
        "createdAt": None if draft.created_at_ms is None else time_text(draft.created_at_ms),
        "colors": list(draft.colors),
        "labels": [{"name": label} for label in dict.fromkeys(draft.labels)],
        "job": draft.job_type,
        "cluster": draft.group,
        "cuid": draft.id,
    }
    return {name: value for name, value in body.items() if value}


def _ending(run: RunRecord, state: str, finished_at_ms: int | None) -> _Request:
    """Make what ends a run: when it is told to, or else now by the server's clock."""
    body = {"state": state, "from": "sdk"}
    finished = run.finished_at_ms if finished_at_ms is None else finished_at_ms
    if finished is not None:
        body["finishedAt"] = time_text(finished)
    return "PUT", run_address(run.path, "state"), body
