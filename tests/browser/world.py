"""What pages show in these tests: a store with nearly nothing in it, an ordinary one, and one of hostile text."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import attrs
from support.world import make_png

from runatlas import Api, Experiment, Project, Run
from runatlas.backends.local import LocalBackend
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft, RunState
from runatlas.model.run_import import ImportedSeries, RunImport
from runatlas.objects.audio import Audio
from runatlas.objects.distribution import Distribution
from runatlas.objects.figure import Figure
from runatlas.objects.image import Image
from runatlas.objects.text import Text

__all__ = ["CONTENTS", "Place", "fill_many"]

Say = Callable[[int, str], str]
"""Makes a text of at most so many characters of a plain one."""

_START = 1_790_000_000_000
_MODEL = "spiral"
_QUERIES = {
    "/{workspace}/{project}": "?curves=val_loss&color=group&band=ci95",
    "/{workspace}/{project}/curves": "?runs=none&keys=loss",
    "/{workspace}/{project}/curves.svg": "?runs=none&keys=loss",
}
_SWEEP, _POINTS, _MANY = 24, 60, 10_000
_STATES: tuple[RunState, ...] = ("FINISHED", "FINISHED", "CRASHED", "FINISHED", "ABORTED", "FINISHED")
_NASTY = (
    "<script>alert(1)</script>\"'&amp;{{7*7}}</title></textarea>"
    "\u202eevil\u2066\u200b\U0001f98a\U0001f469\u200d\U0001f467"
)


@attrs.frozen
class Place:
    """What the parts of an address stand for in a store.

    Attributes:
        names: By their names in routes, such as ``workspace``.
        run_names: What else they stand for where a run is named.
        queries: What a page is asked for, by its route; most are asked for nothing.
        headers: Show who owns the store.
    """

    names: dict[str, str]
    run_names: dict[str, str]
    queries: dict[str, str]
    headers: dict[str, str]

    def address(self, route: str) -> str:
        """Return an address of a route of pages.

        Raises:
            KeyError: A part of it has no name: ``_place`` of this file is where one is given.
        """
        plain = route.replace(":str}", "}").replace(":path}", "}").replace(":int}", "}")
        names = self.names | self.run_names if "{run}" in plain else self.names
        if plain.startswith("/models/"):
            names = names | {"workspace": names["username"]}
        return plain.format_map(names) + self.queries.get(plain, "")


def _ordinary(most: int, text: str) -> str:
    return text[:most]


def _hostile(most: int, text: str) -> str:
    """Make it as long as it may be: a half that a page must not take for its own, and a half that is one word."""
    begun = f"{text} {_NASTY}"
    return (begun * (most // len(begun) + 1))[: most // 2] + "W" * (most - most // 2)


def _place(directory: Path, project: Project, run: Experiment, entry: str = "") -> Place:
    """Name what addresses name, and make a key of the owner.

    Args:
        directory: The store.
        project: The project.
        run: The run, which may be of another one.
        entry: A deletion that lies in the trash.
    """
    made = LocalBackend(directory).create_key()
    names = {"workspace": f"@{project.workspace}", "project": project.name, "experiment": project.name}
    names |= {"entry": entry, "key": made.key.id, "name": _MODEL, "username": project.workspace, "part": "chart"}
    run_names = {"project": run.path.split("/")[1], "run": run.cuid}
    some = ",".join(each.cuid for each in project.runs()[:3])
    queries = _QUERIES | {"/{workspace}/{project}/compare": f"?runs={some}"}
    return Place(names, run_names, queries, {"Authorization": f"Bearer {made.secret}"})


def _fill_nothing(directory: Path) -> Place:
    """Make a project without runs, and what else has a page: of each as little as can be."""
    for name in ("one", "gone"):
        with Run(name, repo=str(directory), experiment="bare", capture_terminal_logs=False):
            pass
    with Run(repo=str(directory), experiment="bare", capture_terminal_logs=False) as run:
        run.log_artifact(Path(__file__), name="file")
    run.register_model(_MODEL, "file").unwrap()
    api = Api(str(directory))
    project = api.workspace().create_project("empty").unwrap()
    gone = api.run(f"{project.workspace}/bare/gone").delete(commit=True).unwrap()
    return _place(directory, project, api.run(f"{project.workspace}/bare/one"), gone.trash_id)


def _fill_ordinary(directory: Path) -> Place:
    return _fill(directory, _ordinary)


def _fill_hostile(directory: Path) -> Place:
    return _fill(directory, _hostile)


def _fill(directory: Path, say: Say) -> Place:
    api = Api(str(directory))
    run = _record(directory, say)
    project = api.project(run.path.rpartition("/")[0])
    project.update(title=say(1000, "Sweeps"), description=say(5000, "All runs of autumn")).unwrap()
    path = ProjectPath(project.workspace, project.name)
    LocalBackend(directory).import_runs(tuple(_imported(path, number, say) for number in range(_SWEEP)))
    gone = project.runs("state == 'CRASHED' and config.seed < 9").delete(commit=True).unwrap()
    return _place(directory, project, run, gone.trash_id)


def _imported(project: ProjectPath, number: int, say: Say) -> RunImport:
    learning_rate = 10 ** -(1 + number % 8 / 2)
    steps = tuple(range(_POINTS))
    loss = tuple(2 * math.exp(-step * learning_rate) + 0.02 * math.sin(step * number) for step in steps)
    state = _STATES[number % len(_STATES)]
    draft = RunDraft(
        project,
        id=f"sweep-{number}",
        name=say(1000, f"sweep {number}"),
        description=say(1000, f"Number {number} of the sweep"),
        state=state,
        labels=tuple(say(500, label) for label in ("sweep", f"depth-{number % 3}")),
        group=say(500, f"lr {learning_rate:g}"),
        job_type="train",
        config={
            "lr": learning_rate,
            "seed": number,
            "net": {"depth": 2 + number % 3},
            say(500, "note"): say(1000, "x"),
        },
        created_at_ms=_START + number * 3_600_000,
        finished_at_ms=_START + number * 3_600_000 + 1_234_567,
    )
    series = (
        ImportedSeries("val_loss", steps, loss),
        ImportedSeries("train/loss", steps, tuple(value * 0.9 for value in loss)),
        ImportedSeries(say(1000, "acc"), steps, tuple(1 - value / 3 for value in loss)),
    )
    return RunImport(draft, series, time_ms=_START)


def _record(directory: Path, say: Say) -> Run:
    """Record a run with some of everything."""
    weights = directory.parent / f"{directory.name}.bin"
    weights.write_bytes(b"w" * 2000)
    with Run(
        repo=str(directory),
        experiment="sweeps",
        name=say(1000, "with everything"),
        description=say(5000, "Reads well, and is long enough to need a second line of text on a narrow page"),
        config={"lr": 0.01, "net": {"depth": 3, "act": "relu"}, say(500, "note"): say(2000, "x"), "list": [1, 2, 3]},
        tags=[say(500, tag) for tag in ("baseline", "paper")],
        group=say(500, "by hand"),
        capture_terminal_logs=False,
        strict=True,
    ) as run:
        for step in range(_POINTS):
            run.log({"loss": 2 / (step + 1), "val/loss": 2.1 / (step + 1), "val/acc": step / _POINTS}, step=step)
            run.track(step % 7, name=say(1000, "counted"), step=step, context={"subset": say(100, "val")})
        for step in range(3):
            run.track(
                Image(make_png((80 * step, 90, 160)), caption=say(2000, f"after {step}")), name="samples", step=step
            )
        run.track(Audio([0.1, -0.1] * 400, caption=say(2000, "a tone")), name="sound", step=0)
        run.track(Text(say(20_000, "Once upon a time")), name="story", step=0)
        run.track(Distribution([0.1, 0.2, 0.2, 0.9], bin_count=4), name="weights", step=0)
        run.track(
            Figure({"data": [{"y": [1, 3, 2]}], "layout": {"title": {"text": say(500, "f")}}}), name="plot", step=0
        )
        run.log_info(say(5000, "epoch 1"))
        run.log_warning(say(5000, "slow"))
        run.log_error(say(5000, "a file is missing"))
        run.log_artifact(weights, name=say(200, "weights").replace("/", "-"))
    run.annotate(say(5000, "Looks right")).unwrap()
    run.register_model(_MODEL, run.artifacts()[0].name, description=say(1000, "first")).unwrap()
    return run


CONTENTS: dict[str, Callable[[Path], Place]] = {
    "nothing": _fill_nothing,
    "ordinary": _fill_ordinary,
    "hostile": _fill_hostile,
}
"""What fills a store that is not there yet, by what it is like."""


def fill_many(directory: Path) -> Place:
    """Make a project of ten thousand runs."""
    with Run("first", repo=str(directory), experiment="many", capture_terminal_logs=False) as run:
        pass
    project = Api(str(directory)).project(run.path.rpartition("/")[0])
    path = ProjectPath(project.workspace, project.name)
    backend = LocalBackend(directory)
    for first in range(0, _MANY, 1000):
        backend.import_runs(tuple(_plain(path, number) for number in range(first, first + 1000)))
    return _place(directory, project, run)


def _plain(project: ProjectPath, number: int) -> RunImport:
    draft = RunDraft(
        project,
        id=f"run-{number}",
        name=f"run {number}",
        state="FINISHED",
        config={"lr": number % 100 / 1000, "seed": number},
        created_at_ms=_START + number * 1000,
        finished_at_ms=_START + number * 1000 + 500,
    )
    return RunImport(draft, (ImportedSeries("loss", (0, 1), (1.0, number / _MANY)),), time_ms=_START)
