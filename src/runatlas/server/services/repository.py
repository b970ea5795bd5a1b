"""The caller's own workspace as one repository: for protocols that know runs and experiments, but no workspaces."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from runatlas.errors import ConflictError, NotFoundError
from runatlas.model.filters import Filter
from runatlas.model.ids import ProjectPath, project_name_of, project_names
from runatlas.model.page import PageRequest, each_item
from runatlas.model.project import ProjectDraft, ProjectQuery, ProjectRecord
from runatlas.model.run import RUN_PARTS, RunPart, RunQuery, RunRecord, RunSelection
from runatlas.server.services.caller import Caller
from runatlas.server.services.projects import Projects
from runatlas.server.services.runs import Runs
from runatlas.server.services.validation import checked

__all__ = ["Repository"]


class Repository:
    """What the workspace that is named after the caller holds."""

    def __init__(self, projects: Projects, runs: Runs) -> None:
        self._projects = projects
        self._runs = runs

    def find_run(self, caller: Caller, run_id: str, *, parts: tuple[RunPart, ...] = RUN_PARTS) -> RunRecord:
        """Find a run by its id or cuid, in whatever project it is; of several of one id the newest.

        Raises:
            NotFoundError: The workspace has no such run.
        """
        query = RunQuery(RunSelection(caller.username, ids=(run_id,)), parts=parts, page=PageRequest(limit=1))
        found = self._runs.list_runs(caller, query).items
        if not found:
            raise NotFoundError("no such run")
        return found[0]

    def iterate_runs(
        self,
        caller: Caller,
        *,
        project: str | None = None,
        filter: Filter | None = None,
        parts: tuple[RunPart, ...] = (),
    ) -> Iterator[RunRecord]:
        """Go through runs, newest first."""
        selection = RunSelection(caller.username, project, filter=filter)
        return each_item(lambda page: self._runs.list_runs(caller, RunQuery(selection, parts=parts, page=page)))

    def find_project(self, caller: Caller, title: str) -> ProjectRecord | None:
        """Find the project of a free text."""
        try:
            return self._projects.get_project(caller, ProjectPath(caller.username, project_name_of(title)))
        except NotFoundError:
            return None

    def project_for(self, caller: Caller, title: str) -> ProjectRecord:
        """Find the project of a free text, or make it; two who make it at once get the same.

        Raises:
            ValidationError: The text is empty or too long.
        """
        name, shown = checked(project_names, title, "experiment")
        found = self.find_project(caller, title)
        if found is not None:
            return found
        try:
            return self._projects.create_project(caller, ProjectDraft(name, title=shown))
        except ConflictError:
            return self._projects.get_project(caller, ProjectPath(caller.username, name))

    def list_projects(self, caller: Caller) -> list[ProjectRecord]:
        """List all projects, by name."""
        query = ProjectQuery(caller.username, sort="name")
        return list(each_item(lambda page: self._projects.list_projects(caller, attrs.evolve(query, page=page))))
