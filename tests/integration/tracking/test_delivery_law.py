"""Whatever is recorded, good or bad, and whatever the link does: what is not stored is counted, and flush says so."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from support.examples import examples
from support.flaky_proxy import FlakyProxy, flaky_proxy
from support.run_content import points
from support.server import ServerProcess
from support.training import find_run

from runatlas import Experiment, Run
from runatlas.objects import Text
from runatlas.settings import resolve
from runatlas.tracking.sync import sync

GOOD = ("point", "nan", "text", "figure", "line", "digits", "param", "file")
BAD = ("huge", "refused", "object", "failing")


class Foreign:
    """An object of another library."""

    def __init__(self, content: Any) -> None:
        self._content = content

    def json(self) -> Any:
        if isinstance(self._content, Exception):
            raise self._content
        return {"type": "figure", "data": {"content": self._content}}


class History:
    """Records, and knows what must be in the store."""

    def __init__(self, proxy: FlakyProxy, base: Path) -> None:
        self.proxy = proxy
        self.spools = base / "own"
        self.source = base / "file.bin"
        self.source.write_bytes(b"content")
        self.run = Run(repo=proxy.url, experiment="program", capture_terminal_logs=False)
        # Numbers cannot follow under the name of a text: that the store refuses, and only it.
        self.run.track(Text("a text"), name="refused", step=0)
        self.run.flush()
        self.good: dict[str, list[int]] = {kind: [] for kind in GOOD}
        self.bad = self.told = 0
        self.recorded = 1

    def record(self, kind: str) -> None:
        step = self.recorded
        self.recorded += 1
        if kind in self.good:
            self.good[kind].append(step)
        else:
            self.bad += 1
        run = self.run
        if kind in {"point", "nan", "huge", "refused"}:
            run.log({kind: {"nan": float("nan"), "huge": 10**400}.get(kind, step)}, step=step)
        elif kind in {"text", "figure", "object", "failing"}:
            made = {"text": Text(f"{step} \ud83d"), "object": Foreign(object()), "failing": Foreign(ValueError("no"))}
            run.track(made.get(kind, Foreign({1: step})), name=kind, step=step)
        elif kind == "file":
            run.log_artifact(self.source, f"{step}.bin")
        elif kind == "param":
            run[f"k{step}"] = f"{step} \x00"
            self.recorded -= 1
        else:
            run.log_info(str(step), size=10**5000 if kind == "digits" else step)

    def flush(self, timeout_s: float) -> None:
        flushed = self.run.flush(timeout_s)
        health = self.run.health
        self.told += flushed.dropped
        assert flushed.durable == (flushed.where in {"store", "spool"})
        assert (flushed.where == "lost") <= bool(flushed.dropped)
        assert (flushed.where == "memory") == (health.queued > 0)
        assert health.queued + health.sent + health.spooled + health.dropped == self.recorded
        if flushed.where == "store":
            assert (health.spooled, health.dropped) == (0, self.told)

    def seen(self, origin: str) -> Experiment:
        return find_run(origin, self.run.hash)

    def check(self, origin: str) -> None:
        seen, good = self.seen(origin), self.good
        assert seen.state == "FINISHED"
        for kind in ("point", "nan"):
            assert [step for step, _ in points(seen, kind)] == good[kind]
        for kind in ("huge", "refused"):
            assert points(seen, kind) == []
        keys = [key for key in ("text", "figure") if good[key]]
        media = seen.medias(keys, all=True).unwrap() if keys else {}
        assert {key: [step.step for step in media[key]] for key in keys} == {key: good[key] for key in keys}
        fields: dict[int, dict[str, Any]] = {step: {"size": step} for step in good["line"]}
        fields |= {step: {"size": hex(10**5000)} for step in good["digits"]}
        lines = seen.logs().unwrap().lines
        assert [(int(line.message), line.fields) for line in lines] == sorted(fields.items())
        assert seen.config == {f"k{step}": f"{step} \ufffd" for step in good["param"]}
        assert sorted(file.name for file in seen.artifacts()) == sorted(f"{step}.bin" for step in good["file"])


@pytest.mark.parametrize("seed", range(examples(12)))
def test_what_is_recorded_is_stored_once_or_counted(server: ServerProcess, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with flaky_proxy(server.origin, seed=seed, chance=0.05) as proxy:
        history = History(proxy, tmp_path)
        for _ in range(chance.randint(2, 10)):
            action = chance.choice(["record", "record", "flush", "toggle"])
            if action == "record":
                for kind in chance.choices(GOOD + BAD, k=chance.randint(1, 8)):
                    history.record(kind)
            elif action == "flush":
                history.flush(chance.choice([0.0, 0.1, 2.0]))
            else:
                proxy.is_away = not proxy.is_away
        history.run.close(timeout=0.2)
    health = history.run.health
    reports = list(sync(history.spools, resolve(host=server.origin)))

    assert list(sync(history.spools, resolve(host=server.origin))) == []
    refused = sum(report.refused for report in reports)
    assert health.dropped + refused == history.bad
    assert health.sent + health.dropped + health.spooled == history.recorded
    assert health.spooled == sum(report.sent for report in reports) + refused
    history.check(server.origin)
