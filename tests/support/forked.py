"""The command line in processes of its own that start at once: each is forked from one that has imported everything.

What a process inherits of that one are modules, and nothing that was opened or started.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TextIO

__all__ = ["ForkedProcess", "run_command", "run_server", "start"]

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        *("runatlas.cli.main", "runatlas.cli.serve", "runatlas.cli.keys", "runatlas.server.process"),
        *("litestar.plugins.attrs", "litestar.plugins.pydantic", "litestar.plugins.problem_details"),
        *("uvicorn.protocols.http.httptools_impl", "uvicorn.lifespan.on", "sqlalchemy.dialects.postgresql.psycopg"),
    ]
)


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
    process = _FORKS.Process(
        target=_begin, args=(call, arguments, streams, there, dict(os.environ), str(Path.cwd())), daemon=True
    )
    process.start()
    there.close()
    return ForkedProcess(process, os.fdopen(os.dup(here.fileno()), "r", encoding="utf-8"))


def _begin(
    call: Callable[..., None],
    arguments: tuple[Any, ...],
    streams: tuple[int, ...],
    stream: Connection,
    environ: dict[str, str],
    directory: str,
) -> None:
    """Take the place of a process that was started anew: streams, environment and directory."""
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(directory)
    with Path(os.devnull).open("w") as nowhere:
        for number in (1, 2):
            os.dup2(stream.fileno() if number in streams else nowhere.fileno(), number)
    stream.close()
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    call(*arguments)


def run_command(arguments: Sequence[str]) -> None:
    """Do what ``runatlas`` with these arguments does."""
    from runatlas.cli.main import main  # of a process that has it already

    sys.argv = ["runatlas", *arguments]
    main(list(arguments), prog_name="runatlas")


def run_server(directory: Path, given: Mapping[str, Any]) -> None:
    """Serve a directory by settings that the command line does not have."""
    from runatlas.server.process import serve
    from runatlas.server.settings import ServerSettings
    from runatlas.server.wire.body_limit import Limits

    limits = Limits(**given.get("limits", {}))
    settings = ServerSettings(directory, **{**given, "port": 0, "limits": limits})
    serve(settings, announce=lambda origin: print("at", origin, file=sys.stderr))
