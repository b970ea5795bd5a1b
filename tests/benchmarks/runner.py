"""Runs pieces of work, each in a fresh process of the system's own environment, on stores that are made once."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.environment import REPOSITORY, Environment
from benchmarks.report import IMPORT, SCRIPT
from benchmarks.system import CLIENTS, SYSTEMS
from benchmarks.work import WORKS, StoreName, Work

__all__ = ["Runner", "say"]


class Runner:
    """The environments and stores under ``cache``, and what runs in them.

    Attributes:
        profiles: Where cProfile's output of each first call goes, if anywhere.
        timeout_s: For one piece of work, or for making one store.
    """

    def __init__(
        self, cache: Path, names: Sequence[str], *, scale: float, timeout_s: float, profiles: Path | None
    ) -> None:
        self.cache = cache
        self.scale = scale
        self.profiles = profiles
        self.timeout_s = timeout_s
        self._environments = {name: self.environment(name) for name in names}
        self._methods: dict[str, set[str]] = {}

    def environment(self, name: str) -> Environment:
        """Return the environment of a system or a client."""
        return Environment(self.cache, {**SYSTEMS, **CLIENTS}[name])

    def prepare(self) -> None:
        """Make the environments, and ask each adapter what it can do."""
        made = set()
        for name, environment in self._environments.items():
            if environment.directory not in made:
                say(f"environment of {environment.system.package}")
                environment.prepare()
                made.add(environment.directory)
            with tempfile.TemporaryDirectory() as scratch:
                found = self.child(name, "methods", "-", Path(scratch), Path(scratch) / "out.json")
            if "error" in found:
                raise RuntimeError(f"{name}: {found['error']}")
            self._methods[name] = set(found["methods"])

    def versions(self) -> dict[str, str]:
        """Return each package's version."""
        return {each.system.package: each.version() for each in self._environments.values()}

    def run(self, name: str, system: str) -> dict[str, Any] | None:
        """Do one piece of work; ``None`` if the system has no such thing."""
        if name == IMPORT:
            return {"seconds": [self._environments[system].import_seconds()]}
        if name == SCRIPT:
            return self._script(self._environments[system])
        work = WORKS[name]
        if work.method not in self._methods[system] or (work.store != "empty" and "build" not in self._methods[system]):
            return None
        with tempfile.TemporaryDirectory(dir=self.cache, prefix="work-") as scratch:
            try:
                directory = self._store(system, work, Path(scratch))
            except RuntimeError as error:
                return {"error": str(error)}
            extra = [] if self.profiles is None else ["--profile", str(self.profiles / f"{name}-{system}.prof")]
            return self.child(system, "work", name, directory, Path(scratch) / "out.json", extra)

    def _script(self, environment: Environment) -> dict[str, Any] | None:
        if not environment.system.script:
            return None
        with tempfile.TemporaryDirectory(dir=self.cache, prefix="work-") as scratch:
            return {"seconds": [environment.script_seconds(Path(scratch))]}

    def _store(self, system: str, work: Work, scratch: Path) -> Path:
        """Return the directory to work in: an empty one, a kept store, or a copy of it."""
        directory = scratch / "store"
        if work.store == "empty":
            directory.mkdir()
            return directory
        kept = self.kept(system, work.store, scratch)
        if work.changes:
            shutil.copytree(kept, directory)
            return directory
        return kept

    def kept(self, system: str, store: StoreName, scratch: Path) -> Path:
        """Return a store that is made once; not to be changed."""
        maker = SYSTEMS[system].stores
        name = f"{maker}-{store}-{self.scale:g}-{self._format(system)}"
        kept = self.cache / "stores" / name
        if not kept.exists():
            say(f"store {name}")
            making = kept.with_name(f"{name}.making")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            made = self.child(maker, "store", store, making, scratch / "made.json")
            if "error" in made:
                raise RuntimeError(f"{name}: {made['error']}")
            making.rename(kept)
        return kept

    def _format(self, system: str) -> str:
        """Return what a kept store depends on: the peer's version, or our schema and form of chunks."""
        environment = self.environment(system)
        if not environment.system.ours:
            return environment.version()
        digest = hashlib.sha256()
        store = REPOSITORY / "src/runatlas/server/store"
        for path in (*sorted((store / "schema").glob("*.py")), store / "point_chunk.py"):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:12]

    def child(
        self, system: str, mode: str, name: str, directory: Path, out: Path, extra: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Run ``benchmarks.child`` in a system's environment and return its result, or an ``error``."""
        environment = self.environment(system)
        command = [str(environment.python), "-m", "benchmarks.child", mode, name, "--system", system]
        command += ["--directory", str(directory), "--out", str(out), "--scale", str(self.scale), *extra]
        log = out.with_suffix(".log")
        try:
            with log.open("w") as sink:
                done = subprocess.run(
                    command,
                    env=environment.variables(directory),
                    cwd=out.parent,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    timeout=self.timeout_s,
                    check=False,
                )
        except subprocess.TimeoutExpired:
            return {"error": f"took more than {self.timeout_s:g} s"}
        if done.returncode != 0 or not out.exists():
            return {"error": log.read_text()[-3000:] or f"exit code {done.returncode}"}
        result: dict[str, Any] = json.loads(out.read_text())
        return result


def say(text: str) -> None:
    """Tell what goes on."""
    print(text, file=sys.stderr, flush=True)
