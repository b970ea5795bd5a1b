"""Versions of a model that are registered at once are numbered one after the other."""

from __future__ import annotations

from io import BytesIO

import pytest
from support.meeting import meanwhile
from support.recording import Recorder

from runatlas.errors import NotFoundError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.project import ProjectDraft
from runatlas.model.registry import ModelVersionDraft, ModelVersionRecord
from runatlas.model.run import RunPatch, RunSelection


def test_a_model_that_two_make_at_once_is_one(recorder: Recorder) -> None:
    services, caller, run = recorder.services, recorder.caller, recorder.run()
    blob = services.recording.put_blob(caller, run.project_path, BytesIO(b"weights"))
    services.recording.append(caller, Batch(run, artifacts=(ArtifactDraft("m.bin", blob.sha256, blob.size),)))

    def register() -> ModelVersionRecord:
        return services.registry.create_model_version(
            caller, ModelVersionDraft("model", str(run), "m.bin", "production")
        )

    first, second = meanwhile(services, register, register)
    assert [first.version, second.version] == [1, 2]
    listed = services.registry.list_model_versions(caller, caller.username, "model")
    assert [version.stage for version in listed] == ["archived", "production"]


def test_a_run_that_is_moved_meanwhile_is_not_registered_by_its_old_path(recorder: Recorder) -> None:
    services, caller, run = recorder.services, recorder.caller, recorder.run()
    blob = services.recording.put_blob(caller, run.project_path, BytesIO(b"weights"))
    services.recording.append(caller, Batch(run, artifacts=(ArtifactDraft("m.bin", blob.sha256, blob.size),)))
    services.projects.create_project(caller, ProjectDraft("other"))
    selection = RunSelection(run.workspace, run.project, ids=(run.run,))

    def register() -> ModelVersionRecord:
        return services.registry.create_model_version(caller, ModelVersionDraft("model", str(run), "m.bin", "none"))

    with pytest.raises(NotFoundError, match="has no run"):
        meanwhile(services, lambda: services.runs.update_runs(caller, selection, RunPatch(project="other")), register)
    assert services.registry.list_models(caller, caller.username) == ()
