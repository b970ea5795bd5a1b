"""The reports of a server's pages: those of the Python API, made over the server's own services."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import attrs

from runatlas.api.entry import Api
from runatlas.backends.local import LocalBackend
from runatlas.cli.report import write_report
from runatlas.entities.report import Report
from runatlas.entities.report_spec import ReportSpec, ReportSpecError, read_spec
from runatlas.errors import RunAtlasError, ValidationError
from runatlas.model.ids import ProjectPath
from runatlas.model.page import Page
from runatlas.model.run import RunQuery, RunRecord
from runatlas.reports.content import Content
from runatlas.server.pages.report_maker import MadeReport, ReportMistakeError
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.work import current_work

__all__ = ["make_report"]

_drawing = threading.Lock()
"""What matplotlib knows of fonts belongs to no thread."""


class _ServedStore(LocalBackend):
    """The store of a server as one of its callers sees it: named by its address, and at work for that request alone."""

    def __init__(self, services: Services, caller: Caller) -> None:
        super().__init__(services, caller)
        self._location = caller.origin or "this server"
        self._work = current_work()

    def list_runs(self, query: RunQuery) -> Page[RunRecord]:
        # A long listing asks for its next page in a thread of its own.
        with nullcontext() if self._work is None or current_work() is not None else self._work.begun():
            return super().list_runs(query)


@attrs.frozen
class _Made:
    """A report, and why it has no charts."""

    report: Report
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


def make_report(services: Services, caller: Caller, project: ProjectPath, asked: Mapping[str, Any]) -> MadeReport:
    """Make a report of a project's runs.

    Args:
        services: Those of an open store.
        caller: Who asks, with whose rights.
        project: Whose runs.
        asked: What ``runs.report`` takes.

    Raises:
        ReportMistakeError: Something cannot be understood, or is not there to be worked out with.
        RunAtlasError: What the services raise.
    """
    try:
        spec = read_spec(asked)
        try:
            return _Made(_read(services, caller, project, spec))
        except ImportError as error:
            if not spec.charts:
                raise
            bare = _read(services, caller, project, attrs.evolve(spec, charts=()))
            return _Made(bare, f"the charts are left out: {error}")
    except ReportSpecError as error:
        raise ReportMistakeError(error.mistakes) from error
    except ImportError as error:
        raise ReportMistakeError([f"spread: {error}"]) from error
    except RunAtlasError:
        raise
    except ValueError as error:
        raise ReportMistakeError([str(error)]) from error


def _read(services: Services, caller: Caller, project: ProjectPath, spec: ReportSpec) -> Report:
    runs = Api(backend=_ServedStore(services, caller)).project(str(project)).runs()
    with _drawing if spec.charts else nullcontext():
        return runs.report(spec).unwrap()
