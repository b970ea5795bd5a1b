"""Random schedules of kills, forks, power cuts, locks, full disks and cut connections, over everything that writes.

Nothing acknowledged is lost, nothing is there twice, nothing is half deleted, and what could not be kept is counted.
``RUNATLAS_SCHEDULES=300 pytest -s`` plays that many on each engine, ``RUNATLAS_SCHEDULES=100:150`` a slice of them, and
each prints what happened in it; the suite plays one of each.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from support import crash_cleaner, crash_writer
from support.crash_site import CrashSite, crash_site
from support.crash_store import CrashStore
from support.database import ENGINES, new_schema
from support.flaky_proxy import FlakyProxy, flaky_proxy
from support.patience import eventually
from support.program import Program
from support.server import ServerProcess

import runatlas
from runatlas.entities.run import Run
from runatlas.settings import resolve
from runatlas.tracking.sync import SyncReport, sync

STEPS = 14
GROUPS, GROUP_RUNS, GROUP_POINTS = 6, 3, 12
IMPORTED, IMPORTED_POINTS = 40, 3
PATIENCE_S = 120
AFTER = {
    "delete": "trashed",
    "cut": "cut",
    "restore": "there",
    "purge": "purged",
    "move": "moved",
    "merge": "there",
    "copy": "there",
}
"""How the runs of a group stand after something was done with them."""
LENGTHS = {"cut": crash_cleaner.CUT_FROM, "shortened": crash_cleaner.CUT_FROM}
"""How many points the runs of a group have that something was cut from."""
CAN_MOUNT = sys.platform == "linux" and os.geteuid() == 0


def chosen_seeds() -> range:
    """Which schedules are played: else one of each engine, in which a good part of all that can happen does."""
    first, _, last = os.environ.get("RUNATLAS_SCHEDULES", "1:2").rpartition(":")
    return range(int(first or 0), int(last))


@attrs.frozen
class Amount:
    """How much was recorded."""

    points: int = 0
    lines: int = 0
    files: int = 0

    @property
    def records(self) -> int:
        """All of it."""
        return self.points + self.lines + self.files


@attrs.define(eq=False)
class Writer:
    """A program that records, and what it said."""

    process: subprocess.Popen[str]
    run_id: str
    place: str
    said: list[list[str]] = attrs.field(factory=list)
    is_killed: bool = False
    reader: threading.Thread = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reader = threading.Thread(target=self._listen)
        self.reader.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.said.append(line.split())

    def of(self, word: str) -> list[list[str]]:
        """What it said of one kind."""
        return [words[1:] for words in self.said.copy() if words[0] == word]

    def acknowledged(self) -> dict[str, Amount]:
        """How much of each process is durable for certain."""
        return {who: Amount(*map(int, amount)) for who, *amount in self.of("acked")}

    def end(self) -> None:
        """Let it close its run."""
        if self.process.stdin is not None:
            self.process.stdin.close()
            self.process.stdin = None


class Schedule:
    """What one seed makes happen."""

    def __init__(self, seed: int, directory: Path, url: str | None, site: CrashSite | None, logs: Path) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.site = site
        self.logs = logs
        self.store = CrashStore(directory / "store", url)
        self.own = directory / "own"
        self.writers: list[Writer] = []
        self.groups: dict[str, set[str]] = {f"g{number}": {"there"} for number in range(GROUPS)}
        self.trash: dict[str, str] = {}
        self.copies: dict[str, set[int]] = {f"g{number}": {0} for number in range(GROUPS)}
        self.events: list[str] = []
        self.counts: Counter[str] = Counter()
        self.importing: subprocess.Popen[str] | None = None
        self.server: ServerProcess
        self.proxy: FlakyProxy
        self._proxies = ExitStack()
        self._servers = ExitStack()

    # -- what is there ----------------------------------------------------------------------------------------

    def prepare(self) -> None:
        self.logs.mkdir()
        (self.logs / "scratch").mkdir()
        self.start_server()
        for group in self.groups:
            for number in range(GROUP_RUNS):
                with runatlas.Run(
                    f"{group}-{number}",
                    repo=self.server.origin,
                    experiment="clean",
                    group=group,
                    capture_terminal_logs=False,
                ) as run:
                    for step in range(GROUP_POINTS):
                        run.log({"loss": float(step)}, step=step)
                    for content in (group, "shared"):
                        (self.logs / "scratch" / content).write_text(content)
                        run.log_artifact(self.logs / "scratch" / content)
        self.store.age_files()
        if self.site is not None:
            subprocess.run(["sync", "-f", str(self.site.path)], check=True)
        points = [[step, {"loss": float(step)}] for step in range(IMPORTED_POINTS)]
        lines = [{"run": f"i{number}", "points": points} for number in range(IMPORTED)]
        (self.logs / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def start_server(self) -> None:
        self.server = self._servers.enter_context(self.store.serve())
        if not self.counts["servers"]:
            self.proxy = self._proxies.enter_context(flaky_proxy(self.server.origin, seed=self.seed, chance=0.02))
        self.proxy.lead_to(self.server.origin)
        self.counts["servers"] += 1

    def places(self) -> list[str]:
        """By what names programs reach the store."""
        return [self.proxy.url] if self.store.url is not None else [str(self.store.directory), self.proxy.url]

    # -- what happens -----------------------------------------------------------------------------------------

    def start_writer(self) -> None:
        if sum(writer.process.poll() is None for writer in self.writers) >= 2:
            return
        place = self.random.choice(self.places())
        run_id = f"w{self.seed}-{len(self.writers)}"
        forks = self.random.choice([0, 0, 2])
        chance = self.random.randrange(10**6)
        command = [sys.executable, crash_writer.__file__, place, run_id, chance, forks, self.logs / "scratch"]
        with (self.logs / f"{run_id}.log").open("wb") as log:
            process = Program(
                list(map(str, command)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"RUNATLAS_DIR": str(self.own)},
                start_new_session=True,
            )
        writer = Writer(process, run_id, place)
        self.writers.append(writer)
        self.counts["writers"] += 1
        eventually(lambda: bool(writer.said) or process.poll() is not None)

    def kill_writer(self) -> None:
        for writer in self.writers:
            if writer.process.poll() is None:
                number = self.random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
                # A signal goes to the parent alone, and its children live on, or to all of them.
                send = self.random.choice([os.kill, os.killpg])
                writer.is_killed = True
                send(writer.process.pid, number)
                self.counts["killed writers"] += 1
                return

    def end_writer(self) -> None:
        for writer in self.writers:
            if writer.process.poll() is None and writer.process.stdin is not None:
                writer.end()
                return

    def kill_server(self) -> None:
        self.server.process.kill()
        self._servers.close()
        self.counts["killed servers"] += 1
        self.start_server()

    def cut_connections(self) -> None:
        self.proxy.is_away = True
        self._let_run()
        self.proxy.is_away = False

    def hold_the_lock(self) -> None:
        with self.store.locked():
            self._let_run()
        self.counts["locks held"] += 1

    def fill_the_disk(self) -> None:
        if self.site is not None:
            with self.site.full():
                self._let_run()
            self.counts["full disks"] += 1

    def cut_the_power(self) -> None:
        if self.site is None:
            return
        self._kill_importing()
        living = [writer for writer in self.writers if writer.process.poll() is None]
        self.site.pull_the_plug([self.server.process.pid, *(writer.process.pid for writer in self.writers)])
        for writer in living:
            writer.is_killed = True
            writer.process.wait()
        self._servers.close()
        self.counts["power cuts"] += 1
        self.start_server()

    def break_the_database(self) -> None:
        if self.store.url is not None:
            self.store.break_connections(by_kill=self.random.random() < 0.5)
            self.counts["broken databases"] += 1

    def clean(self) -> None:
        known = [name for name, states in self.groups.items() if self._operations(name, states)]
        if not known:
            return
        group = self.random.choice(known)
        (state,) = self.groups[group]
        operation = self.random.choice(self._operations(group, {state}))
        after = "shortened" if (state, operation) == ("cut", "purge") else AFTER[operation]
        place = self.random.choice(self.places())
        subject = self.trash[group] if operation in {"restore", "purge"} else group
        command = [sys.executable, crash_cleaner.__file__, place, subject, operation]
        with (self.logs / f"clean-{len(self.events)}-{group}-{operation}.log").open("wb") as log:
            process = Program(command, stdout=subprocess.PIPE, stderr=log, text=True)
            if self.random.random() < 0.4:
                self._let_run(1.5)
                process.kill()
            said, _ = process.communicate()
        if said.startswith("done "):
            self.groups[group] = {after}
            self.trash[group] = said.split()[1]
            if operation == "copy":
                self.copies[group] = {GROUP_RUNS}
            self.counts[f"{operation}s"] += 1
        else:
            # A request that was cut off may still go on in the server, so that this is not looked at now.
            self.groups[group] = {state, after}
            if operation == "copy":
                self.copies[group] = {0, GROUP_RUNS}
            self.counts["interrupted cleanings"] += 1

    def _operations(self, group: str, states: set[str]) -> list[str]:
        if states == {"there"}:
            return ["delete", "cut", "move", *(["copy"] if self.copies[group] == {0} else [])]
        if states == {"moved"}:
            return ["merge"]
        return ["restore", "purge"] if states in ({"trashed"}, {"cut"}) and group in self.trash else []

    def start_importing(self) -> None:
        if self.importing is None or self.importing.poll() is not None:
            self._start_importing(self.random.choice(self.places()))

    def _start_importing(self, place: str) -> None:
        command = [sys.executable, "-m", "runatlas", "import", "jsonl", str(self.logs / "runs.jsonl")]
        options = ["--host" if place.startswith("http") else "--dir", place, "--project", "imported"]
        with (self.logs / "import.log").open("ab") as log:
            self.importing = Program([*command, *options, "--id-fields", "run"], stdout=log, stderr=log)
        self.counts["imports"] += 1

    def kill_importing(self) -> None:
        self._kill_importing()

    def send_the_rest(self) -> None:
        """Send what lies in the spools, while others write them, and perhaps not to the end."""
        command = [sys.executable, "-m", "runatlas", "sync", str(self.own), "--host", self.proxy.url]
        with (self.logs / "sync.log").open("ab") as log:
            process = Program(command, stdout=log, stderr=log)
            if self.random.random() < 0.5:
                self._let_run()
                process.kill()
            try:
                process.wait(PATIENCE_S)
            finally:
                process.kill()
                process.wait()
        self.counts["syncs"] += 1

    def play(self) -> None:
        actions: list[Callable[[], None]] = [
            *[self.start_writer] * 4,
            *[self.kill_writer] * 2,
            *[self.clean] * 3,
            self.end_writer,
            self.kill_server,
            self.cut_connections,
            self.hold_the_lock,
            self.start_importing,
            self.kill_importing,
            self.send_the_rest,
            *([self.fill_the_disk, self.cut_the_power] if self.store.url is None else [self.break_the_database] * 2),
        ]
        self.start_writer()
        for _ in range(STEPS):
            action = self.random.choice(actions)
            self.events.append(f"{time.monotonic():.1f} {action.__name__}")
            action()
            self._let_run(0.3)
        self.events.append(f"{time.monotonic():.1f} settle")
        self.counts["broken connections"] = self.proxy.breaks

    # -- what must be true --------------------------------------------------------------------------------------

    def settle(self) -> None:
        """End everything in good order, and bring away what is left."""
        if self.counts["imports"]:
            self._kill_importing()
            self._start_importing(self.random.choice([*self.places()[:-1], self.server.origin]))
        for writer in self.writers:
            writer.end()
        for writer in self.writers:
            assert writer.process.wait(PATIENCE_S) == 0 or writer.is_killed, f"{writer.run_id} failed; see its log"
            writer.reader.join(PATIENCE_S)
            assert not writer.reader.is_alive(), f"{writer.run_id}: a child does not end"
        if self.importing is not None:
            assert self.importing.wait(PATIENCE_S) == 0
        for place, target in ((self.store.directory, None), (self.own, resolve(host=self.server.origin))):
            reports: list[SyncReport] = []

            def is_sent(place: Path = place, target: Any = target, reports: list[SyncReport] = reports) -> bool:
                reports[:] = sync(place, target)
                return all(report.is_done for report in reports)

            assert eventually(is_sent), reports
            assert not sum(report.refused for report in reports), reports
            self.counts["spools sent"] += len(reports)

    def check(self) -> None:
        self.events.append(f"{time.monotonic():.1f} check")
        with closing(runatlas.Api(self.server.origin, cache=False)) as api:
            workspace = api.workspace().unwrap()
            for writer in self.writers:
                self._check_writer(workspace, writer)
            self._check_groups(api, workspace)
            if self.counts["imports"]:
                runs = workspace.project("imported").runs()
                assert len(runs) == IMPORTED
                for run in runs:
                    found = run.summary().unwrap()["loss"]
                    assert (found["count"], found["value"]) == (IMPORTED_POINTS, IMPORTED_POINTS - 1.0)
        assert not (damages := self.store.damages()), damages
        self.counts["chunks"] += self.store.chunks()

    def _check_groups(self, api: runatlas.Api, workspace: runatlas.Workspace) -> None:
        found = Counter((run.group, run.project) for run in workspace.runs("group != ''"))
        for group, states in self.groups.items():
            for here, project in (({"there", *LENGTHS}, "clean"), ({"moved"}, f"moved-{group}")):
                counts = {GROUP_RUNS if known in here else 0 for known in states}
                count = found[group, project]
                assert count in counts, f"{group}: {count} runs in {project}, though it is {states}"
            assert found[group, f"copies-{group}"] in self.copies[group], f"{group}: {found}"
        # A project that was merged lies in the trash without a run.
        trashed = [entry.runs for entry in api.trash() if entry.kind != "project"]
        assert set(trashed) <= {GROUP_RUNS}
        assert api.purge(commit=True).ok
        files = self.store.files()
        for group, states in self.groups.items():
            if states == {"purged"} and self.copies[group] == {0}:
                assert hashlib.sha256(group.encode()).hexdigest() not in files, f"{group}: purged, but not its file"
            lengths = set()
            for run in workspace.runs(f"group == '{group}'"):
                contents = {file.name: file.read().unwrap() for file in run.artifacts()}
                assert contents == {content: content.encode() for content in (group, "shared")}
                steps = run.metrics(["loss"], all=True).unwrap()["loss"].steps.to_pylist()
                assert steps == list(range(len(steps)))
                assert run.summary().unwrap()["loss"]["count"] == len(steps)
                if run.project == "clean":
                    lengths.add(len(steps))
                else:
                    assert len(steps) == GROUP_POINTS
            assert len(lengths) < 2
            assert lengths <= {LENGTHS.get(state, GROUP_POINTS) for state in states}, f"{group}: {lengths}"

    def _check_writer(self, workspace: runatlas.Workspace, writer: Writer) -> None:
        acknowledged = writer.acknowledged()
        self.counts["forks"] += len([who for who in acknowledged if who != "v"])
        for who, status in writer.of("ended"):
            assert status == "0", f"{writer.run_id} {who} ended with {status}"
        run = workspace.project("crash").run(writer.run_id)
        if not acknowledged and not run.ok:
            return
        stored = self._stored(run)
        lost: Counter[str] = Counter()
        for who, count in writer.of("lost"):
            lost[who] += int(count)
        for who, amount in acknowledged.items():
            points, lines, files = stored.get(who, (set(), set(), set()))
            missing = [
                len(set(range(count)) - found)
                for count, found in ((amount.points, points), (amount.lines, lines), (amount.files, files))
            ]
            assert sum(missing) <= lost[who], f"{writer.run_id} {who}: {missing} of {amount} are gone, not {lost[who]}"
            self.counts.update(points=amount.points, lines=amount.lines, files=amount.files, told=lost[who])
        for who, *told in writer.of("closed"):
            *recorded, dropped = map(int, told)
            there = sum(map(len, stored.get(who, ())))
            uncounted = Amount(*recorded).records - there - dropped
            assert uncounted <= 0, f"{writer.run_id} {who}: {uncounted} of {recorded} uncounted, {dropped} counted"
            assert dropped or not uncounted, f"{writer.run_id} {who}: {-uncounted} more than were recorded"
            if who == "v" and not dropped:
                assert run.state == "FINISHED", f"{writer.run_id} was closed, and is {run.state}"
            self.counts.update(closed=1, dropped=dropped)

    def _stored(self, run: Run) -> dict[str, tuple[set[int], set[int], set[int]]]:
        """What is there of each process: the numbers of its points, lines and files, each there once and right."""
        stored: dict[str, tuple[set[int], set[int], set[int]]] = {}
        keys = list(run.summary().unwrap())
        if keys:
            table = run.metrics(keys, all=True).unwrap()
            assert table.complete
            for key in keys:
                steps = table[key].steps.to_pylist()
                assert len(set(steps)) == len(steps), f"{run.path} {key}: points are there twice"
                assert table[key].values.to_pylist() == [float(step) for step in steps]
                stored.setdefault(key, (set(), set(), set()))[0].update(steps)
        messages = [line.message for line in run.logs(all=True).unwrap()]
        assert len(set(messages)) == len(messages), f"{run.path}: lines are there twice"
        for message in messages:
            who, number = message.split()
            stored.setdefault(who, (set(), set(), set()))[1].add(int(number))
        for file in run.artifacts():
            who, number = file.name.removesuffix(".txt").split("/")
            assert file.read().unwrap() == f"{run.path.split('/')[-1]} {who} {number}\n".encode() * 300
            stored.setdefault(who, (set(), set(), set()))[2].add(int(number))
        return stored

    # -- helps --------------------------------------------------------------------------------------------------

    def _let_run(self, most_s: float = 1.0) -> None:
        """Let the others go on for a random moment: what it is does not matter, only that it differs."""
        threading.Event().wait(self.random.random() * most_s)

    def _kill_importing(self) -> None:
        if self.importing is not None:
            self.counts["killed imports"] += self.importing.poll() is None
            self.importing.kill()
            self.importing.wait()

    def end(self) -> None:
        """Leave no process behind."""
        self._kill_importing()
        for writer in self.writers:
            with suppress(ProcessLookupError):
                os.killpg(writer.process.pid, signal.SIGKILL)
            writer.process.wait()
            writer.end()
            writer.reader.join()
            assert writer.process.stdout is not None
            writer.process.stdout.close()
        self._servers.close()
        self._proxies.close()


@contextmanager
def playing(seed: int, tmp_path: Path, url: str | None) -> Iterator[Schedule]:
    """A schedule on a file system of its own where that can be had; else without power cuts and full disks."""
    with ExitStack() as stack:
        site = stack.enter_context(crash_site(tmp_path)) if CAN_MOUNT and url is None else None
        schedule = Schedule(seed, site.path if site is not None else tmp_path, url, site, tmp_path / "logs")
        try:
            schedule.prepare()
            yield schedule
        finally:
            schedule.end()
            failure = repr(sys.exc_info()[1] or "")
            print(f"\nschedule {seed}:", *schedule.events, json.dumps(schedule.counts), failure, sep="\n")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", chosen_seeds())
def test_nothing_acknowledged_is_lost_and_nothing_is_there_twice(
    engine: str, seed: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = new_schema(request.getfixturevalue("postgresql")) if engine == "postgresql" else None
    with playing(seed, tmp_path, url) as schedule:
        schedule.play()
        schedule.settle()
        schedule.check()
