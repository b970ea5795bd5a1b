"""Random schedules of kills, forks, power cuts, locks, full disks and cut connections, over everything that writes.

Nothing acknowledged is lost, nothing is there twice, nothing is half deleted, and what could not be kept is counted.
``RUNATLAS_SCHEDULES=300`` plays that many, on a quiet machine in about half an hour; the suite plays a few.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import attrs
import pytest
from support import crash_cleaner, crash_writer
from support.crash_site import CrashSite, crash_site
from support.flaky_proxy import FlakyProxy, flaky_proxy
from support.server import ServerProcess, running_server

import runatlas
from runatlas.settings import resolve
from runatlas.tracking.sync import sync

SCHEDULES = int(os.environ.get("RUNATLAS_SCHEDULES", "6"))
STEPS = 14
GROUPS, GROUP_RUNS = 4, 5
IMPORTED = 40
CAN_MOUNT = sys.platform == "linux" and os.geteuid() == 0


@attrs.define(eq=False)
class Writer:
    """A program that records, and what it said."""

    process: subprocess.Popen[str]
    run_id: str
    place: str
    said: list[list[str]] = attrs.field(factory=list)
    reader: threading.Thread | None = None

    def listen(self) -> None:
        """Keep what it says."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.said.append(line.split())

    def acknowledged(self) -> dict[str, int]:
        """How many points of each key are durable for certain."""
        found: dict[str, int] = {}
        for key, count in [(words[1], int(words[2])) for words in self.said.copy() if words[0] == "acked"]:
            found[key] = max(found.get(key, 0), count)
        return found


