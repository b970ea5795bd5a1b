"""Document 001, ``Run``: every row of its tables and every usage, on a directory and on a server."""

from __future__ import annotations

import io
import math
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from support.run_content import log_lines, points, series_keys

from runatlas import Api, Experiment, Run
from runatlas.model.ids import new_cuid, project_name_of
from runatlas.objects import Audio, Distribution, Figure, Image, Text

Make = Callable[..., Run]
Stored = Callable[[Run], Experiment]


@pytest.fixture
def fresh() -> str:
    """An id that no run has."""
    return new_cuid()


# -- constructing -----------------------------------------------------------------------------------------------


def test_the_usage_of_the_document(make_run: Make, stored: Stored) -> None:
    run = make_run(experiment="baseline")
    run["hparams"] = {"lr": 0.01, "batch_size": 32}
    for step in range(100):
        run.track(1 / (step + 1), name="loss", step=step, context={"subset": "train"})
    run.close()

    seen = stored(run)
    assert seen.project == "baseline"
    assert seen.state == "FINISHED"
    assert seen.config == {"hparams": {"lr": 0.01, "batch_size": 32}}
    assert points(seen, "loss", {"subset": "train"}) == [(step, 1 / (step + 1)) for step in range(100)]


def test_a_run_is_one_of_the_package_and_reads_like_any_other(make_run: Make) -> None:
    with make_run() as run:
        assert isinstance(run, Experiment)
        assert run.ok
        assert run.json()["id"] == run.hash


def test_every_parameter_of_ours(make_run: Make, stored: Stored) -> None:
    run = make_run(
        experiment="p",
        name="first",
        description="what for",
        config={"lr": 0.1, "model": {"width": 4}},
        tags=["a", "b"],
        group="sweep",
        job_type="train",
        strict=True,
    )
    run.close()

    seen = stored(run)
    assert (seen.name, seen.description, seen.group, seen.job_type) == ("first", "what for", "sweep", "train")
    assert (seen.labels, seen.config) == (["a", "b"], {"lr": 0.1, "model": {"width": 4}})


def test_a_hash_is_made_or_taken(make_run: Make, fresh: str) -> None:
    with make_run() as new, make_run(fresh) as named:
        assert len(new.hash) == 32
        assert set(new.hash) <= set("0123456789abcdef")
        assert (named.hash, named.id) == (fresh, fresh)


@pytest.mark.parametrize("force_resume", [False, True])
def test_an_existing_hash_goes_on(make_run: Make, stored: Stored, force_resume: bool, fresh: str) -> None:
    with make_run(fresh, experiment="p", config={"a": 1}) as first:
        first.track(1.0, name="loss")
        first.track(2.0, name="loss")
        first.track(Text("x"), name="text", step=7)
    with make_run(fresh, force_resume=force_resume, config={"b": 2}) as second:
        assert second.experiment == "p"
        assert second.state == "RUNNING"
        assert second["a"] == 1
        second.track(3.0, name="loss")
        second.track(Text("y"), name="text")

    seen = stored(second)
    assert points(seen, "loss") == [(0, 1.0), (1, 2.0), (2, 3.0)]
    assert seen.config == {"a": 1, "b": 2}
    assert list(seen.medias(["text"]).unwrap().steps) == [7, 8]
    assert (first, seen.state) == (second, "FINISHED")


def test_a_run_of_another_experiment_moves_when_it_goes_on(make_run: Make, stored: Stored, fresh: str) -> None:
    make_run(fresh, experiment="here").close()
    with make_run(fresh, experiment="there") as run:
        run.track(1, name="x")

    assert stored(run).project == "there"
    assert points(stored(run), "x") == [(0, 1.0)]


def test_read_only_runs_read(place: str, make_run: Make, fresh: str) -> None:
    with make_run(fresh, experiment="p", name="n", config={"lr": 1}) as run:
        run.track(0.5, name="loss")
    reader = Run(fresh, repo=place, read_only=True)

    assert (reader.name, reader["lr"], reader.active, reader.experiment) == ("n", 1, False, "p")
    assert reader.metrics()[0]["name"] == "loss"
    assert points(reader, "loss") == [(0, 0.5)]
    with pytest.raises(LookupError):
        Run("never", repo=place, read_only=True)


