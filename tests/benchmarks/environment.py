"""One virtual environment a system, made once and kept."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
import venv
from importlib import metadata
from pathlib import Path

from benchmarks.system import System

__all__ = ["Environment", "machine"]

REPOSITORY = Path(__file__).parents[2]
REPEATS = 7


class Environment:
    """The environment of one system."""

    def __init__(self, cache: Path, system: System) -> None:
        self.system = system
        self.directory = cache / "environments" / system.package
        self.python = self.directory / "bin" / "python"

    def prepare(self) -> None:
        """Make it, or bring it up to date: RunAtlas is installed from the checkout as it is now."""
        stamp = self.directory / "requirements.txt"
        packages = [f"{REPOSITORY}[all]"] if self.system.ours else list(self.system.requirements)
        wanted = "\n".join([*packages, (REPOSITORY / "pyproject.toml").read_text() if self.system.ours else ""])
        if not stamp.exists() or stamp.read_text() != wanted:
            venv.create(self.directory, with_pip=True, clear=True)
            self._pip("install", *packages)
            stamp.write_text(wanted)
        elif self.system.ours:
            self._pip("install", "--force-reinstall", "--no-deps", str(REPOSITORY))

    def _pip(self, *arguments: str) -> None:
        command = [str(self.python), "-m", "pip", "-qq", "--disable-pip-version-check", *arguments]
        subprocess.run(command, check=True)

    def variables(self, directory: Path) -> dict[str, str]:
        """Return the environment variables of a child: a home of its own, and the benchmarks to import."""
        own = {key: value.format(directory=directory) for key, value in self.system.variables.items()}
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        kept = {key: value for key, value in os.environ.items() if key in {"LANG", "PATH", "TZ"}}
        return kept | {"HOME": str(home), "PYTHONPATH": str(REPOSITORY / "tests"), **own}

    def version(self) -> str:
        """Return the version that is installed."""
        (found,) = metadata.distributions(name=self.system.package, path=_site_packages(self.directory))
        return found.version

    def import_seconds(self) -> float:
        """Return what importing it adds to a bare interpreter: the median of several."""
        return self._less_bare(f"import {self.system.module}", self.directory)

    def script_seconds(self, directory: Path) -> float:
        """Return what a program adds to it that tracks one value, from its start to its end, as ``import_seconds``.

        Args:
            directory: Where it runs, and writes to.
        """
        return self._less_bare(self.system.script, directory)

    def _less_bare(self, code: str, directory: Path) -> float:
        return max(0.0, self._median(code, directory) - self._median("pass", directory))

    def _median(self, code: str, directory: Path) -> float:
        command, variables = [str(self.python), "-c", code], self.variables(directory)
        times = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            subprocess.run(command, check=True, cwd=directory, env=variables, capture_output=True)
            times.append(time.perf_counter() - started)
        return statistics.median(times[1:])  # the first one wrote the byte code


def machine() -> str:
    """Describe the machine in a line."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{_processor()}, {cores} cores, {memory_gib:.0f} GiB, {platform.system()}, Python {python}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _site_packages(directory: Path) -> list[str]:
    return [str(path) for path in directory.glob("lib/python*/site-packages")]
