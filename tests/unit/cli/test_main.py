from __future__ import annotations

import importlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from runatlas.cli.main import COMMANDS, main


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_the_table_says(name: str) -> None:
    module, attribute = COMMANDS[name][0].split(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    shown = CliRunner().invoke(main, [name, "--help"])
    assert (shown.exit_code, shown.output.startswith(f"Usage: main {name}")) == (0, True)


def test_help_lists_every_command_and_loads_none() -> None:
    code = (
        "import sys; from runatlas.cli.main import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    done = _python(code)
    *shown, loaded = done.stdout.splitlines()
    for name, (_, line) in COMMANDS.items():
        assert any(text.split()[:3] == [name, *line.split()[:2]] for text in shown), name
    assert not {"requests", "litestar", "sqlalchemy", "numpy", "rich"} & set(loaded.split())


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "runatlas", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: runatlas ")
    assert done.stderr == ""


def test_a_command_ends_without_looking_for_garbage() -> None:
    code = (
        "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 1000)); "
        "from runatlas.cli.main import main; main(['version'])"
    )
    assert _python(code).stdout.splitlines()[-1] == "True"


@pytest.mark.parametrize("arguments", [["nothing"], ["serve", "--nothing"], ["keys", "create"], ["--nothing"]])
def test_wrong_usage_has_exit_code_2_and_nothing_on_stdout(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Error: " in done.stderr


def test_an_error_of_ours_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "runatlas.db").write_bytes(b"not a database" * 1000)
    done = CliRunner().invoke(main, ["keys", "create", "ann", "--dir", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert "restore it from a backup" in done.stderr


def test_a_package_that_is_missing_is_named_with_what_to_do() -> None:
    code = (
        "import sys; sys.modules['litestar'] = None; from runatlas.cli.main import main; main(['serve', '--dir', 'x'])"
    )
    done = _python(code)
    assert done.returncode == 1
    assert "litestar" in done.stderr
    assert "pip install 'runatlas[all]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_an_option_too() -> None:
    shown = [CliRunner().invoke(main, [argument]).stdout for argument in ("--version", "version")]
    assert shown[0] == shown[1] != ""


@pytest.mark.parametrize("group", ["api", "keys", "import"])
def test_no_line_of_help_is_cut_off(group: str) -> None:
    shown = CliRunner().invoke(main, [group, "--help"]).stdout
    assert "..." not in shown.partition("Commands:")[2]


@pytest.mark.parametrize("arguments", [("api", "runs", "a/b"), ("clean", "a/b", "--older-than", "1d", "--commit")])
def test_an_interrupted_command_says_so_in_one_line(arguments: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "runatlas", *arguments, "--host", host, "--key", "k" * 21]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            asked, _ = silent.accept()  # from now on it waits for an answer
            with asked:
                process.send_signal(signal.SIGINT)
                shown, told = process.communicate(timeout=60)
    assert (process.returncode, shown, told) == (130, "", "Error: interrupted\n")
