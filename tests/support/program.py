"""Programs as processes of their own that begin at once: forked from an interpreter that has imported everything.

Such a program is a child of this process, has the interpreter's own beginning and end, and inherits modules, and
nothing that was opened or started.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Program", "run_program"]

_ZYGOTE = Path(__file__).with_name("zygote.py")
_PRELOADED = (
    *("runatlas.tracking.current_run", "runatlas.tracking.sync", "runatlas.api.entry"),
    *("runatlas.backends.local", "runatlas.backends.native"),
    *("sqlalchemy.dialects.sqlite", "concurrent.futures.process", "concurrent.futures.thread"),
    *("multiprocessing.pool", "multiprocessing.popen_fork", "multiprocessing.synchronize", "urllib.request"),
)
_PR_SET_CHILD_SUBREAPER = 36


class _Zygote:
    """An interpreter that forks programs, as long as this process lives."""

    def __init__(self) -> None:
        self._asking, there = socket.socketpair()
        self._lock = threading.Lock()
        self._owner = os.getpid()
        with there:
            command = [sys.executable, str(_ZYGOTE), str(there.fileno()), *_PRELOADED]
            self._process = subprocess.Popen(
                command, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        atexit.register(self._end)

    def _end(self) -> None:
        self._asking.close()
        if self._owner == os.getpid():
            self._process.wait()

    def start(self, asked: dict[str, Any], streams: Sequence[int]) -> int:
        """Start a program, and return its number: it is a child of this process."""
        told = json.dumps(asked).encode()
        with self._lock:
            _take_orphans(True)
            try:
                socket.send_fds(self._asking, [len(told).to_bytes(8, "big")], streams)
                self._asking.sendall(told)
                pid = int.from_bytes(self._asking.recv(8, socket.MSG_WAITALL), "big")
                is_there = self._asking.recv(1)
            finally:
                _take_orphans(False)
        assert is_there, "the interpreter that forks is gone"
        return pid


def _take_orphans(takes: bool) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(takes), 0, 0, 0)


@cache
def _zygote() -> _Zygote:
    return _Zygote()


class Program(subprocess.Popen[str]):
    """A program of this interpreter: ``[sys.executable, (-u, -W ACTION,) SCRIPT or -c TEXT or -m MODULE, arguments…]``.

    Only where a process can take orphans is it forked; elsewhere, it is started as any other.
    """

    def _execute_child(self, arguments: Sequence[str | Path], *rest: Any) -> None:
        command = [str(argument) for argument in arguments]
        _, before, _, passed, cwd, environ, _, _, shell, *pipes = rest[:15]
        session = rest[20]
        if sys.platform != "linux" or before or passed or shell or command[0] != sys.executable:
            super()._execute_child(arguments, *rest)  # type: ignore[misc]
            return
        asked = _parsed(command[1:])
        asked |= {"cwd": str(cwd or Path.cwd()), "environ": dict(environ or os.environ), "session": bool(session)}
        standard = (pipes[0], pipes[3], pipes[5])
        streams = [number if found == -1 else found for number, found in enumerate(standard)]
        self.pid = _zygote().start(asked, streams)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def _parsed(words: list[str]) -> dict[str, Any]:
    """What a command line asks of the interpreter."""
    unbuffered, actions = False, []
    while words[0] in {"-u", "-W"}:
        if words.pop(0) == "-u":
            unbuffered = True
        else:
            actions.append(words.pop(0))
    kind = words.pop(0) if words[0] in {"-c", "-m"} else ""
    program, *arguments = words
    told = {"kind": kind, "program": program, "arguments": arguments}
    return {**told, "unbuffered": unbuffered, "warnings": actions}


def run_program(
    command: Sequence[str | Path], *, check: bool = False, timeout: float | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as ``subprocess.run`` does, and read what it writes as text."""
    with Program(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options) as process:
        try:
            told, errors = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    if check and process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, told, errors)
    return subprocess.CompletedProcess(process.args, process.returncode, told, errors)
