"""What metrics an experiment has, and what is in their metadata."""

from __future__ import annotations

from typing import Any

from runatlas.server.dialects.syvain.envelope import answer
from runatlas.server.dialects.syvain.field import limit_of
from runatlas.server.dialects.syvain.metadata import canonical, metadata_of
from runatlas.server.dialects.syvain.record import path_of
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["inspect_metric", "list_catalog"]

_LIST_MAX = 100_000


def list_catalog(call: EndpointCall) -> Answer:
    """List an experiment's metrics, each with the names in its metadata."""
    limit = limit_of(call, _LIST_MAX, _LIST_MAX)
    run = path_of(call)
    kept = call.services.events.kept_metadata(call.user, run)
    made = []
    for entry in call.services.catalog.get_catalog(call.user, run)[:limit]:
        names = {name for context in entry.contexts for name in metadata_of(context, kept)}
        made.append({"metric_name": entry.key, "metadata_keys": sorted(names)})
    return answer({"metrics": made})


def inspect_metric(call: EndpointCall) -> Answer:
    """List the values in the metadata of one metric."""
    limit = limit_of(call, _LIST_MAX, _LIST_MAX)
    asked = list(dict.fromkeys(call.values("key")))
    name = call.params["metric"]
    run = path_of(call)
    kept = call.services.events.kept_metadata(call.user, run)
    entries = [entry for entry in call.services.catalog.get_catalog(call.user, run) if entry.key == name]
    values: dict[str, dict[str, Any]] = {}
    for entry in entries:
        for context in entry.contexts:
            for key, value in metadata_of(context, kept).items():
                values.setdefault(key, {}).setdefault(canonical(value), value)
    keys = [
        {"key": key, "values": list(values.get(key, {}).values())[:limit], "value_count": len(values.get(key, {}))}
        for key in asked or sorted(values)
    ]
    scanned = sum(entry.points for entry in entries)
    return answer({"metadata": {"metric_name": name, "scanned_event_count": scanned, "keys": keys}})
