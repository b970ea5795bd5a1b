"""What is kept when something breaks: everything that ``flush`` called durable, and nothing twice."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.forked import command
from support.patience import eventually
from support.program import run_program
from support.run_content import points
from support.server import ServerProcess, running_server
from support.training import check_values, find_run, finish, read_flushed, training

from runatlas import Api, Run
from runatlas.cli.main import main
from runatlas.model.ids import new_cuid
from runatlas.tracking.spool_frame import FILE_MARK, Frame, read_frames
from runatlas.tracking.sync import sync


@pytest.fixture
def spools(tmp_path: Path) -> Path:
    """Where runs to a server spool."""
    return tmp_path / "own"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


# -- killed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flushes", [1, 3])
def test_a_killed_program_loses_nothing_that_was_flushed(place: str, spools: Path, flushes: int) -> None:
    run_id = new_cuid()
    with training(place, run_id, "a", flush_every=500) as process:
        counts = [read_flushed(process) for _ in range(flushes)]
        process.send_signal(signal.SIGKILL)

    directory = spools if "://" in place else Path(place)
    list(sync(directory))
    assert {where for _, where in counts} == {"store"}
    run = find_run(place, run_id)
    check_values(run, "a", at_least=counts[-1][0])
    assert run.state == "RUNNING"
    assert list(sync(directory)) == []


def test_a_killed_offline_program_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    run_id, place = new_cuid(), tmp_path / "store"
    with training(str(place), run_id, "a", flush_every=500, mode="offline") as process:
        count, where = read_flushed(process)
        process.send_signal(signal.SIGKILL)

    (report,) = sync(place)
    assert (where, report.run, report.is_live, report.is_done) == ("spool", run_id, False, True)
    check_values(find_run(str(place), run_id), "a", at_least=count)


def test_a_killed_run_goes_on_under_its_hash(tmp_path: Path) -> None:
    run_id, place = new_cuid(), str(tmp_path / "store")
    with training(place, run_id, "a", flush_every=100) as process:
        read_flushed(process)
        process.send_signal(signal.SIGKILL)
    before = len(points(find_run(place, run_id), "a"))
    with Run(run_id, repo=place, capture_terminal_logs=False) as run:
        run.log({"a": before})

    check_values(find_run(place, run_id), "a", at_least=before + 1)
    assert find_run(place, run_id).state == "FINISHED"


# -- the server -------------------------------------------------------------------------------------------------


def test_a_server_that_is_killed_and_started_again(tmp_path: Path) -> None:
    port, directory, run_id = str(free_port()), tmp_path / "served", new_cuid()
    with running_server(directory, "--port", port) as server:
        run = Run(run_id, repo=server.origin, experiment="program", capture_terminal_logs=False)
        for step in range(1000):
            run.log({"a": step}, step=step)
        assert run.flush().where == "store"
        server.stop(signal.SIGKILL)
    for step in range(1000, 2000):
        run.log({"a": step}, step=step)
    away = run.flush(0.1)
    assert (away.where, away.durable) == ("spool", True)
    assert run.health.spooled == 1000
    with running_server(directory, "--port", port) as server:
        for step in range(2000, 3000):
            run.log({"a": step}, step=step)
        assert run.flush(60).where == "store"
        run.close()
        check_values(find_run(server.origin, run_id), "a", at_least=3000)
        assert find_run(server.origin, run_id).state == "FINISHED"
    assert run.health.dropped == 0


def test_a_server_that_is_away_for_the_whole_run(
    tmp_path: Path, spools: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port, run_id = free_port(), new_cuid()
    source = tmp_path / "file.bin"
    source.write_bytes(b"content")
    seeded = random.getstate()
    run = Run(
        run_id,
        repo=f"http://127.0.0.1:{port}",
        experiment="program",
        config={"lr": 0.1},
        tags=["t"],
        capture_terminal_logs=False,
    )
    for step in range(500):
        run.log({"a": step}, step=step)
    run["seed"] = 3
    run.name = "away"
    run.log_artifact(source)
    run.close(timeout=0.1)
    source.unlink()

    assert random.getstate() == seeded, "the program's own numbers would be others than with a server"
    assert run.health.spooled == 501
    assert run.health.dropped == 0
    told = [record.message for record in caplog.records if record.name == "runatlas"]
    assert sum("runatlas sync" in text for text in told) == 1
    with running_server(tmp_path / "served", "--port", str(port)) as server:
        done = CliRunner().invoke(main, ["sync", str(spools)])
        assert (done.exit_code, done.stdout) == (0, f"{run_id}: 501 records sent\n")
        seen = find_run(server.origin, run_id)
        check_values(seen, "a", at_least=500)
        assert (seen.config, seen.labels, seen.name, seen.state) == ({"lr": 0.1, "seed": 3}, ["t"], "away", "FINISHED")
        assert seen.artifact("file.bin").read().unwrap() == b"content"
        assert seen.created == run.created
        assert CliRunner().invoke(main, ["sync", str(spools)]).stdout == ""
    assert list((spools / "spool").iterdir()) == []


def test_a_key_that_is_refused_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_server(tmp_path / "served") as server:
        key = _make_key(server)
        run = Run(repo=server.origin, api_key="wrong" * 5, experiment="program", capture_terminal_logs=False)
        run.log({"a": 0})
        run.close(timeout=0.1)
        assert "401" in run.health.problem or "key" in run.health.problem.lower()
        monkeypatch.setenv("RUNATLAS_API_KEY", key)
        monkeypatch.setenv("RUNATLAS_API_HOST", server.origin)
        (report,) = sync(tmp_path / "own")
        assert (report.is_done, report.sent) == (True, 1)
        assert Api(server.origin, api_key=key).runs("ann/program").first() is not None


def _make_key(server: ServerProcess) -> str:
    return command("keys", "create", "ann", "--dir", server.directory).stdout.strip()


def test_a_run_that_is_deleted_while_it_is_written_is_kept_until_it_is_discarded(
    place: str, make_run: Callable[..., Run], spools: Path
) -> None:
    run = make_run(experiment="program")
    run.log({"a": 0})
    run.flush()
    Api(place).run(run.path).delete(commit=True).unwrap()
    run.log({"a": 1})
    run.close(timeout=0.5)

    directory = Path(place) if "://" not in place else spools
    (report,) = sync(directory)
    assert (report.is_done, report.sent) == (False, 0)
    assert "deleted" in report.problem
    (report,) = sync(directory, discard=True)
    assert report.is_done
    assert list(sync(directory)) == []


def test_a_run_that_somebody_moves_is_written_where_it_is(place: str, make_run: Callable[..., Run]) -> None:
    run = make_run(experiment="program")
    run.log({"a": 0})
    run.flush()
    api = Api(place, cache=False)
    api.create_project(run.workspace, f"other-{run.hash[:8]}").unwrap()
    moved = api.run(run.path).update(project=f"other-{run.hash[:8]}").unwrap()
    run.log({"a": 1})
    run.close()

    assert run.health.dropped == 0
    assert points(api.run(moved.path), "a") == [(0, 0.0), (1, 1.0)]
    assert api.run(moved.path).state == "FINISHED"


WAYS: dict[str, Callable[[Api, str, str], object]] = {
    "moved": lambda api, project, other: api.runs(project).move(other, create=True, commit=True).unwrap(),
    "renamed": lambda api, project, other: api.project(project).rename(other, commit=True).unwrap(),
    "merged": lambda api, project, other: (
        api.create_project(project.partition("/")[0], other).unwrap(),
        api.project(project).merge_into(other, commit=True).unwrap(),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_runs_whose_project_is_elsewhere_are_written_where_they_are(
    place: str, make_run: Callable[..., Run], way: str
) -> None:
    name = new_cuid()[:8]
    written = [make_run(experiment=f"program-{name}") for _ in range(5)]
    for run in written:
        run.log({"a": 0})
        run.flush()
    api = Api(place, cache=False)
    WAYS[way](api, f"{written[0].workspace}/program-{name}", f"other-{name}")
    for run in written:
        run.log({"a": 1})
        run.close()

    assert sum(run.health.dropped for run in written) == 0
    for run in written:
        found = api.run(f"{run.workspace}/other-{name}/{run.hash}")
        assert points(found, "a") == [(0, 0.0), (1, 1.0)]
        assert found.state == "FINISHED"


# -- many processes ---------------------------------------------------------------------------------------------


def test_two_processes_on_one_run(place: str) -> None:
    run_id = new_cuid()
    # The same key: whatever is lost or doubled shows in the count.
    with (
        training(place, run_id, "a", count=1000, flush_every=250) as first,
        training(place, run_id, "a", count=1000, flush_every=250) as second,
    ):
        assert [finish(first), finish(second)] == [0, 0]

    found = points(find_run(place, run_id), "a")
    assert found == [(step, float(step)) for step in range(1000) for _ in range(2)]


def test_32_processes_on_one_store(place: str, spools: Path) -> None:
    run_id = new_cuid()
    with training(place, run_id, "a", count=200, flush_every=50, processes=32) as process:
        assert finish(process) == 0

    for number in range(32):
        run = find_run(place, f"{run_id}-{number}")
        assert check_values(run, "a", at_least=200) == 200
        assert run.state == "FINISHED"
    assert list(sync(spools if "://" in place else Path(place))) == []


# -- the disk ---------------------------------------------------------------------------------------------------

_FULL_DISK = """
    import resource, signal, sys
    from runatlas import Run
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    mode, repo = sys.argv[1:]
    run = Run("full", repo=repo, mode=mode, experiment="program", capture_terminal_logs=False)
    run.log({"a": 0}, step=0)
    print(run.flush().where)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    step = 1
    for _ in range(12):
        for _ in range(10_000):
            run.log({"a": step}, step=step)
            step += 1
        run.flush(0.2)
    health = run.health
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    run.log({"a": step}, step=step)
    print(run.flush(60).where, health.queued + health.spooled, step + 1, run.health.dropped)
    run.close()
