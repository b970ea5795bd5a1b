"""Every command of ``swanlab`` that speaks to a server, with every option that its help shows."""

from __future__ import annotations

import json
import shlex
from typing import Any

import attrs
import pytest
import requests
from support.run_content import points
from support.swanlab_site import Site
from support.world import START, loss_values

pytestmark = pytest.mark.xdist_group("conformance-swanlab")

ELSEWHERE = {"convert", "watch", "online", "offline", "local", "disabled"}
"""What reads other trackers' files or shows and sets what lies on the machine."""

FINISHED = '[{"key": "state", "type": "STABLE", "op": "EQ", "value": ["FINISHED"]}]'

MORE = [f"more{number:017}" for number in range(8)]
"""Ids of a length that the oldest client knows."""

OLD = {
    "user": "api user info {at}",
    "workspace": "api workspace info {team} {at}",
    "no workspace": "api workspace info never",
    "project": "api project info {project} {at}",
    "projects": "api project list --workspace {team} --page_num 1 --page_size 10 {at}",
    "all projects": "api project list --workspace {team} --all",
    "own projects": "api project list",
    "make": "api project create --name made --visibility PUBLIC --description Made --workspace {team} {at}",
    "make again": "api project create -n made -w {team}",
    "run": "api run info {run} {at}",
    "no run": "api run info {project}/never",
    "runs": "api run list {p} {project} --page_num 1 --page_size 10 {at}",
    "second runs": "api run list {p} {project} -n 2 -s 10",
    "all runs": "api run list {p} {project} --all",
    "filter": "api run filter {p} {project} --filter_query '{finished}' {at}",
    "filter by file": "api run filter {p} {project} -f filter.json",
    "columns": "api run columns {run} --page_num 1 --page_size 10 --class CUSTOM --type FLOAT {at}",
    "all columns": "api run columns {run} --class SYSTEM --all",
    "column": "api run column {run} --key loss --class CUSTOM --type FLOAT {at}",
    "metrics": "api run metrics {run} --keys acc,loss --sample 20 --ignore-timestamp {at}",
    "all metrics": "api run metrics {run} --keys acc --all",
    "steps": "api run metrics {run} --keys acc --range-type step --range-start 3 --range-end 9 --range-head 2",
    "times": "api run metrics {run} --keys acc --range-type timestamp --range-start {later} --range-tail 2",
    "summary": "api run summary {run} --keys acc {at}",
    "all summary": "api run summary {run}",
    "medias": "api run medias {run} --keys generated_image --step 10 {at}",
    "all medias": "api run medias {run} --keys generated_image --all",
    "logs": "api run logs {run} --offset 1 --level WARN --ignore-timestamp {at}",
    "default logs": "api run logs {run}",
    "export": "api run export-logs {run} --start 1 --rows 2 {at}",
    "info": "api self-hosted info {at}",
    "create": "api self-hosted create-user --username {new} --password pass123 {at}",
    "users": "api self-hosted list-users --page_num 1 --page_size 100 --all {at}",
    "their projects": "api self-hosted list-projects --page_num 1 --page_size 100 --all --search MY --creator ann"
    " --workspace {team} {at}",
    "workspaces": "api self-hosted list-workspaces --page_num 1 --page_size 100 --all --search {team} {at}",
    "usage": "api self-hosted summary {at}",
    "ping": "ping --host {host}",
    "ping nobody": "ping -h http://127.0.0.1:9",
    "login with a wrong key": "login --api-key wrong-wrong-wrong-wrong --host {host} --relogin",
    "verify before": "verify",
    "login": "login --relogin --api-key {key} --host {host}",
    "verify": "verify",
    "known": "api user info",
    "logout": "logout --force",
    "verify after": "verify",
    "login here": "login -r -k {key} -h {host} --local",
    "verify here": "verify --local",
    "logout here": "logout -f --local",
    "record": "record kept",
    "sync": "sync KEPT --api-key {key} --host {host} --workspace {team} --project synced --id again",
    "sync again": "sync KEPT -k {key} -h {host} -w {team} -p synced -i again",
}
NEW = {
    "searched columns": "api run columns {run} --search OS {at}",
    "series": "api run series {run} --type SCALAR --class CUSTOM --search A {at}",
    "media series": "api run series {run} --type MEDIA",
    "axis": "api run metrics {run} --keys acc --x-axis loss --range-type custom --range-end 1.5 --range-head 1",
    "last": "api run metrics {run} --keys acc --range-last 1000",
    "some": "sync KEPT -k {key} -h {host} -w {team} -p synced -i some --start-step 2 --end-step 7"
    " --start-time 2020-01-01 --end-time 2099-01-01",
}
OLDEST = {
    **{name: OLD[name] for name in ("login with a wrong key", "verify before")},
    "login": "login --relogin --api-key {key} --host {host} --web-host {host}",
    **{name: OLD[name] for name in ("verify", "record")},
    "sync": "sync KEPT --api-key {key} --host {host} --workspace {team} --project synced",
    "sync into": "sync KEPT -k {key} -h {host} -w {team} -p my-project --id {more}",
    "logout": "logout",
    "verify after": "verify",
}
ANEW = ("login with a wrong key", "verify before", "login", "verify", "known", "logout", "verify after")


