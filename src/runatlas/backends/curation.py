"""The part of the contract about what people put around runs; see ``runatlas.backends.contract``."""
# mypy: disable-error-code="empty-body"
# ruff: noqa: B024, B027 - what is an operation is abstract

from __future__ import annotations

from abc import ABC

from runatlas.backends.operation import CHANGE, GUARDED, PROJECT, READ, RUN, Envelope, Route, operation
from runatlas.model.annotation import AnnotationDraft, AnnotationQuery, AnnotationRecord
from runatlas.model.folder import FolderPatch, FolderRecord
from runatlas.model.held_policy import EVERY, EvaluationRecord, HeldPolicyRecord
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.ingestion_key import IngestionKeyRecord, NewIngestionKeyRecord
from runatlas.model.page import Page, PageRequest
from runatlas.model.policy import Policy
from runatlas.model.registry import ModelRecord, ModelVersionDraft, ModelVersionRecord, Stage
from runatlas.model.series import CatalogEntry

__all__ = ["Curation"]


class Curation(ABC):
    """Folders, policies that projects hold, notes, keys that write to one run, and models."""

    # -- folders ------------------------------------------------------------------------------------------------

    @operation("folders", Route("GET", PROJECT + "/folders", "folders", errors=READ))
    def list_folders(self, project: ProjectPath) -> tuple[FolderRecord, ...]:
        """List a project's folders by path, each after its parent."""

    @operation(
        "folders",
        Route(
            "POST",
            PROJECT + "/folders",
            "folders",
            errors=CHANGE,
            status=201,
            body=Envelope("FolderDraft", "A folder to be made; without a parent at the top."),
            changes=True,
        ),
    )
    def create_folder(self, project: ProjectPath, name: str, parent_id: str | None = None) -> FolderRecord:
        """Make a folder; without a parent at the top.

        Raises:
            ConflictError: The parent has a folder of that name.
            NotFoundError: There is no such project or parent.
        """

    @operation("folders", Route("PATCH", PROJECT + "/folders/{folder_id}", "folders", errors=CHANGE))
    def update_folder(self, project: ProjectPath, folder_id: str, patch: FolderPatch) -> FolderRecord:
        """Rename or move a folder; what lies in it comes along.

        Raises:
            ConflictError: The name is taken there, or the folder would lie in itself.
            NotFoundError: There is no such folder or parent.
        """

    @operation("folders", Route("DELETE", PROJECT + "/folders/{folder_id}", "folders", errors=CHANGE))
    def delete_folder(self, project: ProjectPath, folder_id: str) -> None:
        """Delete an empty folder.

        Raises:
            ConflictError: It holds runs or folders.
            NotFoundError: There is no such folder.
        """

    # -- policies of clean-up that a project holds --------------------------------------------------------------

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

    # -- what is said of a run ----------------------------------------------------------------------------------

    @operation("annotations", Route("POST", RUN + "/annotations/query", "annotations", errors=READ))
    def list_annotations(self, run: RunPath, query: AnnotationQuery) -> Page[AnnotationRecord]:
        """List a run's notes, oldest first."""

    @operation(
        "annotations", Route("POST", RUN + "/annotations", "annotations", errors=GUARDED, status=201, changes=True)
    )
    def create_annotation(self, run: RunPath, draft: AnnotationDraft) -> AnnotationRecord:
        """Note something on a run; a repeated event id answers the first note."""

    @operation("catalog", Route("GET", RUN + "/catalog", "annotations", errors=READ))
    def get_catalog(self, run: RunPath) -> tuple[CatalogEntry, ...]:
        """List a run's scalar metrics by key, with their contexts and how many points they have."""

    # -- keys that write to one run -----------------------------------------------------------------------------

    @operation("ingestion_keys", Route("GET", RUN + "/ingestion-keys", "annotations", errors=GUARDED))
    def list_ingestion_keys(self, run: RunPath) -> tuple[IngestionKeyRecord, ...]:
        """List a run's keys, oldest first, revoked and expired ones included."""

    @operation(
        "ingestion_keys",
        Route(
            "POST",
            RUN + "/ingestion-keys",
            "annotations",
            errors=GUARDED,
            status=201,
            body=Envelope(
                "IngestionKeyDraft", "A key to be made; ``ttl_ms`` is its life, a day unless said otherwise."
            ),
            repeatable=False,
            changes=True,
        ),
    )
    def create_ingestion_key(self, run: RunPath, name: str, *, ttl_ms: int | None = None) -> NewIngestionKeyRecord:
        """Make a key that may write to this run only; it lives a day unless said otherwise, a week at the most.

        Raises:
            ValidationError: The name or the life is out of bounds.
        """

    @operation("ingestion_keys", Route("DELETE", RUN + "/ingestion-keys/{key_id}", "annotations", errors=GUARDED))
    def revoke_ingestion_key(self, run: RunPath, key_id: str) -> IngestionKeyRecord:
        """Make a key useless at once; a second call answers the first time.

        Raises:
            NotFoundError: The run has no such key.
        """

    # -- the model registry -------------------------------------------------------------------------------------

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
