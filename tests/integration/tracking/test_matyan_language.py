"""MatyanQL against plain Python: a query of a real store finds the runs for which Python's ``eval`` is true."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from arro3.core import Array, DataType
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.examples import examples

from runatlas import Repo
from runatlas.backends.local import LocalBackend
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft, RunPatch, RunSelection
from runatlas.model.series import Context, SeriesPoints

ODD = [
    0.1,
    1,
    1.0,
    True,
    False,
    0,
    None,
    "adam",
    "Adam",
    "0.1",
    "",
    math.nan,
    math.inf,
    2**53 + 1,
    -3,
    [1, 2],
    {"y": 1},
    {},
]
VAL = (("subset", "val"),)
START_MS = 1_700_000_000_000


def series(key: str, context: Context, values: list[float]) -> SeriesPoints:
    steps = list(range(len(values)))
    whole = DataType.int64()
    times = Array([START_MS] * len(values), whole)
    return SeriesPoints(key, Array(steps, whole), Array(values, DataType.float64()), times, context)


class Object(dict[str, Any]):
    """A section of a config: its keys are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        return wrapped(self.get(name))


def wrapped(value: Any) -> Any:
    return Object(value) if isinstance(value, dict) else value


class Metric:
    def __init__(self, values: list[float] | None) -> None:
        self.last = values[-1] if values else None
        self.last_step = len(values) - 1 if values else None

    def __bool__(self) -> bool:
        return self.last is not None


class Metrics:
    def __init__(self, held: dict[tuple[str, Context], list[float]]) -> None:
        self.held = held

    def __getitem__(self, asked: Any) -> Metric:
        if isinstance(asked, tuple):
            return Metric(self.held.get((asked[0], tuple(asked[1].items()))))
        return Metric(next((values for (name, _), values in sorted(self.held.items()) if name == asked), None))


class PlainRun:
    """A run as Python would have it."""

    def __init__(self, number: int, config: dict[str, Any]) -> None:
        self.hash = f"run-{number:02}"
        self.name = f"name {number % 7}"
        self.description = ""
        self.experiment = ("one", "two")[number % 2]
        self.tags = [tag for tag, every in (("a", 2), ("b", 3)) if number % every == 0]
        self.archived = self.is_archived = number % 10 == 9
        self.active = number % 4 == 0
        self.created_at = self.creation_time = (START_MS + 1500 * number) / 1000
        self.end_time = None if self.active else (START_MS + 1500 * number + 10_500) / 1000
        self.held: dict[tuple[str, Context], list[float]] = {}
        if number % 3:
            self.held["loss", ()] = [1.0, number / 10]
        if number % 5:
            self.held["loss", VAL] = [math.nan if number % 8 == 1 else number / 20]
        self.metrics = Metrics(self.held)
        self.config = config

    def __getattr__(self, name: str) -> Any:
        return wrapped(self.config.get(name))

    def __getitem__(self, name: str) -> Any:
        return wrapped(self.config.get(name))

    def __contains__(self, name: str) -> bool:
        return name in self.config


def make_runs() -> list[PlainRun]:
    found = []
    for number, (x, y) in enumerate(itertools.product(ODD, [0.5, "text", None])):
        config: dict[str, Any] = {
            "x": x,
            "h": {"y": y, "n": number, "deep": {"k": [number, number * 2]}},
            "q": "ab" * (number % 4),
        }
        if number % 6 == 0:
            del config["x"]
        found.append(PlainRun(number, config))
    return found


RUNS = make_runs()


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repo]:
    place = str(tmp_path_factory.mktemp("language") / "store")
    with closing(LocalBackend(place, create=True)) as backend:
        workspace = backend.get_workspace().username
        for run in RUNS:
            ended = None if run.end_time is None else round(run.end_time * 1000)
            draft = RunDraft(
                ProjectPath(workspace, run.experiment),
                run.hash,
                run.name,
                state="RUNNING" if run.active else "FINISHED",
                labels=tuple(run.tags),
                config=run.config,
                created_at_ms=round(run.created_at * 1000),
                finished_at_ms=ended,
                create_project=True,
            )
            record, _ = backend.create_run(draft)
            backend.append(Batch(record.path, tuple(series(*name, values) for name, values in run.held.items())))
            if run.archived:
                backend.update_runs(RunSelection(workspace, ids=(run.hash,)), RunPatch(archived=True))
    with Repo(place) as found:
        yield found


