"""A run that one puts under a guard while another deletes it is guarded or deleted, and whoever was later is told."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from support.meeting import meanwhile
from support.recording import Recorder

from runatlas.errors import ConflictError, RunAtlasError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.ids import RunPath
from runatlas.model.registry import ModelVersionDraft, Stage
from runatlas.model.run import RunDraft, RunPatch

Act = Callable[[Recorder, RunPath], object]


def _made(recorder: Recorder) -> RunPath:
    draft = RunDraft(recorder.project, state="FINISHED", create_project=True)
    run = recorder.services.runs.create_run(recorder.caller, draft)[0].path
    blob = recorder.services.recording.put_blob(recorder.caller, run.project_path, BytesIO(b"weights"))
    recorder.services.recording.append(
        recorder.caller, Batch(run, artifacts=(ArtifactDraft("m.bin", blob.sha256, blob.size),))
    )
    _register(recorder, run, "archived")
    return run


def _protect(recorder: Recorder, run: RunPath) -> object:
    patch = RunPatch(protected=True, protected_reason="paper")
    return recorder.services.runs.update_runs(recorder.caller, recorder.selection(run), patch)


def _register(recorder: Recorder, run: RunPath, stage: Stage = "production") -> object:
    draft = ModelVersionDraft("model", str(run), "m.bin", stage)
    return recorder.services.registry.create_model_version(recorder.caller, draft)


def _promote(recorder: Recorder, run: RunPath) -> object:
    return recorder.services.registry.promote_model(recorder.caller, run.workspace, "model", 1, "production")


DELETIONS: dict[str, Act] = {
    "runs": lambda recorder, run: recorder.services.trash.delete_runs(recorder.caller, recorder.selection(run)),
    "run": lambda recorder, run: recorder.services.trash.delete_run(recorder.caller, run),
    "project": lambda recorder, run: recorder.services.trash.delete_project(recorder.caller, run.project_path),
}
GUARDS: dict[str, tuple[Act, str]] = {
    "protected": (_protect, "is protected: paper"),
    "registered": (_register, "version 2 of the model 'model' in production"),
    "promoted": (_promote, "version 1 of the model 'model' in production"),
}


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("deletion", DELETIONS)
def test_what_is_guarded_first_is_kept(recorder: Recorder, deletion: str, guard: str) -> None:
    run = _made(recorder)
    act, reason = GUARDS[guard]
    try:
        meanwhile(recorder.services, lambda: act(recorder, run), lambda: DELETIONS[deletion](recorder, run))
    except ConflictError as error:
        assert reason in error.message  # noqa: PT017 - on SQLite a deletion of many keeps it and goes on
    assert recorder.services.runs.get_run(recorder.caller, run).path == run


@pytest.mark.parametrize("guard", ["protected", "registered"])
@pytest.mark.parametrize("deletion", DELETIONS)
def test_what_is_deleted_first_gets_no_guard_in_the_trash(recorder: Recorder, deletion: str, guard: str) -> None:
    run = _made(recorder)
    act, _ = GUARDS[guard]
    with pytest.raises(RunAtlasError, match=r"deleted|no run|no project"):
        meanwhile(recorder.services, lambda: DELETIONS[deletion](recorder, run), lambda: act(recorder, run))
    versions = recorder.services.registry.list_model_versions(recorder.caller, run.workspace, "model")
    assert [version.stage for version in versions] == ["archived"]


def test_a_version_outlives_its_run_and_is_promoted_without_it(recorder: Recorder) -> None:
    run = _made(recorder)
    recorder.services.trash.delete_run(recorder.caller, run)
    _promote(recorder, run)
    versions = recorder.services.registry.list_model_versions(recorder.caller, run.workspace, "model")
    assert [version.stage for version in versions] == ["production"]
