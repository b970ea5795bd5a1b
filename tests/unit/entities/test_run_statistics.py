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
from runatlas.statistics.curve import aggregate_curves
from runatlas.statistics.grouping import Grouping, Member
from runatlas.tables.resampling import even_steps, read_at

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


def test_a_mistyped_field_is_told(sweep: Sweep) -> None:
    found = sweep.runs().aggregate("val_los", by=["config.lrr"], spread="sd").unwrap()
    near = "no run here has a metric 'val_los', did you mean 'val_loss'?"
    assert found.notes[:2] == (near, "none of 10 runs has config.lrr")
    assert found.notes[2].startswith("left out of val_los, as no val_los: 10 of 10 runs (")
    assert found.notes[2].endswith(" and 5 more)")
    table = sweep.runs().table(["val_loss", "val_los"]).unwrap()
    assert (table.notes, table.missing) == ((near,), ("val_los",))
    assert "did you mean" in table._repr_html_()
    assert sweep.runs("id == 'no such'").table("val_los").unwrap().notes == ()


def test_all_but_a_key_are_those_that_vary(sweep: Sweep) -> None:
    found = sweep.runs().aggregate("val_loss.min", by=all_but("seed"), over="config.seed").unwrap()
    assert found.by == ("config.lr", "config.model.kind")
    assert [row["runs"] for row in found] == [1, 3, 3, 3]
    one = sweep.runs("config.lr == 0.1 and config.model.kind == 'cnn'")
    assert one.aggregate("val_loss.min", by=all_but("seed")).unwrap().by == ()


def test_an_aggregate_asks_for_one_listing_and_no_points(sweep: Sweep) -> None:
    runs = sweep.runs()
    with sweep.account.asking("list_runs", "get_project"):
        runs.aggregate(["val_loss.min", "val_loss.max"], by=all_but("seed")).unwrap()
    with sweep.account.asking("list_runs", "get_project"):
        runs.summary(["val_loss.min"]).unwrap()


def test_units_stand_in_the_heads_of_tables(own_sweep: Sweep) -> None:
    Api(backend=own_sweep.backend).project(str(own_sweep.path)).define_metric("val_*", unit="<nats>").unwrap()
    runs = own_sweep.runs()
    for table, column in (
        (runs.summary(["val_loss.min", "lr_now"]), "val_loss.min"),
        (runs.table(["val_loss.min"]), "summary.val_loss.min"),
        (runs.table(), "summary.val_loss"),
        (runs.aggregate(["val_loss.min"], by="config.lr"), "val_loss.min"),
        (runs.groups("config.lr").stats(["val_loss.min"]), "val_loss.min"),
    ):
        shown = table.unwrap()._repr_html_()
        assert f">{column} (&lt;nats&gt;)</th>" in shown
        assert "lr_now (" not in shown
        assert column in table.unwrap().columns
    summary = runs[0].summary()
    assert ">val_loss (&lt;nats&gt;)</td>" in summary._repr_html_()
    assert "val_loss" in summary
    assert "val_loss.min (<nats>)" in str(runs.aggregate(["val_loss.min"]).unwrap()).splitlines()[0]


def test_two_runs_of_one_seed_are_no_two_seeds(own_sweep: Sweep) -> None:
    own_sweep.add("again", 0.9, lr=0.1, model={"kind": "cnn"}, seed=1.0)
    runs = own_sweep.runs("config.lr == 0.1")
    with pytest.raises(ValueError, match=r"'.*' and '.*' of config.model.kind='cnn' both have config.seed=1"):
        runs.aggregate("val_loss.min", by="config.model.kind", over="config.seed")
    with pytest.raises(ValueError, match=r"over: no run of this group has config.model.kin, and runs '"):
        runs.aggregate("val_loss.min", by="config.model.kin", over="config.seed")

    newest = runs.aggregate("val_loss.min", by="config.model.kind", over="config.seed", duplicates="newest").unwrap()
    assert sorted(newest[0]["val_loss.min"].values) == [0.40, 0.42, 0.9]
    assert [(item.run, item.reason) for item in newest[0]["left_out"]] == [
        ("cnn-0.1-1", "an older run of its config.seed")
    ]
    kept = runs.aggregate("val_loss.min", by="config.model.kind", over="config.seed", duplicates="keep").unwrap()
    assert kept[0]["val_loss.min"].n == 4
    assert "1 run counts beside another of the same group and config.seed" in kept.notes
    # Without ``over``, nothing is said of what the runs differ in.
    assert runs.aggregate("val_loss.min", by="config.model.kind").unwrap()[0]["val_loss.min"].n == 4


