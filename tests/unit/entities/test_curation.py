"""Folders, notes, ingestion keys, models and comparisons, as people hold them."""

from __future__ import annotations

import copy
import io
import pickle
from datetime import timedelta

import pytest
from support.place import Place

from runatlas.errors import ConflictError, NotFoundError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch

PROJECT = "my-team/my-project"
RUN = "my-team/my-project/abc123"


def test_folders_are_a_tree_that_runs_move_in(own_place: Place) -> None:
    project = own_place.api.project(PROJECT)
    sweeps = project.folders().create("sweeps").unwrap()
    rates = sweeps.create("lr").unwrap()
    assert [folder.path for folder in project.folders()] == ["/sweeps", "/sweeps/lr"]
    run = own_place.api.run(RUN)
    assert run.move(rates).unwrap().folder_id == rates.id
    assert rates.refresh().run_count == 1
    refused = sweeps.delete()
    assert isinstance(refused.error, ConflictError)
    assert rates.rename("rates").unwrap().path == "/sweeps/rates"
    assert rates.move(None).unwrap().path == "/rates"
    assert run.move(None).unwrap().folder_id is None
    assert rates.delete().ok
    assert sweeps.json()["name"] == "sweeps"
    with pytest.raises(ValueError, match="name"):
        project.folders().create("a/b")


def test_a_folder_makes_no_request_before_it_must(own_place: Place) -> None:
    folder = own_place.api.project(PROJECT).folders().create("sweeps").unwrap()
    with own_place.account.asking():
        assert copy.copy(folder) == folder == pickle.loads(pickle.dumps(folder))
        assert (folder.name, folder.path) == ("sweeps", "/sweeps")


def test_notes(own_place: Place) -> None:
    run = own_place.api.run(RUN)
    made = run.annotate("diverged here", {"step": 40}).unwrap()
    run.annotate("restarted")
    assert [note.text for note in run.annotations()] == ["diverged here", "restarted"]
    assert len(run.annotations()) == 2
    assert made.metadata == {"step": 40}
    assert made.created_at.endswith("Z")
    assert run.annotations(limit=1).json()["list"][0]["text"] == "diverged here"


def test_ingestion_keys(own_place: Place) -> None:
    run = own_place.api.run(RUN)
    key = run.create_ingestion_key("job 7", life=timedelta(hours=1)).unwrap()
    assert key.secret is not None
    assert "secret" not in key.json()
    (listed,) = run.ingestion_keys()
    assert (listed, listed.secret) == (key, None)
    assert key.revoke().unwrap().revoked_at is not None
    assert listed.refresh().revoked_at is not None
    assert not run.create_ingestion_key("job", life=timedelta(days=30)).ok
    with pytest.raises(TypeError, match="life"):
        run.create_ingestion_key("job", life=5)  # type: ignore[arg-type]


def test_models(own_place: Place) -> None:
    run = own_place.api.run(RUN)
    backend = own_place.account.real
    blob = backend.put_blob(run.run_path.project_path, io.BytesIO(b"weights"))
    backend.append(Batch(run.run_path, artifacts=(ArtifactDraft("m.bin", blob.sha256, blob.size),)))
    first = run.register_model("classifier", "m.bin", stage="production").unwrap()
    second = run.register_model("classifier", "m.bin").unwrap()
    (model,) = own_place.api.models("my-team")
    assert (model.name, model.latest, model.production) == ("classifier", 2, 1)
    assert second.promote().unwrap().stage == "production"
    assert first.refresh().stage == "archived"
    assert own_place.api.model("my-team/classifier").production == 2
    assert [version.version for version in model.versions()] == [1, 2]
    assert model.promote(1, "staging").unwrap().stage == "staging"
    assert isinstance(own_place.api.model("my-team/other").error, NotFoundError)
    with pytest.raises(ValueError, match="stage"):
        second.promote("best")  # type: ignore[arg-type]


def test_the_catalog_reads_no_points(place: Place) -> None:
    run = place.api.run(RUN)
    entries = run.catalog().unwrap()
    assert "loss" in [entry.key for entry in entries]
    assert "read_points" not in place.account.calls


def test_series_of_many_runs_are_compared_in_few_requests(place: Place) -> None:
    runs = list(place.api.project(PROJECT).runs(limit=3))
    place.account.calls.clear()
    table = place.api.compare([(run, "loss") for run in runs]).unwrap()
    assert place.account.calls == ["read_points"]
    alone = {run.id: run.metrics(["loss"]).unwrap()["loss"].values.to_pylist() for run in runs}
    compared = {run: series.values.to_pylist() for (run, _), series in table.items()}
    assert compared == {run: values for run, values in alone.items() if values}
    with pytest.raises(ValueError, match="series"):
        place.api.compare([])
    with pytest.raises(TypeError, match=r"series\[0\]"):
        place.api.compare(["loss"])  # type: ignore[list-item]
