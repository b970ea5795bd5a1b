"""Commands of ``swanlab``, each in a process of its own, and their help."""

from __future__ import annotations

import importlib
import itertools
import os
import pathlib
import random
import re
import sys
import traceback
from typing import Any

import swanlab
import swanlab.cli

# After each page the older client waits for that part of a second.
random.random = lambda: 0.0


def run(arguments: list[str], *, anew: bool = False) -> dict[str, Any]:
    """Run a command; return its exit code and what it printed.

    Args:
        arguments: Its words.
        anew: Whether to load the client anew, with the settings that lie on the disk and not in variables.
    """
    out, err = pathlib.Path(".out"), pathlib.Path(".err")
    pathlib.Path(".in").write_text("y\n")
    child = os.fork()
    if not child:
        # Who is asked says yes.
        with pathlib.Path(".in").open() as given, out.open("w") as output, err.open("w") as errors:
            os.dup2(given.fileno(), 0)
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)
        if anew:
            forget()
        os._exit(run_here(arguments))
    _, status = os.waitpid(child, 0)
    return {"code": os.waitstatus_to_exitcode(status), "out": out.read_text(), "err": err.read_text()}


def forget() -> None:
    for name in [name for name in os.environ if name.startswith("SWANLAB_")]:
        del os.environ[name]
    for name in [name for name in sys.modules if name.partition(".")[0] == "swanlab"]:
        del sys.modules[name]


def run_here(arguments: list[str]) -> int:
    code = 0
    try:
        if arguments[0] == "record":
            record(arguments[1])
        else:
            importlib.import_module("swanlab.cli").cli.main(arguments, prog_name="swanlab")
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def record(directory: str) -> None:
    """Track a run without a server."""
    pathlib.Path(directory).mkdir()
    swanlab.init(project="kept", experiment_name="from afar", mode="offline", logdir=directory, config={"lr": 1})
    for step in range(10):
        swanlab.log({"loss": step / 10}, step=step)
    swanlab.finish()


def read_help(words: list[str]) -> dict[str, list[list[str]]]:
    """Return the commands that help shows, and the spellings of each of their options."""
    text = run([*words, "--help"])["out"]
    sections = {part.split(":\n")[0]: part for part in re.split(r"\n(?=\w+:\n)", text)}
    commands = re.findall(r"^  ([\w-]+)", sections.get("Commands", ""), re.MULTILINE)
    found: dict[str, list[list[str]]] = {}
    for command in commands:
        found |= read_help([*words, command])
    if not commands:
        lines = re.findall(r"^  (-.*?)(?:  |$)", sections.get("Options", ""), re.MULTILINE)
        spellings = [re.findall(r"(?<![\w-])--?[a-z_-]+", line) for line in lines]
        found[" ".join(words)] = [names for names in spellings if names != ["--help"]]
    return found


def main(given: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"help": read_help([])}
    for name, arguments, anew in given["commands"]:
        kept = [str(path) for path in pathlib.Path("kept").glob("run*")]
        words = [*itertools.chain.from_iterable(kept if word == "KEPT" else [word] for word in arguments)]
        told[name] = run(words, anew=anew)
    told["saved"] = {file.name: file.read_text() for file in sorted(pathlib.Path().glob("saved*.json"))}
    return told
