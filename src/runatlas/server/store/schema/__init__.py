"""The tables, once, for SQLite and PostgreSQL.

JSON is kept as text (``runatlas.model.codec.dumps``). Times are Unix milliseconds. Names and ids are unique among what
is not in the trash: a row with a ``trash_id`` is invisible everywhere but in the trash, and its names are free.
"""

from __future__ import annotations

from runatlas.server.store.schema.base import metadata
from runatlas.server.store.schema.file import (
    artifacts,
    blob_grants,
    blob_refs,
    blobs,
    exports,
    model_versions,
    models,
    uploads,
)
from runatlas.server.store.schema.installation import (
    api_keys,
    idempotency,
    memberships,
    schema_version,
    sessions,
    settings,
    trash,
    users,
    workspaces,
)
from runatlas.server.store.schema.journal import change_projects, change_runs, changes
from runatlas.server.store.schema.run import (
    described_labels,
    folders,
    held_policies,
    ingestion_keys,
    notes,
    policy_evaluations,
    projects,
    retired_ids,
    run_configs,
    run_labels,
    run_profiles,
    run_versions,
    runs,
)
from runatlas.server.store.schema.series import (
    chunks,
    event_ids,
    logs,
    long_contexts,
    media,
    series,
    stepless_events,
    writers,
)

__all__ = [
    "SCHEMA_VERSION",
    "api_keys",
    "artifacts",
    "blob_grants",
    "blob_refs",
    "blobs",
    "change_projects",
    "change_runs",
    "changes",
    "chunks",
    "described_labels",
    "event_ids",
    "exports",
    "folders",
    "held_policies",
    "idempotency",
    "ingestion_keys",
    "logs",
    "long_contexts",
    "media",
    "memberships",
    "metadata",
    "model_versions",
    "models",
    "notes",
    "policy_evaluations",
    "projects",
    "retired_ids",
    "run_configs",
    "run_labels",
    "run_profiles",
    "run_versions",
    "runs",
    "schema_version",
    "series",
    "sessions",
    "settings",
    "stepless_events",
    "trash",
    "uploads",
    "users",
    "workspaces",
    "writers",
]

SCHEMA_VERSION = 16
