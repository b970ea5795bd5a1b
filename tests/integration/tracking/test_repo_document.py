"""Document 001, ``Repo``: every row of its tables and every usage, on a directory and on a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.server import running_server

from runatlas import Repo, Run
from runatlas.objects import Audio, Distribution, Figure, Image, Text


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A directory and a server with the same six runs; the last one goes on."""
    base = tmp_path_factory.mktemp("repo")
    with running_server(base / "served") as server:
        found = {"directory": str(base / "store"), "server": server.origin}
        open_runs = [_fill(place) for place in found.values()]
        yield found
        for run in open_runs:
            run.close()


def _fill(place: str) -> Run:
    for number in range(5):
        _record(place, number).close()
    last = _record(place, 5)
    last.flush()
    return last


def _record(place: str, number: int) -> Run:
    run = Run(
        f"run-{number}",
        repo=place,
        experiment="even" if number % 2 == 0 else "odd",
        name=f"name {number}",
        tags=["first"] if number < 2 else [],
        config={"hparams": {"lr": 0.1 * number, "net": "a"}, "seed": number},
        capture_terminal_logs=False,
    )
    for step in range(5):
        run.track(number + step, name="loss", step=step, context={"subset": "train"}, epoch=step // 2)
        run.track(10 - step, name="acc")
    if number == 3:
        run.track(Image([[0, 255]], "an image"), name="picture", step=2)
        run.track([Text("one"), Text("two")], name="words", context={"subset": "val"})
        run.track(Audio(b"RIFF....WAVE"), name="sound")
        run.track(Distribution([0, 1], bin_count=2), name="weights")
        run.track(Figure({"data": []}), name="plot")
    return run


@pytest.fixture(params=["directory", "server"])
def repo(request: pytest.FixtureRequest, places: dict[str, str]) -> Iterator[Repo]:
    with Repo(places[request.param]) as found:
        yield found


ALL = [f"run-{number}" for number in range(5, -1, -1)]


def _hashes(items: list[dict[str, object]]) -> list[object]:
    return [item["hash"] for item in items]


# -- what it is -------------------------------------------------------------------------------------------------


def test_it_tells_where_it_is(places: dict[str, str]) -> None:
    local, remote = Repo(places["directory"]), Repo.from_path(places["server"])

    assert (local.is_remote_repo, remote.is_remote_repo) == (False, True)
    assert repr(remote) == f"Repo(url={places['server']!r})"
    assert (Repo.is_remote_path("http://a"), Repo.is_remote_path("https://a"), Repo.is_remote_path("./a")) == (
        True, True, False,
    )  # fmt: skip
    assert Repo.available_sequence_types() == ["metric", "images", "figures", "texts", "audios", "distributions"]
    local.close()
    local.close()


def test_the_default_is_found_in_the_environment(
    places: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert Repo.default_repo().location == str(tmp_path / "own")
    monkeypatch.delenv("RUNATLAS_DIR")
    monkeypatch.setenv("MATYAN_BACKEND_URL", places["server"])
    assert Repo().location == places["server"]
    with Run(capture_terminal_logs=False, mode="offline") as run:
        pass
    assert run._handle.location == places["server"]


def test_a_run_can_be_opened_with_a_repo(tmp_path: Path) -> None:
    with Repo(tmp_path / "fresh") as repo, Run(repo=repo, capture_terminal_logs=False) as run:
        assert repo.run_exists(run.hash)


# -- runs -------------------------------------------------------------------------------------------------------


def test_runs_are_listed_and_counted(repo: Repo) -> None:
    assert repo.list_all_runs() == ALL
    assert repo.list_active_runs() == ["run-5"]
    assert repo.total_runs_count() == 6
    first = next(repo.iter_runs())
    assert first["hash"] == "run-5"
    assert first["params"] == {"hparams": {"lr": 0.5, "net": "a"}, "seed": 5}
    assert (first["props"]["name"], first["props"]["experiment"]["name"]) == ("name 5", "odd")
    assert (first["props"]["active"], first["props"]["end_time"]) == (True, None)
    assert len(list(repo.iter_runs())) == 6


def test_a_run_is_got_read_only(repo: Repo) -> None:
    run = repo.get_run("run-1")
    assert isinstance(run, Run)
    assert (run.name, run.experiment, run["hparams.net"], run.tags) == ("name 1", "odd", "a", ["first"])
    with pytest.raises(RuntimeError, match="read-only"):
        run.track(1, name="x")
    assert repo.get_run("never") is None
    assert (repo.run_exists("run-1"), repo.run_exists("never")) == (True, False)


# -- queries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [5, 4, 3, 2, 1, 0]),
        ("run.hash == 'run-2'", [2]),
        ("run.experiment == 'odd'", [5, 3, 1]),
        ("run.active", [5]),
        ("run.active == False and run.experiment == 'odd'", [3, 1]),
        ("not run.active and run.hparams.lr > 0.25", [4, 3]),
        ("run['hparams']['lr'] < 0.15", [1, 0]),
        ("run['seed'] in [1, 2]", [2, 1]),
        ("run.seed == 4", [4]),
        ("0.15 < run.hparams.lr < 0.35", [3, 2]),
        ("'first' in run.tags", [1, 0]),
        ("run.tags.contains('first') or run.hparams.lr == 0.4", [4, 1, 0]),
        ("run.metrics['loss', {'subset': 'train'}].last >= 8", [5, 4]),
        ("run.metrics['acc'].last_step == 4 and run.name == 'name 3'", [3]),
        ("run.metrics['none']", []),
        ("run.hparams.none is None and run.hash != 'run-0'", [5, 4, 3, 2, 1]),
        ("run.created_at > 1 and run.creation_time > datetime(2020, 1, 1)", [5, 4, 3, 2, 1, 0]),
        ("run.end_time is None", [5]),
        ("run.duration >= 0", [5, 4, 3, 2, 1, 0]),
        ("run.name.startswith('name') and run.name.endswith('4')", [4]),
        ("run.created_at > datetime(2020, 1, 1).timestamp() - 3600", [5, 4, 3, 2, 1, 0]),
        ("len(run.tags) > 0 and run.hparams.net[:1] == 'a'", [1, 0]),
        ("run.hparams.lr * 10 == run.seed and any(tag == 'first' for tag in run.tags)", [1, 0]),
        ("run.metrics['acc'].last_step == 4 if run.active else run.seed == 2", [5, 2]),
        ("run.active > 3", []),
        ("run.hparams", [5, 4, 3, 2, 1, 0]),
        ("run.archived", []),
        ("run.is_archived == False and run.hash == 'run-1'", [1]),
        ("SELECT run IF run.seed == 3", [3]),
    ],
)
def test_run_queries(repo: Repo, query: str, numbers: list[int]) -> None:
    assert _hashes(repo.query_runs(query)) == [f"run-{number}" for number in numbers]


