"""Runs: one training or inference run each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

import attrs

from runatlas.model.account import UserRef
from runatlas.model.compact import compact
from runatlas.model.filters import Field, Filter, Sort
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import PageRequest

__all__ = [
    "OWN_FIELDS",
    "RUN_PARTS",
    "RUN_STATES",
    "FieldKind",
    "OwnField",
    "Profile",
    "RunDraft",
    "RunPart",
    "RunPatch",
    "RunQuery",
    "RunRecord",
    "RunSelection",
    "RunState",
]

RunState = Literal["RUNNING", "FINISHED", "CRASHED", "ABORTED", "OFFLINE"]
RUN_STATES: tuple[RunState, ...] = get_args(RunState)

RunPart = Literal["config", "summary", "profile"]
RUN_PARTS: tuple[RunPart, ...] = get_args(RunPart)
"""What a listing may carry beside a run's own fields."""


FieldKind = Literal["text", "bool", "time", "labels", "int", "number"]
"""As what filters and orders take a field; times are Unix milliseconds."""


@attrs.frozen
class OwnField:
    """One of a run's own fields: what its name and type in ``RunRecord`` do not say.

    The tables of the store, inserts and updates, filters and orders, ``json()`` and run tables are all made of these;
    that a draft or a patch can give a field is said by its being there too.

    Attributes:
        attribute: The attribute of ``RunRecord``; ``""`` if the field is worked out.
        name: As filters, ``json()`` and tables call it.
        kind: As what filters and orders take it; ``None`` if they do not.
        column: Its column in the table of runs; ``""`` if it is no column there.
        default: What a run has to which nobody gave it.
        aliases: What other systems call it; filters take these too.
        blank: Whether ``""`` means that the run has none.
        shown: Whether ``json()`` has it.
        tabled: Whether run tables have it.
    """

    attribute: str
    name: str
    kind: FieldKind | None
    column: str = ""
    default: Any = None
    aliases: tuple[str, ...] = ()
    blank: bool = False
    shown: bool = False
    tabled: bool = False


def _own(default: Any, kind: FieldKind | None, **said: Any) -> Any:
    """Declare an attribute of ``RunRecord`` that is one of a run's own fields."""
    return attrs.field(default=default, metadata={"own": {"kind": kind, **said}})


@attrs.frozen
class Profile:
    """How a run was made: everything but its config.

    Attributes:
        metadata: Hardware, runtime, git: nested JSON.
        requirements: The installed packages, as ``pip freeze`` prints them.
        conda: The conda environment, as text.
    """

    metadata: dict[str, Any] = attrs.field(factory=dict)
    requirements: str = ""
    conda: str = ""


@compact
@attrs.frozen
class RunRecord:
    """A run.

    Attributes:
        workspace, project, id: Its path; ``id`` is the one its client chose, else equal to ``cuid``.
        cuid: The store's id of it: 21 characters, never changes, unique in the installation.
        config: ``None`` when the listing did not carry it.
        summary: The last value of each series without context; ``None`` when the listing did not carry it.
        profile: ``None`` when the listing did not carry it.
        statistics: What ``RunQuery.statistics`` asked for, in that order: NaN where a series has no such number, since
            only NaN was logged, ``None`` where there is no such series; ``None`` when nothing was asked for.
        group: Free text that ties runs together (SwanLab: cluster).
        protected: Whether no deletion takes it; ``protected_reason`` says why.
        error: Why it crashed, ``""`` otherwise.
        folder_id: The folder it lies in.
    """

    workspace: str
    project: str
    id: str
    cuid: str
    project_cuid: str = ""
    name: str = _own("", "text", shown=True, tabled=True)
    description: str = _own("", "text", blank=True, shown=True)
    state: RunState = _own("RUNNING", "text", shown=True, tabled=True)
    group: str = _own("", "text", column="run_group", aliases=("cluster",), blank=True, shown=True, tabled=True)
    job_type: str = _own("", "text", aliases=("job", "jobType"), blank=True, shown=True, tabled=True)
    labels: tuple[str, ...] = _own((), "labels", aliases=("tags",), shown=True, tabled=True)
    show: bool = _own(True, "bool", shown=True)
    pin: bool = _own(False, "bool", shown=True)
    baseline: bool = _own(False, "bool", shown=True)
    archived: bool = _own(False, "bool", shown=True)
    protected: bool = _own(False, "bool", shown=True, tabled=True)
    protected_reason: str = _own("", "text", blank=True, shown=True)
    colors: tuple[str, ...] = _own((), "text", shown=True)
    user: UserRef | None = _own(None, "text", column="", shown=True, tabled=True)
    created_at_ms: int = _own(0, "time", aliases=("createdAt",), shown=True, tabled=True)
    updated_at_ms: int = _own(0, "time", aliases=("updatedAt",), shown=True, tabled=True)
    finished_at_ms: int | None = _own(None, "time", aliases=("finishedAt",), shown=True, tabled=True)
    pinned_at_ms: int | None = _own(None, "time", aliases=("pinnedAt",))
    heartbeat_at_ms: int | None = _own(None, None)
    error: str = _own("", None)
    folder_id: str | None = _own(None, None)
    config: dict[str, Any] | None = None
    summary: dict[str, float] | None = None
    profile: Profile | None = None
    statistics: tuple[float | None, ...] | None = None

    @property
    def path(self) -> RunPath:
        """``workspace/project/id``."""
        return RunPath(self.workspace, self.project, self.id)

    @property
    def project_path(self) -> ProjectPath:
        """``workspace/project``."""
        return ProjectPath(self.workspace, self.project)

    def duration_s(self, now_ms: int) -> float | None:
        """Return how long it lasted, in seconds: while it goes on, until now; without an end, until its last word.

        Args:
            now_ms: The time, in Unix milliseconds.

        Returns:
            Seconds; ``None`` if it has no end and was never heard of.
        """
        end_ms = self.finished_at_ms
        if end_ms is None:
            end_ms = now_ms if self.state == "RUNNING" else self.heartbeat_at_ms
        return None if end_ms is None else max(0, end_ms - self.created_at_ms) / 1000


