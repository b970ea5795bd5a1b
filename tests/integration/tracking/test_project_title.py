"""Names of other trackers' experiments: taken as titles of projects whose names are made of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner
from support.server import ServerProcess, running_server, server

import runatlas
from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.backends.native import NativeBackend
from runatlas.cli.main import main
from runatlas.model.ids import ProjectPath, RunPath, project_name_of
from runatlas.model.run import RunDraft

__all__ = ["server"]

TITLES = ("my project", "\u9879\u76ee", "cifar/resnet", "\u00c9t\u00e9 / x", "50% off?", "a" * 300)


@pytest.fixture(params=["directory", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "directory":
        yield str(tmp_path / "store")
        return
    with running_server(tmp_path / "store") as server:
        yield server.origin


def test_any_text_names_a_project(place: str) -> None:
    for title in TITLES:
        for _ in range(2):
            with runatlas.Run(repo=place, experiment=title, capture_terminal_logs=False) as run:
                run.track(1.0, name="loss")
            assert not run.health.problem
            assert run.experiment == project_name_of(title)
            assert RunPath.parse(run.path).project == run.experiment

    with Api(place) as api:
        found = {project.title: project for project in api.projects()}
        assert set(found) == set(TITLES)
        assert [len(found[title].runs()) for title in TITLES] == [2] * len(TITLES)
        assert all(found[title].url.isascii() for title in TITLES)


def _make(place: str, project: str, *run_ids: str) -> None:
    """Make runs, whatever other projects have."""
    backend = NativeBackend(place) if "://" in place else LocalBackend(place, create=True)
    workspace = backend.get_workspace().username
    for run_id in run_ids:
        backend.create_run(RunDraft(ProjectPath(workspace, project), id=run_id, create_project=True))
    backend.close()


def _counts(place: str) -> dict[str, int]:
    """How many points each run has."""
    with Api(place, cache=False) as api:
        runs = [run for project in api.projects() for run in project.runs()]
        found = {"/".join(run.path.split("/")[1:]): run.summary().unwrap() for run in runs}
        return {path: summary["a"]["count"] or 0 if "a" in summary else 0 for path, summary in found.items()}


def test_a_run_goes_on_in_the_project_that_is_named(place: str) -> None:
    for project in ("first", "second", "third"):
        _make(place, project, "r1")
    with runatlas.Run("r1", repo=place, experiment="first", capture_terminal_logs=False) as run:
        run.log({"a": 1})
        assert (run.experiment, run.flush(60).where) == ("first", "store")
    # Which of three is meant to be moved, nobody knows.
    with runatlas.Run("r1", repo=place, experiment="fourth", capture_terminal_logs=False) as run:
        run.log({"a": 1})
    with runatlas.Run("r1", repo=place, capture_terminal_logs=False) as run:
        run.log({"a": 1})
        assert run.experiment == "fourth"

    assert _counts(place) == {"first/r1": 1, "second/r1": 0, "third/r1": 0, "fourth/r1": 2}


def test_a_run_that_cannot_be_moved_stays_where_it_is(place: str) -> None:
    _make(place, "second", "r1")
    run = runatlas.Run("r1", repo=place, experiment="second", capture_terminal_logs=False)
    _make(place, "third", "r1")
    run.experiment = "third"
    run.log({"a": 1})
    told = run.flush(60)
    assert (told.where, told.dropped, run.experiment) == ("lost", 1, "second")
    assert "has a run of one of these ids already" in told.problem
    run.close()

    assert (run.health.sent, run.health.spooled) == (1, 0)
    assert _counts(place) == {"second/r1": 1, "third/r1": 0}


def test_a_run_moves_to_a_project_with_a_title(place: str) -> None:
    with runatlas.Run("r1", repo=place, experiment="plain", capture_terminal_logs=False) as run:
        run.experiment = "cifar/resnet"
        run.track(1.0, name="loss")
    with runatlas.Run("r1", repo=place, experiment="my project", capture_terminal_logs=False) as run:
        pass

    with Api(place) as api:
        assert {project.title: len(project.runs()) for project in api.projects()} == {
            "": 0,
            "cifar/resnet": 0,
            "my project": 1,
        }


def test_a_run_that_was_offline_brings_its_title(tmp_path: Path) -> None:
    place = str(tmp_path / "store")
    with runatlas.Run(repo=place, experiment="my project", mode="offline", capture_terminal_logs=False) as run:
        run.track(1.0, name="loss")
    done = CliRunner().invoke(main, ["sync", place])

    assert done.exit_code == 0, done.output
    with Api(place) as api:
        assert [project.title for project in api.projects()] == ["my project"]


def test_an_import_takes_them_too(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    records = [{"study": title, "points": [[0, {"loss": 1.0}]]} for title in TITLES]
    file.write_text("\n".join(map(json.dumps, records)))
    arguments = ["import", "jsonl", str(file), "--dir", str(tmp_path / "store"), "--project-field", "study"]
    done = CliRunner().invoke(main, arguments)

    assert done.exit_code == 0, done.output
    with Api(tmp_path / "store") as api:
        assert {project.title for project in api.projects()} == set(TITLES)


@pytest.mark.parametrize("name", ["", "  ", "a" * 1001, "..", 5])
def test_what_can_name_nothing_is_refused_at_once(tmp_path: Path, name: object) -> None:
    with pytest.raises((ValueError, TypeError), match="experiment: "):
        runatlas.Run(repo=tmp_path, experiment=name, capture_terminal_logs=False)  # type: ignore[arg-type]


@attrs.frozen
class Doors:
    """A store, and a project and a run in it, for what can only be called by another name or moved."""

    place: str
    api: Api
    user: str
    folder: Path
    server: ServerProcess | None = None

    def make(self, title: str) -> None:
        """Make a project by the tracker."""
        with runatlas.Run(repo=self.place, experiment=title, capture_terminal_logs=False):
            pass

    def a_run(self, run_id: str) -> runatlas.Experiment:
        """Make a run in a project of its own."""
        with runatlas.Run(run_id, repo=self.place, experiment=f"of-{run_id}", capture_terminal_logs=False):
            pass
        return self.api.run(f"{self.user}/of-{run_id}/{run_id}")

    def a_project(self, run_id: str) -> runatlas.Project:
        """Make a project of one run."""
        return self.api.project(self.a_run(run_id).path.rpartition("/")[0])

    def command(self, *arguments: str) -> None:
        """Run a command over the store."""
        where = ["--host", self.place] if "://" in self.place else ["--dir", self.place]
        done = CliRunner().invoke(main, [*arguments, *where])
        assert done.exit_code == 0, done.output

    def post(self, path: str, body: object) -> dict[str, Any]:
        """Ask the server."""
        assert self.server is not None
        answer = self.server.call("POST", path, json=body)
        assert answer.status_code < 300, answer.text
        return dict(answer.json())

    def imported(self, title: str, *options: str) -> None:
        """Import a file of one run."""
        file = self.folder / "runs.jsonl"
        file.write_text(json.dumps({"study": title, "points": [[0, {"loss": 1.0}]]}))
        self.command("import", "jsonl", str(file), *options)

    def offline(self, title: str) -> None:
        """Record without a store, and send it later."""
        with runatlas.Run(repo=self.place, experiment=title, mode="offline", capture_terminal_logs=False):
            pass
        self.command("sync") if "://" in self.place else CliRunner().invoke(main, ["sync", self.place])

    def moved(self, title: str) -> None:
        """Say another experiment while recording."""
        with runatlas.Run(repo=self.place, experiment="plain", capture_terminal_logs=False) as run:
            run.experiment = title

    def renamed_of_matyan(self, title: str) -> None:
        """Give an experiment another name."""
        assert self.server is not None
        made = self.post("/api/v1/rest/experiments", {"name": "plain-of-matyan"})
        body = {"name": title}
        assert self.server.call("PUT", f"/api/v1/rest/experiments/{made['id']}", json=body).status_code == 200


MAKING: dict[str, Callable[[Doors, str], object]] = {
    "the tracker": Doors.make,
    "the tracker, offline": Doors.offline,
    "a run that says another experiment": Doors.moved,
    "an import": lambda d, title: d.imported(title, "--project", title),
    "an import by a field": lambda d, title: d.imported(title, "--project-field", "study"),
    "workspace.create_project": lambda d, title: d.api.workspace(d.user).create_project(title).unwrap(),
    "api.create_project": lambda d, title: d.api.create_project(name=title).unwrap(),
    "the command create": lambda d, title: d.command("api", "create", f"{d.user}/{title}"),
    "run.copy": lambda d, title: d.a_run("copied").copy(f"{d.user}/{title}", create=True, commit=True).unwrap(),
    "run.move": lambda d, title: d.a_run("moved").move(project=title, create=True, commit=True).unwrap(),
    "runs.move": lambda d, title: d.a_project("several").runs().move(title, create=True, commit=True).unwrap(),
    "project.rename": lambda d, title: d.a_project("old").rename(title, commit=True).unwrap(),
    "project.update": lambda d, title: d.a_project("older").update(name=title).unwrap(),
}
SERVED: dict[str, Callable[[Doors, str], object]] = {
    "swanlab": lambda d, title: d.post("/api/project", {"name": title}),
    "swanlab, of a workspace": lambda d, title: d.post(f"/api/projects/{d.user}", {"name": title}),
    "chachaml": lambda d, title: d.post("/api/w/runs", {"experiment": title}),
    "matyan": lambda d, title: d.post("/api/v1/rest/experiments", {"name": title}),
    "matyan, another name": Doors.renamed_of_matyan,
}
"""Every door through which a project gets its name; the last ones are those of other trackers' clients."""


