"""Children of processes that have a directory open: nothing of the parent is used, and nothing is lost."""

from __future__ import annotations

import signal
import sys
import textwrap
from pathlib import Path

import pytest
from support.examples import examples
from support.patience import eventually
from support.program import run_program
from support.run_content import points

from runatlas import Api, Experiment

FORKS = examples(20)
"""How often a process is forked at random moments."""

_HEAD = '''
import contextlib, multiprocessing, os, signal, sys, threading, time
import runatlas
from runatlas import Api, Run

place = sys.argv[1]

READ = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1] + "/runatlas.db")
store.execute("SELECT count(*) FROM runs").fetchall()
store.close()
"""

def make(run_id="r", **options):
    return Run(run_id, repo=place, experiment="p", capture_terminal_logs=False, **options)

def wait(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def started(place):
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{process}/cmdline", "rb") as file:  # others end meanwhile
            if place.encode() in file.read().split(b"\\0")[3:4]:
                return int(process)
'''


def program(path: Path, text: str, *arguments: str, end: int = 0) -> list[str]:
    """Run a program and return the words that it prints."""
    script = path.parent / f"program-{path.name}.py"
    script.write_text(_HEAD + textwrap.dedent(text))
    command = [sys.executable, "-u", "-W", "ignore", str(script), str(path), *arguments]
    done = run_program(command, timeout=300)
    assert done.returncode == end, done.stderr
    return done.stdout.split()


def find(place: Path, run_id: str = "r") -> Experiment:
    return Api(place, cache=False).workspace().unwrap().project("p").run(run_id).unwrap()


def counting(count: int) -> list[tuple[int, float]]:
    return [(step, float(step)) for step in range(count)]


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("run = make()", "run.close()"),
        ("run = make()", "os.kill(os.getpid(), signal.SIGKILL)"),
        ("api = Api(place); len(api.projects())", "api.close()"),
    ],
    ids=["closed", "killed", "only read"],
)
def test_what_a_child_flushes_stays_whatever_becomes_of_its_parent(tmp_path: Path, begin: str, end: str) -> None:
    text = f"""
        begun, acked, ended = os.pipe(), os.pipe(), os.pipe()
        if not os.fork():
            make().close()
            {begin}
            if not os.fork():
                os.close(ended[1])
                run = make()
                for step in range(16):
                    run.log({{"child": step}}, step=step)
                    assert run.flush().where == "store"
                    if step == 0:
                        os.write(begun[1], b".")
                        os.read(ended[0], 1)
                    os.write(acked[1], b".")
                os._exit(0)
            os.read(begun[0], 1)
            {end}
            os._exit(0)
        os.close(acked[1])
        os.close(ended[1])
        while os.read(acked[0], 4):
            # Whoever comes and goes is the last one that has the file open, if locks are not what they seem to be.
            if not (reader := os.fork()):
                os.execv(sys.executable, [sys.executable, "-S", "-c", READ, place])
            wait(reader)
        """
    program(tmp_path / "store", text)
    assert points(find(tmp_path / "store"), "child") == counting(16)


def test_children_of_every_kind_deliver_what_they_recorded_last(tmp_path: Path) -> None:
    text = """
        from concurrent.futures import ProcessPoolExecutor

        def work(run, key):
            for step in range(20):
                run.log({key: step}, step=step)

        def task(number):
            made.log({"pool": number}, step=number)

        def take(run):
            global made
            made = run

        def fail(run):
            run.log({"failing": 1}, step=0)
            raise SystemExit(3)

        if __name__ == "__main__":
            run = make()
            run.log({"a": 0})
            children = []
            for method in ("fork", "forkserver", "spawn"):
                process = multiprocessing.get_context(method).Process
                children.append(process(target=work, args=(run, method)))
                if method != "forkserver":
                    children.append(process(target=fail, args=(run,)))
            for child in children:
                child.start()
            for child in children:
                child.join()
            print(*[child.exitcode for child in children])
            with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
                list(pool.map(work, [run] * 2, ["executor0", "executor1"]))
            with multiprocessing.get_context("fork").Pool(2, take, (run,)) as pool:
                pool.map(task, range(20))
                pool.close()
                pool.join()
            run.close()
            print(run.health.dropped, run.health.queued)
        """
    assert program(tmp_path / "store", text) == ["0", "3", "0", "0", "3", "0", "0"]
    seen = find(tmp_path / "store")
    for key in ("fork", "forkserver", "spawn", "executor0", "executor1"):
        assert points(seen, key) == counting(20)
    assert points(seen, "pool") == counting(20)
    assert points(seen, "failing") == [(0, 1.0)] * 2
    assert seen.state == "FINISHED"