@attrs.frozen
class Shell:
    """What commands printed.

    Attributes:
        lines: The words of each, by its name.
        told: What came of each.
    """

    version: str
    team: str
    lines: dict[str, list[str]]
    told: dict[str, Any]

    def code(self, name: str) -> int:
        """The exit code of a command."""
        found: int = self.told[name]["code"]
        return found

    def text(self, name: str) -> str:
        """All that a command printed."""
        return str(self.told[name]["out"] + self.told[name]["err"])

    def answer(self, name: str) -> Any:
        """The JSON that a command printed."""
        printed = self.told[name]["out"]
        assert "{" in printed, self.text(name)
        answer, _ = json.JSONDecoder().raw_decode(printed[printed.index("{") :])
        return answer

    def data(self, name: str) -> Any:
        """What a command that succeeded told."""
        answer = self.answer(name)
        assert answer["ok"], answer
        assert answer["errmsg"] == ""
        return answer["data"]


def make_lines(version: str, team: str, site: Site) -> dict[str, list[str]]:
    words = {
        "team": team,
        "project": f"{team}/my-project",
        "run": f"{team}/my-project/abc123",
        "p": "--project_path" if version == "0.8.0" else "",
        "host": site.server.origin,
        "key": site.keys["ann"],
        "finished": FINISHED,
        "later": START + 97_000,
        "new": team.replace("shell", "new"),
        "more": MORE[0],
    }
    lines = {"0.6.12": OLDEST, "0.8.0": OLD, "0.10.3": {**OLD, **NEW}}[version]
    made = {}
    for number, (name, line) in enumerate(lines.items()):
        at = f"--host {site.server.origin} --api-key {site.keys['ann']} --save saved-{number}.json"
        made[name] = shlex.split(line.format(at=at, **words))
    return made


def drive(site: Site, version: str, around: dict[str, str]) -> Shell:
    """Run all lines of a version in a world of its own."""
    team = f"shell-{version.replace('.', '-')}"
    with site.world(team) as world:
        for number in range(8):
            world.add_run(MORE[number], name=f"more {number}")
    home = site.directory / f"{version}-shell"
    home.mkdir()
    (home / "filter.json").write_text(FINISHED)
    lines = make_lines(version, team, site)
    commands = [[name, line, name in ANEW] for name, line in lines.items()]
    told = site.call(version, "shell.py", {"commands": commands}, home=home, variables=around)
    return Shell(version, team, lines, told)


@pytest.fixture(scope="module")
def shell(site: Site, version: str) -> Shell:
    return drive(site, version, {"SWANLAB_API_KEY": site.keys["ann"], "SWANLAB_API_HOST": f"{site.server.origin}/api"})


