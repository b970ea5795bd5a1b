"""Importing JSON lines: the real runs, whole and once, into a directory and over HTTP."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from support.counting import make_counting
from support.forked import command
from support.program import Program, run_program
from support.server import ServerProcess, running_server

from runatlas import Api
from runatlas.backends.contract import Backend
from runatlas.backends.local import LocalBackend
from runatlas.importers.imported_run import ImportedRun
from runatlas.importers.importing import import_jsonl
from runatlas.importers.jsonl import JsonlFile, make_run_id
from runatlas.importers.layout import RecordLayout
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectQuery
from runatlas.model.run import RUN_PARTS, RunDraft, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.series import PointQuery

NANOGPT = Path(__file__).resolve().parents[3] / "shared" / "data" / "nanogpt_runs.jsonl.gz"
CONFIG = ("date", "record", "variant", "run", "total_steps", "env")
NANOGPT_OPTIONS = (
    "--project-field", "track", "--id-fields", "record,variant,run",
    "--name-field", "record", "--config-fields", ",".join(CONFIG),
)  # fmt: skip
LAYOUT = RecordLayout(project="demo", id_fields=("run",))

Points = dict[str, list[tuple[int, float]]]


def run_import(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return command("import", "jsonl", *arguments, cwd=cwd)


def summary(done: subprocess.CompletedProcess[str]) -> dict[str, Counter[str]]:
    """What ``--json`` says of each project, zeros left out."""
    projects = json.loads(done.stdout)["projects"]
    return {name: +Counter(tally) for name, tally in projects.items()}


def logged(points: list[Any]) -> Points:
    """A line's points by metric, by step, in the order logged within a step."""
    found: Points = defaultdict(list)
    for step, metrics in points:
        for key, value in metrics.items():
            found[key].append((step, value))
    return {key: sorted(pairs, key=lambda pair: pair[0]) for key, pairs in found.items()}


def stored(backend: Backend, workspace: str, project: str) -> dict[str, Points]:
    """All points of all runs of a project, by the run's id."""
    found: dict[str, Points] = {}
    cursor: str | None = None
    while True:
        block = backend.read_points(PointQuery(RunSelection(workspace, project), cursor=cursor))
        for _, run_id, _ in block.runs:
            found.setdefault(run_id, {})
        steps, values = block.steps.to_pylist(), block.values.to_pylist()
        for series in block.series:
            part = slice(series.start, series.start + series.length)
            series_points = found[block.runs[series.run][1]].setdefault(series.key, [])
            series_points += zip(steps[part], values[part], strict=True)
        cursor = block.next_cursor
        if cursor is None:
            return found


def list_runs(backend: Backend, workspace: str, project: str | None = None) -> list[RunRecord]:
    found: list[RunRecord] = []
    cursor: str | None = None
    while True:
        query = RunQuery(RunSelection(workspace, project), parts=RUN_PARTS, page=PageRequest(1000, cursor))
        page = backend.list_runs(query)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def write(path: Path, *lines: dict[str, Any] | str) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[LocalBackend]:
    made = LocalBackend(tmp_path / "store", create=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("server") / "store") as found:
        yield found


# -- the real runs -----------------------------------------------------------------------------------------------


def lines_of_the_file(count: int | None = None) -> Iterator[dict[str, Any]]:
    with gzip.open(NANOGPT) as file:
        for line in islice(file, count):
            yield json.loads(line)


def check_all_of_it(backend: Backend, expected: list[dict[str, Any]]) -> int:
    """Compare every value of every line with what is stored; return how many values there are."""
    workspace = backend.get_workspace().username
    tracks = list(dict.fromkeys(line["track"] for line in expected))
    points = {track: stored(backend, workspace, track) for track in tracks}
    configs = {(run.project, run.id): run for run in list_runs(backend, workspace)}
    assert len(configs) == len(expected)
    seen: Counter[tuple[str, str]] = Counter()
    values = 0
    for line in expected:
        identity = [[name, line[name]] for name in ("record", "variant", "run")]
        occurrence = seen[line["track"], json.dumps(identity)]
        seen[line["track"], json.dumps(identity)] += 1
        run_id = make_run_id(identity, occurrence)
        wanted = logged(line["points"])
        assert points[line["track"]].pop(run_id) == wanted
        run = configs[line["track"], run_id]
        assert run.config == {name: line[name] for name in CONFIG}
        assert (run.name, run.state) == (line["record"], "FINISHED")
        values += sum(map(len, wanted.values()))
    assert not any(points.values())
    return values


