"""Writing to an experiment: ingestion keys, metrics and annotations."""

from __future__ import annotations

from itertools import islice
from typing import Any

from runatlas.errors import ValidationError
from runatlas.model.annotation import ANNOTATION_MAX, AnnotationDraft, AnnotationQuery
from runatlas.model.ingestion_key import INGESTION_KEY_TTL_MAX_MS
from runatlas.model.page import PAGE_LIMIT, each_item
from runatlas.server.dialects.syvain.envelope import answer
from runatlas.server.dialects.syvain.field import finite_object, limit_of, objects, query_whole, read_object, whole
from runatlas.server.dialects.syvain.metric import Metric, store_metrics
from runatlas.server.dialects.syvain.record import (
    annotation_object,
    experiment_objects,
    key_object,
    path_of,
)
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import known_fields, number, optional, text

__all__ = [
    "NAME_MAX",
    "annotate",
    "create_key",
    "ingest",
    "list_annotations",
    "list_keys",
    "revoke_key",
]

NAME_MAX = 500
_EVENT_ID_MAX = 200
_KEY_NAME_MAX = 200
_METRICS_MAX = 1000
_NOTES = 1000
_NOTES_MAX = 100_000
_FIELDS = ("client_event_id", "name", "value", "step", "metadata", "timestamp_ms")


def create_key(call: EndpointCall) -> Answer:
    """Make an ingestion key; the one time that its token is shown."""
    body = read_object(call, ("name", "ttl_ms"))
    name = text(body, "name", least=1, most=_KEY_NAME_MAX)
    ttl_ms = whole(body, "ttl_ms", least=1, most=INGESTION_KEY_TTL_MAX_MS) if "ttl_ms" in body else None
    made = call.services.ingestion_keys.create_ingestion_key(call.user, path_of(call), name, ttl_ms=ttl_ms)
    return answer({"key": key_object(made.key), "token": made.secret})


def list_keys(call: EndpointCall) -> Answer:
    """List an experiment's keys, revoked ones included."""
    keys = call.services.ingestion_keys.list_ingestion_keys(call.user, path_of(call))
    return answer({"keys": [key_object(key) for key in keys]})


def revoke_key(call: EndpointCall) -> Answer:
    """Make a key useless; a second time changes nothing."""
    key = call.services.ingestion_keys.revoke_ingestion_key(call.user, path_of(call), call.params["key"])
    return answer({"key": key_object(key)})


def ingest(call: EndpointCall) -> Answer:
    """Store metrics, all of them or none."""
    sync = call.value("sync")
    if sync not in {None, "true", "false"}:
        raise ValidationError("sync: expected true or false")
    body = read_object(call, ("data",))
    now = call.services.store.clock()
    metrics = [_metric(item, now) for item in objects(body, "data", _METRICS_MAX)]
    store_metrics(call, path_of(call), metrics)
    return answer({"ok": True, "mode": "sync" if sync == "true" else "queued"})


def _metric(item: dict[str, Any], now_ms: int) -> Metric:
    known_fields(item, _FIELDS, "a metric")
    return Metric(
        text(item, "client_event_id", least=1, most=_EVENT_ID_MAX),
        text(item, "name", least=1, most=NAME_MAX),
        number(item, "value"),
        optional(whole, item, "step"),
        finite_object(item, "metadata"),
        whole({"timestamp_ms": now_ms, **item}, "timestamp_ms"),
    )


def list_annotations(call: EndpointCall) -> Answer:
    """List an experiment's annotations, oldest first."""
    start, end = query_whole(call, "from"), query_whole(call, "to")
    limit = limit_of(call, _NOTES, _NOTES_MAX)
    run = path_of(call)
    notes = each_item(
        lambda page: call.services.annotations.list_annotations(call.user, run, AnnotationQuery(start, end, page)),
        limit=min(PAGE_LIMIT, limit),
    )
    found = [annotation_object(call.params["experiment"], note) for note in islice(notes, limit)]
    return answer({"annotations": found})


def annotate(call: EndpointCall) -> Answer:
    """Note something on an experiment."""
    body = read_object(call, ("annotation", "metadata"))
    draft = AnnotationDraft(text(body, "annotation", least=1, most=ANNOTATION_MAX), finite_object(body, "metadata"))
    run = path_of(call)
    note = call.services.annotations.create_annotation(call.user, run, draft)
    (experiment,) = experiment_objects(call, [call.services.runs.get_run(call.user, run)])
    return answer({"experiment": experiment, "annotation": annotation_object(call.params["experiment"], note)})
