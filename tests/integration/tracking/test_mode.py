"""Online, local, offline and disabled; where a run goes when nothing is said."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.faulty_server import Exchange, faulty_server, relayed
from support.run_content import log_lines, points
from support.server import ServerProcess

import runatlas
from runatlas import Api, Run
from runatlas.backends.local import LocalBackend
from runatlas.cli.main import main
from runatlas.errors import NotSupportedError
from runatlas.objects import Image, Text
from runatlas.settings import resolve
from runatlas.tracking.sync import sync


def quiet(**options: object) -> Run:
    return Run(**{"capture_terminal_logs": False} | options)  # type: ignore[arg-type]


def find(place: str, run: Run) -> runatlas.Experiment:
    return Api(place, cache=False).workspace().unwrap().project(run.experiment).run(run.hash).unwrap()


# -- where ------------------------------------------------------------------------------------------------------


def test_the_place_settles_the_mode(tmp_path: Path, server: ServerProcess) -> None:
    for place in (tmp_path / "store", str(tmp_path / "store"), server.origin):
        with quiet(repo=place) as run:
            assert run.flush().where == "store"
            assert run._handle.location == str(place)


def test_without_a_place_the_embedded_store_is_taken(tmp_path: Path) -> None:
    with quiet() as run:
        run.log({"a": 1})

    assert points(find(str(tmp_path / "own"), run), "a") == [(0, 1.0)]


def test_a_host_from_the_environment_is_taken(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNATLAS_API_HOST", server.origin)
    with quiet() as online, quiet(mode="local") as local:
        pass

    assert find(server.origin, online).state == "FINISHED"
    assert find(str(tmp_path / "own"), local).state == "FINISHED"


def test_settings_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "PROJECT": "p",
        "RUN_ID": "from-outside",
        "TAGS": "a, b,",
        "GROUP": "g",
        "JOB_TYPE": "eval",
        "MODE": "local",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"RUNATLAS_{name}", value)
    with quiet() as run:
        pass
    with quiet(experiment="other", run_hash="named", tags=[], group="h") as argued:
        pass

    seen = find(str(tmp_path / "own"), run)
    assert (seen.project, seen.id, seen.labels, seen.group, seen.job_type) == (
        "p",
        "from-outside",
        ["a", "b"],
        "g",
        "eval",
    )
    seen = find(str(tmp_path / "own"), argued)
    assert (seen.project, seen.id, seen.labels, seen.group) == ("other", "named", [], "h")


def test_a_workspace_can_be_named(tmp_path: Path) -> None:
    place = str(tmp_path / "store")
    backend = LocalBackend(place, create=True)
    backend.create_workspace("team")
    backend.close()
    with quiet(repo=place, workspace="team", experiment="p") as run:
        pass

    assert run.path.startswith("team/p/")
    assert Api(place).run(run.path).ok


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "sometimes"}, "mode"),
        ({"mode": "online"}, "mode: 'online' needs a server"),
        ({"mode": "local", "repo": "http://127.0.0.1:1"}, "mode: 'local'"),
        ({"repo": "nonsense:5170"}, "location"),
        ({"repo": 5}, "repo"),
        ({"experiment": " "}, "experiment"),
        ({"workspace": "a b"}, "workspace"),
        ({"run_hash": "a/b"}, "run_hash"),
        ({"tags": "text"}, "tags"),
        ({"tags": [5]}, "tags"),
        ({"tags": [""]}, "tags"),
        ({"config": 5}, "config"),
        ({"name": 5}, "name"),
        ({"read_only": "yes"}, "read_only"),
        ({"read_only": True}, "run_hash"),
        ({"strict": 1}, "strict"),
        ({"system_tracking_interval": 0}, "system_tracking_interval"),
        ({"api_key": "x"}, "api_key"),
    ],
)
def test_arguments_that_do_not_fit_are_told_at_once(options: dict[str, object], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        quiet(**options)


# -- offline ----------------------------------------------------------------------------------------------------


def record_everything(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "weights.bin"
    source.write_bytes(b"weights")
    run.log({"loss": 0.5, "image": Image([[1]], "caption")}, step=3)
    run.track(Text("hello"), name="text")
    run.log_info("message")
    run["lr"] = 0.1
    run.add_tag("t")
    run.name = "named"
    run.log_artifact(source)


def check_everything(seen: runatlas.Experiment) -> None:
    assert points(seen, "loss") == [(3, 0.5)]
    medias = seen.medias(["image", "text"], all=True).unwrap()
    assert medias["image"][0][0].caption == "caption"
    assert medias["image"][0][0].read().unwrap().startswith(b"\x89PNG")
    assert medias["text"][0][0].content == {"text": "hello"}
    assert log_lines(seen) == ["message"]
    assert (seen.config, seen.labels, seen.name, seen.state) == ({"lr": 0.1}, ["t"], "named", "FINISHED")
    assert seen.artifact("weights.bin").read().unwrap() == b"weights"


@pytest.mark.parametrize("to", ["its own directory", "another directory", "a server"])
def test_an_offline_run_is_sent_later(tmp_path: Path, server: ServerProcess, to: str) -> None:
    store = tmp_path / "store"
    run = quiet(repo=store, mode="offline", experiment="offline")
    record_everything(run, tmp_path)
    flushed = run.flush()
    run.close()

    assert (flushed.where, flushed.durable, bool(flushed)) == ("spool", True, True)
    assert run.health.spooled == 5
    assert not (store / "runatlas.db").exists()
    place, options = {
        "its own directory": (str(store), []),
        "another directory": (str(tmp_path / "other"), ["--to", str(tmp_path / "other")]),
        "a server": (server.origin, ["--host", server.origin]),
    }[to]
    done = CliRunner().invoke(main, ["sync", str(store), *options])
    assert (done.exit_code, done.stdout) == (0, f"{run.hash}: 5 records sent\n")
    check_everything(find(place, run))
    again = CliRunner().invoke(main, ["sync", str(store), *options])
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "nothing is left to send\n")


def test_automatic_steps_go_on_offline_behind_what_lies_in_the_spool(tmp_path: Path) -> None:
    def record(mode: str) -> None:
        with quiet(run_hash="r", repo=tmp_path, experiment="p", mode=mode) as run:
            for _ in range(2):
                run.log({"loss": 1.0}, context={"part": "a"})
                run.track(Text("x"), name="text")

    record("local")
    record("offline")
    record("offline")
    assert all(report.is_done for report in sync(tmp_path))
    project = Api(tmp_path, cache=False).workspace().unwrap().project("p")
    first = project.run("r").unwrap()
    assert points(first, "loss", {"part": "a"}) == [(step, 1.0) for step in (0, 0, 1, 1, 2, 3)]
    record("local")
    assert points(first.refresh(), "loss", {"part": "a"})[-2:] == [(4, 1.0), (5, 1.0)]


def test_an_offline_run_for_a_server_knows_where_it_belongs(tmp_path: Path, server: ServerProcess) -> None:
    run = quiet(repo=server.origin, mode="offline", experiment="offline")
    record_everything(run, tmp_path)
    run.close()

    done = CliRunner().invoke(main, ["sync", "--json"])
    assert '"is_done":true' in done.stdout
    check_everything(find(server.origin, run))


def test_an_offline_run_is_read_here_only(tmp_path: Path) -> None:
    with quiet(repo=tmp_path, mode="offline", config={"lr": 1}, tags=["t"]) as run:
        run["x"] = 2
        run.log({"a": 1})
        run.refresh()
        assert (run["lr"], run["x"], run.tags, run.state) == (1, 2, ["t"], "RUNNING")
        del run["x"]
        assert run.get("x") is None
        with pytest.raises(NotSupportedError, match="runatlas sync"):
            run.metrics()
        assert not run.metrics(["a"]).ok
    assert (run.state, run.duration is not None) == ("FINISHED", True)


def test_a_run_is_sent_while_it_goes_on(tmp_path: Path) -> None:
    with quiet(repo=tmp_path, mode="offline", experiment="p") as run:
        for step in range(30):
            run.log({"a": step})
            if step % 10 == 9:
                run.flush()
                (report,) = sync(tmp_path)
                assert (report.is_live, report.sent) == (True, 10)
                assert len(points(find(str(tmp_path), run), "a")) == step + 1
    assert find(str(tmp_path), run).state == "RUNNING"
    (report,) = sync(tmp_path)

    assert (report.is_live, report.is_done, report.sent) == (False, True, 0)
    assert points(find(str(tmp_path), run), "a") == [(step, float(step)) for step in range(30)]
    assert find(str(tmp_path), run).state == "FINISHED"
    assert list((tmp_path / "spool").iterdir()) == []


def test_sending_ends_though_the_run_writes_faster_than_it_is_sent(tmp_path: Path, server: ServerProcess) -> None:
    recorded = iter(range(100))
    with quiet(repo=tmp_path, mode="offline", experiment="p") as run, ExitStack() as stack:

        def record_and_relay(exchange: Exchange) -> None:
            for step in islice(recorded, 2):
                run.log({"a": step}, step=step)
                run.flush()
            relayed(server.origin)(exchange)

        between = stack.enter_context(faulty_server(record_and_relay))
        for step in islice(recorded, 3):
            run.log({"a": step}, step=step)
            run.flush()
        (report,) = sync(tmp_path, resolve(host=between.url))
        assert (report.is_live, report.is_done, report.sent) == (True, True, 3)


def test_changes_made_after_sending_stay(tmp_path: Path) -> None:
    with quiet(repo=tmp_path, mode="offline", experiment="p") as run:
        run.name = "first"
        run.flush()
        list(sync(tmp_path))
        find(str(tmp_path), run).update(name="second").unwrap()
        run.log({"a": 1})
    list(sync(tmp_path))

    assert find(str(tmp_path), run).name == "second"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "http://127.0.0.1:1", "--to", "x"], "either"),
        (["--key", "x"], "--host"),
        (["nowhere"], "does not exist"),
        (["--host", "x"], "host"),
    ],
)
def test_wrong_usage_of_sync(arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(main, ["sync", *arguments])
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_store_that_is_away_leaves_the_spool(tmp_path: Path) -> None:
    run = quiet(repo=tmp_path, mode="offline", experiment="p")
    run.log({"a": 1})
    run.close()
    done = CliRunner().invoke(main, ["sync", str(tmp_path), "--host", "http://127.0.0.1:1"])

    assert done.exit_code == 1
    assert done.stdout == f"{run.hash}: 0 records sent, the rest stays here\n"
    (report,) = sync(tmp_path)
    assert (report.sent, report.is_done) == (1, True)


# -- disabled ---------------------------------------------------------------------------------------------------


def test_a_disabled_run_keeps_nothing_and_takes_everything(tmp_path: Path) -> None:
    with quiet(repo=tmp_path / "store", mode="disabled", config={"lr": 1}) as run:
        record_everything(run, tmp_path)
        run.track(1, name="a", context={"b": 1})
        assert (run.name, run["lr"], run.tags, run.active) == ("named", 0.1, ["t"], True)
        assert run.flush().where == "nowhere"
        with pytest.raises(TypeError, match="no number"):
            run.log({"a": "text"})
        with pytest.raises(NotSupportedError):
            run.metrics()
    assert run.active is False
    assert not (tmp_path / "store").exists()
    with pytest.raises(RuntimeError):
        run.log({"a": 1})


# -- the module's own form --------------------------------------------------------------------------------------


def test_the_module_level_form(place: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="init"):
        runatlas.log({"a": 1})
    runatlas.finish()
    first = runatlas.init("one", repo=place, config={"lr": 1}, capture_terminal_logs=False)
    runatlas.log({"a": 1}, step=4)
    second = runatlas.init("two", run_id=f"own-{tmp_path.name}", repo=place, capture_terminal_logs=False)
    runatlas.log({"a": 2})
    runatlas.finish()

    assert (first.active, second.active) == (False, False)
    assert points(find(place, first), "a") == [(4, 1.0)]
    assert points(find(place, second), "a") == [(0, 2.0)]
    assert (first.experiment, second.hash) == ("one", f"own-{tmp_path.name}")
    with pytest.raises(TypeError, match="experiment"):
        runatlas.init("one", experiment="two", repo=place)
    with pytest.raises(TypeError):
        runatlas.init(colour="red")


def test_a_run_out_of_a_bad_call_is_not_left_open(make_run: Callable[..., Run]) -> None:
    with make_run() as run:
        assert runatlas.Run is type(run)
    with pytest.raises(RuntimeError):
        runatlas.log({"a": 1})
