"""What many runs amount to together."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.counting import make_counting
from support.examples import examples
from support.world import make_points

from runatlas import Api, all_but
from runatlas.backends.local import LocalBackend
from runatlas.entities.runs import Runs
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft
from runatlas.statistics.aggregate import aggregate
from runatlas.statistics.grouping import Grouping, Member

SEEDS: dict[tuple[float, str], list[float]] = {
    (0.1, "mlp"): [0.50, 0.48, 0.52],
    (0.1, "cnn"): [0.40, 0.41, 0.42],
    (0.01, "mlp"): [0.30, math.nan, 0.34],
    (0.01, "cnn"): [0.20],
}
"""The lowest ``val_loss`` of the runs of each learning rate and kind of model, by seed."""


class Sweep:
    """A sweep over seeds, with an account of what is asked of its store."""

    def __init__(self, directory: str) -> None:
        self.account, self.backend = make_counting(LocalBackend(directory))
        self.path = ProjectPath(self.backend.get_user().username, "sweep")
        for (rate, kind), values in SEEDS.items():
            for seed, value in enumerate(values):
                self.add(f"{kind}-{rate}-{seed}", value, lr=rate, model={"kind": kind}, seed=seed)

    def add(self, run_id: str, value: float | None, *, state: Any = "FINISHED", **config: Any) -> None:
        """Make a run whose ``val_loss`` falls to a value and rises by 0.1 again."""
        config = {"batch": 32, **config}
        self.backend.create_run(RunDraft(self.path, id=run_id, config=config, state=state, create_project=True))
        if value is not None:
            loss = make_points("val_loss", [value + 1, value, value + 0.1])
            apart = make_points("val_loss", [value * 2], context={"split": "test"})
            self.backend.append(Batch(self.path.run(run_id), points=(loss, apart)))

    def runs(self, filters: str | None = None) -> Runs:
        """The runs."""
        return Api(backend=self.backend).project(str(self.path)).runs(filters)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    made = Sweep(str(tmp_path_factory.mktemp("sweep") / "store"))
    yield made
    made.backend.close()


@pytest.fixture
def own_sweep(tmp_path: Path) -> Iterator[Sweep]:
    made = Sweep(str(tmp_path / "store"))
    yield made
    made.backend.close()


def test_groups_have_their_values_with_centre_and_interval(sweep: Sweep) -> None:
    table = sweep.runs().aggregate(
        ["val_loss.min", "val_loss"], by=["config.model.kind", "config.lr"], over="config.seed"
    )
    found = table.unwrap()

    assert [(row["config.model.kind"], row["config.lr"], row["runs"]) for row in found] == [
        ("cnn", 0.01, 1),
        ("cnn", 0.1, 3),
        ("mlp", 0.01, 3),
        ("mlp", 0.1, 3),
    ]
    single, cnn, diverged, mlp = (row["val_loss.min"] for row in found)
    assert (cnn.n, cnn.center, sorted(cnn.values)) == (3, pytest.approx(0.41), [0.40, 0.41, 0.42])
    assert (cnn.low, cnn.high) == pytest.approx((0.41 - 4.302653 * 0.01 / 3**0.5, 0.41 + 4.302653 * 0.01 / 3**0.5))
    assert found[1]["val_loss"].center == pytest.approx(0.51)
    assert str(mlp) == "0.50 ± 0.05"
    assert (single.n, single.low) == (1, None)
    assert sorted(diverged.values) == [0.30, 0.34]
    assert [(item.run, item.metric, item.reason) for item in found[2]["left_out"]] == [
        ("mlp-0.01-1", "val_loss.min", "NaN"),
        ("mlp-0.01-1", "val_loss", "NaN"),
    ]
    assert found.description == (
        "mean ± half of its 95 % confidence interval (Student's t, n - 1 degrees of freedom), over config.seed"
    )
    assert found.notes == (
        "left out of val_loss.min, as NaN: 1 of 10 runs (mlp-0.01-1)",
        "left out of val_loss, as NaN: 1 of 10 runs (mlp-0.01-1)",
        "val_loss.min: 1 of 4 groups have one value, and so no interval",
        "val_loss: 1 of 4 groups have one value, and so no interval",
    )


def test_every_export_says_what_the_interval_is(sweep: Sweep) -> None:
    found = sweep.runs().aggregate("val_loss.min", by="config.lr", spread="sd").unwrap()
    frame = found.to_pandas()
    assert list(frame["config.lr"]) == [0.01, 0.1]
    assert list(frame["val_loss.min.n"]) == [3, 6]
    assert json.loads(frame["val_loss.min.values"][1]) == list(found[1]["val_loss.min"].values)
    said = "mean ± standard deviation of the values (n - 1), over runs"
    assert set(frame["interval"]) == {said}
    assert said in found.to_csv()
    assert "mlp-0.01-1: val_loss.min NaN" in found.to_csv()
    plain = found.json()
    assert plain["description"] == said
    assert plain["rows"][0]["val_loss.min"]["n"] == 3
    assert plain["rows"][0]["left_out"][0]["reason"] == "NaN"
    json.dumps(plain)
    shown = found._repr_html_()
    assert said in shown
    assert found.notes[0] in shown
    text = str(found)
    assert "0.28 ± 0.07 (n = 3)" in text
    assert said in text
    assert (len(found), found.num_rows, found.columns) == (2, 2, tuple(frame.columns))


def test_all_but_a_key_are_those_that_vary(sweep: Sweep) -> None:
    found = sweep.runs().aggregate("val_loss.min", by=all_but("seed"), over="config.seed").unwrap()
    assert found.by == ("config.lr", "config.model.kind")
    assert [row["runs"] for row in found] == [1, 3, 3, 3]
    one = sweep.runs("config.lr == 0.1 and config.model.kind == 'cnn'")
    assert one.aggregate("val_loss.min", by=all_but("seed")).unwrap().by == ()


def test_an_aggregate_asks_for_one_listing_and_no_points(sweep: Sweep) -> None:
    runs = sweep.runs()
    with sweep.account.asking("list_runs"):
        runs.aggregate(["val_loss.min", "val_loss.max"], by=all_but("seed")).unwrap()
    with sweep.account.asking("list_runs"):
        runs.summary(["val_loss.min"]).unwrap()


def test_two_runs_of_one_seed_are_no_two_seeds(own_sweep: Sweep) -> None:
    own_sweep.add("again", 0.9, lr=0.1, model={"kind": "cnn"}, seed=1.0)
    runs = own_sweep.runs("config.lr == 0.1")
    with pytest.raises(ValueError, match=r"'.*' and '.*' of config.model.kind='cnn' both have config.seed=1"):
        runs.aggregate("val_loss.min", by="config.model.kind", over="config.seed")

    newest = runs.aggregate("val_loss.min", by="config.model.kind", over="config.seed", duplicates="newest").unwrap()
    assert sorted(newest[0]["val_loss.min"].values) == [0.40, 0.42, 0.9]
    assert [(item.run, item.reason) for item in newest[0]["left_out"]] == [
        ("cnn-0.1-1", "an older run of its config.seed")
    ]
    kept = runs.aggregate("val_loss.min", by="config.model.kind", over="config.seed", duplicates="keep").unwrap()
    assert kept[0]["val_loss.min"].n == 4
    assert "1 runs count beside another of their group with the same config.seed" in kept.notes
    # Without ``over``, nothing is said of what the runs differ in.
    assert runs.aggregate("val_loss.min", by="config.model.kind").unwrap()[0]["val_loss.min"].n == 4


def test_what_does_not_count_is_counted_and_named(own_sweep: Sweep) -> None:
    own_sweep.add("crashed", 0.0, state="CRASHED", lr=0.1, model={"kind": "cnn"}, seed=3)
    own_sweep.add("running", 0.0, state="RUNNING", lr=0.1, model={"kind": "cnn"}, seed=4)
    own_sweep.add("seedless", 0.0, lr=0.1, model={"kind": "cnn"})
    own_sweep.add("silent", None, lr=0.1, model={"kind": "cnn"}, seed=5)
    own_sweep.add("endless", math.inf, lr=0.1, model={"kind": "cnn"}, seed=6)
    runs = own_sweep.runs("config.lr == 0.1 and config.model.kind == 'cnn'")
    found = runs.aggregate("val_loss.min", over="config.seed").unwrap()
    assert found[0]["runs"] == 8
    assert found[0]["val_loss.min"].n == 3
    assert {item.run: item.reason for item in found[0]["left_out"]} == {
        "crashed": "CRASHED",
        "running": "RUNNING",
        "seedless": "no config.seed",
        "silent": "no val_loss.min",
        "endless": "infinite",
    }
    assert "left out, as CRASHED: 1 of 8 runs (crashed)" in found.notes
    every = runs.aggregate("val_loss.min", over="config.seed", states=None).unwrap()
    assert every[0]["val_loss.min"].n == 5


def test_tasks_are_put_together_as_rliable_does(sweep: Sweep) -> None:
    runs = sweep.runs("config.lr == 0.1")
    found = runs.aggregate(
        "val_loss.min", by="config.lr", over="config.seed", task="config.model.kind", center="iqm"
    ).unwrap()
    assert found[0]["val_loss.min"].center == pytest.approx((0.41 + 0.42 + 0.48 + 0.50) / 4)
    assert "resamples of runs within each config.model.kind" in found.description


def test_a_summary_of_many_runs_is_a_table(sweep: Sweep) -> None:
    runs = sweep.runs("config.lr == 0.1 and config.model.kind == 'cnn'")
    found = runs.summary(["val_loss", "val_loss.min", 'val_loss{"split":"test"}.max', "val_los"]).unwrap()
    assert found.columns == (
        *("run", "name", "state"),
        *("val_loss", "val_loss.min", 'val_loss{"split":"test"}.max', "val_los"),
    )
    row = next(row for row in found if row["run"] == "cnn-0.1-2")
    assert row["val_loss"] == pytest.approx(0.52)
    assert (row["val_loss.min"], row['val_loss{"split":"test"}.max'], row["val_los"]) == (0.42, 0.84, None)
    assert found.notes == ("none of 3 runs has val_los",)
    assert list(found.to_pandas()["val_loss.min"]) == found.column("val_loss.min")
    assert found.json()["rows"] == list(found)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"center": "mode"}, ValueError, "center: expected one of mean, median, iqm"),
        ({"spread": "sd", "center": "median"}, ValueError, "spread: 'sd' is the standard deviation, which belongs to"),
        ({"spread": "sd", "task": "config.lr"}, ValueError, "spread: over several tasks there is 'ci95' only"),
        ({"duplicates": "drop"}, ValueError, "duplicates: expected one of refuse, newest, keep"),
        ({"by": "config.seed", "over": "config.seed"}, ValueError, "by: 'config.seed' is over already"),
        ({"by": "config.model"}, ValueError, "by: config.model of run '.*' is a section, .* such as config.model.kind"),
        ({"by": "lr"}, ValueError, "lr"),
        ({"states": ["DONE"]}, ValueError, "states"),
        ({"states": "FINISHED"}, TypeError, "states: expected a list of states"),
        ({"metrics": []}, ValueError, "metrics"),
        ({"metrics": "val_loss.median"}, ValueError, "'val_loss.median': the median of a series is not kept"),
        ({"metrics": "loss{split}"}, ValueError, "is no context"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    sweep: Sweep, options: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    metrics = options.pop("metrics", "val_loss.min")
    with pytest.raises(error, match=sentence):
        sweep.runs().aggregate(metrics, **options)


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 1.0, True, "1", None, math.nan, 2]),
            st.sampled_from(["FINISHED", "CRASHED"]),
            st.sampled_from([None, math.nan, math.inf, 0.5, 1.5, 2.0]),
        ),
        max_size=20,
    )
)
def test_each_run_counts_once_or_is_named(given_runs: list[tuple[Any, str, float | None]]) -> None:
    members = [
        Member(f"run-{place}", "", state, place, (group,), values=(value,))
        for place, (group, state, value) in enumerate(given_runs)
    ]
    found = aggregate(members, ["loss"], Grouping(by=("config.x",), spread="minmax"))
    assert sum(row["runs"] for row in found) == len(members)
    assert sum(row["loss"].n + len(row["left_out"]) for row in found) == len(members)
    for row in found:
        values = row["loss"].values
        assert row["loss"].center == (pytest.approx(np.mean(values)) if values else None)
    groups = [row["config.x"] for row in found]
    assert len(groups) == len({repr(float(item)) if isinstance(item, (int, float)) else repr(item) for item in groups})
    found.to_arrow()
