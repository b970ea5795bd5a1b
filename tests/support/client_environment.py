"""The published clients of other systems, unmodified, each version in a virtual environment of its own."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import attrs
from uv import find_uv_bin

__all__ = ["ClientEnvironment", "client_environment"]

_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "clients"
_BUILD_S = 900
_PATIENCE_S = 180
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
"""What a client sees of the variables around it: nothing of the machine's settings and keys."""


@attrs.frozen
class ClientEnvironment:
    """A virtual environment with a client in it.

    Attributes:
        name: Such as ``swanlab-0.10.3``.
        directory: Where it lies.
    """

    name: str
    directory: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.directory / "bin" / "python"

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        home: Path,
        variables: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run its interpreter or, by name, one of its commands.

        Args:
            arguments: The command line; a first word without a slash is looked for in the environment.
            home: The home and working directory, made if it is not there; no settings but those in it are found.
            variables: More environment variables.
            check: Whether a failure of the command fails the test, and shows what it printed.
        """
        home.mkdir(parents=True, exist_ok=True)
        command = [str(argument) for argument in arguments]
        if "/" not in command[0]:
            command[0] = str(self.directory / "bin" / command[0])
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # Clients ask uv what is installed.
        path = f"{Path(find_uv_bin()).parent}{os.pathsep}{os.environ['PATH']}"
        environment |= {"HOME": str(home), "NO_PROXY": "*", "PATH": path, **(variables or {})}
        found = subprocess.run(
            command, cwd=home, env=environment, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
        told = f"{' '.join(command)} ended with {found.returncode}\n{found.stdout}\n{found.stderr}"
        assert not (check and found.returncode), told
        return found

    def call(
        self, script: str | Path, argument: Any = None, *, home: Path, variables: Mapping[str, str] | None = None
    ) -> Any:
        """Run a script that takes and gives JSON, whatever it prints.

        Args:
            script: A file, or Python source. It defines ``main(argument)``, whose result comes back.
            argument: A JSON value.
            home: As for ``run``.
            variables: As for ``run``.
        """
        source = script.read_text(encoding="utf-8") if isinstance(script, Path) else script
        home.mkdir(parents=True, exist_ok=True)
        file, answer = home / ".called.py", home / ".answer.json"
        answer.unlink(missing_ok=True)
        file.write_text(f"{source}\n\n{_CALL}", encoding="utf-8")
        command: list[str | Path] = [self.python, file, json.dumps(argument), answer]
        printed = self.run(command, home=home, variables=variables)
        assert answer.is_file(), f"no answer\n{printed.stdout}\n{printed.stderr}"
        return json.loads(answer.read_text(encoding="utf-8"))


_CALL = """
if __name__ == "__main__":
    import json as _json, pathlib as _pathlib, sys as _sys
    _answer = main(_json.loads(_sys.argv[1]))
    _pathlib.Path(_sys.argv[2]).write_text(_json.dumps(_answer), encoding="utf-8")
"""


@cache
def client_environment(name: str, *requirements: str) -> ClientEnvironment:
    """Return the environment of a client; the first test that needs it builds it, later runs find it.

    Args:
        name: Which client and version, such as ``swanlab-0.10.3``: the name of its directory.
        requirements: Pinned, as ``uv pip install`` takes them.
    """
    told = "\n".join((sys.version, *requirements))
    digest = hashlib.sha256(told.encode()).hexdigest()[:12]
    directory = _CACHE / f"{name}-{digest}"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with _locked(_CACHE / f"{directory.name}.lock"):
        if not (directory / "complete").is_file():
            _build(directory, requirements)
    return ClientEnvironment(name, directory)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time build an environment; the lock goes with its holder."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(directory: Path, requirements: Sequence[str]) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    for command in (
        ("venv", "--python", sys.executable, str(directory)),
        ("pip", "install", "--python", str(directory / "bin" / "python"), *requirements),
    ):
        found = subprocess.run(
            [find_uv_bin(), "--quiet", *command], capture_output=True, text=True, timeout=_BUILD_S, check=False
        )
        assert not found.returncode, found.stderr
    (directory / "complete").write_text("\n".join(requirements), encoding="utf-8")