def check_help(shell: Shell) -> None:
    shown = {name: options for name, options in shell.told["help"].items() if name not in ELSEWHERE}
    for name, options in shown.items():
        lines = [line for line in shell.lines.values() if " ".join(line).startswith(f"{name} ") or line == [name]]
        assert lines, f"{name} is not driven"
        missing = [names for names in options if not any(set(names) & set(line) for line in lines)]
        assert not missing, f"{name}: {missing}"
    commands = {" ".join(line[: len(name.split())]) for line in shell.lines.values() for name in shown}
    assert set(shown) <= commands
    assert set(shell.told["help"]) >= ELSEWHERE


def test_every_command_and_option_of_the_help_is_driven(shell: Shell) -> None:
    check_help(shell)


def test_what_is_saved_is_what_is_printed(shell: Shell) -> None:
    saved = shell.told["saved"]
    for name, line in shell.lines.items():
        if "--save" in line:
            content = json.loads(saved[line[line.index("--save") + 1]])
            assert content == shell.answer(name)


def test_users_workspaces_and_projects(shell: Shell, site: Site) -> None:
    assert shell.data("user")["username"] == "ann"
    workspace = shell.data("workspace")
    assert (workspace["username"], workspace["workspace_type"], workspace["role"]) == (shell.team, "TEAM", "OWNER")
    assert not shell.answer("no workspace")["ok"]
    assert shell.answer("no workspace")["errmsg"]
    assert shell.data("project")["path"] == f"{shell.team}/my-project"
    for name in ("projects", "all projects"):
        assert [project["name"] for project in shell.data(name)["list"]] == ["my-project"]
    own = {project.path for project in site.api().projects("ann")}
    assert {project["path"] for project in shell.data("own projects")["list"]} == own
    made = shell.data("make")
    assert (made["path"], made["visibility"], made["description"]) == (f"{shell.team}/made", "PUBLIC", "Made")
    assert not shell.answer("make again")["ok"]


def test_runs(shell: Shell) -> None:
    assert (shell.data("run")["name"], shell.data("run")["state"]) == ("baseline v2", "FINISHED")
    assert not shell.answer("no run")["ok"]
    pages = [shell.data(name) for name in ("runs", "second runs", "all runs")]
    assert [(page["total"], len(page["list"])) for page in pages] == [(12, 10), (12, 2), (12, 12)]
    for name in ("filter", "filter by file"):
        assert {run["name"] for run in shell.data(name)["list"]} == {"baseline v2", "deep v1"}


def test_columns(shell: Shell) -> None:
    assert [column["key"] for column in shell.data("columns")["list"]] == ["acc", "loss"]
    assert [column["key"] for column in shell.data("all columns")["list"]] == ["cpu"]
    assert (shell.data("column")["key"], shell.data("column")["column_type"]) == ("loss", "FLOAT")


def test_metrics_and_summaries(shell: Shell) -> None:
    acc, loss = shell.data("metrics")["list"]
    assert (acc["key"], loss["key"]) == ("acc", "loss")
    assert 2 <= len(loss["metrics"]) <= 20
    assert loss["latest"]["data"] == loss_values(2000)[-1]
    assert not any("timestamp" in point for point in acc["metrics"])

    def found(name: str) -> list[tuple[int, float]]:
        return [(point["step"], point["value"]) for point in shell.data(name)["list"][0]["metrics"]]

    assert found("all metrics") == [(step, step / 200) for step in range(100)]
    assert found("steps") == [(3, 0.015), (4, 0.02)]
    assert found("times") == [(98, 0.49), (99, 0.495)]
    assert (list(shell.data("summary")), shell.data("summary")["acc"]["value"]) == (["acc"], 0.495)
    assert set(shell.data("all summary")) == {"acc", "cpu", "loss"}