class Schedule:
    """What one seed makes happen."""

    def __init__(self, seed: int, directory: Path, site: CrashSite | None, logs: Path) -> None:
        self.random = random.Random(seed)
        self.directory = directory
        self.site = site
        self.logs = logs
        self.store = directory / "store"
        self.writers: list[Writer] = []
        self.groups: dict[str, set[str]] = {f"g{number}": {"there"} for number in range(GROUPS)}
        self.trash: dict[str, str] = {}
        self.events: list[str] = []
        self.importing: subprocess.Popen[bytes] | None = None
        self.is_imported = False
        self._server = ExitStack()
        self.server: ServerProcess | None = None
        self.proxy: FlakyProxy | None = None
        self.seed = seed

    # -- what is there ----------------------------------------------------------------------------------------

    def prepare(self) -> None:
        api = runatlas.Api(self.store)
        for group in self.groups:
            for number in range(GROUP_RUNS):
                with runatlas.Run(
                    f"{group}-{number}", repo=self.store, experiment="clean", group=group, capture_terminal_logs=False
                ) as run:
                    run.log({"loss": 1.0})
        api.close()
        lines = [{"run": f"i{number}", "points": [[0, {"loss": number}]]} for number in range(IMPORTED)]
        (self.logs / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.start_server()

    def start_server(self) -> None:
        self.server = self._server.enter_context(running_server(self.store))
        self.proxy = self._server.enter_context(flaky_proxy(self.server.origin, seed=self.seed, chance=0.02))

    def stop_server(self) -> None:
        self._server.close()
        self.server = self.proxy = None

    def processes(self) -> list[subprocess.Popen[str]]:
        found = [writer.process for writer in self.writers]
        if self.server is not None:
            found.append(self.server.process)
        return found

    # -- what happens -----------------------------------------------------------------------------------------

    def start_writer(self) -> None:
        alive = [writer for writer in self.writers if writer.process.poll() is None]
        if len(alive) >= 2:
            return
        assert self.proxy is not None
        place = self.random.choice([str(self.store), self.proxy.url])
        run_id = f"w{self.seed}-{len(self.writers)}"
        forks = self.random.choice([0, 0, 2])
        command = [sys.executable, crash_writer.__file__, place, run_id, str(self.random.randrange(10**6)), str(forks)]
        log = (self.logs / f"{run_id}.log").open("wb")
        environment = os.environ | {"RUNATLAS_DIR": str(self.directory / "own")}
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
            start_new_session=True,
        )
        log.close()
        writer = Writer(process, run_id, place)
        writer.reader = threading.Thread(target=writer.listen)
        writer.reader.start()
        self.writers.append(writer)
        self._wait(lambda: bool(writer.said) or process.poll() is not None)

    def kill_writer(self) -> None:
        for writer in self.writers:
            if writer.process.poll() is None:
                number = self.random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
                # A signal goes to the parent alone, and its children live on, or to all of them.
                send = self.random.choice([os.kill, os.killpg])
                send(writer.process.pid, number)
                return

    def end_writer(self) -> None:
        for writer in self.writers:
            if writer.process.poll() is None and writer.process.stdin is not None:
                writer.process.stdin.close()
                writer.process.stdin = None
                return

    def kill_server(self) -> None:
        assert self.server is not None
        self.server.process.kill()
        self.stop_server()
        self.start_server()

    def cut_connections(self) -> None:
        assert self.proxy is not None
        self.proxy.is_away = True
        self._let_run()
        self.proxy.is_away = False

    def hold_the_lock(self) -> None:
        with closing(sqlite3.connect(self.store / "runatlas.db", isolation_level=None, timeout=30)) as other:
            other.execute("BEGIN IMMEDIATE")
            self._let_run()
            other.execute("ROLLBACK")

    def fill_the_disk(self) -> None:
        if self.site is not None:
            with self.site.full():
                self._let_run()

    def cut_the_power(self) -> None:
        if self.site is None:
            return
        self._kill_importing()
        self.site.pull_the_plug()
        for process in self.processes():
            process.wait()
        self.stop_server()
        self.start_server()

    def clean(self) -> None:
        known = [name for name, states in self.groups.items() if len(states) == 1]
        if not known:
            return
        group = self.random.choice(known)
        (state,) = self.groups[group]
        operation = "delete" if state == "there" else self.random.choice(["restore", "purge"])
        if state == "purged":
            return
        after = {"delete": "trashed", "restore": "there", "purge": "purged"}[operation]
        subject = group if operation == "delete" else self.trash[group]
        command = [sys.executable, crash_cleaner.__file__, str(self.store), subject, operation]
        with (self.logs / f"clean-{len(self.events)}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
            is_killed = self.random.random() < 0.4
            if is_killed:
                self._let_run(1.0)
                process.kill()
            said, _ = process.communicate()
        if said.startswith("done "):
            self.groups[group] = {after}
            self.trash[group] = said.split()[1]
        else:
            self.groups[group] = {state, after}

    def start_importing(self) -> None:
        if self.importing is None:
            command = [sys.executable, "-m", "runatlas", "import", "jsonl", str(self.logs / "runs.jsonl")]
            options = ["--dir", str(self.store), "--project", "imported", "--id-fields", "run"]
            with (self.logs / "import.log").open("ab") as log:
                self.importing = subprocess.Popen([*command, *options], stdout=log, stderr=log)

    def kill_importing(self) -> None:
        self._kill_importing()

    def play(self) -> None:
        actions: list[Callable[[], None]] = [
            *[self.start_writer] * 4,
            *[self.kill_writer] * 2,
            *[self.clean] * 3,
            self.end_writer,
            self.kill_server,
            self.cut_connections,
            self.hold_the_lock,
            self.fill_the_disk,
            self.cut_the_power,
            self.start_importing,
            self.kill_importing,
        ]
        self.start_writer()
        for _ in range(STEPS):
            action = self.random.choice(actions)
            self.events.append(f"{time.monotonic():.1f} {action.__name__}")
            action()
            self._let_run(0.3)

    # -- what must be true --------------------------------------------------------------------------------------

    def settle(self) -> None:
        """End everything in good order, and bring away what is left."""
        for writer in self.writers:
            if writer.process.stdin is not None and not writer.process.stdin.closed:
                writer.process.stdin.close()
        for writer in self.writers:
            writer.process.wait(120)
            assert writer.reader is not None
            writer.reader.join(120)
        if self.importing is not None:
            self._kill_importing()
            self.start_importing()
            assert self.importing is not None
            assert self.importing.wait(120) == 0
            self.is_imported = True
        assert self.server is not None
        for place, target in ((self.store, None), (self.directory / "own", resolve(host=self.server.origin))):
            assert self._wait(lambda: all(report.is_done for report in sync(place, target))), list(sync(place, target))  # noqa: B023

    def check(self) -> None:
        with closing(runatlas.Api(self.store, cache=False)) as api:
            workspace = api.workspace().unwrap()
            for writer in self.writers:
                self._check_writer(workspace, writer)
            for group, states in self.groups.items():
                there = len(workspace.project("clean").runs(f"group == '{group}'"))
                assert there in (
                    {GROUP_RUNS} if states == {"there"} else {0} if "there" not in states else {0, GROUP_RUNS}
                ), (
                    group,
                    states,
                    there,
                )
            if self.is_imported:
                runs = workspace.project("imported").runs()
                assert len(runs) == IMPORTED
                assert sorted(run.summary().unwrap()["loss"]["last"] for run in runs) == list(
                    map(float, range(IMPORTED))
                )

    def _check_writer(self, workspace: runatlas.Workspace, writer: Writer) -> None:
        acknowledged = writer.acknowledged()
        if not writer.said:
            return
        run = workspace.project("crash").run(writer.run_id)
        if not acknowledged and not run.ok:
            return
        keys = list(run.summary().unwrap())
        table = run.metrics(keys, all=True).unwrap()
        assert table.complete
        stored = {key: table[key] for key in keys}
        for key, count in acknowledged.items():
            steps = stored[key].steps.to_pylist()
            values = stored[key].values.to_pylist()
            assert len(set(steps)) == len(steps), f"{writer.run_id} {key}: points are there twice"
            assert values == [float(step) for step in steps]
            missing = sorted(set(range(count)) - set(steps))
            assert not missing, f"{writer.run_id} {key}: {len(missing)} of {count} acknowledged points are gone"
        for words in writer.said:
            if words[0] == "closed":
                recorded, dropped = int(words[1]), int(words[2])
                there = len(stored.get("v", ()))
                assert there + dropped >= recorded, f"{writer.run_id}: {recorded - there - dropped} points uncounted"

    # -- helps --------------------------------------------------------------------------------------------------

    def _let_run(self, most_s: float = 1.5) -> None:
        """Let the others go on for a random moment: what it is does not matter, only that it differs."""
        threading.Event().wait(self.random.random() * most_s)

    def _wait(self, condition: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + 120
        while not condition():
            if time.monotonic() > deadline:
                return False
            threading.Event().wait(0.05)
        return True

    def _kill_importing(self) -> None:
        if self.importing is not None:
            self.importing.kill()
            self.importing.wait()
            self.importing = None

    def end(self) -> None:
        """Leave no process behind."""
        self._kill_importing()
        for writer in self.writers:
            with suppress(ProcessLookupError):
                os.killpg(writer.process.pid, signal.SIGKILL)
            writer.process.wait()
            if writer.process.stdin is not None:
                writer.process.stdin.close()
            if writer.reader is not None:
                writer.reader.join()
            assert writer.process.stdout is not None
            writer.process.stdout.close()
        self.stop_server()


@contextmanager
def playing(seed: int, tmp_path: Path) -> Iterator[Schedule]:
    """A schedule on a file system of its own where that can be had; else without power cuts and full disks."""
    logs = tmp_path / "logs"
    logs.mkdir()
    with ExitStack() as stack:
        site = stack.enter_context(crash_site(tmp_path)) if CAN_MOUNT else None
        schedule = Schedule(seed, site.path if site is not None else tmp_path, site, logs)
        try:
            yield schedule
        finally:
            schedule.end()


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_nothing_acknowledged_is_lost_and_nothing_is_there_twice(seed: int, tmp_path: Path) -> None:
    with playing(seed, tmp_path) as schedule:
        schedule.prepare()
        schedule.play()
        schedule.settle()
        try:
            schedule.check()
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(schedule.events)) from error