def test_runs_come_with_traces(repo: Repo) -> None:
    found = repo.query_runs("run.hash == 'run-2'")[0]

    assert set(found) == {"hash", "params", "props", "traces"}
    assert [(item["name"], item["context"], item["last_value"]) for item in found["traces"]["metric"]] == [
        ("acc", {}, 6.0),
        ("loss", {"subset": "train"}, 6.0),
    ]


def test_runs_come_in_pages(repo: Repo) -> None:
    pages = repo.query_runs(paginated=True, limit=4)
    assert [_hashes(page) for page in pages] == [ALL[:4], ALL[4:]]
    after = repo.query_runs("run.experiment == 'odd'", paginated=True, offset="run-5", limit=1)
    assert [_hashes(page) for page in after] == [["run-3"], ["run-1"]]
    assert _hashes(repo.query_runs(offset="run-2")) == ["run-1", "run-0"]
    with pytest.raises(LookupError, match="offset"):
        repo.query_runs(offset="never")
    with pytest.raises(ValueError, match="limit"):
        repo.query_runs(paginated=True, limit=0)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("metric.name == 'loss' and run.seed == 2", {"run-2": ["loss"]}),
        ("metric.context.subset == 'train' and run.hparams.lr > 0.35", {"run-5": ["loss"], "run-4": ["loss"]}),
        ("metric.context == {} and run.seed < 1", {"run-0": ["acc"]}),
        ("metric.context.subset is None and run.seed < 1", {"run-0": ["acc"]}),
        ("metric.last > 8", {"run-5": ["loss"]}),
        ("metric.last_step == 4 and metric.run.seed == 1", {"run-1": ["acc", "loss"]}),
        ("metric.name in ['acc', 'x'] and run.active", {"run-5": ["acc"]}),
        ("metric.name.startswith('l') and run.seed == 0", {"run-0": ["loss"]}),
        ("run.seed == 0 or (metric.name == 'acc' and run.seed == 1)", {"run-1": ["acc"], "run-0": ["acc", "loss"]}),
        ("not (metric.name == 'acc' or run.seed > 0)", {"run-0": ["loss"]}),
        ("metric.name > 5", {}),
        (
            "metric.last < run.hparams.lr * 19 - 1 and metric.name.upper() == 'ACC'",
            {"run-5": ["acc"], "run-4": ["acc"]},
        ),
        (
            "run.seed > 2 and metric.last > run.hparams.lr * 19 and metric.name[-1] == 's'",
            {"run-4": ["loss"], "run-3": ["loss"]},
        ),
        ("run.seed == 2", {"run-2": ["acc", "loss"]}),
    ],
)
def test_metric_queries(repo: Repo, query: str, found: dict[str, list[str]]) -> None:
    answer = {item["hash"]: [trace["name"] for trace in item["traces"]] for item in repo.query_metrics(query)}
    assert answer == found


