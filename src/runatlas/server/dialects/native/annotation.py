"""Routes of what is said of a run, and of the keys that may only write to it."""

from __future__ import annotations

import attrs

from runatlas.model.annotation import AnnotationDraft, AnnotationQuery, AnnotationRecord
from runatlas.model.catalog import CatalogEntry
from runatlas.model.ids import RunPath
from runatlas.model.ingestion_key import IngestionKeyRecord, NewIngestionKeyRecord
from runatlas.model.page import Page
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["routes"]

routes = RouteTable("annotations")

_RUN = "/runs/{workspace}/{project}/{run}"


@attrs.frozen
class IngestionKeyDraft:
    """A key to be made; ``ttl_ms`` is its life, a day unless said otherwise."""

    name: str
    ttl_ms: int | None = None


@routes.add("POST", _RUN + "/annotations/query", errors=(404,))
def list_annotations(
    services: Services, caller: Caller, path: RunPath, body: AnnotationQuery
) -> Page[AnnotationRecord]:
    """List a run's notes, oldest first."""
    return services.annotations.list_annotations(caller, path, body)


@routes.add("POST", _RUN + "/annotations", statuses=(201,), errors=(403, 404), write=True)
def create_annotation(services: Services, caller: Caller, path: RunPath, body: AnnotationDraft) -> AnnotationRecord:
    """Note something on a run; a repeated event id answers the first note."""
    return services.annotations.create_annotation(caller, path, body)


@routes.add("GET", _RUN + "/ingestion-keys", errors=(403, 404))
def list_ingestion_keys(services: Services, caller: Caller, path: RunPath) -> tuple[IngestionKeyRecord, ...]:
    """List a run's keys, oldest first, revoked and expired ones included."""
    return services.ingestion_keys.list_ingestion_keys(caller, path)


@routes.add("POST", _RUN + "/ingestion-keys", statuses=(201,), errors=(403, 404))
def create_ingestion_key(
    services: Services, caller: Caller, path: RunPath, body: IngestionKeyDraft
) -> NewIngestionKeyRecord:
    """Make a key; its secret is shown this once, so a repeated request makes another one."""
    return services.ingestion_keys.create_ingestion_key(caller, path, body.name, ttl_ms=body.ttl_ms)


@routes.add("DELETE", _RUN + "/ingestion-keys/{key_id}", errors=(403, 404))
def revoke_ingestion_key(services: Services, caller: Caller, path: RunPath, key_id: str) -> IngestionKeyRecord:
    """Make a key useless at once; a second call answers the first time."""
    return services.ingestion_keys.revoke_ingestion_key(caller, path, key_id)


@routes.add("GET", _RUN + "/catalog", errors=(404,))
def get_catalog(services: Services, caller: Caller, path: RunPath) -> tuple[CatalogEntry, ...]:
    """List a run's scalar metrics by key, with their contexts."""
    return services.catalog.get_catalog(caller, path)