def test_all_real_runs_are_kept_whole_and_once(tmp_path: Path) -> None:
    expected = list(lines_of_the_file())
    first = run_import(NANOGPT, "--dir", tmp_path / "store", *NANOGPT_OPTIONS, "--json")
    assert first.returncode == 0
    assert {name: (tally["added"], tally["values"]) for name, tally in summary(first).items()} == {
        "track_1_short": (303, 1_055_294),
        "track_2_medium": (8, 98_300),
        "track_3_optimization": (51, 10_547),
    }
    assert first.stderr.startswith("20 lines with the id fields of an earlier line, but different from it")
    backend = LocalBackend(tmp_path / "store", create=True)
    try:
        assert check_all_of_it(backend, expected) == 1_164_141
        before = list_runs(backend, backend.get_workspace().username)
        again = run_import(NANOGPT, "--dir", tmp_path / "store", *NANOGPT_OPTIONS, "--json")
        assert again.returncode == 0
        assert summary(again) == {
            name: Counter(present=count)
            for name, count in (("track_1_short", 303), ("track_2_medium", 8), ("track_3_optimization", 51))
        }
        assert list_runs(backend, backend.get_workspace().username) == before
        assert backend.get_usage().points == 1_164_141
    finally:
        backend.close()


def test_real_runs_over_http(tmp_path: Path, server: ServerProcess) -> None:
    some = tmp_path / "some.jsonl"
    expected = [*lines_of_the_file(30), *islice(lines_of_the_file(), 155, 160)]
    write(some, *expected)
    for added, present in ((35, 0), (0, 35)):
        done = run_import(some, "--host", server.origin, *NANOGPT_OPTIONS, "--json")
        assert done.returncode == 0, done.stderr
        totals = sum(summary(done).values(), Counter())
        assert (totals["added"], totals["present"]) == (added, present)
    backend = LocalBackend(server.directory)
    try:
        assert check_all_of_it(backend, expected) > 10_000
    finally:
        backend.close()


# -- once, whole, and again --------------------------------------------------------------------------------------


