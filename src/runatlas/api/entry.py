"""``Api``: from here to everything else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, Unpack, overload

from runatlas.api import comparison, journal
from runatlas.api.opener import BackendOpener, OpenedBackend
from runatlas.backends.contract import Backend
from runatlas.display.markup import Html, facts, heading, joined
from runatlas.display.shown import Shown, shown
from runatlas.entities import model as registry
from runatlas.entities.argument import boolean, optional_text, text
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.cleaning import FilePolicy, PolicyFields, read_policies
from runatlas.entities.collection import make_window
from runatlas.entities.column import Column, Columns, Keys, MetricType
from runatlas.entities.deletion import Deletion, DeletionPlan
from runatlas.entities.project import Project
from runatlas.entities.projects import Projects, make_project_query
from runatlas.entities.report_check import ReportCheck, check_report
from runatlas.entities.report_spec import ReportSpec
from runatlas.entities.run import Run
from runatlas.entities.run_query import Filters, Groups, Order, Sorts
from runatlas.entities.run_report import make_spec
from runatlas.entities.run_sql import ask
from runatlas.entities.runs import Runs
from runatlas.entities.self_hosted import SelfHosted
from runatlas.entities.trash import Trash, TrashEntry, restore
from runatlas.entities.usage import Usage, measure
from runatlas.entities.user import User
from runatlas.entities.workspace import Workspace, Workspaces
from runatlas.model.ids import ProjectPath, RunPath, plain_path, validate_workspace_name
from runatlas.model.project import Visibility
from runatlas.model.trash import PurgeRecord, TrashRecord
from runatlas.model.usage import UsageGroup
from runatlas.response import ApiResponse
from runatlas.tables.query import QueryTable

__all__ = ["Api"]

_INSIDE: tuple[UsageGroup, ...] = ("project", "project", "run", "metric")
"""What lies in a path, by how many parts it has."""


class Api(Shown):
    """The entry point to everything: a directory, or a server.

    Constructing makes no request and opens nothing; the first attribute that needs data does. An ``Api`` may be used
    from several threads, and as a context manager.

    Args:
        location: A directory, or the URL of a server. Without it and ``host``: ``runatlas login``, ``~/.netrc``, the
            environment, else the embedded store (``RUNATLAS_DIR``, the nearest ``.runatlas`` upwards, ``~/.runatlas``).
        host: The URL of a server.
        api_key: An API key for the server.
        timeout: Seconds that one call may take, retries and all.
        cache: Whether answers of a server may be kept in memory for a while.
        backend: Something that answers in place of a directory or a server.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is malformed, or two contradict each other.

    Example:
        >>> api = Api("./experiments")
        >>> api.run("ann/demo/k3x9q2ab").path
        'ann/demo/k3x9q2ab'
    """

    audit = journal.audit
    change = journal.change
    compare = comparison.compare
    model = registry.model
    models = registry.models

    def __init__(
        self,
        location: str | os.PathLike[str] | None = None,
        *,
        host: str | None = None,
        api_key: str | None = None,
        timeout: float | None = None,
        cache: bool | None = None,
        backend: Backend | None = None,
    ) -> None:
        if backend is not None:
            if any(value is not None for value in (location, host, api_key, timeout, cache)):
                raise ValueError("backend: it says already where the data is; leave out the other arguments")
            self._handle = BackendHandle(OpenedBackend(backend))
        else:
            self._handle = BackendHandle(
                BackendOpener(location, host=host, api_key=api_key, timeout=timeout, cache=cache)
            )
        self._user = User(self._handle)

    @property
    def location(self) -> str:
        """Where the data is: an origin or an absolute directory; no request."""
        return self._handle.location

    def close(self) -> None:
        """Release connections and files; a second call does nothing."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _show(self) -> Html:
        who = self._user.unwrap()
        known = {
            "where": self.location,
            "who": f"{who.name} ({who.username})" if who.name not in {"", who.username} else who.username,
        }
        return joined(heading(repr(self)), facts(known), shown(self.projects()))

    def __repr__(self) -> str:
        return f"Api({self.location!r})"

    # -- workspaces ---------------------------------------------------------------------------------------------

    def workspace(self, username: str | None = None) -> Workspace:
        """Return a workspace, lazily.

        Args:
            username: Its name; ``None`` for the caller's own.

        Raises:
            TypeError: It is no string.
            ValueError: It cannot be a name.
        """
        return Workspace(self._handle, None if username is None else validate_workspace_name(username))

    def workspaces(
        self,
        username: str | None = None,
        *,
        page: int | None = None,
        size: int | None = None,
        all: bool = False,
        limit: int | None = None,
    ) -> Workspaces:
        """List workspaces, by name.

        Args:
            username: Whose; ``None`` for all that the caller can see.
            page: A numbered page, from 1; everything if neither ``page`` nor ``size`` is given.
            size: Workspaces a page: 100 unless given, 1000 at the most.
            all: Everything from ``page`` on.
            limit: How many at the most.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is malformed or out of bounds.
        """
        window = make_window(page=page, size=size, all=all, limit=limit)
        return Workspaces(self._handle, window, None if username is None else validate_workspace_name(username))

    def create_workspace(self, username: str, *, name: str = "", comment: str = "") -> ApiResponse[Workspace]:
        """Make a team's workspace, owned by the caller.

        Args:
            username: Its unique name: 1 to 25 of letters, digits, ``_`` and ``-``.
            name: The display name.
            comment: The description.

        Returns:
            The workspace; a ``ConflictError`` if the name is taken.

        Raises:
            TypeError: An argument is no string.
            ValueError: ``username`` cannot be a name.
        """
        unique = validate_workspace_name(username)
        display, about = optional_text(name, "name") or "", optional_text(comment, "comment") or ""

        def create() -> Workspace:
            record = self._handle.backend.create_workspace(unique, name=display, comment=about)
            return Workspace(self._handle, record.username, record)

        return ApiResponse.of(create)

    # -- projects -----------------------------------------------------------------------------------------------

    def project(self, path: str) -> Project:
        """Return a project, lazily.

        Args:
            path: ``workspace/project``, by its name or its title.

        Raises:
            TypeError: It is no string.
            ValueError: It is no such path.
        """
        return Project(self._handle, ProjectPath.named(path))

    def projects(  # noqa: PLR0917 - as documented
        self,
        path: str | None = None,
        sort: str | None = None,
        search: str | None = None,
        detail: bool = True,
        page: int | None = None,
        size: int | None = None,
        all: bool = False,
        *,
        limit: int | None = None,
    ) -> Projects:
        """List projects.

        Args:
            path: The workspace; ``None`` for every project that the caller can see.
            sort: ``create`` (newest first), ``name`` or ``update`` (lately changed first); ``None`` means ``update``.
            search: Part of the name, title or description; case does not matter.
            detail: Whether counts are wanted; without, they cost one request a project when asked for.
            page: A numbered page, from 1; everything if neither ``page`` nor ``size`` is given.
            size: Projects a page: 100 unless given, 1000 at the most.
            all: Everything from ``page`` on.
            limit: How many at the most.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is unknown, malformed or out of bounds.
        """
        window = make_window(page=page, size=size, all=all, limit=limit)
        return Projects(self._handle, window, make_project_query(path, sort=sort, search=search, detail=detail))

    def create_project(
        self,
        username: str | None = None,
        name: str = "",
        *,
        visibility: Visibility = "PRIVATE",
        description: str | None = None,
        title: str = "",
        labels: Sequence[str] = (),
    ) -> ApiResponse[Project]:
        """Make a project.

        Args:
            username: The workspace; ``None`` for the caller's own.
            name: Its name: 1 to 100 of letters, digits, ``_``, ``.``, ``+`` and ``-``. Of any other text one is
                made, and the text is the title.
            visibility: ``PUBLIC`` or ``PRIVATE``.
            description: The description.
            title: The free title.
            labels: The labels.
        """
        return self.workspace(username).create_project(
            name, visibility=visibility, description=description, title=title, labels=labels
        )

    # -- runs ---------------------------------------------------------------------------------------------------

    def run(self, path: str) -> Run:
        """Return a run, lazily.

        Args:
            path: ``workspace/project/run``.

        Raises:
            TypeError: It is no string.
            ValueError: It is no such path.
        """
        return Run(self._handle, RunPath.named(path))

    def runs(
        self,
        path: str,
        filters: Filters | None = None,
        groups: Groups | None = None,
        sorts: Sorts | None = None,
        *,
        ids: Sequence[str | Run] | None = None,
        search: str | None = None,
        order: Order | None = None,
        limit: int | None = None,
        page: int | None = None,
        size: int | None = None,
        all: bool = False,
    ) -> Runs:
        """List runs of a project, or of all projects of a workspace; see ``Project.runs``.

        Args:
            path: ``workspace/project``, or ``workspace``.
            filters: Text, or a list of rules, all of which must hold.
            groups: Fields, or rules: the runs come group by group.
            sorts: Rules of ``key``, ``type`` and ``order``.
            ids: Of a project: only these; ids, paths or runs.
            search: Part of the name or the id.
            order: Fields as text, in place of ``sorts``.
            limit: How many at the most.
            page: A numbered page, from 1.
            size: Runs a page.
            all: Everything from ``page`` on.
        """
        bounds: dict[str, Any] = {"limit": limit, "page": page, "size": size, "all": all}
        if isinstance(path, str) and "/" not in path:
            if ids is not None:
                raise ValueError(f"ids: they are those of a project, and {path!r} is a workspace")
            return self.workspace(path).runs(filters, groups, sorts, search=search, order=order, **bounds)
        return self.project(path).runs(filters, groups, sorts, ids=ids, search=search, order=order, **bounds)

    def runs_get(
        self,
        path: str,
        page: int | None = None,
        size: int | None = None,
        all: bool = False,
        *,
        limit: int | None = None,
    ) -> Runs:
        """List runs of a project without config and last values; see ``Project.runs_get``.

        Args:
            path: ``workspace/project``.
            page: A numbered page, from 1.
            size: Runs a page.
            all: Everything from ``page`` on.
            limit: How many at the most.
        """
        return self.project(path).runs_get(page, size, all, limit=limit)

    def sql(self, query: str, path: str | None = None) -> ApiResponse[QueryTable]:
        """Ask a question of runs in SQL; see ``Runs.sql``.

        Args:
            query: The question, such as ``"select project, count(*) from runs group by project"``.
            path: ``workspace/project`` or ``workspace``; ``None`` for every run that the caller can see.

        Returns:
            The table.

        Raises:
            ImportError: DuckDB is not installed.
            TypeError: An argument has another type.
            ValueError: ``path`` is no path.
        """
        if path is not None:
            return self.runs(path).sql(query)
        return ask(lambda: [workspace.runs() for workspace in self.workspaces()], query)

    # -- clean-up ------------------------------------------------------------------------------------------------

    @overload
    def clean(
        self, path: str, commit: Literal[False] = False, *, force: bool = False, **policy: Unpack[PolicyFields]
    ) -> ApiResponse[DeletionPlan]: ...
    @overload
    def clean(
        self, path: str, commit: Literal[True], *, force: bool = False, **policy: Unpack[PolicyFields]
    ) -> ApiResponse[Deletion]: ...
    @overload
    def clean(
        self, path: str, commit: bool, *, force: bool = False, **policy: Unpack[PolicyFields]
    ) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]: ...
    def clean(
        self, path: str, commit: bool = False, *, force: bool = False, **policy: Unpack[PolicyFields]
    ) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]:
        """Delete what a policy says, or tell what that would take and why the rest stays; see ``Project.clean``.

        Args:
            path: ``workspace/project``, or ``workspace`` for all its projects.
            commit: Whether to delete; else nothing is changed.
            force: Whether to take also what is guarded, but for protected runs.
            **policy: What may go: ``where``, ``older_than``; what of that stays: ``keep_last``, ``keep_within``,
                ``keep_best``, ``keep_labels``, in each group of ``group_by``; how much at once: ``max``, ``allow_all``;
                and ``thin``, if points of these runs are to go and the runs to stay.

        Returns:
            The plan, with ``apply()``; or what was deleted, with ``restore()``.
        """
        is_workspace = isinstance(path, str) and "/" not in path
        place = self.workspace(path) if is_workspace else self.project(path)
        return place.clean(commit, force=force, **policy)

    def policies(self, path: str | os.PathLike[str]) -> tuple[FilePolicy, ...]:
        """Read a file of policies; ``clean()`` of one tells what it would take.

        Args:
            path: The file, in TOML, with a ``[[policy]]`` table for each.

        Raises:
            OSError: It cannot be read.
            ValueError: Something in it is wrong; the sentence names file, line and column.
        """
        return read_policies(self._handle, path)

    # -- columns ------------------------------------------------------------------------------------------------

    def columns(  # noqa: PLR0917 - as documented
        self,
        path: str,
        page: int | None = None,
        size: int | None = None,
        search: str | None = None,
        column_class: str | None = None,
        column_type: str | None = None,
        all: bool = False,
        *,
        limit: int | None = None,
    ) -> Columns:
        """List what a run recorded; see ``Run.columns``.

        Args:
            path: ``workspace/project/run``.
            page: A numbered page, from 1.
            size: Columns a page.
            search: Part of the name; case does not matter.
            column_class: ``CUSTOM`` or ``SYSTEM``.
            column_type: ``FLOAT``, ``STRING``, ``IMAGE``, ….
            all: Everything from ``page`` on.
            limit: How many at the most.
        """
        return self.run(path).columns(page, size, search, column_class, column_type, all, limit=limit)

    def column(
        self, path: str, key: str, column_class: str | None = "CUSTOM", column_type: str | None = None
    ) -> Column:
        """Find one column of a run: exactly that key first, then part of the name; see ``Run.column``.

        Args:
            path: ``workspace/project/run``.
            key: The key, or part of the name.
            column_class: ``CUSTOM`` or ``SYSTEM``; ``None`` for either.
            column_type: ``FLOAT``, ``STRING``, ``IMAGE``, …; ``None`` for any.
        """
        return self.run(path).column(key, column_class, column_type)

    def series(
        self, path: str, metric_type: MetricType = "SCALAR", metric_class: str = "CUSTOM", search: str = ""
    ) -> Keys:
        """List what a run recorded, as SwanLab 0.10.3 names it; see ``Run.series``.

        Args:
            path: ``workspace/project/run``.
            metric_type: ``SCALAR`` or ``MEDIA``.
            metric_class: ``CUSTOM`` or ``SYSTEM``.
            search: Part of the name; case does not matter.
        """
        return self.run(path).series(metric_type, metric_class, search)

    # -- people and the installation ----------------------------------------------------------------------------

    def user(self) -> User:
        """Return the caller's account, lazily."""
        return User(self._handle)

    def self_hosted(self) -> SelfHosted:
        """Return the installation, lazily; what it offers is for administrators."""
        return SelfHosted(self._handle)

    def usage(self, path: str | None = None, *, by: UsageGroup | None = None, limit: int = 1000) -> ApiResponse[Usage]:
        """Tell how much room runs take, from figures that are kept: no point is read for it.

        Args:
            path: A workspace, a project or a run; ``None`` for all that the caller may see.
            by: What to tell apart: ``workspace``, ``project``, ``run`` or ``metric``; else what lies directly in it.
            limit: How many of the largest.

        Returns:
            The total and the items, largest first.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds.

        Example:
            >>> from runatlas import Api, Run
            >>> with Run(repo="./experiments", experiment="demo") as run:
            ...     run.log({"loss": 0.5})
            >>> found = Api("./experiments").usage().data
            >>> found.by, found.total.points, found.total.point_bytes > 0
            ('project', 1, True)
        """
        where = None if path is None else plain_path(text(path, "path"))
        depth = 0 if where is None else min(3, 1 + where.count("/"))
        return measure(self._handle, lambda: where, by or _INSIDE[depth], limit)

    # -- trash --------------------------------------------------------------------------------------------------

    def trash(self, workspace: str | None = None, *, limit: int | None = None) -> Trash:
        """List what was deleted and can be brought back, newest first.

        Args:
            workspace: Whose; ``None`` for every workspace the caller may write to.
            limit: How many at the most.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is malformed or out of bounds.
        """
        name = None if workspace is None else validate_workspace_name(workspace, argument="workspace")
        return Trash(self._handle, make_window(limit=limit), name)

    def load_plan(self, path: str | Path) -> DeletionPlan:
        """Read a deletion plan that ``DeletionPlan.save`` wrote; applied, it is held against what is there now.

        Args:
            path: The file.

        Returns:
            The plan, with ``apply()``.

        Raises:
            OSError: The file cannot be read.
            RunAtlasError: It was made at another location, and the store here cannot be asked for its runs.
            ValueError: It is no plan, damaged, or of another store; the sentence says how.
        """
        return DeletionPlan.load(self._handle, path)

    def trash_entry(self, trash_id: str) -> TrashEntry:
        """Return an entry of the trash, lazily.

        Args:
            trash_id: ``trash_id`` of the deletion, or ``id`` of the entry.

        Raises:
            TypeError: It is no string.
            ValueError: It is empty.
        """
        return TrashEntry(self._handle, None, text(trash_id, "trash_id"))

    def restore(self, trash_id: str, runs: Sequence[str] | None = None) -> ApiResponse[TrashRecord]:
        """Bring back everything of one deletion, or some of its runs.

        Args:
            trash_id: ``trash_id`` of the deletion, or ``id`` of the entry.
            runs: Ids or cuids; ``None`` for all of it.

        Returns:
            The entry, with the number of runs that came back; a ``ConflictError`` if a name is taken by now.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is empty.
        """
        return restore(self._handle, text(trash_id, "trash_id"), runs)

    def purge(
        self, trash_id: str | None = None, *, expired_only: bool = True, commit: bool = False
    ) -> ApiResponse[PurgeRecord]:
        """Remove trash for good, or tell what that would remove.

        Args:
            trash_id: One entry; ``None`` for all.
            expired_only: Whether to keep what can still be brought back.
            commit: Whether to remove; else nothing is changed.

        Returns:
            What was, or would be, removed.

        Raises:
            TypeError: An argument has another type.
            ValueError: ``trash_id`` is empty.
        """
        entry = None if trash_id is None else text(trash_id, "trash_id")
        expired, dry_run = boolean(expired_only, "expired_only"), not boolean(commit, "commit")
        return ApiResponse.of(lambda: self._handle.backend.purge(trash_id=entry, expired_only=expired, dry_run=dry_run))

    def check_report(self, path: str | Path, spec: str | Path | ReportSpec | None = None) -> ApiResponse[ReportCheck]:
        """Compute every number of a report again, from the runs as they are now.

        The store that this ``Api`` reads is asked, with the caller's rights; what the file names is no address.

        Args:
            path: What ``report.to_html``, ``to_markdown``, ``to_latex``, ``to_csv``, ``to_parquet`` or ``to_xlsx``
                wrote.
            spec: What it was made of, with its project: a file of TOML, or what ``report.spec`` was. CSV needs it, as
                it has no place for it; so does a table that a program saved anew without what it carried.

        Returns:
            Whether it ``holds``, and the ``differences``: each number that is another one now, rows that are gone or
            new, and whether the file was altered. Held against a spec, what was altered and what has changed since are
            one.

        Raises:
            ImportError: What intervals or charts need is not installed.
            OSError: The file cannot be read.
            ReportSpecError: The spec cannot be understood, a ``ValueError``.
            ValidationError: It is no report, or lacks what it is checked by.
            ValueError: The spec names no project.
        """
        asked = None if spec is None else make_spec(spec, {})
        if asked is not None and not asked.project:
            raise ValueError("spec: it names no project; add project = 'workspace/name' to it")
        return ApiResponse.of(lambda: check_report(self._handle, Path(path), asked))
