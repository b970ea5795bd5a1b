"""Versions of a model that are registered at once are numbered one after the other."""

from __future__ import annotations

from io import BytesIO

from support.meeting import meanwhile
from support.recording import Recorder

from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.registry import ModelVersionDraft, ModelVersionRecord


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