def test_what_a_killed_child_had_in_its_spool_arrives_by_itself(tmp_path: Path) -> None:
    text = """
        run = make()
        run.log({"a": 0})
        run.flush()
        for number, end in enumerate([lambda: os._exit(0), lambda: os.kill(os.getpid(), signal.SIGKILL)]):
            child = os.fork()
            if not child:
                for step in range(50):
                    run.log({f"child{number}": step}, step=step)
                run.flush(0)
                end()
            wait(child)
        run.close()
        """
    program(tmp_path / "store", text)
    for number in range(2):
        assert eventually(lambda: points(find(tmp_path / "store"), f"child{number}") == counting(50))  # noqa: B023
    assert eventually(lambda: list((tmp_path / "store" / "spool").iterdir()) == [])


def test_a_child_reads_and_changes_as_its_parent_does(tmp_path: Path) -> None:
    text = """
        with make("old") as old:
            old.log({"a": 1})
        run = make(config={"lr": 1})
        run.log({"a": 1})
        api = Api(place)
        runs = api.projects().first().runs()
        first = next(iter(runs))
        print(len(runs), first.summary().ok)
        child = os.fork()
        if not child:
            run["lr"] = 2
            run.flush()
            seen = Api(place).run(run.path)
            print(seen.config["lr"], len(runs), api.location == place, seen.url == run.url, run.latest["a"])
            print(len(list(api.projects().first().runs())), api.run(old.path).delete(commit=True).ok)
            grandchild = os.fork()
            if not grandchild:
                print(len(list(Api(place).projects().first().runs())))
                run.log({"grandchild": 1})
                sys.exit(0)
            print(wait(grandchild))
            sys.exit(0)
        print(wait(child))
        print([item.id for item in Api(place).projects().first().runs()] == ["r"])
        """
    said = program(tmp_path / "store", text)
    assert said == ["2", "True", "2", "2", "True", "True", "1.0", "2", "True", "1", "0", "0", "True"], said
    assert points(find(tmp_path / "store"), "grandchild") == [(0, 1.0)]


def test_what_was_left_when_everything_was_killed_at_once_arrives_with_the_next_run(tmp_path: Path) -> None:
    text = """
        run = make()
        run.log({"a": 0})
        run.flush()
        flushed = os.pipe()
        if not (child := os.fork()):
            run.log({"child": 0}, step=0)
            assert run.flush().where == "store"
            # Now nothing comes from the spool any more.
            server = started(place)
            os.kill(server, signal.SIGSTOP)
            run.log({"child": 1}, step=1)
            assert run.flush(0).where == "spool"
            os.write(flushed[1], b"%d" % server)
            time.sleep(300)
        server = int(os.read(flushed[0], 20))
        for process in (child, server, os.getpid()):
            os.kill(process, signal.SIGKILL)
        """
    assert program(tmp_path / "store", text, end=-signal.SIGKILL) == []
    assert points(find(tmp_path / "store"), "child") == counting(1)
    text = """
        import logging
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        with make("next") as run:
            end = time.monotonic() + 60
            while os.listdir(os.path.join(place, "spool")) and time.monotonic() < end:
                time.sleep(0.05)
            print(run.health.dropped)
        """
    said = program(tmp_path / "store", text)
    assert "1 processes that were killed left something" in " ".join(said), said
    assert said[-1] == "0"
    assert points(find(tmp_path / "store"), "child") == counting(2)


def test_forks_at_random_moments_lose_nothing_double_nothing_and_hang_nowhere(tmp_path: Path) -> None:
    text = """
        import faulthandler, logging, random

        random_ = random.Random(int(sys.argv[2]))
        logging.basicConfig(stream=open(os.devnull, "w"))
        run = make()
        run.log({"a": 0})
        over = threading.Event()
        steps = [0, 0]
        seen = []

        def record(number):
            while not over.wait(0.002):
                run.log({f"thread{number}": steps[number]}, step=steps[number])
                logging.getLogger("training").warning("step %d", steps[number])
                steps[number] += 1
                if steps[number] % 40 == 0:
                    run.flush()

        def read():
            while not over.wait(0.002):
                seen.append(Api(place).run(run.path).metrics(["thread0"]).ok)

        def child(number, count, end):
            faulthandler.dump_traceback_later(100, exit=True)
            for step in range(count):
                run.log({f"child{number}": step}, step=step)
                if step % 5 == 4 and run.flush().where != "store":
                    os._exit(11)
            run.flush()
            health = run.health
            if (health.sent, health.dropped, health.queued) != (count, 0, 0):
                os._exit(12)
            if end == "exit":
                sys.exit(0)
            if end == "close":
                run.close()
            os._exit(0)

        threads = [threading.Thread(target=record, args=(number,), daemon=True) for number in range(2)]
        threads.append(threading.Thread(target=read, daemon=True))
        for thread in threads:
            thread.start()
        waiting, counts, ends = [], [], []
        try:
            for number in range(int(sys.argv[3])):
                over.wait(random_.random() * 0.02)
                count, end = random_.randint(0, 10), random_.choice(["exit", "close", "leave"])
                counts.append(count)
                pid = os.fork()
                if not pid:
                    child(number, count, end)
                waiting.append(pid)
                if len(waiting) == 8:
                    ends += [wait(waiting.pop()) for _ in range(8)]
        finally:
            over.set()
        for thread in threads:
            thread.join()
        run.close()
        assert set(ends) == {0}, ends
        assert all(seen)
        assert run.health.sent == sum(steps) + 1, run.health
        print(*steps, *counts)
        """
    recorded = [int(word) for word in program(tmp_path / "store", text, "20", str(FORKS))]
    seen = find(tmp_path / "store")
    keys = ["thread0", "thread1", *(f"child{number}" for number in range(FORKS))]
    assert {key: points(seen, key) for key in keys} == {
        key: counting(count) for key, count in zip(keys, recorded, strict=True)
    }
    assert seen.state == "FINISHED"