def test_metrics_come_with_their_values(repo: Repo) -> None:
    (item,) = repo.query_metrics("metric.name == 'loss' and run.hash == 'run-1'")
    (trace,) = item["traces"]

    assert item["params"]["seed"] == 1
    assert (trace["name"], trace["context"]) == ("loss", {"subset": "train"})
    assert (trace["values"], trace["iters"]) == ([1.0, 2.0, 3.0, 4.0, 5.0], [0, 1, 2, 3, 4])
    assert trace["epochs"] == [0, 0, 1, 1, 2]
    assert all(timestamp > 1_700_000_000 for timestamp in trace["timestamps"])
    sampled = repo.query_metrics("metric.name == 'loss' and run.hash == 'run-1'", sample=2)
    assert sampled[0]["traces"][0]["iters"] == [0, 4]
    with pytest.raises(ValueError, match="sample"):
        repo.query_metrics(sample=0)


def test_object_queries(repo: Repo) -> None:
    calls: dict[str, Callable[[str], list[dict[str, object]]]] = {
        "images": repo.query_images,
        "audios": repo.query_audios,
        "texts": repo.query_texts,
        "distributions": repo.query_distributions,
        "figures": repo.query_figure_objects,
    }
    found = {kind: call("") for kind, call in calls.items()}
    traces = {kind: items[0]["traces"][0] for kind, items in found.items()}  # type: ignore[index]

    assert {kind: _hashes(items) for kind, items in found.items()} == {kind: ["run-3"] for kind in calls}
    assert (traces["images"]["name"], traces["images"]["iters"]) == ("picture", [2])
    image = traces["images"]["values"][0][0]
    assert (image["caption"], image["width"], image["height"], image["format"]) == ("an image", 2, 1, "PNG")
    assert image["blob_uri"]
    assert (traces["texts"]["context"], traces["texts"]["values"]) == (
        {"subset": "val"},
        [[{"data": "one", "index": 0}, {"data": "two", "index": 1}]],
    )
    assert traces["distributions"]["values"] == [[{"data": [1, 1], "bin_count": 2, "range": [0.0, 1.0]}]]
    assert traces["figures"]["values"] == [[{"data": {"data": []}, "index": 0}]]
    assert traces["audios"]["values"][0][0]["format"] == "wav"
    assert repo.query_texts("texts.context.subset == 'val' and run.seed == 3")
    assert repo.query_texts("texts.name == 'none'") == []
    assert repo.query_images("run.seed == 2") == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("run.lr ==", "column"),
        ("metric.name == 'x'", "'metric' cannot be asked for here"),
        ("run.name.format('x')", "the method 'format' is not known"),
        ("__import__('os').system('true')", "'__import__' cannot be asked for"),
        ("run.name == 'a' * 10 ** 9", "are allowed"),
        ("ran.hparams", "did you mean 'run'"),
    ],
)
def test_what_cannot_be_asked_is_told_with_its_place(repo: Repo, query: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        repo.query_runs(query)
    assert "^" in str(caught.value)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("images.name == 'x'", "'images' cannot be asked for here"),
        ("metric.foo == 1", "not 'foo'"),
        ("metric.name.encode() == 'X'", "the method 'encode' is not known"),
        ("metric.name * 10 ** 9 == 'X'", "are allowed"),
    ],
)
def test_metric_queries_that_cannot_be_asked(repo: Repo, query: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        repo.query_metrics(query)


# -- overviews --------------------------------------------------------------------------------------------------


def test_params_and_sequences_of_all_runs(repo: Repo) -> None:
    params = repo.collect_params_info()
    sequences = repo.collect_sequence_info()
    objects = repo.collect_sequence_info(("images", "texts"))

    assert list(params) == ALL
    assert params["run-2"]["seed"] == 2
    assert set(sequences) == set(ALL)
    assert [item["name"] for item in sequences["run-4"]["metric"]] == ["acc", "loss"]
    assert [item["name"] for item in objects["run-3"]["texts"]] == ["words"]
    assert objects["run-2"] == {"images": [], "texts": []}
    with pytest.raises(ValueError, match="sequence_types"):
        repo.collect_sequence_info(("nothing",))


# -- deletion ---------------------------------------------------------------------------------------------------


def test_runs_and_experiments_are_deleted(place: str, make_run: Callable[..., Run]) -> None:
    hashes = []
    for experiment in ("kept", "kept", "kept", "gone"):
        run = make_run(experiment=experiment)
        run.close()
        hashes.append(run.hash)
    with Repo(place) as repo:
        assert repo.delete_run(hashes[0]) is True
        assert repo.delete_run(hashes[0]) is False
        assert repo.delete_runs([hashes[1], "never", hashes[2]]) == (False, ["never"])
        assert not any(repo.run_exists(item) for item in hashes[:3])
        assert repo.run_exists(hashes[3])
        assert repo.delete_experiment("gone") is True
        assert repo.delete_experiment("gone") is False
        assert not repo.run_exists(hashes[3])
        assert repo.delete_runs([]) == (True, [])


def test_a_store_that_is_away_is_an_error_and_never_an_empty_answer() -> None:
    repo = Repo("http://127.0.0.1:1")
    for read in (repo.list_all_runs, repo.total_runs_count, repo.query_metrics, lambda: repo.get_run("x")):
        with pytest.raises(ConnectionError):
            read()
    assert repo.delete_run("x") is False
    assert repo.delete_runs(["a", "b"]) == (False, ["a", "b"])
    assert repo.delete_experiment("x") is False