def test_groups_and_their_statistics_have_one_notion_of_equal_values(own_sweep: Sweep) -> None:
    for place, value in enumerate([[1], [1.0], [True], 1, 1.0, True, "1", None, {"kind": 1}, ["a", [2]], ["a", [2.0]]]):
        own_sweep.add(f"odd-{place}", float(place), odd=value, mark=1)
    groups = own_sweep.runs("config.mark == 1").groups("config.odd")
    counted = {repr(values): runs.total for values, runs in groups}
    assert sorted(counted.values()) == [1, 2, 2, 3, 3]
    found = groups.stats("val_loss.min", spread="sd").unwrap()
    assert sorted(row["runs"] for row in found) == [1, 2, 2, 3, 3]


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
    assert found.notes == (
        "none of 3 runs has val_los",
        "no run here has a metric 'val_los', did you mean 'val_loss'?",
    )
    assert list(found.to_pandas()["val_loss.min"]) == found.column("val_loss.min")
    assert found.json()["rows"] == list(found)


def test_a_summary_keeps_its_own_columns_beside_metrics_of_their_names(own_sweep: Sweep) -> None:
    points = (make_points("state", [1.0, 2.0]),)
    own_sweep.backend.append(Batch(own_sweep.path.run("cnn-0.01-0"), points=points))
    found = own_sweep.runs("config.lr == 0.01 and config.model.kind == 'cnn'").summary(["state", "name"]).unwrap()
    assert found[0] == {"run": "cnn-0.01-0", "name": found[0]["name"], "state": "FINISHED"} | {
        "summary.state": 2.0,
        "summary.name": None,
    }
    assert found.notes == ("the run has no name", "no run here has a metric 'name'")


def test_metrics_of_a_context_and_other_statistics_are_columns_too(sweep: Sweep) -> None:
    runs = sweep.runs("config.lr == 0.1 and config.model.kind == 'cnn'")
    with sweep.account.asking("list_runs", "get_project", "list_runs"):  # what is near of one that none has
        table = runs.table(["val_loss.min", 'val_loss{"split":"test"}', "val_los"]).unwrap()
    assert table.columns[-3:] == ("summary.val_loss", "summary.val_loss.min", 'summary.val_loss{"split":"test"}')
    assert sorted(table.column("summary.val_loss.min")) == [0.40, 0.41, 0.42]
    assert sorted(table.to_pandas()['summary.val_loss{"split":"test"}']) == [0.80, 0.82, 0.84]
    assert table.missing == ("val_los",)
    assert "summary.val_loss.min" in table.to_csv()


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"center": "mode"}, ValueError, "center: expected one of mean, median, iqm"),
        ({"spread": "sd", "center": "median"}, ValueError, "spread: 'sd' is the standard deviation, which belongs to"),
        ({"spread": "sd", "task": "config.lr"}, ValueError, "spread: over several tasks there is 'ci95' only"),
        ({"duplicates": "drop"}, ValueError, "duplicates: expected one of refuse, newest, keep"),
        ({"by": "config.seed", "over": "config.seed"}, ValueError, "by: 'config.seed' is over already"),
        (
            {"over": "config.model"},
            ValueError,
            "over: config.model of run '.*' is a section, .* such as config.model.kind",
        ),
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


# -- one against another ------------------------------------------------------------------------------------------


