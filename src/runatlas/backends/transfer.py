"""The part of the contract about runs that go elsewhere, and names that change; see ``runatlas.backends.contract``."""
# mypy: disable-error-code="empty-body"
# ruff: noqa: B024, B027 - what is an operation is abstract

from __future__ import annotations

from abc import ABC

from runatlas.backends.operation import CHANGE, Route, operation
from runatlas.model.transfer import TransferDraft, TransferPlanRecord, TransferRecord

__all__ = ["Transfers"]


class Transfers(ABC):
    """Runs that are moved and copied, projects that are merged and renamed, and metrics that are renamed."""

    @operation("transfers", Route("POST", "/transfers/plan", "transfers", errors=CHANGE))
    def plan_transfer(self, draft: TransferDraft) -> TransferPlanRecord:
        """Tell what moving or copying runs, or merging or renaming a project, would do, without doing it.

        Of kind ``rename_metric``: what giving a metric, or media, of runs another key would do, in all its contexts and
        with what was cut out of it. A run that has that key in one of the contexts, or is protected, stands in the way.

        Raises:
            NotFoundError: There is no such project or workspace.
            ValidationError: Something in the draft is no path or key, is missing, or is in another workspace.
        """

    @operation("transfers", Route("POST", "/transfers", "transfers", errors=CHANGE, changes=True, large=True))
    def transfer(self, plan: TransferPlanRecord) -> TransferRecord:
        """Do exactly what was planned, in one transaction.

        Raises:
            ConflictError: Something is in the way, or is no longer as it was planned; nothing is done.
            NotFoundError: A project is not there, or the plan has ``missing`` ids.
        """

    @operation(
        "transfers",
        Route(
            "POST",
            "/transfers/copies",
            "transfers",
            errors=CHANGE,
            status=201,
            repeatable=False,
            changes=True,
            large=True,
        ),
    )
    def copy_runs(self, plan: TransferPlanRecord) -> TransferRecord:
        """Copy exactly the runs that were planned; nobody sees a copy before all of them are there.

        Each run is copied as it is at one moment, with all that it recorded and all that people put around it, but no
        keys, pins and protection.

        Raises:
            ConflictError: Something is in the way, or is no longer as it was planned; nothing is copied.
            NotFoundError: A project is not there, or the plan has ``missing`` ids.
        """
