"""The part of the contract about changes: planned, noted in the journal, taken back; see ``backends.contract``."""
# mypy: disable-error-code="empty-body"
# ruff: noqa: B024, B027 - what is an operation is abstract

from __future__ import annotations

from abc import ABC

from runatlas.backends.operation import CHANGE, READ, Envelope, Route, operation
from runatlas.model.change import ChangedRunRecord, ChangeQuery, ChangeRecord, UpdatePlanRecord, UpdateRecord
from runatlas.model.page import Page, PageRequest
from runatlas.model.run import RunPatch, RunSelection

__all__ = ["Changes"]


class Changes(ABC):
    """Updates that are planned, and the journal of all that was changed."""

    # -- planned updates ----------------------------------------------------------------------------------------

    @operation(
        "updates",
        Route(
            "POST",
            "/updates/plan",
            "changes",
            errors=CHANGE,
            body=Envelope("UpdateDraft", "What would be changed, of which runs."),
        ),
    )
    def plan_update(self, selection: RunSelection, patch: RunPatch) -> UpdatePlanRecord:
        """Tell what changing all selected runs would do, without doing it; ``missing`` ids are told.

        Raises:
            NotFoundError: There is no such project, workspace or folder.
            ValidationError: Something in the patch is out of bounds.
        """

    @operation("updates", Route("POST", "/updates", "changes", errors=CHANGE, changes=True, large=True))
    def apply_update(self, plan: UpdatePlanRecord) -> UpdateRecord:
        """Do exactly what was planned, in one transaction.

        Raises:
            ConflictError: A run is no longer where it was, what would change of it was changed meanwhile, or as in
                ``update_runs``; nothing is changed then.
            NotFoundError: The plan has ``missing`` ids, or there is no such project.
        """

    # -- the journal --------------------------------------------------------------------------------------------

    @operation("changes", Route("POST", "/changes/query", "changes", errors=READ))
    def list_changes(self, query: ChangeQuery) -> Page[ChangeRecord]:
        """List lines of the journal, newest first: those all of whose projects the caller may read.

        Raises:
            NotFoundError: There is no such workspace, project or run.
        """

    @operation("changes", Route("GET", "/changes/{change_id}", "changes", errors=READ))
    def get_change(self, change_id: str) -> ChangeRecord:
        """Return a line of the journal.

        Raises:
            NotFoundError: There is none that the caller may see.
        """

    @operation("changes", Route("GET", "/changes/{change_id}/runs", "changes", errors=READ))
    def list_changed_runs(self, change_id: str, page: PageRequest) -> Page[ChangedRunRecord]:
        """List the runs that a change reached, and what it made of them.

        Those that are gone for good are left out, and those that lie now where the caller may not read them.

        Raises:
            NotFoundError: There is no such change that the caller may see.
        """

    @operation("changes", Route("POST", "/changes/{change_id}/undo", "changes", errors=CHANGE, changes=True))
    def undo_change(self, change_id: str, *, dry_run: bool = False) -> ChangeRecord:
        """Take a change back: all of it or nothing, in one transaction that the journal notes as another change.

        Args:
            change_id: The change.
            dry_run: Only see whether it can be taken back.

        Returns:
            The change that took it back.

        Raises:
            ConflictError: It was taken back already, is of a kind that is not, or its time is over; something that it
                changed was changed since, or a run is gone. Nothing is taken back then.
            NotFoundError: There is no such change that the caller may see.
        """