def test_pairs_are_compared_by_their_differences(own_sweep: Sweep) -> None:
    from scipy import stats

    own_sweep.add("alone", 0.7, lr=0.1, model={"kind": "mlp"}, seed=9)
    runs = own_sweep.runs("config.lr == 0.1")
    found = runs.compare("config.model.kind", "mlp", "cnn", "val_loss.min", pair="config.seed", goal="min").unwrap()
    (row,) = found
    differences = [-0.10, -0.07, -0.10]
    wanted = stats.t.interval(0.95, 2, np.mean(differences), stats.sem(differences))
    assert (row["pairs"], row["n_first"], row["n_second"]) == (3, 3, 3)
    assert row["difference"] == pytest.approx(-0.09)
    assert (row["low"], row["high"]) == pytest.approx(wanted)
    assert (row["improvement"], row["larger"], row["goal"]) == (1.0, 0.0, "min")
    assert found.notes == (
        "left out of val_loss.min, as no partner of config.model.kind='cnn' with its config.seed: 1 of 4 runs (alone)",
    )
    assert "mean over pairs of one config.seed of config.model.kind='cnn' less" in found.description

    (apart,) = runs.compare("config.model.kind", "mlp", "cnn", "val_loss.min").unwrap()
    welch = stats.ttest_ind([0.40, 0.41, 0.42], [0.50, 0.48, 0.52, 0.7], equal_var=False).confidence_interval(0.95)
    assert (apart["low"], apart["high"]) == pytest.approx((welch.low, welch.high))
    assert (apart["pairs"], apart["goal"], apart["improvement"]) == (None, None, None)

    with pytest.raises(ValueError, match=r"no run has config.model.kind='vit'; there are 'cnn', 'mlp'"):
        runs.compare("config.model.kind", "mlp", "vit", "val_loss.min")
    with pytest.raises(ValueError, match=r"field: none of \d+ runs has config.model.knd"):
        runs.compare("config.model.knd", "mlp", "cnn", "val_loss.min")
    with pytest.raises(ValueError, match=r"^pair: runs .* both have config.batch=32, and a run has one partner"):
        runs.compare("config.model.kind", "mlp", "cnn", "val_loss.min", pair="config.batch")
    with pytest.raises(ValueError, match=r"^pair: config.model of run '.*' is a section"):
        runs.compare("config.model.kind", "mlp", "cnn", "val_loss.min", pair="config.model")
    with pytest.raises(ValueError, match=r"^pair: 'config.lr' tells the two sides apart"):
        runs.compare("config.lr", 0.1, 0.01, "val_loss.min", pair="config.lr")
    with pytest.raises(ValueError, match="duplicates: a run has one partner"):
        runs.compare("config.model.kind", "mlp", "cnn", "val_loss", pair="config.batch", duplicates="keep")


def test_a_pair_that_differs_by_more_than_a_double_holds_is_named(own_sweep: Sweep) -> None:
    own_sweep.add("low", -1.7e308, lr=0.1, model={"kind": "mlp"}, seed=9)
    own_sweep.add("high", 1.7e308, lr=0.1, model={"kind": "cnn"}, seed=9)
    runs = own_sweep.runs("config.lr == 0.1")
    found = runs.compare("config.model.kind", "mlp", "cnn", "val_loss.min", pair="config.seed").unwrap()
    assert (found[0]["pairs"], found[0]["difference"]) == (3, pytest.approx(-0.09))
    assert found.notes == ("left out of val_loss.min, as a difference that is not finite: 1 of 8 runs (high)",)


def test_curves_are_put_together_at_the_steps_that_they_have_in_common(own_sweep: Sweep) -> None:
    path = own_sweep.path
    for run, steps in (("cnn-0.1-0", [0, 10, 20]), ("cnn-0.1-1", [0, 5, 10]), ("cnn-0.1-2", [0, 10])):
        values = [float(step) for step in steps] if run != "cnn-0.1-2" else [3.0, math.nan]
        own_sweep.backend.append(Batch(path.run(run), points=(make_points("acc", values, steps=steps),)))
    runs = own_sweep.runs("config.model.kind == 'cnn'")
    found = runs.aggregate_curves("acc", by="config.lr", over="config.seed", spread="minmax").unwrap()
    assert [tuple(row.values()) for row in found] == [
        (0.1, "acc", 0, 3, 1.0, 0.0, 3.0),
        (0.1, "acc", 10, 2, 10.0, 10.0, 10.0),
        (0.1, "acc", 20, 1, 20.0, None, None),
    ]
    assert found.columns == ("config.lr", "metric", "step", "n", "center", "low", "high")
    assert found.notes == (
        "left out of acc, as no acc: 1 of 4 runs (cnn-0.01-0)",
        "1 step is left out, as some runs that go on have no point there; resample= reads all",
        "1 value is NaN or infinite, and not counted",
    )
    own_sweep.account.calls.clear()
    read = runs.aggregate_curves("acc", by="config.lr", resample=5).unwrap()
    assert own_sweep.account.calls == ["list_runs", "read_points"]
    assert [(row["step"], row["n"], row["center"]) for row in read] == [
        *((0, 3, 1.0), (5, 2, 5.0), (10, 2, 10.0), (15, 1, 15.0), (20, 1, 20.0)),
    ]
    assert "at 5 steps, linear between points" in read.description
    assert len(runs.aggregate_curves("ac").unwrap()) == 0
    assert "left out of ac, as no ac: 4 of 4 runs" in " ".join(runs.aggregate_curves(["acc", "ac"]).unwrap().notes)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, 12), st.floats(-10, 10), max_size=8), max_size=5))
