"""The part of the contract about registered models; see ``runatlas.backends.contract``."""
# mypy: disable-error-code="empty-body"
# ruff: noqa: B024, B027 - what is an operation is abstract

from __future__ import annotations

from abc import ABC

from runatlas.backends.operation import GUARDED, Envelope, Route, operation
from runatlas.model.registry import ModelRecord, ModelVersionDraft, ModelVersionRecord, Stage

__all__ = ["Registry"]


class Registry(ABC):
    """Models and their versions."""

    @operation("registry", Route("GET", "/models/{workspace}", "models", errors=GUARDED))
    def list_models(self, workspace: str) -> tuple[ModelRecord, ...]:
        """List a workspace's models by name."""

    @operation("registry", Route("GET", "/models/{workspace}/{name}/versions", "models", errors=GUARDED))
    def list_model_versions(self, workspace: str, name: str) -> tuple[ModelVersionRecord, ...]:
        """List a model's versions, oldest first.

        Raises:
            NotFoundError: The workspace has no such model.
        """

    @operation("registry", Route("POST", "/models", "models", errors=GUARDED, status=201, changes=True))
    def create_model_version(self, draft: ModelVersionDraft) -> ModelVersionRecord:
        """Register an artifact of a run as the next version of a model, making the model if needed.

        Raises:
            NotFoundError: There is no such run, or it has no such artifact.
        """

    @operation(
        "registry",
        Route(
            "PATCH",
            "/models/{workspace}/{name}/versions/{version}",
            "models",
            errors=GUARDED,
            body=Envelope("Promotion", "Where a version is to go."),
        ),
    )
    def promote_model(self, workspace: str, name: str, version: int, stage: Stage) -> ModelVersionRecord:
        """Change a version's stage; promoting to production archives the one there before, in the same transaction.

        Raises:
            NotFoundError: There is no such model or version.
        """