@pytest.mark.parametrize(
    "write",
    [
        lambda run: run.track(1, name="x"),
        lambda run: run.log({"x": 1}),
        lambda run: run.log_info("x"),
        lambda run: run.add_tag("x"),
        lambda run: run.remove_tag("x"),
        lambda run: run.set("x", 1),
        lambda run: run.log_artifact(__file__),
        lambda run: run.log_artifacts(str(Path(__file__).parent)),
        lambda run: setattr(run, "name", "x"),
        lambda run: setattr(run, "description", "x"),
        lambda run: setattr(run, "archived", True),
        lambda run: setattr(run, "experiment", "x"),
    ],
)
def test_neither_closed_nor_read_only_runs_are_written(
    place: str, make_run: Make, write: Callable[[Run], None], fresh: str
) -> None:
    run = make_run(fresh, experiment="p")
    run.close()
    for closed in (run, Run(fresh, repo=place, read_only=True)):
        with pytest.raises(RuntimeError, match="closed or read-only"):
            write(closed)


def test_a_frontier_is_the_same_server(server: object, tmp_path: Path) -> None:
    origin = server.origin  # type: ignore[attr-defined]
    with Run(repo=origin, frontier_url=origin.replace("http", "ws"), capture_terminal_logs=False) as run:
        run.track(1, name="x")
    with Run(frontier_url=origin, capture_terminal_logs=False) as other:
        assert other.path.split("/")[0] == run.workspace
    with pytest.raises(ValueError, match="frontier_url"):
        Run(repo=origin, frontier_url="http://127.0.0.1:1")


def test_samples_of_the_machine(make_run: Make, stored: Stored) -> None:
    with make_run(system_tracking_interval=0.1) as run:
        run.flush()
    with make_run(system_tracking_interval=None) as quiet:
        quiet.track(1, name="x")

    assert {"__system__cpu", "__system__memory_percent"} <= set(series_keys(stored(run)))
    assert {column.column_class for column in stored(run).columns(all=True)} == {"SYSTEM"}
    assert series_keys(stored(quiet)) == ["x"]


def test_the_environment(make_run: Make, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "hunter2")
    with make_run(log_system_params=True) as run:
        pass
    profile = stored(run).profile

    assert profile["metadata"]["executable"] == sys.executable
    assert profile["metadata"]["environment"]["MY_API_KEY"] == "***"
    assert "pytest==" in profile["requirements"]
    with make_run(log_system_params=False) as other:
        pass
    assert stored(other).profile["metadata"] == {}


def test_terminal_lines_are_kept_unless_told_otherwise(place: str, stored: Stored) -> None:
    with Run(repo=place) as run:
        print("epoch 1")
        print("10%\r100%", file=sys.stderr)
        print("no newline", end="")
    print("after")
    with Run(repo=place, capture_terminal_logs=False) as quiet:
        print("unheard")

    assert sorted(log_lines(stored(run))) == ["100%", "epoch 1", "no newline"]
    assert log_lines(stored(quiet)) == []


# -- properties -------------------------------------------------------------------------------------------------


def test_properties_that_can_be_set(make_run: Make, stored: Stored) -> None:
    with make_run(experiment="one") as run:
        run.name, run.description, run.archived, run.experiment = "n", "d", True, "two"
        assert (run.name, run.description, run.archived, run.experiment) == ("n", "d", True, "two")

    seen = stored(run)
    assert (seen.name, seen.description, seen.archived, seen.project) == ("n", "d", True, "two")
    assert run.update(project="one").unwrap().experiment == "one"  # closed
    assert stored(run).project == "one"
    with pytest.raises(TypeError, match="name"):
        make_run().name = 5  # type: ignore[assignment]
    with pytest.raises(TypeError, match="archived"):
        make_run().archived = "yes"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="experiment"):
        make_run().experiment = " "


