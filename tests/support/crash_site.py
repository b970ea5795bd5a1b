"""A file system of its own, whose plug can be pulled: what was not brought to the disk is gone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["CrashSite", "crash_site"]

_SIZE = "96M"


class CrashSite:
    """A small ext4 on a file of another file system.

    Pulling the plug copies that file while every process is stopped: what lies in memory only is not in the copy. The
    journal is written when somebody asks for it, and not by a clock in between.

    Attributes:
        path: Where it is mounted.
    """

    def __init__(self, shelf: Path) -> None:
        self.path = shelf / "disk"
        self._image = shelf / "disk.img"
        self._cut = 0
        self.path.mkdir()
        _run("truncate", "-s", _SIZE, self._image)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", self._image)
        self._mount()

    def pull_the_plug(self, known: Iterable[int]) -> None:
        """Kill every process that uses it, and keep what is on the disk at this moment.

        Args:
            known: Processes that use it for certain, and those of their sessions, whatever can be seen of them.
        """
        users = self._stopped(set(known))
        self._cut += 1
        kept = self._image.with_suffix(f".{self._cut}")
        shutil.copy(self._image, kept)
        for user in users:
            _signal(user, signal.SIGKILL)
        self.close()
        self._image.unlink()
        self._image = kept
        self._mount()

    def _stopped(self, known: set[int]) -> set[int]:
        """Stop every process that has files here or was started for what is here, and those that they start."""
        found: set[int] = set()
        while more := self._users(known) - found:
            for user in more:
                _signal(user, signal.SIGSTOP)
            found |= more
        return found

    def _users(self, known: set[int]) -> set[int]:
        place = str(self.path)
        users = set()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().decode(errors="replace")
                variables = (process / "environ").read_bytes().decode(errors="replace")
                files = [str(file.readlink()) for file in (process / "fd").iterdir()]
                if (
                    known & {int(process.name), os.getsid(int(process.name))}
                    or place in words
                    or place in variables
                    or any(file.startswith(place) for file in files)
                ):
                    users.add(int(process.name))
        return users - {os.getpid()}

    @contextmanager
    def full(self) -> Iterator[None]:
        """Let nothing more fit on it."""
        filler = self.path / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                with suppress(OSError):
                    while True:
                        file.write(b"x" * size)
        try:
            yield
        finally:
            filler.unlink()

    def close(self) -> None:
        """Unmount it."""
        _run("umount", "-l", self.path)

    def _mount(self) -> None:
        _run("mount", "-o", "loop,commit=900", self._image, self.path)


def _run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def _signal(process: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


@contextmanager
def crash_site(shelf: Path) -> Iterator[CrashSite]:
    """Make one, and unmount it at the end."""
    site = CrashSite(shelf)
    try:
        yield site
    finally:
        site.close()
