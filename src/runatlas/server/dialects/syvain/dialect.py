"""The protocol, ready to be mounted."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler
from litestar.types import Method

from runatlas.server.dialects.syvain import experiment, folder, ingestion, inventory, message, metric_columns, row
from runatlas.server.dialects.syvain.envelope import answer, render
from runatlas.server.dialects.syvain.route import Route, dispatch
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.body_limit import Limits
from runatlas.server.wire.credential import bearer_or_basic
from runatlas.server.wire.dialect import Dialect
from runatlas.server.wire.endpoint import EndpointCall, make_endpoint

__all__ = ["PREFIXES", "ROUTES", "make_dialect"]

PREFIXES = (
    "/api/v1/auth",
    "/api/v1/folders",
    "/api/v1/experiments",
    "/api/v1/metrics",
    "/api/v1/query",
    "/api/v2",
)
_METHODS: tuple[Method, ...] = ("GET", "POST", "PATCH", "DELETE", "PUT")
_EXPERIMENT = "/api/v1/experiments/{experiment}"


def auth_status(call: EndpointCall) -> Answer:
    """Tell who the caller is."""
    kind = "api_key" if call.user.run_cuid is None else "ingestion_key"
    name = call.user.username
    return answer({"auth": {"kind": kind}, "organization": {"id": name, "name": name}})


ROUTES: tuple[Route, ...] = (
    Route("GET", "/api/v1/auth/status", auth_status, "any"),
    Route("GET", "/api/v1/folders", folder.list_folders),
    Route("POST", "/api/v1/folders", folder.create_folder, writes=True),
    Route("GET", "/api/v1/folders/{folder}", folder.get_folder),
    Route("PATCH", "/api/v1/folders/{folder}", folder.change_folder, writes=True),
    Route("GET", "/api/v1/experiments", experiment.list_experiments),
    Route("POST", "/api/v1/experiments", experiment.create_experiment, writes=True),
    Route("GET", _EXPERIMENT, experiment.get_experiment),
    Route("POST", _EXPERIMENT, experiment.update_status, writes=True),
    Route("PATCH", _EXPERIMENT, experiment.change_experiment, writes=True),
    Route("GET", f"{_EXPERIMENT}/ingestion-keys", ingestion.list_keys),
    Route("POST", f"{_EXPERIMENT}/ingestion-keys", ingestion.create_key, writes=True),
    Route("DELETE", f"{_EXPERIMENT}/ingestion-keys/{{key}}", ingestion.revoke_key, writes=True),
    Route("POST", f"{_EXPERIMENT}/ingest", ingestion.ingest, "experiment", writes=True, large=True),
    Route("GET", f"{_EXPERIMENT}/annotations", ingestion.list_annotations),
    Route("POST", f"{_EXPERIMENT}/annotations", ingestion.annotate, "experiment", writes=True),
    Route("GET", f"{_EXPERIMENT}/metrics", row.list_metrics),
    Route("GET", f"{_EXPERIMENT}/catalog", inventory.list_catalog),
    Route("GET", f"{_EXPERIMENT}/catalog/{{metric}}", inventory.inspect_metric),
    Route("GET", "/api/v1/metrics", row.compare_metrics),
    Route("POST", "/api/v1/query/metric-catalog", metric_columns.query_catalog),
    Route("POST", "/api/v1/query/series", metric_columns.query_series),
    Route("POST", "/api/v2/events", message.organization_events, large=True),
    Route(
        "POST",
        "/api/v2/experiments/{experiment}/events",
        message.experiment_events,
        "experiment",
        writes=True,
        large=True,
    ),
)
"""Every route."""


def make_dialect(limits: Limits) -> Dialect:
    """Make the protocol.

    Args:
        limits: How large bodies may be.

    Returns:
        What the application mounts.
    """
    return Dialect("syvain", PREFIXES, lambda: _handlers(limits), render, bearer_or_basic, _identify)


def _identify(services: Services, secret: str) -> Caller | None:
    """Tell whose secret it is: an API key, or a token that writes to one experiment."""
    return services.accounts.authenticate(secret) or services.ingestion_keys.authenticate(secret)


def _handlers(limits: Limits) -> list[HTTPRouteHandler]:
    """Take everything below the prefixes: which route a path means is for the undecoded path to say."""
    function = dispatch(ROUTES, limits.body)
    paths = [path for prefix in PREFIXES for path in (prefix, f"{prefix}/{{rest:path}}")]
    return [make_endpoint(method, path, function, limit=limits.batch) for path in paths for method in _METHODS]