def test_a_title_that_is_set_moves_the_run_to_the_project_named_after_it(make_run: Make, stored: Stored) -> None:
    with make_run(experiment="one") as run:
        run.experiment = "a b"
        assert run.experiment == project_name_of("a b")

    seen = stored(run)
    assert seen.project == project_name_of("a b")


def test_times(make_run: Make) -> None:
    before = datetime.now(UTC)
    run = make_run()
    assert (run.active, run.end_time, run.finalized_at, run.duration, run.finished_at) == (True, None, None, None, None)
    run.close()

    assert run.active is False
    assert before - timedelta(seconds=1) <= run.created <= datetime.now(UTC)
    assert run.creation_time == run.created.timestamp()
    assert run.created_at.endswith("Z")
    assert run.finalized_at is not None
    assert run.finalized_at.tzinfo == UTC
    assert run.end_time == run.finalized_at.timestamp()
    assert run.duration == run.end_time - run.creation_time >= 0


def test_props(make_run: Make) -> None:
    with make_run(experiment="p", name="n", tags=["t"]) as run:
        props = run.props
        assert (props["name"], props["description"], props["active"], props["archived"]) == ("n", "", True, False)
        assert (props["experiment"]["name"], [tag["name"] for tag in props["tags"]]) == ("p", ["t"])
        assert (props["creation_time"], props["end_time"]) == (run.creation_time, None)
    assert run.props["active"] is False


def test_tags(make_run: Make, stored: Stored) -> None:
    with make_run(tags=["old"]) as run:
        run.add_tag("new")
        run.add_tag("new")
        run.add_tag("gone")
        run.remove_tag("gone")
        run.remove_tag("never there")
        assert run.tags == ["old", "new"]
        for wrong, error in ((5, TypeError), ("", ValueError), ("x" * 501, ValueError)):
            with pytest.raises(error, match="value"):
                run.add_tag(wrong)  # type: ignore[arg-type]

    assert stored(run).labels == ["old", "new"]


def test_repr_tells_hash_and_experiment(make_run: Make) -> None:
    with make_run("r1", experiment="p") as run:
        assert repr(run) == "Run(hash='r1', experiment='p')"


# -- params -----------------------------------------------------------------------------------------------------


def test_params_by_dotted_keys(make_run: Make, stored: Stored) -> None:
    with make_run() as run:
        run["hparams"] = {"lr": 0.1, "net": {"width": 4}}
        run["hparams.lr"] = 0.2
        run.set("hparams.net.depth", 2)
        run["seed"] = 7
        assert run["hparams"] == {"lr": 0.2, "net": {"width": 4, "depth": 2}}
        assert (run["hparams.net.width"], run.get("seed"), run.get("none"), run.get("none", 5)) == (4, 7, None, 5)
        assert "hparams.lr" in run
        assert "hparams.none" not in run
        with pytest.raises(KeyError):
            run["hparams.none"]
        for wrong, error in (("", ValueError), ("a..b", ValueError), (5, TypeError)):
            with pytest.raises(error, match="key"):
                run[wrong] = 1  # type: ignore[arg-type]

    assert stored(run).config == {"hparams": {"lr": 0.2, "net": {"width": 4, "depth": 2}}, "seed": 7}


def test_setting_an_object_replaces_what_was_there(make_run: Make, stored: Stored) -> None:
    with make_run(config={"hparams": {"a": 1, "b": 2}, "x": 1}) as run:
        run["hparams"] = {"c": 3}
        run["x"] = {"y": 1}
        run["x"] = 2
        assert run.config == {"hparams": {"c": 3}, "x": 2}

    assert stored(run).config == {"hparams": {"c": 3}, "x": 2}


