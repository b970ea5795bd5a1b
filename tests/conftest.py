"""What all tests share: where they run, how examples are generated, and the PostgreSQL server."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from support.database import lend_database
from support.examples import TIMES, examples
from support.password import hash_quickly
from support.postgresql import postgresql

__all__ = [
    "lend_database",
    "postgresql",
    "pytest_collection",
    "pytest_collection_modifyitems",
    "pytest_xdist_auto_num_workers",
]

# Hundreds of tests start interpreters, and none shall compile anew what was compiled before.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if not TIMES:
    # Hypothesis also tries what is written in the modules that happen to be loaded: not the same alone as in the suite.
    providers._get_local_constants = lambda: providers._local_constants

# Machines are as slow as they are: no example fails for its time, and every machine tries the same ones.
settings.register_profile(
    "project",
    max_examples=examples(100),
    deadline=None,
    derandomize=not TIMES,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("project")

hash_quickly()

# A shell that starts the tests in the background has these ignored, and so would every program that they start.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


# What thousands of stores force to the disk need not wait for one: memory keeps it as long as a test lasts.
_MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 8 * 2**30:
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run in this process what is asked for by name, and the rest in two a core, as they also wait."""
    start = config.invocation_params.dir
    is_named = any((start / Path(argument.partition("::")[0])).is_file() for argument in config.args)
    return 0 if is_named or config.option.keyword else 2 * (os.cpu_count() or 1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Run tests of a file in one process where they share what is made once a file, such as a server."""
    for item in items:
        shares = any(found[-1].scope == "module" for found in item._fixtureinfo.name2fixturedefs.values())
        if shares and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.location[0]))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector pass over what is imported and collected, meanwhile and later: it stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()  # what is garbage by now too: to look for it takes a tenth of all this
        gc.enable()
