"""What others wrote is shown, and neither obeyed by a terminal nor taken for markup; programs get it as it is."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import runatlas
from runatlas import Api
from runatlas.cli.api.command import api as api_group
from runatlas.cli.main import main
from runatlas.entities.run import Run
from runatlas.objects import Text

HOSTILE = "\x1b]52;c;cm0gLXJm\x07\x1b[2J\u202ecod.exe\u2066[/bold][red]"
KEY = "[/loss]\u202e"
PROJECT, RUN = "me/images", "me/images/r1"

Call = Callable[..., Result]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("hostile") / "store"
    file = directory.parent / "weights.bin"
    file.write_bytes(b"weights")
    with runatlas.Run(
        "r1",
        repo=directory,
        experiment="images",
        name=HOSTILE,
        description=HOSTILE + "\nsecond line",
        group=HOSTILE,
        tags=[HOSTILE],
        config={KEY: {HOSTILE: HOSTILE}, HOSTILE: "=1+1"},
        capture_terminal_logs=False,
    ) as run:
        run.track(0.5, name=KEY, context={"subset": HOSTILE})
        run.track(Text(HOSTILE, HOSTILE), name=KEY + "text")
        run.track(Text("x"), name="note", step=0)
        run.log_info(HOSTILE + "\nsecond line")
        run.log_artifact(file, "weights.bin")
    mine, project = run.path, f"{run.workspace}/images"
    with Api(directory) as api:
        api.run(mine).annotate(HOSTILE, {}).unwrap()
        api.project(project).update(title=HOSTILE, description=HOSTILE).unwrap()
        api.project(project).folders().create("x\u202e[y]").unwrap()
        api.run(mine).create_ingestion_key("k").unwrap()
        api.run(mine).register_model("net", "weights.bin").unwrap()
    with runatlas.Run("r2", repo=directory, experiment="images", name=HOSTILE, capture_terminal_logs=False):
        pass
    with Api(directory) as api:
        api.run(f"{run.workspace}/images/r2").delete(commit=True).unwrap()
    return directory


@pytest.fixture
def call(place: Path) -> Call:
    def called(*arguments: str) -> Result:
        with Api(place) as api:
            own = api.user().username
        named = [re.sub("^me/", f"{own}/", argument) for argument in arguments]
        return CliRunner().invoke(main, ["api", *named, "--dir", str(place)])

    return called


def own_run(api: Api) -> Run:
    return api.run(f"{api.user().username}/images/r1")


READING: dict[str, tuple[tuple[str, ...], ...]] = {
    "workspaces": ((),),
    "projects": ((),),
    "runs": ((PROJECT, "--config", HOSTILE, "--metric", KEY),),
    "columns": ((RUN,),),
    "users": ((),),
    "trash": ((),),
    "run": ((RUN,),),
    "metrics": ((RUN,), (PROJECT,)),
    "summary": ((RUN,),),
    "logs": ((RUN,),),
    "medias": ((RUN, KEY + "text"),),
    "folders": ((PROJECT,),),
    "annotations": ((RUN,),),
    "ingestion-keys": ((RUN,),),
    "catalog": ((RUN,),),
    "compare": ((KEY, RUN),),
    "models": ((),),
    "delete": ((RUN,), (PROJECT,)),
    "purge": ((),),
}
CHANGING: dict[str, tuple[str, ...]] = {
    "apply": (HOSTILE,),
    "create": (HOSTILE,),
    "update": (RUN, "--name", ""),
    "protect": (),
    "unprotect": (),
    "restore": (HOSTILE,),
    "annotate": (RUN, ""),
    "move": (RUN, HOSTILE),
    "promote": (f"me/{HOSTILE}", "1"),
    "copy": (RUN, HOSTILE),
    "cut": (RUN, "--steps", HOSTILE),
    "merge": (PROJECT, HOSTILE),
    "rename-project": (PROJECT, HOSTILE),
    "rename-metric": (RUN, HOSTILE, "x"),
}


def test_every_command_is_tried() -> None:
    assert set(api_group.commands) == READING.keys() | CHANGING.keys() | {"export"}


@pytest.mark.parametrize(("name", "arguments"), [(name, each) for name, all_ in READING.items() for each in all_])
def test_a_table_is_for_people_and_json_for_programs(call: Call, name: str, arguments: tuple[str, ...]) -> None:
    shown, exact = call(name, *arguments), call(name, *arguments, "--json")

    assert (shown.exit_code, exact.exit_code) == (0, 0), (shown.output, exact.output)
    for text in (shown.stdout, shown.stderr, exact.stderr):
        assert text.replace("\n", "").isprintable(), text
    for text in (shown.stdout, exact.stdout):
        assert not re.search(r"<(bound|function|runatlas|built-in|class|property)|object at 0x", text)
    assert "\\u001b" in exact.stdout or "\x1b" not in json.dumps(json.loads(exact.stdout), ensure_ascii=False)


@pytest.mark.parametrize("name", sorted(CHANGING))
def test_a_mistake_in_a_change_is_told_without_steering(call: Call, name: str) -> None:
    done = call(name, *CHANGING[name])

    assert done.exit_code in ({0} if name == "rename-project" else {1, 2})  # any text is a title
    assert done.output.replace("\n", "").isprintable()


def test_names_are_shown_whole(call: Call) -> None:
    assert "\\x1b]52;c;cm0gLXJm\\x07\\x1b[2J\\u202ecod.exe\\u2066[/bold][red]" in call("runs", PROJECT).stdout
    fields = call("run", RUN).stdout.splitlines()
    (description,) = [line for line in fields if line.startswith("description:")]
    assert fields[fields.index(description) + 1].strip() == "second line"
    assert fields[fields.index(description) + 1].startswith("   ")
    assert call("logs", RUN).stdout.count("\n") == 2


def test_media_are_listed_with_their_steps(call: Call) -> None:
    shown = call("medias", RUN, "note")
    assert shown.stdout.split()[-4:] == ["note", "0", "-", "-"], shown.output


def test_what_is_of_another_kind_is_said_to_be_there(call: Call) -> None:
    assert call("metrics", RUN, "note").stderr == "there are no points of 'note'; it is there with the type TEXT\n"
    assert call("summary", RUN, "note").stderr == "there are no points of 'note'; it is there with the type TEXT\n"
    said = call("medias", RUN, "note", KEY).stderr
    assert said == "there are no media of '[/loss]\\u202e'; it is there with the type FLOAT\n"


def test_exact_ways_out_are_exact(call: Call, place: Path) -> None:
    run = json.loads(call("run", RUN, "--json").stdout)

    assert (run["name"], run["labels"], run["profile"]["config"]) == (
        HOSTILE,
        [HOSTILE],
        {KEY: {HOSTILE: HOSTILE}, HOSTILE: "=1+1"},
    )
    with Api(place) as api:
        assert own_run(api).logs()[0].message == HOSTILE + "\nsecond line"
        assert own_run(api).name == HOSTILE


def test_a_spreadsheet_gets_no_formula(call: Call) -> None:
    plain, exact = call("export", PROJECT).stdout, call("export", PROJECT, "--exact").stdout

    assert "'=1+1" in plain
    assert "'=1+1" not in exact
    assert "=1+1" in exact


def test_what_is_printed_from_python_is_clean(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Api(place) as api:
        run = own_run(api)
        shown = [
            *(
                repr(run),
                repr(run.delete().data),
                repr(run.labels),
                repr(run.medias(None).data),
                repr(run.annotations()),
            ),
            *(str(run.logs().data), str(run.logs()[0]), repr(list(run.artifacts())), repr(run.metrics(None)[KEY])),
            *(repr(run.columns()), run.metrics(None).unwrap()._repr_html_(), run.logs().unwrap()._repr_html_()),
            *(str(run.column(HOSTILE).error), repr(run.summary())),
        ]
    for text in shown:
        assert text.replace("\n", "").isprintable(), text
    with caplog.at_level(logging.WARNING, "runatlas"):
        runatlas.Run(mode="disabled", config={HOSTILE: print}, capture_terminal_logs=False).close()
    assert caplog.messages[0].isprintable()
