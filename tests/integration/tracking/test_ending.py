"""How a run ends: the state behind all it closes, and the ends that Python lets one know."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest
from support.forked import command
from support.patience import eventually
from support.program import Program
from support.run_content import log_lines, points

from runatlas import Api, Experiment, Run
from runatlas.model.batch import Batch
from runatlas.model.run import RunPatch
from runatlas.tracking.entry import Head, body_of, count_body
from runatlas.tracking.spool import find_spools
from runatlas.tracking.spool_frame import Frame
from runatlas.tracking.sync import sync


def written(directory: Path) -> list[Batch | RunPatch]:
    """What the one spool in a directory holds, in its order: the order in which a store gets it."""
    (left,) = find_spools(directory / "spool")
    bodies = [body_of(item) for item in left.frames() if isinstance(item, Frame) and item.kind != "sent"]
    return [body for body in bodies if not isinstance(body, Head)]


def started(text: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program that records."""
    head = "import os, signal, sys, threading, time\nimport runatlas\nfrom runatlas import Run\nplace = sys.argv[1]\n"
    # From Python 3.12 on it warns of forks where there are threads.
    command = [sys.executable, "-W", "ignore", "-c", head + textwrap.dedent(text), *arguments]
    return Program(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a program's end."""
    with process:
        try:
            told, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, told, errors


def find(place: str, run_id: str) -> Experiment:
    return Api(place, cache=False).workspace().unwrap().project("default").run(run_id).unwrap()


# -- the order --------------------------------------------------------------------------------------------------------


def test_the_last_state_comes_behind_all_that_it_closes(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"0123")
    with Run(repo=tmp_path, mode="offline") as run:
        run.log({"loss": 1.0})
        run.log_artifact(tmp_path / "weights.bin")
        run["late"] = 1
        print("the last line, without an end", end="")
    *before, last = written(tmp_path)

    assert isinstance(last, RunPatch)
    assert last.state == "FINISHED"
    assert not any(isinstance(body, RunPatch) and body.state is not None for body in before)
    batches = [body for body in before if isinstance(body, Batch)]
    assert sum(count_body(batch) for batch in batches) == 3
    assert [line.message for batch in batches for line in batch.logs] == ["the last line, without an end"]
    assert [file.name for batch in batches for file in batch.artifacts] == ["weights.bin"]


def test_a_state_that_is_set_keeps_its_place(tmp_path: Path) -> None:
    with Run(repo=tmp_path, mode="offline", capture_terminal_logs=False) as run:
        run.log({"loss": 1.0})
        run.update(state="CRASHED")
        run.log({"loss": 2.0})
        run.update(state="RUNNING")
    told = [body.state if isinstance(body, RunPatch) else count_body(body) for body in written(tmp_path)]

    assert told == [1, "CRASHED", 1, "RUNNING", "FINISHED"] or told == [1, "CRASHED", 1, "FINISHED"]


def test_an_end_that_is_not_taken_keeps_no_number_from_the_store(tmp_path: Path) -> None:
    run = Run(repo=tmp_path, capture_terminal_logs=False)
    with closing(sqlite3.connect(tmp_path / "runatlas.db")) as other:
        other.execute("CREATE TRIGGER odd BEFORE UPDATE OF error ON runs BEGIN SELECT RAISE(ABORT, 'not now'); END")
        run.log({"loss": 1.0})
        run.fail("no", timeout=5)
        other.execute("DROP TRIGGER odd")
    seen = find(str(tmp_path), run.hash)
    assert (seen.state, len(points(seen, "loss"))) == ("RUNNING", 1)
    assert [report.is_done for report in sync(tmp_path)] == [True]
    assert (seen.refresh().state, seen.crash_message) == ("CRASHED", "no")


def test_who_did_not_end_his_runs_can_end_them_later(place: str) -> None:
    runs = [Run(f"r{number}", repo=place, experiment="left", capture_terminal_logs=False) for number in range(4)]
    for run in runs:
        run.close()
    api = Api(place, cache=False)
    project = api.workspace().unwrap().project("left")
    ended = project.run("r0").unwrap()

    ended.update(state="ABORTED", error="the machine was taken away").unwrap()
    assert (ended.state, ended.crash_message, ended.finished_at is None) == (
        "ABORTED",
        "the machine was taken away",
        False,
    )
    assert project.runs("id in ['r1', 'r2']").update(state="CRASHED").unwrap().total == 2
    where = ["--host" if place.startswith("http") else "--dir", place]
    command("api", "update", project.run("r3").path, "--state", "FINISHED", *where).check_returncode()
    assert {run.id: run.state for run in project.runs().refresh()} == {
        "r0": "ABORTED",
        "r1": "CRASHED",
        "r2": "CRASHED",
        "r3": "FINISHED",
    }
    assert ended.update(state="RUNNING").unwrap().finished_at is None
    with pytest.raises(ValueError, match="state: 'DONE' is not one of"):
        ended.update(state="DONE")  # type: ignore[call-overload]


# -- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_run_that_is_told_to_end_is_aborted_and_whole(place: str, name: str) -> None:
    number = getattr(signal, name)
    process = started(
        """
        run = Run("told-" + sys.argv[2], repo=place)
        print("the first line", flush=True)
        for step in range(1000):
            run.log({"a": step}, step=step)
        print("ready", flush=True)
        while True:
            time.sleep(0.1)  # a signal that comes just before a long sleep is seen after it
        """,
        place,
        name,
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["the first line\n", "ready\n"]
    process.send_signal(number)
    code, _, errors = ended(process)
    seen = find(place, f"told-{name}")

    assert (code, errors) == (-number, "")
    assert (seen.state, seen.crash_message) == ("ABORTED", f"ended by {name}")
    assert len(points(seen, "a")) == 1000
    assert log_lines(seen) == ["the first line", "ready"]


_WORKER = """
import multiprocessing

def work(place, act):
    run = Run("slept", repo=place, capture_terminal_logs=False)
    run.log({"a": 1})
    act(run)

def in_a_worker(act, method="fork"):
    worker = multiprocessing.get_context(method).Process(target=work, args=(place, act))
    worker.start()
    worker.join()
    return worker.exitcode
"""


def test_a_signal_that_a_worker_sleeps_through_ends_it(tmp_path: Path) -> None:
    # As one does that comes between Python's last look for signals and the beginning of the wait.
    code, told, errors = ended(
        started(
            _WORKER
            + textwrap.dedent(
                """
                def end(waits_at):
                    while sys._current_frames()[threading.main_thread().ident].f_lineno != waits_at:
                        time.sleep(0.01)
                    time.sleep(0.1)
                    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

                def sleep(run):
                    lock = threading.Lock()
                    lock.acquire()
                    threading.Thread(target=end, args=[sys._getframe().f_lineno + 1], daemon=True).start()
                    lock.acquire()

                print(in_a_worker(sleep))
                """
            ),
            str(tmp_path),
        )
    )
    assert (code, told, errors) == (0, f"{-signal.SIGTERM}\n", "")
    assert (find(str(tmp_path), "slept").state, len(points(find(str(tmp_path), "slept"), "a"))) == ("ABORTED", 1)


def test_runs_of_a_worker_leave_no_thread_no_file_and_what_it_hears_signals_by(tmp_path: Path) -> None:
    code, told, errors = ended(
        started(
            _WORKER
            + textwrap.dedent(
                """
                def use(run):
                    run.close()
                    used = []
                    for _ in range(20):
                        Run(repo=place, capture_terminal_logs=False).close()
                        used.append((threading.active_count(), len(os.listdir("/proc/self/fd"))))
                    print(set(used[1:]) == {(1, used[-1][1])})
                    ear, mouth = os.pipe()
                    os.set_blocking(mouth, False)

                    # The program's own stays, whether it was there before a run or came while one was open.
                    run = Run(repo=place, capture_terminal_logs=False)
                    print(signal.set_wakeup_fd(mouth) not in {-1, mouth})
                    run.close()
                    Run(repo=place, capture_terminal_logs=False).close()
                    is_own, left = signal.set_wakeup_fd(-1) == mouth, signal.getsignal(signal.SIGURG)
                    print(is_own, left == signal.SIG_DFL, flush=True)

                    # Left set by one who closed it.
                    signal.set_wakeup_fd(mouth)
                    os.close(mouth)
                    Run(repo=place, capture_terminal_logs=False).close()

                print(in_a_worker(use))
                """
            ),
            str(tmp_path),
        )
    )
    assert (code, told, errors) == (0, "True\nTrue\nTrue True\n0\n", "")


def test_a_program_keeps_its_own_handlers(tmp_path: Path) -> None:
    code, told, errors = ended(
        started(
            """
            def own(number, frame):
                print("own", flush=True)
                signal.signal(number, before)
                os.kill(os.getpid(), number)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            first = Run("first", repo=place, capture_terminal_logs=False)
            print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)
            first.close()
            print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
            run = Run("second", repo=place, capture_terminal_logs=False)
            before = signal.signal(signal.SIGTERM, own)
            run.log({"a": 1})
            os.kill(os.getpid(), signal.SIGTERM)
            """,
            str(tmp_path),
        )
    )
    assert (code, told.split(), errors) == (-signal.SIGTERM, ["True", "True", "own"], "")
    assert find(str(tmp_path), "second").state == "ABORTED"


@pytest.mark.parametrize(("call", "state"), [("close", "FINISHED"), ("flush", "ABORTED")])
def test_a_signal_ends_a_call_that_waits_for_the_store_and_loses_nothing(tmp_path: Path, call: str, state: str) -> None:
    process = started(
        """
        run = Run("r", repo="http://127.0.0.1:9", capture_terminal_logs=False)
        run.log({"a": 1})
        assert run.flush(0.0).where == "spool"
        print("waiting", flush=True)
        getattr(run, sys.argv[1])(3600)
        """,
        call,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    spools = Path(os.environ["RUNATLAS_DIR"])
    if call == "close":
        assert eventually(lambda: getattr(written(spools)[-1], "state", None) == state), "it has begun to close"
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == -signal.SIGTERM
    *before, last = written(spools)
    assert (sum(count_body(body) for body in before), getattr(last, "state", None)) == (1, state)


def test_workers_of_a_pool_that_is_ended_die_at_once_and_leave_the_run_open(tmp_path: Path) -> None:
    code, told, errors = ended(
        started(
            """
            import multiprocessing
            run = Run("r", repo=place, capture_terminal_logs=False)
            run.log({"a": 1})
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(sum(pool.map(abs, [-1, -2])))
                workers = pool._pool
            pool.join()
            print({worker.exitcode for worker in workers} <= {0, -signal.SIGTERM}, run.state)
            """,
            str(tmp_path),
        )
    )
    assert (code, told.split("\n"), errors) == (0, ["3", "True RUNNING", ""], "")
    assert find(str(tmp_path), "r").state == "FINISHED"


def test_a_child_that_is_told_to_end_before_it_has_begun_touches_nothing_of_its_parent(tmp_path: Path) -> None:
    code, told, errors = ended(
        started(
            """
            run = Run("r", repo=place, capture_terminal_logs=False)
            run.log({"a": 1})
            run.flush()
            # On one core the child comes after what its parent does next.
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            ends = set()
            for _ in range(10):
                child = os.fork()
                if child == 0:
                    time.sleep(20)
                    os._exit(9)
                os.kill(child, signal.SIGTERM)
                ends.add(os.waitpid(child, 0)[1])
            print(ends == {signal.SIGTERM}, run.state)
            """,
            str(tmp_path),
        )
    )
    assert (code, told, errors) == (0, "True RUNNING\n", "")
    assert find(str(tmp_path), "r").state == "FINISHED"


# -- exits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "state"),
    [
        ("sys.exit(3)", 3, "CRASHED"),
        ("sys.exit('no data')", 1, "CRASHED"),
        ("def main():\n  with open(os.devnull): sys.exit(3)\nmain()", 3, "CRASHED"),
        ("try: sys.exit(3)\nfinally: print()", 3, "CRASHED"),
        ("sys.exit()", 0, "FINISHED"),
        ("try: sys.exit(3)\nexcept SystemExit: pass\nprint()", 0, "FINISHED"),
        ("def main():\n  try: sys.exit(3)\n  except SystemExit: return 0\nsys.exit(main())", 0, "FINISHED"),
        ("thread = threading.Thread(target=sys.exit, args=(3,))\nthread.start()\nthread.join()", 0, "FINISHED"),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\nos.kill(os.getpid(), 15)", 143, "CRASHED"),
    ],
)
def test_an_exit_code_tells_how_a_run_ended(tmp_path: Path, text: str, code: int, state: str) -> None:
    head = 'runatlas.init(run_id="r", repo=place, capture_terminal_logs=False)\nrunatlas.log({"a": 1})\n'
    process = Program(
        [
            sys.executable,
            "-c",
            f"import os, signal, sys, threading, runatlas\nplace = sys.argv[1]\n{head}{text}",
            str(tmp_path),
        ]
    )
    assert process.wait(60) == code
    assert find(str(tmp_path), "r").state == state


def test_strict_runs_that_raise_at_exit_keep_nobody_from_ending(tmp_path: Path) -> None:
    code, _, errors = ended(
        started(
            """
            options = {"repo": place, "capture_terminal_logs": False}
            runs = [Run(f"r{number}", strict=number < 3, **options) for number in range(4)]
            for run in runs:
                run.log({"a": 1})
            for run in runs:
                run.flush()
                run.log({"a": 2})
                run._recorder.losses.fail("the disk is full")
            """,
            str(tmp_path),
        )
    )
    assert (code, ": the disk is full" in errors) == (0, True)
    assert [find(str(tmp_path), f"r{number}").state for number in range(4)] == ["FINISHED"] * 4


def test_an_interrupt_ends_the_wait_of_all_runs(tmp_path: Path) -> None:
    process = started(
        """
        runs = [Run(f"r{number}", repo="http://127.0.0.1:9", capture_terminal_logs=False) for number in range(3)]
        for run in runs:
            run.log({"a": 1})
            assert run.flush().where == "spool"
        """,
        str(tmp_path),
    )
    assert process.stderr is not None
    assert any("closing waits" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _, _, errors = ended(process)
    assert errors.count("closing waits up to 0 s") == 2
    for left in find_spools(Path(os.environ["RUNATLAS_DIR"]) / "spool"):
        bodies = [body_of(item) for item in left.frames() if isinstance(item, Frame) and item.kind != "sent"]
        assert [getattr(body, "state", None) for body in bodies][-1] == "FINISHED"
        assert sum(count_body(body) for body in bodies) == 1


def test_closing_a_run_that_was_deleted_waits_for_nothing(place: str) -> None:
    run = Run("gone", repo=place, capture_terminal_logs=False)
    run.log({"a": 1})
    run.flush()
    Api(place, cache=False).run(run.path).delete(commit=True).unwrap()
    run.log({"a": 2})
    run.close(timeout=3600)
    spools = Path(run.health.spool or "").parent.parent
    done = command("sync", spools)

    assert "gone" in run.health.problem
    assert (done.returncode, "was deleted" in done.stderr, "--discard" in done.stderr) == (1, True, True)
    assert command("sync", spools, "--discard").returncode == 0


# -- notebooks --------------------------------------------------------------------------------------------------------


def test_a_failed_cell_shows_until_something_is_recorded_again(tmp_path: Path) -> None:
    code, told, errors = ended(
        started(
            """
            import types

            class Shell:  # what of IPython's shell is used
                def __init__(self):
                    self.events, self.heard = self, []
                def register(self, name, callback):
                    assert name == "post_run_cell"
                    self.heard.append(callback)
                def end_cell(self, error=None):
                    result = types.SimpleNamespace(error_before_exec=None, error_in_exec=error)
                    for callback in self.heard:
                        callback(result)

            shell = Shell()
            module = sys.modules["IPython"] = types.ModuleType("IPython")
            module.get_ipython = lambda: shell
            def stored():
                run.flush()
                return runatlas.Api(place, cache=False).run(run.path).unwrap().state

            run = Run("r", repo=place, capture_terminal_logs=False)
            shell.end_cell()
            run.log({"a": 1})
            shell.end_cell(ValueError("no such column"))
            print(run.state, stored())
            shell.end_cell()
            print(run.state, stored())
            print("a line is no record")
            run._recorder.put((0.0, {"__system__cpu": 1.0}, None, None, ()))  # neither is what the tracker measures
            print(stored())
            run.log({"a": 2})
            print(stored(), run.state)  # while the cell goes on, which may be for hours
            shell.end_cell()
            print(run.state, stored())
            shell.end_cell(KeyboardInterrupt())
            print(run.state, stored(), len(shell.heard))
            """,
            str(tmp_path),
        )
    )
    assert (code, errors) == (0, "")
    assert told.split("\n") == [
        *["CRASHED CRASHED"] * 2,
        *("a line is no record", "CRASHED", "RUNNING RUNNING", "RUNNING RUNNING", "ABORTED ABORTED 1", ""),
    ]
    assert find(str(tmp_path), "r").state == "ABORTED"


def test_lines_are_kept_before_anything_else_is_recorded(tmp_path: Path) -> None:
    process = started(
        """
        run = Run("r", repo=place)
        for number in range(4):
            print("loading", number, file=(sys.stdout, sys.stderr)[number % 2], flush=True)
        before = runatlas.Api(place, cache=False).run(run.path)
        while len(before.logs(all=True).data) < 4:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        str(tmp_path),
    )
    assert ended(process)[0] == -signal.SIGKILL
    assert log_lines(find(str(tmp_path), "r")) == [f"loading {number}" for number in range(4)]


# -- silence ----------------------------------------------------------------------------------------------------------


def test_a_long_step_is_no_crash_and_a_killed_process_is_one_until_its_next_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNATLAS_HEARTBEAT_TIMEOUT", "5")
    process = started("""
        run = Run("long", repo=place, capture_terminal_logs=False)
        run.log({"a": 1})
        run.flush()
        print("begun", flush=True)
        sys.stdin.read()
    """, str(tmp_path))  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        begun = time.monotonic()
        while time.monotonic() - begun < 8:
            assert find(str(tmp_path), "long").state == "RUNNING"
            time.sleep(0.2)
        process.kill()
    while find(str(tmp_path), "long").state != "CRASHED":
        time.sleep(0.2)
    with Run("long", repo=tmp_path, capture_terminal_logs=False) as again:
        again.log({"a": 2})
        again.flush()
        assert find(str(tmp_path), "long").state == "RUNNING"