def test_an_import_that_is_killed_is_completed_by_the_next(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"run": str(i), "points": [[step, {"loss": step + i}] for step in range(100)]} for i in range(6)
    ]
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    arguments = ["--dir", str(tmp_path / "store"), "--project", "demo", "--id-fields", "run"]
    command = [sys.executable, "-m", "runatlas", "import", "jsonl", str(pipe), *arguments]
    with Program(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        with pipe.open("w") as writing:
            writing.write("\n".join(map(json.dumps, lines[:3])) + "\nbroken\n")
            writing.flush()
            # It told of line 4, so it is done with the lines before and waits for more.
            assert process.stderr.readline().startswith("line 4: this is not JSON")
            process.send_signal(signal.SIGKILL)
            process.wait()
    done = run_import(write(tmp_path / "runs.jsonl", *lines), *arguments, "--json")
    assert done.returncode == 0
    assert summary(done) == {"demo": Counter(added=3, present=3, values=300)}
    backend = LocalBackend(tmp_path / "store", create=True)
    try:
        found = stored(backend, backend.get_workspace().username, "demo")
    finally:
        backend.close()
    assert found == {make_run_id([["run", line["run"]]]): logged(line["points"]) for line in lines}


@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_a_run_that_was_half_imported_is_completed(tmp_path: Path, backend: LocalBackend, pieces: int) -> None:
    points = [[step, {"a": float(step), "b": step / 7}] for step in range(101_000)]
    path = write(tmp_path / "runs.jsonl", {"run": "long", "points": points})
    [run] = JsonlFile(path, LAYOUT).read()
    assert isinstance(run, ImportedRun)
    workspace = backend.get_workspace().username
    # What an import killed in the middle of a run leaves behind.
    begun, created = backend.create_run(run.draft(workspace))
    assert created
    for number, series in enumerate(run.points.pieces(200_000, 0)[:pieces], 1):
        backend.append(Batch(begun.path, points=series, writer="import", sequence=number))
    report = import_jsonl(backend, path, LAYOUT)
    assert (report.projects["demo"].completed, report.projects["demo"].added, report.complete) == (1, 0, True)
    assert stored(backend, workspace, "demo") == {run.id: logged(points)}
    assert backend.get_run(begun.path).state == "FINISHED"
    assert import_jsonl(backend, path, LAYOUT).projects["demo"].present == 1


def test_a_longer_file_adds_what_is_new(tmp_path: Path, backend: LocalBackend) -> None:
    lines: list[dict[str, Any]] = [{"run": str(i), "points": [[0, {"loss": i}]]} for i in range(3)]
    import_jsonl(backend, write(tmp_path / "runs.jsonl", *lines[:2]), LAYOUT)
    tally = import_jsonl(backend, write(tmp_path / "runs.jsonl", *lines), LAYOUT).projects["demo"]
    assert (tally.added, tally.present, tally.values) == (1, 2, 1)


def test_what_is_stored_is_never_changed(tmp_path: Path, backend: LocalBackend) -> None:
    workspace = backend.get_workspace().username
    own, _ = backend.create_run(
        RunDraft(ProjectPath(workspace, "demo"), id=make_run_id([["run", "mine"]]), create_project=True)
    )
    import_jsonl(backend, write(tmp_path / "runs.jsonl", {"run": "a", "points": [[0, {"loss": 1.0}]]}), LAYOUT)
    other = write(
        tmp_path / "other.jsonl",
        {"run": "a", "points": [[0, {"loss": 2.0}]]},
        {"run": "mine", "points": [[0, {"loss": 2.0}]]},
        {"run": "b", "points": []},
    )
    before = backend.get_run(own.path)
    report = import_jsonl(backend, other, LAYOUT)
    assert [(note.line, note.lost) for note in report.notes] == [(1, True), (2, True)]
    assert "imported with other points (line 1 of 'runs.jsonl')" in report.notes[0].message
    assert "that no import made" in report.notes[1].message
    assert not report.complete
    assert report.projects["demo"].added == 1
    assert backend.get_run(own.path) == before
    assert stored(backend, workspace, "demo")[make_run_id([["run", "a"]])] == {"loss": [(0, 1.0)]}


def test_a_run_in_the_trash_is_imported_anew(tmp_path: Path, backend: LocalBackend) -> None:
    path = write(tmp_path / "runs.jsonl", {"run": "a", "points": [[0, {"loss": 1.0}]]})
    import_jsonl(backend, path, LAYOUT)
    backend.delete(backend.plan_run_deletion(RunSelection(backend.get_workspace().username, "demo")))
    assert import_jsonl(backend, path, LAYOUT).projects["demo"].added == 1


# -- what is in a line -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("renamed", [False, True])
def test_what_was_moved_is_not_imported_again(tmp_path: Path, renamed: bool) -> None:
    lines = [{"run": name, "track": track, "points": [[0, {"loss": 1.0}]]} for name in "ab" for track in ("x", "y")]
    path = write(tmp_path / "runs.jsonl", *lines)
    layout = RecordLayout(project_field="track", id_fields=("run",))
    api = Api(tmp_path / "store")
    backend = LocalBackend(tmp_path / "store", create=True)
    assert import_jsonl(backend, path, layout).projects["x"].added == 2
    home = backend.get_workspace().username
    if renamed:
        api.project(f"{home}/x").rename("old-x", commit=True).unwrap()
    else:
        api.project(f"{home}/x").runs().move("elsewhere", create=True, commit=True).unwrap()
    before = list_runs(backend, home)

    again = import_jsonl(backend, path, layout)
    assert (again.complete, [tally.present for tally in again.projects.values()]) == (True, [2, 2])
    assert list_runs(backend, home) == before

    changed = [{**line, "points": [[0, {"loss": 2.0}]]} for line in lines]
    notes = import_jsonl(backend, write(path, *changed), layout).notes
    assert len(notes) == 4
    assert all("was imported with other points" in note.message for note in notes)
    assert list_runs(backend, home) == before
    backend.close()


def test_runs_are_written_together_although_another_project_has_their_ids(
    tmp_path: Path, backend: LocalBackend
) -> None:
    lines = [{"run": name, "points": [[0, {"loss": 1.0}]]} for name in "abc"]
    path = write(tmp_path / "runs.jsonl", *lines)
    account, counted = make_counting(backend)
    for project in ("x", "y", "y"):
        import_jsonl(counted, path, RecordLayout(project=project, id_fields=("run",)))
    assert account.calls.count("import_runs") == 2
    assert "create_run" not in account.calls[: -account.calls[::-1].index("import_runs")]
    assert [len(stored(backend, backend.get_workspace().username, project)) for project in "xy"] == [3, 3]


def test_a_run_that_was_moved_half_imported_is_completed_where_it_is(tmp_path: Path, backend: LocalBackend) -> None:
    path = write(tmp_path / "runs.jsonl", {"run": "a", "points": [[step, {"loss": 1.0}] for step in range(9)]})
    (item,) = JsonlFile(path, LAYOUT).read()
    assert isinstance(item, ImportedRun)
    home = backend.get_workspace().username
    made, _ = backend.create_run(item.draft(home))
    Api(tmp_path / "store").run(str(made.path)).move(project="elsewhere", create=True, commit=True).unwrap()
    assert import_jsonl(backend, path, LAYOUT).projects["demo"].completed == 1
    (run,) = list_runs(backend, home)
    assert (run.project, run.state) == ("elsewhere", "FINISHED")
    assert len(stored(backend, home, "elsewhere")[run.id]["loss"]) == 9


def test_an_import_of_before_is_found_by_its_file_and_line(tmp_path: Path, backend: LocalBackend) -> None:
    """Its marks did not say which project of the file a run was of."""
    path = write(tmp_path / "runs.jsonl", {"run": "a", "points": []}, {"run": "b", "points": []})
    import_jsonl(backend, path, LAYOUT)
    home = backend.get_workspace().username
    for run in list_runs(backend, home):
        assert run.profile is not None
        mark = {name: value for name, value in run.profile.metadata["import"].items() if name != "project"}
        patch = RunPatch(project="elsewhere", metadata={"import": mark})
        Api(tmp_path / "store").create_project(None, "elsewhere")
        backend.update_runs(RunSelection(home, "demo", ids=(run.id,)), patch)
    assert import_jsonl(backend, path, LAYOUT).projects["demo"].present == 2
    assert len(list_runs(backend, home)) == 2


def test_fields_become_name_labels_config_and_columns(tmp_path: Path) -> None:
    line = {
        "study": "digits", "name": "small", "seed": 0, "lr": None, "env": {"gpu": None, "odd": [1, {"x": 2}]},
        "tags": ["a", "b"], "kind": "wide",
        "curve": [[0, {"loss": "NaN", "done": False}], [1, {"loss": "-Infinity", "done": True}]],
    }  # fmt: skip
    done = run_import(
        write(tmp_path / "x.jsonl", line), "--dir", tmp_path / "store", "--project-field", "study",
        "--id-fields", "name, seed", "--tag-fields", "tags,kind", "--points-field", "curve",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "digits" in done.stdout
    with Api(tmp_path / "store") as api:
        project = api.projects()[0]
        run = project.runs("'b' in tags")[0]
        assert (project.name, run.name, run.state, run.labels) == ("digits", "small/0", "FINISHED", ["a", "b", "wide"])
        assert run.config == {name: line[name] for name in ("study", "name", "seed", "lr", "env", "tags", "kind")}
        metrics = run.metrics(["loss", "done"], all=True)
        assert repr(metrics["loss"].values.to_pylist()) == "[nan, -inf]"
        assert metrics["done"].values.to_pylist() == [0.0, 1.0]
        assert {column.key: column.column_type for column in run.columns()} == {"done": "BOOLEAN", "loss": "FLOAT"}
        mark = run.profile["metadata"]["import"]
        assert (mark["file"], mark["line"], mark["complete"]) == ("x.jsonl", 1, True)


def test_broken_lines_are_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = write(
        tmp_path / "my runs.jsonl",
        {"run": "a", "points": [[0, {"loss": 1.0}]]},
        "{not json",
        {"run": "b", "points": [[0.5, {"loss": 1.0}]]},
        {"run": "c", "points": [[0, {"loss": None, "note": "hello"}], [1, {"loss": 2.0}]]},
        {"run": "d", "labels": [""], "points": [[0, {"x\0y": 1.0}]]},
        {"run": "e", "points": []},
    )
    done = run_import(path, "--dir", tmp_path / "store", "--id-fields", "run", "--json")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "line 2: this is not JSON: Expecting property name enclosed in double quotes at character 2",
        "line 3: points[0]: the step must be a whole number of 64 bits, found 0.5",
        "line 4: 1 values of 'loss' are null and left out",
        "line 4: 1 values of 'note' are text and left out",
        "line 5: points[0]: a metric's name has no control characters, found 'x\\x00y'",
    ]
    answer = json.loads(done.stdout)
    assert answer["projects"] == {"my-runs": {"added": 3, "completed": 0, "present": 0, "values": 2}}
    assert answer["complete"] is False
    assert [note["line"] for note in answer["notes"]] == [2, 3, 4, 4, 5]


def test_nulls_alone_are_no_loss(tmp_path: Path) -> None:
    path = write(tmp_path / "runs.jsonl", {"run": "a", "points": [[0, {"loss": None}], [1, {"loss": 1.0}]]})
    done = run_import(path, "--dir", tmp_path / "store")
    assert (done.returncode, done.stderr) == (0, "line 1: 1 values of 'loss' are null and left out\n")


def test_what_the_store_refuses_is_told_and_leaves_nothing(tmp_path: Path, backend: LocalBackend) -> None:
    layout = RecordLayout(project="demo", id_fields=("run",), tag_fields=("tag",), config_fields=())
    path = write(tmp_path / "runs.jsonl", {"run": "a", "tag": "x" * 501, "points": []}, {"run": "b", "points": []})
    report = import_jsonl(backend, path, layout)
    [note] = report.notes
    assert note.line == 1
    assert "labels" in note.message
    assert [run.id for run in list_runs(backend, report.workspace)] == [make_run_id([["run", "b"]])]


def test_a_config_that_nests_too_deeply_is_told_and_leaves_the_others_alone(
    tmp_path: Path, server: ServerProcess
) -> None:
    lines: list[dict[str, Any]] = [{"run": name, "points": []} for name in ("first", "deep", "last")]
    lines[1]["note"] = json.loads("[" * 300 + "]" * 300)
    path = write(tmp_path / "runs.jsonl", *lines)
    options = ("--project", "odd", "--id-fields", "run", "--config-fields", "run,note", "--json")
    for place in (("--host", server.origin), ("--dir", str(tmp_path / "store"))):
        done = run_import(path, *options, *place)
        assert summary(done) == {"odd": Counter(added=2)}, done.stderr
        assert done.stderr == "line 2: config: it nests more than 64 levels deep\n"


def test_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    path = write(tmp_path / "runs.jsonl", *({"run": str(i), "points": []} for i in range(3)))
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "runatlas", "import", "jsonl", str(path), "--dir", str(tmp_path / "store")]
    environment = os.environ | {"TERM": "xterm"}
    with Program(command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment) as process:
        os.close(theirs)
        shown = _read_terminal(ours)
        assert process.stdout is not None
        table = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0
    assert "importing" in shown
    assert "importing" not in table
    assert "runs added" in table