def _own_fields() -> tuple[OwnField, ...]:
    derived = (
        OwnField("id", "id", "text", "run_id"),
        OwnField("cuid", "cuid", "text", "cuid"),
        OwnField("project", "project", "text"),
        OwnField("", "duration", "number"),
    )
    declared = (
        OwnField(
            **{
                "attribute": field.name,
                "name": field.name.removesuffix("_ms"),
                "column": field.name,
                "default": field.default,
            }
            | field.metadata["own"]
        )
        for field in attrs.fields(RunRecord)
        if "own" in field.metadata
    )
    return (*derived, *declared)


OWN_FIELDS: dict[str, OwnField] = {field.name: field for field in _own_fields()}
"""A run's own fields by name; ``duration`` is in seconds, and a run that goes on has none to filter by."""


@attrs.frozen
class RunDraft:
    """A run to be made, or found again.

    Attributes:
        id: ``None`` lets the store choose.
        create_project: Whether a project that is not there is made, with ``project_title`` as its title.
        if_exists: What to do when the project has a run of that id: ``resume`` sets it RUNNING again and merges what
            is given, ``keep`` returns it untouched, ``fail`` is a ``ConflictError``. ``replace`` gives it this
            description and config in place of its own, and remembers how long it had those.
    """

    project: ProjectPath
    id: str | None = None
    name: str = ""
    description: str = ""
    state: RunState = "RUNNING"
    labels: tuple[str, ...] = ()
    group: str = ""
    job_type: str = ""
    colors: tuple[str, ...] = ()
    config: dict[str, Any] = attrs.field(factory=dict)
    profile: Profile | None = None
    created_at_ms: int | None = None
    finished_at_ms: int | None = None
    create_project: bool = False
    project_title: str = ""
    if_exists: Literal["resume", "keep", "fail", "replace"] = "fail"


@attrs.frozen
class RunPatch:
    """What to change of a run; ``None`` keeps.

    Attributes:
        config: Replaces these dotted keys, keeps the others. ``{"a.b": 1}`` sets one nested value.
        config_removed: Dotted keys to take away.
        labels: Replaces all; ``labels_added`` and ``labels_removed`` change some.
        replace_labels: Whether ``labels`` are also meant for several runs that have different ones, which are lost.
        protected: Without protection there is no ``protected_reason``: ``False`` takes that away too.
        project: Moves the run to that project of the same workspace, out of its folder.
        folder_id: Puts the run into that folder of its project; ``""`` takes it out.
        metadata: Replaces these names of the profile's metadata, keeps the others.
        project_title: The title of the project if the tracker makes it for a move; a store moves to a project that is
            there.
        by_run: Whether the run's own process says it, and not somebody who looks at the run: while the run goes on,
            that is part of what it records and no change for the journal. It is believed from who made the run, or has
            its key, about that run alone, and not where it is pinned, protected, archived or hidden.
    """

    name: str | None = None
    description: str | None = None
    state: RunState | None = None
    labels: tuple[str, ...] | None = None
    labels_added: tuple[str, ...] = ()
    labels_removed: tuple[str, ...] = ()
    replace_labels: bool = False
    group: str | None = None
    job_type: str | None = None
    show: bool | None = None
    pin: bool | None = None
    baseline: bool | None = None
    archived: bool | None = None
    protected: bool | None = None
    protected_reason: str | None = None
    colors: tuple[str, ...] | None = None
    config: dict[str, Any] | None = None
    config_removed: tuple[str, ...] = ()
    profile: Profile | None = None
    error: str | None = None
    finished_at_ms: int | None = None
    heartbeat_at_ms: int | None = None
    project: str | None = None
    folder_id: str | None = None
    metadata: dict[str, Any] | None = None
    project_title: str | None = None
    by_run: bool = False

    def relabel(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Return what this makes of a run's labels: what is added counts more than what is removed."""
        held = labels if self.labels is None else self.labels
        kept = [label for label in held if label not in self.labels_removed]
        return tuple(dict.fromkeys([*kept, *self.labels_added]))


@attrs.frozen
class RunSelection:
    """Which runs: a project's, or a workspace's when ``project`` is ``None``; narrowed by ids or a filter.

    Attributes:
        ids: Run ids or cuids; ``None`` means all, an empty tuple none.
        filter: Combined with ``ids`` by AND.
        search: Case-insensitive part of the name or the id.
    """

    workspace: str
    project: str | None = None
    ids: tuple[str, ...] | None = None
    filter: Filter | None = None
    search: str | None = None


@attrs.frozen
class RunQuery:
    """Which runs are asked for, in which order, with what.

    Attributes:
        sorts: Applied in order; then pinned first, then newest first, then the id, so that the order is total.
        groups: Listed runs come group by group, in the order of these fields' values.
        parts: What the records carry beside the run's own fields.
        statistics: Which statistics of metrics the records carry, up to 100.
        config_keys: The names in configs that are looked at, up to 100: what else lies in the configs that are carried
            may be left out. ``None`` for all.
    """

    selection: RunSelection
    sorts: tuple[Sort, ...] = ()
    groups: tuple[Field, ...] = ()
    parts: tuple[RunPart, ...] = ("config", "summary")
    page: PageRequest = PageRequest()
    statistics: tuple[Field, ...] = ()
    config_keys: tuple[str, ...] | None = None
