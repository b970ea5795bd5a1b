"""What is known of a run: its own fields, its config and its profile."""

from __future__ import annotations

import copy
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runatlas.display.markup import Html
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import Entity
from runatlas.entities.frozen import frozen_config, frozen_labels
from runatlas.entities.run_display import card_parts, show_run
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.instant import iso_text, iso_text_if, moment
from runatlas.model.run import OWN_FIELDS, RunRecord, RunSelection

if TYPE_CHECKING:
    # At run time it would be a Literal, on which completion in notebooks gives up.
    from runatlas.model.run import RunState

__all__ = ["RunFields"]


class RunFields(Entity[RunRecord]):
    """The data attributes of a run.

    A run out of a list holds what the list carried; config, last values or profile that it did not carry cost one
    request, once.

    Args:
        handle: The way to the backend.
        path: ``workspace/project/run`` in parts; the record's if not given.
        record: What is known of it.

    Raises:
        TypeError: Neither is given.
    """

    __slots__ = ("_known_path",)

    def __init__(self, handle: BackendHandle, path: RunPath | None = None, record: RunRecord | None = None) -> None:
        if path is None and record is None:
            raise TypeError("path: it is needed unless a record is given")
        # What ``Entity.__init__`` does, for thousands of runs of a listing without another call.
        self._handle = handle
        self._record = record
        self._failure = self._lock = None
        self._known_path = path

    @property
    def _path(self) -> RunPath:
        path = self._known_path
        if path is None:  # of a listed run: most are never asked for it
            path = self._known_path = self._held().path
        return path

    def _forget(self) -> None:
        self._known_path = self._path
        super()._forget()

    @property
    def identity(self) -> tuple[Any, ...]:
        """What names the run."""
        return (self._path.workspace, self._path.project, self._path.run)

    def _scope(self) -> str:
        return str(self._path)

    def _fetch(self) -> RunRecord:
        return self._handle.backend.get_run(self._path)

    def _is_full(self, record: RunRecord) -> bool:
        return record.config is not None and record.summary is not None and record.profile is not None

    @property
    def is_whole(self) -> bool:
        """Whether every part of it is known; no request."""
        return self._record is not None and self._is_full(self._record)

    # -- identity: no request -----------------------------------------------------------------------------------

    @property
    def run_path(self) -> RunPath:
        """``workspace/project/run`` in parts."""
        return self._path

    @property
    def path(self) -> str:
        """``workspace/project/run``."""
        return str(self._path)

    @property
    def id(self) -> str:
        """The id in the path: the one its client chose, or the store's."""
        return self._path.run

    @property
    def run_id(self) -> str:
        """The id in the path."""
        return self._path.run

    @property
    def workspace(self) -> str:
        """The name of its workspace."""
        return self._path.workspace

    @property
    def project(self) -> str:
        """The name of its project."""
        return self._path.project

    @property
    def project_path(self) -> ProjectPath:
        """``workspace/project``."""
        return self._path.project_path

    @property
    def selection(self) -> RunSelection:
        """This run, as a selection of runs."""
        return RunSelection(self._path.workspace, self._path.project, ids=(self._path.run,))

    @property
    def url(self) -> str:
        """The run's web page; of a directory that no server runs for, the directory, with the run as the fragment.

        ``runatlas ui DIR`` starts a server, and from then on it is the page; given this url, it opens that at once.
        """
        base = self._handle.backend.web_url
        project, run = f"@{self._path.project_path}", quote(self._path.run)
        if base.startswith("file:"):
            return f"{base}#{project}/runs/{run}"
        return f"{base}/{project}/runs/{run}/chart"

    # -- the run's own fields -----------------------------------------------------------------------------------

    @property
    def cuid(self) -> str:
        """The store's id of it: never changes, unique in the installation."""
        return self._held().cuid

    @property
    def project_id(self) -> str:
        """The store's id of its project."""
        return self._held().project_cuid

    @property
    def name(self) -> str:
        """The display name."""
        return self._held().name

    @property
    def description(self) -> str:
        """The description."""
        return self._held().description

    @property
    def state(self) -> RunState:
        """``RUNNING``, ``FINISHED``, ``CRASHED``, ``ABORTED`` or ``OFFLINE``."""
        return self._held().state

    @property
    def labels(self) -> list[str]:
        """The labels, to be read: ``update`` changes them."""
        return frozen_labels(self._held().labels, "run")

    @property
    def group(self) -> str:
        """The name that ties runs together."""
        return self._held().group

    @property
    def job_type(self) -> str:
        """The job type."""
        return self._held().job_type

    @property
    def show(self) -> bool:
        """Whether it is shown in comparisons."""
        return self._held().show

    @property
    def pin(self) -> bool:
        """Whether it is pinned."""
        return self._held().pin

    @property
    def baseline(self) -> bool:
        """Whether it is the baseline."""
        return self._held().baseline

    @property
    def archived(self) -> bool:
        """Whether it is archived."""
        return self._held().archived

    @property
    def protected(self) -> bool:
        """Whether no deletion takes it; ``protect`` and ``unprotect`` change that."""
        return self._held().protected

    @property
    def protected_reason(self) -> str:
        """Why it is protected, ``""`` if nobody said."""
        return self._held().protected_reason

    @property
    def colors(self) -> list[str]:
        """The colours it is drawn in."""
        return list(self._held().colors)

    @property
    def folder_id(self) -> str | None:
        """The folder it lies in; ``None`` if it lies in none."""
        return self._held().folder_id

    @property
    def user(self) -> dict[str, str]:
        """Who made it: ``username`` and ``name``; ``{}`` if that is not known."""
        user = self._held().user
        return {} if user is None else {"username": user.username, "name": user.name}

    @property
    def crash_message(self) -> str:
        """Why it crashed, ``""`` if it did not."""
        return self._held().error

    # -- times --------------------------------------------------------------------------------------------------

    @property
    def created_at(self) -> str:
        """When it was made: ISO 8601."""
        return iso_text(self._held().created_at_ms)

    @property
    def updated_at(self) -> str:
        """When it was last changed: ISO 8601."""
        return iso_text(self._held().updated_at_ms)

    @property
    def finished_at(self) -> str | None:
        """When it ended: ISO 8601; ``None`` if it has not."""
        return iso_text_if(self._held().finished_at_ms)

    @property
    def created(self) -> datetime:
        """When it was made: aware, UTC."""
        return moment(self._held().created_at_ms)

    @property
    def finalized_at(self) -> datetime | None:
        """When it ended: aware, UTC; ``None`` if it has not."""
        time_ms = self._held().finished_at_ms
        return None if time_ms is None else moment(time_ms)

    @property
    def duration(self) -> float | None:
        """How long it lasted, in seconds: until now while it goes on, until its last word if nobody ended it."""
        return self._held().duration_s(time.time_ns() // 1_000_000)

    # -- what a list may not carry ------------------------------------------------------------------------------

    @property
    def config(self) -> dict[str, Any]:
        """The parameters it was started with, to be read: ``update`` changes them.

        Copies of it (``copy``, ``deepcopy``, ``dict``, a pickle) are ordinary dicts.
        """
        record = self._record
        config = None if record is None else record.config
        return frozen_config((self._whole().config or {}) if config is None else config)

    @property
    def latest(self) -> dict[str, float]:
        """The last value of each metric without context."""
        record = self._record
        summary = None if record is None else record.summary
        return {**((self._whole().summary or {}) if summary is None else summary)}

    @property
    def profile(self) -> dict[str, Any]:
        """How it was made: ``config``, ``metadata``, ``requirements`` and ``conda``."""
        record = self._whole()
        profile = record.profile
        return {
            "config": frozen_config(record.config or {}),
            "metadata": dict(profile.metadata) if profile else {},
            "requirements": profile.requirements if profile else "",
            "conda": profile.conda if profile else "",
        }

    def _show(self) -> Html:
        record = self._held()
        return show_run(record, *card_parts(self._handle, self._path, record))

    def json(self) -> dict[str, Any]:
        """Return the run as plain values."""
        self._whole()
        return copy.deepcopy({name: getattr(self, name) for name in _JSON})


_JSON = (
    *("id", "run_id", "cuid", "project_id", "path"),
    *(field.name for field in OWN_FIELDS.values() if field.shown),
    *("url", "profile", "latest", "crash_message"),
)
