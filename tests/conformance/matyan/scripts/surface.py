"""What document 001 lists of ``Run`` and ``Repo``, name by name, as far as the other scripts do not use it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from matyan_client import Repo, Run
from support.patience import eventually

NAME = "d" * 32


def _raised(function: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    try:
        function(*arguments, **options)
    except (KeyError, RuntimeError, ValueError) as error:
        return type(error).__name__
    return ""


def _properties(run: Run) -> dict[str, Any]:
    own = [run.name, run.description, run.experiment, run.archived]
    times = [run.active, run.end_time, run.finalized_at, run.duration]
    return {"own": own, "open": times, "created": run.created_at.timestamp() == run.creation_time, "repr": repr(run)}


def _attributes(run: Run) -> dict[str, Any]:
    run["hparams"] = {"lr": 0.1, "deep": {"x": [1, None, "ü"]}}
    run["hparams.lr"] = 0.2
    run["flag"] = True
    run["dropped"] = 1
    cached = [run["hparams.lr"], run.get("flag"), run.get("none", "default"), _raised(lambda: run["none"])]
    del run["dropped"]
    return {"cached": cached, "cleared": run["dropped"]}


def _sequences(run: Run) -> dict[str, Any]:
    run.track({"a": 1.0, "b": 2.0}, step=3, epoch=1, context={"subset": "val"})
    for number in (5, 6):
        run.track(number, name="auto")
    run.track(True, name="auto", context={"n": 1, "deep": "x"})
    for value, step in ((1.0, -2), (2.0, 100), (3.0, 7)):
        run.track(value, "odd steps", step)
    return {"nameless": _raised(run.track, 1.0), "text": _raised(run.track, "x", name="auto")}


def _holds(run: Run, content: str) -> bool:
    return bool(run.artifacts) and bool(run.get_artifact("plain.txt").decode() == content)


def _files(run: Run) -> list[list[str]]:
    """Store two files under the name that each has, one after the other."""
    found: list[list[str]] = []
    for content in ("first", "second"):
        Path("plain.txt").write_text(content, encoding="utf-8")
        run.log_artifact("plain.txt")
        eventually(partial(_holds, run, content))
        found.append([item["path"] for item in run.artifacts])
    return found


def _seen(repo: Repo, url: str) -> dict[str, Any]:
    run = repo.get_run(NAME)
    info = run._http.get_run_info(NAME)
    batches = run._http.get_run_metric_batch(
        NAME,
        [
            {"name": "auto", "context": {}},
            {"name": "auto", "context": {"deep": "x", "n": 1}},
            {"name": "odd steps", "context": {}},
        ],
    )
    before = len(repo.list_all_runs())
    return {
        "params": info["params"],
        "read": [run["hparams.deep"]["x"], run.get("hparams.none", 0), _raised(lambda: run["none"])],
        "all": {kind: len(traces) for kind, traces in run.collect_sequence_info().items()},
        "one": sorted(run.collect_sequence_info("metric")),
        "two": sorted(run.collect_sequence_info(("images", "texts"))),
        "metrics": [
            [name, context, owner is run]
            for name, context, owner in run.iter_metrics_info()
            if not name.startswith("__system__")
        ],
        "get_metric": [
            run.get_metric("a", {"subset": "val"})["last_value"],
            run.get_metric("a"),
            run.get_metric("none"),
        ],
        "batches": [[batch["iters"], batch["values"]] for batch in batches],
        "read_only": [
            _raised(run.track, 1.0, name="x"),
            _raised(run.log_artifact, "x"),
            [run.add_tag("x"), run.remove_tag("x"), run.log_info("x")],
        ],
        "tags": run.tags,
        "of_repo": [
            [item.hash == NAME for item in repo.iter_runs() if item.hash == NAME],
            repo.is_remote_repo,
            Repo.is_remote_path(url),
            Repo.is_remote_path("/tmp/x"),
            repo.available_sequence_types(),
            repr(repo) == f"Repo(url={url!r})",
        ],
        "defaults": [Repo.default_repo().total_runs_count() == before, Repo.from_path(url).run_exists(NAME)],
        "collected": sorted(repo.collect_sequence_info(("metric", "images"))[NAME]),
        "some_gone": repo.delete_runs([NAME, "f" * 32]),
    }


def _forgotten(url: str, repo: Repo) -> bool:
    """A run that nobody closed is closed when it is collected."""
    run = Run(repo=url, capture_terminal_logs=False)
    name = run.hash
    run.track(1.0, name="x")
    eventually(lambda: repo.run_exists(name))
    Run._instances.clear()
    del run
    gc.collect()
    return eventually(lambda: not repo.get_run(name).props["active"])


def main(argument: dict[str, Any]) -> Any:
    url = argument["url"]
    repo = Repo(url)
    run = Run(
        NAME,
        frontier_url=url,
        experiment="surface",
        log_system_params=True,
        system_tracking_interval=0.1,
        capture_terminal_logs=False,
    )
    fresh = _properties(run)
    run.name, run.description, run.archived = "named", "described", True
    changed = _properties(run)
    run.archived = False
    written = [_attributes(run), _sequences(run)]
    files = _files(run)
    for tag in ("a", "b", "a"):
        run.add_tag(tag)
    run.remove_tag("b")
    run.remove_tag("never there")
    measured = eventually(lambda: run.get_metric("__system__cpu") is not None)
    run.close()
    run.close()
    ended = [run.active, run.end_time == run.finalized_at.timestamp(), run.duration == run.end_time - run.creation_time]
    eventually(lambda: not repo.get_run(NAME).props["active"])
    props = repo.get_run(NAME).props
    found = {
        "fresh": fresh,
        "changed": changed,
        "written": written,
        "files": files,
        "measured": measured,
        "ended": ended,
        "props": {name: props[name] for name in ("name", "description", "active", "archived")},
        "times": abs(props["creation_time"] - time.time()) < 600 and props["end_time"] >= props["creation_time"],
        "seen": _seen(repo, url),
        "forgotten": _forgotten(url, repo),
    }
    repo.close()
    return found
