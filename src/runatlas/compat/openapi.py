"""``OpenApi``: a few flat calls over ``Api``, for scripts written against SwanLab's OpenApi."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

import attrs

from runatlas.api.entry import Api
from runatlas.entities.project import Project as ProjectEntity
from runatlas.entities.run import Run
from runatlas.model.ids import project_names, validate_run_id
from runatlas.response import ApiResponse

__all__ = ["Experiment", "Items", "OpenApi", "Project"]

T = TypeVar("T")

_COUNTS = {"running": "runningExps"}


@attrs.frozen
class Experiment:
    """A run, as SwanLab's OpenApi names its fields.

    Attributes:
        createdAt, finishedAt: ISO 8601, UTC; ``finishedAt`` is ``None`` while it is not finished.
        user: ``username`` and ``name`` of its creator.
        profile: ``config``; of a single run also ``metadata``, ``requirements`` and ``conda``.
    """

    cuid: str
    name: str
    description: str
    state: str
    show: bool
    createdAt: str  # noqa: N815  the documented name
    finishedAt: str | None  # noqa: N815
    user: dict[str, str]
    profile: dict[str, Any]

    def json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return attrs.asdict(self)


@attrs.frozen
class Project:
    """A project, as SwanLab's OpenApi names its fields.

    Attributes:
        createdAt, updatedAt: ISO 8601, UTC.
        group: ``type``, ``username`` and ``name`` of its workspace.
        count: How much it holds; empty when that was not asked for.
    """

    cuid: str
    name: str
    description: str
    visibility: str
    createdAt: str  # noqa: N815  the documented name
    updatedAt: str | None  # noqa: N815
    group: dict[str, str]
    count: dict[str, int]

    def json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return attrs.asdict(self)


class Items(list[T]):
    """A list that also has itself as ``items``: scripts write ``data[0]`` and ``data.items[0]``."""

    @property
    def items(self) -> list[T]:
        """The list itself."""
        return self


class OpenApi:
    """The calls of SwanLab's OpenApi; all of them answer an ``ApiResponse`` and raise for wrong arguments only.

    Args:
        api_key: The key; ``None`` for the one that ``login`` or the environment left.
        host: The server; ``None`` as for ``Api``.
        location: A directory or a server's address, as for ``Api``.
        api: An ``Api`` to ask instead of a new one.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is malformed, or two contradict each other.

    Example:
        >>> from runatlas import Api
        >>> api = Api("./experiments")
        >>> project = api.create_project(name="baseline")
        >>> OpenApi(api=api).list_workspaces().code
        200
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        host: str | None = None,
        location: str | os.PathLike[str] | None = None,
        api: Api | None = None,
    ) -> None:
        if api is not None and any(value is not None for value in (api_key, host, location)):
            raise ValueError("api: it says already where the data is; leave out the other arguments")
        self._api = Api(location, host=host, api_key=api_key) if api is None else api

    def close(self) -> None:
        """Release connections and files; a second call does nothing."""
        self._api.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def list_workspaces(self) -> ApiResponse[Items[dict[str, str]]]:
        """List the workspaces that the caller belongs to.

        Returns:
            ``name``, ``username`` and ``role`` of each.
        """

        def read() -> Iterable[dict[str, str]]:
            for found in self._api.workspaces(self._api.user().username):
                yield {"name": found.name, "username": found.username, "role": found.role}

        return _listed(read)

    def list_project_exps(self, project: str, username: str | None = None) -> ApiResponse[Items[Experiment]]:
        """List all runs of a project, newest first, with their configs.

        Args:
            project: Its name.
            username: Its workspace; ``None`` for the caller's own.

        Returns:
            The runs.

        Raises:
            TypeError: An argument has another type.
            ValueError: It can be no project's name.
        """
        find = self._finder(project, username)

        def read() -> Iterable[Experiment]:
            return (_experiment(run, {"config": run.config}) for run in find().runs())

        return _listed(read)

    def get_experiment(self, project: str, exp_cuid: str, user: str | None = None) -> ApiResponse[Experiment]:
        """Return a run with its whole profile.

        Args:
            project: The name of its project.
            exp_cuid: Its cuid, or the id that its tracker chose.
            user: The workspace; ``None`` for the caller's own.

        Returns:
            The run.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is malformed.
        """
        find = self._finder(project, user)
        validate_run_id(exp_cuid, argument="exp_cuid")

        def read() -> Experiment:
            run = find().run(exp_cuid)
            return _experiment(run, {**run.profile, "config": run.config})

        return ApiResponse.of(read)

    def list_projects(self, username: str | None = None, detail: bool = True) -> ApiResponse[Items[Project]]:
        """List all projects of a workspace, the latest changed first.

        Args:
            username: The workspace; ``None`` for the caller's own.
            detail: Whether ``count`` is wanted.

        Returns:
            The projects.

        Raises:
            TypeError: An argument has another type.
            ValueError: It can be no workspace's name.
        """
        workspace = self._api.workspace(username)

        def read() -> Iterable[Project]:
            group = {
                "type": workspace.workspace_type,
                "username": workspace.username,
                "name": workspace.name,
            }
            found = self._api.projects(workspace.username, detail=detail)
            return (_project(item, group, item.count if detail else {}) for item in found)

        return _listed(read)

    def _finder(self, project: str, username: str | None) -> Callable[[], ProjectEntity]:
        """Check a project's name now, and ask for the caller's own only when the project is wanted."""
        project_names(project, argument="project")
        workspace = self._api.workspace(username)
        return lambda: workspace.project(project)


def _listed(read: Callable[[], Iterable[T]]) -> ApiResponse[Items[T]]:
    return ApiResponse.of(lambda: Items(read()))


def _experiment(run: Run, profile: dict[str, Any]) -> Experiment:
    return Experiment(
        cuid=run.cuid,
        name=run.name,
        description=run.description,
        state=run.state,
        show=run.show,
        createdAt=run.created_at,
        finishedAt=run.finished_at,
        user=run.user,
        profile=profile,
    )


def _project(project: ProjectEntity, group: dict[str, str], count: dict[str, int]) -> Project:
    return Project(
        cuid=project.project_id,
        name=project.name,
        description=project.description,
        visibility=project.visibility,
        createdAt=project.created_at,
        updatedAt=project.updated_at,
        group=dict(group),
        count={_COUNTS.get(name, name): number for name, number in count.items()},
    )
