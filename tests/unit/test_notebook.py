"""``%load_ext runatlas`` in a real IPython: what the Tab key offers, and what is left of a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support.world import make_points, make_world

from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.model.ids import ProjectPath
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunDraft

PATH = ProjectPath("me", "named")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """IPython with the extension, and a project, its runs and their table in it."""
    from IPython.core.interactiveshell import InteractiveShell  # which every process that collects tests would import
    from traitlets.config import Config

    place = tmp_path_factory.mktemp("shell")
    backend = LocalBackend(str(place / "store"))
    backend.create_workspace("me", name="me", comment="")
    backend.create_project(ProjectDraft(PATH.project, PATH.workspace))
    backend.create_run(RunDraft(PATH, id="one", name="one", config={"lr": 0.1, "net": {"depth": 2}}))
    world = type(make_world(backend))(backend, "me", PATH)
    world.add_points("one", make_points("loss", [1.0, 2.0]))
    world.add_points("one", make_points("val/acc", [1.0, 2.0]))
    main = sys.modules["__main__"]
    quiet = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
    made: Any = InteractiveShell.instance(config=quiet, ipython_dir=str(place / ".ipython"))
    project = Api(backend=backend).project(str(PATH))
    runs = project.runs()
    made.user_ns |= {"project": project, "runs": runs, "run": runs[0], "table": runs.table(), "other": "text"}
    made.run_cell("%load_ext runatlas")
    yield made
    made.restore_sys_module_state()
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main
    backend.close()


def completed(shell: Any, code: str) -> list[Any]:
    """What the Tab key offers at the end of some code, of what the run has."""
    from IPython.core.completer import provisionalcompleter

    with provisionalcompleter():
        found = list(shell.Completer.completions(code, len(code)))
    return [one for one in found if any(name in one.text for name in ("loss", "config", "val/acc"))]


@pytest.mark.parametrize(
    ("code", "offered"),
    [
        ('project.runs("conf', {"config.lr", "config.net.depth"}),
        ("project.runs(filters='len(tags) > 0 and summary.l", {"summary.loss"}),
        ('runs.groups("config.lr", "config.n', {"config.net.depth"}),
        ("project.runs('config.lr < 1 and summary.v", {'summary["val/acc"]'}),
        ('project.runs("summary.v', {"summary['val/acc']"}),
        ('runs.plot("loss", color="summary.v', {"summary['val/acc']"}),
        ('runs.best("v', {"val/acc"}),
        ('runs.metrics(["', {"loss", "val/acc"}),
        ('project.runs("lo', set()),
        ('x = 1\nruns.plot(\n    ["lo', {"loss"}),
        ('runs.best("loss.m', {"loss.min", "loss.max", "loss.median"}),
        ('run.metrics(["l', {"loss"}),
        ('table.column("summary.', {"summary.loss", "summary.val/acc"}),
        ('project.runs("config.lr < 1").best("los', {"loss"}),
        ('print(project.runs().groups("config.l', {"config.lr"}),
        ('runs[0].metrics(["l', {"loss"}),
        ('best = runs[:1].first().summary().data["', {"loss", "val/acc"}),
        ('run.summary()["l', {"loss"}),
        ('made = {"loss": project.run("one").latest["', {"loss", "val/acc"}),
        ('project.run("absent").metrics(["l', set()),
        ('project.runs("stat == 1").best("lo', set()),
        ('project.runs(name).best("lo', set()),
        ('project.delete().best("lo', set()),
        ('project.runs("", lo', set()),
        ('other.split("config.l', set()),
        ('nothing.runs("config.l', set()),
    ],
)
def test_names_complete_within_texts(shell: Any, code: str, offered: set[str]) -> None:
    found = completed(shell, code)
    assert {one.text for one in found} == offered
    begun = [(code[one.start : one.end], one.text.replace('["', ".").replace("['", ".")) for one in found]
    assert all(text.startswith(fragment) for fragment, text in begun)


def test_keys_of_a_config_complete(shell: Any) -> None:
    from IPython.core.completer import provisionalcompleter

    for code, keys in {'run.config["': {"lr", "net"}, 'runs[0].config["net"]["de': {"depth"}}.items():
        with provisionalcompleter():
            assert {one.text for one in shell.Completer.completions(code, len(code))} == keys
    assert [run.id for run in shell.user_ns["project"].runs()] == ["one"]  # nothing that was completed was done


def test_an_error_of_the_caller_ends_at_the_callers_line(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def shown(code: str) -> str:
        shell.run_cell(code)
        return capsys.readouterr().out

    for code, sentence in {
        "runs.best('loss', n=0)": "n: must be at least 1",
        "project.runs('stat == 1')": "did you mean 'state'?",
        "project.run('absent').name": "has no run 'absent'",
        "project.sql('select los from runs').columns": 'did you mean "summary.loss"?',
    }.items():
        told = shown(f"def ask():\n    return {code}\nask()")
        assert f"----> 2     return {code}" in told
        assert sentence in told
        assert "src/runatlas" not in told
    assert "1 / 0" in shown("1 / 0")


def test_all_of_it_is_taken_back(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%unload_ext runatlas")
    assert completed(shell, 'project.runs("config.l') == []
    shell.run_cell("runs.best('loss', n=0)")
    assert "src/runatlas" in capsys.readouterr().out
    inner = ("server/", "filter_language.py", "duckdb/")
    for code in (
        "project.run('absent').name",
        "project.runs('stat == 1')",
        "project.sql('select los from runs').columns",
    ):
        shell.run_cell(code)
        told = capsys.readouterr().out
        assert f"----> 1 {code}" in told
        assert not any(part in told for part in inner)