def test_nothing_is_carried_beyond_a_curve(curves: list[dict[int, float]]) -> None:
    points, left_out = aggregate_curves(curves, spread="minmax")
    steps = {step for curve in curves for step in curve}
    assert len(points) + left_out == len(steps)
    for point in points:
        reaching = [curve for curve in curves if curve and min(curve) <= point.step <= max(curve)]
        assert sorted(point.estimate.values) == sorted(curve[point.step] for curve in reaching)
    filled = [curve for curve in curves if curve]
    grid = even_steps(filled, 7)
    for curve in filled:
        for step, value in read_at(curve, grid).items():
            assert min(curve) <= step <= max(curve)
            assert min(curve.values()) - 1e-9 <= value <= max(curve.values()) + 1e-9


# -- questions in one line ----------------------------------------------------------------------------------------


def test_the_best_run_is_the_one_that_the_goal_says(own_sweep: Sweep) -> None:
    runs = own_sweep.runs()
    with pytest.raises(ValueError, match=r"goal: nothing says .*project.define_metric\('val_loss', goal='min'\)"):
        runs.best("val_loss.last")
    project = Api(backend=own_sweep.backend).project(str(own_sweep.path))
    project.define_metric("val_*", goal="min", unit="nats").unwrap()
    own_sweep.account.calls.clear()
    best = runs.best("val_loss")
    assert best is not None
    assert best.id == "cnn-0.01-0"
    assert own_sweep.account.calls == ["get_project", "list_runs"]

    assert [run.id for run in runs.best("val_loss", 3)] == ["cnn-0.01-0", "mlp-0.01-0", "mlp-0.01-2"]
    assert [run.id for run in runs.best("val_loss", n=99)][-1] == "mlp-0.1-2"  # the one of NaN is none of them
    assert len(runs.best("val_loss", n=99)) == len(runs.best("val_loss.last", n=99)) == 9
    assert [run.id for run in runs.best("val_loss.last", n=1, goal="max")] == ["mlp-0.1-2"]
    assert [run.id for run in runs.best('val_loss{"split":"test"}', n=1)] == ["cnn-0.01-0"]
    assert [run.id for run in own_sweep.runs("config.lr == 0.1").best("val_loss", n=1)] == ["cnn-0.1-0"]
    known = {
        f"{kind}-{rate}-{seed}": value for (rate, kind), values in SEEDS.items() for seed, value in enumerate(values)
    }
    lowest = min((run for run in runs[2:6] if not math.isnan(known[run.id])), key=lambda run: known[run.id])
    assert [run.id for run in runs[2:6].best("val_loss", n=1)] == [lowest.id]
    near = r"^best: no run here has a metric 'val_los', did you mean 'val_loss'\?$"
    with pytest.warns(UserWarning, match=near) as warned:
        assert runs.best("val_los", goal="min") is None
    assert warned[0].filename == __file__
    with pytest.warns(UserWarning, match=r"no run here has a metric 'lr', did you mean 'config.lr'\?"):
        assert runs.best("lr", goal="min") is None
    assert own_sweep.runs("config.lr == 5").best("val_loss") is None  # others have it

    groups = runs.aggregate(["val_loss.min", "val_loss"], by="config.lr", spread="sd").unwrap()
    assert groups.goals == {"val_loss.min": "min", "val_loss": "min"}
    for found, rate in ((groups.best("val_loss.min"), 0.01), (groups.best("val_loss", goal="max"), 0.1)):
        assert found is not None
        assert found["config.lr"] == rate
    for told, wrong in (
        ("metric: this table has", {"metric": "x"}),
        ("goal: say", {"metric": "val_loss", "goal": "up"}),
    ):
        with pytest.raises(ValueError, match=told):
            groups.best(**wrong)  # type: ignore[arg-type]

    row = runs.compare("config.model.kind", "mlp", "cnn", "val_loss.min").unwrap()[0]
    assert row["goal"] == "min"


