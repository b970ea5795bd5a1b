"""The client's command line: status, backup, restore, and the conversion of TensorBoard's logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.server import ServerProcess, running_server

from runatlas import Api

pytestmark = pytest.mark.xdist_group("conformance-matyan")

HASH = "a" * 32


@pytest.fixture(scope="module")
def archive(client: Any, written: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the run with everything in it."""
    assert written
    directory = tmp_path_factory.mktemp("backup")
    printed = client.command("backup", directory, "--experiment", "baseline")
    assert "Backup location" in printed
    (found,) = [path.parent for path in directory.rglob("manifest.json")]
    return found


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Another server, with nothing in it."""
    with running_server(tmp_path_factory.mktemp("other") / "store") as found:
        yield found


def _restore(client: Any, archive: Path, url: str, *options: str) -> str:
    where = ("--backend-url", url, "--frontier-url", url)
    return str(client.command("restore-reingest", archive, *where, *options))


def test_status_finds_both_sides(client: Any) -> None:
    printed = client.command("status")
    assert printed.count("OK") == 2
    assert "unreachable" not in printed


def test_status_of_other_addresses(client: Any, server: ServerProcess) -> None:
    printed = client.command("status", "--backend-url", server.origin, "--frontier-url", "http://127.0.0.1:9")
    backend, frontier = (line.split() for line in printed.splitlines() if "Backend" in line or "Frontier" in line)
    assert (backend[1], frontier[1]) == ("OK", "unreachable")
    assert backend[2] == server.call("GET", "/api/v1/rest/version/").json()["version"]


def test_backups_of_what_is_chosen(client: Any, written: Any, tmp_path: Path) -> None:
    assert written
    options = ("--experiment", "baseline", "--since")
    assert "No runs matched" in client.command("backup", tmp_path / "none", *options, "2100-01-01T00:00:00+00:00")
    printed = client.command("backup", tmp_path / "some", *options, "2020-01-01", "--compress")
    assert "Backup complete: 1 run(s)" in printed
    assert len(list((tmp_path / "some").glob("*.tar.gz"))) == 1
    missing = client.command("backup", tmp_path / "missing", "--runs", f"{HASH},{'f' * 32}")
    assert f"WARNING: Failed to export run {'f' * 32}" in missing
    assert "Backup complete: 1 run(s)" in missing


def test_a_backup_has_what_the_client_can_save(archive: Path) -> None:
    assert json.loads((archive / "manifest.json").read_text())["run_hashes"] == [HASH]
    run = archive / "runs" / HASH
    assert json.loads((run / "attrs.json").read_text())["seed"] == 7
    records = [json.loads(line) for line in (run / "sequences.jsonl").read_text().splitlines()]
    names = {record["name"] for record in records}
    assert {"loss", "odd", "pictures", "texts/out", "weights", "logs", "__log_records"} <= names
    assert len([record for record in records if record["name"] == "loss"]) == 100


def test_a_restored_run_has_its_points_params_and_lines(client: Any, archive: Path, other: ServerProcess) -> None:
    assert "[dry-run] Would restore: 1 run(s)" in _restore(client, archive, other.origin, "--dry-run")
    printed = _restore(client, archive, other.origin)
    assert "Restored: 1 run(s)" in printed
    assert "Errors" not in printed
    assert "Server returned error" not in printed
    run = next(run for project in Api(host=other.origin).projects() for run in project.runs() if run.id == HASH)
    assert (run.name, run.state) == ("first", "FINISHED")
    assert run.config["hparams"]["lr"] == 0.02
    loss = run.metrics(["loss"], context={"subset": "train"}, all=True).unwrap()
    assert [len(series.values) for series in loss.values()] == [100]
    levels = {line.message: line.level for line in run.logs().unwrap().lines}
    assert levels["failed"] == "ERROR"


def test_restoring_over_the_run_changes_nothing(client: Any, archive: Path, server: ServerProcess) -> None:
    _restore(client, archive, server.origin)
    found = client.call("query", run=HASH)
    assert found["images"] == {"pictures": ["black", ""]}
    assert found["traces"][0][0] == "loss"
    run = next(run for project in Api(host=server.origin).projects() for run in project.runs() if run.id == HASH)
    loss = run.metrics(["loss"], context={"subset": "train"}, all=True).unwrap()
    assert [len(series.values) for series in loss.values()] == [100]


def test_converted_logs_of_tensorboard_are_restored(client: Any, other: ServerProcess, tmp_path: Path) -> None:
    logs, out = tmp_path / "logs", tmp_path / "out"
    client.call("events", directory=str(logs / "run-1"))
    client.command("convert", "tensorboard", logs, out, "--workers", "1", "--experiment", "board")
    (archive,) = [path.parent for path in out.rglob("manifest.json")]
    printed = _restore(client, archive, other.origin, "--skip-blobs")
    assert "Errors" not in printed
    (name,) = json.loads((archive / "manifest.json").read_text())["run_hashes"]
    run = next(run for project in Api(host=other.origin).projects() for run in project.runs() if run.id == name)
    assert (run.name, run.description) == ("run-1", "Imported from TensorBoard")
    assert run.metrics(["loss"], all=True).unwrap()["loss"].values.to_pylist() == [1.0, 0.5, 0.25]
    kinds = {column.key: column.column_type for column in run.columns()}
    assert kinds["weights"] == "DISTRIBUTION"
    experiments = other.call("GET", "/api/v1/rest/experiments/").json()
    assert "board" in [experiment["name"] for experiment in experiments]
    packed = tmp_path / "packed"
    client.command("convert", "tensorboard", logs, packed, "--workers", "1", "--compress")
    (compressed,) = packed.rglob("*.tar.gz")
    assert "Restored: 1 run(s), 0 entity" in _restore(client, compressed, other.origin, "--skip-entities")
    assert run.metrics(["loss"], all=True).unwrap()["loss"].values.to_pylist() == [1.0, 0.5, 0.25]
