"""Threads, forks, other processes, and the ends that a process can come to."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.program import run_program
from support.run_content import log_lines, points, series_keys

from runatlas import Api, Experiment, Run
from runatlas.objects import Text
from runatlas.tracking.sync import sync

Make = Callable[..., Run]
Stored = Callable[[Run], Experiment]


def program(
    text: str, *arguments: str, code: int = 0, run: Callable[..., Any] = run_program
) -> subprocess.CompletedProcess[str]:
    """Run a program that records."""
    head = "import sys, os, threading\nfrom runatlas import Run\nimport runatlas\nplace = sys.argv[1]\n"
    command = [sys.executable, "-c", head + textwrap.dedent(text), *arguments]
    done: subprocess.CompletedProcess[str] = run(command, timeout=120)
    assert done.returncode == code, done.stderr
    return done


def program_anew(text: str, *arguments: str) -> None:
    """Run a program whose interpreter has imported nothing before."""
    program(text, *arguments, run=partial(subprocess.run, capture_output=True, text=True, check=False))


def find(place: str, run_id: str, project: str = "default") -> Experiment:
    return Api(place, cache=False).workspace().unwrap().project(project).run(run_id).unwrap()


# -- threads ----------------------------------------------------------------------------------------------------


def test_many_threads_record_at_once(make_run: Make, stored: Stored) -> None:
    def work(number: int) -> None:
        for step in range(500):
            run.log({f"own{number}": step, "shared": number}, step=step)
            run.track(step, name="auto")
            if step % 100 == 0:
                run[f"p{number}.{step}"] = step
                run.add_tag(f"t{number}")
                assert run.flush()

    with make_run() as run:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    seen = stored(run)
    for number in range(4):
        assert points(seen, f"own{number}") == [(step, float(step)) for step in range(500)]
    assert len(points(seen, "shared")) == 2000
    # Automatic steps are given once each, whoever records.
    assert [step for step, _ in points(seen, "auto")] == list(range(2000))
    assert sorted(seen.labels) == ["t0", "t1", "t2", "t3"]
    assert len(seen.config) == 4


# -- forks ------------------------------------------------------------------------------------------------------


def test_a_forked_child_writes_to_the_same_run(place: str) -> None:
    done = program(
        """
        run = Run("forked-" + sys.argv[2], repo=place, config={"lr": 1}, capture_terminal_logs=False)
        for step in range(100):
            run.log({"parent": step}, step=step)
        run["lr"] = 2
        run.flush()
        child = os.fork()
        if not child:
            for step in range(100):
                run.log({"child": step}, step=step)
            run.add_tag("child")
            assert run.flush().where == "store", run.health
            run.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        seen = run.state
        for step in range(100, 200):
            run.log({"parent": step}, step=step)
        run.flush()
        print(seen, run.path)
        run.close()
        """,
        place,
        Path(place).name.replace(":", "-") + str(os.getpid()),
    )
    state, path = done.stdout.split()

    seen = Api(place, cache=False).run(path).unwrap()
    assert state == "RUNNING"
    assert points(seen, "parent") == [(step, float(step)) for step in range(200)]
    assert points(seen, "child") == [(step, float(step)) for step in range(100)]
    assert (seen.config, seen.labels, seen.state) == ({"lr": 2}, ["child"], "FINISHED")


def test_what_the_parent_had_queued_is_sent_once(place: str) -> None:
    done = program(
        """
        run = Run(repo=place, capture_terminal_logs=False)
        run.log({"a": 0})
        run.flush()
        run.log({"a": 1})
        children = []
        for _ in range(3):
            child = os.fork()
            if not child:
                run.log({"b": 1}, step=1)
                run.flush()
                os._exit(0)
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
        print(run.path)
        """,
        place,
    )
    seen = Api(place, cache=False).run(done.stdout.strip()).unwrap()

    assert points(seen, "a") == [(0, 0.0), (1, 1.0)]
    assert points(seen, "b") == [(1, 1.0)] * 3
    assert seen.state == "FINISHED"


def test_workers_of_multiprocessing_write_what_they_flush(tmp_path: Path) -> None:
    path = tmp_path / "pool.py"
    path.write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys
            from runatlas import Run

            def work(task):
                run, number = task
                run.log({"a": number}, step=number)
                return run.flush().where

            if __name__ == "__main__":
                run = Run("pooled", repo=sys.argv[1], capture_terminal_logs=False)
                with multiprocessing.get_context(sys.argv[2]).Pool(2) as pool:
                    assert set(pool.map(work, [(run, number) for number in range(6)])) == {"store"}
                run.close()
            """
        )
    )
    for method in ("fork", "spawn"):
        place = str(tmp_path / method)
        run_program([sys.executable, path, place, method], check=True, timeout=120)
        assert points(find(place, "pooled"), "a") == [(number, float(number)) for number in range(6)]
        assert find(place, "pooled").state == "FINISHED"