def _read_terminal(descriptor: int) -> str:
    found = b""
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # Linux tells the end of a terminal so
            return found.decode()
        if not part:
            return found.decode()
        found += part


def test_an_interrupted_import_says_how_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    os.mkfifo(path)  # as long as it is held open, the import is not at its end
    command = [sys.executable, "-m", "runatlas", "import", "jsonl", str(path), "--dir", str(tmp_path / "store")]
    pipe = subprocess.PIPE
    with Program(command, stdout=pipe, stderr=pipe, text=True) as process, path.open("w") as file:
        file.write('{"run": "note"}\n')
        file.flush()
        assert process.stderr is not None
        assert process.stderr.readline().startswith("line 1: ")
        process.send_signal(signal.SIGINT)
        shown, told = process.communicate(timeout=120)
    assert (process.returncode, shown) == (130, "")
    assert told == f"Error: interrupted; importing {path} again with the same options completes it\n"


# -- wrong usage -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--project", "a", "--project-field", "b"), "give either --project or --project-field"),
        (("--id-fields", "a,,b"), "id_fields: a field's name must not be empty"),
        (("--dir", "x", "--host", "http://127.0.0.1:1"), "says already where the data is"),
        (("--host", "ftp://x"), "host"),
        (("--colour",), "No such option"),
    ],
)
def test_wrong_options(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    path = write(tmp_path / "runs.jsonl", {"points": []})
    done = run_import(path, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert sorted(found.name for found in tmp_path.iterdir()) == ["runs.jsonl"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = run_import(tmp_path / "nothing.jsonl", "--dir", tmp_path / "store")
    assert done.returncode == 2
    assert "does not exist" in done.stderr
    assert not (tmp_path / "store").exists()


def test_a_workspace_that_is_not_there(tmp_path: Path) -> None:
    done = run_import(write(tmp_path / "runs.jsonl", {"points": []}), "--dir", tmp_path / "store", "--workspace", "no")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_another_workspace(tmp_path: Path, backend: LocalBackend) -> None:
    backend.create_workspace("team")
    import_jsonl(backend, write(tmp_path / "runs.jsonl", {"run": "a", "points": []}), LAYOUT, workspace="team")
    [project] = backend.list_projects(ProjectQuery()).items
    assert str(project.path) == "team/demo"


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path / "runs.jsonl", {"points": []})
    environment_timeout = ["--host", "http://127.0.0.1:1"]
    command = [sys.executable, "-m", "runatlas", "import", "jsonl", str(path), *environment_timeout]
    done = run_program(command, env=os.environ | {"RUNATLAS_HTTP_TIMEOUT": "2"})
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
