"""An interpreter that has imported what programs import, and forks for each: run by ``support.program``.

    python zygote.py DESCRIPTOR MODULE ...

A program has what a new interpreter has: its own ``__main__``, arguments, environment, directory and streams, nothing
else that is open, and the interpreter's own end, with its exit code. Its parent ends at once, so that who asked for it,
and takes orphans in that moment, becomes its parent.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import signal
import socket
import sys
import types
import warnings
from pathlib import Path
from typing import Any

_DESCRIPTORS = 3


def _next_program(asking: socket.socket) -> dict[str, Any] | None:
    """Fork for each program that is asked for; return in it, and with nothing at the end."""
    while True:
        size, descriptors, _, _ = socket.recv_fds(asking, 8, _DESCRIPTORS)
        if not size:
            return None
        asked: dict[str, Any] = json.loads(_read(asking, int.from_bytes(size, "big")))
        if not (between := os.fork()):
            parent = os.getpid()
            begun, begins = os.pipe()
            if not (pid := os.fork()):
                if asked["session"]:
                    os.setsid()
                asking.close()
                for number, descriptor in enumerate(descriptors):
                    os.dup2(descriptor, number)
                os.close(begins)
                while os.getppid() == parent:
                    os.sched_yield()
                os.closerange(_DESCRIPTORS, os.sysconf("SC_OPEN_MAX") if sys.platform == "darwin" else 2**16)
                return asked
            os.close(begins)
            os.read(begun, 1)
            asking.sendall(pid.to_bytes(8, "big"))
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
        os.waitpid(between, 0)
        # Only now is the program somebody else's.
        asking.sendall(b".")


def _read(asking: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += asking.recv(size - len(found))
    return found


def _become(asked: dict[str, Any]) -> types.CodeType:
    """Take the place of a new interpreter."""
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    unbuffered = asked["unbuffered"] or bool(os.environ.get("PYTHONUNBUFFERED"))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        raw = io.FileIO(number, "rb" if number == 0 else "wb", closefd=False)
        raw.name = f"<{name}>"
        stream: Any = io.BufferedReader(raw) if number == 0 else raw if unbuffered else io.BufferedWriter(raw)
        lines = not unbuffered and (number == 2 or os.isatty(number))
        own = getattr(sys, name)
        text = io.TextIOWrapper(stream, own.encoding, own.errors, "\n", line_buffering=lines, write_through=unbuffered)
        text.mode = "r" if number == 0 else "w"  # type: ignore[misc]
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)
    for action in asked["warnings"]:
        sys.warnoptions.append(action)
        warnings.simplefilter(action)
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    program, arguments = asked["program"], asked["arguments"]
    if asked["kind"] == "-m":
        sys.argv, sys.path[0] = ["-m", *arguments], str(Path.cwd())
        return compile(f"import runpy; runpy._run_module_as_main({program!r})", "<module>", "exec", dont_inherit=True)
    if asked["kind"] == "-c":
        sys.argv, sys.path[0] = ["-c", *arguments], ""
        return compile(program, "<string>", "exec", dont_inherit=True)
    sys.argv, sys.path[0] = [program, *arguments], str(Path(program).resolve().parent)
    main.__dict__["__file__"] = program
    main.__dict__["__cached__"] = None
    return compile(Path(program).read_bytes(), program, "exec", dont_inherit=True)


for _name in sys.argv[2:]:
    with contextlib.suppress(ImportError):
        importlib.import_module(_name)
gc.collect()
gc.freeze()
with socket.socket(fileno=int(sys.argv[1])) as _asking:
    _asked = _next_program(_asking)
    if _asked is None:
        os._exit(0)
exec(_become(_asked), sys.modules["__main__"].__dict__)