numbers = st.recursive(
    st.sampled_from(
        [
            "0",
            "1",
            "-3",
            "0.5",
            "0.1",
            "10",
            "True",
            "2 ** 53",
            "run.x",
            "run['x']",
            "run.h.n",
            "run.h['n']",
            "run.h.y",
            "run.x.y",
            "len(run.q)",
            "len(run.tags)",
            "run.h.deep.k[1]",
            "sum(run.h.deep.k)",
            "run.created_at",
            "run.metrics['loss'].last",
            "run.metrics['loss', {'subset': 'val'}].last",
            "run.metrics['none'].last",
            "run.metrics['loss', {'subset': 'val'}].last_step",
            "run.metrics['loss', {}].last",
            "float('nan')",
            "datetime(2023, 11, 14, 22, 13, 50)",
            "datetime(2023, 11, 14, 22, 14).timestamp() - 5",
            "run.end_time",
        ]
    ),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "%", "//"]), inner),
        st.builds("{}({})".format, st.sampled_from(["abs", "int", "float", "round", "-"]), inner),
        st.builds("max({}, {})".format, inner, inner),
        st.builds("({} if run.active else {})".format, inner, inner),
    ),
    max_leaves=3,
)
texts = st.recursive(
    st.sampled_from(
        ["'adam'", "''", "'name 3'", "'0.1'", "'a'", "run.name", "run.experiment", "run.hash", "run.x", "run.q"]
    ),
    lambda inner: st.one_of(
        st.builds("{}.{}()".format, inner, st.sampled_from(["upper", "lower", "strip"])),
        st.builds("{}[{}]".format, inner, st.sampled_from(["0", ":2", "-1:"])),
        st.builds("({} + {})".format, inner, inner),
        st.builds("f'{{{}}}!'".format, st.sampled_from(["run.x", "run.h.n", "run.name"])),
    ),
    max_leaves=2,
)
COMPARE = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
conditions = st.recursive(
    st.one_of(
        st.builds("{} {} {}".format, numbers, COMPARE, numbers),
        st.builds("{} {} {} {} {}".format, numbers, COMPARE, numbers, COMPARE, numbers),
        st.builds("{} {} {}".format, texts, COMPARE, texts),
        st.builds(
            "{} {} {}".format, st.one_of(numbers, texts), st.sampled_from(["is", "is not", "==", "!="]), st.just("None")
        ),
        st.builds(
            "{} {} [{}, {}, None]".format, st.one_of(numbers, texts), st.sampled_from(["in", "not in"]), texts, numbers
        ),
        st.builds("{} {} run.tags".format, texts, st.sampled_from(["in", "not in"])),
        st.builds("{} in {}".format, texts, texts),
        st.builds("{}.startswith({})".format, texts, texts),
        st.builds("any(v > {} for v in run.h.deep.k)".format, numbers),
        st.sampled_from(
            [
                "run.active",
                "run.archived",
                "run.is_archived == True",
                "run.archived != run.active",
                "'x' in run",
                "run.x",
                "run.h",
                "run.h == {'y': 0.5, 'n': 3, 'deep': {'k': [3, 6]}}",
                "run.active is not True",
                "1",
                "0",
                "run.metrics['loss']",
                "run.metrics['loss', {'subset': 'val'}]",
                "run.active == 0",
                "run.missing",
            ]
        ),
    ),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("not ({})".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
    ),
    max_leaves=4,
)


def instant(*parts: int) -> Any:
    class Instant(float):
        def timestamp(self) -> float:
            return float(self)

    return Instant(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]


def holds(text: str, run: PlainRun) -> bool:
    asks_for_archived = "run.is_archived ==" in text or "run.archived !=" in text
    if run.archived and not asks_for_archived:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # "0 is None"
        try:
            return bool(eval(text, {"run": run, "datetime": instant}))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return False


@settings(max_examples=examples(60))
@example("run.x % 2 == 1")  # of some runs, x is a text
@given(conditions)
def test_a_query_finds_the_runs_for_which_python_says_yes(repo: Repo, text: str) -> None:
    expected = [run.hash for run in RUNS if holds(text, run)]
    assert sorted(run["hash"] for run in repo.query_runs(text)) == expected, text
