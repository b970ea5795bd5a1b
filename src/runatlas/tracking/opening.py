"""What the arguments of ``Run`` and the environment make: a draft, and where it goes."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from typing import Any

import attrs

from runatlas.backends.contract import Backend
from runatlas.entities.backend_handle import BackendHandle, Opener
from runatlas.errors import NotFoundError, RunAtlasError
from runatlas.model import codec
from runatlas.model.config_value import plain_config
from runatlas.model.data_cut import DataCut
from runatlas.model.ids import (
    ProjectPath,
    RunPath,
    project_names,
    validate_run_id,
    validate_workspace_name,
)
from runatlas.model.run import Profile, RunDraft, RunQuery, RunRecord, RunSelection
from runatlas.tracking.checks import check_label, clean_text
from runatlas.tracking.overview import list_columns
from runatlas.tracking.read_your_writes import own_handle
from runatlas.tracking.recorder import Recorder, RecorderPlan
from runatlas.tracking.sender import FirstSteps
from runatlas.tracking.store_writer import OWN_WORKSPACE, is_verdict
from runatlas.tracking.sync import spooled_steps
from runatlas.tracking.target import Target, opener_of
from runatlas.tracking.worker import describe

__all__ = ["DEFAULT_PROJECT", "Opened", "Opening", "find_run", "make_opening", "open_to_read", "open_to_write"]

DEFAULT_PROJECT = "default"
"""The project of a run that names none."""


@attrs.frozen
class Opening:
    """A run to be opened.

    Attributes:
        draft: As it is made or found.
        names_run: Whether the caller gave the run's id, so that it may be there already.
        names_project: Whether the caller gave a project; else a run that is there is taken where it is.
        moves_to: The name or title of the project that a run found elsewhere is to be moved to.
    """

    draft: RunDraft
    names_run: bool
    names_project: bool
    moves_to: str | None = None

    @property
    def workspace(self) -> str | None:
        """The workspace; ``None`` for the caller's own."""
        place = self.draft.project.workspace
        return None if place == OWN_WORKSPACE else place

    def find(self, backend: Backend) -> RunRecord | None:
        """Look for the run that the caller named.

        Raises:
            RunAtlasError: The store cannot be asked.
        """
        project = self.draft.project.project if self.names_project else None
        return find_run(backend, self.workspace, str(self.draft.id), project)

    def located(self, place: Opener) -> tuple[Opening, str]:
        """Look where the run is that the caller named: in the project that he named, if it is there.

        One that is in no other project than one is moved; of several, nobody knows which is meant.

        Args:
            place: Opens the store.

        Returns:
            The opening with the project that the run is in, and ``""`` or why the store could not be asked.
        """
        backend = place()
        try:
            found = _find_runs(backend, self.workspace, str(self.draft.id))
        except RunAtlasError as error:
            return self, describe(error)
        finally:
            backend.close()
        wanted = self.draft.project.project
        if not found or (self.names_project and (len(found) > 1 or found[0].project == wanted)):
            return self, ""
        draft = attrs.evolve(self.draft, project=_newest(found).project_path)
        return attrs.evolve(
            self, draft=draft, moves_to=(self.draft.project_title or wanted) if self.names_project else None
        ), ""

    def require_rewindable(self, place: Opener, step: int) -> None:
        """Refuse to go back to an earlier step of a run that is guarded against that.

        Args:
            place: Opens the store; one that cannot be asked tells when what is cut is sent.
            step: The last one that stays.

        Raises:
            ConflictError: It is.
            NotSupportedError: The store has no way to go back.
        """
        backend = place()
        try:
            found = self.find(backend)
            cut = DataCut(None, None, first_step=step + 1)
            plan = None if found is None else backend.plan_data_deletion(cut, found.path)
        except RunAtlasError as error:
            if is_verdict(error):
                raise
            return
        finally:
            backend.close()
        if plan is not None and plan.refusal is not None:
            raise plan.refusal


def make_opening(
    run_hash: Any,
    *,
    experiment: Any = None,
    workspace: Any = None,
    name: Any = None,
    description: Any = None,
    config: Any = None,
    tags: Any = None,
    group: Any = None,
    job_type: Any = None,
) -> Opening:
    """Check the arguments of ``Run``, and fill in what the environment says.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds.
    """

    def given(value: Any, variable: str) -> Any:
        return value if value is not None else os.environ.get(f"RUNATLAS_{variable}") or None

    run_id, project = given(run_hash, "RUN_ID"), given(experiment, "PROJECT")
    place = given(workspace, "WORKSPACE")
    name_of_project, title = (DEFAULT_PROJECT, "") if project is None else project_names(project)
    return Opening(
        RunDraft(
            ProjectPath(
                OWN_WORKSPACE if place is None else validate_workspace_name(place, argument="workspace"),
                name_of_project,
            ),
            id=uuid.uuid4().hex if run_id is None else validate_run_id(run_id, argument="run_hash"),
            name=_text(name, "name"),
            description=_text(description, "description"),
            labels=_labels(tags),
            group=_text(given(group, "GROUP"), "group"),
            job_type=_text(given(job_type, "JOB_TYPE"), "job_type"),
            config={} if config is None else plain_config(config),
            created_at_ms=int(time.time() * 1000),
            create_project=True,
            project_title=title,
            if_exists="resume",
        ),
        names_run=run_id is not None,
        names_project=project is not None,
    )