def test_a_child_that_records_nothing_leaves_nothing(tmp_path: Path) -> None:
    program(
        """
        run = Run("quiet", repo=place)
        run.log({"a": 0})
        child = os.fork()
        if not child:
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """,
        str(tmp_path),
    )
    assert points(find(str(tmp_path), "quiet"), "a") == [(0, 0.0)]
    assert find(str(tmp_path), "quiet").state == "FINISHED"
    assert list(sync(tmp_path)) == []


def test_a_pickled_run_goes_on_elsewhere_and_does_not_end_it(place: str, make_run: Make, stored: Stored) -> None:
    with make_run(experiment="p") as run:
        run.log({"a": 0})
        run.flush()
        other = pickle.loads(pickle.dumps(run))
        other.log({"a": 1})
        other.close()
        assert stored(run).state == "RUNNING"

    assert points(stored(run), "a") == [(0, 0.0), (1, 1.0)]
    reader = pickle.loads(pickle.dumps(run))
    with pytest.raises(RuntimeError):
        reader.log({"a": 2})


# -- ends -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "state", "error"),
    [
        ("pass", 0, "FINISHED", ""),
        ("sys.exit(0)", 0, "FINISHED", ""),
        ("1 / 0", 1, "CRASHED", "ZeroDivisionError: division by zero"),
        ("raise KeyboardInterrupt", None, "ABORTED", "interrupted from the keyboard"),
    ],
)
def test_a_run_ends_with_its_process(place: str, text: str, code: int | None, state: str, error: str) -> None:
    head = 'run = Run(repo=place)\nprint(run.path)\nsys.stdout.flush()\nfor i in range(1000): run.log({"a": i})\n'
    command = "import sys\nfrom runatlas import Run\nplace = sys.argv[1]\n" + head + text
    done = run_program([sys.executable, "-c", command, place], timeout=120)
    assert code in {None, done.returncode}, done.stderr
    seen = Api(place, cache=False).run(done.stdout.split()[0]).unwrap()

    assert (seen.state, error in seen.crash_message) == (state, True)
    assert len(points(seen, "a")) == 1000
    assert log_lines(seen)[0] == seen.path


def test_nothing_is_lost_when_the_first_thing_is_recorded_at_exit(tmp_path: Path) -> None:
    program_anew(
        """
        import atexit
        atexit.register(lambda: (run.log({"a": 1}), run.close()))
        run = Run("late", repo=place, capture_terminal_logs=False)
        """,
        str(tmp_path),
    )
    program_anew(
        """
        import atexit
        run = Run("later", repo=place, capture_terminal_logs=False)
        atexit.register(lambda: (run.log({"a": 1}), run.close()))
        """,
        str(tmp_path),
    )
    assert find(str(tmp_path), "late").state == "FINISHED"
    assert points(find(str(tmp_path), "later"), "a") == [(0, 1.0)]