def _check_doors(doors: Doors, making: dict[str, Callable[[Doors, str], object]]) -> None:
    for door, make in making.items():
        # A path has its slashes where its parts end.
        title = f"\u00c9t\u00e9 50% {door}" + ("" if door.endswith((".copy", ".move")) else " / x")
        make(doors, title)
        name = project_name_of(title)
        project = doors.api.workspace(doors.user).project(title)
        assert (project.title, project.name) == (title, name), door
        if "/" not in title:
            assert doors.api.project(f"{doors.user}/{title}") == project
    title = "found by its title"
    made = doors.a_run("kept")
    doors.make(title)
    assert made.update(project=title).ok
    for path in (f"{doors.user}/{title}", f"/{doors.user}/{title}"):
        assert doors.api.run(f"{path}/kept").unwrap().project == project_name_of(title)
        assert "kept" in [run.id for run in doors.api.runs(path)]
        assert doors.api.usage(path).ok
    compared = doors.api.compare([(f"{doors.user}/{title}/kept", "loss")]).unwrap()
    assert [run for _, run, _ in compared.runs] == ["kept"]
    metrics = doors.api.project(f"{doors.user}/{title}").metrics(None, [f"{doors.user}/{title}/kept"])
    assert len(metrics.unwrap().runs) == 1
    doors.command("api", "runs", f"{doors.user}/{title}")
    with runatlas.OpenApi(api=doors.api) as other:
        assert len(other.list_project_exps(title).unwrap()) == 2
        assert other.get_experiment(title, "kept").ok


def test_every_door_keeps_the_title(tmp_path: Path) -> None:
    place = str(tmp_path / "store")
    LocalBackend(place, create=True).close()
    with Api(place, cache=False) as api:
        _check_doors(Doors(place, api, api.user().username, tmp_path), MAKING)


def test_every_door_of_a_server_keeps_the_title(server: ServerProcess, tmp_path: Path) -> None:
    with Api(server.origin, cache=False) as api:
        doors = Doors(server.origin, api, api.user().username, tmp_path, server)
        _check_doors(doors, {**MAKING, **SERVED})