@pytest.mark.parametrize("levels", [66, 900])
def test_a_key_that_leads_deeper_than_a_config_is_told_at_once(make_run: Make, stored: Stored, levels: int) -> None:
    deepest, deeper = ".".join("a" * 65), ".".join("b" * levels)
    with make_run() as run:
        run[deepest] = {"kept": "as text"}
        run.update(config={deepest.replace("a", "c"): {"kept": "as text"}})
        for change in (
            lambda: run.__setitem__(deeper, 1),
            lambda: run.update(config={"x": 1, deeper: 1}),
            lambda: stored(run).update(config={deeper: 1}),
        ):
            with pytest.raises(ValueError, match="leads more than 64 levels deep"):
                change()
        assert set(run.config) == {"a", "c"}
        assert run.flush(30).where == "store"

    assert set(stored(run).config) == {"a", "c"}


def test_deleting_a_param_forgets_it_here_only(make_run: Make, stored: Stored) -> None:
    with make_run() as run:
        run["a"] = 1
        del run["a"]
        assert run["a"] == 1
        with pytest.raises(KeyError):
            del run["none"]
        run.update(config_removed=["a"])
        assert "a" not in run

    assert stored(run).config == {}


def test_values_of_other_libraries_become_json(make_run: Make, stored: Stored) -> None:
    with make_run(config={"path": Path("a/b"), "array": np.arange(3), "tuple": (1, np.float32(0.5)), 3: None}) as run:
        run["nan"] = math.nan

    config = dict(stored(run).config)
    assert math.isnan(config.pop("nan"))
    assert config == {"path": "a/b", "array": [0, 1, 2], "tuple": [1, 0.5], "3": None}


# -- tracking ---------------------------------------------------------------------------------------------------


def test_steps_count_by_name_and_context(make_run: Make, stored: Stored) -> None:
    with make_run() as run:
        for value in (1.0, 2.0):
            run.track(value, name="loss")
            run.track(value, name="loss", context={"subset": "val"})
        run.track(9.0, name="loss", step=10)
        run.track(3.0, name="loss")
        run.track(5.0, name="other")

    seen = stored(run)
    assert points(seen, "loss") == [(0, 1.0), (1, 2.0), (10, 9.0), (11, 3.0)]
    assert points(seen, "loss", {"subset": "val"}) == [(0, 1.0), (1, 2.0)]
    assert points(seen, "other") == [(0, 5.0)]


def test_contexts_are_equal_by_value_and_type(make_run: Make, stored: Stored) -> None:
    with make_run() as run:
        run.track(1, name="x", context={"a": 1, "b": "c"})
        run.track(2, name="x", context={"b": "c", "a": 1})
        run.track(3, name="x", context={"a": True, "b": "c"})
        run.track(4, name="x", context={})

    seen = stored(run)
    assert points(seen, "x", {"a": 1, "b": "c"}) == [(0, 1.0), (1, 2.0)]
    assert [item["context"] for item in Run(run.hash, repo=seen._handle.location, read_only=True).metrics()] == [
        {},
        {"a": 1, "b": "c"},
        {"a": True, "b": "c"},
    ]
    assert points(seen, "x") == [(0, 4.0)]


@pytest.mark.parametrize(
    "value",
    [1, 1.5, True, np.float32(0.5), np.int64(3), np.array(2.0), np.array([4.0]), np.bool_(True), math.inf, -math.inf],
)
def test_numbers_of_every_kind(make_run: Make, stored: Stored, value: object) -> None:
    with make_run() as run:
        run.track(value, name="x")
        run.log({"y": value})

    assert points(stored(run), "x") == points(stored(run), "y") == [(0, float(np.asarray(value).item()))]


def test_nan_is_kept(make_run: Make, stored: Stored) -> None:
    with make_run() as run:
        run.track(math.nan, name="x")

    assert math.isnan(points(stored(run), "x")[0][1])


def test_steps_in_any_order_and_twice(make_run: Make, stored: Stored) -> None:
    given = [(5, 1.0), (-3, 2.0), (5, 3.0), (2**62, 4.0), (0, 5.0)]
    with make_run() as run:
        for step, value in given:
            run.track(value, name="x", step=step)

    assert points(stored(run), "x") == sorted(given, key=lambda point: point[0])


