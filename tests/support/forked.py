"""The command line in processes of its own that start at once: each is forked from one that has imported everything.

What a process inherits of that one are modules, and nothing that was opened or started.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any, TextIO

from support.password import hash_quickly

__all__ = ["FORKS", "ForkedProcess", "command", "run_command", "run_server", "start"]


class _Process(ForkServerProcess):
    """A process whose parent has what is in ``support.preloaded``, which it finds where it is started."""

    def start(self) -> None:
        _start_parent()
        super().start()


@cache
def _start_parent() -> None:
    here = Path.cwd()
    os.chdir(Path(__file__).parent.parent)
    try:
        ensure_running()
    finally:
        os.chdir(here)


class _Forks(ForkServerContext):
    Process = _Process


FORKS = _Forks()
FORKS.set_forkserver_preload(["support.preloaded"])
"""Makes processes, and what they share, as ``multiprocessing`` does."""


class ForkedProcess:
    """A process that was started here, as ``subprocess.Popen`` shows one.

    Attributes:
        stream: What it writes, line by line.
    """

    def __init__(self, process: multiprocessing.process.BaseProcess, stream: TextIO) -> None:
        self._process = process
        self.stream = stream

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid is not None
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout_s: float) -> int:
        """Wait for its end, and return its exit code, below 0 for a signal.

        Raises:
            TimeoutError: It goes on.
        """
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            raise TimeoutError(f"process {self.pid} did not end within {timeout_s} s")
        return self._process.exitcode


def start(call: Callable[..., None], *arguments: Any, streams: tuple[int, ...] = (2,)) -> ForkedProcess:
    """Start a process.

    Args:
        call: What it does; importable.
        arguments: What it is given.
        streams: Which of 1 and 2 are read here; what is written to the other goes nowhere.
    """
    here, there = multiprocessing.Pipe(duplex=False)
    outputs = dict.fromkeys(streams, there)
    process = FORKS.Process(
        target=_begin, args=(call, arguments, outputs, dict(os.environ), str(Path.cwd())), daemon=True
    )
    process.start()
    there.close()
    return ForkedProcess(process, os.fdopen(os.dup(here.fileno()), "r", encoding="utf-8"))


def command(
    *arguments: str | Path, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``runatlas`` with these arguments to its end.

    Args:
        arguments: Of the command line.
        cwd: Where; ``None`` for the directory of this process.
        environ: Its environment; ``None`` for that of this process.
    """
    words = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as directory:
        outputs = {number: str(Path(directory, str(number))) for number in (1, 2)}
        process = FORKS.Process(
            target=_begin,
            args=(run_command, (words,), outputs, dict(environ or os.environ), str(cwd or Path.cwd())),
            daemon=True,
        )
        process.start()
        process.join(120)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"runatlas {' '.join(words)} did not end")
        told, errors = (Path(outputs[number]).read_text(encoding="utf-8") for number in (1, 2))
    return subprocess.CompletedProcess(["runatlas", *words], process.exitcode, told, errors)


def _begin(
    call: Callable[..., None],
    arguments: tuple[Any, ...],
    outputs: Mapping[int, Connection | str],
    environ: dict[str, str],
    directory: str,
) -> None:
    """Take the place of a process that was started anew: streams, environment and directory."""
    gc.freeze()
    hash_quickly()
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(directory)
    for number in (1, 2):
        output = outputs.get(number, os.devnull)
        os.dup2(
            os.open(output, os.O_WRONLY | os.O_CREAT, 0o600) if isinstance(output, str) else output.fileno(), number
        )
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, encoding="utf-8", closefd=False) for number in (1, 2))
    call(*arguments)


def run_command(arguments: Sequence[str]) -> None:
    """Do what ``runatlas`` with these arguments does."""
    from runatlas.cli.main import main  # of a process that has it already

    sys.argv = ["runatlas", *arguments]
    main(list(arguments), prog_name="runatlas")


def run_server(directory: Path, given: Mapping[str, Any]) -> None:
    """Serve a directory by settings that the command line does not have."""
    from runatlas.cli.report_maker import make_report
    from runatlas.server.process import serve
    from runatlas.server.settings import ServerSettings
    from runatlas.server.wire.body_limit import Limits

    limits = Limits(**given.get("limits", {}))
    settings = ServerSettings(directory, **{**given, "port": 0, "limits": limits, "reports": make_report})
    serve(settings, announce=lambda origin: print("at", origin, file=sys.stderr))
