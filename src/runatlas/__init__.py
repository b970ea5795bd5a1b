"""One lazy, typed Python API over machine-learning experiments.

Everything starts at ``Api``; the names here are loaded when they are first used, so that importing the package costs
next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runatlas.api.entry import Api
    from runatlas.charts.chart import Chart
    from runatlas.compat.openapi import OpenApi
    from runatlas.compat.repo import Repo
    from runatlas.entities.column import Column, Key
    from runatlas.entities.project import Project
    from runatlas.entities.run import Experiment
    from runatlas.entities.user import User
    from runatlas.entities.workspace import Workspace
    from runatlas.errors import RunAtlasError
    from runatlas.model.ranges import RangeQuery
    from runatlas.response import ApiResponse
    from runatlas.statistics.grouping import all_but
    from runatlas.tables.metric import MetricTable
    from runatlas.tables.run import RunTable
    from runatlas.tracking.current_run import finish, init, log
    from runatlas.tracking.run import Run

    __version__: str

__all__ = [
    "Api",
    "ApiResponse",
    "Chart",
    "Column",
    "Experiment",
    "Key",
    "MetricTable",
    "OpenApi",
    "Project",
    "RangeQuery",
    "Repo",
    "Run",
    "RunAtlasError",
    "RunTable",
    "User",
    "Workspace",
    "all_but",
    "finish",
    "init",
    "log",
]

_HOMES = {
    "Api": "runatlas.api.entry",
    "ApiResponse": "runatlas.response",
    "Chart": "runatlas.charts.chart",
    "Column": "runatlas.entities.column",
    "Experiment": "runatlas.entities.run",
    "Key": "runatlas.entities.column",
    "MetricTable": "runatlas.tables.metric",
    "OpenApi": "runatlas.compat.openapi",
    "Project": "runatlas.entities.project",
    "RangeQuery": "runatlas.model.ranges",
    "Repo": "runatlas.compat.repo",
    "Run": "runatlas.tracking.run",
    "RunAtlasError": "runatlas.errors",
    "RunTable": "runatlas.tables.run",
    "User": "runatlas.entities.user",
    "Workspace": "runatlas.entities.workspace",
    "all_but": "runatlas.statistics.grouping",
    "finish": "runatlas.tracking.current_run",
    "init": "runatlas.tracking.current_run",
    "load_ipython_extension": "runatlas.notebook",
    "log": "runatlas.tracking.current_run",
    "unload_ipython_extension": "runatlas.notebook",
}


if not TYPE_CHECKING:  # who checks types shall not take every name for one of ours

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return import_module("runatlas.model.version").VERSION
        if name not in _HOMES:
            # Tools ask modules for much that they do not have, and nothing of it is called as a class is.
            is_object = name[:1].isupper() and name in import_module("runatlas.objects").__all__
            hint = f"; it is runatlas.objects.{name}" if is_object else ""
            # Python itself adds what is near.
            raise AttributeError(
                f"module {__name__!r} has no attribute {name!r}{hint}", name=name, obj=sys.modules[__name__]
            )
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
