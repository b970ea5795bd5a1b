"""How runs begin, go on and end with swanlab 0.8 and 0.10: every option of ``init``, ``resume``, ``finish``."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
from typing import Any

import swanlab

QUIET = swanlab.Settings(
    probe=swanlab.Settings.Probe(hardware=False, requirements=False, git=False, runtime=False, monitor=False)
)


class Seen(swanlab.Callback):  # type: ignore[misc]
    """Remembers what the client told it."""

    told: list[str] = []  # noqa: RUF012

    @property
    def name(self) -> str:
        return "seen"

    def on_run_initialized(self, *_: Any, **__: Any) -> None:
        self.told.append("begun")

    def on_run_finished(self, *_: Any, **__: Any) -> None:
        self.told.append("finished")


def begin(team: str, **options: Any) -> Any:
    return swanlab.init(project="sessions", workspace=team, settings=QUIET, **options)


def attempt(team: str, **options: Any) -> str | None:
    """Begin a run; return what is raised, and end it if nothing is."""
    try:
        begin(team, **options)
    except (Exception, SystemExit) as error:
        return type(error).__name__
    swanlab.finish()
    return None


def with_every_option(team: str) -> dict[str, Any]:
    pathlib.Path("config.yaml").write_text(json.dumps({"from": "file", "lr": 0.5}))
    run = swanlab.init(
        reinit=False,
        log_dir="elsewhere",
        mode="online",
        workspace=team,
        project="every-option_1.0+x",
        public=True,
        name="every option",
        color="#123456",
        description="described",
        job_type="eval",
        group="g2",
        tags=["t1", "t2"],
        id="every option é",
        resume="allow",
        parallel="none",
        config="config.yaml",
        settings=QUIET,
        callbacks=[Seen()],
    )
    told = {name: str(getattr(run, name)) for name in ("id", "name", "mode", "url", "path")}
    swanlab.config["added"] = {"deep": [1, {"deeper": None}]}
    swanlab.config.update({"lr": 0.25, "text": "é"})
    run.config.attribute = "set"
    swanlab.log({"nested": {"a": 1, "b": {"c": 2}}, "plain": 3})
    try:
        swanlab.init(project="sessions", workspace=team)
    except RuntimeError as error:
        told["second"] = type(error).__name__
    swanlab.finish()
    return {**told, "callbacks": Seen.told}


def one_after_another(team: str) -> list[str]:
    """Runs that end when the next one begins, and older names of options."""
    first = begin(team, experiment_name="first of two", notes="noted", logdir="elsewhere")
    swanlab.log({"loss": 1})
    second = swanlab.init(reinit=True, project="sessions", workspace=team, settings=QUIET, mode="cloud", resume=False)
    for number in range(3):
        swanlab.log({"counted": number})
    swanlab.finish()
    return [str(first.id), str(second.id)]


def go_on(team: str) -> dict[str, Any]:
    begin(
        team, id="again", resume="allow", name="original", color="#aabbcc", tags=["old"], config={"a": 1, "b": {"c": 2}}
    )
    for step in range(3):
        swanlab.log({"loss": float(step), "note": swanlab.Text(f"at {step}")}, step=step)
    print("before")
    swanlab.finish(state="crashed", error="first attempt")
    run = begin(team, id="again", resume=True, tags=["new"], group="later", config={"b": {"c": 3}})
    # Steps that are there already are not sent again, and steps are counted on.
    for step in range(5):
        swanlab.log({"loss": 100.0 + step, "note": swanlab.Text(f"again at {step}")}, step=step)
    swanlab.log({"loss": 7.0})
    print("after")
    swanlab.finish()
    return {"name": str(run.name), "id": str(run.id)}


def refused(team: str) -> dict[str, Any]:
    found = {
        "must without a run": attempt(team, id="not-there", resume="must"),
        "must without an id": attempt(team, resume="must"),
        "never with an id": attempt(team, id="some-id", resume="never"),
        "a bad id": attempt(team, id="a/b", resume="allow"),
        "a workspace that is not there": attempt("nobody-here"),
        "a long name": attempt(team, name="n" * 1000),
    }
    begin(team, id="doomed", resume="allow")
    swanlab.finish()
    api = swanlab.Api()
    found["deleted"] = api.run(path=f"{team}/sessions/doomed").delete(commit=True)
    found["must of a deleted run"] = attempt(team, id="doomed", resume="must")
    found["allow of a deleted run"] = attempt(team, id="doomed", resume="allow")
    return found


def lose(team: str) -> bool:
    """Delete a run while it is tracked; it ends all the same."""
    begin(team, id="lost", resume="allow")
    swanlab.log({"loss": 1.0}, step=0)
    deleted = swanlab.Api().run(path=f"{team}/sessions/lost").delete(commit=True)
    swanlab.log({"loss": 2.0}, step=1)
    swanlab.finish()
    return bool(deleted)


def end_in_process(team: str, run_id: str) -> None:
    """End a run as programs end: by an exception, by an interrupt, or by coming to their end."""
    begin(team, id=run_id, resume="allow")
    swanlab.log({"loss": 1.0}, step=0)
    print("was here")
    if run_id == "raises":
        raise ValueError("a fault of the program")
    if run_id == "interrupted":
        os.kill(os.getpid(), signal.SIGINT)
    sys.exit(0)


def in_processes(team: str, *run_ids: str) -> None:
    """Start programs, all at once, and wait for them."""
    children = []
    for run_id in run_ids:
        child = os.fork()
        if not child:
            # What is raised ends this process as it ends any other.
            end_in_process(team, run_id)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def share(team: str, name: str, begun: int, go: int) -> None:
    begin(team, id="shared", parallel="shared", config={name: 1})
    os.write(begun, b"x")
    os.read(go, 1)
    for step in range(5):
        swanlab.log({f"loss/{name}": float(step)}, step=step)
        print(f"{name} says {step}", flush=True)
    swanlab.finish()
    sys.exit(0)


def together(team: str, *names: str) -> None:
    """Programs that write one run at once, each after all have begun."""
    begun, begins = os.pipe()
    goes, go = os.pipe()
    children = []
    for name in names:
        child = os.fork()
        if not child:
            share(team, name, begins, goes)
        children.append(child)
        os.read(begun, 1)
    os.write(go, b"x" * len(names))
    for child in children:
        os.waitpid(child, 0)


def as_others(given: dict[str, Any]) -> dict[str, Any]:
    """With a key that may only read, and with none that is known."""
    team, host = given["team"], given["host"]
    swanlab.login(api_key=given["viewer"], host=host, relogin=True)
    found = {
        "viewer": attempt(team, name="written by a viewer"),
        "viewer goes on": attempt(team, id="again", resume="must"),
        "viewer's own": attempt("vera", id="own", resume="allow"),
    }
    return {**found, "wrong key": log_in(host, "0123456789abcdefghijK"), "blank key": log_in(host, " ")}


def log_in(host: str, key: str) -> str | None:
    try:
        swanlab.login(api_key=key, host=host, relogin=True)
    except Exception as error:
        return type(error).__name__
    return None


def main(given: dict[str, Any]) -> dict[str, Any]:
    team = given["team"]
    os.environ |= {"SWANLAB_API_KEY": given["key"], "SWANLAB_API_HOST": given["host"]}
    swanlab.merge_settings(swanlab.Settings(api_key=given["key"], api_host=given["host"], interactive=False))
    in_processes(team, "raises", "interrupted", "ends")
    together(team, "one", "two")
    swanlab.login(api_key=given["key"], host=given["host"])
    told = {
        "options": with_every_option(team),
        "pair": one_after_another(team),
        "again": go_on(team),
        "refused": refused(team),
        "lost": lose(team),
    }
    begin(team, id="stopped", resume="allow")
    swanlab.finish(state="aborted")
    return {**told, "others": as_others(given)}
