"""The part of the contract about what is said of a run, and keys that write to it; see ``backends.contract``."""
# mypy: disable-error-code="empty-body"
# ruff: noqa: B024, B027 - what is an operation is abstract

from __future__ import annotations

from abc import ABC

from runatlas.backends.operation import GUARDED, READ, RUN, Envelope, Route, operation
from runatlas.model.annotation import AnnotationDraft, AnnotationQuery, AnnotationRecord
from runatlas.model.ids import RunPath
from runatlas.model.ingestion_key import IngestionKeyRecord, NewIngestionKeyRecord
from runatlas.model.page import Page
from runatlas.model.series import CatalogEntry

__all__ = ["Annotations"]


class Annotations(ABC):
    """Notes on runs, their catalogs of metrics, and keys that write to one run."""

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
