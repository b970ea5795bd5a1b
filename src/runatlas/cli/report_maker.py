"""The reports of a server's pages: those of the Python API, made over the server's own services."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from runatlas.api.entry import Api
from runatlas.backends.local import LocalBackend
from runatlas.cli.report import write_report
from runatlas.entities.metric_name import make_metric, make_value_field
from runatlas.entities.report import Report
from runatlas.entities.report_spec import ReportSpec, ReportSpecError, read_spec
from runatlas.errors import RunAtlasError, ValidationError
from runatlas.model.filter_language import parse_field
from runatlas.model.filters import Field
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunSelection
from runatlas.reports.content import Content
from runatlas.server.pages.report.maker import MadeReport, ReportMistakeError
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["make_report"]

_drawing = threading.Lock()
"""What matplotlib knows of fonts belongs to no thread."""


class _ServedStore(LocalBackend):
    """The store of a server as one of its callers sees it, named by its address."""

    def __init__(self, services: Services, caller: Caller) -> None:
        super().__init__(services, caller)
        self._location = caller.origin or "this server"


@attrs.frozen
class _Made:
    """A report, the names in it that no run has, and why it has no charts."""

    report: Report
    unknown: tuple[str, ...] = ()
    lacks: str = ""

    @property
    def content(self) -> Content:
        return self.report.content

    def file(self, form: str) -> bytes:
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory) / "report"
            try:
                write_report(self.report, form, place)
            except (ImportError, ValidationError) as error:
                raise ReportMistakeError([str(error)]) from error
            return place.read_bytes()


def make_report(
    services: Services, caller: Caller, project: ProjectPath, asked: Mapping[str, Any], wrong: Sequence[str] = ()
) -> MadeReport:
    """Make a report of a project's runs, or tell all that is wrong with what was asked.

    Args:
        services: Those of an open store.
        caller: Who asks, with whose rights.
        project: Whose runs.
        asked: What ``runs.report`` takes.
        wrong: What is wrong already, in sentences; then nothing is read.

    Raises:
        ReportMistakeError: Something cannot be understood, or is not there to be worked out with.
        RunAtlasError: What the services raise.
    """
    unknown = tuple(_unknown(services, caller, project, asked))
    spec = _checked(asked, wrong, unknown)
    try:
        try:
            return _Made(_read(services, caller, project, spec), unknown)
        except ImportError as error:
            if not spec.charts:
                raise
            bare = _read(services, caller, project, attrs.evolve(spec, charts=()))
            return _Made(bare, unknown, f"the charts are left out: {error}")
    except ReportSpecError as error:
        raise ReportMistakeError(error.mistakes) from error
    except ImportError as error:
        raise ReportMistakeError([f"spread: {error}"]) from error
    except RunAtlasError:
        raise
    except ValueError as error:
        raise ReportMistakeError([str(error)]) from error


def _checked(asked: Mapping[str, Any], wrong: Sequence[str], unknown: Sequence[str]) -> ReportSpec:
    """Return what is asked for; all that is wrong is told together."""
    try:
        spec = read_spec(asked)
    except ReportSpecError as error:
        raise ReportMistakeError([*wrong, *error.mistakes, *unknown]) from error
    if wrong:
        raise ReportMistakeError([*wrong, *unknown])
    return spec


def _read(services: Services, caller: Caller, project: ProjectPath, spec: ReportSpec) -> Report:
    runs = Api(backend=_ServedStore(services, caller)).project(str(project)).runs()
    with _drawing if spec.charts else nullcontext():
        return runs.report(spec).unwrap()


def _unknown(services: Services, caller: Caller, project: ProjectPath, asked: Mapping[str, Any]) -> Iterator[str]:
    """Say of each name that no run of the project has where it is; of what cannot be read that is said otherwise."""
    everything = RunSelection(project.workspace, project.project)
    for where, read in _named(asked):
        with suppress(TypeError, ValueError):
            for told in services.runs.describe_unknown(caller, everything, (read(),)):
                yield f"{where}: {told}"


def _named(asked: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[], Field]]]:
    """Name what a report is asked for, each with what reads it."""
    for key in ("columns", "sort"):
        for place, name in enumerate(asked.get(key, ())):
            yield f"{key}[{place}]", partial(make_value_field, name.removeprefix("-"), argument=key)
    for place, name in enumerate(asked.get("stats", ())):
        yield f"stats[{place}]", partial(make_metric, name)
    for place, name in enumerate(asked.get("group_by", ())):
        yield f"group_by[{place}]", partial(parse_field, name, argument="group_by")
    if over := asked.get("over"):
        yield "over", partial(parse_field, over, argument="over")
    for place, chart in enumerate(asked.get("charts", ())):
        for key in chart.get("keys", ()):
            yield f"charts[{place}]", partial(Field, "SCALAR", key)
        if color := chart.get("color"):
            yield f"charts[{place}]", partial(make_value_field, color, argument="color")