"""


@pytest.mark.parametrize("mode", ["local", "offline"])
def test_a_disk_that_is_full_for_a_while(tmp_path: Path, mode: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(_FULL_DISK))
    place = tmp_path / "store"
    done = run_program([sys.executable, program, mode, place], check=True, timeout=300)
    first, last = done.stdout.splitlines()
    where, waiting, logged, dropped = last.split()

    assert first == where == ("store" if mode == "local" else "spool")
    assert int(waiting) > 0
    list(sync(place))
    found = points(find_run(str(place), "full"), "a")
    assert len(found) == len(set(found)) == int(logged) - int(dropped)
    assert found[-1] == (int(logged) - 1, float(int(logged) - 1))


def test_what_a_full_disk_and_full_memory_lose_is_counted_and_told(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    text = textwrap.dedent(_FULL_DISK).replace("range(12)", "range(30)").replace("run.flush(0.2)", "run.flush(0.0)")
    program.write_text("import runatlas.tracking.send_queue as send_queue\nsend_queue.MEMORY_MAX = 2_000_000\n" + text)
    place = tmp_path / "store"
    done = subprocess.run(
        [sys.executable, str(program), "offline", str(place)], capture_output=True, text=True, check=True, timeout=300
    )
    _, _, logged, dropped = done.stdout.splitlines()[-1].split()

    assert int(dropped) > 0
    assert done.stderr.count("could not be kept and is lost") == 1
    assert f"{dropped} records are lost" in done.stderr
    list(sync(place))
    found = points(find_run(str(place), "full"), "a")
    assert len(found) == len(set(found)) == int(logged) - int(dropped)


def test_what_neither_store_nor_spool_took_waits_no_more_once_it_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "spool").touch()
    (tmp_path / "runatlas.db").write_bytes(b"not a database" * 1000)
    run = Run(repo=tmp_path, experiment="program", capture_terminal_logs=False)
    run.log({"a": 0})
    run.flush(0.1)
    run.close(timeout=0.5)
    health, told = run.health, [record.message for record in caplog.records if record.name == "runatlas"]
    assert (health.queued, health.spooled, health.sent) == (0, 0, 0)
    assert health.dropped > 0
    assert sum("closing waits up to 0.5 s for it" in text for text in told) == 1


def test_what_a_locked_store_does_not_take_is_on_the_disk_soon(tmp_path: Path) -> None:
    run = Run(repo=tmp_path, experiment="program", capture_terminal_logs=False)
    run.log({"a": 0})
    run.flush()
    with closing(sqlite3.connect(tmp_path / "runatlas.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        run.log({"a": 1})
        # Nobody asks for it: the thread that collects sees that the store is late.
        assert eventually(lambda: run.health.spooled == 1)
        other.execute("ROLLBACK")
    assert run.flush(60).where == "store"
    run.close()

    assert points(find_run(str(tmp_path), run.hash), "a") == [(0, 0.0), (1, 1.0)]
    assert list(sync(tmp_path)) == []


# -- the spool --------------------------------------------------------------------------------------------------


def offline_run(place: Path, batches: int) -> Path:
    """A run of ten points a batch; returns its spool."""
    run = Run("spooled", repo=str(place), mode="offline", experiment="program", capture_terminal_logs=False)
    for batch in range(batches):
        for step in range(batch * 10, batch * 10 + 10):
            run.log({"a": step}, step=step)
        run.flush()
    run.close()
    (spool,) = (place / "spool").glob("*.spool")
    return spool


def frames_of(spool: Path) -> list[Frame]:
    with spool.open("rb") as file:
        return [item for item in read_frames(file, len(FILE_MARK)) if isinstance(item, Frame)]


def test_a_truncated_spool_gives_what_is_whole(tmp_path: Path) -> None:
    spool = offline_run(tmp_path, batches=4)
    last = [frame for frame in frames_of(spool) if frame.kind == "batch"][-1]
    with spool.open("r+b") as file:
        file.truncate(last.offset + 40)

    (report,) = sync(tmp_path)
    assert (report.sent, report.damaged, report.is_done) == (30, 1, True)
    assert "cut off" in report.problem
    assert points(find_run(str(tmp_path), "spooled"), "a") == [(step, float(step)) for step in range(30)]


@pytest.mark.parametrize("place_in_frame", [0, 6, 10, 30, 200])
def test_a_damaged_record_costs_only_itself(tmp_path: Path, place_in_frame: int) -> None:
    spool = offline_run(tmp_path, batches=4)
    batch = [frame for frame in frames_of(spool) if frame.kind == "batch"][1]
    data = bytearray(spool.read_bytes())
    data[batch.offset + place_in_frame] ^= 0xFF
    spool.write_bytes(data)
    done = CliRunner().invoke(main, ["sync", str(tmp_path)])

    assert done.exit_code == 1
    assert done.stdout == "spooled: 30 records sent, 1 damaged\n"
    assert "hold no record" in done.stderr
    kept = [*range(10), *range(20, 40)]
    assert points(find_run(str(tmp_path), "spooled"), "a") == [(step, float(step)) for step in kept]
    assert find_run(str(tmp_path), "spooled").state == "FINISHED"


def test_a_damaged_beginning_is_there_twice(tmp_path: Path) -> None:
    spool = offline_run(tmp_path, batches=2)
    data = bytearray(spool.read_bytes())
    data[30] ^= 0xFF
    spool.write_bytes(data)

    (report,) = sync(tmp_path)
    assert (report.run, report.sent, report.damaged) == ("spooled", 20, 1)


@pytest.mark.parametrize("content", [b"something else", FILE_MARK, FILE_MARK + b"\x00" * 100])
def test_a_file_that_tells_nothing_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spool").mkdir()
    spool = tmp_path / "spool" / "x.spool"
    spool.write_bytes(content)
    done = CliRunner().invoke(main, ["sync", str(tmp_path)])

    assert done.exit_code == 1
    assert "x.spool" in done.stderr
    assert spool.read_bytes() == content


@pytest.mark.parametrize("content", [b"", bytes(743)], ids=["empty", "zeros"])
def test_a_spool_of_which_a_power_cut_left_nothing_is_done(tmp_path: Path, content: bytes) -> None:
    spool = tmp_path / "spool" / "x.spool"
    spool.parent.mkdir()
    spool.write_bytes(content)
    done = CliRunner().invoke(main, ["sync", str(tmp_path)])

    assert (done.exit_code, done.stderr) == (0, "nothing is left to send\n")
    assert not spool.exists()


@pytest.mark.parametrize("note", ["", "\0\0"], ids=["empty", "zeros"])
def test_a_note_of_what_was_sent_that_a_power_cut_emptied_keeps_nothing_back(tmp_path: Path, note: str) -> None:
    offline_run(tmp_path, batches=2).with_suffix(".sent").write_text(note)
    (report,) = sync(tmp_path)

    assert (report.problem, report.sent, report.is_done) == ("", 20, True)


# -- the clock --------------------------------------------------------------------------------------------------


def test_a_clock_that_goes_back_is_harmless(place: str) -> None:
    program = f"""
        import itertools, time
        ticks = itertools.count()
        real = time.time
        time.time = lambda: 1_700_000_000 - next(ticks) * 60
        from runatlas import Run
        run = Run("clock-{new_cuid()}", repo={place!r}, experiment="program", capture_terminal_logs=False)
        for step in range(100):
            run.track(step, name="a")
        print(run.flush().where, run.hash)
        run.close()
        assert run.duration >= 0
    """
    done = run_program([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=120)
    where, run_id = done.stdout.split()

    assert where == "store"
    run = find_run(place, run_id)
    assert check_values(run, "a", at_least=100) == 100
    assert run.state == "FINISHED"


# -- what is over after a while -----------------------------------------------------------------------------------


def test_a_store_that_others_hold_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runatlas.server.store.sqlite.BUSY_TIMEOUT_S", 0.05)
    run = Run(repo=tmp_path, experiment="program", capture_terminal_logs=False)
    run.log({"a": 0}, step=0)
    assert run.flush().where == "store"
    with closing(sqlite3.connect(tmp_path / "runatlas.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for step in range(1, 1000):
            run.log({"a": step}, step=step)
        # Long enough for an impatient sender to give everything up.
        held = run.flush(8)
        assert (held.where, held.durable, "locked" in held.problem) == ("spool", True, True)
        assert (run.health.spooled, run.health.dropped) == (999, 0)
        other.execute("ROLLBACK")
    assert run.flush(60).where == "store"
    assert run.health.problem == ""
    run.close()

    assert points(find_run(str(tmp_path), run.hash), "a") == [(step, float(step)) for step in range(1000)]


def test_a_store_that_fails_in_a_way_nobody_thought_of_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(repo=tmp_path, experiment="program", capture_terminal_logs=False)
    run.log({"a": 0}, step=0)
    run.flush()
    with closing(sqlite3.connect(tmp_path / "runatlas.db")) as other:
        other.execute("CREATE TRIGGER odd BEFORE INSERT ON chunks BEGIN SELECT RAISE(ABORT, 'not now'); END")
        run.log({"a": 1}, step=1)
        assert run.flush(7).where == "spool"
        assert (run.health.spooled, run.health.dropped) == (1, 0)
        other.execute("DROP TRIGGER odd")
    assert run.flush(60).where == "store"
    run.close()

    assert points(find_run(str(tmp_path), run.hash), "a") == [(0, 0.0), (1, 1.0)]


def test_a_spool_that_is_removed_is_told_and_counted(tmp_path: Path) -> None:
    place = tmp_path / "store"
    run = Run(repo=place, mode="offline", experiment="program", capture_terminal_logs=False)
    run.log({"a": 0})
    assert run.flush().where == "spool"
    shutil.rmtree(place)
    run.log({"a": 1})
    told = run.flush(1)
    assert (told.where, told.durable, told.dropped) == ("memory", False, 1)
    assert "removed" in told.problem
    run.close(1)

    assert (run.health.dropped, run.health.queued, place.exists()) == (2, 0, False)


def _remove_all(place: Path) -> None:
    shutil.rmtree(place)


def _remove_database(place: Path) -> None:
    for path in place.glob("runatlas.db*"):
        path.unlink()


def _remove_log(place: Path) -> None:
    (place / "runatlas.db-wal").unlink()


def _make_another(place: Path) -> None:
    shutil.rmtree(place)
    program = f"from runatlas import Run; Run('other', repo={str(place)!r}, experiment='other').close()"
    run_program([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("act", [_remove_all, _remove_database, _remove_log, _make_another])
def test_a_store_that_is_removed_takes_nothing_and_is_not_made_again(
    tmp_path: Path, act: Callable[[Path], None]
) -> None:
    place = tmp_path / "store"
    run = Run(repo=place, experiment="program", capture_terminal_logs=False)
    run.log({"a": 0}, step=0)
    assert run.flush().where == "store"
    act(place)
    names = sorted(path.name for path in place.glob("runatlas*"))
    for step in range(1, 11):
        run.log({"a": step}, step=step)
    # Nobody waits for what is gone for good: the test would take these two minutes.
    told = run.flush(120)
    during = run.health
    run.close(120)

    kept = place.exists()
    assert told.where == ("spool" if kept else "memory")
    assert "removed" in told.problem
    assert "removed" in during.problem
    assert (during.queued + during.spooled, during.dropped) == (10, 0)
    assert (run.health.spooled, run.health.dropped) == ((10, 0) if kept else (0, 10))
    assert sorted(path.name for path in place.glob("runatlas*")) == (["runatlas.db"] if "runatlas.db" in names else [])
    # What is left of the run does not become half a run of another store.
    for report in sync(place):
        assert (report.sent, report.is_done) == ((10, True) if act is _remove_log else (0, False))
        assert ("is gone" in report.problem) == (act is _remove_database)
    assert sorted(path.name for path in place.glob("runatlas.db")) == [name for name in names if name == "runatlas.db"]
    if act is _remove_database:
        assert [report.is_done for report in sync(place, discard=True)] == [True]
        assert list(sync(place)) == []


def test_a_spool_that_is_removed_is_written_anew(tmp_path: Path, spools: Path) -> None:
    port = str(free_port())
    with running_server(tmp_path / "served", "--port", port) as server:
        run = Run(repo=server.origin, experiment="program", capture_terminal_logs=False)
        run.log({"a": 0}, step=0)
        run.flush()
    run.log({"a": 1}, step=1)
    assert run.flush(0.1).where == "spool"
    shutil.rmtree(spools / "spool")
    run.log({"a": 2}, step=2)
    again = run.flush(0.1)
    assert (again.where, again.dropped, run.health.spooled) == ("spool", 0, 2)
    run.close(0.1)
    with running_server(tmp_path / "served", "--port", port) as server:
        (report,) = sync(spools)
        assert (report.sent, report.is_done) == (2, True)
        check_values(find_run(server.origin, run.hash), "a", at_least=3)