def test_media_and_lines(shell: Shell) -> None:
    (media,) = shell.data("medias")["list"]
    assert media["metrics"][0]["items"][0]["caption"] == "green"
    (every,) = shell.data("all medias")["list"]
    assert [step["index"] for step in every["metrics"]] == [5, 10]
    lines = shell.data("logs")["logs"]
    assert [line["message"] for line in lines] == ["slow", "bad"]
    assert not any("timestamp" in line for line in lines)
    assert [line["message"] for line in shell.data("default logs")["logs"]] == ["epoch 1", "slow", "bad", "epoch 2"]
    assert requests.get(shell.data("export")["url"], timeout=60).text == "details\nslow\n"


def test_administration(shell: Shell) -> None:
    assert shell.data("info") == {"enabled": True, "expired": False, "root": True, "plan": "free", "seats": 0}
    assert shell.answer("create")["ok"]
    assert shell.team.replace("shell", "new") in {user["username"] for user in shell.data("users")["list"]}
    assert [project["path"] for project in shell.data("their projects")["list"]] == [f"{shell.team}/my-project"]
    assert [found["username"] for found in shell.data("workspaces")["list"]] == [shell.team]
    assert shell.data("usage")["users"] >= 3


def test_login_verify_and_logout(shell: Shell, site: Site) -> None:
    assert f"OK · {site.server.origin}" in shell.text("ping")
    assert "ERROR" in shell.text("ping nobody")
    wrong = ("login with a wrong key", "verify before", "verify after")
    assert [bool(shell.code(name)) for name in wrong] == [True, True, True], shell.text(wrong[0])
    for name in ("login", "verify", "known", "logout", "login here", "verify here", "logout here"):
        assert shell.code(name) == 0, shell.text(name)
    assert "ann" in shell.text("verify")
    assert site.server.origin in shell.text("verify here")
    assert shell.data("known")["username"] == "ann"


def test_a_run_that_was_kept_is_synced_once(shell: Shell, site: Site) -> None:
    assert (shell.code("sync"), shell.code("sync again")) == (0, 0)
    run = site.api().run(f"{shell.team}/synced/again")
    assert (run.name, run.state, run.config) == ("from afar", "FINISHED", {"lr": 1})
    assert points(run, "loss") == [(step, step / 10) for step in range(10)]


def test_what_only_the_newer_client_has(shell: Shell, site: Site) -> None:
    if shell.version == "0.8.0":
        assert set(shell.lines) == set(OLD)
        return
    assert [column["key"] for column in shell.data("searched columns")["list"]] == ["loss"]
    assert shell.data("series")["keys"] == ["acc"]
    assert shell.data("media series")["keys"] == ["generated_image"]
    (series,) = shell.data("axis")["list"]
    losses = loss_values(100)
    first = next(step for step in range(100) if losses[step] <= 1.5)
    assert [(point["step"], point["index"]) for point in series["metrics"]] == [(first, losses[first])]
    assert shell.data("last")["list"][0]["metrics"] == []
    some = site.api().run(f"{shell.team}/synced/some").metrics(["loss"], all=True).unwrap()["loss"]
    assert some.steps.to_pylist() == [2, 3, 4, 5, 6, 7]


def test_the_commands_of_the_oldest_client(site: Site) -> None:
    shell = drive(site, "0.6.12", {})
    check_help(shell)
    assert shell.code("login with a wrong key") != 0
    for name in ("login", "verify", "sync", "sync into", "logout"):
        assert shell.code(name) == 0, shell.text(name)
    assert "ann" in shell.text("verify")
    for name in ("verify before", "verify after"):
        assert "ann" not in shell.text(name)
    (run,) = site.api().runs(f"{shell.team}/synced")
    assert (run.name, run.state, run.config) == ("from afar", "FINISHED", {"lr": 1})
    assert points(run, "loss") == [(step, step / 10) for step in range(10)]
    into = site.api().run(f"{shell.team}/my-project/{MORE[0]}")
    assert (into.name, into.state) == ("more 0", "FINISHED")
    assert points(into, "loss") == points(run, "loss")
