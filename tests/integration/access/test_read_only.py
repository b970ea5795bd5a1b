"""A store that may only be read: reads work, also while its owner writes, and changes say why not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.unprivileged import run_bound_by_modes

import runatlas

_READ = """
import json, sys, runatlas
api = runatlas.Api(sys.argv[1])
run = api.projects().first().runs().first()
read = {
    "points": len(run.metrics(["loss"], all=True).unwrap()["loss"]),
    "count": run.summary().unwrap()["loss"]["count"],
    "lines": len(run.logs(all=True).unwrap()),
    "file": run.artifacts().first().read().unwrap().decode(),
    "table": len(api.project(run.path.rpartition("/")[0]).runs().table().unwrap()),
    "state": run.state,
}
changes = [run.update(name="x"), run.delete(commit=True), api.create_project(name="q")]
told = {answer.errmsg for answer in changes}
print(json.dumps({"read": read, "told": sorted(told)}))
"""

_READ_AGAIN_AND_AGAIN = """
import sys, runatlas
from runatlas.errors import StoreError
seen, refused = [], 0
while len(seen) < int(sys.argv[2]):
    try:
        run = runatlas.Api(sys.argv[1], cache=False).projects().first().runs().first()
        steps = run.metrics(["loss"], all=True).unwrap()["loss"].steps.to_pylist()
    except StoreError as error:
        assert "read again" in str(error), error
        refused += 1
    else:
        assert steps == list(range(len(steps))), steps
        seen.append(len(steps))
assert seen == sorted(seen), seen
print(seen[0], seen[-1], refused)
"""


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Path]:
    """The directory of somebody else."""
    directory = tmp_path / "archive"
    (tmp_path / "file.txt").write_text("content")
    with runatlas.Run("r", repo=directory, experiment="p", capture_terminal_logs=False) as run:
        for step in range(50):
            run.log({"loss": step / 2}, step=step)
        run.log_info("a line")
        run.log_artifact(str(tmp_path / "file.txt"))
    yield directory
    _set_modes(directory, 0o700, 0o600)


def _set_modes(directory: Path, folders: int, files: int) -> None:
    for path in [directory, *directory.rglob("*")]:
        path.chmod(folders if path.is_dir() else files)


def test_an_archive_is_read_whole_and_changes_say_why_not(archive: Path) -> None:
    before = sorted(archive.rglob("*"))
    _set_modes(archive, 0o500, 0o400)
    done = run_bound_by_modes(_READ, archive)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["read"] == {
        "points": 50,
        "count": 50,
        "lines": 1,
        "file": "content",
        "table": 1,
        "state": "FINISHED",
    }
    (told,) = answer["told"]
    assert "can only be read by this user" in told
    assert sorted(archive.rglob("*")) == before, "reading leaves nothing behind"


def test_it_is_read_while_its_owner_writes(archive: Path) -> None:
    with runatlas.Run("r", repo=archive, experiment="p", capture_terminal_logs=False) as run:
        run.log({"loss": 25.0}, step=50)
        assert run.flush()
        assert (archive / "runatlas.db-wal").stat().st_size
        _set_modes(archive, 0o500, 0o400)
        done = run_bound_by_modes(_READ, archive)
        _set_modes(archive, 0o700, 0o600)
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)["read"]
    assert (read["points"], read["count"], read["state"]) == (51, 51, "RUNNING")


def test_what_a_killed_owner_left_is_read_whole(archive: Path) -> None:
    code = (
        "import os, sys, runatlas\n"
        "run = runatlas.Run('r', repo=sys.argv[1], experiment='p', capture_terminal_logs=False)\n"
        "run.log({'loss': 25.0}, step=50)\n"
        "assert run.flush()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(archive)], check=False)
    _set_modes(archive, 0o500, 0o400)
    done = run_bound_by_modes(_READ, archive)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["read"]["points"] == 51
    _set_modes(archive, 0o700, 0o600)
    (archive / "runatlas.db-shm").unlink()
    _set_modes(archive, 0o500, 0o400)
    assert "its owner did not close it" in run_bound_by_modes(_READ, archive).stderr


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="two users are needed, and only root has two")
def test_no_read_mixes_two_states_while_its_owner_comes_and_goes(archive: Path) -> None:
    _set_modes(archive, 0o500, 0o400)
    results: list[subprocess.CompletedProcess[str]] = []
    reader = threading.Thread(target=lambda: results.append(run_bound_by_modes(_READ_AGAIN_AND_AGAIN, archive, "60")))
    reader.start()
    step = 50
    while reader.is_alive():
        with runatlas.Run("r", repo=archive, experiment="p", capture_terminal_logs=False) as run:
            for _ in range(20):
                run.log({"loss": step / 2}, step=step)
                step += 1
    reader.join()
    assert results[0].returncode == 0, results[0].stderr
