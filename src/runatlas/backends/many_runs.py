"""The part of the contract about many runs at once; see ``runatlas.backends.contract``."""
# mypy: disable-error-code="empty-body"
# ruff: noqa: B024, B027 - what is an operation is abstract

from __future__ import annotations

from abc import ABC

from runatlas.backends.operation import CHANGE, READ, Envelope, Route, operation
from runatlas.model.filters import Field
from runatlas.model.run import RunSelection
from runatlas.model.run_group import RunGroupRecord
from runatlas.model.run_import import RunImport, RunImportRecord

__all__ = ["ManyRuns"]


class ManyRuns(ABC):
    """Runs that come whole, many at once, and runs counted by what they have."""

    @operation(
        "runs",
        Route(
            "POST",
            "/runs/groups",
            "runs",
            errors=READ,
            body=Envelope("RunGrouping", "Which runs are grouped by what."),
            answer=Envelope(
                "RunGroups", "The groups: numbers first, then texts, and runs that have none last.", "groups"
            ),
            keep="moving",
        ),
    )
    def group_runs(self, selection: RunSelection, fields: tuple[Field, ...]) -> tuple[RunGroupRecord, ...]:
        """Count runs by the values that they have in some fields, without loading them.

        Values are equal as filters have it: ``1``, ``1.0`` and ``True`` are, ``1`` and ``"1"`` are not, NaN is equal to
        itself. Runs that have nothing there, ``null`` or a section make the group of ``None``.

        Returns:
            All groups, in the order in which a listing has them.

        Raises:
            NotFoundError: There is no such project or workspace.
            ValidationError: Runs cannot be grouped by one of the fields, there are more than 20,000 groups, or
                their values are longer than 8,000,000 characters together.
        """

    @operation(
        "run_imports",
        Route(
            "POST",
            "/runs/import",
            "runs",
            errors=CHANGE,
            body=Envelope("RunImports", "Runs that come whole, up to 1000 with 1,000,000 values."),
            answer=Envelope("RunImportAnswer", "What became of each run, in their order.", "runs"),
            changes=True,
        ),
        makes_store=True,
    )
    def import_runs(self, runs: tuple[RunImport, ...]) -> tuple[RunImportRecord, ...]:
        """Make runs with all their points, in one transaction: each is there whole, or not at all.

        A run that cannot be stored is refused and does not keep the others out; one whose id its project has is left
        as it is.

        Returns:
            What became of each, in their order.

        Raises:
            NotFoundError: There is no such workspace, or project that a run does not make; nothing is made then.
            PermissionDeniedError: The caller may not write to one of the projects; nothing is made then.
            ValidationError: There are more than 1000, or they have more than 1,000,000 values.
        """
