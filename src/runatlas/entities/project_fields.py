"""What is known of a project."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from runatlas.display.markup import Html, facts, heading, joined, when
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import Entity
from runatlas.entities.frozen import frozen_labels
from runatlas.model.ids import ProjectPath
from runatlas.model.instant import iso_text, moment
from runatlas.model.metric import MetricDefinition
from runatlas.model.project import ProjectRecord

if TYPE_CHECKING:
    # A property that returns a Literal at run time makes Jedi, and so a notebook, complete nothing.
    from runatlas.model.account import Role
    from runatlas.model.project import Visibility

__all__ = ["ProjectFields"]


class ProjectFields(Entity[ProjectRecord]):
    """The data attributes of a project.

    Args:
        handle: The way to the backend.
        path: ``workspace/project`` in parts.
        record: What is known of it.
    """

    _SHOWN = ("path", "title", "visibility", "labels", "updated_at")

    __slots__ = ("_path",)

    def __init__(self, handle: BackendHandle, path: ProjectPath, record: ProjectRecord | None = None) -> None:
        super().__init__(handle, record)
        self._path = path

    @property
    def identity(self) -> tuple[Any, ...]:
        """What names the project."""
        return (self._path.workspace, self._path.project)

    def _scope(self) -> str:
        return str(self._path)

    def _fetch(self) -> ProjectRecord:
        return self._handle.backend.get_project(self._path)

    def _is_full(self, record: ProjectRecord) -> bool:
        return record.count is not None

    # -- identity: no request -----------------------------------------------------------------------------------

    @property
    def project_path(self) -> ProjectPath:
        """``workspace/project`` in parts."""
        return self._path

    @property
    def path(self) -> str:
        """``workspace/project``."""
        return str(self._path)

    @property
    def name(self) -> str:
        """The name in the path."""
        return self._path.project

    @property
    def workspace(self) -> str:
        """The name of its workspace."""
        return self._path.workspace

    @property
    def url(self) -> str:
        """The project's web page; of a directory that no server runs for, the directory, with the project as fragment.

        ``runatlas ui DIR`` starts a server, and from then on it is the page; given this url, it opens that at once.
        """
        base = self._handle.backend.web_url
        return f"{base}#@{self._path}" if base.startswith("file:") else f"{base}/@{self._path}"

    # -- data ---------------------------------------------------------------------------------------------------

    @property
    def project_id(self) -> str:
        """The store's id of it: never changes."""
        return self._held().cuid

    @property
    def title(self) -> str:
        """The free title, ``""`` if it has none."""
        return self._held().title

    @property
    def description(self) -> str:
        """The description."""
        return self._held().description

    @property
    def labels(self) -> list[str]:
        """The labels, to be read: ``update`` changes them."""
        return frozen_labels(self._held().labels, "project")

    @property
    def metric_definitions(self) -> dict[str, MetricDefinition]:
        """What is said of its metrics, by key or pattern: ``goal`` and ``unit``; ``define_metric`` says it."""
        return {item.key: item for item in self._held().metrics}

    @property
    def visibility(self) -> Visibility:
        """``PUBLIC`` or ``PRIVATE``."""
        return self._held().visibility

    @property
    def role(self) -> Role:
        """What the caller may do here."""
        return self._held().role

    @property
    def created_at(self) -> str:
        """When it was made: ISO 8601."""
        return iso_text(self._held().created_at_ms)

    @property
    def updated_at(self) -> str:
        """When it was last changed: ISO 8601."""
        return iso_text(self._held().updated_at_ms)

    @property
    def created(self) -> datetime:
        """When it was made: aware, UTC."""
        return moment(self._held().created_at_ms)

    @property
    def count(self) -> dict[str, int]:
        """How many ``experiments``, ``contributors``, ``collaborators``, ``running``, … it has."""
        count = self._held().count or self._whole().count
        return {} if count is None else attrs.asdict(count)

    def _show(self) -> Html:
        return joined(heading(self.path), facts(self._known()))

    def _known(self) -> dict[str, object]:
        """Return what is known of it, a line each."""
        record = self._held()
        count = record.count
        return {
            "runs": count and f"{count.experiments:,}, {count.running:,} running",
            "title": record.title,
            "description": record.description,
            "labels": ", ".join(record.labels),
            "changed": when(self.updated_at),
            "created": when(self.created_at),
            "visibility": record.visibility,
            "role": record.role,
        }

    def json(self) -> dict[str, Any]:
        """Return the project as plain values."""
        self._whole()
        return {name: getattr(self, name) for name in _JSON} | {"labels": list(self.labels)}


_JSON = (
    "project_id",
    "name",
    "path",
    "title",
    "description",
    "labels",
    "visibility",
    "role",
    "created_at",
    "updated_at",
    "url",
    "count",
)
