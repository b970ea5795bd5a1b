"""The code blocks of a Markdown document, and running them as a reader would."""

from __future__ import annotations

import ast
import os
import re
import shlex
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import attrs
from support import forked

from runatlas.charts.chart import Chart

ROOT = Path(__file__).resolve().parents[2]
REAL_RUNS = ROOT.parent / "shared" / "data" / "nanogpt_runs.jsonl.gz"
SETUP = ("pip install '.[all]' && runatlas demo", "pip install -e '.[dev]' && pytest")
"""The README's two commands: the demo runs as a test of its own, the other one is what runs these tests."""

PORT = "5170"
"""The port that documents name; another one that is free takes its place."""

WRITER = "root"
"""Who the documents' examples belong to, whoever runs them: the workspace of a new store is called as its user."""

SAVES = "RUNATLAS_SAVE_DOCS" in os.environ
"""Whether what documents show is saved anew."""

_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[a-z{}-]*)[^\n]*\n(?P<body>.*?)^(?P=fence)[^\S\n]*$"
    r"(\n\n!\[[^\]]*\]\((?P<picture>[^)]*)\)$)?",
    re.MULTILINE | re.DOTALL,
)
_SHELL_ONLY = re.compile(r"[|&;<>$`*?~\[\]{}#()\n]")
"""What a shell reads in a command."""
_SHELL = {"console", "bash", "shell", "sh"}
_OUTPUT = {"", "{toctree}", "{eval-rst}", "text", "json", "csv", "toml", "ini"}


@attrs.frozen
class Block:
    """A fenced block, and the picture that stands below it."""

    language: str
    body: str
    line: int
    picture: str | None = None


def documents() -> list[Path]:
    """README and every page of docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(path: Path) -> list[Block]:
    """The code blocks of a document, in order.

    Raises:
        AssertionError: A block is in a language that nobody runs.
    """
    return blocks_of(path.read_text(encoding="utf-8"), path.name)


def blocks_of(text: str, name: str) -> list[Block]:
    """The code blocks of a text.

    Raises:
        AssertionError: A block is in a language that nobody runs.
    """
    found = []
    for match in _FENCE.finditer(text):
        language = match["language"]
        line = text.count("\n", 0, match.start()) + 2
        if language in _SHELL | {"python"}:
            found.append(Block(language, match["body"], line, match["picture"]))
        else:
            assert language in _OUTPUT, f"{name}:{line - 1}: nobody runs {language!r}"
    return found


def _commands(block: Block) -> list[str]:
    lines = block.body.replace("\\\n", " ").splitlines()
    if block.language == "console":
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _free_port() -> str:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


class Reader:
    """Runs a document's blocks from the top: Python in one namespace, shell in one directory."""

    def __init__(self, path: Path, directory: Path) -> None:
        self._path = path
        self._directory = directory
        self._port = _free_port()
        self._namespace: dict[str, Any] = {"__name__": "__main__"}
        self._background: list[subprocess.Popen[bytes]] = []
        self._environment = os.environ | {
            "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(directory),
            "LOGNAME": WRITER,
            "MPLBACKEND": "Agg",
        }

    def run(self, block: Block) -> None:
        """Run one block, whose last line is the picture below it; a failure names the document and the line."""
        block = attrs.evolve(block, body=block.body.replace(PORT, self._port))
        if block.language == "python":
            shown = self._python("\n" * (block.line - 1) + block.body)
            if block.picture:
                assert isinstance(shown, Chart), f"{self._path.name}:{block.line}: {block.picture} is not drawn by it"
                if SAVES:
                    shown.save(self._path.parent / block.picture, dpi=130)
            return
        for command in _commands(block):
            if command.strip() not in SETUP:
                self._shell(command)

    def _python(self, code: str) -> object:
        """Run code, and return what its last line is."""
        tree = ast.parse(code, str(self._path))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(self._path), "exec"), self._namespace)
        if not isinstance(last, ast.Expr):
            return None
        return eval(compile(ast.Expression(last.value), str(self._path), "eval"), self._namespace)

    def _shell(self, command: str) -> None:
        if command.rstrip().endswith("&"):
            self._serve(command.rstrip().rstrip("&"))
            return
        words = [] if _SHELL_ONLY.search(command) else shlex.split(command)
        if words[:1] == ["runatlas"]:
            done = forked.command(*words[1:], cwd=self._directory, environ=self._environment)
        else:
            done = self._bash(command)
        assert done.returncode == 0, f"{self._path.name}: {command}\n{done.stdout}{done.stderr}"

    def _bash(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _serve(self, command: str) -> None:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=self._directory, env=self._environment, stderr=subprocess.PIPE
        )
        self._background.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            sys.stderr.write(line.decode())
            if b"://" in line:
                return
        raise AssertionError(f"{self._path.name}: {command!r} ended before it served")

    def close(self) -> None:
        """End what runs in the background."""
        for process in self._background:
            process.terminate()
            process.wait(timeout=30)
            assert process.stderr is not None
            process.stderr.close()