def test_what_a_pool_that_is_terminated_flushed_is_there_and_the_rest_as_far_as_its_end_lets_it(tmp_path: Path) -> None:
    text = """
        import logging, subprocess

        def take(run):
            global made
            made = run

        def task(number):
            made.log({"pool": number}, step=number)
            assert made.flush().where == "store"
            made.log({"late": number}, step=number)

        def elsewhere(run):
            logging.getLogger("training").warning("here")
            assert subprocess.run([sys.executable, "-S", "-c", ""]).returncode == 0
            with Run("own", repo=place + "-own", experiment="p", capture_terminal_logs=False) as own:
                own.log({"own": 0}, step=0)
            assert not os.path.exists(place + "-own/spool") or not os.listdir(place + "-own/spool")

        run = make()
        run.log({"a": 0})
        fork = multiprocessing.get_context("fork")
        pool = fork.Pool(2, take, (run,))
        pool.map(task, range(10))
        pool.terminate()
        pool.join()
        child = fork.Process(target=elsewhere, args=(run,))
        child.start()
        child.join()
        print(child.exitcode)
        run.close()
        """
    assert program(tmp_path / "store", text) == ["0"]
    seen = find(tmp_path / "store")
    assert points(seen, "pool") == counting(10)
    assert eventually(lambda: points(find(tmp_path / "store"), "late") == counting(10))
    assert points(find(tmp_path / "store-own", "own"), "own") == counting(1)


def test_a_child_forked_while_a_thread_encodes_the_first_batch_does_not_hang() -> None:
    """What arro3 makes when it is first used it makes under locks that a child would find taken for ever."""
    text = """
        import os, signal, threading, time
        from array import array
        from runatlas import Run
        from runatlas.model.arrow import encode_batch
        from runatlas.model.arrow_array import make_array
        from runatlas.model.batch import Batch
        from runatlas.model.ids import RunPath
        from runatlas.model.series import SeriesPoints

        def encode():
            whole, number = make_array(array("q", [0])), make_array(array("d", [0.5]))
            series = [SeriesPoints(key, steps=whole, values=number, times_ms=whole) for key in "ab"]
            encode_batch(Batch(RunPath.parse("a/b/c"), points=tuple(series)))

        def fork_while_a_thread_encodes(delay_s):
            thread = threading.Thread(target=encode)
            thread.start()
            time.sleep(delay_s)
            if not (child := os.fork()):
                signal.alarm(20)
                encode()
                os._exit(0)
            thread.join()
            os._exit(bool(os.waitpid(child, 0)[1]))

        for number in range(40):
            # In a process of its own each, which has encoded nothing yet.
            if not (child := os.fork()):
                fork_while_a_thread_encodes(number * 2e-5)
            assert os.waitpid(child, 0)[1] == 0, number
    """
    done = run_program([sys.executable, "-W", "ignore", "-c", textwrap.dedent(text)], timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("after", ["nothing", "another"])
def test_who_has_a_removed_directory_open_is_not_in_the_way_of_another(tmp_path: Path, after: str) -> None:
    second = """
        import os, sys
        from runatlas import Run
        run = Run("second", repo=sys.argv[1], experiment="p", capture_terminal_logs=False)
        run.log({"a": 0})
        run.flush()
        if not (child := os.fork()):
            run.log({"a": 1})
            print(run.flush(60).where, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
    """
    told = program(
        tmp_path / "store",
        """
        import shutil, subprocess
        run = make()
        run.log({"a": 0})
        run.flush()
        (ear, mouth), (child_ear, child_mouth) = os.pipe(), os.pipe()
        if not (child := os.fork()):
            run.log({"a": 1})
            print(run.flush().where)
            os.write(mouth, b".")
            os.read(child_ear, 1)
            run.log({"a": 2})
            print(run.flush(1).where, os.path.exists(place + "/runatlas.db"))
            os._exit(0)
        os.read(ear, 1)
        shutil.rmtree(place)
        if sys.argv[2]:
            subprocess.run([sys.executable, "-W", "ignore", "-c", sys.argv[2], place], check=True)
        os.write(child_mouth, b".")
        wait(child)
        os._exit(0)
        """,
        textwrap.dedent(second) if after == "another" else "",
    )
    assert told == (["store", "store", "spool", "True"] if after == "another" else ["store", "memory", "False"])
