"""A program that is forked, for the tests' speed, is as one whose interpreter was started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.program import Program

_TEXT = """
import atexit, json, os, signal, sys, threading
atexit.register(lambda: print("at exit", sys.argv[1], flush=True))
threading._register_atexit(lambda: print("threads end", flush=True))
print(json.dumps({
    "main": [__name__, vars().get("__file__"), vars() is vars(sys.modules["__main__"])],
    "words": [sys.argv, sys.path[0], os.getcwd(), sorted(os.environ.items())],
    "family": [os.getppid(), os.getpgrp() == os.getpid(), threading.current_thread() is threading.main_thread()],
    "open": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:4],
    "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGTERM)],
    "threads": threading.active_count(),
    "streams": [
        [each.fileno(), each.name, each.mode, each.encoding, each.errors, each.line_buffering, each.write_through]
        for each in (sys.stdin, sys.stdout, sys.stderr)
    ],
    "said": sys.stdin.read(),
}))
sys.stderr.write("kept until the end")
exec(sys.argv[2])
"""

KINDS: tuple[type[subprocess.Popen[str]], ...] = (Program, subprocess.Popen)

ENDS = {
    "pass": 0,
    "sys.exit(3)": 3,
    "sys.exit('no')": 1,
    "1 / 0": 1,
    "raise KeyboardInterrupt": -2,
    "os.kill(os.getpid(), 9)": -9,
    "os._exit(4)": 4,
}


def _told(kind: type[subprocess.Popen[str]], command: list[Any], directory: Path) -> tuple[int, str, list[str]]:
    pipe = subprocess.PIPE
    environ = {name: os.environ[name] for name in ("LANG", "LC_ALL", "LC_CTYPE") if name in os.environ}
    with kind(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=directory, env={"HOME": "/nowhere", **environ}
    ) as process:
        told, errors = process.communicate("hello", timeout=60)
    # Of a traceback, who called the program is no matter.
    return process.returncode, told, errors.splitlines()[-1:]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("is_file", [False, True])
def test_a_forked_program_is_as_one_that_is_started(tmp_path: Path, end: str, is_file: bool) -> None:
    script = tmp_path / "program.py"
    script.write_text(_TEXT)
    words = [str(script)] if is_file else ["-c", _TEXT]
    forked, started = (
        _told(kind, [sys.executable, "-u", "-W", "ignore", *words, "ä", end], tmp_path) for kind in KINDS
    )
    assert forked == started
    assert forked[0] == ENDS[end]


def test_a_module_runs_as_a_program(tmp_path: Path) -> None:
    forked, started = (_told(kind, [sys.executable, "-m", "runatlas", "api", "nothing"], tmp_path) for kind in KINDS)
    assert forked == started