def test_epochs_are_kept(make_run: Make, stored: Stored) -> None:
    with make_run() as run:
        run.track(1.0, name="x", epoch=3)
        run.track(2.0, name="x")

    series = stored(run).metrics(["x"], all=True).unwrap()["x"]
    assert series.epochs is not None
    assert series.epochs.to_pylist() == [3, None]


def test_a_dict_is_tracked_name_by_name(make_run: Make, stored: Stored) -> None:
    with make_run() as run:
        run.track({"loss": 1.0, "acc": 0.5}, step=3, context={"subset": "val"})
        run.track({"loss": 2.0}, name="train")

    seen = stored(run)
    assert points(seen, "loss", {"subset": "val"}) == [(3, 1.0)]
    assert points(seen, "acc", {"subset": "val"}) == [(3, 0.5)]
    assert points(seen, "train/loss") == [(0, 2.0)]


def test_log_takes_many_at_once(make_run: Make, stored: Stored) -> None:
    with make_run() as run:
        run.log({"loss": 1.0, "nested": {"acc": 0.5, "text": Text("hi")}}, step=2, epoch=1)
        run.log({"loss": 2.0})
        run.log({})

    seen = stored(run)
    assert points(seen, "loss") == [(2, 1.0), (3, 2.0)]
    assert points(seen, "nested/acc") == [(2, 0.5)]
    assert seen.medias(["nested/text"], step=2).unwrap()["nested/text"][0][0].content == {"text": "hi"}


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"value": 1}, ValueError, "`name` is required"),
        ({"value": 1, "name": ""}, ValueError, "name"),
        ({"value": 1, "name": "x" * 1001}, ValueError, "name"),
        ({"value": 1, "name": "a\nb"}, ValueError, "name"),
        ({"value": 1, "name": 5}, TypeError, "name"),
        ({"value": "text", "name": "x"}, TypeError, "Text"),
        ({"value": object(), "name": "x"}, TypeError, "no number"),
        ({"value": None, "name": "x"}, TypeError, "no number"),
        ({"value": 1j, "name": "x"}, TypeError, "no number"),
        ({"value": np.zeros(3), "name": "x"}, TypeError, "one number"),
        ({"value": [1, 2], "name": "x"}, TypeError, "no number"),
        ({"value": 1, "name": "x", "step": 1.5}, TypeError, "step"),
        ({"value": 1, "name": "x", "step": True}, TypeError, "step"),
        ({"value": 1, "name": "x", "step": 2**63}, ValueError, "step"),
        ({"value": 1, "name": "x", "epoch": "1"}, TypeError, "epoch"),
        ({"value": 1, "name": "x", "context": 5}, TypeError, "context"),
        ({"value": 1, "name": "x", "context": {"a": [1]}}, TypeError, "context"),
        ({"value": 1, "name": "x", "context": {1: "a"}}, TypeError, "context"),
    ],
)
def test_what_cannot_be_tracked_is_told_at_once(
    make_run: Make, stored: Stored, arguments: dict[str, object], error: type[Exception], says: str
) -> None:
    with make_run() as run:
        for known in (False, True):
            if known:
                run.track(0, name="x", step=0)
            with pytest.raises(error, match=says):
                run.track(**arguments)  # type: ignore[arg-type]

    assert points(stored(run), "x") == [(0, 0.0)]


def test_nothing_of_a_bad_log_is_kept(make_run: Make, stored: Stored) -> None:
    with make_run() as run:
        with pytest.raises(TypeError, match="b:"):
            run.log({"a": 1, "b": "text"})
        with pytest.raises(TypeError, match="data"):
            run.log([1])  # type: ignore[arg-type]

    assert series_keys(stored(run)) == []


# -- objects ----------------------------------------------------------------------------------------------------