def test_what_a_project_says_of_its_metrics_is_kept_and_taken_back(own_sweep: Sweep) -> None:
    project = Api(backend=own_sweep.backend).project(str(own_sweep.path))
    project.define_metric("val_loss", goal="min", unit="nats").unwrap()
    made = project.define_metric("acc", goal="max")
    again = Api(backend=own_sweep.backend).project(str(own_sweep.path))
    held = {key: (item.goal, item.unit) for key, item in again.metric_definitions.items()}
    assert held == {"val_loss": ("min", "nats"), "acc": ("max", "")}
    made.change.undo().unwrap()
    project.define_metric("val_loss", goal="max").unwrap()
    assert {key: item.goal for key, item in project.metric_definitions.items()} == {"val_loss": "max"}
    project.define_metric("val_loss").unwrap()
    assert project.metric_definitions == {}
    wrong: tuple[tuple[dict[str, Any], type[Exception]], ...]
    wrong = (({"goal": "up"}, ValueError), ({"goal": 1}, TypeError), ({"unit": 1}, TypeError))
    for given_wrong, error in wrong:
        with pytest.raises(error):
            project.define_metric("x", **given_wrong)
    assert "50 characters" in project.define_metric("x", unit="u" * 51).errmsg
    assert "stars" in project.define_metric("*a" * 20, goal="min").errmsg


def test_what_varies_is_told_with_its_values(own_sweep: Sweep) -> None:
    own_sweep.add("odd", 0.1, lr=0.1, layers=[1, 2], seed=1)
    found = own_sweep.runs().varying().unwrap()
    assert {row["key"]: (row["distinct"], row["values"], row["missing"]) for row in found} == {
        "config.layers": (1, [[[1, 2], 1]], 10),
        "config.lr": (2, [[0.01, 4], [0.1, 7]], 0),
        "config.model.kind": (2, [["cnn", 4], ["mlp", 6]], 1),
        "config.seed": (3, [[0, 4], [1, 4], [2, 3]], 0),
    }
    assert found.notes == ("1 key of the config is the same in all 11 runs",)
    assert list(found.to_pandas()["distinct"]) == [1, 2, 2, 3]


def test_a_difference_leaves_out_what_is_the_same(sweep: Sweep) -> None:
    found = sweep.runs("config.lr == 0.1 and config.seed == 1").diff().unwrap()
    assert found.columns == ("run", "config.model.kind", "summary.val_loss")
    assert {row["run"]: row["config.model.kind"] for row in found} == {"mlp-0.1-1": "mlp", "cnn-0.1-1": "cnn"}
    (said,) = found.notes
    assert "config.batch=32" in said
    assert "state='FINISHED'" in said


def test_correlations_are_by_numbers_and_by_categories(sweep: Sweep) -> None:
    from scipy import stats

    found = sweep.runs().correlation("val_loss.min").unwrap()
    rows = {row["key"]: row for row in found}
    assert found[0]["key"] == "config.lr"
    pairs = [(rate, value) for (rate, _), values in SEEDS.items() for value in values if not math.isnan(value)]
    rates, values = map(list, zip(*pairs, strict=True))
    assert rows["config.lr"]["spearman"] == pytest.approx(stats.spearmanr(rates, values).statistic)
    assert rows["config.lr"]["pearson"] == pytest.approx(stats.pearsonr(rates, values).statistic)
    assert (rows["config.model.kind"]["kind"], rows["config.model.kind"]["spearman"]) == ("category", None)
    assert 0 < rows["config.model.kind"]["eta_squared"] < 1
    assert {row["n"] for row in found} == {9}
    assert found.notes[0] == "1 of 10 runs do not count, as val_loss.min is missing, NaN or infinite"
    mistyped = sweep.runs().correlation("val_los", states=None).unwrap()
    assert mistyped.notes[0] == "no run here has a metric 'val_los', did you mean 'val_loss'?"


def test_tables_of_no_runs_are_empty(sweep: Sweep) -> None:
    none = sweep.runs("config.lr == 5")
    for table in (
        none.aggregate("val_loss", by="config.lr"),
        none.summary("val_loss"),
        none.aggregate_curves("val_loss", by="config.lr"),
        none.varying(),
        none.diff(),
        none.correlation("val_loss"),
    ):
        found: Any = table.unwrap()
        assert (len(found), found.num_rows) == (0, 0)
        found.to_csv()
        found._repr_html_()
        json.dumps(found.json())


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
        Member(f"run-{place}", f"cuid-{place}", state, place, (group,), values=(value,))
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