def test_several_runs_of_one_process_end_together(tmp_path: Path) -> None:
    program(
        """
        for number in range(4):
            globals()[f"run{number}"] = Run(f"r{number}", repo=place)
            globals()[f"run{number}"].log({"a": number})
        print("heard by all")
        """,
        str(tmp_path),
    )
    for number in range(4):
        seen = find(str(tmp_path), f"r{number}")
        assert (points(seen, "a"), log_lines(seen), seen.state) == ([(0, float(number))], ["heard by all"], "FINISHED")


# -- training goes on -------------------------------------------------------------------------------------------


def test_training_does_not_wait_for_a_server_that_hangs(tmp_path: Path) -> None:
    done = program(
        """
        import socket, time
        listener = socket.create_server(("127.0.0.1", 0))
        os.environ["RUNATLAS_HTTP_TIMEOUT"] = "1"
        run = Run(repo=f"http://127.0.0.1:{listener.getsockname()[1]}", capture_terminal_logs=False)
        begun = time.monotonic()
        for step in range(2000):
            run.log({"a": step}, step=step)
        print(run.flush(0.1).where, time.monotonic() - begun < 10, run.health.spooled + run.health.queued)
        run.close(timeout=0.1)
        """,
        str(tmp_path),
    )
    assert done.stdout == "spool True 2000\n"
    assert done.stderr.count("runatlas: run") == 2


def test_a_strict_run_raises_what_others_only_count(tmp_path: Path) -> None:
    done = program(
        """
        from runatlas.tracking.health import TrackingError
        try:
            Run(repo="http://127.0.0.1:1", strict=True)
        except TrackingError as error:
            print("opening:", "cannot be reached" in str(error) or "127.0.0.1" in str(error))
        class Bad:
            def json(self): raise OSError("no")
        run = Run(repo=place, strict=True, capture_terminal_logs=False)
        run.track(Bad(), name="x")
        for verb in (run.flush, lambda: run.log({"a": 1}), lambda: run.log_info("x"), run.close):
            try:
                verb()
            except TrackingError as error:
                print("x" in str(error))
        print(run.state)
        """,
        str(tmp_path),
    )
    assert done.stdout.split() == ["opening:", "True", "True", "True", "True", "True", "FINISHED"]


def test_more_than_the_queue_holds_is_counted(tmp_path: Path) -> None:
    done = program(
        """
        import runatlas.tracking.recorder as recorder, runatlas.tracking.run as run_module
        recorder.QUEUE_MAX = run_module.QUEUE_MAX = 100
        run = Run("full", repo=place, capture_terminal_logs=False)
        run.log({"a": 0})
        run.flush()
        recorder_ = run._recorder
        with recorder_._collecting:
            for step in range(1, 150):
                run.log({"a": step}, step=step)
        run.flush()
        print(run.health.dropped)
        run.close()
        """,
        str(tmp_path),
    )
    assert done.stdout == "49\n"
    assert done.stderr.count("more was recorded than could be written away") == 2
    assert len(points(find(str(tmp_path), "full"), "a")) == 101


def test_silence_can_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'run = Run(repo="http://127.0.0.1:1", capture_terminal_logs=False)\nrun.log({"a": 1})\nrun.close(timeout=0)'
    assert "runatlas sync" in program(text, str(tmp_path)).stderr
    monkeypatch.setenv("RUNATLAS_SILENT", "1")
    assert program(text, str(tmp_path)).stderr == ""


def test_names_that_only_a_store_refuses_cost_only_themselves(make_run: Make, stored: Stored) -> None:
    with make_run() as run:
        run.log({"good": 1, "clash": 1})
        run.flush()
        run.track(Text("x"), name="clash", step=1)
        run.log({"good": 2})
        run.flush()
        assert (run.health.dropped, "clash" in run.health.problem) == (1, True)

    assert points(stored(run), "good") == [(0, 1.0), (1, 2.0)]
    assert series_keys(stored(run)) == ["clash", "good"]
