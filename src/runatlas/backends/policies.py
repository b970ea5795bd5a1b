"""The part of the contract about policies of clean-up that projects hold; see ``runatlas.backends.contract``."""
# mypy: disable-error-code="empty-body"
# ruff: noqa: B024, B027 - what is an operation is abstract

from __future__ import annotations

from abc import ABC

from runatlas.backends.operation import CHANGE, GUARDED, PROJECT, READ, Envelope, Route, operation
from runatlas.model.held_policy import EVERY, EvaluationRecord, HeldPolicyRecord
from runatlas.model.ids import ProjectPath
from runatlas.model.page import Page, PageRequest
from runatlas.model.policy import Policy

__all__ = ["Policies"]


class Policies(ABC):
    """Policies that projects hold, and what their evaluations did."""

    @operation("policies", Route("GET", PROJECT + "/policies", "policies", errors=READ))
    def list_policies(self, project: ProjectPath) -> tuple[HeldPolicyRecord, ...]:
        """List the policies that a project holds, by name.

        Raises:
            NotFoundError: There is no such project.
        """

    @operation(
        "policies",
        Route(
            "PUT",
            PROJECT + "/policies/{name}",
            "policies",
            errors=CHANGE,
            body=Envelope("HeldPolicyDraft", "A policy that a project is to hold; it reports only unless it ``acts``."),
        ),
    )
    def hold_policy(
        self, project: ProjectPath, name: str, policy: Policy, *, every: str = EVERY, acts: bool = False
    ) -> HeldPolicyRecord:
        """Let a project hold a policy, in place of the one of that name; it is due at once.

        Raises:
            ConflictError: The project holds as many policies as it may.
            NotFoundError: There is no such project.
            ValidationError: The policy, its name or ``every`` cannot be understood.
        """

    @operation(
        "policies",
        Route(
            "PATCH",
            PROJECT + "/policies/{name}",
            "policies",
            errors=GUARDED,
            body=Envelope("HeldPolicySwitch", "Whether a held policy deletes, or reports only."),
        ),
    )
    def switch_policy(self, project: ProjectPath, name: str, *, acts: bool) -> HeldPolicyRecord:
        """Let a policy act from its next evaluation on, or report only; it is evaluated with the caller's rights then.

        Raises:
            NotFoundError: There is no such project, or it holds no such policy.
        """

    @operation("policies", Route("DELETE", PROJECT + "/policies/{name}", "policies", errors=GUARDED))
    def release_policy(self, project: ProjectPath, name: str) -> None:
        """Let a project hold a policy no longer; its log stays.

        Raises:
            NotFoundError: There is no such project, or it holds no such policy.
        """

    @operation("policies", Route("GET", PROJECT + "/evaluations", "policies", errors=READ))
    def list_evaluations(
        self, project: ProjectPath, page: PageRequest, *, policy: str | None = None
    ) -> Page[EvaluationRecord]:
        """List what evaluations of a project's policies did, newest first; of one policy if it is named."""