def _text(value: Any, argument: str) -> str:
    return "" if value is None else clean_text(value, argument)


def _labels(tags: Any) -> tuple[str, ...]:
    if tags is None:
        tags = [tag for tag in os.environ.get("RUNATLAS_TAGS", "").split(",") if tag.strip()]
    if isinstance(tags, str) or not isinstance(tags, (Sequence, set, frozenset)):
        raise TypeError(f"tags: expected a list of strings, got {type(tags).__name__}")
    return tuple(dict.fromkeys(check_label(tag, "tags") for tag in tags))


def _local_record(draft: RunDraft) -> RunRecord:
    """Return the record of a run that only this process knows."""
    return RunRecord(
        workspace=draft.project.workspace,
        project=draft.project.project,
        id=str(draft.id),
        cuid="",
        name=draft.name,
        description=draft.description,
        state="RUNNING",
        labels=draft.labels,
        group=draft.group,
        job_type=draft.job_type,
        created_at_ms=draft.created_at_ms or 0,
        updated_at_ms=draft.created_at_ms or 0,
        config=dict(draft.config),
        summary={},
        profile=Profile(),
    )


def find_run(backend: Backend, workspace: str | None, run_id: str, project: str | None = None) -> RunRecord | None:
    """Look for a run in a workspace.

    Args:
        backend: Where to look.
        workspace: ``None`` for the caller's own.
        run_id: Its id or cuid.
        project: Only in that project; ``None`` for all of the workspace.

    Returns:
        The run with every part, or ``None``; of several the one made last.
    """
    place = workspace or backend.get_workspace().username
    if project is not None:
        try:
            return backend.get_run(RunPath(place, project, run_id))
        except NotFoundError:
            return None
    found = _find_runs(backend, place, run_id)
    return _newest(found) if found else None


def _find_runs(backend: Backend, workspace: str | None, run_id: str) -> Sequence[RunRecord]:
    selection = RunSelection(workspace or backend.get_workspace().username, ids=(run_id,))
    try:
        return backend.list_runs(RunQuery(selection, parts=("config", "summary", "profile"))).items
    except NotFoundError:
        return ()


def _newest(found: Sequence[RunRecord]) -> RunRecord:
    return max(found, key=lambda record: record.created_at_ms)


def _first_steps(backend: Backend, record: RunRecord) -> FirstSteps:
    """Return where the automatic steps of a run go on: after the last step of each series."""
    return {
        (column.key, codec.context_text(column.context)): column.last_step + 1
        for column in list_columns(backend, record.path)
        if column.last_step is not None
    }


@attrs.frozen
class Opened:
    """A run that was opened.

    Attributes:
        handle: What it is read through: a read waits for what was recorded before.
        record: What is known of it.
        recorder: What records it; ``None`` if nothing does.
        moves_to: The name or title of the project that it is to be moved to.
    """

    handle: BackendHandle
    record: RunRecord
    recorder: Recorder | None = None
    moves_to: str | None = None


def open_to_read(opening: Opening, target: Target) -> Opened:
    """Find a run that is only to be read.

    Raises:
        NotFoundError: There is none.
        ValueError: The caller named none.
    """
    handle = own_handle(target, None)
    if not opening.names_run:
        raise ValueError("run_hash: name the run that is to be read")
    record = opening.find(handle.backend)
    if record is None:
        raise NotFoundError(f"there is no run {opening.draft.id!r} in {handle.location}")
    return Opened(handle, record)


def open_to_write(opening: Opening, target: Target, *, strict: bool, rewind: int | None) -> Opened:
    """Make a run or find it, and let a recorder begin; a store that is away is tried again later.

    Args:
        opening: The run.
        target: Where it is written.
        strict: Whether failures are raised.
        rewind: The last step that stays, if it goes on from an earlier one.

    Returns:
        The run, and what records it.

    Raises:
        ConflictError: It is to be rewound, and guarded against that.
        TrackingError: The store cannot be reached, and the run is strict.
    """
    if target.mode == "disabled":
        return Opened(own_handle(target, None), _local_record(opening.draft))
    problem = ""
    if target.mode != "offline" and opening.names_run:
        place = opener_of(target.settings, purpose="send")
        opening, problem = opening.located(place)
        if rewind is not None and not problem:
            opening.require_rewindable(place, rewind)
    recorder = Recorder(RecorderPlan(opening.draft, target, strict=strict))
    if opening.names_run:
        recorder.count_on(spooled_steps(target.spool_directory, opening.draft, target.settings.host))
    if target.mode != "offline" and not problem:
        problem = recorder.connect(_first_steps)
    if problem:
        recorder.losses.warn("away", f"the store cannot be reached: {problem}; it is tried again")
        recorder.losses.fail(problem)
    if recorder.losses.failure is not None:
        recorder.close(None, 0.0)
        raise recorder.losses.failure
    if rewind is not None:
        recorder.rewind(rewind, is_known=target.mode != "offline" and not problem)
    record = recorder.record or _local_record(opening.draft)
    return Opened(own_handle(target, recorder), record, recorder, opening.moves_to)