def test_objects_come_back(make_run: Make, stored: Stored, tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    with make_run() as run:
        run.track(Image(pixels, caption="epoch 5"), name="image", step=5)
        run.track(Audio(np.zeros(8, dtype=np.int16), rate=8000, caption="a"), name="audio")
        run.track(Text("prediction: cat"), name="text")
        run.track(Distribution([0.0, 1.0], bin_count=2), name="distribution")
        run.track(Figure({"data": [{"y": [1]}], "layout": {}}), name="figure")

    medias = stored(run).medias(["image", "audio", "text", "distribution", "figure"]).unwrap()
    image = medias["image"][0][0]
    assert (image.caption, image.meta["width"], image.meta["height"], medias["image"].steps) == ("epoch 5", 4, 3, [5])
    saved = image.download(tmp_path / "image.png").unwrap()
    assert np.array_equal(np.asarray(PIL.Image.open(saved)), pixels)
    assert medias["audio"][0][0].read().unwrap()[:4] == b"RIFF"
    assert medias["audio"][0][0].meta == {"format": "wav", "rate": 8000}
    assert medias["text"][0][0].read().unwrap() == b"prediction: cat"
    assert medias["distribution"][0][0].content == {"bin_count": 2, "range": [0.0, 1.0], "data": [1, 1]}
    assert medias["figure"][0][0].content == {"data": [{"y": [1]}], "layout": {}}
    assert all(series.column_type == key.upper() for key, series in medias.items())


def test_objects_that_take_the_place_of_others_are_told(
    make_run: Make, stored: Stored, caplog: pytest.LogCaptureFixture
) -> None:
    with make_run() as run:
        for number in range(3):
            run.track(Text(str(number)), name="counted")
            run.track(Text(str(number)), name="apart", step=0, context={"of": number})
            run.track(Text(str(number)), name="steps", step=number)
        run.log({"words": Text("first"), "loss": 1.0}, step=7)
        assert "words" not in caplog.text
        run.log({"words": Text("second"), "loss": 2.0}, step=7)
        assert "'words' had objects at step 7 already, which these replace" in caplog.text
        run.track(Text("third"), name="words", step=7)

    assert caplog.text.count("replace") == 1
    assert [item.content for item in stored(run).medias(["words"]).unwrap()["words"][0]] == [{"text": "third"}]


def test_several_objects_of_one_step(make_run: Make, stored: Stored) -> None:
    with make_run() as run:
        run.track([Text("a"), Text("b")], name="text", step=1)
        run.track(Text("c"), name="text")
        with pytest.raises(TypeError, match="list of objects"):
            run.track([Text("a"), 5], name="text")

    steps = stored(run).medias(["text"], all=True).unwrap()["text"]
    assert [[item.content for item in step] for step in steps] == [[{"text": "a"}, {"text": "b"}], [{"text": "c"}]]
    assert steps.steps == [1, 2]


class _Foreign:
    def __init__(self, **plain: object) -> None:
        self.plain = plain

    def json(self) -> dict[str, object]:
        return self.plain


def test_objects_of_others_are_known_by_their_json(make_run: Make, stored: Stored) -> None:
    encoded = io.BytesIO()
    PIL.Image.new("L", (2, 1)).save(encoded, format="PNG")
    with make_run() as run:
        run.track(_Foreign(**Image(encoded.getvalue(), "c").json()), name="image")
        run.track(_Foreign(type="molecule", atoms=3), name="molecule")
        run.track(_Foreign(type="unheard of", a=1), name="other")

    medias = stored(run).medias(["image", "molecule", "other"]).unwrap()
    assert medias["image"][0][0].read().unwrap() == encoded.getvalue()
    assert medias["image"][0][0].caption == "c"
    assert medias["molecule"][0][0].content == {"atoms": 3}
    assert medias["other"][0][0].content == {"text": '{"type":"unheard of","a":1}'}


def test_an_object_that_fails_to_encode_costs_only_itself(make_run: Make, stored: Stored) -> None:
    with make_run() as run:
        run.track(_Foreign(type="image", data="no base64!"), name="bad")
        run.track(1, name="good")
        run.flush()
        assert run.health.dropped == 1
        assert "bad" in run.health.problem

    assert series_keys(stored(run)) == ["good"]


# -- overviews --------------------------------------------------------------------------------------------------


def test_overviews_of_what_was_tracked(make_run: Make) -> None:
    with make_run() as run:
        for step in range(3):
            run.track(step, name="loss", context={"subset": "val"})
        run.track(7.0, name="acc", step=4)
        run.track(Text("x"), name="text")
        overview = run.metrics()
        assert [(item["name"], item["context"], item["last_value"], item["last_step"]) for item in overview] == [
            ("acc", {}, 7.0, 4),
            ("loss", {"subset": "val"}, 2.0, 2),
        ]
        assert run.get_metric("loss", {"subset": "val"}) == overview[1]
        assert run.get_metric("loss") is None
        assert run.get_metric("acc") == overview[0]
        assert list(run.iter_metrics_info()) == [("acc", {}, run), ("loss", {"subset": "val"}, run)]
        assert run.collect_sequence_info("metric") == {"metric": overview}
        texts = run.collect_sequence_info(("texts", "images"))
        assert (texts["images"], texts["texts"][0]["name"], texts["texts"][0]["count"]) == ([], "text", 1)
        assert set(run.collect_sequence_info()) == {
            "metric", "images", "figures", "texts", "audios", "distributions",
        }  # fmt: skip
        with pytest.raises(ValueError, match="sequence_types"):
            run.collect_sequence_info("videos")


def test_reads_see_what_was_written_before(make_run: Make) -> None:
    with make_run() as run:
        for step in range(5):
            run.log({"x": step})
            assert points(run, "x")[-1] == (step, float(step))
            assert run.latest == {"x": step}
        assert run.metrics(["x"]).unwrap().total == 5
        assert run.summary(["x"])["x"]["max"]["value"] == 4.0


def test_what_others_change_is_seen_after_refresh(make_run: Make, stored: Stored) -> None:
    with make_run(name="mine") as run:
        run["a"] = 1
        run.flush()
        stored(run).update(name="theirs", config={"b": 2}).unwrap()
        assert run.name == "mine"
        run["c"] = 3
        run.refresh()
        assert (run.name, run.config) == ("theirs", {"a": 1, "b": 2, "c": 3})


# -- messages ---------------------------------------------------------------------------------------------------


def test_messages_have_levels_and_fields(make_run: Make, stored: Stored, caplog: pytest.LogCaptureFixture) -> None:
    with make_run() as run:
        run.log_debug("d")
        run.log_info("i", epoch=3, where={"a": [1]})
        run.log_warning("w")
        run.log_error("e\x00\ud800")
        with pytest.raises(TypeError, match="msg"):
            run.log_info(5)  # type: ignore[arg-type]
        run.log_info("x", y=object())

    lines = stored(run).logs(level="DEBUG").unwrap().lines
    assert [(line.level, line.message, line.tag) for line in lines] == [
        ("DEBUG", "d", "record"),
        ("INFO", "i", "record"),
        ("WARN", "w", "record"),
        ("ERROR", "e\ufffd\ufffd", "record"),
        ("INFO", "x", "record"),
    ]
    assert (lines[1].fields, lines[4].fields) == ({"epoch": 3, "where": {"a": [1]}}, {"y": "object"})
    assert "kwargs.y: a object is kept as text" in caplog.text


# -- files ------------------------------------------------------------------------------------------------------


def test_a_file_is_kept_with_the_run(make_run: Make, stored: Stored, tmp_path: Path) -> None:
    source = tmp_path / "weights.pt"
    source.write_bytes(b"\x00" * 100_000 + b"end")
    with make_run() as run:
        run.log_artifact(str(source))
        run.log_artifact(source, "checkpoints/last.pt")
        source.unlink()

    seen = stored(run)
    assert [artifact.name for artifact in seen.artifacts()] == ["checkpoints/last.pt", "weights.pt"]
    artifact = seen.artifact("checkpoints/last.pt")
    assert artifact.size == 100_003
    assert artifact.read().unwrap()[-3:] == b"end"
    saved = seen.artifacts().download(tmp_path / "saved").unwrap()
    assert [path.relative_to(tmp_path / "saved").as_posix() for path in saved] == ["checkpoints/last.pt", "weights.pt"]
    assert len({artifact.sha256 for artifact in seen.artifacts()}) == 1


def test_a_directory_is_kept_with_the_run(make_run: Make, stored: Stored, tmp_path: Path) -> None:
    base = tmp_path / "data"
    (base / "deep" / "er").mkdir(parents=True)
    (base / "a.txt").write_text("a")
    (base / "deep" / "er" / "ünï #1.txt").write_text("b")
    with make_run() as run:
        run.log_artifacts(str(base))
        run.log_artifacts(base, "in/here")

    names = [artifact.name for artifact in stored(run).artifacts()]
    assert names == ["a.txt", "deep/er/ünï #1.txt", "in/here/a.txt", "in/here/deep/er/ünï #1.txt"]


def test_the_same_name_again_replaces(make_run: Make, stored: Stored, tmp_path: Path) -> None:
    source = tmp_path / "x"
    with make_run() as run:
        for text in ("one", "two"):
            source.write_text(text)
            run.log_artifact(source)
            run.flush()

    assert stored(run).artifact("x").read().unwrap() == b"two"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", "a//b", "a\\b", "."])
def test_names_stay_inside_the_run(make_run: Make, name: str) -> None:
    with make_run() as run, pytest.raises(ValueError, match="name"):
        run.log_artifact(__file__, name)


def test_a_missing_file_and_a_wrong_kind_are_told_at_once(make_run: Make, tmp_path: Path) -> None:
    with make_run() as run:
        with pytest.raises(FileNotFoundError):
            run.log_artifact(tmp_path / "none")
        with pytest.raises(IsADirectoryError):
            run.log_artifact(tmp_path)
        with pytest.raises(NotADirectoryError):
            run.log_artifacts(__file__)


# -- the end ----------------------------------------------------------------------------------------------------


def test_closing_twice_does_nothing(make_run: Make, stored: Stored) -> None:
    run = make_run()
    run.close()
    ended = run.end_time
    run.close()
    run.finish()
    run.__del__()

    assert run.end_time == ended
    assert stored(run).state == "FINISHED"


def test_a_run_that_is_forgotten_is_closed(place: str, make_run: Make, fresh: str) -> None:
    run = make_run(fresh, experiment="p")
    run.track(1, name="x")
    path = run.path
    del run
    for thread in threading.enumerate():
        if thread.name == "runatlas-closer":
            thread.join()

    seen = Api(place, cache=False).run(path)
    assert (seen.state, points(seen, "x")) == ("FINISHED", [(0, 1.0)])


def test_an_exception_marks_the_run_crashed(make_run: Make, stored: Stored) -> None:
    run = make_run()
    with pytest.raises(ZeroDivisionError), run:
        run.track(1 / 0, name="x")

    seen = stored(run)
    assert seen.state == "CRASHED"
    assert "ZeroDivisionError: division by zero" in seen.crash_message
    assert "test_run_document" in seen.crash_message


@pytest.mark.parametrize(
    ("error", "state"),
    [(KeyboardInterrupt(), "ABORTED"), (SystemExit(0), "FINISHED"), (SystemExit(2), "CRASHED")],
)
def test_other_ends(make_run: Make, stored: Stored, error: BaseException, state: str) -> None:
    run = make_run()
    with pytest.raises(type(error)), run:
        raise error

    assert stored(run).state == state


def test_a_run_can_be_told_to_have_failed(make_run: Make, stored: Stored) -> None:
    run = make_run()
    run.fail("diverged")

    assert (stored(run).state, stored(run).crash_message) == ("CRASHED", "diverged")
