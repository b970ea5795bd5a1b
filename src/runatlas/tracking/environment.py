"""What a run ran in: code, packages, command line, machine. Secrets are masked before anything is kept."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from runatlas.model.run import Profile
from runatlas.tracking.secret import mask_arguments, mask_environment, mask_text

__all__ = ["read_environment", "read_git", "read_packages"]

_GIT_SECONDS = 5


def read_environment(variables: Mapping[str, str] | None = None, directory: Path | None = None) -> Profile:
    """Describe this process and its machine.

    Args:
        variables: The environment; this process's own if left out.
        directory: Where the code lies; the current directory if left out.
    """
    found = dict(os.environ if variables is None else variables)
    directory = directory or Path.cwd()
    arguments = mask_arguments(getattr(sys, "orig_argv", sys.argv))
    facts: dict[str, Any] = {
        "executable": sys.executable,
        "arguments": mask_arguments(sys.argv),
        "command": " ".join(arguments),
        "directory": str(directory),
        "pid": os.getpid(),
        "hostname": socket.gethostname(),
        "os": platform.platform(),
        "python": platform.python_version(),
        "cpu_count": os.cpu_count(),
        "environment": mask_environment(found),
        "git": read_git(directory),
    }
    return Profile(metadata=facts, requirements=read_packages(), conda=_read_conda(found))


def read_packages() -> str:
    """Return the installed distributions as ``name==version`` lines."""
    # Each reads its file anew wherever it is asked.
    told = [distribution.metadata for distribution in metadata.distributions()]
    found = {str(each["Name"]): str(each["Version"]) for each in told if each["Name"]}
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items(), key=lambda item: item[0].lower()))


def read_git(directory: Path) -> dict[str, Any]:
    """Return the branch, the remote and the commit that a directory is at; ``{}`` if it is under no git.

    Args:
        directory: Somewhere in a working tree.
    """
    commit = _ask_git(directory, "log", "-1", "--format=%H%x00%aI%x00%an%x00%s")
    if not commit:
        return {}
    revision, time, author, subject = commit.split("\0")
    changed = _ask_git(directory, "status", "--porcelain", "--untracked-files=no")
    return {
        "branch": _ask_git(directory, "rev-parse", "--abbrev-ref", "HEAD"),
        "remote": mask_text(_ask_git(directory, "config", "--get", "remote.origin.url") or ""),
        "commit": revision,
        "time": time,
        "author": author,
        "subject": mask_text(subject),
        "dirty": bool(changed),
    }


def _ask_git(directory: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(directory), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - the arguments are this module's own
            command, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip("\n")


def _read_conda(variables: Mapping[str, str]) -> str:
    """The packages of the active conda environment, as its records are named; ``""`` without one."""
    prefix = variables.get("CONDA_PREFIX")
    if not prefix:
        return ""
    try:
        names = sorted(path.stem for path in Path(prefix, "conda-meta").glob("*.json"))
    except OSError:
        return ""
    return "".join(f"{name}\n" for name in names)
