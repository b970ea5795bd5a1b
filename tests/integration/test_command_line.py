"""``runatlas api``: tables for people, JSON for programs, exit codes for scripts; on a directory and over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import arro3.io
import pytest
from click.testing import CliRunner, Result
from support.server import running_server
from support.world import make_world

from runatlas import Api, Run
from runatlas.backends.local import LocalBackend
from runatlas.cli.main import main
from runatlas.terminal import size_text

PROJECT = "my-team/my-project"
RUN = f"{PROJECT}/abc123"

Call = Callable[..., Result]


@contextmanager
def _place(kind: str, directory: Path) -> Iterator[tuple[str, str]]:
    backend = LocalBackend(directory)
    make_world(backend)
    backend.close()
    if kind == "directory":
        yield "--dir", str(directory)
        return
    with running_server(directory) as server:
        yield "--host", server.origin


KINDS = ["directory", "server"]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The option that says where the data is."""
    with _place(request.param, tmp_path / "store") as found:
        yield found


@pytest.fixture(scope="module", params=KINDS)
def shared_place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The option that says where data is that no test changes."""
    with _place(request.param, tmp_path_factory.mktemp("shared") / "store") as found:
        yield found


def _calling(place: tuple[str, str]) -> Call:
    def called(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(main, ["api", *arguments, *place], **options)

    return called


@pytest.fixture
def call(place: tuple[str, str]) -> Call:
    """Run ``runatlas api`` with arguments."""
    return _calling(place)


@pytest.fixture
def ask(shared_place: tuple[str, str]) -> Call:
    """Run ``runatlas api`` with arguments that change nothing."""
    return _calling(shared_place)


def _json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_listings(ask: Call) -> None:
    assert "my-team" in ask("workspaces").stdout
    assert [item["path"] for item in _json(ask("projects", "my-team", "--json"))["list"]] == [PROJECT]
    everything = _json(ask("runs", PROJECT, "--json"))
    assert everything["total"] == len(everything["list"])
    few = _json(ask("runs", PROJECT, "--limit", "1", "--filter", "state == 'FINISHED'", "--json"))["list"]
    assert [run["state"] for run in few] == ["FINISHED"]
    shown = ask("runs", PROJECT, "--metric", "loss", "--config", "lr")
    assert shown.stdout.split()[:7] == ["id", "name", "state", "protected", "created", "lr", "loss"]
    assert _json(ask("runs", "my-team", "--json"))["list"] == everything["list"]
    assert ask("runs", "my-team").stdout.split()[:3] == ["project", "id", "name"]
    assert "loss" in [column["key"] for column in _json(ask("columns", RUN, "--json"))["list"]]
    page = ask("runs", PROJECT, "--size", "1")
    first = page.stdout.rstrip().splitlines()[-1].split()[0]
    cursor = page.stderr.removeprefix("the next page: --after ").strip()
    rest = _json(ask("runs", PROJECT, "--after", cursor, "--json"))
    assert [first, *(run["id"] for run in rest["list"])] == [run["id"] for run in everything["list"]]
    assert rest["cursor"] is None


def test_one_run(ask: Call) -> None:
    run = _json(ask("run", RUN, "--json"))
    assert run["path"] == RUN
    assert "config." in ask("run", RUN).stdout
    assert "loss" in _json(ask("summary", RUN, "--json"))
    assert ask("summary", RUN, "loss").stdout.split()[:2] == ["metric", "latest"]
    metrics = _json(ask("metrics", RUN, "loss", "--tail", "3", "--json"))
    assert len(metrics["list"][0]["metrics"]) == 3
    assert ask("metrics", RUN, "loss", "--tail", "3").stdout.count("loss") == 3
    across = ask(
        "metrics", RUN, "loss", "--x-axis", "loss", "--type", "custom", "--start", "-1e9", "--head", "2", "--json"
    )
    assert [point["index"] == point["value"] for point in _json(across)["list"][0]["metrics"]] == [True, True]
    assert ask("metrics", RUN, "loss", "--start", "one").exit_code == 2
    assert ask("logs", RUN).exit_code == 0
    assert _json(ask("logs", RUN, "--json"))["count"] >= 0


def test_a_projects_metrics(ask: Call) -> None:
    table = _json(ask("metrics", PROJECT, "loss", "--all", "--filter", "state == 'FINISHED'", "--json"))
    assert table["complete"]
    assert ask("metrics", RUN, "loss", "--filter", "state == 'FINISHED'").exit_code == 2


def test_exports(ask: Call, tmp_path: Path) -> None:
    table = ask("export", PROJECT)
    assert table.stdout.startswith("run,name,state")
    target = tmp_path / "loss.csv"
    written = ask("export", RUN, "--csv", "loss", "--output", str(target))
    assert (written.exit_code, written.stdout) == (0, "")
    assert target.read_text().startswith("step,value,timestamp")
    assert ask("export", RUN, "--logs").exit_code == 0
    assert ask("export", RUN).exit_code == 2
    assert ask("export", PROJECT, "--logs").exit_code == 2


def test_changes(call: Call) -> None:
    made = _json(call("create", "my-team/fresh", "--visibility", "PUBLIC", "--json"))
    assert (made["path"], made["visibility"]) == ("my-team/fresh", "PUBLIC")
    assert call("create", "my-team/fresh").exit_code == 1
    assert call("update", "my-team/fresh", "--description", "new").exit_code == 0
    assert _json(call("projects", "my-team", "--search", "fresh", "--json"))["list"][0]["description"] == "new"
    assert call("update", RUN, "--name", "renamed", "--label", "a", "--label", "b").exit_code == 0
    run = _json(call("run", RUN, "--json"))
    assert (run["name"], run["labels"]) == ("renamed", ["a", "b"])
    assert call("update", PROJECT, "--filter", "'a' in tags", "--group", "g").exit_code == 0
    assert _json(call("run", RUN, "--json"))["group"] == "g"
    assert call("update", RUN).exit_code == 2
    for wrong in (["--group", "g"], ["--description", "x", "--dry-run"], ["--label-added", "x"]):
        refused = call("update", PROJECT, *wrong)
        assert (refused.exit_code, f"'{PROJECT}' is a project" in refused.stderr) == (2, True)


def test_an_update_is_shown_and_loses_no_labels_unawares(call: Call) -> None:
    def labels() -> dict[str, list[str]]:
        return {run["id"]: run["labels"] for run in _json(call("runs", PROJECT, "--json"))["list"]}

    before = labels()
    these = ("update", PROJECT, "--filter", "state == 'FINISHED'")
    shown = call(*these, "--label-added", "x", "--label-removed", "cv", "--dry-run")
    assert (shown.exit_code, shown.stderr) == (0, "nothing was changed\n")
    assert shown.stdout.startswith("UpdatePlan: 2 of 2 runs would be changed\n- ")
    assert _json(call(*these, "--label-added", "x", "--dry-run", "--json"))["differ"] == 2
    tried = call(*these, "--label", "x", "--dry-run")
    assert (tried.exit_code, "without --dry-run this is refused: labels: these 2 runs" in tried.stderr) == (4, True)
    refused = call(*these, "--label", "x")
    said = "give --label-added … to add to them, --label-removed … to take some away, or --replace-labels to replace"
    assert (refused.exit_code, said in refused.stderr, said in tried.stdout) == (1, True, True)
    assert labels() == before
    done = call(*these, "--label-added", "x", "--label-removed", "cv")
    assert done.exit_code == 0
    assert re.search(r"^'runatlas undo \S+ --commit --(dir|host) \S+' takes that back$", done.stderr, re.MULTILINE)
    assert labels() != before
    noted = call("update", PROJECT, "--filter", "config.lrr == 1", "--group", "x").stderr
    assert re.fullmatch(r"note: no run here has a config 'lrr'.*\nchanged 0 runs\n", noted)
    assert call(*these, "--label", "x", "--replace-labels").exit_code == 0
    assert sorted(map(tuple, labels().values())).count(("x",)) == 2


def test_who_changed_what_is_told_and_taken_back(place: tuple[str, str], call: Call) -> None:
    def top(*arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, *place])

    name = _json(call("run", RUN, "--json"))["name"]
    assert call("update", RUN, "--name", "wrong", "--group", "g").exit_code == 0
    line = _json(top("audit", RUN, "--json", "--limit", "1"))["list"][0]
    shown = top("audit", PROJECT, "--kind", "update", "--by", line["by"], "--since", "1h")
    assert (shown.exit_code, line["id"] in shown.stdout, "name 'wrong'" in shown.stdout) == (0, True, True)
    assert line["id"] in top("audit", line["workspace"]).stdout
    assert _json(top("audit", "--by", "nobody", "--json"))["list"] == []
    plan = _json(top("undo", line["id"], "--json"))
    (reached,) = plan["runs"]
    assert (reached["path"], reached["before"]["name"], reached["after"]["name"]) == (RUN, name, "wrong")
    told = top("undo", line["id"])
    (row,) = (text.split() for text in told.stdout.splitlines() if text.split()[:2] == [RUN, "name"])
    assert row == [RUN, "name", "'wrong'", *repr(name).split()]
    assert told.stderr == "nothing was taken back; add --commit to do it\n"
    assert _json(call("run", RUN, "--json"))["name"] == "wrong"
    done = top("undo", line["id"], "--commit", "--json")
    made = _json(done)
    again = f"'runatlas undo {made['id']} --commit {' '.join(place)}' takes that back in turn"
    assert (made["undoes"], again in done.stderr) == (line["id"], True)
    assert _json(call("run", RUN, "--json"))["name"] == name
    tried = top("undo", line["id"])
    assert (tried.exit_code, f"with --commit this is refused: change {line['id']} " in tried.stderr) == (4, True)
    assert f" by change {made['id']} at " in json.loads(top("undo", line["id"], "--json").stdout)["refusal"]
    refused = top("undo", line["id"], "--commit")
    assert (refused.exit_code, f"it was already, by change {made['id']}" in refused.stderr) == (1, True)
    missing = top("undo", "nothing")
    assert (missing.exit_code, "the store that was looked at is " in missing.stderr) == (1, True)
    for wrong in (["--kind", "nothing"], ["--since", "soon"], ["--limit", "0"]):
        assert top("audit", *wrong).exit_code == 2


def test_what_takes_how_much_room(place: tuple[str, str]) -> None:
    def du(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["du", *arguments, *place])

    shown = du()
    assert (shown.exit_code, PROJECT in shown.stdout) == (0, True), shown.output
    said = r"^the store has (.+): (.+) of points and (.+) of files, .* and (.+) for the rest of the database"
    told = re.search(said, shown.stdout, re.MULTILINE)
    assert told is not None, shown.stdout
    size = _json(du("--json"))["store"]
    rest = size["database_bytes"] - size["point_bytes"]
    sizes = (size["database_bytes"] + size["file_bytes"], size["point_bytes"], size["file_bytes"], rest)
    assert told.groups() == tuple(map(size_text, sizes))
    runs = _json(du(PROJECT, "--json"))
    assert runs["by"] == "run"
    assert RUN in [item["name"] for item in runs["items"]]
    assert sum(item["points"] for item in runs["items"]) == runs["total"]["points"] > 0
    assert _json(du(RUN, "--json"))["by"] == "metric"
    assert "the largest 1 of" in du(RUN, "--limit", "1").stderr
    assert du("my-team/none").exit_code == 1


def test_deletion_is_shown_then_done_then_undone(call: Call) -> None:
    planned = call("delete", RUN)
    assert "1 run would be deleted" in planned.stdout
    assert "nothing was deleted" in planned.stderr
    assert call("run", RUN).exit_code == 0
    gone = _json(call("delete", PROJECT, "abc123", "--commit", "--json"))
    assert gone["runs"] == 1
    missing = call("run", RUN)
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert missing.stderr.startswith("Error: ")
    assert [entry["id"] for entry in _json(call("trash", "--json"))["list"]] == [gone["trash_id"]]
    assert call("restore", gone["trash_id"]).exit_code == 0
    assert call("run", RUN).exit_code == 0
    assert call("delete", RUN, "abc123").exit_code == 2
    assert call("delete", PROJECT, "abc123", "--filter", "state == 'FINISHED'").exit_code == 2


def test_a_run_that_is_not_there_is_told_before_it_is_deleted(call: Call) -> None:
    shown = call("delete", PROJECT, "abc123", "mistyped", *"uvwxyz")
    named = ", ".join(map(repr, ("mistyped", *"uvwx")))
    assert shown.exit_code == 1
    assert f"with --commit this is refused: there is no run {named} and 2 more\n" in shown.stderr
    assert shown.stderr.endswith("nothing was deleted\n")
    assert call("delete", PROJECT, "abc123", "mistyped", "--commit").exit_code == 1
    assert call("run", RUN).exit_code == 0


def test_runs_are_protected_one_or_many(call: Call) -> None:
    assert call("protect", RUN, "--reason", "paper").exit_code == 0
    shown = call("runs", PROJECT)
    assert "protected" in shown.stdout
    assert "paper" in shown.stdout
    refused = call("delete", RUN, "--commit", "--force")
    assert (refused.exit_code, "is protected: paper" in refused.stderr) == (1, True)
    kept = call("delete", PROJECT, "--filter", "state == 'FINISHED'", "--commit")
    assert kept.exit_code == 0
    assert "baseline v2 (FINISHED, protected: paper)" in kept.stdout
    assert call("unprotect", RUN).exit_code == 0
    many = call("protect", PROJECT, "--filter", "state == 'FINISHED'")
    assert "protected 1 run\n" in many.stderr
    assert call("unprotect", PROJECT, "--filter", "protected").exit_code == 0
    assert call("delete", RUN, "--commit").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("delete", PROJECT, "--filter", "state", "==", "CRASHED"), "a filter is one text, in quotes"),
        (("protect", PROJECT), f"'{PROJECT}' is a project: --filter says which runs of it"),
        (("unprotect", PROJECT), f"'{PROJECT}' is a project: --filter says which runs of it"),
        (("update", PROJECT, "--group", "x"), "--filter says which runs of it to change"),
        (("update", RUN, "--visibility", "PUBLIC"), "--visibility goes with a project, not with runs"),
        (("update", RUN, "--group", "x", "--filter", "name == 'x'"), "--filter goes with a project, not with a run"),
        (("update", PROJECT, "--filter", "state == 'CRASHED'"), "say what to change, such as --name or --label"),
        (("move", PROJECT, "archive"), f"'{PROJECT}' is a project: '--project TARGET' says where its runs move to"),
        (("runs", PROJECT, "--filter", "model.lr == 1"), "config values are config.model.lr,"),
    ],
)
def test_a_mistake_tells_what_to_write(ask: Call, arguments: tuple[str, ...], told: str) -> None:
    refused = ask(*arguments)
    assert (refused.exit_code, told in refused.stderr) == (2, True), refused.stderr


def test_what_deletes_nothing_says_so(call: Call) -> None:
    nothing = ("delete", PROJECT, "--filter", "name == 'nobody'")
    shown = call(*nothing)
    assert (shown.exit_code, shown.stderr) == (0, "nothing was deleted\n")
    done = call(*nothing, "--commit")
    assert (done.exit_code, done.stderr) == (0, "nothing was deleted: nothing that may go was found\n")


def test_a_plan_is_written_to_a_file_and_applied_from_it(call: Call, tmp_path: Path) -> None:
    file = str(tmp_path / "plan.json")
    assert call("delete", RUN, "--save", file, "--commit").exit_code == 2
    saved = call("delete", RUN, "--save", file)
    assert (saved.exit_code, "runatlas api apply" in saved.stderr) == (0, True)
    assert _json(call("apply", file, "--json"))["total"] == 1
    assert call("run", RUN).exit_code == 0
    assert call("protect", RUN).exit_code == 0
    refused = call("apply", file, "--commit")
    assert (refused.exit_code, "is protected" in refused.stderr) == (1, True)
    assert call("unprotect", RUN).exit_code == 0
    assert _json(call("apply", file, "--commit", "--json"))["runs"] == 1
    assert call("run", RUN).exit_code == 1
    for wrong, code in ((str(tmp_path / "none.json"), 1), (__file__, 2)):
        told = call("apply", wrong)
        assert (told.exit_code, "Traceback" in told.stderr) == (code, False), told.stderr


def test_a_filter_that_names_what_no_run_has_deletes_nothing(call: Call) -> None:
    arguments = ("delete", PROJECT, "--filter", "config.baselin != True", "--commit")
    shown = call(*arguments[:-1])
    assert (shown.exit_code, "add --commit" in shown.stderr) == (4, False)
    assert "with --commit this is refused: " in shown.stderr
    assert "delete with --force if that is meant" in shown.stderr
    refused = call(*arguments)
    assert "delete with --force if that is meant" in refused.stderr
    assert (refused.exit_code, "no run here has a config 'baselin'" in refused.stderr) == (1, True)
    assert call("run", RUN).exit_code == 0
    assert call(*arguments, "--force").exit_code == 0


@pytest.mark.parametrize("arguments", [("runs", "--order", "created_at"), ("runs", "--size", "2"), ("export",)])
def test_a_filter_that_names_what_no_run_has_says_so_beside_an_empty_answer(
    ask: Call, arguments: tuple[str, ...]
) -> None:
    found = ask(arguments[0], PROJECT, *arguments[1:], "--filter", "config.baselin == True")
    assert (found.exit_code, "note: no run here has a config 'baselin'" in found.stderr) == (0, True)


def test_purging_counts_before_it_removes(call: Call) -> None:
    entry = _json(call("delete", RUN, "--commit", "--json"))["trash_id"]
    assert _json(call("purge", entry, "--json"))["dry_run"] is True
    assert _json(call("purge", entry, "--commit", "--json"))["runs"] == 1
    assert call("restore", entry).exit_code == 1


def test_what_people_put_around_runs(call: Call) -> None:
    folder = call("folders", PROJECT, "--create", "sweeps").stdout.strip()
    below = call("folders", PROJECT, "--create", "lr", "--parent", folder).stdout.strip()
    assert [item["path"] for item in _json(call("folders", PROJECT, "--json"))["list"]] == ["/sweeps", "/sweeps/lr"]
    assert call("move", RUN, below).exit_code == 0
    assert _json(call("folders", PROJECT, "--json"))["list"][1]["run_count"] == 1
    assert call("move", RUN).exit_code == 0
    assert call("annotate", RUN, "diverged", "--metadata", '{"step": 4}').exit_code == 0
    assert _json(call("annotations", RUN, "--json"))["list"][0]["metadata"] == {"step": 4}
    assert call("ingestion-keys", RUN, "--create", "job").stdout.startswith("ik_")
    key = _json(call("ingestion-keys", RUN, "--json"))["list"][0]
    assert call("ingestion-keys", RUN, "--revoke", key["id"]).exit_code == 0
    assert "loss" in call("catalog", RUN).stdout
    assert _json(call("compare", "loss", RUN, "--all", "--json"))["complete"]
    assert _json(call("models", "my-team", "--json"))["list"] == []
    assert call("promote", "my-team/none", "1").exit_code == 1


def test_users(place: tuple[str, str], call: Call) -> None:
    assert call("users", "--create", "newuser", input="a long password\n").exit_code == 0
    helped = call("users", "--reset-password", "newuser")
    if "--dir" in place:
        assert re.fullmatch(r"[a-z2-9-]{19}\n", helped.stdout), helped.output
    else:
        assert "an API key is needed" in helped.output, "there is a password now"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "no-slash"),
        ("runs", PROJECT, "--filter", "stat == 1"),
        ("metrics", RUN, "loss", "--head", "1", "--tail", "1"),
        ("columns", RUN, "--type", "NOTHING"),
        ("projects", "--sort", "size"),
    ],
)
def test_a_mistake_is_one_of_usage(ask: Call, arguments: tuple[str, ...]) -> None:
    result = ask(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr
    assert "Traceback" not in result.stderr


def test_as_a_module_and_into_a_pipe(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path / "store")
    make_world(backend)
    api = Api(backend=backend)
    command = [sys.executable, "-m", "runatlas", "api", "runs", PROJECT, "--dir", str(tmp_path / "store")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"COLUMNS": "20", "PATH": "/usr/bin"}
    )
    for run in api.runs(PROJECT):
        assert run.name in done.stdout
    backend.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ["api", "projects"],
        ["api", "runs", PROJECT],
        ["api", "delete", PROJECT, "--commit"],
        ["verify"],
        ["ping"],
        ["keys", "list", "ann"],
        ["keys", "revoke", "abc"],
    ],
    ids=" ".join,
)
def test_a_mistyped_directory_is_no_empty_store(tmp_path: Path, arguments: list[str]) -> None:
    done = CliRunner().invoke(main, [*arguments, "--dir", str(tmp_path / "stroe")])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert (
        done.stderr
        == f"Error: there is no RunAtlas store in {tmp_path / 'stroe'}; check the path, or record a run there first\n"
    )
    assert not (tmp_path / "stroe").exists()


@pytest.mark.parametrize("arguments", [["metrics", PROJECT], ["metrics", RUN], ["summary", RUN]], ids=" ".join)
def test_a_mistyped_metric_is_named(ask: Call, arguments: list[str]) -> None:
    done = ask(*arguments, "loss", "lsos")
    of_project = ["no run here has a metric 'lsos', did you mean 'loss'?", "1 of 4 runs has no loss"]
    assert done.exit_code == 0
    assert done.stderr.splitlines() == (
        of_project if PROJECT in arguments else ["there are no points of 'lsos', did you mean 'loss'?"]
    )


def test_a_column_that_no_listed_run_has_is_named(ask: Call) -> None:
    done = ask("runs", PROJECT, "--metric", "lsos", "--metric", "loss", "--config", "nothing-like-it")
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [
        "no run of these has a config 'nothing-like-it'",
        "no run of these has a metric 'lsos', did you mean 'loss'?",
    ]
    assert ask("runs", PROJECT, "--filter", "name == 'nobody'", "--metric", "lsos").stderr == ""


def test_a_table_is_exported_only_as_what_its_file_is_called(ask: Call, tmp_path: Path) -> None:
    for name in ("runs.xls", "runs.parqet", "runs.json"):
        refused = ask("export", PROJECT, "--output", str(tmp_path / name))
        assert refused.exit_code == 2
        assert "is no table that can be written; let the file end in .csv, .parquet or .jsonl" in refused.stderr
    assert ask("export", PROJECT, "--output", str(tmp_path / "runs.CSV")).exit_code == 0
    assert [path.name for path in tmp_path.glob("runs.*")] == ["runs.CSV"]
    lines = tmp_path / "runs.jsonl"
    assert ask("export", PROJECT, "--output", str(lines)).exit_code == 0
    listed = [run["id"] for run in _json(ask("runs", PROJECT, "--json"))["list"]]
    for written in (lines.read_text(), ask("export", PROJECT, "--format", "jsonl").stdout):
        assert [json.loads(line)["run"] for line in written.splitlines()] == listed
    assert ask("export", PROJECT, "--resume").exit_code == 2


def test_a_run_that_was_recorded_offline_is_hinted_at(tmp_path: Path) -> None:
    with Run(repo=tmp_path, mode="offline", capture_terminal_logs=False) as run:
        run.log({"loss": 1.0})
    done = CliRunner().invoke(main, ["api", "projects", "--dir", str(tmp_path)])
    assert (done.exit_code, done.stderr) == (
        1,
        f"Error: there is no RunAtlas store in {tmp_path} yet; check the path, or 'runatlas sync {tmp_path}' "
        "makes it of what runs left there\n",
    )
    assert CliRunner().invoke(main, ["sync", str(tmp_path)]).exit_code == 0
    assert CliRunner().invoke(main, ["api", "projects", "--dir", str(tmp_path)]).exit_code == 0


def test_who_makes_a_store_is_told_so_once(tmp_path: Path) -> None:
    told = []
    for _ in range(2):
        with running_server(tmp_path / "served", makes_store=True) as server:
            told.append([line.rstrip() for line in server.log if "made" in line])
    assert told == [[f"made a new, empty store in {tmp_path / 'served'}: there was none"], []]
    for expected in (True, False):
        done = CliRunner().invoke(main, ["keys", "create", "ann", "--dir", str(tmp_path / "keys")])
        assert ("made a new, empty store" in done.stderr) == expected


def test_making_a_project_makes_the_store(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["api", "create", "images", "--dir", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    assert [project.name for project in Api(tmp_path / "new").projects()] == ["images"]


@pytest.mark.parametrize("name", ["runs.csv", "runs.parquet"])
def test_a_file_that_cannot_be_written_is_told_in_one_sentence(ask: Call, tmp_path: Path, name: str) -> None:
    path = tmp_path / "nowhere" / name
    done = ask("export", PROJECT, "--output", str(path))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: cannot open {path} (No such file or directory)\n"


def test_a_table_is_exported_as_parquet_where_the_file_is_called_so(ask: Call, tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    assert ask("export", PROJECT, "--output", str(path)).exit_code == 0
    with path.open("rb") as file:
        table = arro3.io.read_parquet(file).read_all()
    assert (
        set(table["run"].to_pylist()) == {run["id"] for run in _json(ask("runs", PROJECT, "--json"))["list"]} != set()
    )


def test_a_hint_can_be_pasted_and_an_error_names_the_store(call: Call, place: tuple[str, str], tmp_path: Path) -> None:
    deleted = call("delete", RUN, "--force", "--commit")
    with Api(place[1]) as api:
        (entry,) = api.trash()
    hint = f"runatlas api restore {entry.id} {place[0]} {place[1]}"
    assert f"'{hint}' brings 1 run back" in deleted.stderr
    with Api(tmp_path / "other place") as other:
        other.create_project(None, "spirals").unwrap()
    for command in ("restore", "purge"):
        missed = CliRunner().invoke(main, ["api", command, entry.id, "--dir", str(tmp_path / "other place")])
        assert missed.exit_code == 1
        assert f"the store that was looked at is {tmp_path / 'other place'}" in missed.stderr
    saved = call("delete", PROJECT, "--filter", "state == 'FINISHED'", "--save", str(tmp_path / "a plan.json"))
    assert f"\"runatlas api apply '{tmp_path / 'a plan.json'}' {place[0]} {place[1]}\" shows it" in saved.stderr
    back = CliRunner().invoke(main, hint.split()[1:])
    assert (back.exit_code, "brought back 1 run of" in back.stderr) == (0, True)


def test_purging_says_what_has_not_expired_and_what_it_freed(call: Call) -> None:
    assert call("delete", RUN, "--force", "--commit").exit_code == 0
    nothing = call("purge")
    assert nothing.stdout.splitlines()[0] == "would remove 0 entries: 0 runs, 0 points, 0 files"
    assert "1 entry has not expired and stays; --all takes what lies in workspaces that you own" in nothing.stderr
    assert "nothing was removed; add --commit to remove" in call("purge", "--all").stderr
    done = call("purge", "--all", "--commit")
    assert done.stdout.startswith("removed 1 entry: 1 run, 2,103 points, 0 files")
    assert "bytes of points:" in done.stdout
    assert "bytes of files:" in done.stdout
    assert "expired" not in done.stderr
