"""Random schedules of recording, flushing, outages and kills: nothing is lost, and nothing doubled."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from support.examples import examples
from support.flaky_proxy import FlakyProxy, flaky_proxy
from support.run_content import points
from support.server import ServerProcess
from support.training import check_values, find_run, read_flushed, training

from runatlas import Api, Run
from runatlas.model.ids import new_cuid
from runatlas.settings import resolve
from runatlas.tracking.sync import sync

KEYS = ["a", "b", "c"]


class Schedule:
    """What one seed makes happen, and what must be true of it afterwards."""

    def __init__(self, seed: int, proxy: FlakyProxy, spools: Path) -> None:
        self.random = random.Random(seed)
        self.proxy = proxy
        self.spools = spools
        self.expected: dict[str, list[tuple[int, float]]] = {key: [] for key in KEYS}
        self.tags: set[str] = set()
        self.seed_value = -1
        self.run = Run(repo=proxy.url, experiment="schedule", capture_terminal_logs=False)

    def record(self) -> None:
        """Some calls of one or several names, with or without a step."""
        for _ in range(self.random.choice([1, 5, 200])):
            data = {key: self.random.random() for key in self.random.sample(KEYS, self.random.randint(1, 3))}
            for key, value in data.items():
                self.expected[key].append((len(self.expected[key]), value))
            self.run.log(data)

    def change(self) -> None:
        """A tag or a param."""
        if self.random.random() < 0.5:
            tag = f"t{self.random.randrange(5)}"
            self.tags.add(tag)
            self.run.add_tag(tag)
        else:
            self.seed_value = self.random.randrange(100)
            self.run["seed"] = self.seed_value

    def flush(self) -> None:
        """After this everything is durable, wherever."""
        assert self.run.flush(self.random.choice([0.0, 0.05, None]))

    def toggle(self) -> None:
        """The server goes away, or comes back."""
        self.proxy.is_away = not self.proxy.is_away

    def sync_meanwhile(self) -> None:
        """Somebody sends the spool while the run goes on."""
        list(sync(self.spools, resolve(host=self.proxy.url, timeout_s=5)))

    def play(self, steps: int) -> None:
        actions = [self.record, self.record, self.record, self.change, self.flush, self.toggle, self.sync_meanwhile]
        for _ in range(steps):
            self.random.choice(actions)()

    def check(self, origin: str) -> None:
        # The run itself never knew its workspace if the server was away all the time.
        seen = Api(origin, cache=False).workspace().unwrap().project("schedule").run(self.run.hash).unwrap()
        for key, expected in self.expected.items():
            assert points(seen, key) == expected
        assert set(seen.labels) == self.tags
        assert seen.config == ({"seed": self.seed_value} if self.seed_value >= 0 else {})
        assert seen.state == "FINISHED"
        assert self.run.health.dropped == 0


@pytest.fixture
def origin(server: ServerProcess) -> str:
    """A server whose connections hold."""
    return server.origin


@pytest.mark.parametrize("seed", range(examples(40)))
def test_broken_connections_lose_and_double_nothing(
    origin: str, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 2:
        # Then next to nothing stays in memory, and is read back from the spool.
        monkeypatch.setattr("runatlas.tracking.send_queue.MEMORY_MAX", 2000)
    spools = tmp_path / "own"
    with flaky_proxy(origin, seed=seed, chance=0.15) as proxy:
        schedule = Schedule(seed, proxy, spools)
        schedule.play(12)
        proxy.is_away = schedule.random.random() < 0.3
        schedule.run.close(timeout=schedule.random.choice([0.0, 0.3]))
    list(sync(spools, resolve(host=origin)))
    assert list(sync(spools, resolve(host=origin))) == []
    schedule.check(origin)


@pytest.mark.parametrize("seed", range(examples(12)))
def test_killed_programs_lose_nothing_flushed_and_double_nothing(origin: str, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    run_id, spools = new_cuid(), tmp_path / "own"
    place = chance.choice([origin, str(tmp_path / "store")])
    with flaky_proxy(origin, seed=seed, chance=0.1) as proxy:
        through = proxy.url if place == origin else place
        with training(through, run_id, "a", flush_every=chance.choice([1, 10, 300])) as process:
            counts = [read_flushed(process)[0] for _ in range(chance.randint(1, 4))]
            process.send_signal(signal.SIGKILL)
    list(sync(spools if place == origin else Path(place), resolve(place)))
    check_values(find_run(place, run_id), "a", at_least=counts[-1])
